// SPDX-License-Identifier: GPL-2.0-only
/* From a file's facts to a verdict about the process. The contract is in prove.h. */
#include "python/prove.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "proc/memory.h"
#include "python/debug_offsets.h"
#include "python/layout.h"
#include "python/locator.h"
#include "python/threads.h"
#include "python/version.h"

enum {
	ATTEMPTS = 4,
	ATTEMPT_PAUSE_NS = 500 * 1000,
	POINTERS_LOOKED_AT = 64,
	DEBUG_OFFSETS_MINOR = 13, /* the first version that has them */
	VERSION_EXPORTED_MINOR = 11,
	TRACE_REFS_LAST_MINOR = 12, /* from then on Py_TRACE_REFS leaves the object header alone */
};

struct proof {
	const struct candidate *candidate;
	struct python_process *process;
	struct layout layout; /* our own copy: _Py_DebugOffsets may overrule it */
	struct threads threads;
	uint64_t code_type;
	struct python_locator locator;
	bool is_last_attempt;
};

static void verdict_set(struct python_process *process, enum python_verdict verdict,
			const char *reason)
{
	process->verdict = verdict;
	/* Several reasons are written in place before the verdict is known. */
	if (reason != process->reason)
		snprintf(process->reason, sizeof(process->reason), "%s", reason);
}

static void unsupported(struct python_process *process, const char *what)
{
	snprintf(process->reason, sizeof(process->reason), "Python %s: %s",
		 process->version[0] ? process->version : "3", what);
	process->verdict = PYTHON_UNSUPPORTED;
}

static void version_set(struct python_process *process, uint32_t hexversion)
{
	process->hexversion = hexversion;
	version_words(hexversion, process->version, sizeof(process->version));
}

/* What an error of a read of the process's memory means for the verdict. */
static bool read_failed(struct python_process *process, int err)
{
	if (err == -ESRCH)
		verdict_set(process, PYTHON_GONE, "the process ended");
	else if (err == -EPERM || err == -EACCES)
		verdict_set(process, PYTHON_DENIED,
			    "its memory may not be read: needs root, or CAP_SYS_PTRACE");
	else if (err == -ENOMEM)
		verdict_set(process, PYTHON_DENIED, "out of memory");
	else
		return false;
	return true;
}

/*
 * The version, where the file or the first bytes of _PyRuntime tell it. Returns false with a verdict
 * set; true with process->hexversion 0 when only sys.hexversion can tell.
 */
static bool version_told(struct proof *proof, uint8_t *debug, bool *has_debug)
{
	struct python_process *process = proof->process;
	uint32_t hexversion = proof->candidate->binary->hexversion;
	struct debug_offsets_head head;
	int err = memory_read(process->pid, proof->candidate->runtime, debug,
			      DEBUG_OFFSETS_HEAD_BYTES);

	if (err) {
		if (!read_failed(process, err))
			verdict_set(process, PYTHON_UNSUPPORTED, "its _PyRuntime is not mapped");
		return false;
	}
	*has_debug = debug_offsets_head_parse(debug, &head) == 0;
	if (*has_debug && hexversion && hexversion != head.hexversion) {
		version_set(process, hexversion);
		unsupported(process, "its _Py_DebugOffsets name another version");
		return false;
	}
	if (*has_debug)
		hexversion = head.hexversion;
	if (!hexversion)
		return true;
	version_set(process, hexversion);
	if (*has_debug && head.free_threaded) {
		process->free_threaded = true;
		snprintf(process->reason, sizeof(process->reason),
			 "free-threaded CPython %u.%ut is not supported yet", hexversion >> 24,
			 version_minor(hexversion));
		process->verdict = PYTHON_UNSUPPORTED;
		return false;
	}
	if (version_check(hexversion, process->reason, sizeof(process->reason))) {
		process->verdict = PYTHON_UNSUPPORTED;
		return false;
	}
	return true;
}

/* Picks the table, and lets _Py_DebugOffsets overrule it. */
static bool layout_choose(struct proof *proof, uint8_t *debug, bool has_debug)
{
	struct python_process *process = proof->process;
	unsigned int minor = version_minor(process->hexversion);
	const char *field;
	char what[128];
	int err;

	proof->layout = *layout_of(minor);
	if (proof->candidate->binary->trace_refs && minor <= TRACE_REFS_LAST_MINOR) {
		unsupported(process, "built with Py_TRACE_REFS, which is not supported");
		return false;
	}
	if (minor < DEBUG_OFFSETS_MINOR)
		return true;
	if (!has_debug) {
		unsupported(process, "its _PyRuntime does not begin with _Py_DebugOffsets");
		return false;
	}
	err = memory_read(process->pid, proof->candidate->runtime, debug,
			  proof->layout.debug_bytes);
	if (err) {
		if (!read_failed(process, err))
			unsupported(process, "its _Py_DebugOffsets cannot be read");
		return false;
	}
	err = debug_offsets_apply(debug, &proof->layout, &field);
	if (err) {
		snprintf(what, sizeof(what), "its _Py_DebugOffsets give an impossible %s", field);
		unsupported(process, what);
		return false;
	}
	return true;
}

/*
 * Which of the versions that do not tell theirs is this? The one whose sys.hexversion says so.
 * -ENODATA: one of them fits, but has no sys module yet; or none is initialised.
 */
static int version_ask_sys(struct proof *proof)
{
	struct python_process *process = proof->process;
	bool fits = false, contradicts = false;
	int failure = 0;

	for (unsigned int minor = LAYOUT_MINOR_FIRST; minor < DEBUG_OFFSETS_MINOR; minor++) {
		const struct layout *layout = layout_of(minor);
		uint32_t hexversion;
		int err = threads_read(process->pid, proof->candidate->runtime, layout,
				       &proof->threads);

		contradicts = contradicts || (err && err != -ENODATA);
		if (err == -ESRCH || err == -EPERM || err == -ENOMEM)
			failure = err;
		if (err)
			continue;
		err = version_read_sys(process->pid, layout, proof->threads.main_interpreter,
				       &hexversion);
		if (!err && hexversion >> 24 == 3 && version_minor(hexversion) == minor) {
			version_set(process, hexversion);
			proof->layout = *layout;
			return 0;
		}
		fits = fits || err == -ENODATA;
	}
	if (failure)
		return failure;
	/* While threads come and go, the right layout may look wrong and a wrong one unfinished. */
	if (contradicts && !(fits && proof->is_last_attempt))
		return -EUCLEAN;
	return -ENODATA;
}

static bool thread_pointers_prove(const struct proof *proof)
{
	const struct threads *threads = &proof->threads;
	size_t asked = 0, plausible = 0;

	for (size_t i = 0; i < threads->count && asked < POINTERS_LOOKED_AT; i++) {
		const struct thread_state *state = &threads->states[threads->count - 1 - i];

		if (!state->thread_id || !state->bound)
			continue;
		asked++;
		plausible += thread_pointer_is_plausible(proof->process->pid, state->thread_id,
							 proof->candidate->glibc);
	}
	return plausible * 2 > asked;
}

/*
 * 0; -ENODATA: not initialised; with a reason, -EUCLEAN: does not fit (this time), -ELOOP: never
 * will.
 */
static int prove_once(struct proof *proof)
{
	struct python_process *process = proof->process;
	const struct candidate *candidate = proof->candidate;
	struct locator_clues clues = {
		.runtime = candidate->runtime,
		.bias = candidate->bias,
		.accesses = candidate->binary->accesses,
		.access_count = candidate->binary->access_count,
		.musl = candidate->musl,
	};
	int err, code_err;

	err = threads_read(process->pid, candidate->runtime, &proof->layout, &proof->threads);
	if (err) {
		unsupported(process, err == -ELOOP ? "its list of threads does not end" :
						     "its list of threads contradicts itself");
		return err;
	}
	proof->code_type = candidate->code_type;
	code_err = threads_prove_code_type(process->pid, &proof->layout, &proof->threads,
					   &proof->code_type);
	if (code_err == -EUCLEAN) {
		unsupported(process, "its frames name no code objects");
		return code_err;
	}
	if (!proof->code_type)
		return -ENODATA;
	if (!thread_pointers_prove(proof)) {
		unsupported(process, "its thread states name no threads");
		/* The very first thread state is linked before it is given to its thread. */
		return code_err == -ENODATA ? -ENODATA : -EUCLEAN;
	}
	err = locator_find(process->pid, &proof->layout, &proof->threads, &clues, &proof->locator);
	if (err && code_err == -ENODATA)
		return -ENODATA;
	return err && !proof->is_last_attempt ? -EUCLEAN : 0;
}

static void known(struct proof *proof)
{
	struct python_process *process = proof->process;

	process->verdict = PYTHON_KNOWN;
	process->reason[0] = '\0';
	process->target = (struct python_target){
		.runtime = proof->candidate->runtime,
		.code_type = proof->code_type,
		.locator = proof->locator,
		.layout = proof->layout.walk,
	};
}

void candidate_prove(const struct candidate *candidate, struct python_process *process)
{
	struct proof proof = { .candidate = candidate, .process = process };
	uint8_t debug[DEBUG_OFFSETS_MAX_BYTES];
	bool has_debug;
	int err = 0;

	if (!version_told(&proof, debug, &has_debug))
		return;
	if (process->hexversion && !layout_choose(&proof, debug, has_debug))
		return;
	for (int attempt = 1; attempt <= ATTEMPTS; attempt++) {
		proof.is_last_attempt = attempt == ATTEMPTS;
		err = 0;
		if (!process->hexversion) {
			err = version_ask_sys(&proof);
			if (err == -EUCLEAN)
				unsupported(process, "neither the file nor sys tells its version");
			else if (!err && (version_check(process->hexversion, process->reason,
							sizeof(process->reason)) ||
					  candidate->binary->trace_refs))
				break;
		}
		if (!err)
			err = prove_once(&proof);
		if (err != -EUCLEAN)
			break;
		nanosleep(&(struct timespec){ .tv_nsec = ATTEMPT_PAUSE_NS * attempt }, NULL);
	}
	if (!err && proof.code_type)
		known(&proof);
	else if (!err || err == -EUCLEAN || err == -ELOOP)
		process->verdict = PYTHON_UNSUPPORTED;
	else if (!read_failed(process, err))
		verdict_set(process, PYTHON_STARTING, "its interpreter is not initialised yet");
	threads_release(&proof.threads);
}
