/* SPDX-License-Identifier: Apache-2.0
 *
 * Catalogs, merged with the built-in one: every image of what is left can be looked up, and its
 * addresses are https.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/util.h"
#include "images/store/catalog/catalog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look_up(struct catalog *c, const struct catalog_version *v)
{
	auto_free char *name = xasprintf("%s:%s", v->distro, v->version);
	struct catalog_image i;

	if (!v->arches[0] || catalog_find(c, name, v->arches[0], &i, NULL) < 0)
		return; /* an alias of an earlier version may have this version's name */
	for (size_t k = 0; i.mirrors[k]; k++)
		if (!text_starts(i.mirrors[k], "https://"))
			abort();
	for (size_t k = 0; k < i.nkeys; k++)
		if (!text_starts(i.keys[k].url, "https://") || strlen(i.keys[k].fingerprint) < 40)
			abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	char path[32];
	const char *files[] = {path, NULL};
	struct catalog_version v;
	struct catalog *c;
	size_t at = 0;

	if (fd < 0)
		fd = memfd_create("catalog", MFD_CLOEXEC);
	if (ftruncate(fd, 0) < 0 || pwrite_all(fd, data, size, 0) < 0)
		abort();
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	c = catalog_check(files);
	while (catalog_next(c, &at, &v))
		if (!strcmp(v.from, path))
			look_up(c, &v);
	catalog_close(c);
	return 0;
}
