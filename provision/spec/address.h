/* SPDX-License-Identifier: Apache-2.0
 *
 * MAC and IP addresses as values: parsed, compared, written back.
 */
#ifndef PROVISION_SPEC_ADDRESS_H
#define PROVISION_SPEC_ADDRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"

/* Six pairs of hexadecimal digits, with ':' or with '-' between them. */
bool mac_parse(const char *text, uint8_t mac[6]);
char *mac_text(struct arena *, const uint8_t mac[6]); /* "52:54:00:12:34:56" */

/*
 * The MAC address of a NIC that was not given one: the first six bytes of
 * SHA-256("croft:PROJECT/VM/INDEX"), made a locally administered unicast address (IEEE 802, 8.2.2).
 * The same everywhere and for ever, so leases and firewall rules keep their meaning; 46 bits, so
 * that thousands of VMs on one LAN do not meet.
 */
void mac_derive(const char *project, const char *vm, unsigned index, uint8_t mac[6]);

struct address {
	int family;	   /* AF_INET, AF_INET6 */
	uint8_t bytes[16]; /* network order; 4 or 16 of them */
	unsigned prefix;   /* bits; the whole address when none was given */
	bool has_prefix;
};

bool address_parse(const char *text, struct address *);	       /* without prefix length */
bool address_parse_prefix(const char *text, struct address *); /* with one */
char *address_text(struct arena *, const struct address *); /* canonical; prefix as it was given */

bool address_same(const struct address *, const struct address *); /* prefix aside */
bool address_same_network(const struct address *net,
			  const struct address *); /* by the prefix of `net` */
bool address_is_zero(const struct address *);
bool address_is_multicast(const struct address *);
bool address_is_reserved(const struct address *); /* 0/8 and 240/4 */
bool address_is_loopback(const struct address *);
bool address_is_link_local(const struct address *); /* fe80::/10 */
/* Host part all zeros or all ones, in an IPv4 network that has such addresses (RFC 3021: not /31,
 * /32). */
bool address_is_network(const struct address *);
bool address_is_broadcast(const struct address *);

#endif
