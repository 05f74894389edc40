/* SPDX-License-Identifier: Apache-2.0
 *
 * A VMM without a machine: see fakevmm.h.
 */
#include "tests/lib/provision/fakevmm.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/util.h"
#include "vmm/config.h"

bool fakevmm_wanted(int argc, char **argv)
{
	return argc == 3 && !strcmp(argv[1], "--config");
}

static const char *mood(void)
{
	const char *m = getenv("CROFT_TEST_VMM");

	return m ? m : "";
}

static void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vprintf(fmt, ap); /* stdout is vmm.log */
	va_end(ap);
	fflush(stdout);
}

/* --- are the descriptors what the configuration says? ----------------------------------------- */

static unsigned wrong, highest;

static void check(const char *what, const struct vmm_file *f, mode_t kind, int access_mode)
{
	struct stat st;
	int flags;

	if (f->fd < 0) {
		say("%s: absent\n", what);
		return;
	}
	flags = fcntl(f->fd, F_GETFL);
	if (f->path || flags < 0 || fstat(f->fd, &st) < 0 || (st.st_mode & S_IFMT) != kind ||
	    (access_mode >= 0 && (flags & O_ACCMODE) != access_mode)) {
		say("WRONG: %s is descriptor %d, flags %x\n", what, f->fd, (unsigned)flags);
		wrong++;
	}
	highest = f->fd > (int)highest ? (unsigned)f->fd : highest;
}

static void check_all(const struct vmm_config *c)
{
	struct ifreq ifr;

	check("kernel", &c->kernel, S_IFREG, O_RDONLY);
	check("initrd", &c->initrd, S_IFREG, O_RDONLY);
	check("control", &c->control, S_IFSOCK, -1);
	check("console_log", &c->console_log, S_IFREG, O_RDWR);
	check("log", &c->log, S_IFREG, O_RDWR);
	check("ready", &c->ready, S_IFIFO, O_WRONLY);
	check("exit_report", &c->exit_report, S_IFREG, O_WRONLY);
	for (unsigned i = 0; i < c->ndisks; i++)
		for (unsigned j = 0; j < c->disks[i].nlayers; j++)
			check(c->disks[i].id, &c->disks[i].layers[j].file, S_IFREG,
			      j || c->disks[i].read_only ? O_RDONLY : O_RDWR);
	for (unsigned i = 0; i < c->nnics; i++) {
		check(c->nics[i].id, &c->nics[i].tap, S_IFCHR, O_RDWR);
		if (ioctl(c->nics[i].tap.fd, TUNGETIFF, &ifr) < 0 ||
		    (ifr.ifr_flags & (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)) !=
			    (IFF_TAP | IFF_NO_PI | IFF_VNET_HDR)) {
			say("WRONG: %s is no tap\n", c->nics[i].id);
			wrong++;
		}
	}
	/* Nothing else came along. */
	for (unsigned fd = highest + 1; fd < highest + 64; fd++)
		if (fcntl((int)fd, F_GETFD) >= 0) {
			say("WRONG: descriptor %u is open\n", fd);
			wrong++;
		}
}

/* --- the control socket ----------------------------------------------------------------------- */

static void end(const struct vmm_config *c, const char *reason)
{
	auto_free char *line = xasprintf("{\"reason\":\"%s\"}\n", reason);

	write_all(c->exit_report.fd, line, strlen(line));
	exit(0);
}

static void put_console(const struct vmm_config *c)
{
	const char *path = getenv("CROFT_TEST_CONSOLE");
	auto_buf struct buf text = BUF_INIT(1 << 20);

	if (path && c->console_log.fd >= 0 && file_read(path, &text, NULL) == 0)
		write_all(c->console_log.fd, text.data, text.len);
}

/* What there is in the log by now, whoever wrote it. */
static unsigned long long console_bytes(const struct vmm_config *c)
{
	struct stat st;

	return c->console_log.fd >= 0 && fstat(c->console_log.fd, &st) == 0
		       ? (unsigned long long)st.st_size
		       : 0;
}

static void serve(const struct vmm_config *c, uint64_t start_ms)
{
	unsigned resets = 0;

	for (;;) {
		struct pollfd p = {.fd = c->control.fd, .events = POLLIN};
		auto_free char *answer = NULL;
		auto_close int fd = -1;
		char line[512];
		ssize_t n;

		if (poll(&p, 1, -1) < 0 ||
		    (fd = accept4(c->control.fd, NULL, NULL, SOCK_CLOEXEC)) < 0)
			continue;
		n = read(fd, line, sizeof(line) - 1);
		line[n > 0 ? n : 0] = '\0';
		if (strstr(line, "\"status\""))
			answer = xasprintf(
				"{\"ok\":true,\"status\":{\"state\":\"running\",\"name\":\"%s\","
				"\"pid\":%d,\"cpus\":%u,\"memory\":%llu,\"uptime_ms\":%llu,"
				"\"console_bytes\":%llu,\"resets\":%u,\"exits_io\":0,"
				"\"exits_mmio\":0,"
				"\"last_broken\":\"\"}}\n",
				c->name, (int)getpid(), c->cpus, (unsigned long long)c->memory,
				(unsigned long long)(now_ms() - start_ms), console_bytes(c),
				resets);
		else
			answer = xstrdup("{\"ok\":true}\n");
		write_all(fd, answer, strlen(answer));
		say("asked: %s", line);
		resets += strstr(line, "\"reset\"") != NULL;
		if (strstr(line, "\"kill\""))
			end(c, "killed");
		if (strstr(line, "\"shutdown\"") && strcmp(mood(), "stubborn"))
			end(c, "poweroff");
	}
}

static void note_pid(void)
{
	const char *path = getenv("CROFT_TEST_PIDS");
	auto_close int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;

	if (fd >= 0)
		dprintf(fd, "%d\n", (int)getpid());
}

int fakevmm_main(const char *path)
{
	auto_buf struct buf json = BUF_INIT(1 << 20);
	struct vmm_config *c = NEW(struct vmm_config);
	uint64_t start_ms = now_ms();
	struct err err = {0};

	note_pid();
	if (!strcmp(mood(), "die")) {
		say("dying as told\n");
		_exit(3);
	}
	if (!strcmp(mood(), "killed"))
		raise(SIGKILL);
	if (file_read(path, &json, &err) < 0 ||
	    vmm_config_read(buf_str(&json), json.len, c, &err) < 0) {
		say("WRONG: %s\n", err.msg);
		return 1;
	}
	check_all(c);
	if (!strcmp(mood(), "refuse") || wrong) {
		static const char no[] =
			"{\"error\":\"/dev/kvm: no such luck\",\"kind\":\"host\"}\n";

		write_all(c->ready.fd, no, sizeof(no) - 1);
		return 1;
	}
	put_console(c);
	write_all(c->ready.fd, "{\"ready\":true}\n", 15);
	close(c->ready.fd);
	serve(c, start_ms);
	return 0;
}
