// SPDX-License-Identifier: GPL-2.0-only
/* What a census of classes finds in live interpreters, against what they say themselves. */
#include <criterion/criterion.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cli/census_of_classes.h"
#include "cli/types_wanted.h"

/* Shared with the tests of the room that finds Pythons; a test program has one room's files only. */
#include "unit/python/every_python.c"

enum { TRUTH_MAX = 2048, CHURN_ROUNDS = 5 };

struct truth_class {
	uint64_t address;
	int64_t instances, size;
	uint64_t items;
	char module[64], name[128];
};

struct truth {
	struct truth_class classes[64];
	uint64_t statics[TRUTH_MAX];
	uint64_t gone;
	size_t class_count, static_count;
};

struct target {
	struct every_python_run run;
	struct python_process process;
	struct classes *classes;
	struct truth truth;
};

static void truth_read(FILE *output, struct truth *truth)
{
	char line[512];

	*truth = (struct truth){ 0 };
	while (fgets(line, sizeof(line), output)) {
		struct truth_class *class = &truth->classes[truth->class_count];

		if (strcmp(line, "ready\n") == 0)
			return;
		if (sscanf(line, "class %" SCNu64 " %" SCNd64 " %" SCNd64 " %" SCNu64 " %63s %127s",
			   &class->address, &class->instances, &class->size, &class->items,
			   class->module, class->name) == 6)
			truth->class_count++;
		else if (sscanf(line, "static %" SCNu64, &truth->statics[truth->static_count]) == 1)
			truth->static_count++;
		else
			sscanf(line, "gone %" SCNu64, &truth->gone);
		cr_assert_lt(truth->class_count, 64);
		cr_assert_lt(truth->static_count, (size_t)TRUTH_MAX);
	}
	cr_assert_fail("the target ended before it was ready");
}

static void target_start(struct target *target, const struct every_python *python, const char *how)
{
	struct python_cache *cache = python_cache_new();

	every_python_start(&target->run, python, "classes.py", how, NULL);
	truth_read(target->run.output, &target->truth);
	python_inspect(cache, target->run.pid, &target->process);
	python_cache_free(cache);
	cr_assert_eq(target->process.verdict, PYTHON_KNOWN, "%s", target->process.reason);
	cr_assert_eq(classes_open(&target->process, &target->classes), 0, "%s", python->name);
}

static void target_end(struct target *target)
{
	classes_close(target->classes);
	every_python_end(&target->run);
}

static void on_every_python(const char *how, void (*look)(struct target *target, const char *name))
{
	static struct every_python pythons[EVERY_PYTHON_MAX];
	size_t count = every_python_list(pythons);

	for (size_t i = 0; i < count; i++) {
		struct target target;

		target_start(&target, &pythons[i], how);
		look(&target, pythons[i].name);
		target_end(&target);
	}
}

static const struct truth_class *truth_of(const struct target *target, const char *name)
{
	for (size_t i = 0; i < target->truth.class_count; i++) {
		if (!strcmp(target->truth.classes[i].name, name))
			return &target->truth.classes[i];
	}
	cr_assert_fail("the target has no class %s", name);
	return NULL;
}

static uint64_t count_of(const struct class_counts *counts, uint64_t address)
{
	for (size_t i = 0; i < counts->count; i++) {
		if (counts->array[i].address == address)
			return counts->array[i].count;
	}
	return 0;
}

/* ---- how many ---- */

static void expect_counts(struct target *target, const char *name)
{
	struct class_counts counts;

	cr_assert_eq(classes_count(target->classes, &counts), 0);
	cr_expect(counts.complete, "%s", name);
	cr_expect_leq(counts.time_ns, counts.until_ns);
	for (size_t i = 0; i < target->truth.class_count; i++) {
		const struct truth_class *class = &target->truth.classes[i];

		if (class->instances >= 0)
			cr_expect_eq(count_of(&counts, class->address), class->instances,
				     "%s: %" PRIu64 " of %s, not %" PRId64, name,
				     count_of(&counts, class->address), class->name,
				     class->instances);
	}
	for (size_t i = 1; i < counts.count; i++)
		cr_expect_lt(counts.array[i - 1].address, counts.array[i].address);
	class_counts_release(&counts);
	cr_expect_eq(counts.count, 0);
}

Test(census_of_classes, counts_what_the_collector_counts_and_what_it_does_not, .timeout = 120)
{
	on_every_python("still", expect_counts);
}

static void expect_staying(struct target *target, const char *name)
{
	const struct truth_class *staying = &target->truth.classes[0];

	for (int i = 0; i < CHURN_ROUNDS; i++) {
		struct class_counts counts;
		uint64_t count;

		cr_assert_eq(classes_count(target->classes, &counts), 0);
		count = count_of(&counts, staying->address);
		if (counts.complete)
			cr_expect_eq(count, staying->instances, "%s: %" PRIu64, name, count);
		else
			cr_expect_leq(count, staying->instances, "%s: %" PRIu64, name, count);
		class_counts_release(&counts);
	}
}

Test(census_of_classes, what_stays_is_counted_once_while_all_else_changes, .timeout = 120)
{
	on_every_python("churn", expect_staying);
}

/* ---- what they are ---- */

static void expect_facts(struct target *target, const char *name)
{
	for (size_t i = 0; i < target->truth.class_count; i++) {
		const struct truth_class *class = &target->truth.classes[i];
		struct class_facts facts;
		uint64_t bytes;

		cr_assert_eq(classes_read(target->classes, class->address, &facts), 0, "%s: %s",
			     name, class->name);
		bytes = facts.basic_bytes + class->items * facts.item_bytes + facts.extra_bytes;
		cr_expect_eq(facts.address, class->address);
		cr_expect_str_eq(facts.module, class->module, "%s: %s", name, class->name);
		cr_expect_str_eq(facts.name, class->name, "%s", name);
		if (class->size >= 0)
			cr_expect_eq(bytes, class->size,
				     "%s: %" PRIu64 " bytes of %s, not %" PRId64, name, bytes,
				     class->name, class->size);
	}
}

Test(census_of_classes, names_and_sizes_are_the_interpreters, .timeout = 120)
{
	on_every_python("still", expect_facts);
}

static void expect_one_dealloc(struct target *target, const char *name)
{
	static const char *const made_in_python[] = { "Plain",	 "Slots", "Empty", "EmptyInt",
						      "Failure", "Pair",  "Meta",  "Twin" };
	struct class_facts first, facts;

	cr_assert_eq(classes_read(target->classes, truth_of(target, "Record")->address, &first), 0);
	for (size_t i = 0; i < sizeof(made_in_python) / sizeof(made_in_python[0]); i++) {
		const struct truth_class *class = truth_of(target, made_in_python[i]);

		cr_assert_eq(classes_read(target->classes, class->address, &facts), 0);
		cr_expect_eq(facts.dealloc, first.dealloc, "%s: %s", name, class->name);
	}
	cr_assert_eq(classes_read(target->classes, truth_of(target, "deque")->address, &facts), 0);
	cr_expect_neq(facts.dealloc, first.dealloc, "%s", name);
}

Test(census_of_classes, classes_made_in_python_end_in_one_function, .timeout = 120)
{
	on_every_python("still", expect_one_dealloc);
}

static void expect_no_types(struct target *target, const char *name)
{
	struct class_facts facts = { .address = 1 };
	const uint64_t addresses[] = { 0,
				       8,
				       4096,
				       truth_of(target, "Plain")->address + 8,
				       truth_of(target, "Plain")->address + 4,
				       UINT64_MAX - 7,
				       target->process.target.runtime & ~7ull };

	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		cr_expect_eq(classes_read(target->classes, addresses[i], &facts), -ENODATA,
			     "%s: %#" PRIx64, name, addresses[i]);
		cr_expect_eq(facts.address, 1);
	}
	if (!classes_read(target->classes, target->truth.gone, &facts))
		cr_expect_str_neq(facts.name, "Dropped", "%s", name);
}

Test(census_of_classes, what_is_no_type_is_none, .timeout = 120)
{
	on_every_python("still", expect_no_types);
}

static void expect_fresh(struct target *target, const char *name)
{
	const struct truth_class *class = truth_of(target, "Reused");
	struct class_facts facts;
	char line[64] = "";

	cr_assert_eq(classes_read(target->classes, class->address, &facts), 0);
	cr_expect_str_eq(facts.name, "Reused", "%s", name);
	kill(target->run.pid, SIGUSR1);
	cr_assert_not_null(fgets(line, sizeof(line), target->run.output));
	cr_assert_str_eq(line, "reused\n", "%s", name);
	cr_assert_eq(classes_read(target->classes, class->address, &facts), 0);
	cr_expect_str_eq(facts.name, "Another", "%s", name);
	cr_expect_str_eq(facts.module, "elsewhere", "%s", name);
}

Test(census_of_classes, an_address_may_be_another_classes_by_now, .timeout = 120)
{
	on_every_python("still", expect_fresh);
}

/* ---- which are wanted ---- */

static bool is_among(const struct types_wanted *wanted, uint64_t address)
{
	for (uint32_t i = 0; i < wanted->count; i++) {
		if (wanted->array[i].address == address)
			return true;
	}
	return false;
}

static uint64_t python_dealloc(struct target *target)
{
	struct class_facts facts;

	cr_assert_eq(classes_read(target->classes, truth_of(target, "Plain")->address, &facts), 0);
	return facts.dealloc;
}

static void expect_all_of_c(struct target *target, const char *name)
{
	static const char *const all[] = { "*" };
	struct types_wanted wanted;

	cr_assert_eq(types_wanted_find(target->classes, all, 1, python_dealloc(target), &wanted),
		     0);
	for (size_t i = 0; i < target->truth.static_count; i++)
		cr_expect(is_among(&wanted, target->truth.statics[i]), "%s: %#" PRIx64, name,
			  target->truth.statics[i]);
	for (size_t i = 0; i < target->truth.class_count; i++) {
		const struct truth_class *class = &target->truth.classes[i];

		if (!strcmp(class->module, "__main__"))
			cr_expect(!is_among(&wanted, class->address), "%s: %s", name, class->name);
	}
	types_wanted_release(&wanted);
}

Test(types_wanted, a_star_is_every_type_of_c_and_no_class_of_python, .timeout = 120)
{
	on_every_python("still", expect_all_of_c);
}

static void expect_named(struct target *target, const char *name)
{
	static const struct {
		const char *globs[2];
		const char *names[3]; /* what must be found, and no other of them */
	} cases[] = {
		{ { "list", NULL }, { "builtins.list", NULL } },
		{ { "builtins.list", NULL }, { "builtins.list", NULL } },
		{ { "deque", NULL }, { "collections.deque", NULL } },
		{ { "collections.deq*", NULL }, { "collections.deque", NULL } },
		{ { "datetime.date", "dict" }, { "builtins.dict", "datetime.date", NULL } },
		{ { "list_reverse*", NULL }, { "builtins.list_reverseiterator", NULL } },
		{ { "nosuch.*", "" }, { NULL } },
		{ { "Plain", "__main__.*" }, { NULL } },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t globs = cases[i].globs[1] ? 2 : 1, expected = 0;
		struct types_wanted wanted;

		cr_assert_eq(types_wanted_find(target->classes, cases[i].globs, globs,
					       python_dealloc(target), &wanted),
			     0);
		while (cases[i].names[expected])
			expected++;
		cr_expect_eq(wanted.count, expected, "%s: %s", name, cases[i].globs[0]);
		for (uint32_t j = 0; j < wanted.count; j++) {
			char whole[800];
			bool known = false;

			snprintf(whole, sizeof(whole), "%s.%s", wanted.array[j].module,
				 wanted.array[j].name);
			for (size_t k = 0; k < expected; k++)
				known = known || !strcmp(whole, cases[i].names[k]);
			cr_expect(known, "%s: %s", name, whole);
		}
		types_wanted_release(&wanted);
	}
}

Test(types_wanted, globs_match_the_name_or_the_module_and_the_name, .timeout = 120)
{
	on_every_python("still", expect_named);
}
