/* SPDX-License-Identifier: Apache-2.0
 *
 * The seed disk: ISO 9660 (ECMA-119) with Rock Ridge and Joliet, written by hand. It is one
 * directory of at most four files, thirteen sectors in front of the data, so the whole format fits
 * here.
 *
 *     16 primary descriptor   17 Joliet descriptor   18 end of descriptors
 *     19..22 path tables (little and big endian, primary and Joliet), each with the root only
 *     23 root directory   24 Joliet root directory   25 Rock Ridge continuation   26.. files
 *
 * Why not libarchive's writer: its bytes depend on the clock, the time zone, the user who runs it
 * and the library's version, and it passes the data, a private host key among it, through a
 * temporary file. Here the same input gives the same bytes everywhere.
 * tests/unit/cloudinit/test_iso.c reads the result back with libarchive, tests/golden/seed/judges
 * with isoinfo and blkid.
 */
#include "cloudinit/seed.h"

#include <errno.h>
#include <time.h>

#include "base/num.h"
#include "base/util.h"

enum {
	SECTOR = 2048,
	PRIMARY = 16,
	SUPPLEMENTARY,
	TERMINATOR,
	PATH_L,
	PATH_M,
	JOLIET_PATH_L,
	JOLIET_PATH_M,
	ROOT,
	JOLIET_ROOT,
	CONTINUATION,
	DATA,
};

enum {
	PATH_TABLE_BYTES = 10, /* 9.4, for the root: its identifier is one zero byte and a pad */
	RECORD_BYTES = 33,     /* 9.1, without the identifier */
	FLAG_DIRECTORY = 2,    /* 9.1.6 */
	LAST_YEAR = 2155,      /* 9.1.5 counts years from 1900 in one byte */
};

/* One of the two views of the same files: plain names with Rock Ridge beside them, or Joliet's. */
struct view {
	bool joliet;
	unsigned char type; /* of the volume descriptor, 8.1.1 */
	uint32_t path_l, path_m, root;
};

static const struct view primary = {false, 1, PATH_L, PATH_M, ROOT};
static const struct view joliet = {true, 2, JOLIET_PATH_L, JOLIET_PATH_M, JOLIET_ROOT};

/* In the order that 9.3 asks for, which is the same in both views. Level 1 names are 8.3. */
static const struct entry {
	enum seed_file file;
	const char *iso_name;
} entries[SEED_FILES] = {
	{SEED_META_DATA, "META_DAT.;1"},
	{SEED_NETWORK_CONFIG, "NETWORK_.;1"},
	{SEED_USER_DATA, "USER_DAT.;1"},
	{SEED_VENDOR_DATA, "VENDOR_D.;1"},
};

/* What is decided before the first sector is written. */
struct plan {
	const struct seed *seed;
	struct tm time;
	bool present[SEED_FILES];
	uint32_t extent[SEED_FILES]; /* first sector of each file */
	uint32_t sectors;	     /* of the volume */
};

/* 7.2.3, 7.3.3: a number in both byte orders, side by side. */
static void put_both16(unsigned char *p, uint16_t v)
{
	put_le16(p, v);
	put_be16(p + 2, v);
}

static void put_both32(unsigned char *p, uint32_t v)
{
	put_le32(p, v);
	put_be32(p + 4, v);
}

/* ASCII to the view's character set: itself, or UCS-2 big endian. Returns the bytes written. */
static size_t put_text(unsigned char *p, const char *text, bool ucs2)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i++) {
		if (ucs2)
			put_be16(p + 2 * i, (unsigned char)text[i]);
		else
			p[i] = (unsigned char)text[i];
	}
	return ucs2 ? 2 * n : n;
}

/* A fixed field of a volume descriptor, filled up with blanks. */
static void put_field(unsigned char *p, size_t size, const char *text, bool ucs2)
{
	size_t n = put_text(p, text, ucs2);

	for (; n + ucs2 < size; n += 1 + ucs2)
		put_text(p + n, " ", ucs2);
}

/* 8.4.26.1, UTC */
static void put_volume_time(unsigned char *p, const struct tm *t)
{
	char digits[64];

	snprintf(digits, sizeof(digits), "%04d%02d%02d%02d%02d%02d00", t->tm_year + 1900,
		 t->tm_mon + 1, t->tm_mday, t->tm_hour, t->tm_min, t->tm_sec);
	memcpy(p, digits, 16);
	p[16] = 0;
}

static void put_no_time(unsigned char *p)
{
	memset(p, '0', 16);
	p[16] = 0;
}

/* A directory record (9.1), with the system use area that stands behind it. */
struct record {
	uint32_t extent, bytes;
	unsigned char flags;
	unsigned char name[64];
	size_t name_len;
	unsigned char use[128];
	size_t use_len;
};

/* Returns the record's length, which is always even. */
static size_t put_record(unsigned char *p, const struct plan *plan, const struct record *r)
{
	const struct tm *t = &plan->time;
	size_t n = RECORD_BYTES + r->name_len;

	put_both32(p + 2, r->extent);
	put_both32(p + 10, r->bytes);
	p[18] = (unsigned char)t->tm_year;
	p[19] = (unsigned char)(t->tm_mon + 1);
	p[20] = (unsigned char)t->tm_mday;
	p[21] = (unsigned char)t->tm_hour;
	p[22] = (unsigned char)t->tm_min;
	p[23] = (unsigned char)t->tm_sec;
	p[25] = r->flags;
	put_both16(p + 28, 1); /* volume sequence number */
	p[32] = (unsigned char)r->name_len;
	memcpy(p + RECORD_BYTES, r->name, r->name_len);
	n += n & 1;
	memcpy(p + n, r->use, r->use_len);
	n += r->use_len;
	n += n & 1;
	p[0] = (unsigned char)n;
	return n;
}

/* 6.8.2.2: a directory calls itself 0 and its parent 1. The root is its own parent. */
static struct record root_record(const struct view *view, unsigned char name)
{
	return (struct record){.extent = view->root,
			       .bytes = SECTOR,
			       .flags = FLAG_DIRECTORY,
			       .name = {name},
			       .name_len = 1};
}

/* The header of a System Use Entry (SUSP 1.10, 4.1). */
static void put_susp(unsigned char *p, const char *signature, size_t length)
{
	memcpy(p, signature, 2);
	p[2] = (unsigned char)length;
	p[3] = 1; /* version */
}

/* POSIX attributes (RRIP 1.10, 4.1.1): owned by root, and for root alone: passwords are inside. */
static size_t put_px(unsigned char *p, uint32_t mode, uint32_t links)
{
	put_susp(p, "PX", 36);
	put_both32(p + 4, mode);
	put_both32(p + 12, links);
	return 36;
}

/* Alternate name (RRIP 1.10, 4.1.4): what the file is called on a system with long names. */
static size_t put_nm(unsigned char *p, const char *name)
{
	put_susp(p, "NM", 5 + strlen(name));
	memcpy(p + 5, name, strlen(name));
	return 5 + strlen(name);
}

/* Extension reference (SUSP 1.10, 5.5; RRIP 1.10, 4.3): too long for a directory record. */
static size_t put_er(unsigned char *p)
{
	static const char id[] = "RRIP_1991A";
	static const char about[] =
		"THE ROCK RIDGE INTERCHANGE PROTOCOL PROVIDES SUPPORT FOR POSIX FILE "
		"SYSTEM SEMANTICS";
	static const char source[] =
		"PLEASE CONTACT DISC PUBLISHER FOR SPECIFICATION SOURCE.  SEE PUBLISHER "
		"IDENTIFIER IN PRIMARY VOLUME DESCRIPTOR FOR CONTACT INFORMATION.";
	size_t n = 8;

	p[4] = sizeof(id) - 1;
	p[5] = sizeof(about) - 1;
	p[6] = sizeof(source) - 1;
	p[7] = 1; /* extension version */
	n += put_text(p + n, id, false);
	n += put_text(p + n, about, false);
	n += put_text(p + n, source, false);
	put_susp(p, "ER", n);
	return n;
}

/* What stands behind "." of the root: SP says that SUSP is in use, CE where the rest is. */
static size_t put_root_use(unsigned char *p)
{
	unsigned char er[256] = {0};
	size_t n = 7;

	put_susp(p, "SP", 7);
	p[4] = 0xbe; /* SUSP 1.10, 5.3 */
	p[5] = 0xef;
	n += put_px(p + n, 040500, 2);
	put_susp(p + n, "CE", 28);
	put_both32(p + n + 4, CONTINUATION);
	put_both32(p + n + 20, (uint32_t)put_er(er));
	return n + 28;
}

static struct record file_record(const struct plan *plan, const struct view *view,
				 const struct entry *e)
{
	const char *long_name = seed_file_name(e->file);
	struct record r = {.extent = plan->extent[e->file],
			   .bytes = (uint32_t)plan->seed->files[e->file].len};

	if (view->joliet) {
		r.name_len = put_text(r.name, long_name, true);
		return r;
	}
	r.name_len = put_text(r.name, e->iso_name, false);
	r.use_len = put_px(r.use, 0100400, 1);
	r.use_len += put_nm(r.use + r.use_len, long_name);
	return r;
}

static void put_directory(unsigned char *s, const struct plan *plan, const struct view *view)
{
	struct record self = root_record(view, 0), parent = root_record(view, 1);
	unsigned char *p = s;

	if (!view->joliet) {
		self.use_len = put_root_use(self.use);
		parent.use_len = put_px(parent.use, 040500, 2);
	}
	p += put_record(p, plan, &self);
	p += put_record(p, plan, &parent);
	for (unsigned i = 0; i < ARRAY_LEN(entries); i++) {
		struct record r = file_record(plan, view, &entries[i]);

		if (plan->present[entries[i].file])
			p += put_record(p, plan, &r);
	}
}

/* 8.4 and 8.5 */
static void put_descriptor(unsigned char *s, const struct plan *plan, const struct view *view)
{
	struct record root = root_record(view, 0);
	bool ucs2 = view->joliet;

	s[0] = view->type;
	memcpy(s + 1, "CD001", 5);
	s[6] = 1;
	put_field(s + 8, 32, "LINUX", ucs2);
	put_field(s + 40, 32, "cidata", ucs2);
	put_both32(s + 80, plan->sectors);
	if (ucs2)
		memcpy(s + 88, "%/E", 3); /* Joliet: UCS-2 level 3 */
	put_both16(s + 120, 1);		  /* volume set size */
	put_both16(s + 124, 1);		  /* volume sequence number */
	put_both16(s + 128, SECTOR);
	put_both32(s + 132, PATH_TABLE_BYTES);
	put_le32(s + 140, view->path_l);
	put_be32(s + 148, view->path_m);
	put_record(s + 156, plan, &root);
	put_field(s + 190, 128, "", ucs2);	/* volume set */
	put_field(s + 318, 128, "", ucs2);	/* publisher */
	put_field(s + 446, 128, "", ucs2);	/* data preparer */
	put_field(s + 574, 128, "CROFT", ucs2); /* application */
	put_field(s + 702, 37, "", ucs2);	/* copyright, abstract, bibliographic files */
	put_field(s + 739, 37, "", ucs2);
	put_field(s + 776, 37, "", ucs2);
	put_volume_time(s + 813, &plan->time); /* creation */
	put_volume_time(s + 830, &plan->time); /* modification */
	put_no_time(s + 847);		       /* never obsolete */
	put_volume_time(s + 864, &plan->time); /* effective */
	s[881] = 1;			       /* file structure version */
}

static void put_terminator(unsigned char *s)
{
	s[0] = 255; /* 8.3 */
	memcpy(s + 1, "CD001", 5);
	s[6] = 1;
}

/* 9.4: one record, the root, which is its own parent */
static void put_path_table(unsigned char *s, uint32_t root, bool big_endian)
{
	s[0] = 1;
	if (big_endian) {
		put_be32(s + 2, root);
		put_be16(s + 6, 1);
	} else {
		put_le32(s + 2, root);
		put_le16(s + 6, 1);
	}
}

static void put_sector(unsigned char *s, const struct plan *plan, unsigned sector)
{
	switch (sector) {
	case PRIMARY:
		put_descriptor(s, plan, &primary);
		break;
	case SUPPLEMENTARY:
		put_descriptor(s, plan, &joliet);
		break;
	case TERMINATOR:
		put_terminator(s);
		break;
	case PATH_L:
	case PATH_M:
		put_path_table(s, ROOT, sector == PATH_M);
		break;
	case JOLIET_PATH_L:
	case JOLIET_PATH_M:
		put_path_table(s, JOLIET_ROOT, sector == JOLIET_PATH_M);
		break;
	case ROOT:
		put_directory(s, plan, &primary);
		break;
	case JOLIET_ROOT:
		put_directory(s, plan, &joliet);
		break;
	case CONTINUATION:
		put_er(s);
		break;
	default: /* 6.2.1: the system area is not ours */
		break;
	}
}

/* SOURCE_DATE_EPOCH (reproducible-builds.org), or 1970: never the clock. */
static int seed_time(struct tm *out, struct err *err)
{
	const char *text = getenv("SOURCE_DATE_EPOCH");
	uint64_t seconds = 0;
	struct tm t;

	if (text && *text && parse_u64(text, &seconds, err) < 0)
		return err_wrap(err, "SOURCE_DATE_EPOCH");
	/* 1 << 34 is the year 2514: safely inside any time_t, safely outside ISO 9660. */
	if (seconds > UINT64_C(1) << 34 || !gmtime_r(&(time_t){(time_t)seconds}, &t) ||
	    t.tm_year + 1900 > LAST_YEAR)
		return err_set(err, ERR_USAGE,
			       "SOURCE_DATE_EPOCH: '%s' is after the year %d, the last that "
			       "ISO 9660 can hold",
			       text, LAST_YEAR);
	*out = t;
	return 0;
}

static uint32_t sectors_of(size_t bytes)
{
	return (uint32_t)((bytes + SECTOR - 1) / SECTOR);
}

static int make_plan(const struct seed *seed, struct plan *plan, struct err *err)
{
	*plan = (struct plan){.seed = seed, .sectors = DATA};
	if (seed_time(&plan->time, err) < 0)
		return -1;
	for (unsigned i = 0; i < ARRAY_LEN(entries); i++) {
		enum seed_file f = entries[i].file;
		const struct buf *b = &seed->files[f];

		/* cloud-init rejects a seed without user-data or meta-data, even empty ones. */
		plan->present[f] = b->len || f == SEED_USER_DATA || f == SEED_META_DATA;
		if (b->overflow || b->len > SEED_MAX_FILE)
			return err_set(err, ERR_SPEC, "%s is larger than %d MiB", seed_file_name(f),
				       SEED_MAX_FILE >> 20);
		plan->extent[f] = plan->sectors;
		plan->sectors += sectors_of(b->len);
	}
	return 0;
}

int seed_iso(const struct seed *seed, struct buf *out, struct err *err)
{
	struct plan plan;

	if (make_plan(seed, &plan, err) < 0)
		return -1;
	for (unsigned sector = 0; sector < DATA; sector++) {
		unsigned char s[SECTOR] = {0};

		put_sector(s, &plan, sector);
		buf_put(out, s, sizeof(s));
	}
	for (unsigned i = 0; i < ARRAY_LEN(entries); i++) {
		static const unsigned char zeros[SECTOR];
		const struct buf *b = &seed->files[entries[i].file];

		buf_put(out, b->data, b->len);
		buf_put(out, zeros, (size_t)sectors_of(b->len) * SECTOR - b->len);
	}
	if (out->overflow)
		return err_set(err, ERR_FAILED, "the seed does not fit into %zu bytes",
			       out->ceiling);
	return 0;
}
