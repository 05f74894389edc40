/* SPDX-License-Identifier: Apache-2.0
 *
 * What the steps of one run share, and how a run tells of itself: see step.h.
 */
#include <stdarg.h>

#include "base/util.h"
#include "provision/step.h"

const struct step_class *const up_steps[UP_STEPS] = {
	&step_image, &step_disk, &step_seed, &step_net, &step_vm,
};

static const struct reporter silent = {0};

void run_init(struct run *run, const struct reporter *rep)
{
	*run = (struct run){.rep = rep ? rep : &silent, .dir = {.lock = -1}, .start_lock = -1};
	for (unsigned i = 0; i < SPEC_MAX_NICS; i++)
		run->taps[i] = -1;
}

void run_done(struct run *run)
{
	for (unsigned i = 0; i < SPEC_MAX_NICS; i++)
		auto_close_fn(&run->taps[i]);
	auto_close_fn(&run->start_lock);
	state_done(&run->state);
	vmdir_done(&run->dir);
	croft_dirs_done(&run->dirs);
}

void run_note(const struct run *run, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (run->rep->note)
		run->rep->note(run->rep->ctx, text);
}

bool run_interrupted(const struct run *run)
{
	return run->rep->interrupted && run->rep->interrupted(run->rep->ctx);
}

int interrupted(struct err *err)
{
	return err_set(err, ERR_INTERRUPTED, "interrupted");
}
