#!/usr/bin/env python3
"""Runs the benchmark programs and prints each figure as a ratio against a yardstick run beside it.

usage: run.py FOLDER [WORD]     FOLDER holds the programs; WORD: only rows whose name contains it

Ours and the yardstick run in turn, so that both see the same machine; the ratio is the median of the pairs' ratios of
rates in CPU time, above 1 when ours is faster. Timing never fails the benchmark: machines differ. Simulated times do:
where both sides simulate the same load they must agree. Exit status: 0, 1 when a simulated time or a checksum is wrong
or a program fails.
"""

import math
import os
import statistics
import subprocess
import sys
import time

# Plain max-min sharing: no TCP window, no share of headers, no traffic of acknowledgements.
SIMGRID = ["--cfg=network/model:CM02", "--cfg=network/TCP-gamma:0", "--cfg=network/bandwidth-factor:1",
           "--cfg=network/latency-factor:1", "--cfg=network/weight-S:0", "--cfg=network/crosstraffic:0",
           "--log=root.thres:critical"]
# Where flows end one by one, events within SimGrid's default of a nanosecond would be taken as one.
SIMGRID_FINE = ["--cfg=surf/precision:1e-12"]

# A rate below which the target against SimGrid is the higher one, and the two targets.
SLOW_RATE, SLOW_TARGET, TARGET = 100e3, 10, 3
# All ranks of a star of 1,024, one ring all-reduce.
RING_SECONDS, RING_MIB, RING_AIM = 0.4, 64, 8e6
# Relative difference of simulated times: symmetric loads are exact. Rounding to whole picoseconds stays that small in
# rounds, but grows from flow to flow in an open loop, where the end of one decides when the next one meets others.
SAME, SAME_ROUNDS, SAME_OPEN = 1e-9, 1e-7, 1e-3
# Bytes of 1,012,500 take whole picoseconds at 450 GB/s however many flows share a link.
EVEN = 1012500
MIB = 1 << 20
GROWTH = 1.1


class Bench:
    def __init__(self, folder, word):
        self.folder = folder
        self.word = word
        self.wrong = []
        self.missed = []

    def wanted(self, name):
        return self.word in name

    def has(self, program):
        return os.path.exists(os.path.join(self.folder, "bench-" + program))

    def run(self, program, *words, steps=None, repeat=False):
        """Runs one program and returns its line as a dictionary of numbers (and texts)."""
        env = dict(os.environ)
        if steps is not None:
            env["STEPS"] = str(steps)
        if repeat:
            env["REPEAT"] = "1"
        command = [os.path.join(self.folder, "bench-" + program), *map(str, words)]
        done = subprocess.run(command, capture_output=True, text=True, env=env, check=False)
        if done.returncode != 0:
            print(f"{' '.join(command)}: status {done.returncode}: {done.stderr.strip()}")
            sys.exit(1)
        values = {}
        for pair in done.stdout.split():
            key, _, value = pair.partition("=")
            values[key] = value if key == "checksum" else float(value)
        return values

    def pairs(self, count, ours, yardstick):
        """Runs both in turn `count` times. The median pair's results and the median ratio of their rates."""
        results = []
        for _ in range(count):
            one = self.run(*ours[0], **ours[1])
            other = self.run(*yardstick[0], **yardstick[1])
            results.append((one["rate"] / other["rate"], one, other))
        results.sort(key=lambda result: result[0])
        _, one, other = results[len(results) // 2]
        return statistics.median(result[0] for result in results), one, other

    def check(self, name, what, value, expected, tolerance):
        if isinstance(value, str):
            good = value == expected
        else:
            good = abs(value - expected) <= tolerance * abs(expected)
        if not good:
            self.wrong.append(f"{name}: {what} is {value}, the yardstick says {expected}")
        return good

    def row(self, name, ours="", yardstick="", ratio=None, target="", good=None, note=""):
        verdict = "" if good is None else "PASS" if good else "FAIL"
        if good is False:
            self.missed.append(name)
        shown = "" if ratio is None else f"{ratio:.2f}"
        print(f"{name:<47}{ours:>12}{yardstick:>12}{shown:>8}  {target:<18}{verdict:<6}{note}".rstrip(), flush=True)


def rate(value):
    for factor, letter in ((1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{value / factor:.4g} {letter}/s"
    return f"{value:.4g} /s"


def call(*words, **options):
    return words, options


def bench_hold(bench):
    for pending, holds, count in ((1000, 4000000, 5), (100000, 2000000, 5), (10000000, 2000000, 3)):
        for law in ("exp", "instants"):
            name = f"hold {pending:,} pending, {law}"
            if not bench.wanted(name):
                continue
            ratio, ours, heap = bench.pairs(count, call("hold", "queue", pending, holds, law),
                                            call("hold", "heap", pending, holds, law))
            bench.check(name, "order of events", ours["checksum"], heap["checksum"], 0)
            bench.row(name, rate(ours["rate"]), rate(heap["rate"]), ratio)


def bench_ring(bench):
    ranks = 1024
    name = f"ring all-reduce, star of {ranks:,}"
    if not bench.wanted(name):
        return
    steps = 2 * (ranks - 1)
    ratio, ours, bare = bench.pairs(5, call("ring", ranks, 1, EVEN * ranks, EVEN, EVEN, 2, 0, "free"),
                                    call("yardstick-ring", ranks, 1, EVEN, steps))
    bench.check(name, "simulated time", ours["simulated"], bare["simulated"], SAME)
    bench.check(name, "simulated time", ours["simulated"], ours["closed"], SAME)
    bench.check(name, "number of messages", ours["items"], bare["items"], 0)
    bench.row(name, rate(ours["rate"]), rate(bare["rate"]), ratio, f"aim {RING_AIM / 1e6:.0f} M/s",
              ours["rate"] >= RING_AIM)
    bench.row("  CPU seconds", f"{ours['cpu']:.3f} s", f"{bare['cpu']:.3f} s", ours["cpu"] / bare["cpu"],
              f"<= {RING_SECONDS} s", ours["cpu"] <= RING_SECONDS)
    bench.row("  peak memory", f"{ours['rss_mib']:.1f} MiB", f"{bare['rss_mib']:.1f} MiB",
              ours["rss_mib"] / bare["rss_mib"], f"<= {RING_MIB} MiB", ours["rss_mib"] <= RING_MIB)
    ours = bench.run("ring", ranks, 1, EVEN * ranks, EVEN, EVEN, 2, 0, "free", repeat=True)
    bench.check(name, "simulated time, what repeats itself at once,", ours["simulated"], ours["closed"], SAME)
    bench.row("  the same, what repeats itself at once", f"{ours['cpu']:.4f} s", f"{bare['cpu']:.3f} s",
              ours["cpu"] / bare["cpu"])


def bench_flows(bench):
    """(mode, hosts, A, bytes, network, steps, pairs, tolerance)"""
    rows = [("chain", 1024, 16, EVEN, "star", 2, 3, SAME), ("mixed", 1024, 16, 1000000, "star", 2, 1, SAME_OPEN)]
    for hosts, rounds, sends, count in ((64, 100, 20, 5), (256, 40, 20, 5), (1024, 10, 10, 3)):
        rows.append(("perm", hosts, rounds, 1000000, "tree", None, count, SAME_ROUNDS))
        rows.append(("pairs", hosts, sends, 1000000, "tree", None, count, SAME_OPEN))
    rows.append(("a2a", 128, 1, EVEN, "star", None, 3, SAME))
    titles = {"chain": "16 chunks a link, star of", "mixed": "16 unequal chunks a link, star of", "perm": "permutations, 2:1 tree of",
              "pairs": "random pairs, 2:1 tree of", "a2a": "all-to-all, star of"}
    for mode, hosts, amount, size, network, steps, count, tolerance in rows:
        name = f"flows: {titles[mode]} {hosts:,}"
        if not bench.wanted(name):
            continue
        words = (mode, hosts, amount, size, network)
        if not bench.has("yardstick-simgrid"):
            ours = bench.run("flows", *words, 0.2, steps=steps)
            bench.row(name, rate(ours["rate"]), "no SimGrid", note="skipped: install libsimgrid-dev")
            continue
        options = SIMGRID + (SIMGRID_FINE if tolerance != SAME else [])
        ratio, ours, other = bench.pairs(count, call("flows", *words, 0.2, steps=steps),
                                         call("yardstick-simgrid", *words, *options, steps=steps))
        same = bench.check(name, "simulated time", ours["simulated"], other["simulated"], tolerance)
        if ours["closed"] > 0:
            same = bench.check(name, "closed form", ours["simulated"], ours["closed"], SAME) and same
        target = SLOW_TARGET if other["rate"] < SLOW_RATE else TARGET
        difference = abs(ours["simulated"] / other["simulated"] - 1)
        bench.row(name, rate(ours["rate"]), rate(other["rate"]), ratio, f">= {target} x", ratio >= target,
                  f"{'same time' if same else 'WRONG TIME'} to {difference:.0e}")


def bench_channels(bench):
    """Simple over 16 channels: 2 MiB chunks of two slices, four slices in flight, Hopper's costs."""
    channels = 16
    for ranks, loops, steps in ((8, 128, 0), (72, 3, 0), (1024, 1, 32)):
        name = f"16-channel ring, {ranks:,} GPUs"
        if not bench.wanted(name):
            continue
        size = ranks * channels * 2 * MIB * loops
        hops = steps * 2 - 2 if steps else (2 * ranks - 2) * 2 * loops
        ratio, ours, bare = bench.pairs(3, call("ring", ranks, channels, size, 2 * MIB, MIB, 4, steps, "hopper"),
                                        call("yardstick-ring", ranks, channels, MIB, hops))
        bench.check(name, "number of slices", ours["items"], bare["items"], 0)
        bench.row(name, rate(ours["rate"]), rate(bare["rate"]), ratio)
        bench.row("  peak memory", f"{ours['rss_mib']:.1f} MiB", f"{bare['rss_mib']:.1f} MiB",
                  ours["rss_mib"] / bare["rss_mib"])


def slope(points):
    xs, ys = [math.log(x) for x, _ in points], [math.log(y) for _, y in points]
    mean_x, mean_y = statistics.mean(xs), statistics.mean(ys)
    return sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys)) / sum((x - mean_x) ** 2 for x in xs)


def bench_memory(bench):
    """Peak memory of the ring with every rank's flow in progress, less that of two ranks."""
    name = "memory by ranks"
    if not bench.wanted(name):
        return
    steps, points, base = 8, [], 0
    for ranks in (2, 1024, 2048, 4096, 8192, 16384, 32768):
        result = bench.run("ring", ranks, 1, EVEN * ranks, EVEN, EVEN, 2, steps if ranks > 2 else 0, "free")
        if ranks == 2:
            base = result["rss_mib"]
            continue
        points.append((ranks, max(result["rss_mib"] - base, 1e-3)))
        bench.row(f"memory, ring of {ranks:,}", f"{result['rss_mib']:.1f} MiB", f"{base:.1f} MiB", note=(
            f"{points[-1][1] * MIB / ranks:.0f} B a rank over a ring of 2"))
    exponent = slope(points)
    bench.row(f"{name}: grows as ranks to the power", f"{exponent:.2f}", "1.00", None, f"<= {GROWTH}",
              exponent <= GROWTH)


def main():
    if len(sys.argv) not in (2, 3):
        print(__doc__)
        return 2
    bench = Bench(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "")
    began = time.monotonic()
    print(f"{'':<47}{'ours':>12}{'yardstick':>12}{'ratio':>8}  target")
    for part in (bench_hold, bench_ring, bench_flows, bench_channels, bench_memory):
        part(bench)
    print(f"{time.monotonic() - began:.0f} s; {len(bench.missed)} targets missed{': ' if bench.missed else ''}"
          f"{'; '.join(name.strip() for name in bench.missed)}")
    for line in bench.wrong:
        print(f"WRONG {line}")
    return 1 if bench.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
