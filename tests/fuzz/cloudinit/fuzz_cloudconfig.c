/* SPDX-License-Identifier: Apache-2.0
 *
 * Any bytes as a document of a seed: the check ends, and what it says can be printed. The first
 * byte says which document.
 */
#include "base/util.h"
#include "cloudinit/seed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct source src = {.name = "in"};
	struct arena *arena;
	struct diags ds;
	FILE *out;

	if (!size)
		return 0;
	src.text = (const char *)data + 1;
	src.len = size - 1;
	arena = arena_new();
	diags_init(&ds, arena);
	seed_lint(data[0] % SEED_FILES, &src, arena, &ds);
	out = fopen("/dev/null", "w");
	diags_print(&ds, out, false);
	fclose(out);
	for (size_t i = 0; i < ds.n; i++)
		if (!ds.list[i].source || !ds.list[i].message || !*ds.list[i].message)
			abort();
	diags_done(&ds);
	arena_free(arena);
	return 0;
}
