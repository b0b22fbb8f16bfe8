// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an object refers to. Most of CPython's structures, and all that classes add with __slots__, keep
 * plain pointers to objects: their words are handed out, and whoever gets one looks whether an
 * object is there. Only what lies elsewhere (tables, blocks, frames), or must not be taken for a
 * reference (weak ones), has code here.
 */
#include "python/objects_private.h"

enum {
	WORDS_AT_ONCE = 256,
	ENTRIES_AT_ONCE = 64,
	VALUES_MAX = 1 << 16,
	BLOCKS_MAX = 1 << 24,
	TYPE_WEAKLIST = 368,
	STATE_BYTES_MAX = 1 << 16,
	FRAME_OWNED_BY_FRAME_OBJECT = 2,
};

static const uint64_t DICT_WORD_BACK = 24, VALUES_WORD_BACK = 32;

struct walk {
	struct objects *objects;
	reference_visit visit;
	void *arg;
	uint64_t mask; /* bits that are cleared before a word is looked at */
};

static int hand_out(const struct walk *walk, uint64_t word, enum reference_kind kind,
		    uint64_t detail)
{
	const struct reference reference = {
		.address = word & ~walk->mask,
		.kind = kind,
		.detail = detail,
	};

	/* Cheap, and true for most words that are no pointers. */
	if (reference.address < 4096 || reference.address & 7 || reference.address >> 47)
		return 0;
	return walk->visit(&reference, walk->arg);
}

/* `count` words; item i is called first_detail + i * detail_step. */
static int words_out(const struct walk *walk, uint64_t address, uint64_t count,
		     enum reference_kind kind, uint64_t detail, uint64_t detail_step)
{
	uint64_t words[WORDS_AT_ONCE];

	while (count) {
		uint64_t now = count < WORDS_AT_ONCE ? count : WORDS_AT_ONCE;

		if (objects_memory_read(walk->objects->memory, address, words, now * 8))
			return 0;
		for (uint64_t i = 0; i < now; i++) {
			int stop = hand_out(walk, words[i], kind, detail);

			if (stop)
				return stop;
			detail += detail_step;
		}
		address += now * 8;
		count -= now;
	}
	return 0;
}

/* The words of [from, to) of a structure, but not one of them (a list of weak references). */
static int fields_out(const struct walk *walk, uint64_t object, uint64_t from, uint64_t to,
		      int64_t but)
{
	int stop;

	to &= ~7ULL;
	if (from >= to)
		return 0;
	if (but < (int64_t)from || but >= (int64_t)to)
		return words_out(walk, object + from, (to - from) / 8, REFERENCE_FIELD, from, 8);
	stop = words_out(walk, object + from, ((uint64_t)but - from) / 8, REFERENCE_FIELD, from, 8);
	if (stop)
		return stop;
	from = (uint64_t)but + 8;
	return words_out(walk, object + from, (to - from) / 8, REFERENCE_FIELD, from, 8);
}

/* ---- dicts and attributes ---- */

/*
 * Keys, and the values beside them or, where the table is shared, in `values`. `attributes`: the keys are
 * the class's, and the values attributes of an object.
 */
static int entries_out(const struct walk *walk, const struct object_keys *keys, uint64_t values,
		       bool attributes)
{
	uint64_t entries[ENTRIES_AT_ONCE * 3], apart[ENTRIES_AT_ONCE];
	uint64_t done = 0;
	int stop = 0;

	while (!stop && done < keys->count) {
		uint64_t now = keys->count - done;

		if (now > ENTRIES_AT_ONCE)
			now = ENTRIES_AT_ONCE;
		if (objects_memory_read(walk->objects->memory,
					keys->entries + done * keys->words * 8, entries,
					now * keys->words * 8) ||
		    (values &&
		     objects_memory_read(walk->objects->memory, values + done * 8, apart, now * 8)))
			return 0;
		for (uint64_t i = 0; !stop && i < now; i++) {
			uint64_t key = entries[i * keys->words + keys->key_word];
			uint64_t value =
				values ? apart[i] : entries[i * keys->words + keys->key_word + 1];

			/* A hole, or a key that other users of the table have. */
			if (!value)
				continue;
			if (!attributes)
				stop = hand_out(walk, key, REFERENCE_KEY, 0);
			if (!stop)
				stop = hand_out(walk, value,
						attributes ? REFERENCE_ATTRIBUTE : REFERENCE_VALUE,
						key);
		}
		done += now;
	}
	return stop;
}

static uint64_t values_first(const struct objects *objects)
{
	return objects->layout.values_first == ABI_NO_OFFSET ? 0 : objects->layout.values_first;
}

static int dict_out(const struct walk *walk, uint64_t address)
{
	struct objects *objects = walk->objects;
	uint64_t values = objects_word(objects, address + DICT_VALUES);
	struct object_keys keys;

	if (object_keys_read(objects, objects_word(objects, address + DICT_KEYS), &keys))
		return 0;
	return entries_out(walk, &keys, values ? values + values_first(objects) : 0, false);
}

/* Values that are kept for the instance, in the order of the class's keys. */
static int values_out(const struct walk *walk, const struct object_type *type, uint64_t values)
{
	uint64_t cached = objects_word(walk->objects,
				       type->address + walk->objects->layout.heap_type_cached_keys);
	struct object_keys keys;

	if (object_keys_read(walk->objects, cached, &keys) || keys.count > VALUES_MAX)
		return 0;
	return entries_out(walk, &keys, values + values_first(walk->objects), true);
}

/* 3.13+: values behind the object, as long as their fourth byte says so. */
static int inline_values_out(const struct walk *walk, const struct object_type *type,
			     uint64_t address)
{
	uint64_t values =
		address + (walk->objects->layout.minor >= 14 ? type->basic_bytes : OBJECT_BYTES);
	uint64_t head = objects_word(walk->objects, values);

	if (!(head >> 24 & 0xff))
		return 0;
	return values_out(walk, type, values);
}

/* Where 3.11+ keeps the attributes of an instance: in front of it, or behind. */
static int attributes_out(const struct walk *walk, const struct object_type *type, uint64_t address)
{
	unsigned int minor = walk->objects->layout.minor;
	uint64_t word, values = 0;
	int stop = 0;

	if (minor < 11 || !(type->flags & TYPE_MANAGED_DICT))
		return 0;
	word = objects_word(walk->objects, address - DICT_WORD_BACK);
	if (minor == 11)
		values = objects_word(walk->objects, address - VALUES_WORD_BACK);
	if (minor == 12 && word & 1) {
		values = word + 1;
		word = 0;
	}
	if (values)
		stop = values_out(walk, type, values);
	if (!stop && minor >= 13 && type->flags & TYPE_INLINE_VALUES)
		stop = inline_values_out(walk, type, address);
	return stop ? stop : hand_out(walk, word, REFERENCE_FIELD, type->basic_bytes);
}

/* ---- other containers ---- */

static int set_out(const struct walk *walk, uint64_t address)
{
	struct objects *objects = walk->objects;
	uint64_t table = objects_word(objects, address + SET_TABLE);
	uint64_t left = objects_word(objects, address + SET_MASK) + 1;
	uint64_t entries[ENTRIES_AT_ONCE * 2];

	while (left) {
		uint64_t now = left < ENTRIES_AT_ONCE ? left : ENTRIES_AT_ONCE;

		if (objects_memory_read(objects->memory, table, entries, now * SET_ENTRY_BYTES))
			return 0;
		for (uint64_t i = 0; i < now; i++) {
			int stop = 0;

			/* No hash is -1: it marks what was removed. */
			if (entries[2 * i + 1] != UINT64_MAX)
				stop = hand_out(walk, entries[2 * i], REFERENCE_MEMBER, 0);
			if (stop)
				return stop;
		}
		table += now * SET_ENTRY_BYTES;
		left -= now;
	}
	return 0;
}

static int deque_out(const struct walk *walk, uint64_t address)
{
	struct objects *objects = walk->objects;
	uint64_t block = objects_word(objects, address + DEQUE_LEFT_BLOCK);
	uint64_t at = objects_word(objects, address + DEQUE_LEFT_INDEX);
	uint64_t left = objects_word(objects, address + VAR_SIZE);
	uint64_t index = 0;

	for (uint64_t blocks = 0; block && left && at < DEQUE_BLOCK_ITEMS && blocks < BLOCKS_MAX;
	     blocks++) {
		uint64_t now = DEQUE_BLOCK_ITEMS - at < left ? DEQUE_BLOCK_ITEMS - at : left;
		int stop = words_out(walk, block + DEQUE_BLOCK_DATA + 8 * at, now, REFERENCE_ITEM,
				     index, 1);

		if (stop)
			return stop;
		index += now;
		left -= now;
		at = 0;
		block = objects_word(objects, block + DEQUE_BLOCK_RIGHT);
	}
	return 0;
}

static int list_out(const struct walk *walk, uint64_t address)
{
	return words_out(walk, objects_word(walk->objects, address + LIST_ITEMS),
			 objects_word(walk->objects, address + VAR_SIZE), REFERENCE_ITEM, 0, 1);
}

static int class_out(const struct walk *walk, const struct object_type *meta, uint64_t address)
{
	struct objects *objects = walk->objects;
	uint64_t flags = objects_word(objects, address + TYPE_FLAGS);
	uint64_t bytes = objects->layout.type_bytes;
	struct object_keys keys;
	int stop;

	if (flags & TYPE_HEAP)
		bytes = meta->basic_bytes > objects->layout.heap_type_bytes ?
				meta->basic_bytes :
				objects->layout.heap_type_bytes;
	stop = fields_out(walk, address, OBJECT_BYTES, bytes, TYPE_WEAKLIST);
	if (stop || !(flags & TYPE_HEAP) ||
	    object_keys_read(objects,
			     objects_word(objects, address + objects->layout.heap_type_cached_keys),
			     &keys))
		return stop;
	for (uint64_t i = 0; !stop && i < keys.count && i < VALUES_MAX; i++)
		stop = hand_out(
			walk,
			objects_word(objects, keys.entries + 8 * (i * keys.words + keys.key_word)),
			REFERENCE_KEY, 0);
	return stop;
}

/* ---- frames ---- */

/* Up to 3.10: locals, cells and, as far as it is known to reach, the stack. */
static int old_frame_out(const struct walk *walk, uint64_t address)
{
	struct objects *objects = walk->objects;
	const struct objects_layout *layout = &objects->layout;
	uint64_t first = address + objects->walk.walk.frame_localsplus;
	uint64_t end = objects_word(objects, address + layout->frame_valuestack);
	uint64_t top = objects_word(objects, address + layout->frame_stacktop);
	int stop;

	/* 3.10: how many there are, -1 while the frame runs. */
	if (layout->minor >= 10)
		top = (int32_t)top > 0 ? end + 8 * (uint64_t)(uint32_t)top : 0;
	if (top > end)
		end = top;
	stop = fields_out(walk, address, OBJECT_BYTES, layout->frame_valuestack, -1);
	if (stop || end < first || end - first > (1 << 20))
		return stop;
	return words_out(walk, first, (end - first) / 8, REFERENCE_LOCAL, 0, 1);
}

int objects_frame_references(struct objects *objects, uint64_t frame, reference_visit visit,
			     void *arg)
{
	const struct python_layout *layout = &objects->walk.walk;
	struct walk walk = { objects, visit, arg, layout->pointer_tag_mask };
	uint64_t code = objects_word(objects, frame + layout->frame_code);
	uint64_t top = objects_word(objects, frame + objects->layout.frame_stacktop);
	uint64_t first = frame + layout->frame_localsplus;
	uint64_t slots = objects_frame_slots(objects, code);
	uint32_t locals = 0;
	int stop;

	objects_memory_read(objects->memory,
			    (code & ~(uint64_t)layout->pointer_tag_mask) +
				    objects->layout.code_nlocals,
			    &locals, sizeof(locals));
	/*
	 * While a frame runs, nobody knows how high its stack is up to 3.13, and what lies above is of
	 * earlier calls: only the locals are sure.
	 */
	if (layout->minor >= 14)
		top = top >= first ? (top - first) / 8 : locals;
	else
		top = (int32_t)top >= 0 ? (uint32_t)top : locals;
	/* Its globals and builtins are the function's, which it has. */
	stop = fields_out(&walk, frame, 0, layout->frame_globals, layout->frame_back);
	if (!stop)
		stop = fields_out(&walk, frame, layout->frame_globals + 16ull, layout->frame_ip,
				  layout->frame_back);
	if (stop)
		return stop;
	return words_out(&walk, first, top < slots ? top : slots, REFERENCE_LOCAL, 0, 1);
}

static int frame_out(const struct walk *walk, const struct object_type *type, uint64_t address)
{
	struct objects *objects = walk->objects;
	const struct objects_layout *layout = &objects->layout;
	uint64_t frame;
	uint8_t owner = 0;
	int stop;

	if (layout->frame_data == ABI_NO_OFFSET)
		return old_frame_out(walk, address);
	stop = fields_out(walk, address, OBJECT_BYTES, type->basic_bytes, layout->frame_frame);
	frame = objects_word(objects, address + layout->frame_frame);
	objects_memory_read(objects->memory, frame + objects->walk.walk.frame_owner, &owner, 1);
	/* Of a running function or a generator: it is theirs. */
	if (stop || owner != FRAME_OWNED_BY_FRAME_OBJECT)
		return stop;
	return objects_frame_references(objects, frame, walk->visit, walk->arg);
}

static int generator_out(const struct walk *walk, const struct object_type *type, uint64_t address)
{
	const struct objects_layout *layout = &walk->objects->layout;
	int8_t state = 0;
	int stop;

	if (layout->generator_frame == ABI_NO_OFFSET)
		return fields_out(walk, address, OBJECT_BYTES, type->basic_bytes,
				  type->weaklist_offset);
	stop = fields_out(walk, address, OBJECT_BYTES, layout->generator_frame,
			  type->weaklist_offset);
	if (stop ||
	    objects_memory_read(walk->objects->memory, address + layout->generator_state, &state,
				1) ||
	    state >= layout->generator_cleared)
		return stop;
	return objects_frame_references(walk->objects, address + layout->generator_frame,
					walk->visit, walk->arg);
}

/* ---- everything ---- */

bool objects_type_refers(const struct object_type *type)
{
	switch (type->kind) {
	case OBJECT_NONE:
		return false;
	case OBJECT_STR:
	case OBJECT_BYTES_KIND:
	case OBJECT_BYTEARRAY:
	case OBJECT_INT:
	case OBJECT_FLOAT:
	case OBJECT_COMPLEX:
		/* A class derived from one may have attributes. */
		return type->flags & TYPE_HEAP;
	default:
		return true;
	}
}

/* What a class adds to the built-in it is derived from: __slots__, a dict, or both. */
static int added_out(const struct walk *walk, const struct object *object,
		     const struct object_type *type)
{
	uint64_t count = objects_item_count(walk->objects, object, type);
	uint64_t end = type->basic_bytes;
	int64_t dict = type->dict_offset;
	int stop;

	switch (type->kind) {
	case OBJECT_INT:
	case OBJECT_BYTES_KIND:
		/* Of variable size: no slots, and the dict's place counts from the end. */
		if (dict >= 0 || type->flags & TYPE_MANAGED_DICT)
			return 0;
		end = (type->basic_bytes + count * type->item_bytes + 7) & ~7ULL;
		return fields_out(walk, object->address, end - (uint64_t)-dict, end, -1);
	case OBJECT_TUPLE:
		stop = words_out(walk, object->address + type->payload_bytes, count, REFERENCE_ITEM,
				 0, 1);
		if (stop || dict >= 0 || type->flags & TYPE_MANAGED_DICT)
			return stop;
		return fields_out(walk, object->address, type->payload_bytes + count * 8,
				  end + count * 8, -1);
	default:
		stop = fields_out(walk, object->address, type->payload_bytes, end,
				  type->weaklist_offset);
		if (stop || type->kind != OBJECT_PLAIN || type->item_bytes % 8 || !type->item_bytes)
			return stop;
		return words_out(walk, object->address + end, count * (type->item_bytes / 8),
				 REFERENCE_ITEM, 0, 1);
	}
}

/* What C code keeps for a module is not all objects, but those that are it holds. */
static int module_out(const struct walk *walk, const struct object_type *type, uint64_t address)
{
	struct objects *objects = walk->objects;
	const struct objects_layout *layout = &objects->layout;
	uint64_t state = objects_word(objects, address + layout->module_state), bytes;
	int stop = fields_out(walk, address, OBJECT_BYTES, layout->module_state, -1);

	if (!stop)
		stop = fields_out(walk, address, layout->module_state + 8ull, type->basic_bytes,
				  type->weaklist_offset);
	if (layout->module_state_bytes != ABI_NO_OFFSET)
		bytes = objects_word(objects, address + layout->module_state_bytes);
	else
		bytes = objects_word(objects, objects_word(objects, address + MODULE_DEFINITION) +
						      DEFINITION_STATE_BYTES);
	if (stop || !state || bytes > STATE_BYTES_MAX)
		return stop;
	return fields_out(walk, state, 0, bytes, -1);
}

static int weakref_out(const struct walk *walk, const struct object_type *type, uint64_t address)
{
	int stop = fields_out(walk, address, WEAKREF_OBJECT + 8, WEAKREF_PREVIOUS, -1);

	return stop ? stop :
		      fields_out(walk, address, WEAKREF_NEXT + 8, type->basic_bytes,
				 type->weaklist_offset);
}

int objects_references(struct objects *objects, const struct object *object, reference_visit visit,
		       void *arg)
{
	/* By value: what `visit` inspects may be of new types, and the table then moves. */
	const struct object_type type = objects->types[object->type];
	const struct walk walk = { objects, visit, arg, 0 };
	uint64_t address = object->address;
	int stop = 0;

	if (!objects_type_refers(&type))
		return 0;
	switch (type.kind) {
	case OBJECT_LIST:
		stop = list_out(&walk, address);
		break;
	case OBJECT_DICT:
	case OBJECT_ODICT:
		stop = dict_out(&walk, address);
		break;
	case OBJECT_SET:
		stop = set_out(&walk, address);
		break;
	case OBJECT_DEQUE:
		stop = deque_out(&walk, address);
		break;
	case OBJECT_TYPE_KIND:
		return class_out(&walk, &type, address);
	case OBJECT_FRAME:
		return frame_out(&walk, &type, address);
	case OBJECT_GENERATOR:
		return generator_out(&walk, &type, address);
	case OBJECT_WEAKREF:
		stop = weakref_out(&walk, &type, address);
		return stop ? stop : attributes_out(&walk, &type, address);
	case OBJECT_MODULE:
		stop = module_out(&walk, &type, address);
		return stop ? stop : attributes_out(&walk, &type, address);
	case OBJECT_ARRAY:
		return attributes_out(&walk, &type, address);
	default:
		break;
	}
	if (!stop)
		stop = attributes_out(&walk, &type, address);
	if (!stop)
		stop = added_out(&walk, object, &type);
	if (!stop && type.flags & TYPE_HEAP)
		stop = hand_out(&walk, type.address, REFERENCE_FIELD, OBJECT_TYPE);
	return stop;
}

int objects_words(struct objects *objects, uint64_t address, uint64_t bytes, reference_visit visit,
		  void *arg)
{
	const struct walk walk = { objects, visit, arg, 0 };

	return fields_out(&walk, address, 0, bytes, -1);
}
