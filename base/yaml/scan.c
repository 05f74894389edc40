/* SPDX-License-Identifier: Apache-2.0
 *
 * libyaml's problems, translated: its words are those of a grammar, ours name the slip that most
 * often leads there and what to write instead.
 */
#include "base/yaml/scan.h"

#include <string.h>

#include "base/util.h"
#include "base/yaml/lines.h"

static const struct problem {
	const char *lib; /* libyaml's words */
	const char *message, *help;
	bool at_context; /* where it began says more than where it was noticed */
} problems[] = {
	{"mapping values are not allowed in this context", "a 'key: value' cannot stand here",
	 "put quotes around a text that contains ': ', or correct the indentation", false},
	{"did not find expected key", "a key was expected here",
	 "align the line with the keys above it; write 'key: value'", false},
	{"could not find expected ':'", "this key has no ':' after it", "write 'key: value'", true},
	{"did not find expected '-' indicator", "a '- item' of the list was expected here",
	 "align the line with the items above it", false},
	{"block sequence entries are not allowed in this context", "a '- item' cannot stand here",
	 "begin the list on a line of its own, below its key", false},
	{"found unexpected end of stream", "this is never closed", "add the closing quote", true},
	{"did not find expected ',' or ']'", "this list is not closed, or a ',' is missing in it",
	 "write [ a, b ]", true},
	{"did not find expected ',' or '}'", "this map is not closed, or a ',' is missing in it",
	 "write { a: 1, b: 2 }", true},
	{"found a tab character where an indentation space is expected", "a tab cannot indent",
	 "indent with spaces; a block of text that begins with a tab needs '|2' above it", false},
	{"found a tab character that violates indentation", "a tab cannot indent",
	 "indent with spaces", false},
	{"found unknown escape character", "unknown escape in a double-quoted text",
	 "write \\\\ for a backslash, or use single quotes", false},
	{"did not find expected <document start>", "this is not part of the document",
	 "write one map of 'key: value' lines", false},
	{"did not find expected node content", "a value was expected here", NULL, false},
};

static char char_at(const struct source *src, struct mark at)
{
	size_t len, i = 0;
	const char *line = source_line(src, at.line, &len);

	for (unsigned column = 1; line && i < len; i++) {
		bool begins = ((unsigned char)line[i] & 0xc0) != 0x80;

		if (begins && column++ == at.column)
			return line[i];
	}
	return ' ';
}

static void complain_scan(const yaml_parser_t *lib, const struct source *src, struct diags *diags)
{
	const char *words = lib->problem ? lib->problem : "cannot be read";
	struct mark at = mark_of(lib->problem_mark);
	char c = char_at(src, at);

	if (!strcmp(words, "found character that cannot start any token")) {
		if (c == '\t')
			diag_error(diags, src, at, "indent with spaces", "a tab cannot indent");
		else
			diag_error(diags, src, at, "put quotes around it",
				   "a plain text cannot begin with '%c'", c);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(problems); i++) {
		const struct problem *p = &problems[i];

		if (strcmp(words, p->lib) != 0)
			continue;
		if (p->at_context && lib->context)
			at = mark_of(lib->context_mark);
		diag_error(diags, src, at, p->help, "%s", p->message);
		return;
	}
	if (lib->context)
		diag_error(diags, src, at, NULL, "%s (%s)", words, lib->context);
	else
		diag_error(diags, src, at, NULL, "%s", words);
}

/* libyaml's reader says only at which byte it stopped. */
static void complain_read(const yaml_parser_t *lib, const struct source *src, struct diags *diags)
{
	const char *c = src->text + bom_length(src->text, src->len), *end = src->text + src->len;
	const char *bad = c + min_u64(lib->problem_offset, (uint64_t)(end - c));
	struct mark at = {1, 1};

	while (c < bad) {
		size_t n = line_break(c, bad);

		if (n) {
			at = (struct mark){at.line + 1, 1};
			c += n;
			continue;
		}
		at.column += ((unsigned char)*c & 0xc0) != 0x80;
		c++;
	}
	if (lib->problem_value >= 0 && strstr(lib->problem, "control characters"))
		diag_error(diags, src, at, "in a double-quoted text write it as an escape",
			   "control character U+%04X", (unsigned)lib->problem_value);
	else
		diag_error(diags, src, at, "save the file as UTF-8", "this is not UTF-8 (%s)",
			   lib->problem);
}

void scan_complain(const yaml_parser_t *lib, const struct source *src, struct diags *diags)
{
	if (lib->error == YAML_MEMORY_ERROR)
		diag_error(diags, src, ((struct mark){0}), NULL, "out of memory");
	else if (lib->error == YAML_READER_ERROR)
		complain_read(lib, src, diags);
	else
		complain_scan(lib, src, diags);
}
