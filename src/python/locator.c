// SPDX-License-Identifier: GPL-2.0-only
/*
 * Candidates for the locator, and their proof. The contract is in locator.h.
 *
 * x86-64 glibc (nptl/descr.h, 2.17 to 2.43): struct pthread has specific_1stblock[32] of
 * { uintptr_t seq; void *data; } at 0x310, and behind it, at 0x510, specific[32], pointers to such
 * blocks of 32 keys. The dtv is at 8, an array of { void *block; void *to_free; } by module.
 * x86-64 musl (src/internal/pthread_impl.h): `tsd`, a pointer to an array of void * by key, is at
 * 0x80 in 1.2; the dtv is at 8, an array of blocks by module.
 */
#include "python/locator.h"

#include <errno.h>
#include <string.h>

#include "proc/memory.h"

enum {
	GLIBC_FIRST_BLOCK = 0x310,
	GLIBC_BLOCKS = 0x510,
	GLIBC_KEYS_PER_BLOCK = 32,
	GLIBC_KEYS = 1024, /* PTHREAD_KEYS_MAX */
	GLIBC_DTV_ENTRY_BYTES = 16,
	MUSL_TSD = 0x80,
	MUSL_TSD_LOWEST = 0x40,
	MUSL_TSD_HIGHEST = 0xe0,
	MUSL_KEYS = 128,
	DTV = 8,
	MODULES_MAX = 4096,
	STATIC_TLS_BYTES = 4096,
	THREADS_PROVEN = 128, /* of the newest, and as many of the oldest */
	HOPELESS = 8,	      /* a candidate that failed so many threads and served none is wrong */
	SCAN_THREADS = 16,
	SCAN_BELOW_BYTES = 4096,
	SCAN_ABOVE_BYTES = 0x400,
	SCAN_WORDS = (SCAN_BELOW_BYTES + SCAN_ABOVE_BYTES) / 8,
	SCAN_CHUNK_BYTES = 512,
};

struct search {
	pid_t pid;
	const struct layout *layout;
	const struct threads *threads;
	const struct locator_clues *clues;
	struct python_locator *out;
};

uint64_t locator_follow(pid_t pid, const struct python_locator *locator, uint64_t thread_pointer)
{
	uint64_t address = thread_pointer;

	for (uint32_t i = 0; i < locator->steps && i < ABI_LOCATOR_STEPS; i++) {
		if (memory_read_u64(pid, address + (uint64_t)(int64_t)locator->offset[i], &address))
			return 0;
	}
	return locator->steps ? address : 0;
}

/* Whether `address` is a thread state of this very OS thread. */
static bool state_is_of(const struct threads *threads, uint64_t address, uint64_t thread_id)
{
	for (size_t i = 0; i < threads->count; i++) {
		if (threads->states[i].address == address)
			return threads->states[i].thread_id == thread_id;
	}
	return false;
}

/* A state that its thread's slot should name. */
static bool state_counts(const struct thread_state *state)
{
	return state->thread_id && state->bound;
}

/* The oldest thread's, which is the main one unless the process forked from another. */
static const struct thread_state *main_state(const struct threads *threads)
{
	for (size_t i = threads->count; i-- > 0;) {
		if (state_counts(&threads->states[i]))
			return &threads->states[i];
	}
	return NULL;
}

/*
 * Threads that are being started or that end right now may disagree, so most are enough. Up to
 * 3.11 a parent links its child's thread state under its own thread_id for a moment: hence any
 * state of the same thread will do.
 */
static bool prove(const struct search *search, const struct python_locator *locator)
{
	const struct threads *threads = search->threads;
	const struct thread_state *oldest = main_state(threads);
	size_t agreed = 0, disagreed = 0;
	bool main_agreed = false;

	for (size_t i = 0; i < threads->count; i++) {
		const struct thread_state *state = &threads->states[i];
		uint64_t found;

		if (!state_counts(state))
			continue;
		if (i >= THREADS_PROVEN && i + THREADS_PROVEN < threads->count)
			continue;
		if (!agreed && disagreed > HOPELESS)
			return false;
		found = locator_follow(search->pid, locator, state->thread_id);
		if (found != state->address && !state_is_of(threads, found, state->thread_id)) {
			disagreed++;
			continue;
		}
		agreed++;
		if (state == oldest)
			main_agreed = true;
	}
	return agreed > disagreed && (main_agreed || agreed > 1);
}

static bool try_chain(struct search *search, uint32_t steps, int64_t a, int64_t b, int64_t c)
{
	const int64_t offsets[ABI_LOCATOR_STEPS] = { a, b, c };
	struct python_locator locator = { .steps = steps };

	for (uint32_t i = 0; i < steps; i++) {
		if (offsets[i] < INT32_MIN || offsets[i] > INT32_MAX)
			return false;
		locator.offset[i] = (int32_t)offsets[i];
	}
	if (!prove(search, &locator))
		return false;
	*search->out = locator;
	return true;
}

static bool try_glibc_key(struct search *search, uint32_t key)
{
	if (key < GLIBC_KEYS_PER_BLOCK)
		return try_chain(search, 1, GLIBC_FIRST_BLOCK + 16 * key + 8, 0, 0);
	if (key >= GLIBC_KEYS)
		return false;
	return try_chain(search, 2, GLIBC_BLOCKS + 8 * (key / GLIBC_KEYS_PER_BLOCK),
			 16 * (key % GLIBC_KEYS_PER_BLOCK) + 8, 0);
}

static bool try_musl_key(struct search *search, uint32_t key)
{
	if (key >= MUSL_KEYS)
		return false;
	if (try_chain(search, 2, MUSL_TSD, 8 * key, 0))
		return true;
	/* Where musl was built with other fields before it. */
	for (int tsd = MUSL_TSD_LOWEST; search->clues->musl && tsd <= MUSL_TSD_HIGHEST; tsd += 8) {
		if (try_chain(search, 2, tsd, 8 * key, 0))
			return true;
	}
	return false;
}

static bool try_key(struct search *search)
{
	struct {
		uint32_t initialized, key;
	} tss;

	if (search->layout->runtime_tss_key == ABI_NO_OFFSET ||
	    memory_read(search->pid, search->clues->runtime + search->layout->runtime_tss_key, &tss,
			sizeof(tss)) ||
	    !tss.initialized)
		return false;
	if (search->clues->musl)
		return try_musl_key(search, tss.key) || try_glibc_key(search, tss.key);
	return try_glibc_key(search, tss.key) || try_musl_key(search, tss.key);
}

/* A variable at `offset` in the TLS block of a module. */
static bool try_module(struct search *search, uint64_t module, int64_t offset)
{
	const uint64_t main_thread = main_state(search->threads)->thread_id;
	const int entry = search->clues->musl ? 8 : GLIBC_DTV_ENTRY_BYTES;
	uint64_t dtv, block;

	if (module == 0 || module > MODULES_MAX)
		return false;
	/*
	 * A library loaded at start has its block at the same distance below every thread
	 * pointer: one read instead of three. Farther away it is memory of this thread alone.
	 */
	if (!memory_read_u64(search->pid, main_thread + DTV, &dtv) &&
	    !memory_read_u64(search->pid, dtv + (uint64_t)entry * module, &block)) {
		int64_t distance = (int64_t)(block + (uint64_t)offset - main_thread);

		if (distance < 0 && distance >= -STATIC_TLS_BYTES &&
		    try_chain(search, 1, distance, 0, 0))
			return true;
	}
	return try_chain(search, 3, DTV, (int64_t)entry * (int64_t)module, offset);
}

static bool try_descriptor(struct search *search, const struct tls_access *access,
			   uint64_t argument)
{
	uint64_t dynamic[2];

	/* Static TLS: the argument is the offset. Otherwise glibc's {module, offset} lies there. */
	if (try_chain(search, 1, (int64_t)argument + access->offset, 0, 0))
		return true;
	return !memory_read(search->pid, argument, dynamic, sizeof(dynamic)) &&
	       try_module(search, dynamic[0], (int64_t)dynamic[1] + access->offset);
}

static bool try_access(struct search *search, const struct tls_access *access)
{
	uint64_t got = search->clues->bias + access->got;
	uint64_t words[2];

	if (access->kind == TLS_LOCAL_EXEC)
		return try_chain(search, 1, access->offset, 0, 0);
	if (access->kind == TLS_INITIAL_EXEC)
		return !memory_read_u64(search->pid, got, words) &&
		       try_chain(search, 1, (int64_t)words[0] + access->offset, 0, 0);
	if (memory_read(search->pid, got, words, sizeof(words)))
		return false;
	if (access->kind == TLS_GENERAL_DYNAMIC)
		return try_module(search, words[0], (int64_t)words[1] + access->offset);
	return try_descriptor(search, access, words[1]);
}

/* The memory around a thread pointer; what is not mapped reads as 0. */
static void scan_read(pid_t pid, uint64_t thread_pointer, uint64_t *words)
{
	uint8_t *bytes = (uint8_t *)words;

	for (size_t at = 0; at < SCAN_WORDS * sizeof(*words); at += SCAN_CHUNK_BYTES) {
		if (memory_read(pid, thread_pointer - SCAN_BELOW_BYTES + at, bytes + at,
				SCAN_CHUNK_BYTES))
			memset(bytes + at, 0, SCAN_CHUNK_BYTES);
	}
}

static bool offset_is_glibc_key(int offset)
{
	return offset >= GLIBC_FIRST_BLOCK + 8 && offset < GLIBC_BLOCKS &&
	       (offset - GLIBC_FIRST_BLOCK - 8) % 16 == 0;
}

/*
 * Which words near the thread pointer name the thread state, in every thread looked at? One thread
 * alone may have it there by chance (a spilled register on a stack), so then only a slot for
 * thread-specific data counts; and two answers are none.
 */
static bool try_scan(struct search *search)
{
	uint64_t words[SCAN_WORDS];
	bool named[SCAN_WORDS];
	size_t scanned = 0;
	int only = 0, matches = 0;

	memset(named, true, sizeof(named));
	for (size_t i = search->threads->count; i-- > 0 && scanned < SCAN_THREADS;) {
		const struct thread_state *state = &search->threads->states[i];

		if (!state_counts(state))
			continue;
		scan_read(search->pid, state->thread_id, words);
		for (int word = 0; word < SCAN_WORDS; word++)
			named[word] = named[word] && words[word] == state->address;
		scanned++;
	}
	for (int word = 0; scanned && word < SCAN_WORDS; word++) {
		int offset = word * 8 - SCAN_BELOW_BYTES;

		if (!named[word] || (scanned == 1 && !offset_is_glibc_key(offset)))
			continue;
		only = offset;
		matches++;
	}
	return matches == 1 && try_chain(search, 1, only, 0, 0);
}

int locator_find(pid_t pid, const struct layout *layout, const struct threads *threads,
		 const struct locator_clues *clues, struct python_locator *out)
{
	struct search search = { pid, layout, threads, clues, out };

	*out = (struct python_locator){ 0 };
	if (!main_state(threads))
		return -ENOENT;
	if (try_key(&search))
		return 0;
	for (size_t i = 0; i < clues->access_count; i++) {
		if (try_access(&search, &clues->accesses[i]))
			return 0;
	}
	return try_scan(&search) ? 0 : -ENOENT;
}
