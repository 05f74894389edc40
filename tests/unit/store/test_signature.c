/* SPDX-License-Identifier: Apache-2.0
 *
 * Signatures, each good in all but one respect, made by gpg and judged through gpgv; and what its
 * status lines amount to when they are put together by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/util.h"
#include "images/store/trust/checksum.h"
#include "images/store/trust/signature.h"
#include "tests/lib/store/gpg.h"
#include "tests/lib/store/mirror.h"

#define KEY_URL "https://keys.example.test/all.asc"

static const char TEXT[] =
	"0000000000000000000000000000000000000000000000000000000000000000  other.qcow2\n"
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa  x.qcow2\n";

/* One home and its keys for all tests: making them takes the time. */
static struct fixture {
	struct gpg gpg;
	struct mirror mirror;
	char cache[32];
	char good[65], stranger[65], expired[65], revoked[65];
} f;

static int open_all(void **state)
{
	auto_buf struct buf keys = BUF_INIT(1 << 20);

	(void)state;
	if (!gpg_open(&f.gpg))
		return 0;
	mirror_open(&f.mirror);
	strcpy(f.cache, "/tmp/croft-cache-XXXXXX");
	assert_non_null(mkdtemp(f.cache));
	gpg_key(&f.gpg, "Good <good@example.test>", NULL, "never", f.good);
	gpg_key(&f.gpg, "Stranger <stranger@example.test>", NULL, "never", f.stranger);
	gpg_key(&f.gpg, "Old <old@example.test>", "20200101T000000", "1d", f.expired);
	gpg_key(&f.gpg, "Revoked <revoked@example.test>", NULL, "never", f.revoked);
	/* A bundle of several keys in one block, as Fedora publishes them. */
	gpg_export(&f.gpg, "example.test", true, &keys);
	mirror_put(&f.mirror, KEY_URL, keys.data, keys.len);
	return 0;
}

static int close_all(void **state)
{
	(void)state;
	mirror_close(&f.mirror);
	dir_remove(f.cache, NULL);
	gpg_close(&f.gpg);
	return 0;
}

static void pin(const char *fingerprint, struct keyring *out)
{
	const struct catalog_key key = {KEY_URL, fingerprint};
	struct err err = {0};

	if (keyring_fetch(&key, 1, f.cache, &f.mirror.fetcher, false, out, &err) < 0)
		fail_msg("%s", err.msg);
}

static int detached(const struct keyring *k, const struct buf *sig, const char *text,
		    char signer[65], bool *stale, struct err *err)
{
	return signature_detached(k, "https://x.test/SHA256SUMS", sig->data, sig->len, text,
				  strlen(text), NULL, signer, stale, err);
}

static void good_ones(void **state)
{
	static const enum gpg_form forms[] = {GPG_DETACHED, GPG_ARMOURED};
	struct keyring k;
	struct err err = {0};
	char signer[65];

	(void)state;
	pin(f.good, &k);
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		auto_buf struct buf sig = BUF_INIT(64 << 10);

		gpg_sign(&f.gpg, f.good, NULL, forms[i], "SHA512", TEXT, strlen(TEXT), &sig);
		if (detached(&k, &sig, TEXT, signer, NULL, &err) < 0)
			fail_msg("%s", err.msg);
		assert_string_equal(signer, f.good);
	}
	keyring_done(&k);
}

/* Over a file, as for an image. */
static void over_a_file(void **state)
{
	auto_buf struct buf sig = BUF_INIT(64 << 10);
	auto_free char *path = path_join(f.cache, "image");
	struct keyring k;
	struct err err = {0};
	char signer[65];

	(void)state;
	pin(f.good, &k);
	gpg_sign(&f.gpg, f.good, NULL, GPG_DETACHED, "SHA256", TEXT, strlen(TEXT), &sig);
	assert_int_equal(file_put(path, TEXT, strlen(TEXT), 0644, &err), 0);
	assert_int_equal(
		signature_detached(&k, "x", sig.data, sig.len, NULL, 0, path, signer, NULL, &err),
		0);
	assert_int_equal(file_put(path, TEXT, strlen(TEXT) - 1, 0644, &err), 0);
	assert_int_equal(
		signature_detached(&k, "x", sig.data, sig.len, NULL, 0, path, signer, NULL, &err),
		-1);
	assert_int_equal(err.kind, ERR_VERIFY);
	keyring_done(&k);
}

static void bad_ones(void **state)
{
	struct {
		const char *pinned, *by, *time, *digest, *text, *says;
		bool stale;
	} bad[] = {
		{f.good, f.good, NULL, "SHA256", "another release\n", "is not for these bytes",
		 false},
		{f.good, f.stranger, NULL, "SHA256", TEXT, "not the one that is pinned", true},
		{f.good, f.good, NULL, "SHA1", TEXT, NULL, false},
		{f.expired, f.expired, "20200101T010000", "SHA256", TEXT, "expired (2020-01-02)",
		 true},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		auto_buf struct buf sig = BUF_INIT(64 << 10);
		struct keyring k;
		struct err err = {0};
		char signer[65] = "nobody";
		bool stale = !bad[i].stale;

		pin(bad[i].pinned, &k);
		gpg_sign(&f.gpg, bad[i].by, bad[i].time, GPG_DETACHED, bad[i].digest, TEXT,
			 strlen(TEXT), &sig);
		assert_int_equal(detached(&k, &sig, bad[i].text, signer, &stale, &err), -1);
		assert_int_equal(err.kind, ERR_VERIFY);
		assert_string_equal(signer, "nobody");
		if (bad[i].says && !strstr(err.msg, bad[i].says))
			fail_msg("case %zu: '%s' says nothing of '%s'", i, err.msg, bad[i].says);
		assert_true(text_starts(err.msg, "'https://x.test/SHA256SUMS': "));
		if (bad[i].says)
			assert_int_equal(stale, bad[i].stale);
		keyring_done(&k);
	}
}

static void no_signature(void **state)
{
	static const char *const nothing[] = {
		"", "not a signature\n",
		"-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n", "\x88\x75"};
	struct keyring k;

	(void)state;
	pin(f.good, &k);
	for (size_t i = 0; i < ARRAY_LEN(nothing); i++) {
		const struct buf sig = {.data = (char *)nothing[i], .len = strlen(nothing[i])};
		struct err err = {0};
		char signer[65];

		assert_int_equal(detached(&k, &sig, TEXT, signer, NULL, &err), -1);
		assert_int_equal(err.kind, ERR_VERIFY);
	}
	keyring_done(&k);
}

/* The key that is pinned is the primary one; a subkey that it made later needs the key again. */
static void subkeys(void **state)
{
	auto_buf struct buf sig = BUF_INIT(64 << 10), key = BUF_INIT(64 << 10);
	char primary[65], signer[65];
	struct catalog_key pinned = {"https://keys.example.test/subkey", primary};
	struct keyring k;
	struct err err = {0};
	bool stale = false;

	(void)state;
	gpg_key(&f.gpg, "Sub <sub@elsewhere.test>", NULL, "never", primary);
	gpg_export(&f.gpg, primary, false, &key);
	mirror_put(&f.mirror, pinned.url, key.data, key.len);
	gpg_subkey(&f.gpg, primary);
	gpg_sign(&f.gpg, primary, NULL, GPG_DETACHED, "SHA512", TEXT, strlen(TEXT), &sig);

	assert_int_equal(keyring_fetch(&pinned, 1, f.cache, &f.mirror.fetcher, false, &k, &err), 0);
	assert_int_equal(detached(&k, &sig, TEXT, signer, &stale, &err), -1);
	assert_true(stale);
	keyring_done(&k);
	buf_reset(&key);
	gpg_export(&f.gpg, primary, false, &key);
	mirror_put(&f.mirror, pinned.url, key.data, key.len);
	assert_int_equal(keyring_fetch(&pinned, 1, f.cache, &f.mirror.fetcher, true, &k, &err), 0);
	if (detached(&k, &sig, TEXT, signer, &stale, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(signer, primary);
	keyring_done(&k);
}

/* A key that was revoked after it signed: what it signed is no longer believed. */
static void revoked(void **state)
{
	auto_buf struct buf sig = BUF_INIT(64 << 10), key = BUF_INIT(64 << 10);
	const struct catalog_key pinned = {"https://keys.example.test/revoked", f.revoked};
	struct keyring k;
	struct err err = {0};
	char signer[65];

	(void)state;
	gpg_sign(&f.gpg, f.revoked, NULL, GPG_DETACHED, "SHA256", TEXT, strlen(TEXT), &sig);
	pin(f.revoked, &k);
	assert_int_equal(detached(&k, &sig, TEXT, signer, NULL, &err), 0);
	keyring_done(&k);

	gpg_revoke(&f.gpg, f.revoked);
	gpg_export(&f.gpg, f.revoked, false, &key);
	mirror_put(&f.mirror, pinned.url, key.data, key.len);
	assert_int_equal(keyring_fetch(&pinned, 1, f.cache, &f.mirror.fetcher, true, &k, &err), 0);
	assert_int_equal(detached(&k, &sig, TEXT, signer, NULL, &err), -1);
	assert_int_equal(err.kind, ERR_VERIFY);
	assert_non_null(strstr(err.msg, "revoked"));
	keyring_done(&k);
}

/* --- clearsigned ------------------------------------------------------------------- */

static const char ROUGH[] =
	"- a line that begins with a dash\n"
	"-----BEGIN PGP SIGNATURE-----\n"
	"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa  x.qcow2  \n"
	"From here\n";

static int clear(const struct keyring *k, const char *text, size_t n, struct buf *out,
		 struct err *err)
{
	char signer[65];

	return signature_clear(k, "https://x.test/CHECKSUM", text, n, out, signer, NULL, err);
}

static char *with_crlf(const char *text, size_t n, size_t *len)
{
	char *out = xmalloc(2 * n + 1);
	size_t to = 0;

	for (size_t i = 0; i < n; i++) {
		if (text[i] == '\n')
			out[to++] = '\r';
		out[to++] = text[i];
	}
	*len = to;
	return out;
}

static void clearsigned(void **state)
{
	auto_buf struct buf text = BUF_INIT(64 << 10), plain = BUF_INIT(64 << 10),
			    again = BUF_INIT(64 << 10);
	auto_free char *crlf = NULL;
	char digest[DIGEST_TEXT];
	struct keyring k;
	struct err err = {0};
	size_t n;

	(void)state;
	pin(f.good, &k);
	gpg_sign(&f.gpg, f.good, NULL, GPG_CLEAR, "SHA256", ROUGH, strlen(ROUGH), &text);
	assert_non_null(strstr(buf_str(&text), "- -----BEGIN PGP SIGNATURE-----"));
	if (clear(&k, text.data, text.len, &plain, &err) < 0)
		fail_msg("%s", err.msg);
	assert_true(
		text_starts(buf_str(&plain),
			    "- a line that begins with a dash\n-----BEGIN PGP SIGNATURE-----\n"));
	assert_int_equal(checksum_find(plain.data, plain.len, "CHECKSUM", "x.qcow2", digest, &err),
			 0);

	crlf = with_crlf(text.data, text.len, &n);
	if (clear(&k, crlf, n, &again, &err) < 0)
		fail_msg("%s", err.msg);
	assert_int_equal(checksum_find(again.data, again.len, "CHECKSUM", "x.qcow2", digest, &err),
			 0);
	keyring_done(&k);
}

/* What stands outside of the signed part, or was changed in it, is never put out. */
static void clearsigned_and_not(void **state)
{
	static const char EVIL[] =
		"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb  x.qcow2\n";
	auto_buf struct buf text = BUF_INIT(64 << 10), other = BUF_INIT(64 << 10);
	struct keyring k;

	(void)state;
	pin(f.good, &k);
	gpg_sign(&f.gpg, f.good, NULL, GPG_CLEAR, "SHA256", TEXT, strlen(TEXT), &text);
	gpg_sign(&f.gpg, f.stranger, NULL, GPG_CLEAR, "SHA256", EVIL, strlen(EVIL), &other);
	for (int i = 0; i < 7; i++) {
		auto_buf struct buf made = BUF_INIT(256 << 10), plain = BUF_INIT(64 << 10);
		struct err err = {0};
		char *at;
		int rc;

		if (i == 0 || i == 5)
			buf_puts(&made, EVIL);
		if (i == 4)
			buf_put(&made, other.data, other.len);
		buf_put(&made, text.data, text.len);
		if (i == 1 || i == 5)
			buf_puts(&made, EVIL);
		if (i == 2) { /* one digit of the signed text */
			at = strstr(made.data, "aaaaaaaa");
			*at = 'b';
		}
		if (i == 3) /* a signed text without its signature */
			made.len = (size_t)(strstr(made.data, "-----BEGIN PGP SIGNATURE-----") -
					    made.data);
		if (i == 6) { /* the armour taken off */
			buf_reset(&made);
			buf_puts(&made, TEXT);
		}
		rc = clear(&k, made.data, made.len, &plain, &err);
		if (i == 2 || i == 3 || i == 4 || i == 6) {
			assert_int_equal(rc, -1);
			assert_int_equal(err.kind, ERR_VERIFY);
			assert_int_equal(plain.len, 0);
		}
		assert_null(strstr(buf_str(&plain), "bbbbbbbb"));
	}
	keyring_done(&k);
}

/* --- keys -------------------------------------------------------------------------- */

static void keys_are_pinned(void **state)
{
	const char other[] = "0123456789ABCDEF0123456789ABCDEF01234567";
	const struct catalog_key key = {KEY_URL, other},
				 twice[] = {{KEY_URL, f.good}, {KEY_URL, f.stranger}};
	auto_free char *path = xasprintf("%s/keys/%s.gpg", f.cache, f.good);
	unsigned before;
	struct keyring k;
	struct err err = {0};

	(void)state;
	assert_int_equal(keyring_fetch(&key, 1, f.cache, &f.mirror.fetcher, false, &k, &err), -1);
	assert_int_equal(err.kind, ERR_VERIFY);
	assert_non_null(strstr(err.msg, other));

	assert_int_equal(keyring_fetch(twice, 2, f.cache, &f.mirror.fetcher, false, &k, &err), 0);
	assert_int_equal(k.n, 2);
	keyring_done(&k);
	before = f.mirror.requests;
	pin(f.good, &k); /* it is there */
	assert_int_equal(f.mirror.requests, before);
	keyring_done(&k);

	/* Somebody put another key in its place: it is fetched again. */
	assert_int_equal(file_put(path, "\x98\x01\x04", 3, 0644, &err), 0);
	pin(f.good, &k);
	assert_int_equal(f.mirror.requests, before + 1);
	keyring_done(&k);
}

static void keys_of_the_user(void **state)
{
	auto_free char *path = path_join(f.cache, "vendor.asc");
	auto_buf struct buf key = BUF_INIT(64 << 10), sig = BUF_INIT(64 << 10);
	struct keyring k;
	struct err err = {0};
	char signer[65];

	(void)state;
	gpg_export(&f.gpg, f.stranger, true, &key);
	assert_int_equal(file_put(path, key.data, key.len, 0644, &err), 0);
	assert_int_equal(keyring_file(path, f.cache, &k, &err), 0);
	assert_int_equal(k.n, 1);
	assert_string_equal(k.fingerprints[0], f.stranger);
	gpg_sign(&f.gpg, f.stranger, NULL, GPG_ARMOURED, "SHA512", TEXT, strlen(TEXT), &sig);
	assert_int_equal(detached(&k, &sig, TEXT, signer, NULL, &err), 0);
	keyring_done(&k);

	assert_int_equal(file_put(path, "ssh-ed25519 AAAA\n", 17, 0644, &err), 0);
	assert_int_equal(keyring_file(path, f.cache, &k, &err), -1);
	assert_int_equal(err.kind, ERR_VERIFY);
}

/* --- status lines ------------------------------------------------------------------ */

#define FPR "1111111111111111111111111111111111111111"
#define VALID(hash, class, primary)                                                                \
	"[GNUPG:] VALIDSIG 2222222222222222222222222222222222222222 2026-01-01 1767225600 0 4 0 "  \
	"22 " hash " " class " " primary "\n"
#define GOOD "[GNUPG:] NEWSIG\n[GNUPG:] GOODSIG 2222222222222222 Somebody\n"

static void status_lines(void **state)
{
	static const struct {
		const char *status;
		bool clear, good;
	} cases[] = {
		{GOOD VALID("8", "00", FPR), false, true},
		{GOOD VALID("10", "01", FPR), false, true},
		{"[GNUPG:] PLAINTEXT 74 0 \n" GOOD VALID("8", "01", FPR), true, true},
		{"", false, false},
		{GOOD, false, false},
		{VALID("8", "00", FPR), false, false}, /* no GOODSIG before it */
		{GOOD VALID("2", "00", FPR), false, false},
		{GOOD VALID("1", "00", FPR), false, false},
		{GOOD VALID("8", "10", FPR), false, false}, /* a certification of a key */
		{GOOD VALID("8", "00", "3333333333333333333333333333333333333333"), false, false},
		{"[GNUPG:] NEWSIG\n[GNUPG:] EXPKEYSIG 2222222222222222 x\n" VALID("8", "00", FPR),
		 false, false},
		{"[GNUPG:] NEWSIG\n[GNUPG:] REVKEYSIG 2222222222222222 x\n" VALID("8", "00", FPR),
		 false, false},
		{"[GNUPG:] NEWSIG\n[GNUPG:] EXPSIG 2222222222222222 x\n" VALID("8", "00", FPR),
		 false, false},
		{GOOD VALID("8", "00", FPR) "[GNUPG:] NEWSIG\n[GNUPG:] BADSIG 4444444444444444 x\n",
		 false, false},
		/* A second signature by a key that nobody pinned does no harm. */
		{GOOD VALID("8", "00",
			    FPR) "[GNUPG:] NEWSIG\n[GNUPG:] ERRSIG 4444444444444444 1 8 00 1 9 -\n"
				 "[GNUPG:] NO_PUBKEY 4444444444444444\n",
		 false, true},
		{"[GNUPG:] PLAINTEXT 74 0 \n[GNUPG:] PLAINTEXT 74 0 \n" GOOD VALID("8", "01", FPR),
		 true, false},
		{GOOD VALID("8", "01", FPR), true, false},
		/* Only lines of gpgv's own count. */
		{"gpgv: x [GNUPG:] GOODSIG 2222222222222222 x\ngpgv: [GNUPG:] VALIDSIG\n", false,
		 false},
	};
	struct keyring k = {.n = 1};

	(void)state;
	strcpy(k.fingerprints[0], FPR);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct err err = {0};
		char signer[65] = "";
		int rc = signature_judge(&k, "x", cases[i].status, cases[i].clear, signer, NULL,
					 &err);

		if ((rc == 0) != cases[i].good)
			fail_msg("case %zu: %d (%s)", i, rc, err.msg);
		assert_int_equal(err.kind, rc == 0 ? ERR_NONE : ERR_VERIFY);
		assert_string_equal(signer, rc == 0 ? FPR : "");
	}
}

int main(void)
{
	const struct CMUnitTest alone[] = {cmocka_unit_test(status_lines)};
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_ones),
		cmocka_unit_test(over_a_file),
		cmocka_unit_test(bad_ones),
		cmocka_unit_test(no_signature),
		cmocka_unit_test(revoked),
		cmocka_unit_test(clearsigned),
		cmocka_unit_test(clearsigned_and_not),
		cmocka_unit_test(keys_are_pinned),
		cmocka_unit_test(keys_of_the_user),
		cmocka_unit_test(subkeys),
	};
	int rc = cmocka_run_group_tests_name("status lines", alone, NULL, NULL);

	if (!gpg_open(&f.gpg) || signature_possible(NULL) < 0) {
		puts("neither gpg nor gpgv: signatures are not tested");
		return rc ? rc : 77;
	}
	gpg_close(&f.gpg);
	return cmocka_run_group_tests_name("signatures", tests, open_all, close_all) | rc;
}
