// SPDX-License-Identifier: GPL-2.0-only
/* Command lines, and what is understood of them. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/config.h"

enum { WORDS_MAX = 32 };

static const struct config_host quiet_host = { .sample_rate_limit = 100000 };

struct parsed {
	char line[512];
	char *words[WORDS_MAX];
	struct config config;
	struct buffer message;
	int err;
};

/* Splits at spaces; '' is an empty word. */
static void parse_line(struct parsed *parsed, const char *line, const struct config_host *host)
{
	char *save = NULL;
	int count = 0;

	snprintf(parsed->line, sizeof(parsed->line), "pybpfprof %s", line);
	for (char *word = strtok_r(parsed->line, " ", &save); word;
	     word = strtok_r(NULL, " ", &save))
		parsed->words[count++] = strcmp(word, "''") ? word : word + 2;
	parsed->words[count] = NULL;
	buffer_init(&parsed->message);
	parsed->err = config_parse(count, parsed->words, host, &parsed->config, &parsed->message);
}

static void parsed_release(struct parsed *parsed)
{
	config_release(&parsed->config);
	buffer_release(&parsed->message);
}

/* All that differs from a run without options, in one fixed order. */
static void append_settings(struct buffer *out, const struct config *config)
{
	static const char *const commands[] = { "profile", "list", "doctor", "heap" };
	static const char *const actions[] = { "", " help", " version" };
	static const char *const sort_words[] = {
		[CALL_SORT_CALLS] = "calls",
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

	static const char *const memory_sorts[] = {
		[MEMORY_SORT_PEAK] = "peak",	       [MEMORY_SORT_LIVE] = "live",
		[MEMORY_SORT_ALLOCATED] = "allocated", [MEMORY_SORT_TEMPORARY] = "temporary",
		[MEMORY_SORT_RESIDENT] = "resident",   [MEMORY_SORT_FAULTED] = "faulted",
		[MEMORY_SORT_MAPPED] = "mapped",       [MEMORY_SORT_ARENAS] = "arenas",
		[MEMORY_SORT_FREED] = "freed",	       [MEMORY_SORT_ALLOCATIONS] = "allocations",
		[MEMORY_SORT_SIZE] = "size",	       [MEMORY_SORT_GROWTH] = "growth",
		[MEMORY_SORT_TOTAL] = "total",	       [MEMORY_SORT_NAME] = "name",
	};
	static const char *const shows[] = {
		[MEMORY_VIEW_PEAK] = "",
		[MEMORY_VIEW_LIVE] = " show=live",
		[MEMORY_VIEW_ALLOCATED] = " show=allocated",
		[MEMORY_VIEW_TEMPORARY] = " show=temporary",
		[MEMORY_VIEW_RESIDENT] = " show=resident",
		[MEMORY_VIEW_FAULTED] = " show=faulted",
		[MEMORY_VIEW_MAPPED] = " show=mapped",
		[MEMORY_VIEW_ARENAS] = " show=arenas",
	};

	buffer_printf(out, "%s%s", commands[config->command], actions[config->action]);
	for (size_t i = 0; i < config->pid_count; i++)
		buffer_printf(out, " pid=%d", (int)config->pids[i]);
	if (config->all)
		buffer_string(out, " all");
	if (config->cgroup)
		buffer_printf(out, " cgroup=%s", config->cgroup);
	if (config->subprocesses)
		buffer_string(out, " subprocesses");
	for (int mode = 0; mode < CONFIG_MODE_COUNT && config->action == CONFIG_RUN; mode++) {
		if (config_has_mode(config, mode) && config->modes != 1u << CONFIG_MODE_CPU)
			buffer_printf(out, " mode=%s", config_mode_name(mode));
	}
	if (config->duration_ns)
		buffer_printf(out, " duration_ns=%llu", (unsigned long long)config->duration_ns);
	if (config->rate_hz != 99)
		buffer_printf(out, " rate_hz=%u", config->rate_hz);
	buffer_string(out, config->native ? " native" : "");
	buffer_string(out, config->kernel ? " kernel" : "");
	if (config->max_overhead_percent != 20)
		buffer_printf(out, " max_overhead=%g", config->max_overhead_percent);
	if (config->action == CONFIG_RUN && config->probes >= 0)
		buffer_printf(out, " probes=%d", config->probes);
	buffer_string(out, config->raw ? " raw" : "");
	buffer_string(out, config->duty ? " duty" : "");
	buffer_string(out, config->objects ? " objects" : "");
	if (config->min_size_bytes)
		buffer_printf(out, " min_size=%llu", (unsigned long long)config->min_size_bytes);
	if (config->sample_bytes)
		buffer_printf(out, " sample=%llu", (unsigned long long)config->sample_bytes);
	if (config->action == CONFIG_RUN && config->temporary_distance != 1)
		buffer_printf(out, " within=%llu", (unsigned long long)config->temporary_distance);
	if (config->temporary_ns)
		buffer_printf(out, " within_ns=%llu", (unsigned long long)config->temporary_ns);
	buffer_string(out, config->leaks ? " leaks" : "");
	buffer_string(out, config->resident ? " rss" : "");
	buffer_string(out, shows[config->show]);
	buffer_string(out, config->show_given ? "!" : "");
	if (config_has_mode(config, CONFIG_MODE_LIFETIME)) {
		buffer_printf(out, " view=%d", config->lifetime_view);
		if (config->lifetime_sort != (enum lifetime_sort)config->lifetime_view)
			buffer_printf(out, " lifetime_sort=%d", config->lifetime_sort);
	}
	if (config->gc_sort != GC_SORT_PAUSE)
		buffer_printf(out, " gc_sort=%d", config->gc_sort);
	if (config->action == CONFIG_RUN && config->sample_one_in != 1)
		buffer_printf(out, " one_in=%llu", (unsigned long long)config->sample_one_in);
	for (size_t i = 0; i < config->type_count; i++)
		buffer_printf(out, " type=%s", config->types[i]);
	if (config->max_blocks)
		buffer_printf(out, " max_blocks=%llu", (unsigned long long)config->max_blocks);
	for (size_t i = 0; i < config->report_count; i++) {
		const struct config_report *report = &config->reports[i];

		if (config->report_count > 1 || report->path ||
		    strcmp(report->format, "table") != 0)
			buffer_printf(out, " %s>%s", report->format,
				      report->path ? report->path : "-");
	}
	for (size_t i = 0; i < config->glob_count; i++)
		buffer_printf(out, " glob=%s", config->globs[i]);
	if (config->by != (config_has_mode(config, CONFIG_MODE_MEMORY)	 ? ROLLUP_LINE :
			   config_has_mode(config, CONFIG_MODE_LIFETIME) ? ROLLUP_CLASS :
									   0))
		buffer_printf(out, " by=%d", config->by);
	if (config->sort)
		buffer_printf(out, " sort=%d", config->sort);
	if (config->action == CONFIG_RUN && config->call_sort != CALL_SORT_SELF)
		buffer_printf(out, " call_sort=%s", sort_words[config->call_sort]);
	if (config->action == CONFIG_RUN && config->memory_sort != (enum memory_sort)config->show)
		buffer_printf(out, " memory_sort=%s", memory_sorts[config->memory_sort]);
	if (config->limit != 20)
		buffer_printf(out, " limit=%u", config->limit);
	buffer_string(out, config->threads ? " threads" : "");
	buffer_string(out, config->no_color ? " no_color" : "");
	buffer_string(out, config->quiet ? " quiet" : "");
	if (config->verbosity)
		buffer_printf(out, " verbosity=%u", config->verbosity);
	for (char *const *word = config->argv; word && *word; word++)
		buffer_printf(out, " [%s]", *word);
}

static const struct {
	const char *line;
	const char *settings;
} accepted[] = {
	{ "-p 12", "profile pid=12" },
	{ "-p12", "profile pid=12" },
	{ "--pid 12", "profile pid=12" },
	{ "--pid=12,13", "profile pid=12 pid=13" },
	{ "-p 12 -p 13,12", "profile pid=12 pid=13" },
	{ "-a", "profile all" },
	{ "--all -q", "profile all quiet" },
	{ "--cgroup /a/b", "profile cgroup=/a/b" },
	{ "-s -p 1", "profile pid=1 subprocesses" },
	{ "-asnkt", "profile all subprocesses native kernel threads" },
	{ "-nkp 7", "profile pid=7 native kernel" },
	{ "-nkp7 -t", "profile pid=7 native kernel threads" },
	{ "-- python3 -p 1 --all",
	  "profile subprocesses max_overhead=-1 [python3] [-p] [1] [--all]" },
	{ "-- a -- b", "profile subprocesses max_overhead=-1 [a] [--] [b]" },
	{ "-d 2 --max-overhead 5% -- a",
	  "profile subprocesses duration_ns=2000000000 max_overhead=5 [a]" },
	{ "-a --max-overhead none", "profile all max_overhead=-1" },
	{ "-a -d 1.5m", "profile all duration_ns=90000000000" },
	{ "-a -d 500ms", "profile all duration_ns=500000000" },
	{ "-a -r 1khz", "profile all rate_hz=1000" },
	{ "-a --rate=10k", "profile all rate_hz=10000" },
	{ "-a --mode line", "profile all mode=line" },
	{ "-a --mode line,cpu", "profile all mode=cpu mode=line" },
	{ "-a --mode cpu --mode line", "profile all mode=cpu mode=line" },
	{ "-a --mode time", "profile all mode=time" },
	{ "-a --mode callgraph,time", "profile all mode=time mode=callgraph" },
	{ "-a --mode time --probes auto", "profile all mode=time" },
	{ "-a --mode time --probes usdt", "profile all mode=time probes=0" },
	{ "-a --mode time --probes eval", "profile all mode=time probes=1" },
	{ "-a --probes=dispatch --mode callgraph", "profile all mode=callgraph probes=2" },
	{ "-a --raw --mode time", "profile all mode=time raw" },
	{ "-a --duty --mode time", "profile all mode=time duty" },
	{ "-a --duty --mode time --max-overhead 5", "profile all mode=time max_overhead=5 duty" },
	{ "--mode time -- a", "profile subprocesses mode=time max_overhead=-1 [a]" },
	{ "--mode time --duty -- a", "profile subprocesses mode=time duty [a]" },
	{ "-a --mode time --by tree", "profile all mode=time by=6" },
	{ "-a --by tree --mode callgraph -t", "profile all mode=callgraph by=6 threads" },
	{ "-a --mode time --sort self", "profile all mode=time" },
	{ "-a --sort calls --mode time", "profile all mode=time call_sort=calls" },
	{ "-a --mode time --sort ncalls", "profile all mode=time call_sort=calls" },
	{ "-a --mode time --sort tottime", "profile all mode=time" },
	{ "-a --mode time --sort cumtime", "profile all mode=time call_sort=total" },
	{ "-a --mode time --sort cumulative", "profile all mode=time call_sort=total" },
	{ "-a --mode time --sort total", "profile all mode=time call_sort=total" },
	{ "-a --mode time --sort cpu", "profile all mode=time call_sort=cpu" },
	{ "-a --mode time --sort cpu_total", "profile all mode=time call_sort=cpu_total" },
	{ "-a --mode time --sort min", "profile all mode=time call_sort=min" },
	{ "-a --mode time --sort max", "profile all mode=time call_sort=max" },
	{ "-a --mode time --sort mean", "profile all mode=time call_sort=mean" },
	{ "-a --mode time --sort p50", "profile all mode=time call_sort=p50" },
	{ "-a --mode time --sort p90", "profile all mode=time call_sort=p90" },
	{ "-a --mode time --sort p99", "profile all mode=time call_sort=p99" },
	{ "-a --mode time --sort exceptions", "profile all mode=time call_sort=exceptions" },
	{ "-a --mode callgraph --sort name", "profile all mode=callgraph call_sort=name" },
	{ "-a --mode memory", "profile all mode=memory" },
	{ "--mode memory -- a", "profile subprocesses mode=memory max_overhead=-1 [a]" },
	{ "-a --mode memory --max-overhead 5 -n", "profile all mode=memory native max_overhead=5" },
	{ "-a --mode memory --allocator malloc", "profile all mode=memory" },
	{ "-a --mode memory --allocator object", "profile all mode=memory objects" },
	{ "-a --mode memory --min-size 4k", "profile all mode=memory min_size=4096" },
	{ "-a --mode memory --sample=512KiB", "profile all mode=memory sample=524288" },
	{ "-a --mode memory --sample 1M", "profile all mode=memory sample=1048576" },
	{ "-a --mode memory --temporary", "profile all mode=memory show=temporary" },
	{ "-a --mode memory --temporary=1", "profile all mode=memory show=temporary" },
	{ "-a --temporary=10 --mode memory", "profile all mode=memory within=10 show=temporary" },
	{ "-a --mode memory --temporary=10ms",
	  "profile all mode=memory within=0 within_ns=10000000 show=temporary" },
	{ "-a --mode memory --temporary=0.5s",
	  "profile all mode=memory within=0 within_ns=500000000 show=temporary" },
	{ "-a --mode memory --temporary=100 --temporary=1ms",
	  "profile all mode=memory within=0 within_ns=1000000 show=temporary" },
	{ "-a --mode memory --temporary=1ms --temporary",
	  "profile all mode=memory show=temporary" },
	{ "-a --mode memory --temporary --show live", "profile all mode=memory show=live!" },
	{ "-a --mode memory --leaks",
	  "profile all mode=memory leaks show=live memory_sort=growth" },
	{ "-a --mode memory --leaks --show peak",
	  "profile all mode=memory leaks! memory_sort=growth" },
	{ "-a --mode gc", "profile all mode=gc by=3" },
	{ "-a --mode gc --by function --sort max", "profile all mode=gc gc_sort=2" },
	{ "-a --mode gc --sort collections", "profile all mode=gc gc_sort=1 by=3" },
	{ "-a --mode lifetime", "profile all mode=lifetime view=0" },
	{ "-a --mode lifetime --show age", "profile all mode=lifetime view=3" },
	{ "-a --show live --mode lifetime", "profile all mode=lifetime view=1" },
	{ "-a --mode lifetime --show bytes --sort live",
	  "profile all mode=lifetime view=2 lifetime_sort=1" },
	{ "-a --mode lifetime --sort growth", "profile all mode=lifetime view=0 lifetime_sort=5" },
	{ "-a --mode lifetime --types dict --types=numpy.*",
	  "profile all mode=lifetime view=0 type=dict type=numpy.*" },
	{ "-a --mode lifetime --types dict --sample 1/64",
	  "profile all mode=lifetime view=0 one_in=64 type=dict" },
	{ "-a --mode lifetime --sample=1/1k", "profile all mode=lifetime view=0 one_in=1000" },
	{ "-a --mode lifetime --by line", "profile all mode=lifetime view=0 by=3" },
	{ "-a --mode memory --leaks --sort live", "profile all mode=memory leaks show=live" },
	{ "-a --mode memory --rss", "profile all mode=memory rss" },
	{ "-a --mode memory --rss --show resident", "profile all mode=memory rss show=resident!" },
	{ "-a --show faulted --rss --mode memory", "profile all mode=memory rss show=faulted!" },
	{ "-a --mode memory --show peak", "profile all mode=memory!" },
	{ "-a --mode memory --show allocated", "profile all mode=memory show=allocated!" },
	{ "-a --mode memory --show temporary", "profile all mode=memory show=temporary!" },
	{ "-a --mode memory --show mapped", "profile all mode=memory show=mapped!" },
	{ "-a --mode memory --show arenas", "profile all mode=memory show=arenas!" },
	{ "-a --mode memory --max-blocks 20M", "profile all mode=memory max_blocks=20000000" },
	{ "-a --mode lifetime --max-blocks 1M",
	  "profile all mode=lifetime view=0 max_blocks=1000000" },
	{ "-a --mode memory --by line", "profile all mode=memory" },
	{ "-a --mode memory --by function", "profile all mode=memory by=0" },
	{ "-a --mode memory --by process -t", "profile all mode=memory by=5 threads" },
	{ "-a --mode memory --sort peak", "profile all mode=memory" },
	{ "-a --mode memory --sort live", "profile all mode=memory memory_sort=live" },
	{ "-a --mode memory --sort allocated", "profile all mode=memory memory_sort=allocated" },
	{ "-a --mode memory --sort freed", "profile all mode=memory memory_sort=freed" },
	{ "-a --mode memory --sort allocations",
	  "profile all mode=memory memory_sort=allocations" },
	{ "-a --mode memory --sort temporary", "profile all mode=memory memory_sort=temporary" },
	{ "-a --mode memory --rss --sort resident",
	  "profile all mode=memory rss memory_sort=resident" },
	{ "-a --mode memory --rss --sort faulted",
	  "profile all mode=memory rss memory_sort=faulted" },
	{ "-a --mode memory --sort mapped", "profile all mode=memory memory_sort=mapped" },
	{ "-a --mode memory --sort arenas", "profile all mode=memory memory_sort=arenas" },
	{ "-a --mode memory --sort size", "profile all mode=memory memory_sort=size" },
	{ "-a --mode memory --sort growth", "profile all mode=memory memory_sort=growth" },
	{ "-a --mode memory --sort total", "profile all mode=memory memory_sort=total" },
	{ "-a --mode memory --sort name", "profile all mode=memory memory_sort=name" },
	{ "-a -f json", "profile all json>-" },
	{ "-a -f json -o x", "profile all json>x" },
	{ "-a -o x -f json", "profile all json>x" },
	{ "-a -o x", "profile all table>x" },
	{ "-a -o -", "profile all" },
	{ "-a -f json -o -", "profile all json>-" },
	{ "-a -f table -f json -o x -f folded -o y", "profile all table>- json>x folded>y" },
	{ "-a -o x -f json -o y -f folded", "profile all json>x folded>y" },
	{ "-a -F a:* -F b", "profile all glob=a:* glob=b" },
	{ "-a --by process --sort total", "profile all by=5 sort=1" },
	{ "-a --by function --sort self", "profile all" },
	{ "-a --sort samples -l 0", "profile all sort=3 limit=0" },
	{ "-a -l 7 --no-color -vv", "profile all limit=7 no_color verbosity=2" },
	{ "--help", "profile help" },
	{ "-h -p nonsense", "profile help" },
	{ "-p 1 -qh", "profile help pid=1 quiet" },
	{ "--version", "profile version" },
	{ "list", "list" },
	{ "list -f json -o x", "list json>x" },
	{ "list --help", "list help" },
	{ "doctor", "doctor" },
	{ "doctor -f json --no-color", "doctor json>- no_color" },
};

Test(config, understands)
{
	for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
		struct parsed parsed;
		struct buffer settings;

		parse_line(&parsed, accepted[i].line, &quiet_host);
		buffer_init(&settings);
		append_settings(&settings, &parsed.config);
		cr_expect_eq(parsed.err, 0, "'%s' gave %d: %s", accepted[i].line, parsed.err,
			     parsed.message.bytes ? parsed.message.bytes : "");
		cr_expect_str_eq(settings.bytes, accepted[i].settings, "'%s' is '%s'",
				 accepted[i].line, settings.bytes);
		buffer_release(&settings);
		parsed_release(&parsed);
	}
}

static const struct {
	const char *line;
	const char *message; /* what it starts with */
} refused[] = {
	{ "", "no target: give -p PID, --all, --cgroup PATH or -- COMMAND" },
	{ "-d 5", "no target: " },
	{ "-p", "-p needs PID[,PID...]" },
	{ "-p 1 --rate", "--rate needs HZ" },
	{ "-p ''", "'' is not a process id" },
	{ "-p 0", "'0' is not a process id" },
	{ "-p -5", "'-5' is not a process id" },
	{ "-p 12,,13", "'' is not a process id" },
	{ "-p 12,x13", "'x13' is not a process id" },
	{ "-p 99999999999999999999", "'99999999999999999999' is not a process id" },
	{ "-p 1 -a", "-p and --all exclude each other" },
	{ "-a --cgroup /x", "--all and --cgroup exclude each other" },
	{ "-p 1 -- x", "-p and -- COMMAND exclude each other" },
	{ "--cgroup ''", "--cgroup needs a path" },
	{ "--cgroup a --cgroup b", "--cgroup may be given only once" },
	{ "--", "no command after --" },
	{ "-- ''", "the command after -- has an empty name" },
	{ "-p 1 python3 x.py",
	  "unexpected argument 'python3'; a command to profile goes after --" },
	{ "-p 1 -", "unexpected argument '-'" },
	{ "--durtion 3", "unknown option --durtion; did you mean --duration?" },
	{ "--dur=3", "unknown option --dur; did you mean --duration?" },
	{ "--frmt json", "unknown option --frmt; did you mean --format?" },
	{ "--threds", "unknown option --threds; did you mean --threads?" },
	{ "--xyzzy", "unknown option --xyzzy" },
	{ "-z", "unknown option -z" },
	{ "-nkz", "unknown option -z" },
	{ "--all=yes", "--all takes no value" },
	{ "-a -d 0", "duration '0' is out of bounds" },
	{ "-a -d -3", "'-3' is not a duration" },
	{ "-a -d 5x", "'5x' is not a duration" },
	{ "-a -d 1e9", "'1e9' is not a duration" },
	{ "-a -d 999999999999", "duration '999999999999' is out of bounds" },
	{ "-a -r 0", "rate 0 is out of bounds: 1 to 20000 Hz" },
	{ "-a -r 20001", "rate 20001 is out of bounds: 1 to 20000 Hz" },
	{ "-a -r fast", "'fast' is not a rate" },
	{ "-a -l many", "'many' is not a number of rows" },
	{ "-a -l -1", "'-1' is not a number of rows" },
	{ "-a --mode ''", "unknown mode ''" },
	{ "-a --mode cpu,", "unknown mode ''" },
	{ "-a --mode fast", "unknown mode 'fast'; known: cpu, line, time, callgraph, memory" },
	{ "-a --mode cpu,lines", "unknown mode 'lines'" },
	{ "-a --mode time,gc -f folded",
	  "folded shows one kind of mode: give one of --mode time --mode gc, or -f table" },
	{ "-a --mode cpu,memory -f pprof", "pprof shows one kind of mode" },
	{ "-a --mode time,gc --duty", "--duty takes away probes on calls only" },
	{ "-a --mode time,memory --types dict", "--types is for --mode lifetime" },
	{ "-a --mode time,gc -r 99", "--rate means nothing with --mode time: " },
	{ "-a --mode cpu,gc --by tree", "--by tree is for the exact modes" },
	{ "-a --mode memory,lifetime --show neverheard",
	  "unknown --show 'neverheard'; known: peak" },
	{ "-a --mode time,gc --sort neverheard", "unknown --sort column 'neverheard'" },
	{ "-a --mode gc -r 99", "--rate means nothing with --mode gc: every collection is seen" },
	{ "-a --mode gc -k", "--kernel means nothing with --mode gc: " },
	{ "-a --mode gc --leaks", "--leaks is for --mode memory" },
	{ "-a --mode gc --sort self", "unknown --sort column 'self'" },
	{ "-a --mode lifetime -r 99", "--rate means nothing with --mode lifetime: no clock" },
	{ "-a --mode lifetime -k", "--kernel means nothing with --mode lifetime: " },
	{ "-a --mode lifetime -n", "--native means nothing with --mode lifetime: " },
	{ "-a --mode lifetime --leaks", "--leaks is for --mode memory" },
	{ "-a --mode lifetime --raw", "--raw is for the exact modes: " },
	{ "-a --mode lifetime --by tree", "--by tree is for the exact modes: " },
	{ "-a --mode lifetime --show peak",
	  "unknown --show 'peak'; known: created, live, bytes, age" },
	{ "-a --mode memory --show created", "unknown --show 'created'; known: peak, live" },
	{ "-a --mode lifetime --sort self",
	  "unknown --sort column 'self'; known: created, live, bytes, age, destroyed, growth" },
	{ "-a --mode lifetime --sample 512k", "'512k' is not a share of objects, 1/1 to 1/" },
	{ "-a --mode lifetime --sample 1/0", "'1/0' is not a share of objects" },
	{ "-a --mode lifetime --sample 1/2M", "'1/2M' is not a share of objects" },
	{ "-a --mode memory --sample 1/64", "'1/64' is not a number of bytes" },
	{ "-a --mode memory --types dict", "--types is for --mode lifetime" },
	{ "-a --types dict", "--types is for --mode lifetime" },
	{ "-a --mode lifetime --types=", "--types needs a pattern" },
	{ "-a --mode lifetime -f pstats -o x", "pstats holds times of calls, not objects" },
	{ "-a --mode memory -r 99", "--rate means nothing with --mode memory: no clock" },
	{ "-a --mode memory -k", "--kernel means nothing with --mode memory: " },
	{ "-a --mode memory --probes usdt", "--probes is for the exact modes: " },
	{ "-a --mode memory --raw", "--raw is for the exact modes: " },
	{ "-a --mode memory --duty", "--duty is for the exact modes: " },
	{ "-a --mode memory --by tree", "--by tree is for the exact modes: " },
	{ "-a --leaks", "--leaks is for --mode memory" },
	{ "-a --temporary", "--temporary is for --mode memory" },
	{ "-a --rss --mode line", "--rss is for --mode memory" },
	{ "-a --show live", "--show is for --mode memory" },
	{ "-a --allocator object --mode time", "--allocator is for --mode memory" },
	{ "-a --sample 1M", "--sample is for --mode memory" },
	{ "-a --min-size 1M", "--min-size is for --mode memory" },
	{ "-a --max-blocks 1M", "--max-blocks is for --mode memory and --mode lifetime" },
	{ "-a --mode memory --sample 1M --min-size 4k",
	  "--sample and --min-size exclude each other" },
	{ "-a --mode memory --sample 0", "--sample 0 is out of bounds: 1 byte to 1 TiB" },
	{ "-a --mode memory --sample 2000G", "--sample 2000G is out of bounds" },
	{ "-a --mode memory --min-size big", "'big' is not a number of bytes" },
	{ "-a --mode memory --temporary=0", "'0' is neither a number of allocations nor a time" },
	{ "-a --mode memory --temporary=", "'' is neither a number of allocations nor a time" },
	{ "-a --mode memory --temporary=5000000000", "'5000000000' is neither" },
	{ "-a --mode memory --temporary=0ms", "'0ms' is neither a number of allocations nor" },
	{ "-a --mode memory --temporary=10bytes", "'10bytes' is neither a number" },
	{ "-a --mode memory --temporary 10", "unexpected argument '10'" },
	{ "-a --mode memory --temporary --leaks", "--temporary and --leaks ask opposite" },
	{ "-a --mode memory --show resident", "--show resident needs --rss" },
	{ "-a --mode memory --show faulted", "--show faulted needs --rss" },
	{ "-a --mode memory --sort resident", "--sort resident needs --rss" },
	{ "-a --mode memory --show growth",
	  "unknown --show 'growth'; known: peak, live, allocated, temporary, resident, faulted, "
	  "mapped, arenas" },
	{ "-a --mode memory --sort self", "unknown --sort column 'self'; known: peak, live" },
	{ "-a --sort peak", "unknown --sort column 'peak'; known: self, total" },
	{ "-a --mode memory --allocator pool",
	  "unknown --allocator 'pool'; known: malloc, object" },
	{ "-a --mode memory --allocator", "--allocator needs malloc|object" },
	{ "-a --mode memory --max-blocks 0", "'0' is not a number of blocks" },
	{ "-a --mode memory --max-blocks 3G", "'3G' is not a number of blocks" },
	{ "-a --mode memory -f pstats -o x", "pstats holds times, not bytes" },
	{ "-a --mode memory --leaks=yes", "--leaks takes no value" },
	{ "-a --mode time -r 99", "--rate means nothing with --mode time: every call is seen" },
	{ "-a --mode callgraph -n", "--native means nothing with --mode callgraph: only Python" },
	{ "-a -k --mode time", "--kernel means nothing with --mode time: only Python" },
	{ "-a --mode time --by line", "--by line means nothing with --mode time: " },
	{ "-a --by tree", "--by tree is for the exact modes: give --mode time or callgraph" },
	{ "-a --probes auto", "--probes is for the exact modes: give --mode time or callgraph" },
	{ "-a --raw --mode line", "--raw is for the exact modes: " },
	{ "-a --duty", "--duty is for the exact modes: " },
	{ "-a --mode time --duty --max-overhead none",
	  "--duty keeps the cost under --max-overhead, which must be above 0" },
	{ "-a --mode time --duty --max-overhead 0", "--duty keeps the cost under --max-overhead" },
	{ "--mode time --duty --max-overhead none -- a", "--duty keeps the cost under" },
	{ "-a --mode time --probes uprobe",
	  "unknown --probes 'uprobe'; known: usdt, eval, dispatch, auto" },
	{ "-a --by colour", "unknown --by 'colour'; known: function, class, module" },
	{ "-a --sort calls", "unknown --sort column 'calls'; known: self, total, name, samples" },
	{ "-a --mode time --sort samples", "unknown --sort column 'samples'; known: calls, self" },
	{ "-a --sort ncalls", "unknown --sort column 'ncalls'; known: self, total, name" },
	{ "-a --max-overhead lots", "'lots' is not a share of CPU time" },
	{ "-a -F ''", "-F needs a pattern" },
	{ "-a -o ''", "-o needs the name of a file" },
	{ "-a -f xml", "unknown format 'xml'; known: " },
	{ "-a -f json -f table", "json and table cannot both go to standard output" },
	{ "-a -f json -o x -f table -o x", "two reports cannot both go to x" },
	{ "-a -o x -o y", "-o x has no -f of its own" },
	{ "-a --record x.pyprof", "--record is not built yet in this version" },
	{ "lst", "unknown command 'lst'; did you mean list?" },
	{ "docter", "unknown command 'docter'; did you mean doctor?" },
	{ "4242", "unknown command '4242'; did you mean -p 4242?" },
	{ "app.py", "unknown command 'app.py'; to profile a program: pybpfprof -- python3 app.py" },
	{ "''", "unknown command ''" },
	{ "list -p 1", "unknown option -p for list" },
	{ "list --by line", "unknown option --by for list" },
	{ "list x", "unexpected argument 'x'" },
	{ "list -- x", "unexpected argument '--'" },
	{ "doctor -f folded", "doctor writes table or json, not 'folded'" },
};

Test(config, refuses_with_one_line)
{
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct parsed parsed;
		const char *message;

		parse_line(&parsed, refused[i].line, &quiet_host);
		message = parsed.message.bytes ? parsed.message.bytes : "";
		cr_expect_eq(parsed.err, -EINVAL, "'%s' gave %d", refused[i].line, parsed.err);
		cr_expect_eq(strncmp(message, refused[i].message, strlen(refused[i].message)), 0,
			     "'%s' says '%s'", refused[i].line, message);
		cr_expect_null(strchr(message, '\n'), "'%s' says more than a line",
			       refused[i].line);
		parsed_release(&parsed);
	}
}

Test(config, names_what_is_promised_but_not_built)
{
	static const char *const commands[] = { "report x",  "diff a b", "top",
						"dump -p 1", "agent",	 "case t.py" };
	static const char *const modes[] = { "wall", "gil", "trace" };
	struct parsed parsed;

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		parse_line(&parsed, commands[i], &quiet_host);
		cr_expect_eq(parsed.err, -EINVAL);
		cr_expect(strstr(parsed.message.bytes, " is not built yet in this version"), "%s",
			  commands[i]);
		parsed_release(&parsed);
	}
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		char line[64], expected[128];

		snprintf(line, sizeof(line), "-a --mode cpu,%s", modes[i]);
		snprintf(expected, sizeof(expected),
			 "mode '%s' is not built yet in this version; built: cpu, line, time, "
			 "callgraph, memory, lifetime, gc",
			 modes[i]);
		parse_line(&parsed, line, &quiet_host);
		cr_expect_eq(parsed.err, -EINVAL);
		cr_expect_str_eq(parsed.message.bytes, expected);
		parsed_release(&parsed);
	}
}

Test(config, obeys_the_kernels_sample_rate)
{
	const struct config_host slow = { .sample_rate_limit = 4000 };
	struct parsed parsed;

	parse_line(&parsed, "-a -r 4000", &slow);
	cr_expect_eq(parsed.err, 0);
	parsed_release(&parsed);
	parse_line(&parsed, "-a -r 5k", &slow);
	cr_expect_eq(parsed.err, -EINVAL);
	cr_expect_str_eq(parsed.message.bytes,
			 "this kernel allows at most 4000 samples a second, not 5000: "
			 "sysctl kernel.perf_event_max_sample_rate=5000");
	parsed_release(&parsed);
}

Test(config, honours_no_color_of_the_environment)
{
	const struct config_host colorless = { .no_color = true };
	struct parsed parsed;

	parse_line(&parsed, "-a", &colorless);
	cr_expect(parsed.config.no_color);
	parsed_release(&parsed);
}

Test(config, title_can_be_pasted_into_a_shell)
{
	char *words[] = { "/usr/bin/pybpfprof", "-p", "12", "-F", "it's *", "", NULL };
	struct buffer message;
	struct config config;

	/* The last word is refused; the title of a line that is accepted is what counts. */
	words[5] = "-q";
	buffer_init(&message);
	cr_assert_eq(config_parse(6, words, &quiet_host, &config, &message), 0);
	cr_expect_str_eq(config.title, "pybpfprof -p 12 -F 'it'\\''s *' -q");
	config_release(&config);
	buffer_release(&message);
}

Test(config, takes_a_very_long_unknown_option)
{
	char long_word[5000];
	char *words[] = { "pybpfprof", long_word, NULL };
	struct buffer message;
	struct config config;

	memset(long_word, 'x', sizeof(long_word));
	memcpy(long_word, "--", 2);
	long_word[sizeof(long_word) - 1] = 0;
	buffer_init(&message);
	cr_expect_eq(config_parse(2, words, &quiet_host, &config, &message), -EINVAL);
	config_release(&config);
	buffer_release(&message);
}
