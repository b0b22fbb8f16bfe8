// SPDX-License-Identifier: GPL-2.0-only
/*
 * Line tables looked up without .debug_info: an index of the runs of code ("sequences") of all
 * units is made once; of the units, a few used last are kept decoded. All rows of one Python would
 * be tens of megabytes; these are a few.
 */
#include "resolve/native_lines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "resolve/native_line_program.h"

enum {
	LINES_MAX_BYTES = 32 << 20,	 /* of .debug_line; read once, then unit by unit */
	LINES_KEPT_MAX_BYTES = 16 << 20, /* where it is compressed it must be kept whole */
	LINES_MAX_SEQUENCES = 1 << 18,
	LINES_MAX_UNIT_BYTES = 8 << 20,
	LINES_PATH_BYTES = 4096,
	LINES_DECODED = 8,		  /* units kept decoded */
	LINES_DECODED_MAX_ROWS = 1 << 18, /* in all of them; a unit with more is not kept */
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

/* Where a line begins; line 0: code without one, or the end of a sequence. */
struct line_start {
	uint64_t address;
	uint32_t line, file;
};

struct decoded {
	uint8_t *bytes; /* of the unit: its names are needed too */
	struct native_line_unit unit;
	uint64_t offset;	 /* of the unit in the section */
	struct line_start *rows; /* sorted by address */
	size_t count, capacity;
	size_t sequence_first; /* row of the sequence being decoded */
	uint64_t used;	       /* when last, by native_lines.clock */
};

struct native_lines {
	const struct native_elf *elf; /* borrowed */
	struct decoded decoded[LINES_DECODED];
	uint64_t clock;
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
		qsort(lines->sequences, lines->count, sizeof(*lines->sequences), sequences_compare);
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

static void decoded_release(struct decoded *decoded)
{
	free(decoded->bytes);
	free(decoded->rows);
	*decoded = (struct decoded){ 0 };
}

void native_lines_free(struct native_lines *lines)
{
	if (!lines)
		return;
	for (size_t i = 0; i < LINES_DECODED; i++)
		decoded_release(&lines->decoded[i]);
	free(lines->line.kept);
	free(lines->line_str.kept);
	free(lines->str.kept);
	free(lines->sequences);
	free(lines);
}

/* ---- looking up ---- */

static int row_keep(const struct native_line_row *row, void *arg)
{
	struct decoded *decoded = arg;
	struct line_start *last = decoded->count ? &decoded->rows[decoded->count - 1] : NULL;
	bool has_line = !row->is_end && row->line > 0 && row->line <= INT32_MAX;
	struct line_start start = {
		.address = row->address,
		.line = has_line ? (uint32_t)row->line : 0,
		.file = row->file <= UINT32_MAX ? (uint32_t)row->file : UINT32_MAX,
	};

	if (last && last->address == start.address && !row->is_end && last->line) {
		*last = start; /* of several rows for one address the last one counts */
		return 0;
	}
	if (last && last->line == start.line && last->file == start.file && !row->is_end &&
	    last->line && start.address > last->address)
		return 0;
	if (decoded->count == LINES_DECODED_MAX_ROWS)
		return -EFBIG;
	if (decoded->count == decoded->capacity) {
		size_t capacity = decoded->capacity ? 2 * decoded->capacity : 1024;
		struct line_start *grown = realloc(decoded->rows, capacity * sizeof(*grown));

		if (!grown)
			return -ENOMEM;
		decoded->rows = grown;
		decoded->capacity = capacity;
	}
	decoded->rows[decoded->count++] = start;
	if (row->is_end) {
		/* Code that the linker threw away: see sequence_note(). */
		if (decoded->rows[decoded->sequence_first].address == 0)
			decoded->count = decoded->sequence_first;
		decoded->sequence_first = decoded->count;
	}
	return 0;
}

/* The end of a sequence sorts before the start of the next at the same address. */
static int starts_compare(const void *left, const void *right)
{
	const struct line_start *a = left, *b = right;

	if (a->address != b->address)
		return a->address < b->address ? -1 : 1;
	return (a->line > b->line) - (a->line < b->line);
}

static int unit_decode(const struct native_lines *lines, uint64_t offset, struct decoded *out)
{
	struct decoded decoded = { .offset = offset };
	uint8_t head[12];
	struct native_span span = { head, head, false };
	uint64_t length;
	int err;

	span.end += source_read(lines, &lines->line, offset, head, sizeof(head));
	length = native_line_unit_bytes(span);
	if (length == 0 || length > LINES_MAX_UNIT_BYTES)
		return -ENOENT;
	decoded.bytes = malloc(length);
	if (!decoded.bytes)
		return -ENOMEM;
	span = (struct native_span){ decoded.bytes, decoded.bytes, false };
	span.end += source_read(lines, &lines->line, offset, decoded.bytes, length);
	err = -ENOENT;
	if (!native_line_unit_parse(span, &decoded.unit))
		goto fail;
	err = native_line_unit_run(&decoded.unit, row_keep, &decoded);
	if (err || decoded.count == 0)
		goto fail;
	qsort(decoded.rows, decoded.count, sizeof(*decoded.rows), starts_compare);
	*out = decoded;
	return 0;
fail:
	decoded_release(&decoded);
	return err ? err : -ENOENT;
}

/* An empty place, and room for so many rows: units used longest ago are given up. */
static struct decoded *decoded_place(struct native_lines *lines, size_t rows)
{
	for (;;) {
		struct decoded *empty = NULL, *oldest = NULL;
		size_t total = rows;

		for (size_t i = 0; i < LINES_DECODED; i++) {
			struct decoded *decoded = &lines->decoded[i];

			total += decoded->count;
			if (decoded->count == 0)
				empty = decoded;
			else if (!oldest || decoded->used < oldest->used)
				oldest = decoded;
		}
		if (!oldest || (empty && total <= LINES_DECODED_MAX_ROWS))
			return empty;
		decoded_release(oldest);
	}
}

static struct decoded *unit_get(struct native_lines *lines, uint64_t offset)
{
	struct decoded fresh, *place = NULL;

	for (size_t i = 0; i < LINES_DECODED && !place; i++) {
		if (lines->decoded[i].count && lines->decoded[i].offset == offset)
			place = &lines->decoded[i];
	}
	if (!place) {
		if (unit_decode(lines, offset, &fresh))
			return NULL;
		place = decoded_place(lines, fresh.count);
		*place = fresh;
	}
	place->used = ++lines->clock;
	return place;
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

int native_lines_find(struct native_lines *lines, uint64_t address, struct buffer *file,
		      int32_t *line)
{
	const struct sequence *sequence = sequence_find(lines, address);
	struct decoded *decoded = sequence ? unit_get(lines, sequence->unit) : NULL;
	struct native_line_file named;
	size_t low = 0, high;

	if (!decoded)
		return -ENOENT;
	for (high = decoded->count; low < high;) {
		size_t middle = low + (high - low) / 2;

		if (address < decoded->rows[middle].address)
			high = middle;
		else
			low = middle + 1;
	}
	if (low == 0 || decoded->rows[low - 1].line == 0 ||
	    !native_line_unit_file(&decoded->unit, decoded->rows[low - 1].file, &named))
		return -ENOENT;
	file_append(lines, &named, file);
	*line = (int32_t)decoded->rows[low - 1].line;
	return 0;
}
