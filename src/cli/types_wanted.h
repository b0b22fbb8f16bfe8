/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * --types GLOB: which types of C's the globs mean in a process. Classes made in Python are never among
 * them: their instances are followed anyway.
 */
#ifndef PYBPFPROF_CLI_TYPES_WANTED_H
#define PYBPFPROF_CLI_TYPES_WANTED_H

#include <stddef.h>
#include <stdint.h>

#include "cli/census_of_classes.h"

struct types_wanted {
	struct class_facts *array; /* owned; by address */
	uint32_t count, capacity;
};

/* Whether a type called so is meant: "module.name", or the name alone. */
bool type_is_wanted(const struct class_facts *type, const char *const *globs, size_t glob_count);

/*
 * All that the last classes_count() met, or one made now when there was none, so also types with no
 * instance: those that the process has. `python_dealloc` is what classes made in Python have as
 * tp_dealloc, struct lifetime_addresses knows it. 0, -ESRCH, -EPERM, -ENOMEM, what classes_count() says.
 */
int types_wanted_find(struct classes *classes, const char *const *globs, size_t glob_count,
		      uint64_t python_dealloc, struct types_wanted *out);
void types_wanted_release(struct types_wanted *wanted); /* takes a zeroed one */

#endif
