/* SPDX-License-Identifier: Apache-2.0
 *
 * See url.h. RFC 3986 and, for files, RFC 8089.
 */
#include "images/store/fetch/url.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "base/clean.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/util.h"

static bool has_scheme(const char *url, const char *scheme)
{
	return !strncasecmp(url, scheme, strlen(scheme));
}

bool url_is_https(const char *url)
{
	return has_scheme(url, "https://");
}

bool url_is_http(const char *url)
{
	return url_is_https(url) || has_scheme(url, "http://");
}

bool url_is_file(const char *url)
{
	return has_scheme(url, "file://");
}

char *url_path(const char *url, struct err *err)
{
	const char *p = url + strlen("file://");
	char *out, *to;

	if (text_starts(p, "localhost/"))
		p += strlen("localhost");
	if (*p != '/') {
		err_set(err, ERR_SPEC, "'%s' names a host: write file:///path", url);
		return NULL;
	}
	out = to = xstrdup(p);
	for (; *p; p++) {
		char hex[3] = "";

		if (*p == '%' && isxdigit((unsigned char)p[1]) && isxdigit((unsigned char)p[2])) {
			memcpy(hex, p + 1, 2);
			*to++ = (char)strtoul(hex, NULL, 16);
			p += 2;
		} else {
			*to++ = *p;
		}
	}
	*to = '\0';
	return out;
}

char *url_shown(const char *url)
{
	const char *host = strstr(url, "://"), *at;
	auto_free char *bare = NULL;
	size_t n = strlen(url) + 1;
	char *out;

	host = host ? host + 3 : url;
	at = memrchr(host, '@', strcspn(host, "/?#"));
	if (at)
		bare = xasprintf("%.*s%s", (int)(host - url), url, at + 1);
	out = xmalloc(n);
	clean_copy(out, n, bare ? bare : url, strlen(bare ? bare : url));
	return out;
}
