/* SPDX-License-Identifier: Apache-2.0
 *
 * See mirrors.h.
 */
#include "images/store/fetch/mirrors.h"

#include <inttypes.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/util.h"
#include "images/store/cache/internal.h"
#include "images/store/fetch/url.h"

enum {
	ROUNDS = 4,
	BACKOFF_MS = 1000,
	PATIENCE_S = 60,	   /* a server that asks for more is not waited for */
	PROGRESS_BYTES = 64 << 10, /* less is what a server may drip to keep us for ever */
};

/* Half of it to all of it, so that many who were cut at once do not come back at once. */
static uint64_t jittered(uint64_t ms)
{
	uint32_t r = 0;

	if (getrandom(&r, sizeof(r), GRND_NONBLOCK) < 0)
		r = UINT32_MAX / 2;
	return ms / 2 + (ms - ms / 2) * r / UINT32_MAX;
}

static int pause_for(const struct mirrors *m, uint64_t ms, struct err *err)
{
	uint64_t until = now_ms() + ms, now;
	auto_free char *stage = NULL;

	if (ms >= 1000) {
		stage = xasprintf("waiting %" PRIu64 " s before the next try: %s", ms / 1000,
				  err->msg);
		progress_stage(m->progress, stage);
	}
	while ((now = now_ms()) < until) {
		uint64_t some = min_u64(until - now, 50);

		if (progress_interrupted(m->progress))
			return err_set(err, ERR_INTERRUPTED,
				       "interrupted before another try (what came is kept)");
		nanosleep(&(struct timespec){.tv_nsec = (long)some * 1000 * 1000}, NULL);
	}
	return 0;
}

/* Who comes after `at`; *wrapped when that is a new round. */
static unsigned next_alive(const bool *dead, unsigned n, unsigned at, bool *wrapped)
{
	for (unsigned i = 1; i <= n; i++) {
		unsigned k = (at + i) % n;

		if (!dead[k]) {
			*wrapped |= at + i >= n;
			return k;
		}
	}
	return n;
}

/* `tried` mirrors were asked; 1: the others do not matter. */
static int give_up(const struct mirrors *m, const char *url, unsigned tried, struct err *why,
		   struct err *err)
{
	auto_free char *shown = url_shown(url);

	if (tried > 1)
		err_hint(why, "the last of %u mirrors", tried);
	err_wrap(why, "%s at byte %" PRIu64, shown, m->offset(m->ctx));
	if (err)
		*err = *why;
	return -1;
}

int mirrors_try(const struct mirrors *m, struct http_answer *answer, struct err *err)
{
	unsigned n = 0, at = m->first, round = 0;
	uint64_t best = m->offset(m->ctx);
	bool dead[MAX_MIRRORS] = {false};

	while (n < MAX_MIRRORS && m->urls[n])
		n++;
	if (at >= n)
		return err_set(err, ERR_DOWNLOAD, "there is no URL to fetch it from");
	for (;;) {
		struct err why = {.kind = ERR_NONE};
		const char *url = m->urls[at];
		enum http_end end = m->attempt(m->ctx, url, answer, &why);
		uint64_t off = m->offset(m->ctx), wait;
		bool moved = off >= best + PROGRESS_BYTES, wrapped = false;

		if (end == HTTP_DONE)
			return 0;
		free(take_ptr(answer->final_url)); /* it answered, and that was not all */
		if (end == HTTP_STOP)
			return give_up(m, url, 1, &why, err);
		best = max_u64(best, off);
		if (moved)
			round = 0;
		if (answer->retry_after_s > PATIENCE_S)
			err_hint(&why, "it asks to come back in %u s", answer->retry_after_s);
		dead[at] = (end == HTTP_DEAD && !moved) || answer->retry_after_s > PATIENCE_S;
		if (!moved || dead[at])
			at = next_alive(dead, n, at, &wrapped);
		round += wrapped;
		if (at == n || round == ROUNDS)
			return give_up(m, url, n, &why, err);
		wait = jittered((m->backoff_ms ? m->backoff_ms : BACKOFF_MS) << round >> 1);
		wait = max_u64(wait, answer->retry_after_s * UINT64_C(1000));
		if ((wrapped || moved) && pause_for(m, wait, &why) < 0)
			return give_up(m, url, 1, &why, err);
	}
}
