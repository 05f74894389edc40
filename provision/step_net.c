/* SPDX-License-Identifier: Apache-2.0
 *
 * The VM's network on the host, made anew at every start: taps live with the VMM that holds them,
 * so there is something to do whenever no VMM runs, and nothing to clean up after one that was
 * killed.
 */
#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"
#include "provision/net/hostnet.h"
#include "provision/step.h"

static void mac_text(const uint8_t m[6], char out[18])
{
	snprintf(out, 18, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

/* What two machines on one bridge must not share: "address" or "MAC", or NULL. */
static const char *clash(const struct spec_nic *a, const struct state_nic *b)
{
	char mac[18];

	mac_text(a->mac, mac);
	if (strcmp(a->bridge, b->bridge))
		return NULL;
	if (!strcmp(mac, b->mac))
		return "MAC";
	return a->address && b->address[0] &&
			       strcspn(a->address, "/") == strcspn(b->address, "/") &&
			       !strncmp(a->address, b->address, strcspn(a->address, "/"))
		       ? "address"
		       : NULL;
}

static int check_against(const struct run *run, const struct vm_name *name,
			 const struct vm_state *other, struct err *err)
{
	for (unsigned i = 0; i < run->vm->nnics; i++)
		for (size_t j = 0; j < other->nnics; j++) {
			const struct spec_nic *nic = &run->vm->nics[i];
			const char *what = clash(nic, &other->nics[j]);

			if (what)
				return err_set(
					err, ERR_CONFLICT,
					"%s: networks: %s: %s/%s runs on bridge '%s' with the same "
					"%s",
					run->spec->path, nic->name, name->project, name->vm,
					nic->bridge, what);
		}
	return 0;
}

/* Of this user's VMs, those that run; others are found by the watch, when they answer instead. */
static int check_clashes(const struct run *run, struct err *err)
{
	struct vm_name *list;
	int rc = 0;
	size_t n;

	if (vm_list(&list, &n, NULL) < 0)
		n = 0;
	for (size_t i = 0; i < n && rc == 0; i++) {
		struct vm_state other;
		struct vmdir dir;

		if (!strcmp(list[i].project, run->dir.name.project) &&
		    !strcmp(list[i].vm, run->dir.name.vm))
			continue;
		vmdir_init(&dir, &run->dirs, &list[i]);
		if (state_load(&dir, &other, NULL) == 0) {
			if (state_alive(&other))
				rc = check_against(run, &list[i], &other, err);
			state_done(&other);
		}
		vmdir_done(&dir);
	}
	free(list);
	return rc;
}

static struct hostnet_nic host_side(const struct run *run, unsigned i)
{
	const struct spec_nic *nic = &run->vm->nics[i];

	return (struct hostnet_nic){
		.project = run->dir.name.project,
		.vm = run->dir.name.vm,
		.index = i,
		.bridge = nic->bridge,
		.create = nic->create,
		.host_address = nic->host_address,
		.mac = nic->mac,
	};
}

static int net_check(struct run *run, void *arg, enum step_state *out, struct err *err)
{
	(void)arg;
	*out = STEP_DONE;
	if (run->running)
		return 0;
	if (run->vm->nnics)
		*out = STEP_CREATE;
	else if (run->state.nnics)
		*out = STEP_CHANGE;
	for (unsigned i = 0; i < run->vm->nnics; i++) {
		struct hostnet_nic nic = host_side(run, i);

		if (hostnet_check(&nic, err) < 0)
			return err_wrap(err, "network '%s'", run->vm->nics[i].name);
	}
	return check_clashes(run, err);
}

static void on_note(void *ctx, const char *text)
{
	run_note(ctx, "%s", text);
}

static void remember(struct state_nic *out, const struct spec_nic *nic,
		     const struct hostnet_tap *tap)
{
	*out = (struct state_nic){.bridge_is_ours = tap->made_bridge || nic->create};
	snprintf(out->bridge, sizeof(out->bridge), "%s", nic->bridge);
	snprintf(out->tap, sizeof(out->tap), "%s", tap->name);
	mac_text(nic->mac, out->mac);
	snprintf(out->address, sizeof(out->address), "%s", nic->address ? nic->address : "");
}

/* On record before they are made, so that a kill leaves none that nobody knows of. */
static int announce_bridges(struct run *run, struct err *err)
{
	char *out = run->journal.bridges;
	size_t n = 0, size = sizeof(run->journal.bridges);

	for (unsigned i = 0; i < run->vm->nnics; i++)
		if (run->vm->nics[i].create && n < size)
			n += (size_t)snprintf(out + n, size - n, "%s ", run->vm->nics[i].bridge);
	return n ? journal_write(&run->dir, &run->journal, err) : 0;
}

/* Bridges of the start before that the spec no longer names: `down` would not know of them. */
static void release_unwanted(struct run *run, const char *lock)
{
	for (size_t i = 0; i < run->state.nnics; i++) {
		const struct state_nic *old = &run->state.nics[i];
		bool wanted = !old->bridge_is_ours;
		struct err why = {0};

		for (unsigned j = 0; j < run->vm->nnics; j++)
			wanted |= !strcmp(run->vm->nics[j].bridge, old->bridge);
		if (!wanted && hostnet_release(old->bridge, lock, &why) < 0)
			run_note(run, "the bridge '%s' stays: %s", old->bridge, why.msg);
	}
}

/*
 * Two VMs that start at the same moment do not see each other run: so who starts one with NICs
 * holds this lock from looking for clashes to the end of its run, when its VMM is on record. Locks
 * are taken in this order: vm.lock, start.lock, net.lock.
 */
static int lock_starts(struct run *run, struct err *err)
{
	auto_free char *path = path_join(run->dirs.runtime, "start.lock");

	run->start_lock = reporter_lock(run->rep, path, "for another VM to start", "", err);
	return run->start_lock < 0 ? -1 : 0;
}

static int net_apply(struct run *run, void *arg, enum step_state was, struct err *err)
{
	auto_free char *lock = path_join(run->dirs.runtime, HOSTNET_LOCK);

	(void)arg, (void)was;
	if (croft_runtime_make(&run->dirs, err) < 0 || lock_starts(run, err) < 0 ||
	    check_clashes(run, err) < 0 || announce_bridges(run, err) < 0)
		return -1;
	release_unwanted(run, lock);
	run->state.nnics = run->vm->nnics;
	for (unsigned i = 0; i < run->vm->nnics; i++) {
		const struct spec_nic *nic = &run->vm->nics[i];
		struct hostnet_nic want = host_side(run, i);
		struct hostnet_tap tap;

		if (hostnet_attach(&want, lock, on_note, run, &tap, err) < 0)
			return err_wrap(err, "network '%s'", nic->name);
		run->taps[i] = tap.fd;
		run->mtus[i] = tap.mtu;
		remember(&run->state.nics[i], nic, &tap);
	}
	return 0;
}

static void net_undo(struct run *run, void *arg, enum step_state was)
{
	auto_free char *lock = path_join(run->dirs.runtime, HOSTNET_LOCK);
	char bridges[sizeof(run->journal.bridges)], *save = NULL;

	(void)arg, (void)was;
	for (unsigned i = 0; i < SPEC_MAX_NICS; i++) {
		auto_close_fn(&run->taps[i]);
		run->taps[i] = -1;
	}
	for (size_t i = 0; i < run->state.nnics; i++)
		if (run->state.nics[i].bridge_is_ours)
			hostnet_release(run->state.nics[i].bridge, lock, NULL);
	snprintf(bridges, sizeof(bridges), "%s", run->journal.bridges);
	for (char *b = strtok_r(bridges, " ", &save); b; b = strtok_r(NULL, " ", &save))
		hostnet_release(b, lock, NULL);
}

static void net_describe(const struct run *run, const void *arg, FILE *f)
{
	(void)arg;
	if (!run->vm->nnics)
		fputs("none", f);
	for (unsigned i = 0; i < run->vm->nnics; i++) {
		const struct spec_nic *nic = &run->vm->nics[i];

		fprintf(f, "%s%s on %s, %s", i ? "; " : "", nic->name, nic->bridge,
			nic->address ? nic->address : "DHCP");
	}
}

const struct step_class step_net = {
	.name = "net",
	.check = net_check,
	.apply = net_apply,
	.undo = net_undo,
	.describe = net_describe,
};
