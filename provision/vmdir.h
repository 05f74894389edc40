/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a VM's files are, and the lock that makes two commands on one VM take turns.
 */
#ifndef PROVISION_VMDIR_H
#define PROVISION_VMDIR_H

#include <stdbool.h>

#include "provision/provision.h"

struct vmdir {
	struct vm_name name;
	char *path;   /* STATE/<project>/<vm> */
	char *socket; /* RUNTIME/<project>/<vm>.sock */
	int lock;     /* held while >= 0 */
};

/* Fills paths; touches nothing. Release with vmdir_done, which also lets go of the lock. */
void vmdir_init(struct vmdir *, const struct croft_dirs *, const struct vm_name *);
void vmdir_done(struct vmdir *);

/* The path of a file of the VM; the caller frees. */
char *vmdir_file(const struct vmdir *, const char *name);
bool vmdir_has(const struct vmdir *, const char *name);

/*
 * Takes the VM's lock, waiting for its holder (rep->waiting tells). `make` creates the directory;
 * without it a VM that is not there is ERR_NOT_FOUND.
 */
int vmdir_lock(struct vmdir *, bool make, const struct reporter *, struct err *);

/*
 * file_lock with a wait that `rep` shows as `what` and `last`, and can interrupt. `rep` may be
 * NULL.
 */
int reporter_lock(const struct reporter *, const char *path, const char *what, const char *last,
		  struct err *);

/*
 * Makes every file of the VM durable, at about the cost of one: writing is begun for all of them
 * before the first is waited for.
 */
int vmdir_settle(const struct vmdir *, struct err *);

/*
 * Removes what an interrupted command left half-written: names that begin with a dot or end in
 * .new.
 */
void vmdir_sweep(const struct vmdir *);

#endif
