// SPDX-License-Identifier: GPL-2.0-only
/* Files: bounded reads, reports that appear whole or not at all. */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fs.h"

static char directory[64];

static void make_directory(void)
{
	strcpy(directory, "/tmp/pybpfprof-fs-XXXXXX");
	cr_assert_not_null(mkdtemp(directory));
}

static void remove_directory(void)
{
	struct buffer command;

	buffer_init(&command);
	buffer_printf(&command, "rm -rf %s", directory);
	cr_assert_eq(system(command.bytes), 0);
	buffer_release(&command);
}

TestSuite(fs, .init = make_directory, .fini = remove_directory);

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	return path;
}

static void put(const char *path, const char *text)
{
	FILE *stream = fopen(path, "w");

	fputs(text, stream);
	fclose(stream);
}

static void expect_content(const char *path, const char *want)
{
	struct buffer got;

	buffer_init(&got);
	cr_assert_eq(fs_read(path, 1000, &got), 0);
	cr_assert_str_eq(got.bytes, want);
	buffer_release(&got);
}

static size_t count_entries(void)
{
	struct buffer command;
	size_t count = 0;
	FILE *listing;

	buffer_init(&command);
	buffer_printf(&command, "ls -A %s | wc -l", directory);
	listing = popen(command.bytes, "r");
	cr_assert_eq(fscanf(listing, "%zu", &count), 1);
	pclose(listing);
	buffer_release(&command);
	return count;
}

Test(fs, read_is_bounded)
{
	static const struct {
		size_t limit;
		int result;
		const char *want;
	} CASES[] = {
		{ 5, 0, "12345" }, { 6, 0, "12345" }, { 4, -EFBIG, "1234" }, { 0, -EFBIG, "" }
	};

	put(path_of("file"), "12345");
	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct buffer got;

		buffer_init(&got);
		buffer_string(&got, "");
		cr_assert_eq(fs_read(path_of("file"), CASES[i].limit, &got), CASES[i].result);
		cr_assert_str_eq(got.bytes, CASES[i].want);
		buffer_release(&got);
	}
}

Test(fs, read_names_what_is_wrong)
{
	struct buffer got;

	buffer_init(&got);
	cr_assert_eq(fs_read(path_of("absent"), 10, &got), -ENOENT);
	cr_assert_eq(fs_read(directory, 10, &got), -EISDIR);
	buffer_release(&got);
}

Test(fs, output_appears_only_when_committed)
{
	struct fs_output *output;

	put(path_of("report"), "old");
	cr_assert_eq(fs_output_open(path_of("report"), &output), 0);
	fputs("new", fs_output_stream(output));
	fflush(fs_output_stream(output));
	expect_content(path_of("report"), "old");
	cr_assert_eq(fs_output_commit(output), 0);
	expect_content(path_of("report"), "new");
	cr_assert_eq(count_entries(), 1);
}

Test(fs, abandoned_output_leaves_nothing)
{
	struct fs_output *output;

	cr_assert_eq(fs_output_open(path_of("report"), &output), 0);
	fputs("half", fs_output_stream(output));
	fs_output_abandon(output);
	fs_output_abandon(NULL);
	cr_assert_eq(count_entries(), 0);
}

Test(fs, output_keeps_permissions_and_links)
{
	struct fs_output *output;
	struct stat now;

	put(path_of("real"), "old");
	cr_assert_eq(chmod(path_of("real"), 0640), 0);
	cr_assert_eq(symlink("real", path_of("link")), 0);
	cr_assert_eq(fs_output_open(path_of("link"), &output), 0);
	fputs("new", fs_output_stream(output));
	cr_assert_eq(fs_output_commit(output), 0);
	cr_assert_eq(lstat(path_of("link"), &now), 0);
	cr_assert(S_ISLNK(now.st_mode));
	cr_assert_eq(lstat(path_of("real"), &now), 0);
	cr_assert_eq(now.st_mode & 07777, 0640);
	expect_content(path_of("real"), "new");
}

Test(fs, a_device_is_written_to_not_replaced)
{
	struct fs_output *output;
	struct stat now;

	cr_assert_eq(fs_output_open("/dev/null", &output), 0);
	fputs("gone", fs_output_stream(output));
	cr_assert_eq(fs_output_commit(output), 0);
	cr_assert_eq(stat("/dev/null", &now), 0);
	cr_assert(S_ISCHR(now.st_mode));
}

Test(fs, a_link_laid_at_the_temporary_name_is_not_followed)
{
	struct fs_output *output;
	char trap[64];

	put(path_of("victim"), "precious");
	snprintf(trap, sizeof(trap), "report.tmp.%d", (int)getpid());
	cr_assert_eq(symlink("victim", path_of(trap)), 0);
	cr_assert_eq(fs_output_open(path_of("report"), &output), 0);
	fputs("new", fs_output_stream(output));
	cr_assert_eq(fs_output_commit(output), 0);
	expect_content(path_of("victim"), "precious");
	expect_content(path_of("report"), "new");
}

Test(fs, failures_are_told)
{
	struct fs_output *output;

	cr_assert_eq(fs_output_open(path_of("no/such/report"), &output), -ENOENT);
	cr_assert_eq(fs_output_open(directory, &output), -EISDIR);
	cr_assert_eq(fs_output_open("/dev/full", &output), 0);
	fputs("does not fit", fs_output_stream(output));
	cr_assert_eq(fs_output_commit(output), -ENOSPC);
}

Test(fs, a_failed_report_leaves_the_old_one)
{
	struct fs_output *output;

	put(path_of("report"), "old");
	cr_assert_eq(fs_output_open(path_of("report"), &output), 0);
	/* A stream that failed in the middle, as on a full disk. */
	cr_assert_eq(close(fileno(fs_output_stream(output))), 0);
	fputs("new", fs_output_stream(output));
	cr_assert_eq(fs_output_commit(output), -EBADF);
	expect_content(path_of("report"), "old");
	cr_assert_eq(count_entries(), 1);
}
