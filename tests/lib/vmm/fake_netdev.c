/* SPDX-License-Identifier: Apache-2.0
 *
 * A netdev on a socket pair: see fake_netdev.h.
 */
#include "tests/lib/vmm/fake_netdev.h"

#include <sys/socket.h>

#include "base/mem.h"
#include "base/util.h"

static int set_offloads(struct netdev *n, unsigned offloads, struct err *err)
{
	struct fake_netdev *f = container_of(n, struct fake_netdev, netdev);

	if (f->refuse)
		return err_set(err, ERR_HOST, "no offloads, as the test wants");
	f->set = offloads;
	f->sets++;
	return 0;
}

static const struct netdev_class fake_class = {.name = "fake", .set_offloads = set_offloads};

struct fake_netdev *fake_netdev_new(unsigned offloads, int *wire)
{
	struct fake_netdev *f = NEW(struct fake_netdev);
	int pair[2], size = 1 << 20;

	if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		abort();
	for (int i = 0; i < 2; i++)
		setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	f->netdev = (struct netdev){.class = &fake_class, .fd = pair[0], .offloads = offloads};
	*wire = pair[1];
	return f;
}
