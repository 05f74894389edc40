/* SPDX-License-Identifier: Apache-2.0
 *
 * MAC and IP addresses.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>

#include "base/util.h"
#include "provision/spec/address.h"

static void test_mac_parse(void **state)
{
	static const char *const wrong[] = {
		"",
		"52:54:00:12:34",
		"52:54:00:12:34:5",
		"52:54:00:12:34:567",
		"52:54:00:12:34:5g",
		"52-54:00:12:34:56",
		"52.54.00.12.34.56",
		"525400123456",
		" 2:54:00:12:34:56",
		"52:54:00:12:34:56:",
		"5:254:00:12:34:56",
	};
	uint8_t mac[6];

	(void)state;
	assert_true(mac_parse("52:54:00:aB:Cd:0f", mac));
	assert_memory_equal(mac, "\x52\x54\x00\xab\xcd\x0f", 6);
	assert_true(mac_parse("52-54-00-AB-CD-0F", mac));
	assert_memory_equal(mac, "\x52\x54\x00\xab\xcd\x0f", 6);
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		if (mac_parse(wrong[i], mac))
			fail_msg("'%s' was taken", wrong[i]);
}

/* printf croft:test/test/0 | sha256sum gives 06e9d3a1849a..., croft:shop/web/7 fb594aed0bdf...: the
 * derivation is for ever, because leases and firewall rules hang on it. */
static void test_mac_derive(void **state)
{
	uint8_t mac[6];

	(void)state;
	mac_derive("test", "test", 0, mac);
	assert_memory_equal(mac, "\x06\xe9\xd3\xa1\x84\x9a", 6);
	mac_derive("shop", "web", 7, mac);
	assert_memory_equal(mac, "\xfa\x59\x4a\xed\x0b\xdf", 6);
}

static void test_mac_derive_is_fit(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		uint8_t mac[6];

		mac_derive("p", "v", i, mac);
		assert_int_equal(mac[0] & 3, 2); /* locally administered, unicast */
	}
}

static struct address ip(const char *text)
{
	struct address a;

	if (strchr(text, '/'))
		assert_true(address_parse_prefix(text, &a));
	else
		assert_true(address_parse(text, &a));
	return a;
}

static void test_address_parse(void **state)
{
	static const char *const wrong[] = {
		"",	    "10.0.0",	    "10.0.0.256",  "010.0.0.1",		"10.0.0.1 ",
		"fd00:::1", "fd00::1%eth0", "10.0.0.1/24", "::ffff:10.0.0.1/96"};
	static const char *const wrong_prefix[] = {
		"10.0.0.1",    "10.0.0.1/",    "10.0.0.1/33",	 "10.0.0.1/-1", "10.0.0.1/0",
		"10.0.0.1/08", "10.0.0.1/0x8", "10.0.0.1/24/24", "fd00::1/129", "/24"};
	struct address a;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		if (address_parse(wrong[i], &a))
			fail_msg("'%s' was taken", wrong[i]);
	for (size_t i = 0; i < ARRAY_LEN(wrong_prefix); i++)
		if (address_parse_prefix(wrong_prefix[i], &a))
			fail_msg("'%s' was taken", wrong_prefix[i]);
	assert_int_equal(ip("10.0.0.1").prefix, 32);
	assert_int_equal(ip("fd00::1/64").prefix, 64);
}

static void test_address_text(void **state)
{
	struct arena *arena = arena_new();
	struct address a = ip("FD00:0:0:0:0:0:0:5/64"), b = ip("10.0.0.1");

	(void)state;
	assert_string_equal(address_text(arena, &a), "fd00::5/64");
	assert_string_equal(address_text(arena, &b), "10.0.0.1");
	arena_free(arena);
}

static bool same_network(const char *net, const char *other)
{
	struct address a = ip(net), b = ip(other);

	return address_same_network(&a, &b);
}

static void test_networks(void **state)
{
	(void)state;
	assert_true(same_network("10.0.0.5/24", "10.0.0.1"));
	assert_false(same_network("10.0.0.5/24", "10.0.1.1"));
	assert_true(same_network("10.0.0.5/23", "10.0.1.1"));
	assert_true(same_network("10.0.0.5/31", "10.0.0.4"));
	assert_false(same_network("10.0.0.5/32", "10.0.0.4"));
	assert_true(same_network("128.0.0.1/1", "200.0.0.1"));
	assert_false(same_network("128.0.0.1/1", "100.0.0.1"));
	assert_true(same_network("fd00::5/64", "fd00::ffff:1"));
	assert_false(same_network("fd00::5/64", "fd00:0:0:1::1"));
	assert_true(same_network("fd00:0:0:fe::5/63", "fd00:0:0:ff::1"));
	assert_true(same_network("fd00::5/128", "fd00::5"));
	assert_false(same_network("10.0.0.5/8", "fd00::1"));
}

#define IS(what, text)                                                                             \
	({                                                                                         \
		struct address a_ = ip(text);                                                      \
		address_is_##what(&a_);                                                            \
	})

static void test_kinds(void **state)
{
	(void)state;
	assert_true(IS(zero, "0.0.0.0"));
	assert_true(IS(zero, "::"));
	assert_false(IS(zero, "::1"));
	assert_true(IS(multicast, "224.0.0.1"));
	assert_true(IS(multicast, "239.255.255.255"));
	assert_false(IS(multicast, "223.255.255.255"));
	assert_false(IS(multicast, "240.0.0.1"));
	assert_true(IS(multicast, "ff02::1"));
	assert_true(IS(reserved, "240.0.0.1"));
	assert_true(IS(reserved, "0.1.2.3"));
	assert_false(IS(reserved, "1.0.0.0"));
	assert_true(IS(loopback, "127.9.9.9"));
	assert_true(IS(loopback, "::1"));
	assert_false(IS(loopback, "::2"));
	assert_true(IS(link_local, "fe80::1"));
	assert_true(IS(link_local, "febf::1"));
	assert_false(IS(link_local, "fec0::1"));
	assert_true(IS(network, "10.0.0.0/24"));
	assert_false(IS(network, "10.0.0.0/31"));
	assert_false(IS(network, "10.0.0.1/32"));
	assert_false(IS(network, "10.0.1.0/23"));
	assert_true(IS(broadcast, "10.0.0.255/24"));
	assert_false(IS(broadcast, "10.0.0.255/23"));
	assert_false(IS(broadcast, "10.0.0.1/31"));
	assert_true(IS(broadcast, "127.255.255.255/1"));
	assert_false(IS(broadcast, "fd00::ffff:ffff:ffff:ffff/64"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mac_parse),
		cmocka_unit_test(test_mac_derive),
		cmocka_unit_test(test_mac_derive_is_fit),
		cmocka_unit_test(test_address_parse),
		cmocka_unit_test(test_address_text),
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_kinds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
