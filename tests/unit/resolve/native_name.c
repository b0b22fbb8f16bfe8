// SPDX-License-Identifier: GPL-2.0-only
/* Names as symbol tables have them, and as a reader wants them. Demangled: what c++filt prints. */
#include <criterion/criterion.h>
#include <string.h>

#include "resolve/native_name.h"

struct name_case {
	const char *symbol, *name;
};

Test(native_name, become_readable)
{
	static const struct name_case cases[] = {
		{ "main", "main" },
		{ "", "" },
		{ "_PyEval_EvalFrameDefault.cold", "_PyEval_EvalFrameDefault" },
		{ "list_sort_impl.isra.0", "list_sort_impl" },
		{ "f.constprop.0.isra.12.cold", "f" },
		{ "f.part.3", "f" },
		{ "f.lto_priv.0", "f" },
		{ "f.lto_priv.0.cold", "f" },
		{ "f.cold.12", "f" },
		{ "f.llvm.1234567890", "f" },
		{ "memcpy@@GLIBC_2.14", "memcpy" },
		/* Not suffixes of compilers: */
		{ "module.cold_start", "module.cold_start" },
		{ ".cold", ".cold" },
		{ "f.1x", "f.1x" },
		{ "a.b.c", "a.b.c" },
		/* C++ */
		{ "_ZN5numpy4sortIdEEvPT_m", "void numpy::sort<double>(double*, unsigned long)" },
		{ "_ZNSt6vectorIiSaIiEE9push_backERKi.isra.0",
		  "std::vector<int, std::allocator<int> >::push_back(int const&)" },
		{ "_Znotmangled", "_Znotmangled" },
		/* Rust, both ways */
		{ "_ZN4core3fmt9Formatter3pad17h0123456789abcdefE", "core::fmt::Formatter::pad" },
		{ "_RNvC6_123foo3bar", "123foo::bar" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buffer out;

		buffer_init(&out);
		native_name_append(&out, cases[i].symbol);
		cr_expect_str_eq(out.bytes ? out.bytes : "", cases[i].name, "%s: %s",
				 cases[i].symbol, out.bytes);
		buffer_release(&out);
	}
}

/*
 * Each argument is a pair of two of the one before ("S1_" is short for it): all of them together
 * would be some 2^34 words long.
 */
Test(native_name, a_name_that_explodes_is_cut, .timeout = 10)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWX";
	char symbol[1024] = "_Z1fSt4pairIiiE";
	struct buffer out;

	for (size_t i = 0; digits[i]; i++) {
		char argument[] = "S_IS0_S0_E";

		argument[4] = argument[7] = digits[i];
		strcat(symbol, argument);
	}
	buffer_init(&out);
	native_name_append(&out, symbol);
	cr_expect_eq(out.length, (size_t)NATIVE_NAME_MAX_BYTES + 3);
	cr_expect_eq(strncmp(out.bytes, "f(std::pair<int, int>, ", 23), 0, "%.40s", out.bytes);
	buffer_release(&out);
}

Test(native_name, a_long_name_is_cut)
{
	char symbol[5000];
	struct buffer out;

	memset(symbol, 'x', sizeof(symbol));
	symbol[sizeof(symbol) - 1] = '\0';
	buffer_init(&out);
	native_name_append(&out, symbol);
	cr_expect_eq(out.length, (size_t)NATIVE_NAME_MAX_BYTES + 3);
	cr_expect_str_eq(out.bytes + NATIVE_NAME_MAX_BYTES, "...");
	buffer_release(&out);
}
