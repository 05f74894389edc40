/* SPDX-License-Identifier: Apache-2.0
 *
 * The stages between the normalised tree and struct spec: computed defaults (derive.c), rules
 * between keys (rules.c), the structure (build.c), the documents for cloud-init (document.c). Each
 * works on what there is when earlier stages complained, so that one run shows every complaint.
 */
#ifndef PROVISION_SPEC_LOAD_H
#define PROVISION_SPEC_LOAD_H

#include "provision/spec/field.h"
#include "provision/spec/spec.h"

struct load {
	struct reader reader;
	struct spec *spec;
	const struct source *source;	 /* the file */
	const struct yaml_node *written; /* the user's own tree */
	struct yaml_node *tree;		 /* normalised */
	const char *default_name;	 /* from the file's name; NULL: it makes none */
};

/* Node at "a.b" of a tree, the text of a scalar there; NULL: none. */
struct yaml_node *tree_at(const struct yaml_node *, const char *path);
const char *tree_text(const struct yaml_node *, const char *path);
bool tree_flag(const struct yaml_node *, const char *path);
bool has_seed(const struct yaml_node *tree); /* false: cloud_init: none */

/*
 * The name of an item of users; NULL: it was wrong. As cloud-init has it, "default" is the default
 * user, as a word and as the name in a map, which adds to what the image says of that user.
 */
const char *user_name(const struct yaml_node *user);

/* What the user wrote for a network, whichever form `networks` has; NULL: nothing, or no map. */
const struct yaml_node *written_network(const struct load *, const char *name);

/* Complaints by the path in words, for rules that no single type sees. */
#define load_error(l, node, help, ...)                                                             \
	diag_error((l)->reader.diags, (node)->source, (node)->at, help, __VA_ARGS__)
#define load_warn(l, node, help, ...)                                                              \
	diag_warn((l)->reader.diags, (node)->source, (node)->at, help, __VA_ARGS__)

void derive(struct load *);
void check_rules(struct load *);
void build(struct load *, struct spec_vm *);
void load_documents(struct load *, struct spec_vm *);

/*
 * The tree as `croft config` writes it: keys in the table's order, dollars doubled where they would
 * begin a variable.
 */
struct yaml_node *written_form(struct arena *, const struct field *, const struct yaml_node *);

#endif
