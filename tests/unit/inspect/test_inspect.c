/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole disks through inspect_disk: the layouts of four distributions, and what is said when there
 * is nothing to boot.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>

#include "base/file.h"
#include "tests/lib/inspect/fixture.h"

static struct inspect *look(const struct fixture *f, struct blk **blk)
{
	struct err err = {0};
	struct inspect *in;

	*blk = fixture_open(f, "disk.img");
	in = inspect_disk(*blk, &err);
	if (!in)
		fail_msg("%s", err.msg);
	return in;
}

/* The file inside the image, as debugfs sees it, is what inspect_extract writes. */
static void assert_extracts_like_debugfs(struct fixture *f, struct blk *blk,
					 const struct inspect *in, const char *fs, unsigned part,
					 const char *path)
{
	auto_buf struct buf expected = BUF_INIT(64 * MIB), got = BUF_INIT(64 * MIB);
	auto_close int fd = memfd_create("out", MFD_CLOEXEC);
	char command[600];
	struct err err = {0};

	snprintf(command, sizeof(command),
		 "PATH=$PATH:/sbin:/usr/sbin debugfs -R 'dump %s %s' %s 2>/dev/null", path,
		 fixture_path(f, "dumped"), fixture_path(f, fs));
	fixture_shell(command);
	assert_int_equal(file_read(fixture_path(f, "dumped"), &expected, &err), 0);
	if (inspect_extract(blk, in, part, path, fd, 64 * MIB, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	assert_int_equal(file_read_fd(fd, "copy", &got, &err), 0);
	assert_int_equal(got.len, expected.len);
	assert_memory_equal(buf_str(&got), buf_str(&expected), got.len);
}

static void test_debian(void **state)
{
	struct fixture f;
	struct blk *blk;
	struct inspect *in;

	(void)state;
	fixture_init(&f);
	fixture_debian(&f);
	in = look(&f, &blk);

	assert_string_equal(in->table, "gpt");
	assert_false(in->gpt_backup);
	assert_int_equal(in->nparts, 3);
	assert_int_equal(in->part[0].number, 1);
	assert_string_equal(in->part[0].type_name, "linux");
	assert_string_equal(in->part[0].fs, "ext4");
	assert_string_equal(in->part[0].fs_uuid, "2e6d1a4c-6a6b-4a35-9a0b-1b0c6f4a8e11");
	assert_string_equal(in->part[0].partuuid, "11112222-3333-4444-5555-666677778888");
	assert_int_equal(in->part[0].off, 32768 * 512);
	assert_string_equal(in->part[1].type_name, "bios-boot");
	assert_string_equal(in->part[2].type_name, "esp");

	assert_int_equal(in->root_part, 0);
	assert_string_equal(in->os.id, "debian");
	assert_string_equal(in->os.version_id, "12");
	assert_string_equal(in->os.pretty_name, "Debian GNU/Linux 12 (bookworm)");

	assert_int_equal(in->boot.source, BOOT_GRUB);
	assert_int_equal(in->boot.part, 1);
	assert_string_equal(in->boot.config, "/boot/grub/grub.cfg");
	assert_string_equal(in->boot.title, "Debian GNU/Linux");
	assert_string_equal(in->boot.kernel, "/boot/vmlinuz-6.1.0-37-cloud-amd64");
	assert_int_equal(in->boot.ninitrd, 1);
	assert_string_equal(in->boot.initrd[0], "/boot/initrd.img-6.1.0-37-cloud-amd64");
	assert_string_equal(in->boot.cmdline,
			    "root=PARTUUID=11112222-3333-4444-5555-666677778888 ro console=tty0 "
			    "console=ttyS0,115200 earlyprintk=ttyS0,115200 consoleblank=0");
	assert_string_equal(in->kernel.kind, "bzImage");
	assert_string_equal(in->kernel.version, "6.1.0-37-cloud-amd64 (builder@host) #1 SMP");
	assert_string_equal(in->kernel.payload, "lz4");
	assert_true(in->kernel.entry64);

	assert_extracts_like_debugfs(&f, blk, in, "root.ext4", 1, in->boot.kernel);
	assert_extracts_like_debugfs(&f, blk, in, "root.ext4", 1, in->boot.initrd[0]);
	assert_extracts_like_debugfs(&f, blk, in, "root.ext4", 1, "/boot/grub/grub.cfg");

	inspect_free(in);
	blk_close(blk);
	fixture_done(&f);
}

/* Ubuntu 24.04: /boot is a file system of its own, XBOOTLDR on p16, and the root is p1. */
static void test_ubuntu(void **state)
{
	struct fixture f;
	struct blk *blk;
	struct inspect *in;

	(void)state;
	fixture_init(&f);
	fixture_data(&f, "boot", "grub/grub.cfg", "ubuntu2404-grub.cfg");
	fixture_kernel(&f, "boot", "vmlinuz-6.8.0-60-generic", "6.8.0-60-generic");
	fixture_text(&f, "boot", "initrd.img-6.8.0-60-generic", "initrd 60");
	fixture_kernel(&f, "boot", "vmlinuz-6.8.0-58-generic", "6.8.0-58-generic");
	fixture_text(&f, "boot", "initrd.img-6.8.0-58-generic", "initrd 58");
	fixture_mke2fs(&f, "boot", "boot.ext4", 8 * MIB,
		       "-t ext4 -L BOOT -U b0a10000-1111-4222-8333-444455556666");
	fixture_text(&f, "root", "usr/lib/os-release",
		     "ID=ubuntu\nVERSION_ID=\"24.04\"\nID_LIKE=debian\n");
	fixture_text(&f, "root", "boot/.keep", "");
	fixture_mke2fs(&f, "root", "root.ext4", 8 * MIB, "-t ext4 -L cloudimg-rootfs");
	fixture_truncate(&f, "disk.img", 32 * MIB);
	fixture_sgdisk(
		&f,
		"-a1 -n14:2048:4095 -t14:ef02 -n15:4096:6143 -t15:ef00 -n16:6144:22527 -t16:ea00 "
		"-n1:22528:0 -t1:8300");
	fixture_place(&f, "disk.img", "boot.ext4", 6144 * 512);
	fixture_place(&f, "disk.img", "root.ext4", 22528 * 512);

	in = look(&f, &blk);
	assert_int_equal(in->nparts, 4);
	assert_int_equal(in->part[in->root_part].number, 1);
	assert_string_equal(in->os.id, "ubuntu");
	assert_string_equal(in->os.id_like, "debian");
	assert_int_equal(in->boot.source, BOOT_GRUB);
	assert_int_equal(in->boot.part, 16);
	assert_string_equal(in->boot.kernel, "/vmlinuz-6.8.0-60-generic");
	assert_string_equal(in->boot.initrd[0], "/initrd.img-6.8.0-60-generic");
	assert_string_equal(in->boot.cmdline,
			    "root=LABEL=cloudimg-rootfs ro console=tty1 console=ttyS0");
	assert_non_null(strstr(in->kernel.version, "6.8.0-60-generic"));
	assert_extracts_like_debugfs(&f, blk, in, "boot.ext4", 16, in->boot.initrd[0]);
	inspect_free(in);
	blk_close(blk);
	fixture_done(&f);
}

/* Alpine for BIOS: one ext4 without a partition table, a boot sector in its first bytes. */
static void test_alpine(void **state)
{
	struct fixture f;
	struct blk *blk;
	struct inspect *in;

	(void)state;
	fixture_init(&f);
	fixture_data(&f, "root", "boot/extlinux.conf", "alpine-extlinux.conf");
	fixture_kernel(&f, "root", "boot/vmlinuz-virt", "6.6.32-0-virt");
	fixture_text(&f, "root", "boot/initramfs-virt", "initramfs");
	fixture_text(&f, "root", "etc/os-release",
		     "NAME=\"Alpine Linux\"\nID=alpine\nVERSION_ID=3.20.0\n");
	fixture_mke2fs(&f, "root", "disk.img", 16 * MIB, "-t ext4 -L /");
	fixture_text(&f, "t", "mbr", "\xeb\x58\x90SYSLINUX");
	fixture_place(&f, "disk.img", "t/mbr", 0);

	in = look(&f, &blk);
	assert_string_equal(in->table, "none");
	assert_int_equal(in->boot.source, BOOT_EXTLINUX);
	assert_int_equal(in->boot.part, 0);
	assert_string_equal(in->boot.kernel, "/boot/vmlinuz-virt");
	assert_string_equal(in->os.id, "alpine");
	assert_non_null(strstr(in->trail, "the disk: ext4, label /"));
	assert_extracts_like_debugfs(&f, blk, in, "disk.img", 0, in->boot.kernel);
	inspect_free(in);
	blk_close(blk);
	fixture_done(&f);
}

/* AlmaLinux with ext4: p3 is /boot with BLS entries, p4 the root. */
static void test_almalinux(void **state)
{
	struct fixture f;
	struct blk *blk;
	struct inspect *in;

	(void)state;
	fixture_init(&f);
	fixture_data(&f, "boot", "grub2/grub.cfg", "fedora-grub.cfg");
	fixture_text(&f, "boot", "grub2/grubenv",
		     "# GRUB Environment "
		     "Block\nsaved_entry=ffffffffffffffffffffffffffffffff-5.14.0-503.el9\n####");
	fixture_text(
		&f, "boot", "loader/entries/ffffffffffffffffffffffffffffffff-5.14.0-503.el9.conf",
		"title AlmaLinux (5.14.0-503.el9) 9.5\nversion 5.14.0-503.el9\n"
		"linux /vmlinuz-5.14.0-503.el9\ninitrd /initramfs-5.14.0-503.el9.img "
		"$tuned_initrd\n"
		"options root=UUID=x ro console=tty0 console=ttyS0,115200n8 crashkernel=auto\n");
	fixture_kernel(&f, "boot", "vmlinuz-5.14.0-503.el9", "5.14.0-503.el9.x86_64");
	fixture_text(&f, "boot", "initramfs-5.14.0-503.el9.img", "initramfs");
	fixture_mke2fs(&f, "boot", "boot.ext4", 8 * MIB,
		       "-t ext4 -L boot -U f3d0a000-0000-4000-8000-00000000b007");
	fixture_text(&f, "root", "etc/os-release", "ID=\"almalinux\"\nVERSION_ID=\"9.5\"\n");
	fixture_mke2fs(&f, "root", "root.ext4", 8 * MIB, "-t ext4");
	fixture_truncate(&f, "disk.img", 32 * MIB);
	fixture_sgdisk(&f,
		       "-a1 -n1:2048:4095 -t1:ef02 -n2:4096:6143 -t2:ef00 -n3:6144:22527 -t3:8300 "
		       "-n4:22528:0 -t4:8300");
	fixture_place(&f, "disk.img", "boot.ext4", 6144 * 512);
	fixture_place(&f, "disk.img", "root.ext4", 22528 * 512);

	in = look(&f, &blk);
	assert_int_equal(in->boot.source, BOOT_BLS);
	assert_int_equal(in->boot.part, 3);
	assert_string_equal(in->boot.kernel, "/vmlinuz-5.14.0-503.el9");
	assert_int_equal(in->boot.ninitrd, 1);
	assert_string_equal(in->boot.config,
			    "/loader/entries/ffffffffffffffffffffffffffffffff-5.14.0-503.el9.conf");
	assert_int_equal(in->part[in->root_part].number, 4);
	inspect_free(in);
	blk_close(blk);
	fixture_done(&f);
}

static void test_extract_errors(void **state)
{
	auto_close int fd = memfd_create("out", MFD_CLOEXEC);
	struct fixture f;
	struct blk *blk;
	struct inspect *in;
	struct err err = {0};

	(void)state;
	fixture_init(&f);
	fixture_debian(&f);
	in = look(&f, &blk);
	assert_int_equal(inspect_extract(blk, in, 7, "/x", fd, MIB, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_string_equal(err.msg, "the image has no partition 7");
	assert_int_equal(inspect_extract(blk, in, 1, "/boot/none", fd, MIB, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_string_equal(err.msg, "partition 1: '/boot/none': no such file");
	assert_int_equal(inspect_extract(blk, in, 1, "/boot", fd, MIB, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_int_equal(inspect_extract(blk, in, 1, in->boot.kernel, fd, 8191, &err), -1);
	assert_int_equal(err.kind, ERR_CORRUPT);
	assert_int_equal(inspect_extract(blk, in, 14, "/x", fd, MIB, &err), -1);
	assert_int_equal(err.kind, ERR_UNSUPPORTED);
	assert_int_equal(lseek(fd, 0, SEEK_CUR), 0);
	inspect_free(in);
	blk_close(blk);
	fixture_done(&f);
}

/* The disk breaks under us: the root's superblock is there, its directories are not. */
static void test_damaged(void **state)
{
	auto_free char *zeros = NULL;
	struct fixture f;
	struct blk *blk;
	struct inspect *in;
	int fd;

	(void)state;
	fixture_init(&f);
	fixture_debian(&f);
	zeros = calloc(1, 20 * MIB);
	fd = open(fixture_path(&f, "disk.img"), O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite_all(fd, zeros, 20 * MIB, 32768 * 512 + 8192), 0);
	close(fd);
	in = look(&f, &blk);
	assert_int_equal(in->boot.source, BOOT_NONE);
	assert_int_equal(in->root_part, -1u);
	assert_string_equal(in->part[0].fs, "ext4");
	assert_non_null(strstr(in->boot_note, "partition 1 (ext4)"));
	inspect_free(in);
	blk_close(blk);
	fixture_done(&f);
}

static void test_nothing_to_boot(void **state)
{
	struct fixture f;
	struct blk *blk;
	struct inspect *in;

	(void)state;
	fixture_init(&f);
	fixture_truncate(&f, "disk.img", MIB);
	in = look(&f, &blk);
	assert_string_equal(in->table, "none");
	assert_int_equal(in->nparts, 1);
	assert_int_equal(in->part[0].number, 0);
	assert_int_equal(in->boot.source, BOOT_NONE);
	assert_non_null(strstr(in->boot_note, "no boot entry found"));
	assert_non_null(strstr(in->boot_note, "are zero"));
	assert_non_null(strstr(in->boot_note, "boot.kernel"));
	inspect_free(in);
	blk_close(blk);
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_debian),		cmocka_unit_test(test_ubuntu),
		cmocka_unit_test(test_alpine),		cmocka_unit_test(test_almalinux),
		cmocka_unit_test(test_extract_errors),	cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_nothing_to_boot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
