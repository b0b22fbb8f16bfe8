// SPDX-License-Identifier: GPL-2.0-only
/* What only the whole command line can tell: one target, reports that do not collide. */
#include <errno.h>
#include <string.h>

#include "cli/config_parse.h"
#include "render/render.h"

/* Promised by the contract; refused by name as long as renderer_find() does not know them. */
static const char *const formats_later[] = { "speedscope", "perfetto", "chrometrace", "csv" };

int config_check_target(struct parse *parse)
{
	struct config *config = parse->config;
	const struct {
		bool given;
		const char *name;
	} targets[] = {
		{ config->pid_count > 0, "-p" },
		{ config->all, "--all" },
		{ config->cgroup, "--cgroup" },
		{ config->argv, "-- COMMAND" },
	};
	const char *first = NULL;

	for (size_t i = 0; i < COUNT_OF(targets); i++) {
		if (!targets[i].given)
			continue;
		if (first) {
			buffer_printf(parse->message,
				      "%s and %s exclude each other: give one target", first,
				      targets[i].name);
			return -EINVAL;
		}
		first = targets[i].name;
	}
	if (!first) {
		buffer_string(parse->message,
			      "no target: give -p PID, --all, --cgroup PATH or -- COMMAND");
		return -EINVAL;
	}
	if (config->argv) {
		if (!config->argv[0][0]) {
			buffer_string(parse->message, "the command after -- has an empty name");
			return -EINVAL;
		}
		config->subprocesses = true;
		/* Windows need something to be sized by. */
		if (!(parse->given & 1ull << OPTION_MAX_OVERHEAD) && !config->duty)
			config->max_overhead_percent = -1;
	}
	return 0;
}

/* Modes that are alike in what can be asked of them. */
enum mode_family {
	FAMILY_SAMPLED,
	FAMILY_EXACT,
	FAMILY_MEMORY,
	FAMILY_LIFETIME,
	FAMILY_GC,
	FAMILY_COUNT
};

static enum mode_family mode_family(enum config_mode mode)
{
	if (mode == CONFIG_MODE_MEMORY)
		return FAMILY_MEMORY;
	if (mode == CONFIG_MODE_LIFETIME)
		return FAMILY_LIFETIME;
	if (mode == CONFIG_MODE_GC)
		return FAMILY_GC;
	return CONFIG_MODES_EXACT & 1u << mode ? FAMILY_EXACT : FAMILY_SAMPLED;
}

/* The first of the given modes that is of the family; NULL: none. */
static const char *first_mode(const struct config *config, enum mode_family family)
{
	for (int mode = 0; mode < CONFIG_MODE_COUNT; mode++) {
		if (config_has_mode(config, mode) && mode_family(mode) == family)
			return config_mode_name(mode);
	}
	return NULL;
}

/* The family that alone knows an option, in words; of the sampled ones it is said why not. */
static const char *const family_words[] = {
	[FAMILY_EXACT] = "the exact modes: give --mode time or callgraph",
	[FAMILY_MEMORY] = "--mode memory",
	[FAMILY_LIFETIME] = "--mode lifetime",
	[FAMILY_GC] = "--mode gc",
};

/*
 * Options that not every family of modes knows: which one does, and where that is the sampled ones,
 * why each of the others does not. -n goes with memory as well, and another one may know it, too.
 */
static const struct {
	enum option_id id;
	enum mode_family family;
	const char *reasons[FAMILY_COUNT]; /* NULL: of the family's words, or it is known there */
	enum mode_family also;		   /* FAMILY_SAMPLED: no other one */
} one_sided[] = {
	{ OPTION_RATE,
	  FAMILY_SAMPLED,
	  { [FAMILY_EXACT] = "every call is seen, none is sampled",
	    [FAMILY_MEMORY] = "no clock takes samples; --sample BYTES records fewer allocations",
	    [FAMILY_LIFETIME] = "no clock takes samples; --sample 1/N follows fewer objects",
	    [FAMILY_GC] = "every collection is seen, none is sampled" },
	  FAMILY_SAMPLED },
	{ OPTION_NATIVE,
	  FAMILY_SAMPLED,
	  { [FAMILY_EXACT] = "only Python's functions are seen",
	    [FAMILY_LIFETIME] = "objects are of the Python code that makes them" },
	  FAMILY_SAMPLED },
	{ OPTION_KERNEL,
	  FAMILY_SAMPLED,
	  { [FAMILY_EXACT] = "only Python's functions are seen",
	    [FAMILY_MEMORY] = "a process allocates outside of the kernel",
	    [FAMILY_LIFETIME] = "objects are made outside of the kernel",
	    [FAMILY_GC] = "a process collects outside of the kernel" },
	  FAMILY_SAMPLED },
	{ OPTION_PROBES, FAMILY_EXACT, { NULL }, FAMILY_SAMPLED },
	{ OPTION_RAW, FAMILY_EXACT, { NULL }, FAMILY_SAMPLED },
	{ OPTION_DUTY, FAMILY_EXACT, { NULL }, FAMILY_SAMPLED },
	{ OPTION_SHOW, FAMILY_MEMORY, { NULL }, FAMILY_LIFETIME },
	{ OPTION_LEAKS, FAMILY_MEMORY, { NULL }, FAMILY_SAMPLED },
	{ OPTION_TEMPORARY, FAMILY_MEMORY, { NULL }, FAMILY_SAMPLED },
	{ OPTION_RSS, FAMILY_MEMORY, { NULL }, FAMILY_SAMPLED },
	{ OPTION_ALLOCATOR, FAMILY_MEMORY, { NULL }, FAMILY_SAMPLED },
	{ OPTION_SAMPLE, FAMILY_MEMORY, { NULL }, FAMILY_LIFETIME },
	{ OPTION_MIN_SIZE, FAMILY_MEMORY, { NULL }, FAMILY_SAMPLED },
	{ OPTION_MAX_BLOCKS, FAMILY_MEMORY, { NULL }, FAMILY_LIFETIME },
	{ OPTION_TYPES, FAMILY_LIFETIME, { NULL }, FAMILY_SAMPLED },
};

static void append_family(struct parse *parse, enum mode_family family, enum mode_family also)
{
	buffer_string(parse->message, family_words[family]);
	if (also != FAMILY_SAMPLED)
		buffer_printf(parse->message, " and %s", family_words[also]);
}

static bool is_known_to(size_t option, enum mode_family family)
{
	if (one_sided[option].family == family ||
	    (one_sided[option].also != FAMILY_SAMPLED && one_sided[option].also == family))
		return true;
	return !one_sided[option].reasons[family] && !family_words[one_sided[option].family];
}

/* Of several modes one that knows the option is enough. */
static int check_option_of_modes(struct parse *parse, size_t option)
{
	const char *name = option_at(one_sided[option].id)->name;
	enum mode_family first = FAMILY_COUNT;

	for (enum mode_family family = 0; family < FAMILY_COUNT; family++) {
		if (!first_mode(parse->config, family))
			continue;
		if (is_known_to(option, family))
			return 0;
		if (first == FAMILY_COUNT)
			first = family;
	}
	if (one_sided[option].reasons[first]) {
		buffer_printf(parse->message, "--%s means nothing with --mode %s: %s", name,
			      first_mode(parse->config, first), one_sided[option].reasons[first]);
	} else {
		buffer_printf(parse->message, "--%s is for ", name);
		append_family(parse, one_sided[option].family, one_sided[option].also);
	}
	return -EINVAL;
}

static int check_options_of_modes(struct parse *parse)
{
	int err = 0;

	for (size_t i = 0; i < COUNT_OF(one_sided) && !err; i++) {
		if (parse->given & 1ull << one_sided[i].id)
			err = check_option_of_modes(parse, i);
	}
	return err;
}

/* What the rows of each part are, where nobody said it or what was said means nothing there. */
static void bys_fill(struct config *config, bool given)
{
	static const enum rollup_by defaults[PART_COUNT] = {
		[PART_MEMORY] = ROLLUP_LINE,
		[PART_LIFETIMES] = ROLLUP_CLASS,
		[PART_COLLECTIONS] = ROLLUP_LINE,
	};
	const enum rollup_by by = config->by;

	for (enum profile_part part = PART_COUNT; part-- > 0;) {
		bool means = by != (part == PART_CALLS ? ROLLUP_LINE : ROLLUP_TREE);

		config->part_by[part] = given && means ? by : defaults[part];
		if (config_has_part(config, part))
			config->by = config->part_by[part];
	}
}

static int check_by(struct parse *parse)
{
	const struct config *config = parse->config;
	const bool several = config_part_count(config) > 1;

	if (config_has_part(config, PART_CALLS) && !several && config->by == ROLLUP_LINE) {
		buffer_printf(parse->message,
			      "--by line means nothing with --mode %s: calls are "
			      "of functions",
			      first_mode(config, FAMILY_EXACT));
		return -EINVAL;
	}
	if (!config_has_part(config, PART_CALLS) && config->by == ROLLUP_TREE) {
		buffer_string(parse->message,
			      "--by tree is for the exact modes: give --mode time or callgraph");
		return -EINVAL;
	}
	return 0;
}

static int check_duty(struct parse *parse)
{
	const struct config *config = parse->config;

	if (!config->duty)
		return 0;
	if (config_part_count(config) > 1) {
		buffer_string(parse->message,
			      "--duty takes away probes on calls only: give --mode time or "
			      "callgraph alone");
		return -EINVAL;
	}
	if (config->max_overhead_percent <= 0) {
		buffer_string(parse->message,
			      "--duty keeps the cost under --max-overhead, which must be above 0");
		return -EINVAL;
	}
	return 0;
}

/* Options that mean something in the modes that were given, and together. */
int config_check_modes(struct parse *parse)
{
	struct config *config = parse->config;
	int err = check_options_of_modes(parse);

	if (!err && config_has_part(config, PART_MEMORY))
		err = config_check_memory(parse);
	if (!err && config_has_part(config, PART_LIFETIMES))
		err = config_check_lifetime(parse);
	if (!err)
		err = config_apply_sort(parse);
	if (!err)
		err = check_by(parse);
	if (!err)
		err = check_duty(parse);
	if (!err)
		bys_fill(config, parse->given & 1ull << OPTION_BY);
	return err;
}

/* Formats that have one place for one kind of number. */
static int check_format_of_modes(struct parse *parse, const char *format)
{
	static const char *const several[] = { "table", "json", "flamegraph" };
	const struct config *config = parse->config;

	if (config_part_count(config) < 2 ||
	    config_word_index(format, strlen(format), several, COUNT_OF(several)) <
		    COUNT_OF(several))
		return 0;
	buffer_printf(parse->message, "%s shows one kind of mode: give one of", format);
	for (int mode = 0; mode < CONFIG_MODE_COUNT; mode++) {
		if (config_has_mode(config, mode))
			buffer_printf(parse->message, " --mode %s", config_mode_name(mode));
	}
	buffer_string(parse->message, ", or -f table, json or flamegraph for them all");
	return -EINVAL;
}

static int check_format(struct parse *parse, const struct config_report *report)
{
	const char *format = report->format;
	const struct renderer *renderer;

	if (parse->config->command == COMMAND_HEAP)
		return config_check_heap_format(parse, format);
	if (parse->config->command != COMMAND_PROFILE) {
		if (!strcmp(format, "table") || !strcmp(format, "json"))
			return 0;
		buffer_printf(parse->message, "%s writes table or json, not '%s'",
			      config_command_name(parse->config->command), format);
		return -EINVAL;
	}
	renderer = renderer_find(format);
	if (!renderer) {
		bool later = config_word_index(format, strlen(format), formats_later,
					       COUNT_OF(formats_later)) < COUNT_OF(formats_later);

		buffer_printf(parse->message,
			      later ? "format '%s' is not built yet in this version; built: " :
				      "unknown format '%s'; known: ",
			      format);
		for (size_t i = 0; renderer_at(i); i++)
			buffer_printf(parse->message, "%s%s", i ? ", " : "", renderer_at(i)->name);
		return -EINVAL;
	}
	if (check_format_of_modes(parse, format))
		return -EINVAL;
	if (config_has_mode(parse->config, CONFIG_MODE_MEMORY) && !strcmp(format, "pstats")) {
		buffer_string(parse->message,
			      "pstats holds times, not bytes: pprof and callgrind are for both");
		return -EINVAL;
	}
	if (config_has_mode(parse->config, CONFIG_MODE_LIFETIME) && !strcmp(format, "pstats")) {
		buffer_string(
			parse->message,
			"pstats holds times of calls, not objects: pprof and callgrind have both");
		return -EINVAL;
	}
	if (renderer->binary && !report->path && parse->host->stdout_terminal) {
		buffer_printf(parse->message, "%s is binary and not for a terminal: give -o FILE",
			      format);
		return -EINVAL;
	}
	return 0;
}

/* Every report has a known format, and no two go to one place. */
int config_check_reports(struct parse *parse)
{
	struct config *config = parse->config;

	if (!config->report_count && !config_report_add(config))
		return -ENOMEM;
	for (size_t i = 0; i < config->report_count; i++) {
		struct config_report *report = &config->reports[i];
		int err;

		if (report->path && !strcmp(report->path, "-"))
			report->path = NULL;
		if (!report->format && config->report_count > 1) {
			buffer_printf(parse->message, "-o %s has no -f of its own",
				      report->path ? report->path : "-");
			return -EINVAL;
		}
		if (!report->format)
			report->format = "table";
		err = check_format(parse, report);
		if (err)
			return err;
		for (size_t j = 0; j < i; j++) {
			const char *path = config->reports[j].path;

			if (!path && !report->path) {
				buffer_printf(parse->message,
					      "%s and %s cannot both go to standard output: give "
					      "one of them -o FILE",
					      config->reports[j].format, report->format);
				return -EINVAL;
			}
			if (path && report->path && !strcmp(path, report->path)) {
				buffer_printf(parse->message, "two reports cannot both go to %s",
					      path);
				return -EINVAL;
			}
		}
	}
	return 0;
}
