/* SPDX-License-Identifier: Apache-2.0
 *
 * `croft up`: lock, recover, check, apply; and the report that a failure leaves. `croft plan` stops
 * before anything is done.
 */
#include <errno.h>
#include <time.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"
#include "provision/console.h"
#include "provision/identity.h"
#include "provision/launch.h"
#include "provision/step.h"
#include "vmm/client.h"

/* --- the report ------------------------------------------------------------------------------- */

static void put_tail(const struct run *run, const char *name, FILE *f)
{
	auto_free char *path = vmdir_file(&run->dir, name);
	auto_free char *tail = console_file_tail(path);

	if (tail && *tail)
		fprintf(f, "\n--- the end of %s\n%s", name, tail);
}

/* What was tried, what went wrong, and what the VMM and the guest said last. */
static char *write_report(const struct run *run, const struct plan *plan, const struct err *err)
{
	char when[32], *text = NULL;
	time_t now = time(NULL);
	struct tm tm;
	size_t n;
	FILE *f = open_memstream(&text, &n);
	auto_free char *path = vmdir_file(&run->dir, "report.txt");
	struct vm_plan steps;

	if (!f)
		return NULL;
	strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", gmtime_r(&now, &tm));
	fprintf(f, "croft %s, %s: `up` of %s/%s failed\nspec: %s\n\n%s (%s)\n\nthe steps:\n",
		CROFT_VERSION, when, run->dir.name.project, run->dir.name.vm, run->spec->path,
		err->msg, err_kind_name(err->kind));
	plan_tell(plan, run, &steps);
	vm_plan_print(&steps, f);
	vm_plan_done(&steps);
	put_tail(run, "vmm.log", f);
	put_tail(run, "console.log", f);
	fclose(f);
	if (file_replace(path, text, n, 0600, NULL) < 0) {
		free(text);
		return NULL;
	}
	free(text);
	return take_ptr(path);
}

/*
 * A VM that was never made leaves its report and nothing else of croft's. What the steps made they
 * took back themselves; files that somebody else put there are not ours to remove.
 */
static void clear_directory(const struct run *run)
{
	static const char *const ours[] = {"run.json",	  "machine.json",  "exit.json",
					   "ladder.json", "vmm.log",	   "vmm.log.1",
					   "console.log", "console.log.1", "boot"};

	vmdir_sweep(&run->dir);
	for (unsigned i = 0; i < ARRAY_LEN(ours); i++) {
		auto_free char *path = vmdir_file(&run->dir, ours[i]);

		if (unlink(path) < 0 && (errno == EISDIR || errno == EPERM))
			dir_remove(path, NULL);
	}
}

/* --- up --------------------------------------------------------------------------------------- */

static bool keep_waiting(void *ctx)
{
	return !run_interrupted(ctx);
}

/* A VMM that runs, or one that is about to end: then its end is waited for. */
static bool find_running(struct run *run)
{
	struct process p = {(pid_t)run->state.vmm.pid, run->state.vmm.start_time};
	struct vmm_status status = {.state = VMM_RUNNING};

	if (!state_alive(&run->state))
		return false;
	if (vmm_client_status(run->dir.socket, VMM_CLIENT_LOOK_MS, &status, NULL) == 0 &&
	    (status.state == VMM_STOPPING || status.state == VMM_STOPPED))
		return !process_wait(&p, 10000, keep_waiting, run);
	if (status.state == VMM_PAUSED)
		run_note(run, "the VM is paused (`croft resume`)");
	return true;
}

static int load_or_init(struct run *run, struct err *err)
{
	struct err why = {0};

	if (state_open(&run->dir, &run->state, &why) == 0)
		return state_check_spec(&run->state, &run->dir.name, run->spec->path, err);
	if (why.kind != ERR_NOT_FOUND) {
		if (err)
			*err = why;
		return -1;
	}
	state_init(&run->state, &run->dir.name);
	run->is_new = true;
	return 0;
}

static void remember_spec(struct run *run)
{
	struct vm_state *s = &run->state;

	free(s->spec_path);
	s->spec_path = xstrdup(run->spec->path);
	free(s->user);
	s->user = run->vm->user ? xstrdup(run->vm->user) : NULL;
	free(s->identity);
	s->identity = identity_find(run->spec, run->vm);
}

/* Looks at what there is; after plan_init. */
static int look(struct run *run, struct plan *plan, struct err *err)
{
	run->running = find_running(run);
	if (!run->running)
		state_set_vmm(&run->state, 0, NULL);
	remember_spec(run);
	return plan_check(plan, run, err);
}

static int up(struct run *run, bool *started, struct err *err)
{
	auto_free char *report = NULL;
	struct err why = {0};
	struct plan plan;
	bool was_new;
	int rc;

	if (load_or_init(run, err) < 0)
		return -1;
	was_new = run->is_new;
	plan_init(&plan, up_steps, UP_STEPS);
	rc = plan_recover(&plan, run, &why);
	if (rc == 0)
		rc = look(run, &plan, &why);
	if (rc == 0)
		rc = plan_apply(&plan, run, &why);
	if (rc == 0) {
		*started = !run->running;
	} else {
		report = write_report(run, &plan, &why);
		if (was_new)
			clear_directory(run);
		if (report && why.kind != ERR_INTERRUPTED)
			run_note(run, "the report is in '%s'", report);
		if (err)
			*err = why;
	}
	plan_done(&plan);
	return rc;
}

static int plan_only(struct run *run, struct vm_plan *out, struct err *err)
{
	struct journal interrupted_step;
	struct plan plan;
	int rc;

	if (load_or_init(run, err) < 0)
		return -1;
	if (journal_read(&run->dir, &interrupted_step))
		run_note(run,
			 "an earlier command was interrupted while it worked on '%s': `croft up` "
			 "first mends what that left",
			 interrupted_step.step);
	plan_init(&plan, up_steps, UP_STEPS);
	rc = look(run, &plan, err);
	if (rc == 0)
		plan_tell(&plan, run, out);
	plan_done(&plan);
	return rc;
}

/* Everything but the lock. */
static int begin(struct run *run, const struct spec *spec, const struct spec_vm *vm,
		 const struct up_options *options, const struct reporter *rep, struct err *err)
{
	struct vm_name name;

	run_init(run, rep);
	run->spec = spec;
	run->vm = vm;
	run->options = options;
	snprintf(name.project, sizeof(name.project), "%s", spec->project);
	snprintf(name.vm, sizeof(name.vm), "%s", vm->name);
	if (croft_dirs_get(&run->dirs, err) < 0)
		return -1;
	vmdir_init(&run->dir, &run->dirs, &name);
	return 0;
}

int vm_up(const struct spec *spec, const struct spec_vm *vm, const struct up_options *options,
	  const struct reporter *rep, bool *started, struct err *err)
{
	struct run run;
	int rc = begin(&run, spec, vm, options, rep, err);

	*started = false;
	if (rc == 0)
		rc = croft_runtime_make(&run.dirs, err);
	if (rc == 0)
		rc = vmdir_lock(&run.dir, true, run.rep, err);
	if (rc == 0)
		rc = up(&run, started, err);
	run_done(&run);
	return rc;
}

int vm_plan(const struct spec *spec, const struct spec_vm *vm, const struct up_options *options,
	    const struct reporter *rep, struct vm_plan *out, struct err *err)
{
	struct err why = {0};
	struct run run;
	int rc = begin(&run, spec, vm, options, rep, err);

	*out = (struct vm_plan){0};
	/* A VM that was never made has no directory, so nobody is at work in it either. */
	if (rc == 0 && vmdir_lock(&run.dir, false, run.rep, &why) < 0 &&
	    why.kind != ERR_NOT_FOUND) {
		if (err)
			*err = why;
		rc = -1;
	}
	if (rc == 0)
		rc = plan_only(&run, out, err);
	run_done(&run);
	return rc;
}
