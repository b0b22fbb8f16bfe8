// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel side's walker, compiled for user space: frames that are right, cyclic, torn, hostile.
 * The memory is laid out by hand from the layout's own offsets.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "unit/walk/memory.h"

#include "python/code.h"
#include "python/thread.h"
#include "python/walk.h"

struct memory *memory_current;

enum { CHUNK_BYTES = 0x4000, HEAP_BYTES = 0x10000, CODE_TYPE = 0x959440, FRAME_STEP = 96 };

#define CHUNK 0x7f0000010000ull /* frames */
#define HEAP 0x7f0000100000ull	/* code objects, strings, thread states */

static const struct python_target TARGET_3_11 = {
	.code_type = CODE_TYPE,
	.locator = { .steps = 1, .offset = { 0x318 } },
	.layout = {
		.tstate_thread_id = 152,
		.tstate_frame = 56,
		.cframe_current_frame = 8,
		.frame_back = 48,
		.frame_code = 32,
		.frame_ip = 56,
		.frame_owner = 69,
		.frame_is_entry = 68,
		.frame_localsplus = 72,
		.frame_globals = 8,
		.code_firstlineno = 72,
		.code_filename = 112,
		.code_name = 120,
		.code_qualname = 128,
		.code_linetable = 136,
		.code_firsttraceable = 168,
		.code_version = ABI_NO_OFFSET,
		.code_adaptive = 184,
		.unicode_hash = 24,
		.unicode_length = 16,
		.unicode_state = 32,
		.unicode_ascii_data = 48,
		.unicode_compact_data = 72,
		.bytes_size = 16,
		.bytes_data = 32,
		.object_type = 8,
		.unicode_kind_shift = 2,
		.unicode_compact_bit = 5,
		.unicode_ascii_bit = 6,
		.ip_kind = PYTHON_IP_POINTER,
		.owner_sentinel = 255,
		.owner_generator = 1,
		.minor = 11,
	},
};

static struct memory memory;

static void setup(void)
{
	memory = (struct memory){ .count = 2 };
	memory.regions[0] = (struct region){ CHUNK, CHUNK_BYTES, calloc(1, CHUNK_BYTES) };
	memory.regions[1] = (struct region){ HEAP, HEAP_BYTES, calloc(1, HEAP_BYTES) };
	memory_current = &memory;
}

static void teardown(void)
{
	free(memory.regions[0].memory);
	free(memory.regions[1].memory);
}

TestSuite(walk, .init = setup, .fini = teardown);

/* Frame number `n` of the chunk, the outermost being 0. */
static uint64_t frame_at(unsigned int n)
{
	return CHUNK + 0x200 + (uint64_t)n * FRAME_STEP;
}

static uint64_t code_at(unsigned int n)
{
	return HEAP + 0x1000 + (uint64_t)n * 0x100;
}

static void frame_make(unsigned int n, unsigned int code, int lasti)
{
	const struct python_layout *layout = &TARGET_3_11.layout;
	uint64_t frame = frame_at(n);

	memory_put64(&memory, frame + layout->frame_back, n ? frame_at(n - 1) : 0);
	memory_put64(&memory, frame + layout->frame_code, code_at(code));
	memory_put64(&memory, frame + layout->frame_ip,
		     code_at(code) + layout->code_adaptive + (int64_t)lasti);
	memory_put64(&memory, code_at(code) + layout->object_type, CODE_TYPE);
}

static unsigned int walk_count(struct walk *walk, uint64_t frame, enum walk_step *last)
{
	unsigned int count = 0;

	walk_start(walk, frame);
	for (int i = 0; i < ABI_WALK_FRAMES; i++) {
		*last = walk_step(&TARGET_3_11, walk);
		if (*last != WALK_FRAME)
			break;
		count++;
	}
	return count;
}

Test(walk, goes_from_the_innermost_frame_to_the_outermost)
{
	struct walk *walk = calloc(1, sizeof(*walk));

	for (unsigned int n = 0; n < 30; n++)
		frame_make(n, n, 4);
	walk_start(walk, frame_at(29));
	for (unsigned int n = 30; n-- > 0;) {
		cr_assert_eq(walk_step(&TARGET_3_11, walk), WALK_FRAME);
		cr_expect_eq(walk->frame, frame_at(n));
		cr_expect_eq(walk->code, code_at(n));
	}
	cr_expect_eq(walk_step(&TARGET_3_11, walk), WALK_END);
	free(walk);
}

Test(walk, reads_neighbouring_frames_together)
{
	struct walk *walk = calloc(1, sizeof(*walk));
	enum walk_step last;

	for (unsigned int n = 0; n < 20; n++)
		frame_make(n, n, 4);
	cr_assert_eq(walk_count(walk, frame_at(19), &last), 20);
	cr_expect_leq(memory.reads, 3);
	free(walk);
}

Test(walk, steps_that_are_near_find_the_same)
{
	struct walk *walk = calloc(1, sizeof(*walk));
	struct walk_frame seen;
	unsigned int near = 0;

	for (unsigned int n = 0; n < 60; n++)
		frame_make(n, n, 4);
	walk_start(walk, frame_at(59));
	cr_expect_not(walk_near(&TARGET_3_11, walk, false, &seen), "nothing is read yet");
	for (unsigned int n = 60; n-- > 0;) {
		if (walk_near(&TARGET_3_11, walk, false, &seen)) {
			near++;
			walk_near_pass(&TARGET_3_11, walk, false, &seen);
		} else {
			cr_assert_eq(walk_step(&TARGET_3_11, walk), WALK_FRAME);
			seen.code = walk->code;
		}
		cr_expect_eq(walk->frame, frame_at(n));
		cr_expect_eq(seen.code, code_at(n));
	}
	cr_expect_gt(near, 50);
	cr_expect_not(walk_near(&TARGET_3_11, walk, false, &seen), "behind the outermost");
	cr_expect_eq(walk_step(&TARGET_3_11, walk), WALK_END);
	free(walk);
}

Test(walk, what_is_not_wholly_read_is_not_near)
{
	struct walk *walk = calloc(1, sizeof(*walk));
	struct walk_frame seen;

	for (unsigned int n = 0; n < 10; n++)
		frame_make(n, n, 4);
	walk_start(walk, frame_at(9));
	cr_assert_eq(walk_step(&TARGET_3_11, walk), WALK_FRAME);
	for (uint64_t address = CHUNK - 0x100; address < CHUNK + 0x1000; address += 8) {
		bool inside = address >= CHUNK && address <= frame_at(9);

		walk->next = address;
		cr_expect_eq(walk_near(&TARGET_3_11, walk, false, &seen), inside, "%lx", address);
	}
	walk->next = CHUNK - 8;
	cr_assert_eq(walk_step(&TARGET_3_11, walk), WALK_UNREADABLE);
	walk->next = frame_at(5);
	cr_expect_not(walk_near(&TARGET_3_11, walk, false, &seen), "what was read is overwritten");
	free(walk);
}

Test(walk, a_marker_is_never_near)
{
	struct python_target target = TARGET_3_11;
	struct walk *walk = calloc(1, sizeof(*walk));
	struct walk_frame seen;
	uint8_t owner = 3;

	target.layout.owner_sentinel = 3;
	for (unsigned int n = 0; n < 3; n++)
		frame_make(n, n, 4);
	memory_put(&memory, frame_at(1) + target.layout.frame_owner, &owner, 1);
	walk_start(walk, frame_at(2));
	cr_assert_eq(walk_step(&target, walk), WALK_FRAME);
	cr_expect_not(walk_near(&target, walk, false, &seen));
	cr_expect_eq(walk_step(&target, walk), WALK_SENTINEL);
	cr_expect(walk_near(&target, walk, false, &seen));
	cr_expect_eq(seen.code, code_at(0));
	free(walk);
}

Test(walk, never_reads_below_the_page_of_a_frame)
{
	struct walk *walk = calloc(1, sizeof(*walk));
	uint64_t frame = CHUNK; /* the chunk's very first bytes: nothing is mapped below */

	memory_put64(&memory, frame + TARGET_3_11.layout.frame_code, code_at(1));
	walk_start(walk, frame);
	cr_assert_eq(walk_step(&TARGET_3_11, walk), WALK_FRAME);
	cr_expect_eq(walk->code, code_at(1));
	cr_expect_eq(walk->next, 0);
	free(walk);
}

Test(walk, ends_a_cycle_by_its_bound)
{
	struct walk *walk = calloc(1, sizeof(*walk));
	enum walk_step last;

	frame_make(0, 0, 4);
	frame_make(1, 1, 4);
	memory_put64(&memory, frame_at(0) + TARGET_3_11.layout.frame_back, frame_at(1));
	cr_expect_eq(walk_count(walk, frame_at(1), &last), ABI_WALK_FRAMES);
	cr_expect_eq(last, WALK_FRAME);
	free(walk);
}

Test(walk, says_that_a_wild_pointer_is_unreadable)
{
	static const uint64_t WILD[] = { 8,
					 0x7ffffffff000,
					 0xffffffffffffffff,
					 0xffff888000000000,
					 CHUNK + CHUNK_BYTES - 16,
					 CHUNK - 8 };
	struct walk *walk = calloc(1, sizeof(*walk));

	for (size_t i = 0; i < sizeof(WILD) / sizeof(*WILD); i++) {
		walk_start(walk, WILD[i]);
		cr_expect_eq(walk_step(&TARGET_3_11, walk), WALK_UNREADABLE, "%lx", WILD[i]);
	}
	free(walk);
}

Test(walk, tells_interpreter_markers_from_frames)
{
	struct python_target target = TARGET_3_11;
	struct walk *walk = calloc(1, sizeof(*walk));
	uint8_t owner = 3;

	target.layout.owner_sentinel = 3;
	target.layout.frame_is_entry = ABI_NO_OFFSET;
	frame_make(0, 0, 4);
	frame_make(1, 1, 4);
	memory_put(&memory, frame_at(1) + target.layout.frame_owner, &owner, 1);
	walk_start(walk, frame_at(1));
	cr_expect_eq(walk_step(&target, walk), WALK_SENTINEL);
	cr_expect_eq(walk_step(&target, walk), WALK_FRAME);
	cr_expect_eq(walk->is_entry, 0);
	free(walk);
}

Test(walk, clears_the_tag_of_a_code_pointer)
{
	struct python_target target = TARGET_3_11;
	struct walk *walk = calloc(1, sizeof(*walk));

	target.layout.pointer_tag_mask = 7;
	frame_make(0, 2, 4);
	memory_put64(&memory, frame_at(0) + target.layout.frame_code, code_at(2) | 1);
	walk_start(walk, frame_at(0));
	cr_assert_eq(walk_step(&target, walk), WALK_FRAME);
	cr_expect_eq(walk->code, code_at(2));
	free(walk);
}

struct lasti_case {
	const char *what;
	uint8_t ip_kind;
	uint32_t owner;
	int64_t ip; /* relative to the code's start for pointers */
	int32_t first_bytes;
	bool complete;
	int32_t lasti;
};

Test(walk, finds_the_instruction_of_a_frame)
{
	static const struct lasti_case CASES[] = {
		{ "3.11: inside", PYTHON_IP_POINTER, 0, 40, 4, true, 40 },
		{ "3.11: the first one that counts", PYTHON_IP_POINTER, 0, 4, 4, true, 4 },
		{ "3.11: a frame being made", PYTHON_IP_POINTER, 0, 2, 4, false, 0 },
		{ "3.11: before the code", PYTHON_IP_POINTER, 0, -2, 0, false, 0 },
		{ "3.11: a generator not started", PYTHON_IP_POINTER, 1, -2, 4, true, -1 },
		{ "3.11: an absurd pointer", PYTHON_IP_POINTER, 0, 1ll << 40, 0, true, 0x7fffffff },
		{ "3.10: units", PYTHON_IP_LASTI_UNITS, 0, 21, 0, true, 42 },
		{ "3.10: not started", PYTHON_IP_LASTI_UNITS, 0, 0xffffffff, 0, true, -1 },
		{ "3.9: bytes", PYTHON_IP_LASTI_BYTES, 0, 42, 0, true, 42 },
		{ "3.9: the word's other half is another field", PYTHON_IP_LASTI_BYTES, 0,
		  0x700000000 + 6, 0, true, 6 },
	};
	struct walk *walk = calloc(1, sizeof(*walk));

	for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
		const struct lasti_case *test = &CASES[i];
		struct python_target target = TARGET_3_11;
		int32_t lasti = 77;
		bool complete;

		target.layout.ip_kind = test->ip_kind;
		walk->code = code_at(0);
		walk->owner = test->owner;
		walk->ip = test->ip;
		if (test->ip_kind == PYTHON_IP_POINTER)
			walk->ip += walk->code + target.layout.code_adaptive;
		complete = walk_lasti(&target, walk, test->first_bytes, &lasti);
		cr_expect_eq(complete, test->complete, "%s", test->what);
		if (test->complete)
			cr_expect_eq(lasti, test->lasti, "%s: %d", test->what, lasti);
	}
	free(walk);
}

/* ---- code objects ---- */

static void text_make(uint64_t address, const char *text, uint64_t hash, uint32_t state)
{
	const struct python_layout *layout = &TARGET_3_11.layout;

	memory_put64(&memory, address + layout->unicode_length, strlen(text));
	memory_put64(&memory, address + layout->unicode_hash, hash);
	memory_put32(&memory, address + layout->unicode_state, state);
	memory_put(&memory, address + layout->unicode_ascii_data, text, strlen(text) + 1);
}

enum { STATE_ASCII = 1 << 2 | 1 << 5 | 1 << 6 };

#define NAME (HEAP + 0x8000)
#define FILENAME (HEAP + 0x8200)

static uint64_t identity_of(uint64_t code)
{
	struct code_head *head = calloc(1, sizeof(*head));
	uint64_t identity;

	cr_assert_eq(code_head_read(&TARGET_3_11, head, code), DROP_NONE);
	identity = code_identity(&TARGET_3_11, head);
	free(head);
	return identity;
}

static void code_make(void)
{
	frame_make(0, 0, 4);
	memory_put64(&memory, code_at(0) + TARGET_3_11.layout.code_name, NAME);
	memory_put64(&memory, code_at(0) + TARGET_3_11.layout.code_filename, FILENAME);
	text_make(NAME, "f_1", 1111, STATE_ASCII);
	text_make(FILENAME, "<gen 0001>", ~0ull, STATE_ASCII);
}

Test(walk, same_code_object_has_the_same_identity)
{
	uint64_t first;

	code_make();
	first = identity_of(code_at(0));
	cr_expect_eq(identity_of(code_at(0)), first);
	/* Bytes behind the file name's end are not part of it. */
	memory_put(&memory, FILENAME + TARGET_3_11.layout.unicode_ascii_data + 11, "junk", 4);
	cr_expect_eq(identity_of(code_at(0)), first);
}

Test(walk, reused_addresses_have_another_identity)
{
	uint64_t first;

	code_make();
	first = identity_of(code_at(0));
	text_make(NAME, "f_2", 2222, STATE_ASCII);
	cr_expect_neq(identity_of(code_at(0)), first, "another name at the same address");
	code_make();
	text_make(FILENAME, "<gen 0002>", ~0ull, STATE_ASCII);
	cr_expect_neq(identity_of(code_at(0)), first, "another file name, never hashed");
	code_make();
	memory_put32(&memory, code_at(0) + TARGET_3_11.layout.code_firstlineno, 7);
	cr_expect_neq(identity_of(code_at(0)), first, "another first line");
}

Test(walk, nothing_behind_a_code_object_is_read)
{
	struct code_head *head = calloc(1, sizeof(*head));
	struct python_target target = TARGET_3_11;
	/* Its last field ends where the mapped memory ends. */
	uint64_t code = HEAP + HEAP_BYTES - (target.layout.code_firsttraceable + 4);

	memory_put64(&memory, code + target.layout.object_type, CODE_TYPE);
	cr_expect_eq(code_head_read(&target, head, code), DROP_NONE);
	target.layout.code_firsttraceable = ABI_NO_OFFSET; /* <= 3.10 */
	code = HEAP + HEAP_BYTES - (target.layout.code_linetable + 8);
	memory_put64(&memory, code + target.layout.object_type, CODE_TYPE);
	cr_expect_eq(code_head_read(&target, head, code), DROP_NONE);
	free(head);
}

Test(walk, something_that_is_no_code_object_is_told)
{
	struct code_head *head = calloc(1, sizeof(*head));

	code_make();
	memory_put64(&memory, code_at(0) + TARGET_3_11.layout.object_type, CODE_TYPE + 8);
	cr_expect_eq(code_head_read(&TARGET_3_11, head, code_at(0)), DROP_CODE_FORGED);
	cr_expect_eq(code_head_read(&TARGET_3_11, head, 16), DROP_CODE_UNREADABLE);
	free(head);
}

struct text_case {
	const char *what;
	uint64_t length;
	uint32_t state;
	uint32_t error;
	uint16_t bytes;
	uint8_t kind;
};

Test(walk, texts_are_bounded_whatever_they_say)
{
	static const struct text_case CASES[] = {
		{ "ascii", 3, STATE_ASCII, DROP_NONE, 3, 1 },
		{ "latin-1", 3, 1 << 2 | 1 << 5, DROP_NONE, 3, 1 },
		{ "two bytes a character", 3, 2 << 2 | 1 << 5, DROP_NONE, 6, 2 },
		{ "four bytes a character", 3, 4 << 2 | 1 << 5, DROP_NONE, 12, 4 },
		{ "longer than kept", 1000, STATE_ASCII, DROP_NONE, 64, 1 },
		{ "absurdly long", ~0ull, 4 << 2 | 1 << 5, DROP_NONE, 64, 4 },
		{ "empty", 0, STATE_ASCII, DROP_NONE, 0, 1 },
		{ "a kind there is not", 3, 3 << 2 | 1 << 5, DROP_NAME_UNREADABLE, 0, 0 },
		{ "not compact", 3, 1 << 2, DROP_NAME_UNREADABLE, 0, 0 },
	};
	const struct python_layout *layout = &TARGET_3_11.layout;
	char *to = malloc(64);

	for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
		const struct text_case *test = &CASES[i];
		struct record_text text;

		memory_put64(&memory, NAME + layout->unicode_length, test->length);
		memory_put32(&memory, NAME + layout->unicode_state, test->state);
		cr_expect_eq(code_text_read(&TARGET_3_11, NAME, &text, to, 64), test->error, "%s",
			     test->what);
		cr_expect_eq(text.bytes, test->bytes, "%s: %u", test->what, text.bytes);
		cr_expect_eq(text.kind, test->kind, "%s", test->what);
	}
	free(to);
}

/* ---- threads ---- */

#define FSBASE (HEAP + 0x2000)
#define TSTATE (HEAP + 0xa000)
#define CFRAME (HEAP + 0xc000)
#define CFRAME_OUTER (HEAP + 0xc400)

static void thread_make(void)
{
	memory_put64(&memory, FSBASE + 0x318, TSTATE);
	memory_put64(&memory, TSTATE + TARGET_3_11.layout.tstate_thread_id, FSBASE);
	memory_put64(&memory, TSTATE + TARGET_3_11.layout.tstate_frame, CFRAME);
	memory_put64(&memory, CFRAME + TARGET_3_11.layout.cframe_current_frame, frame_at(3));
	memory_put64(&memory, CFRAME + TARGET_3_11.layout.cframe_current_frame + 8, CFRAME_OUTER);
	memory_put64(&memory, CFRAME_OUTER + TARGET_3_11.layout.cframe_current_frame, frame_at(1));
}

Test(walk, finds_the_thread_state_of_a_thread)
{
	struct thread_state state;

	thread_make();
	thread_state_find(&TARGET_3_11, &state, FSBASE);
	cr_expect_eq(state.address, TSTATE);
	cr_expect_eq(state.frame, frame_at(3));
	cr_expect(state.has_outer);
	cr_expect_eq(state.outer, frame_at(1), "the frame that called C");
}

Test(walk, a_call_from_c_not_yet_made_is_an_error_not_a_stack)
{
	static const uint64_t GARBAGE[] = { 0, 0x10, HEAP, CHUNK, CFRAME - 64, ~0ull };

	for (size_t i = 0; i < sizeof(GARBAGE) / sizeof(*GARBAGE); i++) {
		struct thread_state state;

		thread_make();
		memory_put64(&memory, CFRAME + TARGET_3_11.layout.cframe_current_frame + 8,
			     GARBAGE[i]);
		thread_state_find(&TARGET_3_11, &state, FSBASE);
		cr_expect_eq(state.frame, 0, "%lx", GARBAGE[i]);
		cr_expect_eq(state.error, DROP_THREAD_STATE_UNREADABLE, "%lx", GARBAGE[i]);
	}
}

Test(walk, the_first_cframe_lies_in_the_thread_state)
{
	struct thread_state state;

	thread_make();
	memory_put64(&memory, TSTATE + TARGET_3_11.layout.tstate_frame, TSTATE + 336);
	thread_state_find(&TARGET_3_11, &state, FSBASE);
	cr_expect_eq(state.error, DROP_NONE);
	cr_expect_eq(state.frame, 0);
	cr_expect_not(state.has_outer);
}

Test(walk, a_stale_slot_is_nobodys_thread_state)
{
	struct thread_state state;

	thread_make();
	memory_put64(&memory, TSTATE + TARGET_3_11.layout.tstate_thread_id, FSBASE + 64);
	thread_state_find(&TARGET_3_11, &state, FSBASE);
	cr_expect_eq(state.address, 0);
	cr_expect_eq(state.error, DROP_NONE);
}

Test(walk, a_torn_cframe_is_an_error_not_a_stack)
{
	struct thread_state state;

	thread_make();
	memory_put64(&memory, TSTATE + TARGET_3_11.layout.tstate_frame, 0x10);
	thread_state_find(&TARGET_3_11, &state, FSBASE);
	cr_expect_eq(state.frame, 0);
	cr_expect_eq(state.error, DROP_THREAD_STATE_UNREADABLE);
}
