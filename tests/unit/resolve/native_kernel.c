// SPDX-License-Identifier: GPL-2.0-only
/* Kernel symbols, from tables written by hand in the kernel's format, and from the real one. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "resolve/native.h"
#include "resolve/native_kernel.h"

static const char SYMBOLS[] = "0000000000000000 A fixed_percpu_data\n"
			      "ffffffff81000000 T _text\n"
			      "ffffffff81000100 t first\n"
			      "ffffffff810001f0 t __pfx_second\n"
			      "ffffffff81000200 T second\n"
			      "ffffffff81000200 W second_alias\n"
			      "ffffffff81000300 D some_data\n"
			      "ffffffffc0001000 t ext_read\t[ext]\n"
			      "ffffffffc0001400 t ext_write\t[ext]\n"
			      "ffffffffc0201000 t bpf_prog_1_tick\t[bpf]\n";

static const char MODULES[] = "ext 8192 1 - Live 0xffffffffc0001000 (E)\n"
			      "other 4096 0 ext, Live 0xffffffffc0101000\n";

static struct native_kernel *kernel_of(const char *symbols, const char *modules, int expected)
{
	struct native_kernel *kernel = native_kernel_new();
	FILE *stream = fmemopen((void *)symbols, strlen(symbols), "r");

	cr_assert_not_null(kernel);
	cr_assert_eq(native_kernel_read(kernel, stream), expected);
	fclose(stream);
	stream = fmemopen((void *)modules, strlen(modules), "r");
	cr_assert_eq(native_kernel_read_modules(kernel, stream), 0);
	fclose(stream);
	return kernel;
}

struct kernel_case {
	uint64_t address;
	const char *name; /* NULL: in none */
	const char *module;
};

Test(native_kernel, addresses_have_names)
{
	static const struct kernel_case cases[] = {
		{ 0xffffffff81000100, "first", "" },
		{ 0xffffffff810001ff, "first", "" },
		{ 0xffffffff81000200, "second", "" },
		{ 0xffffffff81000301, "second", "" },
		{ 0xffffffff82000000, NULL, NULL }, /* far behind the last function */
		{ 0xffffffff80ffffff, NULL, NULL },
		{ 0xffffffffc0001000, "ext_read", "ext" },
		{ 0xffffffffc0002fff, "ext_write", "ext" },
		{ 0xffffffffc0003000, NULL, NULL }, /* behind the module */
		{ 0xffffffffc0101000, NULL, NULL }, /* in a module without symbols */
		{ 0xffffffffc0201010, "bpf_prog_1_tick", "bpf" },
		{ 0x7fff00000000, NULL, NULL },
	};
	struct native_kernel *kernel = kernel_of(SYMBOLS, MODULES, 0);

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *name = NULL, *module = NULL;
		int err = native_kernel_find(kernel, cases[i].address, &name, &module);

		cr_expect_eq(err, cases[i].name ? 0 : -ENOENT, "%#lx", cases[i].address);
		if (err || !cases[i].name)
			continue;
		cr_expect_str_eq(name, cases[i].name, "%#lx", cases[i].address);
		cr_expect_str_eq(module, cases[i].module, "%#lx", cases[i].address);
	}
	native_kernel_free(kernel);
}

Test(native_kernel, hidden_addresses_are_told)
{
	native_kernel_free(
		kernel_of("0000000000000000 T _text\n0000000000000000 t first\n", "", -EPERM));
}

Test(native_kernel, nonsense_is_passed_over)
{
	native_kernel_free(kernel_of("\n\n    \nffffffff81000000\nffffffff81000000 T\nzz T x\n"
				     "ffffffff81000000 T \nffffffff81000000 Tx y\n",
				     "nonsense\n0x\n", -ENOENT));
}

/* The real table, if we may see it. */
Test(native_kernel, the_running_kernel)
{
	struct native_resolver *resolver = native_resolver_new();
	struct native_symbol symbol;
	char line[512], name[256], type;
	unsigned long address = 0;
	FILE *stream = fopen("/proc/kallsyms", "r");

	while (stream && fgets(line, sizeof(line), stream)) {
		if (sscanf(line, "%lx %c %255s", &address, &type, name) == 3 &&
		    strcmp(name, "schedule") == 0)
			break;
		address = 0;
	}
	if (stream)
		fclose(stream);
	if (address) {
		cr_expect_eq(native_kernel_symbol_of(resolver, address + 1, &symbol), 0);
		cr_expect_str_eq(symbol.name, "schedule");
		cr_expect_str_eq(symbol.object, "[kernel]");
	} else {
		cr_expect_eq(native_kernel_symbol_of(resolver, 0xffffffff81000000, &symbol),
			     -EPERM);
		cr_expect_str_eq(symbol.name, "[kernel]");
	}
	native_resolver_free(resolver);
}
