/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The three ways in which CPython has written down which line an instruction belongs to.
 * The tables come from a stranger's memory: each walk takes at most one step for each byte of the
 * table, lines are summed in 64 bits, and a sum that is no line number is reported as none.
 */
#include "python/line_table.h"

#include <stdbool.h>

enum {
	NO_LINE = 0,
	LINETABLE_NONE = -128, /* line delta that means "no line" in 3.10's pairs */
	LOCATION_START = 0x80, /* set in the first byte of an entry and in no other */
	LOCATION_CODE_SHIFT = 3,
	LOCATION_CODE_MASK = 15,
	LOCATION_LENGTH_MASK = 7, /* code units, less one */
	LOCATION_ONE_LINE_0 = 10, /* 10, 11, 12: the line grows by 0, 1, 2 */
	LOCATION_ONE_LINE_2 = 12,
	LOCATION_NO_COLUMNS = 13,
	LOCATION_LONG = 14,
	LOCATION_NONE = 15,
	VARINT_MORE = 0x40,
	VARINT_MASK = 0x3f,
	VARINT_BITS = 6,
	VARINT_SHIFT_LIMIT = 36, /* more groups than that cannot be a 32-bit number */
	CODE_UNIT_BYTES = 2,
};

enum line_table_format line_table_format_of(unsigned int minor)
{
	if (minor <= 9)
		return LINE_TABLE_LNOTAB;
	if (minor == 10)
		return LINE_TABLE_LINETABLE;
	return LINE_TABLE_LOCATIONS;
}

static int32_t line_check(int64_t line)
{
	return line > 0 && line <= INT32_MAX ? (int32_t)line : NO_LINE;
}

/*
 * Pairs of (bytes of code, line delta): the line of the next stretch. The last stretch has no end
 * of its own, so whatever lies behind the table is on the last line.
 */
static int32_t lnotab_line(const uint8_t *table, size_t length, int64_t line, int32_t lasti_bytes)
{
	int64_t address = 0;

	for (size_t i = 0; i + 1 < length; i += 2) {
		address += table[i];
		if (address > lasti_bytes)
			break;
		line += (int8_t)table[i + 1];
	}
	return line_check(line);
}

/* Pairs of (bytes of code, line delta), the delta being that of the same stretch. */
static int32_t linetable_line(const uint8_t *table, size_t length, int64_t line,
			      int32_t lasti_bytes)
{
	int64_t end = 0;

	for (size_t i = 0; i + 1 < length; i += 2) {
		bool none = (int8_t)table[i + 1] == LINETABLE_NONE;

		end += table[i];
		if (!none)
			line += (int8_t)table[i + 1];
		if (end > lasti_bytes)
			return none ? NO_LINE : line_check(line);
	}
	return NO_LINE;
}

/* Six bits a byte, least significant first; the lowest bit of the number is its sign. */
static int64_t location_svarint(const uint8_t *table, size_t length, size_t at)
{
	uint64_t value = 0;

	for (unsigned int shift = 0; at < length && shift < VARINT_SHIFT_LIMIT;
	     shift += VARINT_BITS, at++) {
		value |= (uint64_t)(table[at] & VARINT_MASK) << shift;
		if (!(table[at] & VARINT_MORE))
			break;
	}
	return value & 1 ? -(int64_t)(value >> 1) : (int64_t)(value >> 1);
}

static int64_t location_line_delta(const uint8_t *table, size_t length, size_t at,
				   unsigned int code)
{
	if (code == LOCATION_NO_COLUMNS || code == LOCATION_LONG)
		return location_svarint(table, length, at + 1);
	if (code >= LOCATION_ONE_LINE_0 && code <= LOCATION_ONE_LINE_2)
		return code - LOCATION_ONE_LINE_0;
	return 0;
}

/*
 * Entries of one head byte and a tail whose form depends on the head's code; columns are stepped
 * over by looking for the next head.
 */
static int32_t locations_line(const uint8_t *table, size_t length, int64_t line,
			      int32_t lasti_bytes)
{
	int64_t end = 0;

	for (size_t i = 0; i < length; i++) {
		unsigned int code = table[i] >> LOCATION_CODE_SHIFT & LOCATION_CODE_MASK;

		if (!(table[i] & LOCATION_START))
			continue;
		line += location_line_delta(table, length, i, code);
		end += ((table[i] & LOCATION_LENGTH_MASK) + 1) * CODE_UNIT_BYTES;
		if (end > lasti_bytes)
			return code == LOCATION_NONE ? NO_LINE : line_check(line);
	}
	return NO_LINE;
}

int32_t line_table_line(enum line_table_format format, const uint8_t *table, size_t length,
			int32_t first_line, int32_t lasti_bytes)
{
	if (lasti_bytes < 0)
		return first_line;
	switch (format) {
	case LINE_TABLE_LNOTAB:
		return lnotab_line(table, length, first_line, lasti_bytes);
	case LINE_TABLE_LINETABLE:
		return linetable_line(table, length, first_line, lasti_bytes);
	case LINE_TABLE_LOCATIONS:
		return locations_line(table, length, first_line, lasti_bytes);
	}
	return NO_LINE;
}
