/* SPDX-License-Identifier: Apache-2.0
 *
 * Progress of several transfers at once: see lines.h.
 */
#include "cli/lines.h"

#include <pthread.h>
#include <sys/ioctl.h>

#include "base/mem.h"
#include "base/num.h"
#include "base/util.h"
#include "cli/progress.h"

enum { REDRAW_MS = 100, PLAIN_MS = 10000 };

struct line {
	struct lines *all;
	const char *title;
	char stage[256], moved[128];
	struct meter meter;
	uint64_t told_ms; /* without a terminal */
};

struct lines {
	pthread_mutex_t lock;
	bool quiet, redraw;
	unsigned drawn; /* lines above the cursor that are ours */
	uint64_t drawn_ms;
	bool (*interrupted)(void *ctx);
	size_t n;
	struct line line[];
};

struct lines *lines_new(const struct cli *cli, const char *const titles[], size_t n,
			bool (*interrupted)(void *ctx))
{
	struct lines *l = xzalloc(sizeof(*l) + n * sizeof(l->line[0]));
	struct winsize ws;

	pthread_mutex_init(&l->lock, NULL);
	l->quiet = cli->quiet;
	/* More lines than the terminal has cannot be redrawn in place. */
	l->redraw = cli->tty && ioctl(STDERR_FILENO, TIOCGWINSZ, &ws) == 0 && n < ws.ws_row;
	l->interrupted = interrupted;
	l->n = n;
	for (size_t i = 0; i < n; i++)
		l->line[i] = (struct line){.all = l, .title = titles[i]};
	return l;
}

void lines_free(struct lines *l)
{
	if (!l)
		return;
	pthread_mutex_destroy(&l->lock);
	free(l);
}

/* Names of servers are somebody else's text: nothing of them may steer the terminal. */
static void put(const char *s, size_t width)
{
	for (; *s && width; s++, width--)
		putc((unsigned char)*s < ' ' || *s == 0x7f ? ' ' : *s, stderr);
}

static void put_line(const struct line *line, size_t width)
{
	char text[600];

	snprintf(text, sizeof(text), "%s: %s%s%s", line->title, line->stage,
		 line->moved[0] ? "  " : "", line->moved);
	put(text, width);
}

static void redraw(struct lines *l, bool now)
{
	struct winsize ws = {.ws_col = 80};

	if (!now && now_ms() - l->drawn_ms < REDRAW_MS)
		return;
	l->drawn_ms = now_ms();
	ioctl(STDERR_FILENO, TIOCGWINSZ, &ws);
	if (l->drawn)
		fprintf(stderr, "\x1b[%uA", l->drawn);
	for (size_t i = 0; i < l->n; i++) {
		putc('\r', stderr);
		put_line(&l->line[i], ws.ws_col > 20 ? ws.ws_col - 1u : 79);
		fputs("\x1b[K\n", stderr);
	}
	l->drawn = (unsigned)l->n;
	fflush(stderr);
}

static void show(struct line *line, bool changed)
{
	struct lines *l = line->all;

	if (l->quiet)
		return;
	if (l->redraw) {
		redraw(l, changed);
	} else if (changed || now_ms() - line->told_ms >= PLAIN_MS) {
		put_line(line, 600);
		putc('\n', stderr);
		line->told_ms = now_ms();
	}
}

static void on_stage(void *ctx, const char *what)
{
	struct line *line = ctx;

	pthread_mutex_lock(&line->all->lock);
	snprintf(line->stage, sizeof(line->stage), "%s", what);
	line->moved[0] = '\0';
	line->meter = (struct meter){0};
	show(line, true);
	pthread_mutex_unlock(&line->all->lock);
}

static void on_bytes(void *ctx, uint64_t done, uint64_t total)
{
	struct line *line = ctx;

	pthread_mutex_lock(&line->all->lock);
	meter_text(&line->meter, done, total, line->moved, sizeof(line->moved));
	show(line, false);
	pthread_mutex_unlock(&line->all->lock);
}

static void on_note(void *ctx, const char *text)
{
	struct line *line = ctx;

	pthread_mutex_lock(&line->all->lock);
	if (line->all->drawn)
		fputs("\r\x1b[J", stderr);
	fputs("croft: note: ", stderr);
	put(text, 1000);
	putc('\n', stderr);
	line->all->drawn = 0; /* what was drawn stays above the note */
	pthread_mutex_unlock(&line->all->lock);
}

static bool on_interrupted(void *ctx)
{
	struct line *line = ctx;

	return line->all->interrupted && line->all->interrupted(NULL);
}

struct store_progress lines_progress(struct lines *l, size_t i)
{
	return (struct store_progress){
		.stage = on_stage,
		.bytes = on_bytes,
		.note = on_note,
		.interrupted = on_interrupted,
		.ctx = &l->line[i],
	};
}

void lines_finish(struct lines *l, size_t i, const char *text)
{
	on_stage(&l->line[i], text);
}
