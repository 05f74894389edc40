/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing and reading multipart messages: see mime.h. What a part holds reaches the guest byte for
 * byte: ASCII as it is, anything else in base64, since Python's parser, which cloud-init uses,
 * loses characters outside ASCII in a body that is not encoded.
 */
#include "cloudinit/mime.h"

#include <ctype.h>
#include <stdint.h>
#include <strings.h>

#include "base/util.h"

enum { BOUNDARIES = 1000 }; /* tried before giving up on a text that holds them all */

static bool is_ascii(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		if ((c < ' ' && c != '\n' && c != '\t') || c >= 0x7f)
			return false;
	}
	return true;
}

static bool goes_as_it_is(const struct mime_part *p)
{
	return !p->content_type || is_ascii(p->data, p->len);
}

/* A line that no part holds. "=" and "-" keep it from being base64, and from being likely. */
static int choose_boundary(const struct mime_part *parts, size_t n, char out[32], struct err *err)
{
	for (unsigned i = 0; i < BOUNDARIES; i++) {
		bool taken = false;

		snprintf(out, 32, "=-croft-%u-=", i);
		for (size_t k = 0; k < n && !taken; k++)
			taken = goes_as_it_is(&parts[k]) &&
				memmem(parts[k].data, parts[k].len, out, strlen(out));
		if (!taken)
			return 0;
	}
	return err_set(err, ERR_SPEC,
		       "the document holds every MIME boundary that croft tries "
		       "(=-croft-0-= and so on)");
}

void base64_encode(const void *data, size_t len, struct buf *out)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *p = data;

	for (size_t i = 0; i < len; i += 3) {
		size_t left = len - i;
		uint32_t v = (uint32_t)p[i] << 16 | (left > 1 ? p[i + 1] << 8 : 0) |
			     (left > 2 ? p[i + 2] : 0);
		char four[4] = {digits[v >> 18], digits[v >> 12 & 63],
				left > 1 ? digits[v >> 6 & 63] : '=',
				left > 2 ? digits[v & 63] : '='};

		buf_put(out, four, sizeof(four));
		if (i / 3 % 19 == 18 || left <= 3)
			buf_putc(out, '\n');
	}
}

static int digit_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_decode(const char *text, size_t len, struct buf *out)
{
	unsigned held = 0, padding = 0;
	uint32_t v = 0;

	for (size_t i = 0; i < len; i++) {
		int d = digit_value(text[i]);

		if (isspace((unsigned char)text[i]))
			continue;
		if (text[i] == '=') {
			padding++;
			continue;
		}
		if (d < 0 || padding)
			return false;
		v = (v << 6 | (uint32_t)d) & 0xffffff;
		if (++held % 4 == 0)
			buf_put(out, (char[]){(char)(v >> 16), (char)(v >> 8), (char)v}, 3);
	}
	switch (held % 4) {
	case 1:
		return false;
	case 2:
		buf_putc(out, (char)(v >> 4));
		break;
	case 3:
		buf_put(out, (char[]){(char)(v >> 10), (char)(v >> 2)}, 2);
		break;
	default:
		break;
	}
	return padding <= 2;
}

static void put_part(const struct mime_part *p, struct buf *out)
{
	if (!p->content_type) {
		buf_put(out, p->data, p->len);
		return;
	}
	buf_printf(out, "Content-Type: %s; charset=\"utf-8\"\n", p->content_type);
	buf_puts(out, "MIME-Version: 1.0\n");
	buf_printf(out, "Content-Disposition: attachment; filename=\"%s\"\n", p->name);
	if (p->merge)
		buf_printf(out, "Merge-Type: %s\n", p->merge);
	if (goes_as_it_is(p)) {
		buf_puts(out, "Content-Transfer-Encoding: 7bit\n\n");
		buf_put(out, p->data, p->len);
	} else {
		buf_puts(out, "Content-Transfer-Encoding: base64\n\n");
		base64_encode(p->data, p->len, out);
	}
}

int mime_write(const struct mime_part *parts, size_t n, struct buf *out, struct err *err)
{
	char boundary[32];

	if (choose_boundary(parts, n, boundary, err) < 0)
		return -1;
	buf_printf(out, "Content-Type: multipart/mixed; boundary=\"%s\"\nMIME-Version: 1.0\n",
		   boundary);
	for (size_t i = 0; i < n; i++) {
		/* RFC 2046, 5.1.1: the line break before a boundary belongs to the boundary. */
		buf_printf(out, "\n--%s\n", boundary);
		put_part(&parts[i], out);
	}
	buf_printf(out, "\n--%s--\n", boundary);
	return 0;
}

/* The end of the line at p (its line feed, or the end). */
static const char *line_end(const char *p, const char *end)
{
	const char *nl = memchr(p, '\n', (size_t)(end - p));

	return nl ? nl : end;
}

static void copy_value(const char *from, const char *to, char out[MIME_VALUE], bool lower)
{
	size_t n = min_u64((uint64_t)(to - from), MIME_VALUE - 1);

	for (size_t i = 0; i < n; i++)
		out[i] = lower ? (char)tolower((unsigned char)from[i]) : from[i];
	out[n] = '\0';
}

/* The token at p: up to ';' or a blank. */
static void copy_token(const char *p, const char *end, char out[MIME_VALUE])
{
	const char *q = p;

	while (q < end && *q != ';' && !isspace((unsigned char)*q))
		q++;
	copy_value(p, q, out, true);
}

/* The parameter boundary= of a Content-Type, with or without quotes (RFC 2045, 5.1). */
static void copy_boundary(const char *p, const char *end, char out[MIME_VALUE])
{
	static const char word[] = "boundary=";
	const char *q;

	while (p < end && strncasecmp(p, word, min_u64(sizeof(word) - 1, (uint64_t)(end - p))))
		p++;
	if ((size_t)(end - p) < sizeof(word))
		return;
	p += sizeof(word) - 1;
	if (*p == '"') {
		p++;
		q = memchr(p, '"', (size_t)(end - p));
		if (q) /* an open quote is no value */
			copy_value(p, q, out, false);
		return;
	}
	for (q = p; q < end && *q != ';' && !isspace((unsigned char)*q);)
		q++;
	copy_value(p, q, out, false);
}

/* One header with its continuation lines, [p, end). */
static void read_header(const char *p, const char *end, struct mime_entity *out)
{
	const char *colon = memchr(p, ':', (size_t)(end - p));
	size_t n = colon ? (size_t)(colon - p) : 0;

	if (!colon)
		return;
	for (colon++; colon < end && isspace((unsigned char)*colon);)
		colon++;
	if (n == strlen("content-type") && !strncasecmp(p, "content-type", n)) {
		copy_token(colon, end, out->type);
		copy_boundary(colon, end, out->boundary);
	} else if (n == strlen("content-transfer-encoding") &&
		   !strncasecmp(p, "content-transfer-encoding", n)) {
		copy_token(colon, end, out->encoding);
	}
}

static bool is_blank_line(const char *p, const char *end)
{
	return p == end || *p == '\n' || (*p == '\r' && p + 1 < end && p[1] == '\n');
}

void mime_read(const char *text, size_t len, struct mime_entity *out)
{
	const char *p = text, *end = text + len;

	*out = (struct mime_entity){.type = "text/plain", .encoding = "7bit"};
	while (!is_blank_line(p, end)) {
		const char *next = line_end(p, end);

		/* RFC 5322, 2.2.3: a line that begins with a blank continues the one before */
		while (next < end && next + 1 < end && (next[1] == ' ' || next[1] == '\t'))
			next = line_end(next + 1, end);
		read_header(p, next, out);
		p = next < end ? next + 1 : end;
	}
	p = line_end(p, end);
	out->body = p < end ? p + 1 : end;
	out->len = (size_t)(end - out->body);
}

/* A line that is the boundary: nothing behind it but "--" on the last one, and blanks. */
static bool is_boundary(const struct mime_entity *e, const char *p, const char *eol, bool *last)
{
	size_t n = strlen(e->boundary);

	if ((size_t)(eol - p) < n + 2 || memcmp(p, "--", 2) != 0 ||
	    memcmp(p + 2, e->boundary, n) != 0)
		return false;
	p += n + 2;
	*last = eol - p >= 2 && !memcmp(p, "--", 2);
	for (p += *last ? 2 : 0; p < eol; p++)
		if (!isspace((unsigned char)*p))
			return false;
	return true;
}

/* The next boundary at or after p; *after is what follows its line. NULL: there is none. */
static const char *find_boundary(const struct mime_entity *e, const char *p, const char **after,
				 bool *last)
{
	const char *end = e->body + e->len;

	while (p < end) {
		const char *eol = line_end(p, end);

		*after = eol < end ? eol + 1 : end;
		if (is_boundary(e, p, eol, last))
			return p;
		p = *after;
	}
	return NULL;
}

bool mime_next(const struct mime_entity *e, size_t *at, const char **part, size_t *len)
{
	const char *end = e->body + e->len, *start, *stop, *unused;
	bool last = false;

	if (!*e->boundary || !find_boundary(e, e->body + *at, &start, &last) || last)
		return false;
	stop = find_boundary(e, start, &unused, &last);
	*part = start;
	*at = (size_t)((stop ? stop : end) - e->body);
	*len = (size_t)((stop ? stop : end) - start);
	/* RFC 2046, 5.1.1: the line break before a boundary belongs to the boundary. */
	if (stop && *len)
		(*len)--;
	return true;
}
