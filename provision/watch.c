/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking at a running VM from outside: see watch.h.
 */
#include "provision/watch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <time.h>

#include "base/clean.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/proc.h"
#include "base/text.h"
#include "base/util.h"
#include "provision/cistatus.h"
#include "provision/probe.h"
#include "provision/ssh.h"

enum {
	REPLAY_BYTES = 1 << 20, /* of a console that is not logged */
	PROBE_EVERY_MS = 1000,
	ASK_EVERY_MS = 5000,
	ASK_TIMEOUT_MS = 120 * 1000,
	SSH_PORT = 22,
	SSH_FAILED = 255, /* ssh(1), EXIT STATUS */
	NO_SUCH_COMMAND = 127,
};

/* --- ladder.json ------------------------------------------------------------------------------ */

struct ladder_file {
	uint64_t started_ms, resets, skip, kernels, began;
	char address[64];
	struct rung_file {
		bool reached;
		uint64_t at_ms;
		char evidence[128];
	} rungs[RUNGS];
	size_t nrungs;
	bool failed;
	char error[256];
	bool asked;
};

static const struct record_field rung_fields[] = {
	RECORD_ROW(struct rung_file, reached, "reached", RECORD_FLAG),
	RECORD_ROW(struct rung_file, at_ms, "at_ms", RECORD_NUMBER),
	RECORD_ROW(struct rung_file, evidence, "evidence", RECORD_TEXT),
};
static const struct record_class rung_class = {
	.name = "rung", .fields = rung_fields, .nfields = ARRAY_LEN(rung_fields)};

static const struct record_field ladder_fields[] = {
	RECORD_ROW(struct ladder_file, started_ms, "started_ms", RECORD_NUMBER),
	RECORD_ROW(struct ladder_file, resets, "resets", RECORD_NUMBER),
	RECORD_ROW(struct ladder_file, skip, "console.skip", RECORD_NUMBER),
	RECORD_ROW(struct ladder_file, kernels, "console.kernels", RECORD_NUMBER),
	RECORD_ROW(struct ladder_file, began, "console.began", RECORD_NUMBER),
	RECORD_ROW(struct ladder_file, address, "address", RECORD_TEXT),
	RECORD_ROW_LIST(struct ladder_file, rungs, nrungs, "rungs", &rung_class),
	RECORD_ROW(struct ladder_file, failed, "cloud_init.failed", RECORD_FLAG),
	RECORD_ROW(struct ladder_file, error, "cloud_init.error", RECORD_TEXT),
	RECORD_ROW(struct ladder_file, asked, "cloud_init.asked", RECORD_FLAG),
};
static const struct record_class ladder_class = {.name = "ladder",
						 .version = 1,
						 .fields = ladder_fields,
						 .nfields = ARRAY_LEN(ladder_fields)};

/* What an earlier look saw of this very start; anything else is as good as nothing. */
static void recall(struct watch *w)
{
	auto_free char *path = vmdir_file(&w->dir, "ladder.json");
	struct ladder_file f = {0};

	if (record_load(&ladder_class, path, &f, NULL) < 0 || f.nrungs != RUNGS ||
	    f.started_ms != w->state.vmm.started_ms)
		return;
	w->resets = f.resets;
	w->skip = f.skip;
	w->kernels = f.kernels;
	w->began = f.began;
	w->asked_cloud_init = f.asked;
	if (!w->address[0])
		snprintf(w->address, sizeof(w->address), "%s", f.address);
	w->ladder.cloud_init_failed = f.failed;
	snprintf(w->ladder.cloud_init_error, sizeof(w->ladder.cloud_init_error), "%s", f.error);
	for (unsigned i = 0; i < RUNGS; i++) {
		w->ladder.rungs[i].reached = f.rungs[i].reached;
		w->ladder.rungs[i].at_ms = f.rungs[i].at_ms;
		snprintf(w->ladder.rungs[i].evidence, sizeof(w->ladder.rungs[i].evidence), "%s",
			 f.rungs[i].evidence);
	}
}

static void remember(struct watch *w)
{
	auto_free char *path = vmdir_file(&w->dir, "ladder.json");
	struct ladder_file f = {
		.started_ms = w->state.vmm.started_ms,
		.resets = w->resets,
		.skip = w->skip,
		.kernels = w->kernels,
		.began = w->began,
		.nrungs = RUNGS,
		.failed = w->ladder.cloud_init_failed,
		.asked = w->asked_cloud_init,
	};

	snprintf(f.address, sizeof(f.address), "%s", w->address);
	snprintf(f.error, sizeof(f.error), "%s", w->ladder.cloud_init_error);
	for (unsigned i = 0; i < RUNGS; i++) {
		f.rungs[i].reached = w->ladder.rungs[i].reached;
		f.rungs[i].at_ms = w->ladder.rungs[i].at_ms;
		snprintf(f.rungs[i].evidence, sizeof(f.rungs[i].evidence), "%s",
			 w->ladder.rungs[i].evidence);
	}
	record_save(&ladder_class, path, &f, false, NULL);
	w->changed = false;
}

/* --- opening ---------------------------------------------------------------------------------- */

int watch_open(const struct vm_name *name, struct watch *w, struct err *err)
{
	*w = (struct watch){.console_fd = -1, .dir = {.lock = -1}, .prober = PROBER_INIT};
	if (croft_dirs_get(&w->dirs, err) < 0)
		return -1;
	vmdir_init(&w->dir, &w->dirs, name);
	if (state_open(&w->dir, &w->state, err) < 0)
		return -1;
	w->process = (struct process){(pid_t)w->state.vmm.pid, w->state.vmm.start_time};
	w->alive = state_alive(&w->state) && process_alive(&w->process);
	if (w->state.nnics)
		snprintf(w->address, sizeof(w->address), "%.*s",
			 (int)strcspn(w->state.nics[0].address, "/"), w->state.nics[0].address);
	for (unsigned i = 0; i < RUNGS; i++)
		w->ladder.rungs[i].applies = (i != RUNG_NETWORK && i != RUNG_SSH) || w->state.nnics;
	w->ladder.rungs[RUNG_CLOUD_INIT].applies = w->state.seed;
	if (w->alive) {
		w->rtnl = rtnl_open(NULL);
		recall(w);
	}
	return 0;
}

void watch_close(struct watch *w)
{
	if (w->changed)
		remember(w);
	auto_close_fn(&w->console_fd);
	prober_close(&w->prober);
	rtnl_close(w->rtnl);
	ladder_done(&w->ladder);
	state_done(&w->state);
	vmdir_done(&w->dir);
	croft_dirs_done(&w->dirs);
}

void ladder_done(struct ladder *l)
{
	free(take_ptr(l->console_tail));
}

/* --- rungs ------------------------------------------------------------------------------------ */

static uint64_t age_ms(const struct watch *w)
{
	struct timespec now;
	uint64_t ms;

	if (w->has_status)
		return w->status.uptime_ms;
	clock_gettime(CLOCK_REALTIME, &now);
	ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	return ms > w->state.vmm.started_ms ? ms - w->state.vmm.started_ms : 0;
}

static void __attribute__((format(printf, 4, 5)))
reach(struct watch *w, enum rung rung, uint64_t at_ms, const char *fmt, ...)
{
	struct rung_state *r = &w->ladder.rungs[rung];
	char text[512];
	va_list ap;

	if (r->reached)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	clean_str(r->evidence, sizeof(r->evidence), text);
	r->reached = true;
	r->at_ms = at_ms;
	w->changed = true;
}

static void reach_by_console(struct watch *w, enum rung rung, enum console_fact fact)
{
	const struct console_seen *s = &w->console.facts[fact];

	if (s->seen)
		reach(w, rung, s->stamped && !w->console.reboots ? s->guest_ms : age_ms(w),
		      "console: %s", s->line);
}

/*
 * What stands on a higher rung stands on the lower ones, whatever `quiet` keeps from the console.
 */
static void reach_implied(struct watch *w)
{
	static const struct {
		enum rung seen, implied;
	} implications[] = {
		{RUNG_SSH, RUNG_NETWORK},	   {RUNG_SSH, RUNG_USERSPACE},
		{RUNG_CLOUD_INIT, RUNG_USERSPACE}, {RUNG_USERSPACE, RUNG_KERNEL},
		{RUNG_NETWORK, RUNG_KERNEL},
	};

	for (unsigned i = 0; i < ARRAY_LEN(implications); i++) {
		const struct rung_state *s = &w->ladder.rungs[implications[i].seen];

		if (s->reached)
			reach(w, implications[i].implied, s->at_ms, "%s", s->evidence);
	}
}

static void forget_boot(struct watch *w)
{
	for (unsigned i = RUNG_KERNEL; i < RUNGS; i++)
		w->ladder.rungs[i].reached = false;
	w->ladder.cloud_init_failed = false;
	w->asked_cloud_init = w->login_refused = false;
	w->changed = true;
}

/* --- the VMM ---------------------------------------------------------------------------------- */

static void look_at_vmm(struct watch *w)
{
	w->alive = process_alive(&w->process);
	w->has_status = w->alive &&
			vmm_client_status(w->dir.socket, VMM_CLIENT_LOOK_MS, &w->status, NULL) == 0;
	if (w->has_status)
		reach(w, RUNG_VMM, 0, "control socket: %s, pid %" PRId64,
		      vmm_state_name(w->status.state), w->status.pid);
	else if (w->alive)
		reach(w, RUNG_VMM, 0, "process %d", (int)w->process.pid);
}

/* --- the console ------------------------------------------------------------------------------ */

/* The log of this start, or the console itself; from where what is still of interest begins. */
static void open_console(struct watch *w)
{
	auto_free char *path = vmdir_file(&w->dir, "console.log");
	uint64_t replay = REPLAY_BYTES;

	w->console_fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (w->console_fd >= 0) {
		lseek(w->console_fd, (off_t)w->skip, SEEK_SET);
		return;
	}
	/* Who gives no status gives no console either, and finding that out would take longer. */
	if (!w->has_status)
		return;
	if (w->status.console_bytes >= w->skip)
		replay = min_u64(replay, w->status.console_bytes - w->skip);
	w->console_fd = vmm_client_console(w->dir.socket, replay, true, NULL);
	w->attached = w->console_fd >= 0;
}

static void take_console(struct watch *w)
{
	char block[16384];
	ssize_t n;

	if (w->console_fd < 0)
		open_console(w);
	for (unsigned i = 0; w->console_fd >= 0 && i < 4096; i++) {
		n = w->attached ? recv(w->console_fd, block, sizeof(block), MSG_DONTWAIT)
				: read(w->console_fd, block, sizeof(block));
		if (n <= 0)
			break;
		console_feed(&w->console, block, (size_t)n);
	}
}

/*
 * The guest was reset. What is on the console by now is of the present boot when every boot since
 * the last look said its kernel's first line (`fresh` were said). Otherwise nobody can tell the end
 * of the old boot from the beginning of the new one, and all of it is left out, by this look and by
 * later ones.
 */
static void begin_boot(struct watch *w, uint64_t fresh)
{
	uint64_t boots = w->status.resets - w->resets + (w->kernels == w->began);

	w->resets = w->status.resets;
	w->kernels += fresh;
	w->began = w->kernels - 1;
	if (fresh < boots) {
		w->skip = w->status.console_bytes;
		w->kernels = w->began = 0;
		console_forget(&w->console);
	}
	forget_boot(w);
}

static void read_console(struct watch *w)
{
	uint64_t kernels, fresh;

	take_console(w);
	kernels = w->console.facts[CONSOLE_KERNEL].seen ? w->console.reboots + 1 : 0;
	fresh = kernels > w->kernels ? kernels - w->kernels : 0;
	if (w->has_status && w->status.resets != w->resets) {
		begin_boot(w, fresh);
	} else if (fresh) {
		/* A second kernel in a boot, and no reset: kexec. */
		if (w->kernels > w->began)
			forget_boot(w);
		w->kernels = kernels;
		w->changed = true;
	}
	reach_by_console(w, RUNG_KERNEL, CONSOLE_KERNEL);
	reach_by_console(w, RUNG_USERSPACE, CONSOLE_USERSPACE);
	if (w->ladder.rungs[RUNG_CLOUD_INIT].applies)
		reach_by_console(w, RUNG_CLOUD_INIT, CONSOLE_CI_DONE);
	if (w->console.facts[CONSOLE_CI_FAILED].seen && !w->ladder.cloud_init_failed) {
		w->ladder.cloud_init_failed = w->changed = true;
		snprintf(w->ladder.cloud_init_error, sizeof(w->ladder.cloud_init_error), "%s",
			 w->console.facts[CONSOLE_CI_FAILED].line);
	}
}

/* --- the network ------------------------------------------------------------------------------ */

static bool parse_mac(const char *text, uint8_t mac[6])
{
	return sscanf(text, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx", &mac[0], &mac[1], &mac[2],
		      &mac[3], &mac[4], &mac[5]) == 6;
}

/* With DHCP the guest says which address it got, or the host has heard it speak. */
static void learn_address(struct watch *w, const struct link_info *bridge, const uint8_t mac[6])
{
	const struct state_nic *nic = &w->state.nics[0];

	for (unsigned i = 0; i < w->console.naddresses; i++) {
		const struct console_address *a = &w->console.addresses[i];

		if (a->global && !strcmp(a->mac, nic->mac)) {
			snprintf(w->address, sizeof(w->address), "%s", a->address);
			return;
		}
	}
	if (w->rtnl && bridge->index)
		rtnl_neighbour_by_mac(w->rtnl, bridge->index, mac, w->address, sizeof(w->address),
				      NULL);
}

/* Complaint 2: which packet was last seen. */
static void explain_silence(struct watch *w, const struct link_info *bridge, const uint8_t mac[6])
{
	const struct state_nic *nic = &w->state.nics[0];
	struct link_info tap;
	bool heard = false;

	if (!w->rtnl)
		return;
	if (rtnl_link_get(w->rtnl, nic->tap, &tap, NULL) < 1) {
		snprintf(w->hint, sizeof(w->hint), "its tap '%s' is gone", nic->tap);
		return;
	}
	if (bridge->index)
		rtnl_bridge_saw(w->rtnl, bridge->index, mac, &heard, NULL);
	if (!tap.rx_packets)
		snprintf(w->hint, sizeof(w->hint), "the guest has sent no packet yet (tap %s)",
			 nic->tap);
	else if (!w->address[0])
		snprintf(w->hint, sizeof(w->hint),
			 "the guest has sent %" PRIu64
			 " packets on tap %s, and its address is not known: is there a DHCP server "
			 "on %s?",
			 tap.rx_packets, nic->tap, nic->bridge);
	else
		snprintf(w->hint, sizeof(w->hint),
			 "the guest has sent %" PRIu64
			 " packets on tap %s%s, and does not answer at %s",
			 tap.rx_packets, nic->tap,
			 heard && bridge->up ? "" : " (the bridge did not pass them)", w->address);
}

/* Who answers ARP for the guest's address: true unless it is somebody else. */
static bool look_at_neighbour(struct watch *w, const uint8_t mac[6])
{
	uint8_t who[6];

	if (!w->rtnl || rtnl_neighbour_by_address(w->rtnl, w->address, who, NULL) < 1)
		return true;
	if (!memcmp(who, mac, 6)) {
		reach(w, RUNG_NETWORK, age_ms(w), "%s answered, from %s", w->address,
		      w->state.nics[0].mac);
		return true;
	}
	snprintf(w->hint, sizeof(w->hint),
		 "%s is another machine's: %02x:%02x:%02x:%02x:%02x:%02x answers for it",
		 w->address, who[0], who[1], who[2], who[3], who[4], who[5]);
	return false;
}

static void look_at_network(struct watch *w, uint64_t probe_ms)
{
	struct link_info bridge = {0};
	char line[128];
	uint8_t mac[6];
	enum probe got;

	if (!w->state.nnics || w->ladder.rungs[RUNG_SSH].reached ||
	    !parse_mac(w->state.nics[0].mac, mac) || now_ms() - w->probed_ms < PROBE_EVERY_MS)
		return;
	w->probed_ms = now_ms();
	w->hint[0] = '\0';
	if (w->rtnl)
		rtnl_link_get(w->rtnl, w->state.nics[0].bridge, &bridge, NULL);
	if (!w->address[0])
		learn_address(w, &bridge, mac);
	explain_silence(w, &bridge, mac);
	if (!w->address[0] || !probe_ms)
		return;

	got = prober_look(&w->prober, w->address, SSH_PORT, probe_ms, line, sizeof(line));
	if (!look_at_neighbour(w, mac))
		return;
	if (got != PROBE_SILENT) {
		w->hint[0] = '\0';
		reach(w, RUNG_NETWORK, age_ms(w), "%s answered", w->address);
	}
	if (got == PROBE_GREETED && text_starts(line, "SSH-"))
		reach(w, RUNG_SSH, age_ms(w), "%s:%d: %s", w->address, SSH_PORT, line);
	else if (got != PROBE_SILENT)
		snprintf(w->hint, sizeof(w->hint),
			 w->prober.connected
				 ? "%s took a connection, and its SSH server has not greeted yet"
				 : "%s answers, and no SSH server listens there yet",
			 w->address);
}

/* --- cloud-init over ssh ---------------------------------------------------------------------- */

static void fail_cloud_init(struct watch *w, const char *text)
{
	w->ladder.cloud_init_failed = true;
	if (!w->ladder.cloud_init_error[0] || text[0])
		clean_str(w->ladder.cloud_init_error, sizeof(w->ladder.cloud_init_error), text);
}

static void take_cloud_init_status(struct watch *w, const char *text)
{
	struct cloud_init_status st;

	if (!cloud_init_parse(text, &st) || st.running)
		return;
	w->asked_cloud_init = w->changed = true;
	if (st.disabled)
		w->ladder.rungs[RUNG_CLOUD_INIT].applies = false;
	else
		reach(w, RUNG_CLOUD_INIT, age_ms(w), "cloud-init status: %s", st.status);
	if (st.failed)
		fail_cloud_init(w, st.error);
}

void watch_ask_cloud_init(struct watch *w, uint64_t timeout_ms)
{
	static const char *const cmd[] = {"cloud-init status --format json 2>/dev/null", NULL};
	struct proc_result r;
	char **argv;

	if (!w->ladder.rungs[RUNG_CLOUD_INIT].applies || !w->ladder.rungs[RUNG_SSH].reached ||
	    w->asked_cloud_init || w->login_refused || now_ms() - w->asked_ms < ASK_EVERY_MS)
		return;
	argv = ssh_argv(&w->dir, &w->state, w->address, true, cmd, NULL);
	if (!argv) {
		w->login_refused = true;
	} else if (proc_run((const char *const *)argv, min_u64(timeout_ms, ASK_TIMEOUT_MS), &r,
			    NULL) == 0) {
		/* A login fails before cloud-init put the keys there; after it, it stays so. */
		if (r.exit_code == SSH_FAILED)
			w->login_refused = w->ladder.rungs[RUNG_CLOUD_INIT].reached;
		else if (r.exit_code == NO_SUCH_COMMAND)
			w->no_cloud_init = true;
		else
			take_cloud_init_status(w, buf_str(&r.out));
		if (w->no_cloud_init)
			w->ladder.rungs[RUNG_CLOUD_INIT].applies = false;
		proc_result_done(&r);
	}
	argv_free(argv);
	w->asked_ms = now_ms();
}

/* --- all of it -------------------------------------------------------------------------------- */

static void sum_up(struct watch *w)
{
	struct ladder *l = &w->ladder;

	reach_implied(w);
	l->current = RUNG_VMM;
	for (unsigned i = 0; i < RUNGS; i++)
		if (l->rungs[i].reached)
			l->current = (enum rung)i;
	l->now_ms = age_ms(w);
	snprintf(l->last_console, sizeof(l->last_console), "%s", w->console.last);
	free(l->console_tail);
	l->console_tail = console_tail(&w->console);
}

void watch_poll(struct watch *w, uint64_t probe_ms)
{
	look_at_vmm(w);
	if (w->alive) {
		read_console(w);
		look_at_network(w, probe_ms);
	}
	sum_up(w);
	if (w->changed)
		remember(w);
}
