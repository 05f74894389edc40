/* SPDX-License-Identifier: Apache-2.0
 *
 * Interrupt routes in this machine's KVM. Skipped where /dev/kvm cannot be used.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>

#include "base/util.h"
#include "vmm/kvm/kvm.h"

static void test_a_message_that_kvm_refuses(void **state)
{
	struct err err = {0};
	auto_close int sys = kvm_open(&err);
	struct gmem *mem;
	struct kvm *k;
	struct msi msi;
	int a, b, fd;

	(void)state;
	if (sys < 0) {
		print_message("%s\n", err.msg);
		skip();
	}
	mem = gmem_new(16 * MIB, NULL);
	k = kvm_new(sys, mem, NULL);
	assert_non_null(k);
	msi = kvm_msi(k);
	a = msi.ops->alloc(msi.ctx, &fd, NULL);
	b = msi.ops->alloc(msi.ctx, &fd, NULL);
	assert_int_equal(msi.ops->route(msi.ctx, b, 0xfee00000, 0x30), 0);
	assert_int_equal(msi.ops->route(msi.ctx, a, 0x1fee00000, 0x31), -1);
	/* It is nobody else's concern, and has no future. */
	assert_int_equal(msi.ops->route(msi.ctx, b, 0xfee01000, 0x32), 0);
	assert_int_equal(msi.ops->route(msi.ctx, a, 0x1fee00000, 0x31), -1);
	assert_int_equal(msi.ops->route(msi.ctx, a, 0xfee00000, 0x31), 0);
	msi.ops->release(msi.ctx, a);
	msi.ops->release(msi.ctx, b);
	kvm_free(k);
	gmem_free(mem);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_message_that_kvm_refuses),
	};

	return cmocka_run_group_tests_name("route", tests, NULL, NULL);
}
