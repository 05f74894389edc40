/* SPDX-License-Identifier: Apache-2.0
 *
 * What the `image` commands share: see images.h.
 */
#include "cli/images.h"

#include <string.h>

#include "base/file.h"
#include "base/util.h"

struct store *cli_store(struct err *err)
{
	struct croft_dirs dirs;
	struct store *s;

	if (croft_dirs_get(&dirs, err) < 0)
		return NULL;
	s = store_open(dirs.cache, err);
	croft_dirs_done(&dirs);
	return s;
}

char *cli_path(const char *text)
{
	auto_free char *cwd = getcwd(NULL, 0), *path = path_expand(text, cwd);
	char *real = realpath(path, NULL);

	return real ? real : take_ptr(path);
}

char *digest_short(const char *digest, char *out)
{
	const char *hex = strchr(digest, ':');

	snprintf(out, DIGEST_SHORT, "%.*s", hex ? (int)(hex - digest) + 1 + 12 : DIGEST_SHORT - 1,
		 digest);
	return out;
}

static json_t *text(const char *s)
{
	json_t *j = s && *s ? json_string(s) : NULL;

	return j ? j : json_null();
}

json_t *image_json(const struct image_entry *e, const struct image_users *users)
{
	const struct image_record *r = &e->record;
	json_t *j = json_object(), *vms = json_array();
	const struct vm_name *vm;

	for (size_t i = 0; users && (vm = image_user(users, e, i)); i++)
		json_array_append_new(vms, json_sprintf("%s/%s", vm->project, vm->vm));
	json_object_set_new(j, "name", text(r->name));
	json_object_set_new(j, "source", text(r->source));
	json_object_set_new(j, "digest", text(r->digest));
	json_object_set_new(j, "content", text(r->content));
	json_object_set_new(j, "trust", text(e->problem ? NULL : trust_name(r->trust)));
	json_object_set_new(j, "signer", text(r->signer));
	json_object_set_new(j, "user", text(r->user));
	json_object_set_new(j, "format", text(e->problem ? NULL : blk_format_name(r->format)));
	json_object_set_new(j, "virtual_size", json_integer((json_int_t)r->virtual_size));
	json_object_set_new(j, "on_disk", json_integer((json_int_t)e->on_disk));
	json_object_set_new(j, "fetched", json_integer((json_int_t)r->fetched));
	json_object_set_new(j, "used", json_integer((json_int_t)e->used));
	json_object_set_new(j, "path", text(e->path));
	json_object_set_new(j, "problem", text(e->problem));
	json_object_set_new(j, "vms", vms);
	return j;
}

/* --- progress --------------------------------------------------------------------------------- */

/* There is one progress a process (progress.h), and so one of these. */
static struct {
	struct reporter *rep;
	const char *step;
} told;

static void on_stage(void *ctx, const char *what)
{
	(void)ctx;
	told.rep->step(told.rep->ctx, told.step, false, what);
}

static void on_bytes(void *ctx, uint64_t done, uint64_t total)
{
	(void)ctx;
	told.rep->bytes(told.rep->ctx, done, total);
}

static void on_note(void *ctx, const char *what)
{
	(void)ctx;
	told.rep->note(told.rep->ctx, what);
}

static bool on_interrupted(void *ctx)
{
	(void)ctx;
	return told.rep->interrupted(told.rep->ctx);
}

struct store_progress cli_store_progress(struct reporter *rep, const char *step)
{
	told.rep = rep;
	told.step = step;
	return (struct store_progress){
		.stage = on_stage,
		.bytes = on_bytes,
		.note = on_note,
		.interrupted = on_interrupted,
	};
}
