/* SPDX-License-Identifier: Apache-2.0
 *
 * croft-vmm: one virtual machine, from its configuration to its end (docs/man/croft-vmm.8). The
 * phases: read the configuration, take the descriptors, build, run, report.
 */
#include <getopt.h>
#include <jansson.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <termios.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/proc.h"
#include "base/util.h"
#include "vmm/config.h"
#include "vmm/control/proto.h"
#include "vmm/files.h"
#include "vmm/kvm/kvm.h"
#include "vmm/sandbox/sandbox.h"
#include "vmm/session.h"

enum { CONFIG_MAX = 1 << 20 };

static const char usage[] = "usage: croft-vmm --config FILE\n"
			    "\n"
			    "  --config FILE  the machine, as JSON; - reads standard input\n"
			    "  --version      print the version\n"
			    "  --help         print this\n"
			    "\n"
			    "croft-vmm(8) describes the file. To end a VM whose console is on standard\n"
			    "input, type Ctrl-].\n";

/* --- a terminal as console ------------------------------------------------------------------------------ */

static struct termios terminal_before;
static bool terminal_is_raw;

static void restore_terminal(void)
{
	if (terminal_is_raw)
		tcsetattr(STDIN_FILENO, TCSAFLUSH, &terminal_before);
	terminal_is_raw = false;
}

/* The guest's terminal driver echoes and edits, and Ctrl-C is the guest's. */
static void make_terminal_raw(void)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &terminal_before) < 0)
		return;
	raw = terminal_before;
	cfmakeraw(&raw);
	raw.c_oflag |= OPOST; /* our own messages share the screen */
	terminal_is_raw = tcsetattr(STDIN_FILENO, TCSAFLUSH, &raw) == 0;
}

/* --- the phases ---------------------------------------------------------------------------------------- */

/* Takes ownership of `object`. */
static void report(const struct vmm_file *to, json_t *object)
{
	auto_free char *text = json_dumps(object, JSON_COMPACT);

	json_decref(object);
	if (to->fd < 0 || !text)
		return;
	if (write_all(to->fd, text, strlen(text)) < 0 || write_all(to->fd, "\n", 1) < 0)
		log_warn("cannot write a report: %m");
}

static int read_config(const char *path, struct vmm_config *c, struct err *err)
{
	auto_buf struct buf text = BUF_INIT(CONFIG_MAX);

	if (file_read(path, &text, err) < 0)
		return -1;
	if (vmm_config_read(buf_str(&text), text.len, c, err) < 0)
		return err_wrap(err, "%s", path);
	return 0;
}

/* A queue and a vector have a descriptor each, and so has a client: a large machine passes the 1024 that
 * are usual, which are meant for programs that call select(2). */
static void take_all_descriptors(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) < 0)
		return;
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
}

static struct session *build(struct vmm_config *c, struct err *err)
{
	int kvm;

	if (files_open_ready(c, err) < 0 || files_open(c, err) < 0)
		return NULL;
	log_setup(c->log.fd >= 0 ? c->log.fd : STDERR_FILENO, c->log_debug ? LOG_DEBUG : LOG_INFO);
	take_all_descriptors();
	kvm = kvm_open(err); /* for as long as the process lives: a reset makes a new VM */
	if (kvm < 0 || (c->sandbox && sandbox_enter(err) < 0))
		return NULL;
	return session_new(c, kvm, err);
}

static int run(struct session *s, const struct vmm_config *c, struct err *err)
{
	enum power_event event;
	const char *detail;

	session_run(s, &event, &detail);
	report(&c->exit_report,
	       json_pack("{s:s, s:o}", "reason", power_event_name(event), "detail",
			 control_message(detail)));
	log_info("the VM ended: %s: %s", power_event_name(event), detail);
	if (event == POWER_PANIC || event == POWER_TRIPLE_FAULT || event == POWER_FAILED)
		return err_set(err, ERR_VM, "the VM ended: %s: %s", power_event_name(event), detail);
	return 0;
}

static int fail(const struct vmm_config *c, const struct err *err)
{
	restore_terminal();
	fprintf(stderr, "croft-vmm: %s\n", err->msg);
	if (c)
		report(&c->ready, json_pack("{s:o, s:s}", "error", control_message(err->msg), "kind",
					    err_kind_name(err->kind)));
	return err_exit_code(err->kind);
}

static int vmm(const char *path)
{
	static struct vmm_config config;
	struct err err = {0};
	struct session *s;
	int rc = 0;

	vmm_config_init(&config);
	if (read_config(path, &config, &err) < 0)
		return fail(NULL, &err);
	s = build(&config, &err);
	if (!s) {
		rc = fail(&config, &err);
		vmm_config_done(&config);
		return rc;
	}
	if (config.console_stdio)
		make_terminal_raw();
	report(&config.ready, json_pack("{s:b}", "ready", 1));
	auto_close_fn(&config.ready.fd); /* whoever waits there may see its end */
	config.ready.fd = -1;
	if (run(s, &config, &err) < 0)
		rc = fail(NULL, &err);
	session_free(s);
	restore_terminal();
	vmm_config_done(&config);
	return rc;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'},
		{"version", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	const char *config = NULL;
	int o;

	proc_std_fds();
	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1)
		switch (o) {
		case 'c':
			config = optarg;
			break;
		case 'V':
			puts("croft-vmm " CROFT_VERSION);
			return 0;
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	if (!config || optind != argc) {
		fputs(usage, stderr);
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	mallopt(M_ARENA_MAX, 1); /* threads allocate next to nothing: they share one heap */
	return vmm(config);
}
