// SPDX-License-Identifier: GPL-2.0-only
/*
 * Looks through what a process has mapped for a CPython, and has it proven. The contract is in
 * python.h.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "proc/maps.h"
#include "proc/process.h"
#include "python/cache.h"
#include "python/prove.h"
#include "python/python.h"
#include "python/version.h"

enum { FILES_MAX = 1024, ROUNDS = 2 };

struct inspection {
	struct python_cache *cache;
	struct python_process *process;
	struct maps maps;
	const struct mapping *files[FILES_MAX]; /* one executable mapping of each file */
	size_t file_count;
	const struct mapping *main; /* the executable's, among them; NULL: not seen */
	bool glibc, musl;
	bool denied; /* a file could not be opened for lack of rights */
};

static void verdict_set(struct python_process *process, enum python_verdict verdict,
			const char *reason)
{
	process->verdict = verdict;
	snprintf(process->reason, sizeof(process->reason), "%s", reason);
}

/* A verdict about a file, whose name may be anyone's. */
static void verdict_of_file(struct python_process *process, enum python_verdict verdict,
			    const char *path, const char *what)
{
	struct buffer line;

	buffer_init(&line);
	text_append_safe(&line, path, strlen(path));
	buffer_printf(&line, ": %s", what);
	verdict_set(process, verdict, buffer_error(&line) ? what : line.bytes);
	buffer_release(&line);
}

static const char *last_component(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool file_is_listed(const struct inspection *inspection, const struct mapping *mapping)
{
	/* Mappings of one file are neighbours nearly always. */
	for (size_t i = inspection->file_count; i-- > 0;) {
		if (inspection->files[i]->inode == mapping->inode &&
		    inspection->files[i]->device == mapping->device)
			return true;
	}
	return false;
}

/* The path of /proc/PID/exe, without what the kernel appends for a deleted one. */
static void main_path(pid_t pid, char *out, size_t size)
{
	static const char deleted[] = " (deleted)";
	const size_t suffix = sizeof(deleted) - 1;
	char link[64];
	ssize_t length;

	snprintf(link, sizeof(link), "/proc/%d/exe", (int)pid);
	length = readlink(link, out, size - 1);
	if (length < 0)
		length = 0;
	out[length] = '\0';
	if ((size_t)length > suffix && strcmp(out + length - suffix, deleted) == 0)
		out[(size_t)length - suffix] = '\0';
}

static void files_list(struct inspection *inspection)
{
	char path[4096];

	main_path(inspection->process->pid, path, sizeof(path));
	for (size_t i = 0; i < inspection->maps.count; i++) {
		const struct mapping *mapping = &inspection->maps.mappings[i];
		const char *name = last_component(mapping->path);

		if (!(mapping->flags & MAPPING_EXEC) || mapping->inode == 0 ||
		    mapping->path[0] != '/' || inspection->file_count == FILES_MAX ||
		    file_is_listed(inspection, mapping))
			continue;
		inspection->files[inspection->file_count++] = mapping;
		if (!inspection->main && strcmp(mapping->path, path) == 0)
			inspection->main = mapping;
		if (strcmp(name, "libc.so.6") == 0 || strncmp(name, "libc-2.", 7) == 0)
			inspection->glibc = true;
		if (strncmp(name, "ld-musl-", 8) == 0 || strncmp(name, "libc.musl-", 10) == 0)
			inspection->musl = true;
	}
}

/*
 * An executable that was linked against a libpython as position-dependent code may hold copies of
 * the library's variables (R_X86_64_COPY); the library itself then uses those.
 */
static void addresses_find(const struct inspection *inspection, const struct mapping *mapping,
			   const struct binary *binary, struct candidate *candidate)
{
	const struct binary *copies;
	uint64_t bias;

	candidate->runtime = candidate->bias + binary->runtime;
	candidate->code_type = binary->code_type ? candidate->bias + binary->code_type : 0;
	if (!inspection->main || mapping == inspection->main ||
	    python_cache_binary(inspection->cache, candidate->pid, inspection->main, true, &copies,
				NULL, 0) ||
	    binary_bias(copies, inspection->main, &bias))
		return;
	if (copies->runtime)
		candidate->runtime = bias + copies->runtime;
	if (copies->code_type)
		candidate->code_type = bias + copies->code_type;
}

static void cpython_judge(struct inspection *inspection, const struct mapping *mapping,
			  const struct binary *found)
{
	struct python_process *process = inspection->process;
	/* The cache may move while the executable's own facts are looked up. */
	const struct binary binary = *found;
	struct candidate candidate = {
		.pid = process->pid,
		.binary = &binary,
		.glibc = inspection->glibc,
		.musl = inspection->musl,
	};

	process->shared = mapping != inspection->main;
	process->stripped = binary.stripped;
	process->debug = binary.debug;
	process->musl = inspection->musl;
	process->deleted = mapping->flags & MAPPING_DELETED;
	process->probes = binary.probes;
	snprintf(process->binary, sizeof(process->binary), "%s", mapping->path);
	if (binary_bias(&binary, mapping, &candidate.bias)) {
		verdict_of_file(process, PYTHON_UNSUPPORTED, mapping->path,
				"mapped where its segments are not");
		return;
	}
	process->load_bias = candidate.bias;
	addresses_find(inspection, mapping, &binary, &candidate);
	candidate_prove(&candidate, process);
}

/* Returns whether the verdict about the process is settled. */
static bool file_judge(struct inspection *inspection, const struct mapping *mapping)
{
	struct python_process *process = inspection->process;
	const char *name = last_component(mapping->path);
	const struct binary *binary;
	char open_path[sizeof(process->binary_open)];
	char what[128];
	int err = python_cache_binary(inspection->cache, process->pid, mapping,
				      mapping == inspection->main, &binary, open_path,
				      sizeof(open_path));

	if (err == -EACCES || err == -EPERM)
		inspection->denied = true;
	if (err)
		return false;
	if (mapping == inspection->main && binary->musl)
		inspection->musl = true;
	switch (binary->kind) {
	case BINARY_CPYTHON:
		memcpy(process->binary_open, open_path, sizeof(open_path));
		cpython_judge(inspection, mapping, binary);
		return true;
	case BINARY_CPYTHON_OLD:
		snprintf(what, sizeof(what), "Python %s is not supported (3.8 to 3.15 are)",
			 binary->old_version);
		verdict_set(process, PYTHON_UNSUPPORTED, what);
		return true;
	case BINARY_PYPY:
		verdict_set(process, PYTHON_UNSUPPORTED, "PyPy is not supported, only CPython is");
		return true;
	case BINARY_STRIPPED:
		/* A library loaded by this file may still be the interpreter. */
		verdict_of_file(process, PYTHON_UNSUPPORTED, name,
				"stripped of its dynamic symbols: its CPython cannot be found");
		return false;
	case BINARY_FOREIGN:
		verdict_of_file(process, PYTHON_UNSUPPORTED, name,
				"not for x86-64, the only machine supported");
		return false;
	case BINARY_OTHER:
		if (binary->needs_libpython && mapping == inspection->main)
			verdict_set(process, PYTHON_STARTING, "its libpython is not loaded yet");
		return false;
	}
	return false;
}

/* The executable first, then what is named like an interpreter, then everything else. */
static bool files_judge(struct inspection *inspection)
{
	if (inspection->main && file_judge(inspection, inspection->main))
		return true;
	for (int named = 1; named >= 0; named--) {
		for (size_t i = 0; i < inspection->file_count; i++) {
			const struct mapping *mapping = inspection->files[i];

			if (mapping != inspection->main &&
			    binary_name_is_python(mapping->path) == named &&
			    file_judge(inspection, mapping))
				return true;
		}
	}
	return false;
}

/* One look at the process as it is now. */
static void inspect_once(struct python_cache *cache, const struct proc_stat *stat,
			 struct python_process *process)
{
	struct inspection *inspection = calloc(1, sizeof(*inspection));
	int err;

	if (!inspection) {
		verdict_set(process, PYTHON_DENIED, "out of memory");
		return;
	}
	inspection->cache = cache;
	inspection->process = process;
	verdict_set(process, PYTHON_NOT, "no CPython in this process");
	err = maps_read(process->pid, &inspection->maps);
	if (err == -ESRCH)
		verdict_set(process, PYTHON_GONE, "the process ended");
	else if (err == -EACCES)
		verdict_set(process, PYTHON_DENIED,
			    "its memory map may not be read: needs root, or CAP_SYS_PTRACE");
	else if (err)
		verdict_set(process, PYTHON_DENIED, "its memory map cannot be read");
	else if (inspection->maps.count == 0 && !proc_stat_is_kernel(stat))
		verdict_set(process, PYTHON_GONE, "the process is ending");
	if (err || process->verdict == PYTHON_GONE)
		goto done;
	files_list(inspection);
	if (!files_judge(inspection) && process->verdict == PYTHON_NOT && inspection->denied)
		verdict_set(process, PYTHON_DENIED,
			    "its files may not be read: needs root, or CAP_SYS_PTRACE");
done:
	maps_release(&inspection->maps);
	free(inspection);
}

static void process_reset(struct python_process *process, pid_t pid)
{
	*process = (struct python_process){ .pid = pid, .verdict = PYTHON_NOT };
}

void python_inspect(struct python_cache *cache, pid_t pid, struct python_process *process)
{
	struct proc_stat before, after;

	/* A process that executes another program under our eyes gives a mixed picture: look again. */
	for (int round = 0; round < ROUNDS; round++) {
		process_reset(process, pid);
		if (proc_stat_read(pid, &before) || proc_stat_is_dead(&before)) {
			verdict_set(process, PYTHON_GONE, "no such process");
			return;
		}
		process->start_ticks = before.start_ticks;
		inspect_once(cache, &before, process);
		if (proc_stat_read(pid, &after) || proc_stat_is_dead(&after) ||
		    after.start_ticks != before.start_ticks) {
			process_reset(process, pid);
			process->start_ticks = before.start_ticks;
			verdict_set(process, PYTHON_GONE, "the process ended");
			return;
		}
		if (process->verdict != PYTHON_UNSUPPORTED)
			return;
	}
}
