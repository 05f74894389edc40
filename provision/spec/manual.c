/* SPDX-License-Identifier: Apache-2.0
 *
 * croft-spec(5) in mdoc(7), from the field table.
 */
#include <ctype.h>
#include <string.h>

#include "base/util.h"
#include "provision/spec/doc.h"
#include "provision/spec/spec.h"

#define MANUAL_DATE "November 23, 2026"

/* --- mdoc -------------------------------------------------------------------------- */

/* roff reads a backslash as an escape, and a dot or quote that begins a line as a request. */
static void put_escaped(FILE *out, const char *s, size_t n, bool begins_line)
{
	if (n && begins_line && (s[0] == '.' || s[0] == '\''))
		fputs("\\&", out);
	for (size_t i = 0; i < n; i++) {
		if (s[i] == '\\')
			fputs("\\e", out);
		else
			fputc(s[i], out);
	}
}

/* Text as lines, a new one for each sentence and none too long (mdoc(7) asks for both). */
static void put_text(FILE *out, const char *text)
{
	enum { WIDTH = 78 };
	size_t column = 0;
	bool ended = false;

	for (const char *s = text; *s;) {
		size_t n = strcspn(s, " ");

		if (column && (ended || column + 1 + n > WIDTH)) {
			fputc('\n', out);
			column = 0;
		}
		if (column) {
			fputc(' ', out);
			column++;
		}
		put_escaped(out, s, n, !column);
		column += n;
		ended = n && s[n - 1] == '.' && s[n] == ' ';
		s += n;
		s += strspn(s, " ");
	}
	fputc('\n', out);
}

/* A phrase as a sentence: capital letter, full stop. */
static void put_sentence(FILE *out, const char *lead, const char *text)
{
	auto_buf struct buf line = BUF_INIT(8192);

	buf_printf(&line, "%s%s", lead, text);
	if (!line.len)
		return;
	line.data[0] = (char)toupper((unsigned char)line.data[0]);
	if (!strchr(".!?", line.data[line.len - 1]))
		buf_putc(&line, '.');
	put_text(out, buf_str(&line));
}

static void put_example(FILE *out, const char *text)
{
	fputs(".Bd -literal -offset indent\n", out);
	while (*text) {
		size_t n = strcspn(text, "\n");

		put_escaped(out, text, n, true);
		fputc('\n', out);
		text += n + (text[n] == '\n');
	}
	fputs(".Ed\n", out);
}

/* --- the table --------------------------------------------------------------------- */

static void put_fields(FILE *out, const struct field *parent);

static void put_field(FILE *out, const struct field *f, const struct field *parent)
{
	const struct field *item = field_item(f), *below = item ? item : f;
	auto_buf struct buf type = BUF_INIT(4096), initial = BUF_INIT(4096);

	doc_type(f, &type);
	doc_initial(f, &initial);
	fprintf(out, ".It Ic %s : Pq %s\n", field_key(f), buf_str(&type));
	put_sentence(out, "", f->help);
	if (f->required)
		put_sentence(out, "", "it has to be given");
	else if (initial.len)
		put_sentence(out, "default: ", buf_str(&initial));
	if (f->details)
		put_text(out, f->details);
	if (doc_change(f) && f->change != parent->change)
		put_sentence(out, "change: ", doc_change(f));
	if (f->example)
		put_example(out, f->example);
	if (f->children)
		put_sentence(out, "", "its keys are those of users below");
	else if (field_next(below, NULL))
		put_fields(out, below);
}

static void put_fields(FILE *out, const struct field *parent)
{
	fputs(".Bl -tag -width Ds\n", out);
	for (const struct field *f = field_next(parent, NULL); f; f = field_next(parent, f))
		if (!f->planned)
			put_field(out, f, parent);
	fputs(".El\n", out);
}

static void put_types(FILE *out)
{
	fputs(".Bl -tag -width Ds\n", out);
	for (size_t i = 0; all_types[i]; i++) {
		fprintf(out, ".It Em %s\n", all_types[i]->name);
		put_sentence(out, "", all_types[i]->help);
	}
	fputs(".El\n", out);
}

static void put_planned(FILE *out)
{
	fputs(".Bl -tag -width Ds\n", out);
	for (size_t i = 0; i < nfields; i++) {
		if (!fields[i].planned)
			continue;
		fprintf(out, ".It Ic %s\n", fields[i].path);
		if (fields[i].help)
			put_sentence(out, "meanwhile: ", fields[i].help);
	}
	fputs(".El\n", out);
}

/* --- the page ---------------------------------------------------------------------- */

static const char page_head[] =
	".Dd " MANUAL_DATE "\n"
	".Dt CROFT-SPEC 5\n"
	".Os\n"
	".Sh NAME\n"
	".Nm croft.yaml\n"
	".Nd what a virtual machine is to be\n"
	".Sh DESCRIPTION\n"
	"A spec is a YAML file that describes one virtual machine for\n"
	".Xr croft 1 .\n"
	".Xr croft 1\n"
	"takes the file named with\n"
	".Fl f ,\n"
	"else\n"
	".Pa croft.yaml\n"
	"or\n"
	".Pa croft.yml\n"
	"in the working directory or the nearest directory above it.\n"
	"Everything that is wrong with a spec is reported in one run, with the place\n"
	"in the file.\n"
	".Pp\n"
	"This page is also in\n"
	".Ic croft explain Ar key ,\n"
	"and for editors\n"
	".Ic croft schema\n"
	"writes a JSON Schema.\n"
	".Ic croft config\n"
	"shows a spec in its long form, with every default.\n"
	".Ss Rules\n"
	".Bl -bullet\n"
	".It\n"
	"A key that is not listed here is an error, and so is the same key twice in a\n"
	"map.\n"
	"Keys that begin with\n"
	".Ql x-\n"
	"are yours: croft ignores them.\n"
	".It\n"
	"Indentation is made of spaces, never of tabs.\n"
	".It\n"
	"A text that some YAML reader takes for a number, a date or a boolean has to be\n"
	"in quotes:\n"
	".Ql \"22:22\" ,\n"
	".Ql \"0644\" ,\n"
	".Ql \"no\" .\n"
	".It\n"
	"Anchors, aliases and merge keys\n"
	".Pq Ql <<\n"
	"work; tags do not.\n"
	"A file has at most 1 MiB, 100000 values and 64 levels, aliases written out.\n"
	".It\n"
	"Relative paths are relative to the directory of the spec.\n"
	".El\n"
	".Ss Variables\n"
	"In values, but not in keys,\n"
	".Ic ${NAME}\n"
	"stands for a variable of the environment.\n"
	".Ic ${NAME:-default}\n"
	"gives a default for one that is unset or empty, and\n"
	".Ic ${NAME:?message}\n"
	"an error.\n"
	"A dollar is written\n"
	".Ic $$ .\n"
	"In\n"
	".Ic cloud_init\n"
	"and in\n"
	".Ic write_files[].content\n"
	"a dollar is a dollar.\n";

static const char page_tail[] = ".Sh FILES\n"
				".Bl -tag -width Ds\n"
				".It Pa croft.yaml , croft.yml\n"
				"The spec, where none is named.\n"
				".El\n"
				".Sh EXAMPLES\n"
				"A Debian VM with an address on a bridge that croft makes:\n"
				".Bd -literal -offset indent\n"
				"version: 1\n"
				"name: debian\n"
				"image: ./debian-12-generic-amd64.qcow2\n"
				"memory: 1GiB\n"
				"disk: 10GiB\n"
				"ssh_authorized_keys: [ ~/.ssh/id_ed25519.pub ]\n"
				"networks:\n"
				"  lan:\n"
				"    bridge: croft0\n"
				"    create: true\n"
				"    host_address: 10.77.0.1/24\n"
				"    address: 10.77.0.10/24\n"
				".Ed\n"
				".Sh SEE ALSO\n"
				".Xr croft 1 ,\n"
				".Xr croft-catalog 5 ,\n"
				".Xr croft-lock 5\n";

void spec_manual(FILE *out)
{
	fputs(page_head, out);
	fputs(".Sh KEYS\n", out);
	put_fields(out, &root_field);
	fputs(".Sh VALUES\n", out);
	put_types(out);
	fputs(".Sh NOT SUPPORTED YET\n"
	      "These keys are known and refused by name; where there is another way, it is\n"
	      "named.\n",
	      out);
	put_planned(out);
	fputs(page_tail, out);
}
