/* SPDX-License-Identifier: Apache-2.0
 *
 * A croft home of a test's own: a directory that is there for the test and gone after it.
 */
#ifndef TESTS_LIB_PROVISION_HOME_H
#define TESTS_LIB_PROVISION_HOME_H

#include <stdarg.h>

#include "provision/step.h"

struct home {
	char path[64]; /* of the directory; CROFT_HOME is PATH/home */
	struct croft_dirs dirs;
};

/* Group fixtures of cmocka: *state is a struct home. */
int home_setup(void **state);
int home_teardown(void **state);

/* Writes PATH/name; returns its path (the caller frees). */
char *home_file(struct home *, const char *name, const char *text);
/* The directory of a VM, initialised; made when `make`. */
void home_vmdir(struct home *, const char *project, const char *vm, bool make, struct vmdir *out);
/* A minimal run on that directory, without a spec. */
void home_run(struct home *, const char *project, const char *vm, struct run *out);
void home_run_done(struct run *);

/*
 * A network namespace of the test's own, with the right to make links in it. 0, or -1 where the
 * machine does not allow that: then the test is to be skipped.
 */
int own_network(void);

#endif
