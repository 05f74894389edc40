/* SPDX-License-Identifier: Apache-2.0
 *
 * See fixture.h. The tools that make the images are the distributions' own, so that our readers are
 * compared with somebody else's idea of the formats.
 */
#include "tests/lib/inspect/fixture.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/proc.h"
#include "images/inspect/fsys.h"
#include "images/inspect/probe.h"

#define DATA_DIR "tests/unit/inspect/data/"

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "fixture: %s failed\n", what);
	abort();
}

void fixture_init(struct fixture *f)
{
	const char *tmp = getenv("TMPDIR");

	snprintf(f->dir, sizeof(f->dir), "%.40s/croft-inspect-XXXXXX", tmp ? tmp : "/tmp");
	must(mkdtemp(f->dir) != NULL, "mkdtemp");
}

void fixture_done(struct fixture *f)
{
	must(dir_remove(f->dir, NULL) == 0, "removing the temporary directory");
}

const char *fixture_path(const struct fixture *f, const char *name)
{
	static char paths[4][512];
	static unsigned turn;
	char *p = paths[turn++ % ARRAY_LEN(paths)];

	snprintf(p, sizeof(paths[0]), "%s/%s", f->dir, name);
	return p;
}

void fixture_file(struct fixture *f, const char *tree, const char *path, const void *data, size_t n)
{
	auto_free char *whole = xasprintf("%s/%s/%s", f->dir, tree, path);
	auto_free char *dir = path_dir(whole);
	auto_close int fd = -1;

	must(dir_make(dir, 0755, NULL) == 0, dir);
	fd = open(whole, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	must(fd >= 0 && write_all(fd, data, n) == 0, whole);
}

void fixture_text(struct fixture *f, const char *tree, const char *path, const char *text)
{
	fixture_file(f, tree, path, text, strlen(text));
}

void fixture_link(struct fixture *f, const char *tree, const char *path, const char *target)
{
	auto_free char *whole = xasprintf("%s/%s/%s", f->dir, tree, path);
	auto_free char *dir = path_dir(whole);

	must(dir_make(dir, 0755, NULL) == 0 && symlink(target, whole) == 0, whole);
}

void fixture_data(struct fixture *f, const char *tree, const char *path, const char *data)
{
	auto_buf struct buf text = BUF_INIT(MIB);
	auto_free char *from = xasprintf(DATA_DIR "%s", data);

	must(file_read(from, &text, NULL) == 0, from);
	fixture_file(f, tree, path, buf_str(&text), text.len);
}

void fixture_kernel(struct fixture *f, const char *tree, const char *path, const char *version)
{
	uint8_t k[8192] = {0};
	const unsigned setup_sectors = 7; /* plus the boot sector: payload code starts at 4096 */

	k[0x1F1] = setup_sectors;
	put_le16(k + 0x1FE, 0xAA55);
	memcpy(k + 0x202, "HdrS", 4);
	put_le16(k + 0x206, 0x020F);
	put_le16(k + 0x20E, 0x800);
	put_le32(k + 0x22C, 0x7FFFFFFF);
	k[0x234] = 1;
	put_le16(k + 0x236, 0x003F);
	put_le32(k + 0x238, 2047);
	put_le32(k + 0x248, 0x100);
	put_le64(k + 0x258, 0x1000000);
	put_le32(k + 0x260, 0x2000000);
	snprintf((char *)k + 0xA00, 256, "%s (builder@host) #1 SMP", version);
	memcpy(k + 4096 + 0x100, "\x02\x21\x4c\x18", 4);
	/* Something that differs between versions, so that a wrong file shows. */
	snprintf((char *)k + 6000, 256, "code of %s", version);
	fixture_file(f, tree, path, k, sizeof(k));
}

void fixture_run(const char *const argv[], struct buf *out)
{
	struct proc_result r;
	struct err err = {0};

	if (proc_run(argv, 60000, &r, &err) < 0) {
		fprintf(stderr, "fixture: %s\n", err.msg);
		abort();
	}
	if (r.exit_code) {
		fprintf(stderr, "fixture: %s: exit code %d\n%s%s\n", argv[0], r.exit_code,
			buf_str(&r.out), buf_str(&r.errout));
		abort();
	}
	if (out)
		buf_put(out, buf_str(&r.out), r.out.len);
	proc_result_done(&r);
}

void fixture_shell(const char *command)
{
	const char *const argv[] = {"sh", "-ec", command, NULL};

	fixture_run(argv, NULL);
}

void fixture_mke2fs(struct fixture *f, const char *tree, const char *out, uint64_t bytes,
		    const char *options)
{
	auto_free char *command =
		xasprintf("mkdir -p '%s/%s' && PATH=$PATH:/sbin:/usr/sbin mke2fs -q -F "
			  "%s -d '%s/%s' '%s/%s' %lluk",
			  f->dir, tree, options ? options : "-t ext4", f->dir, tree, f->dir, out,
			  (unsigned long long)bytes / 1024);

	fixture_shell(command);
}

void fixture_truncate(struct fixture *f, const char *name, uint64_t bytes)
{
	auto_close int fd = open(fixture_path(f, name), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	must(fd >= 0 && ftruncate(fd, (off_t)bytes) == 0, name);
}

void fixture_place(struct fixture *f, const char *disk, const char *fs, uint64_t off)
{
	auto_close int in = open(fixture_path(f, fs), O_RDONLY | O_CLOEXEC);
	auto_close int out = open(fixture_path(f, disk), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	auto_free char *chunk = xmalloc(MIB);
	size_t got = 0;

	must(in >= 0 && out >= 0, fs);
	for (uint64_t at = 0; pread_all(in, chunk, MIB, at, &got) == 0 && got; at += got)
		must(pwrite_all(out, chunk, got, off + at) == 0, disk);
}

struct blk *fixture_open(const struct fixture *f, const char *name)
{
	const char *path = fixture_path(f, name);
	struct blk_layer layer = {.format = BLK_RAW, .name = path};
	struct err err = {0};
	struct blk *blk;

	layer.fd = open(path, O_RDONLY | O_CLOEXEC);
	must(layer.fd >= 0, path);
	blk = blk_open(&layer, 1, BLK_RDONLY, &err);
	must(blk != NULL, err.msg);
	return blk;
}

void fixture_sgdisk(struct fixture *f, const char *options)
{
	auto_free char *command = xasprintf("PATH=$PATH:/sbin:/usr/sbin sgdisk %s '%s' >/dev/null",
					    options, fixture_path(f, "disk.img"));

	fixture_shell(command);
}

void fixture_debian(struct fixture *f)
{
	fixture_data(f, "root", "boot/grub/grub.cfg", "debian12-grub.cfg");
	fixture_kernel(f, "root", "boot/vmlinuz-6.1.0-37-cloud-amd64", "6.1.0-37-cloud-amd64");
	fixture_text(f, "root", "boot/initrd.img-6.1.0-37-cloud-amd64", "initrd 37");
	fixture_text(f, "root", "usr/lib/os-release",
		     "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian GNU/Linux\"\n"
		     "VERSION_ID=\"12\"\nVERSION=\"12 (bookworm)\"\nID=debian\n");
	fixture_link(f, "root", "etc/os-release", "../usr/lib/os-release");
	fixture_mke2fs(f, "root", "root.ext4", 24 * MIB,
		       "-t ext4 -U 2e6d1a4c-6a6b-4a35-9a0b-1b0c6f4a8e11");

	/* The layout of FAI's GRUB_CLOUD_AMD64, smaller. */
	fixture_truncate(f, "disk.img", 64 * MIB);
	fixture_sgdisk(
		f, "-a1 -n14:2048:8191 -t14:ef02 -n15:8192:16383 -t15:ef00 -n1:32768:0 -t1:8300 "
		   "-u1:11112222-3333-4444-5555-666677778888");
	fixture_place(f, "disk.img", "root.ext4", 32768 * 512);
}

bool fixture_locate(struct fixture *f, const char *fs, const char *path, const char *content)
{
	struct inspect_part part = {.off = 3 * MIB};
	uint64_t off, size;
	char got[64] = "";
	struct blk *blk;
	struct fsys *x;
	bool found;

	file_remove(fixture_path(f, "placed"), NULL);
	fixture_place(f, "placed", fs, part.off);
	blk = fixture_open(f, "placed");
	part.size = blk_size(blk) - part.off;
	probe_part(blk, &part);
	x = fsys_open(blk, &part, NULL);
	must(x != NULL, fs);
	found = fsys_locate(x, path, &off, &size, NULL) == 0;
	if (found && content)
		must(size == strlen(content) && blk_read(blk, off, got, size) == 0 &&
			     !strcmp(got, content),
		     path);
	fsys_close(x);
	blk_close(blk);
	return found;
}
