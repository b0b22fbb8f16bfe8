/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The thread states of a live CPython, walked from _PyRuntime, and the first proof that a layout
 * fits: every link is checked against what CPython itself keeps true. The process runs on while we
 * read, so one failure proves nothing: callers try again.
 */
#ifndef PYBPFPROF_PYTHON_THREADS_H
#define PYBPFPROF_PYTHON_THREADS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "python/layout.h"

struct thread_state {
	uint64_t address;   /* of the PyThreadState */
	uint64_t thread_id; /* pthread_self(): on x86-64 Linux the thread pointer, fsbase */
	uint64_t frame;	    /* what tstate_frame holds; 0: runs no Python code */
	bool bound;	    /* the one its OS thread's TSD or TLS slot should name */
};

struct threads {
	struct thread_state *states; /* as linked: newest interpreter, newest thread first */
	size_t count, capacity;
	uint64_t main_interpreter; /* address: the oldest */
};

/*
 * 0; -ENODATA: the runtime is there but not initialised (or being torn down); -EUCLEAN: links that
 * contradict each other; -ELOOP: a list that does not end; -ESRCH, -EPERM, -ENOMEM. *out is
 * replaced on 0 only; release it at the end.
 */
int threads_read(pid_t pid, uint64_t runtime, const struct layout *layout, struct threads *out);
void threads_release(struct threads *threads);

/* Whether the word at a thread_id names itself, as the libc's thread descriptor does. */
bool thread_pointer_is_plausible(pid_t pid, uint64_t thread_id, bool glibc);

/*
 * The type that the code objects of running frames have. With *code_type set: 0 when a frame shows
 * it, -EUCLEAN when only others were seen. With *code_type 0: sets it when a frame's code has a type
 * that calls itself "code". -ENODATA: no frame was there to be looked at.
 */
int threads_prove_code_type(pid_t pid, const struct layout *layout, const struct threads *threads,
			    uint64_t *code_type);

#endif
