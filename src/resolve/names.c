// SPDX-License-Identifier: GPL-2.0-only
/* See names.h. */
#include "resolve/names.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

static uint32_t point_at(const char *bytes, unsigned int kind, size_t index)
{
	uint16_t two;
	uint32_t four;

	switch (kind) {
	case 1:
		return (uint8_t)bytes[index];
	case 2:
		memcpy(&two, bytes + 2 * index, 2);
		return two;
	default:
		memcpy(&four, bytes + 4 * index, 4);
		return four;
	}
}

static void point_append(struct buffer *out, uint32_t point)
{
	if (point < 0x80) {
		buffer_byte(out, (char)point);
	} else if (point < 0x800) {
		buffer_byte(out, (char)(0xc0 | point >> 6));
		buffer_byte(out, (char)(0x80 | (point & 0x3f)));
	} else if (point >= 0xd800 && point < 0xe000) {
		buffer_printf(out, "\\u%04x", point);
	} else if (point < 0x10000) {
		buffer_byte(out, (char)(0xe0 | point >> 12));
		buffer_byte(out, (char)(0x80 | (point >> 6 & 0x3f)));
		buffer_byte(out, (char)(0x80 | (point & 0x3f)));
	} else if (point < 0x110000) {
		buffer_byte(out, (char)(0xf0 | point >> 18));
		buffer_byte(out, (char)(0x80 | (point >> 12 & 0x3f)));
		buffer_byte(out, (char)(0x80 | (point >> 6 & 0x3f)));
		buffer_byte(out, (char)(0x80 | (point & 0x3f)));
	} else {
		buffer_printf(out, "\\U%08x", point);
	}
}

void name_append(struct buffer *out, const struct record_text *text, const char *bytes)
{
	size_t points = text->kind ? text->bytes / text->kind : 0;

	if (text->ascii && text->kind == 1) {
		buffer_append(out, bytes, points);
	} else {
		for (size_t i = 0; i < points; i++)
			point_append(out, point_at(bytes, text->kind, i));
	}
	if (points < text->length)
		buffer_string(out, "…");
}

size_t name_class_length(const char *qualname)
{
	static const char LOCALS[] = "<locals>";
	const char *dot = strrchr(qualname, '.');
	size_t length = dot ? (size_t)(dot - qualname) : 0;
	const size_t locals = sizeof(LOCALS) - 1;

	if (length >= locals && !memcmp(dot - locals, LOCALS, locals))
		return 0;
	return length;
}

/* The part of the path below a directory where modules are looked for; NULL: none known. */
static const char *module_path(const char *filename)
{
	static const char *const ROOTS[] = { "/site-packages/", "/dist-packages/" };
	const char *found = NULL, *at;

	for (size_t i = 0; i < sizeof(ROOTS) / sizeof(*ROOTS); i++) {
		for (at = filename; (at = strstr(at, ROOTS[i])); at++) {
			if (!found || at + strlen(ROOTS[i]) > found)
				found = at + strlen(ROOTS[i]);
		}
	}
	for (at = filename; !found && (at = strstr(at, "/python3")); at++) {
		const char *end = strchr(at + 1, '/');

		if (end && (at[8] == '.' || at[8] == '/'))
			return end + 1;
	}
	return found;
}

void name_append_module(struct buffer *out, const char *filename)
{
	static const char FROZEN[] = "<frozen ";
	const char *path, *end;
	size_t length = strlen(filename);

	if (!strncmp(filename, FROZEN, sizeof(FROZEN) - 1) && filename[length - 1] == '>') {
		buffer_append(out, filename + sizeof(FROZEN) - 1, length - sizeof(FROZEN));
		return;
	}
	if (!length || filename[0] == '<')
		return;
	path = module_path(filename);
	if (!path) {
		path = strrchr(filename, '/');
		path = path ? path + 1 : filename;
	}
	if (!strncmp(path, "lib-dynload/", 12))
		path += 12;
	end = path + strlen(path);
	if (end - path > 3 && !strcmp(end - 3, ".py"))
		end -= 3;
	if (end - path > 9 && !strncmp(end - 9, "/__init__", 9))
		end -= 9;
	for (; path < end; path++)
		buffer_byte(out, *path == '/' ? '.' : *path);
}
