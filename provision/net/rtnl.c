/* SPDX-License-Identifier: Apache-2.0
 *
 * rtnetlink: see rtnl.h. One socket, one request at a time, each acknowledged.
 */
#include "provision/net/rtnl.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <libmnl/libmnl.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <time.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/util.h"

enum { MSG_BYTES = 32768 };

struct rtnl {
	struct mnl_socket *nl;
	unsigned port;
	uint32_t seq;
	char out[1024], in[MSG_BYTES];
};

struct rtnl *rtnl_open(struct err *err)
{
	struct rtnl *r = NEW(struct rtnl);

	r->nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (!r->nl || mnl_socket_bind(r->nl, 0, MNL_SOCKET_AUTOPID) < 0) {
		err_sys(err, ERR_HOST, "cannot open a netlink socket");
		rtnl_close(r);
		return NULL;
	}
	r->port = mnl_socket_get_portid(r->nl);
	r->seq = (uint32_t)time(NULL);
	return r;
}

void rtnl_close(struct rtnl *r)
{
	if (r && r->nl)
		mnl_socket_close(r->nl);
	free(r);
}

/* --- requests --------------------------------------------------------------------------------- */

static struct nlmsghdr *request(struct rtnl *r, uint16_t type, uint16_t flags)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(r->out);

	h->nlmsg_type = type;
	h->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	h->nlmsg_seq = ++r->seq;
	return h;
}

/* Sends, and hands every answer to `cb`. 0, or -1 with errno, which is the kernel's own answer. */
static int talk(struct rtnl *r, struct nlmsghdr *h, mnl_cb_t cb, void *ctx)
{
	ssize_t n;
	int rc;

	if (mnl_socket_sendto(r->nl, h, h->nlmsg_len) < 0)
		return -1;
	do {
		n = mnl_socket_recvfrom(r->nl, r->in, sizeof(r->in));
		if (n < 0)
			return -1;
		rc = mnl_cb_run(r->in, (size_t)n, h->nlmsg_seq, r->port, cb, ctx);
	} while (rc > MNL_CB_STOP);
	return rc < 0 ? -1 : 0;
}

/* --- links ------------------------------------------------------------------------------------ */

static int kind_attr(const struct nlattr *a, void *ctx)
{
	struct link_info *l = ctx;

	if (mnl_attr_get_type(a) == IFLA_INFO_KIND &&
	    mnl_attr_validate(a, MNL_TYPE_NUL_STRING) >= 0)
		snprintf(l->kind, sizeof(l->kind), "%s", mnl_attr_get_str(a));
	return MNL_CB_OK;
}

static int link_attr(const struct nlattr *a, void *ctx)
{
	struct link_info *l = ctx;
	uint16_t len = mnl_attr_get_payload_len(a);

	switch (mnl_attr_get_type(a)) {
	case IFLA_IFNAME:
		snprintf(l->name, sizeof(l->name), "%.*s", len, mnl_attr_get_str(a));
		break;
	case IFLA_IFALIAS:
		snprintf(l->alias, sizeof(l->alias), "%.*s", len, mnl_attr_get_str(a));
		break;
	case IFLA_MTU:
		l->mtu = len >= 4 ? mnl_attr_get_u32(a) : 0;
		break;
	case IFLA_MASTER:
		l->master = len >= 4 ? (int)mnl_attr_get_u32(a) : 0;
		break;
	case IFLA_ADDRESS:
		if (len == sizeof(l->mac))
			memcpy(l->mac, mnl_attr_get_payload(a), sizeof(l->mac));
		break;
	case IFLA_LINKINFO:
		return mnl_attr_parse_nested(a, kind_attr, l);
	case IFLA_STATS64:
		if (len >= offsetof(struct rtnl_link_stats64, tx_packets))
			memcpy(&l->rx_packets, mnl_attr_get_payload(a), sizeof(l->rx_packets));
		break;
	}
	return MNL_CB_OK;
}

static void link_parse(const struct nlmsghdr *h, struct link_info *l)
{
	const struct ifinfomsg *ifi = mnl_nlmsg_get_payload(h);

	*l = (struct link_info){.index = ifi->ifi_index, .up = ifi->ifi_flags & IFF_UP};
	mnl_attr_parse(h, sizeof(*ifi), link_attr, l);
}

static int on_link(const struct nlmsghdr *h, void *ctx)
{
	link_parse(h, ctx);
	return MNL_CB_OK;
}

int rtnl_link_get(struct rtnl *r, const char *name, struct link_info *out, struct err *err)
{
	struct nlmsghdr *h = request(r, RTM_GETLINK, NLM_F_ACK);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(h, sizeof(*ifi));
	struct link_info l = {0};

	ifi->ifi_family = AF_UNSPEC;
	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	if (talk(r, h, on_link, &l) < 0)
		return errno == ENODEV ? 0
				       : err_sys(err, ERR_HOST, "cannot look up link '%s'", name);
	*out = l;
	return 1;
}

struct link_list {
	int master;
	bool (*each)(void *ctx, const struct link_info *);
	void *ctx;
	bool stopped;
};

static int on_listed_link(const struct nlmsghdr *h, void *ctx)
{
	struct link_list *list = ctx;
	struct link_info l;

	link_parse(h, &l);
	/* The rest is still read, so that the socket is empty for the next request. */
	if (!list->stopped && (!list->master || l.master == list->master))
		list->stopped = !list->each(list->ctx, &l);
	return MNL_CB_OK;
}

int rtnl_links(struct rtnl *r, int master, bool (*each)(void *, const struct link_info *),
	       void *ctx, struct err *err)
{
	struct nlmsghdr *h = request(r, RTM_GETLINK, NLM_F_DUMP);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(h, sizeof(*ifi));
	struct link_list list = {.master = master, .each = each, .ctx = ctx};

	ifi->ifi_family = AF_UNSPEC;
	if (talk(r, h, on_listed_link, &list) < 0)
		return err_sys(err, ERR_HOST, "cannot list links");
	return 0;
}

int rtnl_bridge_add(struct rtnl *r, const char *name, const uint8_t mac[6], struct err *err)
{
	struct nlmsghdr *h = request(r, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(h, sizeof(*ifi));
	struct nlattr *info;

	ifi->ifi_family = AF_UNSPEC;
	ifi->ifi_flags = IFF_UP;
	ifi->ifi_change = IFF_UP;
	mnl_attr_put_strz(h, IFLA_IFNAME, name);
	/*
	 * An address of its own: else a bridge takes its lowest port's, and changes it as VMs come
	 * and go.
	 */
	mnl_attr_put(h, IFLA_ADDRESS, 6, mac);
	info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_KIND, "bridge");
	mnl_attr_nest_end(h, info);
	if (talk(r, h, NULL, NULL) < 0 && errno != EEXIST)
		return err_sys(err, ERR_HOST, "cannot create bridge '%s'", name);
	return 0;
}

int rtnl_link_del(struct rtnl *r, int index, struct err *err)
{
	struct nlmsghdr *h = request(r, RTM_DELLINK, NLM_F_ACK);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(h, sizeof(*ifi));

	ifi->ifi_family = AF_UNSPEC;
	ifi->ifi_index = index;
	if (talk(r, h, NULL, NULL) < 0 && errno != ENODEV)
		return err_sys(err, ERR_HOST, "cannot remove link %d", index);
	return 0;
}

int rtnl_link_set(struct rtnl *r, const struct link_change *c, struct err *err)
{
	struct nlmsghdr *h = request(r, RTM_NEWLINK, NLM_F_ACK);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(h, sizeof(*ifi));

	ifi->ifi_family = AF_UNSPEC;
	ifi->ifi_index = c->index;
	if (c->up)
		ifi->ifi_flags = ifi->ifi_change = IFF_UP;
	if (c->mtu)
		mnl_attr_put_u32(h, IFLA_MTU, c->mtu);
	if (c->mac)
		mnl_attr_put(h, IFLA_ADDRESS, 6, c->mac);
	if (c->master)
		mnl_attr_put_u32(h, IFLA_MASTER, (uint32_t)c->master);
	if (c->alias)
		mnl_attr_put_strz(h, IFLA_IFALIAS, c->alias);
	if (talk(r, h, NULL, NULL) < 0)
		return err_sys(err, ERR_HOST, "cannot configure link %d", c->index);
	return 0;
}

/* --- addresses -------------------------------------------------------------------------------- */

struct ip {
	int family;
	unsigned len; /* bytes */
	uint8_t prefix;
	uint8_t bytes[16];
};

/* With or without "/prefix"; without, the whole address. */
static int ip_parse(const char *text, struct ip *out, struct err *err)
{
	char host[INET6_ADDRSTRLEN];
	size_t n = strcspn(text, "/");
	uint64_t prefix;

	*out = (struct ip){.family = strchr(text, ':') ? AF_INET6 : AF_INET};
	out->len = out->family == AF_INET ? 4 : 16;
	prefix = out->len * 8;
	if (n < sizeof(host)) {
		snprintf(host, sizeof(host), "%.*s", (int)n, text);
		if (inet_pton(out->family, host, out->bytes) == 1 &&
		    (!text[n] || parse_uint(text + n + 1, 0, out->len * 8, &prefix, NULL) == 0)) {
			out->prefix = (uint8_t)prefix;
			return 0;
		}
	}
	return err_set(err, ERR_SPEC, "'%s' is not an address (write 192.0.2.1/24)", text);
}

int rtnl_addr_add(struct rtnl *r, int index, const char *address, struct err *err)
{
	struct nlmsghdr *h;
	struct ifaddrmsg *ifa;
	struct ip ip;

	if (ip_parse(address, &ip, err) < 0)
		return -1;
	h = request(r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK);
	ifa = mnl_nlmsg_put_extra_header(h, sizeof(*ifa));
	ifa->ifa_family = (uint8_t)ip.family;
	ifa->ifa_prefixlen = ip.prefix;
	ifa->ifa_index = (uint32_t)index;
	/* A bridge without ports has no carrier, and duplicate detection would never end on it. */
	if (ip.family == AF_INET6)
		ifa->ifa_flags = IFA_F_NODAD;
	mnl_attr_put(h, IFA_LOCAL, ip.len, ip.bytes);
	mnl_attr_put(h, IFA_ADDRESS, ip.len, ip.bytes);
	if (ip.family == AF_INET && ip.prefix < 31) {
		uint32_t host_bits = htonl((uint32_t)((UINT64_C(1) << (32 - ip.prefix)) - 1));
		uint32_t broadcast;

		memcpy(&broadcast, ip.bytes, 4);
		broadcast |= host_bits;
		mnl_attr_put(h, IFA_BROADCAST, 4, &broadcast);
	}
	if (talk(r, h, NULL, NULL) < 0 && errno != EEXIST)
		return err_sys(err, ERR_HOST, "cannot give link %d the address %s", index, address);
	return 0;
}

struct addr_search {
	int index;
	const struct ip *ip;
	bool found;
};

struct addr_match {
	const struct ip *ip;
	bool same;
};

static int addr_attr(const struct nlattr *a, void *ctx)
{
	struct addr_match *m = ctx;
	uint16_t type = mnl_attr_get_type(a);

	if ((type == IFA_LOCAL || type == IFA_ADDRESS) &&
	    mnl_attr_get_payload_len(a) == m->ip->len &&
	    !memcmp(mnl_attr_get_payload(a), m->ip->bytes, m->ip->len))
		m->same = true;
	return MNL_CB_OK;
}

static int on_addr(const struct nlmsghdr *h, void *ctx)
{
	const struct ifaddrmsg *ifa = mnl_nlmsg_get_payload(h);
	struct addr_search *s = ctx;
	struct addr_match m = {.ip = s->ip};

	mnl_attr_parse(h, sizeof(*ifa), addr_attr, &m);
	s->found |= m.same && (int)ifa->ifa_index == s->index;
	return MNL_CB_OK;
}

int rtnl_addr_has(struct rtnl *r, int index, const char *address, struct err *err)
{
	struct addr_search s = {.index = index};
	struct nlmsghdr *h;
	struct ifaddrmsg *ifa;
	struct ip ip;

	if (ip_parse(address, &ip, err) < 0)
		return -1;
	s.ip = &ip;
	h = request(r, RTM_GETADDR, NLM_F_DUMP);
	ifa = mnl_nlmsg_put_extra_header(h, sizeof(*ifa));
	ifa->ifa_family = (uint8_t)ip.family;
	if (talk(r, h, on_addr, &s) < 0)
		return err_sys(err, ERR_HOST, "cannot list addresses");
	return s.found;
}

/* --- neighbours ------------------------------------------------------------------------------- */

struct neighbour {
	int family, index;
	uint16_t state;
	struct ip ip;
	uint8_t mac[6];
	bool has_mac;
};

static int neighbour_attr(const struct nlattr *a, void *ctx)
{
	struct neighbour *n = ctx;
	uint16_t len = mnl_attr_get_payload_len(a);

	if (mnl_attr_get_type(a) == NDA_DST && len <= sizeof(n->ip.bytes)) {
		n->ip.len = len;
		memcpy(n->ip.bytes, mnl_attr_get_payload(a), len);
	} else if (mnl_attr_get_type(a) == NDA_LLADDR && len == sizeof(n->mac)) {
		n->has_mac = true;
		memcpy(n->mac, mnl_attr_get_payload(a), len);
	}
	return MNL_CB_OK;
}

static void neighbour_parse(const struct nlmsghdr *h, struct neighbour *n)
{
	const struct ndmsg *nd = mnl_nlmsg_get_payload(h);

	*n = (struct neighbour){
		.family = nd->ndm_family, .index = nd->ndm_ifindex, .state = nd->ndm_state};
	n->ip.family = n->family;
	mnl_attr_parse(h, sizeof(*nd), neighbour_attr, n);
}

static int neighbours(struct rtnl *r, int family, mnl_cb_t cb, void *ctx, struct err *err)
{
	struct nlmsghdr *h = request(r, RTM_GETNEIGH, NLM_F_DUMP);
	struct ndmsg *nd = mnl_nlmsg_put_extra_header(h, sizeof(*nd));

	nd->ndm_family = (uint8_t)family;
	if (talk(r, h, cb, ctx) < 0)
		return err_sys(err, ERR_HOST, "cannot list neighbours");
	return 0;
}

struct neighbour_search {
	int index;
	const uint8_t *mac;
	const struct ip *ip;
	int rank; /* of the best so far */
	struct neighbour best;
	bool found;
};

static bool answered(const struct neighbour *n)
{
	return n->has_mac && !(n->state & (NUD_FAILED | NUD_INCOMPLETE | NUD_NOARP));
}

static int on_neighbour_by_mac(const struct nlmsghdr *h, void *ctx)
{
	struct neighbour_search *s = ctx;
	struct neighbour n;
	int rank;

	neighbour_parse(h, &n);
	if (!answered(&n) || n.index != s->index || memcmp(n.mac, s->mac, sizeof(n.mac)))
		return MNL_CB_OK;
	rank = n.family == AF_INET ? 3 : n.ip.bytes[0] == 0xfe && n.ip.bytes[1] == 0x80 ? 1 : 2;
	if (rank > s->rank) {
		s->rank = rank;
		s->best = n;
	}
	return MNL_CB_OK;
}

int rtnl_neighbour_by_mac(struct rtnl *r, int index, const uint8_t mac[6], char *out, size_t n,
			  struct err *err)
{
	struct neighbour_search s = {.index = index, .mac = mac};
	char name[IF_NAMESIZE] = "", text[INET6_ADDRSTRLEN] = "";

	if (neighbours(r, AF_UNSPEC, on_neighbour_by_mac, &s, err) < 0)
		return -1;
	if (!s.rank || (s.best.family != AF_INET && s.best.family != AF_INET6))
		return 0;
	inet_ntop(s.best.family, s.best.ip.bytes, text, sizeof(text));
	/* A link-local address means something on its link only. */
	if (s.rank == 1)
		if_indextoname((unsigned)index, name);
	snprintf(out, n, "%s%s%s", text, name[0] ? "%" : "", name);
	return 1;
}

static int on_neighbour_by_address(const struct nlmsghdr *h, void *ctx)
{
	struct neighbour_search *s = ctx;
	struct neighbour n;

	neighbour_parse(h, &n);
	if (answered(&n) && n.family == s->ip->family && n.ip.len == s->ip->len &&
	    !memcmp(n.ip.bytes, s->ip->bytes, n.ip.len)) {
		s->best = n;
		s->found = true;
	}
	return MNL_CB_OK;
}

int rtnl_neighbour_by_address(struct rtnl *r, const char *address, uint8_t mac[6], struct err *err)
{
	struct neighbour_search s = {0};
	struct ip ip;

	if (ip_parse(address, &ip, err) < 0)
		return -1;
	s.ip = &ip;
	if (neighbours(r, ip.family, on_neighbour_by_address, &s, err) < 0)
		return -1;
	if (s.found)
		memcpy(mac, s.best.mac, 6);
	return s.found;
}

static int on_fdb(const struct nlmsghdr *h, void *ctx)
{
	struct neighbour_search *s = ctx;
	struct neighbour n;

	neighbour_parse(h, &n);
	s->found |= n.has_mac && !memcmp(n.mac, s->mac, sizeof(n.mac));
	return MNL_CB_OK;
}

int rtnl_bridge_saw(struct rtnl *r, int index, const uint8_t mac[6], bool *out, struct err *err)
{
	struct nlmsghdr *h = request(r, RTM_GETNEIGH, NLM_F_DUMP);
	struct ifinfomsg *ifi = mnl_nlmsg_put_extra_header(h, sizeof(*ifi));
	struct neighbour_search s = {.index = index, .mac = mac};

	ifi->ifi_family = AF_BRIDGE;
	mnl_attr_put_u32(h, IFLA_MASTER, (uint32_t)index);
	if (talk(r, h, on_fdb, &s) < 0)
		return err_sys(err, ERR_HOST, "cannot read the bridge's forwarding database");
	*out = s.found;
	return 0;
}
