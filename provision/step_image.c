/* SPDX-License-Identifier: Apache-2.0
 *
 * The image that the VM's disk stands on: in the cache, and pinned in the state when the VM is
 * made. Another image in the spec later is not a change that can be applied: the disk was grown
 * from the first one. That is said, with the way out, and nothing is thrown away.
 */
#include <errno.h>
#include <fcntl.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/util.h"
#include "provision/boot.h"
#include "provision/image.h"
#include "provision/step.h"

struct image_step {
	struct image_ask ask;
	const char *source;
	bool cached;
	enum trust ahead; /* of an image that is not here: the best that can be proven of it */
	struct image_lease
		*lease; /* nobody removes the image before the state says that we use it */
};

static int want(struct run *run, struct image_step *step, struct err *err)
{
	struct image_want *w = &step->ask.want;

	image_ask_done(&step->ask);
	if (image_ask(run->spec->path, &run->vm->image, &step->ask, err) < 0)
		return -1;
	step->source = step->ask.what;
	w->insecure = run->options->insecure;
	w->offline = run->options->offline;
	/*
	 * Once pinned, only the very same bytes will do: the overlay holds the differences to them.
	 */
	if (run->state.disk_size) {
		w->remembered = !w->digest;
		w->digest = run->state.image_digest;
		if (w->pinned && strcmp(w->pinned->digest, w->digest))
			w->pinned = NULL; /* the lock is newer than the VM */
	}
	return 0;
}

/*
 * A VM is made from what croft.lock says, and what it did not say is written there. An image that
 * came unverified is locked too: from then on it is that one or none.
 */
static bool must_lock(const struct run *run, const struct image_step *step)
{
	return step->ask.lockable && !step->ask.locked && !run->state.disk_size &&
	       !run->options->offline;
}

/* The image is there, so a lock that cannot be written is no reason to fail. */
static void lock_image(const struct run *run, const struct image_step *step,
		       struct image_source *source, const struct image_have *have)
{
	struct err why = {0};

	if (!source->digest[0])
		snprintf(source->digest, sizeof(source->digest), "%s", have->digest);
	/* A signature over the image itself was checked when that was here. */
	if (source->trust == TRUST_SIGNED && !source->signer[0])
		snprintf(source->signer, sizeof(source->signer), "%s", have->signer);
	if (lock_put(run->spec->path, step->ask.what, step->ask.arch, source, &why) < 0)
		run_note(run, "%s is not locked: %s", step->ask.what, why.msg);
}

static void keep(struct run *run, struct image_step *step, struct image_have *have)
{
	struct vm_state *s = &run->state;
	enum trust before;

	free(s->image_path);
	free(s->image_source);
	s->image_path = xstrdup(have->path);
	if (have->user) {
		free(s->image_user);
		s->image_user = xstrdup(have->user);
	}
	s->image_source = xstrdup(step->source);
	s->image_size = have->virtual_size;
	snprintf(s->image_digest, sizeof(s->image_digest), "%s", have->digest);
	snprintf(s->image_format, sizeof(s->image_format), "%s", blk_format_name(have->format));
	/* What was proven of a VM's image is not less true for being found in the cache now. */
	if (!s->disk_size || !trust_parse(s->image_trust, &before) || before < have->trust)
		snprintf(s->image_trust, sizeof(s->image_trust), "%s", trust_name(have->trust));
	image_lease_free(step->lease);
	step->lease = take_ptr(have->lease);
}

/* The VM has a disk: the spec must still name what it was made from. */
static int check_pinned(const struct run *run, const char *source, struct err *err)
{
	const char *digest = run->vm->image.digest;

	if (strcmp(run->state.image_source, source) &&
	    (!digest || strcmp(digest, run->state.image_digest)))
		return err_set(
			err, ERR_CONFLICT,
			"%s: image: the VM was made from %s, the spec now says %s: a disk cannot "
			"move to another image (`croft destroy %s/%s` deletes it, `croft up` makes "
			"a new one)",
			run->spec->path, run->state.image_source, source, run->dir.name.project,
			run->dir.name.vm);
	if (digest && strcmp(digest, run->state.image_digest))
		return err_set(
			err, ERR_CONFLICT,
			"%s: image: the VM was made from %s, the spec now says %s (`croft destroy "
			"%s/%s` deletes its disk, `croft up` makes a new one)",
			run->spec->path, run->state.image_digest, digest, run->dir.name.project,
			run->dir.name.vm);
	return 0;
}

/* verify: may have been raised since the VM was made. */
static int check_trust(const struct run *run, struct err *err)
{
	const struct spec_image *image = &run->vm->image;
	enum trust is = TRUST_UNVERIFIED;

	if (!image->has_verify || (trust_parse(run->state.image_trust, &is) && is >= image->verify))
		return 0;
	return err_set(
		err, ERR_VERIFY,
		"%s: image.verify: the VM was made from an image that is '%s', which is less than "
		"the spec asks for now (take verify: back, or `croft destroy %s/%s` and make a new "
		"one)",
		run->spec->path, trust_name(is), run->dir.name.project, run->dir.name.vm);
}

/* The store tells one context what it does; ours is the run, the reporter's its own. */
static void on_stage(void *ctx, const char *what)
{
	const struct run *run = ctx;

	if (run->rep->step)
		run->rep->step(run->rep->ctx, "image", false, what);
}

static void on_bytes(void *ctx, uint64_t done, uint64_t total)
{
	const struct run *run = ctx;

	if (run->rep->bytes)
		run->rep->bytes(run->rep->ctx, done, total);
}

static void on_note(void *ctx, const char *text)
{
	run_note(ctx, "%s", text);
}

static bool on_interrupted(void *ctx)
{
	return run_interrupted(ctx);
}

static struct store_progress progress_of(struct run *run)
{
	return (struct store_progress){
		.stage = on_stage,
		.bytes = on_bytes,
		.note = on_note,
		.interrupted = on_interrupted,
		.ctx = run,
	};
}

/*
 * The size of a local image that is not in the cache yet, so that a disk that is too small for it
 * is found beforehand. What cannot be told here is told when it is copied.
 */
static void size_ahead(struct run *run)
{
	const struct spec_image *image = &run->vm->image;
	auto_close int fd = image->path ? open(image->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	struct blk_info info;

	/* Without a word on its format, what looks like a raw image may be a compressed one. */
	if (fd >= 0 && blk_probe(fd, &info, NULL) == 0 &&
	    (image->has_format ? image->format == info.format : info.format != BLK_RAW))
		run->state.image_size = info.virtual_size;
}

static int image_check(struct run *run, void *arg, enum step_state *out, struct err *err)
{
	struct store_progress progress = progress_of(run);
	struct image_step *step = arg;
	struct image_have have = {0};
	struct store *store;
	int found;

	step->cached = true;
	if (want(run, step, err) < 0)
		return -1;
	if (run->state.disk_size && check_pinned(run, step->source, err) < 0)
		return -1;
	if (!run->state.image_source)
		run->state.image_source = xstrdup(step->source);
	*out = STEP_CREATE;
	if (must_lock(run, step))
		return source_ahead(&step->ask.want, &step->ahead, err);
	store = store_open(run->dirs.cache, err);
	if (!store)
		return -1;
	found = store_find(store, &step->ask.want, &progress, &have, err);
	store_close(store);
	if (found < 0)
		return err_wrap(err, "image");
	if (found)
		keep(run, step, &have);
	image_have_done(&have);
	*out = found ? STEP_DONE : STEP_CREATE;
	if (found)
		return check_trust(run, err);
	if (!run->state.disk_size)
		size_ahead(run);
	/* What was proven of a VM's image is in its state. */
	return run->state.disk_size ? 0 : source_ahead(&step->ask.want, &step->ahead, err);
}

/* What croft.lock does not say yet is looked up first, so that what was found can be written
 * there. */
static int get(struct run *run, struct image_step *step, struct store *store,
	       const struct store_progress *progress, struct image_have *have, struct err *err)
{
	struct image_source source = {0};
	struct fetcher fetcher;
	int rc;

	if (!must_lock(run, step)) {
		rc = store_get(store, &step->ask.want, progress, have, err);
		if (rc < 0 && step->ask.want.pinned && err && err->kind == ERR_DOWNLOAD)
			err_hint(err, "this is what croft.lock names; `croft lock --update` looks "
				      "for a newer one");
		return rc;
	}
	http_fetcher(&fetcher, progress);
	if (source_resolve(&step->ask.want, run->dirs.cache, &fetcher, progress, &source, err) < 0)
		return -1;
	step->ask.want.resolved = &source;
	rc = store_get(store, &step->ask.want, progress, have, err);
	step->ask.want.resolved = NULL;
	if (rc == 0)
		lock_image(run, step, &source, have);
	image_source_done(&source);
	return rc;
}

static int image_apply(struct run *run, void *arg, enum step_state was, struct err *err)
{
	struct store_progress progress = progress_of(run);
	struct image_step *step = arg;
	struct image_have have = {0};
	struct store *store = store_open(run->dirs.cache, err);
	int rc;

	(void)was;
	if (!store)
		return -1;
	rc = get(run, step, store, &progress, &have, err);
	store_close(store);
	if (rc < 0)
		return -1;
	step->cached = have.was_cached;
	keep(run, step, &have);
	image_have_done(&have);
	if (check_trust(run, err) < 0)
		return -1;

	/*
	 * Looked into now, while the user waits for an image anyway: every VM made from it starts
	 * sooner.
	 */
	boot_prepare(run);
	return 0;
}

static void image_undo(struct run *run, void *arg, enum step_state was)
{
	(void)run, (void)arg, (void)was; /* what is in the cache is whole, and may serve others */
}

/* What is known beforehand of an image that is to be fetched. */
static void describe_ahead(const struct image_step *step, FILE *f)
{
	const struct image_source *locked = step->ask.locked;
	const char *trust = trust_name(step->ahead);
	char size[SIZE_TEXT];

	if (locked && locked->size)
		fprintf(f, " (to be fetched: %s, %s: %s, as croft.lock says)",
			format_size(locked->size, size, sizeof(size)), trust, locked->digest);
	else if (locked)
		fprintf(f, " (to be fetched, %s: %s, as croft.lock says)", trust, locked->digest);
	else if (step->ask.want.name)
		fprintf(f, " (to be looked up, %s at best)", trust);
	else
		fprintf(f, " (to be %s, %s)",
			step->ask.lockable ? "fetched" : "copied into the cache", trust);
}

static void image_describe(const struct run *run, const void *arg, FILE *f)
{
	const struct image_step *step = arg;
	char size[SIZE_TEXT];

	fprintf(f, "%s", step->source ? step->source : "");
	if (run->state.image_path) /* it is in the cache; a size alone may be known ahead */
		fprintf(f, " (%s, %s, %s)", run->state.image_format,
			format_size(run->state.image_size, size, sizeof(size)),
			run->state.image_trust);
	else if (step->source)
		describe_ahead(step, f);
}

static void image_done(void *arg)
{
	struct image_step *step = arg;

	image_lease_free(step->lease);
	image_ask_done(&step->ask);
}

const struct step_class step_image = {
	.name = "image",
	.arg_size = sizeof(struct image_step),
	.check = image_check,
	.apply = image_apply,
	.undo = image_undo,
	.describe = image_describe,
	.done = image_done,
};
