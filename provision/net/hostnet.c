/* SPDX-License-Identifier: Apache-2.0
 *
 * A VM's network on the host: see hostnet.h. Taps: Documentation/networking/tuntap.rst.
 */
#include "provision/net/hostnet.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/file.h"
#include "base/util.h"
#include "provision/net/rtnl.h"

DEFINE_AUTO(rtnl, struct rtnl, rtnl_close)
#define auto_rtnl __attribute__((cleanup(auto_rtnl_fn)))

#define BRIDGE_ALIAS "croft"

enum { LOCK_TIMEOUT_MS = 30000, BRIDGE_ATTEMPTS = 3 };

/* FNV-1a, 64 bits: spreads names, guards nothing. */
static uint64_t hash_text(uint64_t h, const char *s)
{
	do {
		h = (h ^ (unsigned char)*s) * UINT64_C(0x100000001b3);
	} while (*s++);
	return h;
}

static const uint64_t hash_start = UINT64_C(0xcbf29ce484222325);

void hostnet_tap_name(const struct hostnet_nic *nic, unsigned attempt, char out[16])
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
	char which[24], tail[6];
	uint64_t h;

	snprintf(which, sizeof(which), "%u.%u", nic->index, attempt);
	h = hash_text(hash_text(hash_text(hash_start, nic->project), nic->vm), which);
	h ^= h >> 32;
	for (unsigned i = 0; i < 5; i++)
		tail[i] = letters[(h >> (5 * i)) & 31];
	tail[5] = '\0';
	snprintf(out, 16, "%.9s-%s", nic->vm, tail);
}

bool hostnet_may(void)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {{0}};

	return syscall(SYS_capget, &head, data) == 0 && (data[0].effective & (1u << CAP_NET_ADMIN));
}

static int no_rights(const struct hostnet_nic *nic, const char *what, struct err *err)
{
	char tap[16];

	hostnet_tap_name(nic, 0, tap);
	return err_set(
		err, ERR_HOST,
		"%s needs CAP_NET_ADMIN: run croft as root, or `sudo setcap cap_net_admin+ep "
		"$(command -v croft)`, or ask for a tap made for you: `sudo ip tuntap add %s mode "
		"tap user %u && sudo ip link set %s master %s up`",
		what, tap, (unsigned)getuid(), tap, nic->bridge);
}

/* --- bridges ---------------------------------------------------------------------------------- */

/* A locally administered address from the bridge's name (IEEE 802, 8.2). */
static void bridge_mac(const char *name, uint8_t mac[6])
{
	uint64_t h = hash_text(hash_start, name);

	memcpy(mac, &h, 6);
	mac[0] = 0x52;
}

/*
 * The alias is set after the bridge is made; the address, from the first moment, is one that only
 * croft gives.
 */
static bool is_ours(const struct link_info *l)
{
	uint8_t mac[6];

	bridge_mac(l->name, mac);
	return !strcmp(l->kind, "bridge") &&
	       (!strcmp(l->alias, BRIDGE_ALIAS) || !memcmp(l->mac, mac, sizeof(mac)));
}

static int bridge_make(struct rtnl *r, const struct hostnet_nic *nic, struct err *err)
{
	struct err why = {0};
	uint8_t mac[6];

	bridge_mac(nic->bridge, mac);
	if (rtnl_bridge_add(r, nic->bridge, mac, &why) == 0)
		return 0;
	if (why.sys == EPERM)
		return no_rights(nic, "making a bridge", err);
	if (why.sys == EOPNOTSUPP)
		return err_set(err, ERR_HOST,
			       "%s: this kernel has no bridges (`sudo modprobe bridge`)", why.msg);
	if (err)
		*err = why;
	return -1;
}

static int bridge_address(struct rtnl *r, const struct hostnet_nic *nic, const struct link_info *l,
			  void (*note)(void *, const char *), void *ctx, struct err *err)
{
	char text[256];
	int has;

	if (!nic->host_address)
		return 0;
	if (is_ours(l))
		return rtnl_addr_add(r, l->index, nic->host_address, err);
	has = rtnl_addr_has(r, l->index, nic->host_address, err);
	if (has == 0 && note) {
		snprintf(text, sizeof(text),
			 "bridge '%s' was not made by croft and does not have the address %s: left "
			 "as it is",
			 nic->bridge, nic->host_address);
		note(ctx, text);
	}
	return has < 0 ? -1 : 0;
}

/* 1: it is there; 0: it is not, and croft may make it. */
static int bridge_look(struct rtnl *r, const struct hostnet_nic *nic, struct link_info *out,
		       struct err *err)
{
	int found = rtnl_link_get(r, nic->bridge, out, err);

	if (found < 0)
		return -1;
	if (!found && !nic->create)
		return err_set(err, ERR_HOST,
			       "there is no bridge '%s' (make it: `sudo ip link add %s type bridge "
			       "&& sudo ip link set %s up`; or let croft: `create: true`)",
			       nic->bridge, nic->bridge, nic->bridge);
	if (found && strcmp(out->kind, "bridge"))
		return err_set(err, ERR_HOST, "'%s' is not a Linux bridge%s%s", nic->bridge,
			       out->kind[0] ? " but of kind " : "", out->kind);
	return found;
}

int hostnet_check(const struct hostnet_nic *nic, struct err *err)
{
	auto_rtnl struct rtnl *r = rtnl_open(err);
	struct link_info bridge;

	return !r || bridge_look(r, nic, &bridge, err) < 0 ? -1 : 0;
}

static int bridge_find(struct rtnl *r, const struct hostnet_nic *nic, struct link_info *out,
		       bool *made, struct err *err)
{
	int found = bridge_look(r, nic, out, err);

	*made = false;
	if (found < 0)
		return -1;
	if (!found) {
		if (bridge_make(r, nic, err) < 0 || rtnl_link_get(r, nic->bridge, out, err) < 1)
			return err_wrap(err, "bridge '%s'", nic->bridge);
		*made = true;
		rtnl_link_set(r, &(struct link_change){.index = out->index, .alias = BRIDGE_ALIAS},
			      NULL);
	}
	return 0;
}

/* --- taps ------------------------------------------------------------------------------------- */

static int tun_open(struct err *err)
{
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0)
		return fd;
	if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
		return err_sys(err, ERR_HOST,
			       "no taps here (`sudo modprobe tun`; in a container, give it the "
			       "device): /dev/net/tun");
	if (errno == EACCES || errno == EPERM)
		return err_sys(err, ERR_HOST,
			       "not allowed to make taps (`sudo chmod 0666 /dev/net/tun`; the "
			       "right CAP_NET_ADMIN is checked besides): /dev/net/tun");
	return err_sys(err, ERR_HOST, "cannot open /dev/net/tun");
}

static int tun_attach(int fd, const char *name, bool create)
{
	struct ifreq ifr = {.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)};

	if (create)
		ifr.ifr_flags |= (short)IFF_TUN_EXCL;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	return ioctl(fd, TUNSETIFF, &ifr);
}

/*
 * A port of the bridge, up, with its MTU; the bridge must not take our MAC as its own: hence 0xfe.
 */
static int tap_plug(struct rtnl *r, const struct hostnet_nic *nic, const char *name,
		    const struct link_info *bridge, struct err *err)
{
	struct link_change c = {.mtu = bridge->mtu};
	struct link_info tap;
	uint8_t mac[6];
	char alias[160];

	if (rtnl_link_get(r, name, &tap, err) < 1)
		return err_wrap(err, "tap '%s'", name);
	memcpy(mac, nic->mac, sizeof(mac));
	mac[0] = 0xfe;
	snprintf(alias, sizeof(alias), "croft %s/%s nic %u", nic->project, nic->vm, nic->index);
	c.index = tap.index;
	c.mac = mac;
	c.alias = alias;
	/* Its MTU first: a bridge takes the smallest of its ports'. */
	if (rtnl_link_set(r, &c, err) < 0)
		return err_wrap(err, "tap '%s'", name);
	c = (struct link_change){.index = tap.index, .master = bridge->index};
	if (rtnl_link_set(r, &c, err) < 0)
		return err_wrap(err, "tap '%s' into bridge '%s'", name, nic->bridge);
	c = (struct link_change){.index = tap.index, .up = true};
	return rtnl_link_set(r, &c, err);
}

/* One that an administrator made for this user: it must be in the bridge already. */
static int tap_given(struct rtnl *r, const struct hostnet_nic *nic, const struct link_info *tap,
		     const struct link_info *bridge, int fd, struct err *err)
{
	(void)r;
	if (tun_attach(fd, tap->name, false) < 0)
		return err_sys(err, errno == EBUSY ? ERR_CONFLICT : ERR_HOST,
			       "cannot use the tap '%s' that is there", tap->name);
	if (tap->master != bridge->index)
		return err_set(
			err, ERR_HOST,
			"the tap '%s' is not in bridge '%s' (`sudo ip link set %s master %s up`)",
			tap->name, nic->bridge, tap->name, nic->bridge);
	return 0;
}

static int tap_make(struct rtnl *r, const struct hostnet_nic *nic, const struct link_info *bridge,
		    struct hostnet_tap *out, struct err *err)
{
	for (unsigned attempt = 0; attempt < TAP_CANDIDATES; attempt++) {
		auto_close int fd = tun_open(err);
		struct link_info there;
		int found, rc;

		if (fd < 0)
			return -1;
		hostnet_tap_name(nic, attempt, out->name);
		found = rtnl_link_get(r, out->name, &there, err);
		if (found < 0)
			return -1;
		if (found) {
			rc = tap_given(r, nic, &there, bridge, fd, err);
			if (rc < 0 && err && err->kind == ERR_CONFLICT)
				continue; /* somebody uses that name: the next one */
			if (rc < 0)
				return -1;
		} else {
			if (tun_attach(fd, out->name, true) < 0) {
				if (errno == EBUSY)
					continue;
				return errno == EPERM
					       ? no_rights(nic, "making a tap", err)
					       : err_sys(err, ERR_HOST, "cannot make the tap '%s'",
							 out->name);
			}
			if (tap_plug(r, nic, out->name, bridge, err) < 0)
				return -1;
		}
		out->fd = take_fd(&fd);
		return 0;
	}
	return err_set(err, ERR_CONFLICT, "every name for the tap is in use, the last was '%s'",
		       out->name);
}

/* --- both ------------------------------------------------------------------------------------- */

static void note_down(const char *bridge, void (*note)(void *, const char *), void *ctx)
{
	char text[128];

	snprintf(text, sizeof(text),
		 "the bridge '%s' is down, so nothing will pass (`sudo ip link set %s up`)", bridge,
		 bridge);
	if (note)
		note(ctx, text);
}

int hostnet_attach(const struct hostnet_nic *nic, const char *lock_path,
		   void (*note)(void *ctx, const char *text), void *ctx, struct hostnet_tap *out,
		   struct err *err)
{
	auto_close int lock = -1;
	struct link_info bridge = {0};
	struct err why = {0};
	auto_rtnl struct rtnl *r = rtnl_open(err);

	*out = (struct hostnet_tap){.fd = -1};
	if (!r)
		return -1;
	/* Held over both: the bridge must not go between being found and getting its port. */
	lock = file_lock(lock_path, LOCK_TIMEOUT_MS, NULL, NULL, err);
	if (lock < 0)
		return -1;
	if (bridge_find(r, nic, &bridge, &out->made_bridge, err) < 0)
		return -1;
	if (bridge_address(r, nic, &bridge, note, ctx, &why) < 0 ||
	    tap_make(r, nic, &bridge, out, &why) < 0) {
		if (out->made_bridge)
			rtnl_link_del(r, bridge.index, NULL);
		if (err)
			*err = why;
		return -1;
	}
	if (!bridge.up && is_ours(&bridge))
		rtnl_link_set(r, &(struct link_change){.index = bridge.index, .up = true}, NULL);
	else if (!bridge.up)
		note_down(nic->bridge, note, ctx);
	out->mtu = (uint16_t)min_u64(bridge.mtu, UINT16_MAX);
	return 0;
}

static bool has_port(void *ctx, const struct link_info *l)
{
	(void)l;
	*(bool *)ctx = true;
	return false;
}

int hostnet_release(const char *name, const char *lock_path, struct err *err)
{
	auto_close int lock = -1;
	struct link_info bridge;
	bool used = false;
	int found;
	auto_rtnl struct rtnl *r = rtnl_open(err);

	if (!r)
		return -1;
	lock = file_lock(lock_path, LOCK_TIMEOUT_MS, NULL, NULL, err);
	if (lock < 0)
		return -1;
	found = rtnl_link_get(r, name, &bridge, err);
	if (found < 1 || !is_ours(&bridge))
		return found < 0 ? -1 : 0;
	if (rtnl_links(r, bridge.index, has_port, &used, err) < 0)
		return -1;
	return used ? 0 : rtnl_link_del(r, bridge.index, err);
}
