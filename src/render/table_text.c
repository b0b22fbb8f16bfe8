// SPDX-License-Identifier: GPL-2.0-only
/* Lines of text in a table, cut or broken to its width. */
#include <string.h>

#include "base/text.h"
#include "render/table_rows.h"

enum {
	TARGET_NARROWEST = 12, /* of a command */
	TARGET_INDENT = 2,
};

void table_write_lines(struct writer *writer, struct buffer *text, uint32_t width,
		       enum grid_style style, bool color)
{
	char *line = text->bytes, *end;

	if (buffer_error(text))
		writer_fail(writer, buffer_error(text));
	for (; line && (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		writer_string(writer, grid_style_start(style, color));
		if (width)
			text_append_fitted(&writer->scratch, line, width);
		else
			buffer_string(&writer->scratch, line);
		writer_scratch(writer);
		writer_string(writer, grid_style_end(style, color));
		writer_string(writer, "\n");
	}
	buffer_clear(text);
}

void table_write_targets(struct writer *writer, struct buffer *text, uint32_t width, bool color)
{
	char *line = text->bytes, *end;
	struct buffer fitted;

	if (buffer_error(text))
		writer_fail(writer, buffer_error(text));
	buffer_init(&fitted);
	for (; line && (end = strchr(line, '\n')); line = end + 1) {
		char *rest;
		size_t used;

		*end = '\0';
		rest = strstr(line, " \xc2\xb7 pid ");
		used = rest ? text_width(rest) : width;
		if (text_width(line) > width && used + TARGET_NARROWEST <= width) {
			*rest = '\0';
			text_append_fitted(&fitted, line, width - used);
			*rest = ' ';
			line = rest;
		}
		buffer_string(&fitted, line);
		buffer_byte(&fitted, '\n');
	}
	table_write_wrapped(writer, &fitted, width, TARGET_INDENT, GRID_PLAIN, color);
	buffer_release(&fitted);
	buffer_clear(text);
}

/*
 * How long the blanks and the word behind them are, in bytes; a number takes along what it counts: a
 * quantity is never parted from its unit.
 */
static size_t text_word(const char *line)
{
	size_t length = strspn(line, " ");

	for (;;) {
		size_t end;

		length += strcspn(line + length, " ");
		end = length + strspn(line + length, " ");
		if (!length || !line[end] || end != length + 1 ||
		    !strchr("0123456789", line[length - 1]))
			return length;
		length = end;
	}
}

static void append_wrapped(struct buffer *out, const char *line, size_t width, size_t indent)
{
	size_t column = 0, length;
	struct buffer word;

	buffer_init(&word);
	for (; *line; line += length) {
		size_t blanks, columns;

		length = text_word(line);
		blanks = strspn(line, " ");
		buffer_clear(&word);
		buffer_append(&word, line, length);
		columns = buffer_error(&word) ? 0 : text_width(word.bytes);
		if (column > indent && column + columns > width) {
			buffer_printf(out, "\n%*s", (int)indent, "");
			buffer_append(out, line + blanks, length - blanks);
			column = indent + columns - blanks;
		} else {
			buffer_append(out, line, length);
			column += columns;
		}
	}
	buffer_byte(out, '\n');
	buffer_release(&word);
}

void table_write_wrapped(struct writer *writer, struct buffer *text, uint32_t width, size_t indent,
			 enum grid_style style, bool color)
{
	char *line = text->bytes, *end;
	struct buffer wrapped;

	if (buffer_error(text))
		writer_fail(writer, buffer_error(text));
	buffer_init(&wrapped);
	for (; line && (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		append_wrapped(&wrapped, line, width, indent);
	}
	table_write_lines(writer, &wrapped, 0, style, color);
	buffer_release(&wrapped);
	buffer_clear(text);
}
