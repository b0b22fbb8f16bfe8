/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The line tables: small tables worked out by hand, and then all code of the standard library of
 * every test Python, where the interpreter itself says what is right (dump_lines.py).
 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "python/line_table.h"

#define DUMP_SCRIPT "tests/unit/python/dump_lines.py"
#define LIST_PYTHONS "scripts/test-pythons --list"

struct python_row {
	char name[64];
	char root[256];
	char path[256];
};

struct small_row {
	const char *what;
	enum line_table_format format;
	const char *table;
	size_t length;
	int32_t first_line;
	int32_t lasti_bytes;
	int32_t line;
};

#define TABLE(bytes) (bytes), sizeof(bytes) - 1

/* Tables as CPython 3.9, 3.10 and 3.11 make them for a few lines of source, then odd ones. */
static const struct small_row small_rows[] = {
	{ "lnotab: not started", LINE_TABLE_LNOTAB, TABLE("\x00\x01"), 7, -1, 7 },
	{ "lnotab: empty", LINE_TABLE_LNOTAB, TABLE(""), 7, 40, 7 },
	{ "lnotab: first of 2", LINE_TABLE_LNOTAB, TABLE("\x00\x01\x04\x01"), 7, 2, 8 },
	{ "lnotab: second of 2", LINE_TABLE_LNOTAB, TABLE("\x00\x01\x04\x01"), 7, 4, 9 },
	{ "lnotab: behind the last", LINE_TABLE_LNOTAB, TABLE("\x00\x01\x04\x01"), 7, 400, 9 },
	{ "lnotab: line goes back", LINE_TABLE_LNOTAB, TABLE("\x02\x05\x02\xfd"), 10, 4, 12 },
	{ "lnotab: odd byte left over", LINE_TABLE_LNOTAB, TABLE("\x02\x05\x02"), 10, 4, 15 },
	{ "linetable: not started", LINE_TABLE_LINETABLE, TABLE("\x04\x01"), 7, -2, 7 },
	{ "linetable: empty", LINE_TABLE_LINETABLE, TABLE(""), 7, 0, 0 },
	{ "linetable: first", LINE_TABLE_LINETABLE, TABLE("\x04\x01\x06\x01"), 7, 2, 8 },
	{ "linetable: second", LINE_TABLE_LINETABLE, TABLE("\x04\x01\x06\x01"), 7, 4, 9 },
	{ "linetable: behind the last", LINE_TABLE_LINETABLE, TABLE("\x04\x01"), 7, 4, 0 },
	{ "linetable: no line", LINE_TABLE_LINETABLE, TABLE("\x04\x01\x02\x80\x02\x00"), 7, 4, 0 },
	{ "linetable: none adds 0", LINE_TABLE_LINETABLE, TABLE("\x04\x01\x02\x80\x02\x00"), 7, 6,
	  8 },
	{ "locations: not started", LINE_TABLE_LOCATIONS, TABLE("\xe8\x01"), 7, -1, 7 },
	{ "locations: empty", LINE_TABLE_LOCATIONS, TABLE(""), 7, 0, 0 },
	{ "locations: short form", LINE_TABLE_LOCATIONS, TABLE("\x80\x00"), 7, 0, 7 },
	{ "locations: one line on", LINE_TABLE_LOCATIONS, TABLE("\x80\x00\xd8\x04\x0b"), 7, 2, 8 },
	{ "locations: two lines on", LINE_TABLE_LOCATIONS, TABLE("\xe1\x04\x0b"), 7, 2, 9 },
	{ "locations: no columns, -3", LINE_TABLE_LOCATIONS, TABLE("\xe8\x07"), 7, 0, 4 },
	{ "locations: long, +100", LINE_TABLE_LOCATIONS, TABLE("\xf0\x48\x03\x00\x00\x00"), 7, 0,
	  107 },
	{ "locations: none", LINE_TABLE_LOCATIONS, TABLE("\xf8\xd8\x00\x00"), 7, 0, 0 },
	{ "locations: after none", LINE_TABLE_LOCATIONS, TABLE("\xf8\xd8\x00\x00"), 7, 2, 8 },
	{ "locations: behind the last", LINE_TABLE_LOCATIONS, TABLE("\x80\x00"), 7, 2, 0 },
	{ "locations: number cut off", LINE_TABLE_LOCATIONS, TABLE("\xf0"), 7, 0, 7 },
	{ "locations: endless number", LINE_TABLE_LOCATIONS,
	  TABLE("\xf0\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f"), 7, 0, 0 },
	{ "locations: no entry at all", LINE_TABLE_LOCATIONS, TABLE("\x01\x02\x03"), 7, 0, 0 },
};

Test(line_table, small_tables)
{
	for (size_t i = 0; i < sizeof(small_rows) / sizeof(small_rows[0]); i++) {
		const struct small_row *row = &small_rows[i];
		int32_t line = line_table_line(row->format, (const uint8_t *)row->table,
					       row->length, row->first_line, row->lasti_bytes);

		cr_expect_eq(line, row->line, "%s: %d", row->what, line);
	}
}

Test(line_table, sum_beyond_any_line_is_no_line)
{
	static const uint8_t grows[] = { 0x01, 0x7f };
	static const uint8_t shrinks[] = { 0x01, 0x81 };

	cr_expect_eq(line_table_line(LINE_TABLE_LINETABLE, grows, 2, INT32_MAX, 0), 0);
	cr_expect_eq(line_table_line(LINE_TABLE_LINETABLE, shrinks, 2, 5, 0), 0);
	cr_expect_eq(line_table_line(LINE_TABLE_LINETABLE, shrinks, 2, INT32_MIN, 0), 0);
}

Test(line_table, version_tells_format)
{
	cr_expect_eq(line_table_format_of(8), LINE_TABLE_LNOTAB);
	cr_expect_eq(line_table_format_of(9), LINE_TABLE_LNOTAB);
	cr_expect_eq(line_table_format_of(10), LINE_TABLE_LINETABLE);
	cr_expect_eq(line_table_format_of(11), LINE_TABLE_LOCATIONS);
	cr_expect_eq(line_table_format_of(15), LINE_TABLE_LOCATIONS);
}

/* ---- every code object of every standard library ---- */

struct dump {
	FILE *stream;
	enum line_table_format format;
	uint8_t *table;
	size_t capacity;
	uint64_t pairs;
	uint64_t differences;
};

static uint32_t dump_word(struct dump *dump)
{
	uint32_t word;

	cr_assert_eq(fread(&word, sizeof(word), 1, dump->stream), 1, "the dump ends early");
	return word;
}

static void dump_check_code(struct dump *dump, uint32_t length)
{
	int32_t first_line = (int32_t)dump_word(dump);
	uint32_t run_count = dump_word(dump);
	int32_t lasti_bytes = 0;

	if (length > dump->capacity) {
		dump->table = realloc(dump->table, length);
		cr_assert_not_null(dump->table);
		dump->capacity = length;
	}
	cr_assert_eq(fread(dump->table, 1, length, dump->stream), length);
	for (uint32_t run = 0; run < run_count; run++) {
		int32_t truth = (int32_t)dump_word(dump);
		uint32_t count = dump_word(dump);

		for (uint32_t i = 0; i < count; i++, lasti_bytes += 2) {
			int32_t line = line_table_line(dump->format, dump->table, length,
						       first_line, lasti_bytes);

			dump->differences += line != (truth < 0 ? 0 : truth);
		}
		dump->pairs += count;
	}
}

/* Reads standard output of the Python to its end; returns how many code objects it had. */
static uint32_t dump_check(struct dump *dump)
{
	uint32_t codes = 0;
	uint32_t word;

	dump->format = line_table_format_of(dump_word(dump));
	while ((word = dump_word(dump)) != UINT32_MAX) {
		dump_check_code(dump, word);
		codes++;
	}
	cr_expect_gt(dump_word(dump), 150, "hardly any module was compiled");
	cr_expect_eq(dump_word(dump), codes);
	free(dump->table);
	return codes;
}

ParameterizedTestParameters(line_table, standard_library)
{
	static struct python_row rows[32];
	char line[1024];
	size_t count = 0;
	FILE *list = popen(LIST_PYTHONS, "r");

	while (list && count < 32 && fgets(line, sizeof(line), list)) {
		struct python_row *row = &rows[count];
		char *rest = line;
		const char *name = strsep(&rest, "\t");
		const char *root = strsep(&rest, "\t");
		const char *path = strsep(&rest, "\t");

		/* Entering a root takes root's rights; without, those are left out. */
		if (!path || (root[0] && geteuid() != 0))
			continue;
		snprintf(row->name, sizeof(row->name), "%s", name);
		snprintf(row->root, sizeof(row->root), "%s", root);
		snprintf(row->path, sizeof(row->path), "%s", path);
		count++;
	}
	if (list)
		pclose(list);
	if (count == 0) {
		/* No list, no proof: the Python of the path, and a failure where there is none. */
		strcpy(rows[0].name, "python3");
		strcpy(rows[0].path, "python3");
		count = 1;
	}
	return cr_make_param_array(struct python_row, rows, count);
}

ParameterizedTest(struct python_row *row, line_table, standard_library, .timeout = 120)
{
	struct dump dump = { 0 };
	char command[1024];
	uint32_t codes;

	snprintf(command, sizeof(command), "exec %s %s %s -I - <" DUMP_SCRIPT,
		 row->root[0] ? "chroot" : "", row->root, row->path);
	dump.stream = popen(command, "r");
	cr_assert_not_null(dump.stream);
	codes = dump_check(&dump);
	cr_expect_eq(pclose(dump.stream), 0, "%s failed", row->name);
	fprintf(stderr, "line tables of %-14s %6u code objects, %7lu pairs, %lu differences\n",
		row->name, codes, dump.pairs, dump.differences);
	cr_expect_eq(dump.differences, 0);
}
