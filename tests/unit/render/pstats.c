// SPDX-License-Identifier: GPL-2.0-only
/* pstats files: bytes as CPython's marshal module documents itself, values as cProfile means them. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "render/marshal.h"
#include "sample_calls.h"

static const char PYTHON[] = "/usr/bin/python3";

static void expect_bytes(const struct buffer *got, const char *want, size_t length)
{
	cr_assert_eq(got->length, length, "%zu bytes", got->length);
	for (size_t i = 0; i < length; i++)
		cr_assert_eq(got->bytes[i], want[i], "byte %zu: %02x", i, (uint8_t)got->bytes[i]);
}

#define EXPECT_BYTES(got, want) expect_bytes(got, want, sizeof(want) - 1)

/* What marshal.dumps(n, 2) says: 31 bits in one piece, more in digits of 15 bits. */
Test(marshal, integers)
{
	static const struct {
		uint64_t value;
		const char *bytes;
		size_t length;
	} CASES[] = {
		{ 0, "i\0\0\0\0", 5 },
		{ 258, "i\2\1\0\0", 5 },
		{ 2147483647, "i\xff\xff\xff\x7f", 5 },
		{ 2147483648, "l\3\0\0\0\0\0\0\0\2\0", 11 },
		{ 1000000000000, "l\3\0\0\0\0\x10\x4a\x29\xa3\x03", 11 },
		{ UINT64_MAX, "l\5\0\0\0\xff\x7f\xff\x7f\xff\x7f\xff\x7f\x0f\0", 15 },
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		struct marshal marshal;
		struct buffer out;

		buffer_init(&out);
		marshal_init(&marshal, &out);
		marshal_uint(&marshal, CASES[i].value);
		expect_bytes(&out, CASES[i].bytes, CASES[i].length);
		buffer_release(&out);
	}
}

/* {("f.py", "x"): 1.5, "again": the tuple, its string} */
Test(marshal, what_was_kept_comes_again_by_number)
{
	struct marshal marshal;
	struct buffer out;
	uint32_t tuple, string;

	buffer_init(&out);
	marshal_init(&marshal, &out);
	marshal_dict_start(&marshal);
	tuple = marshal_kept_tuple(&marshal, 2);
	string = marshal_kept_string(&marshal, "f.py", 4);
	marshal_string(&marshal, "x", 1);
	marshal_float(&marshal, 1.5);
	marshal_again(&marshal, tuple);
	marshal_again(&marshal, string);
	marshal_dict_end(&marshal);
	EXPECT_BYTES(&out, "{\xa8\2\0\0\0\xf5\4\0\0\0f.pyu\1\0\0\0x"
			   "g\0\0\0\0\0\0\xf8\x3f"
			   "r\0\0\0\0r\1\0\0\0"
			   "0");
	buffer_release(&out);
}

/* Runs `script` in CPython, where `stats` is what was rendered; returns what it prints. */
static void ask_python(const struct profile *profile, const struct render_options *options,
		       const char *script, struct buffer *out)
{
	char path[] = "/tmp/pybpfprof-pstats-XXXXXX", part[4096];
	struct buffer file, command;
	FILE *stream;
	size_t length;

	if (access(PYTHON, X_OK))
		cr_skip_test("no %s", PYTHON);
	sample_render("pstats", profile, options, &file);
	stream = fdopen(mkstemp(path), "w");
	cr_assert_eq(fwrite(file.bytes, 1, file.length, stream), file.length);
	fclose(stream);
	buffer_init(&command);
	buffer_printf(&command,
		      "PYTHONIOENCODING=utf-8 timeout 20 %s -c '\nimport marshal, pstats, sys\n"
		      "stats = marshal.load(open(\"%s\", \"rb\"))\n"
		      "key = lambda k: \"%%s:%%d(%%s)\" %% k\n%s' 2>&1",
		      PYTHON, path, script);
	stream = popen(command.bytes, "r");
	buffer_init(out);
	while ((length = fread(part, 1, sizeof(part), stream)))
		buffer_append(out, part, length);
	pclose(stream);
	unlink(path);
	buffer_release(&command);
	buffer_release(&file);
}

static const char SHOW[] = "for k in sorted(stats):\n"
			   "    print(key(k), *stats[k][:4])\n"
			   "    for c in sorted(stats[k][4]):\n"
			   "        print(\"   <-\", key(c), *stats[k][4][c])\n";

Test(pstats, exact_calls_are_what_cprofile_would_say)
{
	/* Primitive calls, calls, self, total; of callers: calls first. */
	static const char WANT[] = "/srv/app/app.py:1(<module>) 1 1 0.01 0.118\n"
				   "/srv/app/jobs.py:10(Worker.run) 0 0 0.1 0.102\n"
				   "/srv/app/jobs.py:20(fib) 2 8 0.092 0.092\n"
				   "   <- /srv/app/app.py:1(<module>) 1 1 0.02 0.09\n"
				   "   <- /srv/app/jobs.py:10(Worker.run) 1 1 0.002 0.002\n"
				   "   <- /srv/app/jobs.py:20(fib) 6 2 0.07 0.07\n"
				   "/srv/app/jobs.py:30(even) 2 4 0.012 0.018\n"
				   "   <- /srv/app/app.py:1(<module>) 2 2 0.005 0.018\n"
				   "   <- /srv/app/jobs.py:40(odd) 2 2 0.007 0.007\n"
				   "/srv/app/jobs.py:40(odd) 2 2 0.006 0.013\n"
				   "   <- /srv/app/jobs.py:30(even) 2 2 0.006 0.013\n";
	struct profile *profile = exchange_calls_new();
	struct render_options options = sample_options();
	struct buffer out;

	ask_python(profile, &options, SHOW, &out);
	cr_expect_str_eq(out.bytes, WANT, "%s", out.bytes);
	buffer_release(&out);
	profile_free(profile);
}

Test(pstats, only_selected_functions_have_rows)
{
	static const char *const GLOBS[] = { "app.jobs:fib" };
	struct profile *profile = exchange_calls_new();
	struct render_options options = sample_options();
	struct buffer out;

	options.globs = GLOBS;
	options.glob_count = 1;
	ask_python(profile, &options, SHOW, &out);
	cr_expect_str_eq(out.bytes, "/srv/app/jobs.py:20(fib) 2 8 0.092 0.092\n"
				    "   <- /srv/app/app.py:1(<module>) 1 1 0.02 0.09\n"
				    "   <- /srv/app/jobs.py:10(Worker.run) 1 1 0.002 0.002\n"
				    "   <- /srv/app/jobs.py:20(fib) 6 2 0.07 0.07\n");
	buffer_release(&out);
	profile_free(profile);
}

/* Samples have times; calls nobody counted, and 0 makes pstats leave the times per call out. */
Test(pstats, samples_have_no_calls)
{
	static const char WANT[] =
		"/srv/app/app.py:1(<module>) 0 0 0.0 0.8\n"
		"/srv/app/jobs.py:10(Worker.run) 0 0 0.1 0.99\n"
		"   <- /srv/app/app.py:1(<module>) 0 0 0.1 0.8\n"
		"/srv/app/jobs.py:20(fib) 0 0 0.7 0.7\n"
		"   <- /srv/app/jobs.py:10(Worker.run) 0 0 0.1 0.7\n"
		"   <- /srv/app/jobs.py:20(fib) 0 0 0.6 0.6\n"
		"/usr/lib/python3.11/json/__init__.py:183(dumps) 0 0 0.04 0.19\n"
		"   <- /srv/app/jobs.py:10(Worker.run) 0 0 0.04 0.19\n"
		"/usr/lib/x86_64-linux-gnu/libc.so.6:0(write) 0 0 0.0 0.15\n"
		"   <- /usr/lib/python3.11/json/__init__.py:183(dumps) 0 0 0.0 0.15\n"
		"~:0([no stack]) 0 0 0.01 0.0\n"
		"~:0(vfs_write_[k]) 0 0 0.15 0.15\n"
		"   <- /usr/lib/x86_64-linux-gnu/libc.so.6:0(write) 0 0 0.15 0.15\n";
	struct profile *profile = sample_new();
	struct render_options options = sample_options();
	struct buffer out;

	ask_python(profile, &options, SHOW, &out);
	cr_expect_str_eq(out.bytes, WANT, "%s", out.bytes);
	buffer_release(&out);
	profile_free(profile);
}

/* What a dictionary would lose, two functions of one key, is added up. */
Test(pstats, functions_of_one_key_are_one)
{
	struct profile *profile = exchange_hostile_new();
	struct render_options options = sample_options();
	struct buffer out;

	ask_python(profile, &options,
		   "print(len(stats), round(sum(s[2] for s in stats.values()), 6))\n"
		   "print(stats[(\"/srv/app.py\", 1, \"<lambda>\")][:2])\n"
		   "print(stats[(\"/srv/app.py\", 2, \"<lambda>\")][:2])\n"
		   "print([k[2] for k in stats if not k[2].isprintable()])\n"
		   "print([k[2] for k in stats if k[0] == k[2]][-1])\n",
		   &out);
	/* 21 functions of 1 ms each, of which the last two lambdas have one key. */
	cr_expect_str_eq(out.bytes, "20 0.021\n(1, 1)\n(2, 2)\n[]\n"
				    "caf\xc3\xa9 \xe6\xbc\xa2\xe5\xad\x97\n");
	buffer_release(&out);
	profile_free(profile);
}
