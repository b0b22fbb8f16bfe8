// SPDX-License-Identifier: GPL-2.0-only
/*
 * See module.h. A module's dict begins with `__name__` and has `__file__` soon after; the dict given
 * to exec() has neither, unless somebody put it there. By the time we look the globals may have been
 * freed and another dict may lie there: only one whose file is the function's own is believed.
 */
#include "python/module.h"

#include <errno.h>
#include <string.h>

#include "proc/memory.h"
#include "python/dict.h"
#include "python/layout.h"

enum { MODULE_ENTRIES = 16, UNICODE_HEAD_BYTES = 48, PATH_BYTES = 4096 };

/* An ASCII str under `key` of the dict. */
static int text_find(pid_t pid, const struct layout *layout, uint64_t dict, const char *key,
		     char *text, size_t size)
{
	char head[UNICODE_HEAD_BYTES];
	uint64_t value, length;
	uint32_t state;

	if (dict_find(pid, layout, dict, key, MODULE_ENTRIES, &value) ||
	    memory_read(pid, value, head, sizeof(head)))
		return -ENODATA;
	memcpy(&length, head + layout->walk.unicode_length, sizeof(length));
	memcpy(&state, head + layout->walk.unicode_state, sizeof(state));
	if (!(state >> layout->walk.unicode_ascii_bit & 1) ||
	    !(state >> layout->walk.unicode_compact_bit & 1) || !length || length >= size)
		return -ENODATA;
	if (memory_read(pid, value + layout->walk.unicode_ascii_data, text, length))
		return -ENODATA;
	text[length] = '\0';
	return memchr(text, '\0', length) ? -ENODATA : 0;
}

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

int python_module_name(pid_t pid, unsigned int minor, uint64_t globals, const char *filename,
		       char *name, size_t size)
{
	const struct layout *layout = layout_of(minor);
	char file[PATH_BYTES];

	/* Made-up file names belong to no module's file. */
	if (!layout || !globals || !filename[0] || filename[0] == '<')
		return -ENODATA;
	if (text_find(pid, layout, globals, "__file__", file, sizeof(file)) ||
	    strcmp(base_of(file), base_of(filename)) != 0)
		return -ENODATA;
	return text_find(pid, layout, globals, "__name__", name, size);
}
