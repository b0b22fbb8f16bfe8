// SPDX-License-Identifier: GPL-2.0-only
/* See types_wanted.h. */
#include "cli/types_wanted.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"

bool type_is_wanted(const struct class_facts *type, const char *const *globs, size_t glob_count)
{
	char whole[sizeof(type->module) + sizeof(type->name) + 1];

	if (!type->name[0])
		return false;
	snprintf(whole, sizeof(whole), "%s.%s", type->module, type->name);
	for (size_t i = 0; i < glob_count; i++) {
		if (!fnmatch(globs[i], type->name, 0) || !fnmatch(globs[i], whole, 0))
			return true;
	}
	return false;
}

/* The last census's types, or those of one for this purpose. */
static int types_list(struct classes *classes, const uint64_t **addresses, size_t *count)
{
	struct class_counts counts = { 0 };
	int err = 0;

	*count = classes_types(classes, addresses);
	if (!*count) {
		err = classes_count(classes, &counts);
		*count = classes_types(classes, addresses);
	}
	class_counts_release(&counts);
	return err;
}

static int type_look_at(struct classes *classes, uint64_t address, const char *const *globs,
			size_t glob_count, uint64_t python_dealloc, struct types_wanted *wanted)
{
	struct class_facts facts;
	int err = classes_read(classes, address, &facts);

	/* Gone since the census. */
	if (err == -ENODATA)
		return 0;
	if (err || facts.dealloc == python_dealloc || !type_is_wanted(&facts, globs, glob_count))
		return err;
	if (GROW(wanted->array, wanted->capacity, wanted->count))
		return -ENOMEM;
	wanted->array[wanted->count++] = facts;
	return 0;
}

int types_wanted_find(struct classes *classes, const char *const *globs, size_t glob_count,
		      uint64_t python_dealloc, struct types_wanted *out)
{
	struct types_wanted wanted = { 0 };
	const uint64_t *addresses;
	size_t count;
	int err = types_list(classes, &addresses, &count);

	for (size_t i = 0; !err && i < count; i++)
		err = type_look_at(classes, addresses[i], globs, glob_count, python_dealloc,
				   &wanted);
	if (err)
		types_wanted_release(&wanted);
	else
		*out = wanted;
	return err;
}

void types_wanted_release(struct types_wanted *wanted)
{
	free(wanted->array);
	memset(wanted, 0, sizeof(*wanted));
}
