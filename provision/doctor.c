/* SPDX-License-Identifier: Apache-2.0
 *
 * Can this host run VMs: see doctor.h. One function a check, one line each in checks[]; a check
 * adds one finding, or none when there is nothing to say.
 */
#include "provision/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/proc.h"
#include "base/util.h"
#include "provision/doctor_kvm.h"
#include "provision/launch.h"
#include "provision/net/hostnet.h"
#include "provision/net/rtnl.h"

const char *check_status_name(enum check_status s)
{
	static const char *const names[] = {"ok", "warn", "fail"};

	return (unsigned)s < ARRAY_LEN(names) ? names[s] : "fail";
}

static struct check *__attribute__((format(printf, 4, 5)))
found(struct doctor *d, const char *name, enum check_status status, const char *fmt, ...)
{
	struct check *c = &d->list[d->n < DOCTOR_MAX_CHECKS ? d->n++ : DOCTOR_MAX_CHECKS - 1];
	va_list ap;

	*c = (struct check){.name = name, .status = status};
	va_start(ap, fmt);
	vsnprintf(c->text, sizeof(c->text), fmt, ap);
	va_end(ap);
	if (status > d->worst)
		d->worst = status;
	return c;
}

static void __attribute__((format(printf, 2, 3))) fix(struct check *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->fix, sizeof(c->fix), fmt, ap);
	va_end(ap);
}

/* --- KVM -------------------------------------------------------------------------------------- */

struct cpu_facts {
	bool vmx, svm, hypervisor;
};

static bool has_flag(const char *flags, const char *flag)
{
	size_t n = strlen(flag);

	for (const char *p = flags; (p = strstr(p, flag)); p += n)
		if ((p == flags || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\n' || !p[n]))
			return true;
	return false;
}

static struct cpu_facts cpu_facts(void)
{
	auto_buf struct buf text = BUF_INIT(16 << 20);
	struct cpu_facts f = {0};
	const char *flags;
	auto_free char *line = NULL;

	if (file_read("/proc/cpuinfo", &text, NULL) < 0)
		return f;
	flags = strstr(buf_str(&text), "\nflags");
	if (!flags)
		return f;
	line = xstrndup(flags + 1, strcspn(flags + 1, "\n"));
	f.vmx = has_flag(line, "vmx");
	f.svm = has_flag(line, "svm");
	f.hypervisor = has_flag(line, "hypervisor");
	return f;
}

static bool has_module(const char *name)
{
	auto_free char *path = xasprintf("/sys/module/%s", name);

	return access(path, F_OK) == 0;
}

static bool has_hardware_kvm(void)
{
	return has_module("kvm_intel") || has_module("kvm_amd");
}

/* /dev/kvm is not there: why, from what the CPU and the kernel say. */
static void no_kvm(struct doctor *d)
{
	struct cpu_facts cpu = cpu_facts();
	const char *module = cpu.vmx ? "kvm_intel" : "kvm_amd";
	struct check *c = found(d, "kvm", CHECK_FAIL, "there is no /dev/kvm");

	if (has_hardware_kvm())
		fix(c,
		    "KVM is loaded, so the device is missing in this container: give it the device "
		    "(docker run --device /dev/kvm)");
	else if (cpu.vmx || cpu.svm)
		fix(c,
		    "sudo modprobe %s; when that says \"not supported\", virtualization is "
		    "switched off in the firmware's settings (%s)",
		    module, cpu.vmx ? "Intel VT-x" : "AMD SVM");
	else if (cpu.hypervisor)
		fix(c, "this machine is a VM, and its host does not offer nested virtualization: "
		       "switch it on there (the CPU shows neither vmx nor svm)");
	else
		fix(c,
		    "the CPU shows neither vmx nor svm: switch virtualization on in the firmware's "
		    "settings (Intel VT-x, AMD SVM), if it has it");
}

static void no_permission(struct doctor *d)
{
	struct stat st = {0};
	struct check *c;

	(void)stat("/dev/kvm", &st);
	c = found(d, "kvm", CHECK_FAIL,
		  "/dev/kvm: permission denied (owner %u, group %u, mode %04o)",
		  (unsigned)st.st_uid, (unsigned)st.st_gid, (unsigned)(st.st_mode & 07777));
	if (st.st_gid && (st.st_mode & 060) == 060)
		fix(c, "sudo usermod -aG $(stat -c %%G /dev/kvm) $USER, then log in anew (groups "
		       "are read at login)");
	else
		fix(c, "sudo chgrp kvm /dev/kvm && sudo chmod 0660 /dev/kvm && sudo usermod -aG "
		       "kvm $USER, then log in anew");
}

/* Below this, guest code is interpreted: a stock kernel needs an hour to unpack itself. */
#define INTERPRETED_BELOW UINT64_C(10000000)

bool kvm_is_paravirtual(void)
{
	return has_module("kvm_pvm") && !has_hardware_kvm();
}

bool kvm_is_interpreted(void)
{
	struct kvm_probe p;

	if (has_hardware_kvm())
		return false;
	kvm_probe(&p);
	return p.failed == KVM_STAGE_DONE && p.instructions_per_s < INTERPRETED_BELOW;
}

static void kvm_ran(struct doctor *d, const struct kvm_probe *p)
{
	struct check *c;

	found(d, "kvm", CHECK_OK, "/dev/kvm works");
	if (p->instructions_per_s >= INTERPRETED_BELOW) {
		found(d, "kvm-speed", CHECK_OK,
		      "guest code runs at %" PRIu64 " million instructions a second",
		      p->instructions_per_s / 1000000);
		return;
	}
	c = found(d, "kvm-speed", CHECK_FAIL,
		  "this KVM interprets guest code (%.1f million instructions a second)%s: it "
		  "cannot run stock kernels",
		  (double)p->instructions_per_s / 1e6,
		  kvm_is_paravirtual() ? "; it is paravirtual-only (kvm_pvm)" : "");
	fix(c, "use a machine with hardware virtualization (kvm_intel or kvm_amd), or a VM with "
	       "nested virtualization switched on");
}

static void check_kvm(struct doctor *d)
{
	struct kvm_probe p;
	struct check *c;

	kvm_probe(&p);
	switch (p.failed) {
	case KVM_STAGE_OPEN:
		if (p.sys == ENOENT || p.sys == ENODEV || p.sys == ENXIO) {
			no_kvm(d);
		} else if (p.sys == EACCES || p.sys == EPERM) {
			no_permission(d);
		} else {
			c = found(d, "kvm", CHECK_FAIL, "/dev/kvm: %s", strerror(p.sys));
			fix(c, "see `dmesg | grep -i kvm`");
		}
		return;
	case KVM_STAGE_API:
		c = found(d, "kvm", CHECK_FAIL,
			  p.sys ? "/dev/kvm does not answer as KVM does (%d)"
				: "this KVM is too old or stripped down (version or extension %d)",
			  p.detail);
		fix(c, "use a kernel of this decade for the host");
		return;
	case KVM_STAGE_VM:
		c = found(d, "kvm", CHECK_FAIL, "KVM makes no VM: %s", strerror(p.sys));
		if (p.sys == EBUSY)
			fix(c, "another hypervisor holds the CPU's virtualization (VirtualBox, "
			       "VMware): end its VMs");
		else
			fix(c, "see `dmesg | grep -i kvm`");
		return;
	case KVM_STAGE_VCPU:
	case KVM_STAGE_RUN:
		c = found(d, "kvm", CHECK_FAIL, "a small payload does not run on KVM: %s (exit %d)",
			  strerror(p.sys), p.detail);
		fix(c,
		    "see `dmesg | grep -i kvm`; on a VM, check its host's nested virtualization");
		return;
	case KVM_STAGE_DONE:
		kvm_ran(d, &p);
		return;
	}
}

static void check_nested(struct doctor *d)
{
	if (cpu_facts().hypervisor)
		found(d, "nested", CHECK_OK,
		      "this machine is a VM itself: guests run nested, and slower");
}

/* --- network ---------------------------------------------------------------------------------- */

static void check_tun(struct doctor *d)
{
	auto_close int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	struct check *c;

	if (fd >= 0) {
		found(d, "tun", CHECK_OK, "/dev/net/tun works");
		return;
	}
	c = found(d, "tun", CHECK_WARN, "/dev/net/tun: %s: no bridged networks", strerror(errno));
	if (errno == EACCES || errno == EPERM)
		fix(c,
		    "sudo chmod 0666 /dev/net/tun (what may be done with it is checked besides)");
	else
		fix(c, "sudo modprobe tun; in a container, give it the device");
}

static void check_net_admin(struct doctor *d)
{
	struct check *c;

	if (hostnet_may()) {
		found(d, "net-admin", CHECK_OK, "croft may make taps and bridges");
		return;
	}
	c = found(d, "net-admin", CHECK_WARN,
		  "croft may not make taps and bridges here: it lacks CAP_NET_ADMIN");
	fix(c, "run it as root, or `sudo setcap cap_net_admin+ep $(command -v croft)`, or have a "
	       "tap made for each VM (croft up prints the command)");
}

struct bridge_names {
	struct buf text;
	unsigned n;
};

static bool add_bridge(void *ctx, const struct link_info *l)
{
	struct bridge_names *b = ctx;

	if (!strcmp(l->kind, "bridge"))
		buf_printf(&b->text, "%s%s%s", b->n++ ? ", " : "", l->name, l->up ? "" : " (down)");
	return true;
}

static void check_bridges(struct doctor *d)
{
	struct bridge_names b = {.text = BUF_INIT(256)};
	struct rtnl *r = rtnl_open(NULL);

	if (r && rtnl_links(r, 0, add_bridge, &b, NULL) == 0)
		found(d, "bridges", CHECK_OK, "%s%s",
		      b.n ? "there are bridges: "
			  : "there is no bridge (croft makes one with `create: true`)",
		      buf_str(&b.text));
	buf_done(&b.text);
	rtnl_close(r);
}

/*
 * Docker loads br_netfilter and drops what is forwarded: bridged frames then go missing (complaint
 * 21).
 */
static void check_netfilter(struct doctor *d)
{
	auto_buf struct buf text = BUF_INIT(64);
	struct check *c;

	if (file_read("/proc/sys/net/bridge/bridge-nf-call-iptables", &text, NULL) < 0 ||
	    buf_str(&text)[0] != '1')
		return;
	c = found(d, "bridge-netfilter", CHECK_WARN,
		  "frames on bridges pass iptables' FORWARD chain, which Docker and ufw close");
	fix(c, "sudo sysctl net.bridge.bridge-nf-call-iptables=0, or accept the bridge: sudo "
	       "iptables -I FORWARD -i BRIDGE -j ACCEPT");
}

/* --- programs, places ------------------------------------------------------------------------- */

static void check_vmm(struct doctor *d)
{
	struct err why = {0};
	auto_free char *path = launch_find_vmm(NULL, &why);

	if (path)
		found(d, "croft-vmm", CHECK_OK, "%s", path);
	else
		found(d, "croft-vmm", CHECK_FAIL, "%s", why.msg);
}

static void check_ssh(struct doctor *d)
{
	auto_free char *ssh = proc_find("ssh"), *keygen = proc_find("ssh-keygen");
	struct check *c;

	if (ssh && keygen) {
		found(d, "ssh", CHECK_OK, "%s", ssh);
		return;
	}
	c = found(d, "ssh", CHECK_WARN, "%s is not installed: no %s", ssh ? "ssh-keygen" : "ssh",
		  keygen ? "`croft ssh`" : "host keys");
	fix(c, "install openssh-client (Debian, Ubuntu), openssh-clients (Fedora), openssh (Arch)");
}

static void check_gpgv(struct doctor *d)
{
	auto_free char *gpgv = proc_find("gpgv");
	struct check *c;

	if (gpgv) {
		found(d, "gpgv", CHECK_OK, "%s", gpgv);
		return;
	}
	c = found(d, "gpgv", CHECK_WARN, "gpgv is not installed: signatures of images cannot be checked");
	fix(c, "install gpgv (Debian, Ubuntu), gnupg2 (Fedora), gnupg (Arch)");
}

static void check_memory(struct doctor *d)
{
	auto_buf struct buf text = BUF_INIT(65536);
	const char *line;
	char size[SIZE_TEXT];
	uint64_t kib = 0;
	struct check *c;

	if (file_read("/proc/meminfo", &text, NULL) < 0 ||
	    !(line = strstr(buf_str(&text), "MemAvailable:")))
		return;
	kib = strtoull(line + strlen("MemAvailable:"), NULL, 10);
	format_size(kib * KIB, size, sizeof(size));
	if (kib * KIB >= GIB) {
		found(d, "memory", CHECK_OK, "%s are available", size);
		return;
	}
	c = found(d, "memory", CHECK_WARN, "only %s of memory are available", size);
	fix(c, "give the VM less (memory: 512MiB), or end something");
}

/* The directory, or the nearest one above it that there is. */
static char *existing(const char *path)
{
	char *p = xstrdup(path);

	while (access(p, F_OK) < 0 && strcmp(p, "/") && strcmp(p, ".")) {
		char *up = path_dir(p);

		free(p);
		p = up;
	}
	return p;
}

static void check_place(struct doctor *d, const char *name, const char *path, uint64_t want)
{
	auto_free char *there = existing(path);
	struct statvfs fs;
	char size[SIZE_TEXT];
	struct check *c;

	if (access(there, W_OK | X_OK) < 0) {
		c = found(d, name, CHECK_FAIL, "'%s' cannot be written to: %s", path,
			  strerror(errno));
		fix(c, "make it yours, or set CROFT_HOME to another directory");
		return;
	}
	if (statvfs(there, &fs) < 0)
		return;
	format_size((uint64_t)fs.f_bavail * fs.f_frsize, size, sizeof(size));
	c = found(d, name, (uint64_t)fs.f_bavail * fs.f_frsize < want ? CHECK_WARN : CHECK_OK,
		  "%s: %s free", path, size);
	if (c->status == CHECK_WARN)
		fix(c, "make room, or set CROFT_HOME to a directory on another file system");
}

static void check_places(struct doctor *d)
{
	struct croft_dirs dirs;
	struct err why = {0};

	if (croft_dirs_get(&dirs, &why) < 0) {
		found(d, "state", CHECK_FAIL, "%s", why.msg);
		return;
	}
	check_place(d, "state", dirs.state, 5 * GIB);
	check_place(d, "cache", dirs.cache, 2 * GIB);
	check_place(d, "runtime", dirs.runtime, MIB);
	croft_dirs_done(&dirs);
}

static void (*const checks[])(struct doctor *) = {
	check_kvm,     check_nested,	check_vmm, check_tun,	 check_net_admin,
	check_bridges, check_netfilter, check_ssh, check_gpgv, check_memory, check_places,
};

void doctor_run(struct doctor *d)
{
	*d = (struct doctor){0};
	for (size_t i = 0; i < ARRAY_LEN(checks); i++)
		checks[i](d);
}
