/* SPDX-License-Identifier: Apache-2.0
 *
 * What a virtual machine is made of: plain data, written by provision as machine.json and read by
 * croft-vmm, which checks all of it again. Files appear as descriptor numbers that the VMM inherits;
 * it opens nothing by path. (For a run by hand a path may stand in place of a descriptor: the VMM
 * opens such paths before it builds the machine; see docs/man/croft-vmm.8.)
 */
#ifndef VMM_CONFIG_H
#define VMM_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum {
	VMM_MAX_CPUS = 64,
	VMM_MAX_DISKS = 20,
	VMM_MAX_NICS = 8,
	VMM_MAX_LAYERS = 16,
	VMM_MAX_CMDLINE = 4096,
	VMM_MAX_OEM_STRINGS = 16,
};

/* A file of the host: a descriptor when fd >= 0, else a path (owned, malloc'd), else absent. */
struct vmm_file {
	int fd;
	char *path;
};

enum vmm_format { VMM_RAW, VMM_QCOW2 };

struct vmm_disk {
	char id[21]; /* virtio-blk serial: at most 20 bytes, printable; names it in messages */
	bool read_only;
	unsigned nlayers; /* top first */
	struct {
		struct vmm_file file;
		enum vmm_format format;
	} layers[VMM_MAX_LAYERS];
};

struct vmm_nic {
	char id[16];
	struct vmm_file tap; /* fd of an attached tap (IFF_NO_PI | IFF_VNET_HDR); path: the tap's name */
	uint8_t mac[6];
	uint16_t mtu; /* 0: 1500, not offered */
};

enum vmm_on { VMM_ON_RESTART, VMM_ON_STOP };

struct vmm_config {
	char name[128];
	char uuid[37];		/* SMBIOS type 1 */
	char smbios_serial[256]; /* type 1 serial, "ds=nocloud", or empty */
	char oem_strings[VMM_MAX_OEM_STRINGS][1024]; /* type 11: credentials for systemd */
	unsigned noem_strings;
	unsigned cpus;
	uint64_t memory;	/* bytes, a multiple of 2 MiB */

	struct vmm_file kernel, initrd; /* bzImage, or ELF vmlinux with a PVH note */
	char cmdline[VMM_MAX_CMDLINE];

	struct vmm_disk disks[VMM_MAX_DISKS];
	unsigned ndisks;
	struct vmm_nic nics[VMM_MAX_NICS];
	unsigned nnics;
	bool rng;		/* virtio-rng; default true */
	bool virtio_console;	/* hvc0; default false */

	struct vmm_file control; /* a listening UNIX stream socket */
	struct vmm_file console_log; /* everything the guest wrote to ttyS0, appended; rotated by nobody */
	uint64_t console_log_max;    /* bytes; then logging stops with a line that says so; 0: no limit */
	struct vmm_file log;	/* croft-vmm's own log; absent: stderr */
	bool console_stdio;	/* ttyS0 on stdin and stdout: for a run by hand */
	struct vmm_file ready;	/* a pipe: one JSON line, {"ready":true} or {"error":..., "kind":...} */
	struct vmm_file exit_report; /* one JSON line when the VM ends: {"reason":..., "detail":...} */

	enum vmm_on on_reboot;	/* guest reset; default restart (new machine state, same process) */
	enum vmm_on on_panic;	/* default stop; triple fault counts as a panic */
	bool log_debug;
	bool sandbox; /* default true: vmm/sandbox/sandbox.h */
};

void vmm_config_init(struct vmm_config *); /* defaults; every file absent */
void vmm_config_done(struct vmm_config *); /* frees paths; closes nothing */

/* Unknown keys, wrong kinds and values outside their range are errors that name the JSON path. */
int vmm_config_read(const char *json, size_t n, struct vmm_config *out, struct err *);
void vmm_config_write(const struct vmm_config *, struct buf *json);

#endif
