/* SPDX-License-Identifier: Apache-2.0
 *
 * Records of images: raw bytes as the text. What is read can be written, and reads as the same.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "images/store/cache/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct image_record rec, again;
	char *text, *twice;

	if (image_record_parse((const char *)data, size, &rec, NULL) < 0)
		return 0;
	text = image_record_text(&rec, NULL);
	if (!text || (rec.content[0] && image_record_parse(text, strlen(text), &again, NULL) < 0))
		abort();
	if (rec.content[0]) {
		twice = image_record_text(&again, NULL);
		if (!twice || strcmp(text, twice))
			abort();
		free(twice);
		image_record_done(&again);
	}
	free(text);
	image_record_done(&rec);
	return 0;
}
