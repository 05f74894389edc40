/* SPDX-License-Identifier: Apache-2.0
 *
 * ssh to a VM, with the host key that croft made and pinned: the first connection is verified, no
 * other host's key is in the way, and the keys of an agent are not tried one by one.
 */
#include "provision/ssh.h"

#include "base/mem.h"
#include "base/util.h"

/* The users that the distributions' cloud images create (docs/cloud-images.md). */
static const struct {
	const char *os_id, *user;
} users[] = {
	{"debian", "debian"},
	{"ubuntu", "ubuntu"},
	{"fedora", "fedora"},
	{"rocky", "rocky"},
	{"almalinux", "almalinux"},
	{"centos", "cloud-user"},
	{"rhel", "cloud-user"},
	{"arch", "arch"},
	{"alpine", "alpine"},
	{"opensuse-leap", "opensuse"},
	{"opensuse-tumbleweed", "opensuse"},
	{"sles", "sles"},
	{"amzn", "ec2-user"},
	{"gentoo", "gentoo"},
};

const char *ssh_default_user(const char *os_id)
{
	for (size_t i = 0; i < ARRAY_LEN(users); i++)
		if (!strcmp(users[i].os_id, os_id))
			return users[i].user;
	return NULL;
}

const char *ssh_user(const struct vm_state *s)
{
	if (s->user)
		return s->user;
	return s->image_user ? s->image_user : ssh_default_user(s->os_id);
}

char *ssh_host_alias(const struct vm_name *name)
{
	return xasprintf("%s.%s.croft", name->vm, name->project);
}

/* --- building an argv ------------------------------------------------------------------------- */

struct argv {
	char **list;
	size_t n, cap;
};

static void add(struct argv *a, char *owned)
{
	a->list = xgrow(a->list, &a->cap, a->n + 2, sizeof(*a->list));
	a->list[a->n++] = owned;
	a->list[a->n] = NULL;
}

static void option(struct argv *a, const char *name, const char *value)
{
	add(a, xstrdup("-o"));
	add(a, xasprintf("%s=%s", name, value));
}

/*
 * ssh_config(5): a value goes in double quotes, where a backslash keeps the meaning of the next
 * character; a percent sign begins a token, and ${ a variable, which has no other spelling.
 */
static int path_option(struct argv *a, const char *name, const char *path, struct err *err)
{
	auto_buf struct buf out = BUF_INIT(16384);

	if (strchr(path, '\n') || strstr(path, "${"))
		return err_set(err, ERR_HOST,
			       "ssh cannot be given the path '%s': it has a line break or ${ in it",
			       path);
	buf_putc(&out, '"');
	for (; *path; path++) {
		if (*path == '"' || *path == '\\')
			buf_putc(&out, '\\');
		else if (*path == '%')
			buf_putc(&out, '%');
		buf_putc(&out, *path);
	}
	buf_putc(&out, '"');
	option(a, name, buf_str(&out));
	return 0;
}

/* As one word for a POSIX shell. */
static void shell_quote(struct buf *out, const char *s)
{
	buf_putc(out, '\'');
	for (; *s; s++) {
		if (*s == '\'')
			buf_puts(out, "'\\''");
		else
			buf_putc(out, *s);
	}
	buf_putc(out, '\'');
}

static void add_command(struct argv *a, const char *const *cmd)
{
	auto_buf struct buf line = BUF_INIT(1 << 20);

	if (!cmd || !cmd[0])
		return;
	if (!cmd[1]) {
		buf_puts(&line, cmd[0]);
	} else {
		for (size_t i = 0; cmd[i]; i++) {
			if (i)
				buf_putc(&line, ' ');
			shell_quote(&line, cmd[i]);
		}
	}
	add(a, xstrdup("--"));
	add(a, buf_take(&line));
}

char **ssh_argv(const struct vmdir *d, const struct vm_state *s, const char *address, bool batch,
		const char *const *cmd, struct err *err)
{
	auto_free char *known = vmdir_file(d, "known_hosts");
	auto_free char *alias = ssh_host_alias(&d->name);
	const char *user = ssh_user(s);
	struct argv a = {0};

	add(&a, xstrdup("ssh"));
	if (path_option(&a, "UserKnownHostsFile", known, err) < 0 ||
	    (s->identity && path_option(&a, "IdentityFile", s->identity, err) < 0)) {
		argv_free(a.list);
		return NULL;
	}
	option(&a, "GlobalKnownHostsFile", "/dev/null");
	option(&a, "HostKeyAlias", alias);
	option(&a, "CheckHostIP", "no");
	/* A VM that was killed says nothing: what waits for it would wait for ever. */
	option(&a, "ServerAliveInterval", "30");
	option(&a, "ServerAliveCountMax", "10");
	/* Without a seed there is no key of ours in the guest: the first one seen is kept then. */
	option(&a, "StrictHostKeyChecking",
	       access(known, F_OK) == 0 && s->seed ? "yes" : "accept-new");
	option(&a, "UpdateHostKeys", "no");
	option(&a, "ConnectTimeout", batch ? "10" : "30");
	if (s->identity)
		option(&a, "IdentitiesOnly", "yes");
	if (batch) {
		option(&a, "BatchMode", "yes");
		option(&a, "LogLevel", "ERROR");
	} else if (cmd && cmd[0]) {
		/* How ssh ended is known by what it says of it, some of which is no error to it. */
		option(&a, "LogLevel", "INFO");
	}
	if (user) {
		add(&a, xstrdup("-l"));
		add(&a, xstrdup(user));
	}
	/* After this no address, whatever it looks like, is an option. */
	if (!cmd || !cmd[0])
		add(&a, xstrdup("--"));
	add(&a, xstrdup(address));
	add_command(&a, cmd);
	return a.list;
}

void argv_free(char **argv)
{
	for (char **p = argv; p && *p; p++)
		free(*p);
	free(argv);
}
