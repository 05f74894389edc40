/* SPDX-License-Identifier: Apache-2.0
 *
 * The whole look at a disk: partition table, superblocks, os-release, boot entry, kernel. What
 * reads the image runs in a process of its own (guard.h).
 */
#include "images/inspect/inspect.h"

#include <string.h>

#include "base/guard.h"
#include "base/mem.h"
#include "images/inspect/boot.h"
#include "images/inspect/grubenv.h"
#include "images/inspect/kernel.h"
#include "images/inspect/osrelease.h"
#include "images/inspect/parts.h"
#include "images/inspect/probe.h"
#include "images/inspect/report.h"
#include "images/inspect/volumes.h"

enum {
	MAX_TRAIL = 64 * 1024,
	MAX_OS_RELEASE = 64 * 1024,
};

/* The first file system with an os-release is the root. */
static unsigned find_root(struct volumes *v)
{
	static const char *const paths[] = {"/etc/os-release", "/usr/lib/os-release"};

	for (unsigned i = 0; i < v->in->nparts; i++) {
		struct fsys *fs = volume_fs(v, (int)i);

		for (size_t k = 0; fs && k < ARRAY_LEN(paths); k++) {
			auto_buf struct buf text = BUF_INIT(MAX_OS_RELEASE);

			if (fsys_read_file(fs, paths[k], &text, NULL) < 0)
				continue;
			os_release_parse(buf_str(&text), &v->in->os);
			return i;
		}
	}
	return -1u;
}

struct kernel_file {
	struct fsys *fs;
	struct fnode node;
};

static int read_kernel_file(void *ctx, uint64_t off, void *dst, size_t n, size_t *got)
{
	struct kernel_file *f = ctx;

	*got = off < f->node.size ? min_u64(n, f->node.size - off) : 0;
	return *got ? f->fs->class->read(f->fs, &f->node, off, dst, *got, NULL) : 0;
}

static void read_kernel(struct volumes *v)
{
	struct inspect *in = v->in;
	int vol = volume_by_number(v, in->boot.part);
	struct kernel_file f = {.fs = volume_fs(v, vol)};
	struct err err = {0};

	if (fsys_find(f.fs, in->boot.kernel, &f.node, &err) < 0 ||
	    kernel_facts_from(read_kernel_file, &f, &in->kernel, &err) < 0)
		trail(v, "%s: %s: %s", volume_name(v, vol), in->boot.kernel, err.msg);
}

static void describe_part(struct volumes *v, int i)
{
	const struct inspect_part *p = &v->in->part[i];

	trail(v, "%s: %s%s%s%s%s%s", volume_name(v, i), p->fs[0] ? p->fs : "no known file system",
	      p->fs_label[0] ? ", label " : "", p->fs_label, p->fs_dirty ? ", not unmounted" : "",
	      p->note[0] ? ": " : "", p->note);
}

struct inspect *inspect_look(struct blk *blk, struct err *err)
{
	struct inspect *in = NEW(struct inspect);
	struct volumes v = {.blk = blk, .in = in, .trail = BUF_INIT(MAX_TRAIL)};

	in->disk_size = blk_size(blk);
	in->root_part = -1u;
	if (parts_read(blk, in, &v.trail, err) < 0) {
		volumes_done(&v);
		inspect_free(in);
		return NULL;
	}
	for (unsigned i = 0; i < in->nparts; i++) {
		probe_part(blk, &in->part[i]);
		if (in->part[i].fs[0])
			volume_fs(&v, (int)i);
		describe_part(&v, (int)i);
	}
	in->root_part = find_root(&v);
	boot_find(&v, in->root_part);
	if (in->boot.source != BOOT_NONE)
		read_kernel(&v);
	in->trail = buf_take(&v.trail);
	volumes_done(&v);
	return in;
}

void inspect_free(struct inspect *in)
{
	if (!in)
		return;
	free(in->trail);
	free(in);
}

/* --- in a process of its own --- */

static int look_work(void *ctx, struct buf *result, struct err *err)
{
	struct inspect *in = inspect_look(ctx, err);

	if (!in)
		return -1;
	report_write(in, result);
	inspect_free(in);
	return 0;
}

struct inspect *inspect_disk(struct blk *blk, struct err *err)
{
	auto_buf struct buf result = BUF_INIT(sizeof(struct inspect) + MAX_TRAIL + 1);

	if (guard_run(look_work, blk, -1, 0, &result, err) < 0)
		return NULL;
	return report_read(&result, err);
}

struct extraction {
	struct blk *blk;
	struct inspect_part part;
	const char *path;
	int out_fd;
	uint64_t max_bytes;
};

static int extract_work(void *ctx, struct buf *result, struct err *err)
{
	struct extraction *x = ctx;
	struct fsys *fs = fsys_open(x->blk, &x->part, err);
	int rc = fs ? fsys_copy(fs, x->path, x->out_fd, x->max_bytes, err) : -1;

	(void)result;
	fsys_close(fs);
	return rc;
}

int inspect_extract(struct blk *blk, const struct inspect *in, unsigned part_number,
		    const char *path, int out_fd, uint64_t max_bytes, struct err *err)
{
	struct extraction x = {blk, .path = path, .out_fd = out_fd, .max_bytes = max_bytes};
	struct buf nothing = BUF_INIT(0);

	for (unsigned i = 0; i < in->nparts; i++) {
		if (in->part[i].number != part_number)
			continue;
		x.part = in->part[i];
		if (guard_run(extract_work, &x, out_fd, max_bytes, &nothing, err) < 0)
			return err_wrap(err, "partition %u", part_number);
		return 0;
	}
	return err_set(err, ERR_NOT_FOUND, "the image has no partition %u", part_number);
}

int inspect_use(struct blk *blk, const struct boot_env *env, struct err *err)
{
	auto_free char *block = NULL;

	if (env->size > BOOT_MAX_ENV || !range_inside(env->off, env->size, blk_size(blk)))
		return err_set(err, ERR_CORRUPT, "no place for an environment block");
	block = xmalloc(env->size + 1);
	if (blk_read(blk, env->off, block, env->size) < 0)
		return err_set(err, ERR_CORRUPT, "the environment block cannot be read");
	if (!grubenv_clear(block, env->size, "next_entry"))
		return 0;
	if (blk_write(blk, env->off, block, env->size) < 0 || blk_flush(blk) < 0)
		return err_set(err, ERR_HOST, "the environment block cannot be written");
	return 0;
}
