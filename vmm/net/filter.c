/* SPDX-License-Identifier: Apache-2.0
 *
 * Receive filtering: see filter.h.
 */
#include "vmm/net/filter.h"

#include "base/util.h"

void filter_reset(struct filter *f, const uint8_t mac[6])
{
	*f = (struct filter){.promiscuous = true};
	memcpy(f->mac, mac, sizeof(f->mac));
}

static bool listed(const struct mac_list *l, const uint8_t mac[6])
{
	if (l->overflow)
		return true;
	for (unsigned i = 0; i < l->n; i++)
		if (!memcmp(l->mac[i], mac, 6))
			return true;
	return false;
}

bool filter_wants(const struct filter *f, const uint8_t dst[6])
{
	static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

	if (f->promiscuous)
		return true;
	if (!memcmp(dst, broadcast, 6))
		return !f->no_broadcast;
	if (dst[0] & 1)
		return !f->no_multicast && (f->all_multicast || listed(&f->multicast, dst));
	return !f->no_unicast &&
	       (f->all_unicast || !memcmp(dst, f->mac, 6) || listed(&f->unicast, dst));
}
