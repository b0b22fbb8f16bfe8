// SPDX-License-Identifier: GPL-2.0-only
/* What each option does to the config, and what is said of a value that is none. */
#include <errno.h>
#include <string.h>

#include "cli/config_parse.h"
#include "cli/value.h"
#include "python/call_plan.h"

enum { RATE_MAX_HZ = 20000 };

static const char *const mode_names[] = {
#define MODE(id, name, words) name,
#define MODE_LATER(name)
#include "cli/modes.def"
#undef MODE
#undef MODE_LATER
};

static const char *const modes_later[] = {
#define MODE(id, name, words)
#define MODE_LATER(name) name,
#include "cli/modes.def"
#undef MODE
#undef MODE_LATER
};

/* In the order of enum rollup_by and enum rollup_sort. */
static const char *const by_names[] = { "function", "class",   "module", "line",
					"thread",   "process", "tree" };
static const char *const sort_names[] = { "self", "total", "name", "samples" };

static const char *const call_sort_names[] = {
	[CALL_SORT_CALLS] = "calls",
	[CALL_SORT_SELF] = "self",
	[CALL_SORT_TOTAL] = "total",
	[CALL_SORT_CPU] = "cpu",
	[CALL_SORT_CPU_TOTAL] = "cpu_total",
	[CALL_SORT_MIN] = "min",
	[CALL_SORT_MAX] = "max",
	[CALL_SORT_MEAN] = "mean",
	[CALL_SORT_P50] = "p50",
	[CALL_SORT_P90] = "p90",
	[CALL_SORT_P99] = "p99",
	[CALL_SORT_EXCEPTIONS] = "exceptions",
	[CALL_SORT_NAME] = "name",
};

/* What users of cProfile and pstats type. */
static const struct {
	const char *name;
	enum call_rollup_sort sort;
} cprofile_sorts[] = {
	{ "ncalls", CALL_SORT_CALLS },	   { "tottime", CALL_SORT_SELF },
	{ "time", CALL_SORT_SELF },	   { "cumtime", CALL_SORT_TOTAL },
	{ "cumulative", CALL_SORT_TOTAL },
};

static const char *const probe_names[] = {
	[CALL_WAY_USDT] = "usdt",
	[CALL_WAY_EVAL] = "eval",
	[CALL_WAY_DISPATCH] = "dispatch",
	[CALL_WAY_COUNT] = "auto",
};

static void append_words(struct buffer *message, const char *const *words, size_t count)
{
	for (size_t i = 0; i < count; i++)
		buffer_printf(message, "%s%s", i ? ", " : "", words[i]);
}

int config_refuse_word(struct parse *parse, const char *what, const char *word, size_t length,
		       const char *const *words, size_t count)
{
	buffer_printf(parse->message, "unknown %s '%.*s'; known: ", what, (int)length, word);
	append_words(parse->message, words, count);
	return -EINVAL;
}

static int set_pids(struct parse *parse, const char *text)
{
	struct config *config = parse->config;

	for (;;) {
		size_t length = strcspn(text, ",");
		bool known = false;
		pid_t pid, *pids;

		if (value_pid(text, length, &pid)) {
			buffer_printf(parse->message, "'%.*s' is not a process id", (int)length,
				      text);
			return -EINVAL;
		}
		for (size_t i = 0; i < config->pid_count; i++)
			known = known || config->pids[i] == pid;
		if (!known) {
			pids = config_array_grow(config->pids, config->pid_count, sizeof(*pids));
			if (!pids)
				return -ENOMEM;
			config->pids = pids;
			pids[config->pid_count++] = pid;
		}
		if (!text[length])
			return 0;
		text += length + 1;
	}
}

static int set_modes(struct parse *parse, const char *text)
{
	for (;;) {
		size_t length = strcspn(text, ",");
		size_t mode = config_word_index(text, length, mode_names, CONFIG_MODE_COUNT);

		if (mode == CONFIG_MODE_COUNT) {
			if (config_word_index(text, length, modes_later, COUNT_OF(modes_later)) ==
			    COUNT_OF(modes_later))
				return config_refuse_word(parse, "mode", text, length, mode_names,
							  CONFIG_MODE_COUNT);
			buffer_printf(parse->message,
				      "mode '%.*s' is not built yet in this version; built: ",
				      (int)length, text);
			append_words(parse->message, mode_names, CONFIG_MODE_COUNT);
			return -EINVAL;
		}
		parse->config->modes |= 1u << mode;
		if (!text[length])
			return 0;
		text += length + 1;
	}
}

static int set_rate(struct parse *parse, const char *text)
{
	uint32_t limit = parse->host->sample_rate_limit, rate_hz = 0;
	int err = value_rate(text, &rate_hz);

	if (err == -EINVAL) {
		buffer_printf(parse->message, "'%s' is not a rate; examples: 99, 99hz, 1khz, 10k",
			      text);
		return -EINVAL;
	}
	if (err || rate_hz > RATE_MAX_HZ) {
		buffer_printf(parse->message, "rate %s is out of bounds: 1 to %d Hz", text,
			      RATE_MAX_HZ);
		return -EINVAL;
	}
	if (limit && rate_hz > limit) {
		buffer_printf(parse->message,
			      "this kernel allows at most %u samples a second, not %u: "
			      "sysctl kernel.perf_event_max_sample_rate=%u",
			      limit, rate_hz, rate_hz);
		return -EINVAL;
	}
	parse->config->rate_hz = rate_hz;
	return 0;
}

static int set_duration(struct parse *parse, const char *text)
{
	int err = value_duration(text, &parse->config->duration_ns);

	if (err == -ERANGE)
		buffer_printf(parse->message,
			      "duration '%s' is out of bounds: more than 0, at most ten years",
			      text);
	else if (err)
		buffer_printf(parse->message,
			      "'%s' is not a duration; examples: 10, 0.5, 500ms, 90s, 5m, 1h",
			      text);
	return err ? -EINVAL : 0;
}

static int set_max_overhead(struct parse *parse, const char *text)
{
	if (value_percent(text, &parse->config->max_overhead_percent)) {
		buffer_printf(parse->message, "'%s' is not a share of CPU time: 0 to 1000, or none",
			      text);
		return -EINVAL;
	}
	return 0;
}

static int set_probes(struct parse *parse, const char *text)
{
	size_t way = config_word_index(text, strlen(text), probe_names, COUNT_OF(probe_names));

	if (way == COUNT_OF(probe_names))
		return config_refuse_word(parse, "--probes", text, strlen(text), probe_names,
					  COUNT_OF(probe_names));
	parse->config->probes = way == CALL_WAY_COUNT ? -1 : (int)way;
	return 0;
}

struct config_report *config_report_add(struct config *config)
{
	struct config_report *reports;

	reports = config_array_grow(config->reports, config->report_count, sizeof(*reports));
	if (!reports)
		return NULL;
	config->reports = reports;
	return &reports[config->report_count++];
}

/* A -o before its -f belongs to it as well: the report is complete when both were seen. */
static struct config_report *report_for(struct config *config, bool wants_format)
{
	struct config_report *last = NULL;

	if (config->report_count)
		last = &config->reports[config->report_count - 1];
	if (last && !(wants_format ? last->format : last->path))
		return last;
	return config_report_add(config);
}

static int set_format(struct parse *parse, const char *text)
{
	struct config_report *report;

	report = report_for(parse->config, true);
	if (!report)
		return -ENOMEM;
	report->format = text;
	return 0;
}

static int set_output(struct parse *parse, const char *text)
{
	struct config_report *report;

	if (!*text) {
		buffer_string(parse->message, "-o needs the name of a file");
		return -EINVAL;
	}
	report = report_for(parse->config, false);
	if (!report)
		return -ENOMEM;
	report->path = text;
	return 0;
}

static int set_glob(struct parse *parse, const char *text)
{
	struct config *config = parse->config;
	const char **globs;

	if (!*text) {
		buffer_string(parse->message, "-F needs a pattern, such as 'app.views:*'");
		return -EINVAL;
	}
	globs = config_array_grow(config->globs, config->glob_count, sizeof(*globs));
	if (!globs)
		return -ENOMEM;
	config->globs = globs;
	globs[config->glob_count++] = text;
	return 0;
}

static int set_by(struct parse *parse, const char *text)
{
	size_t by = config_word_index(text, strlen(text), by_names, COUNT_OF(by_names));

	if (by == COUNT_OF(by_names))
		return config_refuse_word(parse, "--by", text, strlen(text), by_names,
					  COUNT_OF(by_names));
	parse->config->by = (enum rollup_by)by;
	return 0;
}

int config_find_sort(struct parse *parse, const char *const *words, size_t count, size_t *sort)
{
	const char *text = parse->sort;
	size_t index = config_word_index(text, strlen(text), words, count);

	if (index == count)
		return config_refuse_word(parse, "--sort column", text, strlen(text), words, count);
	*sort = index;
	return 0;
}

static int apply_call_sort(struct parse *parse)
{
	size_t sort;
	int err;

	if (!parse->sort)
		return 0;
	for (size_t i = 0; i < COUNT_OF(cprofile_sorts); i++) {
		if (!strcmp(parse->sort, cprofile_sorts[i].name)) {
			parse->config->call_sort = cprofile_sorts[i].sort;
			return 0;
		}
	}
	err = config_find_sort(parse, call_sort_names, COUNT_OF(call_sort_names), &sort);
	if (!err)
		parse->config->call_sort = (enum call_rollup_sort)sort;
	return err;
}

static int apply_sample_sort(struct parse *parse)
{
	size_t sort;
	int err;

	if (!parse->sort)
		return 0;
	err = config_find_sort(parse, sort_names, COUNT_OF(sort_names), &sort);
	if (!err)
		parse->config->sort = (enum rollup_sort)sort;
	return err;
}

/* Of several modes each that has such a column is ordered by it, the others as they always are. */
int config_apply_sort(struct parse *parse)
{
	static int (*const apply[PART_COUNT])(struct parse * parse) = {
		[PART_CALLS] = apply_call_sort,
		[PART_SAMPLES] = apply_sample_sort,
		[PART_MEMORY] = config_apply_memory_sort,
		[PART_LIFETIMES] = config_apply_lifetime_sort,
		[PART_COLLECTIONS] = config_apply_gc_sort,
	};
	bool found = false;
	int err = 0;

	for (enum profile_part part = 0; part < PART_COUNT; part++) {
		if (!config_has_part(parse->config, part))
			continue;
		buffer_clear(parse->message);
		err = apply[part](parse);
		if (err == -ENOMEM)
			return err;
		found |= !err;
	}
	if (!found)
		return err;
	buffer_clear(parse->message);
	return 0;
}

static int set_limit(struct parse *parse, const char *text)
{
	if (value_count(text, &parse->config->limit)) {
		buffer_printf(parse->message, "'%s' is not a number of rows (0: all)", text);
		return -EINVAL;
	}
	return 0;
}

static int set_cgroup(struct parse *parse, const char *text)
{
	if (!*text) {
		buffer_string(parse->message,
			      "--cgroup needs a path, such as /sys/fs/cgroup/system.slice");
		return -EINVAL;
	}
	if (parse->config->cgroup) {
		buffer_string(parse->message, "--cgroup may be given only once");
		return -EINVAL;
	}
	parse->config->cgroup = text;
	return 0;
}

int config_apply_flag(struct parse *parse, enum option_id id)
{
	struct config *config = parse->config;

	parse->given |= 1ull << id;
	switch (id) {
	case OPTION_ALL:
		config->all = true;
		return 0;
	case OPTION_SUBPROCESSES:
		config->subprocesses = true;
		return 0;
	case OPTION_NATIVE:
		config->native = true;
		return 0;
	case OPTION_KERNEL:
		config->kernel = true;
		return 0;
	case OPTION_RAW:
		config->raw = true;
		return 0;
	case OPTION_DUTY:
		config->duty = true;
		return 0;
	case OPTION_RETAINED:
		config->heap.retained = true;
		return 0;
	case OPTION_LEAKS:
		config->leaks = true;
		return 0;
	case OPTION_RSS:
		config->resident = true;
		return 0;
	case OPTION_TEMPORARY:
		return config_apply_memory_value(parse, id, "1");
	case OPTION_THREADS:
		config->threads = true;
		return 0;
	case OPTION_NO_COLOR:
		config->no_color = true;
		return 0;
	case OPTION_QUIET:
		config->quiet = true;
		return 0;
	case OPTION_VERBOSE:
		config->verbosity++;
		return 0;
	case OPTION_VERSION:
		config->action = CONFIG_VERSION;
		return 0;
	case OPTION_HELP:
		config->action = CONFIG_HELP;
		return 0;
	default:
		return -EINVAL;
	}
}

int config_apply_value(struct parse *parse, enum option_id id, const char *text)
{
	parse->given |= 1ull << id;
	switch (id) {
	case OPTION_PID:
	case OPTION_HEAP_PID:
		return set_pids(parse, text);
	case OPTION_CGROUP:
		return set_cgroup(parse, text);
	case OPTION_MODE:
		return set_modes(parse, text);
	case OPTION_DURATION:
		return set_duration(parse, text);
	case OPTION_RATE:
		return set_rate(parse, text);
	case OPTION_MAX_OVERHEAD:
		return set_max_overhead(parse, text);
	case OPTION_PROBES:
		return set_probes(parse, text);
	case OPTION_SHOW:
		parse->show = text;
		return 0;
	case OPTION_SAMPLE:
		parse->sample = text;
		return 0;
	case OPTION_TYPES:
		return config_add_type(parse, text);
	case OPTION_TEMPORARY:
	case OPTION_ALLOCATOR:
	case OPTION_MIN_SIZE:
	case OPTION_MAX_BLOCKS:
		return config_apply_memory_value(parse, id, text);
	case OPTION_FREEZE:
	case OPTION_DIFF:
	case OPTION_REFERRERS:
	case OPTION_PATH:
		return config_apply_heap_value(parse, id, text);
	case OPTION_FORMAT:
		return set_format(parse, text);
	case OPTION_OUTPUT:
		return set_output(parse, text);
	case OPTION_FUNCTION:
		return set_glob(parse, text);
	case OPTION_BY:
		return set_by(parse, text);
	case OPTION_SORT:
	case OPTION_HEAP_SORT:
		parse->sort = text;
		return 0;
	case OPTION_LIMIT:
	case OPTION_HEAP_LIMIT:
		return set_limit(parse, text);
	case OPTION_RECORD:
		buffer_string(parse->message, "--record is not built yet in this version");
		return -EINVAL;
	default:
		return -EINVAL;
	}
}

const char *config_mode_name(enum config_mode mode)
{
	return mode < CONFIG_MODE_COUNT ? mode_names[mode] : "";
}

bool config_has_mode(const struct config *config, enum config_mode mode)
{
	return config->modes & 1u << mode;
}

enum profile_part config_mode_part(enum config_mode mode)
{
	switch (mode) {
	case CONFIG_MODE_TIME:
	case CONFIG_MODE_CALLGRAPH:
		return PART_CALLS;
	case CONFIG_MODE_MEMORY:
		return PART_MEMORY;
	case CONFIG_MODE_LIFETIME:
		return PART_LIFETIMES;
	case CONFIG_MODE_GC:
		return PART_COLLECTIONS;
	default:
		return PART_SAMPLES;
	}
}

bool config_has_part(const struct config *config, enum profile_part part)
{
	for (int mode = 0; mode < CONFIG_MODE_COUNT; mode++) {
		if (config_has_mode(config, mode) && config_mode_part(mode) == part)
			return true;
	}
	return false;
}

unsigned int config_part_count(const struct config *config)
{
	unsigned int count = 0;

	for (enum profile_part part = 0; part < PART_COUNT; part++)
		count += config_has_part(config, part);
	return count;
}

bool config_is_exact(const struct config *config)
{
	return config->modes & CONFIG_MODES_EXACT;
}
