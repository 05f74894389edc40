/* SPDX-License-Identifier: Apache-2.0
 *
 * Which kernel the VM boots, with what command line: found in the VM's own disk at every start,
 * because the guest may have upgraded it, and copied out for the VMM.
 *
 * Copying 30 MB out of a compressed image takes a fifth of a second, so a copy is kept in the cache
 * for each image (CACHE/boot/<digest>/): a disk that no guest ran on yet boots what its image
 * boots. What is copied is unpacked, too (images/inspect/unpack.h), so that no guest spends its start
 * on that. A copy is kept with the VM too (boot/): the next start falls back on it when nothing can
 * be found, or when what is found is stale: the guest did not unmount its file system, and the
 * journal's changes could not be applied while reading.
 *
 * The one thing that is written into the guest's disk is what its boot loader would write there
 * before the kernel starts: an entry for one time (grub-reboot) is marked as used.
 */
#ifndef PROVISION_BOOT_H
#define PROVISION_BOOT_H

#include "provision/step.h"
#include "vmm/config.h"

struct boot_choice {
	char *text;		/* for people: "grub: Debian GNU/Linux, /boot/vmlinuz-6.1.0-37" */
	char *cmdline;		/* the entry's, before croft's console= and the spec's append */
	uint64_t cmdline_limit; /* the kernel's cmdline_size */
	char os_id[64], os_name[128];
	char kernel_digest[80], initrd_digest[80]; /* of both as the disk has them */
	bool has_initrd, unpacked_initrd;
	int kernel, initrd; /* descriptors, or -1 */
};

void boot_choice_init(struct boot_choice *);
void boot_choice_done(struct boot_choice *);

/* Decides and opens. Fills the final command line, with the spec's wishes, into `cmdline`. */
int boot_choose(struct run *, struct boot_choice *out, char cmdline[VMM_MAX_CMDLINE], struct err *);

/* Fills the cache for the image of this run; a failure is left for boot_choose to report. */
void boot_prepare(struct run *);

#endif
