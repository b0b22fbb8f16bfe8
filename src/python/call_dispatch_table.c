// SPDX-License-Identifier: GPL-2.0-only
/* See call_dispatch_table.h. */
#include "python/call_dispatch_table.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proc/memory.h"

enum {
	SEGMENTS_MAX = 8,
	BATCH_BYTES = 1 << 18,
	SEARCHED_MAX_BYTES = 1 << 27, /* in all: an interpreter has a few MB */
	/* 3.11, the smallest, has 183; a compiler that shares code makes a few less. */
	DISTINCT_MIN = 120,
	ASKED = 32, /* handlers, whether they are functions */
	/* .eh_frame_hdr: version, three encodings, 4 bytes of address, 4 of count, then pairs. */
	HEADER_BYTES = 12,
	PAIR_BYTES = 8,
};

struct search {
	const struct python_process *process;
	const struct opcodes *opcodes;
	struct elf_code_segment segments[SEGMENTS_MAX];
	size_t segment_count;

	uint64_t run[OPCODE_NUMBERS]; /* the last code addresses seen in a row, a ring */
	size_t run_length;	      /* at most so many */
	size_t run_at;		      /* where the next goes */

	struct dispatch_table *out;
	size_t found;
	uint64_t searched_bytes;
};

static bool is_code(const struct search *search, uint64_t address)
{
	for (size_t i = 0; i < search->segment_count; i++) {
		if (address - search->segments[i].address < search->segments[i].file_bytes)
			return true;
	}
	return false;
}

static int address_compare(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static size_t distinct_count(const uint64_t *addresses)
{
	uint64_t sorted[OPCODE_NUMBERS];
	size_t count = 1;

	memcpy(sorted, addresses, sizeof(sorted));
	qsort(sorted, OPCODE_NUMBERS, sizeof(*sorted), address_compare);
	for (size_t i = 1; i < OPCODE_NUMBERS; i++)
		count += sorted[i] != sorted[i - 1];
	return count;
}

bool dispatch_table_fits(const uint64_t *addresses, const struct opcodes *opcodes)
{
	uint64_t unknown = 0;

	for (unsigned int i = 0; i < OPCODE_NUMBERS; i++) {
		if (opcode_is_handled(opcodes, i))
			continue;
		if (unknown && addresses[i] != unknown)
			return false;
		unknown = addresses[i];
	}
	for (unsigned int i = 0; i < OPCODE_NUMBERS; i++) {
		if (opcode_is_handled(opcodes, i) && addresses[i] == unknown)
			return false;
	}
	return distinct_count(addresses) >= DISTINCT_MIN;
}

/* `at` is where the word lies, `word` what it is, both as in the file. */
static void word_see(struct search *search, uint64_t at, uint64_t word)
{
	uint64_t addresses[OPCODE_NUMBERS];

	if (!is_code(search, word)) {
		search->run_length = 0;
		return;
	}
	search->run[search->run_at] = word;
	search->run_at = (search->run_at + 1) % OPCODE_NUMBERS;
	if (search->run_length < OPCODE_NUMBERS)
		search->run_length++;
	if (search->run_length < OPCODE_NUMBERS)
		return;
	for (size_t i = 0; i < OPCODE_NUMBERS; i++)
		addresses[i] = search->run[(search->run_at + i) % OPCODE_NUMBERS];
	if (!dispatch_table_fits(addresses, search->opcodes))
		return;
	search->found++;
	search->out->address = at - (OPCODE_NUMBERS - 1) * sizeof(word);
	memcpy(search->out->handlers, addresses, sizeof(addresses));
}

static int section_search(struct search *search, const struct elf_section *section, uint64_t *words)
{
	const uint64_t bias = search->process->load_bias;
	uint64_t at = (section->address + 7) & ~(uint64_t)7;
	uint64_t end = section->address + section->size;
	int err;

	search->run_length = 0;
	if (section->size > SEARCHED_MAX_BYTES - search->searched_bytes)
		return 0;
	search->searched_bytes += section->size;
	while (at + sizeof(*words) <= end) {
		size_t bytes = end - at < BATCH_BYTES ? end - at : BATCH_BYTES;

		bytes &= ~(size_t)7;
		err = memory_read(search->process->pid, at + bias, words, bytes);
		/* Sections are what the file says; the process need not have them. */
		if (err)
			return err == -EFAULT ? 0 : err;
		for (size_t i = 0; i < bytes / sizeof(*words); i++, at += sizeof(*words))
			word_see(search, at, words[i] - bias);
	}
	return 0;
}

int dispatch_table_find(const struct python_process *process, struct elf_file *file,
			const struct opcodes *opcodes, struct dispatch_table *out)
{
	/* Constant; constant once relocated; and as compilers that do not optimise leave it. */
	static const char *const sections[] = { ".rodata", ".data.rel.ro", ".data.rel.ro.local",
						".data", ".data.rel.local" };
	struct search search = { .process = process, .opcodes = opcodes, .out = out };
	uint64_t *words = malloc(BATCH_BYTES);
	int err = words ? 0 : -ENOMEM;

	search.segment_count = elf_file_code_segments(file, search.segments, SEGMENTS_MAX);
	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]) && !err; i++) {
		struct elf_section section;

		if (elf_file_section(file, sections[i], &section) && section.has_bytes)
			err = section_search(&search, &section, words);
	}
	free(words);
	if (err)
		return err;
	if (search.found != 1)
		return search.found ? -EEXIST : -ENOENT;
	return 0;
}

/* ---- a function for each opcode ---- */

struct unwind_index {
	struct elf_file *file;
	uint64_t address;
	uint32_t count;
};

static bool unwind_index_open(struct elf_file *file, struct unwind_index *out)
{
	/* Pointer: relative to itself, 4 bytes; count: 4 bytes; pairs: relative to the section. */
	static const uint8_t expected[] = { 1, 0x1b, 0x03, 0x3b };
	struct elf_section section;
	uint8_t header[HEADER_BYTES];

	if (!elf_file_section(file, ".eh_frame_hdr", &section) || section.size < sizeof(header) ||
	    elf_file_read(file, section.address, header, sizeof(header)) ||
	    memcmp(header, expected, sizeof(expected)) != 0)
		return false;
	*out = (struct unwind_index){ .file = file, .address = section.address };
	memcpy(&out->count, header + 8, sizeof(out->count));
	return out->count <= (section.size - sizeof(header)) / PAIR_BYTES;
}

static bool is_function(const struct unwind_index *index, uint64_t address)
{
	uint32_t low = 0, high = index->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		uint64_t at = index->address + HEADER_BYTES + (uint64_t)middle * PAIR_BYTES;
		int32_t relative;
		uint64_t start;

		if (elf_file_read(index->file, at, &relative, sizeof(relative)))
			return false;
		start = index->address + (uint64_t)(int64_t)relative;
		if (start == address)
			return true;
		if (start < address)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

bool dispatch_table_has_functions(struct elf_file *file, const uint64_t *handlers)
{
	struct unwind_index index;
	size_t functions = 0;

	if (!unwind_index_open(file, &index))
		return false;
	for (size_t i = 0; i < OPCODE_NUMBERS; i += OPCODE_NUMBERS / ASKED)
		functions += is_function(&index, handlers[i]);
	return functions > ASKED / 2;
}
