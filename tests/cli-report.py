#!/usr/bin/env python3
"""Runs report as its page says: good runs, and bad input against exit status and message.

cli-report.py PROGRAM SCENARIOS
"""

import contextlib
import html.parser
import json
import os
import shutil
import sqlite3
import sys
import unittest

from program import Case, fabricast

SCENARIOS = os.path.abspath(sys.argv[2])
VOID = {"meta", "img", "br", "hr", "input", "link"}
PRICE = ("--set", "price.machine=9000 USD", "--set", "price.years=3", "--set", "price.date=2025-11",
         "--set", "price.source=a quote of <us>", "--set", "power.machine=0.9 kW", "--set", "power.kwh=0.2 USD/kWh",
         "--set", "power.date=2025-10", "--set", "power.source=a bill")

SWEEP = """[topology]
name=dgx-h100
[collective]
operation=all_reduce
sizes=1M;64M;1G
[price]
date=2025-11
source=a quote
[sweep]
topology.name & price.gpu_hour=dgx-a100 & 1.10 USD/h | dgx-h100 & 2.90 USD/h
collective.ranks=2..8*2
collective.algorithm=ring | nvls | tree
"""


class Page(html.parser.HTMLParser):
    """Elements that are closed as they were opened, ids that are there once, headings."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.headings, self.faults = [], [], [], []
        self.counts = {}
        self.feed(text)
        self.faults += ["not closed: " + name for name in self.open]

    def handle_starttag(self, tag, attrs):
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID and "<" not in tag:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_endtag(self, tag):
        if self.open and self.open[-1] == tag:
            self.open.pop()
        else:
            self.faults.append(f"</{tag}> in {self.open[-3:]}")

    def handle_data(self, data):
        if self.open and self.open[-1] in ("h1", "h2"):
            self.headings.append(data.strip())


class Report(Case):
    def holds(self, text, part):
        self.assertTrue(part in text, "not on the page: " + part)

    def keep(self, name, *words):
        done = fabricast(*words, "--json", "-o", self.path(name))
        self.assertEqual(done.stderr, "", words)
        return self.path(name)

    def page(self, *words):
        text = self.prints("report", *words)
        page = Page(text)
        self.assertEqual(page.faults, [], words)
        self.assertEqual(len(page.ids), len(set(page.ids)), words)
        self.assertEqual(page.counts["h1"], 1)
        return text, page

    def test_two_scenarios_are_compared_explained_and_drawn(self):
        text, page = self.page("bridge-3090-removed", "bridge-3090", "--set", "sizes=1M;256M")
        for heading in ("The curves", "What binds", "Verdicts", "What is busy", "What more of each would buy",
                        "The machines", "How sure is this", "Assumptions and their sources",
                        "How to get the same figures"):
            self.assertIn(heading, page.headings)
        self.holds(text, "fabricast compare bridge-3090-removed.ini bridge-3090.ini")
        self.assertRegex(text, r"with an NVLink bridge: its critical path</caption>")
        self.assertRegex(text, r"with an NVLink bridge, 256 MiB: what binds in each phase</caption>")
        self.assertRegex(text, r"<th[^>]*>steady state</th>.*NVLink 3")
        self.holds(text, "fabricast run bridge-3090-removed.ini bridge-3090.ini")

    def test_draws_of_a_hash_are_in_the_answer(self):
        kept = self.keep("draws.json", "run", "--topology", "cluster", "--set", "topology.plugin=fat-tree", "--set",
                         "topology.node=dgx-a100", "--set", "topology.nodes=4", "--set", "topology.radix=16",
                         "--collective", "all_gather", "--sizes", "1M", "--seeds", "3")
        self.assertIn("the median of 3 draws of the network", self.page(kept)[0])

    def test_the_picture_of_a_machine_marks_what_its_faults_take(self):
        text, _ = self.page("faults-superpod", "--quick")
        for mark in ("down by a fault: 8", "1 of 3: 50 % left", "slower by a fault: 1"):
            self.assertIn(mark, text)

    def test_results_say_the_same_as_the_scenarios_they_come_from(self):
        a, b = "bridge-3090-removed", "bridge-3090"
        sets = ("--set", "sizes=1M;256M")
        kept = [self.keep("c.json", "compare", a, b, *sets), self.keep("r.json", "run", a, b, *sets),
                self.keep("a.json", "explain", a, *sets), self.keep("b.json", "explain", b, *sets)]
        self.assertTrue(self.prints("report", *kept) == self.prints("report", a, b, *sets))

    def test_every_kind_of_result_makes_a_page(self):
        kinds = {"training": ("run", "train-tensors-3090"), "inference": ("run", "serve-70b-h100"),
                 "memory": ("memory", "train-tensors-3090"), "explanation": ("explain", "train-tensors-3090"),
                 "sweep": ("sweep", "sweep-llama-8b"), "copies": ("run", "pcie-flows-one-switch"),
                 "claims": ("claims", os.path.join(SCENARIOS, "claims", "catalogue.ini")),
                 "validation": ("validate", "stas00-a100x8-allreduce")}
        for name, words in kinds.items():
            with self.subTest(name):
                _, page = self.page(self.keep(name + ".json", *words))
                self.assertGreater(len(page.headings), 1)

    def test_a_pipeline_is_drawn_over_time_with_its_memory(self):
        _, page = self.page("train-megatron-175b", "--quick", "--set", "training.global_batch=96")
        self.assertIn("The step over time", page.headings)
        self.assertIn("Memory", page.headings)

    def test_a_collective_is_drawn_over_time(self):
        text, page = self.page("bridge-3090-removed", "bridge-3090", "--quick", "--set", "sizes=1M;64M;16G")
        self.assertIn("The collective over time", page.headings)
        self.assertEqual(text.count(": what the channels do at 64 MiB</figcaption>"), 2)
        self.holds(text, "<title>recvReduceCopySend, step ")
        _, page = self.page("pcie-flows-one-switch", "--quick")
        self.assertNotIn("The collective over time", page.headings)

    def test_links_of_a_step_on_one_machine_show_how_busy_they_are(self):
        text, _ = self.page("train-tensors-3090", "--quick")
        self.holds(text, "Utilisation of links: training step")

    def test_faults_and_goodput_of_a_comparison_are_on_its_page(self):
        whole = self.write("whole.ini", "[topology]\nname=dgx-h100\n[collective]\noperation=all_reduce\nsizes=1M;64M\n")
        broken = self.write("broken.ini", "[topology]\nname=dgx-h100\n[collective]\noperation=all_reduce\nsizes=1M;64M\n"
                            "[fault slow]\nkind=slow-gpu\nat=GPU 1\nfactor=2\n")
        for words in ((whole, broken, "--quick"), (self.keep("c.json", "compare", whole, broken),)):
            text, page = self.page(*words)
            self.assertIn("Faults and failures", page.headings)
            self.holds(text, "slow: slow-gpu at GPU 1, 2 times as long")
            self.holds(text, "broken runs with faults.")
            self.assertFalse("whole runs with faults" in text)
        text, page = self.page(self.keep("none.json", "compare", whole, whole))
        self.holds(text, "the same from 1 MiB to 64 MiB")
        text, _ = self.page(broken, "--quick")
        self.holds(text, "There is no interval: no machine with such a fault was ever measured.")
        self.assertNotIn("Faults and failures", page.headings)
        text, page = self.page(self.keep("g.json", "compare", "goodput-175b", "goodput-175b"))
        self.assertIn("Faults and failures", page.headings)
        self.assertRegex(text, r"<td>nothing</td><td>\d[\d.]* %</td>")

    def test_a_long_run_with_failures_has_a_section(self):
        text, page = self.page("goodput-175b", "--quick")
        self.assertIn("A long run with failures", page.headings)
        self.holds(text, "work that lasts")

    def test_prices_stand_there_with_date_and_source(self):
        text, page = self.page("bridge-3090-removed", "bridge-3090", "--quick", "--set", "sizes=256M", *PRICE)
        self.assertIn("What it costs", page.headings)
        self.holds(text, "a quote of &lt;us&gt;")
        self.holds(text, "2025-11")

    def test_a_title_of_a_scenario_stays_text(self):
        text, _ = self.page("bridge-3090", "--quick", "--set", "sizes=1M", "--set",
                            "scenario.title=<script>alert(1)</script>")
        self.assertFalse("<script>alert" in text)
        self.holds(text, "&lt;script&gt;alert(1)&lt;/script&gt;")

    def test_the_title_is_the_heading(self):
        _, page = self.page("bridge-3090", "--quick", "--set", "sizes=1M", "--title", "For the board")
        self.assertEqual(page.headings[0], "For the board")

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def swept(self, *more):
        """A store of 18 points in three sizes, 3 of them not possible."""
        path = self.write("machines.ini", SWEEP)
        self.prints("sweep", path, "--store", self.path("kept.db"), *more)
        return self.path("kept.db")

    def change(self, store, *statements):
        with contextlib.closing(sqlite3.connect(store, isolation_level=None)) as base:
            for statement in statements:
                base.execute(statement)

    def test_a_store_makes_the_page_that_its_json_makes(self):
        store = self.swept()
        text, page = self.page(store)
        kept = self.keep("kept.json", "sweep", self.path("machines.ini"))
        self.assertTrue(text == self.prints("report", kept))
        self.assertIn("The points", page.headings)
        self.holds(text, "What is best of 18 points: “machines”?")
        self.holds(text, "At 1 GiB the quickest takes ")
        self.holds(text, "The best with each value of collective.algorithm: time of a TB, cost, 1 GiB")
        self.holds(text, "64 MiB: beaten by no other")
        self.holds(text, "machines, its quickest point: what the channels do at ")
        self.holds(text, "fabricast sweep machines.ini")
        self.assertIn("How sure is this", page.headings)
        self.holds(text, "Errors measured on machines of this kind")
        self.assertFalse(os.path.exists(store + "-wal"))

    def test_a_store_can_be_read_where_nothing_can_be_written(self):
        folder = self.path("fixed")
        os.mkdir(folder)
        store = shutil.copy(self.swept(), os.path.join(folder, "a b?.db"))
        os.chmod(store, 0o400)
        os.chmod(folder, 0o500)
        self.addCleanup(os.chmod, folder, 0o700)
        self.page(store)
        self.assertEqual(os.listdir(folder), ["a b?.db"])

    def test_a_store_that_is_not_whole_says_what_is_missing(self):
        text, _ = self.page(self.swept("--part", "1/3"))
        self.holds(text, "points so far")
        self.holds(text, "6 of 18")
        self.holds(text, "Of the sweep&#39;s points 12 are not run yet: this is the best so far.")

    def test_very_many_points_are_thinned_in_the_picture_and_nowhere_else(self):
        path = self.write("long.ini", "[topology]\nname=ws2-bridge-3090\n[collective]\noperation=all_reduce\n[sweep]\n"
                          "collective.channels=1..4\ncollective.sizes=1000..1000000+1000\n")
        self.prints("sweep", path, "--store", self.path("long.db"))
        text, _ = self.page(self.path("long.db"))
        self.assertRegex(text, r"\d+ of the points that are beaten are left out of this picture, evenly")
        self.assertLess(len(text), 4 << 20)

    def test_bad_stores_are_refused(self):
        store = self.swept()
        whole = self.path("whole.db")
        shutil.copy(store, whole)
        with contextlib.closing(sqlite3.connect(store, isolation_level=None)) as base:
            base.execute("UPDATE points SET refused = 'for a test' WHERE refused IS NOT NULL")
            base.execute("BEGIN IMMEDIATE")
            base.execute("DELETE FROM points")
            self.assertTrue(os.path.exists(store + "-wal"))
            # What is in the log is in the store; what was not committed is not.
            self.assertIn("the first because for a test.", self.page(store)[0])
        with contextlib.closing(sqlite3.connect(store, isolation_level=None)) as base:
            base.execute("PRAGMA locking_mode = EXCLUSIVE")
            base.execute("UPDATE points SET refused = 'once more' WHERE refused IS NOT NULL")
            self.refuses("kept.db: another sweep is writing into it", "report", store)
        changes = (("UPDATE sweep SET version = '0.0.9'", r"kept.db: was written by fabricast 0.0.9, this is"),
                   ("PRAGMA user_version = 2", "kept.db: is a store in the form of another version; name another store"),
                   ("PRAGMA application_id = 7", "kept.db: is a database that no sweep wrote"),
                   ("UPDATE rows SET seconds = 9e999", "kept.db: is damaged: 45 rows are not what a sweep writes"),
                   ("UPDATE inputs SET text = NULL", "kept.db: is damaged: it does not say of which scenario"),
                   ("UPDATE inputs SET text = '[sweep]' WHERE text IS NOT NULL", "kept.db: needs a .sweep. with keys"),
                   ("DELETE FROM rows; DELETE FROM points WHERE refused IS NULL",
                    "kept.db: has no point that is possible yet"))
        for change, pattern in changes:
            with self.subTest(change):
                shutil.copy(whole, store)
                self.change(store, *change.split("; "))
                self.refuses(pattern, "report", store)
        shutil.copy(whole, store)
        self.change(store, "UPDATE points SET number = 500 WHERE number = 17", "UPDATE rows SET number = 500 WHERE number = 17")
        self.refuses("is damaged: it has a point 500, the sweep has 18", "report", store)
        other = self.path("other.db")
        with contextlib.closing(sqlite3.connect(other)) as base:
            base.execute("CREATE TABLE mine (x)")
        self.refuses("other.db: is a database that no sweep wrote", "report", other)
        with open(whole, "rb") as file:
            data = file.read()
        for count in (100, 4096, len(data) // 2, len(data) - 1):
            with open(store, "wb") as file:
                file.write(data[:count])
            with self.subTest(bytes=count):
                self.refuses(r"kept.db: is (damaged|not a store that a sweep wrote)", "report", store)
        self.refuses("--set changes scenarios", "report", whole, "--set", "sizes=1M")

    def test_bad_input_is_refused(self):
        good = self.keep("good.json", "run", "bridge-3090", "--set", "sizes=1M")
        with open(good, encoding="utf-8") as file:
            text = file.read()
        data = json.loads(text)
        rows = data["results"][0]["rows"]
        bad = {"cut": (text[:400], "is not whole JSON"),
               "nan": (text.replace(f'"time_us": {rows[0]["time_us"]}', '"time_us": NaN'), "is not whole JSON"),
               "inf": (text.replace(f'"time_us": {rows[0]["time_us"]}', '"time_us": 1e999'), "not finite"),
               "empty": (json.dumps(dict(data, results=[])), '"results" is empty'),
               "version": (json.dumps(dict(data, schema_version=9)), '"schema_version" 9'),
               "other": ('{"schema": "fabricast-measured"}', '"schema" is fabricast-measured'),
               "nothing": ("", "is not whole JSON")}
        for name, (content, pattern) in bad.items():
            with self.subTest(name):
                with open(self.path(name + ".json"), "w", encoding="utf-8") as file:
                    file.write(content)
                self.refuses(pattern, "report", self.path(name + ".json"))
        even = self.keep("even.json", "compare", "all-reduce-dgx-a100", "all-reduce", "--break-even",
                         "collective.sizes=1M:4M")
        self.refuses("even.json: is a break-even, which has no page; name the scenarios, or the JSON of compare without "
                     "--break-even", "report", even)
        self.refuses("needs results or scenarios", "report")
        self.refuses("no-such", "report", "no-such")
        self.refuses("is a folder", "report", self.folder)
        self.refuses("--set changes scenarios", "report", good, "--set", "sizes=1M")
        self.refuses("only the same work", "report", "bridge-3090", "train-tensors-3090")
        self.refuses("unknown option", "report", good, "--titel=x")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
