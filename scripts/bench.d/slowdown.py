# SPDX-License-Identifier: GPL-2.0-only
"""What sampling makes of a busy target's time: in pairs of the same work with and without, and
piece by piece, as the moments in which the target's thread did not run."""
import statistics

from lab import EmptyClock, Profiler, Target, kernel_ns, log, prose, spread, table_head

RATES = (("99 Hz", 99, 0.2), ("1 kHz", 1000, 1.5), ("10 kHz", 10000, None))
WORKS = ("calls", "objects", "json", "threads", "made")
# Nothing but compile() and exec(), each of whose code objects ends at once: shown, not judged by.
EXTREME = "made"
WORK_S = 0.15
# Longer gaps are the scheduler's: somebody else ran.
GAP_MAX_NS = 200000
LEGS = ("nothing", "empty", "ours")


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


def pairs(bench):
    """CPU time of fixed work, attached / mean of the same work just before and just after."""
    rounds = 1 if bench.quick else 6
    columns = [(name + ": target, %", "kernel, µs/sample") for name, _, _ in RATES]
    lines = table_head("Python", "work", *(word for pair in columns for word in pair))
    everything = {}
    for python in bench.pair_of_pythons():
        for work in WORKS:
            ratios, samples = {}, {}
            cpu = None if work == "threads" else bench.last_cpu
            with Target(python, "works.py", cpu=cpu) as target:
                pairs_of(bench, target, work, rounds, ratios, samples)
            cells = []
            for name, _, _ in RATES:
                if work != EXTREME:
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
    rounds, seconds = (2, 0.5) if bench.quick else (7, 1)
    found, counted = {}, {}
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
                    counted.setdefault(name, []).append(kernel_ns(profiler.stop()))
    return found, counted


def gaps_table(found, counted):
    lines = table_head("rate", "stands still: nothing attached", "empty perf clock event",
                       "pybpfprof", "price of one empty event", "price of one sample, all in",
                       "of it ours", "ours, by our own count", "slowdown", "the same, reckoned")
    direct = {}
    for name, rate, _ in RATES:
        share = {key: [lost for lost, _ in found[name, key]] for key in LEGS}
        # In pairs: each leg against the one with nothing in the same round.
        empty = [(b - a) / rate for a, b in zip(share["nothing"], share["empty"])]
        ours = [(b - a) / rate for a, b in zip(share["nothing"], share["ours"])]
        added = [b - a for a, b in zip(empty, ours)]
        direct[name] = [100 * value * rate for value in ours]
        counted_s = statistics.median(counted[name]) / 1e9
        lines.append("| %s | %s | %s | %.1f µs | %s | %.3f %% |" % (
            name, " | ".join(spread([100 * s for s in share[key]], "%.3f %%") for key in LEGS),
            " | ".join(spread([1e6 * s for s in v], "%.1f µs") for v in (empty, ours, added)),
            1e6 * counted_s, spread(direct[name], "%.3f %%"),
            100 * rate * (statistics.median(empty) + counted_s)))
        log(lines[-1])
    return lines, direct


def measure(bench):
    table, everything = pairs(bench)
    gap_lines, direct = gaps_table(*gaps(bench))
    for name, _, budget in RATES:
        if budget is None:
            continue
        ratios = [(r - 1) * 100 for r in everything[name]]
        bench.judge_median("slowdown at %s, directly (time the target stands still)" % name,
                           "<= %.1f %%" % budget, budget, direct[name], "%.2f %%")
        bench.judge_median("slowdown at %s, all %d pairs" % (name, len(ratios)),
                           "<= %.1f %%" % budget, budget, ratios, "%+.2f %%")
    bench.sections.append("\n".join(
        ["## Slowdown of a busy target", "",
         *prose("""Pairs: CPU time of the same work with pybpfprof attached, against the mean of the
            same work just before and just after without it; in per cent. The work takes %.2f s. The
            spread shows what one pair is worth here: 0.2 %% cannot be seen in one. The median of
            all is better, the direct figure below is the one to trust. *made* does nothing but
            compile and run two code objects at a time and drop them: before 3.12 the end of each is
            a probe hit. No program lives like that; it is shown and not judged by.""" % WORK_S),
         "", *table, "",
         *prose("""Directly: a thread under 25 frames looks at the clock without a pause and adds up
            the moments it could not (0.7 to %d µs; longer ones mean that somebody else ran). The
            empty perf clock event is what any sampler by interrupt pays on this machine before it
            does anything: an interrupt and setting the timer anew. *Slowdown* is what is measured
            so; *reckoned* is the empty event's price and our own count of kernel time per sample
            (`cost.target_ns / cost.hits`), times the rate.""" % (GAP_MAX_NS // 1000)),
         "", *gap_lines]))
