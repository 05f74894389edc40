#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Fetching an image over loopback from nginx, without the cache (tests/tools/imgfetch): an xz-compressed
# raw image, hashed, unpacked and written sparsely in one pass, against a pipe of the usual programs; an
# image that is not packed, against the slower of downloading and hashing it; and the most memory that
# either takes. Interleaved; the first runs are dropped; medians.
set -euo pipefail

here=$(dirname "$(realpath "$0")")
build=$(realpath "${BUILD:-build}")
. "$here/lib.sh"
runs=${RUNS:-7} dropped=1
make -s BUILD="${BUILD:-build}" "${BUILD:-build}/tools/imgfetch" >&2
nginx=$(PATH=$PATH:/usr/sbin command -v nginx) || { echo "fetch.sh: no nginx here" >&2; exit 0; }
work=$(mktemp -d "$build/bench-fetch.XXXXXX")
trap '[ -z "${server:-}" ] || kill "$server" 2>/dev/null; rm -rf "$work"' EXIT
cd "$work"
mkdir www d

# A disk as images are: programs and libraries in some places, nothing in the others.
for part in 1 2 3; do
	find /usr/lib /usr/bin -xdev -type f -size +16k -print0 | sort -z | xargs -0 cat 2>/dev/null |
		head -c $((part * 40))M | tail -c 40M >>www/disk.raw || true
	truncate -s $((part * 120))M www/disk.raw
done
xz -2 -T0 -k www/disk.raw
head -c 512M /dev/urandom >www/plain.qcow2
raw=$(sha256sum <www/disk.raw)
xz_sum=sha512:$(sha512sum <www/disk.raw.xz | cut -d' ' -f1)
plain_sum=sha512:$(sha512sum <www/plain.qcow2 | cut -d' ' -f1)

for ((port = 20000 + RANDOM % 20000; ; port++)); do
	cat >nginx.conf <<-END
		daemon off; master_process off; pid pid; events {}
		http {
			root $work/www; access_log off; sendfile on;
			client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t; uwsgi_temp_path t;
			scgi_temp_path t;
			server { listen 127.0.0.1:$port; }
		}
	END
	"$nginx" -p "$work" -c "$work/nginx.conf" -e stderr 2>nginx.err &
	server=$!
	until curl -sfo /dev/null "http://127.0.0.1:$port/" || [ $? = 22 ] || ! kill -0 $server 2>/dev/null; do
		sleep 0.1
	done
	kill -0 $server 2>/dev/null && break
done
url=http://127.0.0.1:$port

croft_packed() {
	"$build/tools/imgfetch" get d digest="$xz_sum" "$url/disk.raw.xz" 2>>said
}

peer_packed() {
	curl -s "$url/disk.raw.xz" | tee >(sha512sum >sum) | xz -dc | cp --sparse=always /dev/stdin peer.raw
}

croft_plain() {
	"$build/tools/imgfetch" get d digest="$plain_sum" "$url/plain.qcow2" 2>>said
}

for ((i = 0; i < runs; i++)); do
	rm -f d/* peer.raw
	elapsed packed croft_packed
	[ "$(sha256sum <d/done)" = "$raw" ] || { echo "fetch.sh: not what it should be" >&2; exit 1; }
	elapsed peer-packed peer_packed
	[ "$(sha256sum <peer.raw)" = "$raw" ] || { echo "fetch.sh: the peer's is not what it should be" >&2; exit 1; }
	rm -f d/* peer.raw peer.qcow2
	elapsed plain croft_plain
	rm -f d/*
	elapsed peer-curl curl -so peer.qcow2 "$url/plain.qcow2"
	elapsed peer-sum sha512sum peer.qcow2
	rm -f peer.qcow2
done

slower=$(printf '%s\n' "$(median peer-curl)" "$(median peer-sum)" | sort -n | tail -n 1)
row "raw.xz to a sparse file in one pass, against curl, tee, sha512sum, xz, cp" ms "$(median packed)" \
	"$(median peer-packed)" 1.0
row "download and sha512 of 512 MiB, against the slower of curl and sha512sum" ms "$(median plain)" "$slower" 1.15
row "fetching: most memory" MiB \
	"$(sed -n 's/^memory: \([0-9]*\) KiB$/\1/p' said | sort -n | tail -n 1 | awk '{ printf "%.1f", $1 / 1024 }')" null 64
