/* SPDX-License-Identifier: Apache-2.0
 *
 * What is shown of a VM: see show.h.
 */
#include "cli/show.h"

#include <string.h>

#include "base/num.h"
#include "base/util.h"

const char *show_state(const struct vm_info *v)
{
	return v->phase == VM_RUNS && v->paused ? "paused" : vm_phase_name(v->phase);
}

static json_t *text(const char *s)
{
	/* What a guest wrote need not be UTF-8; what is not becomes null rather than a broken document. */
	json_t *j = s ? json_string(s) : NULL;

	return j ? j : json_null();
}

json_t *show_ladder_json(const struct ladder *l)
{
	json_t *rungs = json_array();

	for (int r = 0; r < RUNGS; r++) {
		const struct rung_state *s = &l->rungs[r];

		if (!s->applies)
			continue;
		json_array_append_new(rungs, json_pack("{s:s, s:b, s:o, s:o}", "name",
						       rung_name((enum rung)r), "reached", s->reached,
						       "at_ms",
						       s->reached ? json_integer((json_int_t)s->at_ms)
								  : json_null(),
						       "evidence", text(s->reached ? s->evidence : NULL)));
	}
	/* A VM that does not run has reached none. */
	return json_pack("{s:o, s:o, s:o, s:b, s:o}", "rung",
			 text(l->rungs[l->current].reached ? rung_name(l->current) : NULL), "rungs", rungs,
			 "last_console", text(l->last_console), "cloud_init_failed",
			 l->cloud_init_failed, "cloud_init_error",
			 text(l->cloud_init_failed ? l->cloud_init_error : NULL));
}

json_t *show_vm_json(const struct vm_info *v)
{
	json_t *j = json_object();

	json_object_set_new(j, "project", text(v->project));
	json_object_set_new(j, "name", text(v->name));
	json_object_set_new(j, "state", text(show_state(v)));
	json_object_set_new(j, "pid", v->pid ? json_integer(v->pid) : json_null());
	json_object_set_new(j, "address", text(v->address));
	json_object_set_new(j, "user", text(v->user));
	json_object_set_new(j, "spec", text(v->spec_path));
	json_object_set_new(j, "directory", text(v->dir));
	json_object_set_new(j, "socket", text(v->socket));
	json_object_set_new(j, "image", text(v->image));
	json_object_set_new(j, "digest", text(v->digest));
	json_object_set_new(j, "trust", text(trust_name(v->trust)));
	json_object_set_new(j, "cpus", json_integer(v->cpus));
	json_object_set_new(j, "memory", json_integer((json_int_t)v->memory));
	json_object_set_new(j, "disk", json_integer((json_int_t)v->disk));
	json_object_set_new(j, "uptime_ms", json_integer((json_int_t)v->uptime_ms));
	json_object_set_new(j, "stop_reason", text(v->stop_reason));
	json_object_set_new(j, "boot", text(v->boot));
	json_object_set_new(j, "ready", show_ladder_json(&v->ladder));
	return j;
}

void show_ladder(const struct ladder *l, FILE *out)
{
	for (int r = 0; r < RUNGS; r++) {
		const struct rung_state *s = &l->rungs[r];
		char age[SIZE_TEXT];

		if (!s->applies)
			continue;
		if (s->reached)
			fprintf(out, "  %-10s %8s  %s\n", rung_name((enum rung)r),
				format_duration(s->at_ms, age, sizeof(age)), s->evidence);
		else
			fprintf(out, "  %-10s %8s  not seen yet\n", rung_name((enum rung)r), "-");
	}
	if (l->last_console[0])
		fprintf(out, "  last line on the console: %s\n", l->last_console);
	if (l->cloud_init_failed)
		fprintf(out, "  cloud-init reported errors: %s\n", l->cloud_init_error);
}

void show_json(json_t *j)
{
	json_dumpf(j, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(j);
}
