// SPDX-License-Identifier: GPL-2.0-only
/* The integer map, checked against a plain array. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "base/map64.h"

Test(map64, any_key_is_allowed)
{
	static const uint64_t KEYS[] = { 0, 1, UINT64_MAX, 1ull << 63, 0xffffffff, 1ull << 32 };
	struct map64 *map = map64_new();
	uint64_t value;
	bool added;

	for (size_t i = 0; i < sizeof(KEYS) / sizeof(KEYS[0]); i++) {
		cr_assert_not(map64_get(map, KEYS[i], &value));
		*map64_slot(map, KEYS[i], &added) = i + 100;
		cr_assert(added);
	}
	for (size_t i = 0; i < sizeof(KEYS) / sizeof(KEYS[0]); i++) {
		cr_assert(map64_get(map, KEYS[i], &value));
		cr_assert_eq(value, i + 100);
		cr_assert_eq(*map64_slot(map, KEYS[i], &added), i + 100);
		cr_assert_not(added);
	}
	map64_free(map);
	map64_free(NULL);
}

/* A known sequence; keys are few, so that adding and removing meet in the same runs of slots. */
Test(map64, agrees_with_an_array_through_adding_and_removing)
{
	enum { KEYS = 300, STEPS = 200000 };
	struct map64 *map = map64_new();
	uint64_t values[KEYS] = { 0 };
	bool there[KEYS] = { false };
	size_t count = 0;
	uint32_t random = 12345;

	for (int step = 0; step < STEPS; step++) {
		uint32_t key = (random = random * 1103515245 + 12345) >> 8 & 0xffff;
		uint64_t wide = (uint64_t)(key % KEYS) << 12, value = 0;

		key %= KEYS;
		if (random >> 30 & 1) {
			cr_assert_eq(map64_remove(map, wide), there[key]);
			count -= there[key];
			there[key] = false;
		} else {
			*map64_slot(map, wide, NULL) = values[key] = step;
			count += !there[key];
			there[key] = true;
		}
		cr_assert_eq(map64_count(map), count);
		key = (key * 7 + step) % KEYS;
		cr_assert_eq(map64_get(map, (uint64_t)key << 12, &value), there[key]);
		if (there[key])
			cr_assert_eq(value, values[key]);
	}
	map64_free(map);
}

static int add_up(uint64_t key, uint64_t value, void *arg)
{
	uint64_t *sum = arg;

	*sum += key * value;
	return 0;
}

static int stop_at_first(uint64_t key, uint64_t value, void *arg)
{
	(void)key;
	(void)value;
	++*(int *)arg;
	return 42;
}

Test(map64, visits_each_pair_until_told_to_stop)
{
	struct map64 *map = map64_new();
	uint64_t sum = 0;
	int visits = 0;

	for (uint64_t key = 1; key <= 100; key++)
		*map64_slot(map, key, NULL) = 2;
	cr_assert_eq(map64_each(map, add_up, &sum), 0);
	cr_assert_eq(sum, 10100);
	cr_assert_eq(map64_each(map, stop_at_first, &visits), 42);
	cr_assert_eq(visits, 1);
	map64_free(map);
}
