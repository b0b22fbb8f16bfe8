// SPDX-License-Identifier: GPL-2.0-only
/*
 * See collector_function.h. Where the compiler knew which branches are taken, the message is in a part of
 * the function that it put far away, with an entry of its own in the unwind tables. Such a part is entered by
 * jumps from the function, and jumps back into its middle: no two functions do that to each other.
 */
#include "python/collector_function.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
	SEGMENTS_MAX = 8,
	TEXT_MAX_BYTES = 256 << 20,
	RODATA_MAX_BYTES = 64 << 20,
	USES_MAX = 16,	   /* of the text */
	PARENTS_MAX = 16,  /* functions that jump into a part */
	PARTS_NESTED = 4,  /* of parts of parts */
	HEADER_BYTES = 12, /* .eh_frame_hdr: version, encodings, address, count; then pairs */
	PAIR_BYTES = 8,
};

/* Python/gc.c, Modules/gcmodule.c: unchanged from 3.8 to 3.15. */
static const char message[] = "gc: collecting generation %d...\n";

struct text {
	uint64_t address;
	size_t bytes;
	uint8_t *code; /* owned */
};

struct range {
	uint64_t start, end;
};

struct finder {
	struct elf_file *file;
	struct text texts[SEGMENTS_MAX];
	size_t text_count;
	uint64_t *starts; /* of all functions and parts, ascending; owned */
	size_t start_count;
};

static int32_t word_at(const uint8_t *code)
{
	int32_t word;

	memcpy(&word, code, sizeof(word));
	return word;
}

/* ---- the file ---- */

static int address_compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static int starts_read(struct finder *finder)
{
	/* Pointer: relative to itself, 4 bytes; count: 4 bytes; pairs: relative to the section. */
	static const uint8_t expected[] = { 1, 0x1b, 0x03, 0x3b };
	struct elf_section section;
	uint8_t header[HEADER_BYTES];
	uint8_t *pairs;
	uint32_t count;
	int err;

	if (!elf_file_section(finder->file, ".eh_frame_hdr", &section) ||
	    section.size < sizeof(header) ||
	    elf_file_read(finder->file, section.address, header, sizeof(header)) ||
	    memcmp(header, expected, sizeof(expected)) != 0)
		return -ENOTSUP;
	memcpy(&count, header + 8, sizeof(count));
	if (!count || count > (section.size - sizeof(header)) / PAIR_BYTES)
		return -ENOTSUP;
	pairs = malloc((size_t)count * PAIR_BYTES);
	finder->starts = calloc(count, sizeof(*finder->starts));
	err = pairs && finder->starts ? elf_file_read(finder->file, section.address + HEADER_BYTES,
						      pairs, (size_t)count * PAIR_BYTES) :
					-ENOMEM;
	for (uint32_t i = 0; i < count && !err; i++)
		finder->starts[i] =
			section.address + (uint64_t)(int64_t)word_at(pairs + i * PAIR_BYTES);
	free(pairs);
	if (err)
		return err;
	finder->start_count = count;
	qsort(finder->starts, count, sizeof(*finder->starts), address_compare);
	return 0;
}

static int texts_read(struct finder *finder)
{
	struct elf_code_segment segments[SEGMENTS_MAX];
	size_t count = elf_file_code_segments(finder->file, segments, SEGMENTS_MAX);

	for (size_t i = 0; i < count; i++) {
		struct text *text = &finder->texts[finder->text_count];
		int err;

		if (!segments[i].file_bytes || segments[i].file_bytes > TEXT_MAX_BYTES)
			continue;
		text->address = segments[i].address;
		text->bytes = segments[i].file_bytes;
		text->code = malloc(text->bytes);
		if (!text->code)
			return -ENOMEM;
		finder->text_count++;
		err = elf_file_read(finder->file, text->address, text->code, text->bytes);
		if (err)
			return err;
	}
	return finder->text_count ? 0 : -ENOTSUP;
}

static void finder_release(struct finder *finder)
{
	for (size_t i = 0; i < finder->text_count; i++)
		free(finder->texts[i].code);
	free(finder->starts);
}

static int finder_init(struct finder *finder, struct elf_file *file)
{
	int err;

	*finder = (struct finder){ .file = file };
	err = starts_read(finder);
	if (!err)
		err = texts_read(finder);
	if (err)
		finder_release(finder);
	return err;
}

static uint64_t message_find(struct elf_file *file)
{
	struct elf_section rodata;
	uint64_t address = 0;
	uint8_t *bytes, *found;

	if (!elf_file_section(file, ".rodata", &rodata) || !rodata.has_bytes ||
	    rodata.size > RODATA_MAX_BYTES)
		return 0;
	bytes = malloc(rodata.size);
	if (bytes && !elf_file_read(file, rodata.address, bytes, rodata.size)) {
		found = memmem(bytes, rodata.size, message, sizeof(message));
		if (found)
			address = rodata.address + (uint64_t)(found - bytes);
	}
	free(bytes);
	return address;
}

/* ---- functions and their parts ---- */

/* From one entry of the unwind tables to the next. False: `address` is in none. */
static bool range_of(const struct finder *finder, uint64_t address, struct range *out)
{
	size_t low = 0, high = finder->start_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (finder->starts[middle] <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return false;
	out->start = finder->starts[low - 1];
	out->end = low < finder->start_count ? finder->starts[low] : UINT64_MAX;
	return true;
}

static bool range_has(const struct range *range, uint64_t address)
{
	return address >= range->start && address < range->end;
}

/*
 * Where the instruction whose last four bytes are at code[at] jumps to, if it is a jmp or a jcc to an
 * address relative to itself. Any four bytes may look like that: what is made of it must hold both ways.
 */
static bool jump_at(const struct text *text, size_t at, uint64_t *target)
{
	const uint8_t *code = text->code + at;

	if (at < 2 || at + 4 > text->bytes ||
	    (code[-1] != 0xe9 && (code[-2] != 0x0f || (code[-1] & 0xf0) != 0x80)))
		return false;
	*target = text->address + at + 4 + (uint64_t)(int64_t)word_at(code);
	return true;
}

static bool jumps_into(const struct finder *finder, const struct range *from,
		       const struct range *into)
{
	for (size_t i = 0; i < finder->text_count; i++) {
		const struct text *text = &finder->texts[i];
		uint64_t end = text->address + text->bytes, target;

		if (from->start < text->address || from->start >= end)
			continue;
		if (from->end < end)
			end = from->end;
		for (size_t at = from->start - text->address; at < end - text->address; at++) {
			if (jump_at(text, at, &target) && target > into->start &&
			    target < into->end)
				return true;
		}
	}
	return false;
}

/* The function that the part at `part` is of; false: that is a function itself. */
static bool parent_find(const struct finder *finder, const struct range *part, struct range *parent)
{
	uint64_t seen[PARENTS_MAX];
	size_t seen_count = 0;

	for (size_t i = 0; i < finder->text_count; i++) {
		const struct text *text = &finder->texts[i];

		for (size_t at = 0; at + 4 <= text->bytes; at++) {
			struct range from;
			uint64_t target;
			size_t known = 0;

			if (!jump_at(text, at, &target) || !range_has(part, target) ||
			    !range_of(finder, text->address + at, &from) ||
			    from.start == part->start)
				continue;
			while (known < seen_count && seen[known] != from.start)
				known++;
			if (known < seen_count || seen_count == PARENTS_MAX)
				continue;
			seen[seen_count++] = from.start;
			/* Back into its middle; and what calls reach is no part. */
			if (jumps_into(finder, part, &from)) {
				*parent = from;
				return true;
			}
		}
	}
	return false;
}

/* call rel32 to the very address. */
static bool is_called(const struct finder *finder, uint64_t address)
{
	for (size_t i = 0; i < finder->text_count; i++) {
		const struct text *text = &finder->texts[i];

		for (size_t at = 1; at + 4 <= text->bytes; at++) {
			if (text->code[at - 1] == 0xe8 &&
			    text->address + at + 4 + (uint64_t)(int64_t)word_at(text->code + at) ==
				    address)
				return true;
		}
	}
	return false;
}

static int function_find(const struct finder *finder, uint64_t address, uint64_t *function)
{
	struct range range, parent;

	if (!range_of(finder, address, &range))
		return -ENOTSUP;
	for (int i = 0; i < PARTS_NESTED; i++) {
		if (is_called(finder, range.start) || !parent_find(finder, &range, &parent)) {
			*function = range.start;
			return 0;
		}
		range = parent;
	}
	return -ENOTSUP;
}

int collector_function_of(struct elf_file *file, uint64_t address, uint64_t *function)
{
	struct finder finder;
	int err = finder_init(&finder, file);

	if (err)
		return err;
	err = function_find(&finder, address, function);
	finder_release(&finder);
	return err;
}

/* ---- who uses the text ---- */

/*
 * Whether the four bytes at code[at] are what an instruction names the address by: lea relative to
 * itself, or, where the file has its fixed place, mov of a constant.
 */
static bool names(const struct text *text, size_t at, uint64_t address)
{
	const uint8_t *code = text->code + at;

	if (at < 2)
		return false;
	if (code[-2] == 0x8d && (code[-1] & 0xc7) == 0x05)
		return text->address + at + 4 + (uint64_t)(int64_t)word_at(code) == address;
	return (code[-1] & 0xf8) == 0xb8 && (uint32_t)word_at(code) == address;
}

static int uses_find(const struct finder *finder, uint64_t address, uint64_t *uses, size_t *count)
{
	*count = 0;
	for (size_t i = 0; i < finder->text_count; i++) {
		const struct text *text = &finder->texts[i];

		for (size_t at = 0; at + 4 <= text->bytes; at++) {
			if (!names(text, at, address))
				continue;
			if (*count == USES_MAX)
				return -ENOTSUP;
			uses[(*count)++] = text->address + at;
		}
	}
	return *count ? 0 : -ENOENT;
}

static int function_keep(struct collector_function *out, size_t *count, uint64_t address)
{
	for (size_t i = 0; i < *count; i++) {
		if (out[i].address == address)
			return 0;
	}
	if (*count == COLLECTOR_FUNCTIONS_MAX)
		return -ENOTSUP;
	out[(*count)++] = (struct collector_function){ .address = address };
	return 0;
}

int collector_functions_find(struct elf_file *file, struct collector_function *out, size_t *count)
{
	uint64_t text = message_find(file), uses[USES_MAX], function;
	struct finder finder;
	size_t use_count;
	int err;

	*count = 0;
	if (!text)
		return -ENOENT;
	err = finder_init(&finder, file);
	if (err)
		return err;
	err = uses_find(&finder, text, uses, &use_count);
	for (size_t i = 0; i < use_count && !err; i++) {
		err = function_find(&finder, uses[i], &function);
		if (!err)
			err = function_keep(out, count, function);
	}
	finder_release(&finder);
	return err;
}
