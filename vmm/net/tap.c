/* SPDX-License-Identifier: Apache-2.0
 *
 * The Linux tap as a netdev (Documentation/networking/tuntap.rst in Linux, and linux/if_tun.h).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include "base/mem.h"
#include "base/util.h"
#include "vmm/net/netdev.h"

static const struct {
	unsigned offload, tun;
} flags[] = {
	{NETDEV_CSUM, TUN_F_CSUM},   {NETDEV_TSO4, TUN_F_TSO4}, {NETDEV_TSO6, TUN_F_TSO6},
	{NETDEV_ECN, TUN_F_TSO_ECN}, {NETDEV_UFO, TUN_F_UFO},
};

static int set_offloads(struct netdev *n, unsigned offloads, struct err *err)
{
	unsigned tun = 0;

	/* The kernel refuses what depends on something absent. */
	if (!(offloads & NETDEV_CSUM))
		offloads = 0;
	if (!(offloads & (NETDEV_TSO4 | NETDEV_TSO6)))
		offloads &= ~(unsigned)NETDEV_ECN;
	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		if (offloads & flags[i].offload)
			tun |= flags[i].tun;
	if (ioctl(n->fd, TUNSETOFFLOAD, (unsigned long)tun) < 0)
		return err_sys(err, ERR_HOST, "tap: TUNSETOFFLOAD 0x%x", tun);
	return 0;
}

static const struct netdev_class tap_class = {
	.name = "tap",
	.set_offloads = set_offloads,
};

/* The most that this kernel takes: fragmentation offload comes and goes with versions. */
static unsigned probe_offloads(struct netdev *n)
{
	unsigned all = NETDEV_CSUM | NETDEV_TSO4 | NETDEV_TSO6 | NETDEV_ECN | NETDEV_UFO;
	const unsigned tries[] = {all, all & ~(unsigned)NETDEV_UFO, NETDEV_CSUM};
	unsigned found = 0;

	for (size_t i = 0; i < ARRAY_LEN(tries) && !found; i++)
		if (set_offloads(n, tries[i], NULL) == 0)
			found = tries[i];
	(void)set_offloads(n, 0, NULL); /* until the guest says otherwise */
	return found;
}

static int check(int fd, struct err *err)
{
	const short need = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	struct ifreq ifr = {0};

	if (ioctl(fd, TUNGETIFF, &ifr) < 0)
		return err_sys(err, ERR_HOST, "descriptor %d is no attached tap", fd);
	if ((ifr.ifr_flags & need) != need)
		return err_set(err, ERR_HOST,
			       "'%.16s' was attached with flags 0x%x; IFF_TAP, IFF_NO_PI and "
			       "IFF_VNET_HDR are needed",
			       ifr.ifr_name, (unsigned short)ifr.ifr_flags);
	return 0;
}

static int prepare(int fd, struct err *err)
{
	int size = NETDEV_HEADER, status = fcntl(fd, F_GETFL);

	if (ioctl(fd, TUNSETVNETHDRSZ, &size) < 0)
		return err_sys(err, ERR_HOST, "tap: TUNSETVNETHDRSZ");
	if (status < 0 || fcntl(fd, F_SETFL, status | O_NONBLOCK) < 0)
		return err_sys(err, ERR_HOST, "tap: O_NONBLOCK");
	return 0;
}

struct netdev *tap_new(int fd, struct err *err)
{
	struct netdev *n = NEW(struct netdev);

	n->class = &tap_class;
	n->fd = fd;
	if (check(fd, err) < 0 || prepare(fd, err) < 0) {
		netdev_free(n);
		return NULL;
	}
	n->offloads = probe_offloads(n);
	return n;
}

void netdev_free(struct netdev *n)
{
	if (!n)
		return;
	if (n->class->free)
		n->class->free(n);
	auto_close_fn(&n->fd);
	free(n);
}
