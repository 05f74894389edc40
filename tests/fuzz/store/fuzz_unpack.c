/* SPDX-License-Identifier: Apache-2.0
 *
 * Archives as the unpacker's child reads them, without the child: what libarchive, zlib and our
 * choice of the image make of hostile bytes. The answer stays within its limit, and an archive that
 * was refused says why. Then the same bytes as the head of an answer: Content-Range.
 */
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/util.h"
#include "images/store/fetch/http.h"
#include "images/store/fetch/unpack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX_BYTES = 1 << 20 };

static void unpack(const uint8_t *data, size_t size, enum packing kind)
{
	auto_close int in = memfd_create("packed", MFD_CLOEXEC),
		       out = memfd_create("image", MFD_CLOEXEC);
	auto_buf struct buf result = BUF_INIT(sizeof(uint64_t));
	struct err err = {0};
	struct tail tail;
	struct unpack u = {kind, &tail, out, "image", MAX_BYTES};
	struct stat st;
	uint64_t length;

	if (in < 0 || out < 0 || write_all(in, data, size) < 0 || tail_open(&tail, in) < 0)
		return;
	tail_add(&tail, size);
	tail_end(&tail);
	if (unpack_work(&u, &result, &err) < 0) {
		assert(err.kind == ERR_VERIFY || err.kind == ERR_CORRUPT || err.kind == ERR_HOST);
		assert(err.msg[0] && !result.len);
	} else {
		assert(result.len == sizeof(length));
		memcpy(&length, result.data, sizeof(length));
		assert(length > 0 && length <= MAX_BYTES);
	}
	assert(fstat(out, &st) == 0 && st.st_size <= MAX_BYTES);
	tail_close(&tail);
}

static void content_range(const uint8_t *data, size_t size)
{
	uint64_t first, last, total;
	char text[100];

	snprintf(text, sizeof(text), "%.*s", (int)min_u64(size, 99), (const char *)data);
	if (http_content_range(text, &first, &last, &total))
		assert(first <= last && (!total || last < total));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	enum packing kind = packing_detect(data, size);

	if (kind != PACK_NONE)
		unpack(data, size, kind);
	else
		content_range(data, size);
	return 0;
}
