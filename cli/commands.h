/* SPDX-License-Identifier: Apache-2.0
 *
 * The commands, one file each. commands.c puts them in the order of `croft --help`.
 */
#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "cli/cli.h"

extern const struct command cmd_up;
extern const struct command cmd_plan;
extern const struct command cmd_down;
extern const struct command cmd_destroy;
extern const struct command cmd_list;
extern const struct command cmd_status;
extern const struct command cmd_ssh;
extern const struct command cmd_console;
extern const struct command cmd_logs;
extern const struct command cmd_validate;
extern const struct command cmd_config;
extern const struct command cmd_explain;
extern const struct command cmd_schema;
extern const struct command cmd_image_ls;
extern const struct command cmd_image_pull;
extern const struct command cmd_image_verify;
extern const struct command cmd_image_rm;
extern const struct command cmd_image_prune;
extern const struct command cmd_image_import;
extern const struct command cmd_image_export;
extern const struct command cmd_image_inspect;
extern const struct command cmd_lock;
extern const struct command cmd_image_search;
extern const struct command cmd_seed_show;
extern const struct command cmd_seed_build;
extern const struct command cmd_doctor;
extern const struct command cmd_help;
extern const struct command cmd_version;

#endif
