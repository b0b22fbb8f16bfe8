/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Several questions in one run: each is answered by a profile of its own that shares processes, threads,
 * functions and stacks with the others, so that whoever can read a profile can read each answer.
 */
#ifndef PYBPFPROF_MODEL_PARTS_H
#define PYBPFPROF_MODEL_PARTS_H

#include <stdbool.h>

#include "model/profile.h"

/*
 * What the profile has of sums, unit, period and samples is the answer to that part, named `mode`; the profile
 * has none of it from now on. 0 or -ENOMEM.
 */
int profile_part_keep(struct profile *profile, enum profile_part part, const char *mode);

/* Whether that was asked, be it alone or with others. */
bool profile_has_part(const struct profile *profile, enum profile_part part);
/* The first there is; of a profile with one question, that one. */
enum profile_part profile_first_part(const struct profile *profile);

/*
 * The answer to one part as a profile with nothing else: everything in *out is borrowed, good for as long as
 * nothing is added to `profile`, and not to be freed. Of a profile with one question, the profile itself.
 */
void profile_part_view(const struct profile *profile, enum profile_part part, struct profile *out);

/* profile_filter() of each answer; *dropped: of the samples. */
int profile_parts_filter(struct profile *profile, const char *const *globs, size_t glob_count,
			 uint64_t *dropped);

#endif
