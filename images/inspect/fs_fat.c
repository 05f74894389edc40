/* SPDX-License-Identifier: Apache-2.0
 *
 * FAT12, FAT16 and FAT32 with long names (Microsoft FAT specification, 1.03): the EFI system
 * partition, where systemd-boot keeps its entries and GRUB a stub that leads to its configuration.
 * The type follows from the number of clusters and from nothing else (section 3.5).
 */
#include "images/inspect/fsys.h"

#include <string.h>
#include <strings.h>

#include "base/clean.h"
#include "base/mem.h"

enum {
	DIR_ENTRY = 32,
	MAX_DIR_ENTRIES = 65536, /* what a directory may have at most, by the specification */
	MAX_LONG_NAME = 255,	 /* UTF-16 units */
	LONG_PART = 13,		 /* units in one entry */
	WINDOW = 4096,		 /* of the FAT, kept in memory */
	DELETED = 0xE5,		 /* first byte of an entry's name */
};

enum dir_attribute { ATTR_VOLUME = 0x08, ATTR_DIRECTORY = 0x10, ATTR_LONG = 0x0F };

struct fat_fs {
	struct fsys base;
	struct blk *blk;
	uint64_t off; /* of the partition; all offsets below are inside it */
	uint64_t size;
	uint32_t cluster_size, clusters; /* bytes; they are numbered from 2 */
	uint64_t fat_off, fat_size, data_off;
	uint64_t root_off, root_size; /* FAT12 and FAT16: the root is no chain */
	uint32_t root_cluster;	      /* FAT32 */
	unsigned bits;		      /* of a FAT entry: 12, 16, 32 */
	uint8_t window[WINDOW];
	uint64_t window_off; /* in the FAT; UINT64_MAX: nothing loaded */
};

static struct fat_fs *to_fat(struct fsys *base)
{
	return container_of(base, struct fat_fs, base);
}

static int read_at(struct fat_fs *x, uint64_t off, void *dst, size_t n, struct err *err)
{
	if (!range_inside(off, n, x->size) || blk_read(x->blk, x->off + off, dst, n) < 0)
		return err_set(err, ERR_CORRUPT,
			       "the FAT file system is damaged: %zu bytes at %llu", n,
			       (unsigned long long)off);
	return 0;
}

/* --- chains of clusters --- */

/* n bytes of the FAT, which may lie across two windows. */
static int read_fat(struct fat_fs *x, uint64_t off, uint8_t *dst, size_t n, struct err *err)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t at = off + i, start = align_down(at, WINDOW);

		if (at >= x->fat_size)
			return err_set(err, ERR_CORRUPT, "the FAT is shorter than the file system");
		if (start != x->window_off) {
			x->window_off = UINT64_MAX;
			if (read_at(x, x->fat_off + start, x->window,
				    min_u64(WINDOW, x->fat_size - start), err) < 0)
				return -1;
			x->window_off = start;
		}
		dst[i] = x->window[at - start];
	}
	return 0;
}

static bool is_cluster(const struct fat_fs *x, uint32_t c)
{
	return c >= 2 && c - 2 < x->clusters;
}

/* The cluster behind `c`; 0 at the end of the chain. */
static int next_cluster(struct fat_fs *x, uint32_t c, uint32_t *next, struct err *err)
{
	uint8_t e[4] = {0};
	uint32_t value;

	if (read_fat(x, (uint64_t)c * x->bits / 8, e, x->bits == 32 ? 4 : 2, err) < 0)
		return -1;
	value = get_le32(e);
	if (x->bits == 12)
		value = c & 1 ? value >> 4 : value & 0xFFF;
	if (x->bits == 32)
		value &= 0x0FFFFFFF; /* the upper four bits are reserved */
	/* At and above ...F8 a chain ends; ...F7 is a bad cluster, which no chain has. */
	if (value >= (UINT32_C(0xFFFFFFF8) & (x->bits == 32 ? 0x0FFFFFFF : (1u << x->bits) - 1))) {
		*next = 0;
		return 0;
	}
	if (!is_cluster(x, value))
		return err_set(err, ERR_CORRUPT,
			       "the FAT file system is damaged: cluster %u leads to %u", c, value);
	*next = value;
	return 0;
}

/* n bytes at off of a chain, in pieces as large as clusters follow each other. */
static int read_chain(struct fat_fs *x, uint32_t c, uint64_t off, uint8_t *dst, size_t n,
		      struct err *err)
{
	uint32_t steps = 0;

	while (n) {
		uint32_t last = c, next;
		uint64_t run = x->cluster_size;

		if (!is_cluster(x, c) || steps++ > x->clusters)
			return err_set(err, ERR_CORRUPT,
				       "the FAT file system is damaged: a chain ends "
				       "early or runs in a circle");
		for (next = 0; run < off + n; last = next, run += x->cluster_size, steps++) {
			if (next_cluster(x, last, &next, err) < 0)
				return -1;
			if (next != last + 1)
				break;
		}
		if (off < run) {
			size_t part = min_u64(n, run - off);
			uint64_t start = x->data_off + (uint64_t)(c - 2) * x->cluster_size;

			if (read_at(x, start + off, dst, part, err) < 0)
				return -1;
			dst += part;
			n -= part;
			off += part;
		}
		off -= run;
		c = next;
	}
	return 0;
}

/* --- directories --- */

struct fat_entry {
	char name[MAX_LONG_NAME * 3 + 1];
	struct fnode node;
	uint32_t cluster;
};

/* An entry on its way: the long name's parts come first, last part first. */
struct long_name {
	uint16_t unit[MAX_LONG_NAME + LONG_PART];
	unsigned parts;	  /* still expected */
	unsigned length;  /* units */
	uint8_t checksum; /* of the short name it belongs to */
};

static uint8_t short_checksum(const uint8_t *name)
{
	uint8_t sum = 0;

	for (int i = 0; i < 11; i++)
		sum = (uint8_t)((sum >> 1 | sum << 7) + name[i]);
	return sum;
}

/* Section 7: order, 5 + 6 + 2 units of UTF-16, and the checksum. */
static void take_long_part(struct long_name *l, const uint8_t *e)
{
	static const uint8_t place[LONG_PART] = {1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30};
	unsigned order = e[0] & 0x3F;

	if (e[0] & 0x40) {
		*l = (struct long_name){
			.parts = order, .length = order * LONG_PART, .checksum = e[13]};
		if (l->length > ARRAY_LEN(l->unit))
			l->parts = l->length = 0;
	}
	if (!order || order != l->parts || e[13] != l->checksum) {
		l->parts = l->length = 0;
		return;
	}
	l->parts--;
	for (int i = 0; i < LONG_PART; i++)
		l->unit[l->parts * LONG_PART + i] = htole16(get_le16(e + place[i]));
}

/* "README  TXT" to "README.TXT", in lower case where NT says so. */
static void take_short_name(const uint8_t *e, char *out, size_t n)
{
	char text[13];
	size_t at = 0;

	for (int i = 0; i < 11; i++) {
		uint8_t c =
			i == 0 && e[0] == 0x05 ? DELETED : e[i]; /* it is a letter in Japanese */
		bool lower = e[12] & (i < 8 ? 0x08 : 0x10);

		if (i == 8 && e[8] != ' ')
			text[at++] = '.';
		if (c != ' ')
			text[at++] = lower && c >= 'A' && c <= 'Z' ? (char)(c + 32) : (char)c;
	}
	clean_copy(out, n, text, at);
}

/* Fills *out from an entry and the long name before it; false when it is no file or directory. */
static bool take_entry(const struct fat_fs *x, const uint8_t *e, struct long_name *l,
		       struct fat_entry *out)
{
	bool is_long = l->length && !l->parts && l->checksum == short_checksum(e);

	if (e[0] != DELETED && (e[11] & 0x3F) == ATTR_LONG) {
		take_long_part(l, e);
		return false;
	}
	if (is_long)
		clean_utf16(out->name, sizeof(out->name), l->unit, l->length);
	else
		take_short_name(e, out->name, sizeof(out->name));
	l->length = 0;
	if (e[0] == DELETED || (e[11] & ATTR_VOLUME) || !out->name[0] || !strcmp(out->name, ".") ||
	    !strcmp(out->name, ".."))
		return false;

	out->cluster = get_le16(e + 26);
	if (x->bits == 32)
		out->cluster |= (uint32_t)get_le16(e + 20) << 16;
	out->node =
		(struct fnode){.id = {out->cluster}, .kind = FNODE_FILE, .size = get_le32(e + 28)};
	if (e[11] & ATTR_DIRECTORY) {
		out->node.kind = FNODE_DIR;
		out->node.size = 0;
	}
	return true;
}

/* One cluster's worth of a directory, or a part of the fixed root. 1: there is more, 0: that was
 * it. */
static int read_dir_part(struct fat_fs *x, uint32_t *cluster, uint64_t *off, uint8_t *dst,
			 size_t *n, struct err *err)
{
	if (!*cluster) { /* the fixed root */
		*n = min_u64(WINDOW, x->root_size - *off);
		if (!*n)
			return 0;
		if (read_at(x, x->root_off + *off, dst, *n, err) < 0)
			return -1;
		*off += *n;
		return 1;
	}
	if (!is_cluster(x, *cluster))
		return 0;
	*n = min_u64(WINDOW, x->cluster_size - *off);
	if (read_at(x, x->data_off + (uint64_t)(*cluster - 2) * x->cluster_size + *off, dst, *n,
		    err) < 0)
		return -1;
	*off += *n;
	if (*off == x->cluster_size) {
		*off = 0;
		if (next_cluster(x, *cluster, cluster, err) < 0)
			return -1;
		if (!*cluster)
			*cluster = UINT32_MAX; /* no cluster, and not the root */
	}
	return 1;
}

typedef bool entry_visit(void *ctx, const struct fat_entry *);

static int each_entry(struct fat_fs *x, const struct fnode *dir, entry_visit *visit, void *ctx,
		      struct err *err)
{
	uint32_t cluster = (uint32_t)dir->id[0];
	auto_free struct fat_entry *entry = NEW(struct fat_entry);
	struct long_name l = {.length = 0};
	uint8_t part[WINDOW];
	unsigned left = MAX_DIR_ENTRIES;
	uint64_t off = 0;
	size_t n;
	int rc;

	while ((rc = read_dir_part(x, &cluster, &off, part, &n, err)) > 0) {
		for (size_t at = 0; at + DIR_ENTRY <= n; at += DIR_ENTRY) {
			if (!part[at] || !left--)
				return 0; /* free, as all behind it are */
			if (take_entry(x, part + at, &l, entry) && visit(ctx, entry))
				return 0;
		}
	}
	return rc;
}

/* --- the class --- */

static int fat_root(struct fsys *base, struct fnode *out, struct err *err)
{
	(void)err;
	*out = (struct fnode){.id = {to_fat(base)->root_cluster}, .kind = FNODE_DIR};
	return 0;
}

struct wanted {
	const char *name;
	struct fnode *out;
	bool found;
};

/* Names are told apart without regard to case. */
static bool match(void *ctx, const struct fat_entry *e)
{
	struct wanted *w = ctx;

	if (strcasecmp(e->name, w->name))
		return false;
	*w->out = e->node;
	w->found = true;
	return true;
}

static int fat_lookup(struct fsys *base, const struct fnode *dir, const char *name,
		      struct fnode *out, struct err *err)
{
	struct wanted w = {.name = name, .out = out};

	if (each_entry(to_fat(base), dir, match, &w, err) < 0)
		return -1;
	return w.found ? 0 : err_set(err, ERR_NOT_FOUND, "no such file");
}

struct listing {
	fsys_visit *visit;
	void *ctx;
};

static bool show(void *ctx, const struct fat_entry *e)
{
	struct listing *l = ctx;

	return !strchr(e->name, '/') && l->visit(l->ctx, e->name);
}

static int fat_list(struct fsys *base, const struct fnode *dir, fsys_visit *visit, void *ctx,
		    struct err *err)
{
	struct listing l = {visit, ctx};

	return each_entry(to_fat(base), dir, show, &l, err);
}

static int fat_read(struct fsys *base, const struct fnode *node, uint64_t off, void *dst, size_t n,
		    struct err *err)
{
	assert(n && range_inside(off, n, node->size));
	return read_chain(to_fat(base), (uint32_t)node->id[0], off, dst, n, err);
}

static int fat_locate(struct fsys *base, const struct fnode *node, uint64_t *off, struct err *err)
{
	struct fat_fs *x = to_fat(base);
	uint32_t c = (uint32_t)node->id[0];

	if (!is_cluster(x, c) || node->size > x->cluster_size)
		return err_set(err, ERR_UNSUPPORTED, "not in one piece on the disk");
	*off = x->off + x->data_off + (uint64_t)(c - 2) * x->cluster_size;
	return 0;
}

static void fat_close(struct fsys *base)
{
	free(to_fat(base));
}

/* Section 3: the BIOS parameter block. Every product fits: the factors have at most 32 bits. */
static int read_geometry(struct fat_fs *x, struct err *err)
{
	uint8_t b[512];
	uint64_t sector, total, fats, reserved, fat_sectors, root_sectors;

	if (read_at(x, 0, b, sizeof(b), err) < 0)
		return -1;
	sector = get_le16(b + 11);
	x->cluster_size = (uint32_t)sector * b[13];
	reserved = get_le16(b + 14);
	fats = b[16];
	total = get_le16(b + 19) ? get_le16(b + 19) : get_le32(b + 32);
	fat_sectors = get_le16(b + 22) ? get_le16(b + 22) : get_le32(b + 36);
	if (!is_pow2(sector) || sector < 512 || sector > 4096 || !is_pow2(b[13]) || !reserved ||
	    !fats || !fat_sectors)
		return err_set(err, ERR_CORRUPT,
			       "the boot sector of the FAT file system makes no sense");

	root_sectors = (get_le16(b + 17) * DIR_ENTRY + sector - 1) / sector;
	x->fat_off = reserved * sector;
	x->fat_size = fat_sectors * sector;
	x->root_off = x->fat_off + fats * x->fat_size;
	x->root_size = get_le16(b + 17) * DIR_ENTRY;
	x->data_off = x->root_off + root_sectors * sector;
	if (x->data_off >= total * sector || total * sector > x->size)
		return err_set(err, ERR_CORRUPT,
			       "the FAT file system has %llu sectors, the partition %llu bytes",
			       (unsigned long long)total, (unsigned long long)x->size);
	x->clusters = (uint32_t)((total * sector - x->data_off) / x->cluster_size);
	/*
	 * Section 3.5 has the number of clusters alone decide, but mkfs.vfat -F 32 makes FAT32 of
	 * any size; Linux, GRUB and fsck.fat know it by the 16-bit length of a FAT, which is 0.
	 */
	x->bits = !get_le16(b + 22) ? 32 : x->clusters < 4085 ? 12 : 16;
	if (x->bits == 32) {
		x->root_cluster = get_le32(b + 44);
		if (!is_cluster(x, x->root_cluster))
			return err_set(err, ERR_CORRUPT, "the FAT file system's root is cluster %u",
				       x->root_cluster);
	}
	return 0;
}

static struct fsys *fat_open(struct blk *blk, struct inspect_part *part, struct err *err)
{
	struct fat_fs *x = NEW(struct fat_fs);

	x->base.class = &fsys_fat;
	x->blk = blk;
	x->off = part->off;
	x->size = part->size;
	x->window_off = UINT64_MAX;
	if (read_geometry(x, err) == 0)
		return &x->base;
	fat_close(&x->base);
	return NULL;
}

const struct fsys_class fsys_fat = {
	.names = {"vfat"},
	.open = fat_open,
	.root = fat_root,
	.lookup = fat_lookup,
	.list = fat_list,
	.read = fat_read,
	.locate = fat_locate,
	.close = fat_close,
};
