/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * JSON as it is written: no tree, integers exact in 64 bits, commas by themselves. Values inside an
 * object follow a key; `key` is NULL inside an array. Nesting is the caller's to keep right.
 */
#ifndef PYBPFPROF_RENDER_JSON_WRITER_H
#define PYBPFPROF_RENDER_JSON_WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include "render/writer.h"

struct json_writer {
	struct writer *writer;
	bool in_html; /* < > & in strings are escaped: the JSON stands inside a script element */
	bool comma;   /* the next value is not the first one of its container */
	bool nested;  /* rows of a mode are inside of the object that has its name */
};

void json_init(struct json_writer *json, struct writer *writer, bool in_html);
void json_open(struct json_writer *json, const char *key, char bracket); /* '{' or '[' */
void json_close(struct json_writer *json, char bracket);		 /* '}' or ']' */
void json_newline(struct json_writer *json); /* a line break before the next value */
void json_string(struct json_writer *json, const char *key, const char *bytes, size_t length);
void json_text(struct json_writer *json, const char *key, const char *string); /* NULL: null */
void json_uint(struct json_writer *json, const char *key, uint64_t value);
void json_int(struct json_writer *json, const char *key, int64_t value);
void json_bool(struct json_writer *json, const char *key, bool value);
void json_null(struct json_writer *json, const char *key);
/* value / 10^digits, as a decimal number. */
void json_decimal(struct json_writer *json, const char *key, uint64_t value, unsigned int digits);

#endif
