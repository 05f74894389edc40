# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What benchmarks share: timing of commands, rows, a guest of three instructions for what measures the
# VMM alone, and the peer that runs it.

# elapsed FILE COMMAND...: runs it and appends its wall time in microseconds to FILE
elapsed() {
	local file=$1 start=${EPOCHREALTIME/[.,]/} end
	shift
	"$@" >/dev/null 2>&1
	end=${EPOCHREALTIME/[.,]/}
	echo $((end - start)) >>"$file"
}

# median FILE: in milliseconds, without the first $dropped runs
median() {
	tail -n +$((dropped + 1)) "$1" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] / 1000 }'
}

# row NAME UNIT CROFT PEER GOAL: one figure, of this machine; PEER may be null
row() {
	local ratio=null
	[ "$4" = null ] || ratio=$(awk -v c="$3" -v p="$4" 'BEGIN { printf "%.3f", c / p }')
	printf '{"name": "%s", "place": "native", "unit": "%s", "croft": %s, "peer": %s, "ratio": %s, "goal": %s}\n' \
		"$1" "$2" "$3" "$4" "$ratio" "$5"
}

guest_mib=256

# make_payload DIR: DIR/payload, an ELF image with a PVH entry.
make_payload() {
	cat >"$1/payload.S" <<-'END'
		.section .note.Xen, "a", @note
		.long 4, 4, 18
		.asciz "Xen"
		.long start
		.text
		.code32
		.globl start
		start:	mov $0xf4, %dx
			out %al, %dx
		1:	hlt
			jmp 1b
	END
	cc -nostdlib -static -no-pie -Wl,-N -Wl,-Ttext=0x100000 -Wl,--section-start=.note.Xen=0x101000 \
		-Wl,-e,start -Wl,--build-id=none -Wl,--no-warn-rwx-segments -o "$1/payload" "$1/payload.S"
}

# microvm KERNEL ARG...: QEMU's microvm at its best. Some hosts offer a CPU feature whose MSR they then
# refuse; QEMU ends when it is refused.
microvm() {
	local kernel=$1
	shift
	exec qemu-system-x86_64 -M microvm,rtc=on,pit=off,pic=off,pcie=on -accel kvm -cpu host,arch-capabilities=off \
		-smp 1 -m "$guest_mib" -nodefaults -no-user-config -display none -no-reboot \
		-kernel "$kernel" -append quiet "$@"
}
