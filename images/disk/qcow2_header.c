/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading and judging qcow2 headers: see qcow2_header.h. Every number comes from outside; each is
 * bounded here before anything is allocated or located by it.
 */
#include "images/disk/qcow2_header.h"

#include <errno.h>
#include <string.h>

#include "base/clean.h"
#include "base/util.h"

bool qcow2_magic(const struct host *host)
{
	uint8_t raw[4];
	uint64_t size;

	return host_size(host, &size) == 0 && size >= sizeof(raw) &&
	       host_read(host, raw, sizeof(raw), 0) == 0 && get_be32(raw) == QCOW2_MAGIC;
}

uint64_t qcow2_l1_span(unsigned cluster_bits, bool extended_l2)
{
	return UINT64_C(1) << (2 * cluster_bits - (extended_l2 ? 4 : 3));
}

uint64_t qcow2_l1_needed(uint64_t size, unsigned cluster_bits, bool extended_l2)
{
	uint64_t span = qcow2_l1_span(cluster_bits, extended_l2);

	return size / span + (size % span != 0);
}

/* --- reading --------------------------------------------------------------------------------- */

static int decode_fixed(const uint8_t *raw, struct qcow2_header *h, struct err *err)
{
	if (get_be32(raw) != QCOW2_MAGIC)
		return err_set(err, ERR_CORRUPT, "not a qcow2 image (offset 0: no magic)");
	h->version = get_be32(raw + 4);
	if (h->version < 2 || h->version > 3)
		return err_set(err, ERR_UNSUPPORTED,
			       "qcow2 version %u (offset 4; croft knows 2 and 3)", h->version);
	h->cluster_bits = get_be32(raw + 20);
	if (h->cluster_bits < QCOW2_MIN_CLUSTER_BITS || h->cluster_bits > QCOW2_MAX_CLUSTER_BITS)
		return err_set(err, ERR_CORRUPT, "offset 20: cluster_bits is %u, not %d to %d",
			       h->cluster_bits, QCOW2_MIN_CLUSTER_BITS, QCOW2_MAX_CLUSTER_BITS);
	h->size = get_be64(raw + 24);
	h->crypt = get_be32(raw + 32);
	h->l1_size = get_be32(raw + 36);
	h->l1_off = get_be64(raw + 40);
	h->reftable_off = get_be64(raw + 48);
	h->reftable_clusters = get_be32(raw + 56);
	h->snapshots = get_be32(raw + 60);
	h->snapshots_off = get_be64(raw + 64);
	h->refcount_order = 4;
	h->length = QCOW2_V2_HEADER;
	return 0;
}

static int decode_v3(const uint8_t *raw, struct qcow2_header *h, struct err *err)
{
	h->incompatible = get_be64(raw + 72);
	h->compatible = get_be64(raw + 80);
	h->autoclear = get_be64(raw + 88);
	h->refcount_order = get_be32(raw + 96);
	h->length = get_be32(raw + 100);
	h->extended_l2 = h->incompatible & QCOW2_INCOMPAT_EXTENDED_L2;
	if (h->refcount_order > 6)
		return err_set(err, ERR_CORRUPT, "offset 96: refcount_order is %u, not 0 to 6",
			       h->refcount_order);
	if (h->length < QCOW2_V3_HEADER || h->length % 8 ||
	    h->length > UINT64_C(1) << h->cluster_bits)
		return err_set(err, ERR_CORRUPT, "offset 100: header_length is %u", h->length);
	if (h->length > QCOW2_AT_COMPRESSION)
		h->compression = raw[QCOW2_AT_COMPRESSION];
	if (!!(h->incompatible & QCOW2_INCOMPAT_COMPRESSION) != (h->compression != QCOW2_ZLIB))
		return err_set(err, ERR_CORRUPT,
			       "offset 104: compression type %u contradicts the feature bit",
			       h->compression);
	if (h->extended_l2 && h->cluster_bits < QCOW2_MIN_EXTENDED_BITS)
		return err_set(err, ERR_CORRUPT,
			       "offset 20: extended L2 entries need cluster_bits of at least %d",
			       QCOW2_MIN_EXTENDED_BITS);
	return 0;
}

static void name_refused(struct qcow2_header *h, const char *name, size_t n)
{
	size_t len = strlen(h->refused);

	if (len + n + 3 > sizeof(h->refused))
		return;
	if (len) {
		memcpy(h->refused + len, ", ", 2);
		len += 2;
	}
	/* From the image: nothing that a terminal would obey. */
	for (size_t i = 0; i < n; i++)
		h->refused[len + i] = name[i] >= ' ' && name[i] <= '~' ? name[i] : '?';
	h->refused[len + n] = 0;
}

/* Names the unknown bits, by the image's own feature name table where it has them. */
static void name_features(struct qcow2_header *h, const uint8_t *table, size_t bytes)
{
	uint64_t unknown =
		h->incompatible & ~(QCOW2_INCOMPAT_SERVED | QCOW2_INCOMPAT_EXTERNAL_DATA);

	if (h->incompatible & QCOW2_INCOMPAT_EXTERNAL_DATA)
		name_refused(h, "external data file", strlen("external data file"));
	for (size_t i = 0; i + 48 <= bytes; i += 48) {
		unsigned bit = table[i + 1];
		const char *name = (const char *)table + i + 2;

		if (table[i] != 0 || bit > 63 || !(unknown >> bit & 1))
			continue;
		unknown &= ~(UINT64_C(1) << bit);
		name_refused(h, name, strnlen(name, 46));
	}
	for (unsigned bit = 0; bit < 64; bit++) {
		char text[32];

		if (unknown >> bit & 1)
			name_refused(h, text,
				     (size_t)snprintf(text, sizeof(text),
						      "incompatible feature bit %u", bit));
	}
}

/*
 * `raw` is the first cluster, `n` bytes of it (the file may be shorter). The backing file's name
 * ends the extensions, too: QEMU once wrote it behind the header, with none and without an end.
 */
static int decode_extensions(const uint8_t *raw, size_t n, struct qcow2_header *h, struct err *err)
{
	const uint64_t backing_off = get_be64(raw + 8);
	const uint8_t *names = NULL;
	size_t names_bytes = 0, at = h->length;

	if (backing_off)
		n = min_u64(n, backing_off);
	while (at + 8 <= n) {
		uint32_t type = get_be32(raw + at), len = get_be32(raw + at + 4);

		if (type == QCOW2_EXT_END)
			break;
		if (len > n - at - 8)
			return err_set(err, ERR_CORRUPT,
				       "offset %zu: a header extension of %u bytes leaves %s", at,
				       len,
				       backing_off ? "its room in front of the backing file's name"
						   : "the first cluster");
		if (type == QCOW2_EXT_FEATURE_NAMES) {
			names = raw + at + 8;
			names_bytes = len;
		}
		at += 8 + align_up(len, 8);
	}
	name_features(h, names, names_bytes);
	return 0;
}

static int decode_backing(const uint8_t *raw, size_t n, struct qcow2_header *h, struct err *err)
{
	uint64_t off = get_be64(raw + 8);
	uint32_t len = get_be32(raw + 16);

	if (!off)
		return 0;
	if (!len || len > QCOW2_MAX_NAME || off < h->length || !range_inside(off, len, n))
		return err_set(err, ERR_CORRUPT,
			       "offset 8: a backing file name of %u bytes at %llu", len,
			       (unsigned long long)off);
	for (uint32_t i = 0; i < len; i++)
		if (raw[off + i] < ' ' || raw[off + i] == 0x7f)
			return err_set(err, ERR_CORRUPT,
				       "offset %llu: a control character in the backing file name",
				       (unsigned long long)off + i);
	/* We show it and open nothing by it: nothing that a terminal would obey. */
	clean_copy(h->backing, sizeof(h->backing), raw + off, len);
	return 0;
}

int qcow2_header_read(const struct host *host, struct qcow2_header *h, struct err *err)
{
	uint8_t fixed[QCOW2_V3_HEADER + 8] = {0};
	auto_free uint8_t *raw = NULL;
	uint64_t size;
	size_t n;
	int r = host_size(host, &size);

	*h = (struct qcow2_header){0};
	if (r == 0 && size < QCOW2_V2_HEADER)
		return err_set(err, ERR_CORRUPT, "not a qcow2 image (%llu bytes)",
			       (unsigned long long)size);
	if (r == 0)
		r = host_read(host, fixed, min_u64(size, sizeof(fixed)), 0);
	if (r < 0)
		goto io_error;
	if (decode_fixed(fixed, h, err) < 0)
		return -1;
	if (h->version == 3 &&
	    (size < QCOW2_V3_HEADER ? err_set(err, ERR_CORRUPT, "the header is cut short")
				    : decode_v3(fixed, h, err)) < 0)
		return -1;

	/* At most 2 MiB (cluster_bits is checked). */
	n = min_u64(size, UINT64_C(1) << h->cluster_bits);
	raw = malloc(n);
	if (!raw)
		return err_set(err, ERR_HOST, "out of memory");
	r = host_read(host, raw, n, 0);
	if (r < 0)
		goto io_error;
	if (h->length > n)
		return err_set(err, ERR_CORRUPT, "the header is cut short");
	if (decode_extensions(raw, n, h, err) < 0)
		return -1;
	return decode_backing(raw, n, h, err);
io_error:
	errno = -r;
	return err_sys(err, ERR_HOST, "cannot read the header");
}

/* --- judging --------------------------------------------------------------------------------- */

static int check_table(const struct qcow2_header *h, const char *what, uint64_t off, uint64_t bytes,
		       uint64_t max, uint64_t file_size, struct err *err)
{
	if (bytes > max)
		return err_set(err, ERR_UNSUPPORTED,
			       "the %s has %llu bytes (at most %llu are served)", what,
			       (unsigned long long)bytes, (unsigned long long)max);
	if (!bytes)
		return 0;
	if (!off || off % (UINT64_C(1) << h->cluster_bits) || off >= QCOW2_MAX_OFFSET)
		return err_set(err, ERR_CORRUPT, "the %s is at %#llx, not a cluster's offset", what,
			       (unsigned long long)off);
	if (!range_inside(off, bytes, file_size))
		return err_set(err, ERR_CORRUPT,
			       "the %s at %#llx, %llu bytes, leaves the file (%llu bytes; was it "
			       "copied to its end?)",
			       what, (unsigned long long)off, (unsigned long long)bytes,
			       (unsigned long long)file_size);
	return 0;
}

static int check_state(const struct qcow2_header *h, bool writable, struct err *err)
{
	if (h->crypt)
		return err_set(
			err, ERR_UNSUPPORTED,
			"the image is encrypted (%s); convert it with `qemu-img convert` first",
			h->crypt == 1	? "AES"
			: h->crypt == 2 ? "LUKS"
					: "unknown method");
	if (h->refused[0])
		return err_set(err, ERR_UNSUPPORTED,
			       "the image uses features that croft does not serve: %s (convert it "
			       "with `qemu-img convert -O qcow2`)",
			       h->refused);
	if (h->compression > QCOW2_ZSTD)
		return err_set(err, ERR_UNSUPPORTED, "unknown compression type %u", h->compression);
	if (writable && (h->incompatible & QCOW2_INCOMPAT_CORRUPT))
		return err_set(
			err, ERR_CORRUPT,
			"the image is marked corrupt (repair it with `qemu-img check -r all`)");
	/*
	 * Refcounts may be too low: what they call free may be in use. Rebuilding them means
	 * walking every table; `qemu-img check` does, and images of ours never get here (no lazy
	 * refcounts).
	 */
	if (writable && (h->incompatible & QCOW2_INCOMPAT_DIRTY))
		return err_set(
			err, ERR_CORRUPT,
			"the image was not closed by the program that wrote it, its refcounts "
			"are stale (repair it with `qemu-img check -r all`)");
	return 0;
}

int qcow2_header_check(const struct qcow2_header *h, uint64_t file_size, bool writable,
		       struct err *err)
{
	uint64_t cluster = UINT64_C(1) << h->cluster_bits;
	uint64_t needed = qcow2_l1_needed(h->size, h->cluster_bits, h->extended_l2);

	if (check_state(h, writable, err) < 0)
		return -1;
	if (h->size > INT64_MAX)
		return err_set(err, ERR_CORRUPT, "offset 24: the virtual size is %llu bytes",
			       (unsigned long long)h->size);
	if (needed > h->l1_size)
		return err_set(
			err, ERR_CORRUPT,
			"offset 36: the L1 table has %u entries, the virtual size needs %llu",
			h->l1_size, (unsigned long long)needed);
	if (h->snapshots > QCOW2_MAX_SNAPSHOTS)
		return err_set(err, ERR_UNSUPPORTED, "%u snapshots (at most %d are served)",
			       h->snapshots, QCOW2_MAX_SNAPSHOTS);
	if (check_table(h, "L1 table", h->l1_off, UINT64_C(8) * h->l1_size, QCOW2_MAX_L1_BYTES,
			file_size, err) < 0)
		return -1;
	if (check_table(h, "snapshot table", h->snapshots_off, h->snapshots ? 40 : 0,
			QCOW2_MAX_SNAPSHOT_BYTES, file_size, err) < 0)
		return -1;
	if (!writable)
		return 0; /* a reader needs no refcounts */
	if (!h->reftable_clusters)
		return err_set(err, ERR_CORRUPT, "offset 56: there is no refcount table");
	return check_table(h, "refcount table", h->reftable_off, h->reftable_clusters * cluster,
			   QCOW2_MAX_REFTABLE_BYTES, file_size, err);
}
