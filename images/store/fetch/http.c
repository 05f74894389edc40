/* SPDX-License-Identifier: Apache-2.0
 *
 * See http.h. Redirects are followed here and not by libcurl, so that each is checked against the
 * one before and a refusal can name it.
 */
#include "images/store/fetch/http.h"

#include <curl/curl.h>
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/mem.h"
#include "base/text.h"
#include "base/util.h"
#include "images/store/cache/internal.h"
#include "images/store/fetch/url.h"

enum {
	MAX_REDIRECTS = 10,
	CONNECT_S = 30,
	STALL_S = 60,
	STALL_BYTES = 1024, /* a second: slower is as good as silent */
	BUFFER_BYTES = 256 << 10,
	BODY_IGNORED = 64 << 10, /* of a redirect: more is not waited for */
};

struct http {
	CURL *curl;
};

/* A request under way. */
struct transfer {
	struct http *http;
	const struct http_request *request;
	struct err *err;
	bool redirected, begun;
	bool stopped; /* by us, and err says why */
	bool again;   /* the answer does not go on where we are */
	uint64_t ignored;
};

/* --- the head of an answer --- */

static bool number(const char **p, uint64_t *out)
{
	uint64_t v = 0;
	const char *start = *p;

	for (; **p >= '0' && **p <= '9'; ++*p)
		if (!checked_mul(v, 10, &v) || !checked_add(v, (uint64_t)(**p - '0'), &v))
			return false;
	*out = v;
	return *p != start;
}

bool http_content_range(const char *text, uint64_t *first, uint64_t *last, uint64_t *total)
{
	const char *p = text;
	uint64_t a, b, all = 0;

	if (strncasecmp(p, "bytes ", 6) != 0)
		return false;
	p += 6;
	if (!number(&p, &a) || *p++ != '-' || !number(&p, &b) || *p++ != '/')
		return false;
	if (*p == '*')
		p++;
	else if (!number(&p, &all) || all <= b)
		return false;
	if (*p || a > b)
		return false;
	*first = a;
	*last = b;
	*total = all;
	return true;
}

/* A header of the last answer, or "". Valid until the next call. */
static const char *header(CURL *c, const char *name)
{
	struct curl_header *h;

	return curl_easy_header(c, name, 0, CURLH_HEADER, -1, &h) == CURLHE_OK ? h->value : "";
}

static void copy_header(char *dst, size_t n, CURL *c, const char *name)
{
	const char *value = header(c, name);

	if (strlen(value) < n)
		snprintf(dst, n, "%s", value);
}

/*
 * The validators that a later If-Range may use: a strong ETag; a Last-Modified that is older than
 * the answer by a minute, since two versions of one second have the same date (RFC 9110, 8.8.2.2).
 */
static void read_validators(CURL *c, struct part_origin *o)
{
	time_t modified, date;

	copy_header(o->etag, sizeof(o->etag), c, "ETag");
	if (o->etag[0] != '"')
		o->etag[0] = '\0';
	copy_header(o->last_modified, sizeof(o->last_modified), c, "Last-Modified");
	modified = curl_getdate(o->last_modified, NULL);
	date = curl_getdate(header(c, "Date"), NULL);
	if (modified < 0 || date < 0 || modified > date - 60)
		o->last_modified[0] = '\0';
}

static long status_of(CURL *c)
{
	long status = 0;

	curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

/* Does a 206 go on where we are, in the file that we have the beginning of? */
static bool continues(CURL *c, const struct http_request *r, struct part_origin *o)
{
	uint64_t first, last, total;

	if (!r->offset || !http_content_range(header(c, "Content-Range"), &first, &last, &total) ||
	    first != r->offset || (r->total && total && total != r->total))
		return false;
	/* A server that ignores If-Range says by its validators that it has something else. */
	if (r->if_range[0] == '"' && o->etag[0] && strcmp(o->etag, r->if_range) != 0)
		return false;
	if (r->if_range[0] != '"' && o->last_modified[0] &&
	    strcmp(o->last_modified, r->if_range) != 0)
		return false;
	o->total = total ? total : r->total;
	return true;
}

/* Tells the caller what comes, once. */
static int begin(struct transfer *t)
{
	const struct http_request *r = t->request;
	CURL *c = t->http->curl;
	struct http_reply reply = {.origin.redirected = t->redirected};
	long status = status_of(c);
	auto_free char *shown = NULL;
	curl_off_t length = -1;

	if (t->begun)
		return 0;
	t->begun = true;
	shown = url_shown(r->url);
	snprintf(reply.origin.url, sizeof(reply.origin.url), "%s", shown);
	read_validators(c, &reply.origin);
	if (status == 206) {
		reply.offset = r->offset;
		if (!continues(c, r, &reply.origin)) {
			t->again = true;
			return -1;
		}
	} else {
		curl_easy_getinfo(c, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
		reply.origin.total = length > 0 ? (uint64_t)length : 0;
	}
	return r->begin ? r->begin(r->ctx, &reply, t->err) : 0;
}

/* --- libcurl's callbacks --- */

static bool was_interrupted(struct transfer *t)
{
	if (!progress_interrupted(t->request->progress))
		return false;
	err_set(t->err, ERR_INTERRUPTED,
		"interrupted (what came is kept, the same again goes on from it)");
	t->stopped = true;
	return true;
}

static size_t on_data(char *data, size_t size, size_t n, void *ctx)
{
	struct transfer *t = ctx;

	n *= size;
	if (status_of(t->http->curl) / 100 != 2) {
		t->ignored += n;
		return t->ignored > BODY_IGNORED ? CURL_WRITEFUNC_ERROR : n;
	}
	/* Here too: libcurl may read many megabytes between two calls of on_progress. */
	if (was_interrupted(t))
		return CURL_WRITEFUNC_ERROR;
	if (begin(t) == 0 && t->request->data(t->request->ctx, data, n, t->err) == 0)
		return n;
	t->stopped = !t->again;
	return CURL_WRITEFUNC_ERROR;
}

static int on_progress(void *ctx, curl_off_t total, curl_off_t now, curl_off_t ultotal,
		       curl_off_t ulnow)
{
	(void)total, (void)now, (void)ultotal, (void)ulnow;
	return was_interrupted(ctx);
}

/* --- one request --- */

static void init_libcurl(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

struct http *http_open(struct err *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct http *h = NEW(struct http);

	pthread_once(&once, init_libcurl);
	h->curl = curl_easy_init();
	if (h->curl)
		return h;
	free(h);
	err_set(err, ERR_HOST, "libcurl cannot be started");
	return NULL;
}

void http_close(struct http *h)
{
	if (!h)
		return;
	curl_easy_cleanup(h->curl);
	free(h);
}

/*
 * Certificates of a test or a company are named as for curl and OpenSSL. There is nothing that
 * switches the check off.
 */
static void set_certificates(CURL *c)
{
	const char *file = getenv("CURL_CA_BUNDLE"), *dir = getenv("SSL_CERT_DIR");

	file = file && *file ? file : getenv("SSL_CERT_FILE");
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
	if (file && *file)
		curl_easy_setopt(c, CURLOPT_CAINFO, file);
	if (dir && *dir)
		curl_easy_setopt(c, CURLOPT_CAPATH, dir);
}

static void set_options(struct transfer *t, char *reason)
{
	const struct http_request *r = t->request;
	long stall = r->stall_s ? r->stall_s : STALL_S;
	CURL *c = t->http->curl;

	curl_easy_reset(c); /* connections stay */
	curl_easy_setopt(c, CURLOPT_USERAGENT, "croft/" CROFT_VERSION);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	set_certificates(c);
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c, CURLOPT_FAILONERROR, 1L);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, stall < CONNECT_S ? stall : CONNECT_S);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, (long)STALL_BYTES);
	curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, stall);
	curl_easy_setopt(c, CURLOPT_BUFFERSIZE, (long)BUFFER_BYTES);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, reason);
	curl_easy_setopt(c, CURLOPT_NOBODY, r->head ? 1L : 0L);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
	curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
	curl_easy_setopt(c, CURLOPT_XFERINFODATA, t);
}

static struct curl_slist *set_range(const struct transfer *t)
{
	const struct http_request *r = t->request;
	auto_free char *line = NULL;
	struct curl_slist *list;
	char range[32];

	if (!r->offset)
		return NULL;
	snprintf(range, sizeof(range), "%" PRIu64 "-", r->offset);
	line = xasprintf("If-Range: %s", r->if_range);
	list = curl_slist_append(NULL, line);
	curl_easy_setopt(t->http->curl, CURLOPT_RANGE, range);
	curl_easy_setopt(t->http->curl, CURLOPT_HTTPHEADER, list);
	return list;
}

/*
 * A write to a connection that the other side closed raises SIGPIPE where OpenSSL does it. It comes
 * to the thread that writes, so holding it back here disturbs nobody else.
 */
static CURLcode perform_without_sigpipe(CURL *c)
{
	static const struct timespec now = {0};
	sigset_t pipes, before, pending;
	bool was_pending;
	CURLcode code;

	sigemptyset(&pipes);
	sigaddset(&pipes, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &pipes, &before);
	sigpending(&pending);
	was_pending = sigismember(&pending, SIGPIPE) == 1;
	code = curl_easy_perform(c);
	while (!was_pending && sigtimedwait(&pipes, NULL, &now) < 0 && errno == EINTR)
		;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return code;
}

/* --- what came of it --- */

static enum http_end failed(struct err *err, enum http_end end, const char *reason,
			    const char *next_move)
{
	err_set(err, ERR_DOWNLOAD, "%s", reason);
	err_hint(err, "%s", next_move);
	return end;
}

static enum http_end judge_status(long status, const char *reason, struct err *err)
{
	if (status == 416)
		return failed(err, HTTP_AGAIN, reason, "its file is shorter now: try again");
	if (status == 404 || status == 410)
		return failed(err, HTTP_DEAD, reason,
			      "is the URL right? publishers remove old dated images");
	if (status == 429 || status == 408)
		return failed(err, HTTP_RETRY, reason, "the server is busy: try again later");
	if (status >= 500)
		return failed(err, HTTP_RETRY, reason, "the server has a problem: try again later");
	if (status == 401 || status == 403)
		return failed(err, HTTP_DEAD, reason, "the server wants credentials or refuses");
	return failed(err, HTTP_DEAD, reason, "is the URL right?");
}

static enum http_end judge(const struct transfer *t, CURLcode code, const char *reason)
{
	struct err *err = t->err;

	if (t->stopped)
		return HTTP_STOP;
	if (t->again)
		return failed(err, HTTP_AGAIN, "the server sends another part than was asked for",
			      "try again");
	switch (code) {
	case CURLE_OK:
		return HTTP_DONE;
	case CURLE_HTTP_RETURNED_ERROR:
		return judge_status(status_of(t->http->curl), reason, err);
	case CURLE_COULDNT_RESOLVE_HOST:
	case CURLE_COULDNT_RESOLVE_PROXY:
		return failed(err, HTTP_RETRY, reason,
			      "check the host name and this machine's DNS");
	case CURLE_COULDNT_CONNECT:
		return failed(err, HTTP_RETRY, reason, "check the network, or set https_proxy");
	case CURLE_PEER_FAILED_VERIFICATION:
		return failed(err, HTTP_DEAD, reason,
			      "the server is not who it should be, or its certificate is not known "
			      "here: check "
			      "the clock and the CA certificates (SSL_CERT_FILE names more); this "
			      "check cannot be "
			      "switched off");
	case CURLE_SSL_CACERT_BADFILE:
		return failed(err, HTTP_DEAD, reason, "check CURL_CA_BUNDLE and SSL_CERT_FILE");
	case CURLE_OPERATION_TIMEDOUT:
		return failed(err, HTTP_DEAD, reason,
			      "too slow or silent: try again later, or another mirror");
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_URL_MALFORMAT:
		return failed(err, HTTP_DEAD, reason, "is the URL right?");
	default:
		return failed(err, HTTP_RETRY, reason, "the connection broke: try again");
	}
}

static bool is_redirect(CURL *c)
{
	return status_of(c) / 100 == 3;
}

/* Where to next? NULL: not there; err says why. */
static char *redirect(const struct transfer *t, unsigned redirects, const char *from)
{
	char *to = NULL;

	curl_easy_getinfo(t->http->curl, CURLINFO_REDIRECT_URL, &to);
	if (!to) {
		err_set(t->err, ERR_DOWNLOAD,
			"the server answers %ld without a place to go (is the URL right?)",
			status_of(t->http->curl));
		return NULL;
	}
	if (redirects == MAX_REDIRECTS) {
		err_set(t->err, ERR_DOWNLOAD, "more than %d redirects (is the URL right?)",
			MAX_REDIRECTS);
		return NULL;
	}
	if (!url_is_http(to) || (url_is_https(from) && !url_is_https(to))) {
		auto_free char *shown = url_shown(to);

		err_set(t->err, ERR_DOWNLOAD,
			"redirected from %s to '%s', which is not followed (is the URL right?)",
			url_is_https(from) ? "https" : "http", shown);
		return NULL;
	}
	return xstrdup(to);
}

enum http_end http_get(struct http *h, const struct http_request *request,
		       struct http_answer *answer, struct err *err)
{
	struct transfer t = {.http = h, .request = request, .err = err};
	auto_free char *url = xstrdup(request->url);
	char reason[CURL_ERROR_SIZE];
	enum http_end end;
	curl_off_t wait = 0;

	for (unsigned redirects = 0;; redirects++) {
		struct curl_slist *headers;
		CURLcode code;
		char *next;

		reason[0] = '\0';
		t.ignored = 0;
		set_options(&t, reason);
		curl_easy_setopt(h->curl, CURLOPT_URL, url);
		headers = set_range(&t);
		code = perform_without_sigpipe(h->curl);
		curl_slist_free_all(headers);
		end = judge(&t, code, reason[0] ? reason : curl_easy_strerror(code));
		if (end == HTTP_STOP || !is_redirect(h->curl))
			break;
		next = redirect(&t, redirects, url);
		if (!next) {
			end = HTTP_DEAD;
			break;
		}
		free(url);
		url = next;
		t.redirected = true;
	}
	if (end == HTTP_DONE && !request->head && begin(&t) < 0)
		end = t.again ? failed(err, HTTP_AGAIN, "the server sends no part", "try again")
			      : HTTP_STOP;
	if (answer) {
		curl_easy_getinfo(h->curl, CURLINFO_RETRY_AFTER, &wait);
		answer->retry_after_s = wait > 0 ? (unsigned)min_u64((uint64_t)wait, 1u << 30) : 0;
		answer->final_url = end == HTTP_DONE ? take_ptr(url) : NULL;
	}
	return end;
}
