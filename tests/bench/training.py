#!/usr/bin/env python3
"""Times whole runs of training steps and prints them beside their bounds.

usage: training.py PROGRAM SCENARIOS

Each row is a run of the program, start and collectives included: seconds, peak memory, bound. Timing never fails the
benchmark, a missed bound is printed as FAIL; a program that fails does.
"""

import os
import re
import resource
import subprocess
import sys
import time

PROGRAM, SCENARIOS = sys.argv[1:3]
LARGE = os.path.join(SCENARIOS, "train-175b-1024-gpus.ini")
FOLDED = ("--set", "fold=yes", "--set", "nodes=2048", "--set", "parallel.dp=128", "--set", "global_batch=24576")
ROWS = (
    ("175B, 1,024 GPUs, every rank", ("run", LARGE), 10),
    ("175B, 1,024 GPUs, folded", ("run", LARGE, "--set", "fold=yes"), 10),
    ("175B, 16,384 GPUs, folded", ("run", LARGE, *FOLDED), 10),
    ("eight steps of arXiv 2205.05198", ("validate", "megatron-seqpar-a100-table5"), 1),
    ("2,300 runs of the open set", ("validate", "--training", "--csv"), 60),
)


def main():
    wrong = 0
    print(f"{'run':34} {'s':>8} {'bound':>8} {'MiB, most so far':>17}  step time")
    for name, words, bound in ROWS:
        start = time.monotonic()
        done = subprocess.run([PROGRAM, *words], capture_output=True, text=True, check=False)
        seconds = time.monotonic() - start
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        step = re.search(r"step time +([0-9.]+ m?s)", done.stdout)
        if done.returncode != 0:
            print(f"{name}: status {done.returncode}: {done.stderr.strip()}")
            wrong += 1
            continue
        print(f"{name:34} {seconds:8.2f} {bound:8} {memory:17.0f}  {step.group(1) if step else '-':12}"
              f"{'' if seconds <= bound else '  FAIL'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
