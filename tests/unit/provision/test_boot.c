/* SPDX-License-Identifier: Apache-2.0
 *
 * Which kernel a VM boots, over the life of its disk: as the image says, as the guest made it
 * later, and the last copy when the guest left a file system that cannot be read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/text.h"
#include "base/util.h"
#include "provision/boot.h"
#include "tests/lib/provision/home.h"

enum { FS_BYTES = 8 << 20 };

static char notes[4096];

static void on_note(void *ctx, const char *text)
{
	(void)ctx;
	strncat(notes, text, sizeof(notes) - strlen(notes) - 1);
}

static const struct reporter rep = {.note = on_note};

/* A bzImage as far as anybody looks into it, told apart by its last bytes. */
static void put_kernel(const char *path, const char *mark)
{
	uint8_t head[8192] = {0};
	struct err err = {0};

	head[0x1f1] = 4;
	put_le16(head + 0x1fe, 0xaa55);
	memcpy(head + 0x202, "HdrS", 4);
	put_le16(head + 0x206, 0x20f);
	put_le16(head + 0x236, 1);
	put_le32(head + 0x238, 255);
	snprintf((char *)head + 8000, 100, "%s", mark);
	assert_int_equal(file_put(path, head, sizeof(head), 0600, &err), 0);
}

static void shell(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void shell(const char *fmt, ...)
{
	char line[4096];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (system(line) != 0)
		fail_msg("%s", line);
}

/* A kernel and an initrd that can be unpacked: the kernel's payload begins behind the setup code. */
static void put_packed(const char *tree, const char *kernel)
{
	shell("cd %s/boot && { head -c 2560 %s; printf '\\177ELF image' | gzip; } >k && "
	      "echo . | cpio -o -H newc --quiet | gzip >initrd-%s && "
	      "n=$(printf %%03o $(($(stat -c %%s k) - 2560))) && "
	      "printf \"\\\\$n\" | dd of=k bs=1 seek=588 conv=notrunc status=none && mv k %s",
	      tree, kernel, kernel, kernel);
}

/* An ext4 file system on a whole disk, with an extlinux.conf that names `kernel`. */
static char *make_fs(struct home *h, const char *name, const char *kernel, const char *options)
{
	auto_free char *tree = xasprintf("%s/%s.tree", h->path, name), *file = NULL;
	auto_free char *conf =
		xasprintf("DEFAULT linux\nLABEL linux\n LINUX /boot/%s\n INITRD /boot/initrd-%s\n"
			  " APPEND root=/dev/vda ro quiet\n",
			  kernel, kernel);
	auto_free char *entry = xasprintf("%s.tree/boot/extlinux.conf", name);
	auto_free char *os = xasprintf("%s.tree/etc/os-release", name);
	char *image = xasprintf("%s/%s", h->path, name);

	free(home_file(h, entry, conf));
	free(home_file(h, os, "ID=alpine\nPRETTY_NAME=\"Alpine Linux v3.20\"\nVERSION_ID=3.20\n"));
	file = xasprintf("%s/boot/%s", tree, kernel);
	put_kernel(file, kernel);
	shell("printf %s-initrd > %s/boot/initrd-%s", kernel, tree, kernel);
	if (text_starts(kernel, "packed"))
		put_packed(tree, kernel);
	shell("PATH=$PATH:/sbin:/usr/sbin mke2fs -q -F -t ext4 %s -d %s %s 8M >/dev/null 2>&1",
	      options, tree, image);
	return image;
}

struct stand {
	struct run run;
	struct spec_vm vm;
	struct spec spec;
	struct boot_choice choice;
	char cmdline[VMM_MAX_CMDLINE];
	struct err err;
};

/* A VM whose overlay stands on `image`. */
static void stand_up(struct stand *s, struct home *h, const char *name, const char *image,
		     const char *digest)
{
	auto_free char *overlay = NULL;
	struct blk_create create = {
		.size = FS_BYTES, .backing_size = FS_BYTES, .backing_format = BLK_RAW};
	int fd;

	*s = (struct stand){.vm = {.name = "vm", .boot = {.mode = BOOT_AUTO}}};
	home_run(h, "boot", name, &s->run);
	s->run.rep = &rep;
	s->run.vm = &s->vm;
	s->run.spec = &s->spec;
	s->run.state.image_path = xstrdup(image);
	snprintf(s->run.state.image_format, sizeof(s->run.state.image_format), "raw");
	snprintf(s->run.state.image_digest, sizeof(s->run.state.image_digest), "%s", digest);
	s->run.state.image_size = FS_BYTES;
	create.backing_name = image;
	overlay = vmdir_file(&s->run.dir, "disk.qcow2");
	fd = open(overlay, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	assert_int_equal(qcow2_create(fd, &create, &s->err), 0);
	close(fd);
	boot_choice_init(&s->choice);
}

static void stand_down(struct stand *s)
{
	boot_choice_done(&s->choice);
	home_run_done(&s->run);
}

static int choose(struct stand *s)
{
	notes[0] = '\0';
	s->err = (struct err){0};
	boot_choice_done(&s->choice);
	return boot_choose(&s->run, &s->choice, s->cmdline, &s->err);
}

static void expect_boots(struct stand *s, const char *kernel)
{
	auto_free char *want = xasprintf("%s-initrd", kernel);
	char mark[100] = "", initrd[100] = "";

	if (choose(s) < 0)
		fail_msg("%s", s->err.msg);
	assert_int_equal(pread(s->choice.kernel, mark, 99, 8000), 99);
	assert_string_equal(mark, kernel);
	assert_true(pread(s->choice.initrd, initrd, 99, 0) > 0);
	assert_string_equal(initrd, want);
}

/* What the guest writes: the whole disk, from another image. */
static void guest_writes(struct stand *s, const char *image, uint64_t off, uint64_t len)
{
	auto_free char *overlay = vmdir_file(&s->run.dir, "disk.qcow2");
	struct blk_layer layers[] = {
		{.fd = open(overlay, O_RDWR | O_CLOEXEC), .format = BLK_QCOW2, .name = overlay},
		{.fd = open(s->run.state.image_path, O_RDONLY | O_CLOEXEC),
		 .format = BLK_RAW,
		 .name = "base"},
	};
	auto_blk struct blk *blk = blk_open(layers, 2, 0, &s->err);
	auto_close int from = image ? open(image, O_RDONLY | O_CLOEXEC) : -1;
	auto_free char *data = xzalloc(len);

	if (!blk)
		fail_msg("%s", s->err.msg);
	if (image)
		assert_int_equal(pread_all(from, data, len, off, NULL), 0);
	assert_int_equal(blk_write(blk, off, data, len), 0);
	s->run.state.disk_used = true;
}

static bool no_mke2fs(void)
{
	auto_free char *found = proc_find("mke2fs");

	return !found && access("/sbin/mke2fs", X_OK) < 0 && access("/usr/sbin/mke2fs", X_OK) < 0;
}

static void over_a_life(void **state)
{
	struct home *h = *state;
	auto_free char *image = NULL, *upgraded = NULL, *cached = NULL;
	struct stand s;
	struct stat a, b;

	if (no_mke2fs())
		skip();
	image = make_fs(h, "image", "vmlinuz-1", "");
	upgraded = make_fs(h, "upgraded", "vmlinuz-2", "");
	stand_up(&s, h, "life", image, "sha256:11");

	/* New: from the image, by way of the cache. */
	expect_boots(&s, "vmlinuz-1");
	assert_string_equal(s.cmdline, "root=/dev/vda ro quiet console=ttyS0,115200n8");
	assert_non_null(strstr(s.run.state.boot, "vmlinuz-1"));
	assert_string_equal(s.run.state.os_id, "alpine");
	assert_true(vmdir_has(&s.run.dir, "boot/kernel"));
	cached = xasprintf("%s/boot/sha256-11/kernel", h->dirs.cache);
	assert_int_equal(stat(cached, &a), 0);
	expect_boots(&s, "vmlinuz-1");
	assert_int_equal(stat(cached, &b), 0);
	assert_true(a.st_ino == b.st_ino); /* not made again */

	/* The guest ran, and upgraded its kernel. */
	guest_writes(&s, upgraded, 0, FS_BYTES);
	expect_boots(&s, "vmlinuz-2");
	assert_string_equal(notes, "");

	/* It broke its file system: the last copy serves, and that is said. */
	guest_writes(&s, NULL, 0, 65536);
	expect_boots(&s, "vmlinuz-2");
	assert_non_null(strstr(notes, "booting the kernel of the last start"));

	/* Without a copy there is nothing to boot, and the error says what was looked at. */
	auto_free char *copy = vmdir_file(&s.run.dir, "boot");
	assert_int_equal(dir_remove(copy, NULL), 0);
	assert_int_equal(choose(&s), -1);
	assert_int_equal(s.err.kind, ERR_VM);
	assert_non_null(strstr(s.err.msg, "no boot entry found: "));
	stand_down(&s);
}

/* grub-reboot chooses for one start, and can do so again. */
static void one_time_entry(void **state)
{
	struct home *h = *state;
	static const char entry[] =
		"menuentry %d --id e%d { linux /boot/vmlinuz-%d x\ninitrd /boot/initrd-vmlinuz-%d }\n";
	auto_free char *image = NULL, *kernel = NULL;
	auto_buf struct buf config = BUF_INIT(4096), env = BUF_INIT(1025);
	struct stand s;

	if (no_mke2fs())
		skip();
	buf_puts(&config, "load_env\nif [ \"$next_entry\" ]; then\ndefault=$next_entry\n"
			  "set next_entry=\nsave_env next_entry\nelse default=$saved_entry\nfi\n");
	for (int i = 1; i <= 2; i++)
		buf_printf(&config, entry, i, i, i, i);
	buf_puts(&env, "# GRUB Environment Block\nnext_entry=e2\nsaved_entry=e1\n");
	while (env.len < 1024)
		buf_putc(&env, '#');
	free(home_file(h, "once.tree/boot/grub/grub.cfg", buf_str(&config)));
	free(home_file(h, "once.tree/boot/grub/grubenv", buf_str(&env)));
	kernel = xasprintf("%s/once.tree/boot/vmlinuz-2", h->path);
	put_kernel(kernel, "vmlinuz-2");
	shell("printf vmlinuz-2-initrd > %s/once.tree/boot/initrd-vmlinuz-2", h->path);
	image = make_fs(h, "once", "vmlinuz-1", "");
	stand_up(&s, h, "once", image, "sha256:31");
	for (int i = 0; i < 2; i++) {
		guest_writes(&s, image, 0, FS_BYTES);
		expect_boots(&s, "vmlinuz-2");
		expect_boots(&s, "vmlinuz-1");
		expect_boots(&s, "vmlinuz-1");
		assert_string_equal(notes, "");
	}
	stand_down(&s);
}

/* The boot entry names a file that is no kernel: said before a VMM is asked to start it. */
static void no_kernel_in_the_image(void **state)
{
	struct home *h = *state;
	auto_free char *image = NULL, *tree = path_join(h->path, "odd.tree");
	struct stand s;

	if (no_mke2fs())
		skip();
	free(make_fs(h, "odd", "vmlinuz-odd", ""));
	shell("echo no kernel > %s/boot/vmlinuz-odd", tree);
	image = path_join(h->path, "odd");
	shell("PATH=$PATH:/sbin:/usr/sbin mke2fs -q -F -t ext4 -d %s %s 8M >/dev/null 2>&1", tree,
	      image);
	stand_up(&s, h, "odd", image, "sha256:13");
	assert_int_equal(choose(&s), -1);
	if (!strstr(s.err.msg, "the boot entry's kernel, /boot/vmlinuz-odd: "))
		fail_msg("%s", s.err.msg);
	stand_down(&s);
}

static ino_t inode(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

static void expect_starts(int fd, uint64_t off, const char *magic)
{
	char got[8] = "";

	assert_true(pread(fd, got, strlen(magic), (off_t)off) == (ssize_t)strlen(magic));
	assert_memory_equal(got, magic, strlen(magic));
}

/* Unpacked once, and used again as long as the disk has the same; small VMs unpack it themselves. */
static void unpacked(void **state)
{
	struct home *h = *state;
	auto_free char *image = NULL;
	struct stand s;
	ino_t kernel, initrd;

	if (no_mke2fs())
		skip();
	image = make_fs(h, "unpacked", "packed-1", "");
	stand_up(&s, h, "unpacked", image, "sha256:15");
	s.vm.memory = GIB;
	assert_int_equal(choose(&s), 0);
	expect_starts(s.choice.kernel, 2560, "\177ELF");
	expect_starts(s.choice.initrd, 0, "070701");
	kernel = inode(s.choice.kernel);
	initrd = inode(s.choice.initrd);

	s.run.state.disk_used = true;
	assert_int_equal(choose(&s), 0);
	assert_true(inode(s.choice.kernel) == kernel);
	assert_true(inode(s.choice.initrd) == initrd);

	s.vm.memory = 1024;
	assert_int_equal(choose(&s), 0);
	expect_starts(s.choice.initrd, 0, "\x1f\x8b");
	stand_down(&s);
}

/* Not unmounted, and the journal could not be applied: what is read may be old. */
static void stale(void **state)
{
	struct home *h = *state;
	auto_free char *image = NULL, *other = NULL;
	struct stand s;
	uint8_t flags[4];
	int fd;

	if (no_mke2fs())
		skip();
	image = make_fs(h, "stale-image", "vmlinuz-1", "");
	other = make_fs(h, "stale-other", "vmlinuz-2", "-O ^has_journal,^metadata_csum");
	/* ext4: s_feature_incompat at 0x60 of the superblock; 4 is INCOMPAT_RECOVER */
	fd = open(other, O_RDWR | O_CLOEXEC);
	assert_int_equal(pread_all(fd, flags, 4, 1024 + 0x60, NULL), 0);
	flags[0] |= 4;
	assert_int_equal(pwrite_all(fd, flags, 4, 1024 + 0x60), 0);
	close(fd);

	stand_up(&s, h, "stale", image, "sha256:22");
	expect_boots(&s, "vmlinuz-1");
	guest_writes(&s, other, 0, FS_BYTES);
	expect_boots(&s, "vmlinuz-1");
	assert_non_null(strstr(notes, "did not shut down cleanly"));

	/* Rather the stale one than none. */
	auto_free char *copy = vmdir_file(&s.run.dir, "boot");
	assert_int_equal(dir_remove(copy, NULL), 0);
	expect_boots(&s, "vmlinuz-2");
	stand_down(&s);
}

/* What is half in the cache, or of another version of croft, is made again. */
static void damaged_cache(void **state)
{
	static const char *const ruin[] = {
		"rm -f %s/kernel", "rm -f %s/initrd", "echo '{' > %s/boot.json",
		"echo '{\"version\":99}' > %s/boot.json", "rm -rf %s/boot.json"};
	struct home *h = *state;
	auto_free char *image = NULL, *dir = xasprintf("%s/boot/sha256-33", h->dirs.cache);
	struct stand s;

	if (no_mke2fs())
		skip();
	image = make_fs(h, "cache-image", "vmlinuz-1", "");
	stand_up(&s, h, "cache", image, "sha256:33");
	for (size_t i = 0; i < ARRAY_LEN(ruin); i++) {
		char line[512];

		expect_boots(&s, "vmlinuz-1");
		snprintf(line, sizeof(line), ruin[i], dir);
		shell("%s", line);
		expect_boots(&s, "vmlinuz-1");
	}
	stand_down(&s);
}

static void the_specs_wishes(void **state)
{
	struct home *h = *state;
	auto_free char *image = NULL, *kernel = path_join(h->path, "own-kernel"), *longer = NULL;
	struct stand s;

	if (no_mke2fs())
		skip();
	image = make_fs(h, "wish-image", "vmlinuz-1", "");
	put_kernel(kernel, "own");
	stand_up(&s, h, "wish", image, "sha256:44");

	s.vm.boot.cmdline_append = "debug";
	assert_int_equal(choose(&s), 0);
	assert_string_equal(s.cmdline, "root=/dev/vda ro quiet console=ttyS0,115200n8 debug");
	s.vm.boot.cmdline = "root=/dev/vdb";
	assert_int_equal(choose(&s), 0);
	assert_string_equal(s.cmdline, "root=/dev/vdb console=ttyS0,115200n8 debug");

	/* A kernel of the host; the image still says what the root is. */
	s.vm.boot = (struct spec_boot){.mode = BOOT_KERNEL, .kernel = kernel};
	assert_int_equal(choose(&s), 0);
	assert_string_equal(s.cmdline, "root=/dev/vda ro quiet console=ttyS0,115200n8");
	assert_int_equal(s.choice.initrd, -1);
	assert_non_null(strstr(s.run.state.boot, "own-kernel"));

	longer = xzalloc(400);
	memset(longer, 'x', 399);
	s.vm.boot.cmdline_append = longer;
	assert_int_equal(choose(&s), -1);
	assert_int_equal(s.err.kind, ERR_SPEC);
	assert_non_null(strstr(s.err.msg, "this kernel takes at most 255"));
	s.vm.boot.cmdline_append = NULL;
	s.vm.boot.kernel = image;
	assert_int_equal(choose(&s), -1);
	assert_non_null(strstr(s.err.msg, "not a kernel"));
	s.vm.boot.kernel = "/nonexistent";
	assert_int_equal(choose(&s), -1);
	assert_int_equal(s.err.kind, ERR_SPEC);
	stand_down(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_kernel_in_the_image),
		cmocka_unit_test(over_a_life),
		cmocka_unit_test(one_time_entry),
		cmocka_unit_test(unpacked),
		cmocka_unit_test(stale),
		cmocka_unit_test(damaged_cache),
		cmocka_unit_test(the_specs_wishes),
	};

	return cmocka_run_group_tests(tests, home_setup, home_teardown);
}
