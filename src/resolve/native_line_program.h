/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One unit of a .debug_line section, DWARF 2 to 5: its header, its program run row by row without
 * keeping the rows, its file names. Works on bytes in memory only.
 */
#ifndef PYBPFPROF_RESOLVE_NATIVE_LINE_PROGRAM_H
#define PYBPFPROF_RESOLVE_NATIVE_LINE_PROGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "resolve/native_span.h"

struct native_line_unit {
	uint64_t bytes; /* of the whole unit, its length field included */
	uint16_t version;
	uint8_t offset_bytes; /* 4 or 8: of the DWARF format */
	uint8_t min_instruction_bytes;
	int8_t line_base;
	uint8_t line_range, opcode_base;
	struct native_span opcode_lengths; /* of the standard opcodes, from 1 */
	struct native_span names;	   /* directories and files */
	struct native_span program;
};

struct native_line_row {
	uint64_t address;
	uint64_t file; /* as the unit numbers its files */
	int64_t line;
	bool is_end; /* the address is the first behind a run of code */
};

/* A name in the unit, or in a string section. */
struct native_line_name {
	const char *inline_name; /* NULL: look at the offset */
	uint64_t offset;
	bool in_debug_str; /* .debug_str, else .debug_line_str */
};

struct native_line_file {
	struct native_line_name name, directory, base; /* `base`: what `directory` is relative to */
	bool has_directory, has_base;
};

/* How long the unit at the start of `section` is; 0: that cannot be. */
uint64_t native_line_unit_bytes(struct native_span section);

/* `bytes` holds the unit and maybe more. False: broken, or of a kind nobody writes. */
bool native_line_unit_parse(struct native_span bytes, struct native_line_unit *out);

/* A non-zero return of `visit` stops and is returned. 0 at the end, -EBADMSG for a broken one. */
int native_line_unit_run(const struct native_line_unit *unit,
			 int (*visit)(const struct native_line_row *row, void *arg), void *arg);

/* False: no file of that number. Strings are borrowed from the unit's bytes. */
bool native_line_unit_file(const struct native_line_unit *unit, uint64_t number,
			   struct native_line_file *out);

#endif
