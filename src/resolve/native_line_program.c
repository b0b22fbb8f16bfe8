// SPDX-License-Identifier: GPL-2.0-only
/* The line number program of DWARF 5, section 6.2, and of the versions before. */
#include "resolve/native_line_program.h"

#include <dwarf.h>
#include <errno.h>

enum {
	FORMATS_MAX = 8, /* fields of a directory's or file's entry; compilers write up to 4 */
};

struct entry_format {
	struct {
		uint64_t content, form;
	} fields[FORMATS_MAX];
	size_t count;
};

/* What an entry of a table says; `directory` is the number of one. */
struct entry {
	struct native_line_name path;
	uint64_t directory;
};

uint64_t native_line_unit_bytes(struct native_span section)
{
	uint64_t length = span_uint(&section, 4);
	uint64_t head = 4;

	if (length == 0xffffffff) {
		length = span_uint(&section, 8);
		head = 12;
	}
	return section.failed || length == 0 || length > UINT64_MAX - head ? 0 : head + length;
}

bool native_line_unit_parse(struct native_span bytes, struct native_line_unit *out)
{
	struct native_line_unit unit = { .bytes = native_line_unit_bytes(bytes) };
	struct native_span rest = span_take(&bytes, unit.bytes);

	unit.offset_bytes = span_uint(&rest, 4) == 0xffffffff ? 8 : 4;
	if (unit.offset_bytes == 8)
		span_uint(&rest, 8);
	unit.version = (uint16_t)span_uint(&rest, 2);
	if (unit.version < 2 || unit.version > 5)
		return false;
	if (unit.version == 5 && span_uint(&rest, 2) != 8) /* address and segment size */
		return false;
	unit.names = span_take(&rest, span_uint(&rest, unit.offset_bytes));
	unit.program = rest;

	struct native_span *head = &unit.names;

	unit.min_instruction_bytes = (uint8_t)span_uint(head, 1);
	if (unit.version >= 4 && span_uint(head, 1) != 1) /* operations in an instruction */
		return false;
	span_uint(head, 1); /* is_stmt at the start */
	unit.line_base = (int8_t)span_uint(head, 1);
	unit.line_range = (uint8_t)span_uint(head, 1);
	unit.opcode_base = (uint8_t)span_uint(head, 1);
	if (unit.line_range == 0 || unit.opcode_base == 0)
		return false;
	unit.opcode_lengths = span_take(head, unit.opcode_base - 1u);
	if (head->failed || rest.failed)
		return false;
	*out = unit;
	return true;
}

/* ---- the program ---- */

struct run {
	const struct native_line_unit *unit;
	struct native_span code;
	struct native_line_row row;
	bool emits; /* the instruction just done made a row */
};

static void row_reset(struct run *run)
{
	run->row = (struct native_line_row){ .file = 1, .line = 1 };
}

static void extended_step(struct run *run)
{
	struct native_span body = span_take(&run->code, span_uleb(&run->code));
	uint8_t op = (uint8_t)span_uint(&body, 1);

	if (op == DW_LNE_end_sequence) {
		run->row.is_end = true;
		run->emits = true;
	} else if (op == DW_LNE_set_address) {
		run->row.address = span_uint(&body, span_left(&body) > 8 ? 8 : span_left(&body));
	}
}

static void standard_step(struct run *run, uint8_t op)
{
	const struct native_line_unit *unit = run->unit;

	switch (op) {
	case DW_LNS_copy:
		run->emits = true;
		return;
	case DW_LNS_advance_pc:
		run->row.address += span_uleb(&run->code) * unit->min_instruction_bytes;
		return;
	case DW_LNS_advance_line:
		run->row.line =
			(int64_t)((uint64_t)run->row.line + (uint64_t)span_sleb(&run->code));
		return;
	case DW_LNS_set_file:
		run->row.file = span_uleb(&run->code);
		return;
	case DW_LNS_const_add_pc:
		run->row.address += (uint64_t)(255 - unit->opcode_base) / unit->line_range *
				    unit->min_instruction_bytes;
		return;
	case DW_LNS_fixed_advance_pc:
		run->row.address += span_uint(&run->code, 2);
		return;
	default:
		for (uint8_t i = unit->opcode_lengths.at[op - 1]; i > 0; i--)
			span_uleb(&run->code);
	}
}

static void special_step(struct run *run, uint8_t op)
{
	unsigned int adjusted = op - run->unit->opcode_base;

	run->row.address +=
		(uint64_t)(adjusted / run->unit->line_range) * run->unit->min_instruction_bytes;
	run->row.line = (int64_t)((uint64_t)run->row.line + (uint64_t)run->unit->line_base +
				  adjusted % run->unit->line_range);
	run->emits = true;
}

int native_line_unit_run(const struct native_line_unit *unit,
			 int (*visit)(const struct native_line_row *row, void *arg), void *arg)
{
	struct run run = { .unit = unit, .code = unit->program };
	int result;

	row_reset(&run);
	while (span_left(&run.code)) {
		uint8_t op = (uint8_t)span_uint(&run.code, 1);

		run.emits = false;
		if (op >= unit->opcode_base)
			special_step(&run, op);
		else if (op == 0)
			extended_step(&run);
		else
			standard_step(&run, op);
		if (run.code.failed)
			return -EBADMSG;
		if (!run.emits)
			continue;
		result = visit(&run.row, arg);
		if (result)
			return result;
		if (run.row.is_end)
			row_reset(&run);
	}
	return 0;
}

/* ---- the names ---- */

static void format_read(struct native_span *names, struct entry_format *out)
{
	out->count = span_uint(names, 1);
	if (out->count > FORMATS_MAX) {
		names->failed = true;
		out->count = 0;
	}
	for (size_t i = 0; i < out->count; i++) {
		out->fields[i].content = span_uleb(names);
		out->fields[i].form = span_uleb(names);
	}
}

/* One field; strings go to *name, numbers are returned. */
static uint64_t field_read(struct native_span *names, uint64_t form, uint8_t offset_bytes,
			   struct native_line_name *name)
{
	switch (form) {
	case DW_FORM_string:
		*name = (struct native_line_name){ .inline_name = span_string(names) };
		return 0;
	case DW_FORM_line_strp:
	case DW_FORM_strp:
		*name = (struct native_line_name){
			.offset = span_uint(names, offset_bytes),
			.in_debug_str = form == DW_FORM_strp,
		};
		return 0;
	case DW_FORM_udata:
		return span_uleb(names);
	case DW_FORM_data1:
		return span_uint(names, 1);
	case DW_FORM_data2:
		return span_uint(names, 2);
	case DW_FORM_data4:
		return span_uint(names, 4);
	case DW_FORM_data8:
		return span_uint(names, 8);
	case DW_FORM_data16:
		span_take(names, 16);
		return 0;
	case DW_FORM_block:
		span_take(names, span_uleb(names));
		return 0;
	default:
		names->failed = true;
		return 0;
	}
}

static void entry_read(struct native_span *names, const struct entry_format *format,
		       uint8_t offset_bytes, struct entry *out)
{
	*out = (struct entry){ .path.inline_name = "" };
	for (size_t i = 0; i < format->count; i++) {
		struct native_line_name name = { .inline_name = "" };
		uint64_t value = field_read(names, format->fields[i].form, offset_bytes, &name);

		if (format->fields[i].content == DW_LNCT_path)
			out->path = name;
		else if (format->fields[i].content == DW_LNCT_directory_index)
			out->directory = value;
	}
}

/* The entry of that number in a table of version 5; leaves *names behind the table. */
static bool table_entry(struct native_span *names, uint8_t offset_bytes, uint64_t number,
			struct entry *out)
{
	struct entry_format format;
	struct entry entry;
	uint64_t count;
	bool found = false;

	format_read(names, &format);
	count = span_uleb(names);
	/* Without fields an entry takes no bytes, and nothing would end the loop but the count. */
	for (uint64_t i = 0; i < count && format.count && span_left(names) && !names->failed; i++) {
		entry_read(names, &format, offset_bytes, &entry);
		if (i != number || names->failed)
			continue;
		*out = entry;
		found = true;
	}
	return found;
}

static bool file_of_version_5(const struct native_line_unit *unit, uint64_t number,
			      struct native_line_file *out)
{
	struct native_span directories = unit->names, files = unit->names;
	struct entry file, directory, base;

	table_entry(&files, unit->offset_bytes, UINT64_MAX, &file); /* past the directories */
	if (!table_entry(&files, unit->offset_bytes, number, &file))
		return false;
	out->name = file.path;
	out->has_directory =
		table_entry(&directories, unit->offset_bytes, file.directory, &directory);
	if (out->has_directory)
		out->directory = directory.path;
	directories = unit->names;
	out->has_base =
		file.directory != 0 && table_entry(&directories, unit->offset_bytes, 0, &base);
	if (out->has_base)
		out->base = base.path;
	return true;
}

/* Tables end in an empty name; directory 0 is the compiler's, which only .debug_info tells. */
static bool file_of_version_2(const struct native_line_unit *unit, uint64_t number,
			      struct native_line_file *out)
{
	struct native_span names = unit->names, directories = unit->names;
	uint64_t directory = 0;
	const char *name;

	while (*span_string(&names))
		;
	for (uint64_t i = 1;; i++) {
		name = span_string(&names);
		directory = span_uleb(&names);
		span_uleb(&names);
		span_uleb(&names);
		if (!*name || names.failed)
			return false;
		if (i == number)
			break;
	}
	out->name.inline_name = name;
	for (uint64_t i = 1; directory && i <= directory; i++) {
		name = span_string(&directories);
		if (!*name)
			return true;
	}
	out->has_directory = directory != 0;
	out->directory.inline_name = name;
	return true;
}

bool native_line_unit_file(const struct native_line_unit *unit, uint64_t number,
			   struct native_line_file *out)
{
	*out = (struct native_line_file){ .has_directory = false };
	return unit->version == 5 ? file_of_version_5(unit, number, out) :
				    file_of_version_2(unit, number, out);
}
