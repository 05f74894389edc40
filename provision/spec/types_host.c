/* SPDX-License-Identifier: Apache-2.0
 *
 * Types about the host's files and about what is fetched: paths, URLs, digests, documents for
 * cloud-init, kernel command lines.
 */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "base/util.h"
#include "provision/spec/field.h"
#include "provision/spec/spec.h"

/* --- paths ------------------------------------------------------------------------- */

/* Without "//" and "/./"; ".." stays, because behind a link it means something else. */
static void tidy_path(char *path)
{
	char *to = path;

	for (const char *s = path; *s; s++) {
		if (s[0] == '/' && s[1] == '/')
			continue;
		if (s[0] == '/' && s[1] == '.' && (s[2] == '/' || !s[2])) {
			s++;
			continue;
		}
		*to++ = *s;
	}
	if (to == path)
		*to++ = '/';
	*to = '\0';
}

const char *host_path(struct reader *r, const char *text)
{
	auto_free char *path = path_expand(text, r->dir);

	tidy_path(path);
	return arena_strdup(r->arena, path);
}

static void check_path(struct value *v)
{
	if (!*v->text)
		v->problem = "is empty";
	else if (text_starts(v->text, "~") && v->text[1] && v->text[1] != '/')
		v->problem = "the home directories of others are not looked up";
	else
		v->text = host_path(v->reader, v->text);
}

const struct type type_path = {
	.name = "path",
	.help = "a file of the host, relative to the spec's directory; ~ is the home directory",
	.read = read_text,
	.check = check_path,
};

int read_host_file(struct value *v, const char *path, size_t max, struct buf *out)
{
	struct arena *a = v->reader->arena;
	struct err err = {0};
	struct stat st;

	*out = BUF_INIT(max);
	if (stat(path, &st) < 0) {
		v->problem = arena_printf(a, "cannot read '%s': %s", path, strerror(errno));
		return -1;
	}
	if (!S_ISREG(st.st_mode)) {
		v->problem = arena_printf(a, "'%s' is not a file", path);
		return -1;
	}
	if (st.st_size > (off_t)max) {
		v->problem = arena_printf(a, "'%s' is larger than %zu KiB", path, max / 1024);
		return -1;
	}
	if (file_read(path, out, &err) < 0) {
		v->problem = arena_strdup(a, err.msg);
		buf_done(out);
		return -1;
	}
	return 0;
}

/* --- URLs and digests -------------------------------------------------------------- */

/* RFC 3986: a scheme that croft fetches, somewhere to fetch from, and no character that has no
 * place. */
static void check_url(struct value *v)
{
	struct arena *a = v->reader->arena;
	size_t scheme = strcspn(v->text, ":");
	const char *rest = v->text + scheme;
	char *lower = arena_strndup(a, v->text, scheme);

	for (char *c = lower; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	for (const char *c = v->text; *c; c++)
		if (!isgraph((unsigned char)*c) || strchr("<>\"{}|\\^`", *c))
			v->problem = "a URL has no blanks and no characters outside of ASCII";
	if (v->problem)
		v->help = "write them as %20 and the like";
	else if (!text_starts(rest, "://"))
		v->problem = arena_printf(a, "'%s' is not a URL", v->text);
	else if (!strcmp(lower, "oci"))
		v->problem = "oci: not supported yet";
	else if (strcmp(lower, "http") && strcmp(lower, "https") && strcmp(lower, "file"))
		v->problem = arena_printf(a, "cannot fetch from '%s'", lower);
	else if (!strcmp(lower, "file") && rest[3] != '/')
		v->problem = "a file: URL names an absolute path";
	else if (strcmp(lower, "file") && (!rest[3] || strchr("/?#:", rest[3])))
		v->problem = "the URL names no host";
	if (v->problem && !v->help)
		v->help = "write https://HOST/PATH, http://HOST/PATH or file:///PATH";
	v->text = arena_printf(a, "%s%s", lower, rest);
}

const struct type type_url = {
	.name = "URL",
	.help = "https://, http:// or file://",
	.read = read_text,
	.check = check_url,
	.pattern = "^[Hh][Tt][Tt][Pp][Ss]?://|^[Ff][Ii][Ll][Ee]:///",
};

static void check_digest(struct value *v)
{
	static const struct {
		const char *name;
		size_t digits;
	} kinds[] = {{"sha256:", 64}, {"sha512:", 128}};
	struct arena *a = v->reader->arena;
	char *lower = arena_strdup(a, v->text);

	for (char *c = lower; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	v->text = lower;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		const char *hex = lower + strlen(kinds[i].name);

		if (!text_starts(lower, kinds[i].name))
			continue;
		if (strspn(hex, "0123456789abcdef") == strlen(hex) &&
		    strlen(hex) == kinds[i].digits)
			return;
		v->problem =
			arena_printf(a, "%s is followed by %zu hexadecimal digits, here by %zu",
				     kinds[i].name, kinds[i].digits, strlen(hex));
		return;
	}
	v->problem = "neither a SHA-256 nor a SHA-512 digest";
	v->help = "write sha256:DIGITS or sha512:DIGITS";
}

const struct type type_digest = {
	.name = "digest",
	.help = "sha256: and 64, or sha512: and 128 hexadecimal digits",
	.read = read_text,
	.check = check_digest,
	.pattern = "^[Ss][Hh][Aa](256:[0-9A-Fa-f]{64}|512:[0-9A-Fa-f]{128})$",
};

/* The catalog is looked into when the image is needed; here only the form is checked. */
static void check_image_name(struct value *v)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz0123456789-.";
	const char *s = v->text;
	size_t n = strspn(s, allowed);
	bool good = n > 0;

	s += n;
	for (const char *mark = ":/"; good && *mark; mark++) {
		if (*s != *mark)
			continue;
		n = strspn(++s, allowed);
		good = n > 0;
		s += n;
	}
	if (good && !*s)
		return;
	v->problem = arena_printf(v->reader->arena, "'%s' is no name of the catalog", v->text);
	v->help = "write name, name:version or name:version/variant, such as debian:13";
}

const struct type type_image_name = {
	.name = "image name",
	.help = "name, name:version or name:version/variant; of a-z, 0-9, '-' and '.'",
	.read = read_text,
	.check = check_image_name,
	.pattern = "^[a-z0-9.-]+(:[a-z0-9.-]+)?(/[a-z0-9.-]+)?$",
};

/* --- documents --------------------------------------------------------------------- */

/* A text of several lines, or one that begins with '#', is the document; any other is its path. */
static struct yaml_node *read_document(struct reader *r, const struct place *place,
				       const struct yaml_node *node)
{
	struct yaml_node *out = read_text(r, place, node);

	if (out && !strchr(out->text, '\n') && out->text[0] != '#')
		out->text = host_path(r, out->text);
	if (out)
		out->block = node->block;
	return out;
}

static void check_document(struct value *v)
{
	if (!*v->text)
		v->problem = "is empty";
}

const struct type type_document = {
	.name = "document",
	.help = "the path of a file, or the document itself as a block below 'key: |'",
	.read = read_document,
	.check = check_document,
	.lines = true,
};

/* A document that is always YAML may stand in the spec as YAML. */
static struct yaml_node *read_config(struct reader *r, const struct place *place,
				     const struct yaml_node *node)
{
	const char *const *words = place->field->words;

	if (node->kind == YAML_MAP)
		return (struct yaml_node *)node;
	if (node->kind == YAML_SCALAR && words && !strcmp(node->text, words[0]))
		return yaml_str(r->arena, words[0]);
	return read_document(r, place, node);
}

static void schema_config(struct arena *a, const struct field *f, struct yaml_node *out)
{
	struct yaml_node *kinds = yaml_seq(a);

	(void)f;
	yaml_add(a, kinds, yaml_str(a, "string"));
	yaml_add(a, kinds, yaml_str(a, "object"));
	yaml_set(a, out, "type", kinds);
}

const struct type type_config = {
	.name = "document or map",
	.help = "the path of a file, the document itself as a block below 'key: |', or as a map",
	.read = read_config,
	.check = check_document,
	.lines = true,
	.schema = schema_config,
};

/* --- command lines ----------------------------------------------------------------- */

static void check_cmdline(struct value *v)
{
	if (strlen(v->text) > SPEC_MAX_CMDLINE)
		v->problem = arena_printf(v->reader->arena,
					  "%zu characters, and a kernel takes %d at most",
					  strlen(v->text), SPEC_MAX_CMDLINE);
	for (const char *c = v->text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			v->problem = "contains a control character";
}

const struct type type_cmdline = {
	.name = "command line",
	.help = "options for the kernel on one line, at most 2047 characters",
	.read = read_text,
	.check = check_cmdline,
};
