/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How reports write quantities and name places. Never uses the locale: a decimal point is a point.
 * Pure; all of it appends to a buffer.
 */
#ifndef PYBPFPROF_RENDER_FORMAT_H
#define PYBPFPROF_RENDER_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "model/profile.h"

/* Three digits and a unit: "9.87 s", "12.3 ms", "4.50 MiB", "17". */
void format_value(struct buffer *out, enum profile_unit unit, uint64_t value);
void format_ns(struct buffer *out, uint64_t value_ns);
/* part of whole in percent, without the sign: "61.2", "0.05"; "-" when the whole is 0. */
void format_percent(struct buffer *out, uint64_t part, uint64_t whole);
/* "1.3 %", "0.04 %", "< 0.01 %"; "unknown" when the whole is 0 and the part is not. */
void format_share(struct buffer *out, uint64_t part, uint64_t whole);
/* part / whole in millionths, without overflow; 0 when the whole is 0. */
uint64_t format_ppm(uint64_t part, uint64_t whole);
/*
 * Half the width of the 95 % Wilson interval of a share seen `hits` times in `samples`, in tenths
 * of a percent, rounded up.
 */
uint32_t format_error_permille(uint64_t hits, uint64_t samples);

/*
 * The file as people name it: the part that the module's dotted name spells ("pkg/mod.py"), else
 * what follows site-packages or lib/python3.N, else the base name. Borrowed from the profile.
 */
const char *format_file(const struct profile *profile, const struct profile_function *function);

enum frame_origin {
	ORIGIN_APPLICATION, /* Python code of the program's own */
	ORIGIN_LIBRARY,	    /* site-packages, dist-packages */
	ORIGIN_STANDARD,    /* the standard library, frozen modules */
	ORIGIN_NATIVE,
	ORIGIN_KERNEL,
	ORIGIN_NOTE,
};

enum frame_origin format_origin(const struct profile *profile,
				const struct profile_function *function);
const char *format_kind(enum frame_kind kind);	 /* "python", "native", "kernel", "note" */
const char *format_unit(enum profile_unit unit); /* "ns", "bytes", "samples" */

#endif
