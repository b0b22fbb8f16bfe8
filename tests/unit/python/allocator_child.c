// SPDX-License-Identifier: GPL-2.0-only
/* See allocator_child.h. */
#include "unit/python/allocator_child.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ENTRY_BYTES = 64 }; /* a probe's place is no farther behind */

static void child_listen(struct child *child)
{
	char line[256];

	while (fgets(line, sizeof(line), child->output)) {
		unsigned long address;
		char name[32];

		if (strcmp(line, "ready\n") == 0)
			return;
		if (sscanf(line, "%31s %lu", name, &address) != 2)
			continue;
		if (strcmp(name, "bias") == 0) {
			child->bias = address;
			continue;
		}
		cr_assert_lt(child->function_count, (size_t)CHILD_FUNCTIONS_MAX);
		child->functions[child->function_count].address = address;
		memcpy(child->functions[child->function_count++].name, name, sizeof(name));
	}
	cr_assert_fail("the target ended before it was ready");
}

void child_start(struct child *child, const char *root, const char *preload, char *const argv[])
{
	int in[2], out[2];

	*child = (struct child){ 0 };
	cr_assert_eq(pipe2(in, O_CLOEXEC), 0);
	cr_assert_eq(pipe2(out, O_CLOEXEC), 0);
	child->pid = fork();
	cr_assert_geq(child->pid, 0);
	if (child->pid == 0) {
		/* A test that fails leaves nobody behind. */
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (dup2(in[0], 0) < 0 || dup2(out[1], 1) < 0 ||
		    (*root && (chroot(root) || chdir("/"))) ||
		    (preload && setenv("LD_PRELOAD", preload, 1)))
			_exit(126);
		execv(argv[0], argv);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	child->input = in[1];
	child->output = fdopen(out[0], "r");
	child_listen(child);
	cr_assert_eq(maps_read(child->pid, &child->maps), 0);
}

void child_end(struct child *child)
{
	close(child->input);
	fclose(child->output);
	kill(child->pid, SIGKILL);
	waitpid(child->pid, NULL, 0);
	maps_release(&child->maps);
}

void child_build(const char *compiler, const char *flags, char *path, size_t size)
{
	char command[2048];

	snprintf(path, size, "/tmp/pybpfprof-%d-allocating", getpid());
	snprintf(command, sizeof(command),
		 "%s -O1 %s -o '%s' tests/unit/python/targets/allocating.c 2>/dev/null", compiler,
		 flags, path);
	if (system(command) != 0)
		cr_skip_test("cannot be built here: %s %s", compiler, flags);
}

uint64_t child_function(const struct child *child, const char *name)
{
	for (size_t i = 0; i < child->function_count; i++) {
		if (strcmp(child->functions[i].name, name) == 0)
			return child->functions[i].address;
	}
	return 0;
}

const struct allocator_site *site_named(const struct allocator_plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->site_count; i++) {
		if (strcmp(plan->sites[i].symbol, name) == 0)
			return &plan->sites[i];
	}
	return NULL;
}

const struct allocator_site *site_at(const struct allocator_plan *plan, const struct child *child,
				     uint64_t address)
{
	const struct mapping *mapping = maps_find(&child->maps, address);
	const struct allocator_site *nearest = NULL;
	uint64_t offset;

	if (!mapping)
		return NULL;
	offset = address - mapping->start + mapping->offset;
	for (size_t i = 0; i < plan->site_count; i++) {
		const struct allocator_site *site = &plan->sites[i];

		if (strcmp(plan->files[site->file].path, mapping->path) != 0 ||
		    site->file_offset - offset >= ENTRY_BYTES)
			continue;
		if (!nearest || site->file_offset < nearest->file_offset)
			nearest = site;
	}
	return nearest;
}
