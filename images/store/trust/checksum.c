/* SPDX-License-Identifier: Apache-2.0
 *
 * Checksum files: see checksum.h. A line is tried against each form in turn; what fits none is a
 * comment, a header, or somebody's prose, and says nothing about any file.
 */
#include "images/store/trust/checksum.h"

#include <ctype.h>
#include <string.h>

#include "base/file.h"
#include "base/text.h"
#include "base/util.h"

enum { NAME_MAX_BYTES = 255, NEAR_NAMES = 16 };

/* One line that says something. The pointers are into the text. */
struct entry {
	const char *hex, *name; /* name NULL: a bare digest */
	size_t hex_len, name_len;
	bool labelled; /* the BSD form names its algorithm */
	enum hash_kind label;
};

static const struct {
	const char *label, *file_hint; /* as in "SHA512 (x) = ...", "SHA512SUMS", "x.sha512" */
	size_t hex_len;
} algorithms[] = {
	[HASH_SHA256] = {"SHA256", "sha256", 64},
	[HASH_SHA512] = {"SHA512", "sha512", 128},
};
static_assert(ARRAY_LEN(algorithms) == HASH_KINDS, "every hash has a row");

static size_t hex_run(const char *s, size_t n)
{
	size_t i = 0;

	while (i < n && isxdigit((unsigned char)s[i]))
		i++;
	return i;
}

static size_t blank_run(const char *s, size_t n)
{
	size_t i = 0;

	while (i < n && (s[i] == ' ' || s[i] == '\t'))
		i++;
	return i;
}

static size_t without_trailing_blanks(const char *s, size_t n)
{
	while (n && isspace((unsigned char)s[n - 1]))
		n--;
	return n;
}

/* "SHA256 (name) = hex" */
static bool parse_bsd(const char *s, size_t n, struct entry *e)
{
	for (unsigned k = 0; k < HASH_KINDS; k++) {
		size_t label = strlen(algorithms[k].label), hex;
		const char *close;

		if (n < label + 2 || strncasecmp(s, algorithms[k].label, label) || memcmp(s + label, " (", 2))
			continue;
		/* From the right: a name may hold a parenthesis, a digest may not. */
		close = memrchr(s, ')', n);
		if (!close || close < s + label + 2)
			return false;
		e->name = s + label + 2;
		e->name_len = (size_t)(close - e->name);
		close++;
		close += blank_run(close, (size_t)(s + n - close));
		if (close == s + n || *close != '=')
			return false;
		close++;
		close += blank_run(close, (size_t)(s + n - close));
		hex = hex_run(close, (size_t)(s + n - close));
		if (!hex || close + hex != s + n)
			return false;
		e->hex = close;
		e->hex_len = hex;
		e->labelled = true;
		e->label = (enum hash_kind)k;
		return true;
	}
	return false;
}

/* "hex  name", "hex *name", "hex name", "hex" */
static bool parse_gnu(const char *s, size_t n, struct entry *e)
{
	size_t hex = hex_run(s, n), blanks = blank_run(s + hex, n - hex);

	if (hex < 32)
		return false;
	e->hex = s;
	e->hex_len = hex;
	if (hex == n)
		return true; /* bare */
	if (!blanks)
		return false;
	e->name = s + hex + blanks;
	e->name_len = n - hex - blanks;
	if (e->name_len && *e->name == '*') {
		e->name++;
		e->name_len--;
	}
	return e->name_len > 0;
}

/* The next line of [*at, end), without its end; false when there is none. */
static bool next_line(const char **at, const char *end, const char **line, size_t *n)
{
	const char *eol;

	if (*at >= end)
		return false;
	eol = memchr(*at, '\n', (size_t)(end - *at));
	*line = *at;
	*n = without_trailing_blanks(*at, (size_t)((eol ? eol : end) - *at));
	*at = eol ? eol + 1 : end;
	return true;
}

/*
 * The lines of a clearsigned message (RFC 9580, 7) that are signed: between the empty line after the
 * headers and the signature. What stands outside was signed by nobody and is not read.
 */
static void signed_part(const char **text, const char **end, bool *clearsigned)
{
	const char *at = *text, *line, *start = NULL;
	bool headers = false;
	size_t n;

	*clearsigned = false;
	while (next_line(&at, *end, &line, &n)) {
		if (!start && n == 34 && !memcmp(line, "-----BEGIN PGP SIGNED MESSAGE-----", n)) {
			headers = true;
			*clearsigned = true;
		} else if (headers && !start && n == 0) {
			start = at;
		} else if (start && n == 29 && !memcmp(line, "-----BEGIN PGP SIGNATURE-----", n)) {
			*text = start;
			*end = line;
			return;
		}
	}
	if (*clearsigned)
		*text = *end; /* a message without an end says nothing */
}

static bool same_name(const struct entry *e, const char *name)
{
	const char *s = e->name;
	size_t n = e->name_len;

	while (n > 2 && s[0] == '.' && s[1] == '/') {
		s += 2;
		n -= 2;
	}
	return n == strlen(name) && !memcmp(s, name, n);
}

static int check_length(const struct entry *e, const char *file, enum hash_kind *kind, struct err *err)
{
	const char *base = path_base(file);
	unsigned by_length = HASH_KINDS;

	for (unsigned k = 0; k < HASH_KINDS; k++)
		if (e->hex_len == algorithms[k].hex_len)
			by_length = k;
	if (by_length == HASH_KINDS)
		return err_set(err, ERR_VERIFY, "'%s': a digest of %zu hex digits is neither sha256 nor sha512", file,
			       e->hex_len);
	if (e->labelled && e->label != by_length)
		return err_set(err, ERR_VERIFY, "'%s': a digest labelled %s has the length of %s", file,
			       algorithms[e->label].label, algorithms[by_length].label);
	for (unsigned k = 0; k < HASH_KINDS; k++)
		if (k != by_length && strcasestr(base, algorithms[k].file_hint) &&
		    !strcasestr(base, algorithms[by_length].file_hint))
			return err_set(err, ERR_VERIFY, "'%s' is named for %s, and its digest has the length of %s",
				       file, algorithms[k].label, algorithms[by_length].label);
	*kind = (enum hash_kind)by_length;
	return 0;
}

/* Adds what the file does list, so that a wrong or moved name is seen at once. */
static int no_match(const char *file, const char *name, char names[][NAME_MAX_BYTES + 1], size_t n,
		    struct err *err)
{
	const char *list[NEAR_NAMES], *near;

	err_set(err, ERR_VERIFY, "'%s' has no digest for '%s'", file, name);
	for (size_t i = 0; i < n; i++)
		list[i] = names[i];
	near = text_nearest(name, list, n);
	if (near)
		return err_hint(err, "it has one for '%s'", near);
	if (n)
		return err_hint(err, "it lists '%s'%s", list[0], n > 1 ? " and others" : "");
	return err_hint(err, "it lists no file at all: is it a checksum file?");
}

int checksum_find(const char *text, size_t n, const char *file, const char *name, char digest[DIGEST_TEXT],
		  struct err *err)
{
	const char *at = text, *end = text + n, *line;
	char names[NEAR_NAMES][NAME_MAX_BYTES + 1];
	char found[DIGEST_TEXT] = "", bare[DIGEST_TEXT] = "";
	size_t nnames = 0, nbare = 0, len;
	bool clearsigned;

	if (n > CHECKSUM_MAX_BYTES)
		return err_set(err, ERR_VERIFY, "'%s' is larger than %d bytes: not a checksum file", file,
			       CHECKSUM_MAX_BYTES);
	signed_part(&at, &end, &clearsigned);
	while (next_line(&at, end, &line, &len)) {
		char value[DIGEST_TEXT];
		struct entry e = {0};
		enum hash_kind kind = HASH_SHA256;

		if (clearsigned && len >= 2 && line[0] == '-' && line[1] == ' ') { /* dash escape */
			line += 2;
			len -= 2;
		}
		if (len && line[0] == '\\') /* GNU: the name has escapes; ours never need any */
			continue;
		if (!parse_bsd(line, len, &e) && !parse_gnu(line, len, &e))
			continue;
		if (e.name && !same_name(&e, name)) {
			if (nnames < NEAR_NAMES && e.name_len <= NAME_MAX_BYTES)
				snprintf(names[nnames++], sizeof(names[0]), "%.*s", (int)e.name_len, e.name);
			continue;
		}
		if (check_length(&e, file, &kind, err) < 0)
			return -1;
		snprintf(value, sizeof(value), "%s:", hash_name(kind));
		for (size_t i = 0, to = strlen(value); i <= e.hex_len; i++)
			value[to + i] = i < e.hex_len ? (char)tolower((unsigned char)e.hex[i]) : '\0';
		if (!e.name) {
			nbare++;
			memcpy(bare, value, sizeof(bare));
		} else if (!found[0]) {
			memcpy(found, value, sizeof(found));
		} else if (strcmp(found, value) != 0 && !strncmp(found, value, 7)) {
			return err_set(err, ERR_VERIFY, "'%s' gives two different digests for '%s'", file, name);
		}
	}
	/* A lone digest without a name is for the file that the checksum file is named after. */
	if (!found[0] && nbare == 1 && !nnames)
		memcpy(found, bare, sizeof(found));
	if (!found[0])
		return no_match(file, name, names, nnames, err);
	memcpy(digest, found, DIGEST_TEXT);
	return 0;
}
