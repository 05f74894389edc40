/* SPDX-License-Identifier: Apache-2.0
 *
 * machine.json: see config.h. Every key is a row of a table, from which it is read, checked and
 * written; what depends on more than one key is checked at the end.
 */
#include "vmm/config.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <string.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/text.h"
#include "base/util.h"

#define MIN_MEMORY (16 * MIB)
#define MAX_MEMORY (UINT64_C(16) << 40)
#define PAGE_2M	   (2 * MIB)

enum kind { STRING, UINT, UINT16, UINT64, BOOL, FILE_REF, CHOICE, MAC, LIST };

struct list;

struct field {
	const char *name;
	enum kind kind;
	bool required;
	size_t at;		    /* offset in the structure */
	size_t room;		    /* STRING: bytes with the NUL */
	uint64_t min, max;	    /* UINT and its sizes */
	const char *const *choices; /* CHOICE: names in the enum's order, NULL at the end */
	const struct list *list;    /* LIST */
};

struct list {
	const struct field *fields; /* of an element; name NULL at the end; "": it is that value */
	size_t element;		    /* bytes */
	size_t count_at;	    /* offset of the count, an unsigned */
	unsigned min, max;
};

#define AT(type, member) .at = offsetof(type, member)
#define TEXT(type, member) AT(type, member), .room = sizeof(((type *)0)->member)

static const char *const format_names[] = {"raw", "qcow2", NULL};
static const char *const on_names[] = {"restart", "stop", NULL};

struct layer { /* the unnamed structure in struct vmm_disk */
	struct vmm_file file;
	enum vmm_format format;
};
static_assert(sizeof(struct layer) == sizeof(((struct vmm_disk *)0)->layers[0]), "one layer");

static const struct field layer_fields[] = {
	{.name = "file", FILE_REF, true, AT(struct layer, file)},
	{.name = "format", CHOICE, true, AT(struct layer, format), .choices = format_names},
	{0},
};
static const struct list layers = {layer_fields, sizeof(struct layer),
				   offsetof(struct vmm_disk, nlayers), 1, VMM_MAX_LAYERS};

static const struct field disk_fields[] = {
	{.name = "id", STRING, true, TEXT(struct vmm_disk, id)},
	{.name = "read_only", BOOL, false, AT(struct vmm_disk, read_only)},
	{.name = "layers", LIST, true, AT(struct vmm_disk, layers), .list = &layers},
	{0},
};
static const struct list disks = {disk_fields, sizeof(struct vmm_disk),
				  offsetof(struct vmm_config, ndisks), 0, VMM_MAX_DISKS};

static const struct field nic_fields[] = {
	{.name = "id", STRING, true, TEXT(struct vmm_nic, id)},
	{.name = "tap", FILE_REF, true, AT(struct vmm_nic, tap)},
	{.name = "mac", MAC, true, AT(struct vmm_nic, mac)},
	{.name = "mtu", UINT16, false, AT(struct vmm_nic, mtu), .max = 65535},
	{0},
};
static const struct list nics = {nic_fields, sizeof(struct vmm_nic),
				 offsetof(struct vmm_config, nnics), 0, VMM_MAX_NICS};

static const struct field oem_fields[] = {
	{.name = "", STRING, true, .room = sizeof(((struct vmm_config *)0)->oem_strings[0])},
	{0},
};
static const struct list oem_strings = {oem_fields,
					sizeof(((struct vmm_config *)0)->oem_strings[0]),
					offsetof(struct vmm_config, noem_strings), 0,
					VMM_MAX_OEM_STRINGS};

static const struct field fields[] = {
	{.name = "name", STRING, true, TEXT(struct vmm_config, name)},
	{.name = "uuid", STRING, false, TEXT(struct vmm_config, uuid)},
	{.name = "smbios_serial", STRING, false, TEXT(struct vmm_config, smbios_serial)},
	{.name = "oem_strings", LIST, false, AT(struct vmm_config, oem_strings), .list = &oem_strings},
	{.name = "cpus", UINT, false, AT(struct vmm_config, cpus), .min = 1, .max = VMM_MAX_CPUS},
	{.name = "memory", UINT64, true, AT(struct vmm_config, memory), .min = MIN_MEMORY,
	 .max = MAX_MEMORY},
	{.name = "kernel", FILE_REF, true, AT(struct vmm_config, kernel)},
	{.name = "initrd", FILE_REF, false, AT(struct vmm_config, initrd)},
	{.name = "cmdline", STRING, false, TEXT(struct vmm_config, cmdline)},
	{.name = "disks", LIST, false, AT(struct vmm_config, disks), .list = &disks},
	{.name = "nics", LIST, false, AT(struct vmm_config, nics), .list = &nics},
	{.name = "rng", BOOL, false, AT(struct vmm_config, rng)},
	{.name = "virtio_console", BOOL, false, AT(struct vmm_config, virtio_console)},
	{.name = "control", FILE_REF, false, AT(struct vmm_config, control)},
	{.name = "console_log", FILE_REF, false, AT(struct vmm_config, console_log)},
	{.name = "console_log_max", UINT64, false, AT(struct vmm_config, console_log_max),
	 .max = INT64_MAX},
	{.name = "console_stdio", BOOL, false, AT(struct vmm_config, console_stdio)},
	{.name = "log", FILE_REF, false, AT(struct vmm_config, log)},
	{.name = "log_debug", BOOL, false, AT(struct vmm_config, log_debug)},
	{.name = "sandbox", BOOL, false, AT(struct vmm_config, sandbox)},
	{.name = "ready", FILE_REF, false, AT(struct vmm_config, ready)},
	{.name = "exit_report", FILE_REF, false, AT(struct vmm_config, exit_report)},
	{.name = "on_reboot", CHOICE, false, AT(struct vmm_config, on_reboot), .choices = on_names},
	{.name = "on_panic", CHOICE, false, AT(struct vmm_config, on_panic), .choices = on_names},
	{0},
};

/* --- files in any structure ---------------------------------------------------------------------------- */

/* Calls fn on every file reference of a structure and of what its lists hold. */
static void each_file(const struct field *f, void *base, void (*fn)(struct vmm_file *, void *ctx),
		      void *ctx)
{
	for (; f->name; f++) {
		char *at = (char *)base + f->at;

		if (f->kind == FILE_REF)
			fn((struct vmm_file *)at, ctx);
		for (unsigned i = 0; f->kind == LIST && i < f->list->max; i++)
			each_file(f->list->fields, at + i * f->list->element, fn, ctx);
	}
}

static void file_absent(struct vmm_file *f, void *ctx)
{
	(void)ctx;
	*f = (struct vmm_file){.fd = -1};
}

static void file_free(struct vmm_file *f, void *ctx)
{
	free(f->path);
	file_absent(f, ctx);
}

void vmm_config_init(struct vmm_config *c)
{
	memset(c, 0, sizeof(*c));
	each_file(fields, c, file_absent, NULL);
	c->cpus = 1;
	c->rng = true;
	c->sandbox = true;
	c->on_reboot = VMM_ON_RESTART;
	c->on_panic = VMM_ON_STOP;
}

void vmm_config_done(struct vmm_config *c)
{
	each_file(fields, c, file_free, NULL);
}

/* --- reading ---------------------------------------------------------------------------------------- */

/* Where we are, as "disks[0].layers[1].format". Bounded: the tables are three deep. */
struct where {
	char path[160];
	size_t n;
	struct err *err;
};

/* Adds to the path; returns the length before, to go back to. */
static size_t enter(struct where *w, const char *fmt, ...)
{
	size_t before = w->n;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(w->path + w->n, sizeof(w->path) - w->n, fmt, ap);
	va_end(ap);
	if (n > 0)
		w->n = min_u64(w->n + (size_t)n, sizeof(w->path) - 1);
	return before;
}

static void leave(struct where *w, size_t before)
{
	w->n = before;
	w->path[before] = '\0';
}

static int wrong(const struct where *w, const char *fmt, ...)
{
	char why[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	return err_set(w->err, ERR_SPEC, "%s: %s", w->n ? w->path : "machine", why);
}

static bool has_control(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			return true;
	return false;
}

static int read_string(struct where *w, const json_t *v, const struct field *f, char *out)
{
	const char *s = json_string_value(v);

	if (!s)
		return wrong(w, "expected a string");
	if (f->required && !*s)
		return wrong(w, "empty");
	if (strlen(s) >= f->room)
		return wrong(w, "longer than %zu bytes", f->room - 1);
	if (has_control(s))
		return wrong(w, "has control characters");
	memcpy(out, s, strlen(s) + 1);
	return 0;
}

static int read_number(struct where *w, const json_t *v, const struct field *f, uint64_t *out)
{
	json_int_t n = json_integer_value(v);

	if (!json_is_integer(v))
		return wrong(w, "expected an integer");
	if (n < 0 || (uint64_t)n < f->min || (uint64_t)n > f->max)
		return wrong(w, "%" JSON_INTEGER_FORMAT " is not within %" PRIu64 " and %" PRIu64, n,
			     f->min, f->max);
	*out = (uint64_t)n;
	return 0;
}

static int read_file(struct where *w, const json_t *v, struct vmm_file *out)
{
	const json_t *fd = json_object_get(v, "fd"), *path = json_object_get(v, "path");

	if (!json_is_object(v) || json_object_size(v) != 1 || (!fd && !path))
		return wrong(w, "expected {\"fd\": number} or {\"path\": text}");
	if (fd) {
		json_int_t n = json_integer_value(fd);

		if (!json_is_integer(fd) || n < 3 || n > INT16_MAX)
			return wrong(w, "a descriptor is a number from 3 on");
		out->fd = (int)n;
		return 0;
	}
	if (!json_is_string(path) || !json_string_length(path) || has_control(json_string_value(path)))
		return wrong(w, "a path is a text that is not empty");
	out->path = xstrdup(json_string_value(path));
	return 0;
}

static int read_choice(struct where *w, const json_t *v, const char *const *choices, unsigned *out)
{
	const char *s = json_string_value(v);
	char known[64] = "";

	for (unsigned i = 0; choices[i]; i++) {
		if (s && !strcmp(s, choices[i])) {
			*out = i;
			return 0;
		}
		snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s\"%s\"",
			 i ? " or " : "", choices[i]);
	}
	return wrong(w, "expected %s", known);
}

static int read_mac(struct where *w, const json_t *v, uint8_t out[6])
{
	const char *s = json_string_value(v);
	uint8_t mac[6], any = 0;
	int end = 0;

	if (!s || strlen(s) != 17 || strspn(s, "0123456789abcdefABCDEF:") != 17 ||
	    sscanf(s, "%2hhx:%2hhx:%2hhx:%2hhx:%2hhx:%2hhx%n", &mac[0], &mac[1], &mac[2], &mac[3],
		   &mac[4], &mac[5], &end) != 6 || end != 17)
		return wrong(w, "expected a MAC address such as \"52:54:00:12:34:56\"");
	for (unsigned i = 0; i < 6; i++)
		any |= mac[i];
	if (mac[0] & 1 || !any)
		return wrong(w, "%s is no address of one interface", s);
	memcpy(out, mac, 6);
	return 0;
}

static int read_object(struct where *w, const json_t *v, const struct field *table, void *base);
static int read_value(struct where *w, const json_t *v, const struct field *f, char *base);

/* Values instead of objects. */
static bool is_plain(const struct list *l)
{
	return !l->fields->name[0];
}

static int read_list(struct where *w, const json_t *v, const struct list *l, char *elements, unsigned *n)
{
	size_t size = json_array_size(v);

	if (!json_is_array(v))
		return wrong(w, "expected a list");
	if (size < l->min || size > l->max)
		return wrong(w, "%zu entries, expected %u to %u", size, l->min, l->max);
	for (unsigned i = 0; i < size; i++) {
		const json_t *element = json_array_get(v, i);
		size_t before = enter(w, "[%u]", i);
		char *at = elements + i * l->element;

		if ((is_plain(l) ? read_value(w, element, l->fields, at)
				 : read_object(w, element, l->fields, at)) < 0)
			return -1;
		leave(w, before);
	}
	*n = (unsigned)size;
	return 0;
}

static int read_value(struct where *w, const json_t *v, const struct field *f, char *base)
{
	char *at = base + f->at;
	uint64_t n = 0;

	switch (f->kind) {
	case STRING:
		return read_string(w, v, f, at);
	case UINT:
	case UINT16:
	case UINT64:
		if (read_number(w, v, f, &n) < 0)
			return -1;
		if (f->kind == UINT)
			*(unsigned *)at = (unsigned)n;
		else if (f->kind == UINT16)
			*(uint16_t *)at = (uint16_t)n;
		else
			*(uint64_t *)at = n;
		return 0;
	case BOOL:
		if (!json_is_boolean(v))
			return wrong(w, "expected true or false");
		*(bool *)at = json_is_true(v);
		return 0;
	case FILE_REF:
		return read_file(w, v, (struct vmm_file *)at);
	case CHOICE:
		return read_choice(w, v, f->choices, (unsigned *)at);
	case MAC:
		return read_mac(w, v, (uint8_t *)at);
	case LIST:
		return read_list(w, v, f->list, at, (unsigned *)(base + f->list->count_at));
	}
	return -1;
}
static_assert(sizeof(enum vmm_format) == sizeof(unsigned) && sizeof(enum vmm_on) == sizeof(unsigned),
	      "a CHOICE is stored as an unsigned");

static const struct field *find_field(const struct field *table, const char *name)
{
	for (; table->name; table++)
		if (!strcmp(table->name, name))
			return table;
	return NULL;
}

static int unknown_key(const struct where *w, const struct field *table, const char *key)
{
	const char *names[32], *near;
	size_t n = 0;

	for (; table->name && n < ARRAY_LEN(names); table++)
		names[n++] = table->name;
	near = text_nearest(key, names, n);
	return near ? wrong(w, "unknown key '%s' (did you mean '%s'?)", key, near)
		    : wrong(w, "unknown key '%s'", key);
}

static int read_object(struct where *w, const json_t *v, const struct field *table, void *base)
{
	const char *key;
	json_t *value;

	if (!json_is_object(v))
		return wrong(w, "expected an object");
	json_object_foreach((json_t *)v, key, value) {
		const struct field *f = find_field(table, key);
		size_t before;

		if (!f)
			return unknown_key(w, table, key);
		before = enter(w, "%s%s", w->n ? "." : "", key);
		if (read_value(w, value, f, base) < 0)
			return -1;
		leave(w, before);
	}
	for (; table->name; table++)
		if (table->required && !json_object_get(v, table->name))
			return wrong(w, "'%s' is missing", table->name);
	return 0;
}

/* --- what depends on more than one key ---------------------------------------------------------------- */

static bool is_uuid(const char *s)
{
	for (unsigned i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? s[i] != '-' : !s[i] || !strchr("0123456789abcdefABCDEF", s[i]))
			return false;
	}
	return !s[36];
}

/* Descriptors have one owner each, so no number may appear twice. */
struct fds {
	uint8_t seen[(INT16_MAX + 1) / 8];
	int twice;
};

static void see_fd(struct vmm_file *f, void *ctx)
{
	struct fds *fds = ctx;

	if (f->fd < 0)
		return;
	if (fds->seen[f->fd / 8] >> f->fd % 8 & 1)
		fds->twice = f->fd;
	fds->seen[f->fd / 8] |= (uint8_t)(1 << f->fd % 8);
}

static int check_ids(const struct vmm_config *c, struct err *err)
{
	for (unsigned i = 0; i < c->ndisks; i++)
		for (unsigned j = 0; j < i; j++)
			if (!strcmp(c->disks[i].id, c->disks[j].id))
				return err_set(err, ERR_SPEC, "disks[%u].id: '%s' is taken by disks[%u]",
					       i, c->disks[i].id, j);
	for (unsigned i = 0; i < c->nnics; i++)
		for (unsigned j = 0; j < i; j++)
			if (!memcmp(c->nics[i].mac, c->nics[j].mac, 6))
				return err_set(err, ERR_SPEC, "nics[%u].mac: taken by nics[%u]", i, j);
	return 0;
}

static int check_whole(struct vmm_config *c, struct err *err)
{
	struct fds fds = {.twice = -1};

	if (c->memory % PAGE_2M)
		return err_set(err, ERR_SPEC, "memory: %" PRIu64 " is not a multiple of 2 MiB", c->memory);
	if (c->uuid[0] && !is_uuid(c->uuid))
		return err_set(err, ERR_SPEC, "uuid: '%s' is not of the form 8-4-4-4-12 digits", c->uuid);
	for (unsigned i = 0; i < c->nnics; i++)
		if (c->nics[i].mtu && c->nics[i].mtu < 68)
			return err_set(err, ERR_SPEC, "nics[%u].mtu: %u is below 68", i, c->nics[i].mtu);
	each_file(fields, c, see_fd, &fds);
	if (fds.twice >= 0)
		return err_set(err, ERR_SPEC, "descriptor %d is named twice", fds.twice);
	return check_ids(c, err);
}

int vmm_config_read(const char *text, size_t n, struct vmm_config *out, struct err *err)
{
	struct where w = {.err = err};
	struct vmm_config c;
	json_error_t e;
	json_t *root = json_loadb(text, n, JSON_REJECT_DUPLICATES, &e);
	int rc;

	if (!root)
		return err_set(err, ERR_SPEC, "%d:%d: %s", e.line, e.column, e.text);
	vmm_config_init(&c);
	rc = read_object(&w, root, fields, &c);
	json_decref(root);
	if (rc == 0)
		rc = check_whole(&c, err);
	if (rc < 0)
		vmm_config_done(&c);
	else
		*out = c;
	return rc;
}

/* --- writing ---------------------------------------------------------------------------------------- */

static json_t *write_object(const struct field *table, const char *base);
static json_t *write_value(const struct field *f, const char *base);

static json_t *write_file(const struct vmm_file *f)
{
	if (f->fd >= 0)
		return json_pack("{s:i}", "fd", f->fd);
	return f->path ? json_pack("{s:s}", "path", f->path) : NULL;
}

static json_t *write_list(const struct list *l, const char *elements, unsigned n)
{
	json_t *array = json_array();

	for (unsigned i = 0; i < n; i++) {
		const char *at = elements + i * l->element;

		json_array_append_new(array, is_plain(l) ? write_value(l->fields, at)
							  : write_object(l->fields, at));
	}
	return array;
}

/* NULL: left out, as absent or empty. */
static json_t *write_value(const struct field *f, const char *base)
{
	const char *at = base + f->at;
	const uint8_t *mac = (const uint8_t *)at;
	char text[18];

	switch (f->kind) {
	case STRING:
		return *at ? json_string(at) : NULL;
	case UINT:
		return json_integer(*(const unsigned *)at);
	case UINT16:
		return json_integer(*(const uint16_t *)at);
	case UINT64:
		return json_integer((json_int_t) * (const uint64_t *)at);
	case BOOL:
		return json_boolean(*(const bool *)at);
	case FILE_REF:
		return write_file((const struct vmm_file *)at);
	case CHOICE:
		return json_string(f->choices[*(const unsigned *)at]);
	case MAC:
		snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
			 mac[3], mac[4], mac[5]);
		return json_string(text);
	case LIST:
		return write_list(f->list, at, *(const unsigned *)(base + f->list->count_at));
	}
	return NULL;
}

static json_t *write_object(const struct field *table, const char *base)
{
	json_t *object = json_object();

	for (; table->name; table++) {
		json_t *v = write_value(table, base);

		if (v)
			json_object_set_new(object, table->name, v);
	}
	return object;
}

void vmm_config_write(const struct vmm_config *c, struct buf *out)
{
	json_t *root = write_object(fields, (const char *)c);
	auto_free char *text = json_dumps(root, JSON_INDENT(2));

	json_decref(root);
	buf_puts(out, text ? text : "");
	buf_putc(out, '\n');
}
