# SPDX-License-Identifier: GPL-2.0-only
"""Says what CPython knows of itself, then waits for the end of its input.

    truth.py THREADS SUBINTERPRETER

Lines: "hexversion N", "debug 0|1", "code_type ADDRESS", one "thread THREAD_POINTER THREAD_STATE" for
each thread (absent where there is no ctypes), "ready".
"""

import sys
import threading

try:
    import ctypes
    ctypes.pythonapi.PyThreadState_Get.restype = ctypes.c_void_p
except ImportError:
    ctypes = None

lock = threading.Lock()
done = threading.Event()
arrived = threading.Semaphore(0)


def tell(line):
    with lock:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def tell_thread():
    if ctypes:
        tell("thread %d %d" % (threading.get_ident(), ctypes.pythonapi.PyThreadState_Get()))


def wait():
    tell_thread()
    arrived.release()
    done.wait()


def sleep_in_subinterpreter():
    """A second thread state of the main thread, which then is the one its slot names."""
    try:
        import _interpreters as interpreters
    except ImportError:
        import _xxsubinterpreters as interpreters
    code = "import sys\nsys.stdout.write('ready\\n')\nsys.stdout.flush()\nsys.stdin.read()"
    run = getattr(interpreters, "exec", None) or interpreters.run_string
    run(interpreters.create(), code)


def main():
    count = int(sys.argv[1])
    threads = [threading.Thread(target=wait, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for _ in threads:
        arrived.acquire()
    tell("hexversion %d" % sys.hexversion)
    tell("debug %d" % hasattr(sys, "gettotalrefcount"))
    tell("code_type %d" % id(type(main.__code__)))
    if sys.argv[2] == "1":
        sleep_in_subinterpreter()
        return
    tell_thread()
    tell("ready")
    sys.stdin.read()


main()
