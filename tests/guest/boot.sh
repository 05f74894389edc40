#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A stock kernel on the machine it is given: processors, memory on both sides of the PCI hole, clocks,
# what ACPI and SMBIOS tell it, and nothing in its log that a healthy PC would not put there.
. "$(dirname "$0")/lib.sh"
lab_timeout=1200
in_lab facts

# fact NAME WHAT: the value a guest found.
fact() { said "$1" "FACT $2" | sed "s/^FACT $2 //"; }

check_machine() {
	local name=$1 cpus=$2 mib=$3 kb
	expect "$name ended" "$reason $code" "poweroff 0"
	expect "processors" "$(fact "$name" cpus)" "$cpus"
	kb=$(fact "$name" mem-kb)
	[ "$kb" -gt $((mib * 1024 * 80 / 100)) ] && [ "$kb" -le $((mib * 1024)) ] || fail "$kb kB of memory, given $mib MiB"
	echo "ok: memory: $kb kB"
	expect "clock" "$(fact "$name" clocksource)" kvm-clock
	expect_match "the RTC tells the time" "$(($(fact "$name" date) - $(fact "$name" rtc)))" '^-?[0-2]$'
	expect "power button" "$(fact "$name" power-button)" 1
	expect "serial port" "$(fact "$name" 'tty ttyS0')" irq=4
	expect "processors in ACPI" "$(fact "$name" acpi | grep -c 'hid=ACPI0007')" "$cpus"
	expect "complaints" "$(complaints "$name")" ""
}

vm one '.smbios_serial = "ds=nocloud" | .uuid = "01234567-89ab-cdef-0123-456789abcdef"'
run_vm one
check_machine one 1 256
for hid in PNP0A08 PNP0501 PNP0B00 PNP0C02 QEMU0001; do
	expect "ACPI device $hid" "$(fact one acpi | grep -c "hid=$hid")" 1
done
expect "ACPI tables" "$(fact one acpi-table | sort | tr '\n' ' ')" "APIC DSDT FACP FACS MCFG SSDT "
expect "host bridge" "$(fact one 'pci 0000:00:00.0' | cut -d' ' -f1)" 0x8086:0x29c0
expect "DMI serial" "$(fact one 'dmi product_serial')" ds=nocloud
expect "DMI UUID" "$(fact one 'dmi product_uuid')" 01234567-89ab-cdef-0123-456789abcdef
expect "DMI vendor" "$(fact one 'dmi sys_vendor')" croft
expect_match "SCI" "$(fact one irq | grep acpi)" 'IO-APIC +9-fasteoi'

vm two '.cpus = 2'
run_vm two
check_machine two 2 256

# The kernel talks, and everything it says arrives: each line once, in order.
vm four '.cpus = 4 | .memory = (5 * 1073741824)
	| .cmdline = (.cmdline + " loglevel=7")'
run_vm four
check_machine four 4 5120
expect "x2APIC" "$(grep -a -c 'x2apic enabled' four.console)" 1
expect "XSAVE is consistent" "$(grep -a -c 'XSAVE consistency' four.console || true)" 0
expect "ECAM" "$(grep -a -c 'MMCONFIG at .mem 0xe8000000-0xe80fffff. reserved' four.console)" 1
expect "firmware bugs" "$(grep -a -i -E 'firmware bug|ACPI (error|warning|bios)|broken bios' four.console || true)" ""
# Linux takes a line's time before its place in the log, and a CPU may have to wait between the two: lines of several CPUs
# may be a little out of order. Clocks that disagree are seconds apart, or start anew.
sed -n 's/^\[ *\([0-9.]*\)\].*/\1/p' four.console >stamps
expect "time stamps that go back by seconds" "$(awk '$1 < last - 5 { n++ } $1 > last { last = $1 } END { print n + 0 }' stamps)" 0
