// SPDX-License-Identifier: GPL-2.0-only
/*
 * -f json of --mode lifetime: stacks, then everything about classes and sites.
 *
 *	"lifetime":{"show":"created","sample_one_in":1,"created":120000, ...
 *	"classes":[
 *	{"name":"Session","module":"app.web","python":true,"births":"probed","created":1200, ...
 *	"sites":[
 *	{"stack":0,"file":"/srv/app.py","line":3,"name":"main","created":1200, ...
 */
#include <errno.h>
#include <stdlib.h>

#include "model/memory_rollup.h"
#include "render/json_profile.h"

struct json_lifetime {
	struct json_writer *json;
	const struct profile *profile;
	const struct render_options *options;
	const struct lifetimes *lifetimes;
	struct lifetimes_kept kept;
	uint32_t *places; /* by site: of its stack among those written */
	uint32_t *order;  /* sites by class */
	uint32_t *starts; /* by class: where its sites begin in `order`; one more at the end */
};

static void write_known(struct json_writer *json, const char *key, bool known, uint64_t value)
{
	if (known)
		json_uint(json, key, value);
	else
		json_null(json, key);
}

/* ---- stacks ---- */

/* One for each site that is kept, in the order of the sites. */
static int write_stacks(const struct json_lifetime *out)
{
	const struct lifetimes *lifetimes = out->lifetimes;
	struct profile_sum *sums = calloc(lifetimes->site_count + 1ul, sizeof(*sums));
	uint32_t count = 0;
	int err;

	if (!sums)
		return -ENOMEM;
	for (uint32_t i = 0; i < lifetimes->site_count; i++) {
		const struct lifetime_site *site = &lifetimes->sites[i];

		if (!out->kept.sites[i])
			continue;
		out->places[i] = count;
		sums[count] = (struct profile_sum){ .thread = site->thread, .stack = site->stack };
		sums[count].value =
			lifetime_site_value(site, lifetimes->view, &sums[count].samples);
		count++;
	}
	err = json_write_stacks(out->json, out->profile, sums, count);
	free(sums);
	return err;
}

/* ---- sites ---- */

static void write_site(const struct json_lifetime *out, uint32_t id)
{
	const struct lifetime_site *site = &out->lifetimes->sites[id];
	const struct profile *profile = out->profile;
	uint32_t frame = memory_rollup_frame(profile, site->stack);
	struct json_writer *json = out->json;
	uint32_t file = 0, name = 0;
	int32_t line = 0;

	if (frame != PROFILE_NONE) {
		const struct profile_function *function =
			&profile->functions[profile->frames[frame].function];

		file = function->file;
		name = function->name;
		line = profile->frames[frame].line;
	}
	json_newline(json);
	json_open(json, NULL, '{');
	json_uint(json, "stack", out->places[id]);
	json_profile_text(json, "file", profile, file, false);
	json_int(json, "line", line);
	json_profile_text(json, "name", profile, name, false);
	json_uint(json, "tid", profile->threads[site->thread].tid);
	json_uint(json, "created", site->created);
	json_uint(json, "destroyed", site->destroyed);
	json_uint(json, "live", site->created - site->destroyed);
	json_uint(json, "by_collector", site->by_collector);
	json_uint(json, "created_bytes", site->created_bytes);
	json_uint(json, "live_bytes", site->created_bytes - site->destroyed_bytes);
	json_uint(json, "age_sum_ns", site->age_sum_ns);
	json_uint(json, "live_age_sum_ns", site->live_age_sum_ns);
	json_close(json, '}');
}

static void write_sites(const struct json_lifetime *out, uint32_t class_index)
{
	json_open(out->json, "sites", '[');
	for (uint32_t i = out->starts[class_index]; i < out->starts[class_index + 1]; i++) {
		if (out->kept.sites[out->order[i]])
			write_site(out, out->order[i]);
	}
	json_close(out->json, ']');
}

/* ---- classes ---- */

static void write_ages(struct json_writer *json, const struct lifetime_class *row)
{
	static const struct {
		const char *key;
		double fraction;
	} quantiles[] = { { "p50_ns", 0.5 }, { "p90_ns", 0.9 }, { "p99_ns", 0.99 } };
	bool known = row->age_min_ns != UINT64_MAX;

	write_known(json, "min_ns", known, row->age_min_ns);
	write_known(json, "mean_ns", known,
		    lifetime_mean_ns(row->age_sum_ns, row->destroyed, &row->ages));
	for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++)
		write_known(json, quantiles[i].key, known,
			    histogram_quantile_within(&row->ages, quantiles[i].fraction,
						      row->age_min_ns, row->age_max_ns));
	write_known(json, "max_ns", known, row->age_max_ns);
	known = row->before_age_min_ns != UINT64_MAX;
	write_known(json, "before_at_least_min_ns", known, row->before_age_min_ns);
	write_known(json, "before_at_least_max_ns", known, row->before_age_max_ns);
}

static void write_live_ages(struct json_writer *json, const struct lifetime_class *row)
{
	uint64_t live = 0;

	json_open(json, "live_ages", '[');
	for (int i = 0; i < LIFETIME_AGES; i++) {
		json_uint(json, NULL, row->live_by_age[i]);
		live += row->live_by_age[i];
	}
	json_close(json, ']');
	write_known(json, "live_mean_ns", live,
		    lifetime_mean_ns(row->live_age_sum_ns, live, &row->live_ages));
	write_known(json, "live_p50_ns", live, histogram_quantile(&row->live_ages, 0.5));
	write_known(json, "live_max_ns", live, row->live_age_max_ns);
}

static void write_timeline(const struct json_lifetime *out, const struct lifetime_class *row)
{
	struct json_writer *json = out->json;

	json_open(json, "timeline", '[');
	for (uint32_t i = 0; i < out->lifetimes->span_count; i++) {
		const struct lifetime_span *span = &row->spans[i];

		if (!span->created && !span->destroyed)
			continue;
		json_open(json, NULL, '{');
		json_uint(json, "t_ns", i * out->lifetimes->span_ns);
		json_uint(json, "created", span->created);
		json_uint(json, "destroyed", span->destroyed);
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void write_census(struct json_writer *json, const struct lifetime_class *row)
{
	bool both = row->census_start != LIFETIME_UNKNOWN && row->census_end != LIFETIME_UNKNOWN;
	int64_t growth;

	write_known(json, "census_start", row->census_start != LIFETIME_UNKNOWN, row->census_start);
	write_known(json, "census_end", row->census_end != LIFETIME_UNKNOWN, row->census_end);
	if (lifetime_growth(row, &growth))
		json_int(json, "growth", growth);
	else
		json_null(json, "growth");
	if (both)
		json_int(json, "imbalance", lifetime_imbalance(row));
	else
		json_null(json, "imbalance");
}

static void write_class(const struct json_lifetime *out, uint32_t id)
{
	const struct lifetime_class *row = &out->lifetimes->classes[id];
	const struct profile *profile = out->profile;
	bool probed = row->births == LIFETIME_BIRTHS_PROBED;
	struct json_writer *json = out->json;
	int64_t growth;
	bool known = probed || row->created || lifetime_growth(row, &growth);

	json_newline(json);
	json_open(json, NULL, '{');
	json_profile_text(json, "name", profile, row->name, false);
	json_profile_text(json, "module", profile, row->module, true);
	json_bool(json, "python", row->python);
	json_text(json, "births", probed ? "probed" : "census");
	json_bool(json, "estimate", row->sampled && out->lifetimes->sample_one_in > 1);
	write_known(json, "created", known, row->created);
	json_uint(json, "destroyed", row->destroyed);
	write_known(json, "live", known, lifetime_live(row));
	json_uint(json, "destroyed_before", row->destroyed_before);
	json_uint(json, "by_collector", row->by_collector);
	json_uint(json, "again", row->again);
	json_uint(json, "created_bytes", row->created_bytes);
	json_uint(json, "destroyed_bytes", row->destroyed_bytes);
	json_uint(json, "bytes", row->created_bytes - row->destroyed_bytes);
	write_census(json, row);
	write_ages(json, row);
	write_live_ages(json, row);
	write_timeline(out, row);
	write_sites(out, id);
	json_close(json, '}');
}

/* In the order of the table; classes of which only sites are kept come with those alone. */
static int write_classes(const struct json_lifetime *out)
{
	const struct render_options *options = out->options;
	struct lifetime_rollup rollup;
	int err = lifetime_rollup_build(out->profile, ROLLUP_CLASS, options->lifetime_sort, false,
					options->globs, options->glob_count, &rollup);

	if (err)
		return err;
	json_newline(out->json);
	json_open(out->json, "classes", '[');
	for (uint32_t i = 0; i < rollup.row_count; i++)
		write_class(out, rollup.rows[i].class_index);
	json_close(out->json, ']');
	lifetime_rollup_release(&rollup);
	return 0;
}

/* ---- the whole ---- */

/* A class has its sites together, in their own order. */
static int sort_sites(struct json_lifetime *out)
{
	const struct lifetimes *lifetimes = out->lifetimes;
	uint32_t *starts = calloc(lifetimes->class_count + 2ul, sizeof(*starts));

	out->starts = starts;
	out->order = calloc(lifetimes->site_count + 1ul, sizeof(*out->order));
	out->places = calloc(lifetimes->site_count + 1ul, sizeof(*out->places));
	if (!starts || !out->order || !out->places)
		return -ENOMEM;
	/* Two further, so that what counts the places up leaves the starts behind it. */
	for (uint32_t i = 0; i < lifetimes->site_count; i++)
		starts[lifetimes->sites[i].class_index + 2]++;
	for (uint32_t i = 2; i < lifetimes->class_count + 2; i++)
		starts[i] += starts[i - 1];
	for (uint32_t i = 0; i < lifetimes->site_count; i++)
		out->order[starts[lifetimes->sites[i].class_index + 1]++] = i;
	return 0;
}

static void write_sums(const struct json_lifetime *out)
{
	const struct lifetimes *lifetimes = out->lifetimes;
	struct json_writer *json = out->json;

	json_text(json, "show", lifetime_view_name(lifetimes->view));
	json_uint(json, "sample_one_in", lifetimes->sample_one_in);
	json_uint(json, "created", lifetimes->created);
	json_uint(json, "destroyed", lifetimes->destroyed);
	json_uint(json, "live", lifetimes->created - lifetimes->destroyed);
	json_uint(json, "destroyed_before", lifetimes->destroyed_before);
	json_uint(json, "by_collector", lifetimes->by_collector);
	json_profile_text(json, "births_note", out->profile, lifetimes->births_note, true);
	json_profile_text(json, "census_note", out->profile, lifetimes->census_note, true);
	json_uint(json, "span_ns", lifetimes->span_ns);
	json_uint(json, "span_count", lifetimes->span_count);
	json_open(json, "age_limits_ns", '[');
	for (int i = 0; i < LIFETIME_AGES - 1; i++)
		json_uint(json, NULL, lifetime_age_limits_ns[i]);
	json_close(json, ']');
}

static int write_all(struct json_lifetime *out)
{
	int err = sort_sites(out);

	if (out->json->nested)
		json_open(out->json, "lifetime", '{');
	if (!err)
		err = write_stacks(out);
	if (err)
		return err;
	json_newline(out->json);
	if (!out->json->nested)
		json_open(out->json, "lifetime", '{');
	write_sums(out);
	err = write_classes(out);
	json_close(out->json, '}');
	return err;
}

int json_write_lifetimes(struct json_writer *json, const struct profile *profile,
			 const struct render_options *options)
{
	struct json_lifetime out = {
		.json = json,
		.profile = profile,
		.options = options,
		.lifetimes = profile->lifetimes,
	};
	int err = lifetimes_keep(profile, options->globs, options->glob_count, &out.kept);

	if (!err)
		err = write_all(&out);
	lifetimes_kept_release(&out.kept);
	free(out.places);
	free(out.order);
	free(out.starts);
	return err;
}
