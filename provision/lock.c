/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading and writing croft.lock: see lock.h.
 */
#include "provision/lock.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sys/file.h>
#include <time.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/num.h"
#include "base/text.h"
#include "base/util.h"
#include "base/yaml/yaml.h"

enum { WAIT_MS = 10 * 1000 };

static const char HEAD[] =
	"# Which bytes each image is. Commit this file; `croft lock --update` renews it.\n";

static void item_done(struct lock_item *i)
{
	free(i->key);
	free(i->arch);
	image_source_done(&i->source);
}

void lock_done(struct lockfile *f)
{
	for (size_t i = 0; i < f->n; i++)
		item_done(&f->items[i]);
	free(f->items);
	free(f->path);
	*f = (struct lockfile){0};
}

static int by_key(const void *pa, const void *pb)
{
	const struct lock_item *a = pa, *b = pb;
	int keys = strcmp(a->key, b->key);

	return keys ? keys : strcmp(a->arch, b->arch);
}

const struct lock_item *lock_find(const struct lockfile *f, const char *key, const char *arch)
{
	struct lock_item want = {.key = (char *)key, .arch = (char *)arch};

	return f->n ? bsearch(&want, f->items, f->n, sizeof(want), by_key) : NULL;
}

/* --- reading ----------------------------------------------------------------------- */

static void wrong(struct diags *ds, const struct yaml_node *n, const char *what)
{
	diag_error(ds, n->source, n->at,
		   "restore the file, or remove it and let croft write a new one", "%s", what);
}

static bool is_address(const struct yaml_node *n)
{
	for (size_t i = 0; i < n->len; i++)
		if (!isgraph((unsigned char)n->text[i]))
			return false;
	return true;
}

static void read_urls(struct diags *ds, const struct yaml_node *n, struct lock_item *i)
{
	if (n->kind != YAML_SEQ || !n->n || n->n > SOURCE_MAX_URLS) {
		wrong(ds, n, "urls: a list of addresses is expected");
		return;
	}
	for (size_t k = 0; k < n->n; k++) {
		const struct yaml_node *u = n->items[k];

		if (u->kind != YAML_SCALAR || !is_address(u) ||
		    (!text_starts(u->text, "https://") && !text_starts(u->text, "http://")))
			wrong(ds, u, "urls: an address (https:// or http://) is expected");
		else
			i->source.urls[k] = xstrdup(u->text);
	}
}

static void read_digest(struct diags *ds, const struct yaml_node *n, struct lock_item *i)
{
	enum hash_kind kind;
	const char *hex;

	if (digest_parse(n->text, &kind, &hex, NULL) < 0)
		wrong(ds, n, "digest: sha256:<hex> or sha512:<hex> is expected");
	else
		snprintf(i->source.digest, sizeof(i->source.digest), "%s", n->text);
}

static void read_size(struct diags *ds, const struct yaml_node *n, struct lock_item *i)
{
	if (parse_u64(n->text, &i->source.size, NULL) < 0)
		wrong(ds, n, "size: a number of bytes is expected");
}

static void read_trust(struct diags *ds, const struct yaml_node *n, struct lock_item *i)
{
	if (!trust_parse(n->text, &i->source.trust))
		wrong(ds, n, "trust: signed, digest, checksum or unverified is expected");
}

static void read_signer(struct diags *ds, const struct yaml_node *n, struct lock_item *i)
{
	if (n->len >= sizeof(i->source.signer) || strspn(n->text, "0123456789ABCDEF") != n->len)
		wrong(ds, n, "signer: a fingerprint is expected");
	else
		snprintf(i->source.signer, sizeof(i->source.signer), "%s", n->text);
}

/* It becomes a word on a command line: not one that begins with '-'. */
static void read_user(struct diags *ds, const struct yaml_node *n, struct lock_item *i)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

	if (!n->len || n->len > 32 || n->text[0] == '-' || strspn(n->text, allowed) != n->len)
		wrong(ds, n, "user: a name is expected");
	else
		i->source.user = xstrdup(n->text);
}

static void read_floating(struct diags *ds, const struct yaml_node *n, struct lock_item *i)
{
	if (yaml_type(n) != YAML_BOOL)
		wrong(ds, n, "floating: true or false is expected");
	else
		i->source.dated = !strcmp(n->text, "false");
}

static void read_date(struct diags *ds, const struct yaml_node *n, struct lock_item *i)
{
	if (n->len >= sizeof(i->date) || strspn(n->text, "0123456789-:TZ") != n->len)
		wrong(ds, n, "date: such as 2026-11-23T04:10:00Z is expected");
	else
		snprintf(i->date, sizeof(i->date), "%s", n->text);
}

static const struct {
	const char *key;
	bool required, list;
	void (*read)(struct diags *, const struct yaml_node *, struct lock_item *);
} rows[] = {
	{"urls", true, true, read_urls},	   {"digest", true, false, read_digest},
	{"size", false, false, read_size},	   {"trust", true, false, read_trust},
	{"signer", false, false, read_signer},	   {"user", false, false, read_user},
	{"floating", false, false, read_floating}, {"date", false, false, read_date},
};

static void read_item(struct diags *ds, const char *key, const struct yaml_pair *arch,
		      struct lockfile *f)
{
	struct lock_item *i;

	if (arch->value->kind != YAML_MAP) {
		wrong(ds, arch->value, "what is known of an image is expected here");
		return;
	}
	f->items = xgrow(f->items, &f->cap, f->n + 1, sizeof(*f->items));
	i = &f->items[f->n++];
	*i = (struct lock_item){.key = xstrdup(key), .arch = xstrdup(arch->key->text)};
	i->source.dated = true;
	if (!strstr(key, "://"))
		i->source.name = xstrdup(key);
	for (size_t r = 0; r < ARRAY_LEN(rows); r++) {
		const struct yaml_node *n = yaml_get(arch->value, rows[r].key);

		if (!n && rows[r].required)
			diag_error(ds, arch->key->source, arch->key->at, NULL,
				   "%s: '%s:' is missing", key, rows[r].key);
		else if (n && !rows[r].list &&
			 (n->kind != YAML_SCALAR || strlen(n->text) != n->len))
			wrong(ds, n, "a text is expected here");
		else if (n)
			rows[r].read(ds, n, i);
	}
	for (size_t p = 0; p < arch->value->n; p++) {
		const struct yaml_node *k = arch->value->pairs[p].key;
		size_t r = 0;

		while (r < ARRAY_LEN(rows) && strcmp(k->text, rows[r].key))
			r++;
		if (r == ARRAY_LEN(rows))
			diag_error(ds, k->source, k->at, NULL, "unknown key '%s'", k->text);
	}
}

static void read_root(struct diags *ds, const struct yaml_node *root, struct lockfile *f)
{
	const struct yaml_node *version = yaml_get(root, "version"),
			       *images = yaml_get(root, "images");

	if (!version || version->kind != YAML_SCALAR || strcmp(version->text, "1")) {
		wrong(ds, version ? version : root,
		      "version: 1 is expected: this file is of another croft, or damaged");
		return;
	}
	if (!images || images->kind != YAML_MAP || images->n > LOCK_MAX_IMAGES) {
		wrong(ds, images ? images : root, "images: a map of names is expected");
		return;
	}
	for (size_t i = 0; i < images->n; i++) {
		const struct yaml_pair *image = &images->pairs[i];

		if (image->value->kind != YAML_MAP || image->value->n > 16) {
			wrong(ds, image->value, "a map of architectures is expected here");
			continue;
		}
		for (size_t a = 0; a < image->value->n; a++)
			read_item(ds, image->key->text, &image->value->pairs[a], f);
	}
}

int lock_read(const char *name, const char *text, size_t n, struct lockfile *out, struct err *err)
{
	const struct source source = {.name = name, .text = text, .len = n};
	struct arena *arena = arena_new();
	struct lockfile f = {.path = xstrdup(name)};
	const struct yaml_node *root;
	struct diags diags;
	int rc = 0;

	diags_init(&diags, arena);
	root = yaml_parse(&source, arena, &diags);
	if (root && !diags.errors)
		read_root(&diags, root, &f);
	if (diags.errors) {
		const struct diag *d = &diags.list[0];

		err_set(err, ERR_SPEC, "%s:%u:%u: %s", name, d->at.line, d->at.column, d->message);
		if (d->help)
			err_hint(err, "%s", d->help);
		rc = -1;
	}
	if (f.n)
		qsort(f.items, f.n, sizeof(*f.items), by_key);
	diags_done(&diags);
	arena_free(arena);
	if (rc < 0)
		lock_done(&f);
	else
		*out = f;
	return rc;
}

static char *path_beside(const char *spec_path)
{
	auto_free char *dir = path_dir(spec_path);

	return path_join(dir, "croft.lock");
}

static int load_path(const char *path, struct lockfile *out, struct err *err)
{
	auto_buf struct buf text = BUF_INIT(YAML_MAX_BYTES);
	struct err why = {0};

	if (file_read(path, &text, &why) < 0) {
		if (why.sys != ENOENT) {
			*err = why;
			return -1;
		}
		*out = (struct lockfile){.path = xstrdup(path)};
		return 0;
	}
	return lock_read(path, buf_str(&text), text.len, out, err);
}

int lock_load(const char *spec_path, struct lockfile *out, struct err *err)
{
	auto_free char *path = path_beside(spec_path);

	return load_path(path, out, err);
}

/* --- writing ----------------------------------------------------------------------- */

static struct yaml_node *item_node(struct arena *a, const struct lock_item *i)
{
	struct yaml_node *out = yaml_map(a), *urls = yaml_seq(a);

	for (size_t k = 0; i->source.urls[k]; k++)
		yaml_add(a, urls, yaml_str(a, i->source.urls[k]));
	yaml_set(a, out, "urls", urls);
	yaml_set(a, out, "digest", yaml_str(a, i->source.digest));
	if (i->source.size)
		yaml_set(a, out, "size",
			 yaml_plain(a, arena_printf(a, "%" PRIu64, i->source.size)));
	yaml_set(a, out, "trust", yaml_str(a, trust_name(i->source.trust)));
	if (i->source.signer[0])
		yaml_set(a, out, "signer", yaml_str(a, i->source.signer));
	if (i->source.user)
		yaml_set(a, out, "user", yaml_str(a, i->source.user));
	if (!i->source.dated)
		yaml_set(a, out, "floating", yaml_plain(a, "true"));
	if (i->date[0])
		yaml_set(a, out, "date", yaml_str(a, i->date));
	return out;
}

void lock_write(const struct lockfile *f, struct buf *out)
{
	struct arena *a = arena_new();
	struct yaml_node *root = yaml_map(a), *images = yaml_map(a);

	for (size_t i = 0; i < f->n; i++) {
		struct yaml_node *image = yaml_get(images, f->items[i].key);

		if (!image) {
			image = yaml_map(a);
			yaml_set(a, images, f->items[i].key, image);
		}
		yaml_set(a, image, f->items[i].arch, item_node(a, &f->items[i]));
	}
	yaml_set(a, root, "version", yaml_plain(a, "1"));
	yaml_set(a, root, "images", images);
	buf_puts(out, HEAD);
	yaml_emit(root, out);
	arena_free(a);
}

static bool same_urls(const struct image_source *a, const struct image_source *b)
{
	size_t i = 0;

	while (a->urls[i] && b->urls[i] && !strcmp(a->urls[i], b->urls[i]))
		i++;
	return !a->urls[i] && !b->urls[i];
}

enum lock_change lock_compare(const struct image_source *before, const struct image_source *now)
{
	bool same_bytes = !strcmp(before->digest, now->digest);
	bool same_address =
		before->urls[0] && now->urls[0] && !strcmp(before->urls[0], now->urls[0]);
	/* The same file may be named by two kinds of digest; that is no news of its bytes. */
	bool same_kind = !strncmp(before->digest, now->digest, 7);

	if (!same_bytes && same_kind && same_address && before->dated)
		return LOCK_ALARM;
	return same_bytes && same_urls(before, now) && before->trust == now->trust &&
			       !strcmp(before->signer, now->signer)
		       ? LOCK_SAME
		       : LOCK_CHANGED;
}

/*
 * A lock on the directory itself: a file for it would be one more thing beside the spec, and
 * croft.lock is replaced, so that a lock on it would be on what it was.
 */
static int lock_directory(const char *path, struct err *err)
{
	auto_free char *dir = path_dir(path);
	auto_close int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t until = now_ms() + WAIT_MS;

	if (fd < 0)
		return err_sys(err, ERR_HOST, "cannot open '%s'", dir);
	while (flock(fd, LOCK_EX | LOCK_NB) < 0) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return err_sys(err, ERR_HOST, "cannot lock '%s'", dir);
		if (now_ms() >= until)
			return err_set(err, ERR_CONFLICT,
				       "somebody else has '%s' locked, and keeps it", dir);
		usleep(20 * 1000);
	}
	return take_fd(&fd);
}

static void set_source(struct lock_item *i, const struct image_source *s)
{
	time_t now = time(NULL);
	struct tm tm;

	image_source_done(&i->source);
	i->source = (struct image_source){.size = s->size, .trust = s->trust, .dated = s->dated};
	i->source.name = strstr(i->key, "://") ? NULL : xstrdup(i->key);
	i->source.user = s->user ? xstrdup(s->user) : NULL;
	for (size_t k = 0; s->urls[k]; k++)
		i->source.urls[k] = xstrdup(s->urls[k]);
	memcpy(i->source.digest, s->digest, sizeof(s->digest));
	memcpy(i->source.signer, s->signer, sizeof(s->signer));
	i->date[0] = '\0';
	if (gmtime_r(&now, &tm))
		strftime(i->date, sizeof(i->date), "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static int put(const char *path, const char *key, const char *arch, const struct image_source *s,
	       struct err *err)
{
	auto_buf struct buf text = BUF_INIT(YAML_MAX_BYTES);
	struct lockfile f;
	struct lock_item *item;
	int rc = 0;

	if (load_path(path, &f, err) < 0)
		return -1;
	item = (struct lock_item *)lock_find(&f, key, arch);
	if (!item || lock_compare(&item->source, s) != LOCK_SAME) {
		if (!item) {
			f.items = xgrow(f.items, &f.cap, f.n + 1, sizeof(*f.items));
			item = &f.items[f.n++];
			*item = (struct lock_item){.key = xstrdup(key), .arch = xstrdup(arch)};
		}
		set_source(item, s);
		qsort(f.items, f.n, sizeof(*f.items), by_key);
		lock_write(&f, &text);
		rc = text.overflow ? err_set(err, ERR_FAILED, "'%s' would become too large", path)
				   : file_replace(path, text.data, text.len, 0644, err);
	}
	lock_done(&f);
	return rc;
}

int lock_put(const char *spec_path, const char *key, const char *arch, const struct image_source *s,
	     struct err *err)
{
	auto_free char *path = path_beside(spec_path);
	auto_close int held = lock_directory(path, err);

	return held < 0 ? -1 : put(path, key, arch, s, err);
}
