/* SPDX-License-Identifier: Apache-2.0
 *
 * What ssh is told, and which VM a name means.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/util.h"
#include "provision/identity.h"
#include "provision/ssh.h"
#include "tests/lib/provision/home.h"

static char *joined(char **argv)
{
	auto_buf struct buf out = BUF_INIT(65536);

	for (char **p = argv; *p; p++)
		buf_printf(&out, "%s%s", p == argv ? "" : "|", *p);
	return buf_take(&out);
}

static char *told(const struct vmdir *d, const struct vm_state *s, const char *address, bool batch,
		  const char *const *cmd)
{
	char **argv = ssh_argv(d, s, address, batch, cmd, NULL);
	char *text = joined(argv);

	argv_free(argv);
	return text;
}

static void pinned_login(void **state)
{
	auto_free char *known = NULL, *first = NULL, *text = NULL, *batch = NULL;
	struct vm_state s;
	struct vmdir d;

	home_vmdir(*state, "shop", "web", true, &d);
	state_init(&s, &d.name);
	snprintf(s.os_id, sizeof(s.os_id), "debian");
	s.seed = true;
	first = told(&d, &s, "10.0.0.5", false, NULL);
	assert_non_null(
		strstr(first, "StrictHostKeyChecking=accept-new")); /* nothing is pinned yet */

	known = vmdir_file(&d, "known_hosts");
	file_put(known, "web.shop.croft ssh-ed25519 AAAA\n", 31, 0600, NULL);
	s.identity = xstrdup("/home/me/key");
	text = told(&d, &s, "10.0.0.5", false, NULL);
	assert_non_null(strstr(text, "StrictHostKeyChecking=yes"));
	assert_non_null(strstr(text, known));
	assert_non_null(strstr(text, "HostKeyAlias=web.shop.croft"));
	assert_non_null(strstr(text, "GlobalKnownHostsFile=/dev/null"));
	assert_non_null(strstr(text, "|IdentityFile=\"/home/me/key\"|"));
	assert_non_null(strstr(text, "|IdentitiesOnly=yes|"));
	assert_non_null(strstr(text, "|-l|debian|--|10.0.0.5"));
	assert_null(strstr(text, "BatchMode"));
	batch = told(&d, &s, "10.0.0.5", true, NULL);
	assert_non_null(strstr(batch, "BatchMode=yes"));

	free(s.user);
	s.user = xstrdup("ann");
	free(text);
	text = told(&d, &s, "10.0.0.5", false, NULL);
	assert_non_null(strstr(text, "|-l|ann|"));
	state_done(&s);
	vmdir_done(&d);
}

/* One element is a line for the guest's shell; several arrive as they are. */
static void commands(void **state)
{
	static const char *const line[] = {"ls | wc -l", NULL}, *const none[] = {NULL};
	static const char *const words[] = {"printf", "%s\\n", "it's", "a b", "$HOME", "", NULL};
	auto_free char *one = NULL, *zero = NULL;
	struct proc_result r;
	struct vm_state s;
	struct vmdir d;
	char **argv;
	size_t n = 0;

	home_vmdir(*state, "shop", "cmd", true, &d);
	state_init(&s, &d.name);
	one = told(&d, &s, "10.0.0.5", false, line);
	assert_non_null(strstr(one, "|10.0.0.5|--|ls | wc -l"));
	assert_non_null(strstr(one, "|LogLevel=INFO|"));
	zero = told(&d, &s, "10.0.0.5", false, none);
	assert_non_null(strstr(zero, "|--|10.0.0.5"));

	argv = ssh_argv(&d, &s, "10.0.0.5", false, words, NULL);
	while (argv[n + 1])
		n++;
	/* What the guest's shell makes of the last argument is the command that was given. */
	const char *const sh[] = {"sh", "-c", argv[n], NULL};
	assert_int_equal(proc_run(sh, 10000, &r, NULL), 0);
	assert_string_equal(buf_str(&r.out), "it's\na b\n$HOME\n\n");
	proc_result_done(&r);
	argv_free(argv);
	state_done(&s);
	vmdir_done(&d);
}

/*
 * ssh itself reads the options as they are meant, also with what means something to it in the path.
 */
static void ssh_understands(void **state)
{
	struct home *h = *state;
	auto_free char *dir = path_join(h->path, "a %h \"b\\ $HOME'"),
		       *was = xstrdup(getenv("CROFT_HOME"));
	auto_free char *program = proc_find("ssh");
	struct croft_dirs dirs;
	struct vm_name name = {"p", "vm"};
	struct proc_result r;
	struct vm_state s;
	struct vmdir d;
	char **argv, **full;
	size_t n = 0;

	if (!program)
		skip();
	setenv("CROFT_HOME", dir, 1);
	croft_dirs_get(&dirs, NULL);
	vmdir_init(&d, &dirs, &name);
	state_init(&s, &name);
	s.identity = path_join(dir, "key");
	argv = ssh_argv(&d, &s, "10.0.0.5", true, NULL, NULL);
	while (argv[n])
		n++;
	full = xcalloc(n + 2, sizeof(*full));
	full[0] = argv[0];
	full[1] = (char *)(uintptr_t) "-G"; /* prints what it would do */
	memcpy(full + 2, argv + 1, (n - 1) * sizeof(*full));
	assert_int_equal(proc_run((const char *const *)full, 10000, &r, NULL), 0);
	assert_int_equal(r.exit_code, 0);
	/* Versions differ in how they print a path with blanks back. */
	if (!strstr(buf_str(&r.out), "h \"b\\ $HOME'/state/p/vm/known_hosts") ||
	    !strstr(buf_str(&r.out), "h \"b\\ $HOME'/key") ||
	    !strstr(buf_str(&r.out), "hostkeyalias vm.p.croft") ||
	    !strstr(buf_str(&r.out), "batchmode yes") ||
	    !strstr(buf_str(&r.out), "hostname 10.0.0.5"))
		fail_msg("%s%s", buf_str(&r.out), buf_str(&r.errout));
	proc_result_done(&r);
	free(full);
	argv_free(argv);
	state_done(&s);
	vmdir_done(&d);
	croft_dirs_done(&dirs);
	setenv("CROFT_HOME", was, 1);
}

/* ssh_config(5) has no way to write these. */
static void paths_that_ssh_cannot_have(void **state)
{
	static const char *const bad[] = {"new\nline", "${HOME}"};
	struct home *h = *state;

	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct vm_state s;
		struct err err = {0};
		struct vmdir d;

		home_vmdir(h, "p", "vm", false, &d);
		state_init(&s, &d.name);
		s.identity = path_join(h->path, bad[i]);
		assert_null(ssh_argv(&d, &s, "10.0.0.5", false, NULL, &err));
		assert_int_equal(err.kind, ERR_HOST);
		assert_non_null(strstr(err.msg, bad[i]));
		state_done(&s);
		vmdir_done(&d);
	}
}

static void default_users(void **state)
{
	(void)state;
	assert_string_equal(ssh_default_user("ubuntu"), "ubuntu");
	assert_string_equal(ssh_default_user("rocky"), "rocky");
	assert_string_equal(ssh_default_user("opensuse-leap"), "opensuse");
	assert_null(ssh_default_user("something"));
	assert_null(ssh_default_user(""));
}

/* --- which VM --------------------------------------------------------------------------------- */

static void make(struct home *h, const char *project, const char *vm, const char *spec)
{
	struct vm_state s;
	struct vmdir d;

	home_vmdir(h, project, vm, true, &d);
	state_init(&s, &d.name);
	s.spec_path = spec ? xstrdup(spec) : NULL;
	assert_int_equal(state_save(&d, &s, false, NULL), 0);
	state_done(&s);
	vmdir_done(&d);
}

static char *spec_file(struct home *h, const char *name, const char *extra)
{
	auto_free char *text = xasprintf("version: 1\nname: %s\nimage: /images/%s.qcow2\n"
					 "cloud_init: none\n%s",
					 name, name, extra);
	auto_free char *file = xasprintf("%s/croft.yaml", name);

	return home_file(h, file, text);
}

static void names(void **state)
{
	struct home *h = *state;
	auto_free char *spec = spec_file(h, "alone", "");
	struct err err = {0};
	struct vm_name *list, name;
	struct vmdir d;
	size_t n;

	assert_int_equal(vm_list(&list, &n, &err), 0);
	assert_int_equal(n, 0);
	free(list);
	assert_int_equal(vm_resolve("web", spec, &name, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);

	make(h, "shop", "web", NULL);
	make(h, "blog", "web", NULL);
	make(h, "blog", "db", NULL);
	home_vmdir(h, "blog", "half-made", true, &d); /* a directory without state.json is no VM */
	vmdir_done(&d);
	assert_int_equal(vm_list(&list, &n, &err), 0);
	assert_int_equal(n, 3);
	assert_string_equal(list[0].project, "blog");
	assert_string_equal(list[0].vm, "db");
	assert_string_equal(list[2].project, "shop");
	free(list);

	assert_int_equal(vm_resolve("db", spec, &name, &err), 0);
	assert_string_equal(name.project, "blog");
	assert_int_equal(vm_resolve("web", spec, &name, &err), -1);
	assert_non_null(strstr(err.msg, "write PROJECT/web"));
	assert_int_equal(vm_resolve("shop/web", spec, &name, &err), 0);
	assert_string_equal(name.project, "shop");
	assert_int_equal(vm_resolve("nix", spec, &name, &err), -1);
	assert_int_equal(err.kind, ERR_NOT_FOUND);
	assert_non_null(strstr(err.msg, "blog/db, blog/web, shop/web"));
	assert_int_equal(vm_resolve("../../etc/passwd", spec, &name, &err), -1);
	assert_int_equal(err.kind, ERR_USAGE);
	assert_int_equal(vm_resolve("a/", spec, &name, &err), -1);
	assert_int_equal(err.kind, ERR_USAGE);
}

static void names_by_spec(void **state)
{
	struct home *h = *state;
	auto_free char *spec = spec_file(h, "inspec", "");
	auto_free char *real = realpath(spec, NULL);
	struct err err = {0};
	struct vm_name name;

	assert_int_equal(vm_resolve(NULL, spec, &name, &err), 0);
	assert_string_equal(name.project, "inspec");
	/* By its own name, whether it was made already or not. */
	assert_int_equal(vm_resolve(name.vm, spec, &name, &err), 0);
	assert_string_equal(name.project, "inspec");

	/* A spec that broke after its VM was made still means that VM: `croft down` must work. */
	make(h, "inspec", "inspec", real);
	free(spec_file(h, "inspec", "nonsense: [\n"));
	name.project[0] = '\0';
	assert_int_equal(vm_resolve(NULL, spec, &name, &err), 0);
	assert_string_equal(name.project, "inspec");
	/* One that broke and never made anything is an error about the spec. */
	free(spec_file(h, "never", "nonsense: [\n"));
	auto_free char *never = path_join(h->path, "never/croft.yaml");
	assert_int_equal(vm_resolve(NULL, never, &name, &err), -1);
	assert_int_equal(err.kind, ERR_SPEC);
}

static const char key_a[] =
	"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICWbQcB977zr6tfq7E6qPmImh/k8DlrvFBJ7jXKgVpsb a";
static const char key_b[] =
	"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAabQcB977zr6tfq7E6qPmImh/k8DlrvFBJ7jXKgVpsb b";

static void identities(void **state)
{
	struct home *h = *state;
	auto_free char *beside = home_file(h, "keys/named", "private"),
		       *was = xstrdup(getenv("HOME"));
	auto_free char *pub = home_file(h, "keys/named.pub", key_a);
	auto_free char *mine = home_file(h, "me/.ssh/id_b", "private");
	auto_free char *mine_pub = home_file(h, "me/.ssh/id_b.pub", key_b);
	auto_free char *lone_pub =
		home_file(h, "me/.ssh/lone.pub", key_a); /* without a private half */
	auto_free char *home = path_join(h->path, "me");
	auto_free char *literal = xasprintf("ssh_authorized_keys: [ \"%s\" ]\n", key_b);
	const struct {
		const char *name, *extra;
		const char *want; /* NULL: none */
	} cases[] = {
		{"by-path", "ssh_authorized_keys: [ ../keys/named.pub ]\n", beside},
		{"by-text", literal, mine},
		{"no-key", "hostname: x\n", NULL},
	};

	(void)pub, (void)mine_pub, (void)lone_pub;
	setenv("HOME", home, 1);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_free char *text = xasprintf("version: 1\nname: %s\nimage: /i.qcow2\n%s",
						 cases[i].name, cases[i].extra);
		auto_free char *file = xasprintf("%s/croft.yaml", cases[i].name);
		auto_free char *path = home_file(h, file, text);
		auto_free char *want = cases[i].want ? realpath(cases[i].want, NULL) : NULL;
		struct err err = {0};
		auto_spec struct spec *spec = spec_load(path, &err);

		if (!spec)
			fail_msg("%s", err.msg);
		auto_free char *found = identity_find(spec, &spec->vms[0]);

		if (!want != !found || (want && strcmp(want, found)))
			fail_msg("%s: %s", cases[i].name, found ? found : "none");
	}
	setenv("HOME", was ? was : "/", 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names), /* first: it counts what there is */
		cmocka_unit_test(names_by_spec),
		cmocka_unit_test(pinned_login),
		cmocka_unit_test(commands),
		cmocka_unit_test(ssh_understands),
		cmocka_unit_test(paths_that_ssh_cannot_have),
		cmocka_unit_test(default_users),
		cmocka_unit_test(identities),
	};

	return cmocka_run_group_tests(tests, home_setup, home_teardown);
}
