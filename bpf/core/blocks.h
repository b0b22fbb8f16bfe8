/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The blocks that are alive, by address. Most live shortly, so each address has a slot in an array,
 * where putting a block in or taking it out is one atomic instruction; who finds its slot taken
 * goes into a hash map, which takes ten times as long and has room for millions.
 *
 * Nobody waits for anybody: a slot's word says whose it is, and who changes it owns the slot until
 * it is set anew. Whatever happens to one address happens in turn, since a block is put in before
 * its program has it and taken out before the allocator has it back.
 */
#ifndef PYBPFPROF_BPF_BLOCKS_H
#define PYBPFPROF_BPF_BLOCKS_H

#include "core/maps.h"

#define MEMORY_SLOT_FACTOR 0x9e3779b97f4a7c15ull

/* How many they are is tuned before loading: a power of two, mask + 1. */
const volatile __u32 memory_slot_mask __weak;

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct memory_slot);
} memory_slots SEC(".maps") __weak;

/* Room is taken as blocks come; max_entries is tuned before loading. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1 << 20);
	__type(key, struct memory_block_key);
	__type(value, struct memory_block);
} memory_blocks SEC(".maps") __weak;

static __always_inline struct memory_slot *memory_slot_of(const struct memory_block_key *key)
{
	__u64 hash = (key->address + ((__u64)key->serial << 32)) * MEMORY_SLOT_FACTOR;
	__u32 index = hash >> 40 & memory_slot_mask;

	return bpf_map_lookup_elem(&memory_slots, &index);
}

/* What is written to the slot is there before the word says so: x86 keeps stores in order. */
static __always_inline void memory_slot_set(struct memory_slot *slot, __u64 word)
{
	asm volatile("" ::: "memory");
	*(volatile __u64 *)&slot->word = word;
}

/* Whether it held `before`, and is the caller's now. */
static __always_inline bool memory_slot_own(struct memory_slot *slot, __u64 before)
{
	return *(volatile __u64 *)&slot->word == before &&
	       __sync_val_compare_and_swap(&slot->word, before, MEMORY_SLOT_BUSY) == before;
}

static __always_inline bool memory_slot_spilled(const struct memory_slot *slot)
{
	return *(const volatile __u32 *)&slot->spilled;
}

static __always_inline bool memory_spilled_take(struct memory_slot *slot,
						const struct memory_block_key *key,
						struct memory_block *out)
{
	struct memory_block *block = bpf_map_lookup_elem(&memory_blocks, key);

	if (!block)
		return false;
	*out = *block;
	if (!bpf_map_delete_elem(&memory_blocks, key))
		__sync_fetch_and_sub(&slot->spilled, 1);
	return true;
}

/* Takes the block out. False: it was not in. */
static __always_inline bool memory_take(const struct memory_block_key *key,
					struct memory_block *out)
{
	struct memory_slot *slot = memory_slot_of(key);
	__u64 word = memory_slot_word(key);

	if (!slot)
		return false;
	if (memory_slot_own(slot, word)) {
		if (slot->serial == key->serial) {
			*out = slot->block;
			memory_slot_set(slot, MEMORY_SLOT_FREE);
			return true;
		}
		memory_slot_set(slot, word);
	}
	return memory_slot_spilled(slot) && memory_spilled_take(slot, key, out);
}

/* Puts in a block that is not in. 0; not 0: there is no room. */
static __always_inline long memory_keep(const struct memory_block_key *key,
					const struct memory_block *block)
{
	struct memory_slot *slot = memory_slot_of(key);
	long error;

	if (!slot)
		return 1;
	if (memory_slot_own(slot, MEMORY_SLOT_FREE)) {
		slot->block = *block;
		slot->serial = key->serial;
		memory_slot_set(slot, memory_slot_word(key));
		return 0;
	}
	__sync_fetch_and_add(&slot->spilled, 1);
	error = bpf_map_update_elem(&memory_blocks, key, block, BPF_ANY);
	if (error)
		__sync_fetch_and_sub(&slot->spilled, 1);
	return error;
}

/* Whether that address may be in already: cheaper than to take it. */
static __always_inline bool memory_may_hold(const struct memory_block_key *key)
{
	const struct memory_slot *slot = memory_slot_of(key);

	return slot && (*(const volatile __u64 *)&slot->word == memory_slot_word(key) ||
			memory_slot_spilled(slot));
}

#endif
