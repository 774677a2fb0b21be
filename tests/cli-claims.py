#!/usr/bin/env python3
"""Runs compare as its page says: good runs, and bad input against exit status and message.

cli-claims.py PROGRAM
"""

import csv
import io
import json
import os
import subprocess
import sys
import unittest

PROGRAM = os.path.abspath(sys.argv[1])
DONE, NO, INPUT, SYSTEM = 0, 1, 2, 3
PRICE = ("--set", "price.gpu_hour=2 USD/h", "--set", "price.date=2025-11", "--set", "price.source=a quote")
BRIDGES = ("bridge-3090-removed", "bridge-3090", "--set", "sizes=1M;256M")


def fabricast(*words, **more):
    return subprocess.run([PROGRAM, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=300, check=False, **more)


class Case(unittest.TestCase):
    def prints(self, *words, **more):
        done = fabricast(*words, **more)
        self.assertEqual((done.returncode, done.stderr), (DONE, ""), words)
        return done.stdout

    def refuses(self, pattern, *words):
        done = fabricast(*words)
        self.assertEqual(done.returncode, INPUT, (words, done.stdout, done.stderr))
        self.assertRegex(done.stderr, pattern)
        self.assertEqual(done.stderr.count("\n"), 1)
        self.assertEqual(done.stdout, "")


class Compare(Case):
    def test_a_bridge_is_faster_for_large_messages(self):
        lines = self.prints("compare", *BRIDGES).splitlines()
        large = next(line for line in lines if line.strip().startswith("256 MiB"))
        self.assertTrue(large.endswith("  faster, by a guess"), large)
        self.assertIn("# is B faster than A?", lines)

    def test_tables_of_all_three_kinds_agree(self):
        data = json.loads(self.prints("compare", *BRIDGES, *PRICE, "--json"))
        self.assertEqual((data["schema"], data["schema_version"]), ("fabricast-comparison", 1))
        rows = list(csv.DictReader(io.StringIO(self.prints("compare", *BRIDGES, *PRICE, "--csv"))))
        self.assertEqual(len(rows), 4)
        flat = [row for one in data["scenarios"] for row in one["rows"]]
        for line, row in zip(rows, flat):
            for key in ("seconds", "ratio", "ratio_low", "cost", "algbw_GBps"):
                self.assertEqual(float(line[key]), row[key])
            self.assertEqual(line["verdict"], row["verdict"] or "")
            self.assertLess(row["cost_low"], row["cost"])
        # Twice the GPUs' rent is twice the cost: 2 GPUs at 2 USD an hour.
        row = flat[0]
        self.assertAlmostEqual(row["cost"] / (row["seconds"] * 4 / 3600 * 1e12 / row["size_bytes"]), 1, 9)

    def test_three_are_compared_with_the_first(self):
        out = self.prints("compare", "all-reduce", "all-reduce-dgx-a100", "all-reduce-dgx-1v", "--set", "sizes=1M")
        self.assertIn("# is B faster than A?", out)
        self.assertIn("# is C faster than A?", out)

    def test_what_cannot_be_compared_is_said(self):
        self.refuses("needs two scenarios", "compare", "all-reduce")
        self.refuses("another collective", "compare", "all-reduce", "alltoall-dgx-h100")
        self.refuses("a training step", "compare", "all-reduce", "train-gradients-3090")
        self.refuses("no such file", "compare", "all-reduce", "none")
        self.refuses("exclude each other", "compare", *BRIDGES, "--csv", "--json")
        self.refuses("command line: .*gpu_hour.*not an amount with its currency", "compare", *BRIDGES, "--set",
                     "price.gpu_hour=2", "--set", "price.date=2025-11", "--set", "price.source=x")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
