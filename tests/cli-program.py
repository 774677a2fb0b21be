#!/usr/bin/env python3
"""Runs `fabricast program` as users do, and reads what it writes by the page that specifies it.

cli-program.py PROGRAM
"""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.path.abspath(sys.argv[1])
DONE, INPUT = 0, 2
RING = ("--topology", "dgx-h100", "--collective", "all_reduce", "--algorithm", "ring")


def fabricast(*words, **more):
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C"}
    for name in ("ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS"):
        if name in os.environ:
            environment[name] = os.environ[name]
    return subprocess.run([PROGRAM, *words], env=environment, stdin=subprocess.DEVNULL, timeout=120,
                          capture_output=True, text=True, **more)


class Cli(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def prints(self, *words):
        ran = fabricast(*words)
        self.assertEqual((ran.returncode, ran.stderr), (DONE, ""), words)
        return ran.stdout

    def refuses(self, pattern, *words, status=INPUT):
        ran = fabricast(*words)
        self.assertEqual((ran.returncode, ran.stdout), (status, ""), words)
        self.assertRegex(ran.stderr, r"\Afabricast: [^\n]+\n\Z", words)
        self.assertRegex(ran.stderr, pattern, words)


class Export(Cli):
    def test_every_line_is_where_the_page_says(self):
        lines = [line.split(" ") for line in self.prints("program", "export", *RING, "--protocol", "simple", "--sizes",
                                                               "1M").splitlines()
                 if not line.startswith("#")]
        take = iter(lines)

        def value(key):
            words = next(take)
            self.assertEqual((words[0], len(words)), (key, 2))
            return int(words[1]) if words[1].isdigit() else words[1]

        self.assertEqual(value("fabricast-program"), 1)
        self.assertEqual(value("program"), "all_reduce-ring-simple-1048576")
        self.assertEqual([value("collective"), value("algorithm"), value("protocol")], ["all_reduce", "ring", "simple"])
        self.assertEqual(next(take), ["datatype", "float", "4"])
        self.assertEqual(value("reduction"), "sum")
        self.assertEqual([value(key) for key in ("size", "piece", "root", "in-place", "one-way", "input", "output",
                                                 "scratch")],
                         [1 << 20, 1 << 17, 0, 0, 0, 1 << 20, 1 << 20, 0])
        for key in ("slice", "slots", "threads"):
            self.assertGreater(value(key), 0)
        ranks, channels = value("ranks"), value("channels")
        self.assertEqual((ranks, value("roles"), value("share")), (8, 1, 1000))
        self.assertEqual([value("gpu") for _ in range(ranks)], list(range(8)))
        connections = value("connections")
        self.assertEqual(connections, ranks * channels)
        ends = [list(map(int, next(take)[1:])) for _ in range(connections)]
        sent = received = 0
        for _ in range(value("streams")):
            key, rank, channel, role, steps = next(take)
            self.assertEqual(key, "stream")
            for _ in range(int(steps)):
                words = next(take)
                self.assertEqual(words[0], "step")
                recvs, sends = int(words[6]), int(words[7])
                self.assertEqual(len(words), 8 + recvs + sends)
                for number in map(int, words[8:8 + recvs]):
                    self.assertEqual(ends[number][3:], [int(rank), int(channel), int(role)])
                    received += int(words[1])
                for number in map(int, words[8 + recvs:]):
                    self.assertEqual(ends[number][:3], [int(rank), int(channel), int(role)])
                    sent += int(words[1])
        self.assertEqual(sent, received)
        self.assertEqual(sent, 2 * 7 * (1 << 20))  # 2 (n - 1) / n of the buffer from each of n ranks
        self.assertEqual(next(take), ["end"])
        self.assertEqual(list(take), [])

    def test_a_file_appears_whole_or_not_at_all(self):
        text = self.prints("program", "export", *RING, "--sizes", "1K,2K")
        self.assertEqual(text.count("\nprogram "), 2)
        self.assertEqual(self.prints("program", "export", *RING, "--sizes", "1K,2K", "-o", self.path("a.prog")), "")
        with open(self.path("a.prog"), encoding="ascii") as file:
            self.assertEqual(file.read(), text)
        self.refuses(r"more than 4194304 steps; take fewer", "program", "export", *RING, "--sizes", "1K,1G", "--chunk",
                     "64", "--slice", "64", "--slots", "2", "-o", self.path("a.prog"))
        with open(self.path("a.prog"), encoding="ascii") as file:
            self.assertEqual(file.read(), text)
        self.assertEqual(os.listdir(self.folder), ["a.prog"])

    def test_a_scenario_file_gives_the_same(self):
        with open(self.path("case.ini"), "w") as file:
            file.write("[topology]\nname=dgx-h100\n[collective]\noperation=all_reduce\nalgorithm=ring\nsizes=1K\n")
        text = self.prints("program", "export", self.path("case.ini"))
        self.assertEqual(text.splitlines()[2:], self.prints("program", "export", *RING, "--sizes",
                                                            "1K").splitlines()[2:])

    def test_what_cannot_be_exported_is_said_in_one_line(self):
        self.refuses(r"1 GiB runs nvls, whose steps the switch or the network performs", "program", "export",
                     "--topology", "dgx-h100", "--collective", "all_reduce", "--sizes", "1G")
        self.refuses(r"has \[transfer\], only a \[collective\] has channel programs", "program", "export", "--topology",
                     "dgx-h100", "--transfer", "0>1")
        self.refuses(r"size is 10, must be a multiple of the 4 bytes of a float", "program", "export", *RING,
                     "--sizes", "10")
        self.refuses(r"reduction is avg", "program", "export", *RING, "--reduction", "avg")
        self.refuses(r"--sizes: .*1X", "program", "export", *RING, "--sizes", "1X")
        self.refuses(r"no-such\.ini: no such file", "program", "export", "no-such.ini")
        self.refuses(r"one argument too many", "program", "export", "a.ini", "b.ini")
        self.refuses(r"needs a scenario, or --topology and --collective", "program", "export")
        self.refuses(r'program has no command "exprot"; did you mean export\?', "program", "exprot")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
