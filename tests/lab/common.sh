# SPDX-License-Identifier: Apache-2.0
# What the lab's scripts share: messages, the cache, and Debian kernels taken out of their packages.
# Sourced, never run; shellcheck -x looks into it from there. Everything below works without root.
# shellcheck shell=bash disable=SC2034

# `sh -e` does not look into $(...) by itself: a failed download inside one must end the script.
shopt -s inherit_errexit

me=$(basename "$0")
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
cache=${CROFT_LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/croft-lab}

say() { echo "$me: $*" >&2; }
die() { say "$*"; exit 1; }

# need COMMAND PACKAGE: every tool is asked for by the name of the package that brings it.
need() {
	PATH=$PATH:/usr/sbin:/sbin type -P "$1" >/dev/null ||
		die "'$1' is not installed; it is in Debian's $2 (make deps)"
}

# cached NAME FUNCTION [ARG...]: the path of the cache entry NAME, made by `FUNCTION ARG...
# EMPTY-DIRECTORY` if absent. An entry is built aside and renamed, under a lock: it is there whole
# or not at all, and two runs build it once.
cached() {
	local name=$1 entry=$cache/$1 new
	shift
	if [ ! -d "$entry" ]; then
		mkdir -p "$cache"
		(
			flock 9
			[ ! -d "$entry" ] || exit 0
			say "making $entry (once)"
			new=$(mktemp -d "$cache/.new.XXXXXX")
			trap 'rm -rf "$new"' EXIT
			chmod 755 "$new"
			"$@" "$new" >&2
			mv -T "$new" "$entry"
			# Entries of earlier scripts and packages, unused for a month.
			find "$cache" -mindepth 1 -maxdepth 1 -mtime +30 -exec rm -rf {} +
		) 9>"$cache/.lock.$name"
	fi
	touch "$entry"
	echo "$entry"
}

# hash_of FILE...: a short name for the content of files. In a cache entry's name it makes a changed
# script build anew; a changed comment does not.
hash_of() { grep -ahv '^[[:space:]]*#' "$@" | sha256sum | cut -c1-12; }

# package_id META: PACKAGE=VERSION that apt would install for a package, or for what a kernel
# metapackage depends on. apt needs most of a second for this, so the answer is kept until apt's
# lists change.
package_id() {
	local meta=$1 kept=$cache/.id.$1 pkg version
	if [ ! "$kept" -nt /var/lib/apt/lists ]; then
		pkg=$(apt-cache depends "$meta" | awk '/Depends: linux-image-[0-9]/ && !n++ { print $2 }')
		pkg=${pkg:-$meta}
		version=$(apt-cache show --no-all-versions "$pkg" | sed -n 's/^Version: //p')
		[ -n "$version" ] ||
			die "apt knows no package '$pkg': run apt-get update, or add Debian 12's main to its sources"
		mkdir -p "$cache"
		echo "$pkg=$version" >"$kept.$$"
		mv "$kept.$$" "$kept"
	fi
	cat "$kept"
}

# package_dir META: the directory that holds a package's files, unpacked and never installed.
package_dir() {
	local id
	id=$(package_id "$1")
	cached "deb-${id/=/_}" unpack_package "$id"
}

unpack_package() {
	local id=$1 dir=$2
	# Root's apt would drop to a user who cannot enter this directory, and warn about it.
	(cd "$dir" && apt-get download -qq -o APT::Sandbox::User=root "$id") ||
		die "cannot download $id: run apt-get update and look at apt's own message above"
	dpkg -x "$dir"/*.deb "$dir"
	rm "$dir"/*.deb
	[ ! -d "$dir/lib/modules" ] || PATH=$PATH:/sbin depmod -b "$dir" "$(ls "$dir/lib/modules")"
}

# module_files KERNEL-DIR MODULE...: the modules' files and those of all they need, in loading
# order, each once. Modules that are built into this kernel have no file and are no error.
module_files() {
	local dir=$1 kver m
	kver=$(ls "$dir/lib/modules")
	shift
	for m; do
		PATH=$PATH:/sbin modprobe -d "$dir" -S "$kver" --show-depends "$m" ||
			die "kernel $kver has no module '$m'"
	done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }'
}

# kernel_payload BZIMAGE: the compressed vmlinux in it, to standard output. x86 boot protocol: its place is
# relative to the 64-bit code, behind the boot sector and setup_sects; its last four bytes are its unpacked size.
kernel_payload() {
	local setup offset length
	setup=$(od -An -tu1 -j $((0x1f1)) -N 1 "$1")
	read -r offset length < <(od -An -tu4 -j $((0x248)) -N 8 "$1")
	dd if="$1" iflag=skip_bytes,count_bytes skip=$(((setup + 1) * 512 + offset)) count=$((length - 4)) \
		bs=1M status=none
}

# pack_initrd DIR FILE: one reproducible archive, whoever builds it.
pack_initrd() {
	(cd "$1" && find . -mindepth 1 | LC_ALL=C sort | cpio -o -H newc -R 0:0 --reproducible --quiet) |
		gzip -1n >"$2"
}
