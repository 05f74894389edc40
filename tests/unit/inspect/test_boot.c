/* SPDX-License-Identifier: Apache-2.0
 *
 * Which configuration decides: the order of candidates, BLS entries, extlinux.conf, the newest
 * kernel, and what is said when there is none of them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "images/inspect/boot.h"
#include "images/inspect/vercmp.h"
#include "tests/lib/inspect/memfs.h"

#define DATA_DIR  "tests/unit/inspect/data/"
#define BOOT_UUID "f3d0a000-0000-4000-8000-00000000b007"
#define ROOT_UUID "f3d0a000-0000-4000-8000-000000007007"

static void find(struct mem_disk *d, int root)
{
	boot_find(&d->v, (unsigned)root);
	if (d->in.boot.source == BOOT_NONE)
		print_message("%s\n%s", d->in.boot_note, buf_str(&d->v.trail));
}

static char *data(const char *name)
{
	auto_free char *path = xasprintf(DATA_DIR "%s", name);
	auto_buf struct buf text = BUF_INIT(MIB);
	struct err err = {0};

	if (file_read(path, &text, &err) < 0)
		fail_msg("%s", err.msg);
	return buf_take(&text);
}

static void test_versions(void **state)
{
	/* Each is older than the next. */
	static const char *const ascending[] = {
		"",
		"0-rescue-4e1",
		"5.14.0-70.13.1.el9_0",
		"5.14.0-284.el9",
		"5.14.0-284.11.1.el9",
		"6.1.0-9-cloud-amd64",
		"6.1.0-37-cloud-amd64",
		"6.1.0-100-cloud-amd64",
		"6.8.0~rc1",
		"6.8.0",
		"6.8.0-58-generic",
		"6.10",
		"100000000000000000000000000000001",
		"100000000000000000000000000000002",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ascending); i++)
		for (size_t k = 0; k < ARRAY_LEN(ascending); k++) {
			int c = version_compare(ascending[i], ascending[k]);

			if ((c < 0) != (i < k) || (c > 0) != (i > k))
				fail_msg("'%s' against '%s': %d", ascending[i], ascending[k], c);
		}
	assert_true(version_compare("1.0", "1_0") == 0);
	assert_true(version_compare("001", "1") == 0);
	assert_true(version_compare("1a", "1.1") < 0);
	assert_true(version_compare(NULL, "") < 0);
	assert_true(version_compare(NULL, NULL) == 0);
	assert_true(version_compare("---", "") == 0);
}

/* The examples of UAPI.10, and what they mean for file names. */
static void test_versions_uapi(void **state)
{
	static const char *const ascending[] = {
		"",	      "11_\xc3\xa4", "122.1",	 "123~rc1", "123",
		"123-a",      "123-a.1",     "123-a1.1", "123-3",   "123-3.1",
		"123^patch1", "123^1",	     "123.a-1",	 "123.1-1", "123a-1",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(ascending); i++)
		for (size_t k = 0; k < ARRAY_LEN(ascending); k++) {
			int c = version_compare_uapi(ascending[i], ascending[k]);

			if ((c < 0) != (i < k) || (c > 0) != (i > k))
				fail_msg("'%s' against '%s': %d", ascending[i], ascending[k], c);
		}
	assert_true(version_compare_uapi("arch-fallback.conf", "arch.conf") < 0);
	assert_true(version_compare_uapi("1_0", "1+0") == 0);
	assert_true(version_compare_uapi(NULL, "") < 0);
}

/* --- BLS --- */

static const char fedora_new[] =
	"title Fedora Linux (6.8.5-301.fc40.x86_64) 40 (Cloud Edition)\n"
	"version 6.8.5-301.fc40.x86_64\n"
	"linux /vmlinuz-6.8.5-301.fc40.x86_64\n"
	"initrd /initramfs-6.8.5-301.fc40.x86_64.img $tuned_initrd\n"
	"options root=UUID=" ROOT_UUID " rootflags=subvol=root $kernelopts "
	"${tuned_params}\n"
	"grub_users $grub_users\ngrub_arg --unrestricted\ngrub_class fedora\n";
static const char fedora_old[] = "title Fedora Linux (6.7.9-200.fc40.x86_64) 40 (Cloud Edition)\r\n"
				 "version 6.7.9-200.fc40.x86_64\r\n"
				 "# a comment\r\n"
				 "linux\t/vmlinuz-6.7.9-200.fc40.x86_64\r\n"
				 "initrd /initramfs-6.7.9-200.fc40.x86_64.img\r\n"
				 "options a\r\noptions b=c\r\n";
static const char fedora_rescue[] = "title Fedora Linux (0-rescue-4e1f) 40 (Cloud Edition)\n"
				    "version 0-rescue-4e1f\nlinux /vmlinuz-0-rescue-4e1f\n"
				    "initrd /initramfs-0-rescue-4e1f.img\noptions rescue\n";

#define ENV(text) "# GRUB Environment Block\n" text "\n###########"

/* The machine ids differ on purpose: they are the build host's and do not order anything. */
#define FEDORA_FILES(config, env)                                                                  \
	{                                                                                          \
		{"/grub2/grub.cfg", (config), 0}, {"/grub2/grubenv", (env), 0},                    \
			{"/loader/entries/0f2d-6.8.5-301.fc40.x86_64.conf", fedora_new, 0},        \
			{"/loader/entries/4e1f-6.7.9-200.fc40.x86_64.conf", fedora_old, 0},        \
			{"/loader/entries/4e1f-0-rescue.conf", fedora_rescue, 0},                  \
			{"/vmlinuz-6.8.5-301.fc40.x86_64", "k", 0},                                \
			{"/initramfs-6.8.5-301.fc40.x86_64.img", "i", 0},                          \
			{"/vmlinuz-6.7.9-200.fc40.x86_64", "k", 0},                                \
			{"/initramfs-6.7.9-200.fc40.x86_64.img", "i", 0},                          \
			{"/vmlinuz-0-rescue-4e1f", "k", 0},                                        \
			{"/initramfs-0-rescue-4e1f.img", "i", 0},                                  \
	}

static const struct bls_case {
	const char *env, *kernel, *cmdline, *config;
} bls_cases[] = {
	/* Nothing saved: the newest. */
	{ENV("boot_success=0"), "/vmlinuz-6.8.5-301.fc40.x86_64", NULL,
	 "/loader/entries/0f2d-6.8.5-301.fc40.x86_64.conf"},
	{ENV("saved_entry=4e1f-6.7.9-200.fc40.x86_64"), "/vmlinuz-6.7.9-200.fc40.x86_64", "a b=c",
	 "/loader/entries/4e1f-6.7.9-200.fc40.x86_64.conf"},
	{ENV("saved_entry=4e1f-6.7.9-200.fc40.x86_64\nnext_entry=4e1f-0-rescue"),
	 "/vmlinuz-0-rescue-4e1f", "rescue", "/loader/entries/4e1f-0-rescue.conf"},
	/* A saved entry whose file is gone. */
	{ENV("saved_entry=4e1f-5.0"), "/vmlinuz-6.8.5-301.fc40.x86_64", NULL,
	 "/loader/entries/0f2d-6.8.5-301.fc40.x86_64.conf"},
	{ENV("kernelopts=from=grubenv x"), "/vmlinuz-6.8.5-301.fc40.x86_64",
	 "root=UUID=" ROOT_UUID " rootflags=subvol=root from=grubenv x ", NULL},
};

/* With Fedora's grub.cfg, and with the entries alone. */
static void test_bls(void **state)
{
	auto_free char *config = data("fedora-grub.cfg");

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(bls_cases); i++) {
		const struct bls_case *c = &bls_cases[i / 2];
		bool with_config = i % 2;
		struct mem_file files[] = FEDORA_FILES(config, c->env);
		struct mem_disk d;

		if (!with_config)
			files[0] = (struct mem_file){"/unrelated", "x", 0};
		mem_disk_init(&d, "gpt");
		mem_disk_add(&d, 2, "xbootldr", "boot", BOOT_UUID, files, ARRAY_LEN(files));
		find(&d, 0);
		assert_int_equal(d.in.boot.source, BOOT_BLS);
		assert_string_equal(d.in.boot.kernel, c->kernel);
		if (c->cmdline)
			assert_string_equal(d.in.boot.cmdline, c->cmdline);
		else if (with_config) /* the spare options of the grub.cfg */
			assert_string_equal(d.in.boot.cmdline,
					    "root=UUID=" ROOT_UUID
					    " rootflags=subvol=root root=UUID=" ROOT_UUID
					    " ro console=tty1 console=ttyS0,115200n8  ");
		if (c->config)
			assert_string_equal(d.in.boot.config, c->config);
		assert_int_equal(d.in.boot.ninitrd, 1);
		assert_int_equal(d.in.boot.part, 2);
		mem_disk_done(&d);
	}
}

static void test_rhel8_kernelopts(void **state)
{
	auto_free char *config = data("rhel8-grub.cfg");
	static const char entry[] = "title RHEL\nversion 4.18.0-553.el8.x86_64\n"
				    "linux /vmlinuz-4.18.0-553.el8.x86_64\n"
				    "initrd /initramfs-4.18.0-553.el8.x86_64.img $tuned_initrd\n"
				    "options $kernelopts $tuned_params\n";
	static const struct {
		const char *env, *cmdline;
	} cases[] = {
		{ENV("kernelopts=root=UUID=x ro crashkernel=auto "),
		 "root=UUID=x ro crashkernel=auto  "},
		{ENV("saved_entry=x"), "root=UUID=" ROOT_UUID " ro from=default_kernelopts  "},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct mem_file files[] = {
			{"/grub2/grub.cfg", config, 0},
			{"/grub2/grubenv", cases[i].env, 0},
			{"/loader/entries/"
			 "ffffffffffffffffffffffffffffffff-4.18.0-553.el8.x86_64.conf",
			 entry, 0},
			{"/vmlinuz-4.18.0-553.el8.x86_64", "k", 0},
			{"/initramfs-4.18.0-553.el8.x86_64.img", "i", 0},
		};
		struct mem_disk d;

		mem_disk_init(&d, "gpt");
		mem_disk_add(&d, 2, "linux", "boot", BOOT_UUID, files, ARRAY_LEN(files));
		find(&d, -1);
		assert_string_equal(d.in.boot.cmdline, cases[i].cmdline);
		assert_int_equal(d.in.boot.source, BOOT_BLS);
		mem_disk_done(&d);
	}
}

static void test_bls_details(void **state)
{
	struct mem_file files[] = {
		/* Entries below /boot whose paths mean the boot partition that does not exist. */
		{"/boot/loader/entries/a-1.0.conf", "linux /vmlinuz-1.0\ninitrd initrd-1.0\n", 0},
		/* Newer, but not bootable: another architecture, no kernel key, no kernel file,
		   used up. */
		{"/boot/loader/entries/b-9.0.conf", "architecture aa64\nlinux /vmlinuz-1.0\n", 0},
		{"/boot/loader/entries/c-8.0.conf", "title only\n", 0},
		{"/boot/loader/entries/d-7.0.conf", "version 7.0\nlinux /vmlinuz-7.0\n", 0},
		{"/boot/loader/entries/e-6.0+0-3.conf",
		 "version 6.0\nlinux /vmlinuz-1.0\noptions bad\n", 0},
		{"/boot/loader/entries/f-5.0+2.conf", "linux\n", 0},
		{"/boot/loader/entries/g-5.0.conf",
		 "version 5.0\nlinux /vmlinuz-1.0\ninitrd a\ninitrd b\ninitrd c\ninitrd d\ninitrd "
		 "e\n",
		 0},
		{"/boot/loader/entries/h-0-rescue.conf",
		 "version 99\nlinux /vmlinuz-1.0\noptions rescue\n", 0},
		{"/boot/loader/entries/ignored.txt", "linux /vmlinuz-1.0\n", 0},
		{"/boot/loader/entries/.hidden.conf", "version 99\nlinux /vmlinuz-1.0\n", 0},
		{"/boot/vmlinuz-1.0", "k", 0},
		{"/boot/initrd-1.0", "i", 0},
	};
	struct mem_disk d;

	(void)state;
	mem_disk_init(&d, "gpt");
	mem_disk_add(&d, 1, "linux", "", ROOT_UUID, files, ARRAY_LEN(files));
	find(&d, 0);
	assert_int_equal(d.in.boot.source, BOOT_BLS);
	assert_string_equal(d.in.boot.title, "a-1.0");
	assert_string_equal(d.in.boot.kernel, "/boot/vmlinuz-1.0");
	assert_string_equal(d.in.boot.initrd[0], "/boot/initrd-1.0");
	assert_string_equal(d.in.boot.cmdline, "");
	mem_disk_done(&d);
}

/* --- extlinux --- */

static void test_extlinux(void **state)
{
	auto_free char *alpine = data("alpine-extlinux.conf");
	struct mem_file files[] = {
		{"/boot/extlinux.conf", alpine, 0},
		{"/boot/vmlinuz-virt", "k", 0},
		{"/boot/initramfs-virt", "i", 0},
	};
	struct mem_disk d;

	(void)state;
	mem_disk_init(&d, "none");
	mem_disk_add(&d, 0, "", "/", ROOT_UUID, files, ARRAY_LEN(files));
	find(&d, 0);
	assert_int_equal(d.in.boot.source, BOOT_EXTLINUX);
	assert_string_equal(d.in.boot.title, "Linux virt");
	assert_string_equal(d.in.boot.kernel, "/boot/vmlinuz-virt");
	assert_string_equal(d.in.boot.initrd[0], "/boot/initramfs-virt");
	assert_string_equal(d.in.boot.cmdline,
			    "root=LABEL=/ modules=sd-mod,usb-storage,ext4 console=ttyS0,115200n8");
	mem_disk_done(&d);
}

static void test_extlinux_language(void **state)
{
	static const struct {
		const char *text, *kernel, *cmdline;
		unsigned ninitrd;
	} cases[] = {
		{"default two\nlabel one\nkernel /k1\nlabel two\nkernel /k2\nappend x y\n", "/k2",
		 "x y", 0},
		{"LABEL one\nLINUX k1\nAPPEND a initrd=/i1,/i2\n", "/k1", "a initrd=/i1,/i2", 2},
		{"APPEND global\nLABEL one\nLINUX k1\n", "/k1", "global", 0},
		{"APPEND global\nLABEL one\nLINUX k1\nAPPEND own\n", "/k1", "own", 0},
		{"APPEND global\nLABEL one\nLINUX k1\nAPPEND -\n", "/k1", "", 0},
		{"DEFAULT none\nLABEL one\nLINUX k1\nLABEL two\n MENU DEFAULT\n LINUX k2\n", "/k2",
		 "", 0},
		{"INCLUDE more.conf\n", "/k2", "included", 0},
		{"MENU INCLUDE more.conf\nDEFAULT inc\n", "/k2", "included", 0},
		{"INCLUDE self.conf\nLABEL one\nLINUX k1\n", "/k1", "", 0},
		{"INCLUDE none.conf\nLABEL one\nLINUX k1\nINITRD i1, i2\n", "/k1", "", 2},
		{"LABEL one\nLINUX k1\nINITRD i1,i2,i1,i2,i1\n", NULL, NULL, 0},
		{"LABEL one\nLINUX none\n", NULL, NULL, 0},
		{"LABEL one\nAPPEND x\n", NULL, NULL, 0},
		{"# LABEL one\n", NULL, NULL, 0},
		{"LABELone\nLINUX k1\n", NULL, NULL, 0},
		{"", NULL, NULL, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct mem_file files[] = {
			{"/extlinux.conf", cases[i].text, 0},
			{"/more.conf", "LABEL inc\nLINUX k2\nAPPEND included\n", 0},
			{"/self.conf", "INCLUDE self.conf\nINCLUDE self.conf\n", 0},
			{"/k1", "k", 0},
			{"/k2", "k", 0},
			{"/i1", "i", 0},
			{"/i2", "i", 0},
		};
		struct boot_entry e = {0};
		struct err err = {0};
		struct mem_disk d;
		int rc;

		mem_disk_init(&d, "none");
		mem_disk_add(&d, 0, "", "/", ROOT_UUID, files, ARRAY_LEN(files));
		rc = extlinux_boot(&d.v, 0, "/extlinux.conf", &e, &err);
		if ((rc == 0) != (cases[i].kernel != NULL))
			fail_msg("case %zu: %s", i, err.msg);
		if (rc == 0) {
			assert_string_equal(e.kernel, cases[i].kernel);
			assert_string_equal(e.cmdline, cases[i].cmdline);
			assert_int_equal(e.ninitrd, cases[i].ninitrd);
		}
		mem_disk_done(&d);
	}
}

/* More labels than are kept: the last that is keeps its own keys. */
static void test_extlinux_many_labels(void **state)
{
	auto_buf struct buf text = BUF_INIT(MIB);
	struct mem_file files[] = {{"/extlinux.conf", "", 0}, {"/k", "k", 0}};
	struct boot_entry e = {0};
	struct err err = {0};
	struct mem_disk d;

	(void)state;
	buf_puts(&text, "DEFAULT l63\n");
	for (int i = 0; i < 70; i++)
		buf_printf(&text, "LABEL l%d\nLINUX k\nAPPEND %d\n", i, i);
	files[0].content = buf_str(&text);
	mem_disk_init(&d, "none");
	mem_disk_add(&d, 0, "", "/", ROOT_UUID, files, ARRAY_LEN(files));
	assert_int_equal(extlinux_boot(&d.v, 0, "/extlinux.conf", &e, &err), 0);
	assert_string_equal(e.title, "l63");
	assert_string_equal(e.cmdline, "63");
	mem_disk_done(&d);
}

/* --- the newest kernel --- */

static void test_newest(void **state)
{
	static const struct {
		struct mem_file files[6];
		size_t n;
		const char *kernel, *initrd, *cmdline;
	} cases[] = {
		{{{"/boot/vmlinuz-6.1.0-9-amd64", "k", 0},
		  {"/boot/vmlinuz-6.1.0-37-amd64", "k", 0},
		  {"/boot/initrd.img-6.1.0-9-amd64", "i", 0},
		  {"/boot/initrd.img-6.1.0-37-amd64", "i", 0}},
		 4,
		 "/boot/vmlinuz-6.1.0-37-amd64",
		 "/boot/initrd.img-6.1.0-37-amd64",
		 "root=UUID=" ROOT_UUID " ro"},
		{{{"/boot/vmlinuz-6.8.5-301.fc40.x86_64", "k", 0},
		  {"/boot/vmlinuz-0-rescue-ff", "k", 0},
		  {"/boot/initramfs-6.8.5-301.fc40.x86_64.img", "i", 0},
		  {"/etc/kernel/cmdline", "a b\n", 0}},
		 4,
		 "/boot/vmlinuz-6.8.5-301.fc40.x86_64",
		 "/boot/initramfs-6.8.5-301.fc40.x86_64.img",
		 "a b "},
		{{{"/boot/vmlinuz-virt", "k", 0}, {"/boot/initramfs-virt", "i", 0}},
		 2,
		 "/boot/vmlinuz-virt",
		 "/boot/initramfs-virt",
		 "root=UUID=" ROOT_UUID " ro"},
		{{{"/boot/vmlinuz-6.4.0-default", "k", 0},
		  {"/boot/initrd-6.4.0-default", "i", 0},
		  {"/boot/vmlinuz-9.9.old", "k", 0}},
		 3,
		 "/boot/vmlinuz-6.4.0-default",
		 "/boot/initrd-6.4.0-default",
		 "root=UUID=" ROOT_UUID " ro"},
		{{{"/boot/vmlinuz", "k", 0}, {"/boot/initrd.img", "i", 0}},
		 2,
		 "/boot/vmlinuz",
		 "/boot/initrd.img",
		 "root=UUID=" ROOT_UUID " ro"},
		/* Without an initrd only the partition can be named. */
		{{{"/boot/bzImage-6.1", "k", 0}},
		 1,
		 "/boot/bzImage-6.1",
		 NULL,
		 "root=PARTUUID=p-1 ro"},
		{{{"/boot/config-6.1", "c", 0}}, 1, NULL, NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct mem_disk d;

		mem_disk_init(&d, "gpt");
		mem_disk_add(&d, 1, "linux", "", ROOT_UUID, cases[i].files, cases[i].n);
		snprintf(d.in.part[0].partuuid, sizeof(d.in.part[0].partuuid), "p-1");
		boot_find(&d.v, 0);
		if (!cases[i].kernel) {
			assert_int_equal(d.in.boot.source, BOOT_NONE);
			assert_non_null(strstr(d.in.boot_note, "partition 1 (mem) has no kernel"));
		} else {
			assert_int_equal(d.in.boot.source, BOOT_NEWEST);
			assert_string_equal(d.in.boot.kernel, cases[i].kernel);
			assert_string_equal(d.in.boot.cmdline, cases[i].cmdline);
			assert_int_equal(d.in.boot.ninitrd, cases[i].initrd != NULL);
			if (cases[i].initrd)
				assert_string_equal(d.in.boot.initrd[0], cases[i].initrd);
		}
		mem_disk_done(&d);
	}
}

/* --- which file system decides --- */

#define MENU(kernel) "menuentry t { linux " kernel " x }\n"

static void test_candidates(void **state)
{
	struct mem_file root[] = {{"/boot/grub/grub.cfg", MENU("/boot/root"), 0},
				  {"/boot/root", "k", 0}};
	struct mem_file dirs[] = {{"/grub2/grub.cfg", MENU("/dirs"), 0}, {"/dirs", "k", 0}};
	struct mem_file labelled[] = {{"/grub/grub.cfg", MENU("/labelled"), 0},
				      {"/labelled", "k", 0}};
	struct mem_file xboot[] = {{"/grub/grub.cfg", MENU("/xboot"), 0}, {"/xboot", "k", 0}};
	struct mem_file broken[] = {{"/grub/grub.cfg", MENU("/none"), 0}};
	struct mem_disk d;

	(void)state;
	mem_disk_init(&d, "gpt");
	mem_disk_add(&d, 1, "linux", "", "u1", root, ARRAY_LEN(root));
	find(&d, 0);
	assert_string_equal(d.in.boot.kernel, "/boot/root");
	mem_disk_add(&d, 2, "linux", "", "u2", dirs, ARRAY_LEN(dirs));
	find(&d, 0);
	assert_string_equal(d.in.boot.kernel, "/dirs");
	mem_disk_add(&d, 3, "linux", "BOOT", "u3", labelled, ARRAY_LEN(labelled));
	find(&d, 0);
	assert_string_equal(d.in.boot.kernel, "/labelled");
	mem_disk_add(&d, 4, "xbootldr", "", "u4", xboot, ARRAY_LEN(xboot));
	find(&d, 0);
	assert_string_equal(d.in.boot.kernel, "/xboot");
	assert_int_equal(d.in.boot.part, 4);
	mem_disk_done(&d);

	/* One that selects nothing is passed over, and the trail says so. */
	mem_disk_init(&d, "gpt");
	mem_disk_add(&d, 1, "linux", "", "u1", root, ARRAY_LEN(root));
	mem_disk_add(&d, 2, "xbootldr", "", "u2", broken, ARRAY_LEN(broken));
	find(&d, 0);
	assert_string_equal(d.in.boot.kernel, "/boot/root");
	assert_non_null(
		strstr(buf_str(&d.v.trail), "partition 2: /grub/grub.cfg: none of its 1 menu"));
	mem_disk_done(&d);
}

/* The ESP: systemd-boot's entries, or a stub that knows where GRUB's configuration is. */
static void test_esp(void **state)
{
	struct mem_file root[] = {
		{"/@/grub.cfg", "search --fs-uuid --set=root u1\n" MENU("/@/k"), 0},
		{"/@/k", "k", 0}};
	struct mem_file stub[] = {
		{"/EFI/BOOT/BOOTX64.EFI", "MZ", 0},
		{"/EFI/opensuse/grub.cfg",
		 "search --fs-uuid u1 --set prefix\nset prefix=($prefix)/@\nconfigfile "
		 "$prefix/grub.cfg\n",
		 0},
	};
	struct mem_file entries[] = {
		{"/loader/entries/arch.conf", "title Arch\nlinux /k\ninitrd /i\noptions root=x\n",
		 0},
		{"/k", "k", 0},
		{"/i", "i", 0},
	};
	struct mem_disk d;

	(void)state;
	mem_disk_init(&d, "gpt");
	mem_disk_add(&d, 1, "linux", "", "u1", root, ARRAY_LEN(root));
	mem_disk_add(&d, 2, "esp", "", "AB-CD", stub, ARRAY_LEN(stub));
	find(&d, -1);
	assert_int_equal(d.in.boot.source, BOOT_GRUB);
	assert_int_equal(d.in.boot.part, 1);
	assert_string_equal(d.in.boot.kernel, "/@/k");
	assert_string_equal(d.in.boot.config, "/EFI/opensuse/grub.cfg");
	mem_disk_done(&d);

	mem_disk_init(&d, "gpt");
	mem_disk_add(&d, 1, "esp", "", "AB-CD", entries, ARRAY_LEN(entries));
	find(&d, -1);
	assert_int_equal(d.in.boot.source, BOOT_BLS);
	assert_string_equal(d.in.boot.title, "Arch");
	assert_string_equal(d.in.boot.cmdline, "root=x");
	mem_disk_done(&d);
}

#define ENTRY(name, keys)                                                                          \
	{                                                                                          \
		"/loader/entries/" name ".conf", "linux /k\noptions " name "\n" keys, 0            \
	}

static void test_systemd_boot(void **state)
{
	static const struct {
		const char *conf;
		struct mem_file entry[3];
		const char *selects;
	} cases[] = {
		{"timeout 3\ndefault arch.conf\n",
		 {ENTRY("arch", ""), ENTRY("arch-fallback", ""), ENTRY("windows", "")},
		 "arch"},
		{"default ARCH-*\n",
		 {ENTRY("arch", ""), ENTRY("arch-fallback", "")},
		 "arch-fallback"},
		{"default none\ndefault arch\n", {ENTRY("arch", ""), ENTRY("windows", "")}, "arch"},
		/* The first that fits, in their order. */
		{"default l*\n",
		 {ENTRY("l-6.9", ""), ENTRY("m", ""), ENTRY("l-6.10", "")},
		 "l-6.10"},
		/* Names nothing that is there: their order alone. */
		{"default @saved\n", {ENTRY("arch", ""), ENTRY("arch-fallback", "")}, "arch"},
		{"#default a\ndefault\n", {ENTRY("a", ""), ENTRY("b", "")}, "b"},
		{"", {ENTRY("z", ""), ENTRY("a", "sort-key b"), ENTRY("b", "sort-key c")}, "a"},
		{"",
		 {ENTRY("a", "sort-key a\nmachine-id 2\nversion 9"),
		  ENTRY("b", "sort-key a\nmachine-id 1\nversion 2"),
		  ENTRY("c", "sort-key a\nmachine-id 1\nversion 10~rc1")},
		 "c"},
		/* One of another system's loader is none for us. */
		{"default win.conf\n",
		 {ENTRY("a", ""), {"/loader/entries/win.conf", "title W\nefi /k\n", 0}},
		 "a"},
	};

	(void)state;
	for (size_t i = 0; i < 2 * ARRAY_LEN(cases); i++) {
		bool own_partition = i % 2;
		struct mem_file esp[8] = {{"/loader/loader.conf", cases[i / 2].conf, 0}};
		struct mem_file boot[4] = {{"/k", "k", 0}};
		struct mem_file *files = own_partition ? boot : esp;
		struct mem_disk d;
		size_t n = 1;

		if (!own_partition)
			files[n++] = boot[0];
		for (size_t k = 0; k < 3 && cases[i / 2].entry[k].path; k++)
			files[n++] = cases[i / 2].entry[k];
		mem_disk_init(&d, "gpt");
		mem_disk_add(&d, 1, "esp", "", "AB-CD", esp, own_partition ? 1 : n);
		if (own_partition)
			mem_disk_add(&d, 2, "xbootldr", "", BOOT_UUID, boot, n);
		find(&d, -1);
		assert_int_equal(d.in.boot.source, BOOT_BLS);
		assert_string_equal(d.in.boot.cmdline, cases[i / 2].selects);
		mem_disk_done(&d);
	}
}

static void test_explanation(void **state)
{
	struct mem_file nothing[] = {{"/etc/hostname", "x", 0}};
	struct mem_disk d;

	(void)state;
	mem_disk_init(&d, "gpt");
	mem_disk_add(&d, 1, "linux", "", "u1", nothing, 1);
	d.in.part[d.in.nparts++] = (struct inspect_part){.number = 2, .fs = "xfs"};
	d.in.part[d.in.nparts++] =
		(struct inspect_part){.number = 3, .fs = "lvm2", .note = "an LVM thing"};
	d.in.part[d.in.nparts++] = (struct inspect_part){.number = 4, .type_name = "bios-boot"};
	boot_find(&d.v, 0);
	assert_string_equal(
		d.in.boot_note,
		"no boot entry found: partition 1 (mem) has no kernel; partition 2 (xfs) croft "
		"does "
		"not read xfs yet; partition 3 (lvm2) an LVM thing; partition 4 (bios-boot) no "
		"file "
		"system that croft knows; name boot.kernel and boot.initrd in the spec");
	mem_disk_done(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_versions),
		cmocka_unit_test(test_versions_uapi),
		cmocka_unit_test(test_bls),
		cmocka_unit_test(test_rhel8_kernelopts),
		cmocka_unit_test(test_bls_details),
		cmocka_unit_test(test_extlinux),
		cmocka_unit_test(test_extlinux_language),
		cmocka_unit_test(test_extlinux_many_labels),
		cmocka_unit_test(test_newest),
		cmocka_unit_test(test_candidates),
		cmocka_unit_test(test_esp),
		cmocka_unit_test(test_systemd_boot),
		cmocka_unit_test(test_explanation),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
