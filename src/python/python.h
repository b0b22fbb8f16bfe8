/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Is this process CPython, which one exactly, and where do its pieces lie.
 * Looks from outside only: /proc, the ELF files behind the mappings, and reads of the process's
 * memory; never stops it. Knows nothing of BPF, of flags, of reports.
 */
#ifndef PYBPFPROF_PYTHON_PYTHON_H
#define PYBPFPROF_PYTHON_PYTHON_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "pybpfprof/abi.h"

/* Which ways of seeing calls this build offers (bits). */
enum python_probe {
	PYTHON_PROBE_USDT_FUNCTION = 1 << 0, /* function__entry and function__return */
	PYTHON_PROBE_USDT_LINE = 1 << 1,
	PYTHON_PROBE_USDT_GC = 1 << 2,
	PYTHON_PROBE_USDT_IMPORT = 1 << 3,
	PYTHON_PROBE_USDT_AUDIT = 1 << 4,
};

enum python_verdict {
	PYTHON_KNOWN,	    /* everything needed was found and proven on the live process */
	PYTHON_STARTING,    /* a CPython whose interpreter is not initialised yet: ask again */
	PYTHON_NOT,	    /* no CPython in this process (so far) */
	PYTHON_UNSUPPORTED, /* a CPython we refuse; `reason` names it: version, build, what is odd */
	PYTHON_GONE,	    /* the process ended, or is a zombie */
	PYTHON_DENIED,	    /* we may not look: `reason` names what is missing */
};

struct python_process {
	pid_t pid;
	enum python_verdict verdict;
	char reason[256]; /* one plain line for every verdict but PYTHON_KNOWN */

	uint32_t hexversion; /* PY_VERSION_HEX: 0x030b02f0 */
	char version[16];    /* "3.11.2", "3.15.0b2" */
	bool shared;	     /* the interpreter is a libpython, not the executable */
	bool stripped;	     /* the file has no .symtab */
	bool debug;	     /* Py_DEBUG */
	bool free_threaded;
	bool musl;
	bool deleted;	       /* the file was removed or replaced since it was mapped */
	uint32_t probes;       /* enum python_probe */
	char binary[512];      /* the file with the interpreter, as the target's maps name it */
	char binary_open[512]; /* a path that opens that very file from here: /proc/PID/... */
	uint64_t load_bias;    /* add to an ELF address of `binary` to get a process address */
	uint64_t start_ticks;  /* field 22 of /proc/PID/stat: tells a pid from its reuse */

	/* Ready for the `targets` map; serial and flags are left 0 for `capture` to fill. */
	struct python_target target;
};

/*
 * The file-level facts (ELF symbols, notes, version, offsets) are kept by (device, inode, mtime)
 * in a cache, so that fifty processes of one binary cost one parse. Not thread-safe.
 */
struct python_cache;
struct python_cache *python_cache_new(void); /* NULL when out of memory */
void python_cache_free(struct python_cache *cache);

/*
 * Fills *process whole, verdict included. Never fails otherwise; every read is bounded, whatever
 * the process's memory says.
 */
void python_inspect(struct python_cache *cache, pid_t pid, struct python_process *process);

#endif
