#!/usr/bin/env python3
"""Runs report as its page says: good runs, and bad input against exit status and message.

cli-report.py PROGRAM SCENARIOS
"""

import html.parser
import json
import os
import subprocess
import sys
import tempfile
import unittest

PROGRAM, SCENARIOS = (os.path.abspath(path) for path in sys.argv[1:3])
DONE, INPUT = 0, 2
VOID = {"meta", "img", "br", "hr", "input", "link"}
PRICE = ("--set", "price.machine=9000 USD", "--set", "price.years=3", "--set", "price.date=2025-11",
         "--set", "price.source=a quote of <us>", "--set", "power.machine=0.9 kW", "--set", "power.kwh=0.2 USD/kWh",
         "--set", "power.date=2025-10", "--set", "power.source=a bill")


def fabricast(*words):
    return subprocess.run([PROGRAM, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, timeout=300, check=False)


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


class Report(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def prints(self, *words):
        done = fabricast(*words)
        self.assertEqual((done.returncode, done.stderr), (DONE, ""), words)
        return done.stdout

    def refuses(self, pattern, *words):
        done = fabricast(*words)
        self.assertEqual(done.returncode, INPUT, (words, done.stdout[:200], done.stderr))
        self.assertRegex(done.stderr, pattern)
        self.assertEqual((done.stderr.count("\n"), done.stdout), (1, ""))

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
        self.holds(text, "fabricast run bridge-3090-removed.ini bridge-3090.ini")

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

    def test_links_of_a_step_on_one_machine_show_how_busy_they_are(self):
        text, _ = self.page("train-tensors-3090", "--quick")
        self.holds(text, "Utilisation of links: training step")

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
        fabricast("sweep", "sweep-llama-8b", "--store", self.path("kept.db"), "-q")
        self.refuses("is the store of a sweep", "report", self.path("kept.db"))
        self.refuses("needs results or scenarios", "report")
        self.refuses("no-such", "report", "no-such")
        self.refuses("is a folder", "report", self.folder.name)
        self.refuses("--set changes scenarios", "report", good, "--set", "sizes=1M")
        self.refuses("only the same work", "report", "bridge-3090", "train-tensors-3090")
        self.refuses("unknown option", "report", good, "--titel=x")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
