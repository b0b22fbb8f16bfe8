# SPDX-License-Identifier: GPL-2.0-only
"""Ground truth for the line tables: what this interpreter says of its own standard library.

Read from standard input by the interpreter in question (`python3 -I - < dump_lines.py`), so that
it needs no file inside a chroot. Every module is compiled here and now, every code object in it is
written to standard output, little-endian:

    once        u32 minor version
    per code    u32 table bytes, i32 first line, u32 runs, the table, runs of (i32 line, u32 count)
    at the end  u32 0xffffffff, u32 modules, u32 code objects

A run is `count` instructions of 2 bytes each, in order from offset 0, which PyCode_Addr2Line()
puts on `line`; -1 is no line. On 3.10 and later co_lines() must say the same, else we fail.
"""
import ctypes
import itertools
import os
import struct
import sys
import sysconfig
import types
import warnings

warnings.simplefilter("ignore")
# The interpreter's own test suite is no module anybody imports, and Debian leaves it out.
LEFT_OUT = {"test", "tests", "idle_test", "site-packages", "dist-packages", "__pycache__"}

addr2line = ctypes.pythonapi.PyCode_Addr2Line
addr2line.argtypes = [ctypes.py_object, ctypes.c_int]
addr2line.restype = ctypes.c_int


def sources():
    root = sysconfig.get_paths()["stdlib"]
    for directory, names, files in os.walk(root):
        names[:] = sorted(set(names) - LEFT_OUT)
        for name in sorted(files):
            if name.endswith(".py"):
                yield os.path.join(directory, name)


def code_objects(code):
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from code_objects(constant)


def lines_by_co_lines(code):
    lines = []
    for start, end, line in code.co_lines():
        lines += [-1 if line is None else line] * ((end - start) // 2)
    return lines


def dump(code, out):
    offsets = range(0, len(code.co_code), 2)
    lines = list(map(addr2line, itertools.repeat(code), offsets))
    if sys.version_info < (3, 10):
        table = code.co_lnotab
    else:
        table = code.co_linetable
        if lines_by_co_lines(code) != lines:
            sys.exit("co_lines() and PyCode_Addr2Line() differ: %r" % code)
    runs = [(line, len(list(group))) for line, group in itertools.groupby(lines)]
    out.write(struct.pack("<IiI", len(table), code.co_firstlineno, len(runs)))
    out.write(table)
    out.write(b"".join(itertools.starmap(struct.Struct("<iI").pack, runs)))


def main():
    out = sys.stdout.buffer
    modules = codes = 0
    out.write(struct.pack("<I", sys.version_info[1]))
    for path in sources():
        try:
            with open(path, "rb") as file:
                module = compile(file.read(), path, "exec", dont_inherit=True)
        except SyntaxError:
            continue  # shipped as it is: templates, and code of other versions
        modules += 1
        for code in code_objects(module):
            codes += 1
            dump(code, out)
    out.write(struct.pack("<III", 0xffffffff, modules, codes))


main()
