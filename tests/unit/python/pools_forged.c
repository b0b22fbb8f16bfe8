// SPDX-License-Identifier: GPL-2.0-only
/*
 * pymalloc's structures as 3.13 has them, built by hand in this very process, which then is the
 * target: first as they should be, then with what harms a reader who believes them.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "python/layout.h"
#include "python/pools.h"
#include "python/pymalloc.h"

enum {
	MINOR = 13,
	POOL_BYTES = 16384,
	ARENA_BYTES = 1 << 20,
	POOLS = 64,
	ARENAS = 16,
	INTERPRETER_BYTES = 16384,
	STATE_BYTES = 4096,
	BLOCKS_OF_512 = (POOL_BYTES - 48) / 512,
};

struct forgery {
	uint64_t interpreters_head;
	uint8_t interpreters[2][INTERPRETER_BYTES];
	_Alignas(16) uint8_t states[2][STATE_BYTES];
	struct pymalloc_arena arenas[ARENAS];
	uint8_t *mapped, *memory; /* ARENAS arenas, aligned */
	struct layout layout;
	struct python_process process;
};

static void word_put(uint8_t *block, size_t offset, uint64_t word)
{
	memcpy(block + offset, &word, sizeof(word));
}

static void state_put(uint8_t *state, const struct layout *layout,
		      const struct pymalloc_arena *arenas, uint32_t count)
{
	for (size_t i = 0; i < 2 * PYMALLOC_CLASSES; i++)
		word_put(state, 8 * i, (uintptr_t)state + 16 * (i / 2) - 16);
	word_put(state, layout->obmalloc_arenas, (uintptr_t)arenas);
	memcpy(state + layout->obmalloc_maxarenas, &count, sizeof(count));
}

static struct pymalloc_pool *pool_of(struct forgery *forgery, size_t arena, size_t pool)
{
	return (struct pymalloc_pool *)(forgery->memory + arena * ARENA_BYTES + pool * POOL_BYTES);
}

/* Two arenas: one with pools of three classes and an empty one, one never used. */
static struct forgery *forgery_new(void)
{
	struct forgery *forgery = calloc(1, sizeof(*forgery));
	struct python_layout *walk;
	uint8_t *memory = mmap(NULL, (ARENAS + 1) * ARENA_BYTES, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	cr_assert_not_null(forgery);
	cr_assert_neq(memory, MAP_FAILED);
	forgery->mapped = memory;
	forgery->memory =
		(uint8_t *)(((uintptr_t)memory + ARENA_BYTES - 1) & ~(uintptr_t)(ARENA_BYTES - 1));
	forgery->layout = *layout_of(MINOR);
	walk = &forgery->process.target.layout;
	*walk = forgery->layout.walk;
	walk->runtime_interpreters_head = 0;
	forgery->process.pid = getpid();
	forgery->process.target.runtime = (uintptr_t)&forgery->interpreters_head;
	forgery->interpreters_head = (uintptr_t)forgery->interpreters[0];
	word_put(forgery->interpreters[0], forgery->layout.interp_obmalloc,
		 (uintptr_t)forgery->states[0]);
	state_put(forgery->states[0], &forgery->layout, forgery->arenas, ARENAS);

	forgery->arenas[3] = (struct pymalloc_arena){
		.address = (uintptr_t)forgery->memory,
		.pool_address = (uintptr_t)forgery->memory + 4 * POOL_BYTES,
		.nfreepools = POOLS - 3,
		.ntotalpools = POOLS,
	};
	*pool_of(forgery, 0, 0) = (struct pymalloc_pool){ .count = 1, .szidx = 0, .arenaindex = 3 };
	*pool_of(forgery, 0, 1) =
		(struct pymalloc_pool){ .count = BLOCKS_OF_512, .szidx = 31, .arenaindex = 3 };
	*pool_of(forgery, 0, 2) =
		(struct pymalloc_pool){ .count = 0, .szidx = 0xffff, .arenaindex = 3 };
	*pool_of(forgery, 0, 3) = (struct pymalloc_pool){ .count = 7, .szidx = 2, .arenaindex = 3 };
	/* Not aligned to a pool: the first begins behind it, and there is one less. */
	forgery->arenas[5] = (struct pymalloc_arena){
		.address = (uintptr_t)forgery->memory + ARENA_BYTES + 4096,
		.pool_address = (uintptr_t)forgery->memory + ARENA_BYTES + POOL_BYTES,
		.nfreepools = POOLS - 1,
		.ntotalpools = POOLS - 1,
	};
	return forgery;
}

static void forgery_free(struct forgery *forgery)
{
	munmap(forgery->mapped, (ARENAS + 1) * ARENA_BYTES);
	free(forgery);
}

static int forgery_read(struct forgery *forgery, struct pools *pools)
{
	char reason[128];

	return pools_read(&forgery->process, pools, reason, sizeof(reason));
}

Test(pools_forged, as_they_should_be)
{
	struct forgery *forgery = forgery_new();
	uint64_t addresses[ARENAS];
	struct pools pools;
	size_t count;

	cr_assert_eq(forgery_read(forgery, &pools), 0);
	cr_expect_eq(pools.arenas, 2);
	cr_expect_eq(pools.arena_bytes, (uint64_t)ARENA_BYTES);
	cr_expect_eq(pools.pool_bytes, (uint64_t)POOL_BYTES);
	cr_expect_eq(pools.free_pools, (uint64_t)POOLS - 3 + POOLS - 1);
	cr_expect_eq(pools.used_bytes, 16u + 512u * BLOCKS_OF_512 + 7u * 48u);
	cr_expect_eq(pools.torn, 0);
	for (uint32_t i = 0; i < POOL_CLASSES; i++) {
		const struct pool_class *class = &pools.classes[i];
		const uint64_t used = i == 0 ? 1 : i == 2 ? 7 : i == 31 ? BLOCKS_OF_512 : 0;

		cr_expect_eq(class->block_bytes, 16 * (i + 1));
		cr_expect_eq(class->pools, used != 0);
		cr_expect_eq(class->used_blocks, used);
		cr_expect_eq(class->free_blocks,
			     used ? (POOL_BYTES - 48) / class->block_bytes - used : 0);
	}
	cr_assert_eq(pools_arenas(&forgery->process, addresses, ARENAS, &count), 0);
	cr_expect_eq(count, 2);
	cr_expect_eq(addresses[0], forgery->arenas[3].address);
	cr_expect_eq(addresses[1], forgery->arenas[5].address);
	cr_assert_eq(pools_arenas(&forgery->process, addresses, 1, &count), 0);
	cr_expect_eq(count, 1, "no more than there is room for");
	forgery_free(forgery);
}

/* Arenas of 2 MiB, as 3.15 has them when built for huge pages. */
Test(pools_forged, of_larger_arenas)
{
	struct forgery *forgery = forgery_new();
	struct pools pools;

	forgery->arenas[3].ntotalpools = 2 * POOLS - 1;
	forgery->arenas[5].address = 0;
	cr_assert_eq(forgery_read(forgery, &pools), 0);
	cr_expect_eq(pools.arena_bytes, 2u * ARENA_BYTES);
	cr_expect_eq(pools.free_pools, 2u * POOLS - 1 - 3);
	forgery_free(forgery);
}

/* What _Py_DebugOffsets do not tell moves with point releases and options of a build. */
Test(pools_forged, of_an_interpreter_whose_members_moved)
{
	static const int DRIFTS[] = { 8, -8, 24, -24, 512, -512 };

	for (size_t i = 0; i < sizeof(DRIFTS) / sizeof(DRIFTS[0]); i++) {
		struct forgery *forgery = forgery_new();
		struct pools pools;

		word_put(forgery->interpreters[0], forgery->layout.interp_obmalloc, 0);
		word_put(forgery->interpreters[0], forgery->layout.interp_obmalloc + DRIFTS[i],
			 (uintptr_t)forgery->states[0]);
		cr_expect_eq(forgery_read(forgery, &pools), 0, "%d", DRIFTS[i]);
		cr_expect_eq(pools.arenas, 2, "%d", DRIFTS[i]);
		forgery_free(forgery);
	}
}

/* Two pointers to one allocator are one, two allocators are two. */
Test(pools_forged, of_two_interpreters)
{
	struct forgery *forgery = forgery_new();
	struct pools pools;

	forgery->interpreters_head = (uintptr_t)forgery->interpreters[1];
	word_put(forgery->interpreters[1], forgery->process.target.layout.interp_next,
		 (uintptr_t)forgery->interpreters[0]);
	word_put(forgery->interpreters[1], forgery->layout.interp_obmalloc,
		 (uintptr_t)forgery->states[0]);
	cr_assert_eq(forgery_read(forgery, &pools), 0);
	cr_expect_eq(pools.arenas, 2);

	state_put(forgery->states[1], &forgery->layout, forgery->arenas, ARENAS);
	word_put(forgery->interpreters[1], forgery->layout.interp_obmalloc,
		 (uintptr_t)forgery->states[1]);
	cr_assert_eq(forgery_read(forgery, &pools), 0);
	cr_expect_eq(pools.arenas, 4);
	cr_expect_eq(pools.classes[2].used_blocks, 14);
	forgery_free(forgery);
}

/* Lists of pools that have room, instead of empty ones. */
Test(pools_forged, of_classes_with_room)
{
	struct forgery *forgery = forgery_new();
	struct pools pools;

	forgery->arenas[3].pool_address = forgery->arenas[3].address + POOLS * POOL_BYTES;
	for (uint32_t i = 0; i < 32; i++) {
		*pool_of(forgery, 0, i) =
			(struct pymalloc_pool){ .count = 1, .szidx = i, .arenaindex = 3 };
		*pool_of(forgery, 0, 32 + i) =
			(struct pymalloc_pool){ .count = 1, .szidx = i, .arenaindex = 3 };
		word_put(forgery->states[0], 16 * i, (uintptr_t)pool_of(forgery, 0, i));
		word_put(forgery->states[0], 16 * i + 8, (uintptr_t)pool_of(forgery, 0, 32 + i));
	}
	cr_assert_eq(forgery_read(forgery, &pools), 0);
	for (uint32_t i = 0; i < 32; i++)
		cr_expect_eq(pools.classes[i].used_blocks, 2);
	forgery_free(forgery);
}

Test(pools_forged, headers_that_make_no_sense_are_counted_apart)
{
	static const struct pymalloc_pool HEADERS[] = {
		{ .count = 1, .szidx = 32, .arenaindex = 3 },
		{ .count = 1, .szidx = 0xffff, .arenaindex = 3 },
		{ .count = 7, .szidx = 2, .arenaindex = 4 },
		{ .count = BLOCKS_OF_512 + 1, .szidx = 31, .arenaindex = 3 },
		{ .count = UINT32_MAX, .szidx = 0, .arenaindex = 3 },
		{ .count = 0, .szidx = 0, .arenaindex = UINT32_MAX },
	};

	for (size_t i = 0; i < sizeof(HEADERS) / sizeof(HEADERS[0]); i++) {
		struct forgery *forgery = forgery_new();
		struct pools pools;

		*pool_of(forgery, 0, 3) = HEADERS[i];
		cr_assert_eq(forgery_read(forgery, &pools), 0, "row %zu", i);
		cr_expect_eq(pools.torn, 1, "row %zu", i);
		cr_expect_eq(pools.used_bytes, 16u + 512u * BLOCKS_OF_512, "row %zu", i);
		cr_expect_eq(pools.free_pools, (uint64_t)POOLS - 3 + POOLS - 1, "row %zu", i);
		forgery_free(forgery);
	}
}

Test(pools_forged, arenas_that_make_no_sense_are_counted_apart)
{
	for (int row = 0; row < 6; row++) {
		struct forgery *forgery = forgery_new();
		struct pymalloc_arena *arena = &forgery->arenas[5];
		struct pools pools;

		switch (row) {
		case 0:
			arena->pool_address = arena->address - POOL_BYTES;
			break;
		case 1:
			arena->pool_address += 1000ULL * POOL_BYTES;
			break;
		case 2:
			arena->pool_address += 8;
			break;
		case 3:
			arena->ntotalpools = UINT32_MAX;
			break;
		case 4:
			arena->nfreepools = POOLS;
			break;
		case 5:
			arena->address = UINT64_MAX - 5;
			break;
		}
		cr_assert_eq(forgery_read(forgery, &pools), 0, "row %d", row);
		cr_expect_eq(pools.arenas, 1, "row %d", row);
		cr_expect_eq(pools.torn, 1, "row %d", row);
		forgery_free(forgery);
	}
}

/* An arena is unmapped a moment before it is taken off the list. */
Test(pools_forged, an_arena_that_went_has_no_used_pools)
{
	struct forgery *forgery = forgery_new();
	struct pools pools;

	forgery->arenas[5].pool_address += 20 * POOL_BYTES;
	mprotect(forgery->memory + ARENA_BYTES, ARENA_BYTES, PROT_NONE);
	cr_assert_eq(forgery_read(forgery, &pools), 0);
	cr_expect_eq(pools.torn, 0);
	cr_expect_eq(pools.free_pools, (uint64_t)POOLS - 3 + POOLS - 1);
	forgery_free(forgery);
}

Test(pools_forged, an_arena_that_cannot_be_read_is_counted_apart)
{
	struct forgery *forgery = forgery_new();
	struct pools pools;

	forgery->arenas[5].pool_address += 2 * POOL_BYTES;
	forgery->arenas[5].nfreepools -= 2;
	mprotect(forgery->memory + ARENA_BYTES, ARENA_BYTES, PROT_NONE);
	cr_assert_eq(forgery_read(forgery, &pools), 0);
	cr_expect_eq(pools.torn, 2);
	cr_expect_eq(pools.free_pools, (uint64_t)POOLS - 3 + POOLS - 3);
	cr_expect_eq(pools.classes[2].used_blocks, 7, "the other arena is read all the same");
	forgery_free(forgery);
}

Test(pools_forged, more_nonsense_than_sense_is_refused)
{
	struct forgery *forgery = forgery_new();
	struct pools pools;

	forgery->arenas[3].pool_address = forgery->arenas[3].address + POOLS * POOL_BYTES;
	forgery->arenas[3].nfreepools = 0;
	forgery->arenas[5].address = 0;
	memset(forgery->memory, 0x5a, ARENA_BYTES);
	cr_expect_eq(forgery_read(forgery, &pools), -EUCLEAN);
	forgery_free(forgery);
}

Test(pools_forged, what_cannot_be_proven_is_refused)
{
	for (int row = 0; row < 8; row++) {
		struct forgery *forgery = forgery_new();
		uint8_t *state = forgery->states[0];
		struct pools pools;

		switch (row) {
		case 0: /* the number of arenas is none that pymalloc has */
			state_put(state, &forgery->layout, forgery->arenas, ARENAS - 1);
			break;
		case 1:
			state_put(state, &forgery->layout, forgery->arenas, UINT32_MAX);
			break;
		case 2:
			state_put(state, &forgery->layout, forgery->arenas, 1U << 31);
			break;
		case 3: /* half of them */
			state_put(state, &forgery->layout, NULL, ARENAS);
			break;
		case 4:
			state_put(state, &forgery->layout, forgery->arenas, 0);
			break;
		case 5: /* no list of pools */
			memset(state, 0, 2 * 8 * PYMALLOC_CLASSES);
			break;
		case 6: /* no interpreter */
			forgery->interpreters_head = 0;
			break;
		case 7: /* one without end */
			word_put(forgery->interpreters[0],
				 forgery->process.target.layout.interp_next,
				 forgery->interpreters_head);
			break;
		}
		cr_expect_eq(forgery_read(forgery, &pools), -ENOTSUP, "row %d", row);
		forgery_free(forgery);
	}
}

Test(pools_forged, arenas_that_are_not_mapped_are_refused)
{
	struct forgery *forgery = forgery_new();
	struct pools pools;

	state_put(forgery->states[0], &forgery->layout, (void *)(uintptr_t)4096, 1 << 18);
	cr_expect_eq(forgery_read(forgery, &pools), -EUCLEAN);
	state_put(forgery->states[0], &forgery->layout, NULL, 0);
	cr_expect_eq(forgery_read(forgery, &pools), -ENOENT, "none yet");
	forgery_free(forgery);
}

/* Half a million arenas, all the same one: as many pools as 512 GiB would have. */
Test(pools_forged, what_was_made_to_take_long_is_cut_short)
{
	enum { MANY = 1 << 19 };
	struct forgery *forgery = forgery_new();
	struct pymalloc_arena *arenas = calloc(MANY, sizeof(*arenas));
	struct timespec before, after;
	struct pools pools;
	int err;

	cr_assert_not_null(arenas);
	for (size_t i = 0; i < MANY; i++) {
		arenas[i] = forgery->arenas[3];
		arenas[i].pool_address = arenas[i].address + POOLS * POOL_BYTES;
	}
	state_put(forgery->states[0], &forgery->layout, arenas, MANY);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
	err = forgery_read(forgery, &pools);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
	cr_expect(err == -ETIMEDOUT || err == -EUCLEAN, "%d", err);
	cr_expect_leq(after.tv_sec - before.tv_sec, 6);
	free(arenas);
	forgery_free(forgery);
}
