/* SPDX-License-Identifier: Apache-2.0
 *
 * What the machine says it is: SMBIOS tables. cloud-init finds its data source by the system's serial
 * number, and systemd takes credentials from the OEM strings.
 */
#ifndef VMM_SMBIOS_SMBIOS_H
#define VMM_SMBIOS_SMBIOS_H

#include <stdint.h>

#include "base/err.h"
#include "vmm/mem/gmem.h"

struct smbios_config {
	const char *uuid;   /* 8-4-4-4-12 hexadecimal digits, or empty: none */
	const char *serial; /* of the system, or empty */
	unsigned cpus;
	uint64_t memory; /* bytes */
	const char *const *oem_strings;
	unsigned noem_strings;
};

/* Writes the entry point and the table behind the RSDP. */
int smbios_put_tables(struct gmem *, const struct smbios_config *, struct err *);

#endif
