/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From a bytecode offset to a source line, for each of CPython's three table formats.
 * Pure: works on a copy of the table, bounded by its length, never by its content.
 */
#ifndef PYBPFPROF_PYTHON_LINE_TABLE_H
#define PYBPFPROF_PYTHON_LINE_TABLE_H

#include <stddef.h>
#include <stdint.h>

enum line_table_format {
	LINE_TABLE_LNOTAB,    /* <= 3.9: co_lnotab */
	LINE_TABLE_LINETABLE, /* 3.10: co_linetable, pairs */
	LINE_TABLE_LOCATIONS, /* 3.11+: co_linetable, location entries */
};

/* The format CPython 3.`minor` uses. */
enum line_table_format line_table_format_of(unsigned int minor);

/*
 * The line of the instruction at `lasti_bytes`, as PyCode_Addr2Line() tells it; `first_line` when
 * lasti is negative (not started); 0 when the table gives that instruction no line, or ends before.
 */
int32_t line_table_line(enum line_table_format format, const uint8_t *table, size_t length,
			int32_t first_line, int32_t lasti_bytes);

#endif
