// SPDX-License-Identifier: GPL-2.0-only
/* Reading an interpreter's file. The contract is in binary.h. */
#include "python/binary.h"

#include <ctype.h>
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "python/python.h"

enum { ACCESSOR_HOPS_MAX = 4, VERSION_BYTES = 4 };

/* Every symbol that tells something. The order is that of symbols_wanted(). */
enum wanted {
	WANT_RUNTIME,
	WANT_CODE_TYPE,
	WANT_VERSION,	 /* 3.11+: a 32-bit PY_VERSION_HEX */
	WANT_EVAL_CODE,	 /* in every CPython: tells the interpreter from a user of it */
	WANT_BYTES_MAIN, /* 3.8+ */
	WANT_ACCESSOR,
	WANT_REF_TOTAL,	     /* Py_DEBUG only */
	WANT_NEGATIVE_COUNT, /* Py_DEBUG only */
	WANT_ALL_OBJECTS,    /* Py_TRACE_REFS only */
	WANT_OLD_CURRENT,    /* up to 3.6 */
	WANT_OLD_STRING,     /* up to 2.7 */
	WANT_PYPY,
	WANT_RPYTHON,
	WANT_COUNT
};

static void symbols_wanted(struct elf_symbol *symbols)
{
	static const char *const names[WANT_COUNT] = {
		[WANT_RUNTIME] = "_PyRuntime",
		[WANT_CODE_TYPE] = "PyCode_Type",
		[WANT_VERSION] = "Py_Version",
		[WANT_EVAL_CODE] = "PyEval_EvalCode",
		[WANT_BYTES_MAIN] = "Py_BytesMain",
		[WANT_ACCESSOR] = "PyGILState_GetThisThreadState",
		[WANT_REF_TOTAL] = "_Py_RefTotal",
		[WANT_NEGATIVE_COUNT] = "_Py_NegativeRefcount",
		[WANT_ALL_OBJECTS] = "_Py_AddToAllObjects",
		[WANT_OLD_CURRENT] = "_PyThreadState_Current",
		[WANT_OLD_STRING] = "PyString_Type",
		[WANT_PYPY] = "pypy_main_startup",
		[WANT_RPYTHON] = "rpython_startup_code",
	};

	for (size_t i = 0; i < WANT_COUNT; i++)
		symbols[i] = (struct elf_symbol){ .name = names[i] };
}

static const char *last_component(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

bool binary_name_is_python(const char *path)
{
	const char *name = last_component(path);

	if (strncmp(name, "lib", 3) == 0)
		name += 3;
	if (strncmp(name, "python", 6) != 0 && strncmp(name, "pypy", 4) != 0)
		return false;
	name += name[1] == 'y' && name[2] == 't' ? 6 : 4;
	/* "python3.11", "libpython3.13td.so.1.0", "pypy3.9-c", but not "python3-config". */
	name += strspn(name, "0123456789.");
	name += strspn(name, "tdmu");
	return *name == '\0' || strncmp(name, ".so", 3) == 0 || strncmp(name, "so", 2) == 0 ||
	       strcmp(name, "-c") == 0 || strncmp(name, "-c.so", 5) == 0;
}

static int probe_note(const struct elf_probe *probe, void *arg)
{
	static const struct {
		const char *name;
		uint32_t bit;
	} known[] = {
		{ "function__entry", PYTHON_PROBE_USDT_FUNCTION },
		{ "line", PYTHON_PROBE_USDT_LINE },
		{ "gc__start", PYTHON_PROBE_USDT_GC },
		{ "import__find__load__start", PYTHON_PROBE_USDT_IMPORT },
		{ "audit", PYTHON_PROBE_USDT_AUDIT },
	};
	uint32_t *probes = arg;

	if (strcmp(probe->provider, "python") != 0)
		return 0;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(probe->name, known[i].name) == 0)
			*probes |= known[i].bit;
	}
	return 0;
}

/* The accessor may be no more than a jump to where the compiler shared its body. */
static void accesses_read(struct elf_file *file, uint64_t address, struct binary *out)
{
	uint8_t code[TLS_ACCESS_CODE_BYTES];

	for (int hop = 0; hop < ACCESSOR_HOPS_MAX && address; hop++) {
		size_t bytes = sizeof(code);

		while (bytes && elf_file_read(file, address, code, bytes))
			bytes /= 2;
		out->access_count = tls_access_decode(code, bytes, address, out->accesses,
						      BINARY_ACCESSES_MAX, &address);
		if (out->access_count)
			return;
	}
}

static enum binary_kind old_kind(const struct elf_symbol *symbols, struct binary *out)
{
	out->old_version = symbols[WANT_OLD_STRING].found  ? "2" :
			   symbols[WANT_OLD_CURRENT].found ? "3.6 or older" :
							     "3.7";
	return BINARY_CPYTHON_OLD;
}

static enum binary_kind kind_of(const struct elf_symbol *symbols, const char *path,
				struct binary *out)
{
	if (symbols[WANT_PYPY].found || symbols[WANT_RPYTHON].found)
		return BINARY_PYPY;
	if (symbols[WANT_EVAL_CODE].found && symbols[WANT_RUNTIME].found)
		return symbols[WANT_BYTES_MAIN].found ? BINARY_CPYTHON : old_kind(symbols, out);
	if (symbols[WANT_EVAL_CODE].found)
		return old_kind(symbols, out);
	if (out->runtime && !symbols[WANT_RUNTIME].found)
		return BINARY_CPYTHON; /* by its section */
	if (binary_name_is_python(path) && !out->needs_libpython)
		return BINARY_STRIPPED;
	return BINARY_OTHER;
}

/* Each kind of interpreter exports one of these. */
static bool may_be_interpreter(struct elf_file *file)
{
	return elf_file_may_export(file, "PyEval_EvalCode") ||
	       elf_file_may_export(file, "pypy_main_startup") ||
	       elf_file_may_export(file, "rpython_startup_code");
}

static bool loader_is_musl(struct elf_file *file)
{
	struct elf_section section;
	char loader[64] = "";
	size_t bytes;

	if (!elf_file_section(file, ".interp", &section))
		return false;
	bytes = section.size < sizeof(loader) ? section.size : sizeof(loader) - 1;
	return bytes && !elf_file_read(file, section.address, loader, bytes) &&
	       strstr(loader, "/ld-musl-");
}

static void facts_read(struct elf_file *file, const char *path, bool is_main, struct binary *out)
{
	struct elf_symbol symbols[WANT_COUNT];
	struct elf_section section;
	bool has_section;

	symbols_wanted(symbols);
	if (is_main || may_be_interpreter(file))
		elf_file_find_symbols(file, ELF_DYNAMIC_SYMBOLS, symbols, WANT_COUNT);
	out->stripped = !elf_file_has_symbols(file, ELF_ALL_SYMBOLS);
	has_section = elf_file_section(file, ".PyRuntime", &section);
	/* An interpreter linked in without being exported has it in .symtab, unless stripped. */
	if (!symbols[WANT_RUNTIME].found && (is_main || has_section || binary_name_is_python(path)))
		elf_file_find_symbols(file, ELF_ALL_SYMBOLS, symbols, WANT_COUNT);

	if (symbols[WANT_RUNTIME].found)
		out->runtime = symbols[WANT_RUNTIME].address;
	else if (has_section)
		out->runtime = section.address;
	if (symbols[WANT_CODE_TYPE].found)
		out->code_type = symbols[WANT_CODE_TYPE].address;
	out->debug = symbols[WANT_REF_TOTAL].found || symbols[WANT_NEGATIVE_COUNT].found;
	out->trace_refs = symbols[WANT_ALL_OBJECTS].found;
	out->musl = loader_is_musl(file);
	out->needs_libpython = elf_file_needs(file, "libpython");
	out->kind = kind_of(symbols, path, out);
	if (out->kind != BINARY_CPYTHON)
		return;
	if (symbols[WANT_VERSION].found)
		elf_file_read(file, symbols[WANT_VERSION].address, &out->hexversion, VERSION_BYTES);
	if (symbols[WANT_ACCESSOR].found)
		accesses_read(file, symbols[WANT_ACCESSOR].address, out);
	elf_file_each_probe(file, probe_note, &out->probes);
}

void binary_read(int fd, const char *path, bool is_main, struct binary *out)
{
	struct elf_file *file;
	int err = elf_file_open(fd, &file);

	*out = (struct binary){ .old_version = "" };
	if (err) {
		if (binary_name_is_python(path))
			out->kind = err == -ENOTSUP ? BINARY_FOREIGN : BINARY_STRIPPED;
		return;
	}
	out->segment_count = elf_file_code_segments(file, out->segments, BINARY_SEGMENTS_MAX);
	facts_read(file, path, is_main, out);
	elf_file_close(file);
}

int binary_bias(const struct binary *binary, const struct mapping *mapping, uint64_t *bias)
{
	return elf_code_bias(binary->segments, binary->segment_count, mapping->start,
			     mapping->offset, bias);
}
