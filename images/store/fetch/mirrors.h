/* SPDX-License-Identifier: Apache-2.0
 *
 * Mirrors in order, and patience: which of several URLs is asked next, how often and how soon.
 */
#ifndef IMAGES_STORE_MIRRORS_H
#define IMAGES_STORE_MIRRORS_H

#include "images/store/fetch/http.h"

enum { MAX_MIRRORS = 16 };

struct mirrors {
	const char *const *urls; /* NULL-terminated */
	unsigned first;		 /* the one to begin with */
	unsigned backoff_ms;	 /* the first pause, which doubles; 0: a second */
	const struct store_progress *progress;
	/* One try, ended as http_get says; err has neither URL nor offset. */
	enum http_end (*attempt)(void *ctx, const char *url, struct http_answer *, struct err *);
	/* How far it is: a try that came further than all before it is progress. */
	uint64_t (*offset)(void *ctx);
	void *ctx;
};

/*
 * Tries until one is HTTP_DONE. A mirror that made progress is asked again at once; one that did
 * not gives way to the next; after a round without any there is a pause, at most four rounds in a
 * row. What is final ends it. On failure err says URL, offset, reason and next move. *answer is
 * that of the last try; its final_url is the caller's.
 */
int mirrors_try(const struct mirrors *, struct http_answer *answer, struct err *err);

#endif
