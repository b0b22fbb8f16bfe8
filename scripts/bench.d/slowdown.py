# SPDX-License-Identifier: GPL-2.0-only
"""What sampling makes of a busy target's time: in pairs of the same work with and without, and piece
by piece, as the moments in which the target's thread did not run."""
import statistics

from lab import EmptyClock, Failure, Profiler, Target, kernel_ns, log, spread

RATES = (("99 Hz", 99, 0.2), ("1 kHz", 1000, 1.5), ("10 kHz", 10000, None))
WORKS = ("calls", "objects", "json", "threads")
WORK_S = 0.15
# Longer gaps are the scheduler's: somebody else ran.
GAP_MAX_NS = 200000


def pairs_of(bench, target, work, rounds, ratios, samples):
    count = target.calibrate(work, WORK_S)
    before = target.do(work, count)["cpu_ns"]
    for _ in range(rounds):
        for name, rate, _ in RATES:
            with Profiler("-p", target.pid, "-r", rate) as profiler:
                during = target.do(work, count)["cpu_ns"]
                during += target.do(work, count)["cpu_ns"]
                report = profiler.stop()
            after = target.do(work, count)["cpu_ns"]
            ratios.setdefault(name, []).append(during / (before + after))
            samples.setdefault(name, []).append(kernel_ns(report))
            before = after


def percent(ratio):
    return "%+.2f %%" % ((ratio - 1) * 100)


def pairs(bench):
    """CPU time of fixed work, attached / mean of the same work just before and just after."""
    rounds = 2 if bench.quick else 6
    lines = ["| Python | work | " + " | ".join("%s: target | kernel, µs/sample" % r[0]
                                               for r in RATES) + " |",
             "|---|---|" + "---|---|" * len(RATES)]
    everything = {}
    for python in bench.pair_of_pythons():
        for work in WORKS:
            ratios, samples = {}, {}
            cpu = None if work == "threads" else bench.last_cpu
            with Target(python, "works.py", cpu=cpu) as target:
                pairs_of(bench, target, work, rounds, ratios, samples)
            cells = []
            for name, _, _ in RATES:
                everything.setdefault(name, []).extend(ratios[name])
                cells.append(spread([(r - 1) * 100 for r in ratios[name]], "%+.2f"))
                cells.append("%.1f" % (statistics.median(samples[name]) / 1000))
            lines.append("| %s | %s | %s |" % (python.name, work, " | ".join(cells)))
            log(lines[-1])
    return lines, everything


def lost_ns(answer):
    return sum(gap for gap in answer["gaps"] if gap < GAP_MAX_NS) / answer["wall_ns"]


def gaps(bench):
    """Share of time a thread 25 frames deep does not run: with nothing, an empty clock, ours."""
    rounds, seconds = (2, 0.5) if bench.quick else (5, 1)
    found = {}
    python = bench.python("host-3.11")
    with Target(python, "works.py", cpu=bench.last_cpu) as target:
        def gap(key):
            answer = target.do("gaps", 25, seconds)
            found.setdefault(key, []).append((lost_ns(answer), answer["gaps"]))

        for _ in range(rounds):
            for name, rate, _ in RATES:
                gap((name, "nothing"))
                with EmptyClock(rate):
                    gap((name, "empty"))
                with Profiler("-p", target.pid, "-r", rate) as profiler:
                    gap((name, "ours"))
                    profiler.stop()
    return found


def gaps_table(found):
    lines = ["| rate | target stands still: nothing attached | empty perf clock event | pybpfprof | "
             "price of one empty event | price of one sample, all in | of it ours |",
             "|---|---|---|---|---|---|---|"]
    direct = {}
    for name, rate, _ in RATES:
        share = {key: [lost for lost, _ in found[name, key]] for key in ("nothing", "empty", "ours")}
        # In pairs: each leg against the one with nothing in the same round.
        empty = [(b - a) / rate for a, b in zip(share["nothing"], share["empty"])]
        ours = [(b - a) / rate for a, b in zip(share["nothing"], share["ours"])]
        added = [b - a for a, b in zip(empty, ours)]
        direct[name] = [(b - a) * 100 for a, b in zip(share["nothing"], share["ours"])]
        lines.append("| %s | %s | %s | %s | %s | %s | %s |" % (
            (name,) + tuple(spread([100 * s for s in share[key]], "%.3f %%")
                            for key in ("nothing", "empty", "ours"))
            + tuple(spread([1e6 * s for s in v], "%.1f µs") for v in (empty, ours, added))))
        log(lines[-1])
    return lines, direct


def measure(bench):
    table, everything = pairs(bench)
    found = gaps(bench)
    gap_lines, direct = gaps_table(found)
    for name, _, budget in RATES:
        if budget is None:
            continue
        ratios = [(r - 1) * 100 for r in everything[name]]
        median = statistics.median(direct[name])
        bench.judge("slowdown at %s, directly (time the target stands still)" % name,
                    "<= %.1f %%" % budget, spread(direct[name], "%.2f %%"), median <= budget)
        bench.judge("slowdown at %s, all %d pairs" % (name, len(ratios)), "<= %.1f %%" % budget,
                    spread(ratios, "%+.2f %%"), statistics.median(ratios) <= budget)
    bench.sections.append("\n".join(
        ["## Slowdown of a busy target", "",
         "Pairs: CPU time of the same work with pybpfprof attached, against the mean of the same work "
         "just before and just after without it; in per cent, median (min - max). The work takes "
         "%.1f s. The spread shows what one pair is worth here: 0.2 %% cannot be seen in one, the "
         "median of all is better, the direct figure below is the one to trust at 99 Hz." % WORK_S,
         "", *table, "",
         "Directly: a thread under 25 frames looks at the clock without a pause and adds up the "
         "moments it could not (0.7 to %d µs; longer ones mean that somebody else ran). The empty "
         "perf clock event is what any sampler by interrupt pays on this machine before it does "
         "anything: an interrupt and setting the timer anew." % (GAP_MAX_NS // 1000),
         "", *gap_lines]))
