# SPDX-License-Identifier: GPL-2.0-only
"""Usage: calls_run.py plain|truth|again|serve MODULE...

plain: runs main() of each module.
truth: does the same under sys.setprofile and says what CPython itself counted, as one line of JSON:
  calls, resumes and exceptions for each function, calls for each pair of caller and callee.
again: runs it twice, and tells the truth about the second time.
serve: runs it once, says `ready`, runs it at each SIGUSR1, saying `ran`, until SIGTERM.

Ends without the interpreter's shutdown, which no truth could cover.
"""
import sys

import _thread


def run(names):
    for name in names:
        __import__(name).main()


def import_files():
    """What is loaded before the run: calls in there are made outside of it as well."""
    return sorted({module.__file__ for module in list(sys.modules.values())
                   if getattr(module, "__file__", None)})


class Witness:
    """What sys.setprofile tells, by (file, first line, name) of the code object."""

    RETURNS = ("RETURN_VALUE", "RETURN_CONST")
    ASYNC_GENERATOR = 0x200  # CO_ASYNC_GENERATOR; before it, CO_GENERATOR and CO_COROUTINE
    GENERATOR_FLAGS = 0x20 | 0x80 | ASYNC_GENERATOR

    # In RESUME's argument: no handler around the yield.
    ONLY_CLOSING = 8 if sys.version_info >= (3, 15) else 4

    def __init__(self):
        import opcode
        self.opmap = opcode.opmap
        self.calls = {}  # key -> [calls, resumes, exceptions]
        self.edges = {}  # (caller key or None, callee key) -> calls
        self.generators = set()  # keys
        self.thrown_into = set()  # keys: before it began; CPython calls that resumed or does not
        self.stacks = {}  # by thread
        self.starts = {}  # code -> the instruction at which it starts
        self.exact_unwinds = hasattr(sys, "monitoring")

    @staticmethod
    def key(code):
        return code.co_filename, code.co_firstlineno, getattr(code, "co_qualname", code.co_name)

    def start_of(self, code):
        if "RESUME" not in self.opmap:
            return -1
        start = self.starts.get(code)
        if start is None:
            instructions = code.co_code
            start = next(offset for offset in range(0, len(instructions), 2)
                         if instructions[offset] == self.opmap["RESUME"]
                         and not instructions[offset + 1])
            self.starts[code] = start
        return start

    def counts(self, code):
        key = self.key(code)
        if code.co_flags & self.GENERATOR_FLAGS:
            self.generators.add(key)
        return self.calls.setdefault(key, [0, 0, 0])

    def stack(self):
        """Ids and keys of the frames that were entered in this thread. f_back would add the
        generators between a throw() and the innermost one that it goes to, which nobody resumed."""
        return self.stacks.setdefault(_thread.get_ident(), [])

    def add_edge(self, stack, key, calls):
        edge = (stack[-1][1] if stack else None, key)
        self.edges[edge] = self.edges.get(edge, 0) + calls

    def on_event(self, frame, event, arg):
        code = frame.f_code
        if event == "call":
            counts = self.counts(code)
            counts[0] += 1
            start = self.start_of(code)
            counts[1] += frame.f_lasti > start
            if frame.f_lasti < start:
                self.thrown_into.add(self.key(code))
            self.add_edge(self.stack(), self.key(code), 1)
            self.stack().append((id(frame), self.key(code)))
            return
        if event != "return":
            return
        stack = self.stack()
        for depth in range(len(stack) - 1, -1, -1):
            if stack[depth][0] == id(frame):
                del stack[depth:]
                break
        if arg is None and not self.exact_unwinds:
            if frame.f_lasti == -1:
                self.thrown_into.add(self.key(code))
            if code.co_code[frame.f_lasti] not in [self.opmap.get(name) for name in self.RETURNS]:
                self.counts(code)[2] += 1

    def on_throw(self, code, offset, exception):
        """From 3.13 close() runs a generator only if that could matter, but always when events are
        wanted of it: what would not have happened unobserved is taken back."""
        if sys.version_info >= (3, 13) and isinstance(exception, GeneratorExit) \
                and not code.co_flags & self.ASYNC_GENERATOR \
                and code.co_code[offset] == self.opmap["RESUME"] \
                and code.co_code[offset + 1] & self.ONLY_CLOSING:
            self.calls[self.key(code)] = [n - 1 for n in self.counts(code)]
            own = (id(sys._getframe()), id(sys._getframe(1)))
            self.add_edge([entry for entry in self.stack() if entry[0] not in own],
                          self.key(code), -1)

    def on_unwind(self, code, _offset, _exception):
        self.counts(code)[2] += 1

    def watch(self, names):
        if self.exact_unwinds:
            monitoring = sys.monitoring
            tool, events = monitoring.PROFILER_ID, monitoring.events
            monitoring.use_tool_id(tool, "truth")
            monitoring.register_callback(tool, events.PY_UNWIND, self.on_unwind)
            monitoring.register_callback(tool, events.PY_THROW, self.on_throw)
            monitoring.set_events(tool, events.PY_UNWIND | events.PY_THROW)
        frame = sys._getframe()
        while frame:
            self.stack().insert(0, (id(frame), self.key(frame.f_code)))
            frame = frame.f_back
        sys.setprofile(self.on_event)
        run(names)
        sys.setprofile(None)
        if self.exact_unwinds:
            monitoring.set_events(tool, 0)

    def told(self, loaded):
        return {"functions": [[key, counts[0],
                               None if key in self.thrown_into else counts[1],
                               None if key in self.generators and not self.exact_unwinds
                               else counts[2]] for key, counts in self.calls.items()],
                "edges": [[caller, callee, calls]
                          for (caller, callee), calls in self.edges.items()],
                "loaded": loaded}


def serve(names):
    import _signal

    import known
    signals = {_signal.SIGUSR1, _signal.SIGTERM}
    _signal.pthread_sigmask(_signal.SIG_BLOCK, signals)
    known.ready()
    while _signal.sigwait(signals) == _signal.SIGUSR1:
        run(names)
        sys.stdout.write("ran\n")
        sys.stdout.flush()
    known.done()


def main():
    import gc
    import posix
    gc.disable()
    what, names = sys.argv[1], sys.argv[2:]
    if what in ("plain", "again", "serve"):
        run(names)
    if what == "serve":
        serve(names)
    elif what != "plain":
        witness = Witness()
        loaded = import_files()
        witness.watch(names)
        import json
        json.dump(witness.told(loaded if what == "truth" else []), sys.stdout)
    sys.stdout.flush()
    posix._exit(0)


main()
