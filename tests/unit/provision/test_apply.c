/* SPDX-License-Identifier: Apache-2.0
 *
 * A list of steps that fails, or is killed, at every point. The steps are fakes: each makes one
 * file, by way of a half-written one, and notes it in the state.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"
#include "tests/lib/provision/home.h"

enum { STEPS = 3 };

/* Where in a step's apply something happens. */
enum point { BEFORE, HALF, MADE, NOTED, POINTS };

static struct {
	int step, point; /* where the step fails or is killed; step -1: nowhere */
	bool kill;
	char undone[64];
} plot;

struct fake {
	bool made;
};

static void at(int step, enum point p, struct err *err, bool *failed)
{
	*failed = false;
	if (plot.step != step || plot.point != (int)p)
		return;
	if (plot.kill)
		raise(SIGKILL);
	*failed = true;
	err_set(err, ERR_FAILED, "step %d failed at point %d", step, p);
}

static struct state_disk *noted(struct run *run, const char *name)
{
	for (size_t i = 0; i < run->state.ndisks; i++)
		if (!strcmp(run->state.disks[i].name, name))
			return &run->state.disks[i];
	return NULL;
}

static int fake_check(struct run *run, const char *name, enum step_state *out)
{
	*out = noted(run, name) && vmdir_has(&run->dir, name) ? STEP_DONE : STEP_CREATE;
	return 0;
}

static int fake_apply(struct run *run, struct fake *f, int step, const char *name, struct err *err)
{
	auto_free char *path = vmdir_file(&run->dir, name), *half = xasprintf("%s.new", path);
	bool failed;

	at(step, BEFORE, err, &failed);
	if (failed)
		return -1;
	file_put(half, "half", 4, 0600, NULL);
	at(step, HALF, err, &failed);
	if (failed) {
		unlink(half);
		return -1;
	}
	rename(half, path);
	f->made = true;
	at(step, MADE, err, &failed);
	if (failed)
		return -1;
	snprintf(run->state.disks[run->state.ndisks++].name, 21, "%s", name);
	at(step, NOTED, err, &failed);
	return failed ? -1 : 0;
}

static void fake_undo(struct run *run, const char *name)
{
	auto_free char *path = vmdir_file(&run->dir, name);
	struct state_disk *d = noted(run, name);

	strcat(plot.undone, name);
	unlink(path);
	if (d)
		*d = run->state.disks[--run->state.ndisks];
}

#define FAKE(n, name_)                                                                             \
	static int check_##n(struct run *r, void *a, enum step_state *o, struct err *e)            \
	{                                                                                          \
		(void)a, (void)e;                                                                  \
		return fake_check(r, name_, o);                                                    \
	}                                                                                          \
	static int apply_##n(struct run *r, void *a, enum step_state w, struct err *e)             \
	{                                                                                          \
		(void)w;                                                                           \
		return fake_apply(r, a, n, name_, e);                                              \
	}                                                                                          \
	static void undo_##n(struct run *r, void *a, enum step_state w)                            \
	{                                                                                          \
		(void)a, (void)w;                                                                  \
		fake_undo(r, name_);                                                               \
	}                                                                                          \
	static void describe_##n(const struct run *r, const void *a, FILE *f)                      \
	{                                                                                          \
		(void)r, (void)a;                                                                  \
		fputs("makes " name_, f);                                                          \
	}                                                                                          \
	static const struct step_class fake_##n = {                                                \
		.name = name_,                                                                     \
		.arg_size = sizeof(struct fake),                                                   \
		.check = check_##n,                                                                \
		.apply = apply_##n,                                                                \
		.undo = undo_##n,                                                                  \
		.describe = describe_##n,                                                          \
	};
FAKE(0, "a")
FAKE(1, "b")
FAKE(2, "c")

static const struct step_class *const fakes[STEPS] = {&fake_0, &fake_1, &fake_2};

/* One command: load, recover, check, apply. */
static int command(struct home *h, const char *vm, struct err *err)
{
	struct run run;
	struct plan plan;
	int rc;

	home_run(h, "p", vm, &run);
	plan_init(&plan, fakes, STEPS);
	rc = plan_recover(&plan, &run, err);
	if (rc == 0)
		rc = plan_check(&plan, &run, err);
	if (rc == 0)
		rc = plan_apply(&plan, &run, err);
	plan_done(&plan);
	home_run_done(&run);
	return rc;
}

/* The files that are there, and the ones that the state knows, as "abc/abc". */
static void look(struct home *h, const char *vm, char out[32])
{
	static const char *const names[] = {"a", "b", "c"};
	struct run run;
	size_t n = 0;

	home_run(h, "p", vm, &run);
	for (int i = 0; i < STEPS; i++)
		if (vmdir_has(&run.dir, names[i]))
			out[n++] = names[i][0];
	out[n++] = '/';
	for (size_t i = 0; i < run.state.ndisks; i++)
		out[n++] = run.state.disks[i].name[0];
	if (vmdir_has(&run.dir, "journal"))
		out[n++] = 'J';
	if (vmdir_has(&run.dir, "a.new") || vmdir_has(&run.dir, "b.new") ||
	    vmdir_has(&run.dir, "c.new"))
		out[n++] = 'H';
	out[n] = '\0';
	home_run_done(&run);
}

static void all_at_once(void **state)
{
	struct err err = {0};
	char seen[32];

	plot.step = -1;
	assert_int_equal(command(*state, "fine", &err), 0);
	look(*state, "fine", seen);
	assert_string_equal(seen, "abc/abc");
	/* A second time there is nothing to do: a step that ran would fail now. */
	plot.step = 1;
	plot.point = BEFORE;
	assert_int_equal(command(*state, "fine", &err), 0);
	look(*state, "fine", seen);
	assert_string_equal(seen, "abc/abc");
}

/* Of a new VM a failure leaves nothing; what was applied is undone in reverse. */
static void failure_of_a_new_vm(void **state)
{
	static const char *const undone[STEPS] = {"a", "ba", "cba"};

	for (int step = 0; step < STEPS; step++)
		for (int point = 0; point < POINTS; point++) {
			auto_free char *vm = xasprintf("new-%d-%d", step, point);
			struct err err = {0};
			char seen[32];

			plot.step = step;
			plot.point = point;
			plot.kill = false;
			plot.undone[0] = '\0';
			assert_int_equal(command(*state, vm, &err), -1);
			assert_non_null(strstr(err.msg, "failed at point"));
			assert_string_equal(plot.undone, undone[step]);
			look(*state, vm, seen);
			assert_string_equal(seen, "/");
			plot.step = -1;
			assert_int_equal(command(*state, vm, &err), 0);
			look(*state, vm, seen);
			assert_string_equal(seen, "abc/abc");
		}
}

/* Of a VM that was there, only what this run did is undone. */
static void failure_of_an_old_vm(void **state)
{
	auto_free char *c = NULL, *b = NULL;
	struct err err = {0};
	struct vmdir d;
	char seen[32];

	plot.step = -1;
	assert_int_equal(command(*state, "old", &err), 0);
	home_vmdir(*state, "p", "old", false, &d);
	b = vmdir_file(&d, "b");
	c = vmdir_file(&d, "c");
	unlink(b);
	unlink(c);
	vmdir_done(&d);
	plot.step = 2;
	plot.point = HALF;
	plot.kill = false;
	plot.undone[0] = '\0';
	assert_int_equal(command(*state, "old", &err), -1);
	assert_string_equal(plot.undone, "cb");
	look(*state, "old", seen);
	assert_int_equal(seen[0], 'a');
	assert_null(strchr(seen, 'J'));
}

static void killed_anywhere(void **state)
{
	for (int step = 0; step < STEPS; step++)
		for (int point = 0; point < POINTS; point++) {
			auto_free char *vm = xasprintf("kill-%d-%d", step, point);
			struct err err = {0};
			char seen[32];
			int status;
			pid_t pid = fork();

			if (pid == 0) {
				plot.step = step;
				plot.point = point;
				plot.kill = true;
				command(*state, vm, NULL);
				_exit(0);
			}
			assert_int_equal(waitpid(pid, &status, 0), pid);
			assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
			look(*state, vm, seen);
			assert_non_null(strchr(seen, 'J'));

			plot.step = -1;
			assert_int_equal(command(*state, vm, &err), 0);
			look(*state, vm, seen);
			/* Each file once, each noted once, in whatever order. */
			assert_int_equal(strlen(seen), 7);
			assert_memory_equal(seen, "abc/", 4);
			for (const char *n = "abc"; *n; n++)
				assert_non_null(strchr(seen + 4, *n));
		}
}

static void damaged_journal(void **state)
{
	auto_free char *path = NULL, *half = NULL;
	struct err err = {0};
	struct vmdir d;
	char seen[32];

	plot.step = -1;
	home_vmdir(*state, "p", "journal", true, &d);
	path = vmdir_file(&d, "journal");
	half = vmdir_file(&d, "b.new");
	file_put(path, "", 0, 0600, NULL);
	file_put(half, "x", 1, 0600, NULL);
	vmdir_done(&d);
	assert_int_equal(command(*state, "journal", &err), 0);
	look(*state, "journal", seen);
	assert_string_equal(seen, "abc/abc");
}

static bool interrupt_now(void *ctx)
{
	int *left = ctx;

	return --*left < 0;
}

static void interrupted_between_steps(void **state)
{
	int left = 2;
	const struct reporter rep = {.interrupted = interrupt_now, .ctx = &left};
	struct err err = {0};
	struct run run;
	struct plan plan;
	char seen[32];

	plot.step = -1;
	home_run(*state, "p", "ctrl-c", &run);
	run.rep = &rep;
	plan_init(&plan, fakes, STEPS);
	assert_int_equal(plan_check(&plan, &run, &err), 0);
	assert_int_equal(plan_apply(&plan, &run, &err), -1);
	assert_int_equal(err.kind, ERR_INTERRUPTED);
	plan_done(&plan);
	home_run_done(&run);
	look(*state, "ctrl-c", seen);
	assert_string_equal(seen, "/");
}

static void printed(void **state)
{
	struct err err = {0};
	struct run run;
	struct plan plan;
	struct vm_plan told;
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	plot.step = -1;
	home_run(*state, "p", "print", &run);
	plan_init(&plan, fakes, STEPS);
	assert_int_equal(plan_check(&plan, &run, &err), 0);
	plan.steps[1].state = STEP_DONE;
	plan.steps[2].state = STEP_PENDING;
	plan_tell(&plan, &run, &told);
	plan_done(&plan);
	vm_plan_print(&told, f);
	fclose(f);
	assert_string_equal(text, "+ a      makes a\n  b      makes b\n! c      makes c\n");
	assert_true(vm_plan_changes(&told));
	for (unsigned i = 0; i < told.n; i++)
		told.lines[i].state = STEP_DONE;
	assert_false(vm_plan_changes(&told));
	free(text);
	vm_plan_done(&told);
	home_run_done(&run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_at_once),
		cmocka_unit_test(failure_of_a_new_vm),
		cmocka_unit_test(failure_of_an_old_vm),
		cmocka_unit_test(killed_anywhere),
		cmocka_unit_test(damaged_journal),
		cmocka_unit_test(interrupted_between_steps),
		cmocka_unit_test(printed),
	};

	return cmocka_run_group_tests(tests, home_setup, home_teardown);
}
