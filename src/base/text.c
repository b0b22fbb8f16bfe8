// SPDX-License-Identifier: GPL-2.0-only
/*
 * Text from a stranger's memory, made fit to print. Owns the one UTF-8 decoder and the one list of
 * characters that must not reach a terminal.
 */
#include "base/text.h"

#include <locale.h>
#include <stdint.h>
#include <string.h>
#include <wchar.h>

#define TEXT_INVALID UINT32_MAX
#define TEXT_ELLIPSIS "\xe2\x80\xa6"

/*
 * Decodes one character of the `length` >= 1 bytes. *used tells its bytes; for TEXT_INVALID those
 * of the longest beginning of a character (as Unicode's chapter 3.9 recommends to replace).
 * Overlong forms, surrogates and values above U+10FFFF are invalid.
 */
static uint32_t text_decode(const char *bytes, size_t length, size_t *used)
{
	const uint8_t *at = (const uint8_t *)bytes;
	uint8_t low = 0x80, high = 0xbf;
	uint32_t code;
	size_t more;

	*used = 1;
	if (at[0] < 0x80)
		return at[0];
	if (at[0] < 0xc2 || at[0] > 0xf4)
		return TEXT_INVALID;
	more = at[0] < 0xe0 ? 1 : at[0] < 0xf0 ? 2 : 3;
	code = at[0] & (0x3f >> more);
	switch (at[0]) {
	case 0xe0:
		low = 0xa0;
		break;
	case 0xed:
		high = 0x9f;
		break;
	case 0xf0:
		low = 0x90;
		break;
	case 0xf4:
		high = 0x8f;
		break;
	}
	for (; more; more--) {
		if (*used == length || at[*used] < low || at[*used] > high)
			return TEXT_INVALID;
		code = code << 6 | (at[*used] & 0x3f);
		++*used;
		low = 0x80;
		high = 0xbf;
	}
	return code;
}

/* Controls, and what reorders or breaks the lines around it. */
static bool text_is_unsafe(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x061c || code == 0x200e ||
	       code == 0x200f || (code >= 0x2028 && code <= 0x202e) ||
	       (code >= 0x2066 && code <= 0x2069) || code == 0xfeff || code == TEXT_INVALID;
}

/* How many bytes at the start are printable ASCII and neither of `but`: most text is just that. */
static size_t text_plain_bytes(const char *bytes, size_t length, const char *but)
{
	size_t at = 0;

	while (at < length && bytes[at] >= ' ' && bytes[at] < 0x7f && bytes[at] != but[0] &&
	       bytes[at] != but[1])
		at++;
	return at;
}

void text_append_safe(struct buffer *out, const char *bytes, size_t length)
{
	size_t used;

	for (size_t at = 0; at < length; at += used) {
		used = text_plain_bytes(bytes + at, length - at, "\0");
		if (used) {
			buffer_append(out, bytes + at, used);
			continue;
		}
		if (!text_is_unsafe(text_decode(bytes + at, length - at, &used))) {
			buffer_append(out, bytes + at, used);
			continue;
		}
		for (size_t i = 0; i < used; i++)
			buffer_printf(out, "\\x%02x", (uint8_t)bytes[at + i]);
	}
}

static void text_append_json_code(struct buffer *out, uint32_t code)
{
	switch (code) {
	case '\n':
		buffer_string(out, "\\n");
		break;
	case '\r':
		buffer_string(out, "\\r");
		break;
	case '\t':
		buffer_string(out, "\\t");
		break;
	case TEXT_INVALID:
		buffer_string(out, "\\ufffd");
		break;
	default:
		buffer_printf(out, "\\u%04x", code);
		break;
	}
}

void text_append_json(struct buffer *out, const char *bytes, size_t length)
{
	size_t used;

	for (size_t at = 0; at < length; at += used) {
		uint32_t code;

		used = text_plain_bytes(bytes + at, length - at, "\"\\");
		if (used) {
			buffer_append(out, bytes + at, used);
			continue;
		}
		code = text_decode(bytes + at, length - at, &used);
		/* JSON is shown on terminals too, and every \u loses nothing. */
		if (text_is_unsafe(code)) {
			text_append_json_code(out, code);
			continue;
		}
		if (code == '"' || code == '\\')
			buffer_byte(out, '\\');
		buffer_append(out, bytes + at, used);
	}
}

void text_append_html(struct buffer *out, const char *bytes, size_t length)
{
	struct buffer safe;

	buffer_init(&safe);
	text_append_safe(&safe, bytes, length);
	for (size_t i = 0; i < safe.length; i++) {
		switch (safe.bytes[i]) {
		case '&':
			buffer_string(out, "&amp;");
			break;
		case '<':
			buffer_string(out, "&lt;");
			break;
		case '>':
			buffer_string(out, "&gt;");
			break;
		case '"':
			buffer_string(out, "&quot;");
			break;
		case '\'':
			buffer_string(out, "&#39;");
			break;
		default:
			buffer_byte(out, safe.bytes[i]);
			break;
		}
	}
	if (safe.error && !out->error)
		out->error = safe.error;
	buffer_release(&safe);
}

/*
 * The C library knows the widths, but only of a UTF-8 locale, and the process may run in another:
 * borrow one for this thread. C.UTF-8 is always there on glibc systems.
 */
struct text_locale {
	locale_t own;
	locale_t before;
};

static void text_locale_enter(struct text_locale *locale)
{
	locale->own = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
	if (locale->own)
		locale->before = uselocale(locale->own);
}

static void text_locale_leave(struct text_locale *locale)
{
	if (!locale->own)
		return;
	uselocale(locale->before);
	freelocale(locale->own);
}

static size_t text_code_width(const struct text_locale *locale, uint32_t code)
{
	int width = 1;

	if (locale->own && code >= 0x80 && code != TEXT_INVALID)
		width = wcwidth((wchar_t)code);
	return width < 0 ? 1 : width;
}

size_t text_width(const char *utf8)
{
	size_t length = strlen(utf8), ascii = 0, width, used;
	struct text_locale locale;

	while (ascii < length && (uint8_t)utf8[ascii] < 0x80)
		ascii++;
	if (ascii == length)
		return length;
	text_locale_enter(&locale);
	width = ascii;
	for (size_t at = ascii; at < length; at += used)
		width += text_code_width(&locale, text_decode(utf8 + at, length - at, &used));
	text_locale_leave(&locale);
	return width;
}

/* How many bytes from `at` on to take so that they need at most `columns`. */
static size_t text_head_bytes(const struct text_locale *locale, const char *utf8, size_t length,
			      size_t columns)
{
	size_t at = 0, used;

	for (; at < length; at += used) {
		size_t width = text_code_width(locale, text_decode(utf8 + at, length - at, &used));

		if (width > columns)
			break;
		columns -= width;
	}
	return at;
}

void text_append_fitted(struct buffer *out, const char *utf8, size_t columns)
{
	size_t length = strlen(utf8), width = text_width(utf8), head, tail, skip, used;
	struct text_locale locale;

	if (width <= columns) {
		buffer_append(out, utf8, length);
		return;
	}
	if (!columns)
		return;
	text_locale_enter(&locale);
	head = text_head_bytes(&locale, utf8, length, (columns - 1) / 2);
	/* Drop from the front until the rest fits: characters can only be walked forwards. */
	skip = head;
	tail = text_width(utf8 + head);
	while (skip < length && tail > columns - 1 - (columns - 1) / 2) {
		tail -= text_code_width(&locale, text_decode(utf8 + skip, length - skip, &used));
		skip += used;
	}
	text_locale_leave(&locale);
	buffer_append(out, utf8, head);
	buffer_string(out, TEXT_ELLIPSIS);
	buffer_append(out, utf8 + skip, length - skip);
}

/*
 * `pattern` stands behind a '['. True when the class is complete; *after is then what follows it,
 * *matches whether it holds `code`. A ']' that comes first is a member, as in the shell.
 */
static bool text_glob_class(const char *pattern, uint32_t code, const char **after, bool *matches)
{
	const char *end = pattern + strlen(pattern);
	bool negated = *pattern == '!' || *pattern == '^', found = false, first = true;
	const char *at = pattern + negated;

	while (at < end && (*at != ']' || first)) {
		size_t used;
		uint32_t low = text_decode(at, end - at, &used), high = low;

		at += used;
		if (at + 1 < end && at[0] == '-' && at[1] != ']') {
			high = text_decode(at + 1, end - at - 1, &used);
			at += 1 + used;
		}
		found |= low <= code && code <= high;
		first = false;
	}
	if (at == end)
		return false;
	*after = at + 1;
	*matches = found != negated;
	return true;
}

/* Whether one character of `string` fits the head of `pattern`; moves both past it. */
static bool text_glob_step(const char **pattern, const char **string)
{
	size_t used, pattern_used;
	uint32_t code = text_decode(*string, strlen(*string), &used);
	const char *after;
	bool matches;

	if (**pattern == '?') {
		pattern_used = 1;
	} else if (**pattern == '[' && text_glob_class(*pattern + 1, code, &after, &matches)) {
		if (!matches)
			return false;
		pattern_used = after - *pattern;
	} else {
		if (**pattern != **string)
			return false;
		pattern_used = used = 1;
	}
	*pattern += pattern_used;
	*string += used;
	return true;
}

bool text_glob(const char *pattern, const char *string)
{
	const char *star = NULL, *retry = NULL;
	size_t used;

	while (*string) {
		if (*pattern == '*') {
			star = ++pattern;
			retry = string;
			continue;
		}
		if (*pattern && text_glob_step(&pattern, &string))
			continue;
		if (!star)
			return false;
		/* Only the last star need be tried again: it can eat what earlier ones would. */
		text_decode(retry, strlen(retry), &used);
		retry += used;
		string = retry;
		pattern = star;
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}
