/* SPDX-License-Identifier: Apache-2.0
 *
 * The header of a qcow2 image (docs/interop/qcow2.txt of QEMU, "Header"), decoded. Reading checks
 * what the format itself demands; whether we can serve the image is a second question with an
 * answer of its own, because describing an image that we refuse is a feature.
 */
#ifndef IMAGES_DISK_QCOW2_HEADER_H
#define IMAGES_DISK_QCOW2_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "images/disk/host.h"

#define QCOW2_MAGIC 0x514649fbu /* "QFI\xfb" */

enum {
	QCOW2_V2_HEADER = 72,
	QCOW2_V3_HEADER = 104,
	QCOW2_MIN_CLUSTER_BITS = 9,
	QCOW2_MAX_CLUSTER_BITS = 21,
	QCOW2_MIN_EXTENDED_BITS = 14,
	QCOW2_MAX_L1_BYTES = 32 << 20,
	QCOW2_MAX_REFTABLE_BYTES = 8 << 20,
	QCOW2_MAX_SNAPSHOTS = 65536,
	QCOW2_MAX_SNAPSHOT_BYTES = 64 << 20,
	QCOW2_MAX_NAME = 1023, /* bytes of a backing file's name */
};

/* Byte positions, for those that rewrite single fields. */
enum {
	QCOW2_AT_SIZE = 24,
	QCOW2_AT_L1_SIZE = 36,
	QCOW2_AT_L1_OFF = 40,
	QCOW2_AT_REFTABLE_OFF = 48,
	QCOW2_AT_REFTABLE_CLUSTERS = 56,
	QCOW2_AT_INCOMPATIBLE = 72,
	QCOW2_AT_AUTOCLEAR = 88,
	QCOW2_AT_COMPRESSION = 104,
};

#define QCOW2_INCOMPAT_DIRTY	     (UINT64_C(1) << 0)
#define QCOW2_INCOMPAT_CORRUPT	     (UINT64_C(1) << 1)
#define QCOW2_INCOMPAT_EXTERNAL_DATA (UINT64_C(1) << 2)
#define QCOW2_INCOMPAT_COMPRESSION   (UINT64_C(1) << 3)
#define QCOW2_INCOMPAT_EXTENDED_L2   (UINT64_C(1) << 4)
#define QCOW2_INCOMPAT_SERVED                                                                      \
	(QCOW2_INCOMPAT_DIRTY | QCOW2_INCOMPAT_CORRUPT | QCOW2_INCOMPAT_COMPRESSION |              \
	 QCOW2_INCOMPAT_EXTENDED_L2)

#define QCOW2_EXT_END		 0u
#define QCOW2_EXT_BACKING_FORMAT 0xe2792acau
#define QCOW2_EXT_FEATURE_NAMES	 0x6803f857u

/* Offsets in tables: bits 9 to 55 ("L1 table entry", "Standard Cluster Descriptor"). */
#define QCOW2_OFFSET_MASK UINT64_C(0x00fffffffffffe00)
#define QCOW2_MAX_OFFSET  (UINT64_C(1) << 56)

enum qcow2_compression { QCOW2_ZLIB, QCOW2_ZSTD };

struct qcow2_header {
	unsigned version; /* 2 or 3 */
	unsigned cluster_bits;
	uint64_t size;
	uint32_t crypt;
	uint32_t l1_size; /* entries */
	uint64_t l1_off;
	uint64_t reftable_off;
	uint32_t reftable_clusters;
	uint32_t snapshots;
	uint64_t snapshots_off;
	uint64_t incompatible, compatible, autoclear;
	unsigned refcount_order; /* refcounts are 1 << order bits wide */
	uint32_t length;
	unsigned compression; /* enum qcow2_compression, or what we do not know */
	bool extended_l2;
	char backing[QCOW2_MAX_NAME + 1]; /* to be shown (base/clean.h); empty: none */
	char refused[256]; /* names of incompatible features that we do not serve; empty: none */
};

/* True when the file begins with the magic. */
bool qcow2_magic(const struct host *);

int qcow2_header_read(const struct host *, struct qcow2_header *, struct err *);

/* Whether we serve it (for writing), with tables that lie inside a file of `file_size` bytes. */
int qcow2_header_check(const struct qcow2_header *, uint64_t file_size, bool writable,
		       struct err *);

/* Guest bytes that one L1 entry covers, and how many entries a size needs. */
uint64_t qcow2_l1_span(unsigned cluster_bits, bool extended_l2);
uint64_t qcow2_l1_needed(uint64_t size, unsigned cluster_bits, bool extended_l2);

#endif
