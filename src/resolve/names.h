/* SPDX-License-Identifier: GPL-2.0-only */
/* Names as Python spells them, from what lies in memory: UTF-8, classes, modules. Pure. */
#ifndef PYBPFPROF_RESOLVE_NAMES_H
#define PYBPFPROF_RESOLVE_NAMES_H

#include <stddef.h>

#include "base/buffer.h"
#include "pybpfprof/abi.h"

/*
 * Appends a str's memory (1, 2 or 4 bytes a code point) as UTF-8. Lone surrogates and numbers
 * beyond Unicode become "\udc80"-like text; a text cut short ends in "…".
 */
void name_append(struct buffer *out, const struct record_text *text, const char *bytes);

/* Length of the class part of a qualified name: 7 for "A.Inner.f", 0 where f is no method. */
size_t name_class_length(const char *qualname);

/*
 * The dotted module a file holds, as far as its path tells: "json.decoder" for
 * .../lib/python3.11/json/decoder.py; the bare name for files elsewhere; nothing for "<string>".
 */
void name_append_module(struct buffer *out, const char *filename);

#endif
