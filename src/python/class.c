// SPDX-License-Identifier: GPL-2.0-only
/*
 * See class.h. Offsets: Include/cpython/object.h (PyTypeObject), funcobject.h (func_code moved in
 * 3.10), Objects/funcobject.c (classmethod, staticmethod), Objects/descrobject.c (property).
 */
#include "python/class.h"

#include <errno.h>
#include <stdbool.h>

#include "proc/memory.h"
#include "python/dict.h"
#include "python/layout.h"

enum {
	TYPE_DICT = 264,
	TYPE_MRO = 344,
	TUPLE_SIZE = 16,
	TUPLE_ITEMS = 24,
	FUNCTION_CODE_3_8 = 16,
	FUNCTION_CODE_3_10 = 48,
	WRAPPED_FIRST = 16, /* cm_callable, sm_callable, prop_get; then prop_set, prop_del */
	WRAPPED_COUNT = 3,
	CLASSES_MAX = 64,
	ENTRIES_MAX = 1024,
};

static bool function_has(pid_t pid, unsigned int minor, uint64_t function, uint64_t code)
{
	uint64_t found;
	uint64_t at = minor >= 10 ? FUNCTION_CODE_3_10 : FUNCTION_CODE_3_8;

	return function && !memory_read_u64(pid, function + at, &found) && found == code;
}

/* The value itself is the function, or it wraps it. Whatever lies there is only compared. */
static bool value_has(pid_t pid, unsigned int minor, uint64_t value, uint64_t code)
{
	uint64_t wrapped[WRAPPED_COUNT];

	if (function_has(pid, minor, value, code))
		return true;
	if (memory_read(pid, value + WRAPPED_FIRST, wrapped, sizeof(wrapped)))
		return false;
	for (size_t i = 0; i < WRAPPED_COUNT; i++) {
		if (function_has(pid, minor, wrapped[i], code))
			return true;
	}
	return false;
}

static int defining_class(pid_t pid, const struct layout *layout, unsigned int minor, uint64_t type,
			  const struct python_method *method, uint64_t *found)
{
	uint64_t name, mro, count, each, dict, value;

	/* The code's name and the class dict's key are one interned object. */
	if (!type || memory_read_u64(pid, method->code + layout->walk.code_name, &name) ||
	    memory_read_u64(pid, type + TYPE_MRO, &mro) || !mro ||
	    memory_read_u64(pid, mro + TUPLE_SIZE, &count))
		return -ENODATA;
	for (uint64_t i = 0; i < count && i < CLASSES_MAX; i++) {
		if (memory_read_u64(pid, mro + TUPLE_ITEMS + 8 * i, &each) ||
		    memory_read_u64(pid, each + TYPE_DICT, &dict))
			return -ENODATA;
		if (!dict || dict_find_interned(pid, layout, dict, name, ENTRIES_MAX, &value) ||
		    !value_has(pid, minor, value, method->code))
			continue;
		*found = each;
		return 0;
	}
	return -ENODATA;
}

int python_class_name(pid_t pid, unsigned int minor, const struct python_method *method, char *name,
		      size_t size)
{
	const struct layout *layout = layout_of(minor);
	uint64_t type, text;

	if (!layout || minor > 10 || !method->self)
		return -ENODATA;
	if (defining_class(pid, layout, minor, method->self_type, method, &type) &&
	    defining_class(pid, layout, minor, method->self, method, &type))
		return -ENODATA;
	if (memory_read_u64(pid, type + layout->type_name, &text) ||
	    memory_read_string(pid, text, name, size))
		return -ENODATA;
	return 0;
}
