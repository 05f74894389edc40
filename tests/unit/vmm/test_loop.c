/* SPDX-License-Identifier: Apache-2.0
 *
 * The event loop: descriptors, timers, posted work, and what callbacks may do to the loop itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/num.h"
#include "base/util.h"
#include "vmm/event/loop.h"

static struct loop *loop;
static char trail[64];

static int setup(void **state)
{
	(void)state;
	loop = loop_new(NULL);
	trail[0] = '\0';
	return loop ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	loop_free(loop);
	return 0;
}

#define LETTER(c) ((void *)(uintptr_t)(c))

static void mark(void *letter)
{
	size_t n = strlen(trail);

	snprintf(trail + n, sizeof(trail) - n, "%c", (int)(uintptr_t)letter);
}

static void stop(void *ctx)
{
	(void)ctx;
	loop_stop(loop);
}

static void test_posts_run_in_order_and_before_the_end(void **state)
{
	(void)state;
	loop_post(loop, mark, LETTER('a'));
	loop_post(loop, mark, LETTER('b'));
	loop_stop(loop);
	loop_post(loop, mark, LETTER('c'));
	loop_run(loop);
	assert_string_equal(trail, "abc");
}

static void test_it_runs_again_after_a_stop(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		loop_post(loop, stop, NULL);
		loop_run(loop);
	}
	assert_false(loop_is_current(loop));
}

static void test_timers_by_deadline(void **state)
{
	struct loop_timer *late = loop_timer_new(loop, stop, NULL);
	struct loop_timer *second = loop_timer_new(loop, mark, LETTER('2'));
	struct loop_timer *first = loop_timer_new(loop, mark, LETTER('1'));
	struct loop_timer *never = loop_timer_new(loop, mark, LETTER('x'));
	uint64_t start = now_ms();

	(void)state;
	loop_timer_set(late, 30);
	loop_timer_set(second, 20);
	loop_timer_set(first, 5);
	loop_timer_set(never, 10);
	loop_timer_cancel(never);
	loop_run(loop);
	assert_string_equal(trail, "12");
	assert_true(now_ms() - start >= 30); /* never early; how late is the machine's business */
	loop_timer_free(late);
	loop_timer_free(second);
	loop_timer_free(first);
	loop_timer_free(never);
}

struct repeat {
	struct loop_timer *timer;
	int left;
};

static void again(void *ctx)
{
	struct repeat *r = ctx;

	mark(LETTER('t'));
	if (--r->left) {
		loop_timer_set(r->timer, 1);
		return;
	}
	loop_timer_free(r->timer); /* its own callback may free a timer */
	loop_stop(loop);
}

static void test_a_timer_repeats_and_frees_itself(void **state)
{
	struct repeat r = {.left = 3};

	(void)state;
	r.timer = loop_timer_new(loop, again, &r);
	loop_timer_set(r.timer, 0);
	loop_run(loop);
	assert_string_equal(trail, "ttt");
}

struct pair {
	struct loop_fd *one, *two;
	int fds[2];
};

/* Whichever is called first removes both: the other must not be called although it is ready too. */
static void remove_both(void *ctx, uint32_t events)
{
	struct pair *p = ctx;

	assert_true(events & EPOLLIN);
	mark(LETTER('r'));
	loop_fd_remove(p->one);
	loop_fd_remove(p->two);
	loop_stop(loop);
}

static void test_removal_inside_a_callback(void **state)
{
	struct pair p;

	(void)state;
	p.fds[0] = eventfd(1, EFD_NONBLOCK);
	p.fds[1] = eventfd(1, EFD_NONBLOCK);
	p.one = loop_add(loop, p.fds[0], EPOLLIN, remove_both, &p, NULL);
	p.two = loop_add(loop, p.fds[1], EPOLLIN, remove_both, &p, NULL);
	loop_run(loop);
	assert_string_equal(trail, "r");
	close(p.fds[0]);
	close(p.fds[1]);
}

static void test_a_closed_descriptor_is_an_error(void **state)
{
	struct err err = {0};

	(void)state;
	assert_null(loop_add(loop, 9999, EPOLLIN, remove_both, NULL, &err));
	assert_non_null(strstr(err.msg, "9999"));
}

static void add_one(void *ctx)
{
	assert_true(loop_is_current(loop));
	++*(unsigned *)ctx;
}

static void *caller(void *ctx)
{
	for (int i = 0; i < 200; i++)
		loop_call(loop, add_one, ctx);
	return NULL;
}

static void test_calls_from_other_threads_wait_for_it(void **state)
{
	pthread_t threads[4];
	unsigned n = 0; /* plain: only the loop's thread touches it */

	(void)state;
	assert_int_equal(loop_thread_start(loop, "test", NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		pthread_create(&threads[i], NULL, caller, &n);
	for (size_t i = 0; i < ARRAY_LEN(threads); i++)
		pthread_join(threads[i], NULL);
	loop_stop(loop);
	loop_thread_join(loop);
	assert_int_equal(n, 800);
}

static void test_a_call_while_nothing_runs_is_direct(void **state)
{
	(void)state;
	loop_call(loop, mark, LETTER('d'));
	assert_string_equal(trail, "d");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_posts_run_in_order_and_before_the_end, setup, teardown),
		cmocka_unit_test_setup_teardown(test_it_runs_again_after_a_stop, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timers_by_deadline, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_timer_repeats_and_frees_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(test_removal_inside_a_callback, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_closed_descriptor_is_an_error, setup, teardown),
		cmocka_unit_test_setup_teardown(test_calls_from_other_threads_wait_for_it, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_call_while_nothing_runs_is_direct, setup, teardown),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
