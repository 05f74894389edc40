/* SPDX-License-Identifier: Apache-2.0
 *
 * Types of the network: MAC and IP addresses, bridges, host names. inet_pton decides what an
 * address is; it is written back in its canonical form (RFC 5952 for IPv6).
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "base/util.h"
#include "provision/spec/address.h"
#include "provision/spec/field.h"

/* --- MAC --------------------------------------------------------------------------- */

static void check_mac(struct value *v)
{
	struct arena *a = v->reader->arena;
	uint8_t mac[6];

	if (!mac_parse(v->text, mac)) {
		v->problem = arena_printf(a, "'%s' is not a MAC address", v->text);
		v->help = "write six pairs of hexadecimal digits: \"52:54:00:12:34:56\"";
	} else if (mac[0] & 1) {
		v->problem = arena_printf(a, "%s is a multicast address", v->text);
		v->help = "the first pair of a NIC's own address is even: 52:54:00:...";
	} else if (!memcmp(mac, "\0\0\0\0\0", 6)) {
		v->problem = "no NIC can have the address of zeros";
	} else {
		v->text = mac_text(a, mac);
	}
}

const struct type type_mac = {
	.name = "MAC address",
	.help = "six pairs of hexadecimal digits, in quotes when they are all decimal: "
		"\"52:54:00:12:34:56\"",
	.read = read_text,
	.check = check_mac,
	.pattern = "^[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}$",
};

/* --- IP ---------------------------------------------------------------------------- */

static const char *why_not_a_host(const struct address *ip)
{
	if (address_is_zero(ip))
		return "the unspecified address";
	if (address_is_multicast(ip))
		return "a multicast address";
	if (address_is_loopback(ip))
		return "a loopback address";
	if (address_is_reserved(ip))
		return "a reserved address";
	return NULL;
}

static void check_ip(struct value *v)
{
	struct arena *a = v->reader->arena;
	struct address ip;
	const char *why;

	if (!address_parse(v->text, &ip)) {
		v->problem = arena_printf(a, "'%s' is not an IP address", v->text);
		v->help = strchr(v->text, '/') ? "leave the prefix length out"
					       : "write 10.0.0.1 or fd00::1";
		return;
	}
	why = why_not_a_host(&ip);
	if (why)
		v->problem = arena_printf(a, "%s is %s", v->text, why);
	v->text = address_text(a, &ip);
}

const struct type type_ip = {
	.name = "IP address",
	.help = "an IPv4 or IPv6 address: 10.0.0.1, fd00::1",
	.read = read_text,
	.check = check_ip,
	.pattern = "^[0-9A-Fa-f.:]+$",
};

/* An address with its prefix length, fit for a host. */
static void check_cidr(struct value *v)
{
	struct arena *a = v->reader->arena;
	struct address ip;
	const char *why;

	if (!address_parse_prefix(v->text, &ip)) {
		v->problem =
			arena_printf(a, "'%s' is not an address with a prefix length", v->text);
		v->help = strchr(v->text, '/') ? "write 10.0.0.5/24 or fd00::5/64"
					       : "add the prefix length: 10.0.0.5/24";
		return;
	}
	why = why_not_a_host(&ip);
	if (!why && address_is_network(&ip))
		why = "the address of the network itself";
	if (!why && address_is_broadcast(&ip))
		why = "the network's broadcast address";
	if (why)
		v->problem = arena_printf(a, "%s is %s", v->text, why);
	v->text = address_text(a, &ip);
}

const struct type type_cidr = {
	.name = "address with prefix",
	.help = "an IPv4 or IPv6 address and the length of its network's prefix: 10.0.0.5/24, "
		"fd00::5/64",
	.read = read_text,
	.check = check_cidr,
	.pattern = "^[0-9A-Fa-f.:]+/[0-9]{1,3}$",
};

/* --- names
 * ---------------------------------------------------------------------------------------- */

/* dev_valid_name of Linux: shorter than IFNAMSIZ, no '/', ':' or blanks, not "." or "..". */
static void check_bridge(struct value *v)
{
	const char *s = v->text;
	bool ok = *s && strlen(s) < IFNAMSIZ && strcmp(s, ".") && strcmp(s, "..");

	for (; *s; s++)
		ok = ok && isgraph((unsigned char)*s) && *s != '/' && *s != ':';
	if (ok)
		return;
	v->problem = arena_printf(v->reader->arena, "'%s' cannot be the name of a bridge", v->text);
	v->help = arena_printf(v->reader->arena, "at most %d characters, no '/', ':' or blanks",
			       IFNAMSIZ - 1);
}

const struct type type_bridge = {
	.name = "interface",
	.help = "the name of a network interface of the host: at most 15 characters",
	.read = read_text,
	.check = check_bridge,
	.pattern = "^[^/: ]{1,15}$",
};

/* RFC 1123, 2.1: labels of letters, digits and '-'; Linux holds 64 characters (HOST_NAME_MAX). */
static void check_hostname(struct value *v)
{
	struct arena *a = v->reader->arena;
	char *lower = arena_strdup(a, v->text);
	size_t label = 0;
	bool ok = *lower && strlen(lower) <= v->place->field->max;

	for (char *c = lower;; c++) {
		if (*c == '.' || !*c) {
			ok = ok && label >= 1 && label <= 63 && c[-1] != '-';
			label = 0;
			if (!*c)
				break;
			continue;
		}
		*c = (char)tolower((unsigned char)*c);
		ok = ok && (islower((unsigned char)*c) || isdigit((unsigned char)*c) ||
			    (*c == '-' && label));
		label++;
	}
	if (!ok) {
		v->problem = arena_printf(a, "'%s' is not a host name", v->text);
		v->help = strchr(v->text, '_') ? "use '-' where there is '_'"
					       : "letters, digits and '-', in labels of at most 63";
	}
	v->text = lower;
}

const struct type type_hostname = {
	.name = "host name",
	.help = "labels of letters, digits and '-' (RFC 1123), joined by dots where a domain "
		"belongs to it",
	.read = read_text,
	.check = check_hostname,
	.pattern = "^[A-Za-z0-9-]{1,63}(\\.[A-Za-z0-9-]{1,63})*$",
};
