/* SPDX-License-Identifier: Apache-2.0
 *
 * croft image inspect FILE: what an image is, what is in it, and how croft would boot it. Nothing is
 * mounted and nothing needs root.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "base/util.h"
#include "cli/commands.h"
#include "cli/show.h"
#include "cli/table.h"
#include "images/inspect/inspect.h"

static const struct option_def options[] = {
	{"verbose", 'v', NULL, false, "also say what was looked at on the way"},
	{0},
};

static void print_image(const struct blk_info *i, const char *path)
{
	char virtual_size[SIZE_TEXT], allocated[SIZE_TEXT], cluster[SIZE_TEXT];

	printf("image:   %s\n", path);
	printf("format:  %s", blk_format_name(i->format));
	if (i->format == BLK_QCOW2)
		printf(" version %u, %s clusters%s%s", i->qcow2_version,
		       format_size(i->cluster_size, cluster, sizeof(cluster)),
		       i->extended_l2 ? " with subclusters" : "",
		       i->compressed_zstd ? ", compressed clusters are zstd" : "");
	printf("\nsize:    %s virtual, %s on this disk\n",
	       format_size(i->virtual_size, virtual_size, sizeof(virtual_size)),
	       format_size(i->allocated, allocated, sizeof(allocated)));
	if (i->backing[0])
		printf("backing: %s (not followed: croft refuses it in an image from outside)\n", i->backing);
	if (i->dirty)
		puts("dirty:   was not closed cleanly");
	if (i->corrupt)
		puts("corrupt: marked as corrupt; repair it with qemu-img check -r all");
}

static void print_parts(const struct inspect *in)
{
	static const char *const headings[] = {"PART", "START", "SIZE", "TYPE", "FS", "LABEL", "UUID", "NOTE", NULL};
	struct table *t = table_new(headings);

	printf("table:   %s%s\n\n", in->table, in->gpt_backup ? " (the primary header is bad; the backup was used)" : "");
	for (unsigned i = 0; i < in->nparts; i++) {
		const struct inspect_part *p = &in->part[i];
		char size[SIZE_TEXT];

		if (p->number)
			table_cell(t, "%u", p->number);
		else
			table_cell(t, "disk");
		table_cell(t, "%" PRIu64, p->off);
		table_cell(t, "%s", format_size(p->size, size, sizeof(size)));
		table_cell(t, "%s", p->type_name[0] ? p->type_name : p->type[0] ? p->type : "-");
		table_cell(t, "%s%s", p->fs[0] ? p->fs : "-", p->fs_dirty ? " (dirty)" : "");
		table_cell(t, "%s", p->fs_label[0] ? p->fs_label : "-");
		table_cell(t, "%s", p->fs_uuid[0] ? p->fs_uuid : "-");
		table_cell(t, "%s", p->note);
	}
	table_print(t, stdout);
	table_free(t);
	putchar('\n');
}

static void print_boot(const struct inspect *in)
{
	const struct boot_entry *b = &in->boot;
	const struct kernel_facts *k = &in->kernel;

	if (in->os.id[0])
		printf("system:  %s (%s %s)\n", in->os.pretty_name, in->os.id, in->os.version_id);
	if (b->source == BOOT_NONE) {
		printf("boot:    %s\n", in->boot_note);
		return;
	}
	printf("boot:    %s, %s on partition %u\n", boot_source_name(b->source), b->config, b->part);
	printf("entry:   %s\n", b->title[0] ? b->title : "(no title)");
	printf("kernel:  %s\n", b->kernel);
	for (unsigned i = 0; i < b->ninitrd; i++)
		printf("initrd:  %s\n", b->initrd[i]);
	printf("options: %s\n", b->cmdline);
	if (!k->kind[0])
		return;
	printf("version: %s\n", k->version[0] ? k->version : "-");
	printf("type:    %s", k->kind);
	if (k->protocol)
		printf(", boot protocol %u.%u", k->protocol >> 8, k->protocol & 0xff);
	printf("%s%s%s%s%s\n", k->entry64 ? ", 64-bit entry" : "", k->relocatable ? ", relocatable" : "",
	       k->pvh ? ", PVH entry" : "", k->payload[0] ? ", payload " : "", k->payload);
}

static json_t *image_json(const struct blk_info *i)
{
	return json_pack("{s:s, s:I, s:I, s:I, s:i, s:i, s:b, s:b, s:s, s:s}", "format",
			 blk_format_name(i->format), "virtual_size", (json_int_t)i->virtual_size,
			 "file_size", (json_int_t)i->file_size, "allocated", (json_int_t)i->allocated,
			 "qcow2_version", (int)i->qcow2_version, "cluster_size", (int)i->cluster_size,
			 "dirty", i->dirty, "corrupt", i->corrupt, "backing", i->backing,
			 "unknown_features", i->unknown_features);
}

static int print_json(const struct inspect *in, const struct blk_info *info, const char *path,
		      struct err *err)
{
	auto_free char *text = inspect_json(in);
	json_t *j = text ? json_loads(text, 0, NULL) : NULL;

	if (!j)
		return err_set(err, ERR_FAILED, "cannot make JSON of the result");
	json_object_set_new(j, "file", json_string(path));
	json_object_set_new(j, "image", image_json(info));
	show_json(j);
	return 0;
}

static int inspect_file(const struct cli *cli, const char *path, struct err *err)
{
	auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct inspect *in = NULL;
	struct blk_info info;
	int rc = 0;

	if (fd < 0)
		return err_sys(err, errno == ENOENT ? ERR_NOT_FOUND : ERR_FAILED, "cannot open");
	if (blk_probe(fd, &info, err) < 0)
		return -1;
	if (info.backing[0] || info.external_data || info.encrypted || info.unknown_features[0]) {
		if (cli->output == OUT_TABLE)
			print_image(&info, path);
		return blk_check_foreign(fd, UINT64_MAX, &info, err);
	}

	struct blk_layer layer = {.fd = take_fd(&fd), .format = info.format, .name = path};
	auto_blk struct blk *blk = blk_open(&layer, 1, BLK_RDONLY, err);

	if (!blk || !(in = inspect_disk(blk, err)))
		return -1;
	if (cli->output == OUT_JSON) {
		rc = print_json(in, &info, path, err);
	} else {
		print_image(&info, path);
		print_parts(in);
		print_boot(in);
		if (cli_option(cli, "verbose") && in->trail)
			printf("\nlooked at:\n%s", in->trail);
	}
	inspect_free(in);
	return rc;
}

static int run(struct cli *cli, struct err *err)
{
	return inspect_file(cli, cli->args[0], err) < 0 ? err_wrap(err, "%s", cli->args[0]) : 0;
}

const struct command cmd_image_inspect = {
	.name = "image inspect",
	.args = "FILE",
	.summary = "show an image's partitions, file systems, system and boot entry",
	.options = options,
	.min_args = 1,
	.max_args = 1,
	.json = true,
	.run = run,
};
