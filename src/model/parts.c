// SPDX-License-Identifier: GPL-2.0-only
/* See parts.h. */
#include "model/parts.h"

#include <errno.h>
#include <stdlib.h>

#include "model/rollup.h"

int profile_part_keep(struct profile *profile, enum profile_part part, const char *mode)
{
	struct profile_answer answer = {
		.mode = profile_string(profile, mode),
		.unit = profile->unit,
		.estimate = profile->estimate,
		.period_ns = profile->period_ns,
		.sum_count = profile->sum_count,
		.sample_count = profile->sample_count,
	};

	answer.sums = profile_take_sums(profile);
	if (!answer.sums || !answer.mode || answer.mode == PROFILE_NONE) {
		free(answer.sums);
		return -ENOMEM;
	}
	if (!profile->answers[part].mode)
		profile->answer_count++;
	free(profile->answers[part].sums);
	profile->answers[part] = answer;
	profile->estimate = false;
	profile->period_ns = 0;
	return 0;
}

static enum profile_part only_part(const struct profile *profile)
{
	return profile->memory	    ? PART_MEMORY :
	       profile->lifetimes   ? PART_LIFETIMES :
	       profile->collections ? PART_COLLECTIONS :
	       profile->calls	    ? PART_CALLS :
				      PART_SAMPLES;
}

bool profile_has_part(const struct profile *profile, enum profile_part part)
{
	return profile->answer_count ? profile->answers[part].mode : part == only_part(profile);
}

enum profile_part profile_first_part(const struct profile *profile)
{
	enum profile_part part = 0;

	while (part < PART_COUNT - 1 && !profile_has_part(profile, part))
		part++;
	return part;
}

void profile_part_view(const struct profile *profile, enum profile_part part, struct profile *out)
{
	const struct profile_answer *answer = &profile->answers[part];

	*out = *profile;
	if (!profile->answer_count)
		return;
	out->answer_count = 0;
	out->mode = answer->mode;
	out->unit = answer->unit;
	out->estimate = answer->estimate;
	out->period_ns = answer->period_ns;
	out->sums = answer->sums;
	out->sum_count = answer->sum_count;
	out->sample_count = answer->sample_count;
	out->calls = part == PART_CALLS ? profile->calls : NULL;
	out->memory = part == PART_MEMORY ? profile->memory : NULL;
	out->lifetimes = part == PART_LIFETIMES ? profile->lifetimes : NULL;
	out->collections = part == PART_COLLECTIONS ? profile->collections : NULL;
}

/* The answer's sums are the profile's for as long as it takes. */
static int answer_filter(struct profile *profile, struct profile_answer *answer,
			 const char *const *globs, size_t glob_count, uint64_t *dropped)
{
	int err;

	profile->sums = answer->sums;
	profile->sum_count = answer->sum_count;
	err = profile_filter(profile, globs, glob_count, dropped);
	if (!err) {
		answer->sum_count = profile->sum_count;
		answer->sample_count = profile->sample_count;
	}
	profile->sums = NULL;
	profile->sum_count = 0;
	profile->sample_count = 0;
	return err;
}

int profile_parts_filter(struct profile *profile, const char *const *globs, size_t glob_count,
			 uint64_t *dropped)
{
	int err = 0;

	*dropped = 0;
	if (!profile->answer_count)
		return profile_filter(profile, globs, glob_count, dropped);
	for (int part = 0; part < PART_COUNT && !err; part++) {
		uint64_t samples = 0;

		if (!profile->answers[part].mode)
			continue;
		err = answer_filter(profile, &profile->answers[part], globs, glob_count, &samples);
		if (part == PART_SAMPLES)
			*dropped = samples;
	}
	return err;
}
