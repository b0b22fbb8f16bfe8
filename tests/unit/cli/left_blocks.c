// SPDX-License-Identifier: GPL-2.0-only
/* When the kernel's map of blocks is looked through for those of ended processes. */
#include <criterion/criterion.h>

#include "cli/left_blocks.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

Test(left_blocks, a_walk_is_due_when_it_is_worth_it_or_the_room_gets_short)
{
	static const struct {
		const char *name;
		uint64_t spilled, kept, room;
		bool due;
	} CASES[] = {
		{ "nothing there", 0, 0, 1 << 20, false },
		{ "not worth it", 4095, 0, 1 << 20, false },
		{ "some thousand new ones", 4096, 0, 1 << 20, true },
		{ "less than as many again", 199999, 100000, 1 << 20, false },
		{ "as many again", 200000, 100000, 1 << 20, true },
		{ "a quarter of the room that is left", 850000, 800000, 1000000, true },
		{ "less of it", 849999, 800000, 1000000, false },
		{ "a small room", 256, 0, 1024, true },
		{ "less of a small room", 255, 0, 1024, false },
		{ "fewer than there were", 900, 1000, 1024, false },
		{ "a room that is full of living ones", 1000, 1000, 1000, false },
	};

	for (size_t i = 0; i < COUNT_OF(CASES); i++)
		cr_expect_eq(
			left_blocks_walk_is_due(CASES[i].spilled, CASES[i].kept, CASES[i].room),
			CASES[i].due, "%s", CASES[i].name);
}

/* However long a run is: each block that comes and stays is looked at a few times on average. */
Test(left_blocks, a_heap_that_only_grows_is_not_walked_often)
{
	uint64_t room = 16 << 20, kept = 0, looked_at = 0;

	for (uint64_t spilled = 0; spilled < room; spilled += 1000) {
		if (!left_blocks_walk_is_due(spilled, kept, room))
			continue;
		looked_at += spilled;
		kept = spilled;
	}
	cr_expect_lt(looked_at, 40 * room, "%lu", looked_at);
}
