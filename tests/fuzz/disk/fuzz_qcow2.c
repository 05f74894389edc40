// SPDX-License-Identifier: Apache-2.0
//
// qcow2 images and what is done with them. The input describes an image, which is built here from
// the specification, valid in every part: either version, all refcount widths, subclusters,
// compressed and zero and shared clusters. Then, rarely, some bytes of it are broken. Then
// operations run on it.
//
// An image that nothing was broken in must do all that a disk does, and be free of corruption at
// the end. A broken one may fail, and nothing else: no crash, no endless loop, no byte from
// outside.
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <zlib.h>
#include <zstd.h>

#include "base/file.h"
#include "base/mem.h"
#include "tests/lib/disk/image.h"
#include "tests/lib/disk/qcheck.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerInitialize(int *argc, char ***argv);

enum {
	MAX_FILE = 1 << 18,
	GUEST_CLUSTERS = 8,
	MAX_CLUSTER = 1 << 14,
	MAX_DISK = GUEST_CLUSTERS * MAX_CLUSTER,
	BELOW = 20000,
};

struct input {
	const uint8_t *p;
	size_t n;
};

static uint64_t take(struct input *in, unsigned bytes)
{
	uint64_t v = 0;

	while (bytes--) {
		v = v << 8 | (in->n ? *in->p : 0);
		if (in->n) {
			in->p++;
			in->n--;
		}
	}
	return v;
}

/* --- building a valid image ------------------------------------------------------------------ */

static uint8_t image[MAX_FILE], model[MAX_DISK], below[BELOW];
static uint8_t noise[MAX_CLUSTER + 256], soft_noise[MAX_CLUSTER + 256]; /* soft: compresses */
static int below_fd;

/* Where things lie, in clusters. */
enum { REFTABLE = 1, REFBLOCK = 2, L1 = 3, L2 = 4, DATA = 5 };

struct shape {
	unsigned bits, order, version, entry;
	uint64_t cluster, next; /* next: the first cluster that is not used */
	bool extended, backing, zstd;
	unsigned refs[DATA + GUEST_CLUSTERS + 1];
};

static void put(uint64_t off, unsigned bytes, uint64_t v)
{
	for (unsigned i = 0; i < bytes; i++)
		image[off + i] = (uint8_t)(v >> 8 * (bytes - 1 - i));
}

static size_t compress_cluster(const struct shape *s, const uint8_t *src, uint8_t *dst, size_t room)
{
	z_stream z = {0};
	size_t n;

	if (s->zstd) {
		n = ZSTD_compress(dst, room, src, s->cluster, 1);
		return ZSTD_isError(n) ? 0 : n;
	}
	if (deflateInit2(&z, 1, Z_DEFLATED, -12, 9, Z_DEFAULT_STRATEGY) != Z_OK)
		return 0;
	z.next_in = (uint8_t *)(uintptr_t)src;
	z.avail_in = (unsigned)s->cluster;
	z.next_out = dst;
	z.avail_out = (unsigned)room;
	n = deflate(&z, Z_FINISH) == Z_STREAM_END ? room - z.avail_out : 0;
	deflateEnd(&z);
	return n;
}

static uint64_t new_cluster(struct shape *s)
{
	s->refs[s->next]++;
	return s->next++ * s->cluster;
}

/* The guest cluster i, of a kind that the input chooses. */
static void add_guest_cluster(struct shape *s, struct input *in, unsigned i)
{
	uint64_t at = L2 * s->cluster + i * s->entry, copied = UINT64_C(1) << 63, host, n, x;
	uint8_t *content = model + i * s->cluster;
	uint8_t kind = (uint8_t)take(in, 1);
	uint32_t some = (uint32_t)take(in, s->extended ? 4 : 0), zero = ~some & (some << 7);

	switch (kind % 6) {
	case 0: /* unallocated: what lies below */
		return;
	case 1: /* zero, with or without a cluster */
		if (s->version < 3)
			return;
		host = kind & 8 ? new_cluster(s) | copied : 0;
		put(at, 8, host | (s->extended ? 0 : 1));
		if (s->extended)
			put(at + 8, 8, UINT64_C(0xffffffff) << 32);
		memset(content, 0, s->cluster);
		return;
	case 2: /* compressed, perhaps in the middle of a cluster that others use too */
		host = new_cluster(s) + (kind & 8 ? 37 : 0);
		memcpy(content, soft_noise + kind, s->cluster);
		n = compress_cluster(s, content, image + host, s->cluster - 37);
		if (!n) {
			memset(content, 0, s->cluster);
			if (s->backing)
				memcpy(content, below + i * s->cluster,
				       i * s->cluster < BELOW
					       ? min_u64(s->cluster, BELOW - i * s->cluster)
					       : 0);
			s->refs[host >> s->bits] = 0; /* leaves a free cluster: also a case */
			return;
		}
		x = 62 - (s->bits - 8);
		put(at, 8, UINT64_C(1) << 62 | ((host % 512 + n - 1) / 512) << x | host);
		return;
	}
	/* Data; a shared cluster is what a snapshot leaves behind. */
	host = new_cluster(s);
	if (kind % 6 == 5) {
		s->refs[host >> s->bits]++;
		copied = 0;
		if (s->order == 0) {
			s->refs[host >> s->bits]--;
			copied = UINT64_C(1) << 63;
		}
	}
	put(at, 8, host | copied);
	if (s->extended)
		put(at + 8, 8, some | (uint64_t)zero << 32);
	memcpy(image + host, noise + kind, s->cluster);
	for (unsigned sub = 0; sub < 32; sub++) {
		uint64_t len = s->cluster / 32, off = sub * len;

		if (!s->extended || some >> sub & 1)
			memcpy(content + off, noise + kind + off, len);
		else if (zero >> sub & 1)
			memset(content + off, 0, len);
	}
}

static void put_refcount(const struct shape *s, uint64_t c)
{
	unsigned bits = 1u << s->order;
	uint64_t at = REFBLOCK * s->cluster;

	if (bits >= 8)
		put(at + c * bits / 8, bits / 8, s->refs[c]);
	else
		image[at + c * bits / 8] |= (uint8_t)(s->refs[c] << c * bits % 8);
}

static uint64_t build(struct shape *s, struct input *in)
{
	static const unsigned bits[] = {9, 9, 12, 14};
	uint8_t how = (uint8_t)take(in, 1), width = (uint8_t)take(in, 1);
	uint64_t size;

	*s = (struct shape){.bits = bits[how & 3], .version = how & 4 ? 2 : 3};
	s->backing = how & 8;
	s->extended = s->version == 3 && (how & 3) == 3;
	s->zstd = s->version == 3 && how & 16;
	s->order = s->version == 3 ? width % 7 : 4;
	s->entry = s->extended ? 16 : 8;
	s->cluster = UINT64_C(1) << s->bits;
	s->next = DATA;
	memset(image, 0, (DATA + GUEST_CLUSTERS + 1) * s->cluster);
	size = GUEST_CLUSTERS * s->cluster - (how & 32 ? 512 - width : 0);
	memset(model, 0, GUEST_CLUSTERS * s->cluster);
	if (s->backing)
		memcpy(model, below, min_u64(BELOW, size));

	put(0, 4, 0x514649fb);
	put(4, 4, s->version);
	put(20, 4, s->bits);
	put(24, 8, size);
	put(36, 4, 1);
	put(40, 8, L1 * s->cluster);
	put(48, 8, REFTABLE * s->cluster);
	put(56, 4, 1);
	if (s->version == 3) {
		put(72, 8, (s->zstd ? 8 : 0) | (s->extended ? 16 : 0));
		put(96, 4, s->order);
		put(100, 4, 112);
		put(104, 1, s->zstd);
	}
	if (s->backing) {
		put(8, 8, 200);
		put(16, 4, 5);
		memcpy(image + 200, "below", 5);
	}
	put(REFTABLE * s->cluster, 8, REFBLOCK * s->cluster);
	put(L1 * s->cluster, 8, (L2 * s->cluster) | UINT64_C(1) << 63);
	for (uint64_t c = 0; c < DATA; c++)
		s->refs[c] = 1;
	for (unsigned i = 0; i < GUEST_CLUSTERS; i++)
		add_guest_cluster(s, in, i);
	for (uint64_t c = 0; c < s->next; c++)
		put_refcount(s, c);
	return s->next * s->cluster;
}

/* Breaks one to three places, mostly none. */
static bool mutate(const struct shape *s, struct input *in)
{
	unsigned n = (unsigned)take(in, 1) % 8;

	n = n > 3 ? 0 : n;
	for (unsigned i = 0; i < n; i++) {
		uint8_t where = (uint8_t)take(in, 1);
		uint64_t at = take(in, 2), v;

		/* Every place is inside what was cleared. */
		at = where % 8 == 0   ? at % 256
		     : where % 8 == 1 ? REFTABLE * s->cluster + at % 32
		     : where % 8 == 2 ? REFBLOCK * s->cluster + at % 64
		     : where % 8 == 3 ? L1 * s->cluster + at % 16
		     : where % 8 == 4 ? DATA * s->cluster + at % (8 * s->cluster)
				      : L2 * s->cluster + at % (GUEST_CLUSTERS * s->entry);
		switch (where >> 6) {
		case 0:
			image[at] = (uint8_t)take(in, 1);
			break;
		case 1:
			v = take(in, 8);
			put(at & ~UINT64_C(7), 8, v);
			break;
		case 2: /* an offset that could be */
			v = take(in, 1) * s->cluster;
			put(at & ~UINT64_C(7), 8, v | (uint64_t)(where >> 3 & 3) << 62);
			break;
		case 3:
			put(at & ~UINT64_C(3), 4, take(in, 4));
			break;
		}
	}
	return n > 0;
}

/* --- using it -------------------------------------------------------------------------------- */

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "a valid image: %s\n", what);
	abort();
}

static void operate(struct blk *blk, struct input *in, bool valid, bool zeroes_discards)
{
	static uint8_t buf[MAX_DISK];
	uint64_t size = min_u64(blk_size(blk), MAX_DISK);

	for (unsigned ops = 0; in->n && ops < 64 && size; ops++) {
		uint8_t op = (uint8_t)take(in, 1);
		uint64_t off = take(in, 3) % size, len = take(in, 2) % (size - off) + 1, from, to;
		int r = 0;

		switch (op % 8) {
		case 0:
		case 1:
			r = blk_read(blk, off, buf, len);
			must(!valid || !memcmp(buf, model + off, len), "reads what was written");
			break;
		case 2:
		case 3:
		case 4:
			memset(buf, op, len);
			r = blk_write(blk, off, buf, len);
			memset(model + off, op, len);
			break;
		case 5:
			r = blk_zero(blk, off, len, op & 8);
			memset(model + off, 0, len);
			break;
		case 6:
			from = align_up(off, blk_cluster_size(blk));
			to = off + len == size ? size
					       : align_down(off + len, blk_cluster_size(blk));
			r = blk_discard(blk, off, len);
			if (zeroes_discards && to > from)
				memset(model + from, 0, to - from);
			else if (valid && to > from)
				must(blk_read(blk, from, model + from, to - from) == 0, "reads");
			break;
		case 7:
			r = blk_flush(blk);
			break;
		}
		must(!valid || r == 0, "serves every request");
	}
	if (!valid)
		return;
	must(blk_read(blk, 0, buf, size) == 0, "reads");
	must(!memcmp(buf, model, size), "holds what was written");
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	for (unsigned i = 0; i < sizeof(noise); i++) {
		noise[i] = (uint8_t)(i * 131 >> 5 ^ i);
		soft_noise[i] = (uint8_t)(i / 64 * 37);
	}
	for (unsigned i = 0; i < BELOW; i++)
		below[i] = (uint8_t)(i * 57 >> 4 ^ i);
	below_fd = mem_file(below, BELOW);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct input in = {.p = data, .n = n};
	static struct shape shape;
	struct err err = {0};
	struct blk_info info;
	uint64_t bytes = build(&shape, &in);
	bool valid = !mutate(&shape, &in);
	bool rdonly = take(&in, 1) % 8 == 0;
	int fd = mem_file(image, bytes), r;
	struct blk *blk = mem_open(fd, BLK_QCOW2, shape.backing ? below_fd : -1, BLK_RAW,
				   BLK_DISCARD | (rdonly ? BLK_RDONLY : 0), &err);

	r = blk_probe(fd, &info, &err);
	must(!valid || r == 0, "can be described");
	(void)blk_check_foreign(fd, MAX_DISK, &info, &err);
	must(!valid || blk, "opens");
	if (blk) {
		bool zeroes = shape.version == 3 || !shape.backing;

		operate(blk, &in, valid && !rdonly, zeroes);
		r = blk_close(blk);
		must(!valid || r == 0, "closes");
	}
	if (!valid || rdonly) {
		/* Growing opens it in another way. */
		(void)blk_grow(fd, BLK_QCOW2, GUEST_CLUSTERS * shape.cluster * 1000, 0, &err);
	} else {
		size_t size;
		uint8_t *end = mem_bytes(fd, &size);
		struct qcheck q = qcheck_image(end, size);

		must(!q.corruptions, q.first);
		free(end);
	}
	close(fd);
	return 0;
}
