/* SPDX-License-Identifier: Apache-2.0
 *
 * The machine itself: boot entry, configuration, and croft-vmm with everything it may touch as open
 * descriptors. Nothing in machine.json is a path, so a disk image can name no other file.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/util.h"
#include "provision/asked.h"
#include "provision/boot.h"
#include "provision/disks.h"
#include "provision/doctor.h"
#include "provision/launch.h"
#include "provision/step.h"
#include "vmm/client.h"

enum { CONSOLE_LOG_MAX = 10 << 20, ADOPT_TIMEOUT_MS = 5000 };

struct vm_step {
	struct buf changes; /* of a running VM's spec */
	bool started;
};

static int vm_check(struct run *run, void *arg, enum step_state *out, struct err *err)
{
	struct vm_step *step = arg;

	(void)err;
	step->changes = BUF_INIT(4096);
	if (!run->running) {
		*out = STEP_CREATE;
		return 0;
	}
	asked_diff(&run->state, run->vm, &step->changes);
	*out = step->changes.len ? STEP_PENDING : STEP_DONE;
	return 0;
}

/* --- the configuration ------------------------------------------------------------------------ */

static int open_file(const struct run *run, const char *path, int flags, struct vmm_file *out,
		     struct err *err)
{
	auto_free char *full = path_join(run->dir.path, path);

	out->fd = open(full, flags | O_CLOEXEC, 0600);
	return out->fd < 0 ? err_sys(err, ERR_HOST, "cannot open '%s'", full) : 0;
}

/* The log of the start before stays as NAME.1, and nobody takes it for one of this start. */
static void put_aside(const struct run *run, const char *name)
{
	auto_free char *path = vmdir_file(&run->dir, name), *old = xasprintf("%s.1", path);

	rename(path, old);
}

static int open_log(const struct run *run, const char *name, struct vmm_file *out, struct err *err)
{
	return open_file(run, name, O_RDWR | O_CREAT | O_TRUNC | O_APPEND, out, err);
}

static struct vmm_disk *add_disk(struct vmm_config *c, const char *id, bool read_only)
{
	struct vmm_disk *d = &c->disks[c->ndisks++];

	static_assert(VMM_MAX_DISKS >= 2 + SPEC_MAX_DISKS,
		      "root, seed and every disk of a spec fit");
	snprintf(d->id, sizeof(d->id), "%s", id);
	d->read_only = read_only;
	for (unsigned i = 0; i < VMM_MAX_LAYERS; i++)
		d->layers[i].file.fd = -1;
	return d;
}

static int add_layer(const struct run *run, struct vmm_disk *d, const char *path,
		     enum blk_format format, bool read_only, struct err *err)
{
	unsigned i = d->nlayers++;

	d->layers[i].format = format == BLK_QCOW2 ? VMM_QCOW2 : VMM_RAW;
	if (open_file(run, path, read_only ? O_RDONLY : O_RDWR, &d->layers[i].file, err) < 0)
		return err_wrap(err, "disk '%s'", d->id);
	return 0;
}

static int put_disks(const struct run *run, struct vmm_config *c, struct err *err)
{
	const struct spec_vm *vm = run->vm;
	struct vmm_disk *d = add_disk(c, "root", false);
	enum blk_format base;

	if (blk_format_parse(run->state.image_format, &base, err) < 0 ||
	    add_layer(run, d, "disk.qcow2", BLK_QCOW2, false, err) < 0 ||
	    add_layer(run, d, run->state.image_path, base, true, err) < 0)
		return -1;
	if (vm->seed) {
		d = add_disk(c, "cidata", true);
		if (add_layer(run, d, "seed.iso", BLK_RAW, true, err) < 0)
			return -1;
	}
	for (unsigned i = 0; i < vm->ndisks; i++) {
		const struct spec_disk *from = &vm->disks[i];
		auto_free char *file = from->path ? xstrdup(from->path) : disk_file_name(from);

		d = add_disk(c, from->name, from->read_only);
		if (add_layer(run, d, file, from->format, from->read_only, err) < 0)
			return -1;
	}
	return 0;
}

static void put_nics(struct run *run, struct vmm_config *c)
{
	static_assert((int)VMM_MAX_NICS >= (int)SPEC_MAX_NICS, "every NIC of a spec fits");

	for (unsigned i = 0; i < run->vm->nnics; i++) {
		struct vmm_nic *nic = &c->nics[c->nnics++];

		snprintf(nic->id, sizeof(nic->id), "%s", run->vm->nics[i].name);
		memcpy(nic->mac, run->vm->nics[i].mac, sizeof(nic->mac));
		nic->tap.fd = take_fd(&run->taps[i]);
		nic->mtu = run->mtus[i] == 1500 ? 0 : run->mtus[i];
	}
}

static int put_host_files(const struct run *run, struct vmm_config *c, struct err *err)
{
	put_aside(run, "console.log");
	put_aside(run, "vmm.log");
	if (run->vm->console_log && open_log(run, "console.log", &c->console_log, err) < 0)
		return -1;
	c->console_log_max = CONSOLE_LOG_MAX;
	if (open_log(run, "vmm.log", &c->log, err) < 0 ||
	    open_file(run, "exit.json", O_WRONLY | O_CREAT | O_TRUNC, &c->exit_report, err) < 0)
		return -1;
	c->control.fd = launch_listen(run->dir.socket, err);
	return c->control.fd < 0 ? -1 : 0;
}

/* Descriptors that were opened are in `c` also when this fails. */
static int configure(struct run *run, struct boot_choice *boot, struct vmm_config *c,
		     struct err *err)
{
	snprintf(c->name, sizeof(c->name), "%s/%s", run->dir.name.project, run->dir.name.vm);
	snprintf(c->uuid, sizeof(c->uuid), "%s", run->state.uuid);
	/* cloud-init's ds-identify looks here before it looks at any disk. */
	snprintf(c->smbios_serial, sizeof(c->smbios_serial), "%s",
		 run->vm->seed ? "ds=nocloud" : "");
	c->cpus = run->vm->cpus;
	c->memory = align_up(run->vm->memory, 2 * MIB);
	c->kernel.fd = take_fd(&boot->kernel);
	c->initrd.fd = take_fd(&boot->initrd);
	if (put_disks(run, c, err) < 0 || put_host_files(run, c, err) < 0)
		return -1;
	put_nics(run, c);
	return 0;
}

static void close_files(struct vmm_config *c)
{
	int *fds[] = {&c->kernel.fd,	  &c->initrd.fd, &c->control.fd,
		      &c->console_log.fd, &c->log.fd,	 &c->exit_report.fd};

	for (unsigned i = 0; i < ARRAY_LEN(fds); i++)
		auto_close_fn(fds[i]);
	for (unsigned i = 0; i < c->ndisks; i++)
		for (unsigned j = 0; j < c->disks[i].nlayers; j++)
			auto_close_fn(&c->disks[i].layers[j].file.fd);
}

/* --- the step --------------------------------------------------------------------------------- */

static int start(struct run *run, const char *vmm, struct boot_choice *boot, struct vmm_config *c,
		 pid_t *pid, struct err *err)
{
	struct vm_state *s = &run->state;
	bool first;

	if (configure(run, boot, c, err) < 0) {
		close_files(c);
		return -1;
	}
	/* From here on a guest may write to the disk: that must be known before it can. */
	first = !s->disk_used;
	s->disk_used = true;
	s->cpus = run->vm->cpus;
	s->memory = run->vm->memory;
	asked_fill(s, run->vm);
	if (state_save(&run->dir, s, !first, err) < 0 ||
	    (first && vmdir_settle(&run->dir, err) < 0)) {
		close_files(c);
		return -1;
	}
	return launch_vmm(run, vmm, c, pid, err);
}

static int vm_apply(struct run *run, void *arg, enum step_state was, struct err *err)
{
	struct vm_step *step = arg;
	auto_free char *vmm = launch_find_vmm(run->options->vmm, err);
	struct vmm_config *c;
	struct boot_choice boot;
	pid_t pid;
	int rc;

	(void)was;
	if (!vmm)
		return -1;
	if (kvm_is_paravirtual())
		run_note(run,
			 "this machine's KVM is paravirtual-only: stock kernels get nowhere on it "
			 "(croft doctor says more)");
	c = NEW(struct vmm_config);
	vmm_config_init(c);
	rc = boot_choose(run, &boot, c->cmdline, err);
	if (rc == 0)
		rc = start(run, vmm, &boot, c, &pid, err);
	if (rc == 0) {
		state_set_vmm(&run->state, pid, run->dir.socket);
		step->started = true;
	}
	boot_choice_done(&boot);
	vmm_config_done(c);
	free(c);
	return rc;
}

static void vm_undo(struct run *run, void *arg, enum step_state was)
{
	struct process p = {(pid_t)run->state.vmm.pid, run->state.vmm.start_time};
	struct process unrecorded = {(pid_t)run->journal.vmm_pid, run->journal.vmm_start_time};

	(void)arg, (void)was;
	process_kill(&p);
	process_kill(&unrecorded);
	unlink(run->dir.socket);
	state_set_vmm(&run->state, 0, NULL);
}

/* croft was killed while it started a VMM. One that runs is somebody's work by now: it is kept. */
static bool vm_adopt(struct run *run, const struct journal *j)
{
	struct process p = {(pid_t)j->vmm_pid, j->vmm_start_time};
	uint64_t start = now_ms();
	struct vmm_status status;

	while (process_alive(&p) && now_ms() - start < ADOPT_TIMEOUT_MS) {
		if (vmm_client_status(run->dir.socket, VMM_CLIENT_LOOK_MS, &status, NULL) == 0 &&
		    status.pid == p.pid) {
			state_set_vmm(&run->state, p.pid, run->dir.socket);
			run_note(run, "its VM runs: kept");
			return true;
		}
		nanosleep(&(struct timespec){.tv_nsec = 50 * 1000 * 1000}, NULL);
	}
	return false;
}

static void vm_describe(const struct run *run, const void *arg, FILE *f)
{
	const struct vm_step *step = arg;
	char memory[SIZE_TEXT];

	if (step->changes.len) {
		fputs(buf_str(&step->changes), f);
		return;
	}
	fprintf(f, "%u CPU%s, %s", run->vm->cpus, run->vm->cpus == 1 ? "" : "s",
		format_size(run->vm->memory, memory, sizeof(memory)));
	if (run->state.boot && (run->running || step->started))
		fprintf(f, ", %s", run->state.boot);
}

static void vm_step_done(void *arg)
{
	buf_done(&((struct vm_step *)arg)->changes);
}

const struct step_class step_vm = {
	.name = "vm",
	.arg_size = sizeof(struct vm_step),
	.check = vm_check,
	.apply = vm_apply,
	.undo = vm_undo,
	.adopt = vm_adopt,
	.describe = vm_describe,
	.done = vm_step_done,
};
