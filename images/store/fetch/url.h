/* SPDX-License-Identifier: Apache-2.0
 *
 * What a URL says, as far as it matters here.
 */
#ifndef IMAGES_STORE_URL_H
#define IMAGES_STORE_URL_H

#include <stdbool.h>

#include "base/err.h"

bool url_is_https(const char *url);
bool url_is_http(const char *url); /* http:// or https:// */
bool url_is_file(const char *url);

/* The path of file:///x or file://localhost/x, with %XX decoded; the caller frees. ERR_SPEC. */
char *url_path(const char *url, struct err *);

/* For messages and records: without user and password, nothing that steers a terminal; the caller
 * frees. */
char *url_shown(const char *url);

#endif
