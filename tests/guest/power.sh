#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# How a stock guest's life ends and begins anew: reset by every way Linux knows, power-off, the power
# button through the guest's own driver, a panic that is reported, a triple fault; pause and resume.
. "$(dirname "$0")/lib.sh"
lab_timeout=1200
in_lab stop

vm off . stop croft.do=poweroff
run_vm off
expect "power-off ends the VM" "$reason $code" "poweroff 0"

for way in acpi kbd pci triple; do
	vm "reset-$way" '.on_reboot = "stop" | .on_panic = "stop"' stop croft.do=reboot reboot=$way
	run_vm "reset-$way"
	want="reboot 0"
	[ $way != triple ] || want="triple-fault 7"
	expect "reboot=$way" "$reason $code" "$want"
done

vm again . stop croft.do=reboot
start again
wait_for again CROFT-INIT 3
expect_match "resets" "$(status again resets)" '^[2-9]$'
expect "a reset guest runs in the same process" "$(status again pid)" "$pid"
confined=$(awk '/^(Seccomp|NoNewPrivs|CapPrm|CapEff):/ { printf "%s ", $2 }' "/proc/$pid/status")
expect "and in its sandbox" "$confined" "0000000000000000 0000000000000000 1 2 "
expect "with every thread" "$(grep -h ^Seccomp: "/proc/$pid"/task/*/status | sort -u | tr -s '\t' ' ')" "Seccomp: 2"
ask again kill
wait_end again
expect "kill" "$reason $code" "killed 0"

vm panic . stop croft.do=panic
run_vm panic
expect "a panic is reported" "$reason $code" "panic 7"
expect_match "and in the log" "$(cat panic.log)" 'panic: the guest.s kernel reports a panic'

vm button . stop croft.do=button
start button
wait_for button 'GUEST listens'
ask button shutdown
wait_end button
expect "the power button" "$reason $code" "poweroff 0"
expect "the guest saw it" "$(said button 'GUEST was')" "GUEST was pressed"

vm pause '.cpus = 2' stop croft.do=count
start pause
wait_for pause COUNT 10
ask pause pause
expect "paused" "$(status pause state)" paused
before=$(status pause console_bytes)
sleep 5
expect "a paused guest says nothing" "$(status pause console_bytes)" "$before"
lines=$(grep -a -c COUNT pause.console)
ask pause resume
wait_for pause COUNT $((lines + 20))
expect "running again" "$(status pause state)" running
expect "no stall was noticed" "$(grep -a -c -i -E 'lockup|stall|hung' pause.console || true)" 0
kill -TERM "$pid"
wait_end pause
expect "a signal ends it in order" "$reason $code" "killed 0"
