// SPDX-License-Identifier: GPL-2.0-only
/* Lines of /proc/PID/maps as kernels write them, and files behind our own mappings. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "proc/maps.h"

struct line_case {
	const char *line;
	struct mapping mapping;
};

Test(maps, lines_are_taken_apart)
{
	static const struct line_case CASES[] = {
		{ "00400000-0041f000 r--p 00001000 fe:00 1234                    /usr/bin/python3.11\n",
		  { 0x400000, 0x41f000, 0x1000, 0, 1234, MAPPING_READ, "/usr/bin/python3.11" } },
		{ "7ffd1000-7ffd2000 r-xs 00000000 00:2a 7 /a b (deleted)\n",
		  { 0x7ffd1000, 0x7ffd2000, 0, 0, 7,
		    MAPPING_READ | MAPPING_EXEC | MAPPING_SHARED | MAPPING_DELETED, "/a b" } },
		{ "7ffd1000-7ffd2000 rw-p 00000000 00:00 0 \n",
		  { 0x7ffd1000, 0x7ffd2000, 0, 0, 0, MAPPING_READ | MAPPING_WRITE, "" } },
		{ "7ffd1000-7ffd2000 rw-p 00000000 00:00 0                          [heap]\n",
		  { 0x7ffd1000, 0x7ffd2000, 0, 0, 0, MAPPING_READ | MAPPING_WRITE, "[heap]" } },
		{ "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0   [vsyscall]\n",
		  { 0xffffffffff600000, 0xffffffffff601000, 0, 0, 0, MAPPING_EXEC, "[vsyscall]" } },
		{ "1000-2000 ---p 00000000 08:01 9 /new\\012line\n",
		  { 0x1000, 0x2000, 0, 0, 9, 0, "/new\nline" } },
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		const struct mapping *want = &CASES[i].mapping;
		struct maps maps;

		cr_assert_eq(maps_parse(CASES[i].line, strlen(CASES[i].line), &maps), 0, "%s",
			     CASES[i].line);
		cr_assert_eq(maps.count, 1);
		cr_expect_eq(maps.mappings[0].start, want->start);
		cr_expect_eq(maps.mappings[0].end, want->end);
		cr_expect_eq(maps.mappings[0].offset, want->offset);
		cr_expect_eq(maps.mappings[0].inode, want->inode);
		cr_expect_eq(maps.mappings[0].flags, want->flags, "%s", CASES[i].line);
		cr_expect_str_eq(maps.mappings[0].path, want->path);
		maps_release(&maps);
	}
}

Test(maps, the_device_is_told)
{
	static const char LINE[] = "1000-2000 ---p 00000000 fe:1f 9 /x\n";
	struct maps maps;

	cr_assert_eq(maps_parse(LINE, strlen(LINE), &maps), 0);
	cr_expect_eq(maps.mappings[0].device, makedev(0xfe, 0x1f));
	maps_release(&maps);
}

Test(maps, what_is_no_line_is_refused)
{
	static const char *const CASES[] = {
		"\n",
		"1000-2000\n",
		"2000-1000 r--p 00000000 00:00 0 \n",
		"1000-2000 r--p 00000000 00:00 0",
		"1000-2000 r--p zz 00:00 0 \n",
		"1000-2000 r- 00000000 00:00 0 \n",
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct maps maps;

		cr_expect_eq(maps_parse(CASES[i], strlen(CASES[i]), &maps), -EBADMSG, "%s",
			     CASES[i]);
	}
}

Test(maps, an_address_finds_its_mapping_and_no_other)
{
	static const char TEXT[] = "1000-2000 ---p 00000000 00:00 0 \n"
				   "2000-3000 r--p 00000000 00:00 0 \n"
				   "5000-6000 rw-p 00000000 00:00 0 \n";
	static const struct {
		uint64_t address;
		int index; /* -1: none */
	} CASES[] = { { 0xfff, -1 },  { 0x1000, 0 },  { 0x1fff, 0 }, { 0x2000, 1 },
		      { 0x3000, -1 }, { 0x4fff, -1 }, { 0x5000, 2 }, { 0x6000, -1 } };
	struct maps maps;

	cr_assert_eq(maps_parse(TEXT, strlen(TEXT), &maps), 0);
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++)
		cr_expect_eq(maps_find(&maps, CASES[i].address),
			     CASES[i].index < 0 ? NULL : &maps.mappings[CASES[i].index], "%lx",
			     (unsigned long)CASES[i].address);
	maps_release(&maps);
}

Test(maps, a_process_that_is_not_there_is_gone)
{
	struct maps maps;

	cr_expect_eq(maps_read(0x3ffffffe, &maps), -ESRCH);
}

/* Maps a new file and returns where; `path` is left for the test to change under it. */
static void *file_map(char *path, const char *text)
{
	int fd = mkstemp(path);
	void *at;

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	at = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0);
	cr_assert_neq(at, MAP_FAILED);
	close(fd);
	return at;
}

static void expect_text(const struct mapping *mapping, const char *text)
{
	char path[512], got[16] = "";
	int fd, again;

	cr_assert_eq(mapping_open(getpid(), mapping, &fd, path, sizeof(path)), 0);
	cr_expect_eq(read(fd, got, sizeof(got) - 1), (ssize_t)strlen(text));
	cr_expect_str_eq(got, text);
	close(fd);
	again = open(path, O_RDONLY);
	cr_expect_geq(again, 0, "%s", path);
	close(again);
}

Test(maps, a_mapped_file_is_opened_by_its_name)
{
	char path[] = "/tmp/pybpfprof-maps-XXXXXX";
	void *at = file_map(path, "here");
	struct maps maps;

	cr_assert_eq(maps_read(getpid(), &maps), 0);
	expect_text(maps_find(&maps, (uintptr_t)at), "here");
	maps_release(&maps);
	unlink(path);
}

Test(maps, a_deleted_file_is_opened_or_refused_but_never_its_successor)
{
	char path[] = "/tmp/pybpfprof-maps-XXXXXX";
	void *at = file_map(path, "old");
	const struct mapping *mapping;
	struct maps maps;
	FILE *successor;
	int fd;

	/* A name that keeps the old file's inode from being used again at once. */
	cr_assert_eq(unlink(path), 0);
	successor = fopen(path, "w");
	cr_assert_not_null(successor);
	fputs("new", successor);
	fclose(successor);

	cr_assert_eq(maps_read(getpid(), &maps), 0);
	mapping = maps_find(&maps, (uintptr_t)at);
	cr_expect(mapping->flags & MAPPING_DELETED);
	if (geteuid() == 0) {
		expect_text(mapping, "old");
	} else {
		cr_expect_neq(mapping_open(getpid(), mapping, &fd, NULL, 0), 0);
	}
	maps_release(&maps);
	unlink(path);
}

Test(maps, what_is_no_regular_file_is_not_opened)
{
	struct mapping device = { .start = 0x1000, .end = 0x2000, .inode = 1, .path = "/dev/zero" };
	struct stat status;
	int fd;

	cr_assert_eq(stat("/dev/zero", &status), 0);
	device.inode = status.st_ino;
	cr_expect_eq(mapping_open(getpid(), &device, &fd, NULL, 0), -EINVAL);
}
