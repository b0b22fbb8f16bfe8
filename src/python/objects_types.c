// SPDX-License-Identifier: GPL-2.0-only
/*
 * The types met so far: what they are called, and how their objects must be read. A type is believed
 * when the type of its type, and so on, ends at PyType_Type, and its sizes make sense.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/grow.h"
#include "python/objects_private.h"

enum {
	METATYPES_MAX = 8,
	BASES_MAX = 64,
	BASIC_BYTES_MAX = 1 << 20,
	ITEM_BYTES_MAX = 1 << 20,
	NAME_MAX_BYTES = 256,
	DICT_ENTRIES_MAX = 4096,
	/* Words that are no types are remembered too, but a forged heap has no end of them. */
	INDICES_MAX = 1 << 18,
};

/* Types without a bit of their own in tp_flags, by tp_name as their C sources give it. */
static const struct {
	const char *name;
	enum object_kind kind;
	uint32_t payload_bytes;
} known[] = {
	{ "NoneType", OBJECT_NONE, 16 },
	{ "bytearray", OBJECT_BYTEARRAY, 56 },
	{ "float", OBJECT_FLOAT, 24 },
	{ "frozendict", OBJECT_DICT, DICT_BYTES },
	{ "complex", OBJECT_COMPLEX, 32 },
	{ "set", OBJECT_SET, SET_BYTES },
	{ "frozenset", OBJECT_SET, SET_BYTES },
	{ "collections.deque", OBJECT_DEQUE, DEQUE_LEFT_BLOCK },
	{ "collections.OrderedDict", OBJECT_ODICT, DICT_BYTES },
	{ "module", OBJECT_MODULE, 16 },
	{ "code", OBJECT_CODE, 16 },
	{ "frame", OBJECT_FRAME, 16 },
	{ "generator", OBJECT_GENERATOR, 16 },
	{ "coroutine", OBJECT_GENERATOR, 16 },
	{ "async_generator", OBJECT_GENERATOR, 16 },
	{ "weakref", OBJECT_WEAKREF, 16 },
	{ "weakproxy", OBJECT_WEAKREF, 16 },
	{ "weakcallableproxy", OBJECT_WEAKREF, 16 },
	{ "weakref.ReferenceType", OBJECT_WEAKREF, 16 },
	{ "weakref.ProxyType", OBJECT_WEAKREF, 16 },
	{ "weakref.CallableProxyType", OBJECT_WEAKREF, 16 },
	{ "array.array", OBJECT_ARRAY, 16 },
};

static void names_free(struct objects *objects)
{
	for (uint32_t i = 0; i < objects->type_count; i++) {
		free(objects->types[i].name);
		free(objects->types[i].module);
	}
	objects->type_count = 0;
}

void objects_types_free(struct objects *objects)
{
	names_free(objects);
	free(objects->types);
}

int objects_types_forget(struct objects *objects)
{
	struct map64 *indices = map64_new();

	if (!indices)
		return -ENOMEM;
	map64_free(objects->type_indices);
	objects->type_indices = indices;
	names_free(objects);
	objects->last_type = 0;
	objects->last_index = UINT32_MAX;
	objects_memory_forget_all(objects->memory);
	return 0;
}

/* Whether the type at `address` is PyType_Type, or a metaclass derived from it. */
static bool is_metatype(struct objects *objects, uint64_t address)
{
	for (int i = 0; i < METATYPES_MAX; i++) {
		if (address == objects->type_type)
			return true;
		if (!address || address & 7 ||
		    !(objects_word(objects, address + TYPE_FLAGS) & TYPE_TYPE_SUBCLASS))
			return false;
		address = objects_word(objects, address + OBJECT_TYPE);
	}
	return false;
}

static bool name_is_plausible(const char *name)
{
	for (size_t i = 0; name[i]; i++) {
		if ((unsigned char)name[i] < ' ')
			return false;
	}
	return name[0];
}

/* A copy of the head of the type, if it is one; its name goes to `name`. */
static bool type_read(struct objects *objects, uint64_t address, uint8_t head[TYPE_READ_BYTES],
		      char name[NAME_MAX_BYTES])
{
	uint64_t basic_bytes, item_bytes;

	if (!address || address & 7 ||
	    objects_memory_read(objects->memory, address, head, TYPE_READ_BYTES) ||
	    !is_metatype(objects, word_in(head, OBJECT_TYPE)))
		return false;
	basic_bytes = word_in(head, TYPE_BASICSIZE);
	item_bytes = word_in(head, TYPE_ITEMSIZE);
	return basic_bytes >= OBJECT_BYTES && basic_bytes <= BASIC_BYTES_MAX &&
	       item_bytes <= ITEM_BYTES_MAX &&
	       !objects_memory_string(objects->memory, word_in(head, TYPE_NAME), name,
				      NAME_MAX_BYTES) &&
	       name_is_plausible(name);
}

/* ---- names ---- */

static char *text_take(struct objects *objects, uint64_t address)
{
	struct buffer text;

	buffer_init(&text);
	if (address && !objects_text(objects, address, NAME_MAX_BYTES, &text) && text.length &&
	    strlen(text.bytes) == text.length && !buffer_error(&text))
		return text.bytes;
	buffer_release(&text);
	return NULL;
}

static bool is_module_key(struct objects *objects, uint64_t key)
{
	char *text;
	bool is;

	if (objects->module_key)
		return key == objects->module_key;
	text = text_take(objects, key);
	is = text && !strcmp(text, "__module__");
	free(text);
	/* Interned: it is the same object in every class's dict. */
	if (is)
		objects->module_key = key;
	return is;
}

/* The value of '__module__' in a class's dict; 0: it has none. */
static uint64_t module_find(struct objects *objects, uint64_t dict)
{
	struct object_keys keys;
	uint64_t entry[3];

	if (!dict || object_keys_read(objects, objects_word(objects, dict + DICT_KEYS), &keys))
		return 0;
	for (uint64_t i = 0; i < keys.count && i < DICT_ENTRIES_MAX; i++) {
		if (objects_memory_read(objects->memory, keys.entries + i * 8 * keys.words, entry,
					8ull * keys.words))
			return 0;
		if (entry[keys.key_word] && is_module_key(objects, entry[keys.key_word]))
			return entry[keys.key_word + 1];
	}
	return 0;
}

static char *copy(const char *string, size_t length)
{
	char *text = malloc(length + 1);

	if (text) {
		memcpy(text, string, length);
		text[length] = '\0';
	}
	return text;
}

/*
 * Classes have __qualname__ and __module__; static types only tp_name, "module.name" or, of
 * built-ins, "name". So have some types that C modules make.
 */
static int names_read(struct objects *objects, const uint8_t *head, uint64_t address,
		      const char *tp_name, struct object_type *type)
{
	const char *dot = strrchr(tp_name, '.');

	if (type->flags & TYPE_HEAP) {
		type->name = text_take(
			objects,
			objects_word(objects, address + objects->layout.heap_type_qualname));
		type->module = text_take(objects, module_find(objects, word_in(head, TYPE_DICT)));
	}
	if (!type->name)
		type->name = copy(dot && dot[1] ? dot + 1 : tp_name,
				  strlen(dot && dot[1] ? dot + 1 : tp_name));
	if (!type->module && dot && dot[1])
		type->module = copy(tp_name, (size_t)(dot - tp_name));
	if (!type->module)
		type->module = copy("builtins", type->flags & TYPE_HEAP ? 0 : strlen("builtins"));
	return type->name && type->module ? 0 : -ENOMEM;
}

/* ---- kinds ---- */

static bool kind_from_flags(const struct objects *objects, struct object_type *type)
{
	const struct {
		uint32_t flag;
		enum object_kind kind;
		uint32_t payload_bytes;
	} flags[] = {
		{ TYPE_LONG_SUBCLASS, OBJECT_INT, objects->walk.long_digits },
		{ TYPE_LIST_SUBCLASS, OBJECT_LIST, LIST_BYTES },
		{ TYPE_TUPLE_SUBCLASS, OBJECT_TUPLE, objects->layout.tuple_items },
		{ TYPE_BYTES_SUBCLASS, OBJECT_BYTES_KIND, objects->walk.walk.bytes_data },
		{ TYPE_UNICODE_SUBCLASS, OBJECT_STR, objects->layout.unicode_bytes },
		{ TYPE_DICT_SUBCLASS, OBJECT_DICT, DICT_BYTES },
		{ TYPE_TYPE_SUBCLASS, OBJECT_TYPE_KIND, OBJECT_BYTES },
	};

	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		if (!(type->flags & flags[i].flag))
			continue;
		type->kind = flags[i].kind;
		type->payload_bytes = flags[i].payload_bytes;
		return true;
	}
	return false;
}

/*
 * Whether the C source of a type gave it this name. A Python class may be called anything, but then
 * it is called so altogether; of what C makes at run time, the name ends behind the module's dot.
 */
static bool is_from_c(struct objects *objects, uint64_t address, const char *name)
{
	const char *dot = strrchr(name, '.');
	char *qualname;
	bool is;

	if (!(objects_word(objects, address + TYPE_FLAGS) & TYPE_HEAP))
		return true;
	if (!dot)
		return false;
	qualname = text_take(objects,
			     objects_word(objects, address + objects->layout.heap_type_qualname));
	is = qualname && !strcmp(qualname, dot + 1);
	free(qualname);
	return is;
}

/* By what it is called, or else what it is derived from. */
static void kind_from_names(struct objects *objects, struct object_type *type)
{
	uint64_t address = type->address;
	char name[NAME_MAX_BYTES];

	for (int depth = 0; depth < BASES_MAX && address; depth++) {
		if (objects_memory_string(objects->memory,
					  objects_word(objects, address + TYPE_NAME), name,
					  sizeof(name)))
			return;
		for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
			if (strcmp(name, known[i].name) != 0 || !is_from_c(objects, address, name))
				continue;
			type->kind = known[i].kind;
			type->payload_bytes = known[i].payload_bytes;
			return;
		}
		address = objects_word(objects, address + TYPE_BASE);
	}
}

/* The structure that a kind is read by must fit. */
static void kind_check(struct object_type *type)
{
	static const uint32_t least[] = {
		[OBJECT_BYTEARRAY] = 56,  [OBJECT_FLOAT] = 24,	[OBJECT_COMPLEX] = 32,
		[OBJECT_SET] = SET_BYTES, [OBJECT_DEQUE] = 80,	[OBJECT_ODICT] = ODICT_BYTES,
		[OBJECT_CODE] = 170,	  [OBJECT_FRAME] = 56,	[OBJECT_GENERATOR] = 72,
		[OBJECT_WEAKREF] = 56,	  [OBJECT_MODULE] = 56, [OBJECT_ARRAY] = 56,
	};

	if (type->kind < sizeof(least) / sizeof(least[0]) &&
	    type->basic_bytes < least[type->kind]) {
		type->kind = OBJECT_PLAIN;
		type->payload_bytes = OBJECT_BYTES;
	}
}

static void kind_find(struct objects *objects, struct object_type *type)
{
	type->kind = OBJECT_PLAIN;
	type->payload_bytes = OBJECT_BYTES;
	if (!kind_from_flags(objects, type)) {
		kind_from_names(objects, type);
	} else if (type->kind == OBJECT_DICT && type->basic_bytes >= ODICT_BYTES) {
		/* A dict is known by its flag; that it keeps an order, by its name. */
		kind_from_names(objects, type);
		if (type->kind != OBJECT_ODICT) {
			type->kind = OBJECT_DICT;
			type->payload_bytes = DICT_BYTES;
		}
	}
	kind_check(type);
	/* Its blocks are no objects, whatever lies in them: only what a class adds is looked at. */
	if (type->kind == OBJECT_DEQUE)
		type->payload_bytes = (uint32_t)type->weaklist_offset + 8;
}

/* ---- finding ---- */

static uint32_t type_add(struct objects *objects, uint64_t address, const uint8_t *head,
			 const char *name)
{
	struct object_type type = {
		.address = address,
		.flags = (uint32_t)word_in(head, TYPE_FLAGS),
		.basic_bytes = (uint32_t)word_in(head, TYPE_BASICSIZE),
		.item_bytes = (uint32_t)word_in(head, TYPE_ITEMSIZE),
		.dict_offset = (int64_t)word_in(head, TYPE_DICT_OFFSET),
		.weaklist_offset = (int64_t)word_in(head, TYPE_WEAKLIST_OFFSET),
	};

	if (type.flags & TYPE_HEAP && objects->layout.minor >= 11)
		type.cached_keys =
			objects_word(objects, address + objects->layout.heap_type_cached_keys);
	kind_find(objects, &type);
	if (names_read(objects, head, address, name, &type) ||
	    GROW(objects->types, objects->type_capacity, objects->type_count)) {
		free(type.name);
		free(type.module);
		return UINT32_MAX;
	}
	objects->types[objects->type_count] = type;
	return objects->type_count++;
}

uint32_t objects_type_find(struct objects *objects, uint64_t address)
{
	uint8_t head[TYPE_READ_BYTES];
	char name[NAME_MAX_BYTES];
	uint32_t index = UINT32_MAX;
	uint64_t known_as;
	uint64_t *slot;

	if (map64_get(objects->type_indices, address, &known_as))
		return known_as ? (uint32_t)known_as - 1 : UINT32_MAX;
	if (address == 0 || address & 7)
		return UINT32_MAX;
	if (type_read(objects, address, head, name))
		index = type_add(objects, address, head, name);
	if (index == UINT32_MAX && map64_count(objects->type_indices) >= INDICES_MAX)
		return index;
	slot = map64_slot(objects->type_indices, address, NULL);
	if (slot)
		*slot = index == UINT32_MAX ? 0 : (uint64_t)index + 1;
	return index;
}

const struct object_type *objects_type_of(struct objects *objects, uint64_t address)
{
	return objects_type_at(objects, objects_type_find(objects, address));
}
