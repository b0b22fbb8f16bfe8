// SPDX-License-Identifier: GPL-2.0-only
/*
 * Where pybpfprof would probe the allocator of a process, or where it makes and ends its objects, for
 * bench/floor.c to probe the very same:
 *
 *         sites PID [lives]
 *
 * A line with the file, as we can open it, then a line for each offset; with an r in front where the
 * function's return is probed. Built and run by scripts/bench.
 */
#include <stdio.h>
#include <stdlib.h>

#include "python/allocator.h"
#include "python/lifetime_plan.h"
#include "python/python.h"

static int sites_print(const struct python_process *python, bool lives)
{
	struct lifetime_addresses addresses;
	struct allocator_plan plan = { 0 };
	char reason[256];
	int error = lives ? lifetime_plan_make(python, &plan, &addresses, reason, sizeof(reason)) :
			    allocator_plan_make(python, &plan, reason, sizeof(reason));

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
		fprintf(stderr, "usage: sites PID [lives]\n");
		python_cache_free(cache);
		return 2;
	}
	python_inspect(cache, atoi(argv[1]), &python);
	if (python.verdict == PYTHON_KNOWN)
		status = sites_print(&python, argc > 2);
	else
		fprintf(stderr, "sites: %s\n", python.reason);
	python_cache_free(cache);
	return status;
}
