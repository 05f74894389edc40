/* SPDX-License-Identifier: Apache-2.0
 *
 * The directories of this user (XDG Base Directory Specification 0.8), and a VM's place in them.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/text.h"
#include "base/utf8.h"
#include "base/util.h"
#include "provision/vmdir.h"

/* $variable/croft, or ~/fallback/croft. XDG: a relative path in a variable is to be ignored. */
static char *xdg(const char *variable, const char *fallback, struct err *err)
{
	const char *value = getenv(variable), *home = getenv("HOME");

	if (value && value[0] == '/')
		return path_join(value, "croft");
	if (home && home[0] == '/')
		return xasprintf("%s/%s/croft", home, fallback);
	err_set(err, ERR_HOST, "neither %s nor HOME is set to an absolute path (set CROFT_HOME)",
		variable);
	return NULL;
}

/*
 * XDG_RUNTIME_DIR is absent in cron jobs and containers. The specification asks for a replacement
 * with the same protection: a directory that is ours alone.
 */
static char *runtime_dir(struct err *err)
{
	const char *value = getenv("XDG_RUNTIME_DIR");
	auto_free char *run = xasprintf("/run/user/%u", (unsigned)getuid());
	auto_free char *tmp = NULL;
	struct stat st;

	if (value && value[0] == '/')
		return path_join(value, "croft");
	if (stat(run, &st) == 0 && S_ISDIR(st.st_mode) && st.st_uid == getuid())
		return path_join(run, "croft");
	tmp = xasprintf("/tmp/croft-%u", (unsigned)getuid());
	if (mkdir(tmp, 0700) < 0 && errno != EEXIST) {
		err_sys(err, ERR_HOST, "cannot create '%s'", tmp);
		return NULL;
	}
	if (lstat(tmp, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != getuid() ||
	    (st.st_mode & 077)) {
		err_set(err, ERR_HOST,
			"'%s' is not a directory of yours alone (set XDG_RUNTIME_DIR or "
			"CROFT_HOME)",
			tmp);
		return NULL;
	}
	return take_ptr(tmp);
}

static bool is_utf8(const char *s)
{
	uint32_t c;
	size_t n;

	for (; (n = utf8_char(s, strlen(s), &c)) > 0 && *s; s += n)
		;
	return !*s;
}

/* Paths below it are written into JSON, which has no other texts. */
static int check_utf8(const char *dir, struct err *err)
{
	return is_utf8(dir) ? 0
			    : err_set(err, ERR_HOST,
				      "'%s' is not UTF-8: set CROFT_HOME to a "
				      "directory whose name is",
				      dir);
}

int croft_dirs_get(struct croft_dirs *d, struct err *err)
{
	const char *home = getenv("CROFT_HOME");

	*d = (struct croft_dirs){0};
	if (home && home[0]) {
		auto_free char *cwd = home[0] == '/' ? NULL : getcwd(NULL, 0);
		auto_free char *base = path_expand(home, cwd);

		d->state = path_join(base, "state");
		d->cache = path_join(base, "cache");
		d->runtime = path_join(base, "run");
	} else if (getuid() == 0) {
		d->state = xstrdup("/var/lib/croft");
		d->cache = xstrdup("/var/cache/croft");
		d->runtime = xstrdup("/run/croft");
	} else {
		d->state = xdg("XDG_STATE_HOME", ".local/state", err);
		d->cache = d->state ? xdg("XDG_CACHE_HOME", ".cache", err) : NULL;
		d->runtime = d->cache ? runtime_dir(err) : NULL;
	}
	if (d->runtime && check_utf8(d->state, err) == 0 && check_utf8(d->cache, err) == 0 &&
	    check_utf8(d->runtime, err) == 0)
		return 0;
	croft_dirs_done(d);
	return -1;
}

int croft_runtime_make(const struct croft_dirs *d, struct err *err)
{
	const char *home = getenv("CROFT_HOME"), *xdg = getenv("XDG_RUNTIME_DIR");
	struct err why = {0};

	if (dir_make(d->runtime, 0700, &why) == 0) {
		if (access(d->runtime, W_OK | X_OK) == 0)
			return 0;
		err_sys(&why, ERR_HOST, "cannot write to '%s'", d->runtime);
	}
	if (home && home[0])
		err_hint(&why, "CROFT_HOME is '%s'", home);
	else if (getuid() != 0 && xdg && xdg[0] == '/')
		err_hint(&why, "XDG_RUNTIME_DIR is '%s'; without it another place is found", xdg);
	if (err)
		*err = why;
	return err_wrap(err, "control sockets");
}

char *croft_config_file(const char *name)
{
	const char *home = getenv("CROFT_HOME");
	auto_free char *dir = NULL;

	if (home && home[0]) {
		auto_free char *cwd = home[0] == '/' ? NULL : getcwd(NULL, 0);

		dir = path_expand(home, cwd);
	} else {
		dir = getuid() == 0 ? xstrdup("/etc/croft")
				    : xdg("XDG_CONFIG_HOME", ".config", NULL);
	}
	return dir ? path_join(dir, name) : NULL;
}

void croft_dirs_done(struct croft_dirs *d)
{
	free(d->state);
	free(d->cache);
	free(d->runtime);
	*d = (struct croft_dirs){0};
}

/* --- one VM's --------------------------------------------------------------------------------- */

void vmdir_init(struct vmdir *d, const struct croft_dirs *dirs, const struct vm_name *name)
{
	*d = (struct vmdir){.name = *name, .lock = -1};
	d->path = xasprintf("%s/%s/%s", dirs->state, name->project, name->vm);
	d->socket = xasprintf("%s/%s/%s.sock", dirs->runtime, name->project, name->vm);
}

void vmdir_done(struct vmdir *d)
{
	auto_close_fn(&d->lock);
	free(d->path);
	free(d->socket);
	*d = (struct vmdir){.lock = -1};
}

char *vmdir_file(const struct vmdir *d, const char *name)
{
	return path_join(d->path, name);
}

bool vmdir_has(const struct vmdir *d, const char *name)
{
	auto_free char *path = vmdir_file(d, name);

	return access(path, F_OK) == 0;
}

static int not_there(const struct vmdir *d, struct err *err)
{
	return err_set(err, ERR_NOT_FOUND,
		       "there is no VM '%s/%s' (croft list shows what there is)", d->name.project,
		       d->name.vm);
}

struct lock_wait {
	const struct reporter *rep;
	const char *what, *last;
	uint64_t since_ms;
};

static bool lock_waiting(void *ctx)
{
	struct lock_wait *w = ctx;

	if (w->rep->waiting)
		w->rep->waiting(w->rep->ctx, w->what, w->last, now_ms() - w->since_ms);
	return !w->rep->interrupted || !w->rep->interrupted(w->rep->ctx);
}

enum { LOCK_TIMEOUT_MS = 10 * 60 * 1000 };

int reporter_lock(const struct reporter *rep, const char *path, const char *what, const char *last,
		  struct err *err)
{
	struct lock_wait wait = {rep, what, last, now_ms()};

	return file_lock(path, LOCK_TIMEOUT_MS, rep ? lock_waiting : NULL, &wait, err);
}

int vmdir_lock(struct vmdir *d, bool make, const struct reporter *rep, struct err *err)
{
	auto_free char *path = vmdir_file(d, "vm.lock");
	struct stat held, named;

	for (;;) {
		auto_close int fd = -1;

		if (make && dir_make(d->path, 0700, err) < 0)
			return -1;
		if (!make && access(d->path, F_OK) < 0)
			return not_there(d, err);
		fd = reporter_lock(rep, path, "for another croft command on this VM", d->name.vm,
				   err);
		if (fd < 0 && access(d->path, F_OK) < 0)
			continue; /* removed just now by `croft destroy` */
		if (fd < 0)
			return -1;
		/* What we waited for may have been removed meanwhile: then it guards nothing. */
		if (fstat(fd, &held) == 0 && stat(path, &named) == 0 &&
		    held.st_ino == named.st_ino && held.st_dev == named.st_dev) {
			/* Ctrl-C while we waited: what the user gave up is not done after all. */
			if (rep && rep->interrupted && rep->interrupted(rep->ctx))
				return err_set(err, ERR_INTERRUPTED, "interrupted");
			d->lock = take_fd(&fd);
			return 0;
		}
	}
}

enum { SETTLE_MAX = 64 };

int vmdir_settle(const struct vmdir *d, struct err *err)
{
	auto_closedir DIR *dir = opendir(d->path);
	int fds[SETTLE_MAX], rc = 0;
	unsigned n = 0;
	struct dirent *e;

	while (dir && n < SETTLE_MAX && (e = readdir(dir))) {
		int fd = e->d_type == DT_DIR
				 ? -1
				 : openat(dirfd(dir), e->d_name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

		if (fd < 0)
			continue;
		sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE);
		fds[n++] = fd;
	}
	for (unsigned i = 0; i < n; i++) {
		if (fdatasync(fds[i]) < 0 &&
		    errno != EINVAL) /* EINVAL: nothing that could be synced */
			rc = err_sys(err, ERR_HOST, "cannot write to '%s'", d->path);
		close(fds[i]);
	}
	return rc < 0 ? rc : dir_sync(d->path, err);
}

void vmdir_sweep(const struct vmdir *d)
{
	auto_closedir DIR *dir = opendir(d->path);
	struct dirent *e;

	while (dir && (e = readdir(dir)))
		if ((e->d_name[0] == '.' && strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) ||
		    text_ends(e->d_name, ".new")) {
			auto_free char *path = vmdir_file(d, e->d_name);

			if (unlink(path) < 0 && (errno == EISDIR || errno == EPERM))
				dir_remove(path, NULL);
		}
}
