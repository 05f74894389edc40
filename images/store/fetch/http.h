/* SPDX-License-Identifier: Apache-2.0
 *
 * One request over HTTP or HTTPS and along its redirects, through libcurl: RFC 9110 for what a
 * range, a validator and a status mean. The server is not trusted: TLS is always checked, redirects
 * are counted and never lead from https to http, a stream that stalls ends.
 */
#ifndef IMAGES_STORE_HTTP_H
#define IMAGES_STORE_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "images/store/fetch/part.h"
#include "images/store/store.h"

/* What to do after a request, beside saying what happened. */
enum http_end {
	HTTP_DONE,
	HTTP_STOP,  /* final: what a callback refused, Ctrl-C, this host's trouble */
	HTTP_AGAIN, /* the kept bytes are of no use here: the same from byte 0 */
	HTTP_RETRY, /* may pass: a cut, no connection, 5xx, 429 */
	HTTP_DEAD,  /* will not pass soon: 404, TLS, redirects; a stall, which had its time */
};

/* The head of the answer, after redirects. */
struct http_reply {
	struct part_origin origin; /* url is the one that was asked for, as url_shown gives it */
	uint64_t offset;	   /* where the body begins in the file: 0, or as asked */
};

struct http_request {
	const char *url;
	bool head;	      /* HEAD: no body */
	uint64_t offset;      /* from there, by Range; 0: all of it */
	const char *if_range; /* with offset: the validator that the kept bytes came with */
	uint64_t total;	      /* with offset: bytes of the whole, as it was then; 0: unknown */
	unsigned stall_s;     /* 0: 60 */
	const struct store_progress *progress; /* only interrupted is called; may be NULL */
	/* Before the body's first byte, and if there is none; then the body. < 0: HTTP_STOP. */
	int (*begin)(void *ctx, const struct http_reply *, struct err *);
	int (*data)(void *ctx, const void *, size_t, struct err *);
	void *ctx;
};

struct http_answer {
	char *final_url; /* after redirects; owned by the caller, NULL when there was no answer */
	unsigned retry_after_s; /* as the server asked for; 0: it did not */
};

/* Keeps connections between requests; one thread uses it. */
struct http;
struct http *http_open(struct err *);
void http_close(struct http *);

/* What `err` says has neither URL nor offset in it: reason and next move. `answer` may be NULL. */
enum http_end http_get(struct http *, const struct http_request *, struct http_answer *answer,
		       struct err *);

/* "bytes 5-9/100" (RFC 9110, 14.4); total 0 for "*". For this and its tests. */
bool http_content_range(const char *text, uint64_t *first, uint64_t *last, uint64_t *total);

#endif
