// SPDX-License-Identifier: GPL-2.0-only
/* Walking interpreters, thread states and their innermost frames. The contract is in threads.h. */
#include "python/threads.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "proc/memory.h"

enum {
	INTERPRETERS_MAX = 1024,
	THREADS_MAX = 16384,
	TSTATE_BLOCK_BYTES = 512,
	FRAME_BLOCK_BYTES = 512,
	FRAMES_LOOKED_AT = 64,
	THREADS_LOOKED_AT = 64,
	GLIBC_SELF_OFFSET = 0x10,
};

/* How many bytes of a PyThreadState hold all that we use of it. */
static size_t tstate_bytes(const struct layout *layout)
{
	const uint16_t last[] = { layout->walk.tstate_next, layout->walk.tstate_interp,
				  layout->walk.tstate_thread_id, layout->walk.tstate_frame };
	size_t bytes = 0;

	for (size_t i = 0; i < sizeof(last) / sizeof(last[0]); i++) {
		if (last[i] + sizeof(uint64_t) > bytes)
			bytes = last[i] + sizeof(uint64_t);
	}
	if (layout->tstate_status != ABI_NO_OFFSET && layout->tstate_status + 4u > bytes)
		bytes = layout->tstate_status + 4u;
	return bytes;
}

static uint64_t word_at(const uint8_t *block, size_t offset)
{
	uint64_t word;

	memcpy(&word, block + offset, sizeof(word));
	return word;
}

static int states_add(struct threads *threads, const struct thread_state *state)
{
	if (threads->count == threads->capacity) {
		size_t capacity = threads->capacity ? threads->capacity * 2 : 16;
		void *grown = realloc(threads->states, capacity * sizeof(*threads->states));

		if (!grown)
			return -ENOMEM;
		threads->states = grown;
		threads->capacity = capacity;
	}
	threads->states[threads->count++] = *state;
	return 0;
}

static int state_read(pid_t pid, uint64_t address, uint64_t interpreter,
		      const struct layout *layout, struct thread_state *state, uint64_t *next)
{
	uint8_t block[TSTATE_BLOCK_BYTES];
	size_t bytes = tstate_bytes(layout);
	uint32_t status = TSTATE_BOUND_GILSTATE;
	int err;

	if (bytes > sizeof(block))
		return -EUCLEAN;
	err = memory_read(pid, address, block, bytes);
	if (err)
		return err == -EFAULT ? -EUCLEAN : err;
	if (word_at(block, layout->walk.tstate_interp) != interpreter)
		return -EUCLEAN;
	if (layout->tstate_status != ABI_NO_OFFSET)
		memcpy(&status, block + layout->tstate_status, sizeof(status));
	*state = (struct thread_state){
		.address = address,
		.thread_id = word_at(block, layout->walk.tstate_thread_id),
		.frame = word_at(block, layout->walk.tstate_frame),
		.bound = status & TSTATE_BOUND_GILSTATE,
	};
	*next = word_at(block, layout->walk.tstate_next);
	return 0;
}

static int interpreter_read(pid_t pid, uint64_t interpreter, const struct layout *layout,
			    struct threads *threads)
{
	uint64_t address, next, milestone = 0;
	size_t since = 0, until = 1;
	struct thread_state state;
	int err = memory_read_u64(pid, interpreter + layout->walk.interp_threads_head, &address);

	if (err)
		return err == -EFAULT ? -EUCLEAN : err;
	for (; address; address = next) {
		if (threads->count == THREADS_MAX || address == milestone)
			return -ELOOP;
		err = state_read(pid, address, interpreter, layout, &state, &next);
		if (!err)
			err = states_add(threads, &state);
		if (err)
			return err;
		/* Brent: remember a link, twice as long each time; meeting it again is a cycle. */
		if (++since == until) {
			milestone = address;
			since = 0;
			until *= 2;
		}
	}
	return 0;
}

int threads_read(pid_t pid, uint64_t runtime, const struct layout *layout, struct threads *out)
{
	struct threads threads = { 0 };
	uint64_t interpreter;
	size_t interpreters = 0;
	int err = memory_read_u64(pid, runtime + layout->walk.runtime_interpreters_head,
				  &interpreter);

	while (!err && interpreter) {
		err = -ELOOP;
		if (++interpreters > INTERPRETERS_MAX)
			goto fail;
		threads.main_interpreter = interpreter;
		err = interpreter_read(pid, interpreter, layout, &threads);
		if (err)
			goto fail;
		err = memory_read_u64(pid, interpreter + layout->walk.interp_next, &interpreter);
	}
	if (err) {
		err = err == -EFAULT ? -EUCLEAN : err;
		goto fail;
	}
	err = -ENODATA;
	if (!threads.count)
		goto fail;
	threads_release(out);
	*out = threads;
	return 0;
fail:
	threads_release(&threads);
	return err;
}

void threads_release(struct threads *threads)
{
	if (!threads)
		return;
	free(threads->states);
	*threads = (struct threads){ 0 };
}

bool thread_pointer_is_plausible(pid_t pid, uint64_t thread_id, bool glibc)
{
	uint64_t words[3];

	/* struct pthread: tcb, dtv, self in glibc; self, dtv, prev in musl. */
	if (thread_id % sizeof(uint64_t) || memory_read(pid, thread_id, words, sizeof(words)))
		return false;
	return words[0] == thread_id &&
	       (!glibc || words[GLIBC_SELF_OFFSET / sizeof(uint64_t)] == thread_id);
}

/* The innermost frame; in 3.11 and 3.12 a _PyCFrame lies between. */
static int frame_first(pid_t pid, const struct layout *layout, uint64_t held, uint64_t *frame)
{
	*frame = held;
	if (layout->walk.cframe_current_frame == ABI_NO_OFFSET || !held)
		return 0;
	return memory_read_u64(pid, held + layout->walk.cframe_current_frame, frame);
}

/* The frame's code object, 0 for a sentinel; *back is the next outer frame. */
static int frame_read(pid_t pid, const struct layout *layout, uint64_t frame, uint64_t *code,
		      uint64_t *back)
{
	uint8_t block[FRAME_BLOCK_BYTES];
	const struct python_layout *walk = &layout->walk;
	int err;

	if (walk->frame_localsplus > sizeof(block) ||
	    walk->frame_code + sizeof(uint64_t) > walk->frame_localsplus ||
	    walk->frame_back + sizeof(uint64_t) > walk->frame_localsplus)
		return -EUCLEAN;
	err = memory_read(pid, frame, block, walk->frame_localsplus);
	if (err)
		return err;
	*code = word_at(block, walk->frame_code) & ~(uint64_t)walk->pointer_tag_mask;
	*back = word_at(block, walk->frame_back);
	if (walk->frame_owner != ABI_NO_OFFSET && walk->frame_owner < walk->frame_localsplus &&
	    block[walk->frame_owner] >= walk->owner_sentinel)
		*code = 0;
	return 0;
}

/* Whether a type calls itself "code", and is itself of the type "type". */
static bool type_is_code(pid_t pid, const struct layout *layout, uint64_t type)
{
	uint64_t name_at, meta;
	char name[8];

	if (memory_read_u64(pid, type + layout->type_name, &name_at) ||
	    memory_read_string(pid, name_at, name, sizeof(name)) || strcmp(name, "code") != 0)
		return false;
	return !memory_read_u64(pid, type + layout->walk.object_type, &meta) &&
	       !memory_read_u64(pid, meta + layout->type_name, &name_at) &&
	       !memory_read_string(pid, name_at, name, sizeof(name)) && !strcmp(name, "type");
}

/* -EUCLEAN: frames, but no code object; -ENODATA: no frames. */
static int thread_prove_code_type(pid_t pid, const struct layout *layout,
				  const struct thread_state *state, uint64_t *code_type)
{
	uint64_t frame, back, code, type;
	int verdict = -ENODATA;

	if (frame_first(pid, layout, state->frame, &frame))
		return -EUCLEAN;
	for (int i = 0; frame && i < FRAMES_LOOKED_AT; i++, frame = back) {
		if (frame_read(pid, layout, frame, &code, &back))
			return -EUCLEAN;
		if (!code)
			continue;
		verdict = -EUCLEAN;
		if (memory_read_u64(pid, code + layout->walk.object_type, &type))
			continue;
		if (*code_type ? type == *code_type : type_is_code(pid, layout, type)) {
			*code_type = type;
			return 0;
		}
	}
	return verdict;
}

int threads_prove_code_type(pid_t pid, const struct layout *layout, const struct threads *threads,
			    uint64_t *code_type)
{
	int verdict = -ENODATA;

	for (size_t i = 0; i < threads->count && i < THREADS_LOOKED_AT; i++) {
		/* The oldest threads first: they are the ones that wait, so their frames stay. */
		const struct thread_state *state = &threads->states[threads->count - 1 - i];
		int err = thread_prove_code_type(pid, layout, state, code_type);

		if (!err)
			return 0;
		if (err == -EUCLEAN)
			verdict = -EUCLEAN;
	}
	return verdict;
}
