// SPDX-License-Identifier: GPL-2.0-only
/* See census.h. */
#include "model/census.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/grow.h"
#include "base/map64.h"

int census_init(struct census *census)
{
	memset(census, 0, sizeof(*census));
	census->strings = intern_new();
	census->type_rows = map64_new();
	if (census->strings && census->type_rows)
		return 0;
	census_release(census);
	return -ENOMEM;
}

void census_release(struct census *census)
{
	if (!census)
		return;
	intern_free(census->strings);
	map64_free(census->type_rows);
	free(census->types);
	free(census->largest);
	free(census->referrers);
	free(census->paths);
	free(census->steps);
	memset(census, 0, sizeof(*census));
}

uint32_t census_string(struct census *census, const char *string)
{
	return intern_string(census->strings, string);
}

const char *census_text(const struct census *census, uint32_t id)
{
	return intern_get(census->strings, id);
}

uint32_t census_type_add(struct census *census, const char *module, const char *name)
{
	uint32_t module_id = census_string(census, module);
	uint32_t name_id = census_string(census, name);
	uint64_t *row;

	if (module_id == UINT32_MAX || name_id == UINT32_MAX)
		return UINT32_MAX;
	row = map64_slot(census->type_rows, map64_pair(module_id, name_id), NULL);
	if (!row)
		return UINT32_MAX;
	if (*row)
		return (uint32_t)*row - 1;
	if (GROW(census->types, census->type_capacity, census->type_count))
		return UINT32_MAX;
	census->types[census->type_count++] = (struct census_type){
		.name = name_id,
		.module = module_id,
	};
	*row = census->type_count;
	return census->type_count - 1;
}

static void type_sum(struct census_type *sum, const struct census_type *type)
{
	sum->count += type->count;
	sum->tracked += type->tracked;
	sum->bytes += type->bytes;
	sum->retained += type->retained;
	sum->retained_bytes += type->retained_bytes;
	sum->count_before += type->count_before;
	sum->bytes_before += type->bytes_before;
}

int census_modules(const struct census *census, struct census_type **modules, uint32_t *count)
{
	struct map64 *rows = map64_new();
	int err = -ENOMEM;

	*count = 0;
	*modules = calloc(census->type_count + 1ul, sizeof(**modules));
	if (!rows || !*modules)
		goto fail;
	for (uint32_t i = 0; i < census->type_count; i++) {
		const struct census_type *type = &census->types[i];
		bool added;
		uint64_t *row = map64_slot(rows, type->module, &added);

		if (!row)
			goto fail;
		if (added) {
			*row = (*count)++;
			(*modules)[*row] = (struct census_type){ .module = type->module };
		}
		type_sum(&(*modules)[*row], type);
	}
	map64_free(rows);
	return 0;
fail:
	map64_free(rows);
	free(*modules);
	*modules = NULL;
	return err;
}

static int compare_objects(const void *left, const void *right)
{
	const struct census_object *a = left, *b = right;

	if (a->bytes != b->bytes)
		return a->bytes > b->bytes ? -1 : 1;
	return (a->address > b->address) - (a->address < b->address);
}

static int compare_referrers(const void *left, const void *right)
{
	const struct census_referrer *a = left, *b = right;

	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	return (a->label > b->label) - (a->label < b->label);
}

static int compare_paths(const void *left, const void *right)
{
	const struct census_path *a = left, *b = right;

	if (a->count != b->count)
		return a->count > b->count ? -1 : 1;
	if (a->step_count != b->step_count)
		return a->step_count < b->step_count ? -1 : 1;
	return (a->first_step > b->first_step) - (a->first_step < b->first_step);
}

/* qsort()'s elements must not be NULL, not even none of them. */
static void order(void *array, uint32_t count, size_t bytes,
		  int (*compare)(const void *left, const void *right))
{
	if (count)
		qsort(array, count, bytes, compare);
}

void census_finish(struct census *census)
{
	struct census_type sum = { 0 };

	for (uint32_t i = 0; i < census->type_count; i++)
		type_sum(&sum, &census->types[i]);
	census->objects = sum.count;
	census->bytes = sum.bytes;
	census->tracked = sum.tracked;
	order(census->largest, census->largest_count, sizeof(*census->largest), compare_objects);
	order(census->referrers, census->referrer_count, sizeof(*census->referrers),
	      compare_referrers);
	order(census->paths, census->path_count, sizeof(*census->paths), compare_paths);
}

struct sorting {
	const struct census *census;
	enum census_sort sort;
};

static int compare_names(const struct census *census, const struct census_type *a,
			 const struct census_type *b)
{
	int by_module = strcmp(census_text(census, a->module), census_text(census, b->module));

	return by_module ? by_module :
			   strcmp(census_text(census, a->name), census_text(census, b->name));
}

/* How a number is to be ordered: the largest growth first, the largest shrinkage last. */
static int64_t sort_key(const struct census_type *type, enum census_sort sort)
{
	switch (sort) {
	case CENSUS_SORT_BYTES:
		return (int64_t)type->bytes;
	case CENSUS_SORT_COUNT:
		return (int64_t)type->count;
	case CENSUS_SORT_GROWTH:
		return (int64_t)(type->bytes - type->bytes_before);
	case CENSUS_SORT_NAME:
		break;
	}
	return 0;
}

static int compare_types(const void *left, const void *right, void *arg)
{
	const struct sorting *sorting = arg;
	const struct census_type *a = left, *b = right;
	int64_t one = sort_key(a, sorting->sort), other = sort_key(b, sorting->sort);

	if (one != other)
		return one > other ? -1 : 1;
	if (sorting->sort != CENSUS_SORT_NAME && a->count != b->count)
		return a->count > b->count ? -1 : 1;
	return compare_names(sorting->census, a, b);
}

void census_sort(const struct census *census, struct census_type *rows, uint32_t count,
		 enum census_sort sort)
{
	struct sorting sorting = { .census = census, .sort = sort };

	if (count)
		qsort_r(rows, count, sizeof(*rows), compare_types, &sorting);
}
