// SPDX-License-Identifier: GPL-2.0-only
/*
 * `pybpfprof heap -f json`: all of a census, for programs, and for --diff later. What no table shows is in
 * it, too: every type, every module.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

#include "render/census.h"
#include "render/json_writer.h"

static void write_string(struct json_writer *json, const char *key, const struct census *census,
			 uint32_t id)
{
	json_string(json, key, intern_get(census->strings, id), intern_length(census->strings, id));
}

static void write_address(struct json_writer *json, const char *key, uint64_t address)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%" PRIx64, address);
	json_text(json, key, address ? text : NULL);
}

static void write_numbers(struct json_writer *json, const struct census *census,
			  const struct census_type *type)
{
	json_uint(json, "count", type->count);
	json_uint(json, "tracked", type->tracked);
	json_uint(json, "bytes", type->bytes);
	if (census->has_retained) {
		json_uint(json, "retained", type->retained);
		json_uint(json, "retained_bytes", type->retained_bytes);
	}
	if (census->has_before) {
		json_uint(json, "count_before", type->count_before);
		json_uint(json, "bytes_before", type->bytes_before);
	}
}

static void write_types(struct json_writer *json, const struct census *census,
			const struct census_type *types, uint32_t count, bool modules)
{
	json_newline(json);
	json_open(json, modules ? "modules" : "types", '[');
	for (uint32_t i = 0; i < count; i++) {
		json_newline(json);
		json_open(json, NULL, '{');
		if (!modules)
			write_string(json, "name", census, types[i].name);
		write_string(json, modules ? "name" : "module", census, types[i].module);
		write_numbers(json, census, &types[i]);
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void write_type_name(struct json_writer *json, const struct census *census, uint32_t type)
{
	if (type == CENSUS_NO_TYPE) {
		json_null(json, "type");
		json_null(json, "module");
		return;
	}
	write_string(json, "type", census, census->types[type].name);
	write_string(json, "module", census, census->types[type].module);
}

static void write_largest(struct json_writer *json, const struct census *census)
{
	json_newline(json);
	json_open(json, "largest", '[');
	for (uint32_t i = 0; i < census->largest_count; i++) {
		const struct census_object *object = &census->largest[i];

		json_newline(json);
		json_open(json, NULL, '{');
		write_type_name(json, census, object->type);
		write_address(json, "address", object->address);
		json_uint(json, "bytes", object->bytes);
		write_string(json, "preview", census, object->preview);
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void write_referrers(struct json_writer *json, const struct census *census)
{
	json_newline(json);
	json_open(json, "referrers", '[');
	for (uint32_t i = 0; i < census->referrer_count; i++) {
		const struct census_referrer *row = &census->referrers[i];

		json_newline(json);
		json_open(json, NULL, '{');
		write_type_name(json, census, row->type);
		write_string(json, "how", census, row->label);
		json_uint(json, "references", row->count);
		write_address(json, "example", row->example);
		write_string(json, "preview", census, row->preview);
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void write_path(struct json_writer *json, const struct census *census,
		       const struct census_path *path)
{
	json_newline(json);
	json_open(json, NULL, '{');
	json_uint(json, "objects", path->count);
	json_open(json, "steps", '[');
	for (uint32_t i = 0; i < path->step_count; i++) {
		const struct census_step *step = &census->steps[path->first_step + i];

		json_open(json, NULL, '{');
		write_type_name(json, census, step->type);
		write_address(json, "address", step->address);
		write_string(json, "how", census, step->label);
		write_string(json, step->type == CENSUS_NO_TYPE ? "root" : "preview", census,
			     step->text);
		json_close(json, '}');
	}
	json_close(json, ']');
	json_close(json, '}');
}

static void write_paths(struct json_writer *json, const struct census *census)
{
	json_newline(json);
	json_uint(json, "unheld", census->unheld_count);
	json_open(json, "paths", '[');
	for (uint32_t i = 0; i < census->path_count; i++) {
		if (census->paths[i].step_count)
			write_path(json, census, &census->paths[i]);
	}
	json_close(json, ']');
}

static void write_pools(struct json_writer *json, const struct census *census)
{
	const struct census_pools *pools = &census->pools;

	json_newline(json);
	if (!pools->known) {
		json_null(json, "pymalloc");
		write_string(json, "pymalloc_reason", census, pools->reason);
		return;
	}
	json_open(json, "pymalloc", '{');
	json_uint(json, "arenas", pools->arenas);
	json_uint(json, "arena_bytes", pools->arena_bytes);
	json_uint(json, "pool_bytes", pools->pool_bytes);
	json_uint(json, "free_pools", pools->free_pools);
	json_uint(json, "used_bytes", pools->used_bytes);
	json_uint(json, "torn", pools->torn);
	json_open(json, "classes", '[');
	for (uint32_t i = 0; i < CENSUS_POOL_CLASSES; i++) {
		const struct census_pool_class *class = &pools->classes[i];

		json_open(json, NULL, '{');
		json_uint(json, "block_bytes", class->block_bytes);
		json_uint(json, "pools", class->pools);
		json_uint(json, "used", class->used_blocks);
		json_uint(json, "free", class->free_blocks);
		json_close(json, '}');
	}
	json_close(json, ']');
	json_close(json, '}');
}

static void write_quality(struct json_writer *json, const struct census *census)
{
	json_newline(json);
	json_open(json, "lost", '{');
	json_uint(json, "total", census->unreadable + (census->incomplete ? census->torn : 0));
	json_uint(json, "unreadable", census->unreadable);
	json_uint(json, "torn", census->torn);
	json_close(json, '}');
	json_uint(json, "retried", census->retried);
	json_uint(json, "restarted", census->restarted);
	json_uint(json, "waited_ns", census->waited_ns);
	json_bool(json, "swept", census->swept);
	json_bool(json, "incomplete", census->incomplete);
	json_bool(json, "collecting", census->collecting);
	json_bool(json, "cut", census->cut);
	json_open(json, "frozen", '{');
	json_uint(json, "ns", census->frozen_ns);
	if (*census_text(census, census->frozen_how))
		write_string(json, "how", census, census->frozen_how);
	else
		json_null(json, "how");
	json_bool(json, "whole", census->frozen_whole);
	json_close(json, '}');
}

static void write_head(struct json_writer *json, const struct census *census, const char *version)
{
	json_text(json, "pybpfprof", version);
	json_open(json, "mode", '[');
	json_text(json, NULL, "heap");
	json_close(json, ']');
	json_uint(json, "taken_s", census->taken_s);
	json_uint(json, "duration_ns", census->duration_ns);
	json_newline(json);
	json_open(json, "targets", '[');
	json_open(json, NULL, '{');
	json_int(json, "pid", census->pid);
	write_string(json, "command", census, census->command);
	write_string(json, "python", census, census->python);
	json_close(json, '}');
	json_close(json, ']');
	json_newline(json);
	json_uint(json, "objects", census->objects);
	json_uint(json, "bytes", census->bytes);
	json_uint(json, "tracked", census->tracked);
	json_uint(json, "permanent", census->permanent);
	json_uint(json, "immortal", census->immortal);
	json_uint(json, "interpreters", census->interpreters);
	json_uint(json, "garbage", census->garbage);
	if (census->has_before) {
		json_open(json, "before", '{');
		write_string(json, "file", census, census->before_at);
		json_uint(json, "taken_s", census->before_taken_s);
		json_uint(json, "objects", census->before_objects);
		json_uint(json, "bytes", census->before_bytes);
		json_close(json, '}');
	}
	if (census->has_retained || census->has_paths)
		json_uint(json, "roots", census->roots);
	if (census->has_referrers || census->has_paths) {
		write_string(json, "wanted", census, census->wanted);
		json_uint(json, "wanted_objects", census->wanted_count);
	}
}

int census_render_json(const struct census *census, const struct census_options *options,
		       FILE *stream)
{
	struct census_type *modules;
	struct json_writer json;
	struct writer writer;
	uint32_t count;
	int err = census_modules(census, &modules, &count);

	if (err)
		return err;
	census_sort(census, modules, count, options->sort);
	writer_init(&writer, stream);
	json_init(&json, &writer, false);
	json_open(&json, NULL, '{');
	write_head(&json, census, options->version);
	write_quality(&json, census);
	write_pools(&json, census);
	if (census->has_referrers)
		write_referrers(&json, census);
	if (census->has_paths)
		write_paths(&json, census);
	write_largest(&json, census);
	write_types(&json, census, modules, count, true);
	write_types(&json, census, census->types, census->type_count, false);
	json_close(&json, '}');
	writer_string(&writer, "\n");
	free(modules);
	return writer_finish(&writer);
}
