#!/usr/bin/env python3
"""Runs `fabricast program` and `fabricast measure` as users do, and reads programs by the page that specifies them.

cli-program.py PROGRAM FABRICAST-MEASURE
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
import unittest

from program import DONE, INPUT, NO, PROGRAM, SYSTEM, Case, environment, fabricast

MEASURE = os.path.abspath(sys.argv[2])
LOOPBACK = ("--topology", "loopback-h200", "--collective", "all_reduce", "--algorithm", "ring")
RING = ("--topology", "dgx-h100", "--collective", "all_reduce", "--algorithm", "ring")

# Stands for fabricast-measure: says of every program twice its number of steps as its time.
PRETENDER = """#!/usr/bin/env python3
import json, sys
assert sys.argv[1:4:2] == ["program", sys.argv[3]] and sys.argv[2] == "--program" and sys.argv[4] == "--json", sys.argv
rows = []
for line in open(sys.argv[3]):
    words = line.split()
    if words[0] == "size":
        rows.append({"test": "program", "variant": "", "gpus": "0", "ctas": None, "size_bytes": int(words[1]),
                     "metric": "time", "value": 0, "low": 1.5, "high": None, "samples": 20, "unit": "us"})
    if words[0] == "stream":
        rows[-1]["value"] += 2 * int(words[4])
print(json.dumps({"machine": "h200-x1", "tables": [{"id": "a", "system": {"gpu": "Pretended GPU"}, "rows": rows}]}))
"""


class Export(Case):
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


class Show(Case):
    def test_steps_have_nccls_names(self):
        lines = self.prints("program", "show", *RING, "--ranks", "3", "--sizes", "3K", "--channels", "2").splitlines()
        self.assertRegex(lines[0], r"^# all_reduce ring ll, 3 KiB over 3 ranks: 2 channels, slices of at most ")
        steps = [line.split() for line in lines if not line.startswith("#")]
        self.assertEqual([step[4] for step in steps],
                         ["send", "recvReduceSend", "recvReduceCopySend", "recvCopySend", "recv"])
        self.assertEqual({tuple(step[:3]) for step in steps}, {("0", "0", "0")})
        every = self.prints("program", "show", *RING, "--ranks", "3", "--sizes", "3K", "--channels", "2", "--all")
        self.assertEqual(len(every.splitlines()), 2 + 5 * 3 * 2)

    def test_the_switch_is_named_where_it_works(self):
        self.assertIn("(by the switch)", self.prints("program", "show", "--topology", "dgx-h100", "--collective",
                                                     "all_reduce", "--algorithm", "nvls", "--sizes", "1M"))

    def test_ranks_and_channels_that_are_not_there_are_refused(self):
        self.refuses(r"--rank is 8, must be between 0 and 7", "program", "show", *RING, "--sizes", "1K", "--rank", "8")
        self.refuses(r"--channel is 1, must be between 0 and 0", "program", "show", *RING, "--sizes", "1K", "--channel",
                     "1")
        self.refuses(r"must be 0 or more", "program", "show", *RING, "--sizes", "1K", "--rank=-1")


class Check(Case):
    def export(self):
        self.prints("program", "export", *RING, "--sizes", "1K,64K", "-o", self.path("a.prog"))
        with open(self.path("a.prog"), encoding="ascii") as file:
            return file.read()

    def check(self, text, status):
        with open(self.path("a.prog"), "w", encoding="ascii") as file:
            file.write(text)
        return self.prints("program", "check", self.path("a.prog"), status=status).splitlines()

    def test_what_is_exported_is_right(self):
        lines = self.check(self.export(), DONE)
        self.assertRegex(lines[0], r"a\.prog: right: all_reduce ring, 1 KiB over 8 ranks, 1 channels$")
        self.assertEqual(len(lines), 2)

    def test_a_program_that_moves_the_wrong_bytes_is_wrong(self):
        lines = self.check(self.export().replace("step 128 i 896 ", "step 128 i 0 ", 1), NO)
        self.assertRegex(lines[0], r": wrong: 1 KiB: all_reduce ring: byte 896 of the output of rank \d is wrong$")
        self.assertIn(": right: ", lines[1])

    def test_a_program_that_waits_for_ever_is_wrong(self):
        lines = self.check(re.sub(r"(stream \d 0 0 15\n)(.*\n)(.*\n)", r"\1\3\2", self.export()), NO)
        self.assertRegex(lines[0], r"wrong: 1 KiB: all_reduce ring: deadlock: rank 0 channel 0 role 0 waits at step 0")

    def test_a_head_that_does_not_fit_is_said(self):
        self.assertRegex(self.check(self.export().replace("piece 128", "piece 144", 1), NO)[0],
                         "piece is not the longest")
        self.assertRegex(self.check(self.export().replace("collective all_reduce", "collective all_reduc", 1), NO)[0],
                         "collective is not known")
        self.assertRegex(self.check(self.export().replace("output 1024", "output 2048", 1), NO)[0],
                         "input or output have not the bytes")
        self.refuses(r"no-such: no such file", "program", "check", "no-such")
        self.refuses(r"check needs a program file", "program", "check")


class Measure(Case):
    def program(self, text, name="fabricast-measure"):
        path = self.write(name, text)
        os.chmod(path, 0o755)
        return ("--program-path", path)

    def measure(self, *more, status=DONE, **settings):
        return self.prints("measure", *LOOPBACK, "--sizes", "64K,1M", *more, status=status, **settings)

    def test_both_columns_and_the_error_are_printed(self):
        text = self.measure(*self.program(PRETENDER))
        rows = [line.split() for line in text.splitlines() if not line.startswith("#")]
        steps = [text.count("\nstep ") for text in self.prints("program", "export", *LOOPBACK, "--sizes", "64K,1M")
                 .split("\nprogram ")[1:]]
        self.assertEqual([row[0] for row in rows], ["65536", "1048576"])
        predicted = [float(row["time_us"]) for row in
                     json.loads(self.prints("run", *LOOPBACK, "--sizes", "64K,1M", "--json"))["results"][0]["rows"]]
        for row, count, time in zip(rows, steps, predicted):
            self.assertEqual(float(row[2]), 2 * count)
            self.assertAlmostEqual(float(row[1]), time, delta=0.006)
            self.assertAlmostEqual(float(row[5]), (time / (2 * count) - 1) * 100, delta=0.01)
            self.assertEqual(row[3:5], ["1.50", "-"])
        self.assertIn("# measured  on Pretended GPU by ", text)
        self.assertRegex(text, r"\n# mean error [0-9.]+ % of 2 sizes, predictions are [0-9.]+ % too (slow|fast)\n")

    def test_json_has_the_same_figures(self):
        document = json.loads(self.measure(*self.program(PRETENDER), "--json"))
        self.assertEqual((document["schema"], document["gpu"], document["wrong"]),
                         ("fabricast-measured", "Pretended GPU", None))
        self.assertEqual([row["size_bytes"] for row in document["rows"]], [65536, 1048576])
        for row in document["rows"]:
            self.assertAlmostEqual(row["error"], row["predicted_us"] / row["measured_us"] - 1)

    def test_it_is_found_in_the_path_and_takes_more_options(self):
        more = "assert sys.argv[5:] == ['--repeats=50', '--gpus', '0']"
        self.program(PRETENDER.replace("rows = []", "rows = []; " + more))
        text = self.measure("--pass=--repeats=50", "--pass=--gpus", "--pass=0",
                            env=environment(PATH=f"{self.folder}:{os.environ['PATH']}"))
        self.assertIn("by fabricast-measure\n", text)

    def test_the_real_program_executes_what_is_exported(self):
        # On host threads that stand for a GPU: the times mean nothing, the results are checked.
        for words in (("all_reduce", "ring"), ("all_reduce", "tree"), ("all_gather", "ring"), ("alltoall", "pairwise"),
                      ("reduce_scatter", "halving-doubling"), ("broadcast", "ring"), ("sendrecv", "pairwise")):
            for protocol in ("simple", "ll", "ll128"):
                document = self.real("--topology", "loopback-h200", "--set", "topology.gpus=4", "--collective", words[0],
                                     "--algorithm", words[1], "--protocol", protocol, "--channels", "2", "--sizes",
                                     "16K,30004", "--pass=--gpus=0")
                self.assertIsNone(document["wrong"], words)
                for row in document["rows"]:
                    self.assertGreater(row["measured_us"], 0, words + (protocol,))

    def test_a_size_without_a_time_has_none(self):
        text = self.measure(*self.program(PRETENDER.replace("print(", "del rows[0]\nprint(")))
        self.assertRegex(text, r"\n +65536 +[0-9.]+ +- +- +- +-\n")
        self.assertIn(" of 1 size,", text)

    def test_a_wrong_result_is_the_answer_no(self):
        text = self.measure(*self.program(PRETENDER + "print('fabricast-measure: rank 3 byte 17 is wrong', "
                                          "file=sys.stderr)\nsys.exit(1)\n"), status=NO)
        self.assertIn("\n# wrong      rank 3 byte 17 is wrong\n", text)
        self.assertRegex(text, r"\n +1048576 +[0-9.]+ +[0-9.]+ ")

    def refused(self, pattern, script, status=SYSTEM):
        self.refuses(pattern, "measure", *LOOPBACK, "--sizes", "64K", *self.program(script), status=status,
                     env=environment(TMPDIR=self.folder))
        self.assertEqual(os.listdir(self.folder), ["fabricast-measure"])

    def test_a_machine_that_cannot_measure_is_said_in_one_line(self):
        self.refused(r"fabricast-measure: there is no NVIDIA driver here", "#!/bin/sh\n"
                     "echo noise >&2\necho 'fabricast-measure: there is no NVIDIA driver here' >&2\nexit 3\n")
        self.refused(r"option --json is not known", "#!/bin/sh\necho 'option --json is not known' >&2\nexit 2\n", INPUT)
        self.refused(r"ended with status 7 and said nothing", "#!/bin/sh\nexit 7\n")
        self.refused(r"ended with status 1 and said nothing", "#!/bin/sh\nexit 1\n")
        self.refused(r"was ended by signal 9", "#!/bin/sh\nkill -9 $$\n")
        self.refused(r"what it printed is not one JSON object", "#!/bin/sh\necho '[]'\n")
        self.refused(r"nests|brackets", "#!/usr/bin/env python3\nprint('[' * 100000)\n", INPUT)
        self.refused(r"measured none of the 1 programs", "#!/bin/sh\necho '{\"tables\": [{\"rows\": [3, {}]}]}'\n")
        self.refuses(r"no-such-program: cannot be run \(no such program\); build cuda-validate/ and name", "measure",
                     *LOOPBACK, "--sizes", "64K", "--program-path", "no-such-program", status=SYSTEM)

    def real(self, *words):
        """On host threads that stand for GPUs: the times mean nothing, the data are checked."""
        return json.loads(self.prints("measure", *words, "--program-path", MEASURE, "--pass=--fake=4", "--pass=--repeats=1",
                                      "--pass=--warmup=0", "--json"))

    def test_a_pipeline_is_put_through_a_gpu(self):
        pipeline = ("--set", "topology.name=dgx-h100", "--set", "pipeline.bytes=3M", "--set", "pipeline.sizes=256K,8M")
        for more in (("--set", "pipeline.compute=1 GB/s"), ("--set", "pipeline.back=0.25", "--set", "pipeline.streams=3"),
                     ("--set", "pipeline.back=0")):
            document = self.real(*pipeline, *more)
            self.assertEqual(document["collective"], "pipeline")
            self.assertEqual([row["size_bytes"] for row in document["rows"]], [262144, 3145728])
            self.assertTrue(all(row["measured_us"] > 0 for row in document["rows"]), document)
            if "compute" in more[1]:
                self.assertRegex(document["note"], r"^the kernel alone works at [0-9.]+( to [0-9.]+)? GB/s$")
            else:
                self.assertIsNone(document["note"])

    def test_a_pipeline_is_put_through_several_gpus_at_once(self):
        pipeline = ("--set", "topology.name=dgx-h100", "--set", "pipeline.bytes=1M", "--set", "pipeline.sizes=256K")
        document = self.real(*pipeline, "--set", "pipeline.gpus=3", "--set", "pipeline.compute=1 GB/s",
                             "--pass=--output=" + self.path("results"))
        self.assertEqual(document["ranks"], 3)
        self.assertGreater(document["rows"][0]["measured_us"], 0)
        with open(self.path("results/fake-x3-pipeline.csv"), encoding="utf-8") as file:
            rows = [line.split(",") for line in file.read().splitlines()]
        self.assertEqual([row[2] for row in rows if row[0] == "pipeline"], ["0+1+2"] * 2)
        self.assertEqual([row[2] for row in rows if row[0] == "kernel"], ["0"] * 2)
        self.refuses(r"GPU 4 is asked for, this machine has 4", "measure", *pipeline, "--set", "pipeline.gpus=5",
                     "--program-path", MEASURE, "--pass=--fake=4", status=SYSTEM)
        self.refuses(r"2 GPUs with 100 streams each|--streams: 100 must be from 1 to 64", "measure", *pipeline, "--set",
                     "pipeline.gpus=2", "--set", "pipeline.streams=100", "--program-path", MEASURE, "--pass=--fake=4")

    def test_transfers_begin_at_once_on_gpus_and_on_virtual_ones(self):
        for machine, flows in (("dgx-h100", "0>1 2>3 1>0"), ("loopback-h200", "0>1 6>7")):
            document = self.real("--topology", machine, "--transfer", flows, "--sizes", "64K,1000000")
            self.assertEqual([row["size_bytes"] for row in document["rows"]], [65536, 1000000])
            self.assertTrue(all(row["measured_us"] > 0 for row in document["rows"]), document)
        self.refuses(r"GPU 7 is asked for, which is not among the 4", "measure", "--topology", "dgx-h100", "--transfer",
                     "0>7", "--sizes", "64K", "--program-path", MEASURE, "--pass=--fake=4", status=SYSTEM)

    def test_ctrl_c_leaves_nothing_but_what_was_measured(self):
        process = subprocess.Popen([PROGRAM, "measure", *LOOPBACK, "--set", "topology.gpus=2", "--channels=1", "--sizes",
                                    "4K,64K", "--program-path", MEASURE, "--pass=--fake=1", "--pass=--repeats=2000",
                                    "--pass=--output=" + self.path("results")], env=os.environ | {"TMPDIR": self.folder},
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
        time.sleep(1.5)
        os.killpg(process.pid, signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, SYSTEM, errors)
        self.assertRegex(errors, r"^fabricast: .*fabricast-measure: stopped by Ctrl-C; ")
        self.assertEqual([name for name in os.listdir(self.folder) if name.endswith(".prog")], [])

    def test_what_is_not_run_on_gpus_is_refused_before_anything_runs(self):
        words = self.program("#!/bin/sh\ntouch " + self.path("ran") + "\n")
        self.refuses(r"has \[training\], .* a \[collective\], a \[transfer\] or a \[pipeline\] is", "measure",
                     "train-sharded-70b", *words)
        with open(self.path("trace.ini"), "w", encoding="utf-8") as file:
            file.write("[topology]\nname=dgx-h100\n[trace]\nfiles=t\n")
        self.refuses(r"has \[trace\], which is not run on GPUs", "measure", self.path("trace.ini"), *words)
        self.refuses(r"needs a scenario", "measure")
        self.assertFalse(os.path.exists(self.path("ran")))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
