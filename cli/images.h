/* SPDX-License-Identifier: Apache-2.0
 *
 * What the `image` commands share: the cache of this user, and how an image is shown.
 */
#ifndef CLI_IMAGES_H
#define CLI_IMAGES_H

#include <jansson.h>

#include "cli/cli.h"
#include "images/store/manage.h"
#include "provision/images.h"

struct store *cli_store(struct err *); /* NULL and an error, or close it */

DEFINE_AUTO(store, struct store, store_close)
#define auto_store __attribute__((cleanup(auto_store_fn)))

/* The whole path of a file that a person named: ~ and links resolved. The caller frees. */
char *cli_path(const char *text);

/* New reference; users may be NULL. */
json_t *image_json(const struct image_entry *, const struct image_users *users);
/* "sha256:0123456789ab": enough to tell images apart, and to name one. out[DIGEST_SHORT]. */
enum { DIGEST_SHORT = 8 + 12 + 1 };
char *digest_short(const char *digest, char *out);
/* The reporter of the command line, as the store wants it. */
struct store_progress cli_store_progress(struct reporter *, const char *step);

#endif
