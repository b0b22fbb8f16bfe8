// SPDX-License-Identifier: GPL-2.0-only
/* See lives_plan.h. */
#include "cli/lives_plan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "cli/census_of_classes.h"
#include "cli/types_wanted.h"
#include "python/lifetime_plan.h"

/* Ends of the types that --types asks for; the site of a type that ends like others is there already. */
static void ends_in_c(const struct config *config, const struct python_process *python,
		      uint64_t subtype_dealloc, struct allocator_plan *plan)
{
	struct types_wanted wanted = { 0 };
	struct classes *classes;
	int error = classes_open(python, &classes);

	if (!error)
		error = types_wanted_find(classes, config->types, config->type_count,
					  subtype_dealloc, &wanted);
	if (error)
		log_warn("pid %d: the types asked for cannot be looked up: %s", python->pid,
			 strerror(-error));
	else if (!wanted.count)
		log_warn("pid %d: no type made in C matches --types", python->pid);
	for (uint32_t i = 0; i < wanted.count; i++) {
		size_t before = plan->site_count;

		error = lifetime_plan_end_add(python, plan, wanted.array[i].dealloc);
		if (error)
			log_warn("pid %d: where %s.%s ends cannot be watched: %s", python->pid,
				 wanted.array[i].module, wanted.array[i].name, strerror(-error));
		for (size_t site = before; site < plan->site_count; site++)
			plan->sites[site].probe.first_argument = 1;
	}
	types_wanted_release(&wanted);
	classes_close(classes);
}

int lives_plan(const struct config *config, const struct python_process *python,
	       struct allocator_plan *plan, char *reason, size_t reason_size)
{
	struct lifetime_addresses addresses;
	int error = lifetime_plan_make(python, plan, &addresses, reason, reason_size);

	if (error)
		return error;
	for (size_t i = 0; i < plan->site_count; i++)
		plan->sites[i].probe.inside_start = addresses.subtype_dealloc - python->load_bias;
	if (config->type_count)
		ends_in_c(config, python, addresses.subtype_dealloc, plan);
	return 0;
}
