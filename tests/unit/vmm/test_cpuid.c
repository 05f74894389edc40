/* SPDX-License-Identifier: Apache-2.0
 *
 * CPUID of the guest, computed from tables as hosts give them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <asm/kvm_para.h>
#include <string.h>

#include "base/mem.h"
#include "base/util.h"
#include "vmm/kvm/cpuid.h"

enum { ROOM = 64 };

static struct kvm_cpuid2 *host, *out;

#define INDEXED KVM_CPUID_FLAG_SIGNIFCANT_INDEX

static const struct kvm_cpuid_entry2 amd[] = {
	{.function = 0, .eax = 0x1c, .ebx = 0x68747541, .ecx = 0x444d4163, .edx = 0x69746e65},
	{.function = 1, .eax = 0xa10f11, .ebx = 0x01020800, .ecx = 0x81202008, .edx = 0x078bfbff},
	{.function = 3},
	{.function = 6, .eax = 0},
	{.function = 0xb, .index = 0, .flags = INDEXED, .edx = 1},
	{.function = 0xd, .index = 0, .flags = INDEXED, .eax = 7, .ebx = 0x240, .ecx = 0x340},
	{.function = 0xd, .index = 2, .flags = INDEXED, .eax = 0x100, .ebx = 0x240},
	{.function = 0x80000000, .eax = 0x80000021},
	{.function = 0x80000001, .ecx = 0x01c00393, .edx = 0x23d3fbff},
	{.function = 0x80000008, .eax = 0x3030, .ecx = 0x7001},
	{.function = 0x8000001d, .index = 0, .flags = INDEXED, .eax = 0x121},
	{.function = 0x8000001d, .index = 3, .flags = INDEXED, .eax = 0x4163},
	{.function = 0x8000001e},
	{.function = 0x40000000, .eax = 0x40000001},
	{.function = 0x40000001, .eax = 0xffffffff},
};

static const struct kvm_cpuid_entry2 intel[] = {
	{.function = 0, .eax = 0x1f, .ebx = 0x756e6547, .ecx = 0x6c65746e, .edx = 0x49656e69},
	{.function = 1, .ebx = 0x00100800, .ecx = 0xf6fa3203, .edx = 0x0f8bfbff},
	{.function = 4, .index = 0, .flags = INDEXED, .eax = 0x7c004121},
	{.function = 4, .index = 3, .flags = INDEXED, .eax = 0x7c0fc163},
	{.function = 4, .index = 4, .flags = INDEXED},
	{.function = 0xa, .eax = 0x07300805, .edx = 0x603},
	{.function = 0x80000001, .ecx = 0x121, .edx = 0x2c100800},
	{.function = 0x80000008, .eax = 0x302e},
	{.function = 0x8000001e, .eax = 0x1234},
};

static void build(const struct kvm_cpuid_entry2 *table, size_t n, unsigned cpus, unsigned index)
{
	const struct cpuid_want want = {.cpus = cpus, .index = index, .tsc_deadline = true};

	memcpy(host->entries, table, n * sizeof(*table));
	host->nent = (uint32_t)n;
	cpuid_build(host, &want, out);
	assert_true(out->nent <= n + CPUID_EXTRA);
}

static const struct kvm_cpuid_entry2 *leaf(uint32_t function, uint32_t index)
{
	return cpuid_find(out, function, index);
}

static void test_features(void **state)
{
	(void)state;
	build(amd, ARRAY_LEN(amd), 4, 3);
	assert_int_equal(leaf(1, 0)->ebx, 3u << 24 | 4 << 16 | 0x0800);
	assert_true(leaf(1, 0)->ecx & 1u << 31);  /* hypervisor */
	assert_true(leaf(1, 0)->ecx & 1u << 24);  /* TSC deadline */
	assert_false(leaf(1, 0)->ecx & 1u << 3);  /* MONITOR */
	assert_true(leaf(1, 0)->edx & 1u << 28);  /* more than one in the package */
	assert_true(leaf(6, 0)->eax & 1u << 2);	  /* ARAT */
	assert_null(leaf(3, 0));		  /* a leaf of zeroes is left out */
	build(amd, ARRAY_LEN(amd), 1, 0);
	assert_int_equal(leaf(1, 0)->ebx, 1 << 16 | 0x0800);
	assert_false(leaf(1, 0)->edx & 1u << 28);
}

static void test_topology_leaves(void **state)
{
	static const struct {
		unsigned cpus, bits;
	} sizes[] = {{1, 0}, {2, 1}, {3, 2}, {4, 2}, {5, 3}, {64, 6}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		build(amd, ARRAY_LEN(amd), sizes[i].cpus, sizes[i].cpus - 1);
		assert_int_equal(leaf(0xb, 0)->eax, 0);
		assert_int_equal(leaf(0xb, 0)->ebx, 1);
		assert_int_equal(leaf(0xb, 0)->ecx, 1 << 8);
		assert_int_equal(leaf(0xb, 1)->eax, sizes[i].bits);
		assert_int_equal(leaf(0xb, 1)->ebx, sizes[i].cpus);
		assert_int_equal(leaf(0xb, 1)->ecx, 2 << 8 | 1);
		assert_int_equal(leaf(0xb, 2)->ecx, 2);
		assert_int_equal(leaf(0xb, 1)->edx, sizes[i].cpus - 1);
		assert_null(leaf(0x1f, 0)); /* this host's leaves end at 0x1c */
		assert_int_equal(leaf(0x80000008, 0)->ecx, sizes[i].bits << 12 | (sizes[i].cpus - 1));
	}
	build(intel, ARRAY_LEN(intel), 2, 1);
	assert_int_equal(leaf(0x1f, 1)->ebx, 2);
}

static void test_amd(void **state)
{
	(void)state;
	build(amd, ARRAY_LEN(amd), 4, 2);
	assert_int_equal(leaf(0x8000001e, 0)->eax, 2);
	assert_int_equal(leaf(0x8000001e, 0)->ebx, 2);
	assert_true(leaf(0x80000001, 0)->ecx & 1 << 1);	 /* CmpLegacy */
	assert_true(leaf(0x80000001, 0)->ecx & 1 << 22); /* TopologyExtensions */
	assert_false(leaf(0x80000001, 0)->ecx & 3 << 23); /* performance counters */
	assert_int_equal(leaf(0x8000001d, 0)->eax >> 14 & 0xfff, 0);
	assert_int_equal(leaf(0x8000001d, 3)->eax >> 14 & 0xfff, 3);
	build(amd, ARRAY_LEN(amd), 1, 0);
	assert_false(leaf(0x80000001, 0)->ecx & 1 << 1);
	/* What the host does not have is not promised. */
	build(amd, 9, 2, 0);
	assert_false(leaf(0x80000001, 0)->ecx & 1 << 22);
}

static void test_intel(void **state)
{
	(void)state;
	build(intel, ARRAY_LEN(intel), 8, 5);
	assert_int_equal(leaf(4, 0)->eax >> 26, 7);
	assert_int_equal(leaf(4, 0)->eax >> 14 & 0xfff, 0);
	assert_int_equal(leaf(4, 3)->eax >> 14 & 0xfff, 7);
	assert_int_equal(leaf(4, 0)->eax & 0x3fff, 0x0121);
	assert_null(leaf(0xa, 0));  /* no PMU */
	assert_null(leaf(0x8000001e, 0));
	assert_int_equal(leaf(0x80000001, 0)->ecx, 0x121);
	assert_false(leaf(1, 0)->ecx & 1 << 15); /* PDCM */
}

static void test_kvm_features(void **state)
{
	uint32_t f;

	(void)state;
	build(amd, ARRAY_LEN(amd), 2, 0);
	f = leaf(0x40000001, 0)->eax;
	assert_true(f & 1 << KVM_FEATURE_CLOCKSOURCE2);
	assert_true(f & 1 << KVM_FEATURE_CLOCKSOURCE_STABLE_BIT);
	assert_true(f & 1 << KVM_FEATURE_PV_EOI);
	assert_true(f & 1 << KVM_FEATURE_PV_SEND_IPI);
	assert_true(f & 1 << KVM_FEATURE_STEAL_TIME);
	assert_true(f & 1 << KVM_FEATURE_MSI_EXT_DEST_ID);
	assert_false(f & 1 << KVM_FEATURE_HC_MAP_GPA_RANGE); /* nobody here would handle it */
}

static void test_xsave_is_the_host_s(void **state)
{
	(void)state;
	build(amd, ARRAY_LEN(amd), 2, 1);
	assert_memory_equal(leaf(0xd, 0), &amd[5], sizeof(amd[5]));
	assert_memory_equal(leaf(0xd, 2), &amd[6], sizeof(amd[6]));
}

static void test_address_bits(void **state)
{
	(void)state;
	build(amd, ARRAY_LEN(amd), 1, 0);
	assert_int_equal(cpuid_phys_bits(host), 0x30);
	build(intel, 1, 1, 0);
	assert_int_equal(cpuid_phys_bits(host), 36);
}

static int setup(void **state)
{
	const size_t size = sizeof(*host) + ROOM * sizeof(host->entries[0]);

	(void)state;
	host = xzalloc(size);
	out = xzalloc(size);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	free(host);
	free(out);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_features),
		cmocka_unit_test(test_topology_leaves),
		cmocka_unit_test(test_amd),
		cmocka_unit_test(test_intel),
		cmocka_unit_test(test_kvm_features),
		cmocka_unit_test(test_xsave_is_the_host_s),
		cmocka_unit_test(test_address_bits),
	};

	return cmocka_run_group_tests_name("cpuid", tests, setup, teardown);
}
