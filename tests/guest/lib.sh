# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
#
# For tests that boot guests on croft-vmm in the lab. A test sources this with the small guest's
# scripts it wants (files of in/), and goes on inside the lab, with everything it needs in memory:
#
#     . "$(dirname "$0")/lib.sh"
#     in_lab facts disk            # or `lab_args=(--memory 8192) in_lab facts`
#     vm one '.cpus = 2' facts     # machine.json made by jq, the script to run in the guest
#     start one
#     wait_end one                 # the VMM's exit code is in $code, its reason in $reason
#     expect "FACT cpus" "$(said one 'FACT cpus')" "FACT cpus 2"
set -euo pipefail

here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
top=$(realpath "$here/../..")
build=$(realpath "${BUILD:-$top/build}")
work=/dev/shm/vm

# in_lab SCRIPT...: on the build machine, puts the test itself into the lab and ends with its result.
in_lab() {
	local script args=()
	if [ -z "${CROFT_LAB:-}" ]; then
		for script; do
			[ "$script" = facts ] || args+=(--script "$here/in/$script")
		done
		CROFT_GUEST=$("$top/tests/lab/small-guest" ${args[@]+"${args[@]}"})
		export CROFT_GUEST BUILD=$build
		exec "$top/tests/lab/run" --timeout "${lab_timeout:-600}" ${lab_args[@]+"${lab_args[@]}"} \
			--env BUILD -- bash "$0"
	fi
	mkdir -p "$work"
	# Not over 9p: what is read at run time would be read slowly, and could change under the test.
	cp "$build/croft-vmm" "$build/tools/vmmctl" "$CROFT_GUEST"/{vmlinuz,initrd.cpio.gz} "$work"
	cd "$work"
}

fail() {
	echo "FAIL: $*"
	for log in *.log; do
		echo "--- $log"
		tail -n 25 "$log" | cut -c1-180
	done
	for console in *.console; do
		echo "--- $console"
		tail -n 40 "$console" | tr -d '\r' | cut -c1-180
	done
	exit 1
}

expect() {
	[ "$2" = "$3" ] || fail "$1: got '$2', want '$3'"
	echo "ok: $1: $2"
}

expect_match() {
	[[ "$2" =~ $3 ]] || fail "$1: got '$2', want something like '$3'"
	echo "ok: $1: $2"
}

# vm NAME JQ [SCRIPT [CMDLINE...]]: NAME.json for a small guest, changed by the jq program.
vm() {
	local name=$1 change=$2 script=${3:-facts}
	shift $(($# < 3 ? $# : 3))
	jq -n --arg name "$name" --arg cmdline "console=ttyS0 panic=-1 croft.run=$script${*:+ $*}" "
		{name: \$name, cpus: 1, memory: (256 * 1048576), cmdline: \$cmdline,
		 kernel: {path: \"$work/vmlinuz\"}, initrd: {path: \"$work/initrd.cpio.gz\"},
		 control: {path: \"$work/$name.control\"}, console_log: {path: \"$work/$name.console\"},
		 log: {path: \"$work/$name.log\"}, ready: {path: \"$work/$name.ready\"},
		 exit_report: {path: \"$work/$name.exit\"}} | $change" >"$name.json"
	rm -f "$name".{console,log,exit,ready}
	touch "$name.console" "$name.log"
}

start() {
	./croft-vmm --config "$1.json" 2>>"$1.log" &
	pid=$!
}

# wait_end NAME: until its VMM has ended.
wait_end() {
	code=0
	wait "$pid" || code=$?
	reason=$(jq -r .reason "$1.exit" 2>/dev/null || echo none)
}

run_vm() {
	start "$1"
	wait_end "$1"
}

# wait_for NAME TEXT [COUNT]: until the guest has said it that often.
wait_for() {
	local name=$1 text=$2 count=${3:-1} end=$((SECONDS + 900))
	while [ $SECONDS -lt $end ]; do
		[ "$(grep -a -c -e "$text" "$name.console")" -lt "$count" ] || return 0
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	fail "the guest did not say '$text' ($count)"
}

# said NAME PREFIX: the lines that begin so.
said() { tr -d '\r' <"$1.console" | grep -a "^$2" || true; }

# ask NAME VERB: over the control socket.
ask() { ./vmmctl "$1.control" "$2"; }
status() { ask "$1" status | sed -n "s/^$2 //p"; }

# complaints NAME: what the guest's kernel said at warning level or worse, less what it says on any VM, and
# less what it says of a machine that is slow today.
complaints() {
	said "$1" 'FACT dmesg' | grep -v -E \
		-e 'Unstable clock detected|If you want to keep using|trace_clock=local|on the kernel command line' \
		-e 'clocksource: .*(wd_|cs_|skew|tsc)|Marking TSC unstable|is current clocksource' \
		-e 'TSC (found|unstable)|tsc: ' \
		-e 'hrtimer: interrupt took|perf: interrupt took|workqueue: .* hogged CPU|sched: RT throttling' \
		-e 'evm: |ima: |RETBleed|Spectre|MDS|TAA|MMIO Stale|SRSO|L1TF|Vulnerable|mitigation' ||
		true
}
