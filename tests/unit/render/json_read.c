// SPDX-License-Identifier: GPL-2.0-only
/* The JSON report as jansson reads it. */
#include "json_read.h"

#include <criterion/criterion.h>

json_t *json_report(const struct profile *profile, const struct render_options *options)
{
	struct buffer out;
	json_error_t error;
	json_t *root;

	sample_render("json", profile, options, &out);
	/* Duplicate keys would be valid JSON, and wrong. */
	root = json_loadb(out.bytes, out.length, JSON_REJECT_DUPLICATES, &error);
	cr_assert_not_null(root, "%s at line %d:\n%s", error.text, error.line, out.bytes);
	buffer_release(&out);
	return root;
}

json_t *json_element(json_t *array, size_t index)
{
	json_t *element = json_array_get(array, index);

	cr_assert_not_null(element, "no element %zu", index);
	return element;
}

void json_expect_int(json_t *object, const char *key, json_int_t want)
{
	json_t *value = json_object_get(object, key);

	cr_assert(json_is_integer(value), "%s is no integer", key);
	cr_expect_eq(json_integer_value(value), want, "%s: %lld", key, json_integer_value(value));
}

void json_expect_string(json_t *object, const char *key, const char *want)
{
	json_t *value = json_object_get(object, key);

	if (!want) {
		cr_expect(json_is_null(value), "%s is not null", key);
		return;
	}
	cr_assert(json_is_string(value), "%s is no string", key);
	cr_expect_str_eq(json_string_value(value), want, "%s: %s", key, json_string_value(value));
}
