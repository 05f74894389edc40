/* SPDX-License-Identifier: Apache-2.0
 *
 * What croft remembers of a VM between commands: state.json, replaced atomically. The journal
 * beside it names the step under way, so that a command that was killed at any moment can be
 * recovered from.
 */
#ifndef PROVISION_STATE_H
#define PROVISION_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "provision/record.h"
#include "provision/vmdir.h"

/*
 * A setting as the VM was last started with, in the spec's words: to tell what a changed spec
 * changes.
 */
struct asked {
	char *key;   /* "cpus", "networks.lan.bridge" */
	char *value; /* "2" */
};

struct state_disk {
	char name[21];
	char format[8];
	uint64_t size; /* bytes */
};

struct state_nic {
	char bridge[16], tap[16];
	char mac[18];
	char address[64]; /* static, with prefix length, or empty: DHCP */
	bool bridge_is_ours;
};

struct vm_state {
	char uuid[37];	  /* identity: instance-id and SMBIOS UUID come from it */
	char created[32]; /* UTC, RFC 3339 */
	char *spec_path;

	/* The image that the overlay stands on, pinned at creation. */
	char *image_source; /* path or URL as the spec had it */
	char *image_path;   /* in the cache */
	char image_digest[140], image_format[8], image_trust[16];
	uint64_t image_size; /* virtual bytes */
	char *image_user;    /* whom it lets in by default, where the catalog says so, or NULL */

	uint64_t disk_size; /* virtual bytes of disk.qcow2; 0: not made yet */
	bool disk_used;	    /* a VMM was started on it: it may differ from the image */
	struct state_disk disks[SPEC_MAX_DISKS];
	size_t ndisks;

	bool seed;
	char *user;		      /* who to log in as, if the spec says so */
	char *identity;		      /* private key beside the spec's public one, or NULL */
	char os_id[64], os_name[128]; /* os-release of the image */
	char *boot;		      /* the boot decision, for people */

	struct state_nic nics[SPEC_MAX_NICS];
	size_t nnics;

	struct asked asked[256]; /* at the last start */
	size_t nasked;
	uint64_t cpus, memory;

	/*
	 * The running VMM, or zeroes: kept in run.json, because it means nothing after a power cut.
	 */
	struct vm_running {
		uint64_t pid, start_time; /* clock ticks after the host's boot, and which boot that
					     was: */
		char boot_id[40];
		uint64_t started_ms; /* UNIX time */
		char *socket;	     /* its control socket: where it is told by who started it */
	} vmm;
};

extern const struct record_class state_record; /* of struct vm_state, as in state.json */

/*
 * ERR_NOT_FOUND: there is no such VM. ERR_CORRUPT: the file is damaged, or missing beside a disk,
 * and the message says what can be done. Release with state_done.
 */
int state_load(const struct vmdir *, struct vm_state *out, struct err *);
/* The same for whoever talks to the VMM: the directory's socket is then that of the one that
 * runs. */
int state_open(struct vmdir *, struct vm_state *out, struct err *err);
/*
 * Does not touch what says the same already. `durable` false is for a VM in the making, whose files
 * vmdir_settle makes durable in one go before a guest runs.
 */
int state_save(const struct vmdir *, const struct vm_state *, bool durable, struct err *);
void state_done(struct vm_state *);

/*
 * A new VM's: identity and time of creation. The UUID derives from project and VM name (RFC 9562,
 * version 5).
 */
void state_init(struct vm_state *, const struct vm_name *);

/*
 * ERR_CONFLICT when the VM was made from another spec, which is still there: two directories of one
 * name, say. A spec that was moved is no other one.
 */
int state_check_spec(const struct vm_state *, const struct vm_name *, const char *spec_path,
		     struct err *err);

/* The VMM that the state names is alive. */
bool state_alive(const struct vm_state *);
/* The host has not been restarted since the VMM was started. */
bool state_same_boot(const struct vm_state *);
/* Names a process as the VMM that listens on `socket`; pid 0: none. */
void state_set_vmm(struct vm_state *, pid_t pid, const char *socket);

/* --- journal ---------------------------------------------------------------------------------- */

struct journal {
	char step[16];			       /* under way */
	uint64_t was;			       /* enum step_state that its check found */
	uint64_t vmm_pid, vmm_start_time;      /* a VMM that is not in state.json yet */
	char bridges[SPEC_MAX_NICS * 16];      /* that the net step may make, with blanks between */
	char disks[(1 + SPEC_MAX_DISKS) * 32]; /* the files that the disk step may make, likewise */
};

/* Survives kill -9, not a power cut: after one no process is left to clean up after. */
int journal_write(const struct vmdir *, const struct journal *, struct err *);
/* 1: a step was under way; 0: none. A damaged journal counts as a step without a name. */
int journal_read(const struct vmdir *, struct journal *out);
void journal_remove(const struct vmdir *);

#endif
