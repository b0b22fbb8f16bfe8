// SPDX-License-Identifier: GPL-2.0-only
/*
 * Demangling with libiberty, which knows C++ and both of Rust's schemes and needs no C++ runtime.
 * A short mangled name can stand for one of astronomical length, so the result is taken in pieces
 * and the demangler is left, by longjmp() out of its callback, when there is enough: it holds no
 * memory of its own at that point (its trees lie on the stack).
 */
#include "resolve/native_name.h"

#include <ctype.h>
#include <libiberty/demangle.h>
#include <setjmp.h>
#include <stdbool.h>
#include <string.h>

enum {
	MANGLED_MAX_BYTES = 2048,
	STEM_MAX_BYTES = 4096,
};

struct demangling {
	struct buffer *out;
	size_t start; /* out->length before */
	jmp_buf enough;
};

static void piece_take(const char *piece, size_t length, void *arg)
{
	struct demangling *demangling = arg;
	size_t have = demangling->out->length - demangling->start;

	if (have + length > NATIVE_NAME_MAX_BYTES) {
		buffer_append(demangling->out, piece, NATIVE_NAME_MAX_BYTES - have);
		buffer_string(demangling->out, "...");
		longjmp(demangling->enough, 1);
	}
	buffer_append(demangling->out, piece, length);
}

static void buffer_cut(struct buffer *buffer, size_t length)
{
	if (!buffer->bytes)
		return;
	buffer->length = length;
	buffer->bytes[length] = '\0';
}

/* False: the name is no mangled one, and nothing was appended. */
static bool name_demangle(struct buffer *out, const char *symbol)
{
	struct demangling demangling = { .out = out, .start = out->length };

	if (symbol[0] != '_' || (symbol[1] != 'Z' && symbol[1] != 'R') ||
	    strlen(symbol) > MANGLED_MAX_BYTES)
		return false;
	if (setjmp(demangling.enough))
		return true;
	/* Rust first: its older scheme looks like C++ with a hash at the end. */
	if (rust_demangle_callback(symbol, DMGL_NO_OPTS, piece_take, &demangling))
		return true;
	buffer_cut(out, demangling.start);
	if (cplus_demangle_v3_callback(symbol, DMGL_PARAMS | DMGL_ANSI, piece_take, &demangling))
		return true;
	buffer_cut(out, demangling.start);
	return false;
}

/* ".0", ".12", and nothing. */
static bool is_number(const char *at, size_t length)
{
	if (length == 0)
		return true;
	if (length < 2 || *at != '.')
		return false;
	for (size_t i = 1; i < length; i++) {
		if (!isdigit((unsigned char)at[i]))
			return false;
	}
	return true;
}

/*
 * How much of the name is left without one suffix at its end. GCC names the copies and parts it
 * makes of a function "f.cold", "f.isra.0", "f.constprop.1.cold", "f.lto_priv.0"; Clang "f.llvm.N".
 */
static size_t suffix_cut(const char *name, size_t length)
{
	static const char *const suffixes[] = {
		".cold", ".part", ".isra", ".constprop", ".lto_priv", ".llvm", ".localalias",
	};

	for (size_t at = length; at-- > 1;) {
		if (name[at] != '.')
			continue;
		for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
			size_t suffix = strlen(suffixes[i]);

			if (length - at >= suffix && memcmp(name + at, suffixes[i], suffix) == 0 &&
			    is_number(name + at + suffix, length - at - suffix))
				return at;
		}
		if (!is_number(name + at, length - at))
			break;
	}
	return length;
}

void native_name_append(struct buffer *out, const char *symbol)
{
	char stem[STEM_MAX_BYTES];
	size_t length = strnlen(symbol, sizeof(stem) - 1), cut;
	const char *version = memchr(symbol, '@', length);

	if (version && version != symbol)
		length = (size_t)(version - symbol);
	for (; (cut = suffix_cut(symbol, length)) < length; length = cut)
		;
	memcpy(stem, symbol, length);
	stem[length] = '\0';
	if (name_demangle(out, stem))
		return;
	if (length <= NATIVE_NAME_MAX_BYTES) {
		buffer_append(out, stem, length);
	} else {
		buffer_append(out, stem, NATIVE_NAME_MAX_BYTES);
		buffer_string(out, "...");
	}
}
