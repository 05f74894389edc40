/* SPDX-License-Identifier: Apache-2.0
 *
 * MAC and IP addresses: see address.h.
 */
#include "provision/spec/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <openssl/sha.h>
#include <string.h>

#include "base/num.h"
#include "base/util.h"

/* --- MAC --------------------------------------------------------------------------- */

static int hex_digit(char c)
{
	if (isdigit((unsigned char)c))
		return c - '0';
	return isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

bool mac_parse(const char *text, uint8_t mac[6])
{
	char separator = text[0] && text[1] ? text[2] : 0;
	uint8_t bytes[6];

	if (strlen(text) != 17 || (separator != ':' && separator != '-'))
		return false;
	for (size_t i = 0; i < 6; i++) {
		int high = hex_digit(text[3 * i]), low = hex_digit(text[3 * i + 1]);

		if (high < 0 || low < 0 || (i < 5 && text[3 * i + 2] != separator))
			return false;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	memcpy(mac, bytes, 6);
	return true;
}

char *mac_text(struct arena *a, const uint8_t m[6])
{
	return arena_printf(a, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

void mac_derive(const char *project, const char *vm, unsigned index, uint8_t mac[6])
{
	auto_free char *identity = xasprintf("croft:%s/%s/%u", project, vm, index);
	uint8_t digest[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)identity, strlen(identity), digest);
	memcpy(mac, digest, 6);
	mac[0] = (uint8_t)((mac[0] & 0xfc) | 0x02);
}

/* --- IP ---------------------------------------------------------------------------- */

static size_t size_of(const struct address *a)
{
	return a->family == AF_INET ? 4 : 16;
}

bool address_parse(const char *text, struct address *out)
{
	struct address a = {.family = strchr(text, ':') ? AF_INET6 : AF_INET};

	if (inet_pton(a.family, text, a.bytes) != 1)
		return false;
	a.prefix = (unsigned)size_of(&a) * 8;
	*out = a;
	return true;
}

bool address_parse_prefix(const char *text, struct address *out)
{
	const char *slash = strchr(text, '/');
	auto_free char *ip = slash ? xstrndup(text, (size_t)(slash - text)) : NULL;
	struct address a;
	uint64_t prefix;

	if (!slash || !address_parse(ip, &a) || !isdigit((unsigned char)slash[1]) ||
	    (slash[1] == '0' && slash[2]) || parse_uint(slash + 1, 1, a.prefix, &prefix, NULL) < 0)
		return false;
	a.prefix = (unsigned)prefix;
	a.has_prefix = true;
	*out = a;
	return true;
}

char *address_text(struct arena *arena, const struct address *a)
{
	char text[INET6_ADDRSTRLEN];

	inet_ntop(a->family, a->bytes, text, sizeof(text));
	return a->has_prefix ? arena_printf(arena, "%s/%u", text, a->prefix)
			     : arena_strdup(arena, text);
}

bool address_same(const struct address *a, const struct address *b)
{
	return a->family == b->family && !memcmp(a->bytes, b->bytes, size_of(a));
}

bool address_same_network(const struct address *net, const struct address *a)
{
	size_t whole = net->prefix / 8, bits = net->prefix % 8;
	uint8_t mask = (uint8_t)(0xff00 >> bits);

	return a->family == net->family && !memcmp(a->bytes, net->bytes, whole) &&
	       (!bits || (a->bytes[whole] & mask) == (net->bytes[whole] & mask));
}

bool address_is_zero(const struct address *a)
{
	static const uint8_t zeros[16];

	return !memcmp(a->bytes, zeros, size_of(a));
}

bool address_is_multicast(const struct address *a)
{
	return a->family == AF_INET ? a->bytes[0] >> 4 == 14 : a->bytes[0] == 0xff;
}

bool address_is_reserved(const struct address *a)
{
	return a->family == AF_INET && (a->bytes[0] == 0 || a->bytes[0] >= 240);
}

bool address_is_loopback(const struct address *a)
{
	static const uint8_t one[16] = {[15] = 1};

	return a->family == AF_INET ? a->bytes[0] == 127 : !memcmp(a->bytes, one, 16);
}

bool address_is_link_local(const struct address *a)
{
	return a->family == AF_INET6 && a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

/* The bits behind the prefix of an IPv4 address. */
static uint32_t host_part(const struct address *a, uint32_t *mask)
{
	*mask = a->prefix < 32 ? UINT32_MAX >> a->prefix : 0;
	return get_be32(a->bytes) & *mask;
}

bool address_is_network(const struct address *a)
{
	uint32_t mask;

	return a->family == AF_INET && a->prefix < 31 && host_part(a, &mask) == 0;
}

bool address_is_broadcast(const struct address *a)
{
	uint32_t mask;

	return a->family == AF_INET && a->prefix < 31 && host_part(a, &mask) == mask;
}
