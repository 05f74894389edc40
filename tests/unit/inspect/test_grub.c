/* SPDX-License-Identifier: Apache-2.0
 *
 * The grub.cfg interpreter: the language construct by construct, the limits, and the configurations
 * that distributions generate.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "images/inspect/grub.h"
#include "images/inspect/grubenv.h"
#include "tests/lib/inspect/memfs.h"

#define DATA_DIR "tests/unit/inspect/data/"
#define UUID_A	 "aaaa0000-1111-4222-8333-444455556666"
#define UUID_B	 "bbbb0000-1111-4222-8333-444455556666"

/* Runs a script as /boot/grub/grub.cfg of partition 1, beside kernels and initrds /k1../k9,
 * /i1../i9. */
static int run_with(const char *script, const char *grubenv, struct boot_entry *out,
		    char **trail_out, struct err *err)
{
	static const char *const names[] = {"/k1", "/k2", "/k3", "/k4", "/i1",
					    "/i2", "/i3", "/i4", "/i5"};
	struct mem_file files[16] = {
		{"/boot/grub/grub.cfg", script, 0},
		{"/dir/file", "x", 0},
	};
	struct mem_file other[] = {{"/only-here", "x", 0}, {"/k9", "kernel", 0}};
	struct mem_disk d;
	size_t n = 2;
	int vol, rc;

	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		files[n++] = (struct mem_file){names[i], "data", 0};
	if (grubenv)
		files[n++] = (struct mem_file){"/boot/grub/grubenv", grubenv, 0};
	mem_disk_init(&d, "gpt");
	vol = mem_disk_add(&d, 1, "linux", "root", UUID_A, files, n);
	mem_disk_add(&d, 2, "linux", "data", UUID_B, other, ARRAY_LEN(other));
	rc = grub_boot(&d.v, vol, "/boot/grub/grub.cfg", out, err);
	if (trail_out)
		*trail_out = xstrdup(buf_str(&d.v.trail));
	mem_disk_done(&d);
	return rc;
}

/* The command line that a script selects: the tests put what they want to see there. */
static void assert_selects(const char *script, const char *kernel, const char *cmdline)
{
	struct boot_entry e = {0};
	struct err err = {0};
	char *text = NULL;

	if (run_with(script, NULL, &e, &text, &err) < 0)
		fail_msg("%s\n%s", err.msg, text);
	free(text);
	assert_string_equal(e.kernel, kernel);
	assert_string_equal(e.cmdline, cmdline);
}

/* One entry that shows a value. */
static void assert_shows(const char *before, const char *value, const char *expected)
{
	auto_free char *script = xasprintf("%s\nmenuentry t { linux /k1 %s\n }\n", before, value);

	assert_selects(script, "/k1", expected);
}

static void assert_true_in_grub(const char *condition)
{
	auto_free char *script = xasprintf("e=\nset s='a b'\nif %s; then r=yes; else r=no; "
					   "fi\nmenuentry t $r { linux /k1 $2\n}\n",
					   condition);

	assert_selects(script, "/k1", "yes");
}

static void assert_false_in_grub(const char *condition)
{
	auto_free char *script = xasprintf("e=\nset s='a b'\nif %s; then r=yes; else r=no; "
					   "fi\nmenuentry t $r { linux /k1 $2\n}\n",
					   condition);

	assert_selects(script, "/k1", "no");
}

static void test_words(void **state)
{
	(void)state;
	assert_shows("a=1", "$a ${a} x$a ${a}x \"$a\" '$a'", "1 1 x1 1x 1 $a");
	assert_shows("set a='x y'", "$a", "x y");
	assert_shows("set a='x y'", "\"$a\"", "\"x y\"");
	assert_shows("a=1 # comment", "b#c # d", "b#c");
	assert_shows("", "a\\ b", "\"a b\"");
	assert_shows("", "a\\\n  b", "a b");
	assert_shows("", "'a'\"b\"c", "abc");
	assert_shows("", "\"\\\"\"", "\\\"");
	assert_shows("", "x=\"\\$a\"", "x=$a");
	assert_shows("", "\"\\n\"", "\\\\n");
	assert_shows("a=", "[$a] $a [\"$a\"]", "[] []");
	assert_shows("", "$unset ${unset} x", "x");
	assert_shows("", "1$ $% a", "1$ $% a");
	assert_shows("\r\na=1\r\n", "$a\r\n", "1");
	assert_shows("a=\"1\n2\"", "$a", "1 2");
	assert_shows("", "$\"text\"", "text");
}

static void test_globs(void **state)
{
	struct mem_file files[] = {{"/grub.cfg", "menuentry t { linux /k1 (hd0,gpt2)/* }", 0},
				   {"/k1", "k", 0}};
	struct boot_entry e = {0};
	struct err err = {0};
	struct mem_disk d;

	(void)state;
	assert_shows("for k in /k*; do r=$r$k; done", "$r", "/k1/k2/k3/k4");
	assert_shows("for k in (hd0,gpt2)/k?; do r=$r$k; done", "$r", "(hd0,gpt2)/k9");
	assert_shows("p=/i*", "$p", "/i1 /i2 /i3 /i4 /i5");
	assert_shows("d=/dir", "$d/f*e x", "/dir/file x");
	/* Quoted, without any that fits, and no path: as it is. */
	assert_shows("p=/i*", "'/k*' \"/k?\" \"$p\" /\\k\\*", "/k* /k? /i* /k*");
	assert_shows("", "/none/k* /x* (hd0,gpt7)/k* k* * /d*/file",
		     "/none/k* /x* (hd0,gpt7)/k* k* * "
		     "/d*/file");
	assert_shows("", "/k[1] /k[*", "/k[1] /k[*");
	assert_selects("for k in /k*; do menuentry $k $k { linux $2 x\n }; done\ndefault=2", "/k3",
		       "x");

	/* A file system that is not read has no names. */
	mem_disk_init(&d, "gpt");
	mem_disk_add(&d, 1, "linux", "", UUID_A, files, ARRAY_LEN(files));
	d.in.part[d.in.nparts++] = (struct inspect_part){.number = 2, .fs = "xfs"};
	assert_int_equal(grub_boot(&d.v, 0, "/grub.cfg", &e, &err), 0);
	assert_string_equal(e.cmdline, "(hd0,gpt2)/*");
	mem_disk_done(&d);
}

static void test_variables(void **state)
{
	(void)state;
	assert_shows("set a=1\nunset a", "x$a", "x");
	assert_shows("a=b=c", "$a", "b=c");
	assert_shows("set a", "x$a", "x");
	assert_shows("function f { set a=$1$2 ; }\nf x y", "$a", "xy");
	assert_shows("function f { set a=$# ; }\nf x y 'p q'", "$a", "3");
	assert_shows("function f { set a=\"$*\" ; }\nf x 'y z'", "$a", "x y z");
	assert_shows("function f { shift; set a=$1 ; }\nf x y", "$a", "y");
	assert_shows("function f { setparams p q; set a=$2 ; }\nf x y", "$a", "q");
	assert_shows("function f { return 1; }\nif f; then a=1; else a=2; fi", "$a", "2");
	assert_shows("function f { a=1; return; a=2; }\nf", "$a", "1");
	assert_shows("false\na=$?", "$a", "1");
	assert_shows("true\na=$?", "$a", "0");
	assert_shows("n=1; increment n; increment n; decrement n", "$n", "2");
	/* A built-in command cannot be redefined, an ignored one can. */
	assert_shows("function gfxmode { set a=called; }\ngfxmode x", "$a", "called");
}

static void test_conditions(void **state)
{
	(void)state;
	assert_true_in_grub("true");
	assert_false_in_grub("false");
	assert_true_in_grub("! false");
	assert_true_in_grub("[ a = a ]");
	assert_true_in_grub("[ a == a ]");
	assert_false_in_grub("[ a != a ]");
	assert_true_in_grub("test a != b");
	assert_true_in_grub("[ -n x ]");
	assert_false_in_grub("[ -n \"$e\" ]");
	assert_true_in_grub("[ -z \"$e\" ]");
	assert_false_in_grub("[ \"$e\" ]");
	assert_true_in_grub("[ x$e = x ]");
	assert_false_in_grub("[ ]");
	assert_true_in_grub("[ 10 -gt 9 ]");
	assert_true_in_grub("[ 0x10 -eq 16 ]");
	assert_true_in_grub("[ -1 -lt 0 ]");
	assert_true_in_grub("[ 1 -le 1 -a 1 -ge 1 ]");
	assert_false_in_grub("[ 1 -ne 1 ]");
	assert_true_in_grub("[ vmlinuz-2 -plt vmlinuz-11 ]");
	assert_true_in_grub("[ vmlinuz-11 -pgt vmlinuz-2 ]");
	assert_true_in_grub("[ a '<' b ]");
	assert_true_in_grub("[ a = b -o c = c ]");
	assert_false_in_grub("[ a = b -o c = d ]");
	assert_false_in_grub("[ a = a -a b = c ]");
	assert_true_in_grub("[ a = b -a c = c -o d = d ]");
	assert_true_in_grub("[ ! a = b ]");
	assert_true_in_grub("[ ! -f /nowhere ]");
	assert_true_in_grub("[ ( a = b -o c = c ) -a d = d ]");
	assert_false_in_grub("[ ! ( a = a ) ]");
	assert_true_in_grub("[ -n = -n ]");
	assert_true_in_grub("[ -f /k1 ]");
	assert_true_in_grub("[ -e /dir ]");
	assert_true_in_grub("[ -d /dir ]");
	assert_false_in_grub("[ -f /dir ]");
	assert_false_in_grub("[ -d /k1 ]");
	assert_true_in_grub("[ -s /k1 ]");
	assert_false_in_grub("[ -s /nothing ]");
	assert_true_in_grub("[ -f (hd0,gpt2)/only-here ]");
	assert_true_in_grub("[ -f ($root)/k1 ]");
	assert_false_in_grub("[ -f (hd0,gpt7)/k1 ]");
	assert_false_in_grub("[ -f relative ]");
	assert_false_in_grub("unknown_command");
	assert_false_in_grub("search --label nothing --set=x");
}

static void test_flow(void **state)
{
	(void)state;
	assert_shows("if false; then a=1; elif true; then a=2; else a=3; fi", "$a", "2");
	assert_shows("if false; then a=1; elif false; then a=2; else a=3; fi", "$a", "3");
	assert_shows("if true\nthen\na=1\nif false\nthen a=2\nfi\nfi", "$a", "1");
	assert_shows("for x in a b c; do r=$r$x; done", "$r", "abc");
	assert_shows("l='a b'\nfor x in $l 'c d'; do r=\"$r[$x]\"; done", "\"$r\"",
		     "\"[a][b][c d]\"");
	assert_shows("n=0\nwhile [ $n -lt 4 ]; do increment n; done", "$n", "4");
	assert_shows("n=0\nuntil [ $n -eq 3 ]; do increment n; done", "$n", "3");
	assert_shows("for x in a b c; do if [ $x = b ]; then break; fi; r=$r$x; done", "$r", "a");
	assert_shows("for x in a b c; do if [ $x = b ]; then continue; fi; r=$r$x; done", "$r",
		     "ac");
	assert_shows("for x in a b; do for y in 1 2; do if [ $y = 2 ]; then break 2; fi; r=$r$x$y; "
		     "done; done",
		     "$r", "a1");
	assert_shows(
		"for x in a b; do for y in 1 2; do if [ $y = 2 ]; then continue 2; fi; r=$r$x$y; "
		"done; r=$r!; done",
		"$r", "a1b1");
	assert_shows("function f { if true; then return; fi; a=1; }\nf", "x$a", "x");
	/* Keywords are words where no command can begin. */
	assert_shows("for x in if fi done; do r=$r$x; done", "$r", "iffidone");
}

static void test_devices(void **state)
{
	(void)state;
	assert_selects("set root=hd0,gpt2\nmenuentry t { linux /k9 a }", "/k9", "a");
	assert_selects("set root=(hd0,gpt2)\nmenuentry t { linux /k9 $root }", "/k9", "hd0,gpt2");
	assert_selects("root='(hd0,2)'\nmenuentry t { linux ($root)/k9 a }", "/k9", "a");
	assert_selects("menuentry t { linux (hd0,2)/k9 a }", "/k9", "a");
	assert_selects("menuentry t { linux (hd5,msdos2)/k9 a }", "/k9", "a");
	assert_selects("search --no-floppy --fs-uuid --set=root " UUID_B
		       "\nmenuentry t { linux /k9 a }",
		       "/k9", "a");
	assert_selects("search -u -s " UUID_B "\nmenuentry t { linux /k9 a }", "/k9", "a");
	assert_selects("search --set=r --label data\nmenuentry t { linux ($r)/k9 a }", "/k9", "a");
	assert_selects("search -n --set=root --file /only-here --hint hd0,gpt1\nmenuentry t { "
		       "linux /k9 a }",
		       "/k9", "a");
	assert_selects("search.fs_uuid " UUID_B " root hd0,gpt2\nmenuentry t { linux /k9 a }",
		       "/k9", "a");
	assert_selects("search.fs_label data\nmenuentry t { linux /k9 a }", "/k9", "a");
	assert_selects("search.file /only-here dev\nmenuentry t { linux ($dev)/k9 a }", "/k9", "a");
	/* Fedora's stub on the ESP; joined short options; a value with and without "=". */
	assert_selects("search --fs-uuid \"" UUID_B "\" --set prefix --no-floppy\n"
		       "menuentry t { linux ($prefix)/k9 a }",
		       "/k9", "a");
	assert_selects("search --no-floppy --set r --label data\nmenuentry t { linux ($r)/k9 a }",
		       "/k9", "a");
	assert_selects("search -nus r " UUID_B "\nmenuentry t { linux ($r)/k9 a }", "/k9", "a");
	assert_selects("search --hint-unknown=x --hint-bios hd0,gpt1 -u " UUID_B " --set\n"
		       "menuentry t { linux /k9 a }",
		       "/k9", "a");
	assert_selects("search -f -- /only-here --set\nmenuentry t { linux /k1 a }", "/k1", "a");
	/* A search that fails leaves the variable alone. */
	assert_selects("search --set=root --label nothing\nmenuentry t { linux /k1 a }", "/k1",
		       "a");
	assert_shows("probe -u --set=u (hd0,gpt2)", "$u", UUID_B);
	assert_shows("probe --set=l --label $root", "$l", "root");
	assert_shows("", "$prefix", "(hd0,gpt1)/boot/grub");
}

static void test_menu(void **state)
{
	const char *const three = "menuentry One --id one { linux /k1 1 }\n"
				  "menuentry 'Two > Too' --class x --id=two { linux /k2 2 }\n"
				  "submenu More --id more {\n"
				  "  menuentry Three --id three { linux /k3 3 }\n"
				  "  menuentry Four --id four { linux /k4 4 }\n"
				  "}\n";
	static const struct {
		const char *def, *kernel, *cmdline;
	} cases[] = {
		{"", "/k1", "1"},
		{"set default=0", "/k1", "1"},
		{"set default=1", "/k2", "2"},
		{"set default=two", "/k2", "2"},
		{"set default='Two >> Too'", "/k2", "2"},
		{"set default=2", "/k3", "3"},
		{"set default='2>1'", "/k4", "4"},
		{"set default='more>four'", "/k4", "4"},
		{"set default='More>Four'", "/k4", "4"},
		{"set default='more>nothing'", "/k3", "3"},
		{"set default=9", "/k1", "1"},
		{"set default=nothing", "/k1", "1"},
		{"set default=99999999999999999999", "/k1", "1"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_free char *script = xasprintf("%s\n%s", cases[i].def, three);

		assert_selects(script, cases[i].kernel, cases[i].cmdline);
	}
	/* Only exported variables are known in a submenu. */
	assert_selects("a=1\nb=2\nexport b\nsubmenu s { menuentry t { linux /k1 x$a$b } }", "/k1",
		       "x2");
	assert_selects("menuentry 'a' --id=one { linux /k1 1 }\nmenuentry --class x 'b' --id two "
		       "{linux /k2 2}"
		       "\ndefault=two",
		       "/k2", "2");
	/* An entry's arguments: $1 is the title. */
	assert_selects("menuentry 'the title' --users '' --unrestricted arg { linux /k1 $2 }",
		       "/k1", "arg");
}

static void test_broken_entries(void **state)
{
	(void)state;
	/* A default that cannot be booted: fallback, then the others in order. */
	assert_selects("fallback='2 1'\nmenuentry a { linux /none }\nmenuentry b { linux /k2 b }\n"
		       "menuentry c { linux /k3 c }",
		       "/k3", "c");
	assert_selects("menuentry a { linux /none }\nmenuentry b { linux /k2 b }", "/k2", "b");
	assert_selects("menuentry a { linux /k1\ninitrd /none }\nmenuentry b { linux /k2 b }",
		       "/k2", "b");
	assert_selects("menuentry a { chainloader +1 }\nsubmenu s { menuentry b { linux /k2 b } }",
		       "/k2", "b");
	/* Errors cost their line. */
	assert_selects("if [ a = a ]; then )) | x\nset a=1\nmenuentry a { linux /k1 $a }", "/k1",
		       "1");
	assert_selects("}\n}\nfi\nmenuentry a { linux /k1 a }", "/k1", "a");
}

static void test_initrds(void **state)
{
	struct boot_entry e = {0};
	struct err err = {0};

	(void)state;
	assert_int_equal(run_with("menuentry t { linux /k1 a\ninitrd /i1 /i2\ninitrdefi /i3 }",
				  NULL, &e, NULL, &err),
			 0);
	assert_int_equal(e.ninitrd, 3);
	assert_string_equal(e.initrd[0], "/i1");
	assert_string_equal(e.initrd[2], "/i3");
	assert_string_equal(e.title, "t");
	assert_int_equal(e.part, 1);
	assert_int_equal(e.source, BOOT_GRUB);
	assert_string_equal(e.config, "/boot/grub/grub.cfg");
	/* Five are one too many, and the other partition's are not to be had. */
	assert_int_equal(run_with("menuentry t { linux /k1 a\ninitrd /i1 /i2 /i3 /i4 /i5 }", NULL,
				  &e, NULL, &err),
			 -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_int_equal(
		run_with("menuentry t { linux (hd0,gpt2)/k9 a\ninitrd /i1 }", NULL, &e, NULL, &err),
		-1);
}

/* `boot` ends everything, once there is a kernel. */
static void test_boot(void **state)
{
	struct boot_entry e = {0};
	struct err err = {0};

	(void)state;
	assert_int_equal(run_with("boot\nlinux /k1 a\ninitrd /i1\nboot\nlinux /k2 b\nboot\n"
				  "menuentry t { linux /k3 }",
				  NULL, &e, NULL, &err),
			 0);
	assert_string_equal(e.kernel, "/k1");
	assert_string_equal(e.initrd[0], "/i1");
	assert_int_equal(e.source, BOOT_GRUB);
	assert_string_equal(e.config, "/boot/grub/grub.cfg");
	assert_selects("menuentry t { linux /k1 a\nboot\nlinux /k2 b\n}", "/k1", "a");
	assert_selects("function go { linux /k1 $1; boot; }\ngo a\ngo b", "/k1", "a");
	/* A kernel alone waits for somebody to say so, and what failed to load is not booted. */
	assert_int_equal(run_with("linux /k1 a", NULL, &e, NULL, &err), -1);
	assert_selects("linux /k1 a\ninitrd /none\nboot\nmenuentry t { linux /k2 b }", "/k2", "b");
}

static void test_grubenv(void **state)
{
	static const char script[] =
		"load_env\nif [ \"$next_entry\" ]; then default=$next_entry; "
		"else default=$saved_entry; fi\n"
		"menuentry A --id a { linux /k1 a }\nmenuentry B --id b { linux /k2 b }\n";
	struct boot_entry e = {0};
	struct err err = {0};

	(void)state;
	assert_int_equal(
		run_with(script, "# GRUB Environment Block\nsaved_entry=b\n######", &e, NULL, &err),
		0);
	assert_string_equal(e.kernel, "/k2");
	assert_int_equal(run_with(script,
				  "# GRUB Environment Block\nsaved_entry=b\nnext_entry=a\n####", &e,
				  NULL, &err),
			 0);
	assert_string_equal(e.kernel, "/k1");
	/* Escaped newlines and backslashes belong to the value. */
	assert_int_equal(run_with("load_env x\nmenuentry t { linux /k1 \"$x\" $y }",
				  "# GRUB Environment Block\nx=1\\\\2\ny=3\n###", &e, NULL, &err),
			 0);
	assert_string_equal(e.cmdline, "1\\\\2");
	/* Not a block: nothing is loaded. */
	assert_int_equal(run_with(script, "saved_entry=b\n", &e, NULL, &err), 0);
	assert_string_equal(e.kernel, "/k1");
}

/* The block whose next_entry counts once: the 12th file of run_with. */
static void test_used_env(void **state)
{
	static const char env[] = "# GRUB Environment Block\nnext_entry=b\n####";
	static const struct {
		const char *script;
		bool used;
	} cases[] = {
		{"load_env\ndefault=$next_entry\nset next_entry=\nsave_env next_entry\n", true},
		{"load_env\nunset next_entry\nsave_env -f ($root)/boot/grub/grubenv x next_entry\n",
		 true},
		{"load_env\nsave_env next_entry\n", false},
		{"load_env\nset next_entry=\nsave_env recordfail\n", false},
		{"set next_entry=\nsave_env --file /none next_entry\n", false},
	};
	struct boot_entry e = {0};
	struct err err = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_free char *script =
			xasprintf("%smenuentry t { linux /k1 }\n", cases[i].script);

		assert_int_equal(run_with(script, env, &e, NULL, &err), 0);
		assert_int_equal(e.used.size, cases[i].used ? strlen(env) : 0);
		if (cases[i].used)
			assert_int_equal(e.used.off, 12 * MEM_FILE_BYTES);
	}
}

static void test_clear_env(void **state)
{
#define HEAD "# GRUB Environment Block\n"
	static const struct {
		const char *before, *after; /* NULL: nothing to clear */
	} cases[] = {
		{HEAD "a=1\nnext_entry=xy\nb=2\n##", HEAD "a=1\nnext_entry=\nb=2\n####"},
		{HEAD "next_entry=x\\\ny\n##", HEAD "next_entry=\n######"},
		{HEAD "next_entry=xy", HEAD "next_entry=##"},
		{HEAD "a=\\\nnext_entry=x\n", NULL},
		{HEAD "xnext_entry=x\nnext_entryx=1\n##", NULL},
		{HEAD "next_entry=\n##", NULL},
		{HEAD "next_entry=", NULL},
		{HEAD "next_entry", NULL},
		{HEAD "a=1\\", NULL},
		{HEAD, NULL},
		{"next_entry=x\n", NULL},
		{"", NULL},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *after = cases[i].after ? cases[i].after : cases[i].before;
		size_t n = strlen(cases[i].before);
		auto_free char *block = xmalloc(n + 1); /* no more: what reads on is seen */

		memcpy(block, cases[i].before, n);
		assert_int_equal(grubenv_clear(block, n, "next_entry"), cases[i].after != NULL);
		assert_int_equal(strlen(after), n);
		assert_memory_equal(block, after, n);
	}
}

static void test_other_files(void **state)
{
	struct mem_file root[] = {
		{"/boot/grub/grub.cfg",
		 "set a=1\nsource $prefix/sub.cfg\nmenuentry t { linux /k1 $a$b }\n", 0},
		{"/boot/grub/sub.cfg", "b=2\na=3\n", 0},
		{"/boot/grub/self.cfg", "source /boot/grub/self.cfg\nmenuentry t { linux /k1 x }\n",
		 0},
		{"/boot/grub/link.cfg", "-> ../../loop/a", 0},
		{"/loop/a", "-> b", 0},
		{"/loop/b", "-> /loop/a", 0},
		{"/k1", "k", 0},
	};
	/* What grub-install writes to the ESP on Debian. */
	struct mem_file esp[] = {
		{"/EFI/debian/grub.cfg",
		 "search.fs_uuid " UUID_A " root \nset prefix=($root)'/boot/grub'\nconfigfile "
		 "$prefix/grub.cfg\nmenuentry never { linux /k1 never }\n",
		 0},
	};
	struct boot_entry e = {0};
	struct err err = {0};
	struct mem_disk d;
	int vol, esp_vol;

	(void)state;
	mem_disk_init(&d, "gpt");
	vol = mem_disk_add(&d, 1, "linux", "", UUID_A, root, ARRAY_LEN(root));
	esp_vol = mem_disk_add(&d, 15, "esp", "", "1234-ABCD", esp, ARRAY_LEN(esp));
	assert_int_equal(grub_boot(&d.v, vol, "/boot/grub/grub.cfg", &e, &err), 0);
	assert_string_equal(e.cmdline, "32");
	assert_int_equal(grub_boot(&d.v, esp_vol, "/EFI/debian/grub.cfg", &e, &err), 0);
	assert_string_equal(e.cmdline, "32");
	assert_int_equal(e.part, 1);
	/* A file that sources itself ends at a limit, and its menu still counts. */
	assert_int_equal(grub_boot(&d.v, vol, "/boot/grub/self.cfg", &e, &err), 0);
	assert_string_equal(e.cmdline, "x");
	assert_int_equal(grub_boot(&d.v, vol, "/boot/grub/link.cfg", &e, &err), -1);
	assert_int_equal(err.kind, ERR_CORRUPT);
	assert_int_equal(grub_boot(&d.v, vol, "/boot/grub/none.cfg", &e, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	mem_disk_done(&d);
}

/* Everything that could run for ever or grow without end stops, and says so. */
static void test_limits(void **state)
{
	static const char *const scripts[] = {
		"while true; do a=1; done\nmenuentry t { linux /k1 x }",
		"function f { f; }\nf\nmenuentry t { linux /k1 x }",
		"a=0123456789012345678901234567890123456789\nwhile true; do a=$a$a; done\n",
		"a='x x x x x x x x'\nwhile true; do a=\"$a $a\"; set $a; done",
		"while true; do menuentry t { true; }; done",
		"while true; do search --file --set=root /none; done",
		"n=0\nwhile true; do increment n; set a$n=1; done",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
		struct boot_entry e = {0};
		struct err err = {0};
		char *text = NULL;

		assert_int_equal(run_with(scripts[i], NULL, &e, &text, &err), -1);
		assert_int_equal(err.kind, ERR_NOT_FOUND);
		assert_true(strstr(text, "stopped") || strstr(text, "deeper") ||
			    strstr(text, "more than"));
		free(text);
	}
}

static void test_nesting_limit(void **state)
{
	auto_buf struct buf script = BUF_INIT(MIB);
	struct boot_entry e = {0};
	struct err err = {0};
	char *text = NULL;

	(void)state;
	for (int i = 0; i < 10000; i++)
		buf_puts(&script, "if true; then ");
	buf_puts(&script, "\nmenuentry t { linux /k1 x }\n");
	assert_int_equal(run_with(buf_str(&script), NULL, &e, &text, &err), 0);
	assert_non_null(strstr(text, "nested deeper"));
	free(text);

	/* A chain of elif nests nothing: it takes no stack, however long it is. */
	buf_reset(&script);
	buf_puts(&script, "if false; then true\n");
	for (int i = 0; i < 2000; i++)
		buf_puts(&script, "elif false; then true\n");
	buf_puts(&script, "else a=1; fi\nmenuentry t { linux /k1 $a }\n");
	assert_int_equal(run_with(buf_str(&script), NULL, &e, NULL, &err), 0);
	assert_string_equal(e.cmdline, "1");
}

/* --- what distributions write ----------------------------------------------------------------- */

struct distribution {
	const char *file, *uuid, *label;
	unsigned number;
	const char *config;
	struct mem_file files[8];
	size_t nfiles;
	const char *kernel, *initrd, *cmdline;
	unsigned ninitrd;
};

#define UBUNTU_UUID "a5d7a1f2-0b3c-4f6e-9d2a-1c4b5e6f7a80"

static const struct distribution distributions[] = {
	{"debian12-grub.cfg",
	 "2e6d1a4c-6a6b-4a35-9a0b-1b0c6f4a8e11",
	 "",
	 1,
	 "/boot/grub/grub.cfg",
	 {{"/boot/vmlinuz-6.1.0-37-cloud-amd64", "k", 0},
	  {"/boot/initrd.img-6.1.0-37-cloud-amd64", "i", 0}},
	 2,
	 "/boot/vmlinuz-6.1.0-37-cloud-amd64",
	 "/boot/initrd.img-6.1.0-37-cloud-amd64",
	 "root=PARTUUID=11112222-3333-4444-5555-666677778888 ro console=tty0 console=ttyS0,115200 "
	 "earlyprintk=ttyS0,115200 consoleblank=0",
	 1},
	{"ubuntu2204-grub.cfg",
	 UBUNTU_UUID,
	 "cloudimg-rootfs",
	 1,
	 "/boot/grub/grub.cfg",
	 {{"/boot/vmlinuz-5.15.0-143-generic", "k", 0},
	  {"/boot/initrd.img-5.15.0-143-generic", "i", 0}},
	 2,
	 "/boot/vmlinuz-5.15.0-143-generic",
	 "/boot/initrd.img-5.15.0-143-generic",
	 "root=LABEL=cloudimg-rootfs ro console=tty1 console=ttyS0 vt.handoff=7",
	 1},
	{"ubuntu2404-grub.cfg",
	 "b0a10000-1111-4222-8333-444455556666",
	 "BOOT",
	 16,
	 "/grub/grub.cfg",
	 {{"/vmlinuz-6.8.0-60-generic", "k", 0}, {"/initrd.img-6.8.0-60-generic", "i", 0}},
	 2,
	 "/vmlinuz-6.8.0-60-generic",
	 "/initrd.img-6.8.0-60-generic",
	 "root=LABEL=cloudimg-rootfs ro console=tty1 console=ttyS0",
	 1},
	/* Boots without an initrd first: the branch with one is taken. */
	{"ubuntu-minimal-grub.cfg",
	 UBUNTU_UUID,
	 "cloudimg-rootfs",
	 1,
	 "/boot/grub/grub.cfg",
	 {{"/boot/vmlinuz-5.15.0-1075-kvm", "k", 0}, {"/boot/initrd.img-5.15.0-1075-kvm", "i", 0}},
	 2,
	 "/boot/vmlinuz-5.15.0-1075-kvm",
	 "/boot/initrd.img-5.15.0-1075-kvm",
	 "root=PARTUUID=0aa7c1c0-55d4-4c5b-a0e2-0f4d3b1c9a11 ro console=tty1 console=ttyS0",
	 1},
	{"opensuse-grub.cfg",
	 "5a5e0000-1111-4222-8333-444455556666",
	 "ROOT",
	 3,
	 "/boot/grub2/grub.cfg",
	 {{"/boot/vmlinuz-6.4.0-150600.23.50-default", "k", 0},
	  {"/boot/initrd-6.4.0-150600.23.50-default", "i", 0}},
	 2,
	 "/boot/vmlinuz-6.4.0-150600.23.50-default",
	 "/boot/initrd-6.4.0-150600.23.50-default",
	 "root=UUID=5a5e0000-1111-4222-8333-444455556666 rw systemd.show_status=1 "
	 "console=ttyS0,115200 "
	 "console=tty0 net.ifnames=0 quiet",
	 1},
	{"arch-grub.cfg",
	 "a7c40000-1111-4222-8333-444455556666",
	 "",
	 3,
	 "/boot/grub/grub.cfg",
	 {{"/boot/vmlinuz-linux", "k", 0},
	  {"/boot/amd-ucode.img", "i", 0},
	  {"/boot/intel-ucode.img", "i", 0},
	  {"/boot/initramfs-linux.img", "i", 0}},
	 4,
	 "/boot/vmlinuz-linux",
	 "/boot/amd-ucode.img",
	 "root=UUID=a7c40000-1111-4222-8333-444455556666 rw net.ifnames=0 "
	 "rootflags=compress=zstd:1 "
	 "console=tty0 console=ttyS0,115200",
	 3},
	{"alpine-grub.cfg",
	 "a1910000-1111-4222-8333-444455556666",
	 "/",
	 2,
	 "/boot/grub/grub.cfg",
	 {{"/boot/vmlinuz-virt", "k", 0}, {"/boot/initramfs-virt", "i", 0}},
	 2,
	 "/boot/vmlinuz-virt",
	 "/boot/initramfs-virt",
	 "root=LABEL=/ modules=sd-mod,usb-storage,ext4 console=ttyS0,115200n8",
	 1},
};

static void read_data(const char *name, struct buf *out)
{
	auto_free char *path = xasprintf(DATA_DIR "%s", name);
	struct err err = {0};

	if (file_read(path, out, &err) < 0)
		fail_msg("%s", err.msg);
}

static void test_distributions(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(distributions); i++) {
		const struct distribution *c = &distributions[i];
		auto_buf struct buf text = BUF_INIT(MIB);
		struct mem_file files[9];
		struct boot_entry e = {0};
		struct err err = {0};
		struct mem_disk d;
		int vol;

		read_data(c->file, &text);
		files[0] = (struct mem_file){c->config, text.data, text.len};
		memcpy(files + 1, c->files, c->nfiles * sizeof(files[0]));
		mem_disk_init(&d, "gpt");
		vol = mem_disk_add(&d, c->number, "linux", c->label, c->uuid, files, c->nfiles + 1);
		if (grub_boot(&d.v, vol, c->config, &e, &err) < 0)
			fail_msg("%s: %s\n%s", c->file, err.msg, buf_str(&d.v.trail));
		assert_string_equal(e.kernel, c->kernel);
		assert_string_equal(e.cmdline, c->cmdline);
		assert_int_equal(e.ninitrd, c->ninitrd);
		assert_string_equal(e.initrd[0], c->initrd);
		assert_int_equal(e.part, c->number);
		/* Nothing in a generated file is unknown to us. */
		if (strstr(buf_str(&d.v.trail), "unknown command") ||
		    strstr(buf_str(&d.v.trail), "line "))
			fail_msg("%s: %s", c->file, buf_str(&d.v.trail));
		mem_disk_done(&d);
	}
}

/* GRUB_DEFAULT=saved and an entry of the submenu, as grub-set-default writes it. */
static void test_ubuntu_saved_entry(void **state)
{
	static const char env[] =
		"# GRUB Environment "
		"Block\nnext_entry=gnulinux-advanced-b0a10000-1111-4222-8333-444455556666>"
		"gnulinux-6.8.0-58-generic-advanced-b0a10000-1111-4222-8333-444455556666\n#####";
	auto_buf struct buf text = BUF_INIT(MIB);
	struct boot_entry e = {0};
	struct err err = {0};
	struct mem_disk d;

	(void)state;
	read_data("ubuntu2404-grub.cfg", &text);
	struct mem_file files[] = {
		{"/grub/grub.cfg", text.data, text.len}, {"/grub/grubenv", env, 0},
		{"/vmlinuz-6.8.0-60-generic", "k", 0},	 {"/initrd.img-6.8.0-60-generic", "i", 0},
		{"/vmlinuz-6.8.0-58-generic", "k", 0},	 {"/initrd.img-6.8.0-58-generic", "i", 0},
	};

	mem_disk_init(&d, "gpt");
	mem_disk_add(&d, 16, "xbootldr", "BOOT", "b0a10000-1111-4222-8333-444455556666", files,
		     ARRAY_LEN(files));
	assert_int_equal(grub_boot(&d.v, 0, "/grub/grub.cfg", &e, &err), 0);
	assert_string_equal(e.kernel, "/vmlinuz-6.8.0-58-generic");
	assert_string_equal(e.title, "Ubuntu, with Linux 6.8.0-58-generic");
	mem_disk_done(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),	      cmocka_unit_test(test_globs),
		cmocka_unit_test(test_variables),     cmocka_unit_test(test_conditions),
		cmocka_unit_test(test_flow),	      cmocka_unit_test(test_devices),
		cmocka_unit_test(test_menu),	      cmocka_unit_test(test_broken_entries),
		cmocka_unit_test(test_initrds),	      cmocka_unit_test(test_boot),
		cmocka_unit_test(test_used_env),      cmocka_unit_test(test_clear_env),
		cmocka_unit_test(test_grubenv),	      cmocka_unit_test(test_other_files),
		cmocka_unit_test(test_limits),	      cmocka_unit_test(test_nesting_limit),
		cmocka_unit_test(test_distributions), cmocka_unit_test(test_ubuntu_saved_entry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
