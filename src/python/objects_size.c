// SPDX-License-Identifier: GPL-2.0-only
/*
 * How large an object is, by the rules of sys.getsizeof() in each version: Python/sysmodule.c adds what
 * lies in front of the object to what the type's __sizeof__ says.
 */
#include "python/objects_private.h"

enum {
	INT_DIGIT_BYTES = 4,
	UNCHECKED_BYTES = 1 << 16,
	BYTEARRAY_OF_BYTES_FROM = 15,
	INT_ONE_DIGIT_FROM = 11, /* from 3.11 on, 0 has a digit, too */

};

static const uint64_t OBJECT_MAX_BYTES = 1ULL << 46;

uint64_t objects_digits(struct objects *objects, uint64_t address, bool *negative)
{
	uint64_t word = objects_word(objects, address + VAR_SIZE);
	int64_t size = (int64_t)word;

	/* 3.12+: lv_tag, the sign in its low bits: 0 positive, 1 zero, 2 negative. */
	if (objects->layout.minor >= 12) {
		*negative = (word & 3) == 2;
		return word >> 3;
	}
	*negative = size < 0;
	return (uint64_t)(size < 0 ? -size : size);
}

uint64_t objects_item_count(struct objects *objects, const struct object *object,
			    const struct object_type *type)
{
	int64_t size;
	bool negative;

	if (!type->item_bytes || type->kind == OBJECT_GENERATOR)
		return 0;
	if (type->kind == OBJECT_INT)
		return objects_digits(objects, object->address, &negative);
	/* A frame of 3.11+ has no ob_size: its slots are those of its code. */
	if (type->kind == OBJECT_FRAME && objects->layout.frame_data != ABI_NO_OFFSET)
		return 0;
	size = (int64_t)objects_word(objects, object->address + VAR_SIZE);
	return (uint64_t)(size < 0 ? -size : size);
}

uint64_t object_keys_bytes(const struct objects *objects, const struct object_keys *keys)
{
	/* A table is filled to two thirds at most. */
	return objects->layout.keys_bytes + keys->index_bytes +
	       keys->slots * 2 / 3 * 8 * keys->words;
}

static uint64_t dict_extra(struct objects *objects, uint64_t address)
{
	struct object_keys keys;
	uint64_t bytes = 0;

	if (object_keys_read(objects, objects_word(objects, address + DICT_KEYS), &keys))
		return 0;
	if (objects_word(objects, address + DICT_VALUES))
		bytes += 8 * (objects->layout.minor >= 11 ? keys.count + keys.usable :
							    keys.slots * 2 / 3);
	/* Keys that are shared are the class's. */
	if (keys.refcount == 1)
		bytes += object_keys_bytes(objects, &keys);
	return bytes;
}

static uint64_t odict_extra(struct objects *objects, uint64_t address)
{
	uint64_t bytes = dict_extra(objects, address);

	bytes += 8 * objects_word(objects, address + ODICT_FAST_NODES_COUNT);
	if (objects_word(objects, address + ODICT_FIRST))
		bytes += ODICT_NODE_BYTES * objects_word(objects, address + DICT_USED);
	return bytes;
}

static uint64_t set_extra(struct objects *objects, uint64_t address)
{
	if (objects_word(objects, address + SET_TABLE) == address + SET_SMALL_TABLE)
		return 0;
	return (objects_word(objects, address + SET_MASK) + 1) * SET_ENTRY_BYTES;
}

static uint64_t deque_extra(struct objects *objects, uint64_t address)
{
	uint64_t used = objects_word(objects, address + DEQUE_LEFT_INDEX) +
			objects_word(objects, address + VAR_SIZE);

	return (used + DEQUE_BLOCK_ITEMS - 1) / DEQUE_BLOCK_ITEMS * DEQUE_BLOCK_BYTES;
}

/* From 3.15 on the bytes are those of a bytes object, which has a head. */
static uint64_t bytearray_extra(struct objects *objects, uint64_t address)
{
	uint64_t allocated = objects_word(objects, address + BYTEARRAY_ALLOCATED);

	if (allocated && objects->layout.minor >= BYTEARRAY_OF_BYTES_FROM)
		return allocated + objects->walk.walk.bytes_data + 1;
	return allocated;
}

static uint64_t array_extra(struct objects *objects, uint64_t address)
{
	uint64_t description = objects_word(objects, address + ARRAY_DESCRIPTION);
	uint32_t item_bytes;

	if (objects_memory_read(objects->memory, description + ARRAY_DESCRIPTION_ITEM_BYTES,
				&item_bytes, sizeof(item_bytes)))
		return 0;
	return item_bytes * objects_word(objects, address + ARRAY_ALLOCATED);
}

/* Up to 3.11 a str may also have a wchar_t copy: one that is not its very data. */
static uint64_t wstr_bytes(struct objects *objects, uint64_t address, bool ascii, bool compact,
			   uint64_t data)
{
	const struct objects_layout *layout = &objects->layout;
	uint64_t wstr;

	if (layout->unicode_wstr == ABI_NO_OFFSET)
		return 0;
	wstr = objects_word(objects, address + layout->unicode_wstr);
	if (!wstr || wstr == data)
		return 0;
	if (ascii && compact)
		return 4 * (objects_word(objects, address + objects->walk.walk.unicode_length) + 1);
	return 4 * (objects_word(objects, address + layout->unicode_wstr_length) + 1);
}

static uint64_t str_bytes(struct objects *objects, uint64_t address)
{
	const struct python_layout *walk = &objects->walk.walk;
	uint32_t state = (uint32_t)objects_word(objects, address + walk->unicode_state);
	uint64_t length = objects_word(objects, address + walk->unicode_length);
	uint64_t kind = state >> walk->unicode_kind_shift & 7;
	bool compact = state >> walk->unicode_compact_bit & 1;
	bool ascii = state >> walk->unicode_ascii_bit & 1;
	uint64_t utf8, data, bytes;

	if (compact && ascii)
		return walk->unicode_ascii_data + length + 1 +
		       wstr_bytes(objects, address, true, true, address + walk->unicode_ascii_data);
	data = address + walk->unicode_compact_data;
	bytes = walk->unicode_compact_data + (length + 1) * kind;
	if (!compact) {
		data = objects_word(objects, address + walk->unicode_compact_data);
		bytes = objects->layout.unicode_bytes + (data ? (length + 1) * kind : 0);
	}
	bytes += wstr_bytes(objects, address, ascii, compact, data);
	utf8 = objects_word(objects, address + objects->layout.unicode_utf8_length + 8);
	if (utf8 && utf8 != data)
		bytes += objects_word(objects, address + objects->layout.unicode_utf8_length) + 1;
	return bytes;
}

static uint64_t int_bytes(struct objects *objects, const struct object *object,
			  const struct object_type *type)
{
	bool negative;
	uint64_t digits = objects_digits(objects, object->address, &negative);

	if (digits == 0 && objects->layout.minor >= INT_ONE_DIGIT_FROM)
		digits = 1;
	return (objects->layout.minor >= 12 ? type->basic_bytes : objects->walk.long_digits) +
	       digits * INT_DIGIT_BYTES;
}

static uint64_t class_bytes(struct objects *objects, uint64_t address)
{
	struct object_keys keys;
	uint64_t cached_keys;

	if (!(objects_word(objects, address + TYPE_FLAGS) & TYPE_HEAP))
		return objects->layout.type_bytes;
	cached_keys = objects_word(objects, address + objects->layout.heap_type_cached_keys);
	if (!cached_keys || object_keys_read(objects, cached_keys, &keys))
		return objects->layout.heap_type_bytes;
	return objects->layout.heap_type_bytes + object_keys_bytes(objects, &keys);
}

/* co_extra is a count and so many words. */
static uint64_t code_extra(struct objects *objects, uint64_t address)
{
	uint64_t extra = objects_word(objects, address + objects->layout.code_extra);

	return extra ? 16 + 8 * (objects_word(objects, extra) - 1) : 0;
}

uint64_t objects_frame_slots(struct objects *objects, uint64_t code)
{
	uint32_t locals = 0, stack = 0;

	code &= ~(uint64_t)objects->walk.walk.pointer_tag_mask;
	if (objects_memory_read(objects->memory, code + objects->layout.code_nlocals, &locals,
				sizeof(locals)) ||
	    objects_memory_read(objects->memory, code + objects->layout.code_stacksize, &stack,
				sizeof(stack)))
		return 0;
	return (uint64_t)locals + stack;
}

static uint64_t frame_bytes(struct objects *objects, uint64_t structure, uint64_t frame)
{
	uint64_t code = objects_word(objects, frame + objects->walk.walk.frame_code);

	return structure + objects->walk.walk.frame_localsplus +
	       8 * objects_frame_slots(objects, code);
}

static uint64_t plain_bytes(struct objects *objects, const struct object *object,
			    const struct object_type *type)
{
	return type->basic_bytes + objects_item_count(objects, object, type) * type->item_bytes;
}

/*
 * Up to 3.10 a code object's tables lie elsewhere and are not counted, but the table that says which
 * cells are arguments is, and the cache of opcodes.
 */
static uint64_t old_code_bytes(struct objects *objects, uint64_t address, uint64_t bytes)
{
	uint64_t cells = objects_word(objects, address + objects->layout.code_cellvars);

	if (objects_word(objects, address + objects->layout.code_cell2arg) && cells)
		bytes += 8 * objects_word(objects, cells + VAR_SIZE);
	return bytes;
}

/* ob_size may be more: frames are used again. The structure holds the first slot already. */
static uint64_t old_frame_bytes(struct objects *objects, uint64_t frame, uint64_t bytes)
{
	const struct objects_layout *layout = &objects->layout;
	uint64_t code = objects_word(objects, frame + objects->walk.walk.frame_code);
	uint64_t cells = objects_word(objects, code + layout->code_cellvars);
	uint64_t frees = objects_word(objects, code + layout->code_freevars);

	return bytes +
	       8 * (objects_frame_slots(objects, code) + objects_word(objects, cells + VAR_SIZE) +
		    objects_word(objects, frees + VAR_SIZE) - 1);
}

/* What the type's own __sizeof__ says. */
static uint64_t own_bytes(struct objects *objects, const struct object *object,
			  const struct object_type *type)
{
	const struct objects_layout *layout = &objects->layout;
	uint64_t address = object->address;
	uint64_t plain = plain_bytes(objects, object, type);

	switch (type->kind) {
	case OBJECT_STR:
		return str_bytes(objects, address);
	case OBJECT_INT:
		return int_bytes(objects, object, type);
	case OBJECT_BYTEARRAY:
		return plain + bytearray_extra(objects, address);
	case OBJECT_LIST:
		return plain + 8 * objects_word(objects, address + LIST_ALLOCATED);
	case OBJECT_DICT:
		return plain + dict_extra(objects, address);
	case OBJECT_ODICT:
		return plain + odict_extra(objects, address);
	case OBJECT_SET:
		return plain + set_extra(objects, address);
	case OBJECT_DEQUE:
		return plain + deque_extra(objects, address);
	case OBJECT_ARRAY:
		return plain + array_extra(objects, address);
	case OBJECT_TYPE_KIND:
		return class_bytes(objects, address);
	case OBJECT_CODE:
		if (layout->minor <= 10)
			return old_code_bytes(objects, address, plain) +
			       code_extra(objects, address);
		return ((plain + 7) & ~7ULL) + code_extra(objects, address);
	case OBJECT_GENERATOR:
		if (layout->generator_frame == ABI_NO_OFFSET)
			return plain;
		return frame_bytes(objects, layout->generator_frame,
				   address + layout->generator_frame);
	case OBJECT_FRAME:
		if (layout->frame_data == ABI_NO_OFFSET)
			return old_frame_bytes(objects, address, type->basic_bytes);
		return frame_bytes(objects, layout->frame_data,
				   objects_word(objects, address + layout->frame_frame));
	default:
		return plain;
	}
}

/* The collector's links, dict and weakrefs. */
uint32_t objects_type_front_bytes(const struct objects *objects, const struct object_type *type)
{
	unsigned int minor = objects->layout.minor;
	uint32_t bytes = type->flags & TYPE_HAVE_GC ? GC_HEAD_BYTES : 0;

	if ((minor >= 11 && type->flags & TYPE_MANAGED_DICT) ||
	    (minor >= 12 && type->flags & TYPE_MANAGED_WEAKREF))
		bytes += 16;
	return bytes;
}

static uint64_t front_bytes(struct objects *objects, const struct object *object,
			    const struct object_type *type)
{
	unsigned int minor = objects->layout.minor;

	/* Types that are not made at run time have no links. 3.11 and 3.12 count them all the same. */
	if (type->kind == OBJECT_TYPE_KIND && minor != 11 && minor != 12 &&
	    !(objects_word(objects, object->address + TYPE_FLAGS) & TYPE_HEAP))
		return 0;
	return objects_type_front_bytes(objects, type);
}

/* Whether what follows the object's head can all be there: its end is. */
static bool is_mapped(struct objects *objects, const struct object *object,
		      const struct object_type *type)
{
	uint64_t bytes = plain_bytes(objects, object, type);
	uint8_t last;

	return bytes <= UNCHECKED_BYTES ||
	       !objects_memory_read(objects->memory, object->address + bytes - 1, &last, 1);
}

uint64_t objects_size(struct objects *objects, const struct object *object)
{
	const struct object_type *type = &objects->types[object->type];
	uint64_t bytes = own_bytes(objects, object, type);

	/* Torn or forged: no process has so much, or it does not lie there. */
	if (bytes > OBJECT_MAX_BYTES || !is_mapped(objects, object, type))
		bytes = type->basic_bytes;
	return bytes + front_bytes(objects, object, type);
}
