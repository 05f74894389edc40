#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# The memory a VMM takes beside its guest's: the pages that croft-vmm and QEMU microvm have of their
# own (Private_Clean, Private_Dirty) and their share of the others (Pss), outside the mapping that is
# the guest's RAM. With a disk and, as root, a NIC; the guest does nothing. Needs /dev/kvm; says so and
# is absent otherwise.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
build=$(realpath "${BUILD:-$here/../../build}")
. "$here/lib.sh"

absent() {
	echo "vmm-memory.sh: $*" >&2
	exit 0
}
[ -w /dev/kvm ] || absent "needs /dev/kvm"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
make_payload "$work"
truncate -s 64M "$work/disk" "$work/disk2"
cat >"$work/machine.json" <<-END
	{"name": "memory", "memory": $((guest_mib << 20)), "kernel": {"path": "$work/payload"}, "cmdline": "quiet",
	 "disks": [{"id": "disk", "layers": [{"file": {"path": "$work/disk"}, "format": "raw"}]}]}
END

start_croft() { exec "$build/croft-vmm" --config "$work/machine.json"; }
start_qemu() {
	microvm "$work/payload" -drive "file=$work/disk2,format=raw,if=none,id=disk" -device virtio-blk-pci,drive=disk
}

# beside PID: the KiB of its Pss that are not the guest's RAM, which is the largest mapping.
beside() {
	awk '/^[0-9a-f]+-[0-9a-f]+ / { pss = 0 }
	     /^Size:/ { size = $2 }
	     /^Pss:/ { total += $2; if (size > largest) { largest = size; ram = $2 } }
	     END { print total - ram }' "/proc/$1/smaps"
}

# measure NAME: starts it, waits until it runs, prints KiB. In a shell of its own ($(...)), so it ends what it started.
measure() {
	local pid rc=0
	"start_$1" >"$work/said" 2>&1 </dev/null &
	pid=$!
	sleep 2
	kill -0 $pid 2>/dev/null && beside $pid || rc=$?
	[ $rc = 0 ] || cat "$work/said" >&2
	kill -9 $pid 2>/dev/null || true
	return $rc
}

mib() { awk -v k="$1" 'BEGIN { printf "%.2f", k / 1024 }'; }

croft=$(mib "$(measure croft)")
peer=null
[ -z "$(type -P qemu-system-x86_64)" ] || peer=$(mib "$(measure qemu)")
row "memory of the VMM beside the guest" MiB "$croft" null 8
row "memory of the VMM beside the guest, against QEMU microvm" MiB "$croft" "$peer" 0.17
