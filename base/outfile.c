/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of the user's: see outfile.h.
 */
#include "base/outfile.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"

/* There is something that a rename must not put a file in the place of. */
static bool is_special(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0)
		return !S_ISREG(st.st_mode);
	return lstat(path, &st) == 0; /* a link to what is not there yet: open(2) makes that */
}

static mode_t current_umask(void)
{
	mode_t mask = umask(0);

	umask(mask);
	return mask;
}

static int open_tmp(struct outfile *o, mode_t mode)
{
	auto_free char *dir = path_dir(o->path);

	o->tmp = xasprintf("%s/.croft-XXXXXX", dir);
	o->fd = mkostemp(o->tmp, O_CLOEXEC);
	if (o->fd >= 0)
		return fchmod(o->fd, mode & ~current_umask());
	free(take_ptr(o->tmp));
	return -1;
}

int outfile_open(struct outfile *o, const char *path, mode_t mode, struct err *err)
{
	bool special = is_special(path);
	char *real = special ? NULL : realpath(path, NULL);
	int rc;

	*o = (struct outfile){.fd = -1, .path = real ? real : xstrdup(path)};
	if (special)
		rc = o->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, mode);
	else
		rc = open_tmp(o, mode);
	if (rc >= 0)
		return 0;
	err_sys(err, ERR_FAILED, "cannot write '%s'", path);
	outfile_done(o);
	return -1;
}

int outfile_commit(struct outfile *o, struct err *err)
{
	auto_free char *dir = path_dir(o->path);

	/* EINVAL: a pipe or a device that keeps nothing. */
	if ((fsync(o->fd) < 0 && errno != EINVAL) || (o->tmp && rename(o->tmp, o->path) < 0))
		return err_sys(err, ERR_FAILED, "cannot write '%s'", o->path);
	if (!o->tmp)
		return 0;
	free(take_ptr(o->tmp));
	return dir_sync(dir, err);
}

void outfile_done(struct outfile *o)
{
	if (o->tmp)
		unlink(o->tmp);
	auto_close_fn(&o->fd);
	free(o->tmp);
	free(o->path);
	*o = (struct outfile){.fd = -1};
}
