#!/usr/bin/env python3
"""Times runs of collectives on clusters of growing size and prints how CPU time and memory grow.

usage: clusters.py PROGRAM [every]     every: also the largest tree with every rank simulated, which takes minutes

Each row is a run of the program, reading the machine and building it included. Timing never fails the benchmark, a
missed bound is printed as FAIL; a program that fails does. The exponent is that of the best power law through the sizes
from 256 GPUs on.
"""

import math
import os
import re
import subprocess
import sys
import tempfile

PROGRAM, EVERY = sys.argv[1], len(sys.argv) > 2
NODE = 8
GPUS = (16, 64, 256, 1024, 4096, 16384)
# Nodes on pods of a three-level fat tree; each rail of all nodes on one leaf, so that nothing tells nodes apart.
TREE = ("--topology", "cluster", "--set", "topology.node=dgx-h100", "--set", "topology.plugin=fat-tree",
        "--set", "topology.levels=3")
RAILS = ("--topology", "superpod-h100")
MIB_MOST = 2048
# (CPU seconds, MiB) at most for the largest machine.
BOUNDS = {"NCCL's choice, 1 GiB, by levels": (10, MIB_MOST), "ring, 1 GiB, folded": (1, MIB_MOST), "ring, 1 GiB, every rank": (60, MIB_MOST),
          "tree, 1 GiB, every rank": (60, MIB_MOST)}


def wide(gpus):
    nodes = gpus // NODE
    return ("--set", f"topology.group_nodes={nodes}", "--set", f"topology.radix={max(64, 2 * nodes)}")


# Leaves of 32 nodes below spines, over which all ways are used alike: what repeats itself is 256 steps long.
SPRAYED = ("--set", "topology.routing=spray", "--set", "topology.radix=1024")
ROWS = (
    ("tree, 1 MiB, every rank", lambda gpus: (*TREE, "--algorithm", "tree", "--sizes", "1M",
                                              "--set", "collective.fold=off")),
    ("ring, 1 GiB, folded", lambda gpus: (*RAILS, *wide(gpus), "--algorithm", "ring", "--sizes", "1G",
                                         "--set", "collective.fold=on")),
    ("ring, 1 GiB, every rank", lambda gpus: (*RAILS, *wide(gpus), "--algorithm", "ring", "--sizes", "1G",
                                             "--set", "collective.fold=off")),
    ("ring, 1 GiB, leaves, folded", lambda gpus: (*RAILS, *SPRAYED, "--algorithm", "ring", "--sizes", "1G")),
    ("NCCL's choice, 1 GiB, by levels", lambda gpus: (*TREE, "--set", "topology.routing=spray", "--sizes", "1G")),
    ("nvls-tree, 1 MiB, every rank", lambda gpus: (*RAILS, *wide(gpus), "--algorithm", "nvls-tree", "--sizes", "1M",
                                                   "--set", "collective.fold=off")),
    ("nvls-tree, 1 MiB, folded", lambda gpus: (*RAILS, *wide(gpus), "--algorithm", "nvls-tree", "--sizes", "1M",
                                               "--set", "collective.fold=on")),
)
LARGEST = ("tree, 1 GiB, every rank", (*TREE, "--algorithm", "tree", "--protocol", "simple", "--sizes", "1G",
                                       "--set", "collective.fold=off"))


def run(gpus, words):
    """CPU seconds, MiB at most, what the table says of the call."""
    command = [PROGRAM, "run", "--collective", "all_reduce", "--set", f"topology.nodes={gpus // NODE}", *words]
    with tempfile.TemporaryFile("w+") as out:
        child = subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        text = out.read()
    if child.returncode != 0:
        print(f"{' '.join(command)}: status {child.returncode}: {text.strip()}")
        sys.exit(1)
    time = re.search(r"^ +\d+ +\d+ +float +sum +-1 +([0-9.]+)", text, re.M)
    text = re.sub(r"\n# +", " ", text)
    folded = re.search(r"folded: (\d+) of|is simulated on (\d+ and \d+ of) ", text)
    ranks = folded.group(1) or folded.group(2)[:-3] if folded else "all"
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, time.group(1), ranks


def slope(points):
    xs, ys = [math.log(x) for x, _ in points], [math.log(y) for _, y in points]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys)) / sum((x - mean_x) ** 2 for x in xs)


def line(name, gpus, found, note=""):
    seconds, mib, time, ranks = found
    print(f"{name:31} {gpus:>6} {ranks:>15} {seconds:8.2f} {mib:7.0f} {time:>12}  {note}".rstrip(), flush=True)


def verdict(name, gpus, found):
    if name not in BOUNDS or gpus != GPUS[-1]:
        return ""
    seconds, mib = BOUNDS[name]
    return f"<= {seconds} s, {mib} MiB {'PASS' if found[0] <= seconds and found[1] <= mib else 'FAIL'}"


def main():
    print(f"{'all-reduce':31} {'GPUs':>6} {'simulated':>15} {'CPU s':>8} {'MiB':>7} {'predicted us':>12}")
    for name, words in ROWS:
        seconds, memory = [], []
        for gpus in GPUS:
            found = run(gpus, words(gpus))
            line(name, gpus, found, verdict(name, gpus, found))
            if gpus >= 256:
                seconds.append((gpus, found[0]))
                memory.append((gpus, found[1]))
        print(f"{'':31} time grows with GPUs to the power of {slope(seconds):.2f}, memory of {slope(memory):.2f}")
    if EVERY:
        found = run(GPUS[-1], LARGEST[1])
        line(LARGEST[0], GPUS[-1], found, verdict(LARGEST[0], GPUS[-1], found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
