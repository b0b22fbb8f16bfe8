/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The lists of the cyclic collector: every container that CPython tracks is in exactly one of them.
 * They are walked while the process runs on, so links may be torn: each is checked against the way
 * back, what does not fit is read again, and what still does not is counted.
 */
#ifndef PYBPFPROF_PYTHON_GC_LISTS_H
#define PYBPFPROF_PYTHON_GC_LISTS_H

#include <stdbool.h>
#include <stdint.h>

#include "python/objects.h"

/* Where the objects of gc.freeze(), and those made before main() in some builds, are. */
enum { GC_LIST_PERMANENT = GC_GENERATIONS, GC_LISTS };

enum { GC_INTERPRETERS_MAX = 256 };

struct gc_interpreter {
	uint64_t address;
	int64_t id;
	uint64_t gc; /* its collector's state */
};

struct gc_lists {
	struct gc_interpreter interpreters[GC_INTERPRETERS_MAX]; /* the main one last */
	uint32_t interpreter_count;

	/* Of all walks. */
	uint64_t torn;	    /* links that did not fit, however often they were read */
	uint64_t retried;   /* links that fitted when they were read again */
	uint64_t restarted; /* lists begun again, since a collection ran through them */
	uint64_t waited_ns; /* for collections to end */
	bool incomplete;    /* a list could not be followed to its end, from neither side */
};

/* 0; -ENOTSUP (free-threaded: there are no lists), -ENODATA (no interpreter), -ESRCH and the like. */
int gc_lists_open(struct objects *objects, struct gc_lists *lists);

/*
 * Every object of every list, youngest list first, for what moves goes to an older one; so an object may
 * be handed out twice. A negative return of `visit` stops and is returned; 0 says that it has been
 * handed out before.
 */
typedef int (*gc_visit)(uint64_t object, unsigned int list, uint32_t interpreter, void *arg);
int gc_lists_walk(struct objects *objects, struct gc_lists *lists, gc_visit visit, void *arg);

/* Whether a collection runs in any interpreter; what the lists say meanwhile is half done. */
bool gc_lists_collecting(struct objects *objects, const struct gc_lists *lists);
/* The list gc.garbage of an interpreter; 0: none. */
uint64_t gc_lists_garbage(struct objects *objects, const struct gc_interpreter *interpreter);

#endif
