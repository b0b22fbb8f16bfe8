/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Line tables as a hostile process could hold them. Input: one byte for the version, four for the
 * first line, four for the instruction, the rest is the table. Beside memory errors, it looks at
 * what every caller relies on: the answer is a line number or 0, and asking twice is asking once.
 */
#include <stdlib.h>
#include <string.h>

#include "python/line_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
	enum line_table_format format;
	int32_t first_line, lasti_bytes, line;
	uint8_t *table;

	if (length < 9)
		return 0;
	format = line_table_format_of(8 + bytes[0] % 8);
	memcpy(&first_line, bytes + 1, sizeof(first_line));
	memcpy(&lasti_bytes, bytes + 5, sizeof(lasti_bytes));
	/* A copy of exactly the table's size, so that one byte too many is seen. */
	length -= 9;
	table = malloc(length ? length : 1);
	if (!table)
		return 0;
	memcpy(table, bytes + 9, length);

	line = line_table_line(format, table, length, first_line, lasti_bytes);
	if (lasti_bytes < 0 ? line != first_line : line < 0)
		abort();
	if (line_table_line(format, table, length, first_line, lasti_bytes) != line)
		abort();
	free(table);
	return 0;
}
