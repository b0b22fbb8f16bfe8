/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Messages of Protocol Buffers as they are written: fields appended to a buffer, in any order. A message
 * inside a message is made in a buffer of its own first, since its length goes ahead of it.
 *
 * As in proto3, a field of value 0 or of no bytes is the same as none and is not written, except where
 * it repeats: protobuf_string(), protobuf_message().
 */
#ifndef PYBPFPROF_BASE_PROTOBUF_H
#define PYBPFPROF_BASE_PROTOBUF_H

#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

/* uint64, and int64, bool and enum where the value is not negative. */
void protobuf_uint(struct buffer *out, uint32_t field, uint64_t value);
/* An element of repeated strings or bytes; strings must be UTF-8. */
void protobuf_string(struct buffer *out, uint32_t field, const char *bytes, size_t length);
void protobuf_message(struct buffer *out, uint32_t field, const struct buffer *message);
/* Repeated numbers, all of them in one piece. */
void protobuf_packed(struct buffer *out, uint32_t field, const uint64_t *values, size_t count);

#endif
