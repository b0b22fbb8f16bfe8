// SPDX-License-Identifier: GPL-2.0-only
/*
 * The collector, against what others say of it: its function against CPython's own probes and against symbols
 * that were stripped off, its counters against gc.get_stats().
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "python/collector.h"
#include "python/collector_function.h"
#include "unit/python/every_python.h"

static struct elf_file *file_open(const char *path, int *fd)
{
	struct elf_file *file;

	*fd = open(path, O_RDONLY | O_CLOEXEC);
	cr_assert_geq(*fd, 0, "%s", path);
	cr_assert_eq(elf_file_open(*fd, &file), 0, "%s", path);
	return file;
}

static void file_close(struct elf_file *file, int fd)
{
	elf_file_close(file);
	close(fd);
}

/* ---- the function ---- */

struct probed {
	struct elf_file *file;
	struct collector_function found[COLLECTOR_FUNCTIONS_MAX];
	size_t count, probes;
	const char *path;
};

static int probe_check(const struct elf_probe *probe, void *arg)
{
	struct probed *probed = arg;
	uint64_t function = 0;
	bool known = false;

	if (strncmp(probe->name, "gc__", 4) != 0)
		return 0;
	probed->probes++;
	cr_expect_eq(collector_function_of(probed->file, probe->address, &function), 0, "%s",
		     probed->path);
	for (size_t i = 0; i < probed->count; i++)
		known |= probed->found[i].address == function;
	cr_expect(known, "%s: %s is in the function at %#lx", probed->path, probe->name,
		  (unsigned long)function);
	return 0;
}

Test(collector, the_function_with_the_text_is_that_with_the_probes, .timeout = 120)
{
	struct every_python pythons[EVERY_PYTHON_MAX];
	size_t count = every_python_list(pythons), probed_count = 0;

	for (size_t i = 0; i < count; i++) {
		struct probed probed = { 0 };
		char path[600];
		int fd;

		snprintf(path, sizeof(path), "%s%s", pythons[i].root, pythons[i].interpreter);
		probed.path = path;
		probed.file = file_open(path, &fd);
		/* A small program whose interpreter is a library has neither. */
		if (!collector_functions_find(probed.file, probed.found, &probed.count))
			elf_file_each_probe(probed.file, probe_check, &probed);
		probed_count += probed.probes;
		file_close(probed.file, fd);
	}
	if (!probed_count)
		cr_skip_test("no Python here was built --with-dtrace");
}

/* Functions of the collector by name, as compilers call what they make of one. */
static size_t symbols_find(const char *path, uint64_t *addresses)
{
	struct elf_symbol symbols[] = {
		{ .name = "gc_collect_main" },
		{ .name = "gc_collect_main.constprop.0" },
		{ .name = "collect" },
		{ .name = "collect.constprop.0" },
		{ .name = "collect.constprop.1" },
	};
	size_t count = 0;
	int fd;
	struct elf_file *file = file_open(path, &fd);

	elf_file_find_symbols(file, ELF_ALL_SYMBOLS, symbols, 5);
	for (size_t i = 0; i < 5; i++) {
		if (symbols[i].found)
			addresses[count++] = symbols[i].address;
	}
	file_close(file, fd);
	return count;
}

static void stripped_check(const char *library)
{
	struct collector_function found[COLLECTOR_FUNCTIONS_MAX];
	uint64_t named[8];
	size_t found_count = 0, named_count = symbols_find(library, named), same = 0;
	struct elf_file *file;
	char path[64], command[700];
	int fd;

	if (!named_count)
		return;
	snprintf(path, sizeof(path), "/tmp/pybpfprof-%d-stripped", getpid());
	snprintf(command, sizeof(command), "strip --strip-all -o '%s' '%s'", path, library);
	cr_assert_eq(system(command), 0);
	file = file_open(path, &fd);
	cr_assert_not(elf_file_has_symbols(file, ELF_ALL_SYMBOLS));
	cr_expect_eq(collector_functions_find(file, found, &found_count), 0, "%s", library);
	for (size_t i = 0; i < found_count; i++) {
		for (size_t j = 0; j < named_count; j++)
			same += found[i].address == named[j];
	}
	cr_expect_eq(same, found_count, "%s", library);
	cr_expect_eq(found_count, named_count, "%s", library);
	file_close(file, fd);
	unlink(path);
}

Test(collector, a_stripped_file_has_the_function_where_its_symbol_was, .timeout = 120)
{
	FILE *list = popen("ls ~/.pyenv/versions/3.*/lib/libpython3.*.so.1.0 2>/dev/null |"
			   "grep -v 'python3[.][67]m[.]'",
			   "r");
	size_t count = 0;
	char path[512];

	cr_assert_not_null(list);
	while (fgets(path, sizeof(path), list)) {
		path[strcspn(path, "\n")] = '\0';
		stripped_check(path);
		count++;
	}
	pclose(list);
	if (!count)
		cr_skip_test("no libpython with symbols here");
}

Test(collector, a_file_without_the_text_has_none)
{
	struct collector_function found[COLLECTOR_FUNCTIONS_MAX];
	size_t count;
	int fd;
	struct elf_file *file = file_open("/bin/true", &fd);

	cr_expect_eq(collector_functions_find(file, found, &count), -ENOENT);
	file_close(file, fd);
}

/* ---- the counters ---- */

static void counters_check(const struct every_python *python, const char *printed,
			   const struct collector_reading *reading)
{
	const char *at = printed;

	for (int i = 0; i < ABI_GC_GENERATIONS; i++) {
		const struct gc_counts *counts = &reading->counts[i];
		char *end;

		cr_expect_eq(counts->collections, strtoull(at, &end, 10), "%s %d", python->name, i);
		cr_expect_eq(counts->collected, strtoull(end, &end, 10), "%s %d", python->name, i);
		cr_expect_eq(counts->uncollectable, strtoull(end, &end, 10), "%s %d", python->name,
			     i);
		at = end;
	}
	cr_expect_not(reading->enabled, "%s", python->name);
	cr_expect_not(reading->collecting, "%s", python->name);
}

static void counters_read(const struct every_python *python, struct python_cache *cache)
{
	struct collector_reading readings[COLLECTORS_MAX];
	struct python_process *process = malloc(sizeof(*process));
	struct collector_plan plan;
	struct every_python_run run;
	char printed[512], reason[256];
	size_t count = 0;

	every_python_start(&run, python, "gc_counts.py", NULL, NULL);
	cr_assert_not_null(fgets(printed, sizeof(printed), run.output), "%s", python->name);
	python_inspect(cache, run.pid, process);
	if (process->verdict == PYTHON_KNOWN) {
		cr_assert_eq(collector_plan_make(process, &plan, reason, sizeof(reason)), 0,
			     "%s: %s", python->name, reason);
		cr_assert_eq(collectors_read(process, &plan, readings, &count), 0, "%s",
			     python->name);
		cr_assert_eq(count, 1, "%s", python->name);
		counters_check(python, printed, &readings[0]);
	} else {
		cr_expect_lt(python->minor, 8, "%s: %s", python->name, process->reason);
	}
	free(process);
	every_python_end(&run);
}

Test(collector, its_counters_are_what_it_says, .timeout = 120)
{
	struct every_python pythons[EVERY_PYTHON_MAX];
	size_t count = every_python_list(pythons);
	struct python_cache *cache = python_cache_new();

	for (size_t i = 0; i < count; i++)
		counters_read(&pythons[i], cache);
	python_cache_free(cache);
}

Test(collector, a_free_threaded_build_is_refused_by_name)
{
	struct python_process process = { .free_threaded = true };
	struct collector_plan plan;
	char reason[256];

	cr_assert_eq(collector_plan_make(&process, &plan, reason, sizeof(reason)), -ENOTSUP);
	cr_expect_not_null(strstr(reason, "free-threaded"));
}
