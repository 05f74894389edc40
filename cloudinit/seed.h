/* SPDX-License-Identifier: Apache-2.0
 *
 * The NoCloud seed: four documents and the ISO 9660 disk that carries them. Same input, same bytes.
 * (cloud-init's documentation, "NoCloud"; DataSourceNoCloud.py.)
 */
#ifndef CLOUDINIT_SEED_H
#define CLOUDINIT_SEED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/yaml/yaml.h"

enum { SEED_MAX_NICS = 8, SEED_MAX_DNS = 8 };

/* Bytes at most: of a user's document, also unpacked; of a file on the disk; of the disk. */
enum { SEED_MAX_DOCUMENT = 4 << 20, SEED_MAX_FILE = 8 << 20, SEED_MAX_ISO = 33 << 20 };

struct seed_nic {
	uint8_t mac[6];
	const char *address; /* "10.0.0.5/24", or NULL: DHCP */
	const char *gateway; /* or NULL */
	const char *dns[SEED_MAX_DNS];
	unsigned ndns;
};

/* All pointers are borrowed. */
struct seed_input {
	const char *instance_id; /* never empty: clones that share one look like the same machine */
	const char *hostname, *fqdn; /* each may be NULL */
	/* The sugar: a map with cloud-init's keys; may be NULL. */
	const struct yaml_node *cloud_config;
	/* The user's own documents; each may be NULL. */
	const struct source *user_data;
	const struct source *vendor_data, *meta_data, *network_config;
	const char *host_key_private, *host_key_public; /* OpenSSH ed25519 texts, or both NULL */
	struct seed_nic nics[SEED_MAX_NICS];
	unsigned nnics;
};

enum seed_file {
	SEED_USER_DATA,
	SEED_META_DATA,
	SEED_NETWORK_CONFIG,
	SEED_VENDOR_DATA,
	SEED_FILES
};
const char *seed_file_name(enum seed_file); /* "user-data" */

struct seed {
	struct buf files[SEED_FILES]; /* contents; network-config may be empty: not written */
};

/*
 * Makes the documents. The sugar and the user's own user-data are merged: alone, each is written as
 * it is (the sugar as #cloud-config); together, as MIME multipart in an order and with a merge type
 * that let the user's part win where both set a key and append its lists to the sugar's (render.c
 * says how). vendor-data, croft's settings and the user's own, is made in the same way. meta-data
 * is croft's with the user's map over it; network-config is the user's or made from the NICs.
 * Nothing is checked here that seed_lint checks. ERR_SPEC: a document that cannot be read at all.
 */
int seed_render(const struct seed_input *, struct seed *out, struct err *);
void seed_done(struct seed *);

/*
 * The disk: ISO 9660 with Rock Ridge and Joliet, label cidata. Appended to `out`, whose ceiling
 * should be SEED_MAX_ISO. Times come from SOURCE_DATE_EPOCH or are 0.
 */
int seed_iso(const struct seed *, struct buf *out, struct err *);

/*
 * Checks a user's document on the host: header line (#cloud-config, #!, MIME, #include, jinja),
 * YAML, top-level keys and their kinds against cloud-init's schema, size, deprecated keys.
 * Complaints carry the lines of the user's own file.
 */
void seed_lint(enum seed_file, const struct source *, struct arena *, struct diags *);

/*
 * An ed25519 key pair in OpenSSH's formats, made by ssh-keygen in a private directory. The caller
 * frees both.
 */
int seed_host_key(const char *comment, char **private_key, char **public_key, struct err *);

#endif
