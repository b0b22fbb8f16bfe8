/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The command line, understood. This is the only room that knows flags: everybody else is handed
 * values. Parsing is pure: it looks at nothing but its arguments, prints nothing, exits nowhere.
 */
#ifndef PYBPFPROF_CLI_CONFIG_H
#define PYBPFPROF_CLI_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"
#include "cli/commands.h"
#include "model/call_rollup.h"
#include "model/census.h"
#include "model/collections_rollup.h"
#include "model/lifetime_rollup.h"
#include "model/memory_rollup.h"
#include "model/profile.h"
#include "model/rollup.h"

enum config_mode {
#define MODE(id, name, words) CONFIG_MODE_##id,
#define MODE_LATER(name)
#include "cli/modes.def"
#undef MODE
#undef MODE_LATER
	CONFIG_MODE_COUNT
};

enum config_action { CONFIG_RUN, CONFIG_HELP, CONFIG_VERSION };

/* What the parser must know of the surroundings, so that it need not look itself. */
struct config_host {
	bool no_color; /* NO_COLOR is set and not empty */
	bool stdout_terminal;
	uint32_t sample_rate_limit; /* kernel.perf_event_max_sample_rate; 0 unknown */
};

/* One report of the run: a format and where it goes. */
struct config_report {
	const char *format; /* a name renderer_find() knows; list and doctor: "table" or "json" */
	const char *path;   /* NULL: standard output */
};

/* Of `heap`. */
struct config_heap {
	const char *diff;      /* file of an earlier census; NULL: none */
	const char *referrers; /* a type, or 0x...; NULL: not asked */
	const char *path;
	bool retained;
	uint32_t freeze_ms; /* 0: the process is never stopped */
	enum census_sort sort;
};

/* Strings are borrowed from argv, arrays are owned. */
struct config {
	enum config_action action;
	enum command_id command;

	/* The target: exactly one of pids, all, cgroup and argv is given. */
	pid_t *pids; /* each once, in the order given */
	size_t pid_count;
	bool all;
	const char *cgroup;
	char *const *argv; /* of the COMMAND, NULL-terminated; NULL: none */
	bool subprocesses; /* -s; always true with a COMMAND */

	unsigned int modes;   /* bits 1 << enum config_mode, at least one */
	uint64_t duration_ns; /* 0: no limit */
	uint32_t rate_hz;
	bool native;
	bool kernel;
	double max_overhead_percent; /* of the target's CPU time; negative: no limit */
	int probes; /* exact modes: the enum call_way to use; -1: chosen for each process */
	bool raw;   /* exact modes: the probes' cost stays in the times */
	bool duty;  /* exact modes: probes in windows; the overhead then has a limit above 0 */

	/* Of --mode memory, as struct memory has them. */
	bool objects;		 /* CPython's own allocator as well */
	uint64_t min_size_bytes; /* 0: all blocks */
	uint64_t sample_bytes;	 /* 0: every block */
	/* What is temporary, by either of the two; always one of them is not 0. */
	uint64_t temporary_distance;
	uint64_t temporary_ns;
	bool leaks;
	bool resident; /* --rss */
	enum memory_view show;
	bool show_given;     /* by --show itself */
	uint64_t max_blocks; /* live blocks to have room for; 0: by the machine's memory */

	/* Of --mode lifetime. */
	const char **types; /* --types: patterns of built-in and extension types */
	size_t type_count;
	uint64_t sample_one_in; /* of those; 1: every object is followed */
	enum lifetime_view lifetime_view;

	struct config_heap heap;

	struct config_report *reports; /* at least one; at most one goes to standard output */
	size_t report_count;
	const char **globs;
	size_t glob_count;
	enum rollup_by by; /* of the first part that was asked */
	enum rollup_by
		part_by[PART_COUNT];	  /* memory and gc by line, lifetime by class by default */
	enum rollup_sort sort;		  /* of sampled modes */
	enum call_rollup_sort call_sort;  /* of exact modes */
	enum memory_sort memory_sort;	  /* of --mode memory */
	enum lifetime_sort lifetime_sort; /* of --mode lifetime */
	enum gc_sort gc_sort;		  /* of --mode gc */
	uint32_t limit;			  /* rows; 0: all */
	bool threads;

	char *title; /* owned; the command line as a shell would take it: "pybpfprof -p 42" */
	bool no_color;
	bool quiet;
	unsigned int verbosity; /* how often -v */
};

/*
 * Fills *config, which config_release() frees whatever is returned. 0; or -EINVAL with *message
 * one line that says what is wrong with the command line (exit EXIT_USAGE); or -ENOMEM.
 * `argv` as main() got it, and must outlive *config. An action other than CONFIG_RUN leaves the
 * rest unchecked.
 */
int config_parse(int argc, char *const *argv, const struct config_host *host, struct config *config,
		 struct buffer *message);
void config_release(struct config *config);

/* "cpu", "line". */
const char *config_mode_name(enum config_mode mode);
bool config_has_mode(const struct config *config, enum config_mode mode);
/* Modes of one part are answered together; of how many parts are those that were asked. */
enum profile_part config_mode_part(enum config_mode mode);
bool config_has_part(const struct config *config, enum profile_part part);
unsigned int config_part_count(const struct config *config);
/* --mode time, callgraph, or both: every call is seen, nothing is sampled. */
bool config_is_exact(const struct config *config);

#endif
