// SPDX-License-Identifier: GPL-2.0-only
/*
 * Objects in words: short, bounded, and only of built-ins whose bytes can simply be read. Nothing of
 * the target's runs for it. What comes out may hold anything; whoever prints it makes it safe.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "python/objects_private.h"

enum {
	PREVIEW_TEXT = 48,
	PREVIEW_BYTES = 32,
	PREVIEW_DIGITS = 4, /* of 30 bits: fit 128 bits */
	LABEL_TEXT = 80,
	DIGIT_BITS = 30,
	TEXT_LIMIT = 4096,
	DOUBLE_DIGITS = 17,
};

static void append_utf8(struct buffer *out, uint32_t point)
{
	if (point < 0x80) {
		buffer_byte(out, (char)point);
	} else if (point < 0x800) {
		buffer_byte(out, (char)(0xc0 | point >> 6));
		buffer_byte(out, (char)(0x80 | (point & 0x3f)));
	} else if (point < 0x10000) {
		buffer_byte(out, (char)(0xe0 | point >> 12));
		buffer_byte(out, (char)(0x80 | (point >> 6 & 0x3f)));
		buffer_byte(out, (char)(0x80 | (point & 0x3f)));
	} else {
		buffer_byte(out, (char)(0xf0 | (point >> 18 & 7)));
		buffer_byte(out, (char)(0x80 | (point >> 12 & 0x3f)));
		buffer_byte(out, (char)(0x80 | (point >> 6 & 0x3f)));
		buffer_byte(out, (char)(0x80 | (point & 0x3f)));
	}
}

/* Where a str's characters lie, how many they are, and how many bytes each has; 0: no str. */
static uint64_t str_data(struct objects *objects, uint64_t address, uint64_t *length,
			 uint32_t *kind)
{
	const struct python_layout *walk = &objects->walk.walk;
	uint64_t type = objects_word(objects, address + OBJECT_TYPE);
	uint32_t state;

	/* By the flag alone: names of types are read before their types are known. */
	if (!type || type & 7 ||
	    !(objects_word(objects, type + TYPE_FLAGS) & TYPE_UNICODE_SUBCLASS))
		return 0;
	state = (uint32_t)objects_word(objects, address + walk->unicode_state);
	*length = objects_word(objects, address + walk->unicode_length);
	*kind = state >> walk->unicode_kind_shift & 7;
	if (*kind != 1 && *kind != 2 && *kind != 4)
		return 0;
	if (!(state >> walk->unicode_compact_bit & 1))
		return objects_word(objects, address + walk->unicode_compact_data);
	return address + (state >> walk->unicode_ascii_bit & 1 ? walk->unicode_ascii_data :
								 walk->unicode_compact_data);
}

int objects_text(struct objects *objects, uint64_t address, size_t limit, struct buffer *out)
{
	uint8_t bytes[TEXT_LIMIT];
	uint64_t length, data;
	uint32_t kind;

	data = str_data(objects, address, &length, &kind);
	if (!data)
		return -EINVAL;
	if (length > limit)
		length = limit;
	if (length > TEXT_LIMIT / kind)
		length = TEXT_LIMIT / kind;
	if (length && objects_memory_read(objects->memory, data, bytes, length * kind))
		return -EINVAL;
	for (uint64_t i = 0; i < length; i++) {
		uint32_t point = 0;

		memcpy(&point, bytes + i * kind, kind);
		append_utf8(out, point);
	}
	return 0;
}

static void append_quoted(struct objects *objects, uint64_t address, size_t limit,
			  struct buffer *out)
{
	uint64_t length;
	uint32_t kind;

	if (!str_data(objects, address, &length, &kind))
		return;
	buffer_byte(out, '\'');
	objects_text(objects, address, limit, out);
	buffer_string(out, length > limit ? "'..." : "'");
}

static void append_bytes(struct objects *objects, uint64_t data, uint64_t length,
			 struct buffer *out)
{
	uint8_t bytes[PREVIEW_BYTES];
	uint64_t shown = length < PREVIEW_BYTES ? length : PREVIEW_BYTES;

	if (shown && objects_memory_read(objects->memory, data, bytes, shown))
		return;
	buffer_string(out, "b'");
	for (uint64_t i = 0; i < shown; i++) {
		if (bytes[i] >= ' ' && bytes[i] < 0x7f && bytes[i] != '\'' && bytes[i] != '\\')
			buffer_byte(out, (char)bytes[i]);
		else
			buffer_printf(out, "\\x%02x", bytes[i]);
	}
	buffer_string(out, length > shown ? "'..." : "'");
}

static void append_int(struct objects *objects, uint64_t address, struct buffer *out)
{
	uint32_t digits[PREVIEW_DIGITS];
	unsigned __int128 value = 0;
	char text[48];
	size_t at = sizeof(text);
	bool negative;
	uint64_t count = objects_digits(objects, address, &negative);

	if (count > PREVIEW_DIGITS) {
		buffer_printf(out, "int of about %" PRIu64 " bits", count * DIGIT_BITS);
		return;
	}
	if (count && objects_memory_read(objects->memory, address + objects->walk.long_digits,
					 digits, count * sizeof(*digits)))
		return;
	for (uint64_t i = count; i-- > 0;)
		value = value << DIGIT_BITS | digits[i];
	do {
		text[--at] = (char)('0' + (int)(value % 10));
		value /= 10;
	} while (value);
	if (negative)
		text[--at] = '-';
	buffer_append(out, text + at, sizeof(text) - at);
}

static void append_float(struct objects *objects, uint64_t address, struct buffer *out)
{
	uint64_t word = objects_word(objects, address + FLOAT_VALUE);
	double value;
	char text[40];

	memcpy(&value, &word, sizeof(value));
	/* The fewest digits that give it back. */
	for (int digits = 1; digits <= DOUBLE_DIGITS; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	buffer_string(out, text);
}

static void append_count(struct buffer *out, const char *what, uint64_t count)
{
	buffer_printf(out, "%s of %" PRIu64, what, count);
}

void objects_preview(struct objects *objects, const struct object *object, struct buffer *out)
{
	const struct object_type *type = &objects->types[object->type];
	uint64_t address = object->address;

	switch (type->kind) {
	case OBJECT_STR:
		append_quoted(objects, address, PREVIEW_TEXT, out);
		break;
	case OBJECT_BYTES_KIND:
		append_bytes(objects, address + objects->walk.walk.bytes_data,
			     objects_word(objects, address + VAR_SIZE), out);
		break;
	case OBJECT_BYTEARRAY:
		append_count(out, "bytearray", objects_word(objects, address + VAR_SIZE));
		break;
	case OBJECT_INT:
		append_int(objects, address, out);
		break;
	case OBJECT_FLOAT:
		append_float(objects, address, out);
		break;
	case OBJECT_LIST:
		append_count(out, "list", objects_word(objects, address + VAR_SIZE));
		break;
	case OBJECT_TUPLE:
		append_count(out, "tuple", objects_word(objects, address + VAR_SIZE));
		break;
	case OBJECT_DICT:
	case OBJECT_ODICT:
		append_count(out, "dict", objects_word(objects, address + DICT_USED));
		break;
	case OBJECT_SET:
		append_count(out, "set", objects_word(objects, address + SET_USED));
		break;
	case OBJECT_DEQUE:
		append_count(out, "deque", objects_word(objects, address + VAR_SIZE));
		break;
	case OBJECT_ARRAY:
		append_count(out, "array", objects_word(objects, address + VAR_SIZE));
		break;
	default:
		break;
	}
}

/* ---- how one object holds another ---- */

static void append_key(struct objects *objects, uint64_t key, struct buffer *out)
{
	struct object object;
	size_t before = out->length;

	if (objects_inspect(objects, key, &object))
		objects_preview(objects, &object, out);
	if (out->length == before)
		buffer_printf(out, "0x%" PRIx64, key);
}

/* Fields that people know by a name. */
static const char *field_name(const struct object_type *type, uint64_t offset)
{
	static const struct {
		const char *type;
		uint64_t offset;
		const char *name;
	} fields[] = {
		{ "cell", 16, "cell_contents" }, { "method", 16, "__func__" },
		{ "method", 24, "__self__" },	 { "module", 16, "__dict__" },
		{ "property", 16, "fget" },	 { "property", 24, "fset" },
		{ "property", 32, "fdel" },	 { "builtin_function_or_method", 24, "__self__" },
	};

	if (offset == OBJECT_TYPE)
		return "__class__";
	if (type->kind == OBJECT_TYPE_KIND && offset == TYPE_DICT)
		return "__dict__";
	if (type->flags & TYPE_MANAGED_DICT && offset == type->basic_bytes)
		return "__dict__";
	if (type->dict_offset > 0 && offset == (uint64_t)type->dict_offset)
		return "__dict__";
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (!(type->flags & TYPE_HEAP) && offset == fields[i].offset &&
		    !strcmp(type->name, fields[i].type))
			return fields[i].name;
	}
	return NULL;
}

/* The fields of a function moved in 3.10. */
static const char *function_field(unsigned int minor, uint64_t offset)
{
	static const char *const old[] = {
		"__code__",    "__globals__", "__defaults__", "__kwdefaults__",
		"__closure__", "__doc__",     "__name__",     "__dict__",
	};
	static const char *const now[] = {
		"__globals__",	"__builtins__",	  "__name__",	 "__qualname__", "__code__",
		"__defaults__", "__kwdefaults__", "__closure__", "__doc__",	 "__dict__",
	};
	uint64_t index = (offset - OBJECT_BYTES) / 8;

	if (minor >= 10)
		return index < sizeof(now) / sizeof(now[0]) ? now[index] : NULL;
	return index < sizeof(old) / sizeof(old[0]) ? old[index] : NULL;
}

/* The name of slot `index` of a frame of this code. */
static bool append_local(struct objects *objects, uint64_t code, uint64_t index, struct buffer *out)
{
	uint64_t names = objects_word(objects, (code & ~7ULL) + objects->walk.walk.code_varnames);

	if (!names || index >= objects_word(objects, names + VAR_SIZE))
		return false;
	buffer_string(out, "local ");
	return !objects_text(objects,
			     objects_word(objects, names + objects->layout.tuple_items + 8 * index),
			     LABEL_TEXT, out);
}

static uint64_t code_of(struct objects *objects, const struct object *holder,
			const struct object_type *type)
{
	const struct objects_layout *layout = &objects->layout;
	uint64_t frame = holder->address;

	if (layout->frame_data == ABI_NO_OFFSET)
		return objects_word(objects, frame + objects->walk.walk.frame_code);
	if (type->kind == OBJECT_GENERATOR)
		frame += layout->generator_frame;
	else
		frame = objects_word(objects, frame + layout->frame_frame);
	return objects_word(objects, frame + objects->walk.walk.frame_code);
}

static void append_field(struct objects *objects, const struct object_type *type, uint64_t offset,
			 struct buffer *out)
{
	const char *name = field_name(type, offset);

	if (!name && !(type->flags & TYPE_HEAP) && !strcmp(type->name, "function"))
		name = function_field(objects->layout.minor, offset);
	if (name)
		buffer_printf(out, ".%s", name);
	else
		buffer_printf(out, "+%" PRIu64, offset);
}

void objects_reference_label(struct objects *objects, const struct object *holder,
			     const struct reference *reference, struct buffer *out)
{
	const struct object_type *type = &objects->types[holder->type];

	switch (reference->kind) {
	case REFERENCE_FIELD:
		append_field(objects, type, reference->detail, out);
		break;
	case REFERENCE_ITEM:
		buffer_printf(out, "[%" PRIu64 "]", reference->detail);
		break;
	case REFERENCE_MEMBER:
		buffer_string(out, "{member}");
		break;
	case REFERENCE_KEY:
		buffer_string(out, "{key}");
		break;
	case REFERENCE_VALUE:
		buffer_byte(out, '[');
		append_key(objects, reference->detail, out);
		buffer_byte(out, ']');
		break;
	case REFERENCE_ATTRIBUTE:
		buffer_byte(out, '.');
		if (objects_text(objects, reference->detail, LABEL_TEXT, out))
			buffer_byte(out, '?');
		break;
	case REFERENCE_LOCAL:
		if ((type->kind != OBJECT_FRAME && type->kind != OBJECT_GENERATOR) ||
		    !append_local(objects, code_of(objects, holder, type), reference->detail, out))
			buffer_printf(out, "stack %" PRIu64, reference->detail);
		break;
	}
}
