/* SPDX-License-Identifier: Apache-2.0
 *
 * The keys of network-config, versions 1 and 2, and of meta-data. Version 2 is netplan's format:
 * where netplan takes more than cloud-init's own renderers do, it is allowed here.
 */
#include "cloudinit/check.h"
#include "cloudinit/network.h"

/* --- version 1 ------------------------------------------------------------------------------- */

static const struct key v1_route_keys[] = {
	KEY("destination", V_TEXT),
	KEY("gateway", V_TEXT, .wrong = wrong_address),
	KEY("metric", V_INT),
	KEY("netmask", V_TEXT | V_INT),
	KEY("network", V_TEXT),
	KEY("prefix", V_INT),
	KEYS_END,
};

static const struct key v1_subnet_keys[] = {
	KEY("address", V_TEXT),
	KEY("broadcast", V_TEXT),
	KEY("control", V_TEXT, .values = WORDS("auto", "manual", "hotplug")),
	KEY("dns_nameservers", V_TEXT | V_LIST, .items = V_TEXT),
	KEY("dns_search", V_TEXT | V_LIST, .items = V_TEXT),
	KEY("gateway", V_TEXT, .wrong = wrong_address),
	KEY("ipv4", V_BOOL),
	KEY("ipv6", V_BOOL),
	KEY("metric", V_INT),
	KEY("netmask", V_TEXT | V_INT),
	KEY("pointopoint", V_TEXT),
	KEY("prefix", V_INT),
	KEY("routes", V_LIST, .items = V_MAP, .inside = v1_route_keys),
	KEY("scope", V_TEXT),
	KEY("type", V_TEXT, .required = true,
	    .values = WORDS("dhcp", "dhcp4", "dhcp6", "static", "static6", "manual", "loopback",
			    "ipv6_dhcpv6-stateful", "ipv6_dhcpv6-stateless", "ipv6_slaac")),
	KEYS_END,
};

static const struct key v1_device_keys[] = {
	KEY("accept-ra", V_BOOL),
	KEY("address", V_TEXT | V_LIST, .items = V_TEXT),
	KEY("bond_interfaces", V_LIST, .items = V_TEXT),
	KEY("bridge_interfaces", V_LIST, .items = V_TEXT),
	KEY("destination", V_TEXT),
	KEY("gateway", V_TEXT),
	KEY("id", V_TEXT),
	KEY("interface", V_TEXT),
	KEY("keep_configuration", V_TEXT | V_BOOL),
	KEY("mac_address", V_TEXT, .wrong = wrong_mac),
	KEY("metric", V_INT),
	KEY("mtu", V_INT | V_NULL),
	KEY("name", V_TEXT),
	KEY("netmask", V_TEXT | V_INT),
	KEY("params", V_MAP),
	KEY("search", V_TEXT | V_LIST, .items = V_TEXT),
	KEY("subnets", V_LIST, .items = V_MAP, .inside = v1_subnet_keys),
	KEY("type", V_TEXT, .required = true,
	    .values = WORDS("physical", "bond", "bridge", "vlan", "loopback", "nameserver", "route",
			    "infiniband")),
	KEY("vlan_id", V_INT),
	KEY("vlan_link", V_TEXT),
	KEYS_END,
};

const struct key network_v1_keys[] = {
	KEY("config", V_LIST | V_TEXT, .items = V_MAP, .inside = v1_device_keys,
	    .values = WORDS("disabled"), .required = true),
	KEY("version", V_INT),
	KEYS_END,
};

/* --- version 2 ------------------------------------------------------------------------------- */

static const struct key v2_match_keys[] = {
	KEY("driver", V_TEXT | V_LIST),
	KEY("macaddress", V_TEXT, .wrong = wrong_mac),
	KEY("name", V_TEXT),
	KEYS_END,
};

static const struct key v2_nameserver_keys[] = {
	KEY("addresses", V_LIST, .items = V_TEXT),
	KEY("search", V_LIST, .items = V_TEXT),
	KEYS_END,
};

static const struct key v2_route_keys[] = {
	KEY("advertised-mss", V_INT),
	KEY("advertised-receive-window", V_INT),
	KEY("congestion-window", V_INT),
	KEY("from", V_TEXT),
	KEY("metric", V_INT),
	KEY("mtu", V_INT),
	KEY("on-link", V_BOOL),
	KEY("scope", V_TEXT),
	KEY("table", V_INT),
	KEY("to", V_TEXT, .required = true),
	KEY("type", V_TEXT),
	KEY("via", V_TEXT, .wrong = wrong_address),
	KEYS_END,
};

static const struct key v2_device_keys[] = {
	KEY("accept-ra", V_BOOL),
	KEY("access-points", V_MAP),
	KEY("activation-mode", V_TEXT),
	KEY("addresses", V_LIST, .items = V_TEXT | V_MAP, .wrong = wrong_prefixed),
	KEY("auth", V_MAP),
	KEY("critical", V_BOOL),
	KEY("delay-virtual-functions-rebind", V_BOOL),
	KEY("dhcp-identifier", V_TEXT, .values = WORDS("mac", "duid")),
	KEY("dhcp4", V_BOOL),
	KEY("dhcp4-overrides", V_MAP),
	KEY("dhcp6", V_BOOL),
	KEY("dhcp6-overrides", V_MAP),
	KEY("embedded-switch-mode", V_TEXT),
	KEY("emit-lldp", V_BOOL),
	KEY("gateway4", V_TEXT, .wrong = wrong_address,
	    .instead = "write routes: [ { to: 0.0.0.0/0, via: ... } ]"),
	KEY("gateway6", V_TEXT, .wrong = wrong_address),
	KEY("generic-receive-offload", V_BOOL),
	KEY("generic-segmentation-offload", V_BOOL),
	KEY("id", V_INT),
	KEY("ignore-carrier", V_BOOL),
	KEY("infiniband-mode", V_TEXT),
	KEY("interfaces", V_LIST, .items = V_TEXT),
	KEY("ipv6-address-generation", V_TEXT),
	KEY("ipv6-address-token", V_TEXT),
	KEY("ipv6-mtu", V_INT),
	KEY("ipv6-privacy", V_BOOL),
	KEY("key", V_TEXT | V_INT | V_MAP),
	KEY("keys", V_MAP),
	KEY("large-receive-offload", V_BOOL),
	KEY("link", V_TEXT),
	KEY("link-local", V_LIST),
	KEY("local", V_TEXT),
	KEY("macaddress", V_TEXT),
	KEY("mark", V_INT),
	KEY("match", V_MAP, .inside = v2_match_keys),
	KEY("mode", V_TEXT),
	KEY("mtu", V_INT),
	KEY("nameservers", V_MAP, .inside = v2_nameserver_keys),
	KEY("networkmanager", V_MAP),
	KEY("openvswitch", V_MAP),
	KEY("optional", V_BOOL),
	KEY("optional-addresses", V_LIST),
	KEY("parameters", V_MAP),
	KEY("peers", V_LIST),
	KEY("port", V_INT),
	KEY("receive-checksum-offload", V_BOOL),
	KEY("regulatory-domain", V_TEXT),
	KEY("remote", V_TEXT),
	KEY("renderer", V_TEXT, .values = WORDS("networkd", "NetworkManager", "sriov")),
	KEY("routes", V_LIST, .items = V_MAP, .inside = v2_route_keys),
	KEY("routing-policy", V_LIST, .items = V_MAP),
	KEY("set-name", V_TEXT),
	KEY("table", V_INT),
	KEY("tcp-segmentation-offload", V_BOOL),
	KEY("tcp6-segmentation-offload", V_BOOL),
	KEY("transmit-checksum-offload", V_BOOL),
	KEY("ttl", V_INT),
	KEY("virtual-function-count", V_INT),
	KEY("wakeonlan", V_BOOL),
	KEY("wakeonwlan", V_LIST),
	KEYS_END,
};

/* Names of devices are free. */
static const struct key v2_section_keys[] = {
	KEY("*", V_MAP, .inside = v2_device_keys),
	KEYS_END,
};

const struct key network_v2_keys[] = {
	KEY("bonds", V_MAP, .inside = v2_section_keys),
	KEY("bridges", V_MAP, .inside = v2_section_keys),
	KEY("dummy-devices", V_MAP, .inside = v2_section_keys),
	KEY("ethernets", V_MAP, .inside = v2_section_keys),
	KEY("modems", V_MAP),
	KEY("nm-devices", V_MAP),
	KEY("openvswitch", V_MAP),
	KEY("renderer", V_TEXT, .values = WORDS("networkd", "NetworkManager")),
	KEY("tunnels", V_MAP, .inside = v2_section_keys),
	KEY("version", V_INT),
	KEY("virtual-ethernets", V_MAP, .inside = v2_section_keys),
	KEY("vlans", V_MAP, .inside = v2_section_keys),
	KEY("vrfs", V_MAP, .inside = v2_section_keys),
	KEY("wifis", V_MAP, .inside = v2_section_keys),
	KEYS_END,
};

/* --- meta-data ------------------------------------------------------------------------------- */

/* Other keys are the user's own: templates see them as ds.meta_data. */
const struct key meta_data_keys[] = {
	KEY("dsmode", V_TEXT, .values = WORDS("local", "net", "pass", "disabled")),
	KEY("hostname", V_TEXT),
	KEY("instance-id", V_TEXT | V_INT),
	KEY("instance_id", 0, .ignored = true, .instead = "write instance-id"),
	KEY("local-hostname", V_TEXT),
	KEY("local_hostname", 0, .ignored = true, .instead = "write local-hostname"),
	KEY("network-interfaces", V_TEXT,
	    .instead = "use network-config: cloud-init 24.3 and later ignore this"),
	KEY("public-keys", V_TEXT | V_LIST | V_MAP),
	KEY("public_keys", 0, .ignored = true, .instead = "write public-keys"),
	KEY("seedfrom", V_TEXT),
	KEY("*", 0),
	KEYS_END,
};
