/* SPDX-License-Identifier: Apache-2.0
 *
 * gpgv, and what its status lines mean (GnuPG's doc/DETAILS, "Format of the --status-fd output").
 * The exit code alone does not do: it is 0 for a key that has expired.
 */
#include "images/store/trust/signature.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/text.h"
#include "base/util.h"

enum { TEXT_TIMEOUT_MS = 60 * 1000, IMAGE_TIMEOUT_MS = 60 * 60 * 1000, MAX_WORDS = 12 };

/* Hash algorithms of signatures that are good enough (RFC 9580, 9.5): SHA-2 and SHA-3. */
static bool good_hash(const char *id)
{
	static const char *const good[] = {"8", "9", "10", "11", "12", "14"};

	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (!strcmp(id, good[i]))
			return true;
	return false;
}

static bool is_pinned(const struct keyring *k, const char *fingerprint)
{
	for (size_t i = 0; i < k->n; i++)
		if (!strcmp(k->fingerprints[i], fingerprint))
			return true;
	return false;
}

/* --- judging ----------------------------------------------------------------------- */

struct verdict {
	const struct keyring *keys;
	const char *what;
	char signer[FINGERPRINT_TEXT];
	unsigned good;	/* signatures by pinned keys */
	unsigned texts; /* signed texts that were put out */
	bool current;	/* the signature under way is GOODSIG so far */
	bool stale;
	time_t expired; /* when the key did */
	struct err why; /* the first thing that speaks against it */
	bool bad;	/* and no other signature can make up for it */
};

static void against(struct verdict *v, const char *fmt, const char *arg)
{
	char text[256];

	if (v->why.kind)
		return;
	snprintf(text, sizeof(text), fmt, arg);
	err_set(&v->why, ERR_VERIFY, "'%s': %s", v->what, text);
}

static const char *date_of(time_t t, char out[16])
{
	struct tm tm;

	if (!t || !gmtime_r(&t, &tm) || !strftime(out, 16, "%Y-%m-%d", &tm))
		snprintf(out, 16, "%s", "some time ago");
	return out;
}

static void on_line(struct verdict *v, char *word[], size_t n)
{
	char date[16];

	if (!strcmp(word[0], "NEWSIG")) {
		v->current = false;
	} else if (!strcmp(word[0], "GOODSIG")) {
		v->current = true;
	} else if (!strcmp(word[0], "PLAINTEXT")) {
		v->texts++;
	} else if (!strcmp(word[0], "BADSIG")) {
		against(v,
			"the signature of key %s is not for these bytes: they were changed, or it "
			"belongs to another file",
			n > 1 ? word[1] : "?");
		v->bad = true;
	} else if (!strcmp(word[0], "KEYEXPIRED") && n > 1) {
		v->expired = (time_t)strtoll(word[1], NULL, 10);
	} else if (!strcmp(word[0], "EXPKEYSIG")) {
		against(v, "signed by a key that has expired (%s)", date_of(v->expired, date));
		v->stale = true;
	} else if (!strcmp(word[0], "EXPSIG")) {
		against(v, "the signature has expired%s", "");
	} else if (!strcmp(word[0], "REVKEYSIG")) {
		against(v, "signed by a key that its owner has revoked (%s)",
			n > 1 ? word[1] : "?");
		v->bad = true;
	} else if (!strcmp(word[0], "ERRSIG") || !strcmp(word[0], "NO_PUBKEY")) {
		against(v, "signed by key %s, which is not the one that is pinned",
			n > 1 ? word[1] : "?");
		v->stale = true; /* a new subkey, perhaps */
	} else if (!strcmp(word[0], "VALIDSIG") && n > 10) {
		if (!v->current)
			return;
		v->current = false;
		if (!is_pinned(v->keys, word[10])) {
			against(v, "signed by key %s, which is not the one that is pinned",
				word[10]);
		} else if (!good_hash(word[8])) {
			against(v, "the signature uses a hash that can be forged (algorithm %s)",
				word[8]);
		} else if (strcmp(word[9], "00") && strcmp(word[9], "01")) {
			against(v, "the signature is of class %s, not one of a document", word[9]);
		} else {
			v->good++;
			snprintf(v->signer, sizeof(v->signer), "%s", word[10]);
		}
	} else if (!strcmp(word[0], "NODATA") || !strcmp(word[0], "BADARMOR")) {
		against(v, "there is no OpenPGP signature in it%s", "");
	} else if (!strcmp(word[0], "FAILURE") || !strcmp(word[0], "ERROR")) {
		against(v, "gpgv cannot make sense of the signature%s", "");
		v->bad = true;
	}
}

int signature_judge(const struct keyring *keys, const char *what, const char *status, bool clear,
		    char signer[FINGERPRINT_TEXT], bool *stale, struct err *err)
{
	struct verdict v = {.keys = keys, .what = what};
	auto_free char *copy = xstrdup(status);
	char *lines, *line;

	for (line = strtok_r(copy, "\n", &lines); line; line = strtok_r(NULL, "\n", &lines)) {
		char *word[MAX_WORDS], *words;
		size_t n = 0;

		if (!text_starts(line, "[GNUPG:] "))
			continue;
		for (char *w = strtok_r(line + strlen("[GNUPG:] "), " ", &words);
		     w && n < MAX_WORDS; w = strtok_r(NULL, " ", &words))
			word[n++] = w;
		if (n)
			on_line(&v, word, n);
	}
	/* A second text in the file would be put out as well, whoever signed it. */
	if (clear && v.good && v.texts != 1) {
		against(&v, "it holds more than one signed text%s", "");
		v.bad = true;
	}
	if (v.good && !v.bad) {
		snprintf(signer, FINGERPRINT_TEXT, "%s", v.signer);
		return 0;
	}
	against(&v, "it is not signed by the key that is pinned%s", "");
	if (stale)
		*stale = v.stale && !v.bad;
	*err = v.why;
	return -1;
}

/* --- gpgv -------------------------------------------------------------------------- */

int signature_possible(struct err *err)
{
	auto_free char *gpgv = proc_find("gpgv");

	if (gpgv)
		return 0;
	return err_set(err, ERR_HOST,
		       "gpgv is not installed, and signatures cannot be checked without it "
		       "(install the package gpgv or gnupg2, or accept what TLS gives with "
		       "verify: checksum)");
}

/*
 * A file without a name that gpgv opens through /proc/self/fd: it is inherited, and nothing stays
 * behind however we end.
 */
static int unnamed(const void *data, size_t n, struct err *err)
{
	int fd = memfd_create("croft", 0);

	if (fd >= 0 && pwrite_all(fd, data, n, 0) == 0)
		return fd;
	err_sys(err, ERR_HOST, "cannot hand a signature to gpgv");
	if (fd >= 0)
		close(fd);
	return -1;
}

/* `out`: NULL for a detached signature, or what takes the signed text. */
static int gpgv(const struct keyring *keys, const char *what, const char *const files[2],
		uint64_t timeout_ms, struct buf *out, char signer[FINGERPRINT_TEXT], bool *stale,
		struct err *err)
{
	const char *argv[2 * CATALOG_MAX_KEYS + 16];
	char *paths[CATALOG_MAX_KEYS] = {NULL};
	struct proc_result r;
	size_t n = 0;
	int rc;

	if (stale)
		*stale = false;
	if (signature_possible(err) < 0)
		return -1;
	/* Our own home: no option file of the user's is read. Only status lines reach descriptor
	 * 2. */
	argv[n++] = "gpgv";
	argv[n++] = "--homedir";
	argv[n++] = keys->dir;
	argv[n++] = "--log-file";
	argv[n++] = "/dev/null";
	argv[n++] = "--status-fd";
	argv[n++] = "2";
	for (size_t i = 0; i < keys->n; i++) {
		paths[i] = xasprintf("%s/%s.gpg", keys->dir, keys->fingerprints[i]);
		argv[n++] = "--keyring";
		argv[n++] = paths[i];
	}
	if (out) {
		argv[n++] = "--output";
		argv[n++] = "-";
	}
	argv[n++] = "--";
	argv[n++] = files[0];
	if (files[1])
		argv[n++] = files[1];
	argv[n] = NULL;

	rc = proc_run(argv, timeout_ms, &r, err);
	for (size_t i = 0; i < keys->n; i++)
		free(paths[i]);
	if (rc < 0)
		return -1;
	rc = signature_judge(keys, what, buf_str(&r.errout), out != NULL, signer, stale, err);
	if (rc == 0 && out && (r.exit_code != 0 || r.out.overflow))
		rc = err_set(err, ERR_VERIFY, "'%s': gpgv could not read all of it", what);
	if (rc == 0 && out)
		buf_put(out, r.out.data, r.out.len);
	proc_result_done(&r);
	return rc;
}

int signature_detached(const struct keyring *keys, const char *what, const void *sig, size_t nsig,
		       const void *text, size_t n, const char *path, char signer[FINGERPRINT_TEXT],
		       bool *stale, struct err *err)
{
	auto_close int sig_fd = unnamed(sig, nsig, err);
	auto_close int text_fd = sig_fd >= 0 && !path ? unnamed(text, n, err) : -1;
	char sig_path[32], text_path[32];

	if (sig_fd < 0 || (text_fd < 0 && !path))
		return -1;
	snprintf(sig_path, sizeof(sig_path), "/proc/self/fd/%d", sig_fd);
	snprintf(text_path, sizeof(text_path), "/proc/self/fd/%d", text_fd);
	return gpgv(keys, what, (const char *const[]){sig_path, path ? path : text_path},
		    path ? IMAGE_TIMEOUT_MS : TEXT_TIMEOUT_MS, NULL, signer, stale, err);
}

int signature_clear(const struct keyring *keys, const char *what, const void *text, size_t n,
		    struct buf *out, char signer[FINGERPRINT_TEXT], bool *stale, struct err *err)
{
	auto_close int fd = -1;
	char path[32];

	if (stale)
		*stale = false;
	if (n > SIGNED_TEXT_MAX)
		return err_set(err, ERR_VERIFY, "'%s' is larger than %d bytes: not a checksum file",
			       what, SIGNED_TEXT_MAX);
	fd = unnamed(text, n, err);
	if (fd < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return gpgv(keys, what, (const char *const[]){path, NULL}, TEXT_TIMEOUT_MS, out, signer,
		    stale, err);
}
