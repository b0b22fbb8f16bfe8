/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Blocks that a process still had when it ended. They stay in the kernel's list of what is alive, where
 * those of many processes would take up all the room there is: they are taken out while the run goes on, at
 * times that make it cheap. What each of them was is handed over, for the report.
 */
#ifndef PYBPFPROF_CLI_LEFT_BLOCKS_H
#define PYBPFPROF_CLI_LEFT_BLOCKS_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/capture.h"

struct left_blocks;

/* A block that is out now; its process ended at ended_ns. 0, or an error that ends the run. */
typedef int (*left_block_fn)(void *arg, const struct memory_block_key *key,
			     const struct memory_block *block, uint64_t ended_ns);

/* `capture` must outlive it. NULL: out of memory. */
struct left_blocks *left_blocks_new(struct capture *capture, left_block_fn on_block, void *arg);
void left_blocks_free(struct left_blocks *left); /* takes NULL */

/* All records of the process have been handed over: nothing of it changes any more. 0 or -ENOMEM. */
int left_blocks_ended(struct left_blocks *left, uint32_t serial, uint64_t ended_ns);
/* Now and then. 0 or what on_block returned. */
int left_blocks_tick(struct left_blocks *left, uint64_t now_ns);
/* When it ended, as long as some of its blocks may be in the kernel's list; 0 else. */
uint64_t left_blocks_ended_ns(const struct left_blocks *left, uint32_t serial);

/*
 * Whether all `spilled` blocks that have no slot are to be looked at for some whose process has ended: `kept`
 * were there after the last such walk, `room` there can be. Rarely enough to cost little for each block
 * that came meanwhile, soon enough for the room to last.
 */
bool left_blocks_walk_is_due(uint64_t spilled, uint64_t kept, uint64_t room);

#endif
