/* SPDX-License-Identifier: Apache-2.0
 *
 * croft lock: which bytes the spec's images are, looked up and written to croft.lock beside it.
 */
#include <string.h>

#include "base/mem.h"
#include "base/util.h"
#include "cli/commands.h"
#include "cli/spec.h"
#include "images/store/fetch/fetch.h"
#include "provision/image.h"
#include "provision/provision.h"

static const struct option_def options[] = {
	{"update", 0, NULL, false, "look up what is locked already, too"},
	{"accept", 0, NULL, false, "accept other bytes at an address that names one build"},
	{0},
};

static void print_fact(const char *what, const char *before, const char *now)
{
	if (before && before[0] && strcmp(before, now))
		printf("  %-7s %s\n      now %s\n", what, before, now);
	else if (now[0])
		printf("  %-7s %s\n", what, now);
}

static void print_change(const struct image_ask *ask, const struct image_source *before,
			 const struct image_source *now)
{
	printf("%s (%s): %s\n", ask->what, ask->arch, before ? "changed" : "locked");
	print_fact("url", before ? before->urls[0] : NULL, now->urls[0] ? now->urls[0] : "");
	print_fact("digest", before ? before->digest : NULL, now->digest);
	print_fact("trust", before ? trust_name(before->trust) : NULL, trust_name(now->trust));
	print_fact("signer", before ? before->signer : NULL, now->signer);
}

static int alarm_of(const struct image_ask *ask, const struct image_source *before,
		    const struct image_source *now, struct err *err)
{
	return err_set(err, ERR_VERIFY,
		       "%s: other bytes at the address of one build, which should never change: "
		       "%s was locked, and now it is %s (--accept takes that, when its publisher "
		       "said why): '%s'",
		       ask->what, before->digest, now->digest, now->urls[0]);
}

/* A publisher who signs the image and no checksum file is believed when the image is here. */
static int check_image(struct image_ask *ask, const char *cache, struct image_source *source,
		       struct err *err)
{
	struct store *store = store_open(cache, err);
	struct image_have have;
	int rc;

	if (!store)
		return -1;
	ask->want.resolved = source;
	rc = store_get(store, &ask->want, NULL, &have, err);
	ask->want.resolved = NULL;
	if (rc == 0) {
		snprintf(source->signer, sizeof(source->signer), "%s", have.signer);
		image_have_done(&have);
	}
	store_close(store);
	return rc;
}

static int look_up(struct cli *cli, struct image_ask *ask, const char *spec_path, struct err *err)
{
	const struct image_source *before = ask->locked;
	struct image_source now = {0};
	struct croft_dirs dirs;
	struct fetcher fetcher;
	enum lock_change change;
	int rc;

	if (croft_dirs_get(&dirs, err) < 0)
		return -1;
	http_fetcher(&fetcher, NULL);
	ask->want.pinned = NULL;
	rc = source_resolve(&ask->want, dirs.cache, &fetcher, NULL, &now, err);
	if (rc == 0 && now.signature.len && (rc = check_image(ask, dirs.cache, &now, err)) < 0)
		image_source_done(&now);
	croft_dirs_done(&dirs);
	if (rc < 0)
		return -1;
	change = before ? lock_compare(before, &now) : LOCK_CHANGED;
	if (change == LOCK_ALARM && !cli_option(cli, "accept"))
		rc = alarm_of(ask, before, &now, err);
	else if (change == LOCK_SAME)
		printf("%s (%s): as it was\n", ask->what, ask->arch);
	else if ((rc = lock_put(spec_path, ask->what, ask->arch, &now, err)) == 0)
		print_change(ask, before, &now);
	image_source_done(&now);
	return rc;
}

static int run(struct cli *cli, struct err *err)
{
	auto_spec struct spec *spec = cli_spec(cli, NULL, err);
	bool update = cli_option(cli, "update"), found = false;
	int rc = 0;

	if (!spec)
		return -1;
	if (cli->nargs && !update)
		return err_set(err, ERR_USAGE, "a NAME is for `croft lock --update %s`",
			       cli->args[0]);
	for (unsigned i = 0; rc == 0 && i < spec->nvms; i++) {
		struct image_ask ask;

		if (image_ask(spec->path, &spec->vms[i].image, &ask, err) < 0)
			return -1;
		if (cli->nargs && strcmp(cli->args[0], ask.what)) {
			image_ask_done(&ask);
			continue;
		}
		found = true;
		if (!ask.lockable)
			printf("%s: a file of this host, which is not locked\n", ask.what);
		else if (ask.locked && !update)
			printf("%s (%s): locked to %s\n", ask.what, ask.arch, ask.locked->digest);
		else
			rc = look_up(cli, &ask, spec->path, err);
		image_ask_done(&ask);
	}
	if (rc == 0 && cli->nargs && !found)
		return err_set(err, ERR_NOT_FOUND, "'%s' names no image '%s'", spec->path,
			       cli->args[0]);
	return rc;
}

const struct command cmd_lock = {
	.name = "lock",
	.args = "[NAME]",
	.summary = "write to croft.lock which bytes the spec's images are",
	.details = "An image whose bytes are in croft.lock is always those bytes, for everybody "
		   "who has the file,\n"
		   "and `croft up` makes no request for it when it is in the cache. `croft lock` "
		   "adds what is not\n"
		   "there yet; --update looks up the others again as well, or the one called NAME, "
		   "and prints what\n"
		   "changed. Images are not downloaded for it, but where the image itself is what "
		   "is signed.",
	.options = options,
	.max_args = 1,
	.run = run,
};
