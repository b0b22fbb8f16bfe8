/* SPDX-License-Identifier: GPL-2.0-only */
/* The plan of --mode lifetime: where a process makes and ends its objects, those of --types included. */
#ifndef PYBPFPROF_CLI_LIVES_PLAN_H
#define PYBPFPROF_CLI_LIVES_PLAN_H

#include <stddef.h>

#include "cli/config.h"
#include "python/allocator.h"
#include "python/python.h"

/*
 * As lifetime_plan_make(); what the kernel side must know is in each probe: inside_start is where
 * subtype_dealloc() lies in its file, first_argument 1 where types made in C end.
 */
int lives_plan(const struct config *config, const struct python_process *python,
	       struct allocator_plan *plan, char *reason, size_t reason_size);

#endif
