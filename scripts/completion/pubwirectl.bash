# SPDX-License-Identifier: BSD-3-Clause
# Completion for pubwirectl(8): commands and options by its own --help, prefixes of programs that run.

# Option names of a help text.
_pubwirectl_options() {
	grep -oE '^ +(-[a-zA-Z], )?--[a-z-]+' | grep -oE -- '-[a-zA-Z-]+'
}

_pubwirectl() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} command='' words commands i
	COMPREPLY=()
	[[ $cur == = ]] && cur=''
	[[ $prev == = ]] && prev=${COMP_WORDS[COMP_CWORD - 2]}
	case $prev in
	-p | --file-prefix)
		words=$(for i in {"${RUNTIME_DIRECTORY:-/run}",/run,"${XDG_RUNTIME_DIR:-/tmp}",/tmp}/dpdk/*/dpdk_telemetry.v2; do
			[[ -e $i ]] && basename "$(dirname "$i")"
		done)
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur" | sort -u)
		return
		;;
	# Of capture; with drops it is --watch.
	-w) [[ " ${COMP_WORDS[*]} " == *" capture "* ]] && prev=--write ;;
	esac
	case $prev in
	--socket | --write)
		compopt -o filenames 2> /dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		return
		;;
	esac
	words=$("$1" --help 2> /dev/null)
	commands=$(grep -oE '^  [a-z][a-z-]+  ' <<< "$words")
	for ((i = 1; i < COMP_CWORD; i++)); do
		if [[ " "$(echo $commands)" " == *" ${COMP_WORDS[i]} "* ]]; then
			command=${COMP_WORDS[i]}
			break
		fi
	done
	if [[ -z $command ]]; then
		words="$commands $(_pubwirectl_options <<< "$words")"
	else
		words="$(_pubwirectl_options <<< "$words") $("$1" "$command" --help 2> /dev/null | _pubwirectl_options)"
		if [[ $command == log-level ]]; then
			words+=' all base wire tcp mqtt forward worker manage app
				emergency alert critical error warning notice info debug'
		fi
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur" | sort -u)
}

complete -F _pubwirectl pubwirectl
