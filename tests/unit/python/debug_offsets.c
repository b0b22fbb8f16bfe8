// SPDX-License-Identifier: GPL-2.0-only
/*
 * _Py_DebugOffsets as 3.13.0 has it (the words below are a dump of pyenv's 3.13.0, whose offsets are
 * in order of the header), changed in one word at a time.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#include "python/debug_offsets.h"

static const uint64_t WORDS_3_13_0[] = {
	0x7970677562656478ULL,
	0x30d00f0,
	0,
	283320,
	608,
	632,
	194968,
	7272,
	7264,
	7344,
	7400,
	7656,
	7640,
	7648,
	16,
	7752,
	0,
	7768,
	7760,
	304,
	0,
	8,
	16,
	72,
	152,
	160,
	232,
	32,
	80,
	8,
	0,
	56,
	72,
	70,
	208,
	112,
	120,
	128,
	136,
	68,
	52,
	96,
	104,
	200,
	16,
	8,
	416,
	24,
	88,
	168,
	32,
	24,
	16,
	40,
	24,
	16,
	48,
	32,
	40,
	24,
	16,
	32,
	16,
	24,
	40,
	16,
	32,
	64,
	32,
	16,
	40,
	240,
	200,
};

enum {
	WORD_FREE_THREADED = 2,
	WORD_STATE_SIZE = 19,
	WORD_STATE_NEXT = 21,
	WORD_STATE_FRAME = 23,
	WORD_STATE_THREAD_ID = 24,
	WORD_FRAME_OWNER = 33,
	WORD_CODE_NAME = 36
};

static int apply(const uint64_t *words, struct layout *layout, const char **field)
{
	*layout = *layout_of(13);
	cr_assert_eq(layout->debug_bytes, sizeof(WORDS_3_13_0));
	return debug_offsets_apply((const uint8_t *)words, layout, field);
}

Test(debug_offsets, the_words_of_a_release_agree_with_its_table)
{
	struct layout layout;
	const char *field;

	cr_assert_eq(apply(WORDS_3_13_0, &layout, &field), 0, "%s", field);
	cr_expect_eq(memcmp(&layout, layout_of(13), sizeof(layout)), 0);
}

Test(debug_offsets, the_head_tells_version_and_build)
{
	uint64_t words[DEBUG_OFFSETS_HEAD_BYTES / 8];
	struct debug_offsets_head head;

	memcpy(words, WORDS_3_13_0, sizeof(words));
	cr_assert_eq(debug_offsets_head_parse((uint8_t *)words, &head), 0);
	cr_expect_eq(head.hexversion, 0x030d00f0);
	cr_expect_not(head.free_threaded);
	words[WORD_FREE_THREADED] = 1;
	cr_assert_eq(debug_offsets_head_parse((uint8_t *)words, &head), 0);
	cr_expect(head.free_threaded);
	words[WORD_FREE_THREADED] = 2;
	cr_expect_eq(debug_offsets_head_parse((uint8_t *)words, &head), -ENOENT);
	words[WORD_FREE_THREADED] = 0;
	words[0] ^= 1;
	cr_expect_eq(debug_offsets_head_parse((uint8_t *)words, &head), -ENOENT);
}

Test(debug_offsets, a_thread_state_in_another_order_is_followed)
{
	uint64_t words[sizeof(WORDS_3_13_0) / 8];
	struct layout layout;
	const char *field;

	memcpy(words, WORDS_3_13_0, sizeof(words));
	words[WORD_STATE_THREAD_ID] += 8;
	cr_assert_eq(apply(words, &layout, &field), 0);
	cr_expect_eq(layout.walk.tstate_thread_id, layout_of(13)->walk.tstate_thread_id + 8);
	cr_expect_eq(layout.walk.tstate_next, layout_of(13)->walk.tstate_next);
}

/* 3.13 does not tell where the exception is; it lies between these two. */
Test(debug_offsets, the_exception_moves_with_its_neighbours_or_is_unknown)
{
	uint64_t words[sizeof(WORDS_3_13_0) / 8];
	struct layout layout;
	const char *field;

	memcpy(words, WORDS_3_13_0, sizeof(words));
	words[WORD_STATE_FRAME] -= 8;
	words[WORD_STATE_THREAD_ID] -= 8;
	cr_assert_eq(apply(words, &layout, &field), 0);
	cr_expect_eq(layout.walk.tstate_exception, layout_of(13)->walk.tstate_exception - 8);
	words[WORD_STATE_FRAME] += 8;
	cr_assert_eq(apply(words, &layout, &field), 0);
	cr_expect_eq(layout.walk.tstate_exception, ABI_NO_OFFSET);
}

struct odd_case {
	size_t word;
	uint64_t value;
	const char *field;
};

Test(debug_offsets, what_makes_no_sense_is_refused_by_name)
{
	static const struct odd_case CASES[] = {
		{ WORD_STATE_NEXT, UINT64_MAX, "thread_state.next" },
		{ WORD_STATE_NEXT, 0xffff, "thread_state.next" },
		{ WORD_STATE_SIZE, 0, "thread_state.next" },
		{ WORD_STATE_SIZE, 1ULL << 40, "thread_state.next" },
		{ WORD_FRAME_OWNER, 71, "interpreter_frame.owner" },
		{ WORD_CODE_NAME, 128, "code_object.name" },
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		uint64_t words[sizeof(WORDS_3_13_0) / 8];
		struct layout layout;
		const char *field;

		memcpy(words, WORDS_3_13_0, sizeof(words));
		words[CASES[i].word] = CASES[i].value;
		cr_expect_eq(apply(words, &layout, &field), -EBADMSG, "case %zu", i);
		cr_expect_str_eq(field, CASES[i].field);
		cr_expect_eq(memcmp(&layout, layout_of(13), sizeof(layout)), 0, "changed");
	}
}
