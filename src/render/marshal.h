/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * CPython's marshal format as every version from 3.4 on reads it: version 3, of which 4 and later
 * are extensions. Values go out one after the other; a tuple announces how many follow, a dictionary
 * is pairs of values up to its end.
 */
#ifndef PYBPFPROF_RENDER_MARSHAL_H
#define PYBPFPROF_RENDER_MARSHAL_H

#include "base/buffer.h"

struct marshal {
	struct buffer *out;
	uint32_t kept_count;
};

void marshal_init(struct marshal *marshal, struct buffer *out);
void marshal_dict_start(struct marshal *marshal);
void marshal_dict_end(struct marshal *marshal);
void marshal_tuple(struct marshal *marshal, uint32_t count);
/* A tuple that can be written again by its number, which is returned. */
uint32_t marshal_kept_tuple(struct marshal *marshal, uint32_t count);
uint32_t marshal_kept_string(struct marshal *marshal, const char *utf8, size_t length);
void marshal_again(struct marshal *marshal, uint32_t number);
void marshal_string(struct marshal *marshal, const char *utf8, size_t length); /* valid UTF-8 */
void marshal_uint(struct marshal *marshal, uint64_t value);
void marshal_float(struct marshal *marshal, double value);

#endif
