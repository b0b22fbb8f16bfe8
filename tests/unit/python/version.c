// SPDX-License-Identifier: GPL-2.0-only
/* PY_VERSION_HEX in words, and which versions are taken. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "python/version.h"

struct version_case {
	uint32_t hexversion;
	const char *words;
	const char *refusal; /* part of it; NULL: taken */
};

Test(version, each_is_named_and_the_unknown_are_refused)
{
	static const struct version_case CASES[] = {
		{ 0x030b02f0, "3.11.2", NULL },
		{ 0x030d0ff0, "3.13.15", NULL },
		{ 0x030f00b2, "3.15.0b2", "3.15.0b2 is a pre-release" },
		{ 0x030f00a7, "3.15.0a7", "pre-release" },
		{ 0x030e00c1, "3.14.0rc1", "pre-release" },
		{ 0x030f00f0, "3.15.0", NULL },
		{ 0x031000f0, "3.16.0", "Python 3.16 is not known to this pybpfprof" },
		{ 0x040000f0, "4.0.0", "Python 4.0 is not known to this pybpfprof" },
		{ 0x030710f0, "3.7.16", "Python 3.7.16 is not supported" },
		{ 0x020712f0, "2.7.18", "Python 2.7.18 is not supported" },
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
		char words[16], reason[128] = "";
		int err = version_check(CASES[i].hexversion, reason, sizeof(reason));

		version_words(CASES[i].hexversion, words, sizeof(words));
		cr_expect_str_eq(words, CASES[i].words);
		cr_expect_eq(err, CASES[i].refusal ? -ENOTSUP : 0, "%s", CASES[i].words);
		if (CASES[i].refusal)
			cr_expect(strstr(reason, CASES[i].refusal) != NULL, "%s", reason);
		else
			cr_expect_str_empty(reason);
	}
}

Test(layout, every_version_between_first_and_last_has_one_and_says_so)
{
	cr_expect_null(layout_of(LAYOUT_MINOR_FIRST - 1));
	cr_expect_null(layout_of(LAYOUT_MINOR_LAST + 1));
	for (unsigned int minor = LAYOUT_MINOR_FIRST; minor <= LAYOUT_MINOR_LAST; minor++) {
		const struct layout *layout = layout_of(minor);

		cr_assert_not_null(layout);
		cr_expect_eq(layout->walk.minor, minor);
		/* The walker copies a frame up to its locals, and must find all it needs in that. */
		cr_expect_lt(layout->walk.frame_code, layout->walk.frame_localsplus);
		cr_expect_lt(layout->walk.frame_back, layout->walk.frame_localsplus);
		cr_expect_lt(layout->walk.frame_ip, layout->walk.frame_localsplus);
		cr_expect_eq(layout->debug_bytes != 0, minor >= 13);
	}
}

/* The tables against the headers of every Python that is installed with its headers. */
Test(layout, tables_agree_with_the_headers_here)
{
	if (system("command -v python3 cc >/dev/null") != 0)
		cr_skip_test("needs python3 and a compiler");
	cr_expect_eq(system("scripts/gen-layouts --check"), 0);
}
