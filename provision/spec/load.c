/* SPDX-License-Identifier: Apache-2.0
 *
 * From a file to struct spec: find, read, parse, normalise, check, build. See load.h for the
 * stages.
 */
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "base/util.h"
#include "provision/spec/load.h"

static const char *const file_names[] = {"croft.yaml", "croft.yml"};

/* --- finding ----------------------------------------------------------------------- */

static bool is_file(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

char *spec_find(struct err *err)
{
	auto_free char *cwd = realpath(".", NULL), *dir = cwd ? xstrdup(cwd) : NULL;

	if (!cwd) {
		err_sys(err, ERR_FAILED, "cannot tell the working directory");
		return NULL;
	}
	for (;;) {
		char *slash = strrchr(dir, '/');

		for (size_t i = 0; i < ARRAY_LEN(file_names); i++) {
			auto_free char *path = path_join(*dir ? dir : "/", file_names[i]);

			if (is_file(path))
				return !strcmp(dir, cwd) ? xstrdup(file_names[i]) : take_ptr(path);
		}
		if (!slash || !*dir)
			break;
		*slash = '\0';
	}
	err_set(err, ERR_NOT_FOUND,
		"no croft.yaml in '%s' or a directory above it (write one, or name it: -f FILE)",
		cwd);
	return NULL;
}

/* --- names ------------------------------------------------------------------------- */

/* "My VM" makes "my-vm": what can be kept is kept. NULL when nothing can. */
static const char *name_from(struct arena *a, const char *text, size_t n)
{
	char out[64];
	size_t len = 0;

	for (size_t i = 0; i < n && len < sizeof(out) - 1; i++) {
		char c = (char)tolower((unsigned char)text[i]);

		if (islower((unsigned char)c) || isdigit((unsigned char)c))
			out[len++] = c;
		else if (len && out[len - 1] != '-')
			out[len++] = '-';
	}
	while (len && out[len - 1] == '-')
		len--;
	return len ? arena_strndup(a, out, len) : NULL;
}

/* web.yaml makes "web"; croft.yaml says nothing by its name, so its directory does. */
static const char *default_name(struct arena *a, const char *path)
{
	auto_free char *dir = path_dir(path);
	const char *base = path_base(path), *dot = strrchr(base, '.');

	for (size_t i = 0; i < ARRAY_LEN(file_names); i++)
		if (!strcmp(base, file_names[i]))
			return name_from(a, path_base(dir), strlen(path_base(dir)));
	return name_from(a, base, dot && dot > base ? (size_t)(dot - base) : strlen(base));
}

/* --- the stages -------------------------------------------------------------------- */

static struct yaml_node *normalise(struct load *l)
{
	struct place top = {NULL, &root_field, "", 0, false};

	if (l->written->kind != YAML_MAP) {
		load_error(l, l->written, "write 'key: value' lines, beginning with version: 1",
			   "a spec is a map");
		return NULL;
	}
	/* A file of several VMs lacks nothing that a file of one VM lacks: one complaint says
	 * enough. */
	for (size_t i = 0; i < l->written->n; i++) {
		const struct yaml_node *key = l->written->pairs[i].key;

		if (!strcmp(key->text, "vms")) {
			load_error(l, key, field_child(&root_field, "vms")->help,
				   "vms: not supported yet");
			return NULL;
		}
	}
	return read_map(&l->reader, &top, l->written);
}

static void load_tree(struct load *l)
{
	struct spec *spec = l->spec;
	struct spec_vm *vm = arena_zalloc(spec->arena, sizeof(*vm));

	l->written = yaml_parse(l->source, spec->arena, &spec->diags);
	l->tree = l->written ? normalise(l) : NULL;
	if (!l->tree) {
		spec->project = l->default_name;
		return;
	}
	derive(l);
	check_rules(l);
	build(l, vm);
	load_documents(l, vm);
	spec->project = vm->name;
	spec->vms = vm;
	spec->nvms = 1;
	spec->normalised = written_form(spec->arena, &root_field, l->tree);
}

struct spec *spec_check_text(const char *name, const char *path, const char *text, size_t len)
{
	struct arena *arena = arena_new();
	struct spec *spec = arena_zalloc(arena, sizeof(*spec));
	struct source *source = arena_zalloc(arena, sizeof(*source));
	auto_free char *dir = path_dir(path);
	char *copy = arena_zalloc(arena, len + 1);
	struct load l = {.spec = spec, .source = source};

	memcpy(copy, text, len);
	*source = (struct source){.name = arena_strdup(arena, name), .text = copy, .len = len};
	spec->source = source;
	spec->arena = arena;
	spec->path = arena_strdup(arena, path);
	diags_init(&spec->diags, arena);
	l.default_name = default_name(arena, path);
	l.reader = (struct reader){arena, &spec->diags, arena_strdup(arena, dir), 0};
	load_tree(&l);
	return spec;
}

struct spec *spec_check(const char *path, struct err *err)
{
	auto_free char *found = path ? xstrdup(path) : spec_find(err), *absolute = NULL;
	auto_buf struct buf text = BUF_INIT(YAML_MAX_BYTES);
	struct stat st;

	if (!found)
		return NULL;
	/* A pipe in /dev/fd can be looked at, but its link leads nowhere. */
	if (stat(found, &st) == 0 && !S_ISREG(st.st_mode)) {
		err_set(err, ERR_SPEC, "'%s' is not a regular file", found);
		return NULL;
	}
	absolute = realpath(found, NULL);
	if (!absolute) {
		err_sys(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_FAILED, "cannot open '%s'",
			found);
		return NULL;
	}
	if (st.st_size > YAML_MAX_BYTES) {
		err_set(err, ERR_SPEC, "'%s' is larger than %d KiB", found, YAML_MAX_BYTES / 1024);
		return NULL;
	}
	if (file_read(absolute, &text, err) < 0)
		return NULL;
	return spec_check_text(found, absolute, buf_str(&text), text.len);
}

struct spec *spec_check_stream(const char *path, struct err *err)
{
	auto_free char *cwd = realpath(".", NULL), *at = cwd ? path_join(cwd, "-") : NULL;
	auto_buf struct buf text = BUF_INIT(YAML_MAX_BYTES);
	bool input = path && !strcmp(path, "-");
	struct spec *spec;
	struct stat st;

	if (!path || !at || (!input && (stat(path, &st) < 0 || !S_ISFIFO(st.st_mode))))
		return spec_check(path, err);
	if (file_read(path, &text, err) < 0)
		return NULL;
	spec = spec_check_text(input ? "stdin" : path, at, buf_str(&text), text.len);
	spec->stream = true;
	return spec;
}

struct spec *spec_load(const char *path, struct err *err)
{
	auto_spec struct spec *spec = spec_check(path, err);
	const struct diag *first = NULL;

	if (!spec || !spec->diags.errors)
		return take_ptr(spec);
	for (size_t i = 0; i < spec->diags.n && !first; i++)
		if (spec->diags.list[i].level == DIAG_ERROR)
			first = &spec->diags.list[i];
	err_set(err, ERR_SPEC, "%s:%u:%u: %s", first->source ? first->source->name : "",
		first->at.line + (first->source ? first->source->line_offset : 0),
		first->at.column + (first->source ? first->source->column_offset : 0),
		first->message);
	if (spec->diags.errors > 1)
		err_hint(err, "and %zu more: croft validate", spec->diags.errors - 1);
	return NULL;
}

void spec_free(struct spec *spec)
{
	if (!spec)
		return;
	diags_done(&spec->diags);
	arena_free(spec->arena); /* spec itself is in it */
}

struct spec_vm *spec_vm_find(const struct spec *spec, const char *name, struct err *err)
{
	for (unsigned i = 0; i < spec->nvms; i++)
		if (!name || !strcmp(spec->vms[i].name, name))
			return &spec->vms[i];
	err_set(err, ERR_NOT_FOUND, "'%s' has no VM '%s' (it has '%s')", spec->path,
		name ? name : "", spec->nvms ? spec->vms[0].name : "none");
	return NULL;
}
