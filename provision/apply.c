/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs a list of steps so that it can fail, or be killed, anywhere.
 *
 * Before a step is applied the journal names it; after it the state is saved, then the journal is
 * removed. So at every moment one of these holds:
 *
 *     no journal          state.json is true
 *     journal of step X   state.json is true but for X, which may be whole, half-done or not
 *                         begun: the next command adopts it or undoes it, and goes on from there
 *
 * A step that fails is undone together with the ones that this run applied before it; a VM that
 * this run began to make then leaves nothing but report.txt.
 */
#include "provision/step.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"

void plan_init(struct plan *p, const struct step_class *const classes[], unsigned n)
{
	assert(n <= PLAN_MAX_STEPS);
	*p = (struct plan){.n = n};
	for (unsigned i = 0; i < n; i++) {
		p->steps[i].class = classes[i];
		p->steps[i].arg = xzalloc(classes[i]->arg_size);
	}
}

void plan_done(struct plan *p)
{
	for (unsigned i = 0; i < p->n; i++) {
		if (p->steps[i].class->done)
			p->steps[i].class->done(p->steps[i].arg);
		free(p->steps[i].arg);
	}
	*p = (struct plan){0};
}

static int save(struct run *run, struct err *err)
{
	if (state_save(&run->dir, &run->state, !run->is_new, err) < 0)
		return -1;
	journal_remove(&run->dir);
	return 0;
}

int plan_recover(struct plan *p, struct run *run, struct err *err)
{
	struct journal j;

	if (!journal_read(&run->dir, &j))
		return 0;
	vmdir_sweep(&run->dir);
	run->journal = j;
	for (unsigned i = 0; i < p->n; i++) {
		const struct step_class *c = p->steps[i].class;

		if (strcmp(c->name, j.step))
			continue;
		run_note(run, "an earlier command was interrupted while it worked on '%s'", j.step);
		if (!c->adopt || !c->adopt(run, &j))
			c->undo(run, p->steps[i].arg,
				j.was == STEP_CREATE ? STEP_CREATE : STEP_CHANGE);
	}
	if (!run->is_new)
		return save(run, err);
	journal_remove(&run->dir);
	return 0;
}

int plan_check(struct plan *p, struct run *run, struct err *err)
{
	for (unsigned i = 0; i < p->n; i++)
		if (p->steps[i].class->check(run, p->steps[i].arg, &p->steps[i].state, err) < 0)
			return -1;
	return 0;
}

static char *described(const struct plan *p, unsigned i, const struct run *run)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	if (!f)
		return xstrdup("");
	p->steps[i].class->describe(run, p->steps[i].arg, f);
	fclose(f);
	return text;
}

static void tell(const struct plan *p, unsigned i, const struct run *run, bool done)
{
	auto_free char *text = described(p, i, run);

	if (run->rep->step)
		run->rep->step(run->rep->ctx, p->steps[i].class->name, done, text);
}

static int apply_one(struct plan *p, unsigned i, struct run *run, struct err *err)
{
	const struct step_class *c = p->steps[i].class;

	if (run_interrupted(run))
		return interrupted(err);
	run->journal = (struct journal){.was = p->steps[i].state};
	snprintf(run->journal.step, sizeof(run->journal.step), "%s", c->name);
	if (journal_write(&run->dir, &run->journal, err) < 0)
		return -1;
	tell(p, i, run, false);
	p->steps[i].applied = true;
	if (c->apply(run, p->steps[i].arg, p->steps[i].state, err) < 0 || save(run, err) < 0)
		return err_wrap(err, "%s", c->name);
	tell(p, i, run, true);
	return 0;
}

static void undo_all(struct plan *p, struct run *run)
{
	for (unsigned i = p->n; i-- > 0;)
		if (p->steps[i].applied) {
			p->steps[i].class->undo(run, p->steps[i].arg, p->steps[i].state);
			p->steps[i].applied = false;
		}
	if (run->is_new) {
		auto_free char *state = vmdir_file(&run->dir, "state.json");

		unlink(state);
		journal_remove(&run->dir);
	} else {
		/* What cannot be saved now is found by the next check, which looks at the files. */
		save(run, NULL);
	}
}

int plan_apply(struct plan *p, struct run *run, struct err *err)
{
	for (unsigned i = 0; i < p->n; i++) {
		if (p->steps[i].state == STEP_PENDING) {
			auto_free char *text = described(p, i, run);

			run_note(run, "%s: %s: takes effect after `croft down` and `croft up`",
				 p->steps[i].class->name, text);
		}
		if (p->steps[i].state == STEP_DONE || p->steps[i].state == STEP_PENDING) {
			tell(p, i, run, true);
			continue;
		}
		if (apply_one(p, i, run, err) < 0) {
			undo_all(p, run);
			return -1;
		}
	}
	run->is_new = false;
	return save(run, err); /* what belongs to no step: a moved spec, another user */
}

/* --- telling ---------------------------------------------------------------------------------- */

const char *step_state_name(enum step_state s)
{
	static const char *const names[] = {[STEP_DONE] = "none",
					    [STEP_CREATE] = "create",
					    [STEP_CHANGE] = "change",
					    [STEP_PENDING] = "restart"};

	return (unsigned)s < ARRAY_LEN(names) ? names[s] : "?";
}

void plan_tell(const struct plan *p, const struct run *run, struct vm_plan *out)
{
	*out = (struct vm_plan){.n = p->n};
	for (unsigned i = 0; i < p->n; i++) {
		out->lines[i].step = p->steps[i].class->name;
		out->lines[i].state = p->steps[i].state;
		out->lines[i].text = described(p, i, run);
	}
}

void vm_plan_done(struct vm_plan *p)
{
	for (unsigned i = 0; i < p->n; i++)
		free(p->lines[i].text);
	*p = (struct vm_plan){0};
}

bool vm_plan_changes(const struct vm_plan *p)
{
	for (unsigned i = 0; i < p->n; i++)
		if (p->lines[i].state != STEP_DONE)
			return true;
	return false;
}

void vm_plan_print(const struct vm_plan *p, FILE *f)
{
	static const char sign[] = {
		[STEP_DONE] = ' ', [STEP_CREATE] = '+', [STEP_CHANGE] = '~', [STEP_PENDING] = '!'};

	for (unsigned i = 0; i < p->n; i++)
		fprintf(f, "%c %-6s %s\n", sign[p->lines[i].state], p->lines[i].step,
			p->lines[i].text);
}
