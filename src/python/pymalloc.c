// SPDX-License-Identifier: GPL-2.0-only
/*
 * The contract is in pymalloc.h. Up to 3.11 the variables are static ones of Objects/obmalloc.c,
 * found as what two exported functions read; from 3.12 on they lie in, or hang on, each interpreter.
 * Nothing is believed before it has been proven by what pymalloc itself keeps true.
 */
#include "python/pymalloc.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/grow.h"
#include "proc/memory.h"
#include "python/layout.h"
#include "python/pools.h"
#include "python/static_reads.h"

enum {
	STATICS_LAST_MINOR = 11,
	INTERPRETERS_MAX = 256,
	ARENAS_FIRST = 16,    /* INITIAL_ARENA_OBJECTS: their number doubles from here */
	ARENAS_MAX = 1 << 19, /* half a TiB in arenas of 1 MiB */
	ARENA_POOLS_MAX = 512,
	PROOF_ARENAS = 4096, /* how many are looked at for a proof */
	PROOF_POOLS = 16,
	PROOF_ATTEMPTS = 4,
	READ_ATTEMPTS = 8,
	READ_CPU_LIMIT_S = 5, /* a pool takes a microsecond: 80 GiB in pools of 16 KiB */
	READ_LIMIT_S = 20,
	USED_POOLS = 2 * PYMALLOC_CLASSES,
	CLASSES_PROVEN = 24, /* out of 32: the process runs on meanwhile */
	OFFSET_DRIFT_BYTES = 512,
};

static const uint64_t SECOND_NS = 1000000000;

static uint64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * SECOND_NS + (uint64_t)now.tv_nsec;
}

static void deadline_set(struct pymalloc_states *states)
{
	states->cpu_deadline_ns = now_ns(CLOCK_THREAD_CPUTIME_ID) + READ_CPU_LIMIT_S * SECOND_NS;
	states->deadline_ns = now_ns(CLOCK_MONOTONIC) + READ_LIMIT_S * SECOND_NS;
}

bool pymalloc_deadline_passed(const struct pymalloc_states *states)
{
	return now_ns(CLOCK_THREAD_CPUTIME_ID) > states->cpu_deadline_ns ||
	       now_ns(CLOCK_MONOTONIC) > states->deadline_ns;
}

uint64_t pymalloc_arena_start(const struct pymalloc_arena *arena, uint32_t pool_bytes)
{
	return (arena->address + pool_bytes - 1) & ~(uint64_t)(pool_bytes - 1);
}

bool pymalloc_arena_is_plausible(const struct pymalloc_arena *arena, uint32_t pool_bytes)
{
	uint64_t start = pymalloc_arena_start(arena, pool_bytes);

	return arena->address && arena->address < 1ULL << 56 && arena->ntotalpools > 0 &&
	       arena->ntotalpools <= ARENA_POOLS_MAX && arena->nfreepools <= arena->ntotalpools &&
	       arena->pool_address >= start && (arena->pool_address - start) % pool_bytes == 0 &&
	       (arena->pool_address - start) / pool_bytes <= arena->ntotalpools;
}

uint32_t pymalloc_pool_capacity(uint32_t size_class, uint32_t pool_bytes)
{
	return (pool_bytes - (uint32_t)sizeof(struct pymalloc_pool)) /
	       ((size_class + 1) * PYMALLOC_BLOCK_STEP_BYTES);
}

bool pymalloc_pool_is_plausible(const struct pymalloc_pool *pool, size_t arena_index,
				uint32_t pool_bytes)
{
	if (pool->arenaindex != arena_index)
		return false;
	return pool->count == 0 || (pool->szidx < PYMALLOC_CLASSES &&
				    pool->count <= pymalloc_pool_capacity(pool->szidx, pool_bytes));
}

/* The two variables; 0 also when there are no arenas yet. */
static int variables_read(pid_t pid, const struct pymalloc_state *state, uint64_t *arenas,
			  uint32_t *count)
{
	int err = memory_read_u64(pid, state->arenas, arenas);

	if (!err)
		err = memory_read_u32(pid, state->maxarenas, count);
	if (err)
		return err;
	if (*arenas == 0 && *count == 0)
		return 0;
	return *arenas && *count >= ARENAS_FIRST && *count <= ARENAS_MAX &&
			       (*count & (*count - 1)) == 0 ?
		       0 :
		       -EUCLEAN;
}

static int arenas_copy(pid_t pid, uint64_t address, struct pymalloc_arena *out, size_t count)
{
	const size_t step = MEMORY_READ_MAX_BYTES / sizeof(*out);

	for (size_t at = 0; at < count; at += step) {
		size_t part = count - at < step ? count - at : step;
		int err = memory_read(pid, address + at * sizeof(*out), out + at,
				      part * sizeof(*out));

		if (err)
			return err;
	}
	return 0;
}

/* One try: -EUCLEAN when they moved meanwhile. `limit`: no more than so many. */
static int arenas_try(pid_t pid, const struct pymalloc_state *state, size_t limit,
		      struct pymalloc_arena **arenas, size_t *count)
{
	struct pymalloc_arena *copy = NULL;
	uint64_t address, address_after;
	uint32_t length, length_after;
	int err = variables_read(pid, state, &address, &length);

	if (err)
		return err;
	if (length > limit)
		length = (uint32_t)limit;
	if (length) {
		copy = malloc(length * sizeof(*copy));
		if (!copy)
			return -ENOMEM;
		err = arenas_copy(pid, address, copy, length);
	}
	if (!err)
		err = variables_read(pid, state, &address_after, &length_after);
	else if (err == -EFAULT)
		err = -EUCLEAN;
	if (!err && address != address_after)
		err = -EUCLEAN;
	if (err) {
		free(copy);
		return err;
	}
	*arenas = copy;
	*count = length;
	return 0;
}

int pymalloc_arenas_read(pid_t pid, const struct pymalloc_states *states, uint32_t index,
			 struct pymalloc_arena **arenas, size_t *count)
{
	int err = -EUCLEAN;

	/* A process that needs more of them moves them all. */
	for (int attempt = 0; attempt < READ_ATTEMPTS && err == -EUCLEAN; attempt++) {
		if (pymalloc_deadline_passed(states))
			return -ETIMEDOUT;
		err = arenas_try(pid, &states->states[index], ARENAS_MAX, arenas, count);
	}
	return err;
}

/* ---- up to 3.11 ---- */

/* Whether the first pool of the arena knows what arena it is in. */
static bool arena_proves(pid_t pid, const struct pymalloc_arena *arena, size_t index,
			 uint32_t pool_bytes)
{
	uint64_t start = pymalloc_arena_start(arena, pool_bytes);
	struct pymalloc_pool pool;

	return arena->pool_address > start && !memory_read(pid, start, &pool, sizeof(pool)) &&
	       pymalloc_pool_is_plausible(&pool, index, pool_bytes);
}

enum proof { PROOF_NONE, PROOF_EMPTY, PROOF_WHOLE };

/* Are these the two variables? All arenas that there are must be possible, and one must prove it. */
static enum proof arenas_prove(pid_t pid, const struct pymalloc_state *state, uint32_t pool_bytes)
{
	enum proof proof = PROOF_NONE;
	size_t count, impossible = 0, looked_at = 0;
	struct pymalloc_arena *arenas;
	uint64_t address;
	uint32_t length;

	if (variables_read(pid, state, &address, &length))
		return PROOF_NONE;
	if (!length)
		return PROOF_EMPTY;
	if (arenas_try(pid, state, PROOF_ARENAS, &arenas, &count))
		return PROOF_NONE;
	for (size_t i = 0; i < count; i++) {
		if (!arenas[i].address)
			continue;
		if (!pymalloc_arena_is_plausible(&arenas[i], pool_bytes))
			impossible++;
		else if (proof != PROOF_WHOLE && looked_at++ < PROOF_POOLS &&
			 arena_proves(pid, &arenas[i], i, pool_bytes))
			proof = PROOF_WHOLE;
	}
	free(arenas);
	/* One may be in the making. */
	return impossible <= 1 ? proof : PROOF_NONE;
}

static enum proof reads_prove(const struct python_process *python,
			      const struct static_reads *function, uint32_t pool_bytes,
			      struct pymalloc_state *out)
{
	enum proof best = PROOF_NONE;

	for (size_t i = 0; i < function->count; i++) {
		for (size_t j = 0; function->reads[i].bytes == 8 && j < function->count; j++) {
			struct pymalloc_state state = {
				.arenas = python->load_bias + function->reads[i].address,
				.maxarenas = python->load_bias + function->reads[j].address,
			};
			enum proof proof;

			if (function->reads[j].bytes != 4)
				continue;
			proof = arenas_prove(python->pid, &state, pool_bytes);
			if (proof > best)
				best = proof;
			if (proof == PROOF_WHOLE) {
				*out = state;
				return proof;
			}
		}
	}
	return best;
}

static int state_add(struct pymalloc_states *out, struct pymalloc_state state)
{
	int err = GROW(out->states, out->capacity, out->count);

	if (!err)
		out->states[out->count++] = state;
	return err;
}

static int statics_find(const struct python_process *python, struct pymalloc_states *out)
{
	/* The first reads nothing else; in 3.8 it counts another way. */
	struct static_reads functions[] = {
		{ .function = "_Py_GetAllocatedBlocks" },
		{ .function = "_PyObject_DebugMallocStats" },
	};
	const size_t count = sizeof(functions) / sizeof(functions[0]);
	enum proof best = PROOF_NONE;
	struct pymalloc_state state = { 0 };
	int err = static_reads_find(python->binary_open, functions, count);

	if (err)
		return err == -ENOENT ? -ESRCH : err;
	for (size_t i = 0; i < count; i++) {
		enum proof proof = reads_prove(python, &functions[i], out->pool_bytes, &state);

		if (proof == PROOF_WHOLE)
			return state_add(out, state);
		if (proof > best)
			best = proof;
	}
	return best == PROOF_EMPTY ? -ENOENT : -ENOTSUP;
}

/* ---- from 3.12 on ---- */

struct interpreters {
	const struct python_process *python;
	const struct layout *layout;
	uint64_t addresses[INTERPRETERS_MAX]; /* the newest first, the main one last */
	size_t count;
	uint64_t offset; /* of obmalloc in them */
};

static int interpreters_read(struct interpreters *interpreters)
{
	const struct python_target *target = &interpreters->python->target;
	const pid_t pid = interpreters->python->pid;
	uint64_t address;
	int err = memory_read_u64(pid, target->runtime + target->layout.runtime_interpreters_head,
				  &address);

	while (!err && address) {
		if (interpreters->count == INTERPRETERS_MAX)
			return -ENOTSUP;
		interpreters->addresses[interpreters->count++] = address;
		err = memory_read_u64(pid, address + target->layout.interp_next, &address);
	}
	return err ? err : interpreters->count ? 0 : -ENOTSUP;
}

/*
 * `usedpools` of a class that has no pool with room points at itself, 16 bytes in front; otherwise at
 * the first and the last of its pools.
 */
static bool class_proves(pid_t pid, const uint64_t *pair, uint32_t size_class, uint64_t self,
			 uint32_t pool_bytes)
{
	struct pymalloc_pool pool;

	if (pair[0] == self && pair[1] == self)
		return true;
	return pair[0] && pair[0] % pool_bytes == 0 && pair[1] && pair[1] % pool_bytes == 0 &&
	       !memory_read(pid, pair[0], &pool, sizeof(pool)) && pool.szidx == size_class &&
	       pool.count <= pymalloc_pool_capacity(size_class, pool_bytes);
}

/* Whether a struct _obmalloc_state lies at the address: it begins with `usedpools`. */
static bool obmalloc_proves(pid_t pid, uint64_t address, uint32_t pool_bytes)
{
	uint64_t used[USED_POOLS];
	int proven = 0;

	if (address % 8 || memory_read(pid, address, used, sizeof(used)))
		return false;
	for (uint32_t i = 0; i < PYMALLOC_CLASSES; i++)
		proven += class_proves(pid, &used[2 * i], i, address + 16ULL * i - 16, pool_bytes);
	return proven >= CLASSES_PROVEN;
}

/* An interpreter's own, proven. Classes whose pools come and go meanwhile prove nothing: again. */
static bool state_of(const struct interpreters *interpreters, uint64_t interpreter, uint64_t offset,
		     struct pymalloc_state *out)
{
	const struct layout *layout = interpreters->layout;
	const pid_t pid = interpreters->python->pid;
	uint64_t address = interpreter + offset, arenas;
	uint32_t maxarenas;

	if (!layout->obmalloc_inline && (memory_read_u64(pid, address, &address) || !address))
		return false;
	out->arenas = address + layout->obmalloc_arenas;
	out->maxarenas = address + layout->obmalloc_maxarenas;
	for (int attempt = 0; attempt < PROOF_ATTEMPTS; attempt++) {
		if (!variables_read(pid, out, &arenas, &maxarenas) &&
		    obmalloc_proves(pid, address, layout->pool_bytes))
			return true;
	}
	return false;
}

/*
 * Members in front of it come and go within a minor version and with the options of a build (Py_DEBUG
 * moves it by 8, 3.14.5 did by 24), and _Py_DebugOffsets do not tell: the table's offset first, then
 * around it.
 */
static bool offset_find(struct interpreters *interpreters, struct pymalloc_state *main_state)
{
	const uint64_t main_interpreter = interpreters->addresses[interpreters->count - 1];
	const uint64_t expected = interpreters->layout->interp_obmalloc;

	for (uint64_t drift = 0; drift <= OFFSET_DRIFT_BYTES; drift += 8) {
		for (int sign = 0; sign < 2; sign++) {
			interpreters->offset = sign ? expected - drift : expected + drift;
			if (state_of(interpreters, main_interpreter, interpreters->offset,
				     main_state))
				return true;
		}
	}
	return false;
}

static bool state_is_known(const struct pymalloc_states *states, const struct pymalloc_state *state)
{
	for (uint32_t i = 0; i < states->count; i++) {
		if (states->states[i].arenas == state->arenas)
			return true;
	}
	return false;
}

/* Interpreters share the main one's, unless they were made with an allocator of their own. */
static int states_add(struct interpreters *interpreters, struct pymalloc_states *out)
{
	struct pymalloc_state state;
	int err;

	if (!offset_find(interpreters, &state))
		return -ENOTSUP;
	err = state_add(out, state);
	for (size_t i = interpreters->count - 1; i-- > 0 && !err;) {
		if (state_of(interpreters, interpreters->addresses[i], interpreters->offset,
			     &state) &&
		    !state_is_known(out, &state))
			err = state_add(out, state);
	}
	return err;
}

/* Where nothing was found: is it because objects come straight from malloc()? */
static bool objects_are_malloc(const struct python_process *python)
{
	struct allocator_table tables[ALLOCATOR_DOMAINS];

	return !allocator_tables_read(python, tables) &&
	       tables[ALLOCATOR_OBJECT].malloc == tables[ALLOCATOR_RAW].malloc;
}

static int interpreters_find(const struct python_process *python, const struct layout *layout,
			     struct pymalloc_states *out)
{
	struct interpreters *interpreters = calloc(1, sizeof(*interpreters));
	int err;

	if (!interpreters)
		return -ENOMEM;
	interpreters->python = python;
	interpreters->layout = layout;
	err = interpreters_read(interpreters);
	if (!err)
		err = states_add(interpreters, out);
	free(interpreters);
	return err;
}

int pymalloc_states_find(const struct python_process *python, struct pymalloc_states *out)
{
	const struct layout *layout = layout_of(python->target.layout.minor);
	struct pymalloc_states found = { 0 };
	int err;

	if (!layout)
		return -ENOTSUP;
	found.pool_bytes = layout->pool_bytes;
	deadline_set(&found);
	if (python->target.layout.minor <= STATICS_LAST_MINOR)
		err = statics_find(python, &found);
	else
		err = interpreters_find(python, layout, &found);
	if (err == -ENOTSUP && objects_are_malloc(python))
		err = -ENOENT;
	if (err)
		pymalloc_states_release(&found);
	else
		*out = found;
	return err;
}

void pymalloc_states_release(struct pymalloc_states *states)
{
	free(states->states);
	*states = (struct pymalloc_states){ 0 };
}
