#!/usr/bin/env python3
"""Runs compare, claims and explain as their pages say: good runs, and bad input against exit status and message.

cli-claims.py PROGRAM SCENARIOS
"""

import csv
import io
import json
import os
import subprocess
import sys
import tempfile
import unittest

PROGRAM, SCENARIOS = (os.path.abspath(path) for path in sys.argv[1:3])
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


class Claims(Case):
    """What needs the engine is in tests/test-claim.c; here are the files that ship, and the forms of output."""

    def files(self):
        folder = os.path.join(SCENARIOS, "claims")
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder))]

    def judge(self, *words):
        done = fabricast("claims", *words)
        self.assertEqual(done.stderr, "")
        return done.returncode, done.stdout

    def test_the_claims_that_ship_are_judged_by_their_intervals(self):
        status, text = self.judge(*self.files(), "--json")
        claims = json.loads(text)["claims"]
        self.assertEqual(status, NO)
        self.assertEqual(len(claims), len({claim["id"] for claim in claims}))
        for claim in claims:
            states = {point["state"] for point in claim["points"]}
            wanted = ("depends" if {"yes", "no"} <= states else "cannot be told" if "open" in states else
                      "supported" if states == {"yes"} else "refuted")
            self.assertEqual(claim["verdict"], wanted)
            self.assertTrue(claim["text"] and claim["source"] and claim["basis"], claim)
            for point in claim["points"]:
                if point["low"] is not None:
                    self.assertLessEqual(point["low"], point["value"])
                    self.assertGreaterEqual(point["high"], point["value"])

    def test_facts_are_certain(self):
        _, text = self.judge(os.path.join(SCENARIOS, "claims", "catalogue.ini"), "--brief")
        verdicts = {line.split()[0]: line.split()[1] for line in text.splitlines() if not line.startswith("#")}
        self.assertEqual(verdicts["hundreds-per-link"], "refuted")
        self.assertEqual(verdicts["no-bridge-4090"], "supported")
        self.assertEqual(verdicts["data-centre-only"], "depends")
        self.assertEqual(verdicts["ada-for-nvlink"], "refuted")

    def test_the_forms_agree(self):
        path = os.path.join(SCENARIOS, "claims", "catalogue.ini")
        claims = json.loads(self.judge(path, "--json")[1])["claims"]
        rows = list(csv.DictReader(io.StringIO(self.judge(path, "--csv")[1])))
        flat = [(claim, point) for claim in claims for point in claim["points"]]
        self.assertEqual(len(rows), len(flat))
        for row, (claim, point) in zip(rows, flat):
            self.assertEqual((row["claim"], row["verdict"], row["state"]), (claim["id"], claim["verdict"], point["state"]))
            self.assertEqual(float(row["value"]), point["value"])
        full = self.judge(path)[1]
        for claim in claims:
            self.assertIn(f"{claim['id']}: {claim['text']}\n", full)

    def test_the_exit_status_is_the_answer(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "one.ini")
            for threshold, status in (("4", DONE), ("5", NO)):
                with open(path, "w", encoding="utf-8") as file:
                    file.write("[claim links]\ntext=a\nsource=b\nmetric=fact\nfact=nvlink_links\ngpu=rtx-3090\n"
                               f"operator=>=\nthreshold={threshold}\n")
                self.assertEqual(self.judge(path)[0], status)
            self.refuses("one.ini: .claim links. needs threshold|nonsense", "claims", self.without_threshold(path))
            self.refuses("needs a file of claims", "claims")
            self.refuses("No such file|no such file", "claims", os.path.join(folder, "none.ini"))

    def without_threshold(self, path):
        with open(path, encoding="utf-8") as file:
            lines = [line for line in file if not line.startswith("threshold")]
        with open(path, "w", encoding="utf-8") as file:
            file.writelines(lines)
        return path


class Explain(Case):
    def test_the_forms_agree(self):
        words = ("explain", "all-reduce", "--set", "sizes=1M;1G")
        data = json.loads(self.prints(*words, "--json"))
        rows = list(csv.DictReader(io.StringIO(self.prints(*words, "--csv"))))
        flat = [(row, name, gain) for row in data["rows"] for name, gain in row["gains"].items()]
        self.assertEqual(len(rows), len(flat))
        for line, (row, name, gain) in zip(rows, flat):
            self.assertEqual((int(line["size_bytes"]), line["resource"]), (row["size_bytes"], name))
            self.assertEqual(float(line["gain"]), gain)
        text = self.prints(*words)
        self.assertLess(text.index("NVLink 4", text.index("1 GiB")), text.index("all of them", text.index("1 GiB")))

    def test_a_step_names_its_parts(self):
        data = json.loads(self.prints("explain", "train-tensors-3090", "--json"))
        self.assertAlmostEqual(sum(data["parts"].values()) / data["rows"][0]["seconds"], 1, 6)

    def test_bad_input_is_refused(self):
        self.refuses("needs a scenario", "explain")
        self.refuses("one argument too many", "explain", "all-reduce", "all-reduce")
        self.refuses("ranks need", "explain", "all-reduce", "--set", "ranks=9")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
