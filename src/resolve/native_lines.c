// SPDX-License-Identifier: GPL-2.0-only
/*
 * Line tables looked up without .debug_info: an index of the runs of code ("sequences") of all
 * units is made once, and a unit's program is run again for each new address. So what stays in
 * memory is 24 bytes a sequence, where the decoded rows of one Python would be tens of megabytes.
 */
#include "resolve/native_lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "resolve/native_line_program.h"

enum {
	LINES_MAX_BYTES = 64 << 20,	   /* of .debug_line; read once, then unit by unit */
	LINES_KEPT_MAX_BYTES = 16 << 20,   /* where it is compressed it must be kept whole */
	LINES_MAX_SEQUENCES = 1 << 18,
	LINES_MAX_UNIT_BYTES = 8 << 20,
	LINES_PATH_BYTES = 4096,
};

struct sequence {
	uint64_t start, end;
	uint64_t unit; /* its offset in the section */
};

/* A section in the file, or kept in memory because it is compressed there. */
struct source {
	uint64_t offset, bytes;
	uint8_t *kept;
};

struct native_lines {
	const struct native_elf *elf; /* borrowed */
	struct source line, line_str, str;
	struct sequence *sequences; /* sorted by start */
	size_t count, capacity;
};

static int source_open(const struct native_elf *elf, const char *name, struct source *out)
{
	const Elf64_Shdr *section = native_elf_section(elf, name);
	size_t bytes;
	int err;

	if (!section)
		return -ENOENT;
	*out = (struct source){ .offset = section->sh_offset, .bytes = section->sh_size };
	if (!(section->sh_flags & SHF_COMPRESSED))
		return 0;
	err = native_elf_section_read(elf, name, LINES_KEPT_MAX_BYTES, &out->kept, &bytes);
	out->bytes = err ? 0 : bytes;
	return err;
}

static size_t source_read(const struct native_lines *lines, const struct source *source,
			  uint64_t offset, void *out, size_t bytes)
{
	if (offset >= source->bytes)
		return 0;
	if (bytes > source->bytes - offset)
		bytes = source->bytes - offset;
	if (!source->kept)
		return native_elf_read_some(lines->elf, source->offset + offset, out, bytes);
	memcpy(out, source->kept + offset, bytes);
	return bytes;
}

/* ---- the index ---- */

struct indexing {
	struct native_lines *lines;
	uint64_t unit, start;
	bool is_open;
};

static int sequence_note(const struct native_line_row *row, void *arg)
{
	struct indexing *indexing = arg;
	struct native_lines *lines = indexing->lines;

	if (!indexing->is_open)
		indexing->start = row->address;
	indexing->is_open = !row->is_end;
	/* Code that the linker threw away keeps its table, at address 0. */
	if (!row->is_end || indexing->start == 0 || row->address <= indexing->start)
		return 0;
	if (lines->count == LINES_MAX_SEQUENCES)
		return -EFBIG;
	if (lines->count == lines->capacity) {
		size_t capacity = lines->capacity ? 2 * lines->capacity : 256;
		struct sequence *grown =
			realloc(lines->sequences, capacity * sizeof(*lines->sequences));

		if (!grown)
			return -ENOMEM;
		lines->sequences = grown;
		lines->capacity = capacity;
	}
	lines->sequences[lines->count++] =
		(struct sequence){ indexing->start, row->address, indexing->unit };
	return 0;
}

static int sequences_compare(const void *left, const void *right)
{
	const struct sequence *a = left, *b = right;

	return (a->start > b->start) - (a->start < b->start);
}

static int index_make(struct native_lines *lines, const uint8_t *bytes, size_t length)
{
	struct native_span rest = { bytes, bytes + length, false };
	struct native_line_unit unit;
	int err;

	while (span_left(&rest)) {
		struct indexing indexing = { lines, (uint64_t)(rest.at - bytes), 0, false };
		uint64_t unit_bytes = native_line_unit_bytes(rest);

		if (unit_bytes == 0 || unit_bytes > span_left(&rest))
			break;
		if (native_line_unit_parse(rest, &unit)) {
			err = native_line_unit_run(&unit, sequence_note, &indexing);
			if (err == -ENOMEM || err == -EFBIG)
				return err;
		}
		span_take(&rest, unit_bytes);
	}
	if (lines->count)
		qsort(lines->sequences, lines->count, sizeof(*lines->sequences),
		      sequences_compare);
	return lines->count ? 0 : -ENOENT;
}

int native_lines_open(const struct native_elf *elf, struct native_lines **out)
{
	struct native_lines *lines = calloc(1, sizeof(*lines));
	uint8_t *whole = NULL;
	int err = -ENOMEM;

	if (!lines)
		goto fail;
	lines->elf = elf;
	err = source_open(elf, ".debug_line", &lines->line);
	if (err)
		goto fail;
	err = -EFBIG;
	if (lines->line.bytes > LINES_MAX_BYTES)
		goto fail;
	err = -ENOMEM;
	whole = malloc(lines->line.bytes + 1);
	if (!whole)
		goto fail;
	err = index_make(lines, whole,
			 source_read(lines, &lines->line, 0, whole, lines->line.bytes));
	if (err)
		goto fail;
	/* Version 4 and older have their strings inline: these may be missing. */
	source_open(elf, ".debug_line_str", &lines->line_str);
	source_open(elf, ".debug_str", &lines->str);
	free(whole);
	*out = lines;
	return 0;
fail:
	free(whole);
	native_lines_free(lines);
	return err;
}

void native_lines_free(struct native_lines *lines)
{
	if (!lines)
		return;
	free(lines->line.kept);
	free(lines->line_str.kept);
	free(lines->str.kept);
	free(lines->sequences);
	free(lines);
}

/* ---- looking up ---- */

struct search {
	uint64_t address;
	struct native_line_row before, found;
	bool in_sequence;
};

static int row_look(const struct native_line_row *row, void *arg)
{
	struct search *search = arg;

	if (search->in_sequence && search->before.address <= search->address &&
	    search->address < row->address) {
		search->found = search->before;
		return 1;
	}
	search->before = *row;
	search->in_sequence = !row->is_end;
	return 0;
}

static const struct sequence *sequence_find(const struct native_lines *lines, uint64_t address)
{
	size_t low = 0, high = lines->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (address < lines->sequences[middle].start)
			high = middle;
		else
			low = middle + 1;
	}
	if (low == 0 || address >= lines->sequences[low - 1].end)
		return NULL;
	return &lines->sequences[low - 1];
}

static void name_append(const struct native_lines *lines, const struct native_line_name *name,
			struct buffer *out)
{
	char string[LINES_PATH_BYTES];
	size_t length;

	if (name->inline_name) {
		buffer_string(out, name->inline_name);
		return;
	}
	length = source_read(lines, name->in_debug_str ? &lines->str : &lines->line_str,
			     name->offset, string, sizeof(string));
	buffer_append(out, string, strnlen(string, length));
}

static bool is_absolute(const struct buffer *out, size_t start)
{
	return out->bytes && out->length > start && out->bytes[start] == '/';
}

/* "/src" + "./Python" + "ceval.c", each one unless what follows is absolute already. */
static void file_append(const struct native_lines *lines, const struct native_line_file *file,
			struct buffer *out)
{
	struct buffer parts[3];
	size_t first = 2;

	for (size_t i = 0; i < 3; i++)
		buffer_init(&parts[i]);
	name_append(lines, &file->name, &parts[2]);
	if (!is_absolute(&parts[2], 0) && file->has_directory) {
		name_append(lines, &file->directory, &parts[1]);
		first = 1;
		if (!is_absolute(&parts[1], 0) && file->has_base) {
			name_append(lines, &file->base, &parts[0]);
			first = 0;
		}
	}
	for (size_t i = first; i < 3; i++) {
		const char *part = parts[i].bytes ? parts[i].bytes : "";

		while (strncmp(part, "./", 2) == 0)
			part += 2;
		if (!*part)
			continue;
		buffer_string(out, part);
		if (i < 2 && out->bytes && out->bytes[out->length - 1] != '/')
			buffer_byte(out, '/');
	}
	for (size_t i = 0; i < 3; i++)
		buffer_release(&parts[i]);
}

int native_lines_find(const struct native_lines *lines, uint64_t address, struct buffer *file,
		      int32_t *line)
{
	const struct sequence *sequence = sequence_find(lines, address);
	struct search search = { .address = address };
	struct native_line_unit unit;
	struct native_line_file named;
	uint8_t head[12], *bytes;
	struct native_span span = { head, head, false };
	uint64_t length;
	int err = -ENOENT;

	if (!sequence)
		return -ENOENT;
	span.end += source_read(lines, &lines->line, sequence->unit, head, sizeof(head));
	length = native_line_unit_bytes(span);
	if (length == 0 || length > LINES_MAX_UNIT_BYTES)
		return -ENOENT;
	bytes = malloc(length);
	if (!bytes)
		return -ENOMEM;
	span = (struct native_span){ bytes, bytes, false };
	span.end += source_read(lines, &lines->line, sequence->unit, bytes, length);
	if (native_line_unit_parse(span, &unit) &&
	    native_line_unit_run(&unit, row_look, &search) == 1 && search.found.line > 0 &&
	    search.found.line <= INT32_MAX &&
	    native_line_unit_file(&unit, search.found.file, &named)) {
		file_append(lines, &named, file);
		*line = (int32_t)search.found.line;
		err = 0;
	}
	free(bytes);
	return err;
}
