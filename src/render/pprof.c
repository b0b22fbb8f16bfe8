// SPDX-License-Identifier: GPL-2.0-only
/*
 * -f pprof: the message Profile of pprof's profile.proto, compressed with gzip, for `go tool pprof` and
 * the many that read what it reads.
 *
 *	sample_type: alloc_objects/count alloc_space/bytes inuse_objects/count inuse_space/bytes
 *	sample: locations 3 2 1, values 10 40960 2 8192, labels thread.name=worker ...
 *	location: 3, line 21 of function 2
 *	function: 2, "fib" in "/srv/app/jobs.py" from line 20 on
 *
 * A location is a frame of the profile and its id the frame's index plus one, functions alike. It is
 * written as it goes, the strings last, compressed in pieces: nothing large is held.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/gzip.h"
#include "base/protobuf.h"
#include "base/text.h"
#include "model/memory.h"
#include "render/closing.h"
#include "render/pprof_fields.h"
#include "render/renderers.h"
#include "render/selection.h"
#include "render/writer.h"

enum {
	PPROF_VALUES_MAX = 5,
	PPROF_PIECE_BYTES = 64 * 1024,
	PPROF_MAPPING_PROGRAM = 1,
};

/* What is counted, in the words that readers know. */
struct pprof_values {
	size_t count;
	struct {
		const char *type;
		const char *unit;
	} values[PPROF_VALUES_MAX];
	const char *period_type;
	const char *period_unit;
};

static const struct pprof_values VALUES_MEMORY = {
	4,
	{ { "alloc_objects", "count" },
	  { "alloc_space", "bytes" },
	  { "inuse_objects", "count" },
	  { "inuse_space", "bytes" } },
	"space",
	"bytes",
};

static const struct pprof_values VALUES_LIFETIMES = {
	5,
	{ { "alloc_objects", "count" },
	  { "alloc_space", "bytes" },
	  { "inuse_objects", "count" },
	  { "inuse_space", "bytes" },
	  { "age", "nanoseconds" } },
	"objects",
	"count",
};

/* The one of them that a view is of. */
static const uint8_t LIFETIME_VALUE[LIFETIME_VIEW_COUNT] = {
	[LIFETIME_VIEW_CREATED] = 0,
	[LIFETIME_VIEW_LIVE] = 2,
	[LIFETIME_VIEW_BYTES] = 3,
	[LIFETIME_VIEW_AGE] = 4,
};

static const struct pprof_values VALUES_CALLS = {
	2,
	{ { "calls", "count" }, { "wall", "nanoseconds" } },
	"wall",
	"nanoseconds",
};

static const struct pprof_values VALUES_CPU = {
	2,
	{ { "samples", "count" }, { "cpu", "nanoseconds" } },
	"cpu",
	"nanoseconds",
};

static const struct pprof_values VALUES_COLLECTIONS = {
	2,
	{ { "collections", "count" }, { "pause", "nanoseconds" } },
	"pause",
	"nanoseconds",
};

static const struct pprof_values VALUES_SAMPLES = {
	1,
	{ { "samples", "count" } },
	"samples",
	"count",
};

struct pprof {
	const struct profile *profile;
	const struct pprof_values *values;
	struct writer *writer;
	struct gzip *gzip;
	struct intern *texts;	/* the string table */
	struct buffer fields;	/* of Profile, not compressed yet */
	struct buffer message;	/* being made */
	struct buffer inner;	/* being made inside of it */
	struct map64 *mappings; /* string of the library -> id */
	uint64_t *path;		/* locations of a sample */
	bool *frames_used;	/* by frame; one more for samples without any */
	bool *functions_used;	/* by function, with the same */
};

static const struct pprof_values *pprof_values_of(const struct profile *profile)
{
	if (profile->memory)
		return &VALUES_MEMORY;
	if (profile->lifetimes)
		return &VALUES_LIFETIMES;
	if (profile->calls)
		return &VALUES_CALLS;
	if (profile->collections)
		return &VALUES_COLLECTIONS;
	return profile->unit == UNIT_NS ? &VALUES_CPU : &VALUES_SAMPLES;
}

/* ---- texts ---- */

static uint64_t pprof_text_bytes(struct pprof *pprof, const char *bytes, size_t length)
{
	struct buffer safe;
	uint32_t id = PROFILE_NONE;

	buffer_init(&safe);
	text_append_safe(&safe, bytes, length);
	if (!safe.error)
		id = intern_add(pprof->texts, safe.length ? safe.bytes : "", safe.length);
	buffer_release(&safe);
	if (id != PROFILE_NONE)
		return id;
	writer_fail(pprof->writer, -ENOMEM);
	return 0;
}

static uint64_t pprof_text(struct pprof *pprof, const char *text)
{
	return pprof_text_bytes(pprof, text, strlen(text));
}

static uint64_t pprof_string(struct pprof *pprof, uint32_t id)
{
	return pprof_text_bytes(pprof, profile_text(pprof->profile, id),
				intern_length(pprof->profile->strings, id));
}

/* ---- the stream ---- */

static void pprof_compress(struct pprof *pprof, bool last)
{
	struct buffer *fields = &pprof->fields;

	if (fields->error)
		writer_fail(pprof->writer, fields->error);
	gzip_write(pprof->gzip, fields->bytes, fields->length, &pprof->writer->scratch);
	buffer_clear(fields);
	if (last)
		gzip_finish(pprof->gzip, &pprof->writer->scratch);
	writer_scratch(pprof->writer);
}

/* What is in `message` becomes a field of Profile. */
static void pprof_add_message(struct pprof *pprof, uint32_t field)
{
	protobuf_message(&pprof->fields, field, &pprof->message);
	buffer_clear(&pprof->message);
	if (pprof->fields.length >= PPROF_PIECE_BYTES)
		pprof_compress(pprof, false);
}

/* What is in `inner` becomes a field of `message`. */
static void pprof_add_inner(struct pprof *pprof, uint32_t field)
{
	protobuf_message(&pprof->message, field, &pprof->inner);
	buffer_clear(&pprof->inner);
}

/* ---- samples ---- */

static void pprof_add_label(struct pprof *pprof, const char *key, uint32_t field, uint64_t value)
{
	protobuf_uint(&pprof->inner, LABEL_KEY, pprof_text(pprof, key));
	protobuf_uint(&pprof->inner, field, value);
	pprof_add_inner(pprof, SAMPLE_LABEL);
}

static void pprof_add_thread(struct pprof *pprof, uint32_t id)
{
	const struct profile_thread *thread = &pprof->profile->threads[id];
	uint32_t pid = pprof->profile->processes[thread->process].pid;

	pprof_add_label(pprof, "process.pid", LABEL_NUM, pid);
	pprof_add_label(pprof, "thread.id", LABEL_NUM, thread->tid);
	if (thread->name)
		pprof_add_label(pprof, "thread.name", LABEL_STR, pprof_string(pprof, thread->name));
}

static void pprof_add_sample(struct pprof *pprof, uint32_t thread, uint32_t stack,
			     const uint64_t *values)
{
	const struct profile *profile = pprof->profile;
	uint64_t signed_values[PPROF_VALUES_MAX], any = 0;
	size_t depth = 0;

	for (size_t i = 0; i < pprof->values->count; i++) {
		signed_values[i] = values[i] < INT64_MAX ? values[i] : INT64_MAX;
		any |= values[i];
	}
	if (!any)
		return;
	for (; stack; stack = profile->stacks[stack].parent) {
		pprof->frames_used[profile->stacks[stack].frame] = true;
		pprof->path[depth++] = profile->stacks[stack].frame + 1ul;
	}
	if (!depth) {
		pprof->frames_used[profile->frame_count] = true;
		pprof->path[depth++] = profile->frame_count + 1ul;
	}
	protobuf_packed(&pprof->message, SAMPLE_LOCATION_ID, pprof->path, depth);
	protobuf_packed(&pprof->message, SAMPLE_VALUE, signed_values, pprof->values->count);
	pprof_add_thread(pprof, thread);
	pprof_add_message(pprof, PROFILE_SAMPLE);
}

static void pprof_write_sums(struct pprof *pprof)
{
	const struct profile *profile = pprof->profile;

	for (uint32_t i = 0; i < profile->sum_count; i++) {
		const struct profile_sum *sum = &profile->sums[i];
		const uint64_t values[] = { sum->samples, sum->value };

		pprof_add_sample(pprof, sum->thread, sum->stack, values);
	}
}

static void pprof_write_sites(struct pprof *pprof, const struct render_options *options)
{
	const struct memory *memory = pprof->profile->memory;
	bool *kept = selection_of_stacks(pprof->profile, options);

	if (!kept)
		writer_fail(pprof->writer, -ENOMEM);
	for (uint32_t i = 0; kept && i < memory->site_count; i++) {
		const struct memory_site *site = &memory->sites[i];
		const struct memory_amount *allocated = &site->amounts[MEMORY_VIEW_ALLOCATED];
		const struct memory_amount *live = &site->amounts[MEMORY_VIEW_LIVE];
		const uint64_t values[] = { allocated->blocks, allocated->bytes, live->blocks,
					    live->bytes };

		if (kept[site->stack])
			pprof_add_sample(pprof, site->thread, site->stack, values);
	}
	free(kept);
}

static void pprof_write_lifetimes(struct pprof *pprof, const struct render_options *options)
{
	const struct lifetimes *lifetimes = pprof->profile->lifetimes;
	struct lifetimes_kept kept = { NULL, NULL };

	if (lifetimes_keep(pprof->profile, options->globs, options->glob_count, &kept))
		writer_fail(pprof->writer, -ENOMEM);
	for (uint32_t i = 0; kept.sites && i < lifetimes->site_count; i++) {
		const struct lifetime_site *site = &lifetimes->sites[i];
		uint64_t objects;
		const uint64_t values[] = {
			site->created,
			site->created_bytes,
			lifetime_site_value(site, LIFETIME_VIEW_LIVE, &objects),
			lifetime_site_value(site, LIFETIME_VIEW_BYTES, &objects),
			lifetime_site_value(site, LIFETIME_VIEW_AGE, &objects),
		};

		if (kept.sites[i])
			pprof_add_sample(pprof, site->thread, site->leaf ? site->leaf : site->stack,
					 values);
	}
	lifetimes_kept_release(&kept);
}

/* ---- what samples refer to ---- */

static void pprof_add_mapping(struct pprof *pprof, uint64_t id, uint64_t file)
{
	protobuf_uint(&pprof->message, MAPPING_ID, id);
	protobuf_uint(&pprof->message, MAPPING_FILENAME, file);
	/* Nothing is left for pprof to look up in the file. */
	protobuf_uint(&pprof->message, MAPPING_HAS_FUNCTIONS, true);
	protobuf_uint(&pprof->message, MAPPING_HAS_FILENAMES, true);
	protobuf_uint(&pprof->message, MAPPING_HAS_LINE_NUMBERS, true);
	pprof_add_message(pprof, PROFILE_MAPPING);
}

/* The first mapping is the program, by whose file pprof names the whole profile. */
static void pprof_write_program(struct pprof *pprof)
{
	const struct profile *profile = pprof->profile;
	const char *command = "";

	if (profile->process_count)
		command = profile_text(profile, profile->processes[0].command);
	if (!*command || *command == ' ')
		command = "python";
	pprof_add_mapping(pprof, PPROF_MAPPING_PROGRAM,
			  pprof_text_bytes(pprof, command, strcspn(command, " ")));
}

/*
 * Python's code is in the program; native code in its file, the kernel's in the kernel. A mapping is
 * written when it is met first.
 */
static uint64_t pprof_mapping(struct pprof *pprof, const struct profile_function *function)
{
	/* Of native code the module is the library, the file may be a source file. */
	uint32_t file = function->module ? function->module : function->file;
	uint64_t *slot;
	bool added;

	if (function->kind == FRAME_KERNEL)
		file = PROFILE_NONE;
	else if (function->kind != FRAME_NATIVE || !file)
		return PPROF_MAPPING_PROGRAM;
	slot = map64_slot(pprof->mappings, file, &added);
	if (!slot) {
		writer_fail(pprof->writer, -ENOMEM);
		return PPROF_MAPPING_PROGRAM;
	}
	if (added) {
		*slot = PPROF_MAPPING_PROGRAM + map64_count(pprof->mappings);
		pprof_add_mapping(pprof, *slot,
				  file == PROFILE_NONE ? pprof_text(pprof, "[kernel]") :
							 pprof_string(pprof, file));
	}
	return *slot;
}

static void pprof_add_location(struct pprof *pprof, uint32_t frame, uint32_t function, int32_t line,
			       uint64_t mapping)
{
	protobuf_uint(&pprof->message, LOCATION_ID, frame + 1ul);
	protobuf_uint(&pprof->message, LOCATION_MAPPING_ID, mapping);
	protobuf_uint(&pprof->inner, LINE_FUNCTION_ID, function + 1ul);
	protobuf_uint(&pprof->inner, LINE_LINE, line > 0 ? line : 0);
	pprof_add_inner(pprof, LOCATION_LINE);
	pprof_add_message(pprof, PROFILE_LOCATION);
	pprof->functions_used[function] = true;
}

static void pprof_write_locations(struct pprof *pprof)
{
	const struct profile *profile = pprof->profile;

	for (uint32_t i = 0; i < profile->frame_count; i++) {
		const struct profile_frame *frame = &profile->frames[i];

		if (pprof->frames_used[i])
			pprof_add_location(
				pprof, i, frame->function, frame->line,
				pprof_mapping(pprof, &profile->functions[frame->function]));
	}
	if (pprof->frames_used[profile->frame_count])
		pprof_add_location(pprof, profile->frame_count, profile->function_count, 0,
				   PPROF_MAPPING_PROGRAM);
}

static void pprof_add_function(struct pprof *pprof, uint32_t id, uint64_t name, uint64_t file,
			       int32_t line)
{
	/* pprof shows a function without a name as an address, and there is none. */
	protobuf_uint(&pprof->message, FUNCTION_ID, id + 1ul);
	protobuf_uint(&pprof->message, FUNCTION_NAME, name ? name : pprof_text(pprof, "?"));
	protobuf_uint(&pprof->message, FUNCTION_FILENAME, file);
	protobuf_uint(&pprof->message, FUNCTION_START_LINE, line > 0 ? line : 0);
	pprof_add_message(pprof, PROFILE_FUNCTION);
}

static void pprof_write_functions(struct pprof *pprof)
{
	const struct profile *profile = pprof->profile;

	for (uint32_t i = 0; i < profile->function_count; i++) {
		const struct profile_function *function = &profile->functions[i];

		if (pprof->functions_used[i])
			pprof_add_function(pprof, i, pprof_string(pprof, function->name),
					   pprof_string(pprof, function->file), function->line);
	}
	if (pprof->functions_used[profile->function_count])
		pprof_add_function(pprof, profile->function_count, pprof_text(pprof, "[no stack]"),
				   0, 0);
}

/* ---- about the whole ---- */

static void pprof_add_value_type(struct pprof *pprof, uint32_t field, const char *type,
				 const char *unit)
{
	protobuf_uint(&pprof->message, VALUE_TYPE_TYPE, pprof_text(pprof, type));
	protobuf_uint(&pprof->message, VALUE_TYPE_UNIT, pprof_text(pprof, unit));
	pprof_add_message(pprof, field);
}

/* How much one sample stands for. 1: everything was seen. */
static uint64_t pprof_period(const struct profile *profile)
{
	uint64_t period = profile->memory    ? profile->memory->sample_bytes :
			  profile->lifetimes ? profile->lifetimes->sample_one_in :
					       profile->period_ns;

	return period ? period : 1;
}

static const char *pprof_default_type(const struct pprof *pprof)
{
	const struct lifetimes *lifetimes = pprof->profile->lifetimes;
	const struct memory *memory = pprof->profile->memory;

	if (memory && memory->view == MEMORY_VIEW_ALLOCATED)
		return "alloc_space";
	if (lifetimes)
		return pprof->values->values[LIFETIME_VALUE[lifetimes->view]].type;
	return pprof->values->values[pprof->values->count - 1].type;
}

static void pprof_write_head(struct pprof *pprof)
{
	const struct pprof_values *values = pprof->values;
	const struct profile *profile = pprof->profile;

	for (size_t i = 0; i < values->count; i++)
		pprof_add_value_type(pprof, PROFILE_SAMPLE_TYPE, values->values[i].type,
				     values->values[i].unit);
	pprof_add_value_type(pprof, PROFILE_PERIOD_TYPE, values->period_type, values->period_unit);
	protobuf_uint(&pprof->fields, PROFILE_PERIOD, pprof_period(profile));
	protobuf_uint(&pprof->fields, PROFILE_TIME_NANOS, profile->started_unix_ns);
	protobuf_uint(&pprof->fields, PROFILE_DURATION_NANOS, profile->duration_ns);
	protobuf_uint(&pprof->fields, PROFILE_DEFAULT_SAMPLE_TYPE,
		      pprof_text(pprof, pprof_default_type(pprof)));
}

/* What stands around the numbers of other reports: `go tool pprof -comments` shows it. */
static void pprof_write_comments(struct pprof *pprof, const struct render_options *options)
{
	struct buffer text;
	uint64_t line;
	char *at;

	buffer_init(&text);
	buffer_printf(&text, "pybpfprof %s\n", options->version);
	if (options->title)
		buffer_printf(&text, "%s\n", options->title);
	closing_append_targets(&text, pprof->profile, 0);
	closing_append_summary(&text, pprof->profile, options);
	closing_append_cost(&text, pprof->profile, options);
	if (text.error)
		writer_fail(pprof->writer, text.error);
	for (at = text.bytes; at && *at; at += strcspn(at, "\n") + 1) {
		line = pprof_text_bytes(pprof, at, strcspn(at, "\n"));
		protobuf_packed(&pprof->fields, PROFILE_COMMENT, &line, 1);
	}
	buffer_release(&text);
}

static void pprof_write_strings(struct pprof *pprof)
{
	for (uint32_t i = 0; i < intern_count(pprof->texts); i++) {
		protobuf_string(&pprof->fields, PROFILE_STRING_TABLE, intern_get(pprof->texts, i),
				intern_length(pprof->texts, i));
		if (pprof->fields.length >= PPROF_PIECE_BYTES)
			pprof_compress(pprof, false);
	}
}

static int pprof_init(struct pprof *pprof, const struct profile *profile, struct writer *writer)
{
	uint32_t deepest = 0;

	*pprof = (struct pprof){
		.profile = profile,
		.values = pprof_values_of(profile),
		.writer = writer,
	};
	for (uint32_t i = 0; i < profile->stack_count; i++)
		deepest = profile->stacks[i].depth > deepest ? profile->stacks[i].depth : deepest;
	pprof->gzip = gzip_new();
	pprof->texts = intern_new();
	pprof->mappings = map64_new();
	pprof->path = calloc(deepest + 1ul, sizeof(*pprof->path));
	pprof->frames_used = calloc(profile->frame_count + 1ul, sizeof(bool));
	pprof->functions_used = calloc(profile->function_count + 1ul, sizeof(bool));
	return pprof->gzip && pprof->texts && pprof->mappings && pprof->path &&
			       pprof->frames_used && pprof->functions_used ?
		       0 :
		       -ENOMEM;
}

static void pprof_release(struct pprof *pprof)
{
	gzip_free(pprof->gzip);
	intern_free(pprof->texts);
	map64_free(pprof->mappings);
	buffer_release(&pprof->fields);
	buffer_release(&pprof->message);
	buffer_release(&pprof->inner);
	free(pprof->path);
	free(pprof->frames_used);
	free(pprof->functions_used);
}

static void pprof_write(struct pprof *pprof, const struct render_options *options)
{
	pprof_write_head(pprof);
	pprof_write_program(pprof);
	if (pprof->profile->memory)
		pprof_write_sites(pprof, options);
	else if (pprof->profile->lifetimes)
		pprof_write_lifetimes(pprof, options);
	else
		pprof_write_sums(pprof);
	pprof_write_locations(pprof);
	pprof_write_functions(pprof);
	pprof_write_comments(pprof, options);
	pprof_write_strings(pprof);
	pprof_compress(pprof, true);
}

int render_pprof(const struct profile *profile, const struct render_options *options, FILE *stream)
{
	struct writer writer;
	struct pprof pprof;
	int err, write_err;

	writer_init(&writer, stream);
	err = pprof_init(&pprof, profile, &writer);
	if (!err)
		pprof_write(&pprof, options);
	pprof_release(&pprof);
	write_err = writer_finish(&writer);
	return err ? err : write_err;
}
