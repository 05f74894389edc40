/* SPDX-License-Identifier: Apache-2.0
 *
 * Checksum files in the form each distribution publishes, and in forms that must be refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "images/store/trust/checksum.h"

#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B64 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define A128 A64 A64

static void forms_that_are_published(void **state)
{
	static const struct {
		const char *what, *file, *text, *digest;
	} good[] = {
		{"GNU, two blanks (Debian, Alma)", "SHA512SUMS", A128 "  other\n" A128 "  x.qcow2\n", "sha512:" A128},
		{"GNU binary (Ubuntu)", "SHA256SUMS", B64 " *other\n" A64 " *x.qcow2\n", "sha256:" A64},
		{"one blank (openSUSE)", "x.qcow2.sha256", A64 " x.qcow2\n", "sha256:" A64},
		{"BSD with comments (Rocky, CentOS)", "CHECKSUM",
		 "# x.qcow2: 123 bytes\nSHA256 (x.qcow2) = " A64 "\nSHA256 (y) = " B64 "\n", "sha256:" A64},
		{"BSD sha512", "CHECKSUM", "SHA512 (x.qcow2) = " A128 "\n", "sha512:" A128},
		{"bare (Alpine)", "x.qcow2.sha512", A128 "\n", "sha512:" A128},
		{"no end of line", "SHA256SUMS", A64 "  x.qcow2", "sha256:" A64},
		{"CRLF and trailing blanks", "SHA256SUMS", A64 "  x.qcow2 \t\r\n", "sha256:" A64},
		{"./ before the name", "SHA256SUMS", A64 "  ./x.qcow2\n", "sha256:" A64},
		{"upper case", "SHA256SUMS", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA  x.qcow2\n",
		 "sha256:" A64},
		{"the same digest twice", "CHECKSUM", A64 "  x.qcow2\n" A64 "  x.qcow2\n", "sha256:" A64},
		{"clearsigned (Fedora), dash escaped, CRLF", "CHECKSUM",
		 "-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\n# x.qcow2: 1 bytes\r\n"
		 "SHA256 (x.qcow2) = " A64 "\r\n- --- a line with dashes\r\n-----BEGIN PGP SIGNATURE-----\r\n\r\nabc\r\n"
		 "-----END PGP SIGNATURE-----\r\n",
		 "sha256:" A64},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		char digest[DIGEST_TEXT] = "";
		struct err err = {0};

		if (checksum_find(good[i].text, strlen(good[i].text), good[i].file, "x.qcow2", digest, &err) < 0 ||
		    strcmp(digest, good[i].digest) != 0)
			fail_msg("%s: '%s' %s", good[i].what, digest, err.msg);
	}
}

static void forms_that_are_refused(void **state)
{
	static const struct {
		const char *what, *file, *text, *says;
	} bad[] = {
		{"empty", "SHA256SUMS", "", "lists no file"},
		{"another file's", "SHA256SUMS", A64 "  x.qcow3\n", "it has one for 'x.qcow3'"},
		{"two digests", "SHA256SUMS", A64 "  x.qcow2\n" B64 "  x.qcow2\n", "two different digests"},
		{"too short", "SHA256SUMS", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa  x.qcow2\n", "neither sha256 nor sha512"},
		{"label and length disagree", "CHECKSUM", "SHA512 (x.qcow2) = " A64 "\n", "has the length of SHA256"},
		{"file name and length disagree", "SHA512SUMS", A64 "  x.qcow2\n", "named for SHA512"},
		{"two bare digests", "x.sha256", A64 "\n" B64 "\n", "has no digest for"},
		{"a bare digest in a list", "SHA256SUMS", A64 "\n" B64 "  y\n", "has no digest for"},
		{"a web page", "SHA256SUMS", "<html><body>404</body></html>\n", "is it a checksum file?"},
		{"outside the signed part", "CHECKSUM",
		 A64 "  x.qcow2\n-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n" B64
		     "  y\n-----BEGIN PGP SIGNATURE-----\n",
		 "has no digest for"},
		{"after the signature", "CHECKSUM",
		 "-----BEGIN PGP SIGNED MESSAGE-----\n\n" B64 "  y\n-----BEGIN PGP SIGNATURE-----\n-----END PGP "
		 "SIGNATURE-----\n" A64 "  x.qcow2\n",
		 "has no digest for"},
		{"a message cut off", "CHECKSUM", "-----BEGIN PGP SIGNED MESSAGE-----\n\n" A64 "  x.qcow2\n",
		 "has no digest for"},
		{"a name that only ends alike", "SHA256SUMS", A64 "  dir/x.qcow2\n", "has no digest for"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char digest[DIGEST_TEXT] = "untouched";
		struct err err = {0};
		int rc = checksum_find(bad[i].text, strlen(bad[i].text), bad[i].file, "x.qcow2", digest, &err);

		if (rc != -1 || err.kind != ERR_VERIFY || !strstr(err.msg, bad[i].says) ||
		    strcmp(digest, "untouched") != 0)
			fail_msg("%s: %d '%s' %s", bad[i].what, rc, digest, err.msg);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms_that_are_published),
		cmocka_unit_test(forms_that_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
