# SPDX-License-Identifier: BSD-3-Clause
# Completion for pubwire(8): options by its own --help, files, and behind "--" what DPDK is often told.

_pubwire() {
	local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} word
	COMPREPLY=()
	for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
		if [[ $word == -- ]]; then
			mapfile -t COMPREPLY < <(compgen -W "--allow= --block= --file-prefix= --iova-mode= --lcores=
				--log-level= --main-lcore= --no-huge --no-pci --no-telemetry --socket-mem= --vdev= -a -l -m" -- "$cur")
			[[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace 2> /dev/null
			return
		fi
	done
	# Bash takes "=" for a word of its own.
	[[ $cur == = ]] && cur='' && prev=${COMP_WORDS[COMP_CWORD - 1]}
	[[ $prev == = ]] && prev=${COMP_WORDS[COMP_CWORD - 2]}
	case $prev in
	-c | --config)
		compopt -o filenames 2> /dev/null
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
		;;
	*)
		mapfile -t COMPREPLY < <(compgen -W "$("$1" --help 2> /dev/null |
			grep -oE '^  (-[a-zA-Z]|   ?),? *--[a-z-]+' | grep -oE -- '-[a-zA-Z-]+') --" -- "$cur")
		;;
	esac
}

complete -F _pubwire pubwire
