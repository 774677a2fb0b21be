#!/usr/bin/env python3
"""Runs compare, claims and explain as their pages say: good runs, and bad input against exit status and message.

cli-claims.py PROGRAM SCENARIOS
"""

import csv
import io
import json
import os
import re
import sys
import tempfile
import unittest

from program import DONE, NO, Case, fabricast, takes_minutes

SCENARIOS = os.path.abspath(sys.argv[2])
PRICE = ("--set", "price.gpu_hour=2 USD/h", "--set", "price.date=2025-11", "--set", "price.source=a quote")
BRIDGES = ("bridge-3090-removed", "bridge-3090", "--set", "sizes=1M;256M")


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
        self.refuses("a copy pipeline|a set of copies", "compare", "all-reduce", "copy-pipeline-h100")
        self.refuses("another number of copies", "compare", "pcie-flows-one-switch", "pcie-flows-shared-uplink")
        self.refuses("another model", "compare", "train-175b-1024-gpus", "train-gradients-3090")
        self.refuses("has no size that all the others have", "compare", *self.with_sizes("1M", "2M"))

    def with_sizes(self, *sizes):
        paths = []
        for size in sizes:
            with tempfile.NamedTemporaryFile("w", suffix=".ini", delete=False) as file:
                file.write(f"[topology]\nname=dgx-h100\n[collective]\noperation=all_reduce\nsizes={size}\n")
            self.addCleanup(os.unlink, file.name)
            paths.append(file.name)
        return paths

    def test_prices_without_unit_date_or_source_are_refused(self):
        def refuses(pattern, *prices):
            self.refuses(pattern, "compare", *BRIDGES, *(word for price in prices for word in ("--set", price)))

        date, source = "price.date=2025-11", "price.source=x"
        unit = "command line: .*gpu_hour.*not an amount with its currency, such as 12.50 USD/h"
        for price in ("2", "2 USD", "2 $/h", "USD/h", "2 usd/h", "-2 USD/h", "nan USD/h"):
            refuses(unit, f"price.gpu_hour={price}", date, source)
        refuses("machine: .*not an amount with its currency", "price.machine=250000", "price.years=4", date, source)
        refuses("needs date", "price.gpu_hour=2 USD/h", source)
        refuses("needs source", "price.gpu_hour=2 USD/h", date)
        refuses("not a date such as", "price.gpu_hour=2 USD/h", "price.date=last year", source)
        refuses("needs years", "price.machine=250000 USD", date, source)
        refuses("both machine and gpu_hour", "price.machine=2 USD", "price.gpu_hour=2 USD/h", "price.years=4", date, source)
        refuses("kwh: .*not an amount with its currency, such as 12.50 USD/kWh", "power.machine=10 kW", "power.kwh=0.2",
                "power.date=2025-11", "power.source=x")
        refuses("machine: .*is not a|machine", "power.machine=10", "power.date=2025-11", "power.source=x")
        with tempfile.NamedTemporaryFile("w", suffix=".ini") as file:
            file.write("[topology]\nname=dgx-h100\n[collective]\noperation=all_reduce\nsizes=1M\n[price]\n"
                       "gpu_hour=2 EUR/h\ndate=2025-11\nsource=x\n")
            file.flush()
            with tempfile.NamedTemporaryFile("w", suffix=".ini") as other:
                other.write("[topology]\nname=dgx-a100\n[collective]\noperation=all_reduce\nsizes=1M\n[price]\n"
                            "gpu_hour=2 USD/h\ndate=2025-11\nsource=x\n")
                other.flush()
                self.refuses("write them in one currency", "compare", file.name, other.name)


class BreakEven(Case):
    PAIR = ("compare", "all-reduce-dgx-a100", "all-reduce")

    def even(self, what, *more):
        data = json.loads(self.prints(*self.PAIR, "--break-even", what, *more, "--json"))
        self.assertEqual((data["schema"], data["schema_version"]), ("fabricast-break-even", 1))
        return data

    def test_a_price_turns_where_it_is_the_other_one_times_the_speed(self):
        data = self.even("b.price.gpu_hour=1:40 USD/h", *PRICE, "--set", "sizes=256M")
        one = data["scenarios"][0]
        for point in one["points"]:
            price = float(point["value"].split()[0])
            self.assertAlmostEqual(point["cheaper"] / (point["faster"] * 2 / price), 1, 9)
        low, high = (float(word) for word in re.findall(r"([0-9.]+) USD/h", one["cheaper"][0]))
        turn = 2 * one["points"][0]["faster"]
        self.assertLessEqual(low * 0.999, turn)
        self.assertGreaterEqual(high * 1.001, turn)
        self.assertLess(high / low, 1.03)
        self.assertEqual(one["faster"], [])

    def test_a_value_is_what_compare_says_of_it(self):
        points = self.even("collective.sizes=1M:256M")["scenarios"][0]["points"]
        self.assertEqual((points[0]["value"], points[-1]["value"]), ("1048576", "268435456"))
        rows = json.loads(self.prints(*self.PAIR, "--set", "sizes=1M;256M", "--json"))["scenarios"][1]["rows"]
        for point, row in zip((points[0], points[-1]), rows):
            self.assertEqual((point["faster"], point["faster_low"]), (row["ratio"], row["ratio_low"]))
            self.assertIsNone(point["cheaper"])

    def test_a_key_of_one_scenario_wins_over_that_of_all(self):
        one, other = (self.even("b.collective.channels=2:4", "--set", key + "=8", "--set", "sizes=1M")
                      for key in ("channels", "collective.channels"))
        self.assertEqual(one, other)
        self.assertNotEqual(*(point["faster"] for point in one["scenarios"][0]["points"][:2]))

    def test_a_turn_lies_between_two_values_that_differ(self):
        """One GPU's steps against two: more GPUs are faster only when the batch leaves work for both."""
        steps = ("compare", "train-gradients-3090", "train-gradients-3090")
        words = ("--set", "training.gpus=2", "--break-even", "b.training.micro_batch=1:4")
        data = json.loads(self.prints(*steps, *words, "--json"))
        for turn in data["scenarios"][0]["faster"]:
            low, high = (int(word) for word in re.findall(r"[0-9]+", turn))
            self.assertLess(low, high)

    def test_the_forms_agree_and_say_what_is_not_possible(self):
        words = (*self.PAIR, "--break-even", "collective.ranks=2:16", "--set", "sizes=1M")
        data = json.loads(self.prints(*words, "--json"))
        rows = list(csv.DictReader(io.StringIO(self.prints(*words, "--csv"))))
        points = data["scenarios"][0]["points"]
        self.assertEqual([point["value"] for point in points], ["2", "4", "8", "16"])
        self.assertEqual([point["possible"] for point in points], [True, True, True, False])
        for row, point in zip(rows, points):
            self.assertEqual(row["value"], point["value"])
            self.assertEqual(row["faster"] and float(row["faster"]), point["faster"] or "")
        text = self.prints(*words)
        self.assertIn("            16  not possible\n", text)
        self.assertRegex(text, "# 1 values are not possible, the first because .*16 ranks need 16 GPUs")

    def test_bad_ranges_are_refused(self):
        def refuses(pattern, what, *more):
            self.refuses(pattern, *self.PAIR, "--break-even", what, *more)

        refuses("must be a key with its range", "ranks=2:4")
        refuses("must be a key with its range", "collective.ranks")
        refuses("must be a key with its range", "collective.ranks=2")
        refuses("is not a range from a lower to a higher number", "collective.ranks=4:2")
        refuses("is not a range from a lower to a higher number", "topology.name=a:b")
        refuses("is not a range from a lower to a higher number", "b.price.gpu_hour=1 EUR/h:10 USD/h")
        refuses("c.collective.ranks is of scenario C, there are 2", "c.collective.ranks=2:4")
        refuses("has 31 sizes, a break-even is looked for at one", "collective.ranks=2:4")
        for key in ("sizes", "collective.sizes"):
            refuses("--set %s=1G: collective.sizes is varied by --break-even, leave one out" % key,
                    "collective.sizes=1K:1G", "--set", key + "=1G")
        refuses("no value of collective.ranks from 16 to 32 is possible", "collective.ranks=16:32", "--set", "sizes=1M")
        refuses("did you mean", "collective.rnks=2:4", "--set", "sizes=1M")


class Claims(Case):
    """What needs the engine is in tests/test-claim.c; here are the files that ship, and the forms of output."""

    def files(self):
        folder = os.path.join(SCENARIOS, "claims")
        return [os.path.join(folder, name) for name in sorted(os.listdir(folder))]

    def judge(self, *words):
        done = fabricast("claims", *words)
        self.assertEqual(done.stderr, "")
        return done.returncode, done.stdout

    @takes_minutes
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
        self.assertIn("PCIe 5.0 x16", data["idle"])
        for row in data["rows"]:
            self.assertEqual([row["gains"][name] for name in data["idle"]], [0] * len(data["idle"]))
            path = row["critical_path"]
            self.assertAlmostEqual(sum(path[part] for part in ("moving_s", "handing_s", "room_s", "around_s")),
                                   row["seconds"], 11)
            phases = row["phases"]
            self.assertAlmostEqual(sum(phase["seconds"] for phase in phases), row["seconds"], 11)
            for phase in phases:
                self.assertAlmostEqual(sum(one["seconds"] for one in phase["bindings"]), phase["seconds"], 11)
            self.assertEqual(phases[0]["phase"], "launch and end")
        text = self.prints(*words)
        self.assertRegex(text, r"\n  critical path, \d+ slices, \d+ times? from rank to rank:\n    [\d.]+ % moving data")
        self.assertRegex(text, r"\n  what binds in each phase:\n  launch and end, ")
        self.assertRegex(text[text.index("1 GiB"):], r"\n  steady state, [^\n]*\n +[\d.]+ %  NVLink 4 \(")
        self.assertLessEqual(max(map(len, text.splitlines())), 80)
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
