#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# The whole way, as a user goes it: a spec, a compressed Debian 12 cloud image, `croft up --wait`, SSH over the
# bridge; what the guest says about its name, users, files, address, disk, CPUs and memory; a reboot inside the
# guest, the power button, `up` again, kill -9 of the VMM under write load, poweroff inside the guest, destroy.
# What a guest was told is on disk must be there after each.
set -euo pipefail

# How many CPUs the guest gets. On the lab's single CPU this test takes some 20 minutes with one and 40 with two, and
# all of CI has an hour; CROFT_LAB_CPUS=2 is for running it by hand.
cpus=${CROFT_LAB_CPUS:-1}
root=$(realpath "$(dirname "$0")/../..")
build=$(realpath "${BUILD:-$root/build}")

if [ "${1:-}" != --inside ]; then
	image=$("$root/tests/lab/debian-image")
	exec "$root/tests/lab/run" --timeout 3400 --memory 6144 --scratch 10240 -- "$0" --inside "$build" "$image"
fi

build=$2 image=$3
croft() { "$build/croft" "$@"; }
work=/scratch/up
mkdir -p $work/home/.ssh $work/project
cd $work/project
export HOME=$work/home CROFT_HOME=$work/croft

fail() {
	echo "FAIL: $*"
	croft status shop || true
	croft logs shop 2>/dev/null | tail -n 40 || true
	croft logs --vmm shop 2>/dev/null | tail -n 20 || true
	exit 1
}

# expect WHAT WANTED GOT
expect() {
	[ "$2" = "$3" ] || fail "$1 is '$3', not '$2'"
	echo "ok: $1 is '$3'"
}

guest() { croft ssh shop -- "$@"; }
vm_pid() { croft status -o json shop | jq .pid; }
check_disk() { qemu-img check "$CROFT_HOME"/state/shop/shop/disk.qcow2 || fail "qemu-img check $1"; }

ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519
cat >shop.yaml <<SPEC
version: 1
image: { path: $image, format: qcow2 }
cpus: $cpus
memory: 1GiB
disk: 12GiB
hostname: till
fqdn: till.shop.test
timezone: Europe/Lisbon
ssh_authorized_keys: [ ~/.ssh/id_ed25519.pub ]
users:
  - default
  - { name: keeper, gecos: "Shop keeper", shell: /bin/sh }
write_files:
  - { path: /etc/shop/open, content: "nine to five\n", permissions: "0640" }
runcmd:
  - [ sh, -c, "echo ran > /run/runcmd-ran" ]
networks:
  lan: { bridge: croft0, create: true, host_address: 10.77.0.1/24, address: 10.77.0.10/24, gateway: 10.77.0.1 }
SPEC

echo "== up"
croft -f shop.yaml validate
croft -f shop.yaml up --wait --timeout 25m || fail "up ends with $?"

expect "the host name" till "$(guest hostname)"
expect "the full name" till.shop.test "$(guest hostname -f)"
expect "nproc" "$cpus" "$(guest nproc)"
expect "the user" debian "$(guest whoami)"
expect "the other user" "/bin/sh" "$(guest getent passwd keeper | cut -d: -f7)"
expect "the written file" "nine to five" "$(guest sudo cat /etc/shop/open)"
expect "its permissions" 640 "$(guest stat -c %a /etc/shop/open)"
expect "what runcmd made" ran "$(guest cat /run/runcmd-ran)"
expect "the time zone" Europe/Lisbon "$(guest cat /etc/timezone)"
expect "the address" 10.77.0.10/24 "$(guest ip -4 -o addr show scope global | awk '{print $4}')"
expect "the default route" 10.77.0.1 "$(guest ip route show default | awk '{print $3}')"
expect "cloud-init" "status: done" "$(guest cloud-init status --wait | tail -n 1)"
expect "cloud-init's errors" '[]' "$(guest cat /run/cloud-init/result.json | jq -c .v1.errors)"
expect "the data source" "DataSourceNoCloud" "$(guest cat /run/cloud-init/result.json | jq -r .v1.datasource | cut -d' ' -f1)"
memory=$(guest awk '/MemTotal/ {print $2}' /proc/meminfo)
[ "$memory" -gt 900000 ] && [ "$memory" -le 1048576 ] || fail "MemTotal is $memory KiB of 1 GiB"
size=$(guest df --output=size -B 1M / | tail -n 1)
[ "$size" -gt 11000 ] || fail "the root file system has $size MiB of 12 GiB: it was not grown"
guest sudo dmesg | grep -iE "XSAVE consistency|ACPI.*Error|Oops|BUG: (unable|Bad|kernel)|general protection" && fail "the guest's kernel complains"
rc=0; guest 'exit 7' || rc=$?
expect "a command's exit code" 7 "$rc"

echo "== up again does nothing"
before=$(vm_pid)
croft -f shop.yaml up
expect "the VMM's pid" "$before" "$(vm_pid)"

echo "== reboot inside the guest"
boot=$(guest cat /proc/sys/kernel/random/boot_id)
guest sudo systemctl reboot || true
for _ in $(seq 120); do
	sleep 5
	now=$(guest cat /proc/sys/kernel/random/boot_id 2>/dev/null || true)
	[ -n "$now" ] && [ "$now" != "$boot" ] && break
done
[ -n "$now" ] && [ "$now" != "$boot" ] || fail "the guest did not come back from its reboot"
expect "the VMM's pid after the reboot" "$before" "$(vm_pid)"

echo "== down through the power button"
guest 'echo kept | sudo tee /var/tmp/kept >/dev/null; sync'
croft down --grace 10m shop || fail "down ends with $?"
expect "the state" stopped "$(croft status -o json shop | jq -r .state)"

expect "why it stopped" "poweroff: ACPI S5" "$(croft status -o json shop | jq -r .stop_reason)"
[ ! -e /sys/class/net/croft0 ] || fail "down left the bridge it had made"
check_disk "after down"

echo "== up, then kill -9 of the VMM under write load"
croft -f shop.yaml up --wait=ssh --timeout 15m || fail "the second up ends with $?"
expect "what was written before" kept "$(guest cat /var/tmp/kept)"
guest 'cat > /tmp/load.sh' <<'LOAD'
cd /var/tmp
i=0
while :; do
	i=$((i + 1))
	dd if=/dev/urandom of=load.$((i % 8)) bs=64k count=40 conv=fsync status=none
	echo $i > acknowledged.new && sync acknowledged.new && mv acknowledged.new acknowledged && sync . && echo "synced $i"
done
LOAD
guest 'sh /tmp/load.sh' >synced.txt 2>/dev/null &
load=$!
for _ in $(seq 60); do
	[ "$(grep -c synced synced.txt || true)" -ge 15 ] && break
	sleep 2
done
kill -9 "$(vm_pid)"
kill $load # its connection ends when ssh finds that nobody answers
wait $load || true
last=$(awk '/^synced/ {n = $2} END {print n}' synced.txt)
[ -n "$last" ] || fail "the write load never got anything to disk"
expect "the state after kill -9" crashed "$(croft status -o json shop | jq -r .state)"
check_disk "after kill -9"

echo "== up after the crash"
croft -f shop.yaml up --wait=ssh --timeout 15m || fail "up after the crash ends with $?"
got=$(guest cat /var/tmp/acknowledged)
[ "$got" -ge "$last" ] || fail "the guest had synced $last, and after the crash the disk says $got"
echo "ok: synced $last, found $got"

echo "== poweroff inside the guest"
guest sudo systemctl poweroff || true
for _ in $(seq 120); do
	[ "$(croft status -o json shop | jq -r .state)" = stopped ] && break
	sleep 5
done
expect "the state after poweroff" stopped "$(croft status -o json shop | jq -r .state)"
check_disk "after poweroff"

croft destroy --yes shop
expect "what is left" '[]' "$(croft list -o json | jq -c .)"
rc=0; croft status shop 2>/dev/null || rc=$?
expect "the exit code for a VM that is not there" 11 "$rc"
