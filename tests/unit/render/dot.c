// SPDX-License-Identifier: GPL-2.0-only
/* Graphs: the numbers in their labels, what is left out, and names that are Graphviz' syntax. */
#include <criterion/criterion.h>
#include <string.h>

#include "sample_calls.h"

static size_t lines_with(const struct buffer *out, const char *part)
{
	size_t count = 0;

	for (const char *at = out->bytes; (at = strstr(at, part)); at++)
		count++;
	return count;
}

/* Of 220 ms: fib 92, <module> 118 of which 10 self; fib called by itself 70. */
Test(dot, nodes_and_edges_have_their_share)
{
	static const char *const WANT[] = {
		"\tn0 [label=\"<module>\\napp.py:1\\n53.6 % (118 ms)\\n"
		"self 4.5 % (10.0 ms)\\n1 call\", ",
		"\tn1 [label=\"fib\\napp/jobs.py:20\\n41.8 % (92.0 ms)\\n"
		"self 41.8 % (92.0 ms)\\n8/2 calls\", ",
		"\tn4 [label=\"Worker.run\\napp/jobs.py:10\\n46.4 % (102 ms)\\n"
		"self 45.5 % (100 ms)\\n0 calls\", ",
		"\tn0 -> n1 [label=\"40.9 %\\n1 call\", ",
		"\tn1 -> n1 [label=\"31.8 %\\n6/2 calls\", ",
		"\tn2 -> n3 [label=\"5.9 %\\n2 calls\", ",
		"\tn3 -> n2 [label=\"3.2 %\\n2 calls\", ",
	};
	struct profile *profile = exchange_calls_new();
	struct render_options options = sample_options();
	struct buffer out;

	sample_render("dot", profile, &options, &out);
	for (size_t i = 0; i < sizeof(WANT) / sizeof(WANT[0]); i++)
		cr_expect_not_null(strstr(out.bytes, WANT[i]), "%s in\n%s", WANT[i], out.bytes);
	cr_expect_eq(lines_with(&out, " -> "), 6);
	cr_expect_null(strstr(out.bytes, "not drawn"));
	cr_expect_not_null(strstr(out.bytes, "\\lcost: "));
	buffer_release(&out);
	profile_free(profile);
}

/* The warmer and the wider the larger the share: 0.5 points and 4.5 more for all of it. */
Test(dot, pens_and_colours_follow_the_share)
{
	struct profile *profile = exchange_calls_new();
	struct render_options options = sample_options();
	const char *edge;
	struct buffer out;

	sample_render("dot", profile, &options, &out);
	/* 90 of 220 ms: 0.409 of the way from hue 0.6 to 0. */
	edge = strstr(out.bytes, "\tn0 -> n1 ");
	cr_assert_not_null(edge);
	cr_expect_eq(strncmp(edge + strlen("\tn0 -> n1 [label=\"40.9 %\\n1 call\""),
			     ", color=\"0.355 0.763 0.700\", penwidth=2.340, weight=41];", 53),
		     0, "%.120s", edge);
	buffer_release(&out);
	profile_free(profile);
}

/* From samples there are no counts of calls. */
Test(dot, samples_have_no_calls)
{
	struct profile *profile = sample_new();
	struct render_options options = sample_options();
	struct buffer out;

	sample_render("dot", profile, &options, &out);
	cr_expect_not_null(strstr(out.bytes, "label=\"fib\\napp/jobs.py:20\\n70.0 % (700 ms)\\n"
					     "self 70.0 % (700 ms)\", "));
	cr_expect_not_null(strstr(out.bytes, "label=\"vfs_write_[k]\\n15.0 % (150 ms)\\n"));
	cr_expect_not_null(strstr(out.bytes, "\tn2 -> n2 [label=\"60.0 %\", "));
	cr_expect_null(strstr(out.bytes, "calls"));
	buffer_release(&out);
	profile_free(profile);
}

/* Of 1000 samples, one function has 995, five have one each: less than 0.5 %. */
Test(dot, what_is_small_is_left_out_and_said)
{
	struct profile *profile = profile_new("cpu", UNIT_NS);
	struct render_options options = sample_options();
	uint32_t thread = profile_add_thread(profile, profile_add_process(profile, 1, 1), 1);
	uint32_t hot = 0;
	struct buffer out;

	for (int i = 0; i < 6; i++) {
		struct profile_function function = {
			.name = profile_string(profile, i ? "small" : "hot"),
			.line = i + 1,
		};
		uint32_t frame =
			profile_add_frame(profile, profile_add_function(profile, &function), i + 1);
		uint32_t stack = profile_add_stack(profile, hot, frame);

		hot = i ? hot : stack;
		profile_add_sample(profile, thread, stack, i ? 1 : 995, i ? 1000 : 995000);
	}
	sample_render("dot", profile, &options, &out);
	cr_expect_not_null(strstr(out.bytes, "\\lnot drawn: 5 functions of less than 0.5 %, with "
					     "0.5 % of self time; 5 edges\\l"),
			   "%s", out.bytes);
	cr_expect_null(strstr(out.bytes, "small"));
	cr_expect_eq(lines_with(&out, "tooltip"), 1);
	buffer_release(&out);
	profile_free(profile);
}

Test(dot, a_large_graph_is_cut)
{
	struct profile *profile = sample_large_new();
	struct render_options options = sample_options();
	struct buffer out;

	sample_render("dot", profile, &options, &out);
	cr_expect_leq(lines_with(&out, "tooltip"), 200);
	cr_expect_geq(lines_with(&out, "tooltip"), 4);
	cr_expect_not_null(strstr(out.bytes, "\\lnot drawn: "));
	buffer_release(&out);
	profile_free(profile);
}

/* No quote, no backslash of a name ends or changes a string: each line ends where it should. */
Test(dot, names_never_become_syntax)
{
	struct profile *profile = exchange_hostile_new();
	struct render_options options = sample_options();
	struct buffer out;
	bool quoted = false, brackets = false;

	options.title = "\"; } digraph \\";
	sample_render("dot", profile, &options, &out);
	for (const char *at = out.bytes; *at; at++) {
		if (quoted && *at == '\\')
			at++;
		else if (*at == '"')
			quoted = !quoted;
		else if (quoted)
			cr_assert_neq(*at, '\n', "a line break in a string");
		else if (*at == '[' || *at == ']')
			brackets = !brackets;
		/* A name is never read as HTML: that begins with < where a value does. */
		else
			cr_assert(*at != '<', "%.30s", at);
	}
	cr_expect_not(quoted);
	cr_expect_not(brackets);
	cr_expect_not_null(strstr(out.bytes, "label=\"\\\"];\\\\x0a}\\\\x0adigraph x {\\n"));
	cr_expect_not_null(strstr(out.bytes, "label=\"&amp;lt;&amp;amp;\\\\N\\\\G\\\\l\\n"));
	cr_expect_not_null(strstr(out.bytes, "label=\"?\\n"));
	cr_expect_not_null(strstr(out.bytes, "caf\xc3\xa9 \xe6\xbc\xa2\xe5\xad\x97"));
	buffer_release(&out);
	profile_free(profile);
}
