// SPDX-License-Identifier: GPL-2.0-only
/*
 * See codes.h. Code objects of equal content share a body: a program that makes the same function
 * over and over, or a server whose short-lived children each send theirs, costs four bytes each.
 */
#include "resolve/codes.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/intern.h"
#include "base/map64.h"
#include "proc/memory.h"
#include "python/class.h"
#include "python/line_table.h"
#include "python/module.h"
#include "resolve/names.h"

enum {
	TABLE_BYTES_MAX = 1 << 20, /* a longer table belongs to no real function */
	/*
	 * Beyond these new functions share the name "[more functions]": a program that makes them
	 * without end, or forges them, must not take the host's memory through us.
	 */
	FUNCTIONS_MAX = 1 << 19,
	TEXT_BYTES_MAX = 256 << 20,
	FRAMES_MAX = 1 << 21,	/* beyond these a function's new lines are not told apart */
	CODE_IDS_MAX = 1 << 28, /* four bytes each, for ever */
};

/* What code objects with equal names, file and lines share, in whatever process they are. */
struct code_body {
	uint32_t function; /* of the profile */
	uint32_t frame;	   /* stands for all its frames; PROFILE_NONE: each line has its own */
	int32_t first_line;
	uint32_t table; /* of tables */
	uint8_t format; /* enum line_table_format */
};

struct codes {
	struct profile *profile;
	uint32_t *body_of; /* by code id: index of bodies; PROFILE_NONE: this id is not known */
	uint32_t id_count;
	struct code_body *bodies;
	uint32_t body_count;
	struct map64 *by_place;	  /* (name, file, line) -> function + 1 */
	struct map64 *by_content; /* (function, table and format) -> body + 1 */
	struct intern *tables;
	uint64_t text_bytes;  /* names and tables taken in so far */
	struct map64 *frames; /* (body, lasti) -> frame + 1 */
};

struct codes *codes_new(struct profile *profile)
{
	struct codes *codes = calloc(1, sizeof(*codes));

	if (!codes)
		return NULL;
	codes->profile = profile;
	codes->tables = intern_new();
	codes->frames = map64_new();
	codes->by_content = map64_new();
	codes->by_place = map64_new();
	if (!codes->tables || !codes->frames || !codes->by_place || !codes->by_content) {
		codes_free(codes);
		return NULL;
	}
	return codes;
}

void codes_free(struct codes *codes)
{
	if (!codes)
		return;
	intern_free(codes->tables);
	map64_free(codes->frames);
	map64_free(codes->by_content);
	map64_free(codes->by_place);
	free(codes->bodies);
	free(codes->body_of);
	free(codes);
}

/* Where the body of a code id is kept; NULL: out of memory, or no id of ours. */
static uint32_t *body_slot(struct codes *codes, uint32_t code_id)
{
	uint32_t count = codes->id_count ? codes->id_count : 256;
	uint32_t *array;

	/* Ids are dense: a wild one is not ours. */
	if (code_id >= codes->id_count + (1u << 24) || code_id >= CODE_IDS_MAX)
		return NULL;
	while (code_id >= count)
		count *= 2;
	if (count > codes->id_count) {
		array = reallocarray(codes->body_of, count, sizeof(*array));
		if (!array)
			return NULL;
		for (uint32_t i = codes->id_count; i < count; i++)
			array[i] = PROFILE_NONE;
		codes->body_of = array;
		codes->id_count = count;
	}
	return &codes->body_of[code_id];
}

/* The index of a body equal to this one, added when new. */
static uint32_t body_add(struct codes *codes, const struct code_body *body)
{
	uint64_t *index =
		map64_slot(codes->by_content,
			   map64_pair(body->function, body->table << 2 | body->format), NULL);
	struct code_body *array;

	if (!index)
		return PROFILE_NONE;
	if (!*index) {
		array = reallocarray(codes->bodies, codes->body_count + 1, sizeof(*array));
		if (!array)
			return PROFILE_NONE;
		codes->bodies = array;
		array[codes->body_count++] = *body;
		*index = codes->body_count;
	}
	return *index - 1;
}

/* The whole line table as an id of `tables`; cut where the rest cannot be had any more. */
static uint32_t table_add(struct codes *codes, const struct record_code *code, pid_t pid)
{
	size_t length = code->linetable_length;
	uint32_t table;
	char *whole;

	if (code->linetable_bytes == length || length > TABLE_BYTES_MAX)
		return intern_add(codes->tables, event_code_table(code), code->linetable_bytes);
	whole = malloc(length);
	if (!whole)
		return UINT32_MAX;
	/* Still the same table, if its beginning is what the kernel saw. */
	if (memory_read(pid, code->linetable, whole, length) ||
	    memcmp(whole, event_code_table(code), code->linetable_bytes) != 0)
		table = intern_add(codes->tables, event_code_table(code), code->linetable_bytes);
	else
		table = intern_add(codes->tables, whole, length);
	free(whole);
	return table;
}

/* What the module calls itself; false where it cannot be asked: then what its file's path tells. */
static bool module_append(const struct record_code *code, const struct codes_process *process,
			  const char *filename, struct buffer *out)
{
	char name[256];

	if (python_module_name(process->pid, process->minor, code->globals, filename, name,
			       sizeof(name))) {
		name_append_module(out, filename);
		return false;
	}
	buffer_string(out, name);
	return true;
}

/*
 * A forked child has its parent's functions, and may be gone before it can be asked of which module
 * and class they are: what somebody else told of the same function holds. Added when nobody did.
 */
static uint32_t function_of_equals(struct codes *codes, const struct profile_function *function,
				   bool asked)
{
	uint64_t place = map64_pair(function->name, function->file) ^ (uint64_t)function->line
									      << 52;
	uint64_t *slot = map64_slot(codes->by_place, place, NULL);
	const struct profile_function *known;
	uint32_t index;

	if (!slot)
		return PROFILE_NONE;
	if (!asked && *slot) {
		known = &codes->profile->functions[*slot - 1];
		if (known->name == function->name && known->file == function->file &&
		    known->line == function->line)
			return *slot - 1;
	}
	index = profile_add_function(codes->profile, function);
	if (index != PROFILE_NONE && (asked || !*slot))
		*slot = (uint64_t)index + 1;
	return index;
}

/* <= 3.10: the name alone is no qualified name; the class is asked for. */
static uint32_t class_ask(struct codes *codes, const struct record_code *code,
			  const struct codes_process *process)
{
	const struct python_method method = {
		.code = code->code,
		.self = code->self,
		.self_type = code->self_type,
	};
	char class_name[256];

	if (python_class_name(process->pid, process->minor, &method, class_name,
			      sizeof(class_name)))
		return 0;
	return profile_string(codes->profile, class_name);
}

static uint32_t function_add(struct codes *codes, const struct record_code *code,
			     const struct codes_process *process)
{
	struct intern *strings = codes->profile->strings;
	struct profile_function function = { .kind = FRAME_PYTHON, .line = code->firstlineno };
	struct buffer text;
	bool asked;

	buffer_init(&text);
	name_append(&text, &code->filename_text, event_code_filename(code));
	function.file = intern_add(strings, text.bytes ? text.bytes : "", text.length);
	buffer_clear(&text);
	asked = module_append(code, process, intern_get(strings, function.file), &text);
	function.module = intern_add(strings, text.bytes ? text.bytes : "", text.length);
	buffer_clear(&text);
	if (code->qualname_text.kind)
		name_append(&text, &code->qualname_text, event_code_qualname(code));
	else
		name_append(&text, &code->name_text, event_code_name(code));
	function.name = intern_add(strings, text.bytes ? text.bytes : "", text.length);
	if (code->qualname_text.kind)
		function.class_name =
			intern_add(strings, text.bytes ? text.bytes : "",
				   name_class_length(intern_get(strings, function.name)));
	else
		function.class_name = class_ask(codes, code, process);
	if (buffer_error(&text)) {
		buffer_release(&text);
		return PROFILE_NONE;
	}
	buffer_release(&text);
	return function_of_equals(codes, &function, asked);
}

static bool codes_full(const struct codes *codes)
{
	return codes->profile->function_count >= FUNCTIONS_MAX ||
	       codes->text_bytes >= TEXT_BYTES_MAX;
}

/* False: out of memory. */
static bool body_fill(struct codes *codes, struct code_body *body, const struct record_code *code,
		      const struct codes_process *process)
{
	*body = (struct code_body){
		.frame = PROFILE_NONE,
		.first_line = code->firstlineno,
		.format = line_table_format_of(process->minor),
	};
	if (codes_full(codes)) {
		body->frame = codes_note(codes, "[more functions]");
		body->function = PROFILE_NONE; /* one body for all of them */
		return body->frame != PROFILE_NONE;
	}
	codes->text_bytes += code->name_text.bytes + code->qualname_text.bytes +
			     code->filename_text.bytes + code->linetable_bytes;
	body->table = table_add(codes, code, process->pid);
	body->function = function_add(codes, code, process);
	return body->table != UINT32_MAX && body->function != PROFILE_NONE;
}

int codes_add(struct codes *codes, const struct record_code *code,
	      const struct codes_process *process)
{
	uint32_t *slot = body_slot(codes, code->code_id);
	struct code_body body;

	if (!slot || !body_fill(codes, &body, code, process))
		return -ENOMEM;
	*slot = body_add(codes, &body);
	return *slot == PROFILE_NONE ? -ENOMEM : 0;
}

static uint32_t body_frame(struct codes *codes, const struct code_body *body, int32_t lasti)
{
	const uint8_t *table = (const uint8_t *)intern_get(codes->tables, body->table);
	int32_t line =
		line_table_line(body->format, table, intern_length(codes->tables, body->table),
				body->first_line, lasti);

	return profile_add_frame(codes->profile, body->function, line);
}

uint32_t codes_frame(struct codes *codes, uint32_t code_id, int32_t lasti, bool *known)
{
	uint32_t index = code_id < codes->id_count ? codes->body_of[code_id] : PROFILE_NONE;
	uint64_t *slot;
	uint32_t frame;

	*known = index != PROFILE_NONE;
	if (!*known)
		return codes_note(codes, "[name lost]");
	if (codes->bodies[index].frame != PROFILE_NONE)
		return codes->bodies[index].frame;
	if (map64_count(codes->frames) >= FRAMES_MAX)
		return profile_add_frame(codes->profile, codes->bodies[index].function, 0);
	slot = map64_slot(codes->frames, map64_pair(index, (uint32_t)lasti), NULL);
	if (!slot)
		return PROFILE_NONE;
	if (!*slot) {
		frame = body_frame(codes, &codes->bodies[index], lasti);
		if (frame == PROFILE_NONE)
			return PROFILE_NONE;
		*slot = (uint64_t)frame + 1;
	}
	return *slot - 1;
}

uint32_t codes_function(const struct codes *codes, uint32_t code_id)
{
	uint32_t index = code_id < codes->id_count ? codes->body_of[code_id] : PROFILE_NONE;

	return index == PROFILE_NONE ? PROFILE_NONE : codes->bodies[index].function;
}

uint32_t codes_note(struct codes *codes, const char *note)
{
	struct profile_function function = { .kind = FRAME_NOTE };
	uint32_t index;

	function.name = profile_string(codes->profile, note);
	index = profile_add_function(codes->profile, &function);
	return index == PROFILE_NONE ? PROFILE_NONE : profile_add_frame(codes->profile, index, 0);
}
