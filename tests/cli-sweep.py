#!/usr/bin/env python3
"""Runs sweeps as their page says: killed, shared, merged, on a full disk; bad input against exit status and message.

cli-sweep.py PROGRAM TOPOLOGIES
"""

import contextlib
import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import unittest

from program import DONE, PROGRAM, SYSTEM, Case, environment, fabricast

TOPOLOGIES = os.path.abspath(sys.argv[2])
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
        super().setUp()
        self.store = self.path("points.db")

    def write(self, text):
        return super().write("sweep.ini", text)

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

    def test_points_that_are_gone_on_to_from_smaller_machines_say_so(self):
        text = ("[topology]\nname=cluster\nnode=dgx-h100\nplugin=fat-tree\nlevels=3\nrouting=spray\n[collective]\n"
                "operation=all_reduce\nsizes=256M\n[sweep]\ntopology.nodes=512 | 2\n")
        path = self.write(text)
        rows = json.loads(self.prints("sweep", path, "--json", "--store", self.store))["rows"]
        self.assertEqual([row["extrapolated"] for row in rows], [True, False])
        table = self.prints("sweep", path, "--all", "--store", self.store)
        self.assertRegex(table, r"topology.nodes=512 .*, extrapolated\n")
        self.assertRegex(table, r"\n# extrapolated: from smaller trees.* collective.fold=off simulates every rank\n")
        self.assertIn("extrapolated", self.prints("sweep", path, "--csv", "--store", self.store).split("\n")[0].split(","))
        one = self.write(text.split("[sweep]")[0])
        compared = self.prints("compare", one, one, "--set", "topology.nodes=512")
        self.assertRegex(compared, r"\n# A extrapolated from smaller trees.*: 256 MiB; fold=off")

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
        self.refuses('another scenario, or of this one before it was changed: "nothing" there is "peer=sys" here',
                     "sweep", path, "--store", self.store, "--set", "collective.peer=sys")
        self.write(SWEEP.replace("2..8*2", "2..8"))
        self.refuses('"collective.ranks=2..8.2" there is "collective.ranks=2..8" here', "sweep", path, "--store",
                     self.store)
        self.write(SWEEP)
        self.change("UPDATE sweep SET version = '0.0.9'")
        self.refuses("was written by fabricast 0.0.9", "sweep", path, "--store", self.store)
        self.change("PRAGMA user_version = 99")
        self.refuses("in the form of another version", "sweep", path, "--store", self.store)
        with open(self.store, "wb") as file:
            file.write(b"no database at all, but long enough to look like one " * 40)
        self.refuses("is not a store that a sweep wrote", "sweep", path, "--store", self.store)
        other = self.path("other.db")
        with contextlib.closing(sqlite3.connect(other)) as base:
            base.execute("CREATE TABLE mine (x)")
        self.refuses("no sweep wrote", "sweep", path, "--store", other)
        self.refuses("unable to open", "sweep", path, "--store", os.path.join(self.folder, "none", "x.db"))

    def test_rows_that_no_sweep_writes_are_refused(self):
        path, other = self.write(SWEEP), self.path("other.db")
        self.prints("sweep", path, "--store", self.store)
        shutil.copy(self.store, other)
        for change in ("seconds=-5", "seconds=0", "seconds=9e999", "seconds='x'", "gpus=-8", "gpus=0", "gpus=5000000000",
                       "gpus=2.5", "size_bytes=-1", "low_s='a'", "high_s=9e999", "low_s=2, high_s=1", "work=0",
                       "algbw=-1", "fits=7", "extrapolated=2", "cost='much'", "cost=-1", "binding=x'00ff'", "place=-1", "number=500"):
            shutil.copy(other, self.store)
            self.change("UPDATE rows SET " + change + " WHERE rowid = (SELECT max(rowid) FROM rows)")
            self.refuses(r"points\.db: is damaged: 1 rows are not what a sweep writes; name another store", "sweep",
                         path, "--store", self.store)
        self.refuses(r"points\.db: is damaged", "sweep", path, "--store", self.path("whole.db"), "--merge",
                     self.store)
        shutil.copy(other, self.store)
        for table in ("points", "rows"):
            self.change("UPDATE " + table + " SET number = 500 WHERE number = 17")
        self.refuses(r"points\.db: is damaged: it has a point 500, the sweep has 18", "sweep", path, "--store", self.store)

    def test_what_is_no_file_is_no_store(self):
        path = self.write(SWEEP)
        pipe = self.path("pipe")
        os.mkfifo(pipe)
        self.refuses("pipe: is a pipe, a store is a file on a disk", "sweep", path, "--store", pipe)
        self.refuses("is a folder, a store is a file on a disk", "sweep", path, "--store", self.folder)
        self.refuses("is a device, a store", "sweep", path, "--store", "/dev/full")
        self.refuses("command line: --store is empty, must name a file", "sweep", path, "--store", "")
        self.prints("sweep", path, "--store", ":memory:", cwd=self.folder)
        self.assertTrue(os.path.exists(self.path(":memory:")))

    def test_a_change_of_what_points_depend_on_is_noticed_and_named(self):
        """The machine's file beside the scenario, the catalogue's, the calibration, the plugin, the constants."""
        machine = self.path("mine.ini")
        shutil.copy(os.path.join(TOPOLOGIES, "dgx-h100.ini"), machine)
        constants = self.path("fitted.ini")
        with open(constants, "w", encoding="utf-8") as file:
            file.write("[calibration]\nformat=1\n[hopper]\nlaunch_us=5 us\n")
        path = self.write(SWEEP.replace("dgx-a100", "mine.ini").replace("operation", "channels=4\noperation") +
                          "calibration.file=fitted.ini\n")
        whole = self.prints("sweep", path, "--store", self.store, "--csv")
        self.assertEqual(self.prints("sweep", path, "--store", self.store, "--csv"), whole)
        for name, changed in (("mine.ini", machine), ("fitted.ini", constants)):
            with open(changed, "r+", encoding="utf-8") as file:
                before = file.read()
                file.write("# something was added\n")
            self.refuses(f"points.db: {name} has changed since its points were found; name another store", "sweep", path,
                         "--store", self.store)
            with open(changed, "w", encoding="utf-8") as file:
                file.write(before)
        catalogue = self.path("catalogue")
        os.mkdir(catalogue)
        self.prints("sweep", path, "--store", self.store, "--topology-dir", catalogue)
        with open(os.path.join(TOPOLOGIES, "dgx-h100.ini"), encoding="utf-8") as file:
            text = file.read()
        with open(os.path.join(catalogue, "dgx-h100.ini"), "w", encoding="utf-8") as file:
            file.write(text + "# mine\n")
        self.refuses("dgx-h100.ini has changed", "sweep", path, "--store", self.store, "--topology-dir", catalogue)
        for name in ("nvswitch.so", "the program's constants", "gpus.ini"):
            self.change(f"UPDATE inputs SET digest = digest || '0' WHERE name = \"{name}\"")
            self.refuses(f"{name} has changed", "sweep", path, "--store", self.store)
            self.change(f"UPDATE inputs SET digest = substr(digest, 1, 64) WHERE name = \"{name}\"")
        self.assertEqual(self.prints("sweep", path, "--store", self.store, "--csv"), whole)

    def test_a_change_of_a_trace_is_noticed(self):
        data = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "chakra")
        for rank in (0, 1):
            shutil.copy(os.path.join(data, f"layer.{rank}.et"), self.folder)
        path = self.write("[topology]\nname=dgx-h100\n[trace]\nfiles=layer\n[sweep]\n"
                          "topology.name=dgx-a100 | dgx-h100\n")
        self.prints("sweep", path, "--store", self.store)
        self.prints("sweep", path, "--store", self.store)
        with open(self.path("layer.1.et"), "ab") as file:
            file.write(b"\x00")
        self.refuses("layer.1.et has changed since its points were found", "sweep", path, "--store", self.store)

    def share(self, path, part, env=None):
        store = self.path(f"part-{part.replace('/', '-of-')}.db")
        self.prints("sweep", path, "--store", store, "--part", "slurm" if env else part, env=env)
        return store

    def test_stores_of_shares_are_merged(self):
        path = self.write(SWEEP)
        whole = self.prints("sweep", path, "--csv")
        stores = [self.share(path, f"{i}/3") for i in (1, 2, 3)]
        self.assertEqual(self.prints("sweep", path, "--merge", *stores, "--csv"), whole)
        some = self.prints("sweep", path, "--merge", stores[0], stores[2], "--store", self.store)
        self.assertIn("12 of 18 points", some)
        # What is missing can be run, and a store that was taken already changes nothing.
        self.assertEqual(self.prints("sweep", path, "--store", self.store, "--csv"), whole)
        self.assertEqual(self.prints("sweep", path, "--merge", *stores, "--store", self.store, "--csv"), whole)
        self.assertEqual(sorted(self.points()), list(range(18)))

    def test_a_share_without_a_possible_point_is_no_error(self):
        path = self.write(SWEEP.split("topology.name=dgx-a100")[0] + "collective.ranks=2|4\ncollective.algorithm=ring|nvls\n"
                          "topology.name=dgx-a100\n")
        stores = [self.share(path, f"{i}/2") for i in (1, 2)]  # the second has all of nvls
        text = self.prints("sweep", path, "--merge", stores[1])
        self.assertIn("2 of 4 points\n# 0 of 0 rows shown\n# 2 points are not possible", text)
        self.assertEqual(self.prints("sweep", path, "--merge", *stores, "--csv"), self.prints("sweep", path, "--csv"))

    def test_what_cannot_be_merged_is_said(self):
        path = self.write(SWEEP)
        part = self.share(path, "1/2")
        merge = ("sweep", path, "--store", self.store, "--merge")
        self.refuses("--merge needs stores after the scenario", *merge)
        self.refuses("exclude each other", *merge, part, "--part", "1/2")
        self.refuses("a sweep takes one scenario; stores are joined with --merge", "sweep", path, part)
        self.refuses("none.db: no such file", *merge, self.path("none.db"))
        self.assertFalse(os.path.exists(self.path("none.db")))
        self.prints(*merge, part)
        self.refuses("is the store itself", *merge, self.store)
        self.refuses('"nothing" there is "peer=sys" here', "sweep", path, "--merge", part, "--set", "collective.peer=sys")
        with contextlib.closing(sqlite3.connect(part, isolation_level=None)) as base:
            base.execute("BEGIN IMMEDIATE")
            self.refuses("part-1-of-2.db: .*|another sweep is writing into it", *merge, part)
            base.execute("ROLLBACK")
            base.execute("UPDATE rows SET seconds = 7 WHERE number = 6")
        self.refuses("part-1-of-2.db: point 6 came out differently than in .*points.db", *merge, part)
        with contextlib.closing(sqlite3.connect(part, isolation_level=None)) as base:
            base.execute("UPDATE sweep SET version = '0.0.9'")
        self.refuses("part-1-of-2.db: was written by fabricast 0.0.9", *merge, part)
        with open(part, "wb") as file:
            file.write(b"no database at all, but long enough to look like one " * 40)
        self.refuses("part-1-of-2.db: is not a store that a sweep wrote", *merge, part)
        self.assertEqual(sorted(self.points()), list(range(0, 18, 2)))

    def slurm(self, task, first, last, step):
        tasks = range(first, last + 1, step)
        return environment(SLURM_ARRAY_TASK_ID=str(task), SLURM_ARRAY_TASK_COUNT=str(len(tasks)),
                           SLURM_ARRAY_TASK_MIN=str(first), SLURM_ARRAY_TASK_MAX=str(last),
                           SLURM_ARRAY_TASK_STEP=str(step))

    def test_tasks_of_a_slurm_array_take_a_share_each(self):
        path = self.write(SWEEP)
        whole = self.prints("sweep", path, "--csv")
        for first, last, step in ((1, 4, 1), (0, 3, 1), (3, 11, 4)):
            stores = [self.share(path, f"{first}-{task}/{last}", self.slurm(task, first, last, step))
                      for task in range(first, last + 1, step)]
            counts = []
            for store in stores:
                with contextlib.closing(sqlite3.connect(store)) as base:
                    counts.append(base.execute("SELECT count(*) FROM points").fetchone()[0])
            self.assertEqual(sum(counts), 18)
            self.assertEqual(self.prints("sweep", path, "--merge", *stores, "--csv"), whole)

    def test_tasks_that_are_no_whole_array_are_refused(self):
        path = self.write(SWEEP)
        for change, pattern in (({"SLURM_ARRAY_TASK_COUNT": "3"}, "needs an array without gaps"),
                                ({"SLURM_ARRAY_TASK_ID": "x"}, 'SLURM_ARRAY_TASK_ID is "x"')):
            self.refuses(pattern, "sweep", path, "--part", "slurm", env={**self.slurm(2, 1, 4, 1), **change})
        self.refuses('SLURM_ARRAY_TASK_ID is "not set"', "sweep", path, "--part", "slurm")

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
        self.assertRegex(done.stderr, "points.db: cannot be written any further; what is in it is kept: make room and "
                                      r"start the sweep again \(.*\)")
        self.assertGreater(len(self.points()), 0)
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
        for key in ("sizes", "collective.sizes"):
            refuses(r"--set %s=1G: collective.sizes is varied by \[sweep\], leave one out" % key, LONG, "--set",
                    key + "=1G")
        refuses(r"varied by \[sweep\]", SWEEP, "--set", "algorithm=tree")
        refuses(r"varied by \[sweep\]", head + "topology.name & price.gpu_hour=dgx-a100 & 1 USD/h\n", "--set",
                "price.gpu_hour=2 USD/h")
        refuses("one currency", head + "price.gpu_hour=2 USD/h | 2 EUR/h\n" + "price.date=2025-11\nprice.source=x\n")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
