// SPDX-License-Identifier: GPL-2.0-only
/* Windows onto a process whose memory we know: our own. */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "python/objects_memory.h"

enum { WINDOW = 1 << 16, PAGES = 1 << 12, CACHE_BYTES = 4 << 20 };

static struct objects_memory *own_memory(void)
{
	struct objects_memory *memory = NULL;

	cr_assert_eq(objects_memory_new(getpid(), CACHE_BYTES, &memory), 0);
	return memory;
}

static uint8_t *mapped(size_t bytes)
{
	uint8_t *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(at, MAP_FAILED);
	for (size_t i = 0; i < bytes; i++)
		at[i] = (uint8_t)(i * 7 + i / 251);
	return at;
}

Test(objects_memory, is_read_across_windows)
{
	uint8_t *at = mapped(4 * WINDOW), out[3 * WINDOW];
	struct objects_memory *memory = own_memory();

	cr_assert_eq(objects_memory_read(memory, (uintptr_t)at + 100, out, sizeof(out)), 0);
	cr_assert_eq(memcmp(out, at + 100, sizeof(out)), 0);
	objects_memory_free(memory);
}

Test(objects_memory, ends_where_the_mapping_does)
{
	uint8_t *at = mapped(4 * PAGES), out[16];
	struct objects_memory *memory;

	munmap(at + PAGES, PAGES);
	memory = own_memory();
	cr_assert_eq(objects_memory_read(memory, (uintptr_t)at + PAGES - 16, out, 16), 0);
	cr_assert_eq(objects_memory_read(memory, (uintptr_t)at + PAGES - 8, out, 16), -EFAULT);
	cr_assert_eq(objects_memory_read(memory, (uintptr_t)at + 2 * PAGES, out, 16), 0);
	cr_assert_eq(memcmp(out, at + 2 * PAGES, 16), 0);
	objects_memory_free(memory);
}

Test(objects_memory, is_old_until_it_is_forgotten)
{
	uint8_t *at = mapped(WINDOW);
	struct objects_memory *memory = own_memory();
	uint8_t out;

	at[5] = 1;
	objects_memory_read(memory, (uintptr_t)at + 5, &out, 1);
	at[5] = 2;
	objects_memory_read(memory, (uintptr_t)at + 5, &out, 1);
	cr_assert_eq(out, 1);
	objects_memory_forget(memory, (uintptr_t)at + 5);
	objects_memory_read(memory, (uintptr_t)at + 5, &out, 1);
	cr_assert_eq(out, 2);
	at[5] = 3;
	objects_memory_forget_all(memory);
	objects_memory_read(memory, (uintptr_t)at + 5, &out, 1);
	cr_assert_eq(out, 3);
	objects_memory_free(memory);
}

Test(objects_memory, has_more_windows_than_it_keeps)
{
	size_t bytes = 4 * (size_t)CACHE_BYTES;
	uint8_t *at = mapped(bytes), out[8];
	struct objects_memory *memory = own_memory();

	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < bytes; i += WINDOW / 2) {
			cr_assert_eq(objects_memory_read(memory, (uintptr_t)at + i, out, 8), 0);
			cr_assert_eq(memcmp(out, at + i, 8), 0);
		}
	}
	objects_memory_free(memory);
}

Test(objects_memory, of_nowhere_is_refused)
{
	static const uint64_t nowhere[] = {
		0, 8, UINT64_MAX, UINT64_MAX - 7, 1ull << 47, 1ull << 62
	};
	struct objects_memory *memory = own_memory();
	uint8_t out[16];

	for (size_t i = 0; i < sizeof(nowhere) / sizeof(nowhere[0]); i++)
		cr_assert_eq(objects_memory_read(memory, nowhere[i], out, sizeof(out)), -EFAULT);
	cr_assert_eq(objects_memory_error(memory), 0);
	objects_memory_free(memory);
}

Test(objects_memory, strings_end_at_their_end_or_where_there_is_no_room)
{
	static const char text[] = "a string";
	struct objects_memory *memory = own_memory();
	char out[16], little[4];

	cr_assert_eq(objects_memory_string(memory, (uintptr_t)text, out, sizeof(out)), 0);
	cr_assert_str_eq(out, "a string");
	cr_assert_eq(objects_memory_string(memory, (uintptr_t)text, little, sizeof(little)), 0);
	cr_assert_str_eq(little, "a s");
	objects_memory_free(memory);
}
