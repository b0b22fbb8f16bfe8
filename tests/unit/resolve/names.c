// SPDX-License-Identifier: GPL-2.0-only
/* Names from raw string memory. The UTF-8 is what CPython's own encoder gives for each text. */
#include <criterion/criterion.h>
#include <string.h>

#include "resolve/names.h"

struct text_case {
	const char *what;
	struct record_text text;
	const char *bytes;
	const char *utf8;
};

Test(names, become_utf8)
{
	static const struct text_case CASES[] = {
		{ "ascii", { 5, 5, 1, 1 }, "hello", "hello" },
		{ "latin-1", { 2, 2, 1, 0 }, "\xe9t", "ét" },
		{ "two bytes", { 2, 4, 2, 0 }, "\xac\x20\x2e\x4e", "€丮" },
		{ "four bytes", { 1, 4, 4, 0 }, "\x0d\xf4\x01\x00", "🐍" },
		{ "lone surrogate", { 1, 2, 2, 0 }, "\x80\xdc", "\\udc80" },
		{ "beyond unicode", { 1, 4, 4, 0 }, "\x00\x00\x11\x00", "\\U00110000" },
		{ "cut short", { 9, 3, 1, 1 }, "abc", "abc…" },
		{ "cut inside a character", { 2, 3, 2, 0 }, "\x41\x00\x42", "A…" },
		{ "unreadable", { 0, 0, 0, 0 }, "", "" },
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
		struct buffer out;

		buffer_init(&out);
		name_append(&out, &CASES[i].text, CASES[i].bytes);
		cr_expect_str_eq(out.bytes ? out.bytes : "", CASES[i].utf8, "%s: %s", CASES[i].what,
				 out.bytes);
		buffer_release(&out);
	}
}

struct name_case {
	const char *name;
	const char *expected;
};

Test(names, class_part_of_a_qualified_name)
{
	static const struct name_case CASES[] = {
		{ "f", "" },
		{ "A.f", "A" },
		{ "A.Inner.f", "A.Inner" },
		{ "f.<locals>.g", "" },
		{ "f.<locals>.<lambda>", "" },
		{ "f.<locals>.C.m", "f.<locals>.C" },
		{ "A.m.<locals>.<listcomp>", "" },
		{ "<module>", "" },
		{ "", "" },
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
		size_t length = name_class_length(CASES[i].name);

		cr_expect_eq(length, strlen(CASES[i].expected), "%s", CASES[i].name);
		cr_expect_eq(memcmp(CASES[i].name, CASES[i].expected, length), 0);
	}
}

Test(names, module_of_a_file)
{
	static const struct name_case CASES[] = {
		{ "/usr/lib/python3.11/json/decoder.py", "json.decoder" },
		{ "/usr/lib/python3.11/json/__init__.py", "json" },
		{ "/usr/lib/python3/dist-packages/numpy/core/_methods.py", "numpy.core._methods" },
		{ "/opt/venv/lib/python3.12/site-packages/a/b.py", "a.b" },
		{ "/srv/app/server.py", "server" },
		{ "server.py", "server" },
		{ "<frozen importlib._bootstrap>", "importlib._bootstrap" },
		{ "<string>", "" },
		{ "<stdin>", "" },
		{ "", "" },
	};

	for (size_t i = 0; i < sizeof(CASES) / sizeof(*CASES); i++) {
		struct buffer out;

		buffer_init(&out);
		name_append_module(&out, CASES[i].name);
		cr_expect_str_eq(out.bytes ? out.bytes : "", CASES[i].expected, "%s: %s",
				 CASES[i].name, out.bytes);
		buffer_release(&out);
	}
}
