#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2317 # the vmm_ functions are called by their names
# How much work a boot is: exits and time from a VMM's start to the guest's first userspace
# instruction, for croft and for its peers, each at its best, one after another on the same KVM. The
# guest is Debian's stock cloud kernel with a small initrd, one vCPU, 256 MiB, a disk and a NIC. See
# `exits.sh --help`.
#
# How it counts: the guest's only process executes one CPUID with a leaf of ours and sleeps
# (tests/lab/guest/mark.c), so KVM's counters stand still. A tracer waits for that CPUID, and the
# trace's own time stamps give the time.
set -euo pipefail
bench=$(realpath "$0")
top=$(realpath "$(dirname "$bench")/../..")
. "$top/tests/lab/common.sh"

usage() {
	cat <<-END
	usage: tests/bench/exits.sh [--runs N] [--verbose] [--vmm NAME]... [-o FILE]

	Prints one JSON object a line: name, place, vmm, value (the median), unit, runs (all
	values), version; then, for tests/bench/run, croft against the best peer with PCI: name,
	place, unit, croft, peer, ratio, goal.

	  boot.user-exits    KVM's io_exits + mmio_exits: accesses to ports and MMIO, with those that
	                     KVM handles itself (the PIC, writes that are coalesced)
	  boot.returns       round trips to the VMM: how often KVM_RUN returned
	  boot.exits         all exits
	  boot.page-faults   nested page faults KVM resolved (pf_fixed)
	  boot.init-ms       from just before exec of the VMM to the guest's /init

	A VMM that is not installed is printed as absent. The first run of each is dropped: it
	brings the files into memory.

	All of it runs in the lab: the counts in its ordinary mode, the time in its instruction
	clock, where boot.init-ms counts instructions, two nanoseconds each, and does not depend
	on how busy the machine is. There the emulator kills one guest in four or so
	(docs/hacking.md), so each VMM is timed in a lab of its own, and once more when that
	hangs, up to $tries times. On a machine whose own KVM boots stock kernels,
	CROFT_BENCH_PLACE=metal as root measures both there.

	  --runs N      measured runs of each (default 2); one on the clock of instructions
	  --verbose     the guest's kernel talks on ttyS0, instead of 'quiet'
	  --vmm NAME    only this one, of: ${peers[*]}. Repeatable
	                (default: all for the counts, ${timed[*]} for the time)
	  -o FILE       write there, too
	END
}

# --- the peers: vmm_NAME runs a VMM with $kernel, $initrd, $cmdline, $disk, its console to $log ----

peers=(croft croft-packed qemu-q35 qemu-pc qemu-microvm qemu-microvm-pci qemu-microvm-pvh kvmtool)
timed=(croft qemu-microvm-pci)
tries=6

# qemu ARG...: what all of QEMU's machines share. No default devices, no display: nobody would boot
# a cloud guest with them.
qemu() {
	exec qemu-system-x86_64 -accel kvm -cpu host -smp 1 -m 256 \
		-nodefaults -no-user-config -display none -no-reboot \
		-kernel "$kernel" -initrd "$initrd" -append "$cmdline" \
		-chardev "file,id=console,path=$log" -serial chardev:console \
		-drive "file=$disk,format=raw,if=none,id=disk" \
		-netdev tap,id=net,ifname=bench0,script=no,downscript=no "$@"
}
pci_devices=(-device virtio-blk-pci,drive=disk -device virtio-net-pci,netdev=net,romfile=)
vmm_qemu-q35() { qemu -M q35 "${pci_devices[@]}"; }
vmm_qemu-pc() { qemu -M pc "${pci_devices[@]}"; }
# As it comes, microvm has no RTC, and a guest polls the absent clock for a second.
vmm_qemu-microvm() {
	qemu -M microvm,rtc=on,pit=off,pic=off,isa-serial=on \
		-device virtio-blk-device,drive=disk -device virtio-net-device,netdev=net
}
vmm_qemu-microvm-pci() {
	qemu -M microvm,rtc=on,pit=off,pic=off,isa-serial=on,pcie=on "${pci_devices[@]}"
}
# The same kernel unpacked beforehand, which spares the guest its decompressor. Not what one gets
# with an image as it is.
vmm_qemu-microvm-pvh() {
	kernel=$vmlinux
	vmm_qemu-microvm-pci
}
vmm_kvmtool() {
	exec lkvm run --name bench -c 1 -m 256 -k "$kernel" -i "$initrd" -p "$cmdline" -d "$disk" \
		--network mode=tap,tapif=bench0 >"$log" 2>&1
}
# As `croft up` boots an image: kernel and initrd unpacked once, when they were copied out of it.
vmm_croft() {
	kernel=$kernel.unpacked initrd=$initrd.unpacked
	vmm_croft-packed
}
vmm_croft-packed() {
	cat >"$work/machine.json" <<-END
	{
	  "name": "bench", "cpus": 1, "memory": 268435456,
	  "kernel": {"path": "$kernel"}, "initrd": {"path": "$initrd"}, "cmdline": "$cmdline",
	  "disks": [{"id": "disk", "layers": [{"file": {"path": "$disk"}, "format": "raw"}]}],
	  "nics": [{"id": "net", "tap": {"path": "bench0"}, "mac": "52:54:00:12:34:56"}],
	  "console_log": {"path": "$log"}
	}
	END
	exec "$CROFT_VMM" --config "$work/machine.json"
}

# program NAME: the file a peer needs to be present.
program() {
	case $1 in
	croft*) echo "$CROFT_VMM" ;;
	kvmtool) echo lkvm ;;
	*) echo qemu-system-x86_64 ;;
	esac
}
version() {
	case $1 in
	croft*) "$CROFT_VMM" --version ;;
	kvmtool) lkvm version ;;
	*) qemu-system-x86_64 --version ;;
	esac | head -n 1
}

# --- options, and the way into the lab --------------------------------------------------------------

runs=2 quiet=quiet verbose='' out='' chosen=()
CROFT_VMM=$(realpath -m "${CROFT_VMM:-${BUILD:-$top/build}/croft-vmm}")
export CROFT_VMM
while [ $# -gt 0 ]; do
	case $1 in
	--runs) runs=$2; shift ;;
	--verbose) quiet='' verbose=--verbose ;;
	--vmm) chosen+=("$2"); shift ;;
	-o) out=$2; shift ;;
	-h | --help) usage; exit ;;
	*) usage >&2; die "no such option: $1" ;;
	esac
	shift
done
[ ${#chosen[@]} = 0 ] || timed=("${chosen[@]}")
[ ${#chosen[@]} != 0 ] || chosen=("${peers[@]}")

# in_lab_as WHAT LIMIT-SECONDS LAB-OPTIONS VMM...: the rows of one part, once it is whole.
in_lab_as() {
	local what=$1 limit=$2 options=$3 vmms
	shift 3
	vmms=$(printf -- '--vmm %s ' "$@")
	# shellcheck disable=SC2086 # words, all of them
	CROFT_BENCH_WHAT=$what timeout "$limit" "$top/tests/lab/run" $options --timeout 3600 -- \
		"$bench" --runs "$runs" $verbose $vmms
}

time_in_lab() {
	local try
	for ((try = 1; try <= tries; try++)); do
		runs=1 in_lab_as time 900 --icount "$1" && return
		say "$1 on the instruction clock: try $try of $tries did not come to its end"
	done
	return 1
}

# against ROWS NAME UNIT GOAL TITLE PEER...: croft's value beside the smallest of these peers', once both are there.
against() {
	local rows=$1 name=$2 unit=$3 goal=$4 title=$5
	shift 5
	jq -c -n --slurpfile rows "$rows" --arg name "$name" --arg unit "$unit" --argjson goal "$goal" --arg title "$title" '
		[$rows[] | select(.name == $name and .value != null)] as $r
		| ($r[] | select(.vmm == "croft")) as $croft
		| ([$r[] | select(.vmm | IN($ARGS.positional[])) | .value] | min // empty) as $peer
		| {name: $title, place: $croft.place, unit: $unit, croft: $croft.value, peer: $peer,
		   ratio: ($croft.value / $peer * 1000 | round / 1000), goal: $goal}' --args "$@"
}

# compare FILE: the rows in it against the goals.
compare() {
	against "$1" boot.user-exits exits 1 "boot: port and MMIO exits, against the best peer with PCI" \
		qemu-q35 qemu-pc qemu-microvm-pci
	against "$1" boot.returns returns 1 "boot: round trips to the VMM, against the best peer with PCI" \
		qemu-q35 qemu-pc qemu-microvm-pci
	against "$1" boot.init-ms ms 0.75 "boot: time to /init, against microvm at its best" qemu-microvm-pci
}

if [ -z "${CROFT_LAB:-}" ]; then
	need jq jq
	[ -x "${CROFT_VMM%/*}/tools/unpack" ] ||
		make -s -C "$top" BUILD="${CROFT_VMM%/*}" "${CROFT_VMM%/*}/tools/unpack" >&2
	CROFT_BENCH_GUEST=$("$top/tests/lab/small-guest")
	export CROFT_BENCH_GUEST
	rows=$(mktemp)
	trap 'rm -f "$rows"' EXIT
	rc=0
	if [ "${CROFT_BENCH_PLACE:-}" = metal ]; then
		# shellcheck disable=SC2046,SC2086 # words
		CROFT_LAB=none "$bench" --runs "$runs" $verbose $(printf -- '--vmm %s ' "${chosen[@]}") |
			tee -a "$rows" || rc=1
	else
		export CROFT_BENCH_PLACE=lab
		in_lab_as counts 1800 '' "${chosen[@]}" | tee -a "$rows" || rc=1
		for vmm in "${timed[@]}"; do
			time_in_lab "$vmm" | tee -a "$rows" || rc=1
		done
	fi
	compared=$(compare "$rows")
	printf '%s' "${compared:+$compared$'\n'}" | tee -a "$rows"
	[ -z "$out" ] || cp "$rows" "$out"
	exit $rc
fi
place=${CROFT_BENCH_PLACE:-lab}
what=${CROFT_BENCH_WHAT:-both}

# --- one machine, measured ---------------------------------------------------------------------------

# Everything in memory: reading a file from disk is not what is measured.
work=$(mktemp -d /dev/shm/croft-bench.XXXXXX)
trace=/sys/kernel/tracing/instances/croft-bench
[ -e /sys/kernel/tracing/README ] || mount -t tracefs tracefs /sys/kernel/tracing
cleanup() {
	ip link del bench0 2>/dev/null || true
	rmdir "$trace" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT

cp "$CROFT_BENCH_GUEST"/{vmlinuz,initrd.cpio.gz} "$work"
kernel=$work/vmlinuz initrd=$work/initrd.cpio.gz vmlinux=$work/vmlinux disk=$work/disk log=$work/console
"${CROFT_VMM%/*}/tools/unpack" kernel "$kernel" "$kernel.unpacked"
"${CROFT_VMM%/*}/tools/unpack" initrd "$initrd" "$initrd.unpacked"
truncate -s 64M "$disk"
cmdline="console=ttyS0 ${quiet:+$quiet }panic=-1 rdinit=/bin/mark"

# Debian's cloud kernel carries its vmlinux as LZ4.
kernel_payload "$kernel" | lz4 -dc >"$vmlinux" 2>/dev/null || true

ip tuntap add bench0 mode tap vnet_hdr
ip link set bench0 up
mkdir -p "$trace"
echo mono >"$trace/trace_clock"
echo 'function == 0x43524f46' >"$trace/events/kvm/kvm_cpuid/filter"
echo 1 >"$trace/events/kvm/kvm_cpuid/enable"

# KVM_RUN's returns are counted where they are traced. A histogram needs no reader.
returns=$trace/events/kvm/kvm_userspace_exit
echo 'hist:keys=common_type' >"$returns/trigger"

# stat NAME: one of KVM's counters, of the one machine that runs.
stat() { cat /sys/kernel/debug/kvm/*/"$1"; }

# between_marks: the milliseconds from the first line of the trace to the second.
between_marks() {
	sed -n 's/.* \([0-9]*\.[0-9]*\): .*/\1/p' "$work/marks" |
		awk '{ t[NR] = $1 } END { printf "%.1f", (t[2] - t[1]) * 1000 }'
}

# measure NAME: boots once, prints "user-exits exits page-faults init-ms returns"; fails if there is
# no /init within two minutes.
measure() {
	local vmm tracer rc=0
	: >"$log"
	echo >"$trace/trace"
	echo 'hist:keys=common_type:clear' >>"$returns/trigger"
	timeout 120 grep -m 2 -E 'vmm-start|kvm_cpuid' "$trace/trace_pipe" >"$work/marks" &
	tracer=$!
	sleep 1 # until it reads, so that the VMM has the CPU for itself
	(
		echo vmm-start >"$trace/trace_marker"
		"vmm_$1"
	) >"$work/said" 2>&1 </dev/null &
	vmm=$!

	wait -n "$tracer" "$vmm" || true
	if [ "$(wc -l <"$work/marks")" = 2 ] && kill -0 "$vmm" 2>/dev/null; then
		echo "$(($(stat io_exits) + $(stat mmio_exits))) $(stat exits) $(stat pf_fixed) $(between_marks) $(awk '/Hits:/ { print $2; exit }' "$returns/hist")"
		[ "$place" = metal ] || into_memory "$vmm"
	else
		rc=1
	fi
	kill -9 "$vmm" "$tracer" 2>/dev/null || true
	wait "$vmm" "$tracer" 2>/dev/null || true
	return $rc
}

# into_memory PID: in the lab a program's files come over 9p each time they are opened, which costs
# time of this machine, not of the program. Touching a file copies it up into the lab's tmpfs.
into_memory() {
	{
		awk '$6 ~ /^\// { print $6 }' "/proc/$1/maps" | sort -u | grep -vE '^/(dev|proc|sys)/'
		find /usr/share/qemu /usr/share/seabios /etc/ld.so.cache -type f
	} 2>/dev/null | xargs touch -c
}

# row NAME VMM UNIT VALUE...: one line of the result.
row() {
	local name=$1 vmm=$2 unit=$3 median all
	shift 3
	median=$(printf '%s\n' "$@" | sort -g | sed -n "$((($# + 1) / 2))p")
	all=$(printf '%s\n' "$@" | paste -sd,)
	printf '{"name":"%s","place":"%s","vmm":"%s","value":%s,"unit":"%s","runs":[%s],"version":"%s"}\n' \
		"$name" "$place" "$vmm" "$median" "$unit" "$all" "${versions[$vmm]}"
}

# One VMM after the other, round after round, so that a machine that grows busy meanwhile is unkind
# to all of them alike.
bench() {
	local failed=0 vmm run user back total faults ms present=()
	declare -A versions
	for vmm in "${chosen[@]}"; do
		declare -F "vmm_$vmm" >/dev/null || die "no such VMM: $vmm (known: ${peers[*]})"
		if type -P "$(program "$vmm")" >/dev/null; then
			present+=("$vmm")
			versions[$vmm]=$(version "$vmm")
		else
			printf '{"name":"boot","place":"%s","vmm":"%s","value":null,"unit":null,"absent":"%s"}\n' \
				"$place" "$vmm" "$(program "$vmm") is not installed"
		fi
	done

	for ((run = 0; run <= runs; run++)); do
		for vmm in "${present[@]}"; do
			if ! measure "$vmm" >"$work/line"; then
				say "$vmm ended, or took two minutes, before its guest had a userspace." \
					"The ends of what it said, and of the guest's console:"
				tail -n 5 "$work/said" "$log" >&2
				failed=1
			elif [ "$run" -gt 0 ]; then
				cat "$work/line" >>"$work/lines.$vmm"
			fi
		done
	done

	for vmm in "${present[@]}"; do
		[ -s "$work/lines.$vmm" ] || continue
		mapfile -t user < <(cut -d' ' -f1 "$work/lines.$vmm")
		mapfile -t total < <(cut -d' ' -f2 "$work/lines.$vmm")
		mapfile -t faults < <(cut -d' ' -f3 "$work/lines.$vmm")
		mapfile -t ms < <(cut -d' ' -f4 "$work/lines.$vmm")
		mapfile -t back < <(cut -d' ' -f5 "$work/lines.$vmm")
		if [ "$what" != time ]; then
			row boot.user-exits "$vmm" exits "${user[@]}"
			row boot.returns "$vmm" returns "${back[@]}"
			row boot.exits "$vmm" exits "${total[@]}"
			row boot.page-faults "$vmm" faults "${faults[@]}"
		fi
		[ "$what" = counts ] || row boot.init-ms "$vmm" ms "${ms[@]}"
	done
	return $failed
}

bench
