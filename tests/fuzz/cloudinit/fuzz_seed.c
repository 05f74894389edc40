/* SPDX-License-Identifier: Apache-2.0
 *
 * Everything a seed is made of: fields, separated by a byte 0x1e. What can be rendered becomes a
 * disk, the same bytes again, on which another reader (libarchive) finds the documents through Rock
 * Ridge; what went into a message comes out of it; croft's own documents read back as YAML.
 */
#include <archive.h>
#include <archive_entry.h>

#include "base/util.h"
#include "cloudinit/document.h"
#include "cloudinit/mime.h"
#include "cloudinit/seed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define require(condition)                                                                         \
	do {                                                                                       \
		if (!(condition))                                                                  \
			abort();                                                                   \
	} while (0)

/* The next field, as a source; NULL when it is empty or there is none. */
static const struct source *next_field(struct arena *a, const char **at, const char *end)
{
	struct source *src = arena_zalloc(a, sizeof(*src));
	const char *stop = *at < end ? memchr(*at, 0x1e, (size_t)(end - *at)) : NULL;

	*src = (struct source){.name = "field", .text = *at};
	src->len = (size_t)((stop ? stop : end) - *at);
	*at = stop ? stop + 1 : end;
	return src->len ? src : NULL;
}

static const char *next_text(struct arena *a, const char **at, const char *end)
{
	const struct source *src = next_field(a, at, end);

	return src ? arena_strndup(a, src->text, src->len) : NULL;
}

static const struct yaml_node *next_map(struct arena *a, const char **at, const char *end)
{
	const struct source *src = next_field(a, at, end);
	struct yaml_node *root = NULL;
	struct diags ds;

	diags_init(&ds, a);
	if (src)
		root = yaml_parse(src, a, &ds);
	diags_done(&ds);
	return root && !ds.errors && root->kind == YAML_MAP ? root : NULL;
}

static void read_input(struct arena *a, const char *at, const char *end, struct seed_input *in)
{
	*in = (struct seed_input){.user_data = next_field(a, &at, end)};
	in->cloud_config = next_map(a, &at, end);
	in->vendor_data = next_field(a, &at, end);
	in->meta_data = next_field(a, &at, end);
	in->network_config = next_field(a, &at, end);
	in->instance_id = next_text(a, &at, end);
	if (!in->instance_id || !*in->instance_id)
		in->instance_id = "iid";
	in->hostname = next_text(a, &at, end);
	in->fqdn = next_text(a, &at, end);
	in->host_key_private = next_text(a, &at, end);
	in->host_key_public = next_text(a, &at, end);
	while (at < end && in->nnics < SEED_MAX_NICS) {
		struct seed_nic *nic = &in->nics[in->nnics++];

		nic->address = next_text(a, &at, end);
		nic->gateway = next_text(a, &at, end);
		nic->dns[0] = next_text(a, &at, end);
		nic->ndns = nic->dns[0] != NULL;
	}
}

static const struct buf *file_called(const struct seed *seed, const char *name)
{
	for (unsigned f = 0; f < SEED_FILES; f++)
		if (!strcmp(name, seed_file_name(f)))
			return &seed->files[f];
	abort();
}

static void check_disk(const struct seed *seed)
{
	auto_buf struct buf iso = BUF_INIT(SEED_MAX_ISO), again = BUF_INIT(SEED_MAX_ISO);
	struct archive *a = archive_read_new();
	struct archive_entry *entry;
	struct err err = {0};
	unsigned files = 0;

	require(seed_iso(seed, &iso, &err) == 0);
	require(seed_iso(seed, &again, &err) == 0);
	require(iso.len == again.len && !memcmp(iso.data, again.data, iso.len));
	archive_read_support_format_iso9660(a);
	archive_read_set_options(a, "iso9660:!joliet");
	require(archive_read_open_memory(a, iso.data, iso.len) == ARCHIVE_OK);
	while (archive_read_next_header(a, &entry) == ARCHIVE_OK) {
		const struct buf *want;
		size_t done = 0;
		char block[4096];
		la_ssize_t n;

		if (archive_entry_filetype(entry) == AE_IFDIR)
			continue;
		want = file_called(seed, archive_entry_pathname(entry));
		while ((n = archive_read_data(a, block, sizeof(block))) > 0) {
			require(done + (size_t)n <= want->len &&
				!memcmp(want->data + done, block, (size_t)n));
			done += (size_t)n;
		}
		require(done == want->len);
		files++;
	}
	require(files >= 2);
	archive_read_free(a);
}

/* Some part of the message is the document, byte for byte. */
static void check_carries(const struct buf *message, const char *text, size_t len)
{
	struct mime_entity top, e;
	size_t at = 0, part_len;
	const char *part;
	bool found = false;

	mime_read(message->data, message->len, &top);
	while (!found && mime_next(&top, &at, &part, &part_len)) {
		auto_buf struct buf body = BUF_INIT(SEED_MAX_FILE);

		if (part_len == len && !memcmp(part, text, len))
			found = true; /* a message in the message */
		mime_read(part, part_len, &e);
		if (!strcmp(e.encoding, "base64"))
			require(base64_decode(e.body, e.len, &body));
		else
			buf_put(&body, e.body, e.len);
		found |= body.len == len && (!len || !memcmp(body.data, text, len));
	}
	require(found);
}

static void check_user_data(const struct seed_input *in, const struct buf *out)
{
	const struct source *user = in->user_data;
	bool sugar = in->cloud_config && in->cloud_config->n;
	enum document_kind kind = user ? document_kind(user->text, user->len) : DOC_EMPTY;

	require(out->len);
	if (!user || document_is_gzip(user->text, user->len) || kind == DOC_EMPTY)
		return;
	if (sugar || (kind != DOC_MIME && document_looks_like_mime(user->text, user->len)))
		check_carries(out, user->text, user->len);
	else
		require(out->len == user->len && !memcmp(out->data, user->text, user->len));
}

static void check_reads_as_map(struct arena *a, const struct buf *text)
{
	struct source src = {.name = "out", .text = text->data, .len = text->len};
	struct diags ds;
	const struct yaml_node *root;

	if (text->len > YAML_MAX_BYTES)
		return;
	diags_init(&ds, a);
	root = yaml_parse(&src, a, &ds);
	require(root && !ds.errors && root->kind == YAML_MAP);
	diags_done(&ds);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = arena_new();
	struct seed_input in;
	struct seed seed;
	struct err err = {0};

	read_input(a, (const char *)data, (const char *)data + size, &in);
	if (seed_render(&in, &seed, &err) == 0) {
		check_user_data(&in, &seed.files[SEED_USER_DATA]);
		check_reads_as_map(a, &seed.files[SEED_META_DATA]);
		if (!in.network_config && in.nnics)
			check_reads_as_map(a, &seed.files[SEED_NETWORK_CONFIG]);
		check_disk(&seed);
		seed_done(&seed);
	} else {
		require(err.kind != ERR_NONE && *err.msg);
	}
	arena_free(a);
	return 0;
}
