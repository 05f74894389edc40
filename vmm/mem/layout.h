/* SPDX-License-Identifier: Apache-2.0
 *
 * The guest's physical address map.
 *
 *   0x0000_0000_0000  RAM
 *   0x0000_0009_FC00  EBDA (reserved in e820)
 *   0x0000_000A_0000  legacy video and ROM area; SMBIOS and RSDP from 0xF_0000
 *   0x0000_0010_0000  RAM up to the hole (at most 3 GiB)
 *   0x0000_C000_0000  32-bit PCI window
 *   0x0000_E800_0000  ECAM, bus 0 only: 1 MiB
 *   0x0000_FEC0_0000  IOAPIC
 *   0x0000_FEE0_0000  local APICs
 *   0x0000_FFFB_C000  KVM's identity map page and TSS (4 pages)
 *   0x0000_FFC0_0000  firmware ROM, when there is one
 *   0x0001_0000_0000  RAM above 4 GiB, then the 64-bit PCI window
 *
 * Ids and ports are chosen such that firmware guests stay possible (guest-platform.md).
 */
#ifndef VMM_MEM_LAYOUT_H
#define VMM_MEM_LAYOUT_H

#include <stdint.h>

#include "base/util.h"

#define LAYOUT_EBDA		UINT64_C(0x0009fc00)
#define LAYOUT_ROM_AREA		UINT64_C(0x000a0000)
#define LAYOUT_BIOS		UINT64_C(0x000e0000) /* ACPI tables from here on */
#define LAYOUT_TABLES		UINT64_C(0x000f0000) /* RSDP, SMBIOS */
#define LAYOUT_HIGH_RAM		UINT64_C(0x00100000)
#define LAYOUT_HOLE		UINT64_C(0xc0000000)
#define LAYOUT_PCI32		UINT64_C(0xc0000000)
#define LAYOUT_PCI32_SIZE	UINT64_C(0x28000000)
#define LAYOUT_ECAM		UINT64_C(0xe8000000)
#define LAYOUT_ECAM_SIZE	(1 * MIB)
#define LAYOUT_IOAPIC		UINT64_C(0xfec00000)
#define LAYOUT_LAPIC		UINT64_C(0xfee00000)
#define LAYOUT_KVM_IDENTITY_MAP UINT64_C(0xfffbc000)
#define LAYOUT_KVM_TSS		UINT64_C(0xfffbd000)
#define LAYOUT_4GIB		UINT64_C(0x100000000)
/* The 64-bit window starts at the first multiple of its size above RAM. */
#define LAYOUT_PCI64_SIZE	(4 * GIB)

/* I/O ports */
#define PORT_PM_BASE	 0x600 /* PM1a event 0x600-0x603, control 0x604-0x605, timer 0x608-0x60b */
#define PORT_COM1	 0x3f8
#define PORT_RTC	 0x70
#define PORT_I8042_DATA	 0x60
#define PORT_I8042_CMD	 0x64
#define PORT_PCI_ADDRESS 0xcf8
#define PORT_RESET	 0xcf9
#define PORT_PCI_DATA	 0xcfc
#define PORT_PVPANIC	 0x505
#define PORT_PCI_IO	 0xc000 /* I/O window of the host bridge: 0xc000-0xffff, unused by our devices */

/* Global system interrupts: the IOAPIC's 24 pins, then MSI routes. */
#define GSI_COM1      4
#define GSI_RTC	      8
#define GSI_SCI	      9
#define GSI_PCI_INTX  16 /* 16-23: INTA-INTD of the slots, swizzled */
#define GSI_MSI_FIRST 24

#endif
