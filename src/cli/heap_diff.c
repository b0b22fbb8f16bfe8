// SPDX-License-Identifier: GPL-2.0-only
/* See heap_diff.h. The file may be anybody's: every member is looked at before it is believed. */
#include "cli/heap_diff.h"

#include <errno.h>
#include <jansson.h>
#include <string.h>

#include "base/fs.h"

enum { FILE_BYTES_MAX = 256 << 20 };

static bool uint_member(const json_t *object, const char *key, uint64_t *out)
{
	const json_t *value = json_object_get(object, key);

	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return false;
	*out = (uint64_t)json_integer_value(value);
	return true;
}

static int row_apply(const json_t *row, struct census *census)
{
	const char *name = json_string_value(json_object_get(row, "name"));
	const char *module = json_string_value(json_object_get(row, "module"));
	uint64_t count, bytes;
	uint32_t type;

	if (!name || !module || !uint_member(row, "count", &count) ||
	    !uint_member(row, "bytes", &bytes))
		return -EINVAL;
	type = census_type_add(census, module, name);
	if (type == UINT32_MAX)
		return -ENOMEM;
	census->types[type].count_before += count;
	census->types[type].bytes_before += bytes;
	census->before_objects += count;
	census->before_bytes += bytes;
	return 0;
}

static bool is_census(const json_t *root)
{
	const json_t *mode = json_object_get(root, "mode");
	const char *word = json_string_value(json_array_get(mode, 0));

	return word && !strcmp(word, "heap") && json_is_array(json_object_get(root, "types"));
}

static int root_apply(const json_t *root, struct census *census)
{
	const json_t *types = json_object_get(root, "types");
	int err = is_census(root) ? 0 : -EINVAL;

	for (size_t i = 0; !err && i < json_array_size(types); i++)
		err = row_apply(json_array_get(types, i), census);
	uint_member(root, "taken_s", &census->before_taken_s);
	return err;
}

int heap_diff_apply(const char *path, struct census *census, struct buffer *message)
{
	struct buffer text;
	json_error_t error;
	json_t *root = NULL;
	int err;

	buffer_init(&text);
	err = fs_read(path, FILE_BYTES_MAX, &text);
	if (err)
		goto done;
	root = json_loadb(text.bytes ? text.bytes : "", text.length, 0, &error);
	if (!root) {
		buffer_printf(message, "%s is not JSON: %s", path, error.text);
		err = -EINVAL;
		goto done;
	}
	err = root_apply(root, census);
	if (err == -EINVAL)
		buffer_printf(message, "%s is no census of heap -f json", path);
	census->before_at = census_string(census, path);
	census->has_before = true;
	if (census->before_at == UINT32_MAX)
		err = -ENOMEM;
done:
	json_decref(root);
	buffer_release(&text);
	return err;
}
