// SPDX-License-Identifier: GPL-2.0-only
/*
 * `pybpfprof list`:
 *
 *	PID   VERSION  BUILD            USER  CONTAINER     CALLS     PROBES              COMMAND
 *	812   3.11.2   static stripped  root  -             dispatch  sample usdt:gc,...  python3 app.py
 *	4242  3.13.0   shared           www   3f4e5d6c7b8a  none      sample              gunicorn: wor...
 *	      no exact calls: built with tail calls, which have no dispatch table
 *	5050  2.7.18   -                www   -             -         -                   python2 old.py
 *	      not profilable: CPython 2.7 is not known
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/log.h"
#include "base/text.h"
#include "cli/commands.h"
#include "cli/config.h"
#include "cli/exit.h"
#include "cli/output.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "cli/ways.h"
#include "proc/process.h"
#include "python/python.h"

enum {
	CONTAINER_SHORT = 12, /* digits of an id that people know it by */
	COMMAND_COLUMNS_MIN = 20,
	KTHREADD_PID = 2,
};

enum list_column {
	LIST_PID,
	LIST_VERSION,
	LIST_BUILD,
	LIST_USER,
	LIST_CONTAINER,
	LIST_CALLS,
	LIST_PROBES,
	LIST_COMMAND,
	LIST_COLUMN_COUNT
};

static const char *const column_titles[LIST_COLUMN_COUNT] = {
	"PID", "VERSION", "BUILD", "USER", "CONTAINER", "CALLS", "PROBES", "COMMAND",
};

struct list_row {
	struct python_process python;
	struct way_choice way; /* of a process that can be profiled */
	uid_t uid;
	char user[64];
	char container[128];
	struct buffer command; /* raw, as the process has it */
};

struct list {
	pid_t *pids;
	size_t pid_count;
	struct list_row **rows; /* ascending by pid */
	size_t row_count;
	size_t looked_count; /* processes that could be looked at, kernel threads aside */
	size_t denied_count;
	pid_t denied_pid; /* the first of them */
	char denied_reason[256];
};

/* ---- gathering ---- */

static int keep_pid(pid_t pid, void *arg)
{
	struct list *list = arg;
	pid_t *pids;

	if (pid == getpid())
		return 0;
	pids = realloc(list->pids, (list->pid_count + 1) * sizeof(*pids));
	if (!pids)
		return -ENOMEM;
	list->pids = pids;
	pids[list->pid_count++] = pid;
	return 0;
}

static int compare_pids(const void *left, const void *right)
{
	pid_t a = *(const pid_t *)left, b = *(const pid_t *)right;

	return (a > b) - (a < b);
}

static void row_free(struct list_row *row)
{
	buffer_release(&row->command);
	free(row);
}

static int keep_row(struct list *list, struct list_row *row)
{
	struct list_row **rows =
		realloc(list->rows, (list->row_count + 1) * sizeof(struct list_row *));

	if (!rows)
		return -ENOMEM;
	list->rows = rows;
	rows[list->row_count++] = row;
	return 0;
}

/* Who runs it; what cannot be read (it may end meanwhile) stays empty. */
static void describe(struct list_row *row)
{
	struct proc_status status;
	pid_t pid = row->python.pid;

	if (!proc_status_read(pid, &status)) {
		row->uid = status.uid;
		proc_user_name(status.uid, row->user, sizeof(row->user));
	}
	if (proc_container(pid, row->container, sizeof(row->container)))
		row->container[0] = 0;
	proc_command_line(pid, &row->command);
}

/* Children of kthreadd; they have no memory to be denied, and tell nothing about rights. */
static bool is_kernel_thread(pid_t pid)
{
	struct proc_stat stat;

	return pid == KTHREADD_PID ||
	       (!proc_stat_read(pid, &stat) && stat.parent_pid == KTHREADD_PID);
}

static void note_denied(struct list *list, const struct python_process *python)
{
	if (list->denied_count++)
		return;
	list->denied_pid = python->pid;
	memcpy(list->denied_reason, python->reason, sizeof(list->denied_reason));
}

static int look_at(struct list *list, struct python_cache *cache, struct ways *ways, pid_t pid)
{
	struct list_row *row = calloc(1, sizeof(*row));
	int err = 0;

	if (!row)
		return -ENOMEM;
	buffer_init(&row->command);
	python_inspect(cache, pid, &row->python);
	switch (row->python.verdict) {
	case PYTHON_KNOWN:
	case PYTHON_STARTING:
	case PYTHON_UNSUPPORTED:
		list->looked_count++;
		describe(row);
		if (row->python.verdict == PYTHON_KNOWN)
			err = ways_choose(ways, &row->python, &row->way);
		if (!err)
			err = keep_row(list, row);
		if (!err)
			return 0;
		break;
	case PYTHON_NOT:
		if (!list->looked_count && !is_kernel_thread(pid))
			list->looked_count++;
		break;
	case PYTHON_GONE:
		break;
	case PYTHON_DENIED:
		note_denied(list, &row->python);
		break;
	}
	row_free(row);
	return err;
}

static int list_gather(struct list *list)
{
	struct python_cache *cache = python_cache_new();
	struct ways *ways = ways_new();
	int err = cache && ways ? proc_each(keep_pid, list) : -ENOMEM;

	if (!err && list->pid_count)
		qsort(list->pids, list->pid_count, sizeof(*list->pids), compare_pids);
	for (size_t i = 0; !err && i < list->pid_count; i++)
		err = look_at(list, cache, ways, list->pids[i]);
	ways_free(ways);
	python_cache_free(cache);
	return err;
}

static void list_release(struct list *list)
{
	for (size_t i = 0; i < list->row_count; i++)
		row_free(list->rows[i]);
	free(list->rows);
	free(list->pids);
}

/* ---- words ---- */

struct words {
	const char *word[8];
	size_t count;
};

static struct words build_words(const struct python_process *python)
{
	struct words words = { .count = 0 };

	words.word[words.count++] = python->shared ? "shared" : "static";
	if (python->stripped)
		words.word[words.count++] = "stripped";
	if (python->debug)
		words.word[words.count++] = "debug";
	if (python->free_threaded)
		words.word[words.count++] = "free-threaded";
	if (python->musl)
		words.word[words.count++] = "musl";
	if (python->deleted)
		words.word[words.count++] = "deleted";
	return words;
}

static struct words probe_words(const struct python_process *python)
{
	static const struct {
		enum python_probe probe;
		const char *word;
	} probes[] = {
		{ PYTHON_PROBE_USDT_FUNCTION, "usdt:function" },
		{ PYTHON_PROBE_USDT_LINE, "usdt:line" },
		{ PYTHON_PROBE_USDT_GC, "usdt:gc" },
		{ PYTHON_PROBE_USDT_IMPORT, "usdt:import" },
		{ PYTHON_PROBE_USDT_AUDIT, "usdt:audit" },
	};
	struct words words = { .word = { "sample" }, .count = 1 };

	for (size_t i = 0; i < sizeof(probes) / sizeof(probes[0]); i++) {
		if (python->probes & probes[i].probe)
			words.word[words.count++] = probes[i].word;
	}
	return words;
}

/* "static stripped"; of "usdt:line", "usdt:gc" the second as ",gc": tables are narrow. */
static void append_words(struct buffer *out, struct words words)
{
	for (size_t i = 0; i < words.count; i++) {
		const char *colon = strchr(words.word[i], ':');

		if (i && colon && strchr(words.word[i - 1], ':'))
			buffer_printf(out, ",%s", colon + 1);
		else
			buffer_printf(out, "%s%s", i ? " " : "", words.word[i]);
	}
}

/* ---- table ---- */

/* One cell as it is printed: safe for a terminal, "-" where there is nothing. */
static void append_cell(struct buffer *out, const struct list_row *row, enum list_column column)
{
	const struct python_process *python = &row->python;
	size_t before = out->length;

	switch (column) {
	case LIST_PID:
		buffer_printf(out, "%d", (int)python->pid);
		break;
	case LIST_VERSION:
		text_append_safe(out, python->version, strlen(python->version));
		break;
	case LIST_BUILD:
		if (python->verdict == PYTHON_KNOWN)
			append_words(out, build_words(python));
		break;
	case LIST_USER:
		text_append_safe(out, row->user, strlen(row->user));
		break;
	case LIST_CONTAINER:
		text_append_safe(out, row->container, strnlen(row->container, CONTAINER_SHORT));
		break;
	case LIST_CALLS:
		if (python->verdict == PYTHON_KNOWN)
			buffer_string(out, row->way.name ? row->way.name : "none");
		break;
	case LIST_PROBES:
		if (python->verdict == PYTHON_KNOWN)
			append_words(out, probe_words(python));
		break;
	case LIST_COMMAND:
		text_append_safe(out, row->command.bytes ? row->command.bytes : "",
				 row->command.length);
		break;
	case LIST_COLUMN_COUNT:
		break;
	}
	if (out->length == before)
		buffer_byte(out, '-');
}

/* A cell that was cut may be a column short, where a wide character did not fit. */
static void append_padded(struct buffer *out, const char *cell, size_t width)
{
	size_t columns = text_width(cell);

	text_append_fitted(out, cell, width);
	if (columns > width)
		columns = width;
	while (columns++ < width + 2)
		buffer_byte(out, ' ');
}

static void measure(const struct list *list, size_t widths[LIST_COMMAND])
{
	struct buffer cell;

	buffer_init(&cell);
	for (int column = 0; column < LIST_COMMAND; column++) {
		widths[column] = strlen(column_titles[column]);
		for (size_t i = 0; i < list->row_count; i++) {
			size_t columns;

			buffer_clear(&cell);
			append_cell(&cell, list->rows[i], column);
			columns = text_width(cell.bytes ? cell.bytes : "");
			if (columns > widths[column])
				widths[column] = columns;
		}
	}
	buffer_release(&cell);
}

/* Takes from the widths, least important first, so that the command has some room; returns it. */
static size_t fit(size_t widths[LIST_COMMAND], size_t columns)
{
	static const struct {
		enum list_column column;
		size_t least;
	} order[] = {
		{ LIST_PROBES, 12 }, { LIST_BUILD, 12 }, { LIST_CONTAINER, 9 }, { LIST_USER, 8 }
	};
	size_t needed = COMMAND_COLUMNS_MIN;

	for (int column = 0; column < LIST_COMMAND; column++)
		needed += widths[column] + 2;
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]) && needed > columns; i++) {
		size_t *width = &widths[order[i].column];
		size_t spare = *width > order[i].least ? *width - order[i].least : 0;

		if (spare > needed - columns)
			spare = needed - columns;
		*width -= spare;
		needed -= spare;
	}
	return COMMAND_COLUMNS_MIN + (columns > needed ? columns - needed : 0);
}

/* A line of its own, below the process that it is about. */
static void append_reason(struct buffer *out, const size_t widths[LIST_COMMAND], const char *what,
			  const char *reason)
{
	buffer_printf(out, "%*s%s: ", (int)widths[LIST_PID] + 2, "", what);
	text_append_safe(out, reason, strlen(reason));
	buffer_byte(out, '\n');
}

/* `columns` 0: no terminal, nothing is cut. */
static void append_table(struct buffer *out, const struct list *list, uint32_t columns)
{
	size_t widths[LIST_COMMAND], room;
	struct buffer cell;

	measure(list, widths);
	room = fit(widths, columns ? columns : SIZE_MAX);

	for (int column = 0; column < LIST_COMMAND; column++)
		append_padded(out, column_titles[column], widths[column]);
	buffer_printf(out, "%s\n", column_titles[LIST_COMMAND]);

	buffer_init(&cell);
	for (size_t i = 0; i < list->row_count; i++) {
		const struct list_row *row = list->rows[i];

		for (int column = 0; column < LIST_COLUMN_COUNT; column++) {
			buffer_clear(&cell);
			append_cell(&cell, row, column);
			if (buffer_error(&cell))
				break;
			if (column < LIST_COMMAND)
				append_padded(out, cell.bytes, widths[column]);
			else
				text_append_fitted(out, cell.bytes, room);
		}
		buffer_byte(out, '\n');
		if (row->python.verdict != PYTHON_KNOWN)
			append_reason(out, widths, "not profilable", row->python.reason);
		else if (!row->way.name)
			append_reason(out, widths, "no exact calls", row->way.reason);
	}
	if (buffer_error(&cell) && !out->error)
		out->error = buffer_error(&cell);
	buffer_release(&cell);
}

/* ---- JSON ---- */

static void append_json_words(struct buffer *out, const char *key, struct words words)
{
	buffer_printf(out, "\"%s\": [", key);
	for (size_t i = 0; i < words.count; i++)
		buffer_printf(out, "%s\"%s\"", i ? ", " : "", words.word[i]);
	buffer_byte(out, ']');
}

static void append_json_or_null(struct buffer *out, const char *key, const char *value)
{
	if (value && *value)
		output_json_string(out, key, value);
	else
		buffer_printf(out, "\"%s\": null", key);
}

static void append_json_row(struct buffer *out, const struct list_row *row)
{
	const struct python_process *python = &row->python;
	bool known = python->verdict == PYTHON_KNOWN;
	const struct words none = { .count = 0 };

	buffer_printf(out, "{ \"pid\": %d, ", (int)python->pid);
	append_json_or_null(out, "version", python->version);
	buffer_string(out, ", ");
	output_json_bool(out, "supported", known);
	buffer_string(out, ", ");
	append_json_or_null(out, "reason", known ? NULL : python->reason);
	buffer_string(out, ", ");
	append_json_words(out, "build", known ? build_words(python) : none);
	buffer_string(out, ", ");
	append_json_or_null(out, "binary", python->binary);
	buffer_printf(out, ", \"uid\": %u, ", (unsigned int)row->uid);
	append_json_or_null(out, "user", row->user);
	buffer_string(out, ", ");
	append_json_or_null(out, "container", row->container);
	buffer_string(out, ", ");
	append_json_words(out, "probes", known ? probe_words(python) : none);
	buffer_string(out, ", ");
	append_json_or_null(out, "plan", row->way.name);
	buffer_string(out, ", ");
	append_json_or_null(out, "plan_reason", row->way.reason);
	buffer_string(out, ", ");
	append_json_or_null(out, "command", row->command.bytes);
	buffer_string(out, " }");
}

static void append_json(struct buffer *out, const struct list *list)
{
	buffer_byte(out, '[');
	for (size_t i = 0; i < list->row_count; i++) {
		buffer_string(out, i ? ",\n  " : "\n  ");
		append_json_row(out, list->rows[i]);
	}
	buffer_string(out, "\n]\n");
}

static void tell_what_is_missing(const struct list *list)
{
	if (!list->row_count)
		log_warn("no Python process was found");
	if (!list->denied_count)
		return;
	/* Root is denied the few processes with rights beyond root's own: nothing to be done. */
	if (!geteuid())
		log_verbose("process %d could not be looked at: %s", (int)list->denied_pid,
			    list->denied_reason);
	else
		log_warn("%zu processes could not be looked at, %d the first: %s",
			 list->denied_count, (int)list->denied_pid, list->denied_reason);
}

int cmd_list(const struct config *config)
{
	const struct config_report *report = &config->reports[0];
	struct list list = { .pid_count = 0 };
	struct buffer text;
	int status = EXIT_REPORT;
	int err;

	signals_ignore_pipe();
	buffer_init(&text);
	err = list_gather(&list);
	if (err) {
		log_error("cannot list processes: %s", strerror(-err));
		status = EXIT_FAILED_RUNNING;
		goto done;
	}
	if (!list.looked_count && list.denied_count) {
		log_error("no process could be looked at: %s", list.denied_reason);
		status = EXIT_NOT_ALLOWED;
		goto done;
	}
	if (!strcmp(report->format, "json"))
		append_json(&text, &list);
	else
		append_table(&text, &list, report->path ? 0 : terminal_columns(STDOUT_FILENO));
	if (output_text(report->path, &text)) {
		status = EXIT_FAILED_RUNNING;
		goto done;
	}
	tell_what_is_missing(&list);
done:
	buffer_release(&text);
	list_release(&list);
	return status;
}
