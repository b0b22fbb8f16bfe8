/* SPDX-License-Identifier: GPL-2.0-only */
/* What is known of a process while its allocator's plan is made. Only for allocator*.c. */
#ifndef PYBPFPROF_PYTHON_ALLOCATOR_PLAN_H
#define PYBPFPROF_PYTHON_ALLOCATOR_PLAN_H

#include "python/allocator.h"
#include "python/allocator_modules.h"
#include "python/allocator_place.h"

struct planning {
	const struct python_process *python;
	struct allocator_plan *plan;
	struct maps maps;
	struct module modules[ALLOCATOR_FILES];
	size_t module_count;
	/* The C level's: a call that only leads on to one of them is seen there. */
	struct module_function functions[MODULE_FUNCTIONS_MAX];
	size_t function_count;
};

/* -errno of maps_read(). */
int planning_begin(struct planning *planning, const struct python_process *python,
		   struct allocator_plan *plan);
void planning_end(struct planning *planning);

/* The file with the code at an address; borrowed. -E2BIG: one too many. */
int planning_module(struct planning *planning, uint64_t address, struct module **out);

struct planned_function {
	const char *name;
	uint64_t address; /* in the process */
	enum memory_call call;
	uint8_t context; /* 1: a context comes before the arguments */
};

/* Puts the function into the plan, unless it is in by another name or only leads on to one that is. */
int planning_add(struct planning *planning, const struct planned_function *function);

/* Puts a probe right there, at probe->address, where nothing returns. -EFAULT: no code is there. */
int planning_add_at(struct planning *planning, const struct module *module, const char *name,
		    const struct memory_probe *probe);

#endif
