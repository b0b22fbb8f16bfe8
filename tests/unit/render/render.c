// SPDX-License-Identifier: GPL-2.0-only
/* What every renderer keeps to. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "render/json_writer.h"
#include "sample.h"

Test(render, formats_are_found_by_name)
{
	cr_assert_str_eq(renderer_at(0)->name, "table");
	for (size_t i = 0; renderer_at(i); i++) {
		cr_expect_eq(renderer_find(renderer_at(i)->name), renderer_at(i));
		cr_expect_gt(strlen(renderer_at(i)->description), 0);
	}
	cr_assert_null(renderer_find("nonsense"));
	cr_assert_null(renderer_find(""));
}

Test(render, a_full_disk_is_told)
{
	struct profile *profile = sample_new();
	struct render_options options = sample_options();

	for (size_t i = 0; renderer_at(i); i++) {
		FILE *stream = fopen("/dev/full", "w");

		cr_expect_eq(renderer_at(i)->render(profile, &options, stream), -ENOSPC, "%s",
			     renderer_at(i)->name);
		fclose(stream);
	}
	profile_free(profile);
}

Test(render, a_closed_pipe_is_told)
{
	struct profile *profile = sample_new();
	struct render_options options = sample_options();

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; renderer_at(i); i++) {
		int ends[2];
		FILE *stream;

		cr_assert_eq(pipe(ends), 0);
		close(ends[0]);
		stream = fdopen(ends[1], "w");
		cr_expect_eq(renderer_at(i)->render(profile, &options, stream), -EPIPE, "%s",
			     renderer_at(i)->name);
		fclose(stream);
	}
	profile_free(profile);
}

/* An empty profile: a target that never ran, or was filtered away. */
Test(render, nothing_at_all_is_rendered_too)
{
	struct profile *profile = profile_new("cpu", UNIT_NS);
	struct render_options options = { .version = "1" };

	for (size_t i = 0; renderer_at(i); i++) {
		struct buffer out;

		sample_render(renderer_at(i)->name, profile, &options, &out);
		buffer_release(&out);
	}
	profile_free(profile);
}

Test(render, terminals_are_safe_from_every_format)
{
	struct profile *profile = sample_hostile_new();
	struct render_options options = sample_options();

	for (size_t i = 0; renderer_at(i); i++) {
		struct buffer out;

		sample_render(renderer_at(i)->name, profile, &options, &out);
		cr_expect_null(strchr(out.bytes, '\x1b'), "%s", renderer_at(i)->name);
		cr_expect_null(strstr(out.bytes, "\xe2\x80\xae"), "%s", renderer_at(i)->name);
		buffer_release(&out);
	}
	profile_free(profile);
}

Test(json_writer, numbers_and_commas)
{
	char *bytes = NULL;
	size_t length = 0;
	FILE *stream = open_memstream(&bytes, &length);
	struct json_writer json;
	struct writer writer;

	writer_init(&writer, stream);
	json_init(&json, &writer, true);
	json_open(&json, NULL, '{');
	json_uint(&json, "max", UINT64_MAX);
	json_int(&json, "min", INT64_MIN);
	json_decimal(&json, "share", 13000, 6);
	json_decimal(&json, "large", 12345678, 6);
	json_open(&json, "list", '[');
	json_newline(&json);
	json_bool(&json, NULL, true);
	json_newline(&json);
	json_null(&json, NULL);
	json_open(&json, NULL, '[');
	json_close(&json, ']');
	json_close(&json, ']');
	json_text(&json, "<&>", "</script>&\"");
	json_close(&json, '}');
	cr_assert_eq(writer_finish(&writer), 0);
	fclose(stream);
	cr_assert_str_eq(bytes,
			 "{\"max\":18446744073709551615,\"min\":-9223372036854775808,"
			 "\"share\":0.013000,\"large\":12.345678,\"list\":[\ntrue,\nnull,[]],"
			 "\"\\u003c\\u0026\\u003e\":\"\\u003c/script\\u003e\\u0026\\\"\"}");
	free(bytes);
}
