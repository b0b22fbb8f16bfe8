// SPDX-License-Identifier: GPL-2.0-only
/* See expected.h. */
#include "cli/expected.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

enum {
	WAIT_FIRST_NS = 500000,
	WAIT_LAST_NS = 100000000,
};

#define PATIENCE_STARTING_NS 60000000000ull

void expected_release(struct expected_list *list)
{
	free(list->array);
	*list = (struct expected_list){ 0 };
}

static struct expected *find(const struct expected_list *list, pid_t pid)
{
	for (size_t i = 0; i < list->count; i++) {
		if (list->array[i].pid == pid)
			return &list->array[i];
	}
	return NULL;
}

const struct expected *expected_find(const struct expected_list *list, pid_t pid)
{
	return find(list, pid);
}

int expected_add(struct expected_list *list, pid_t pid, uint64_t cpu_base_ns, uint64_t patience_ns,
		 uint64_t now_ns)
{
	struct expected *expected = find(list, pid), *array;

	if (!expected) {
		array = reallocarray(list->array, list->count + 1, sizeof(*array));
		if (!array)
			return -ENOMEM;
		list->array = array;
		expected = &array[list->count++];
		*expected = (struct expected){ .pid = pid, .cpu_base_ns = UINT64_MAX };
	}
	if (cpu_base_ns != UINT64_MAX)
		expected->cpu_base_ns = cpu_base_ns;
	expected->since_ns = now_ns;
	expected->next_ns = now_ns;
	expected->wait_ns = WAIT_FIRST_NS;
	expected->patience_ns = patience_ns;
	return 0;
}

/* True when it is not to be looked at again. */
static bool look_is_last(struct expected *expected, uint64_t now_ns, enum expected_look look)
{
	uint64_t patience_ns = expected->patience_ns;

	if (look == EXPECTED_OVER)
		return true;
	if (look == EXPECTED_STARTING)
		patience_ns = PATIENCE_STARTING_NS;
	expected->next_ns = now_ns + expected->wait_ns;
	expected->wait_ns += expected->wait_ns / 2;
	if (expected->wait_ns > WAIT_LAST_NS)
		expected->wait_ns = WAIT_LAST_NS;
	return now_ns - expected->since_ns >= patience_ns;
}

int expected_retry(struct expected_list *list, uint64_t now_ns,
		   enum expected_look (*look)(void *arg, const struct expected *expected),
		   void *arg)
{
	uint64_t next_ns = UINT64_MAX;
	size_t kept = 0;

	for (size_t i = 0; i < list->count; i++) {
		struct expected expected = list->array[i];

		if (expected.next_ns <= now_ns &&
		    look_is_last(&expected, now_ns, look(arg, &expected)))
			continue;
		if (expected.next_ns < next_ns)
			next_ns = expected.next_ns;
		list->array[kept++] = expected;
	}
	list->count = kept;
	if (next_ns == UINT64_MAX)
		return -1;
	return next_ns <= now_ns ? 0 : (int)((next_ns - now_ns) / 1000000) + 1;
}
