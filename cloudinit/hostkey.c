/* SPDX-License-Identifier: Apache-2.0
 *
 * A VM's SSH host key, made on the host so that the first connection can already be verified.
 * ssh-keygen makes it, in a directory that only we can read and that is gone afterwards.
 */
#include "cloudinit/seed.h"

#include <sys/stat.h>

#include "base/file.h"
#include "base/proc.h"
#include "base/util.h"

enum { KEY_BYTES = 16384, KEYGEN_TIMEOUT_MS = 30000 };

/* A directory for the moment: in memory where there is one of the user's own. */
static char *private_directory(struct err *err)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR"), *tmp = getenv("TMPDIR");
	const char *parents[] = {runtime, access("/run", W_OK) == 0 ? "/run" : NULL, tmp, "/tmp"};

	for (unsigned i = 0; i < ARRAY_LEN(parents); i++) {
		auto_free char *path = NULL;

		if (!parents[i] || parents[i][0] != '/')
			continue;
		path = path_join(parents[i], "croft-key-XXXXXX");
		if (mkdtemp(path)) /* mode 0700 */
			return take_ptr(path);
	}
	err_sys(err, ERR_HOST,
		"cannot make a private directory in XDG_RUNTIME_DIR, TMPDIR or /tmp");
	return NULL;
}

static int run_keygen(const char *path, const char *comment, struct err *err)
{
	const char *const argv[] = {"ssh-keygen", "-q",	   "-t", "ed25519", "-N", "",
				    "-C",	  comment, "-f", path,	    NULL};
	struct proc_result r;
	int rc = 0;

	if (proc_run(argv, KEYGEN_TIMEOUT_MS, &r, err) < 0)
		return err_hint(
			err, "it comes with OpenSSH's client: openssh-client, openssh-clients or "
			     "openssh");
	if (r.exit_code)
		rc = err_set(err, ERR_HOST, "ssh-keygen failed with exit code %d: %.200s",
			     r.exit_code, buf_str(&r.errout));
	proc_result_done(&r);
	return rc;
}

static int make_key(const char *dir, const char *comment, struct buf *priv, struct buf *pub,
		    struct err *err)
{
	auto_free char *path = path_join(dir, "key"), *pub_path = path_join(dir, "key.pub");

	if (run_keygen(path, comment, err) < 0 || file_read(path, priv, err) < 0 ||
	    file_read(pub_path, pub, err) < 0)
		return -1;
	return 0;
}

int seed_host_key(const char *comment, char **private_key, char **public_key, struct err *err)
{
	struct buf priv = BUF_INIT(KEY_BYTES), pub = BUF_INIT(KEY_BYTES);
	auto_free char *dir = private_directory(err);
	int rc;

	if (!dir)
		return -1;
	rc = make_key(dir, comment, &priv, &pub, err);
	if (dir_remove(dir, rc ? NULL : err) < 0)
		rc = -1;
	if (rc == 0) {
		*private_key = buf_take(&priv);
		*public_key = buf_take(&pub);
	}
	if (priv.data)
		explicit_bzero(priv.data, priv.len);
	buf_done(&priv);
	buf_done(&pub);
	return rc;
}
