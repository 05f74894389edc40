/* SPDX-License-Identifier: Apache-2.0
 *
 * Digests: see hash.h. The work is OpenSSL's.
 */
#include "images/store/trust/hash.h"

#include <string.h>

#include <openssl/evp.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/util.h"

static const struct {
	const char *name;
	size_t bytes;
	const EVP_MD *(*md)(void);
} kinds[] = {
	[HASH_SHA256] = {"sha256", 32, EVP_sha256},
	[HASH_SHA512] = {"sha512", 64, EVP_sha512},
};
static_assert(ARRAY_LEN(kinds) == HASH_KINDS, "every hash has a row");

struct hash {
	enum hash_kind kind;
	EVP_MD_CTX *ctx;
};

const char *hash_name(enum hash_kind kind)
{
	return kinds[kind].name;
}

int digest_parse(const char *text, enum hash_kind *kind, const char **hex, struct err *err)
{
	const char *colon = strchr(text, ':');

	for (unsigned k = 0; colon && k < HASH_KINDS; k++) {
		if (strlen(kinds[k].name) != (size_t)(colon - text) ||
		    strncmp(kinds[k].name, text, (size_t)(colon - text)))
			continue;
		if (strspn(colon + 1, "0123456789abcdef") != 2 * kinds[k].bytes ||
		    colon[1 + 2 * kinds[k].bytes])
			return err_set(err, ERR_USAGE, "'%s' is not a digest: %s has %zu lower-case hex digits",
				       text, kinds[k].name, 2 * kinds[k].bytes);
		*kind = (enum hash_kind)k;
		*hex = colon + 1;
		return 0;
	}
	return err_set(err, ERR_USAGE, "'%s' is not a digest (sha256:<hex> or sha512:<hex>)", text);
}

struct hash *hash_new(enum hash_kind kind, struct err *err)
{
	struct hash *h = NEW(struct hash);

	h->kind = kind;
	h->ctx = EVP_MD_CTX_new();
	if (!h->ctx || EVP_DigestInit_ex(h->ctx, kinds[kind].md(), NULL) != 1) {
		err_set(err, ERR_HOST, "OpenSSL has no %s here", kinds[kind].name);
		hash_free(h);
		return NULL;
	}
	return h;
}

void hash_update(struct hash *h, const void *data, size_t n)
{
	EVP_DigestUpdate(h->ctx, data, n);
}

static void put_hex(char *out, const unsigned char *md, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sprintf(out + 2 * i, "%02x", md[i]);
}

void hash_final(struct hash *h, char *out)
{
	unsigned char md[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	EVP_DigestFinal_ex(h->ctx, md, &n);
	out += sprintf(out, "%s:", kinds[h->kind].name);
	put_hex(out, md, kinds[h->kind].bytes);
}

void hash_free(struct hash *h)
{
	if (!h)
		return;
	EVP_MD_CTX_free(h->ctx);
	free(h);
}

void hash_sha256(const void *data, size_t n, unsigned char out[HASH_SHA256_BYTES])
{
	/* Of memory it fails only when the library is broken; a wrong digest must not come of it. */
	if (EVP_Digest(data, n, out, NULL, EVP_sha256(), NULL) != 1)
		abort();
}

void hash_text(const char *text, char *out)
{
	unsigned char md[HASH_SHA256_BYTES];

	hash_sha256(text, strlen(text), md);
	put_hex(out, md, sizeof(md));
}

int hash_file(enum hash_kind kind, int fd, char *out, struct err *err)
{
	enum { BLOCK = 256 << 10 };
	auto_free uint8_t *block = xmalloc(BLOCK);
	struct hash *h = hash_new(kind, err);
	uint64_t off = 0;
	size_t got;
	int rc;

	if (!h)
		return -1;
	do {
		rc = pread_all(fd, block, BLOCK, off, &got);
		if (rc < 0)
			break;
		hash_update(h, block, got);
		off += got;
	} while (got == BLOCK);
	if (rc == 0)
		hash_final(h, out);
	else
		err_sys(err, ERR_FAILED, "cannot read at offset %llu", (unsigned long long)off);
	hash_free(h);
	return rc;
}
