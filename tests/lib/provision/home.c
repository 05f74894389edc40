/* SPDX-License-Identifier: Apache-2.0
 *
 * A croft home of a test's own: see home.h.
 */
#include "tests/lib/provision/home.h"

#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/util.h"

int home_setup(void **state)
{
	struct home *h = NEW(struct home);
	auto_free char *home = NULL;

	snprintf(h->path, sizeof(h->path), "/tmp/croft-test-XXXXXX");
	if (!mkdtemp(h->path))
		return -1;
	home = path_join(h->path, "home");
	setenv("CROFT_HOME", home, 1);
	*state = h;
	return croft_dirs_get(&h->dirs, NULL);
}

int home_teardown(void **state)
{
	struct home *h = *state;
	struct err err = {0};

	if (dir_remove(h->path, &err) < 0)
		fprintf(stderr, "%s\n", err.msg);
	croft_dirs_done(&h->dirs);
	free(h);
	return err.kind == ERR_NONE ? 0 : -1;
}

char *home_file(struct home *h, const char *name, const char *text)
{
	char *path = path_join(h->path, name);
	auto_free char *dir = path_dir(path);
	struct err err = {0};

	if (dir_make(dir, 0700, &err) < 0 || file_put(path, text, strlen(text), 0600, &err) < 0)
		fprintf(stderr, "%s\n", err.msg);
	return path;
}

void home_vmdir(struct home *h, const char *project, const char *vm, bool make, struct vmdir *out)
{
	struct vm_name name;

	snprintf(name.project, sizeof(name.project), "%s", project);
	snprintf(name.vm, sizeof(name.vm), "%s", vm);
	vmdir_init(out, &h->dirs, &name);
	if (make)
		dir_make(out->path, 0700, NULL);
}

static const struct reporter nobody = {0};
static const struct up_options no_options = {0};

void home_run(struct home *h, const char *project, const char *vm, struct run *out)
{
	*out = (struct run){.rep = &nobody, .options = &no_options, .start_lock = -1};
	for (unsigned i = 0; i < SPEC_MAX_NICS; i++)
		out->taps[i] = -1;
	croft_dirs_get(&out->dirs, NULL);
	home_vmdir(h, project, vm, true, &out->dir);
	if (state_load(&out->dir, &out->state, NULL) < 0) {
		state_init(&out->state, &out->dir.name);
		out->is_new = true;
	}
}

void home_run_done(struct run *run)
{
	auto_close_fn(&run->start_lock);
	state_done(&run->state);
	vmdir_done(&run->dir);
	croft_dirs_done(&run->dirs);
}

static int write_to(const char *path, const char *text)
{
	auto_close int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd < 0 ? -1 : write_all(fd, text, strlen(text));
}

int own_network(void)
{
	char map[32];
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	uid_t uid = getuid();
	gid_t gid = getgid();
	auto_close int fd = -1;

	if (unshare(CLONE_NEWNET) < 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
			return -1;
		snprintf(map, sizeof(map), "0 %u 1", (unsigned)uid);
		if (write_to("/proc/self/setgroups", "deny") < 0 ||
		    write_to("/proc/self/uid_map", map) < 0)
			return -1;
		snprintf(map, sizeof(map), "0 %u 1", (unsigned)gid);
		if (write_to("/proc/self/gid_map", map) < 0)
			return -1;
	}
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	return ioctl(fd, SIOCSIFFLAGS, &lo);
}
