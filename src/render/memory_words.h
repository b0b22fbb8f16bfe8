/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How reports for people speak of memory: amounts, errors of estimates, how a process ended, what of
 * it was not seen. Pure; all of it appends safe text to a buffer.
 */
#ifndef PYBPFPROF_RENDER_MEMORY_WORDS_H
#define PYBPFPROF_RENDER_MEMORY_WORDS_H

#include <stdbool.h>

#include "base/buffer.h"
#include "model/memory_rollup.h"

#define MEMORY_DOT " \xc2\xb7 "

/* A string of the profile. */
void memory_append_text(struct buffer *out, const struct profile *profile, uint32_t id);
/* "1,234,567" */
void memory_append_count(struct buffer *out, uint64_t count);
/* "1,234,567 blocks", "1 block": the noun with an s where it needs one. */
void memory_append_counted(struct buffer *out, uint64_t count, const char *noun);
void memory_append_bytes(struct buffer *out, uint64_t bytes);
/* " ± 12.3 MiB"; nothing where the number is exact. */
void memory_append_error(struct buffer *out, uint64_t error_bytes);
/* "freed within 1 allocation or 10.0 ms" */
void memory_append_temporary(struct buffer *out, const struct memory *memory);
/* "alive at the peak", ...: what a view is of. */
const char *memory_view_words(enum memory_view view);
/* "8.00 EiB/s" is never longer: growth, with its sign, in so many seconds. */
void memory_append_growth(struct buffer *out, double bytes_per_second, double seconds);
/* "97 %", "99.9 %"; "no" where it does not grow, "-" where too little was seen. */
void memory_append_confidence(struct buffer *out, const struct memory_trend *trend);
/* 3600 or 1: in how many seconds growth of that kind is told best. */
double memory_growth_seconds(double bytes_per_second);

/*
 * Half the width of the 95 % interval of a sum's bytes in that view; 0: exact. What was not estimated by
 * itself is as uncertain as its share of what was allocated.
 */
uint64_t memory_view_error(const struct memory_sum *sum, enum memory_view view);

/* NULL: nothing is known of its memory. */
const struct memory_process *memory_process_at(const struct profile *profile, uint32_t process);
/* "SIGSEGV", "signal 35" */
void memory_append_signal(struct buffer *out, int number);
/* "killed by SIGKILL (out of memory)", "exited with status 3"; false: it has not ended. */
bool memory_append_end(struct buffer *out, const struct profile *profile, uint32_t id);
/* Whether something of it is not seen, and that in one line, without its end. */
bool memory_has_gap(const struct profile *profile, uint32_t id);
void memory_append_gap(struct buffer *out, const struct profile *profile, uint32_t id);
/* Small objects are there, and are not seen one by one. */
bool memory_misses_objects(const struct memory_process *process);

#endif
