/* SPDX-License-Identifier: Apache-2.0
 *
 * Paths and the network, by Landlock (the kernel's Documentation/userspace-api/landlock.rst): a
 * rule set that handles every right the kernel knows and grants none. What is open stays open.
 */
#include <errno.h>
#include <linux/landlock.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "base/util.h"
#include "vmm/sandbox/sandbox.h"

/* struct landlock_ruleset_attr as of ABI 6; the headers we build with may know less of it. */
struct ruleset {
	uint64_t handled_access_fs, handled_access_net, scoped;
};

/* What each ABI added: the number of rights in each field, counted from bit 0, and how much of the
 * structure the kernel knows. */
static const struct abi {
	unsigned fs, net, scoped;
	size_t size;
} abis[] = {
	{13, 0, 0, offsetof(struct ruleset, handled_access_net)}, /* 1: files and directories */
	{14, 0, 0, offsetof(struct ruleset, handled_access_net)}, /* 2: refer */
	{15, 0, 0, offsetof(struct ruleset, handled_access_net)}, /* 3: truncate */
	{15, 2, 0, offsetof(struct ruleset, scoped)},		  /* 4: bind and connect TCP */
	{16, 2, 0, offsetof(struct ruleset, scoped)},		  /* 5: ioctl on devices */
	{16, 2, 2, sizeof(struct ruleset)},			  /* 6: abstract sockets, signals */
};

static uint64_t first_bits(unsigned n)
{
	return (1ull << n) - 1;
}

int sandbox_restrict_paths(struct err *err)
{
	long version =
		syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	auto_close int fd = -1;
	const struct abi *abi;
	struct ruleset none;

	if (version < 1) {
		log_debug("sandbox: no Landlock: %m");
		return 0;
	}
	abi = &abis[(version > (long)ARRAY_LEN(abis) ? (long)ARRAY_LEN(abis) : version) - 1];
	none = (struct ruleset){first_bits(abi->fs), first_bits(abi->net), first_bits(abi->scoped)};
	fd = (int)syscall(SYS_landlock_create_ruleset, &none, abi->size, 0);
	if (fd < 0 || syscall(SYS_landlock_restrict_self, fd, 0) < 0)
		return err_sys(err, ERR_HOST, "Landlock");
	return 0;
}
