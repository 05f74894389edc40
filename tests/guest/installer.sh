#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# A guest that nobody here has made: debian-installer's kernel and initrd, unmodified, to the first
# screen on the serial console; and its menu takes keys.
. "$(dirname "$0")/lib.sh"
if [ -z "${CROFT_LAB:-}" ]; then
	{ read -r CROFT_DI_KERNEL; read -r CROFT_DI_INITRD; } < <("$top/tests/lab/di-netboot")
	export CROFT_DI_KERNEL CROFT_DI_INITRD
fi
lab_timeout=1800
lab_args=(--memory 6144)
in_lab facts

cp "$CROFT_DI_KERNEL" di.kernel
cp "$CROFT_DI_INITRD" di.initrd
truncate -s 64M disk
# With less memory its first screen is about that.
vm di '.memory = (2048 * 1048576) | .kernel.path = "di.kernel" | .initrd.path = "di.initrd"
	| .cmdline = "console=ttyS0,115200n8 TERM=vt102 --- quiet"
	| .disks = [{id: "root", layers: [{file: {path: "disk"}, format: "raw"}]}]'
start di
wait_for di 'Select a language'
echo "ok: the first screen"
before=$(status di console_bytes)
{ printf '\t\n'; sleep 60; } | ./vmmctl di.control console >after &
keys=$!
for ((i = 0; i < 600; i++)); do
	[ "$(status di console_bytes)" = "$before" ] || break
	sleep 0.1
done
[ "$(status di console_bytes)" -gt "$before" ] || fail "the menu does not answer keys"
kill "$keys" 2>/dev/null || true
echo "ok: the menu answers keys"
expect "complaints" "$(grep -a -i -E 'firmware bug|ACPI (error|warning)|XSAVE consistency' di.console || true)" ""
ask di kill
wait_end di
expect "ended" "$reason $code" "killed 0"
