// SPDX-License-Identifier: GPL-2.0-only
/* What processes still had when they ended: nobody frees it, so user space has it taken out. */
#include "core/blocks.h"

/* Written by user space; those that are done have no address. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, ABI_LEFT_BLOCKS);
	__type(key, __u32);
	__type(value, struct memory_block_key);
} memory_left_blocks SEC(".maps");

static long memory_left_take(void *map, __u32 *index, struct memory_block_key *left, void *unused)
{
	struct memory_block_key key = { .address = left->address, .serial = left->serial };
	struct memory_block block;

	(void)map;
	(void)index;
	(void)unused;
	if (!key.address)
		return 1;
	memory_take(&key, &block);
	left->address = 0;
	return 0;
}

/* Run by user space, not by any probe. */
SEC("?raw_tp")
int memory__sweep(void *ctx)
{
	(void)ctx;
	bpf_for_each_map_elem(&memory_left_blocks, memory_left_take, NULL, 0);
	return 0;
}
