/* SPDX-License-Identifier: Apache-2.0
 *
 * Public keys, as sshd's AUTHORIZED_KEYS FILE FORMAT has them, given literally or in a file of the
 * host. The blob behind the type (RFC 4253, 6.6) is taken apart far enough to notice a key that was
 * cut off or garbled while it was copied: the guest would only be silent about it.
 */
#include <ctype.h>
#include <openssl/evp.h>
#include <string.h>

#include "base/text.h"
#include "base/util.h"
#include "provision/spec/field.h"

enum { KEY_FILE_MAX = 64 << 10, KEY_LINE_MAX = 16 << 10 };

static const char *const key_types[] = {
	"ssh-ed25519",
	"ssh-rsa",
	"ecdsa-sha2-nistp256",
	"ecdsa-sha2-nistp384",
	"ecdsa-sha2-nistp521",
	"sk-ssh-ed25519@openssh.com",
	"sk-ecdsa-sha2-nistp256@openssh.com",
};

/* The type's name within a line, which options may precede; NULL: none. */
static const char *find_type(const char *line, const char **name)
{
	for (const char *s = line; *s;) {
		size_t n = strcspn(s, " \t");

		for (size_t i = 0; i < ARRAY_LEN(key_types); i++)
			if (strlen(key_types[i]) == n && !strncmp(s, key_types[i], n)) {
				*name = key_types[i];
				return s;
			}
		s += n;
		s += strspn(s, " \t");
	}
	return NULL;
}

/* The blob is strings with their lengths in front, the first one the type, and nothing behind. */
static bool blob_is_whole(const uint8_t *blob, size_t n, const char *type)
{
	size_t at = 0, strings = 0;

	while (n - at >= 4) {
		uint32_t len = get_be32(blob + at);

		if (!range_inside(at + 4, len, n))
			return false;
		if (!strings && (len != strlen(type) || memcmp(blob + at + 4, type, len)))
			return false;
		at += 4 + (size_t)len;
		strings++;
	}
	return at == n && strings >= 2;
}

static bool is_key(const char *type_at, const char *type)
{
	const char *base64 = type_at + strlen(type) + strspn(type_at + strlen(type), " \t");
	size_t n = strcspn(base64, " \t");
	auto_free uint8_t *blob = NULL;
	int len;

	if (!n || n % 4 || n > KEY_LINE_MAX)
		return false;
	blob = xmalloc(n);
	len = EVP_DecodeBlock(blob, (const unsigned char *)base64, (int)n);
	if (len < 0)
		return false;
	len -= base64[n - 1] == '=';
	len -= base64[n - 2] == '=';
	return blob_is_whole(blob, (size_t)len, type);
}

static bool is_private(const char *text)
{
	return strstr(text, "PRIVATE KEY-----") || strstr(text, "PuTTY-User-Key-File");
}

/* What is wrong with a line, never quoting it: it could be a secret. NULL: nothing. */
static const char *check_line(struct value *v, const char *line)
{
	const char *type = NULL, *at = find_type(line, &type);

	if (!at) {
		v->help = "a public key is one line: ssh-ed25519 AAAA... comment";
		return "this is not an SSH public key";
	}
	if (!is_key(at, type)) {
		v->help = "copy the whole line of the .pub file";
		return arena_printf(v->reader->arena, "this %s key is incomplete or damaged", type);
	}
	return NULL;
}

static void add_key(struct value *v, const char *line, size_t n, struct yaml_node *out)
{
	struct arena *a = v->reader->arena;
	struct yaml_node *key;

	while (n && isspace((unsigned char)line[n - 1]))
		n--;
	key = yaml_str(a, arena_strndup(a, line, n));
	key->at = v->node->at;
	key->source = v->node->source;
	yaml_add(a, out, key);
}

static void read_key_file(struct value *v, struct yaml_node *out)
{
	struct arena *a = v->reader->arena;
	const char *path = host_path(v->reader, v->text), *text, *problem = NULL;
	auto_buf struct buf file = BUF_INIT(KEY_FILE_MAX);

	if (read_host_file(v, path, KEY_FILE_MAX, &file) < 0) {
		v->help = access(path, F_OK) < 0
				  ? "make a key with ssh-keygen -t ed25519, or name another"
				  : "name a public key (~/.ssh/id_ed25519.pub)";
		return;
	}
	text = buf_str(&file);
	v->reader->taken += file.len;
	if (v->reader->taken > READER_MAX_TAKEN) {
		v->problem = "the files of keys are too long together";
		return;
	}
	if (is_private(text)) {
		v->problem = arena_printf(a, "'%s' is a private key", path);
		v->help = arena_printf(a, "name the public half: %s.pub", v->text);
		return;
	}
	if (text_starts(text, "---- BEGIN SSH2 PUBLIC KEY")) {
		v->problem = arena_printf(a, "'%s' is a public key in another format", path);
		v->help = "convert it: ssh-keygen -i -f FILE";
		return;
	}
	for (const char *line = text; *line && !problem;) {
		size_t n = strcspn(line, "\n");

		if (n && line[0] != '#' && line[strspn(line, " \t\r")] != '\n') {
			add_key(v, line, n, out);
			problem = check_line(v, out->items[out->n - 1]->text);
		}
		line += n + (line[n] == '\n');
	}
	if (problem)
		v->problem = arena_printf(a, "'%s': %s", path, problem);
	else if (!out->n)
		v->problem = arena_printf(a, "'%s' contains no key", path);
}

static struct yaml_node *read_ssh_key(struct reader *r, const struct place *place,
				      const struct yaml_node *node)
{
	struct yaml_node *out = yaml_seq(r->arena);
	struct value v = {r, place, node, NULL, NULL, NULL};

	if (node->kind != YAML_SCALAR || !node->len) {
		complain(r, place, node, type_ssh_key.help, "an SSH key was expected");
		return NULL;
	}
	v.text = interpolate(r, place, node);
	if (!v.text)
		return NULL;
	if (is_private(v.text)) {
		v.problem = "this is a private key";
		v.help = "never copy it anywhere; write the path of the .pub file";
	} else if (strpbrk(v.text, " \t\n")) {
		v.problem = strchr(v.text, '\n') && v.text[strcspn(v.text, "\n") + 1]
				    ? "one key a line of the list"
				    : check_line(&v, v.text);
		add_key(&v, v.text, strlen(v.text), out);
	} else {
		read_key_file(&v, out);
	}
	if (!v.problem)
		return out;
	complain(r, place, node, v.help, "%s", v.problem);
	return NULL;
}

const struct type type_ssh_key = {
	.name = "SSH key",
	.help = "a public key (ssh-ed25519 AAAA...), or the path of a file of them on the host",
	.read = read_ssh_key,
	.splices = true,
};
