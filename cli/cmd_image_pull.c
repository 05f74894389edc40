/* SPDX-License-Identifier: Apache-2.0
 *
 * croft image pull: fetches images into the cache before a VM needs them, several at once.
 */
#include <pthread.h>
#include <string.h>

#include "base/mem.h"
#include "base/util.h"
#include "cli/commands.h"
#include "cli/images.h"
#include "cli/lines.h"
#include "cli/progress.h"
#include "cli/show.h"
#include "cli/spec.h"
#include "provision/image.h"

enum { AT_ONCE = 4 };

static const struct option_def options[] = {
	{"digest", 0, "DIGEST", false, "what the image must be: sha256:<hex> or sha512:<hex>"},
	{"arch", 0, "ARCH", false, "for another machine than this: x86_64, aarch64"},
	{"insecure", 0, NULL, false, "accept an image of which nothing says what it should be"},
	{"offline", 0, NULL, false, "make no request: only look whether the image is in the cache"},
	{0},
};

struct pull {
	struct image_ask ask;
	char *path; /* owned, expanded */
	struct image_have have;
	struct err err;
	int rc;
};

struct pulls {
	struct store *store;
	struct lines *lines;
	pthread_mutex_t lock;
	struct pull **list; /* each stays where it is: an image_ask points into itself */
	size_t n, cap, next;
};

/* --- what to pull ----------------------------------------------------------------------------- */

static struct pull *add(struct pulls *p)
{
	p->list = xgrow(p->list, &p->cap, p->n + 1, sizeof(*p->list));
	return p->list[p->n++] = NEW(struct pull);
}

static int add_text(struct pulls *p, const struct cli *cli, const char *text, struct err *err)
{
	struct spec_image image = {.digest = cli_option(cli, "digest"),
				   .arch = cli_option(cli, "arch")};
	struct pull *pull = add(p);

	if (strstr(text, "://"))
		image.url = text;
	else if (strchr("/.~", text[0]))
		image.path = pull->path = cli_path(text);
	else
		image.name = text;
	return image_ask(NULL, &image, &pull->ask, err);
}

static void pull_free(struct pull *pull)
{
	image_ask_done(&pull->ask);
	image_have_done(&pull->have);
	free(pull->path);
	free(pull);
}

static bool same(const struct image_ask *a, const struct image_ask *b)
{
	return !strcmp(a->what, b->what) && !strcmp(a->arch, b->arch);
}

static int add_spec(struct pulls *p, const struct spec *spec, struct err *err)
{
	for (unsigned i = 0; i < spec->nvms; i++) {
		struct pull *pull = add(p);

		if (image_ask(spec->path, &spec->vms[i].image, &pull->ask, err) < 0)
			return -1;
		for (size_t k = 0; k + 1 < p->n; k++) {
			if (same(&p->list[k]->ask, &pull->ask)) {
				pull_free(pull);
				p->n--;
				break;
			}
		}
	}
	return 0;
}

static void pulls_done(struct pulls *p)
{
	for (size_t i = 0; i < p->n; i++)
		pull_free(p->list[i]);
	free(p->list);
}

/* --- pulling ---------------------------------------------------------------------------------- */

static void *work(void *arg)
{
	struct pulls *p = arg;

	for (;;) {
		char digest[DIGEST_SHORT], text[128];
		struct store_progress progress;
		struct pull *pull;
		size_t i;

		pthread_mutex_lock(&p->lock);
		i = p->next++;
		pthread_mutex_unlock(&p->lock);
		if (i >= p->n)
			return NULL;
		pull = p->list[i];
		progress = lines_progress(p->lines, i);
		pull->rc = store_get(p->store, &pull->ask.want, &progress, &pull->have, &pull->err);
		/* Another of ours may wait for the same bytes. */
		image_lease_free(take_ptr(pull->have.lease));
		if (pull->rc == 0)
			snprintf(text, sizeof(text), "%s, %s, %s",
				 pull->have.was_cached ? "is here" : "fetched",
				 digest_short(pull->have.digest, digest),
				 trust_name(pull->have.trust));
		lines_finish(p->lines, i, pull->rc == 0 ? text : "failed");
	}
}

static void pull_all(struct pulls *p, const struct cli *cli, bool (*interrupted)(void *ctx))
{
	auto_free const char **titles = xcalloc(p->n + 1, sizeof(*titles));
	pthread_t threads[AT_ONCE];
	size_t started = 0;

	for (size_t i = 0; i < p->n; i++) {
		titles[i] = p->list[i]->ask.what;
		p->list[i]->ask.want.insecure = cli_option(cli, "insecure");
		p->list[i]->ask.want.offline = cli_option(cli, "offline");
	}
	p->lines = lines_new(cli, titles, p->n, interrupted);
	while (started < AT_ONCE && started < p->n &&
	       pthread_create(&threads[started], NULL, work, p) == 0)
		started++;
	if (!started)
		work(p);
	for (size_t i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	lines_free(p->lines);
}

static int report(const struct pulls *p, const struct cli *cli, struct err *err)
{
	json_t *array = json_array();
	size_t failed = 0;

	for (size_t i = 0; i < p->n; i++) {
		const struct pull *pull = p->list[i];
		const struct image_have *h = &pull->have;

		if (pull->rc == 0) {
			json_array_append_new(
				array, json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:b}", "image",
						 pull->ask.what, "digest", h->digest, "trust",
						 trust_name(h->trust), "path", h->path, "format",
						 blk_format_name(h->format), "virtual_size",
						 (json_int_t)h->virtual_size, "was_cached",
						 h->was_cached));
			continue;
		}
		/* The last is the command's own error; the others are said here. */
		if (failed++)
			fprintf(stderr, "croft: %s\n", err->msg);
		*err = pull->err;
	}
	if (cli->output == OUT_JSON)
		show_json(json_incref(array));
	json_decref(array);
	return failed ? -1 : 0;
}

static int run(struct cli *cli, struct err *err)
{
	struct pulls p = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct reporter reporter;
	int rc = 0;

	if (cli_option(cli, "digest") && cli->nargs != 1)
		return err_set(err, ERR_USAGE, "--digest is of one image: name one");
	if (cli->nargs && cli->spec_path)
		return err_set(err, ERR_USAGE, "name images, or a spec with -f, not both");
	auto_spec struct spec *spec = cli->nargs ? NULL : cli_spec(cli, NULL, err);
	if (!spec && !cli->nargs)
		return -1;
	for (int i = 0; rc == 0 && i < cli->nargs; i++)
		rc = add_text(&p, cli, cli->args[i], err);
	if (rc == 0 && spec)
		rc = add_spec(&p, spec, err);
	if (rc == 0) {
		auto_store struct store *s = cli_store(err);

		p.store = s;
		progress_start(cli, &reporter);
		if (s)
			pull_all(&p, cli, reporter.interrupted);
		rc = s ? report(&p, cli, err) : -1;
	}
	pulls_done(&p);
	return rc;
}

const struct command cmd_image_pull = {
	.name = "image pull",
	.args = "[IMAGE...]",
	.summary = "fetch images into the cache, several at once",
	.details = "IMAGE is a name of the catalog (debian:13), a URL or a path; without one, the "
		   "images of the\n"
		   "spec, as its croft.lock says them.\n",
	.options = options,
	.max_args = -1,
	.json = true,
	.run = run,
};
