// SPDX-License-Identifier: GPL-2.0-only
/*
 * -f pstats: what cProfile writes, for `python3 -m pstats`, SnakeViz and their like.
 *
 *	{(file, first line, name): (primitive calls, calls, self s, total s,
 *		{caller: (calls, primitive calls, self s, total s)})}
 *
 * Functions that would have one key are added up: a dictionary has a key once. Names are qualified
 * where the version has them, else a class's __init__ could not be told from another's.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "render/exchange.h"
#include "render/marshal.h"
#include "render/renderers.h"
#include "render/writer.h"

struct pstats_values {
	uint64_t calls, recursive_calls, self, total;
};

/* A caller of a key. */
struct pstats_caller {
	uint32_t key; /* called */
	uint32_t caller;
	struct pstats_values values;
};

struct pstats_key {
	uint32_t file; /* text */
	uint32_t name;
	int32_t line;
	bool listed;
	uint32_t written; /* number in marshal, plus one; 0: not yet */
	struct pstats_values values;
};

struct pstats {
	struct exchange exchange;
	struct intern *texts;
	struct pstats_key *keys; /* as many as there are functions at most */
	uint32_t key_count;
	uint32_t *function_keys;       /* by function */
	struct pstats_caller *callers; /* by key, then caller */
	uint32_t caller_count;
	uint32_t *file_written; /* by text: number in marshal, plus one */
};

static void values_add(struct pstats_values *into, const struct pstats_values *values)
{
	into->calls += values->calls;
	into->recursive_calls += values->recursive_calls;
	into->self += values->self;
	into->total += values->total;
}

static uint32_t pstats_text(struct pstats *pstats, struct buffer *text)
{
	uint32_t id = intern_add(pstats->texts, text->bytes, text->length);

	id = text->error ? PROFILE_NONE : id;
	buffer_clear(text);
	return id;
}

/* The key of a function without its values. 0 or -ENOMEM. */
static int pstats_describe(struct pstats *pstats, uint32_t function, struct buffer *text,
			   struct pstats_key *out)
{
	const struct exchange *exchange = &pstats->exchange;

	exchange_append_name(text, exchange, function);
	out->name = pstats_text(pstats, text);
	exchange_append_file(text, exchange, function);
	/* pstats' own word for what is in no file. */
	if (text->length == 3 && !memcmp(text->bytes, "???", 3)) {
		buffer_clear(text);
		buffer_byte(text, '~');
	}
	out->file = pstats_text(pstats, text);
	out->line = exchange_line(exchange, function);
	out->listed = exchange->functions[function].listed;
	return out->name == PROFILE_NONE || out->file == PROFILE_NONE ? -ENOMEM : 0;
}

static int pstats_make_keys(struct pstats *pstats)
{
	const struct exchange *exchange = &pstats->exchange;
	/* The key is three numbers, two of which become one first. */
	struct map64 *files = map64_new(), *keys = map64_new();
	struct buffer text;
	int err = files && keys ? 0 : -ENOMEM;

	buffer_init(&text);
	for (uint32_t i = 0; i < exchange->function_count && !err; i++) {
		const struct exchange_function *function = &exchange->functions[i];
		struct pstats_key key = { 0 };
		uint64_t *slot;
		bool added;

		/* A root has a row only where there were samples without a stack. */
		if (!function->seen || (exchange_is_root(exchange, i) && !function->self.main))
			continue;
		err = pstats_describe(pstats, i, &text, &key);
		slot = err ? NULL : map64_slot(files, map64_pair(key.file, key.line), &added);
		if (slot && added)
			*slot = map64_count(files);
		slot = slot ? map64_slot(keys, map64_pair(*slot, key.name), &added) : NULL;
		if (!slot) {
			err = -ENOMEM;
			break;
		}
		if (added) {
			*slot = pstats->key_count;
			pstats->keys[pstats->key_count++] = key;
		}
		pstats->function_keys[i] = *slot;
		values_add(&pstats->keys[*slot].values,
			   &(struct pstats_values){ function->calls, function->recursive_calls,
						    function->self.main, function->total.main });
		/* Of -F, what one function of the key may is what the key may. */
		pstats->keys[*slot].listed |= function->listed;
	}
	buffer_release(&text);
	map64_free(files);
	map64_free(keys);
	return err;
}

static int pstats_compare_callers(const void *left, const void *right)
{
	const struct pstats_caller *one = left, *other = right;

	if (one->key != other->key)
		return one->key < other->key ? -1 : 1;
	return one->caller < other->caller ? -1 : one->caller > other->caller;
}

/* Edges by the keys at their ends, equal ones added up. Roots are nobody's callers in pstats. */
static void pstats_make_callers(struct pstats *pstats)
{
	const struct exchange *exchange = &pstats->exchange;
	struct pstats_caller *callers = pstats->callers;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < exchange->edge_count; i++) {
		const struct exchange_edge *edge = &exchange->edges[i];

		if (exchange_is_root(exchange, edge->caller))
			continue;
		callers[pstats->caller_count++] = (struct pstats_caller){
			.key = pstats->function_keys[edge->callee],
			.caller = pstats->function_keys[edge->caller],
			.values = { edge->calls, edge->recursive_calls, edge->self.main,
				    edge->total.main },
		};
	}
	if (!pstats->caller_count)
		return;
	qsort(callers, pstats->caller_count, sizeof(*callers), pstats_compare_callers);
	for (uint32_t i = 1; i < pstats->caller_count; i++) {
		if (!pstats_compare_callers(&callers[kept], &callers[i]))
			values_add(&callers[kept].values, &callers[i].values);
		else
			callers[++kept] = callers[i];
	}
	pstats->caller_count = kept + 1;
}

static int pstats_init(struct pstats *pstats, const struct profile *profile,
		       const struct render_options *options)
{
	int err;

	*pstats = (struct pstats){ 0 };
	err = exchange_init(&pstats->exchange, profile, options, EXCHANGE_ROOT_ONE, false);
	if (err)
		return err;
	pstats->texts = intern_new();
	pstats->keys = calloc(pstats->exchange.function_count + 1ul, sizeof(*pstats->keys));
	pstats->function_keys = calloc(pstats->exchange.function_count + 1ul, sizeof(uint32_t));
	pstats->callers = calloc(pstats->exchange.edge_count + 1ul, sizeof(*pstats->callers));
	if (!pstats->texts || !pstats->keys || !pstats->function_keys || !pstats->callers)
		return -ENOMEM;
	err = pstats_make_keys(pstats);
	if (err)
		return err;
	pstats_make_callers(pstats);
	pstats->file_written = calloc(intern_count(pstats->texts) + 1ul, sizeof(uint32_t));
	return pstats->file_written ? 0 : -ENOMEM;
}

static void pstats_release(struct pstats *pstats)
{
	exchange_release(&pstats->exchange);
	intern_free(pstats->texts);
	free(pstats->keys);
	free(pstats->function_keys);
	free(pstats->callers);
	free(pstats->file_written);
}

static void pstats_write_key(struct pstats *pstats, struct marshal *marshal, uint32_t id)
{
	struct pstats_key *key = &pstats->keys[id];
	uint32_t *file = &pstats->file_written[key->file];
	const struct intern *texts = pstats->texts;

	if (key->written) {
		marshal_again(marshal, key->written - 1);
		return;
	}
	key->written = marshal_kept_tuple(marshal, 3) + 1;
	if (*file)
		marshal_again(marshal, *file - 1);
	else
		*file = marshal_kept_string(marshal, intern_get(texts, key->file),
					    intern_length(texts, key->file)) +
			1;
	marshal_uint(marshal, key->line);
	marshal_string(marshal, intern_get(texts, key->name), intern_length(texts, key->name));
}

static double pstats_amount(const struct pstats *pstats, uint64_t value)
{
	return pstats->exchange.profile->unit == UNIT_NS ? (double)value / 1e9 : (double)value;
}

static void pstats_write(struct pstats *pstats, struct writer *writer)
{
	const struct pstats_caller *caller = pstats->callers,
				   *end = pstats->callers + pstats->caller_count;
	struct marshal marshal;

	marshal_init(&marshal, &writer->scratch);
	marshal_dict_start(&marshal);
	for (uint32_t i = 0; i < pstats->key_count; i++) {
		const struct pstats_values *values = &pstats->keys[i].values;

		if (!pstats->keys[i].listed) {
			while (caller < end && caller->key == i)
				caller++;
			continue;
		}
		pstats_write_key(pstats, &marshal, i);
		marshal_tuple(&marshal, 5);
		marshal_uint(&marshal, values->calls - values->recursive_calls);
		marshal_uint(&marshal, values->calls);
		marshal_float(&marshal, pstats_amount(pstats, values->self));
		marshal_float(&marshal, pstats_amount(pstats, values->total));
		marshal_dict_start(&marshal);
		for (; caller < end && caller->key == i; caller++) {
			values = &caller->values;
			pstats_write_key(pstats, &marshal, caller->caller);
			marshal_tuple(&marshal, 4);
			/* The other way round than above. */
			marshal_uint(&marshal, values->calls);
			marshal_uint(&marshal, values->calls - values->recursive_calls);
			marshal_float(&marshal, pstats_amount(pstats, values->self));
			marshal_float(&marshal, pstats_amount(pstats, values->total));
		}
		marshal_dict_end(&marshal);
		writer_scratch(writer);
	}
	marshal_dict_end(&marshal);
	writer_scratch(writer);
}

int render_pstats(const struct profile *profile, const struct render_options *options, FILE *stream)
{
	struct pstats pstats;
	struct writer writer;
	int err = pstats_init(&pstats, profile, options), write_err;

	writer_init(&writer, stream);
	if (!err)
		pstats_write(&pstats, &writer);
	pstats_release(&pstats);
	write_err = writer_finish(&writer);
	return err ? err : write_err;
}
