// SPDX-License-Identifier: GPL-2.0-only
/* What is written of a census made by hand. */
#include <criterion/criterion.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "render/census.h"

static struct census census;
static const char hostile[] = "\x1b[31m\"&<\\\n\xff";

static uint32_t row(const char *module, const char *name, uint64_t count, uint64_t bytes)
{
	uint32_t type = census_type_add(&census, module, name);

	census.types[type].count = count;
	census.types[type].bytes = bytes;
	return type;
}

static void fill(void)
{
	uint32_t type, text;

	cr_assert_eq(census_init(&census), 0);
	census.pid = 42;
	census.command = census_string(&census, "python3 app.py");
	census.python = census_string(&census, "3.11.2");
	row("builtins", "str", 300, 3 << 20);
	type = row("app.models", "Row", 100, 1 << 20);
	row("app", hostile, 1, 16);
	text = census_string(&census, hostile);
	census.largest = calloc(1, sizeof(*census.largest));
	census.largest[0] = (struct census_object){
		.type = type, .preview = text, .address = 0x7f00, .bytes = 1024
	};
	census.largest_count = 1;
	census.steps = calloc(2, sizeof(*census.steps));
	census.steps[0] = (struct census_step){ .type = CENSUS_NO_TYPE,
						.text = census_string(&census, "module app") };
	census.steps[1] = (struct census_step){
		.type = type, .label = text, .address = 0x7f00, .text = text
	};
	census.step_count = 2;
	census.paths = calloc(1, sizeof(*census.paths));
	census.paths[0] = (struct census_path){ .step_count = 2, .count = 7 };
	census.path_count = 1;
	census_finish(&census);
}

static void empty(void)
{
	census_release(&census);
}

TestSuite(census_render, .init = fill, .fini = empty);

static char *render(int (*function)(const struct census *, const struct census_options *, FILE *),
		    uint32_t limit)
{
	const struct census_options options = { .limit = limit, .version = "1", .title = "title" };
	char *text = NULL;
	size_t length;
	FILE *stream = open_memstream(&text, &length);

	cr_assert_eq(function(&census, &options, stream), 0);
	fclose(stream);
	return text;
}

Test(census_render, table_has_counts_shares_and_names)
{
	char *text = render(census_render_table, 0);

	cr_expect(strstr(text, "python3 app.py \xc2\xb7 pid 42 \xc2\xb7 CPython 3.11.2\n"));
	cr_expect(strstr(text, "401 objects \xc2\xb7 4.00 MiB"));
	cr_expect(strstr(text, "  300  74.8  3.00 MiB  75.0   75.0  str\n"), "%s", text);
	cr_expect(strstr(text, "  100  24.9  1.00 MiB  25.0  100.0  app.models.Row\n"), "%s", text);
	cr_expect(strstr(text, "read in 0 while it ran"), "%s", text);
	free(text);
}

Test(census_render, table_tells_what_it_leaves_out)
{
	char *text = render(census_render_table, 1);

	cr_expect(strstr(text, "2 more rows: --limit 0 shows all"), "%s", text);
	free(text);
}

Test(census_render, table_of_growth_shows_what_changed)
{
	char *text;

	census.has_before = true;
	census.types[0].count_before = 300;
	census.types[0].bytes_before = 3 << 20;
	census.types[1].count_before = 40;
	census.types[2].count_before = 3;
	census.types[2].bytes_before = 48;
	text = render(census_render_table, 0);
	cr_expect(strstr(text, "  100     +60  1.00 MiB  +1.00 MiB  app.models.Row\n"), "%s", text);
	cr_expect(strstr(text, "    1      -2      16 B      -32 B  app."), "%s", text);
	cr_expect_null(strstr(text, "  str\n"));
	free(text);
}

Test(census_render, nothing_of_a_name_reaches_a_terminal)
{
	char *text;

	census.has_paths = true;
	text = render(census_render_table, 0);
	cr_expect_null(strchr(text, 0x1b));
	cr_expect_null(strchr(text, 0xff));
	cr_expect(strstr(text, "7 objects held like this:\nmodule app\n"), "%s", text);
	free(text);
}

Test(census_render, json_is_whole_and_exact)
{
	char *text = render(census_render_json, 1);
	json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);

	cr_assert_not_null(root, "%s", text);
	cr_expect_eq(json_array_size(json_object_get(root, "types")), 3);
	cr_expect_eq(json_array_size(json_object_get(root, "modules")), 3);
	cr_expect_eq(json_integer_value(json_object_get(root, "objects")), 401);
	json_decref(root);
	free(text);
}

Test(census_render, dot_has_a_node_for_each_and_an_edge_between)
{
	char *text = render(census_render_dot, 0);

	cr_expect(strstr(text, "n1 [label=\"module app\", shape=ellipse];"), "%s", text);
	cr_expect(strstr(text, "n2 [label=\"app.models.Row\\n0x7f00"), "%s", text);
	cr_expect(strstr(text, "n1 -> n2 [label=\""), "%s", text);
	cr_expect_null(strchr(text, 0x1b));
	free(text);
}
