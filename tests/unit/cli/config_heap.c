// SPDX-License-Identifier: GPL-2.0-only
/* Command lines of `heap`. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli/config.h"

enum { WORDS_MAX = 16 };

static const struct config_host host = { .sample_rate_limit = 100000 };

struct parsed {
	char line[256];
	struct config config;
	struct buffer message;
	int err;
};

static void parse(struct parsed *parsed, const char *line)
{
	char *words[WORDS_MAX + 1], *save = NULL;
	int count = 0;

	snprintf(parsed->line, sizeof(parsed->line), "pybpfprof heap %s", line);
	for (char *word = strtok_r(parsed->line, " ", &save); word && count < WORDS_MAX;
	     word = strtok_r(NULL, " ", &save))
		words[count++] = word;
	words[count] = NULL;
	buffer_init(&parsed->message);
	parsed->err = config_parse(count, words, &host, &parsed->config, &parsed->message);
}

static void release(struct parsed *parsed)
{
	config_release(&parsed->config);
	buffer_release(&parsed->message);
}

Test(config_heap, is_understood)
{
	struct parsed parsed;

	parse(&parsed, "-p 12 --freeze 250 --path app.Row -f dot --sort count -l 5");
	cr_assert_eq(parsed.err, 0, "%s", parsed.message.bytes);
	cr_expect_eq(parsed.config.command, COMMAND_HEAP);
	cr_expect_eq(parsed.config.pids[0], 12);
	cr_expect_eq(parsed.config.heap.freeze_ms, 250);
	cr_expect_str_eq(parsed.config.heap.path, "app.Row");
	cr_expect_eq(parsed.config.heap.sort, CENSUS_SORT_COUNT);
	cr_expect_eq(parsed.config.limit, 5);
	cr_expect_str_eq(parsed.config.reports[0].format, "dot");
	release(&parsed);
}

Test(config_heap, sorts_by_bytes_or_by_growth)
{
	struct parsed parsed;

	parse(&parsed, "-p 12");
	cr_expect_eq(parsed.config.heap.sort, CENSUS_SORT_BYTES);
	release(&parsed);
	parse(&parsed, "-p 12 --diff old.json");
	cr_expect_eq(parsed.config.heap.sort, CENSUS_SORT_GROWTH);
	release(&parsed);
}

Test(config_heap, refuses_what_makes_no_sense)
{
	static const struct {
		const char *line, *word;
	} table[] = {
		{ "", "-p" },
		{ "-p 1 -p 2", "one" },
		{ "-p 1 --freeze 0", "milliseconds" },
		{ "-p 1 --freeze 60001", "60000" },
		{ "-p 1 --freeze 5s", "milliseconds" },
		{ "-p 1 --path 0x", "0x" },
		{ "-p 1 --path 0x0", "0x0" },
		{ "-p 1 --referrers 0x123456789abcdef01", "address" },
		{ "-p 1 --path a --retained", "exclude" },
		{ "-p 1 --sort growth", "--diff" },
		{ "-p 1 --sort colour", "colour" },
		{ "-p 1 -f dot", "--path" },
		{ "-p 1 -f pprof", "pprof" },
		{ "-p 1 --rate 99", "--rate" },
		{ "-a", "-a" },
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct parsed parsed;

		parse(&parsed, table[i].line);
		cr_expect_eq(parsed.err, -EINVAL, "%s", table[i].line);
		cr_expect(parsed.message.bytes && strstr(parsed.message.bytes, table[i].word),
			  "%s: %s", table[i].line, parsed.message.bytes);
		release(&parsed);
	}
}
