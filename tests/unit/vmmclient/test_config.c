/* SPDX-License-Identifier: Apache-2.0
 *
 * machine.json: what is read comes out again, and every wrong thing is refused with the place where it
 * stands.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "base/util.h"
#include "vmm/config.h"

static const char whole[] =
	"{\"name\": \"web\", \"uuid\": \"01234567-89ab-cdef-0123-456789abcdef\","
	" \"smbios_serial\": \"ds=nocloud\", \"oem_strings\": [\"a=b\", \"c\"], \"cpus\": 2, \"memory\": 1073741824,"
	" \"kernel\": {\"fd\": 3}, \"initrd\": {\"path\": \"/boot/initrd\"},"
	" \"cmdline\": \"console=ttyS0 \\u00e4\","
	" \"disks\": [{\"id\": \"root\", \"layers\": ["
	"   {\"file\": {\"fd\": 4}, \"format\": \"qcow2\"}, {\"file\": {\"fd\": 5}, \"format\": \"raw\"}]},"
	"  {\"id\": \"seed\", \"read_only\": true, \"layers\": [{\"file\": {\"fd\": 6}, \"format\": \"raw\"}]}],"
	" \"nics\": [{\"id\": \"net0\", \"tap\": {\"fd\": 7}, \"mac\": \"52:54:00:Ab:cd:ef\", \"mtu\": 1500}],"
	" \"rng\": false, \"virtio_console\": true, \"control\": {\"fd\": 8},"
	" \"console_log\": {\"fd\": 9}, \"console_log_max\": 1048576, \"console_stdio\": true,"
	" \"log\": {\"fd\": 10}, \"log_debug\": true, \"ready\": {\"fd\": 11}, \"exit_report\": {\"fd\": 12},"
	" \"on_reboot\": \"stop\", \"on_panic\": \"restart\"}";

static int parse(const char *json, struct vmm_config *c, struct err *err)
{
	return vmm_config_read(json, strlen(json), c, err);
}

static void check_whole(const struct vmm_config *c)
{
	static const uint8_t mac[] = {0x52, 0x54, 0x00, 0xab, 0xcd, 0xef};

	assert_string_equal(c->name, "web");
	assert_string_equal(c->uuid, "01234567-89ab-cdef-0123-456789abcdef");
	assert_string_equal(c->smbios_serial, "ds=nocloud");
	assert_int_equal(c->noem_strings, 2);
	assert_string_equal(c->oem_strings[0], "a=b");
	assert_string_equal(c->oem_strings[1], "c");
	assert_int_equal(c->cpus, 2);
	assert_int_equal(c->memory, GIB);
	assert_int_equal(c->kernel.fd, 3);
	assert_int_equal(c->initrd.fd, -1);
	assert_string_equal(c->initrd.path, "/boot/initrd");
	assert_string_equal(c->cmdline, "console=ttyS0 \xc3\xa4");
	assert_int_equal(c->ndisks, 2);
	assert_int_equal(c->disks[0].nlayers, 2);
	assert_int_equal(c->disks[0].layers[0].format, VMM_QCOW2);
	assert_int_equal(c->disks[0].layers[1].file.fd, 5);
	assert_true(c->disks[1].read_only);
	assert_int_equal(c->disks[1].layers[1].file.fd, -1);
	assert_int_equal(c->nnics, 1);
	assert_memory_equal(c->nics[0].mac, mac, 6);
	assert_int_equal(c->nics[0].mtu, 1500);
	assert_false(c->rng);
	assert_true(c->virtio_console);
	assert_int_equal(c->control.fd, 8);
	assert_int_equal(c->console_log.fd, 9);
	assert_int_equal(c->console_log_max, MIB);
	assert_true(c->console_stdio);
	assert_int_equal(c->log.fd, 10);
	assert_true(c->log_debug);
	assert_int_equal(c->ready.fd, 11);
	assert_int_equal(c->exit_report.fd, 12);
	assert_int_equal(c->on_reboot, VMM_ON_STOP);
	assert_int_equal(c->on_panic, VMM_ON_RESTART);
}

static void test_everything_and_back(void **state)
{
	struct vmm_config one, two;
	auto_buf struct buf json = BUF_INIT(65536);

	(void)state;
	assert_int_equal(parse(whole, &one, NULL), 0);
	check_whole(&one);
	vmm_config_write(&one, &json);
	assert_int_equal(parse(buf_str(&json), &two, NULL), 0);
	check_whole(&two);
	vmm_config_done(&one);
	vmm_config_done(&two);
	vmm_config_done(&two); /* forgives */
}

static void test_defaults(void **state)
{
	struct vmm_config c;

	(void)state;
	assert_int_equal(parse("{\"name\":\"a\",\"memory\":16777216,\"kernel\":{\"fd\":3}}", &c, NULL), 0);
	assert_int_equal(c.cpus, 1);
	assert_true(c.rng);
	assert_false(c.virtio_console);
	assert_int_equal(c.on_reboot, VMM_ON_RESTART);
	assert_int_equal(c.on_panic, VMM_ON_STOP);
	assert_int_equal(c.initrd.fd, -1);
	assert_null(c.initrd.path);
	assert_int_equal(c.control.fd, -1);
	assert_int_equal(c.disks[VMM_MAX_DISKS - 1].layers[VMM_MAX_LAYERS - 1].file.fd, -1);
	vmm_config_done(&c);
}

#define BASE "\"name\":\"a\",\"memory\":16777216,\"kernel\":{\"fd\":3}"
#define DISK(id, fd) "{\"id\":\"" id "\",\"layers\":[{\"file\":{\"fd\":" fd "},\"format\":\"raw\"}]}"
#define NIC(mac, fd) "{\"id\":\"n\",\"tap\":{\"fd\":" fd "},\"mac\":\"" mac "\"}"

static void test_refused(void **state)
{
	static const struct {
		const char *json, *says;
	} cases[] = {
		{"", "1:0: "},
		{"{", "1:1: "},
		{"[]", "machine: expected an object"},
		{"{" BASE "} x", "1:"},
		{"{\"memory\":16777216,\"kernel\":{\"fd\":3}}", "machine: 'name' is missing"},
		{"{" BASE ",\"name\":\"b\"}", "duplicate"},
		{"{" BASE ",\"cpu\":1}", "machine: unknown key 'cpu' (did you mean 'cpus'?)"},
		{"{" BASE ",\"cpus\":0}", "cpus: 0 is not within 1 and 64"},
		{"{" BASE ",\"cpus\":65}", "cpus: 65 is not"},
		{"{" BASE ",\"cpus\":-1}", "cpus: -1 is not"},
		{"{" BASE ",\"cpus\":2.0}", "cpus: expected an integer"},
		{"{" BASE ",\"cpus\":\"2\"}", "cpus: expected an integer"},
		{"{" BASE ",\"rng\":1}", "rng: expected true or false"},
		{"{" BASE ",\"cmdline\":\"a\\nb\"}", "cmdline: has control characters"},
		{"{" BASE ",\"cmdline\":\"a\\u0000b\"}", "\\u0000"},
		{"{" BASE ",\"uuid\":\"0123\"}", "uuid: '0123' is not"},
		{"{" BASE ",\"oem_strings\":\"a\"}", "oem_strings: expected a list"},
		{"{" BASE ",\"oem_strings\":[\"a\",{}]}", "oem_strings[1]: expected a string"},
		{"{" BASE ",\"oem_strings\":[\"\"]}", "oem_strings[0]: empty"},
		{"{" BASE ",\"on_reboot\":\"halt\"}", "on_reboot: expected \"restart\" or \"stop\""},
		{"{" BASE ",\"initrd\":\"/x\"}", "initrd: expected {"},
		{"{" BASE ",\"initrd\":{}}", "initrd: expected {"},
		{"{" BASE ",\"initrd\":{\"fd\":4,\"path\":\"/x\"}}", "initrd: expected {"},
		{"{" BASE ",\"initrd\":{\"fd\":2}}", "initrd: a descriptor is"},
		{"{" BASE ",\"initrd\":{\"fd\":1000000}}", "initrd: a descriptor is"},
		{"{" BASE ",\"initrd\":{\"path\":\"\"}}", "initrd: a path is"},
		{"{" BASE ",\"initrd\":{\"fd\":3}}", "descriptor 3 is named twice"},
		{"{" BASE ",\"disks\":{}}", "disks: expected a list"},
		{"{" BASE ",\"disks\":[1]}", "disks[0]: expected an object"},
		{"{" BASE ",\"disks\":[{\"id\":\"x\"}]}", "disks[0]: 'layers' is missing"},
		{"{" BASE ",\"disks\":[{\"id\":\"x\",\"layers\":[]}]}", "disks[0].layers: 0 entries"},
		{"{" BASE ",\"disks\":[" DISK("123456789012345678901", "4") "]}", "disks[0].id: longer than 20"},
		{"{" BASE ",\"disks\":[" DISK("", "4") "]}", "disks[0].id: empty"},
		{"{" BASE ",\"disks\":[" DISK("a", "4") "," DISK("a", "5") "]}", "disks[1].id: 'a' is taken"},
		{"{" BASE ",\"disks\":[{\"id\":\"x\",\"layers\":[{\"file\":{\"fd\":4},\"format\":\"vmdk\"}]}]}",
		 "disks[0].layers[0].format: expected \"raw\" or \"qcow2\""},
		{"{" BASE ",\"nics\":[" NIC("52:54:00:00:00", "4") "]}", "nics[0].mac: expected"},
		{"{" BASE ",\"nics\":[" NIC("53:54:00:00:00:01", "4") "]}", "is no address of one interface"},
		{"{" BASE ",\"nics\":[" NIC("00:00:00:00:00:00", "4") "]}", "is no address of one interface"},
		{"{" BASE ",\"nics\":[" NIC("52:54:00:00:00:01", "4") "," NIC("52:54:00:00:00:01", "5") "]}",
		 "nics[1].mac: taken by nics[0]"},
		{"{\"name\":\"a\",\"memory\":16777217,\"kernel\":{\"fd\":3}}", "memory: 16777217 is not a multiple"},
		{"{\"name\":\"a\",\"memory\":1048576,\"kernel\":{\"fd\":3}}", "memory: 1048576 is not within"},
		{"{\"name\":\"\",\"memory\":16777216,\"kernel\":{\"fd\":3}}", "name: empty"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct vmm_config c;
		struct err err = {0};

		if (parse(cases[i].json, &c, &err) == 0)
			fail_msg("accepted: %s", cases[i].json);
		assert_int_equal(err.kind, ERR_SPEC);
		if (!strstr(err.msg, cases[i].says))
			fail_msg("%s\n  gave: %s\n  want: %s", cases[i].json, err.msg, cases[i].says);
	}
}

static void test_lists_have_ends(void **state)
{
	auto_buf struct buf json = BUF_INIT(65536);
	struct vmm_config c;
	struct err err = {0};

	(void)state;
	buf_puts(&json, "{" BASE ",\"disks\":[");
	for (int i = 0; i <= VMM_MAX_DISKS; i++)
		buf_printf(&json, "%s{\"id\":\"d%d\",\"layers\":[{\"file\":{\"fd\":%d},\"format\":\"raw\"}]}",
			   i ? "," : "", i, 10 + i);
	buf_puts(&json, "]}");
	assert_int_equal(vmm_config_read(json.data, json.len, &c, &err), -1);
	assert_non_null(strstr(err.msg, "disks: 21 entries, expected 0 to 20"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_everything_and_back),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_lists_have_ends),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
