/* SPDX-License-Identifier: GPL-2.0-only */
/* Values as users write them: 500ms, 1khz, 12,13. Each takes the whole string or nothing. */
#ifndef PYBPFPROF_CLI_VALUE_H
#define PYBPFPROF_CLI_VALUE_H

#include <stdint.h>
#include <sys/types.h>

/* All: 0, -EINVAL when it is not such a value, -ERANGE when it is out of bounds. */

/* Seconds, with a fraction if wanted; suffixes us, ms, s, m, h. More than 0, at most ten years. */
int value_duration(const char *text, uint64_t *duration_ns);
/* Hertz; suffixes hz, k, khz in any case; rounded to whole Hz; 1 to UINT32_MAX. */
int value_rate(const char *text, uint32_t *rate_hz);
int value_count(const char *text, uint32_t *count);
/* How many; suffixes k, M, G of 1000 in any case; 1 to 10^12. */
int value_large_count(const char *text, uint64_t *count);
/* Bytes; suffixes B, k, KiB, M, MiB, G, GiB of 1024, kB, MB, GB of 1000, in any case; 1 to 2^40. */
int value_bytes(const char *text, uint64_t *bytes);
/* A pid of `length` digits that need not end the string; 1 to INT_MAX. */
int value_pid(const char *text, size_t length, pid_t *pid);
/* "5", "0.5", "5%", 0 to 1000; "none" is -1. */
int value_percent(const char *text, double *percent);

#endif
