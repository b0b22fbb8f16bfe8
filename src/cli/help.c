// SPDX-License-Identifier: GPL-2.0-only
/* --help. What is not built is not told of. */
#include <stdio.h>
#include <string.h>

#include "cli/help.h"
#include "cli/options.h"
#include "render/render.h"

enum {
	HELP_COLUMNS = 78,
	HELP_INDENT = 29, /* where the words of an option start */
	HELP_LIST_INDENT = 15,
};

struct help_pair {
	const char *name;
	const char *words;
};

static const struct help_pair help_commands[] = {
#define COMMAND(id, name, function, words) { name, words },
#define COMMAND_LATER(name)
#include "cli/commands.def"
#undef COMMAND
#undef COMMAND_LATER
};

static const struct help_pair help_modes[] = {
#define MODE(id, name, words) { name, words },
#define MODE_LATER(name)
#include "cli/modes.def"
#undef MODE
#undef MODE_LATER
};

static const char *const help_intro[COMMAND_COUNT] = {
	[COMMAND_PROFILE] =
		"Where running CPython processes spend their time and their memory, seen from\n"
		"outside with eBPF. The target is not restarted and not stopped, and no code of\n"
		"ours gets into it: the kernel sets breakpoints in it while we look.\n",
	[COMMAND_LIST] =
		"Every Python process on this host: pid, version, build, user, container, which\n"
		"probes exist, command line. Those that cannot be profiled are listed with the\n"
		"reason. Without root it tells what it may see, and what it may not.\n",
	[COMMAND_DOCTOR] =
		"What this kernel and this user allow: each line ok, degraded or missing, and\n"
		"what to do about it. Exit status 4 when something needed is missing.\n",
	[COMMAND_HEAP] =
		"Which objects a running CPython process has now: how many of each type and how\n"
		"large, the largest of them, how full pymalloc's arenas are. Its memory is only\n"
		"read; nothing runs in it, and it is not stopped unless --freeze asks for it.\n",
};

static const char *const help_examples[COMMAND_COUNT] = {
	[COMMAND_PROFILE] =
		"  pybpfprof -p 4242 -d 10               where the CPU of 4242 goes, for 10 s\n"
		"  pybpfprof -a -d 30 --by process       every Python process of the host\n"
		"  pybpfprof --mode line -F 'app.*' -p 4242      the hottest lines of a module\n"
		"  pybpfprof -n -k -r 1khz -p 4242       with native and kernel frames, 1 kHz\n"
		"  pybpfprof --mode time -p 4242 -d 5    every call counted and timed\n"
		"  pybpfprof --mode callgraph --by tree -F 'app.*' -- python3 app.py\n"
		"  pybpfprof --mode memory -p 4242 -d 60         who allocates, what was alive\n"
		"  pybpfprof --mode memory --leaks -p 4242 -d 5m         what keeps growing\n"
		"  pybpfprof --mode memory --sample 512k -a -d 60        at hardly any cost\n"
		"  pybpfprof --mode memory -f flamegraph -o peak.html -- python3 job.py\n"
		"  pybpfprof --mode lifetime -p 4242 -d 10       objects, and how old they get\n"
		"  pybpfprof --mode lifetime --by line --show live -p 4242 -d 60   what stays\n"
		"  pybpfprof --mode lifetime --types deque --sample 1/64 -p 4242 -d 10\n"
		"  pybpfprof --mode gc -p 4242 -d 60             every collection, and its line\n"
		"  pybpfprof --mode gc -f flamegraph -o gc.html -s -p 4242 -d 60\n"
		"  pybpfprof heap -p 4242                the objects there are now, by type\n"
		"  pybpfprof -f flamegraph -o cpu.html -- python3 app.py --size 3\n"
		"  pybpfprof -f table -f folded -o cpu.folded -d 5 -p 4242      both\n"
		"  pybpfprof -p 4242 -d 5 -f folded | flamegraph.pl > cpu.svg\n",
	[COMMAND_LIST] = "  pybpfprof list\n"
			 "  pybpfprof list -f json | jq '.[] | select(.supported) | .pid'\n",
	[COMMAND_DOCTOR] = "  sudo pybpfprof doctor\n"
			   "  pybpfprof doctor -f json\n",
	[COMMAND_HEAP] =
		"  pybpfprof heap -p 4242                what there is, by type\n"
		"  pybpfprof heap -p 4242 -f json -o before.json\n"
		"  pybpfprof heap -p 4242 --diff before.json     what grew since\n"
		"  pybpfprof heap -p 4242 --referrers dict       who refers to dicts, and how\n"
		"  pybpfprof heap -p 4242 --path app.models.Row  what holds them\n"
		"  pybpfprof heap -p 4242 --retained     what nothing reaches any more\n"
		"  pybpfprof heap -p 4242 --path 0x7f2a11c0 -f dot | dot -Tsvg > held.svg\n",
};

static const char *const help_group_titles[] = {
	[OPTION_GROUP_TARGET] = "Target, one of -p, -a, --cgroup, -- COMMAND",
	[OPTION_GROUP_MEASURE] = "Measuring",
	[OPTION_GROUP_MEMORY] = "Memory and objects, with --mode memory or lifetime",
	[OPTION_GROUP_REPORT] = "Report",
	[OPTION_GROUP_GENERAL] = "General",
};

/* Appends the words from `column` on, broken at spaces so that each line ends by HELP_COLUMNS. */
static void append_wrapped(struct buffer *out, const char *words, size_t column, size_t indent)
{
	while (*words) {
		size_t length = strcspn(words, " ");

		if (column + length > HELP_COLUMNS && column > indent) {
			buffer_printf(out, "\n%*s", (int)indent, "");
			column = indent;
		}
		buffer_append(out, words, length);
		column += length;
		words += length;
		if (*words == ' ') {
			words++;
			if (column + 1 + strcspn(words, " ") <= HELP_COLUMNS) {
				buffer_byte(out, ' ');
				column++;
			} else {
				column = HELP_COLUMNS; /* the next word goes to a new line */
			}
		}
	}
	buffer_byte(out, '\n');
}

/* The name, then its words from column `indent` on; on the next line when the name is too long. */
static void append_entry(struct buffer *out, const char *name, const char *words, size_t indent)
{
	size_t length = strlen(name);

	if (length + 2 > indent) {
		buffer_printf(out, "%s\n%*s", name, (int)indent, "");
	} else {
		buffer_printf(out, "%-*s", (int)indent, name);
	}
	append_wrapped(out, words, indent, indent);
}

static void append_option(struct buffer *out, const struct option_entry *option,
			  enum command_id command)
{
	const char *words = option->words;
	char name[64];

	if (command != COMMAND_PROFILE && option->id == OPTION_FORMAT)
		words = command == COMMAND_HEAP ?
				"table (default), json; of --referrers and --path also dot" :
				"table (default) or json";
	if (command != COMMAND_PROFILE && option->id == OPTION_OUTPUT)
		words = "write it there (default -, standard output)";
	snprintf(name, sizeof(name), "  %c%c%s--%s%s%s", option->letter ? '-' : ' ',
		 option->letter ? option->letter : ' ', option->letter ? ", " : "  ", option->name,
		 option->argument && !option_value_is_optional(option) ? " " : "",
		 option->argument ? option->argument : "");
	append_entry(out, name, words, HELP_INDENT);
}

static void append_options(struct buffer *out, enum command_id command)
{
	for (unsigned int group = 0; group < OPTION_GROUP_HIDDEN; group++) {
		bool titled = false;

		for (size_t i = 0; option_at(i); i++) {
			const struct option_entry *option = option_at(i);

			if (option->group != group || !(option->commands & 1u << command))
				continue;
			if (!titled)
				buffer_printf(out, "\n%s:\n", help_group_titles[group]);
			titled = true;
			append_option(out, option, command);
		}
		if (titled && command == COMMAND_PROFILE && group == OPTION_GROUP_TARGET)
			append_entry(out, "  -- COMMAND [ARG...]",
				     "run it and profile it from its first bytecode; its exit "
				     "status is returned",
				     HELP_INDENT);
	}
}

static void append_named(struct buffer *out, const char *name, const char *words)
{
	char indented[32];

	snprintf(indented, sizeof(indented), "  %s", name);
	append_entry(out, indented, words, HELP_LIST_INDENT);
}

static void append_lists(struct buffer *out)
{
	buffer_string(out, "\nModes:\n");
	for (size_t i = 0; i < sizeof(help_modes) / sizeof(help_modes[0]); i++)
		append_named(out, help_modes[i].name, help_modes[i].words);
	buffer_string(out, "\nFormats:\n");
	for (size_t i = 0; renderer_at(i); i++)
		append_named(out, renderer_at(i)->name, renderer_at(i)->description);
}

static void append_exit_status(struct buffer *out)
{
	buffer_string(out,
		      "\nExit status:\n"
		      "  0 a report was made   1 it failed while running   2 wrong command line\n"
		      "  3 no such target, no CPython, or a CPython we do not know\n"
		      "  4 the kernel or the user's rights do not allow it\n"
		      "  With -- COMMAND and a report made: the command's own.\n");
}

void help_append(struct buffer *out, enum command_id command)
{
	if (command == COMMAND_PROFILE) {
		buffer_string(out, "usage: pybpfprof [TARGET] [--mode MODE[,MODE...]] [OPTIONS]\n"
				   "       pybpfprof [OPTIONS] -- COMMAND [ARG...]\n");
		for (size_t i = 1; i < COMMAND_COUNT; i++)
			buffer_printf(out, "       pybpfprof %s [OPTIONS]\n",
				      help_commands[i].name);
	} else {
		buffer_printf(out, "usage: pybpfprof %s [OPTIONS]\n", help_commands[command].name);
	}
	buffer_printf(out, "\n%s", help_intro[command]);
	if (command == COMMAND_PROFILE) {
		buffer_string(out, "\nCommands:\n");
		for (size_t i = 0; i < COMMAND_COUNT; i++)
			append_named(out, i ? help_commands[i].name : "(none)",
				     help_commands[i].words);
	}
	append_options(out, command);
	if (command == COMMAND_PROFILE)
		append_lists(out);
	buffer_printf(out, "\nExamples:\n%s", help_examples[command]);
	if (command == COMMAND_PROFILE)
		append_exit_status(out);
}
