/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of the machine's description that never changes. What depends on the configuration (the
 * processors, the 64-bit window, which slots have interrupts) comes in the SSDT that tables.c writes.
 * Addresses and ports: vmm/mem/layout.h; test_acpi compares them.
 */
DefinitionBlock ("", "DSDT", 2, "CROFT ", "CROFTVM ", 1)
{
	External (\P64B, IntObj)	/* base and last address of the 64-bit window */
	External (\P64L, IntObj)

	/* SLP_TYP of PM1a, of PM1b (absent), reserved */
	Name (\_S5, Package () { 5, 0, 0, 0 })

	Scope (\_SB)
	{
		Device (PCI0)
		{
			Name (_HID, EisaId ("PNP0A08"))
			Name (_CID, EisaId ("PNP0A03"))
			Name (_UID, 0)
			Name (_SEG, 0)
			Name (_BBN, 0)

			Name (CRES, ResourceTemplate ()
			{
				WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode,
					0, 0, 0, 0, 1)
				IO (Decode16, 0xCF8, 0xCF8, 1, 8)
				WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange,
					0, 0xC000, 0xFFFF, 0, 0x4000)
				DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed,
					NonCacheable, ReadWrite,
					0, 0xC0000000, 0xE7FFFFFF, 0, 0x28000000)
				QWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed,
					NonCacheable, ReadWrite,
					0, 0, 0, 0, 0, , , W64)
			})
			Method (_CRS, 0, Serialized)
			{
				CreateQWordField (CRES, \_SB.PCI0.W64._MIN, WMIN)
				CreateQWordField (CRES, \_SB.PCI0.W64._MAX, WMAX)
				CreateQWordField (CRES, \_SB.PCI0.W64._LEN, WLEN)
				WMIN = P64B
				WMAX = P64L
				WLEN = P64L - P64B + 1
				Return (CRES)
			}

			/* Nothing is handed over: there is no hot-plug, AER or PME to control. The
			   bits of the answer: ACPI 6.4, 6.2.11. */
			Method (_OSC, 4)
			{
				CreateDWordField (Arg3, 0, CDW1)
				If (Arg0 != ToUUID ("33DB4D5B-1FF7-401C-9657-7441C03DD766"))
				{
					CDW1 |= 4	/* unknown UUID */
				}
				ElseIf (Arg1 != 1)
				{
					CDW1 |= 8	/* unknown revision */
				}
				Else
				{
					CreateDWordField (Arg3, 8, CDW3)
					If (CDW3 != 0)
					{
						CDW1 |= 0x10	/* not all that was asked for */
					}
					CDW3 = 0
				}
				Return (Arg3)
			}
		}

		/* What no driver claims. Linux uses ECAM only where it is reserved here. */
		Device (MRES)
		{
			Name (_HID, EisaId ("PNP0C02"))
			Name (_UID, 0)
			Name (_CRS, ResourceTemplate ()
			{
				Memory32Fixed (ReadWrite, 0xE8000000, 0x00100000)
				IO (Decode16, 0x600, 0x600, 1, 0x0C)
			})
		}

		Device (COM1)
		{
			Name (_HID, EisaId ("PNP0501"))
			Name (_UID, 1)
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x3F8, 0x3F8, 1, 8)
				IRQNoFlags () { 4 }
			})
		}

		Device (RTC)
		{
			Name (_HID, EisaId ("PNP0B00"))
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x70, 0x70, 1, 2)
				IRQNoFlags () { 8 }
			})
		}

		Device (PEVT)
		{
			Name (_HID, "QEMU0001")
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, 0x505, 0x505, 1, 1)
			})
		}
	}
}
