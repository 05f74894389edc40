/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors as values. A function that can fail takes `struct err *err` last and returns 0 or -1, or a
 * pointer or NULL. The place that fails says what; each caller that knows more adds it in front with
 * err_wrap(). Only cli/ and vmm/main.c print.
 */
#ifndef BASE_ERR_H
#define BASE_ERR_H

/*
 * What kind of failure it was. The kind decides the exit code (err_exit_code) and nothing else, so
 * a kind exists only where a script would want to tell it apart.
 */
enum err_kind {
	ERR_NONE = 0,	  /* no error: what a zeroed struct err says */
	ERR_FAILED,	  /* general failure */
	ERR_USAGE,	  /* the command line is wrong */
	ERR_SPEC,	  /* the spec, or a file it names, is wrong */
	ERR_HOST,	  /* this host cannot do it: /dev/kvm, permissions, missing programs */
	ERR_DOWNLOAD,	  /* an image could not be fetched */
	ERR_VERIFY,	  /* an image is not what it should be */
	ERR_VM,		  /* the VM did not start, or crashed */
	ERR_TIMEOUT,	  /* not there in time; the VM still runs */
	ERR_CLOUD_INIT,	  /* cloud-init reported errors; the VM is usable */
	ERR_GUEST_CMD,	  /* a command could not be run in the guest */
	ERR_NOT_FOUND,	  /* no such VM, image, key */
	ERR_CONFLICT,	  /* somebody else holds it, or it is in the wrong state */
	ERR_INTERRUPTED,  /* Ctrl-C */
	ERR_UNSUPPORTED,  /* valid, and croft does not do it */
	ERR_CORRUPT,	  /* a file contradicts its own format */
	ERR_KINDS
};

/* By value: nothing to free, and it works when memory is out. Zero it before use: struct err err = {0}. */
struct err {
	enum err_kind kind;
	int sys; /* errno at the time, or 0 */
	char msg[496];
};

/* Sets the error; returns -1 so that `return err_set(...)` reads well. NULL err is allowed everywhere. */
int err_set(struct err *err, enum err_kind kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* As err_set, and appends ": " and strerror(errno). */
int err_sys(struct err *err, enum err_kind kind, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Puts "text: " in front of an error that is set; a text too long loses its end, never its beginning. */
int err_wrap(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Appends " (text)": for hints that only a caller knows. */
int err_hint(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The process exit code for a kind (docs/man/croft.1, EXIT STATUS). */
int err_exit_code(enum err_kind kind);

/* Kind by name and back: for machine-readable output and for crossing the ready pipe. */
const char *err_kind_name(enum err_kind kind);
enum err_kind err_kind_from_name(const char *name);

#endif
