/* SPDX-License-Identifier: Apache-2.0
 *
 * Opens what a configuration names: see files.h. This is the last time that the VMM opens anything
 * by path.
 */
#include "vmm/files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/util.h"

typedef int open_fn(const char *path, struct err *);

static int open_with(const char *path, int flags, struct err *err)
{
	int fd = open(path, flags | O_CLOEXEC | O_NOCTTY, 0600);

	return fd < 0 ? err_sys(err, ERR_HOST, "cannot open '%s'", path) : fd;
}

static int open_to_read(const char *path, struct err *err)
{
	return open_with(path, O_RDONLY, err);
}

static int open_to_change(const char *path, struct err *err)
{
	return open_with(path, O_RDWR, err);
}

static int open_to_append(const char *path, struct err *err)
{
	return open_with(path, O_WRONLY | O_CREAT | O_APPEND, err);
}

static int open_to_replace(const char *path, struct err *err)
{
	return open_with(path, O_WRONLY | O_CREAT | O_TRUNC, err);
}

static int open_tap(const char *name, struct err *err)
{
	auto_close int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};

	if (strlen(name) >= sizeof(ifr.ifr_name))
		return err_set(err, ERR_USAGE, "'%s': an interface's name has at most %zu characters",
			       name, sizeof(ifr.ifr_name) - 1);
	memcpy(ifr.ifr_name, name, strlen(name) + 1);
	if (fd < 0)
		return err_sys(err, ERR_HOST, "cannot open '/dev/net/tun'");
	if (ioctl(fd, TUNSETIFF, &ifr) < 0) {
		err_sys(err, ERR_HOST, "cannot attach to tap '%s'", name);
		return err_hint(err, "make it with: ip tuntap add %s mode tap user $USER", name);
	}
	return take_fd(&fd);
}

/* Nobody but the owner may connect; a socket that an earlier run left behind is replaced. */
static int open_control(const char *path, struct err *err)
{
	auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct stat st;
	mode_t mask;
	int rc;

	if (strlen(path) >= sizeof(sa.sun_path))
		return err_set(err, ERR_USAGE, "'%s': longer than a socket's name may be (%zu bytes)",
			       path, sizeof(sa.sun_path) - 1);
	memcpy(sa.sun_path, path, strlen(path) + 1);
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(path);
	mask = umask(0177);
	rc = fd < 0 ? -1 : bind(fd, (const struct sockaddr *)&sa, sizeof(sa));
	umask(mask);
	if (rc < 0 || listen(fd, 16) < 0)
		return err_sys(err, ERR_HOST, "cannot listen on '%s'", path);
	return take_fd(&fd);
}

/* One file: `what` names it in the error. */
static int take(struct vmm_file *f, open_fn *opener, const char *what, struct err *err)
{
	if (f->fd >= 0) {
		if (fcntl(f->fd, F_SETFD, FD_CLOEXEC) < 0) {
			err_sys(err, ERR_USAGE, "descriptor %d", f->fd);
			return err_wrap(err, "%s", what);
		}
		return 0;
	}
	if (!f->path)
		return 0;
	f->fd = opener(f->path, err);
	return f->fd < 0 ? err_wrap(err, "%s", what) : 0;
}

static int take_disks(struct vmm_config *c, struct err *err)
{
	for (unsigned i = 0; i < c->ndisks; i++) {
		struct vmm_disk *d = &c->disks[i];

		for (unsigned j = 0; j < d->nlayers; j++) {
			bool writable = j == 0 && !d->read_only;

			if (take(&d->layers[j].file, writable ? open_to_change : open_to_read, d->id,
				 err) < 0)
				return err_wrap(err, "disk");
		}
	}
	return 0;
}

int files_open(struct vmm_config *c, struct err *err)
{
	const struct {
		struct vmm_file *file;
		open_fn *opener;
		const char *what;
	} single[] = {
		{&c->log, open_to_append, "log"},
		{&c->kernel, open_to_read, "kernel"},
		{&c->initrd, open_to_read, "initrd"},
		{&c->console_log, open_to_append, "console log"},
		{&c->exit_report, open_to_replace, "exit report"},
		{&c->control, open_control, "control socket"},
	};

	for (size_t i = 0; i < ARRAY_LEN(single); i++)
		if (take(single[i].file, single[i].opener, single[i].what, err) < 0)
			return -1;
	if (take_disks(c, err) < 0)
		return -1;
	for (unsigned i = 0; i < c->nnics; i++)
		if (take(&c->nics[i].tap, open_tap, c->nics[i].id, err) < 0)
			return err_wrap(err, "NIC");
	return 0;
}

int files_open_ready(struct vmm_config *c, struct err *err)
{
	return take(&c->ready, open_to_replace, "ready", err);
}
