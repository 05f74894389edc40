#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# `croft up` with a cached image, from the command's start to the start of the VMM: spec, image, overlay,
# seed, boot entry, state. The image is the lab's Debian; every VM is a new one. No peer: what others do
# at this point is not comparable. Needs /dev/kvm; says so and is absent otherwise.
set -euo pipefail
here=$(dirname "$(realpath "$0")")
build=$(realpath "${BUILD:-$here/../../build}")
. "$here/lib.sh"
runs=${RUNS:-15} dropped=2

[ -w /dev/kvm ] || { echo "up.sh: needs /dev/kvm" >&2; exit 0; }
image=$("$here/../lab/debian-image")
work=$(mktemp -d)
export CROFT_HOME=$work/home
croft() { "$build/croft" "$@"; }
cleanup() {
	croft destroy --yes bench >/dev/null 2>&1 || true
	rm -rf "$work"
}
trap cleanup EXIT
cat >"$work/bench.yaml" <<-END
	version: 1
	image: { path: $image, format: qcow2 }
	memory: 512MiB
	hostname: bench
	packages: [ git ]
	networks: {}
END
# Tells when it was started, and becomes the VMM. The shell's own start is counted with it.
cat >"$work/vmm" <<-END
	#!/bin/bash
	echo "\${EPOCHREALTIME/[.,]/}" >"$work/started"
	exec "$build/croft-vmm" "\$@"
END
chmod +x "$work/vmm"
export CROFT_VMM=$work/vmm
for ((i = 0; i < runs; i++)); do
	start=${EPOCHREALTIME/[.,]/}
	croft -f "$work/bench.yaml" up >/dev/null 2>&1
	echo $(($(cat "$work/started") - start)) >>"$work/ms"
	croft destroy --yes bench >/dev/null 2>&1
done
row "croft up, cached image, to the VMM's start" ms "$(median "$work/ms")" null 60
