// SPDX-License-Identifier: Apache-2.0
//
// Who may have an image open beside whom.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "images/disk/host.h"
#include "tests/lib/disk/image.h"

static struct host description(int file)
{
	return (struct host){.fd = mem_reopen(file)};
}

static void one_writer_or_many_readers(void **state)
{
	int file = mem_file("x", 1);
	struct host a = description(file), b = description(file), c = description(file);
	struct err err = {0};

	(void)state;
	assert_int_equal(host_lock(&a, false, &err), 0);
	assert_int_equal(host_lock(&b, false, &err), 0);
	assert_int_equal(host_lock(&c, true, &err), -1);
	assert_int_equal(err.kind, ERR_CONFLICT);
	host_close(&a);
	host_unlock(&b);
	assert_int_equal(host_lock(&c, true, &err), 0);
	assert_int_equal(host_lock(&b, false, &err), -1);
	assert_non_null(strstr(err.msg, "being written by another process"));
	/* The lock lives as long as a copy of the description does. */
	{
		struct host copy = {.fd = dup(c.fd)};

		host_close(&c);
		assert_int_equal(host_lock(&b, true, &err), -1);
		assert_non_null(strstr(err.msg, "in use by another process"));
		host_close(&copy);
	}
	assert_int_equal(host_lock(&b, true, &err), 0);
	host_close(&b);
	close(file);
}

/* A refusal takes a second (lock.c waits for those who have just died), so there are few here. */
static void chains_lock_every_layer(void **state)
{
	int below = mem_file("below", 5), top = mem_overlay(512, 4096, false, BLK_RAW, 5);
	struct host other = description(below);
	struct err err = {0};
	struct blk *blk = mem_open(top, BLK_QCOW2, below, BLK_RAW, 0, &err);

	(void)state;
	assert_non_null(blk);
	assert_int_equal(host_lock(&other, true, &err), -1);
	assert_int_equal(host_lock(&other, false, &err), 0);
	blk_close(blk);
	host_unlock(&other);
	assert_int_equal(host_lock(&other, true, &err), 0);
	host_close(&other);
	close(below);
	close(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_writer_or_many_readers),
		cmocka_unit_test(chains_lock_every_layer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
