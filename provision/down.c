/* SPDX-License-Identifier: Apache-2.0
 *
 * The opposites of `croft up`: `down` ends the VM and takes back what was set up on the host,
 * `destroy` deletes it.
 */
#include <errno.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/proc.h"
#include "base/util.h"
#include "provision/console.h"
#include "provision/launch.h"
#include "provision/net/hostnet.h"
#include "provision/step.h"
#include "vmm/client.h"

enum { PRESS_AGAIN_MS = 20000, KILL_ANSWER_MS = 1000, KILL_WAIT_MS = 10000 };

struct shutdown_wait {
	struct run *run;
	uint64_t start_ms, pressed_ms;
	char last[256];
};

/*
 * A press that comes before the guest listens to its button is lost: it is repeated now and then.
 */
static bool shutdown_tick(void *ctx)
{
	struct shutdown_wait *w = ctx;
	auto_free char *log = vmdir_file(&w->run->dir, "console.log");
	uint64_t now = now_ms();

	console_file_last(log, w->last, sizeof(w->last));
	if (now - w->pressed_ms >= PRESS_AGAIN_MS) {
		w->pressed_ms = now;
		vmm_client_verb(w->run->dir.socket, "shutdown", VMM_CLIENT_LOOK_MS, NULL);
	}
	if (w->run->rep->waiting)
		w->run->rep->waiting(w->run->rep->ctx, "for the guest to shut down", w->last,
				     now - w->start_ms);
	return !run_interrupted(w->run);
}

static int press_and_wait(struct run *run, const struct process *p, uint64_t grace_ms,
			  struct err *err)
{
	struct shutdown_wait w = {.run = run, .start_ms = now_ms(), .pressed_ms = now_ms()};
	char grace[SIZE_TEXT];
	uint64_t spent;
	struct err why = {0};

	if (vmm_client_verb(run->dir.socket, "shutdown", min_u64(grace_ms, VMM_CLIENT_MS), &why) <
		    0 &&
	    why.kind != ERR_INTERRUPTED && process_alive(p))
		run_note(run, "the power button did not work: %s", why.msg);
	spent = now_ms() - w.start_ms;
	if (!run_interrupted(run) &&
	    process_wait(p, grace_ms > spent ? grace_ms - spent : 0, shutdown_tick, &w))
		return 0;
	if (run_interrupted(run))
		return interrupted(err);
	return err_set(err, ERR_TIMEOUT,
		       "%s did not shut down within %s%s%s (`croft down --force --grace 0s` "
		       "ends it at once)",
		       run->dir.name.vm, format_duration(grace_ms, grace, sizeof(grace)),
		       w.last[0] ? "; its console says last: " : "", w.last);
}

static void end_now(struct run *run, const struct process *p)
{
	if (vmm_client_verb(run->dir.socket, "kill", KILL_ANSWER_MS, NULL) == 0 &&
	    process_wait(p, KILL_WAIT_MS, NULL, NULL))
		return;
	process_kill(p);
}

/* What croft set up on the host for this VM; taps went with the VMM. */
static void release_host(struct run *run)
{
	auto_free char *lock = path_join(run->dirs.runtime, HOSTNET_LOCK);

	unlink(run->dir.socket);
	croft_runtime_make(&run->dirs, NULL); /* for the lock; `up` may have had another one */
	for (size_t i = 0; i < run->state.nnics; i++) {
		struct err why = {0};

		if (run->state.nics[i].bridge_is_ours &&
		    hostnet_release(run->state.nics[i].bridge, lock, &why) < 0)
			run_note(run, "the bridge '%s' stays: %s", run->state.nics[i].bridge,
				 why.msg);
	}
}

static void step_told(const struct run *run, const char *text)
{
	if (run->rep->step)
		run->rep->step(run->rep->ctx, "vm", true, text);
}

static int down(struct run *run, uint64_t grace_ms, bool force, struct err *err)
{
	struct process p = {(pid_t)run->state.vmm.pid, run->state.vmm.start_time};
	struct err why = {0};
	struct plan plan;

	plan_init(&plan, up_steps, UP_STEPS);
	plan_recover(&plan, run, NULL);
	plan_done(&plan);
	p = (struct process){(pid_t)run->state.vmm.pid, run->state.vmm.start_time};

	if (!state_alive(&run->state)) {
		step_told(run, "does not run");
	} else if ((grace_ms || !force) && press_and_wait(run, &p, grace_ms, &why) == 0) {
		step_told(run, "shut down");
	} else if (!force || why.kind == ERR_INTERRUPTED) {
		if (err)
			*err = why;
		return -1;
	} else {
		end_now(run, &p);
		step_told(run, "ended by force");
	}
	release_host(run);
	state_set_vmm(&run->state, 0, NULL);
	return state_save(&run->dir, &run->state, true, err);
}

/* Locks a VM that is there; `corrupt`: one whose state cannot be read is fine too. */
static int open_existing(struct run *run, const struct vm_name *name, const struct reporter *rep,
			 bool corrupt, struct err *err)
{
	struct err why = {0};

	run_init(run, rep);
	if (croft_dirs_get(&run->dirs, err) < 0)
		return -1;
	vmdir_init(&run->dir, &run->dirs, name);
	if (vmdir_lock(&run->dir, false, run->rep, err) < 0)
		return -1;
	if (state_open(&run->dir, &run->state, &why) == 0)
		return 0;
	if (corrupt) {
		run_note(run, "%s", why.msg);
		return 0;
	}
	if (err)
		*err = why;
	return -1;
}

int vm_down(const struct vm_name *name, uint64_t grace_ms, bool force, const struct reporter *rep,
	    struct err *err)
{
	struct run run;
	int rc = open_existing(&run, name, rep, false, err);

	if (rc == 0)
		rc = down(&run, grace_ms, force, err);
	run_done(&run);
	return rc;
}

/* --- destroy ---------------------------------------------------------------------------------- */

/* Of a VM whose state is damaged: its control socket still knows the process. */
static void end_unrecorded(struct run *run)
{
	struct vmm_status status;
	struct process p;

	if (vmm_client_status(run->dir.socket, VMM_CLIENT_LOOK_MS, &status, NULL) < 0)
		return;
	p = (struct process){(pid_t)status.pid, proc_start_time((pid_t)status.pid)};
	end_now(run, &p);
}

#define DESTROYED ".destroyed."

/* What a destroy left that was killed while it deleted. */
static void sweep_destroyed(const char *project)
{
	auto_closedir DIR *dir = opendir(project);
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		const char *mark = strstr(e->d_name, DESTROYED);
		auto_free char *path = path_join(project, e->d_name);

		if (e->d_name[0] == '.' && mark && !proc_start_time(atoi(mark + strlen(DESTROYED))))
			dir_remove(path, NULL);
	}
}

/*
 * Under another name first: from then on the VM does not exist, however long the deleting takes and
 * whatever interrupts it. The lock file goes along; who waits for it looks again (vmdir_lock).
 */
static int delete_directory(struct run *run, struct err *err)
{
	auto_free char *project = path_dir(run->dir.path);
	auto_free char *doomed =
		xasprintf("%s/.%s" DESTROYED "%d", project, run->dir.name.vm, (int)getpid());

	if (run_interrupted(run))
		return interrupted(err);
	if (rename(run->dir.path, doomed) < 0)
		return err_sys(err, ERR_HOST, "cannot remove '%s'", run->dir.path);
	if (dir_remove(doomed, err) < 0)
		return -1;
	sweep_destroyed(project);
	rmdir(project); /* if that was its last VM */
	return 0;
}

int vm_destroy(const struct vm_name *name, const struct reporter *rep, struct err *err)
{
	struct run run;
	int rc = open_existing(&run, name, rep, true, err);

	if (rc == 0) {
		if (!run.state.uuid[0])
			end_unrecorded(&run);
		else
			rc = down(&run, 0, true, err);
	}
	if (rc == 0)
		rc = delete_directory(&run, err);
	run_done(&run);
	return rc;
}
