/* SPDX-License-Identifier: Apache-2.0
 *
 * From names to exact files: every image of the built-in catalog is resolved from a mirror tree
 * whose files have the form that its publisher gives them (tests/catalog), signed by a key of ours
 * that is pinned in the place of theirs. Then what must be refused, and what is good enough for
 * whom.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/util.h"
#include "images/store/catalog/source.h"
#include "tests/lib/store/gpg.h"
#include "tests/lib/store/mirror.h"

#define HEX64  "abcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcd"
#define ZERO64 "0000000000000000000000000000000000000000000000000000000000000000"
/* 64 bytes of 0xff */
#define HEX128                                                                                     \
	"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"                         \
	"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
#define BASE64                                                                                     \
	"/////////////////////////////////////////////////////////////////////////////////////w"

static struct fixture {
	struct gpg gpg;
	struct mirror mirror;
	char dir[32];
	char ours[65], theirs[65];
	char *catalog; /* the built-in one with our key in it */
	const char *files[2];
} f;

/* --- putting the tree together ------------------------------------------------------- */

static char *replace(const char *text, const char *what, const char *with)
{
	struct buf out = BUF_INIT(8 << 20);
	const char *at;

	while ((at = strstr(text, what))) {
		buf_put(&out, text, (size_t)(at - text));
		buf_puts(&out, with ? with : "");
		text = at + strlen(what);
	}
	buf_puts(&out, text);
	return buf_take(&out);
}

static void put_in(char **text, const char *what, const char *with)
{
	char *now = replace(*text, what, with);

	free(*text);
	*text = now;
}

/* What each distribution's fixtures need to know. */
static const struct form {
	const char *distro, *sums; /* NULL: the index is the checksum file */
	const char *star[2]; /* what the stars of the match stand for; star[0] alone: the serial */
	bool sha512;
} forms[] = {
	{"almalinux", NULL, {"@version@.2-20260526.0"}, false},
	{"alpine", "alpine.sums", {"4", "0"}, true},
	{"arch", "arch.sums", {"20260715.556894"}, false},
	{"centos-stream", NULL, {"20260720.0"}, false},
	{"debian", "debian.sums", {"20260712-2537"}, true},
	{"fedora", "fedora.sums", {"1.7"}, false},
	{"opensuse", "opensuse.sums", {NULL}, false},
	{"rocky", NULL, {"@version@.2-20260525.0"}, false},
	{"ubuntu", "ubuntu.sums", {"20260705"}, false},
};

static const struct form *form_of(const char *distro)
{
	for (size_t i = 0; i < ARRAY_LEN(forms); i++)
		if (!strcmp(forms[i].distro, distro))
			return &forms[i];
	fail_msg("no fixtures of %s", distro);
	return NULL;
}

struct published {
	struct catalog_image image;
	const struct form *form;
	const char *version, *variant, *arch;
	char *serial, *name, *file; /* file: below the mirror */
	char *text[2];		    /* index and checksum file, as published */
};

static void url_of(const struct published *p, const char *path, char **out)
{
	*out = strstr(path, "://") ? xstrdup(path) : xasprintf("%s/%s", p->image.mirrors[0], path);
}

static void put_path(const struct published *p, const char *template, const void *data, size_t n)
{
	auto_free char *path = xstrdup(template), *url = NULL, *dir = path_dir(p->file);

	put_in(&path, "{serial}", p->serial);
	put_in(&path, "{name}", p->name);
	put_in(&path, "{file}", p->file);
	put_in(&path, "{dir}", dir);
	url_of(p, path, &url);
	mirror_put(&f.mirror, url, data, n);
}

static char *fixture(const struct published *p, const char *file)
{
	auto_free char *path = xasprintf("tests/catalog/%s", file);
	auto_buf struct buf text = BUF_INIT(1 << 20);
	bool ubuntu = !strcmp(p->form->distro, "ubuntu"),
	     alma = !strcmp(p->form->distro, "almalinux");
	bool amd = !strcmp(p->form->distro, "debian") || ubuntu, x86 = !strcmp(p->arch, "x86_64");
	const char *flavour = ubuntu ? (p->variant ? "minimal" : "server") : "GenericCloud";
	const char *codename = strstr(p->file, "trixie")     ? "trixie"
			       : strstr(p->file, "bookworm") ? "bookworm"
							     : "bullseye";
	char *out;

	if (file_read(path, &text, NULL) < 0)
		fail_msg("no fixture %s", path);
	if (alma && p->variant)
		flavour = "GenericCloud-ext4";
	out = replace(buf_str(&text), "@name@", p->name);
	put_in(&out, "@serial@", p->serial);
	put_in(&out, "@hex@", p->form->sha512 ? HEX128 : HEX64);
	put_in(&out, "@base64@", BASE64);
	put_in(&out, "@version@", p->version);
	put_in(&out, "@flavour@", flavour);
	put_in(&out, "@other@", alma && p->variant ? "GenericCloud" : "GenericCloud-ext4");
	put_in(&out, "@codename@", codename);
	put_in(&out, "@firmware@", x86 ? "bios" : "uefi");
	put_in(&out, "@arch@", amd ? (x86 ? "amd64" : "arm64") : p->arch);
	return out;
}

/* Serial, name and path of the newest image, worked out from the entry by hand. */
static void name_file(struct published *p)
{
	const struct catalog_image *i = &p->image;
	auto_free char *first =
		p->form->star[0] ? replace(p->form->star[0], "@version@", p->version) : xstrdup("");

	p->serial = p->form->star[1] ? xasprintf("%s-%s", first, p->form->star[1]) : xstrdup(first);
	if (i->match) {
		const char *star = strchr(i->match, '*');
		const char *second = p->form->star[1] ? strchr(star + 1, '*') : NULL;

		p->name = second ? xasprintf("%.*s%s%.*s%s%s", (int)(star - i->match), i->match,
					     first, (int)(second - star - 1), star + 1,
					     p->form->star[1], second + 1)
				 : xasprintf("%.*s%s%s", (int)(star - i->match), i->match, first,
					     star + 1);
	}
	if (i->rule == RULE_REDIRECT) {
		p->name = strcmp(p->version, "tumbleweed")
				  ? xstrdup(path_base(i->index))
				  : xasprintf("openSUSE-Tumbleweed-Minimal-VM.%s-1.0.0-Cloud-"
					      "Snapshot20261005.qcow2",
					      p->arch);
		p->file = xasprintf("%.*s%s", (int)(path_base(i->index) - i->index), i->index,
				    p->name);
		return;
	}
	p->file = xstrdup(i->path);
	put_in(&p->file, "{serial}", p->serial);
	put_in(&p->file, "{name}", p->name);
	if (!p->name)
		p->name = xstrdup(path_base(p->file));
}

static void put_signature(const struct published *p, const char *template, const char *key,
			  const void *text, size_t n)
{
	auto_buf struct buf sig = BUF_INIT(64 << 10);

	gpg_sign(&f.gpg, key, NULL, GPG_ARMOURED, "SHA256", text, n, &sig);
	put_path(p, template, sig.data, sig.len);
}

static void put_sums(const struct published *p, const char *text, const char *key)
{
	const struct catalog_image *i = &p->image;
	auto_buf struct buf clear = BUF_INIT(1 << 20);

	if (i->clearsigned) {
		gpg_sign(&f.gpg, key, NULL, GPG_CLEAR, "SHA256", text, strlen(text), &clear);
		put_path(p, i->checksums, clear.data, clear.len);
	} else {
		put_path(p, i->checksums, text, strlen(text));
	}
	if (i->signature)
		put_signature(p, i->signature, key, text, strlen(text));
	if (i->image_signature)
		put_signature(p, i->image_signature, key, "the image", 9);
}

static void publish(struct published *p, struct catalog *c, const char *distro, const char *version,
		    const char *variant, const char *arch)
{
	auto_free char *name =
		xasprintf("%s:%s%s%s", distro, version, variant ? "/" : "", variant ? variant : "");
	auto_free char *index = xasprintf("%s.index", distro), *from = NULL, *to = NULL;
	struct err err = {0};
	bool leap156 = !strcmp(version, "15.6");

	*p = (struct published){
		.form = form_of(distro), .version = version, .variant = variant, .arch = arch};
	if (catalog_find(c, name, arch, &p->image, &err) < 0)
		fail_msg("%s", err.msg);
	name_file(p);
	if (p->image.rule == RULE_REDIRECT) {
		/* Where the redirector sends us: some mirror of its own choice. */
		url_of(p, p->image.index, &from);
		to = xasprintf("https://mirror.example.test/pub/%s?x=y", p->file);
		mirror_redirect(&f.mirror, from, to);
	} else {
		p->text[0] = fixture(p, index);
		put_path(p, p->image.index, p->text[0], strlen(p->text[0]));
	}
	p->text[1] = p->form->sums ? fixture(p, leap156 ? "opensuse-15.6.sums" : p->form->sums)
				   : xstrdup(p->text[0]);
	put_sums(p, p->text[1], f.ours);
}

static void published_done(struct published *p)
{
	free(p->serial);
	free(p->name);
	free(p->file);
	free(p->text[0]);
	free(p->text[1]);
}

/* --- resolving --------------------------------------------------------------------- */

static int resolve(struct image_want want, struct image_source *out, struct err *err)
{
	want.catalogs = f.files;
	return source_resolve(&want, f.dir, &f.mirror.fetcher, NULL, out, err);
}

static void check_one(const struct published *p)
{
	auto_free char *url = NULL;
	struct image_source s;
	struct err err = {0};
	size_t n = 0;

	if (resolve((struct image_want){.name = p->image.name, .arch = p->arch}, &s, &err) < 0)
		fail_msg("%s (%s): %s", p->image.name, p->arch, err.msg);
	url_of(p, p->file, &url);
	assert_string_equal(s.urls[0], url);
	while (p->image.mirrors[n])
		assert_non_null(s.urls[n++]);
	assert_null(s.urls[n]);
	assert_string_equal(s.digest, p->form->sha512 ? "sha512:" HEX128 : "sha256:" HEX64);
	assert_int_equal(s.trust, p->image.trust);
	assert_string_equal(s.name, p->image.name);
	assert_string_equal(s.user, p->image.user);
	assert_string_equal(s.signer, p->image.trust == TRUST_SIGNED && !p->image.image_signature
					      ? f.ours
					      : "");
	assert_int_equal(s.signature.len > 0, p->image.image_signature != NULL);
	if (p->image.rule == RULE_REDIRECT)
		assert_int_equal(s.dated, !strcmp(p->version, "tumbleweed"));
	else
		assert_true(s.dated);
	image_source_done(&s);
}

static void every_image(void **state)
{
	struct err err = {0};
	struct catalog *c = catalog_open(f.files, &err);
	struct catalog_version v;
	size_t at = 0, images = 0;

	(void)state;
	assert_non_null(c);
	while (catalog_next(c, &at, &v))
		for (const char *const *arch = v.arches; *arch; arch++)
			for (const char *const *variant = v.variants;; variant++) {
				/* The plain one comes last, when *variant is NULL. */
				struct published p;

				publish(&p, c, v.distro, v.version, *variant, *arch);
				check_one(&p);
				published_done(&p);
				images++;
				if (!*variant)
					break;
			}
	printf("%zu images\n", images);
	assert_true(images > 50);
	catalog_close(c);
}

/* Addresses that are documented, to the letter. */
static void addresses(void **state)
{
	static const struct {
		const char *distro, *version, *variant, *url;
	} known[] = {
		{"debian", "13", NULL,
		 "https://cloud.debian.org/images/cloud/trixie/20260712-2537/"
		 "debian-13-genericcloud-amd64-20260712-2537.qcow2"},
		{"ubuntu", "22.04", NULL,
		 "https://cloud-images.ubuntu.com/releases/jammy/release-20260705/"
		 "ubuntu-22.04-server-cloudimg-amd64.img"},
		{"ubuntu", "24.04", "minimal",
		 "https://cloud-images.ubuntu.com/minimal/releases/noble/release-20260705/"
		 "ubuntu-24.04-minimal-cloudimg-amd64.img"},
		{"fedora", "44", NULL,
		 "https://download.fedoraproject.org/pub/fedora/linux/releases/44/Cloud/x86_64/"
		 "images/"
		 "Fedora-Cloud-Base-Generic-44-1.7.x86_64.qcow2"},
		{"rocky", "10", NULL,
		 "https://dl.rockylinux.org/pub/rocky/10/images/x86_64/"
		 "Rocky-10-GenericCloud-Base-10.2-20260525.0.x86_64.qcow2"},
		{"almalinux", "10", "ext4",
		 "https://repo.almalinux.org/almalinux/10/cloud/x86_64/images/"
		 "AlmaLinux-10-GenericCloud-ext4-10.2-20260526.0.x86_64.qcow2"},
		{"centos-stream", "10", NULL,
		 "https://cloud.centos.org/centos/10-stream/x86_64/images/"
		 "CentOS-Stream-GenericCloud-10-20260720.0.x86_64.qcow2"},
		{"alpine", "3.23", NULL,
		 "https://dl-cdn.alpinelinux.org/alpine/v3.23/releases/cloud/"
		 "nocloud_alpine-3.23.4-x86_64-bios-cloudinit-r0.qcow2"},
		{"arch", "rolling", NULL,
		 "https://geo.mirror.pkgbuild.com/images/v20260715.556894/"
		 "Arch-Linux-x86_64-cloudimg-20260715.556894.qcow2"},
		{"opensuse", "16.0", NULL,
		 "https://download.opensuse.org/distribution/leap/16.0/appliances/"
		 "Leap-16.0-Minimal-VM.x86_64-Cloud.qcow2"},
	};
	struct err err = {0};
	struct catalog *c = catalog_open(f.files, &err);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		struct published p;
		struct image_source s;

		publish(&p, c, known[i].distro, known[i].version, known[i].variant, "x86_64");
		if (resolve((struct image_want){.name = p.image.name, .arch = "x86_64"}, &s, &err) <
		    0)
			fail_msg("%s", err.msg);
		assert_string_equal(s.urls[0], known[i].url);
		image_source_done(&s);
		published_done(&p);
	}
	catalog_close(c);
}

/* --- what must be refused ---------------------------------------------------------- */

enum wrong {
	OTHER_BYTES,   /* the checksum file was changed after it was signed */
	OTHER_KEY,     /* signed by a key that is not pinned */
	OTHER_RELEASE, /* a checksum file with a good signature, of another release */
	STRIPPED,      /* no signature any more */
	OLD_SUMS,      /* good signature, same names, older digest: the index disagrees */
	NO_KEY,	       /* the key's server gives another key */
	OTHER_NAME,    /* the index names something else */
	WRONGS
};

static void break_it(struct published *p, enum wrong how)
{
	auto_free char *text = xstrdup(p->text[1]), *url = NULL;

	switch (how) {
	case OTHER_BYTES:
		put_in(&text, HEX64, ZERO64);
		put_path(p, p->image.checksums, text, strlen(text));
		break;
	case OTHER_KEY:
		put_sums(p, text, f.theirs);
		break;
	case OTHER_RELEASE:
		put_in(&text, p->version, "20.04");
		put_sums(p, text, f.ours);
		break;
	case STRIPPED:
		if (p->image.clearsigned) {
			put_path(p, p->image.checksums, text, strlen(text));
		} else {
			put_path(p, p->image.signature, "", 0);
		}
		break;
	case OLD_SUMS:
		put_in(&text, HEX64, ZERO64);
		put_sums(p, text, f.ours);
		break;
	case NO_KEY:
		dir_remove(f.dir, NULL);
		assert_int_equal(dir_make(f.dir, 0700, NULL), 0);
		mirror_put(&f.mirror, p->image.keys[0].url, "<html>Not found</html>", 22);
		break;
	default:
		free(p->text[0]);
		p->text[0] = fixture(p, "ubuntu.index");
		put_in(&p->text[0], p->name, "ubuntu-other.img");
		put_path(p, p->image.index, p->text[0], strlen(p->text[0]));
	}
}

static void put_keys(struct catalog *c)
{
	auto_buf struct buf key = BUF_INIT(64 << 10);
	struct catalog_version v;
	size_t at = 0;

	gpg_export(&f.gpg, f.ours, true, &key);
	while (catalog_next(c, &at, &v)) {
		auto_free char *name = xasprintf("%s:%s", v.distro, v.version);
		struct catalog_image i;

		assert_int_equal(catalog_find(c, name, v.arches[0], &i, NULL), 0);
		for (size_t k = 0; k < i.nkeys; k++)
			mirror_put(&f.mirror, i.keys[k].url, key.data, key.len);
	}
}

static void refused(void **state)
{
	static const struct {
		const char *distro, *version;
		enum wrong how;
		const char *says;
	} cases[] = {
		{"ubuntu", "24.04", OTHER_BYTES, "not for these bytes"},
		{"ubuntu", "24.04", OTHER_KEY, "not the one that is pinned"},
		{"ubuntu", "24.04", OTHER_RELEASE,
		 "has no digest for 'ubuntu-24.04-server-cloudimg-amd64.img'"},
		{"ubuntu", "24.04", STRIPPED, "no OpenPGP signature"},
		{"ubuntu", "24.04", OLD_SUMS, "so one of them is old or false"},
		{"ubuntu", "24.04", NO_KEY, "holds no OpenPGP public key"},
		{"ubuntu", "24.04", OTHER_NAME, "'ubuntu-other.img' where the catalog expects"},
		{"fedora", "44", OTHER_BYTES, "no OpenPGP signature"}, /* put in clear */
		{"fedora", "44", OTHER_KEY, "not the one that is pinned"},
		{"fedora", "44", STRIPPED, "no OpenPGP signature"},
		{"opensuse", "16.0", OTHER_BYTES, "not for these bytes"},
		{"rocky", "10", OTHER_KEY, "not the one that is pinned"},
	};
	struct err none = {0};
	struct catalog *c = catalog_open(f.files, &none);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		/* Nobody who accepts less gets more than an image that is what it should be. */
		static const enum trust least[] = {TRUST_UNVERIFIED, TRUST_CHECKSUM, TRUST_SIGNED};
		struct published p;

		publish(&p, c, cases[i].distro, cases[i].version, NULL, "x86_64");
		break_it(&p, cases[i].how);
		for (size_t k = 0; k < ARRAY_LEN(least); k++) {
			const struct image_want want = {.name = p.image.name,
							.arch = "x86_64",
							.verify = least[k],
							.insecure = true};
			struct image_source s;
			struct err err = {0};

			assert_int_equal(resolve(want, &s, &err), -1);
			if (err.kind != ERR_VERIFY || !strstr(err.msg, cases[i].says))
				fail_msg("%s, %d: %s", p.image.name, cases[i].how, err.msg);
			assert_non_null(strstr(err.msg, p.image.name));
		}
		published_done(&p);
		put_keys(c);
	}
	catalog_close(c);
}

/* The first mirror has a page that does not list the file, and no checksum file: the second has. */
static void other_mirror(void **state)
{
	static const char PAGE[] = "<html>Arch-Linux-x86_64-cloudimg.qcow2</html>";
	struct err err = {0};
	struct catalog *c = catalog_open(f.files, &err);
	struct published p;
	struct image_source s;

	(void)state;
	publish(&p, c, "arch", "rolling", NULL, "x86_64");
	mirror_put(&f.mirror, "https://geo.mirror.pkgbuild.com/images/latest/", PAGE, strlen(PAGE));
	for (int i = 0; i < 2; i++) {
		int rc = resolve((struct image_want){.name = "arch", .arch = "x86_64"}, &s, &err);

		if (i == 0) { /* no mirror lists it */
			assert_int_equal(rc, -1);
			assert_int_equal(err.kind, ERR_NOT_FOUND);
			assert_non_null(strstr(err.msg, "geo.mirror.pkgbuild.com"));
			err = (struct err){0};
			p.image.mirrors[0] = p.image.mirrors[1];
			put_path(&p, p.image.index, p.text[0], strlen(p.text[0]));
		} else if (rc < 0) {
			fail_msg("%s", err.msg);
		} else {
			assert_non_null(strstr(s.urls[0], p.name));
			image_source_done(&s);
		}
	}
	published_done(&p);
	catalog_close(c);
}

/* What a server wrote is quoted without what a terminal would act on. */
static void messages(void **state)
{
	struct err err = {0};
	struct catalog *c = catalog_open(f.files, &err);
	struct published p;
	struct image_source s;

	(void)state;
	publish(&p, c, "debian", "13", NULL, "x86_64");
	put_in(&p.text[0], BASE64, "\\u001b[2J\\u0007");
	put_path(&p, p.image.index, p.text[0], strlen(p.text[0]));
	assert_int_equal(resolve((struct image_want){.name = "debian", .arch = "x86_64"}, &s, &err),
			 -1);
	assert_non_null(strstr(err.msg, "?[2J?"));
	for (const char *m = err.msg; *m; m++)
		assert_true(*m >= ' ');
	published_done(&p);
	catalog_close(c);
}

/* --- what is good enough ----------------------------------------------------------- */

static void least_accepted(void **state)
{
	static const struct {
		const char *name, *digest;
		enum trust least, is;
		bool good;
	} cases[] = {
		{"debian:13", NULL, TRUST_UNVERIFIED, TRUST_CHECKSUM, true},
		{"debian:13", NULL, TRUST_CHECKSUM, TRUST_CHECKSUM, true},
		{"debian:13", NULL, TRUST_DIGEST, 0, false},
		{"debian:13", NULL, TRUST_SIGNED, 0, false},
		{"debian:13", "sha512:" HEX128, TRUST_DIGEST, TRUST_DIGEST, true},
		{"debian:13", "sha256:" ZERO64, TRUST_DIGEST, TRUST_DIGEST,
		 true}, /* of another kind: the spec's word */
		{"debian:13", "sha512:" ZERO64 ZERO64, TRUST_UNVERIFIED, 0, false},
		{"debian:13", "sha512:" HEX128, TRUST_SIGNED, 0, false},
		{"ubuntu:24.04", NULL, TRUST_SIGNED, TRUST_SIGNED, true},
		{"ubuntu:24.04", "sha256:" HEX64, TRUST_SIGNED, TRUST_SIGNED, true},
		{"alpine:3.24", NULL, TRUST_SIGNED, TRUST_SIGNED, true},
	};
	struct err none = {0};
	struct catalog *c = catalog_open(f.files, &none);
	struct published p[3];

	(void)state;
	publish(&p[0], c, "debian", "13", NULL, "x86_64");
	publish(&p[1], c, "ubuntu", "24.04", NULL, "x86_64");
	publish(&p[2], c, "alpine", "3.24", NULL, "x86_64");
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct image_source s;
		struct err err = {0};
		int rc = resolve((struct image_want){.name = cases[i].name,
						     .arch = "x86_64",
						     .digest = cases[i].digest,
						     .verify = cases[i].least},
				 &s, &err);

		if ((rc == 0) != cases[i].good)
			fail_msg("case %zu: %d %s", i, rc, err.msg);
		if (rc < 0) {
			assert_int_equal(err.kind, ERR_VERIFY);
			continue;
		}
		assert_int_equal(s.trust, cases[i].is);
		if (cases[i].digest)
			assert_string_equal(s.digest, cases[i].digest);
		image_source_done(&s);
	}
	for (size_t i = 0; i < ARRAY_LEN(p); i++)
		published_done(&p[i]);
	catalog_close(c);
}

/* Without gpgv a signature cannot be checked: an error, but for who accepts the checksum. */
static void without_gpgv(void **state)
{
	auto_free char *path = xstrdup(getenv("PATH"));
	struct err err = {0};
	struct catalog *c = catalog_open(f.files, &err);
	struct published p;
	struct image_source s;

	(void)state;
	publish(&p, c, "ubuntu", "24.04", NULL, "x86_64");
	setenv("PATH", "/nonexistent", 1);
	assert_int_equal(
		resolve((struct image_want){.name = "ubuntu:24.04", .arch = "x86_64"}, &s, &err),
		-1);
	assert_int_equal(err.kind, ERR_HOST);
	assert_non_null(strstr(err.msg, "verify: checksum"));
	err = (struct err){0};
	assert_int_equal(resolve((struct image_want){.name = "ubuntu:24.04",
						     .arch = "x86_64",
						     .verify = TRUST_CHECKSUM},
				 &s, &err),
			 0);
	assert_int_equal(s.trust, TRUST_CHECKSUM);
	assert_string_equal(s.signer, "");
	image_source_done(&s);
	setenv("PATH", path, 1);
	published_done(&p);
	catalog_close(c);
}

static void signed_image(void **state)
{
	auto_free char *path = path_join(f.dir, "image");
	struct err err = {0};
	struct catalog *c = catalog_open(f.files, &err);
	struct published p;
	struct image_source s, again;

	(void)state;
	publish(&p, c, "alpine", "3.24", NULL, "x86_64");
	assert_int_equal(resolve((struct image_want){.name = "alpine", .arch = "x86_64"}, &s, &err),
			 0);
	/* As the store does: what was resolved is handed in, and comes out again whole. */
	assert_int_equal(
		resolve((struct image_want){.name = "alpine", .arch = "x86_64", .resolved = &s},
			&again, &err),
		0);
	assert_int_equal(file_put(path, "the image", 9, 0644, &err), 0);
	if (source_check_image(&again, path, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(again.signer, f.ours);
	assert_int_equal(file_put(path, "the imagf", 9, 0644, &err), 0);
	assert_int_equal(source_check_image(&again, path, &err), -1);
	assert_int_equal(err.kind, ERR_VERIFY);
	image_source_done(&s);
	image_source_done(&again);
	published_done(&p);
	catalog_close(c);
}

static void pinned(void **state)
{
	struct image_source lock = {.urls = {(char *)"https://x.test/a"},
				    .digest = "sha256:" HEX64,
				    .trust = TRUST_CHECKSUM,
				    .name = (char *)"debian:13",
				    .dated = true};
	unsigned before = f.mirror.requests;
	struct image_source s;
	struct err err = {0};

	(void)state;
	assert_int_equal(
		resolve((struct image_want){.name = "debian:13", .pinned = &lock, .offline = true},
			&s, &err),
		0);
	assert_int_equal(f.mirror.requests, before);
	assert_int_equal(s.trust, TRUST_DIGEST); /* the lock names the bytes */
	assert_string_equal(s.urls[0], "https://x.test/a");
	image_source_done(&s);
	assert_int_equal(resolve((struct image_want){.name = "debian:13",
						     .pinned = &lock,
						     .verify = TRUST_SIGNED},
				 &s, &err),
			 -1);
	assert_int_equal(err.kind, ERR_VERIFY);
	err = (struct err){0};
	assert_int_equal(
		resolve((struct image_want){.name = "debian:13", .offline = true}, &s, &err), -1);
	assert_int_equal(err.kind, ERR_DOWNLOAD);
	assert_int_equal(f.mirror.requests, before);
}

/* The publisher signs with a new subkey: the key that is kept is fetched again, and only then. */
static void renewed_key(void **state)
{
	const struct image_want want = {.name = "ubuntu:24.04", .arch = "x86_64"};
	struct err err = {0};
	struct catalog *c = catalog_open(f.files, &err);
	struct published p;
	struct image_source s;
	unsigned before;

	(void)state;
	publish(&p, c, "ubuntu", "24.04", NULL, "x86_64");
	assert_int_equal(resolve(want, &s, &err), 0);
	image_source_done(&s);
	before = f.mirror.requests;
	assert_int_equal(resolve(want, &s, &err), 0);
	image_source_done(&s);
	before = f.mirror.requests - before; /* a look-up with the key at hand */

	gpg_subkey(&f.gpg, f.ours);
	put_sums(&p, p.text[1], f.ours);
	assert_int_equal(resolve(want, &s, &err), -1); /* the key's server does not have it yet */
	assert_int_equal(err.kind, ERR_VERIFY);
	assert_non_null(strstr(err.msg, "not the one that is pinned"));
	err = (struct err){0};
	mirror_remove(&f.mirror, p.image.keys[0].url);
	assert_int_equal(resolve(want, &s, &err),
			 -1); /* nor is it there: the signature is what is wrong */
	assert_non_null(strstr(err.msg, "not the one that is pinned"));
	put_keys(c);
	err = (struct err){0};
	if (resolve(want, &s, &err) < 0)
		fail_msg("%s", err.msg);
	assert_string_equal(s.signer, f.ours);
	image_source_done(&s);
	f.mirror.requests = 0;
	assert_int_equal(resolve(want, &s, &err), 0);
	assert_int_equal(f.mirror.requests, before);
	image_source_done(&s);
	published_done(&p);
	catalog_close(c);
}

/* --- a URL ------------------------------------------------------------------------- */

#define IMAGE "https://vendor.example.test/x/image.qcow2"

static void urls(void **state)
{
	static const char SUMS[] = HEX64 "  image.qcow2\n", OTHER[] = HEX64 "  other.qcow2\n";
	auto_free char *key = path_join(f.dir, "vendor.asc");
	auto_buf struct buf armour = BUF_INIT(64 << 10);
	static const struct {
		const char *signature, *text;
		enum gpg_form form;
		bool by_ours, good;
	} cases[] = {
		{IMAGE ".asc", "the image", GPG_ARMOURED, true, true},
		{"https://vendor.example.test/x/SHA256SUMS.gpg", SUMS, GPG_DETACHED, true, true},
		{"https://vendor.example.test/x/SHA256SUMS.gpg", SUMS, GPG_DETACHED, false, false},
		{"https://vendor.example.test/x/SHA256SUMS.gpg", OTHER, GPG_DETACHED, true, false},
		{"https://vendor.example.test/x/CHECKSUM", SUMS, GPG_CLEAR, true, true},
		{"https://vendor.example.test/x/CHECKSUM", SUMS, GPG_CLEAR, false, false},
		{"https://vendor.example.test/x/CHECKSUM", OTHER, GPG_CLEAR, true, false},
		{"https://vendor.example.test/x/image.qcow2.signature", SUMS, GPG_DETACHED, true,
		 false},
	};

	(void)state;
	gpg_export(&f.gpg, f.ours, true, &armour);
	assert_int_equal(file_put(key, armour.data, armour.len, 0644, NULL), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		auto_buf struct buf sig = BUF_INIT(64 << 10);
		struct image_source s;
		struct err err = {0};
		int rc;

		mirror_put(&f.mirror, "https://vendor.example.test/x/SHA256SUMS", cases[i].text,
			   strlen(cases[i].text));
		gpg_sign(&f.gpg, cases[i].by_ours ? f.ours : f.theirs, NULL, cases[i].form,
			 "SHA256", cases[i].text, strlen(cases[i].text), &sig);
		mirror_put(&f.mirror, cases[i].signature, sig.data, sig.len);
		rc = resolve((struct image_want){.url = IMAGE,
						 .signature = {cases[i].signature, key},
						 .verify = TRUST_SIGNED},
			     &s, &err);
		if ((rc == 0) != cases[i].good)
			fail_msg("case %zu: %d %s", i, rc, err.msg);
		if (rc < 0) {
			assert_int_equal(err.kind, ERR_VERIFY);
			continue;
		}
		assert_int_equal(s.trust, TRUST_SIGNED);
		assert_string_equal(s.digest, i == 0 ? "" : "sha256:" HEX64);
		assert_string_equal(s.signer, i == 0 ? "" : f.ours);
		image_source_done(&s);
	}
}

static void urls_without(void **state)
{
	struct image_source s;
	struct err err = {0};

	(void)state;
	assert_int_equal(resolve((struct image_want){.url = IMAGE}, &s, &err), -1);
	assert_int_equal(err.kind, ERR_VERIFY);
	assert_non_null(strstr(err.msg, "--insecure"));
	assert_int_equal(resolve((struct image_want){.url = IMAGE, .insecure = true}, &s, &err), 0);
	assert_int_equal(s.trust, TRUST_UNVERIFIED);
	image_source_done(&s);
	assert_int_equal(resolve((struct image_want){.url = IMAGE,
						     .digest = "sha256:" HEX64,
						     .verify = TRUST_DIGEST},
				 &s, &err),
			 0);
	assert_int_equal(s.trust, TRUST_DIGEST);
	image_source_done(&s);
	assert_int_equal(
		resolve((struct image_want){.path = "/x", .verify = TRUST_CHECKSUM}, &s, &err), -1);
	assert_int_equal(resolve((struct image_want){.path = "/x"}, &s, &err), 0);
	assert_int_equal(s.trust, TRUST_LOCAL);
	image_source_done(&s);
}

/* --- the frame --------------------------------------------------------------------- */

/* The built-in catalog with every fingerprint replaced by our key's. */
static void write_catalog(void)
{
	auto_buf struct buf text = BUF_INIT(1 << 20);
	struct err err = {0};
	char *at;

	if (file_read("templates/catalog.yaml", &text, &err) < 0)
		fail_msg("%s (tests run from the top of the tree)", err.msg);
	for (at = text.data; (at = strstr(at, "fingerprint: ")); at += 40) {
		at += strlen("fingerprint: ");
		memcpy(at, f.ours, 40);
	}
	f.catalog = path_join(f.mirror.tree, "catalog.yaml");
	assert_int_equal(file_put(f.catalog, text.data, text.len, 0644, &err), 0);
	f.files[0] = f.catalog;
}

static int open_all(void **state)
{
	struct err err = {0};
	struct catalog *c;

	(void)state;
	gpg_key(&f.gpg, "Ours <ours@example.test>", NULL, "never", f.ours);
	gpg_key(&f.gpg, "Theirs <theirs@example.test>", NULL, "never", f.theirs);
	mirror_open(&f.mirror);
	strcpy(f.dir, "/tmp/croft-source-XXXXXX");
	assert_non_null(mkdtemp(f.dir));
	write_catalog();
	c = catalog_open(f.files, &err);
	assert_non_null(c);
	put_keys(c);
	catalog_close(c);
	return 0;
}

static int close_all(void **state)
{
	(void)state;
	mirror_close(&f.mirror);
	free(f.catalog);
	dir_remove(f.dir, NULL);
	gpg_close(&f.gpg);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_image),	cmocka_unit_test(addresses),
		cmocka_unit_test(refused),	cmocka_unit_test(messages),
		cmocka_unit_test(other_mirror), cmocka_unit_test(least_accepted),
		cmocka_unit_test(without_gpgv), cmocka_unit_test(signed_image),
		cmocka_unit_test(pinned),	cmocka_unit_test(urls),
		cmocka_unit_test(urls_without), cmocka_unit_test(renewed_key),
	};

	if (!gpg_open(&f.gpg) || signature_possible(NULL) < 0) {
		puts("neither gpg nor gpgv to make and check signatures with");
		return 77;
	}
	return cmocka_run_group_tests(tests, open_all, close_all);
}
