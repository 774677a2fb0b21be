#!/usr/bin/env python3
"""Times whole runs of training steps and prints them beside their bounds.

usage: training.py PROGRAM SCENARIOS

Each row is a run of the program, start and collectives included: CPU seconds, which a busy machine changes little, peak
memory, bound. Timing never fails the benchmark, a missed bound is printed as FAIL; a program that fails does.
"""

import os
import re
import subprocess
import sys
import tempfile

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


def run(words):
    """Exit status, CPU seconds, MiB at most, all that it prints."""
    with tempfile.TemporaryFile("w+") as out:
        child = subprocess.Popen([PROGRAM, *words], stdout=out, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        return child.returncode, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, out.read()


def main():
    wrong = 0
    print(f"{'run':34} {'CPU s':>8} {'bound':>8} {'MiB':>8}  step time")
    for name, words, bound in ROWS:
        status, seconds, memory, text = run(words)
        step = re.search(r"step time +([0-9.]+ m?s)", text)
        if status != 0:
            print(f"{name}: status {status}: {text.strip()}")
            wrong += 1
            continue
        print(f"{name:34} {seconds:8.2f} {bound:8} {memory:8.0f}  {step.group(1) if step else '-':12}"
              f"{'' if seconds <= bound else '  FAIL'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
