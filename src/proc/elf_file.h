/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Facts of one ELF file: symbols, sections, USDT probes, build id, bytes behind an address. The
 * file may be anyone's: every size in it is checked against the file and a cap, it is read, not
 * mapped (a file truncated under a mapping would kill us), and nothing in it makes a loop longer.
 * Only 64-bit little-endian x86-64 files are taken.
 */
#ifndef PYBPFPROF_PROC_ELF_FILE_H
#define PYBPFPROF_PROC_ELF_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_file;

/*
 * `fd` is borrowed and must stay open. -ENOEXEC: no ELF file. -ENOTSUP: an ELF file of another
 * machine or class. -ENOMEM.
 */
int elf_file_open(int fd, struct elf_file **out);
void elf_file_close(struct elf_file *file);

enum elf_symbol_table { ELF_DYNAMIC_SYMBOLS, ELF_ALL_SYMBOLS /* .symtab, gone when stripped */ };

struct elf_symbol {
	const char *name; /* in: what to look for */
	bool found;	  /* in and out: one that is found already is left alone */
	uint64_t address; /* out, as in the file: add the load bias; of a TLS symbol, its offset */
	uint64_t size;
	uint8_t type; /* STT_... */
};

/*
 * Looks for all of the symbols in one pass; only defined ones count, the first of a name wins.
 * Returns how many of them are found now.
 */
size_t elf_file_find_symbols(struct elf_file *file, enum elf_symbol_table table,
			     struct elf_symbol *symbols, size_t count);
/* Whether the file has that table at all. */
bool elf_file_has_symbols(struct elf_file *file, enum elf_symbol_table table);

/*
 * false: .dynsym surely does not define the name. Two small reads, where a search of a large
 * library's symbols takes milliseconds.
 */
bool elf_file_may_export(struct elf_file *file, const char *name);

struct elf_section {
	uint64_t address, offset, size;
	bool has_bytes; /* not SHT_NOBITS */
};

/* false: no section of that name (or a compressed one). */
bool elf_file_section(struct elf_file *file, const char *name, struct elf_section *out);

/* The bytes the file has for an address; -EFAULT when it is not all in one loaded segment. */
int elf_file_read(struct elf_file *file, uint64_t address, void *out, size_t bytes);

struct elf_code_segment {
	uint64_t address, offset, file_bytes;
};

/* The executable segments, at most `size` of them; returns how many. */
size_t elf_file_code_segments(struct elf_file *file, struct elf_code_segment *out, size_t size);

/*
 * What to add to the file's addresses, when its page at `offset` is mapped executable at `start`.
 * -ENOENT: no such segment covers the offset.
 */
int elf_code_bias(const struct elf_code_segment *segments, size_t count, uint64_t start,
		  uint64_t offset, uint64_t *bias);

/* Whether the file names a library whose name starts so among those it needs (DT_NEEDED). */
bool elf_file_needs(struct elf_file *file, const char *prefix);

/* 0, -ENOENT (it has none). *length is at most `size`. */
int elf_file_build_id(struct elf_file *file, uint8_t *out, size_t size, size_t *length);

/* A USDT probe, as <sys/sdt.h> notes it. Strings are borrowed until the file is closed. */
struct elf_probe {
	const char *provider, *name, *arguments;
	uint64_t address;   /* of the probed instruction, prelink already undone */
	uint64_t semaphore; /* address of its counter, 0: none */
};

/* A non-zero return of `visit` stops and is returned. */
int elf_file_each_probe(struct elf_file *file,
			int (*visit)(const struct elf_probe *probe, void *arg), void *arg);

#endif
