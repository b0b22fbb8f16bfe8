// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where pybpfprof would probe the allocator of a process, or where objects are born and end (lives), for
 * bench/floor.c to probe the very same; or the functions that make and end objects (makers), as anybody
 * would probe them who wants to see what they hand out:
 *
 *         sites PID [lives|makers]
 *
 * A line with the file, as we can open it, then a line for each offset; with an r in front where the
 * function's return is probed. Built and run by scripts/bench.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "python/allocator.h"
#include "python/allocator_plan.h"
#include "python/lifetime_makers.h"
#include "python/lifetime_plan.h"
#include "python/lifetime_slots.h"
#include "python/python.h"

static int makers_plan(const struct python_process *python, struct allocator_plan *plan)
{
	struct planned_function function = { .call = LIFETIME_END };
	struct lifetime_makers makers = { 0 };
	struct lifetime_slots slots;
	struct planning planning;
	struct module *module;
	int error = lifetime_slots_read(python, &slots);

	if (!error)
		error = planning_begin(&planning, python, plan);
	if (error)
		return error;
	error = planning_module(&planning, slots.alloc, &module);
	if (!error)
		error = lifetime_makers_find(module, slots.alloc - module->bias, 0, &makers);
	function.name = "subtype_dealloc";
	function.address = slots.dealloc;
	if (!error)
		error = planning_add(&planning, &function);
	function.name = "tp_alloc";
	function.call = LIFETIME_MAKE;
	for (size_t i = 0; i < makers.count && !error; i++) {
		function.address = makers.addresses[i] + module->bias;
		error = planning_add(&planning, &function);
	}
	planning_end(&planning);
	return error;
}

static int plan_make(const struct python_process *python, const char *what,
		     struct allocator_plan *plan, char *reason, size_t size)
{
	struct lifetime_addresses addresses;
	int error;

	if (!what)
		return allocator_plan_make(python, plan, reason, size);
	if (strcmp(what, "lives") == 0)
		return lifetime_plan_make(python, plan, &addresses, reason, size);
	error = makers_plan(python, plan);
	if (error)
		snprintf(reason, size, "the makers of objects: %s", strerror(-error));
	return error;
}

static int sites_print(const struct python_process *python, const char *what)
{
	struct allocator_plan plan = { 0 };
	char reason[256];
	int error = plan_make(python, what, &plan, reason, sizeof(reason));

	if (error) {
		fprintf(stderr, "sites: %s\n", reason);
		return 1;
	}
	if (plan.file_count != 1) {
		fprintf(stderr, "sites: the functions lie in several files\n");
		return 1;
	}
	puts(plan.files[0].path_open);
	for (size_t i = 0; i < plan.site_count; i++) {
		const struct allocator_site *site = &plan.sites[i];

		printf("0x%llx\n", (unsigned long long)site->file_offset);
		if (site->returns_block)
			printf("r0x%llx\n", (unsigned long long)site->file_offset);
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct python_cache *cache = python_cache_new();
	struct python_process python;
	int status = 1;

	if (argc < 2 || argc > 3 || !cache) {
		fprintf(stderr, "usage: sites PID [lives|makers]\n");
		python_cache_free(cache);
		return 2;
	}
	python_inspect(cache, atoi(argv[1]), &python);
	if (python.verdict == PYTHON_KNOWN)
		status = sites_print(&python, argv[2]);
	else
		fprintf(stderr, "sites: %s\n", python.reason);
	python_cache_free(cache);
	return status;
}
