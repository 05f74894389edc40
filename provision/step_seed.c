/* SPDX-License-Identifier: Apache-2.0
 *
 * The seed disk, and the host key that it carries. The key is made once, on the host, and pinned in
 * the VM's known_hosts, so that the first connection is verified already. The instance-id derives
 * from the VM's identity and from nothing else: cloud-init runs its once-per-instance parts again
 * only on a new disk, so what a changed spec changes in the seed is said to be so.
 */
#include <errno.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"
#include "cloudinit/seed.h"
#include "provision/ssh.h"
#include "provision/step.h"

enum { KEY_BYTES = 16384 };

struct seed_step {
	struct buf iso; /* as it should be, once rendered */
	bool had_seed, had_key;
};

static int read_key(const struct vmdir *d, const char *name, char **out, struct err *err)
{
	auto_free char *path = vmdir_file(d, name);
	auto_buf struct buf text = BUF_INIT(KEY_BYTES);

	if (file_read(path, &text, err) < 0)
		return -1;
	*out = buf_take(&text);
	return 0;
}

/* Both halves of the host key, or neither. */
static int host_key_load(const struct vmdir *d, char **private_key, char **public_key)
{
	*private_key = *public_key = NULL;
	if (read_key(d, "host_key", private_key, NULL) == 0 &&
	    read_key(d, "host_key.pub", public_key, NULL) == 0)
		return 0;
	free(take_ptr(*private_key));
	return -1;
}

static int write_file(const struct vmdir *d, const char *name, const char *text, mode_t mode,
		      struct err *err)
{
	auto_free char *path = vmdir_file(d, name);

	return file_put(path, text, strlen(text), mode, err);
}

/* The private half is written last: a key is there when it is there. */
static int host_key_make(const struct vmdir *d, struct err *err)
{
	auto_free char *private_key = NULL, *public_key = NULL, *alias = ssh_host_alias(&d->name);
	auto_free char *pinned = NULL;

	if (seed_host_key(d->name.vm, &private_key, &public_key, err) < 0)
		return err_wrap(err, "SSH host key");
	/* known_hosts(5): names, key type, key; the comment that follows does no harm. */
	pinned = xasprintf("%s %.*s\n", alias, (int)strcspn(public_key, "\n"), public_key);
	if (write_file(d, "host_key.pub", public_key, 0644, err) < 0 ||
	    write_file(d, "known_hosts", pinned, 0600, err) < 0)
		return -1;
	return write_file(d, "host_key", private_key, 0600, err);
}

/* --- what the seed says ----------------------------------------------------------------------- */

static void put_nics(const struct spec_vm *vm, struct seed_input *in)
{
	static_assert((int)SPEC_MAX_NICS <= (int)SEED_MAX_NICS,
		      "every NIC of a spec fits in a seed");
	static_assert((int)SPEC_MAX_DNS <= (int)SEED_MAX_DNS, "every DNS server of a NIC fits");

	in->nnics = vm->nnics;
	for (unsigned i = 0; i < vm->nnics; i++) {
		const struct spec_nic *from = &vm->nics[i];
		struct seed_nic *to = &in->nics[i];

		memcpy(to->mac, from->mac, sizeof(to->mac));
		to->address = from->address;
		to->gateway = from->gateway;
		to->ndns = from->ndns;
		memcpy(to->dns, from->dns, sizeof(from->dns));
	}
}

static int render(const struct spec_vm *vm, const struct vmdir *d, const char *uuid,
		  struct seed *out, struct err *err)
{
	auto_free char *private_key = NULL, *public_key = NULL;
	auto_free char *instance_id = xasprintf("iid-%s", uuid);
	struct seed_input in = {
		.instance_id = instance_id,
		.hostname = vm->hostname,
		.fqdn = vm->fqdn,
		.cloud_config = vm->cloud_config,
		.user_data = vm->user_data.source,
		.vendor_data = vm->vendor_data.source,
		.meta_data = vm->meta_data.source,
		.network_config = vm->network_config.source,
	};

	host_key_load(d, &private_key, &public_key);
	in.host_key_private = private_key;
	in.host_key_public = public_key;
	put_nics(vm, &in);
	return seed_render(&in, out, err);
}

static int render_iso(struct run *run, struct buf *out, struct err *err)
{
	struct seed seed = {0};
	int rc;

	buf_done(out);
	*out = BUF_INIT(SEED_MAX_ISO);
	if (render(run->vm, &run->dir, run->state.uuid, &seed, err) < 0)
		return -1;
	rc = seed_iso(&seed, out, err);
	seed_done(&seed);
	return rc;
}

int vm_seed(const struct spec *spec, const struct spec_vm *vm, struct seed *out, struct err *err)
{
	struct croft_dirs dirs;
	struct vm_state state;
	struct vm_name name;
	struct vmdir dir;
	int rc;

	if (croft_dirs_get(&dirs, err) < 0)
		return -1;
	snprintf(name.project, sizeof(name.project), "%s", spec->project);
	snprintf(name.vm, sizeof(name.vm), "%s", vm->name);
	vmdir_init(&dir, &dirs, &name);
	if (state_load(&dir, &state, NULL) < 0)
		state_init(&state, &name);
	rc = state_check_spec(&state, &name, spec->path, err);
	if (rc == 0)
		rc = render(vm, &dir, state.uuid, out, err);
	state_done(&state);
	vmdir_done(&dir);
	croft_dirs_done(&dirs);
	return rc;
}

/* --- the step --------------------------------------------------------------------------------- */

/* 1 when seed.iso holds exactly these bytes. */
static bool same_file(const struct vmdir *d, const struct buf *iso)
{
	auto_free char *path = vmdir_file(d, "seed.iso");
	auto_buf struct buf have = BUF_INIT(SEED_MAX_ISO);

	return file_read(path, &have, NULL) == 0 && have.len == iso->len &&
	       !memcmp(buf_str(&have), buf_str(iso), iso->len);
}

static int seed_check(struct run *run, void *arg, enum step_state *out, struct err *err)
{
	struct seed_step *step = arg;
	auto_free char *private_key = NULL, *public_key = NULL;

	step->had_seed = vmdir_has(&run->dir, "seed.iso");
	step->had_key = host_key_load(&run->dir, &private_key, &public_key) == 0;
	if (!run->vm->seed) {
		*out = step->had_seed ? STEP_CHANGE : STEP_DONE;
		return 0;
	}
	if (!step->had_seed || !step->had_key) {
		*out = step->had_seed ? STEP_CHANGE : STEP_CREATE;
		return 0;
	}
	if (render_iso(run, &step->iso, err) < 0)
		return err_wrap(err, "seed");
	*out = same_file(&run->dir, &step->iso) ? STEP_DONE : STEP_CHANGE;
	if (*out == STEP_CHANGE && run->state.disk_used)
		run_note(run,
			 "the seed changed: cloud-init looks at users, keys, packages, files and "
			 "network settings at a VM's first boot only (`croft destroy` and `croft "
			 "up` make a new VM with them)");
	return 0;
}

static int seed_apply(struct run *run, void *arg, enum step_state was, struct err *err)
{
	struct seed_step *step = arg;
	auto_free char *path = vmdir_file(&run->dir, "seed.iso");

	(void)was;
	run->state.seed = run->vm->seed;
	if (!run->vm->seed)
		return file_remove(path, err);
	if (!step->had_key && host_key_make(&run->dir, err) < 0)
		return -1;
	if (!step->iso.len && render_iso(run, &step->iso, err) < 0)
		return -1;
	return file_put(path, step->iso.data, step->iso.len, 0600, err);
}

static void seed_undo(struct run *run, void *arg, enum step_state was)
{
	static const char *const made[] = {"seed.iso", "host_key", "host_key.pub", "known_hosts"};

	(void)arg;
	if (was != STEP_CREATE)
		return; /* what replaced an older seed is made anew by the next check, if need be */
	for (unsigned i = 0; i < ARRAY_LEN(made); i++) {
		auto_free char *path = vmdir_file(&run->dir, made[i]);

		/* A key that a guest may have got stays the VM's key, as long as there is a VM. */
		if (i == 0 || run->is_new || !run->state.disk_used)
			unlink(path);
	}
}

static void seed_describe(const struct run *run, const void *arg, FILE *f)
{
	const struct seed_step *step = arg;

	if (!run->vm->seed)
		fputs(step->had_seed ? "removed: cloud_init: none" : "none", f);
	else
		fprintf(f, "instance-id iid-%s", run->state.uuid);
}

static void seed_step_done(void *arg)
{
	buf_done(&((struct seed_step *)arg)->iso);
}

const struct step_class step_seed = {
	.name = "seed",
	.arg_size = sizeof(struct seed_step),
	.check = seed_check,
	.apply = seed_apply,
	.undo = seed_undo,
	.describe = seed_describe,
	.done = seed_step_done,
};
