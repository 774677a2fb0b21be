#!/usr/bin/env python3
"""Runs compare, sweep, claims and explain as their pages say: good runs, and bad input against exit status and message.

cli-claims.py PROGRAM SCENARIOS
"""

import contextlib
import csv
import io
import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
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


SWEEP = """[topology]
name=dgx-h100
[collective]
operation=all_reduce
sizes=1K;1M
[sweep]
topology.name=dgx-a100 | dgx-h100
collective.ranks=2..8*2
collective.algorithm=ring | nvls | tree
"""
LONG = """[topology]
name=ws2-bridge-3090
[collective]
operation=all_reduce
[sweep]
collective.sizes=64..128000+64
"""
LONG_POINTS = 2000


class Sweep(Case):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="fab-sweep-")
        self.store = os.path.join(self.folder, "points.db")

    def tearDown(self):
        shutil.rmtree(self.folder)

    def write(self, text):
        path = os.path.join(self.folder, "sweep.ini")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def change(self, statement):
        with contextlib.closing(sqlite3.connect(self.store, isolation_level=None)) as base:
            base.execute(statement)

    def points(self):
        try:
            with contextlib.closing(sqlite3.connect(self.store)) as base:
                return [row[0] for row in base.execute("SELECT number FROM points ORDER BY rowid")]
        except sqlite3.OperationalError:
            return []

    def test_a_grid_is_run_and_its_front_is_right(self):
        data = json.loads(self.prints("sweep", self.write(SWEEP), "--json"))
        rows = data["rows"]
        self.assertEqual((data["points"], data["done"], data["refused"]), (18, 18, 3))
        self.assertIn("nvls", data["first_refusal"])
        self.assertEqual(len(rows), 2 * 15)
        for row in rows:
            beaten = any(other["size_bytes"] == row["size_bytes"] and other["seconds"] <= row["seconds"] and
                         other["cost"] <= row["cost"] and other != row and
                         (other["seconds"], other["cost"]) != (row["seconds"], row["cost"]) for other in rows)
            self.assertEqual(row["front"], not beaten, row)

    def test_prices_go_with_their_machines(self):
        text = SWEEP.split("[sweep]")[0] + ("[price]\ndate=2025-11\nsource=x\n[sweep]\ntopology.name & price.gpu_hour="
                                            "dgx-a100 & 0.10 USD/h | dgx-h100 & 9 USD/h\n")
        rows = json.loads(self.prints("sweep", self.write(text), "--json"))["rows"]
        self.assertEqual({row["cost_unit"] for row in rows}, {"USD"})
        for row in rows:
            each = 0.10 if "a100" in list(row["settings"].values())[0] else 9
            self.assertAlmostEqual(row["cost"] / (row["seconds"] * 8 * each / 3600 * 1e12 / row["size_bytes"]), 1, 9)

    def test_a_point_is_what_run_says(self):
        data = json.loads(self.prints("sweep", self.write(SWEEP), "--json"))
        row = next(row for row in data["rows"] if row["settings"] == {
            "topology.name": "dgx-h100", "collective.ranks": "4", "collective.algorithm": "ring"} and
                   row["size_bytes"] == 1 << 20)
        alone = json.loads(self.prints("run", "--topology", "dgx-h100", "--collective", "all_reduce", "--ranks", "4",
                                       "--algorithm", "ring", "--sizes", "1M", "--json"))
        self.assertAlmostEqual(alone["results"][0]["rows"][0]["time_us"] / 1e6 / row["seconds"], 1, 12)

    def test_threads_change_nothing(self):
        path = self.write(SWEEP)
        for form in ("--csv", "--json", "--all"):
            self.assertEqual(self.prints("sweep", path, form, "--threads", "1"),
                             self.prints("sweep", path, form, "--threads", "7"))

    def test_a_sweep_that_is_killed_goes_on(self):
        path = self.write(LONG)
        whole = self.prints("sweep", path, "--csv")
        before = []
        for _ in range(2):
            running = subprocess.Popen([PROGRAM, "sweep", path, "--store", self.store, "--csv"],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            size = -1
            while running.poll() is None and size < 600000:
                time.sleep(0.01)
                log = self.store + "-wal"
                size = os.path.getsize(log) if os.path.exists(log) else -1
            running.send_signal(signal.SIGKILL)
            running.wait()
            self.assertEqual(running.returncode, -signal.SIGKILL, "finished before it could be killed")
            kept = self.points()
            self.assertGreater(len(kept), len(before))
            self.assertLess(len(kept), LONG_POINTS)
            self.assertLessEqual(set(before), set(kept))
            before = kept
        self.assertEqual(self.prints("sweep", path, "--store", self.store, "--csv"), whole)
        kept = self.points()
        self.assertEqual((len(kept), len(set(kept))), (LONG_POINTS, LONG_POINTS))

    def test_what_the_store_has_is_not_run_again(self):
        path = self.write(SWEEP)
        whole = self.prints("sweep", path, "--store", self.store, "--csv")
        self.change("UPDATE rows SET seconds = 7 WHERE number = 5")
        again = self.prints("sweep", path, "--store", self.store, "--csv")
        self.assertNotEqual(again, whole)
        self.assertIn(",7,", again)

    def test_shares_of_many_processes_make_the_whole(self):
        path = self.write(SWEEP)
        parts = [subprocess.Popen([PROGRAM, "sweep", path, "--store", self.store, "--part", f"{i}/4"],
                                  stdout=subprocess.DEVNULL) for i in range(1, 5)]
        self.assertEqual([part.wait() for part in parts], [DONE] * 4)
        self.assertEqual(sorted(self.points()), list(range(18)))
        self.assertEqual(self.prints("sweep", path, "--store", self.store, "--csv"), self.prints("sweep", path, "--csv"))

    def test_a_sample_is_the_same_each_time(self):
        path = self.write(LONG + "random=40\nseed=3\n")
        first = self.prints("sweep", path, "--csv")
        self.assertEqual(first, self.prints("sweep", path, "--csv"))
        self.assertEqual(first.count("\n"), 41)
        self.assertNotEqual(first, self.prints("sweep", path, "--csv", "--set", "sweep.seed=4"))

    def test_stores_of_something_else_are_refused(self):
        path = self.write(SWEEP)
        self.prints("sweep", path, "--store", self.store)
        self.refuses("another scenario, or of this one before it was changed", "sweep", path, "--store", self.store,
                     "--set", "collective.peer=sys")
        self.change("UPDATE sweep SET version = '0.0.9'")
        self.refuses("was written by fabricast 0.0.9", "sweep", path, "--store", self.store)
        self.change("PRAGMA user_version = 99")
        self.refuses("in the form of another version", "sweep", path, "--store", self.store)
        with open(self.store, "wb") as file:
            file.write(b"no database at all, but long enough to look like one " * 40)
        self.refuses("is not a store that a sweep wrote", "sweep", path, "--store", self.store)
        other = os.path.join(self.folder, "other.db")
        with contextlib.closing(sqlite3.connect(other)) as base:
            base.execute("CREATE TABLE mine (x)")
        self.refuses("no sweep wrote", "sweep", path, "--store", other)
        self.refuses("unable to open", "sweep", path, "--store", os.path.join(self.folder, "none", "x.db"))

    def test_a_store_in_use_is_not_shared_by_chance(self):
        path = self.write(SWEEP)
        self.prints("sweep", path, "--store", self.store)
        base = sqlite3.connect(self.store, isolation_level=None)
        base.execute("BEGIN IMMEDIATE")
        self.refuses("another sweep is writing into it", "sweep", path, "--store", self.store)
        base.close()

    def test_a_full_disk_ends_it_and_it_goes_on(self):
        path = self.write(LONG)

        def limit():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (200000, 200000))

        done = fabricast("sweep", path, "--store", self.store, preexec_fn=limit)
        self.assertEqual(done.returncode, SYSTEM, done.stderr)
        self.assertRegex(done.stderr, "the store of the sweep cannot be used")
        self.assertEqual(self.prints("sweep", path, "--store", self.store, "--csv").count("\n"), LONG_POINTS + 1)

    def test_bad_sweeps_are_refused(self):
        def refuses(pattern, text, *more):
            self.refuses(pattern, "sweep", self.write(text), *more)

        head = LONG.split("collective.sizes")[0]
        refuses("needs a .sweep. with keys to vary", head)
        refuses("is not a range", head + "collective.ranks=8..2\n")
        refuses("is not a range", head + "collective.ranks=1..8*1\n")
        refuses("is not a range", head + "collective.sizes=1..900000\n")
        refuses("empty value", head + "collective.ranks=2||4\n")
        refuses("ranks is not known; accepted", head + "ranks=2\n")
        refuses("at most 1000000", head + "collective.root=0..1999\ncollective.ranks=1..1000\n")
        refuses("did you mean", head + "collective.rnks=2|4\n")
        refuses("no point of the sweep is possible", head + "collective.ranks=64|65\n")
        refuses("no such file", head + "calibration.file=none.ini|nothing.ini\n")
        refuses("--part is", LONG, "--part", "5/4")
        refuses("--threads is", LONG, "--threads", "-1")
        refuses("one currency", head + "price.gpu_hour=2 USD/h | 2 EUR/h\n" + "price.date=2025-11\nprice.source=x\n")


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
