/* SPDX-License-Identifier: Apache-2.0
 *
 * gpg for tests: see gpg.h.
 */
#include "tests/lib/store/gpg.h"

#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/proc.h"
#include "base/util.h"

enum { LIMIT_MS = 5 * 60 * 1000 };

static void __attribute__((noreturn)) die(const char *what)
{
	fprintf(stderr, "gpg for the tests: %s\n", what);
	abort();
}

/* gpg with our home and these arguments; what it wrote is appended to `out`, if given. */
static void run(struct gpg *g, struct buf *out, const char *time, const char *const args[])
{
	const char *argv[32] = {"gpg",	    "--homedir",    g->home,	"--batch",
				"--yes",    "--quiet",	    "--no-tty", "--pinentry-mode",
				"loopback", "--passphrase", "",		"--trust-model",
				"always"};
	auto_free char *faked = time ? xasprintf("%s!", time) : NULL;
	struct proc_result r;
	struct err err = {0};
	size_t n = 13;

	if (faked) {
		argv[n++] = "--faked-system-time";
		argv[n++] = faked;
	}
	for (; *args; args++)
		argv[n++] = *args;
	if (proc_run(argv, LIMIT_MS, &r, &err) < 0)
		die(err.msg);
	if (r.exit_code != 0)
		die(buf_str(&r.errout));
	if (out)
		buf_put(out, r.out.data, r.out.len);
	proc_result_done(&r);
}

static char *put(struct gpg *g, const char *name, const void *text, size_t n)
{
	char *path = path_join(g->home, name);
	struct err err = {0};

	if (file_put(path, text, n, 0600, &err) < 0)
		die(err.msg);
	return path;
}

bool gpg_open(struct gpg *g)
{
	auto_free char *gpg = proc_find("gpg");

	strcpy(g->home, "/tmp/croft-gpg-XXXXXX");
	if (!gpg || !mkdtemp(g->home))
		return false;
	return true;
}

void gpg_close(struct gpg *g)
{
	const char *const argv[] = {"gpgconf", "--homedir", g->home, "--kill", "all", NULL};
	struct proc_result r;

	if (proc_run(argv, LIMIT_MS, &r, NULL) == 0)
		proc_result_done(&r);
	dir_remove(g->home, NULL);
}

void gpg_key(struct gpg *g, const char *name, const char *time, const char *expires, char *out)
{
	auto_buf struct buf text = BUF_INIT(64 << 10);
	const char *fpr;

	run(g, NULL, time,
	    (const char *const[]){"--quick-gen-key", name, "ed25519", "sign", expires, NULL});
	run(g, &text, time, (const char *const[]){"--with-colons", "--list-keys", name, NULL});
	fpr = strstr(buf_str(&text), "\nfpr:::::::::");
	if (!fpr)
		die("no fingerprint");
	snprintf(out, 65, "%.*s", (int)strcspn(fpr + 13, ":"), fpr + 13);
}

void gpg_subkey(struct gpg *g, const char *fingerprint)
{
	run(g, NULL, NULL,
	    (const char *const[]){"--quick-add-key", fingerprint, "ed25519", "sign", "never",
				  NULL});
}

void gpg_revoke(struct gpg *g, const char *fingerprint)
{
	auto_free char *path = xasprintf("%s/openpgp-revocs.d/%s.rev", g->home, fingerprint),
		       *armour = NULL;
	auto_buf struct buf text = BUF_INIT(64 << 10);
	const char *at = NULL;

	/* A colon keeps it from being used by mistake. */
	if (file_read(path, &text, NULL) < 0 || !(at = strstr(buf_str(&text), ":-----BEGIN")))
		die("no revocation");
	armour = put(g, "revocation", at + 1, strlen(at + 1));
	run(g, NULL, NULL, (const char *const[]){"--import", armour, NULL});
}

void gpg_export(struct gpg *g, const char *fingerprint, bool armour, struct buf *out)
{
	run(g, out, NULL,
	    (const char *const[]){armour ? "--armor" : "--no-armor", "--export", fingerprint,
				  NULL});
}

void gpg_sign(struct gpg *g, const char *fingerprint, const char *time, enum gpg_form form,
	      const char *digest, const void *text, size_t n, struct buf *out)
{
	static const char *const forms[] = {
		[GPG_DETACHED] = "--detach-sign",
		[GPG_ARMOURED] = "--detach-sign",
		[GPG_CLEAR] = "--clear-sign",
	};
	auto_free char *path = put(g, "text", text, n);

	run(g, out, time,
	    (const char *const[]){"--local-user", fingerprint, "--digest-algo", digest,
				  "--allow-weak-digest-algos",
				  form == GPG_ARMOURED ? "--armor" : "--no-armor", "--output", "-",
				  forms[form], path, NULL});
}
