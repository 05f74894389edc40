/* SPDX-License-Identifier: Apache-2.0
 *
 * Progress on stderr: see progress.h.
 */
#include "cli/progress.h"

#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>

#include "base/num.h"
#include "base/util.h"

static struct {
	bool started, tty, quiet, colour;
	bool drawn;	       /* an unfinished line stands on the terminal */
	char step[24];	       /* the step under way */
	uint64_t last_plain_ms; /* without a terminal: when something was last said */
	struct meter meter;
	uint64_t bytes_last_ms;
} progress;

static volatile sig_atomic_t interrupted_flag;

static void on_interrupt(int sig)
{
	(void)sig;
	interrupted_flag = 1;
}

static bool was_interrupted(void *ctx)
{
	(void)ctx;
	return interrupted_flag;
}

static unsigned terminal_width(void)
{
	struct winsize ws;

	return ioctl(STDERR_FILENO, TIOCGWINSZ, &ws) == 0 && ws.ws_col > 20 ? ws.ws_col : 80;
}

/* A guest's console text is somebody else's: nothing of it may steer the terminal. */
static void plain_text(char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s < ' ' || *s == 0x7f)
			*s = ' ';
}

static void draw(const char *text)
{
	char line[512];

	snprintf(line, sizeof(line), "%s", text);
	plain_text(line);
	fprintf(stderr, "\r%.*s\x1b[K", (int)min_u64(terminal_width() - 1, sizeof(line)), line);
	fflush(stderr);
	progress.drawn = true;
}

void progress_end(void)
{
	if (progress.drawn)
		fputs("\r\x1b[K", stderr);
	fflush(stderr);
	progress.drawn = false;
}

static void step(void *ctx, const char *name, bool done, const char *text)
{
	char line[512];

	(void)ctx;
	if (progress.quiet)
		return;
	snprintf(progress.step, sizeof(progress.step), "%s", name);
	progress.meter = (struct meter){0};
	snprintf(line, sizeof(line), "  %-8s %s", name, text ? text : "");
	if (!done) {
		if (progress.tty)
			draw(line);
		return;
	}
	progress_end();
	plain_text(line);
	if (progress.colour)
		fprintf(stderr, "\x1b[32m✓\x1b[0m%s\n", line + 1);
	else
		fprintf(stderr, "%s\n", line);
}

static void waiting(void *ctx, const char *what, const char *last_seen, uint64_t since_ms)
{
	char line[512], age[SIZE_TEXT];
	uint64_t now = now_ms();

	(void)ctx;
	if (progress.quiet)
		return;
	format_duration(since_ms, age, sizeof(age));
	snprintf(line, sizeof(line), "  %-8s %s (%s)%s%s", "wait", what, age,
		 last_seen && *last_seen ? "  last seen: " : "", last_seen ? last_seen : "");
	if (progress.tty) {
		draw(line);
	} else if (now - progress.last_plain_ms >= 10000) {
		plain_text(line);
		fprintf(stderr, "%s\n", line);
		progress.last_plain_ms = now;
	}
}

enum { METER_MS = 5000 };

uint64_t meter_rate(struct meter *m, uint64_t now, uint64_t done)
{
	if (!m->from.ms || done < m->next.bytes) { /* it begins, or begins again */
		m->from.ms = m->next.ms = now;
		m->from.bytes = m->next.bytes = done;
	} else if (now - m->next.ms >= METER_MS) {
		m->from = m->next;
		m->next.ms = now;
		m->next.bytes = done;
	}
	return (done - m->from.bytes) * 1000 / max_u64(now - m->from.ms, 1);
}

char *meter_text(struct meter *m, uint64_t done, uint64_t total, char *out, size_t n)
{
	char have[SIZE_TEXT], all[SIZE_TEXT] = "", rate_text[SIZE_TEXT], left[SIZE_TEXT];
	uint64_t rate = meter_rate(m, now_ms(), done), percent;

	format_size(done, have, sizeof(have));
	format_size(rate, rate_text, sizeof(rate_text));
	if (!total) {
		snprintf(out, n, "%s, %s/s", have, rate_text);
		return out;
	}
	done = min_u64(done, total);
	percent = total >= 100 ? done / (total / 100) : done * 100 / total;
	format_size(total, all, sizeof(all));
	format_duration(rate ? (total - done) / rate * 1000 : 0, left, sizeof(left));
	snprintf(out, n, "%s of %s (%u%%), %s/s%s%s%s", have, all, (unsigned)min_u64(percent, 100), rate_text,
		 rate ? ", " : "", rate ? left : "", rate ? " left" : "");
	return out;
}

static void bytes(void *ctx, uint64_t done, uint64_t total)
{
	char line[256], text[200];
	uint64_t now = now_ms();
	bool first = !progress.meter.from.ms;

	(void)ctx;
	if (progress.quiet)
		return;
	if (first)
		progress.bytes_last_ms = now;
	meter_text(&progress.meter, done, total, text, sizeof(text));
	if (now - progress.bytes_last_ms < (progress.tty ? 100 : 10000) && (first || done != total))
		return;
	progress.bytes_last_ms = now;
	snprintf(line, sizeof(line), "  %-8s %s", progress.step, text);
	if (progress.tty)
		draw(line);
	else
		fprintf(stderr, "%s\n", line);
}

static void note(void *ctx, const char *text)
{
	char line[1024];

	(void)ctx;
	progress_end();
	snprintf(line, sizeof(line), "%s", text);
	plain_text(line);
	fprintf(stderr, "croft: note: %s\n", line);
}

void progress_start(const struct cli *cli, struct reporter *r)
{
	struct sigaction sa = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND}, was;

	progress.started = true;
	progress.tty = cli->tty;
	progress.quiet = cli->quiet;
	progress.colour = cli->colour;
	progress.last_plain_ms = now_ms();
	/* The first Ctrl-C asks the library to stop and undo; a second one ends the program. */
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	if (sigaction(SIGHUP, NULL, &was) == 0 && was.sa_handler != SIG_IGN) /* nohup(1) */
		sigaction(SIGHUP, &sa, NULL);
	*r = (struct reporter){
		.step = step,
		.waiting = waiting,
		.bytes = bytes,
		.note = note,
		.interrupted = was_interrupted,
	};
}
