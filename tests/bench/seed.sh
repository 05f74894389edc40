#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Building a seed disk, from the process's start to its end: croft's code (tests/tools/mkseed, which
# also reads its input, merges, renders and makes the file durable) against cloud-localds, which packs
# the finished documents with genisoimage. Interleaved; the first runs are dropped; medians.
set -euo pipefail

here=$(dirname "$(realpath "$0")")
build=${BUILD:-build}
. "$here/lib.sh"
runs=25 dropped=5
[ -x "$build/tools/mkseed" ] || make -s BUILD="$build" "$build/tools/mkseed" >&2
work=$(mktemp -d "$build/bench-seed.XXXXXX")
trap 'rm -rf "$work"' EXIT
input=$here/../golden/seed/full/input.yaml
"$build/tools/mkseed" render "$input" "$work"

peer=null
for ((i = 0; i < runs; i++)); do
	elapsed "$work/croft" "$build/tools/mkseed" iso "$input" "$work/croft.iso"
	command -v cloud-localds >/dev/null && elapsed "$work/peer" cloud-localds \
		--network-config "$work/network-config" --vendor-data "$work/vendor-data" \
		"$work/peer.iso" "$work/user-data" "$work/meta-data"
done
croft=$(median "$work/croft")
if [ -s "$work/peer" ]; then
	peer=$(median "$work/peer")
fi
row "seed disk, against cloud-localds" ms "$croft" "$peer" 0.3
