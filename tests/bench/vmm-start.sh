#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# From exec of the VMM to the first KVM_RUN, on this machine: croft-vmm and QEMU microvm at its best,
# interleaved, with a guest of three instructions, so that nothing but the VMM is measured. The
# kernel's own trace gives both times. Needs root, /dev/kvm and tracefs; says so and is absent otherwise.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
build=$(realpath "${BUILD:-$here/../../build}")
runs=${RUNS:-15}
. "$here/lib.sh"

absent() {
	echo "vmm-start.sh: $*" >&2
	exit 0
}
[ "$(id -u)" = 0 ] && [ -w /dev/kvm ] || absent "needs root and /dev/kvm"

work=$(mktemp -d)
tracefs=$work/tracefs
mkdir "$tracefs"
mount -t tracefs tracefs "$tracefs" 2>/dev/null || absent "needs tracefs"
trace=$tracefs/instances/croft-start.$$
cleanup() {
	rmdir "$trace" 2>/dev/null || true
	umount "$tracefs"
	rm -rf "$work"
}
trap cleanup EXIT
mkdir "$trace"
[ -d "$trace/events/syscalls/sys_enter_ioctl" ] || absent "this kernel does not trace system calls"
echo mono >"$trace/trace_clock"
echo 1 >"$trace/options/event-fork" # threads are followed, too
echo 'cmd == 0xae80' >"$trace/events/syscalls/sys_enter_ioctl/filter" # KVM_RUN

make_payload "$work"
cat >"$work/machine.json" <<-END
	{"name": "start", "memory": $((guest_mib << 20)), "kernel": {"path": "$work/payload"}, "cmdline": "quiet"}
END

start_croft() { exec "$build/croft-vmm" --config "$work/machine.json"; }
start_qemu() { microvm "$work/payload"; }

# measure NAME: milliseconds; fails when there is no KVM_RUN within ten seconds.
measure() {
	local pid i line=''
	echo >"$trace/trace"
	(
		echo "$BASHPID" >"$trace/set_event_pid"
		echo 1 >"$trace/events/sched/sched_process_exec/enable"
		echo 1 >"$trace/events/syscalls/sys_enter_ioctl/enable"
		"start_$1"
	) >"$work/said" 2>&1 </dev/null &
	pid=$!
	for ((i = 0; i < 1000 && ${#line} == 0; i++)); do
		sleep 0.01
		line=$(grep -m 1 'sys_ioctl\|sys_enter_ioctl' "$trace/trace" || true)
	done
	kill -9 "$pid" 2>/dev/null || true
	wait "$pid" 2>/dev/null || true
	echo 0 >"$trace/events/sched/sched_process_exec/enable"
	echo 0 >"$trace/events/syscalls/sys_enter_ioctl/enable"
	[ -n "$line" ] || return 1
	awk '/sched_process_exec/ && !a { match($0, /[0-9]+\.[0-9]+:/); a = substr($0, RSTART, RLENGTH - 1) }
	     /sys_(enter_)?ioctl/ && a { match($0, /[0-9]+\.[0-9]+:/); printf "%.3f\n", (substr($0, RSTART, RLENGTH - 1) - a) * 1000; exit }' \
		"$trace/trace"
}

# The first run of each brings its files into memory and does not count.
peers=(croft)
type -P qemu-system-x86_64 >/dev/null && peers+=(qemu)
for ((run = 0; run <= runs; run++)); do
	for vmm in "${peers[@]}"; do
		ms=$(measure "$vmm") || { [ "$vmm" = qemu ] || { cat "$work/said" >&2; exit 1; }; continue; }
		[ "$run" = 0 ] || echo "$ms" >>"$work/$vmm"
	done
done

# All of them, sorted, as a JSON list; nothing when the peer is absent.
values() { if [ -s "$work/$1" ]; then sort -g "$work/$1" | paste -sd,; fi; }
jq -nc --argjson croft "[$(values croft)]" --argjson peer "[$(values qemu)]" '
	def median: if length == 0 then null else sort | .[length / 2 | floor] end;
	{name: "exec to the first KVM_RUN", place: "native", unit: "ms", croft: ($croft | median), peer: ($peer | median),
	 ratio: (if ($peer | length) > 0 then ($croft | median) / ($peer | median) else null end), goal: 0.15,
	 spread: {croft: [$croft[0], $croft[-1]], peer: [$peer[0], $peer[-1]]}}'
