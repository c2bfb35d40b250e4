#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
# Exit status and first words of the program: what scripts and init systems rely on.
# Usage: test_manage_app.sh PUBWIRE DATA_DIR DOCS_DIR
pubwire=$1 data=$2 docs=$3
n=0 failed=0
out=$(mktemp) err=$(mktemp)
trap 'rm -f "$out" "$err"' EXIT

# expect STATUS FILE TEXT ARGUMENT...: run; FILE (out or err) must hold the text.
expect() {
	want=$1 where=$2 text=$3
	shift 3
	n=$((n + 1))
	"$pubwire" "$@" >"$out" 2>"$err" </dev/null
	got=$?
	[ "$where" = out ] && file=$out || file=$err
	if [ $got -eq "$want" ] && grep -qF -- "$text" "$file"; then
		echo "ok $n - pubwire $* ends with $want"
	else
		failed=$((failed + 1))
		echo "not ok $n - pubwire $*: status $got (want $want), $where lacks: $text"
		sed 's/^/# /' "$out" "$err"
	fi
}

# fails like expect() where standard error is not exactly one line.
one_line() {
	n=$((n + 1))
	if [ "$(wc -l <"$err")" -eq 1 ]; then
		echo "ok $n - in one line"
	else
		failed=$((failed + 1))
		echo "not ok $n - in one line"
		sed 's/^/# /' "$err"
	fi
}

expect 0 out "Exit status: 0 fine, 1 fatal, 64 wrong usage, 78 wrong configuration" --help
expect 0 out "DPDK" --version
expect 64 err "'--no-huge'" --no-huge
expect 64 err "after --" somefile.yaml
expect 64 err "needs a value" --config
expect 64 err "exclude each other" --check-config --print-config
expect 0 out "https://json-schema.org/draft/2020-12/schema" --print-schema

expect 0 out "memory plan" --config "$data/accept-least.yaml" --check-config
expect 0 out "an idle device connection takes 480 bytes" --config "$data/accept-least.yaml" --check-config
# What scripts/hugepages reads.
expect 0 out "plan: buffers=" --config "$data/accept-least.yaml" --check-config
expect 0 out ": fine" --config "$data/accept-everything.yaml" --check-config
expect 0 out 'password: "***"' --config "$data/accept-everything.yaml" --print-config
expect 0 out "hold: {messages: 0, bytes: 0} # bytes 0: what" --config "$data/accept-least.yaml" --print-config
expect 0 out ": fine" --config "$docs/pubwire.yaml" --check-config -- -l 0,1

expect 78 err "No such file" --config "$data/nosuch.yaml"
one_line
expect 78 err "unknown key; expected" --config "$data/refuse-unknown-port-key.yaml" --check-config
one_line
expect 78 err "overlaps" --config "$data/refuse-address-overlap.yaml"
one_line

# The files of authentication: a refusal is theirs, with a line of theirs.
dir=$(mktemp -d)
cp "$data/accept-least.yaml" "$dir/auth.yaml"
echo 'authentication: {password_file: users, acl_file: rules}' >>"$dir/auth.yaml"
expect 78 err "$dir/auth.yaml:$(wc -l <"$dir/auth.yaml"):33: authentication.password_file: $dir/users: No such file or directory; expected a file that can be read" --config "$dir/auth.yaml"
one_line
cp "$data/access/accept.passwd" "$dir/users"
printf 'user ann\n  topics ann/#\n' >"$dir/rules"
expect 78 err "$dir/rules:2:3: 'topics' is unknown; expected user, topic or pattern" --config "$dir/auth.yaml"
one_line
printf 'user ann\n  topic ann/#\n' >"$dir/rules"
expect 0 out ": fine" --config "$dir/auth.yaml" --check-config
expect 0 out "allow_anonymous: false" --config "$dir/auth.yaml" --print-config
rm -rf "$dir"

# A start without hugepages, without a network: as far as the device that is not there.
prefix=pwapp$$
expect 78 err "5:25: ports[0].device: 'net_ring0' is not there" --config "$data/accept-device.yaml" -- \
	--no-huge --no-pci --no-telemetry --file-prefix $prefix
expect 78 err "WARNING: running without hugepages" --config "$data/accept-device.yaml" -- \
	--no-huge --no-pci --no-telemetry --file-prefix $prefix
expect 78 err "lcore 3 is not among EAL's lcores" --config "$data/accept-lcore.yaml" -- \
	--lcores 0@0,1@0 --no-huge --no-pci --no-telemetry --file-prefix $prefix
expect 78 err "lcore 3 is EAL's main lcore" --config "$data/accept-lcore.yaml" -- \
	--lcores 3@0 --no-huge --no-pci --no-telemetry --file-prefix $prefix
expect 78 err "exclude each other" --config "$data/accept-device.yaml" -- --no-huge --in-memory
expect 1 err "An EAL argument is wrong" --config "$data/accept-device.yaml" -- \
	--no-huge --no-such-option --file-prefix $prefix
rm -rf "/var/run/dpdk/$prefix" "${XDG_RUNTIME_DIR:-/tmp}/dpdk/$prefix"

echo "1..$n"
[ $failed -eq 0 ]
