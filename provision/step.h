/* SPDX-License-Identifier: Apache-2.0
 *
 * Decide first, then act. What `up` does is a list of steps, each one file step_x.c with one table:
 * check says what is needed without touching anything, apply does it, undo takes it back. A list of
 * steps can be printed, dry-run, undone after a failure, and recovered after kill -9 (apply.c).
 */
#ifndef PROVISION_STEP_H
#define PROVISION_STEP_H

#include <stdio.h>

#include "provision/state.h"

/* Everything the steps of one run share. What a step leaves for a later one is at the end. */
struct run {
	const struct spec *spec;
	const struct spec_vm *vm;
	const struct up_options *options;
	const struct reporter *rep; /* never NULL; its callbacks may be */
	struct croft_dirs dirs;
	struct vmdir dir;
	struct vm_state state;	/* saved by apply.c after each step that was applied */
	bool is_new;		/* no state.json yet: a failure leaves none either */
	bool running;		/* a VMM runs: what needs a restart is STEP_PENDING */
	struct journal journal; /* of the step under way; a step may add to it (journal_write) */

	int taps[SPEC_MAX_NICS]; /* step_net for step_vm; -1: none. Closed with the run */
	uint16_t mtus[SPEC_MAX_NICS];
	int start_lock; /* of step_net, held to the end of the run; -1: none */
};

/* Steps work on the memory that `arg` points to: arg_size bytes, zeroed before check. */
struct step_class {
	const char *name; /* "image", "disk", "seed", "net", "vm" */
	size_t arg_size;
	int (*check)(struct run *, void *arg, enum step_state *out, struct err *);
	/* `was` is what check said: STEP_CREATE or STEP_CHANGE. */
	int (*apply)(struct run *, void *arg, enum step_state was, struct err *);
	/*
	 * Also of a half-done apply, and of one in a process that was killed: then arg is zeroed
	 * and only the files, the state before the step and the journal tell what happened.
	 */
	void (*undo)(struct run *, void *arg, enum step_state was);
	/*
	 * After a kill: brings the step to its end if it can (returns true), else it is undone. May
	 * be NULL.
	 */
	bool (*adopt)(struct run *, const struct journal *);
	/* What there is or will be, without a newline: "20GiB overlay on debian-12.qcow2". */
	void (*describe)(const struct run *, const void *arg, FILE *);
	void (*done)(void *arg); /* releases what arg holds; may be NULL */
};

extern const struct step_class step_image, step_disk, step_seed, step_net, step_vm;

enum { UP_STEPS = 5 };
extern const struct step_class *const up_steps[UP_STEPS]; /* in the order of `up` */

/* An empty run, that run_done can release whatever was filled in; `rep` may be NULL. */
void run_init(struct run *, const struct reporter *rep);
void run_done(struct run *);

/* --- the list (apply.c) ----------------------------------------------------------------------- */

struct plan {
	struct {
		const struct step_class *class;
		void *arg;
		enum step_state state;
		bool applied;
	} steps[PLAN_MAX_STEPS];
	unsigned n;
};

void plan_init(struct plan *, const struct step_class *const classes[], unsigned n);
void plan_done(struct plan *);

/* Takes back, or brings to its end, what a killed command left. Before plan_check. */
int plan_recover(struct plan *, struct run *, struct err *);
int plan_check(struct plan *, struct run *, struct err *);
/* Applies what check found needed; on failure undoes what this run did, in reverse. */
int plan_apply(struct plan *, struct run *, struct err *);
/* The same as the callers of vm_plan get it. */
void plan_tell(const struct plan *, const struct run *, struct vm_plan *out);

/* --- telling ---------------------------------------------------------------------------------- */

void run_note(const struct run *, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool run_interrupted(const struct run *);
int interrupted(struct err *); /* ERR_INTERRUPTED, -1 */

#endif
