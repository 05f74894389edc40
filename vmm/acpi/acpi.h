/* SPDX-License-Identifier: Apache-2.0
 *
 * The description of the machine that the guest's firmware interface is made of: ACPI tables.
 */
#ifndef VMM_ACPI_ACPI_H
#define VMM_ACPI_ACPI_H

#include <stdint.h>

#include "base/err.h"
#include "vmm/mem/gmem.h"

struct acpi_config {
	unsigned cpus; /* APIC id = index */
	uint64_t pci64, pci64_size;
	uint32_t slots; /* a bit for each PCI slot that has an interrupt pin */
};

/* Writes all tables from LAYOUT_BIOS on, and the RSDP where a guest also finds it by searching. */
int acpi_put_tables(struct gmem *, const struct acpi_config *, gpa_t *rsdp, struct err *);

#endif
