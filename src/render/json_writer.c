// SPDX-License-Identifier: GPL-2.0-only
/* Streaming JSON. Knows the syntax, not the reports. */
#include "render/json_writer.h"

#include <inttypes.h>
#include <string.h>

#include "base/text.h"

void json_init(struct json_writer *json, struct writer *writer, bool in_html)
{
	*json = (struct json_writer){ .writer = writer, .in_html = in_html };
}

static void json_quote(struct json_writer *json, const char *bytes, size_t length)
{
	struct buffer *scratch = &json->writer->scratch;
	size_t from = 0;

	text_append_json(scratch, bytes, length);
	writer_bytes(json->writer, "\"", 1);
	for (size_t i = 0; json->in_html && i < scratch->length; i++) {
		char byte = scratch->bytes[i];

		if (byte != '<' && byte != '>' && byte != '&')
			continue;
		writer_bytes(json->writer, scratch->bytes + from, i - from);
		writer_string(json->writer, byte == '<' ? "\\u003c" :
					    byte == '>' ? "\\u003e" :
							  "\\u0026");
		from = i + 1;
	}
	if (buffer_error(scratch))
		writer_fail(json->writer, buffer_error(scratch));
	else if (scratch->length)
		writer_bytes(json->writer, scratch->bytes + from, scratch->length - from);
	buffer_clear(scratch);
	writer_bytes(json->writer, "\"", 1);
}

/* The comma and the key, if any, before a value. */
static void json_begin(struct json_writer *json, const char *key)
{
	if (json->comma)
		writer_bytes(json->writer, ",", 1);
	json->comma = true;
	if (!key)
		return;
	json_quote(json, key, strlen(key));
	writer_bytes(json->writer, ":", 1);
}

void json_open(struct json_writer *json, const char *key, char bracket)
{
	json_begin(json, key);
	writer_bytes(json->writer, &bracket, 1);
	json->comma = false;
}

void json_close(struct json_writer *json, char bracket)
{
	writer_bytes(json->writer, &bracket, 1);
	json->comma = true;
}

void json_newline(struct json_writer *json)
{
	if (json->comma)
		writer_bytes(json->writer, ",", 1);
	writer_bytes(json->writer, "\n", 1);
	json->comma = false;
}

void json_string(struct json_writer *json, const char *key, const char *bytes, size_t length)
{
	json_begin(json, key);
	json_quote(json, bytes, length);
}

void json_text(struct json_writer *json, const char *key, const char *string)
{
	if (string)
		json_string(json, key, string, strlen(string));
	else
		json_null(json, key);
}

void json_uint(struct json_writer *json, const char *key, uint64_t value)
{
	json_begin(json, key);
	writer_uint(json->writer, value);
}

void json_int(struct json_writer *json, const char *key, int64_t value)
{
	json_begin(json, key);
	if (value < 0)
		writer_bytes(json->writer, "-", 1);
	writer_uint(json->writer, value < 0 ? -(uint64_t)value : (uint64_t)value);
}

void json_bool(struct json_writer *json, const char *key, bool value)
{
	json_begin(json, key);
	writer_string(json->writer, value ? "true" : "false");
}

void json_null(struct json_writer *json, const char *key)
{
	json_begin(json, key);
	writer_string(json->writer, "null");
}

void json_decimal(struct json_writer *json, const char *key, uint64_t value, unsigned int digits)
{
	uint64_t power = 1;

	for (unsigned int i = 0; i < digits; i++)
		power *= 10;
	json_begin(json, key);
	buffer_printf(&json->writer->scratch, "%" PRIu64 ".%0*" PRIu64, value / power, (int)digits,
		      value % power);
	writer_scratch(json->writer);
}
