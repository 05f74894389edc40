/* SPDX-License-Identifier: Apache-2.0
 *
 * Speaks to a VMM's control socket for the lab's tests and by hand:
 *
 *   vmmctl SOCKET status              one "key value" a line
 *   vmmctl SOCKET VERB                shutdown, kill, reset, pause, resume
 *   vmmctl SOCKET console [REPLAY [PORT]]    standard input goes to the guest, its output comes out
 */
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "vmm/client.h"

static int print_status(const char *socket, struct err *err)
{
	struct vmm_status s;

	if (vmm_client_status(socket, VMM_CLIENT_MS, &s, err) < 0)
		return -1;
	printf("state %s\nname %s\npid %" PRId64 "\ncpus %u\nmemory %" PRIu64 "\nuptime_ms %" PRIu64
	       "\nconsole_bytes %" PRIu64 "\nresets %" PRIu64 "\nexits_io %" PRIu64 "\nexits_mmio %" PRIu64
	       "\nlast_broken %s\n",
	       vmm_state_name(s.state), s.name, s.pid, s.cpus, s.memory, s.uptime_ms, s.console_bytes,
	       s.resets, s.exits_io, s.exits_mmio, s.last_broken);
	return 0;
}

static int console(const char *socket, const char *port, uint64_t replay, struct err *err)
{
	int fd = vmm_client_console_port(socket, port, replay, false, err);
	struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = STDIN_FILENO, .events = POLLIN}};
	char data[4096];
	ssize_t n;

	if (fd < 0)
		return -1;
	while (poll(p, 2, -1) > 0) {
		if (p[0].revents) {
			n = read(fd, data, sizeof(data));
			if (n <= 0)
				break;
			if (write_all(STDOUT_FILENO, data, (size_t)n) < 0)
				break;
		}
		if (p[1].revents) {
			n = read(STDIN_FILENO, data, sizeof(data));
			if (n <= 0)
				p[1].fd = -1;
			else if (write_all(fd, data, (size_t)n) < 0)
				break;
		}
	}
	close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	struct err err = {0};
	int rc;

	if (argc < 3) {
		fprintf(stderr, "usage: vmmctl SOCKET status|shutdown|kill|reset|pause|resume|console [REPLAY [PORT]]\n");
		return 2;
	}
	if (!strcmp(argv[2], "status"))
		rc = print_status(argv[1], &err);
	else if (!strcmp(argv[2], "console"))
		rc = console(argv[1], argc > 4 ? argv[4] : "ttyS0",
			     argc > 3 ? strtoull(argv[3], NULL, 10) : 0, &err);
	else
		rc = vmm_client_verb(argv[1], argv[2], VMM_CLIENT_MS, &err);
	if (rc < 0)
		fprintf(stderr, "vmmctl: %s\n", err.msg);
	return rc < 0;
}
