/* SPDX-License-Identifier: Apache-2.0
 *
 * The host's network, in a network namespace of the test's own: bridges made and found, taps, what
 * is left when they go. Skipped where the machine allows no such namespace or has no /dev/net/tun.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/util.h"
#include "provision/net/hostnet.h"
#include "provision/net/rtnl.h"
#include "tests/lib/provision/home.h"

static const uint8_t mac[6] = {0x52, 0x54, 0, 1, 2, 3};
static char lock_path[64];
static char notes[512];

static struct hostnet_nic nic(const char *vm, unsigned index, const char *bridge, bool create)
{
	return (struct hostnet_nic){.project = "p",
				    .vm = vm,
				    .index = index,
				    .bridge = bridge,
				    .create = create,
				    .mac = mac};
}

static void note(void *ctx, const char *text)
{
	(void)ctx;
	snprintf(notes, sizeof(notes), "%s", text);
}

static int attach(const struct hostnet_nic *n, struct hostnet_tap *out, struct err *err)
{
	notes[0] = '\0';
	return hostnet_attach(n, lock_path, note, NULL, out, err);
}

static bool link_there(const char *name, struct link_info *out)
{
	struct rtnl *r = rtnl_open(NULL);
	int found = rtnl_link_get(r, name, out, NULL);

	rtnl_close(r);
	return found == 1;
}

static void tap_names(void **state)
{
	struct hostnet_nic a = nic("web", 0, "br0", false), b = nic("web", 1, "br0", false);
	struct hostnet_nic other = nic("web", 0, "br0", false);
	char x[16], y[16];

	(void)state;
	other.project = "q";
	hostnet_tap_name(&a, 0, x);
	assert_true(text_starts(x, "web-"));
	hostnet_tap_name(&a, 0, y);
	assert_string_equal(x, y);
	hostnet_tap_name(&b, 0, y);
	assert_string_not_equal(x, y);
	hostnet_tap_name(&other, 0, y);
	assert_string_not_equal(x, y);
	hostnet_tap_name(&a, 1, y);
	assert_string_not_equal(x, y);

	/* Linux: at most 15 bytes, no '/' and no blank (dev_valid_name). */
	a.vm = "a-name-that-is-as-long-as-a-host-name-can-be-which-is-63-bytes";
	hostnet_tap_name(&a, 0, x);
	assert_int_equal(strlen(x), 15);
	assert_int_equal(strspn(x, "abcdefghijklmnopqrstuvwxyz0123456789-"), 15);
}

/* Of ten thousand VMs with the same beginning, hardly any two share a name. */
static void tap_names_spread(void **state)
{
	enum { N = 10000 };
	char(*all)[16] = xcalloc(N, 16);
	unsigned same = 0;

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		char vm[32];
		struct hostnet_nic n = nic(vm, 0, "br0", false);

		snprintf(vm, sizeof(vm), "development-%u", i);
		hostnet_tap_name(&n, 0, all[i]);
	}
	qsort(all, N, 16, (int (*)(const void *, const void *))strcmp);
	for (unsigned i = 1; i < N; i++)
		same += !strcmp(all[i - 1], all[i]);
	assert_true(same < 10); /* 32^5 names: 1.5 pairs are expected */
	free(all);
}

static void bridge_made_and_removed(void **state)
{
	struct hostnet_nic n = nic("web", 0, "crtest0", true), m = nic("db", 0, "crtest0", true);
	struct link_info bridge, tap;
	struct hostnet_tap a, b;
	struct err err = {0};
	struct rtnl *r;
	uint8_t bridge_mac[6];

	(void)state;
	n.host_address = m.host_address = "10.99.0.1/24";
	assert_int_equal(attach(&n, &a, &err), 0);
	assert_true(a.made_bridge);
	assert_int_equal(a.mtu, 1500);
	assert_true(link_there("crtest0", &bridge));
	assert_string_equal(bridge.kind, "bridge");
	assert_string_equal(bridge.alias, "croft");
	assert_true(bridge.up);
	r = rtnl_open(NULL);
	assert_int_equal(rtnl_addr_has(r, bridge.index, "10.99.0.1/24", &err), 1);
	assert_int_equal(rtnl_addr_has(r, bridge.index, "10.99.0.2/24", &err), 0);
	memcpy(bridge_mac, bridge.mac, 6);

	assert_true(link_there(a.name, &tap));
	assert_string_equal(tap.kind, "tun");
	assert_int_equal(tap.master, bridge.index);
	assert_true(tap.up);
	assert_string_equal(tap.alias, "croft p/web nic 0");
	assert_int_equal(tap.mac[0], 0xfe);

	/* Its second user finds it; its address does not change with its ports. */
	assert_int_equal(attach(&m, &b, &err), 0);
	assert_false(b.made_bridge);
	assert_true(link_there("crtest0", &bridge));
	assert_memory_equal(bridge.mac, bridge_mac, 6);

	close(a.fd);
	assert_false(link_there(a.name, &tap));
	assert_int_equal(hostnet_release("crtest0", lock_path, &err), 0);
	assert_true(link_there("crtest0", &bridge)); /* db uses it */
	close(b.fd);
	assert_int_equal(hostnet_release("crtest0", lock_path, &err), 0);
	assert_false(link_there("crtest0", &bridge));
	assert_int_equal(hostnet_release("crtest0", lock_path, &err), 0); /* again is fine */
	rtnl_close(r);
}

/* An IPv6 address is usable at once, also on a bridge without a port. */
static void bridge_with_ipv6(void **state)
{
	struct hostnet_nic n = nic("six", 0, "crtest6", true);
	struct link_info bridge;
	struct hostnet_tap t;
	struct err err = {0};
	struct rtnl *r = rtnl_open(NULL);

	(void)state;
	if (access("/proc/sys/net/ipv6", F_OK) < 0)
		skip();
	n.host_address = "fd00:99::1/64";
	if (attach(&n, &t, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(link_there("crtest6", &bridge));
	assert_int_equal(rtnl_addr_has(r, bridge.index, "fd00:99::1/64", &err), 1);
	assert_int_equal(rtnl_addr_add(r, bridge.index, "fd00:99::1/64", &err), 0); /* again */
	close(t.fd);
	assert_int_equal(hostnet_release("crtest6", lock_path, &err), 0);
	rtnl_close(r);
}

static void foreign_bridge(void **state)
{
	static const uint8_t own[6] = {0x02, 0, 0, 0, 0, 9};
	struct hostnet_nic n = nic("web", 0, "foreign0", true);
	struct link_info bridge, tap;
	struct link_change c = {.mtu = 1400};
	struct hostnet_tap t;
	struct err err = {0};
	struct rtnl *r = rtnl_open(NULL);

	(void)state;
	assert_int_equal(rtnl_bridge_add(r, "foreign0", own, &err), 0);
	assert_int_equal(rtnl_bridge_add(r, "foreign0", own, &err), 0); /* made by two at once */
	assert_int_equal(rtnl_link_get(r, "foreign0", &bridge, &err), 1);
	c.index = bridge.index;
	assert_int_equal(rtnl_link_set(r, &c, &err), 0);

	n.host_address = "10.98.0.1/24";
	assert_int_equal(attach(&n, &t, &err), 0);
	assert_false(t.made_bridge);
	assert_non_null(strstr(notes, "was not made by croft"));
	assert_int_equal(t.mtu, 1400);
	assert_true(link_there(t.name, &tap));
	assert_int_equal(tap.mtu, 1400);
	assert_true(link_there("foreign0", &bridge));
	assert_int_equal(bridge.mtu, 1400);
	close(t.fd);
	assert_int_equal(hostnet_release("foreign0", lock_path, &err), 0);
	assert_true(link_there("foreign0", &bridge)); /* not ours: it stays */
	rtnl_link_del(r, bridge.index, NULL);
	rtnl_close(r);
}

static void refusals(void **state)
{
	struct hostnet_nic n = nic("web", 0, "nosuch0", false);
	struct link_info lo;
	struct hostnet_tap t;
	struct err err = {0};

	(void)state;
	assert_int_equal(attach(&n, &t, &err), -1);
	assert_int_equal(err.kind, ERR_HOST);
	assert_non_null(strstr(err.msg, "there is no bridge 'nosuch0'"));
	assert_non_null(strstr(err.msg, "create: true"));

	n.bridge = "lo";
	assert_int_equal(attach(&n, &t, &err), -1);
	assert_non_null(strstr(err.msg, "'lo' is not a Linux bridge"));

	/* A bridge that this call made goes again when the rest fails. */
	n = nic("web", 0, "crtest1", true);
	n.host_address = "10.0.0.999/24";
	assert_int_equal(attach(&n, &t, &err), -1);
	assert_non_null(strstr(err.msg, "is not an address"));
	assert_false(link_there("crtest1", &lo));
}

/* Somebody has a link of the tap's first name: the next is taken. */
static void taken_name(void **state)
{
	struct hostnet_nic n = nic("web", 0, "crtest2", true);
	struct hostnet_tap a, b;
	struct err err = {0};
	char second[16];

	(void)state;
	assert_int_equal(attach(&n, &a, &err), 0);
	assert_int_equal(attach(&n, &b, &err), 0);
	hostnet_tap_name(&n, 1, second);
	assert_string_equal(b.name, second);
	close(a.fd);
	close(b.fd);
	assert_int_equal(hostnet_release("crtest2", lock_path, &err), 0);
}

/* A tap that an administrator made: used as it is, when it is in the right bridge. */
static void tap_that_was_made(void **state)
{
	struct hostnet_nic n = nic("web", 0, "crtest3", true), o = nic("other", 0, "crtest3", true);
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	struct link_change c = {0};
	struct link_info tap, bridge;
	struct hostnet_tap t, keep;
	struct err err = {0};
	struct rtnl *r = rtnl_open(NULL);
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	(void)state;
	assert_int_equal(attach(&o, &keep, &err), 0);
	hostnet_tap_name(&n, 0, ifr.ifr_name);
	assert_int_equal(ioctl(fd, TUNSETIFF, &ifr), 0);
	assert_int_equal(ioctl(fd, TUNSETPERSIST, 1), 0);
	close(fd);

	assert_int_equal(attach(&n, &t, &err), -1);
	assert_non_null(strstr(err.msg, "is not in bridge 'crtest3'"));

	assert_true(link_there(ifr.ifr_name, &tap) && link_there("crtest3", &bridge));
	c.index = tap.index;
	c.master = bridge.index;
	assert_int_equal(rtnl_link_set(r, &c, &err), 0);
	assert_int_equal(attach(&n, &t, &err), 0);
	assert_string_equal(t.name, ifr.ifr_name);
	close(t.fd);
	assert_true(link_there(ifr.ifr_name, &tap)); /* theirs: it stays */
	rtnl_link_del(r, tap.index, NULL);
	close(keep.fd);
	assert_int_equal(hostnet_release("crtest3", lock_path, &err), 0);
	rtnl_close(r);
}

/* What a guest sends is seen from outside: packets on the tap, its MAC on the bridge. */
static void traces_of_a_guest(void **state)
{
	struct hostnet_nic n = nic("web", 0, "crtest4", true);
	/*
	 * virtio-net header, Ethernet: broadcast from `mac`, an ARP request for 10.97.0.1 from
	 * 10.97.0.7
	 */
	uint8_t frame[10 + 42] = {0};
	static const uint8_t arp[] = {0x08, 0x06, 0, 1, 8, 0, 6, 4, 0, 1};
	struct link_info bridge, tap;
	struct hostnet_tap t;
	struct err err = {0};
	struct rtnl *r = rtnl_open(NULL);
	char address[64] = "";
	uint8_t who[6];
	bool saw = true;

	(void)state;
	n.host_address = "10.97.0.1/24";
	assert_int_equal(attach(&n, &t, &err), 0);
	assert_true(link_there("crtest4", &bridge));
	assert_int_equal(rtnl_bridge_saw(r, bridge.index, mac, &saw, &err), 0);
	assert_false(saw);
	assert_true(link_there(t.name, &tap));
	assert_int_equal(tap.rx_packets, 0);

	memset(frame + 10, 0xff, 6);
	memcpy(frame + 16, mac, 6);
	memcpy(frame + 22, arp, sizeof(arp));
	memcpy(frame + 32, mac, 6);
	memcpy(frame + 38, "\x0a\x61\x00\x07", 4);
	memcpy(frame + 48, "\x0a\x61\x00\x01", 4);
	assert_int_equal(write(t.fd, frame, sizeof(frame)), sizeof(frame));

	assert_true(link_there(t.name, &tap));
	assert_int_equal(tap.rx_packets, 1);
	assert_int_equal(rtnl_bridge_saw(r, bridge.index, mac, &saw, &err), 0);
	assert_true(saw);
	/* The host answers, and remembers whom it answered. */
	assert_int_equal(
		rtnl_neighbour_by_mac(r, bridge.index, mac, address, sizeof(address), &err), 1);
	assert_string_equal(address, "10.97.0.7");
	assert_int_equal(rtnl_neighbour_by_address(r, "10.97.0.7", who, &err), 1);
	assert_memory_equal(who, mac, 6);
	assert_int_equal(rtnl_neighbour_by_address(r, "10.97.0.8", who, &err), 0);
	close(t.fd);
	assert_int_equal(hostnet_release("crtest4", lock_path, &err), 0);
	rtnl_close(r);
}

/* Without the right, the message says which one, and three ways to get it. */
static void without_rights(void **state)
{
	struct hostnet_nic n = nic("web", 0, "crtest5", true);
	int status;
	pid_t pid;

	(void)state;
	if (getuid() != 0)
		skip();
	pid = fork();
	if (pid == 0) {
		struct hostnet_tap t;
		struct err err = {0};
		char lock[64];

		if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
			_exit(77);
		snprintf(lock, sizeof(lock), "/tmp/croft-test-lock-%d", (int)getpid());
		if (hostnet_may() || hostnet_attach(&n, lock, NULL, NULL, &t, &err) == 0)
			_exit(1);
		unlink(lock);
		_exit(err.kind == ERR_HOST && strstr(err.msg, "CAP_NET_ADMIN") &&
				      strstr(err.msg, "setcap") && strstr(err.msg, "as root") &&
				      strstr(err.msg, "ip tuntap add web-")
			      ? 0
			      : 2);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

int main(void)
{
	const struct CMUnitTest names[] = {
		cmocka_unit_test(tap_names),
		cmocka_unit_test(tap_names_spread),
	};
	const struct CMUnitTest links[] = {
		cmocka_unit_test(bridge_with_ipv6),  cmocka_unit_test(bridge_made_and_removed),
		cmocka_unit_test(foreign_bridge),    cmocka_unit_test(refusals),
		cmocka_unit_test(taken_name),	     cmocka_unit_test(tap_that_was_made),
		cmocka_unit_test(traces_of_a_guest), cmocka_unit_test(without_rights),
	};
	int failed = cmocka_run_group_tests(names, NULL, NULL);

	snprintf(lock_path, sizeof(lock_path), "/tmp/croft-test-net-%d.lock", (int)getpid());
	if (own_network() < 0 || access("/dev/net/tun", R_OK | W_OK) < 0) {
		fprintf(stderr, "skipped: no network namespace of our own here\n");
		return failed ? failed : 77;
	}
	failed += cmocka_run_group_tests(links, NULL, NULL);
	unlink(lock_path);
	return failed;
}
