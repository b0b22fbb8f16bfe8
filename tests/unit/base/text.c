// SPDX-License-Identifier: GPL-2.0-only
/* Text of strangers. What is valid UTF-8, and what replaces the rest, are Unicode's own examples. */
#include <criterion/criterion.h>

#include "base/text.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

struct text_case {
	const char *bytes;
	size_t length;
	const char *want;
};

#define CASE(literal, want)                                                                        \
	{                                                                                          \
		literal, sizeof(literal) - 1, want                                                 \
	}

static void check_all(const struct text_case *cases, size_t count,
		      void (*append)(struct buffer *, const char *, size_t))
{
	for (size_t i = 0; i < count; i++) {
		struct buffer out;

		buffer_init(&out);
		buffer_string(&out, "");
		append(&out, cases[i].bytes, cases[i].length);
		cr_expect_str_eq(out.bytes, cases[i].want, "case %zu: %s", i, out.bytes);
		buffer_release(&out);
	}
}

Test(text, safe_lets_nothing_steer_a_terminal)
{
	static const struct text_case CASES[] = {
		CASE("", ""),
		CASE("plain <text> & \"more\"", "plain <text> & \"more\""),
		CASE("caf\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x90\x8d",
		     "caf\xc3\xa9 \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x90\x8d"),
		CASE("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
		CASE("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
		CASE("a\nb\rc\td\0e", "a\\x0ab\\x0dc\\x09d\\x00e"),
		CASE("\x7f", "\\x7f"),
		CASE("\xc2\x9b"
		     "31m",
		     "\\xc2\\x9b31m"),				       /* CSI as one C1 character */
		CASE("\xe2\x80\xaegnp.exe", "\\xe2\\x80\\xaegnp.exe"), /* right-to-left override */
		CASE("\xe2\x81\xa6", "\\xe2\\x81\\xa6"),	       /* isolate */
		CASE("\xe2\x80\xa8", "\\xe2\\x80\\xa8"),	       /* line separator */
		CASE("\xff\xfe", "\\xff\\xfe"),
		CASE("\x80", "\\x80"),
		CASE("\xc0\xaf", "\\xc0\\xaf"), /* overlong */
		CASE("\xe0\x80\xaf", "\\xe0\\x80\\xaf"),
		CASE("\xed\xa0\x80", "\\xed\\xa0\\x80"),	  /* a surrogate */
		CASE("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"), /* above U+10FFFF */
		CASE("\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf"),
		CASE("x\xe2\x82", "x\\xe2\\x82"), /* cut */
		CASE("\xe2\x82z", "\\xe2\\x82z"),
	};

	check_all(CASES, COUNT(CASES), text_append_safe);
}

/* How many U+FFFD: what Python's bytes.decode("utf-8", "replace") gives for the same bytes. */
Test(text, json_escapes_and_replaces)
{
	static const struct text_case CASES[] = {
		CASE("plain", "plain"),
		CASE("say \"hi\" \\ no", "say \\\"hi\\\" \\\\ no"),
		CASE("a\nb\rc\td\0e", "a\\nb\\rc\\td\\u0000e"),
		CASE("\x1b[0m\x7f", "\\u001b[0m\\u007f"),
		CASE("caf\xc3\xa9 \xf0\x9f\x90\x8d", "caf\xc3\xa9 \xf0\x9f\x90\x8d"),
		CASE("\xc2\x85\xe2\x80\xa8\xe2\x80\xae", "\\u0085\\u2028\\u202e"),
		CASE("a\xff"
		     "b",
		     "a\\ufffdb"),
		CASE("\xe2\x82z", "\\ufffdz"),
		CASE("\xed\xa0\x80", "\\ufffd\\ufffd\\ufffd"),
		CASE("\xf0\x9f\x90", "\\ufffd"),
		CASE("\xc3\xc3\xa9", "\\ufffd\xc3\xa9"),
		CASE("</script>", "</script>"),
	};

	check_all(CASES, COUNT(CASES), text_append_json);
}

Test(text, html_escapes_markup_and_controls)
{
	static const struct text_case CASES[] = {
		CASE("<b>&amp;\"x\" 'y'</b>",
		     "&lt;b&gt;&amp;amp;&quot;x&quot; &#39;y&#39;&lt;/b&gt;"),
		CASE("\x1b<\xff", "\\x1b&lt;\\xff"),
		CASE("\xc3\xa9", "\xc3\xa9"),
	};

	check_all(CASES, COUNT(CASES), text_append_html);
}

Test(text, width_is_what_a_terminal_needs)
{
	static const struct {
		const char *text;
		size_t width;
	} CASES[] = {
		{ "", 0 },
		{ "ascii", 5 },
		{ "caf\xc3\xa9", 4 },
		{ "cafe\xcc\x81", 4 },		   /* a combining accent */
		{ "\xe6\x97\xa5\xe6\x9c\xac", 4 }, /* two wide characters */
		{ "\xef\xbc\xa1", 2 },		   /* fullwidth A */
		{ "\xef\xbd\xb1", 1 },		   /* halfwidth katakana */
		{ "\xed\x95\x9c", 2 },		   /* Hangul */
		{ "\xf0\x9f\x90\x8d", 2 },	   /* a snake */
		{ "\xe2\x80\xa6\xc2\xb7", 2 },	   /* ellipsis, middle dot */
		{ "a\xe2\x80\x8b"
		  "b",
		  2 }, /* zero width space */
	};

	for (size_t i = 0; i < COUNT(CASES); i++)
		cr_expect_eq(text_width(CASES[i].text), CASES[i].width, "case %zu: %zu", i,
			     text_width(CASES[i].text));
}

Test(text, fitted_text_keeps_both_ends)
{
	static const struct {
		const char *text;
		size_t columns;
		const char *want;
	} CASES[] = {
		{ "short", 5, "short" },
		{ "abcdefghij", 10, "abcdefghij" },
		{ "abcdefghij", 9, "abcd\xe2\x80\xa6ghij" },
		{ "abcdefghij", 4, "a\xe2\x80\xa6ij" },
		{ "abcdefghij", 1, "\xe2\x80\xa6" },
		{ "abcdefghij", 0, "" },
		/* Two columns each: half of one must never be shown, so a column may stay empty. */
		{ "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e\xe5\x90\x8d", 6,
		  "\xe6\x97\xa5\xe2\x80\xa6\xe5\x90\x8d" },
	};

	for (size_t i = 0; i < COUNT(CASES); i++) {
		struct buffer out;

		buffer_init(&out);
		buffer_string(&out, "");
		text_append_fitted(&out, CASES[i].text, CASES[i].columns);
		cr_expect_str_eq(out.bytes, CASES[i].want, "case %zu: %s", i, out.bytes);
		cr_expect_leq(text_width(out.bytes), CASES[i].columns, "case %zu", i);
		buffer_release(&out);
	}
}

/* The answers are those of Python's fnmatch.fnmatchcase(). */
Test(text, glob_matches_the_whole_string)
{
	static const struct {
		const char *pattern;
		const char *string;
		bool matches;
	} CASES[] = {
		{ "", "", true },
		{ "", "a", false },
		{ "*", "", true },
		{ "*", "anything", true },
		{ "app:*", "app:main", true },
		{ "app:*", "myapp:main", false },
		{ "*.py", "/srv/app.py", true },
		{ "*.py", "/srv/app.pyc", false },
		{ "a*b*c", "aXbYbZc", true },
		{ "a*b*c", "aXbYbZ", false },
		{ "*aab", "aaaaab", true },
		{ "?", "x", true },
		{ "?", "", false },
		{ "?", "\xc3\xa9", true },
		{ "??", "\xc3\xa9", false },
		{ "[abc]x", "bx", true },
		{ "[abc]x", "dx", false },
		{ "[a-c]", "b", true },
		{ "[!a-c]", "b", false },
		{ "[!a-c]", "d", true },
		{ "[]x]", "]", true },
		{ "[a-]", "-", true },
		{ "[", "[", true },
		{ "[abc", "[abc", true },
		{ "[*]", "*", true },
		{ "[*]", "x", false },
		{ "*<lambda>", "f.<locals>.<lambda>", true },
		{ "Case", "case", false },
	};

	for (size_t i = 0; i < COUNT(CASES); i++)
		cr_expect_eq(text_glob(CASES[i].pattern, CASES[i].string), CASES[i].matches,
			     "%s against %s", CASES[i].pattern, CASES[i].string);
}

/* Many stars must not take exponential time: this would never end. */
Test(text, glob_with_many_stars_ends, .timeout = 5)
{
	char string[4001];

	for (int i = 0; i < 4000; i++)
		string[i] = 'a';
	string[4000] = '\0';
	cr_assert_not(text_glob("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", string));
}
