/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys in a file of keys: see openpgp.h.
 */
#include "images/store/trust/openpgp.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/util.h"

static const char ARMOR_BEGIN[] = "-----BEGIN PGP PUBLIC KEY BLOCK-----";
static const char ARMOR_END[] = "-----END PGP PUBLIC KEY BLOCK-----";

/* Packet types (RFC 9580, 5). */
enum { PKT_SECRET_KEY = 5, PKT_PUBLIC_KEY = 6, PKT_SECRET_SUBKEY = 7 };

static int base64_value(char c)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(alphabet, c) : NULL;

	return at ? (int)(at - alphabet) : -1;
}

/* One block of armour, from behind its first line; returns where it ends, NULL: it has no end. */
static const char *take_block(const char *p, const char *end, struct buf *out)
{
	const char *stop = memmem(p, (size_t)(end - p), ARMOR_END, strlen(ARMOR_END));
	uint32_t bits = 0;
	unsigned nbits = 0;

	if (!stop)
		return NULL;
	/* Headers (6.2.2.1) end with an empty line. */
	for (const char *eol; (eol = memchr(p, '\n', (size_t)(stop - p))); p = eol + 1)
		if (eol == p || (eol == p + 1 && *p == '\r')) {
			p = eol + 1;
			break;
		}
	for (; p < stop; p++) {
		int v = base64_value(*p);

		if (*p == '=') /* padding, or the checksum, which guards against noise only */
			break;
		if (v < 0)
			continue;
		bits = bits << 6 | (uint32_t)v;
		nbits += 6;
		if (nbits >= 8) {
			nbits -= 8;
			buf_putc(out, (char)(bits >> nbits));
		}
	}
	return stop + strlen(ARMOR_END);
}

/* Without armour: all blocks that there are, one after the other. */
static int unpack(const char *text, size_t n, const char *from, struct buf *out, struct err *err)
{
	const char *p = text, *end = text + n;

	if (n && (unsigned char)text[0] & 0x80) {
		buf_put(out, text, n);
		return 0;
	}
	while ((p = memmem(p, (size_t)(end - p), ARMOR_BEGIN, strlen(ARMOR_BEGIN)))) {
		p = take_block(p + strlen(ARMOR_BEGIN), end, out);
		if (!p)
			return err_set(err, ERR_VERIFY, "'%s': a key that is cut off", from);
	}
	if (!out->len)
		return err_set(err, ERR_VERIFY, "'%s' holds no OpenPGP public key", from);
	return 0;
}

struct packet {
	unsigned type;
	const unsigned char *body;
	size_t len;
};

/* The packet at p (4.2); returns the bytes of it all, 0 when it is not well-formed. */
static size_t read_packet(const unsigned char *p, size_t left, struct packet *out)
{
	size_t head, len;

	if (left < 2 || !(p[0] & 0x80))
		return 0;
	if (p[0] & 0x40) {
		out->type = p[0] & 0x3f;
		if (p[1] < 192) {
			head = 2;
			len = p[1];
		} else if (p[1] < 224 && left >= 3) {
			head = 3;
			len = (size_t)((p[1] - 192) << 8) + p[2] + 192;
		} else if (p[1] == 255 && left >= 6) {
			head = 6;
			len = get_be32(p + 2);
		} else {
			return 0; /* partial lengths are for data, not for keys */
		}
	} else {
		static const size_t heads[] = {2, 3, 5, 0};

		out->type = p[0] >> 2 & 0xf;
		head = heads[p[0] & 3];
		if (!head || left < head)
			return 0;
		len = head == 2 ? p[1] : head == 3 ? get_be16(p + 1) : get_be32(p + 1);
	}
	if (len > left - head)
		return 0;
	out->body = p + head;
	out->len = len;
	return head + len;
}

/* RFC 9580, 5.5.4; version 5 is that of older drafts, which GnuPG writes. */
static bool fingerprint_of(const struct packet *key, char out[FINGERPRINT_TEXT])
{
	unsigned char head[5], md[EVP_MAX_MD_SIZE];
	unsigned version = key->len ? key->body[0] : 0, nmd = 0;
	size_t nhead = version == 4 ? 3 : 5;
	EVP_MD_CTX *ctx;
	bool ok;

	if (version < 4 || version > 6 || (version == 4 && key->len > UINT16_MAX))
		return false;
	head[0] = version == 4 ? 0x99 : version == 5 ? 0x9a : 0x9b;
	if (version == 4)
		put_be16(head + 1, (uint16_t)key->len);
	else
		put_be32(head + 1, (uint32_t)key->len);
	ctx = EVP_MD_CTX_new();
	ok = ctx && EVP_DigestInit_ex(ctx, version == 4 ? EVP_sha1() : EVP_sha256(), NULL) &&
	     EVP_DigestUpdate(ctx, head, nhead) && EVP_DigestUpdate(ctx, key->body, key->len) &&
	     EVP_DigestFinal_ex(ctx, md, &nmd);
	EVP_MD_CTX_free(ctx);
	for (unsigned i = 0; ok && i < nmd; i++)
		snprintf(out + (size_t)i * 2, 3, "%02X", md[i]);
	return ok;
}

int openpgp_keys(const char *text, size_t n, const char *from,
		 bool (*got)(void *ctx, const char *fingerprint, const void *packets, size_t len),
		 void *ctx, struct err *err)
{
	auto_buf struct buf raw = BUF_INIT(KEY_FILE_MAX);
	const unsigned char *p, *end, *start = NULL;
	char fingerprint[FINGERPRINT_TEXT] = "";
	bool more = true;

	if (n > KEY_FILE_MAX)
		return err_set(err, ERR_VERIFY, "'%s' is too large for a file of keys", from);
	if (unpack(text, n, from, &raw, err) < 0)
		return -1;
	p = (const unsigned char *)raw.data;
	end = p + raw.len;
	while (p < end && more) {
		struct packet packet;
		size_t len = read_packet(p, (size_t)(end - p), &packet);

		if (!len)
			return err_set(err, ERR_VERIFY, "'%s': not OpenPGP at byte %zu of the key",
				       from, (size_t)(p - (const unsigned char *)raw.data));
		if (packet.type == PKT_SECRET_KEY || packet.type == PKT_SECRET_SUBKEY)
			return err_set(err, ERR_VERIFY,
				       "'%s' holds a secret key: give its public half", from);
		if (packet.type == PKT_PUBLIC_KEY) {
			if (start && fingerprint[0])
				more = got(ctx, fingerprint, start, (size_t)(p - start));
			start = p;
			if (!fingerprint_of(&packet, fingerprint))
				fingerprint[0] = '\0'; /* of a version that nobody pins */
		} else if (!start) {
			return err_set(err, ERR_VERIFY, "'%s' does not begin with a public key",
				       from);
		}
		p += len;
	}
	if (more && start && fingerprint[0])
		got(ctx, fingerprint, start, (size_t)(p - start));
	return 0;
}
