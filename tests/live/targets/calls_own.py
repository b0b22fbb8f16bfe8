# SPDX-License-Identifier: GPL-2.0-only
"""Usage: calls_own.py FAMILY...

Where no truth can be had by sys.setprofile: each function counts its own calls, by the first thing
it does. Says `done` with the counts of each function, and the threads' and processes' own ones.
"""
import os
import signal
import sys
import threading

import known

counts = {name: [0] for name in (
    "forever", "forever_through_c", "step", "leaf", "traced", "generator", "failing", "tracer",
    "profiler", "on_start", "on_other", "each", "brief", "shared", "work_0", "work_1", "work_2",
    "passed_on", "on_signal", "dropped", "nothing", "both", "child_only",
    "parent_only", "inherited", "at_exit", "finalised")}


# ---- running out of stack ----

def forever():
    counts["forever"][0] += 1
    forever()


def forever_through_c(x=0):
    counts["forever_through_c"][0] += 1
    return max([1, 2], key=forever_through_c)


def recursion_error():
    for function in (forever, forever, forever_through_c):
        try:
            function()
        except RecursionError:
            leaf()


# ---- traced by others while we look ----

def leaf():
    counts["leaf"][0] += 1


def generator():
    for _ in range(3):
        counts["generator"][0] += 1
        yield
    counts["generator"][0] += 1


def failing():
    counts["failing"][0] += 1
    leaf()
    raise KeyError


def traced():
    counts["traced"][0] += 1
    for _ in generator():
        leaf()
    try:
        failing()
    except KeyError:
        leaf()


def tracer(frame, event, argument):
    counts["tracer"][0] += 1
    return tracer


def profiler(frame, event, argument):
    counts["profiler"][0] += 1


def settrace():
    for _ in range(30):
        traced()
    sys.settrace(tracer)
    for _ in range(30):
        traced()
    sys.settrace(None)
    traced()


def setprofile():
    for _ in range(30):
        traced()
    sys.setprofile(profiler)
    for _ in range(30):
        traced()
    sys.setprofile(None)
    import _lsprof
    profile = _lsprof.Profiler()
    profile.enable()
    for _ in range(30):
        traced()
    profile.disable()
    traced()


def on_start(code, offset):
    counts["on_start"][0] += 1


def on_other(code, *_):
    counts["on_other"][0] += 1


def monitoring():
    events = sys.monitoring.events
    both = {events.PY_START: on_start, events.PY_RESUME: on_start, events.PY_RETURN: on_other,
            events.PY_YIELD: on_other, events.PY_UNWIND: on_other, events.LINE: on_other,
            events.CALL: on_other, events.INSTRUCTION: on_other}
    watched = (events.PY_START | events.PY_RETURN, events.LINE, events.INSTRUCTION,
               events.CALL | events.PY_UNWIND | events.PY_YIELD | events.PY_RESUME)
    sys.monitoring.use_tool_id(4, "test")
    for event, function in both.items():
        sys.monitoring.register_callback(4, event, function)
    for some in watched + (watched[0] | watched[1] | watched[2] | watched[3],):
        for _ in range(20):
            traced()
        sys.monitoring.set_events(4, some)
        for _ in range(20):
            traced()
        sys.monitoring.set_events(4, 0)
    sys.monitoring.set_local_events(4, traced.__code__, events.PY_START | events.LINE)
    for _ in range(20):
        traced()
    sys.monitoring.set_local_events(4, traced.__code__, 0)
    traced()


# ---- what a profile function in Python would spoil ----

def nothing():
    counts["nothing"][0] += 1


def on_signal(number, frame):
    counts["on_signal"][0] += 1
    nothing()


def raise_signals():
    before = signal.signal(signal.SIGUSR2, on_signal)
    for _ in range(50):
        signal.raise_signal(signal.SIGUSR2)
        nothing()
    signal.signal(signal.SIGUSR2, before)


def dropped():
    counts["dropped"][0] += 1
    try:
        yield
    finally:
        counts["dropped"][0] += 1
        nothing()


def drops():
    for _ in range(50):
        generator_ = dropped()
        next(generator_)
        del generator_


# ---- interpreters beside the main one ----

SUB_CALLS = 11
SUB_CODE = """
def sub_leaf():
    pass

def sub_step(n):
    for _ in range(n):
        sub_leaf()

sub_step(%d)
""" % SUB_CALLS


def subinterpreters():
    try:
        import _interpreters as interpreters
    except ImportError:
        import _xxsubinterpreters as interpreters
    script = "exec(compile(%r, '/sub.py', 'exec'))" % SUB_CODE
    made = [interpreters.create() for _ in range(3)]
    for interpreter in made + made:
        interpreters.run_string(interpreter, script)
        leaf()
    threads = [threading.Thread(target=interpreters.run_string, args=(interpreter, script))
               for interpreter in made]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for interpreter in made:
        interpreters.destroy(interpreter)
    counts["sub_leaf"] = [9 * SUB_CALLS]
    counts["sub_step"] = [9]


# ---- threads ----

def shared(own):
    own[0] += 1


def work_0(own):
    counts["work_0"][0] += 1
    for _ in range(1000):
        shared(own)


def work_1(own):
    counts["work_1"][0] += 1
    for _ in range(2000):
        shared(own)


def work_2(own):
    counts["work_2"][0] += 1
    for _ in range(3000):
        shared(own)


def threads():
    """Three that share the GIL; what each called is told by its tid."""
    by_tid = {}

    def work(function, times):
        own = by_tid[threading.get_native_id()] = [0]
        start.wait()
        for _ in range(times):
            function(own)

    start = threading.Barrier(3)
    running = [threading.Thread(target=work, args=(function, times))
               for function, times in ((work_0, 9), (work_1, 5), (work_2, 3))]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    counts["shared"][0] = sum(own[0] for own in by_tid.values())
    return {"shared_by_tid": {tid: own[0] for tid, own in by_tid.items()}}


def brief():
    pass


def churn():
    """Threads that come and go; one starts the next."""
    def run(depth):
        for _ in range(5):
            brief()
        if depth:
            thread = threading.Thread(target=run, args=(depth - 1,))
            thread.start()
            thread.join()

    for _ in range(25):
        several = [threading.Thread(target=run, args=(3,)) for _ in range(2)]
        for thread in several:
            thread.start()
        for thread in several:
            thread.join()
    counts["brief"][0] = 25 * 2 * 4 * 5


def passed_on():
    for _ in range(100):
        counts["passed_on"][0] += 1
        yield
    counts["passed_on"][0] += 1


def each(generator_):
    counts["each"][0] += 1
    next(generator_, None)


def passing():
    """A generator that one thread after the other resumes."""
    going = passed_on()
    for _ in range(102):
        thread = threading.Thread(target=each, args=(going,))
        thread.start()
        thread.join()


# ---- processes ----

def both():
    counts["both"][0] += 1


def child_only():
    counts["child_only"][0] += 1


def parent_only():
    counts["parent_only"][0] += 1


def in_child(function):
    """The child's own counts come back through a pipe."""
    reader, writer = os.pipe()
    before = {name: count[0] for name, count in counts.items()}
    child = os.fork()
    if child == 0:
        function()
        own = {name: count[0] - before[name] for name, count in counts.items()}
        os.write(writer, known.json.dumps(own).encode())
        os._exit(0)
    os.close(writer)
    return child, reader


def join_child(child, reader):
    told = known.json.loads(os.read(reader, 65536))
    os.close(reader)
    os.waitpid(child, 0)
    for name, count in told.items():
        counts[name][0] += count
    return {name: count for name, count in told.items() if count}


def child_work():
    for _ in range(700):
        both()
    for _ in range(300):
        child_only()


def inherited(depth):
    """Forks in the middle of ten calls; the child returns through those that it was born in."""
    counts["inherited"][0] += 1
    if depth:
        inherited(depth - 1)
    else:
        forked.append(os.fork())
    both()


forked = []


def deep_fork():
    inherited(9)
    if forked[0] == 0:
        os._exit(0)
    os.waitpid(forked[0], 0)
    counts["both"][0] += 10  # the child's, which ended without a word


def fork():
    for _ in range(200):
        both()
    child, reader = in_child(child_work)
    for _ in range(1000):
        both()
    for _ in range(500):
        parent_only()
    own = join_child(child, reader)
    return {"child": child, "child_counts": own, "parent_both": 1200}


def fork_with_threads():
    """A child has only the thread that forked."""
    stop = threading.Event()
    other = threading.Thread(target=stop.wait)
    other.start()
    child, reader = in_child(child_work)
    own = join_child(child, reader)
    stop.set()
    other.join()
    return {"child": child, "child_counts": own}


# ---- the end ----

def at_exit():
    pass


class Finalised:
    def __del__(self):
        finalised()


def finalised():
    pass


def ends():
    import atexit
    atexit.register(at_exit)
    known.kept = Finalised()
    counts["at_exit"][0] = counts["finalised"][0] = 1


FAMILIES = {name: globals()[name] for name in (
    "recursion_error", "settrace", "setprofile", "monitoring", "raise_signals", "drops",
    "subinterpreters", "threads", "churn", "passing", "fork", "fork_with_threads", "deep_fork",
    "ends")}


def main():
    facts = {"pid": os.getpid()}
    for name in sys.argv[1:]:
        facts.update(FAMILIES[name]() or {})
    known.done(counts={name: count[0] for name, count in counts.items() if count[0]}, **facts)


main()
