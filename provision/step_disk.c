/* SPDX-License-Identifier: Apache-2.0
 *
 * The VM's own disks: disk.qcow2, an overlay on the cached image grown to `disk:`, and the further
 * disks of `disks:` that are given by size. A disk can grow at the next start and never shrinks;
 * what the spec no longer names is left alone, because it may hold the only copy of something.
 *
 * A new disk is written aside and linked, so a file under its final name is a whole disk. It never
 * takes the place of a file that is there: the journal names what is about to be made, so that what
 * a killed command made can be told from what somebody else put there.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/util.h"
#include "provision/disks.h"
#include "provision/step.h"

enum { MAX_OURS = 1 + SPEC_MAX_DISKS };

#define ROOT_FILE "disk.qcow2"

/* What is to be done about one disk. */
struct disk_work {
	const char *key;  /* in the spec: "disk", "disks" */
	const char *name; /* "root", "disk1" */
	char *file;	  /* owned */
	enum blk_format format;
	uint64_t want; /* bytes */
	uint64_t have; /* 0: not made */
	bool missing;  /* the state knows it, the file is gone */
	bool made;     /* by this run */
};

struct disk_step {
	struct disk_work work[MAX_OURS];
	unsigned n;
};

/* The larger of the image and this, when the spec says nothing. */
#define DEFAULT_DISK (10 * GIB)

char *disk_file_name(const struct spec_disk *d)
{
	return xasprintf("%s.%s", d->name, d->format == BLK_RAW ? "raw" : "qcow2");
}

static struct state_disk *state_disk_find(struct vm_state *s, const char *name)
{
	for (size_t i = 0; i < s->ndisks; i++)
		if (!strcmp(s->disks[i].name, name))
			return &s->disks[i];
	return NULL;
}

static uint64_t root_size(const struct run *run)
{
	if (run->vm->disk)
		return run->vm->disk;
	return run->state.disk_size ? run->state.disk_size
				    : max_u64(DEFAULT_DISK, run->state.image_size);
}

static void gather(struct run *run, struct disk_step *step)
{
	const struct spec_vm *vm = run->vm;

	step->work[step->n++] = (struct disk_work){
		.key = "disk",
		.name = "root",
		.file = vmdir_file(&run->dir, ROOT_FILE),
		.format = BLK_QCOW2,
		.want = root_size(run),
		.have = run->state.disk_size,
	};
	for (unsigned i = 0; i < vm->ndisks; i++) {
		const struct spec_disk *d = &vm->disks[i];
		const struct state_disk *had = state_disk_find(&run->state, d->name);
		auto_free char *name = disk_file_name(d);

		if (d->path)
			continue;
		step->work[step->n++] = (struct disk_work){
			.key = "disks",
			.name = d->name,
			.file = vmdir_file(&run->dir, name),
			.format = d->format,
			.want = d->size,
			.have = had ? had->size : 0,
		};
	}
}

/*
 * The two sizes in the same unit, so that they can be compared: exact when rounding hides the
 * difference.
 */
static void size_pair(uint64_t a, uint64_t b, char at[SIZE_TEXT], char bt[SIZE_TEXT])
{
	format_size(a, at, SIZE_TEXT);
	format_size(b, bt, SIZE_TEXT);
	if (!strcmp(at, bt)) {
		format_size_exact(a, at, SIZE_TEXT);
		format_size_exact(b, bt, SIZE_TEXT);
	}
}

static int check_image_fits(const struct run *run, const struct disk_work *w, struct err *err)
{
	char want[SIZE_TEXT], image[SIZE_TEXT];

	if (strcmp(w->key, "disk") || w->have || w->want >= run->state.image_size)
		return 0;
	size_pair(w->want, run->state.image_size, want, image);
	return err_set(err, ERR_SPEC, "%s: disk: %s is smaller than the image, which has %s",
		       run->spec->path, want, image);
}

static int check_one(struct run *run, struct disk_work *w, enum step_state *out, struct err *err)
{
	char want[SIZE_TEXT], have[SIZE_TEXT];

	if (w->have && access(w->file, F_OK) < 0) {
		w->missing = true;
		if (run->running)
			return err_set(err, ERR_FAILED, "'%s' was removed while the VM runs on it",
				       w->file);
		w->have = 0;
	}
	if (!w->have && !w->missing && access(w->file, F_OK) == 0)
		return err_set(err, ERR_CONFLICT,
			       "%s: %s: '%s' is there, and this VM did not make it: move it away",
			       run->spec->path, w->key, w->file);
	if (!w->have) {
		/* A further disk for a VM that runs: it is there from the next start on. */
		*out = run->running ? STEP_PENDING : STEP_CREATE;
		return check_image_fits(run, w, err);
	}
	if (w->want < w->have) {
		size_pair(w->want, w->have, want, have);
		return err_set(
			err, ERR_SPEC,
			"%s: %s: %s is smaller than the VM's disk '%s', which has %s: a disk "
			"cannot shrink (write the larger size, or `croft destroy %s/%s` to start "
			"anew)",
			run->spec->path, w->key, want, w->name, have, run->dir.name.project,
			run->dir.name.vm);
	}
	*out = w->want == w->have ? STEP_DONE : run->running ? STEP_PENDING : STEP_CHANGE;
	return 0;
}

/*
 * A disk that the spec no longer names may hold the only copy of something. When others are known
 * by their place in the list only, one of them may have moved up: the guest would get the data of
 * another disk under its name, and a larger size would stay for ever.
 */
static int check_left_over(struct run *run, struct err *err)
{
	for (size_t i = 0; i < run->state.ndisks; i++) {
		const struct state_disk *d = &run->state.disks[i];
		bool named = false, by_place = false;

		for (unsigned j = 0; j < run->vm->ndisks; j++) {
			const struct spec_disk *in = &run->vm->disks[j];

			named |= !strcmp(in->name, d->name);
			by_place |= !in->path && !in->name_given;
		}
		if (!named && by_place) {
			err_set(err, ERR_SPEC,
				"%s: disks: '%s' is no longer in the list, and which of the others "
				"is which cannot be told from their places",
				run->spec->path, d->name);
			return err_hint(err,
					"write name: with each that stays, as in { name: disk1, "
					"size: ... }");
		}
		if (!named)
			run_note(run, "%s: '%s' is no longer in the spec: its file stays, %s/%s.%s",
				 run->dir.name.vm, d->name, run->dir.path, d->name, d->format);
	}
	return 0;
}

/* Further disks that are files of the user's: there, and to be had as the spec wants them. */
static int check_given(const struct run *run, struct err *err)
{
	for (unsigned i = 0; i < run->vm->ndisks; i++) {
		const struct spec_disk *d = &run->vm->disks[i];

		if (d->path && access(d->path, d->read_only ? R_OK : R_OK | W_OK) < 0)
			return err_sys(err, ERR_HOST, "disk '%s': cannot open '%s'", d->name,
				       d->path);
	}
	return 0;
}

static int disk_check(struct run *run, void *arg, enum step_state *out, struct err *err)
{
	struct disk_step *step = arg;

	if (!run->running && check_given(run, err) < 0)
		return -1;
	gather(run, step);
	if (check_left_over(run, err) < 0)
		return -1;
	*out = STEP_DONE;
	for (unsigned i = 0; i < step->n; i++) {
		enum step_state one = STEP_DONE;

		if (check_one(run, &step->work[i], &one, err) < 0)
			return -1;
		/*
		 * The root disk's state, when it is not done, is the step's: undo asks whether it
		 * was there.
		 */
		if (*out == STEP_DONE)
			*out = i > 0 && one == STEP_CREATE ? STEP_CHANGE : one;
	}
	return 0;
}

static int fill(struct run *run, const struct disk_work *w, int fd, struct err *err)
{
	bool root = !strcmp(w->key, "disk");
	struct blk_create create = {.size = w->want};

	if (w->format == BLK_RAW)
		return ftruncate(fd, (off_t)w->want) < 0
			       ? err_sys(err, ERR_HOST, "cannot size '%s'", w->file)
			       : 0;
	if (root) {
		create.backing_name = run->state.image_path;
		create.backing_size = run->state.image_size;
		if (blk_format_parse(run->state.image_format, &create.backing_format, err) < 0)
			return -1;
	}
	return qcow2_create(fd, &create, err);
}

static int create(struct run *run, struct disk_work *w, struct err *err)
{
	auto_free char *tmp = xasprintf("%s.new", w->file);
	auto_close int fd = open(tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_sys(err, ERR_HOST, "cannot create '%s'", tmp);
	if (fill(run, w, fd, err) < 0)
		goto fail;
	/* A new VM's files are made durable together, before its first start (vmdir_settle). */
	/* link, unlike rename, replaces nothing; all file systems that disks are kept on have
	 * it. */
	if ((!run->is_new && fdatasync(fd) < 0) || link(tmp, w->file) < 0) {
		err_sys(err, ERR_HOST, "cannot create '%s'", w->file);
		goto fail;
	}
	w->made = true;
fail:
	unlink(tmp);
	return w->made ? 0 : -1;
}

static int grow(const struct run *run, const struct disk_work *w, struct err *err)
{
	auto_close int fd = open(w->file, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	uint64_t below = strcmp(w->key, "disk") ? 0 : run->state.image_size;

	if (fd < 0)
		return err_sys(err, ERR_HOST, "cannot open '%s'", w->file);
	if (blk_grow(fd, w->format, w->want, below, err) < 0)
		return err_wrap(err, "%s", w->file);
	return fdatasync(fd) < 0 ? err_sys(err, ERR_HOST, "cannot write '%s'", w->file) : 0;
}

static void remember(struct vm_state *s, const struct disk_work *w)
{
	struct state_disk *d;

	if (!strcmp(w->key, "disk")) {
		s->disk_size = w->want;
		s->disk_used = s->disk_used && !w->made;
		return;
	}
	d = state_disk_find(s, w->name);
	if (!d && s->ndisks < ARRAY_LEN(s->disks))
		d = &s->disks[s->ndisks++];
	if (!d)
		return; /* sixteen that the spec no longer names: this one's size is not compared
			   later */
	*d = (struct state_disk){.size = w->want};
	snprintf(d->name, sizeof(d->name), "%s", w->name);
	snprintf(d->format, sizeof(d->format), "%s", blk_format_name(w->format));
}

/* On record before they are made, so that a kill leaves none that nobody knows of. */
static int announce(struct run *run, const struct disk_step *step, struct err *err)
{
	char *out = run->journal.disks;
	size_t n = 0, size = sizeof(run->journal.disks);

	for (unsigned i = 0; i < step->n; i++)
		if (!step->work[i].have && n < size)
			n += (size_t)snprintf(out + n, size - n, "%s ",
					      path_base(step->work[i].file));
	return n ? journal_write(&run->dir, &run->journal, err) : 0;
}

static int disk_apply(struct run *run, void *arg, enum step_state was, struct err *err)
{
	struct disk_step *step = arg;

	(void)was;
	step->work[0].want = root_size(run); /* the image's size is known for certain by now */
	if (announce(run, step, err) < 0)
		return -1;
	for (unsigned i = 0; i < step->n; i++) {
		struct disk_work *w = &step->work[i];

		if (w->have == w->want)
			continue;
		if (w->missing)
			run_note(run,
				 "'%s' was gone: a new disk takes its place, empty of what was on "
				 "it",
				 w->file);
		if (check_image_fits(run, w, err) < 0 ||
		    (w->have ? grow(run, w, err) : create(run, w, err)) < 0)
			return -1;
		remember(&run->state, w);
	}
	return 0;
}

/* What a killed command made, and the state does not know. */
static void undo_announced(struct run *run)
{
	char files[sizeof(run->journal.disks)], *save = NULL;

	snprintf(files, sizeof(files), "%s", run->journal.disks);
	for (char *file = strtok_r(files, " ", &save); file; file = strtok_r(NULL, " ", &save)) {
		auto_free char *path = vmdir_file(&run->dir, file);
		auto_free char *name = xstrndup(file, strcspn(file, "."));

		if (strcmp(file, ROOT_FILE) ? !state_disk_find(&run->state, name)
					    : !run->state.disk_size)
			unlink(path);
	}
}

/*
 * Takes away what this run made. A grown disk stays grown: the guest cannot tell, and the next
 * check finds the size it wants.
 */
static void disk_undo(struct run *run, void *arg, enum step_state was)
{
	struct disk_step *step = arg;

	(void)was;
	for (unsigned i = 0; i < step->n; i++)
		if (step->work[i].made) {
			struct state_disk *d =
				i ? state_disk_find(&run->state, step->work[i].name) : NULL;

			unlink(step->work[i].file);
			if (d)
				*d = run->state.disks[--run->state.ndisks];
			if (!i)
				run->state.disk_size = 0;
		}
	if (!step->n)
		undo_announced(run);
}

static void disk_describe(const struct run *run, const void *arg, FILE *f)
{
	const struct disk_step *step = arg;
	char size[SIZE_TEXT];

	for (unsigned i = 0; i < step->n; i++) {
		const struct disk_work *w = &step->work[i];

		if (i)
			fprintf(f, ", %s ", w->name);
		/* An image that is not here yet may turn out to be larger than the default. */
		if (!i && !run->vm->disk && !run->state.image_size)
			fputs("at least ", f);
		fprintf(f, "%s", format_size(w->want, size, sizeof(size)));
		if (w->have && w->have != w->want)
			fprintf(f, " (was %s)", format_size(w->have, size, sizeof(size)));
		if (!i)
			fprintf(f, " overlay on %s",
				path_base(run->state.image_source ? run->state.image_source : ""));
	}
}

static void disk_done(void *arg)
{
	struct disk_step *step = arg;

	for (unsigned i = 0; i < step->n; i++)
		free(step->work[i].file);
}

const struct step_class step_disk = {
	.name = "disk",
	.arg_size = sizeof(struct disk_step),
	.check = disk_check,
	.apply = disk_apply,
	.undo = disk_undo,
	.describe = disk_describe,
	.done = disk_done,
};
