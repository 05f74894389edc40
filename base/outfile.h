/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing to a path that the user chose. A regular file is replaced when all of it is there, as
 * file_replace does, behind any symbolic link; what is something else (a device, a FIFO) is
 * written to, and stays what it is.
 */
#ifndef BASE_OUTFILE_H
#define BASE_OUTFILE_H

#include <sys/types.h>

#include "base/err.h"

struct outfile {
	int fd;		  /* to write to */
	char *path, *tmp; /* the second becomes the first; NULL: fd is the thing itself */
};

/* `mode` is for a regular file; the umask applies. What cannot be written is ERR_FAILED. */
int outfile_open(struct outfile *, const char *path, mode_t mode, struct err *);
/* Everything was written: syncs it and puts it into place. */
int outfile_commit(struct outfile *, struct err *);
/* Releases it; what was not committed leaves nothing behind. */
void outfile_done(struct outfile *);

#endif
