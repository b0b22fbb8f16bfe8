/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Text that came from a stranger's memory, made fit to print. Names of functions and files may
 * hold anything: terminal escapes, broken UTF-8, NULs, bidirectional controls, newlines.
 */
#ifndef PYBPFPROF_BASE_TEXT_H
#define PYBPFPROF_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

/* Appends as valid UTF-8: C0/C1 controls, DEL, bidi controls and invalid bytes become \xNN. */
void text_append_safe(struct buffer *out, const char *bytes, size_t length);
/* Appends as the inside of a JSON string (no quotes added); invalid UTF-8 becomes U+FFFD. */
void text_append_json(struct buffer *out, const char *bytes, size_t length);
/* Appends with & < > " ' escaped, after text_append_safe()'s replacement. */
void text_append_html(struct buffer *out, const char *bytes, size_t length);
/* Columns a terminal needs (wcwidth-like; wide East Asian characters count 2). */
size_t text_width(const char *utf8);
/* Appends `utf8` (safe text), its middle replaced by an ellipsis where it needs over `columns`. */
void text_append_fitted(struct buffer *out, const char *utf8, size_t columns);
/* Shell-like match with * ? [..]; the whole string must match. */
bool text_glob(const char *pattern, const char *string);

#endif
