/* SPDX-License-Identifier: GPL-2.0-only */
/* Where collections are seen, looked up once for each interpreter file, for all modes of a run. */
#ifndef PYBPFPROF_CLI_COLLECTOR_PLANS_H
#define PYBPFPROF_CLI_COLLECTOR_PLANS_H

#include <stddef.h>

#include "python/collector.h"

struct collector_plans;

struct collector_plans *collector_plans_new(void);	  /* NULL: no memory */
void collector_plans_free(struct collector_plans *plans); /* takes NULL */

/*
 * Lends the plan for the interpreter that `python` runs in *out, until collector_plans_free(): the same
 * pointer for the same file. 0 or -errno, and why in `reason`.
 */
int collector_plans_find(struct collector_plans *plans, const struct python_process *python,
			 const struct collector_plan **out, char *reason, size_t reason_size);

#endif
