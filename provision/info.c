/* SPDX-License-Identifier: Apache-2.0
 *
 * Which VMs there are, which one is meant, and what can be said about one.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/util.h"
#include "provision/ssh.h"
#include "provision/outcome.h"
#include "provision/watch.h"

const char *vm_phase_name(enum vm_phase p)
{
	static const char *const names[] = {"absent", "created", "running", "stopped", "crashed"};

	return (unsigned)p < ARRAY_LEN(names) ? names[p] : "?";
}

/* --- one VM ----------------------------------------------------------------------------------- */

enum { INFO_PROBE_MS = 300 };

static char *copy(const char *s)
{
	return s && *s ? xstrdup(s) : NULL;
}

static void describe(struct watch *w, struct vm_info *out)
{
	const struct vm_state *s = &w->state;
	bool crashed;

	out->project = xstrdup(w->dir.name.project);
	out->name = xstrdup(w->dir.name.vm);
	out->dir = xstrdup(w->dir.path);
	out->socket = xstrdup(w->dir.socket);
	out->spec_path = copy(s->spec_path);
	out->address = copy(w->address);
	out->user = copy(ssh_user(s));
	out->image = copy(s->image_source);
	out->digest = copy(s->image_digest);
	(void)trust_parse(s->image_trust, &out->trust);
	out->cpus = (unsigned)s->cpus;
	out->memory = s->memory;
	out->disk = s->disk_size;
	out->boot = copy(s->boot);
	if (w->alive) {
		out->phase = VM_RUNS;
		out->pid = w->process.pid;
		out->paused = w->has_status && w->status.state == VMM_PAUSED;
		out->uptime_ms = w->ladder.now_ms;
		return;
	}
	out->stop_reason = stop_reason(&w->dir, s, &crashed);
	out->phase = !out->stop_reason ? VM_CREATED : crashed ? VM_CRASHED : VM_STOPPED;
}

int vm_info_get(const struct vm_name *name, struct vm_info *out, struct err *err)
{
	struct watch w;
	int rc = watch_open(name, &w, err);

	*out = (struct vm_info){0};
	if (rc == 0) {
		if (w.alive)
			watch_poll(&w, INFO_PROBE_MS);
		describe(&w, out);
		out->ladder = w.ladder;
		w.ladder.console_tail = NULL; /* the caller's now */
	}
	watch_close(&w);
	return rc;
}

char *vm_file(const struct vm_name *name, const char *file, struct err *err)
{
	struct croft_dirs dirs;
	struct vmdir d;
	char *path;

	if (croft_dirs_get(&dirs, err) < 0)
		return NULL;
	vmdir_init(&d, &dirs, name);
	path = vmdir_file(&d, file);
	vmdir_done(&d);
	croft_dirs_done(&dirs);
	return path;
}

void vm_info_done(struct vm_info *v)
{
	char *owned[] = {v->project, v->name,  v->dir,	  v->spec_path,	  v->socket, v->address,
			 v->user,    v->image, v->digest, v->stop_reason, v->boot};

	for (unsigned i = 0; i < ARRAY_LEN(owned); i++)
		free(owned[i]);
	ladder_done(&v->ladder);
	*v = (struct vm_info){0};
}

/* --- all of them ------------------------------------------------------------------------------ */

struct names {
	struct vm_name *list;
	size_t n, cap;
};

static void add_name(struct names *out, const char *project, const char *vm)
{
	struct vm_name *name;

	out->list = xgrow(out->list, &out->cap, out->n + 1, sizeof(*out->list));
	name = &out->list[out->n++];
	snprintf(name->project, sizeof(name->project), "%s", project);
	snprintf(name->vm, sizeof(name->vm), "%s", vm);
}

/* A directory is a VM when it holds a state.json, readable or not. */
static void scan_project(const char *state, const char *project, struct names *out)
{
	auto_free char *path = path_join(state, project);
	auto_closedir DIR *dir = opendir(path);
	struct dirent *e;

	while (dir && (e = readdir(dir))) {
		auto_free char *file = xasprintf("%s/%s/state.json", path, e->d_name);

		if (text_is_name(e->d_name) && access(file, F_OK) == 0)
			add_name(out, project, e->d_name);
	}
}

static int by_name(const void *a, const void *b)
{
	const struct vm_name *x = a, *y = b;
	int order = strcmp(x->project, y->project);

	return order ? order : strcmp(x->vm, y->vm);
}

int vm_list(struct vm_name **list, size_t *n, struct err *err)
{
	struct croft_dirs dirs;
	struct names found = {0};
	struct dirent *e;
	int rc = croft_dirs_get(&dirs, err);

	if (rc == 0) {
		auto_closedir DIR *dir = opendir(dirs.state);

		if (!dir && errno != ENOENT)
			rc = err_sys(err, ERR_HOST, "cannot read '%s'", dirs.state);
		while (dir && (e = readdir(dir)))
			if (text_is_name(e->d_name))
				scan_project(dirs.state, e->d_name, &found);
		croft_dirs_done(&dirs);
	}
	if (found.n)
		qsort(found.list, found.n, sizeof(*found.list), by_name);
	*list = found.list;
	*n = found.n;
	return rc;
}

/* --- which one is meant ----------------------------------------------------------------------- */

static int not_found(const char *name, const struct vm_name *list, size_t n, struct err *err)
{
	auto_buf struct buf known = BUF_INIT(200);

	for (size_t i = 0; i < n; i++)
		buf_printf(&known, "%s%s/%s", i ? ", " : "", list[i].project, list[i].vm);
	return err_set(err, ERR_NOT_FOUND, "there is no VM '%s' (%s%s%s)", name,
		       n ? "there are: " : "there are none; croft up makes one", buf_str(&known),
		       known.overflow ? ", ..." : "");
}

static int set_name(struct vm_name *out, const char *project, const char *vm, struct err *err)
{
	if (!text_is_name(project) || !text_is_name(vm))
		return err_set(err, ERR_USAGE, "'%s/%s' is not the name of a VM", project, vm);
	snprintf(out->project, sizeof(out->project), "%s", project);
	snprintf(out->vm, sizeof(out->vm), "%s", vm);
	return 0;
}

/* What is known of a VM; false: nothing. Release with state_done. */
static bool load_state(const struct vm_name *name, struct vm_state *out)
{
	struct croft_dirs dirs;
	struct vmdir dir;
	bool there;

	if (croft_dirs_get(&dirs, NULL) < 0)
		return false;
	vmdir_init(&dir, &dirs, name);
	there = state_load(&dir, out, NULL) == 0;
	vmdir_done(&dir);
	croft_dirs_done(&dirs);
	return there;
}

static int from_spec(const struct spec *spec, const char *name, struct vm_name *out,
		     struct err *err)
{
	const struct spec_vm *vm = spec_vm_find(spec, name, err);
	struct vm_state state;
	int rc;

	if (!vm || set_name(out, spec->project, vm->name, err) < 0)
		return -1;
	if (!load_state(out, &state))
		return 0; /* who needs one says so */
	rc = state_check_spec(&state, out, spec->path, err);
	state_done(&state);
	return rc;
}

/* The VM that was last made from this file: for when the file can no longer be read as a spec. */
static bool from_spec_path(const char *path, struct vm_name *out)
{
	struct vm_name *list;
	bool found = false;
	size_t n;

	if (vm_list(&list, &n, NULL) < 0)
		n = 0;
	for (size_t i = 0; i < n && !found; i++) {
		struct vm_state state;

		if (!load_state(&list[i], &state))
			continue;
		found = state.spec_path && !strcmp(state.spec_path, path);
		state_done(&state);
		if (found)
			*out = list[i];
	}
	free(list);
	return found;
}

static int resolve_by_spec(const char *spec_path, struct vm_name *out, struct err *err)
{
	auto_free char *found = spec_path ? NULL : spec_find(err);
	auto_free char *full = NULL;
	struct err why = {0};

	if (!spec_path && !found)
		return -1;
	auto_spec struct spec *spec = spec_load(spec_path ? spec_path : found, &why);
	if (spec)
		return from_spec(spec, NULL, out, err);
	full = realpath(spec_path ? spec_path : found, NULL);
	if (full && from_spec_path(full, out))
		return 0;
	if (err)
		*err = why;
	return -1;
}

/* A name alone: the spec's VM of that name, else the only VM that has it. */
static int resolve_by_name(const char *name, const char *spec_path, struct vm_name *out,
			   struct err *err)
{
	auto_free char *found = spec_path ? NULL : spec_find(NULL);
	const struct vm_name *only = NULL;
	struct vm_name *list;
	size_t n, hits = 0;
	int rc;

	if (spec_path || found) {
		auto_spec struct spec *spec = spec_load(spec_path ? spec_path : found, NULL);

		if (spec && spec_vm_find(spec, name, NULL))
			return from_spec(spec, name, out, err);
	}
	if (vm_list(&list, &n, err) < 0)
		return -1;
	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i].vm, name)) {
			only = &list[i];
			hits++;
		}
	if (hits == 1)
		rc = set_name(out, only->project, only->vm, err);
	else if (!hits)
		rc = not_found(name, list, n, err);
	else
		rc = err_set(err, ERR_USAGE,
			     "%zu VMs are named '%s': write PROJECT/%s (%s/%s, ...)", hits, name,
			     name, only->project, only->vm);
	free(list);
	return rc;
}

int vm_resolve(const char *name, const char *spec_path, struct vm_name *out, struct err *err)
{
	const char *slash = name ? strchr(name, '/') : NULL;
	auto_free char *project = NULL;

	if (!name)
		return resolve_by_spec(spec_path, out, err);
	if (!slash)
		return resolve_by_name(name, spec_path, out, err);
	project = xstrndup(name, (size_t)(slash - name));
	return set_name(out, project, slash + 1, err);
}

/* --- ssh -------------------------------------------------------------------------------------- */

char **vm_ssh_argv(const struct vm_name *name, const char *const *cmd, struct err *err)
{
	char **argv = NULL;
	struct watch w;

	if (watch_open(name, &w, err) == 0) {
		if (w.alive && !w.address[0])
			watch_poll(&w, INFO_PROBE_MS);
		if (!w.alive)
			err_set(err, ERR_CONFLICT, "%s does not run (croft up starts it)",
				name->vm);
		else if (!w.state.nnics)
			err_set(err, ERR_CONFLICT, "%s has no network (croft console %s)", name->vm,
				name->vm);
		else if (!w.address[0])
			err_set(err, ERR_TIMEOUT, "the address of %s is not known yet%s%s",
				name->vm, w.hint[0] ? ": " : "", w.hint);
		else
			argv = ssh_argv(&w.dir, &w.state, w.address, false, cmd, err);
	}
	watch_close(&w);
	return argv;
}
