/* SPDX-License-Identifier: Apache-2.0
 *
 * NICs to network-config version 2, in the subset that every renderer of cloud-init gets right
 * (netplan, networkd, NetworkManager, sysconfig, eni; tests/golden/seed/judges feeds it to each):
 *
 * - A NIC is matched by its MAC address. cloud-init from 22.2 finds the interface's name by it;
 * older ones take the key of the entry for the name, so the keys are eth0, eth1, ..., which is
 * right on images that boot with net.ifnames=0. No set-name: renaming races with udev.
 * - The IPv4 default route is a route to 0.0.0.0/0. "default" ends cloud-init before 22.4 with an
 *   exception (LP #1978543), and gateway4 is deprecated.
 * - The IPv6 default route is gateway6, deprecated as it is: a route to ::/0 becomes one to ::/64
 * in every renderer but netplan's (cloud-init issue 4600).
 * - No address means DHCP for IPv4; IPv6 follows the router's advertisements, the kernel's default.
 */
#include "cloudinit/network.h"

#include <arpa/inet.h>
#include <ctype.h>

#include "base/num.h"
#include "base/util.h"

/* AF_INET, AF_INET6, or 0. */
static int family_of(const char *address)
{
	unsigned char bytes[16];

	if (inet_pton(AF_INET, address, bytes) == 1)
		return AF_INET;
	return inet_pton(AF_INET6, address, bytes) == 1 ? AF_INET6 : 0;
}

const char *wrong_address(const char *text)
{
	return family_of(text) ? NULL : "is not an IPv4 or IPv6 address";
}

const char *wrong_prefixed(const char *text)
{
	const char *slash = strchr(text, '/');
	char address[INET6_ADDRSTRLEN];
	uint64_t bits;

	if (!slash)
		return wrong_address(text) ? wrong_address(text)
					   : "needs a prefix length, as in 10.0.0.5/24";
	if ((size_t)(slash - text) >= sizeof(address))
		return wrong_address(text);
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	switch (family_of(address)) {
	case AF_INET:
		return parse_uint(slash + 1, 1, 32, &bits, NULL) < 0
			       ? "needs a prefix length of 1 to 32"
			       : NULL;
	case AF_INET6:
		return parse_uint(slash + 1, 1, 128, &bits, NULL) < 0
			       ? "needs a prefix length of 1 to 128"
			       : NULL;
	default:
		return wrong_address(address);
	}
}

const char *wrong_mac(const char *text)
{
	for (unsigned i = 0; i < 17; i++)
		if (i % 3 == 2 ? text[i] != ':' : !isxdigit((unsigned char)text[i]))
			return "is not a MAC address, such as 52:54:00:12:34:56";
	return text[17] ? "is longer than a MAC address" : NULL;
}

static int check_one(const char *what, const char *text, const char *why, struct err *err)
{
	return why ? err_set(err, ERR_SPEC, "%s '%s' %s", what, text, why) : 0;
}

static int check(const struct seed_nic *nic, struct err *err)
{
	int rc = 0;

	if (nic->address)
		rc = check_one("address", nic->address, wrong_prefixed(nic->address), err);
	if (rc == 0 && nic->gateway)
		rc = check_one("gateway", nic->gateway, wrong_address(nic->gateway), err);
	for (unsigned i = 0; rc == 0 && i < nic->ndns; i++)
		rc = check_one("dns", nic->dns[i], wrong_address(nic->dns[i]), err);
	return rc;
}

static void set_match(struct arena *a, struct yaml_node *entry, const uint8_t mac[6])
{
	struct yaml_node *match = yaml_map(a);
	char text[18];

	snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	yaml_set(a, match, "macaddress", yaml_str(a, text));
	yaml_set(a, entry, "match", match);
}

static void set_gateway(struct arena *a, struct yaml_node *entry, const char *gateway)
{
	struct yaml_node *routes, *route;

	if (family_of(gateway) == AF_INET6) {
		yaml_set(a, entry, "gateway6", yaml_str(a, gateway));
		return;
	}
	routes = yaml_seq(a);
	route = yaml_map(a);
	yaml_set(a, route, "to", yaml_str(a, "0.0.0.0/0"));
	yaml_set(a, route, "via", yaml_str(a, gateway));
	yaml_add(a, routes, route);
	yaml_set(a, entry, "routes", routes);
}

static void set_dns(struct arena *a, struct yaml_node *entry, const struct seed_nic *nic)
{
	struct yaml_node *servers = yaml_map(a), *addresses = yaml_seq(a);

	for (unsigned i = 0; i < nic->ndns; i++)
		yaml_add(a, addresses, yaml_str(a, nic->dns[i]));
	yaml_set(a, servers, "addresses", addresses);
	yaml_set(a, entry, "nameservers", servers);
}

static struct yaml_node *make_entry(struct arena *a, const struct seed_nic *nic)
{
	struct yaml_node *entry = yaml_map(a), *addresses = yaml_seq(a);

	set_match(a, entry, nic->mac);
	if (nic->address) {
		yaml_add(a, addresses, yaml_str(a, nic->address));
		yaml_set(a, entry, "addresses", addresses);
	} else {
		yaml_set(a, entry, "dhcp4", yaml_plain(a, "true"));
	}
	if (nic->gateway)
		set_gateway(a, entry, nic->gateway);
	if (nic->ndns)
		set_dns(a, entry, nic);
	return entry;
}

int network_render(const struct seed_nic *nics, unsigned n, struct buf *out, struct err *err)
{
	struct yaml_node *top, *ethernets;
	struct arena *a;

	if (!n)
		return 0;
	for (unsigned i = 0; i < n; i++)
		if (check(&nics[i], err) < 0)
			return err_wrap(err, "network interface %u", i);
	a = arena_new();
	top = yaml_map(a);
	ethernets = yaml_map(a);
	for (unsigned i = 0; i < n; i++) {
		char id[16];

		snprintf(id, sizeof(id), "eth%u", i);
		yaml_set(a, ethernets, id, make_entry(a, &nics[i]));
	}
	yaml_set(a, top, "version", yaml_plain(a, "2"));
	yaml_set(a, top, "ethernets", ethernets);
	yaml_emit(top, out);
	arena_free(a);
	return 0;
}
