/* SPDX-License-Identifier: Apache-2.0
 *
 * Kinds of documents, and MIME messages written and read back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/util.h"
#include "cloudinit/document.h"
#include "cloudinit/mime.h"

static enum document_kind kind(const char *text)
{
	return document_kind(text, strlen(text));
}

static void test_kinds(void **state)
{
	(void)state;
	assert_int_equal(kind(""), DOC_EMPTY);
	assert_int_equal(kind(" \n\t\n"), DOC_EMPTY);
	assert_int_equal(kind("packages: [git]\n"), DOC_UNKNOWN);
	assert_int_equal(kind("# cloud-config\n"), DOC_UNKNOWN);
	assert_int_equal(kind("#cloud-config\n"), DOC_CLOUD_CONFIG);
	assert_int_equal(kind("\n\n#Cloud-Config\n"), DOC_CLOUD_CONFIG);
	assert_int_equal(kind("#cloud-config-archive\n"), DOC_CLOUD_CONFIG_ARCHIVE);
	assert_int_equal(kind("#cloud-config-jsonp\n"), DOC_CLOUD_CONFIG_JSONP);
	assert_int_equal(kind("#!/bin/sh\n"), DOC_SCRIPT);
	assert_int_equal(kind("#!"), DOC_SCRIPT);
	assert_int_equal(kind("#"), DOC_UNKNOWN);
	assert_int_equal(kind("#cloud-boothook\n"), DOC_BOOTHOOK);
	assert_int_equal(kind("#part-handler\n"), DOC_PART_HANDLER);
	assert_int_equal(kind("#include http://a/\n"), DOC_INCLUDE);
	assert_int_equal(kind("#include-once\nhttp://a/\n"), DOC_INCLUDE_ONCE);
	assert_int_equal(kind("## template: jinja\n#cloud-config\n"), DOC_JINJA);
	assert_int_equal(kind("Content-Type: multipart/mixed\nmime-version: 1.0\n\n"), DOC_MIME);
	/* A first line that says what it is wins over the word somewhere below. */
	assert_int_equal(kind("#cloud-config\n# MIME-Version: 1.0\n"), DOC_CLOUD_CONFIG);
}

static void test_looks_like_mime(void **state)
{
	char text[5000];

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_false(document_looks_like_mime(text, sizeof(text)));
	memcpy(text + 4096 - 13, "MIME-Version:", 13);
	assert_true(document_looks_like_mime(text, sizeof(text)));
	assert_false(document_looks_like_mime(text, 4095));
	memset(text, 'x', sizeof(text));
	memcpy(text + 4096 - 12, "MIME-Version:", 13);
	assert_false(document_looks_like_mime(text, sizeof(text)));
}

/* printf '#cloud-config\npackages: [git]\n' | gzip -n9 */
static const unsigned char packed[] = {
	0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0x53, 0x4e, 0xce,
	0xc9, 0x2f, 0x4d, 0xd1, 0x4d, 0xce, 0xcf, 0x4b, 0xcb, 0x4c, 0xe7, 0x2a, 0x48,
	0x4c, 0xce, 0x4e, 0x4c, 0x4f, 0x2d, 0xb6, 0x52, 0x88, 0x4e, 0xcf, 0x2c, 0x89,
	0xe5, 0x02, 0x00, 0xfc, 0xd5, 0x75, 0xf6, 0x1e, 0x00, 0x00, 0x00,
};

static void test_gzip(void **state)
{
	struct buf out = BUF_INIT(1000), small = BUF_INIT(8);
	char twice[2 * sizeof(packed)];
	struct err err = {0};

	(void)state;
	assert_true(document_is_gzip((const char *)packed, sizeof(packed)));
	assert_false(document_is_gzip("#!", 2));
	assert_int_equal(document_unpack((const char *)packed, sizeof(packed), &out, &err), 0);
	assert_string_equal(buf_str(&out), "#cloud-config\npackages: [git]\n");

	assert_int_equal(document_unpack((const char *)packed, sizeof(packed), &small, &err), -1);
	assert_int_equal(err.kind, ERR_SPEC);
	for (size_t n = 3; n < sizeof(packed); n++) { /* cut short anywhere */
		buf_reset(&out);
		if (document_unpack((const char *)packed, n, &out, &err) == 0)
			fail_msg("%zu of %zu bytes were enough", n, sizeof(packed));
		assert_int_equal(err.kind, ERR_CORRUPT);
	}
	for (size_t i = 10; i < sizeof(packed);
	     i++) { /* a bit flipped anywhere behind the header */
		unsigned char bad[sizeof(packed)];

		memcpy(bad, packed, sizeof(bad));
		bad[i] ^= 0x10;
		buf_reset(&out);
		/* It is noticed, or it was one of the bits that stand for nothing. */
		if (document_unpack((const char *)bad, sizeof(bad), &out, &err) == 0)
			assert_string_equal(buf_str(&out), "#cloud-config\npackages: [git]\n");
	}
	memcpy(twice, packed, sizeof(packed));
	memcpy(twice + sizeof(packed), packed, sizeof(packed));
	buf_reset(&out);
	assert_int_equal(document_unpack(twice, sizeof(twice), &out, &err), 0);
	assert_string_equal(buf_str(&out),
			    "#cloud-config\npackages: [git]\n#cloud-config\npackages: [git]\n");
	buf_done(&out);
	buf_done(&small);
}

static struct mime_part part(const char *type, const char *data)
{
	return (struct mime_part){
		.content_type = type, .name = "p", .data = data, .len = strlen(data)};
}

/* Writes the parts, reads the message, and hands out the bodies in `out`. */
static size_t round_trip(const struct mime_part *parts, size_t n, struct buf out[])
{
	struct buf text = BUF_INIT(1 << 20);
	struct mime_entity top, e;
	struct err err = {0};
	size_t at = 0, len, count = 0;
	const char *p;

	assert_int_equal(mime_write(parts, n, &text, &err), 0);
	assert_int_equal(document_kind(text.data, text.len), DOC_MIME);
	mime_read(text.data, text.len, &top);
	assert_string_equal(top.type, "multipart/mixed");
	while (mime_next(&top, &at, &p, &len)) {
		assert_true(count < n);
		mime_read(p, len, &e);
		assert_string_equal(e.type, parts[count].content_type);
		if (!strcmp(e.encoding, "base64"))
			assert_true(base64_decode(e.body, e.len, &out[count]));
		else
			buf_put(&out[count], e.body, e.len);
		count++;
	}
	buf_done(&text);
	return count;
}

static void test_round_trip(void **state)
{
	static const char *const bodies[] = {
		"#cloud-config\n{}\n",
		"no line feed at the end",
		"",
		"\n\n",
		"--=-croft-0-=\nits own boundary\n",
		"sch\xc3\xb6n\n",
		"carriage\r\nreturn\r\n",
		"--=-croft-0-=--\n--=-croft-1-=\n",
	};
	struct mime_part parts[ARRAY_LEN(bodies)];
	struct buf out[ARRAY_LEN(bodies)];

	(void)state;
	for (unsigned i = 0; i < ARRAY_LEN(bodies); i++) {
		parts[i] = part("text/cloud-config", bodies[i]);
		out[i] = BUF_INIT(1 << 20);
	}
	assert_int_equal(round_trip(parts, ARRAY_LEN(parts), out), ARRAY_LEN(parts));
	for (unsigned i = 0; i < ARRAY_LEN(bodies); i++) {
		assert_string_equal(buf_str(&out[i]), bodies[i]);
		buf_done(&out[i]);
	}
}

static void test_base64(void **state)
{
	struct buf text = BUF_INIT(4096), back = BUF_INIT(4096);
	unsigned char bytes[200];

	(void)state;
	for (size_t n = 0; n <= sizeof(bytes); n++) {
		for (size_t i = 0; i < n; i++)
			bytes[i] = (unsigned char)(i * 37 + n);
		buf_reset(&text);
		buf_reset(&back);
		base64_encode(bytes, n, &text);
		for (const char *p = buf_str(&text); *p; p += strcspn(p, "\n") + 1)
			assert_true(strcspn(p, "\n") <= 76);
		assert_true(base64_decode(buf_str(&text), text.len, &back));
		assert_int_equal(back.len, n);
		if (n)
			assert_memory_equal(back.data, bytes, n);
	}
	buf_reset(&text);
	base64_encode("any carnal pleas", 16, &text);
	assert_string_equal(buf_str(&text), "YW55IGNhcm5hbCBwbGVhcw==\n");
	assert_false(base64_decode("a", 1, &back));
	assert_false(base64_decode("ab=c", 4, &back));
	assert_false(base64_decode("ab*c", 4, &back));
	assert_false(base64_decode("ab===", 5, &back));
	buf_done(&text);
	buf_done(&back);
}

static void test_every_boundary_taken(void **state)
{
	struct buf text = BUF_INIT(1 << 20), out = BUF_INIT(1 << 20);
	struct mime_part p;
	struct err err = {0};

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		buf_printf(&text, "=-croft-%u-=\n", i);
	p = part("text/cloud-config", buf_str(&text));
	assert_int_equal(mime_write(&p, 1, &out, &err), -1);
	assert_int_equal(err.kind, ERR_SPEC);
	buf_done(&text);
	buf_done(&out);
}

static size_t count_parts(const char *text)
{
	struct mime_entity e;
	size_t at = 0, len, n = 0;
	const char *p;

	mime_read(text, strlen(text), &e);
	while (mime_next(&e, &at, &p, &len))
		n++;
	return n;
}

/* What other tools write, and what nobody should. */
static void test_reading(void **state)
{
	struct mime_entity e;
	static const char folded[] =
		"From nobody Mon Nov 23 2026\n"
		"CONTENT-TYPE: Multipart/Mixed;\n\tboundary=\"===a b===\"\n"
		"MIME-Version: 1.0\n\npreamble\n--===a b===\n\nbody\n--===a b===--\nend\n";

	(void)state;
	mime_read(folded, strlen(folded), &e);
	assert_string_equal(e.type, "multipart/mixed");
	assert_string_equal(e.boundary, "===a b===");
	assert_int_equal(count_parts(folded), 1);

	assert_int_equal(count_parts("Content-Type: multipart/mixed; boundary=b\n\n--b\nx\n--b\ny"),
			 2);
	assert_int_equal(
		count_parts(
			"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nx\r\n--b--\r\n"),
		1);
	assert_int_equal(
		count_parts("Content-Type: multipart/mixed; boundary=b\n\n--bb\nx\n--b--\n"), 0);
	assert_int_equal(
		count_parts("Content-Type: multipart/mixed; boundary=b\n\n--b--\n--b\nx\n"), 0);
	assert_int_equal(count_parts("Content-Type: multipart/mixed; boundary=\"b\n\n--b\n"), 0);
	assert_int_equal(count_parts("Content-Type: multipart/mixed; boundary=\n\n--\n"), 0);
	assert_int_equal(count_parts("Content-Type: multipart/mixed; boundary="), 0);
	assert_int_equal(count_parts("boundary=b"), 0);
	assert_int_equal(count_parts(""), 0);

	mime_read("Content-Transfer-Encoding: BASE64\n\nYQ==", 39, &e);
	assert_string_equal(e.type, "text/plain");
	assert_string_equal(e.encoding, "base64");
	assert_int_equal(e.len, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_kinds),	cmocka_unit_test(test_looks_like_mime),
		cmocka_unit_test(test_gzip),	cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_base64),	cmocka_unit_test(test_every_boundary_taken),
		cmocka_unit_test(test_reading),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
