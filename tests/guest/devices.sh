#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Every virtio device under a stock guest's drivers: what it writes is on the host's disk, a read-only
# disk stays as it is, frames pass the tap both ways, entropy comes, and interrupts go by MSI-X.
. "$(dirname "$0")/lib.sh"
in_lab drives facts

truncate -s 64M disk
printf 'from host\n' | dd of=disk conv=notrunc status=none
printf 'seed data' >seed
truncate -s 1M seed
cp seed seed.before
ip tuntap add tap0 mode tap vnet_hdr
ip addr add 10.77.0.1/24 dev tap0
ip link set tap0 up
mkdir www
head -c 20000000 /dev/urandom >www/payload
busybox httpd -p 7777 -h www

devices='.cpus = 2 | .virtio_console = true
	| .disks = [{id: "root", layers: [{file: {path: "disk"}, format: "raw"}]},
		    {id: "seed", read_only: true, layers: [{file: {path: "seed"}, format: "raw"}]}]
	| .nics = [{id: "net0", tap: {path: "tap0"}, mac: "52:54:00:c0:ff:ee"}]'
vm drives "$devices" drives
start drives
(
	until [ -S drives.control ]; do sleep 0.1; done
	# The answer is typed when the question is read.
	coproc ./vmmctl drives.control console 1024 hvc0
	grep -m 1 -q 'HVC asks' <&"${COPROC[0]}" && echo back >&"${COPROC[1]}"
	wait
) &
wait_end drives
expect "the guest ended" "$reason $code" "poweroff 0"
for line in 'DISK written' 'DISK read back' 'DISK host from host' 'SEED read' 'SEED refuses writes' \
	'NET answers' 'NET full frames' 'RNG bytes 64' 'HVC heard back'; do
	expect "guest" "$(said drives "$line")" "$line"
done
expect "20 MB over TCP" "$(said drives 'NET received')" "NET received $(md5sum <www/payload)"
expect "on the host's disk" "$(dd if=disk bs=4096 skip=16 count=256 status=none | md5sum)" \
	"$(dd if=/dev/zero bs=4096 count=256 status=none | tr '\0' w | md5sum)"
expect "the seed is as it was" "$(cmp seed seed.before && echo same)" same

vm facts "$devices" facts
run_vm facts
expect "root disk" "$(said facts 'FACT disk vda')" "FACT disk vda sectors=131072 ro=0 block=512 serial=root"
expect "seed" "$(said facts 'FACT disk vdb')" "FACT disk vdb sectors=2048 ro=1 block=512 serial=seed"
expect_match "NIC" "$(said facts 'FACT net eth0')" 'mac=52:54:00:c0:ff:ee mtu=1500'
expect_match "entropy" "$(said facts 'FACT hwrng')" 'virtio_rng'
expect "virtio devices with drivers" "$(said facts 'FACT virtio' | grep -c 'driver=virtio_')" 5
expect_match "MSI-X" "$(said facts 'FACT irq' | grep -c PCI-MSI)" '^[0-9]+$'
expect "no device on a pin" "$(said facts 'FACT irq' | grep -c -E 'IO-APIC.*virtio' || true)" 0
expect "no complaints" "$(complaints facts)" ""
