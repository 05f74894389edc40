/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may use an image file: the byte locks of QEMU's file driver, with its numbers, so that croft
 * and QEMU's tools respect each other. A holder of permission i keeps a shared lock on byte 100 +
 * i; one that does not tolerate permission i in others keeps a shared lock on byte 200 + i. Both
 * sides are taken first and then looked for in others, so of two that race at least one gives up.
 *
 * They are open-file-description locks: they belong to what open(2) returned, survive being passed
 * to another process, and two opens in one process conflict as two processes would.
 */
#include <errno.h>
#include <fcntl.h>

#include "base/num.h"
#include "base/util.h"
#include "images/disk/host.h"

enum {
	PERM_READ = 1 << 0,
	PERM_WRITE = 1 << 1,
	PERM_RESIZE = 1 << 3,
	PERMS = 4,
	BYTE_HELD = 100,
	BYTE_REFUSED = 200,
	PATIENCE_MS = 1000,
	RETRY_MS = 5,
};

static int byte_lock(int fd, int cmd, short type, off_t byte, short *found)
{
	struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1};

	if (fcntl(fd, cmd, &l) < 0)
		return -errno;
	if (found)
		*found = l.l_type;
	return 0;
}

/* The set of bytes base + i for the bits of `mask`. */
static int take(int fd, off_t base, unsigned mask)
{
	for (int i = 0; i < PERMS; i++) {
		int r = mask & (1u << i) ? byte_lock(fd, F_OFD_SETLK, F_RDLCK, base + i, NULL) : 0;

		if (r < 0)
			return r;
	}
	return 0;
}

/* 1: somebody else holds one of them. */
static int others_hold(int fd, off_t base, unsigned mask)
{
	for (int i = 0; i < PERMS; i++) {
		short found = F_UNLCK;
		int r = mask & (1u << i) ? byte_lock(fd, F_OFD_GETLK, F_WRLCK, base + i, &found)
					 : 0;

		if (r < 0 || found != F_UNLCK)
			return r < 0 ? r : 1;
	}
	return 0;
}

void host_unlock(const struct host *h)
{
	for (int i = 0; i < PERMS; i++) {
		byte_lock(h->fd, F_OFD_SETLK, F_UNLCK, BYTE_HELD + i, NULL);
		byte_lock(h->fd, F_OFD_SETLK, F_UNLCK, BYTE_REFUSED + i, NULL);
	}
}

/* 0, 1 when somebody else is in the way, or -errno. */
static int try_lock(int fd, unsigned held, unsigned refused)
{
	int r = take(fd, BYTE_HELD, held);

	if (r == 0)
		r = take(fd, BYTE_REFUSED, refused);
	if (r == 0)
		r = others_hold(fd, BYTE_REFUSED, held);
	if (r == 0)
		r = others_hold(fd, BYTE_HELD, refused);
	return r == -EAGAIN || r == -EACCES ? 1 : r;
}

int host_lock(const struct host *h, bool writable, struct err *err)
{
	const unsigned refused = PERM_WRITE | PERM_RESIZE;
	const unsigned held = PERM_READ | (writable ? refused : 0);
	int r;

	/*
	 * The kernel tears an io_uring down after its process has died, and the files in it are
	 * locked until then: who follows a VMM that was killed waits for the last of it.
	 */
	for (uint64_t start = now_ms(); (r = try_lock(h->fd, held, refused)) != 0;) {
		host_unlock(h);
		if (r != 1 || now_ms() - start > PATIENCE_MS)
			break;
		usleep(RETRY_MS * 1000);
	}
	if (r == 0)
		return 0;
	if (r == 1)
		return err_set(err, ERR_CONFLICT,
			       writable ? "in use by another process (stop the VM or the qemu tool "
					  "that has it open)"
					: "being written by another process (stop the VM or the "
					  "qemu tool that has it open)");
	if (r == -EINVAL || r == -EOPNOTSUPP || r == -ENOSYS || r == -ENOLCK)
		return 0; /* a file system without locks */
	errno = -r;
	return err_sys(err, ERR_HOST, "cannot lock");
}
