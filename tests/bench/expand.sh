#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Expanding a compressed qcow2 into a sparse raw file, from the process's start to its end: croft's code
# (tests/tools/expand, which also computes the digest of the result) against qemu-img convert with its
# most threads and writes out of order. Neither syncs. Interleaved; the first runs are dropped; medians.
set -euo pipefail

build=$(realpath "${BUILD:-build}")
runs=7 dropped=1
make -s BUILD="${BUILD:-build}" "${BUILD:-build}/tools/expand" "${BUILD:-build}/croft" >&2
work=$(mktemp -d "$build/bench-expand.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

# On a machine with other work the one with more threads gets more of it: keep the others away, if we may.
alone=()
! chrt -f 1 true 2>/dev/null || alone=(chrt -f 1)

# elapsed FILE COMMAND...: runs it and appends its wall time in microseconds to FILE
elapsed() {
	local file=$1 start=${EPOCHREALTIME/[.,]/} end
	shift
	"${alone[@]}" "$@" >/dev/null
	end=${EPOCHREALTIME/[.,]/}
	echo $((end - start)) >>"$file"
}

# median FILE, in milliseconds, without the first runs
median() {
	tail -n +$((dropped + 1)) "$1" | sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] / 1000 }'
}

command -v qemu-img >/dev/null || {
	echo "bench: no qemu-img, which also makes the image" >&2
	exit 0
}

# What an image of a distribution is like: programs and texts, in a disk that is mostly empty.
content() {
	local file
	for file in /usr/bin/* /usr/lib/x86_64-linux-gnu/*.so* /usr/share/*/*; do
		[ -f "$file" ] && [ ! -L "$file" ] && cat "$file"
	done 2>/dev/null | head -c 512M || true
}
content >content.raw
truncate -s 4G content.raw
for kind in zlib zstd; do
	qemu-img convert -c -O qcow2 -o compression_type=$kind content.raw $kind.qcow2
	for ((i = 0; i < runs; i++)); do
		rm -f ours.raw theirs.raw
		elapsed $kind.croft "$build/tools/expand" qcow2:$kind.qcow2 ours.raw
		elapsed $kind.peer qemu-img convert -m 16 -W -O raw $kind.qcow2 theirs.raw
	done
	cmp ours.raw theirs.raw
	croft=$(median $kind.croft) peer=$(median $kind.peer)
	printf '{"name": "expanding a %s qcow2, against qemu-img convert -m16 -W", "place": "native", "unit": "ms", "croft": %s, "peer": %s, "ratio": %s, "goal": %s}\n' \
		$kind "$croft" "$peer" "$(awk -v c="$croft" -v p="$peer" 'BEGIN { printf "%.3f", c / p }')" \
		"$([ $kind = zlib ] && echo 0.667 || echo 1.0)"
done
