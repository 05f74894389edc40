/* SPDX-License-Identifier: Apache-2.0
 *
 * A guest's console: any bytes, in pieces whose sizes the input chooses. What comes out is bounded,
 * free of control characters, and the same in one piece.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "provision/cistatus.h"
#include "provision/console.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *s, size_t max)
{
	if (strlen(s) >= max)
		abort();
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct console *pieces = calloc(1, sizeof(*pieces)), *whole = calloc(1, sizeof(*whole));
	char *json = malloc(size + 1), *tail;
	struct cloud_init_status status;

	for (size_t at = 0; at < size;) {
		size_t n = 1 + data[at] % 64;

		n = n < size - at ? n : size - at;
		console_feed(pieces, (const char *)data + at, n);
		at += n;
	}
	console_feed(whole, (const char *)data, size);
	if (pieces->lines != whole->lines || strcmp(pieces->last, whole->last))
		abort();
	check_text(whole->last, CONSOLE_LINE);
	for (int f = 0; f < CONSOLE_FACTS; f++)
		check_text(whole->facts[f].line, CONSOLE_LINE);
	for (unsigned i = 0; i < whole->naddresses; i++) {
		/* What ssh may get as an address never begins an option. */
		if (whole->addresses[i].address[0] == '-')
			abort();
		check_text(whole->addresses[i].address, sizeof(whole->addresses[i].address));
	}
	tail = console_tail(whole);
	if (strlen(tail) > (CONSOLE_TAIL + 1) * CONSOLE_LINE)
		abort();
	free(tail);

	memcpy(json, data, size);
	json[size] = '\0';
	if (cloud_init_parse(json, &status))
		check_text(status.error, sizeof(status.error));
	free(json);
	free(pieces);
	free(whole);
	return 0;
}
