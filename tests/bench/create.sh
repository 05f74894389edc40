#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Making an overlay on a cached image, from the process's start to its end: croft's code (tests/disk/
# mkimage: probe the base, create) against qemu-img create with the same options. And the first writes
# of 4 KiB into such an overlay, each into a cluster of its own, with a flush at the end: what the
# default of qcow2_create is chosen by. Interleaved; the first runs are dropped; medians.
set -euo pipefail

build=$(realpath "${BUILD:-build}")
here=$(dirname "$(realpath "$0")")
. "$here/lib.sh"
runs=35 dropped=5
make -s BUILD="${BUILD:-build}" "${BUILD:-build}/disk/mkimage" "${BUILD:-build}/disk/iobench" >&2
work=$(mktemp -d "$build/bench-create.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
have_qemu=$(command -v qemu-img || true)

head -c 256M /dev/urandom >base.raw
"$build/disk/mkimage" base.qcow2 $((4 << 30))
for ((i = 0; i < runs; i++)); do
	rm -f croft.qcow2 peer.qcow2
	elapsed croft "$build/disk/mkimage" croft.qcow2 $((20 << 30)) qcow2:base.qcow2
	[ -z "$have_qemu" ] || elapsed peer qemu-img create -q -f qcow2 -F qcow2 -b base.qcow2 \
		-o extended_l2=on,cluster_size=128k peer.qcow2 20G
done
row "overlay creation, against qemu-img create" ms "$(median croft)" \
	"$([ -z "$have_qemu" ] && echo null || median peer)" 0.3

runs=7 dropped=1
for ((i = 0; i < runs; i++)); do
	rm -f croft.qcow2 peer.qcow2
	"$build/disk/mkimage" croft.qcow2 0 raw:base.raw
	elapsed first "$build/disk/iobench" --write --flush --step 69632 --count 3800 \
		qcow2:croft.qcow2 raw:base.raw
	[ -z "$have_qemu" ] || {
		qemu-img create -q -f qcow2 -F raw -b base.raw -o extended_l2=on,cluster_size=128k peer.qcow2
		elapsed peer-first qemu-img bench -w -t writeback -c 3800 -d 32 -s 4096 -S 69632 \
			--flush-interval=3800 -i io_uring -f qcow2 peer.qcow2
	}
done
row "3800 first writes into an overlay, against qemu-img bench" ms "$(median first)" \
	"$([ -z "$have_qemu" ] && echo null || median peer-first)" 1.0
