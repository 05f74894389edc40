/* SPDX-License-Identifier: Apache-2.0
 *
 * The spec: what a croft.yaml says, checked and normalised. spec_load goes from text to this
 * structure through the field table (fields.c): one row a key, and parsing, defaults, `explain`,
 * the JSON Schema and croft-spec(5) all come from the row.
 *
 * Everything in it lives in the spec's arena and is not changed after loading.
 */
#ifndef PROVISION_SPEC_SPEC_H
#define PROVISION_SPEC_SPEC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/yaml/yaml.h"
#include "images/disk/block.h"
#include "images/store/store.h"

enum { SPEC_MAX_NICS = 8, SPEC_MAX_DISKS = 16, SPEC_MAX_DNS = 8 };
enum { SPEC_MAX_CMDLINE = 2047 }; /* COMMAND_LINE_SIZE of x86 is 2048, with the NUL */

/* image: exactly one of path, url and name is set. */
struct spec_image {
	struct mark at;
	const char *path;   /* absolute, expanded */
	const char *url;    /* file://, http://, https:// */
	const char *name;   /* in the catalog, with its variant: "ubuntu:24.04/minimal" */
	const char *digest; /* "sha256:<hex>", "sha512:<hex>", lower case, or NULL */
	const char *arch;   /* or NULL: the host's */
	bool has_verify;
	enum trust verify;			   /* the least that is accepted */
	const char *signature_url, *signature_key; /* of url; or NULL */
	bool has_format;
	enum blk_format format; /* when has_format; otherwise what the file says */
};

struct spec_nic {
	struct mark at;
	const char *name;   /* the key of the map under `networks` */
	const char *bridge; /* bridge interface on the host */
	bool create; /* croft makes the bridge when it is not there, and removes what it made */
	const char *host_address; /* "10.0.0.1/24" for a bridge that croft creates, or NULL */
	const char *address;	  /* guest's static "10.0.0.5/24" or "fd00::5/64", or NULL: DHCP */
	const char *gateway;	  /* or NULL */
	const char *dns[SPEC_MAX_DNS];
	unsigned ndns;
	uint8_t mac[6]; /* as written, or derived from project and VM name and NIC index */
	bool mac_given;
};

/* A further disk. Exactly one of path and size is set. */
struct spec_disk {
	struct mark at;
	const char *name;	/* "disk1", ...: file name of a created disk, serial in the guest */
	bool name_given;	/* otherwise it is the place in the list */
	const char *path;	/* an existing file, absolute */
	uint64_t size;		/* bytes: created beside the VM's other files */
	enum blk_format format; /* default: raw for path, qcow2 for size */
	bool read_only;
};

enum boot_mode { BOOT_AUTO, BOOT_KERNEL };

struct spec_boot {
	enum boot_mode mode; /* auto: from the image's own boot configuration */
	const char *kernel;  /* absolute paths on the host; mode kernel */
	const char *initrd;
	const char *cmdline;	    /* replaces the entry's */
	const char *cmdline_append; /* added at the end */
};

/* A document the user wrote for cloud-init, inline or in a file. */
struct spec_document {
	struct mark at;		     /* of the key in the spec */
	const struct source *source; /* the text and where it stands; NULL: not given */
};

struct spec_vm {
	const char *name;
	struct mark at;
	struct spec_image image;
	unsigned cpus;	      /* default 2 */
	uint64_t memory;      /* bytes; default 1GiB */
	uint64_t disk;	      /* bytes; 0: the larger of the image and 10GiB */
	const char *hostname; /* default: name */
	const char *fqdn;     /* or NULL */
	const char *user;     /* who `croft ssh` logs in as; NULL: the image's default user */

	/* Sugar for cloud-init, as a tree with cloud-init's own key names, ready to be emitted:
	 * users, ssh_authorized_keys (files already read), password, packages, write_files, ... */
	struct yaml_node *cloud_config;

	bool seed; /* false: cloud_init: none */
	struct spec_document user_data, vendor_data, meta_data, network_config;

	struct spec_nic nics[SPEC_MAX_NICS];
	unsigned nnics;
	struct spec_disk disks[SPEC_MAX_DISKS];
	unsigned ndisks;
	struct spec_boot boot;
	bool console_log; /* default true */
};

struct spec {
	struct arena *arena;
	const char *path;    /* absolute, links resolved */
	bool stream;	     /* no file: `path` is where it would stand, in the working directory */
	const char *project; /* `name:`, else the file's name, for croft.yaml the directory's */
	struct spec_vm *vms; /* one, until `vms:` is supported */
	unsigned nvms;
	/* The long form of everything with defaults, as it is written: `croft config` emits it, and
	 * it loads to the same. */
	struct yaml_node *normalised;
	const struct source *source; /* its text, which marks point into */
	struct diags diags;	     /* warnings, once loaded */
};

/*
 * Loads and checks. `path` NULL: croft.yaml or croft.yml upward from the working directory. On
 * errors in the spec returns NULL with ERR_SPEC; err holds the first complaint and how many more
 * there are.
 */
struct spec *spec_load(const char *path, struct err *);

/*
 * As spec_load, but hands out the structure with its diags even when there are errors
 * (diags.errors): to show all complaints, or to know project and VM of a spec that has a mistake
 * elsewhere. project, vms, vm->name and normalised are NULL where they could not be made.
 */
struct spec *spec_check(const char *path, struct err *);

/*
 * As spec_check, and takes what can be read only once, too: "-", which is standard input, and
 * pipes. Relative paths are then relative to the working directory, and the spec has to have a
 * name:.
 */
struct spec *spec_check_stream(const char *path, struct err *);

/* The same for a text in memory: called `name` in complaints, and as if it stood at `path`. */
struct spec *spec_check_text(const char *name, const char *path, const char *text, size_t len);
void spec_free(struct spec *);

/* The spec's path, from the working directory upward; the caller frees. ERR_NOT_FOUND: none. */
char *spec_find(struct err *);

struct spec_vm *spec_vm_find(const struct spec *, const char *name, struct err *);

/* Everything the table knows, for `explain`, `schema` and croft-spec(5). */
/* key: "networks.*.address" or "networks.lan.address"; NULL or "": lists the top level. */
int spec_explain(const char *key, FILE *, struct err *);
void spec_schema(struct buf *json);
void spec_manual(FILE *); /* mdoc source of croft-spec(5) */

DEFINE_AUTO(spec, struct spec, spec_free)
#define auto_spec __attribute__((cleanup(auto_spec_fn)))

#endif
