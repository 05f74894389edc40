/* SPDX-License-Identifier: Apache-2.0
 *
 * Which VM stands on which image: see images.h. state.json says it, from before `up` lets go of its
 * lease on the image until `destroy`.
 */
#include "provision/images.h"

#include "base/mem.h"
#include "base/util.h"
#include "provision/state.h"

static int add(struct image_users *users, const struct croft_dirs *dirs, const struct vm_name *name,
	       struct err *err)
{
	struct err why = {0};
	struct vm_state state;
	struct vmdir dir;
	struct image_use *use;
	int rc;

	vmdir_init(&dir, dirs, name);
	rc = state_load(&dir, &state, &why);
	vmdir_done(&dir);
	if (rc < 0)
		return why.kind == ERR_NOT_FOUND
			       ? 0 /* destroyed just now */
			       : err_set(err, ERR_CONFLICT,
					 "which image %s/%s uses is not known: %s", name->project,
					 name->vm, why.msg);
	if (state.image_path || state.image_digest[0]) {
		users->uses = xgrow(users->uses, &users->cap, users->n + 1, sizeof(*users->uses));
		use = &users->uses[users->n++];
		use->vm = *name;
		use->path = take_ptr(state.image_path);
		snprintf(use->digest, sizeof(use->digest), "%s", state.image_digest);
	}
	state_done(&state);
	return 0;
}

int image_users_load(struct image_users *users, struct err *err)
{
	struct vm_name *names = NULL;
	struct croft_dirs dirs;
	size_t n = 0;
	int rc;

	*users = (struct image_users){0};
	if (croft_dirs_get(&dirs, err) < 0)
		return -1;
	rc = vm_list(&names, &n, err);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = add(users, &dirs, &names[i], err);
	free(names);
	croft_dirs_done(&dirs);
	if (rc < 0)
		image_users_done(users);
	return rc;
}

void image_users_done(struct image_users *users)
{
	for (size_t i = 0; i < users->n; i++)
		free(users->uses[i].path);
	free(users->uses);
	*users = (struct image_users){0};
}

const struct vm_name *image_user(const struct image_users *users, const struct image_entry *e,
				 size_t i)
{
	for (size_t k = 0; k < users->n; k++) {
		const struct image_use *use = &users->uses[k];

		if (((use->path && !strcmp(use->path, e->path)) ||
		     !strcmp(use->digest, e->record.digest)) &&
		    i-- == 0)
			return &use->vm;
	}
	return NULL;
}

static int unused(void *ctx, const struct image_entry *e, struct err *err)
{
	const struct vm_name *first;
	struct image_users users;
	int rc = 0;

	(void)ctx;
	if (image_users_load(&users, err) < 0)
		return -1;
	first = image_user(&users, e, 0);
	if (first)
		rc = err_set(
			err, ERR_CONFLICT,
			"the disk of %s/%s stands on it%s (`croft destroy %s/%s` deletes that)",
			first->project, first->vm, image_user(&users, e, 1) ? ", and others" : "",
			first->project, first->vm);
	image_users_done(&users);
	return rc;
}

const struct image_guard image_vms_guard = {.unused = unused};
