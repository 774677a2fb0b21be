#!/usr/bin/env python3
"""Runs the real program as users do: good runs against what they must print, bad input against exit status and message.

cli.py PROGRAM TEST_PLUGINS SCENARIOS
"""

import csv
import fcntl
import io
import json
import os
import pty
import random
import re
import resource
import select
import shutil
import signal
import stat
import struct
import subprocess
import sys
import termios
import time
import unittest
import xml.etree.ElementTree

from program import DONE, INPUT, NO, PROGRAM, SYSTEM, UNWIND, Case, environment, fabricast

TEST_PLUGINS, SCENARIOS = (os.path.abspath(path) for path in sys.argv[2:4])
DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "topo-m")
ALL_REDUCE = ("run", "--topology", "dgx-h100", "--collective", "all_reduce")


def read_terminal(terminal):
    text = b""
    try:
        while True:
            text += os.read(terminal, 4096)
    except OSError:  # what a terminal says at its end
        os.close(terminal)
        return text


class Cli(Case):
    def scenario(self, *lines, topology="dgx-h100"):
        return self.write("case.ini", "\n".join(("[topology]", "name=" + topology, "[collective]",
                                                 "operation=all_reduce", *lines, "")))

    def machine(self, *lines, name="machine.ini"):
        return self.write(name, "\n".join(("[topology]", "title=test machine", *lines, "[source]", "note=made up", "")))


class Help(Cli):
    def test_help_and_version_are_printed(self):
        self.assertRegex(self.prints("--version"), r"\Afabricast \d+\.\d+\.\d+\n\Z")
        for words in (("--help",), ("-h",), ("help",)):
            self.assertRegex(self.prints(*words), r"(?s)Usage: fabricast COMMAND.*\brun\b.*\btopology\b.*\bplugin\b")

    def test_every_command_of_the_help_has_help(self):
        listed = re.findall(r"^  (\w+) ", self.prints("--help").split("Options")[0], re.M)
        self.assertIn("run", listed)
        for name in set(listed) - {"help"}:
            self.assertIn("Usage:", self.prints("help", name))
            self.assertEqual(self.prints("help", name), self.prints(name, "--help"))

    def test_commands_and_options_that_do_not_exist_get_the_nearest(self):
        self.refuses(r'has no command "runn"; did you mean run\?', "runn")
        self.refuses(r'topology has no command "shwo"; did you mean show\?', "topology", "shwo")
        self.refuses(r"needs a command: run,", )
        self.refuses(r"topology needs a command: list, show", "topology")
        self.refuses(r"unknown option --sises; did you mean --sizes\?", "run", "--sises", "8")
        self.refuses(r"unknown option --versoin; did you mean --version\?", "--versoin")
        self.refuses(r"unknown option --json\n", "topology", "show", "dgx-h100", "--json")
        self.refuses(r"--topology is given 2 times, must be given once", *ALL_REDUCE, "--topology=dgx-a100")
        self.refuses(r"--output is given 2 times", *ALL_REDUCE, "-o", "a", "--output", "b")
        self.refuses(r"command line: missing argument for --sizes", "run", "--sizes")
        self.refuses(r"needs a scenario, or --topology and --collective", "run")
        self.refuses(r"--json and --csv exclude each other", *ALL_REDUCE, "--json", "--csv")
        self.refuses(r"show needs a machine", "topology", "show")
        self.refuses(r'"b" is one argument too many', "topology", "show", "a", "b")


class Run(Cli):
    def test_a_run_needs_no_file_and_prints_the_columns_of_nccl_tests(self):
        lines = self.prints(*ALL_REDUCE, "--sizes", "1M:4M").splitlines()
        columns = "size count type redop root time algbw busbw interval"
        self.assertRegex(lines[0], r"^# fabricast \d")
        self.assertRegex(lines[1], r"^# topology  dgx-h100: .*\(plugin nvswitch, 8 GPUs\)")
        self.assertTrue(any(" ".join(line[1:].split()).startswith(columns) for line in lines), lines)
        rows = [line.split() for line in lines if not line.startswith("#")]
        self.assertEqual([row[:5] for row in rows],
                         [[str(size), str(size // 4), "float", "sum", "-1"] for size in (1 << 20, 1 << 21, 1 << 22)])
        self.assertTrue(all(float(row[5]) > 0 and float(row[7]) > 0 for row in rows))
        self.assertTrue(all(re.fullmatch(r"-\d+/\+\d+", row[8]) for row in rows), rows)
        self.assertRegex("\n".join(lines[-6:]), r"(?s)# algorithm \w.*# bound by  \w.*# interval  90 % of what \d+ ma")
        self.assertLessEqual(max(len(line) for line in lines if line.startswith("#")), 115)

    def test_busbw_is_algbw_times_the_factor_of_nccl_tests(self):
        for collective, factor in (("all_reduce", 14 / 8), ("all_gather", 7 / 8), ("broadcast", 1), ("alltoall", 7 / 8)):
            text = self.prints("run", "--topology", "dgx-h100", "--collective", collective, "--sizes", "64M", "--json")
            row = json.loads(text)["results"][0]["rows"][0]
            self.assertAlmostEqual(row["algbw_GBps"] * factor, row["busbw_GBps"], delta=1e-6 * row["busbw_GBps"])
            self.assertAlmostEqual(row["size_bytes"] / row["time_us"] / 1e3, row["algbw_GBps"],
                                   delta=1e-6 * row["algbw_GBps"])

    def test_json_has_the_agreed_names(self):
        result = json.loads(self.prints(*ALL_REDUCE, "--sizes", "1M,2M", "--json"))
        self.assertEqual((result["schema"], result["schema_version"]), ("fabricast-result", 1))
        self.assertEqual(set(result["results"][0]), {
            "name", "scenario_text", "topology", "topology_title", "plugin", "collective", "datatype", "redop", "root",
            "ranks", "gpus",
            "fidelity", "interval", "interval_guessed", "calibration", "notes", "rows"})
        rows = result["results"][0]["rows"]
        self.assertEqual([row["size_bytes"] for row in rows], [1 << 20, 1 << 21])
        self.assertEqual(set(rows[0]), {
            "size_bytes", "time_us", "low_us", "high_us", "kind", "algbw_GBps", "busbw_GBps", "algorithm", "protocol", "channels", "binding",
            "binding_utilisation", "steps", "slices", "uses"})
        for use in rows[0]["uses"]:
            self.assertEqual(set(use), {"resource", "link", "direction", "bytes", "utilisation"})
            self.assertTrue(0 <= use["utilisation"] <= 1 + 1e-9, use)

    def test_csv_reads_back(self):
        text = self.prints(*ALL_REDUCE, "--sizes", "1M:8M", "--csv")
        rows = list(csv.DictReader(io.StringIO(text, newline="")))
        self.assertEqual([int(row["size_bytes"]) for row in rows], [1 << n for n in range(20, 24)])
        self.assertEqual({row["topology"] for row in rows}, {"dgx-h100"})
        self.assertTrue(all(float(row["time_us"]) > 0 for row in rows))

    def test_root_and_reduction_are_columns_where_there_are_any(self):
        for collective, redop, root in (("all_reduce", "sum", "-1"), ("broadcast", "none", "3"), ("reduce", "sum", "3"),
                                        ("all_gather", "none", "-1"), ("alltoall", "none", "-1")):
            text = self.prints("run", "--topology", "dgx-h100", "--collective", collective, "--root", "3", "--sizes", "1M")
            row = [line for line in text.splitlines() if not line.startswith("#")][0].split()
            self.assertEqual(row[3:5], [redop, root], collective)

    def test_several_scenarios_make_one_table_each_and_one_json(self):
        one, two = self.scenario("sizes=1M"), self.write("two.ini", "[topology]\nname=dgx-h100\n[collective]\n"
                                                         "operation=broadcast\nsizes=2M\n")
        self.assertEqual(self.prints("run", one, two).count("# fabricast "), 2)
        names = [result["name"] for result in json.loads(self.prints("run", one, two, "--json"))["results"]]
        self.assertEqual(names, ["case", "two"])
        self.assertEqual(len(self.prints("run", one, two, "--csv").splitlines()), 3)

    def test_options_win_over_the_file(self):
        path = self.scenario("sizes=1M", "algorithm=ring")
        row = json.loads(self.prints("run", path, "--sizes", "3M", "--ranks", "4", "--json"))["results"][0]
        self.assertEqual((row["ranks"], row["rows"][0]["size_bytes"]), (4, 3 << 20))
        self.assertEqual(self.prints("run", path, "--channels", "2", "--json"),
                         self.prints("run", path, "--set", "collective.channels=2", "--json"))
        self.assertEqual(self.prints("run", path, "--channels", "2", "--json"),
                         self.prints("run", path, "--set", "channels=2", "--json"))

    def test_a_parameter_of_the_machine_can_be_changed(self):
        text = self.prints(*ALL_REDUCE, "--sizes", "1M", "--set", "topology.gpus=4", "--json")
        self.assertEqual(json.loads(text)["results"][0]["gpus"], 4)

    def test_ranks_may_be_a_list(self):
        text = self.prints(*ALL_REDUCE, "--ranks", "0,2,4,6", "--sizes", "1M", "--json")
        self.assertEqual(json.loads(text)["results"][0]["ranks"], 4)

    def test_transfers_need_no_file_either(self):
        text = self.prints("run", "--topology", "dgx-h100", "--transfer", "0>1 2<>3", "--sizes", "1G", "--json")
        result = json.loads(text)["results"][0]
        self.assertEqual(result["collective"], "transfer")
        self.assertEqual((result["rows"][0]["low_us"], result["rows"][0]["kind"]), (None, None))
        self.assertRegex(result["interval"], r"^there is no interval: copies")

    def test_two_runs_print_the_same_bytes(self):
        words = (*ALL_REDUCE, "--sizes", "1K:16M:16", "--json")
        self.assertEqual(self.prints(*words), self.prints(*words))
        self.assertEqual(self.prints(*words), self.prints(*words, env=environment(LC_ALL="de_DE.UTF-8")))

    def test_every_shipped_scenario_runs(self):
        for name in sorted(os.listdir(SCENARIOS)):
            if not name.endswith(".ini"):
                continue
            with open(os.path.join(SCENARIOS, name), encoding="utf-8") as file:
                self.assertRegex(file.readline(), r"^# [A-Z].*", name)
                text = file.read()
                training = "[training]" in text or "[inference]" in text
            # Two racks take minutes with 1M and invariants, and a pipeline has too many chunks of 1K.
            sizes = () if training else ("--sizes", "1M" if "[pipeline]" in text else "1K")
            result = json.loads(self.prints("run", os.path.join(SCENARIOS, name), *sizes, "--json", "--quiet"))
            self.assertEqual(result["results"][0]["scenario" if training else "name"], name[:-4])
        self.assertEqual(self.prints("run", "all-reduce", "--sizes", "1M", "--json"),
                         self.prints("run", os.path.join(SCENARIOS, "all-reduce.ini"), "--sizes", "1M", "--json"))

    def test_a_machine_file_is_found_beside_the_scenario(self):
        self.machine("plugin=pcie-switch", "gpu=l40s", "gpus=2", name="mine.ini")
        path = self.scenario("sizes=1M", topology="mine.ini")
        self.assertEqual(json.loads(self.prints("run", path, "--json", cwd="/"))["results"][0]["gpus"], 2)
        self.refuses(r"fabricast: command line: \./mine\.ini: \[topology\] gpus is 0", "run", "--topology", "./mine.ini",
                     "--collective", "all_reduce", "--set", "topology.gpus=0", cwd=self.folder)


class Progress(Cli):
    """Standard error is a terminal here; everywhere else it is a pipe, and must be empty."""
    LONG = ("run", "--topology", "gb200-nvl72", "--collective", "all_reduce", "--algorithm", "ring")

    def on_terminal(self, *words):
        try:
            terminal, side = pty.openpty()
        except OSError as error:
            self.skipTest(f"no pseudo-terminal here: {error}")
        running = subprocess.Popen([PROGRAM, *words], stderr=side, stdout=subprocess.DEVNULL)
        os.close(side)
        return terminal, running

    def test_long_work_shows_progress(self):
        terminal, running = self.on_terminal(*self.LONG, "--sizes", "64M:4159M:+1M")
        ready, _, _ = select.select([terminal], [], [], 60)
        running.terminate()
        running.wait()
        self.assertTrue(ready, "nothing was shown in a minute")
        self.assertRegex(read_terminal(terminal), rb"\A\r +\d+ % ")

    def test_progress_is_erased_at_the_end_and_quiet_has_none(self):
        for last in ("1G", "4G", "8G", "16G"):  # the first that takes over a second, here and with what it was built
            words = ("run", "--topology", "dgx-h100", "--collective", "all_reduce", "--algorithm", "ring", "--sizes",
                     f"1G:{last}:+1G")
            terminal, running = self.on_terminal(*words)
            shown = read_terminal(terminal)
            self.assertEqual(running.wait(), DONE)
            if shown:
                break
        self.assertTrue(shown.endswith(b"\r\x1b[K"), shown)
        terminal, running = self.on_terminal(*words, "--quiet")
        self.assertEqual((read_terminal(terminal), running.wait()), (b"", DONE))


class Width(Cli):
    """Standard output is a terminal here."""

    def on_terminal(self, *words, columns=80):
        try:
            terminal, side = pty.openpty()
        except OSError as error:
            self.skipTest(f"no pseudo-terminal here: {error}")
        fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        running = subprocess.Popen([PROGRAM, *words], stdout=side, stderr=subprocess.PIPE)
        os.close(side)
        return terminal, running

    def shown(self, *words, columns):
        """What stands on the terminal; nothing may be said beside it."""
        terminal, running = self.on_terminal(*words, columns=columns)
        text = read_terminal(terminal).decode().replace("\r\n", "\n")
        with running:
            self.assertEqual((running.stderr.read(), running.wait()), (b"", DONE), words)
        return text

    WORDS = ((*ALL_REDUCE, "--sizes", "64K;4M"), ("run", "goodput-175b"), ("memory", "goodput-175b"), ("topology", "list"),
             ("run", "--topology", "dgx-h100", "--transfer", "0>1 2<>3", "--sizes", "1M"),
             ("topology", "show", "dgx-h100"), ("topology", "check", "dgx-h100"), ("plugin", "list"),
             ("plugin", "info", "nvswitch"), ("model", "list"), ("model", "show", "mixtral-8x7b"),
             ("compare", "all-reduce", "all-reduce-dgx-1v", "--set", "sizes=64K;4M"),
             ("explain", "all-reduce", "--set", "sizes=64K;4M"), ("validate", "megatron-seqpar-a100-table5"),
             ("calibrate", "--list", "--group", "hopper"), ("--help",),
             ("run", "--help"))

    def test_tables_fit_the_terminal_and_lose_nothing(self):
        """Heads are printed part by part, so words of a table may stand in another order, but each of them is there."""
        for words in self.WORDS:
            printed = self.prints(*words).expandtabs()
            for columns in (60, 80):
                shown = self.shown(*words, columns=columns).expandtabs()
                # Words without blanks are not broken.
                longest = max(map(len, re.findall(r"\S+", printed)))
                self.assertLessEqual(max(map(len, shown.split("\n"))), max(columns, longest + 8), words)
                self.assertEqual(sorted(shown.replace("#", " ").split()), sorted(printed.replace("#", " ").split()), words)

    def test_a_terminal_that_is_wide_enough_shows_what_a_pipe_gets(self):
        for words in self.WORDS[:3]:
            self.assertEqual(self.shown(*words, columns=300), self.prints(*words), words)

    def test_what_programs_read_and_a_terminal_without_a_width_are_left_alone(self):
        words = (*ALL_REDUCE, "--sizes", "64K;4M")
        self.assertEqual(self.shown(*words, columns=0), self.prints(*words))
        for form in ("--csv", "--json"):
            self.assertEqual(self.shown(*words, form, columns=60).split(), self.prints(*words, form).split())


class BadScenario(Cli):
    def test_a_sweep_that_is_left_out_is_said(self):
        path = self.scenario("sizes=1M", "[sweep]", "collective.ranks=2..4")
        for words in (("run", path), ("explain", path), ("compare", path, path)):
            done = fabricast(*words)
            self.assertEqual(done.returncode, DONE, words)
            self.assertIn(f"fabricast: {path}: its [sweep] is left out, `fabricast sweep` runs it\n",
                          done.stderr)
            self.assertEqual(self.prints(*words, "--quiet"), done.stdout)

    def test_more_processes_or_threads_than_ranks(self):
        self.refuses(r"processes is 9 for 8 ranks, must be at most that", "run",
                     self.scenario("sizes=1M", "processes=9"))
        self.refuses(r"threads is 5 in each of 2 processes, which is more than the 8 ranks", "run",
                     self.scenario("sizes=1M", "processes=2", "threads=5"))
        self.prints("run", self.scenario("sizes=1M", "processes=8"))
        self.prints("run", self.scenario("sizes=1M", "processes=2", "threads=4"))

    def test_sizes_that_no_gpu_holds(self):
        self.refuses(r'size "1T" is too large, a size is at most 512 GiB: a GPU holds all of it', *ALL_REDUCE,
                     "--sizes", "1:1T")

    def test_files_that_cannot_be_read(self):
        good = self.scenario()
        self.refuses(r"case\.inii: no such file; did you mean .*/case\.ini\?", "run", good + "i")
        self.refuses(r"all-reduc: no such file; did you mean .*all-reduce\.ini\?", "run", "all-reduc", cwd="/")
        self.refuses(r": is a folder, a file is needed", "run", self.folder)
        self.refuses(r"case\.ini/x: no such file", "run", good + "/x")
        self.refuses(r'"\\xff|\ufffd', "run", b"/\xff.ini")
        if os.geteuid() != 0:
            os.chmod(good, 0)
            self.refuses(r"case\.ini: .*(Permission denied|permission)", "run", good)

    def test_devices_and_pipes_without_a_writer_are_refused_at_once(self):
        pipe = os.path.join(self.folder, "pipe.ini")
        os.mkfifo(pipe)
        for path, pattern in ((pipe, r"pipe\.ini: is a pipe that nobody writes to"),
                              ("/dev/zero", r"/dev/zero: is larger than ")):
            for words in (("run", path), ("topology", "show", path), ("topology", "check", path),
                          ("run", "--topology", path, "--collective", "all_reduce"),
                          ("import", "topo-matrix", path, "--gpu", "l40s"),
                          ("topology", "diagram", "dgx-h100", "--load", path, "-o", self.folder + "/x.svg")):
                self.refuses(pattern, *words)

    def test_a_pipe_is_read_to_its_end(self):
        reader, writer = os.pipe()
        os.write(writer, b"[topology]\nname=dgx-h100\n[collective]\noperation=barrier\n")
        os.close(writer)
        done = fabricast("run", "/dev/fd/%d" % reader, pass_fds=(reader,))
        os.close(reader)
        self.assertEqual((done.returncode, done.stderr), (DONE, ""))

    def test_names_cannot_break_the_line_of_a_message(self):
        self.refuses(r"a\\x0ab\.ini: no such file", "run", "a\nb.ini")
        self.refuses(r"\\x1b\[31m: no such file", "run", "/\x1b[31m")
        done = fabricast("run", b"/\xff.ini")
        self.assertEqual(done.stderr, "fabricast: /\ufffd.ini: no such file\n")

    def test_work_without_end_is_refused_before_it_starts(self):
        for words in (("--sizes", "512G", "--chunk", "1"), ("--sizes", "1G", "--slice", "1"),
                      ("--sizes", "1M:512G", "--chunk", "4K")):
            self.refuses(r"would move about .* slices, at most 1e\+09", *ALL_REDUCE, "--algorithm", "ring", *words)
        self.refuses(r"--slots is 65536, must be between 1 and 65535", *ALL_REDUCE, "--slots", "65536")

    def test_times_beyond_the_clock_are_refused(self):
        slow = ("--topology", "pcie-host", "--set", "topology.sockets=2", "--set", "topology.socket_links=1", "--set",
                "topology.gpus=8")
        for words in (("--transfer", "0>7 1>7 2>7 3>7"), ("--collective", "all_reduce", "--chunk", "1G", "--slice", "1G")):
            self.refuses(r"would take more than 13 days on this machine", "run", *slow, *words, "--sizes",
                         "512G", "--set", "topology.socket_rate=0.001 GB/s")
            self.refuses(r"has a bandwidth of .* B/s, must be between 1e6 and 1e16 B/s", "run", *slow, *words,
                         "--set", "topology.socket_rate=1e-300 GB/s")

    def test_files_of_other_editors_are_read(self):
        lines = "[topology]\nname=dgx-h100\n[collective]\noperation=barrier\n"
        for content in ("\ufeff" + lines, lines.replace("\n", "\r\n")):
            self.prints("run", self.write("case.ini", content))

    def test_a_long_word_makes_no_long_message(self):
        for line in ("algorithm=", "operation_", "peer=", "datatype=", "sizes=", "ranks="):
            done = fabricast("run", self.scenario(line + "x" * 100000 + ("=1" if line[-1] == "_" else "")))
            self.assertEqual(done.returncode, INPUT)
            self.assertLess(len(done.stderr), 800, line)

    def test_one_rank_may_use_any_algorithm(self):
        for algorithm in ("ring", "tree", "nvls"):
            self.prints(*ALL_REDUCE, "--ranks", "1", "--algorithm", algorithm, "--sizes", "1M")

    def test_mistakes_in_a_file_are_named_with_file_group_and_key(self):
        for line, pattern in (
                ("algoritm=ring", r"case\.ini: \[collective\] unknown key algoritm; did you mean algorithm\?"),
                ("sizes=1 GB/s", r"case\.ini: \[collective\] sizes: \"1 GB/s\" is not a size"),
                ("sizes=0", r"case\.ini: \[collective\] sizes: size 0 moves no data"),
                ("sizes=-1", r"sizes: \"-1\" is not a whole number of bytes"),
                ("sizes=nan", r"sizes: \"nan\" is not a size"),
                ("sizes=inf", r"sizes: \"inf\" is not a size"),
                ("sizes=1e999", r"sizes: \"1e999\" is not a size"),
                ("sizes=8G:8", r"runs backwards"),
                ("sizes=1M:1G:+1", r"more than 4096 sizes"),
                ("channels=0", r"channels is 0, must be between 1 and"),
                ("channels=-4", r"channels is -4, must be between 1 and"),
                ("channels=99999999999999999999", r"channels: .* is not a whole number"),
                ("chunk=0", r"chunk: \"0\" must be at least 1 byte"),
                ("launch=5 GB", r"launch: \"5 GB\" is not a time"),
                ("launch=-1 us", r"launch is -1 us, must be between"),
                ("launch=nan s", r"launch: \"nan s\" is not a time"),
                ("datatype=flot", r"datatype: \"flot\" is not a datatype; did you mean float\?"),
                ("reduction=sun", r"reduction is \"sun\".*did you mean sum\?"),
                ("ranks=0", r"ranks is 0"),
                ("ranks=0,0", r"GPU 0 appears twice"),
                ("operation=x", r"line 5: key operation appears twice in \[collective\]"),
                ("[collective]", r"line 5: group collective appears twice"),
                ("[swee]\nx=1", r"unknown group \[swee\]"),
                ("[transfer]\nflows=0>1", r"says two things to run")):
            message = self.refuses(pattern, "run", self.scenario(line))
            self.assertIn("case.ini: ", message)

    def test_names_the_machine_does_not_have(self):
        for line, pattern in (
                ("ranks=9", r"case\.ini: \[collective\] ranks: 9 ranks need 9 GPUs, dgx-h100 has 8"),
                ("ranks=0,8", r"case\.ini: \[collective\] ranks names GPU 8, dgx-h100 has GPU 0 to 7"),
                ("root=8", r"case\.ini: \[collective\] root is 8, must be between 0 and 7"),
                ("algorithm=rign", r"case\.ini: .*rign.*did you mean ring\?"),
                ("algorithm=pairwise", r"case\.ini: .*pairwise cannot perform all_reduce; accepted: ring")):
            self.refuses(pattern, "run", self.scenario(line, "sizes=1M"))
        self.refuses(r"all_reduse.*did you mean all_reduce\?", "run", "--topology", "dgx-h100", "--collective",
                     "all_reduse")
        self.refuses(r"dgx-h10.*did you mean dgx-h100\?", "run", self.scenario(topology="dgx-h10"))
        self.refuses(r"command line: --transfer: 0>8 .* GPU 0 to 7", "run", "--topology", "dgx-h100", "--transfer",
                     "0>8", "--sizes", "1M")
        self.refuses(r"no parameter socket_raet; did you mean socket_rate\?", *ALL_REDUCE, "--set",
                     "topology.socket_raet=1 GB/s")
        self.refuses(r"nvls needs an NVSwitch", "run", "--topology", "dgx-a100", "--collective", "all_reduce",
                     "--algorithm", "nvls", "--sizes", "1M")

    def test_mistakes_on_the_command_line_are_named_by_option(self):
        self.refuses(r"^fabricast: command line: --sizes: size 0 moves no data", *ALL_REDUCE, "--sizes", "0")
        self.refuses(r"^fabricast: command line: --channels is 0", *ALL_REDUCE, "--channels", "0")
        self.refuses(r"^fabricast: command line: --ranks: GPU 1 appears twice", *ALL_REDUCE, "--ranks", "1,1")
        self.refuses(r"command line: \"x\" is not group\.key=value", *ALL_REDUCE, "--set", "x")
        self.refuses(r"command line: unknown group \[colective\]; did you mean collective",
                     *ALL_REDUCE, "--set", "colective.x=1")
        self.refuses(r"command line: --topology is missing", "run", "--collective", "all_reduce")
        self.refuses(r"command line: --collective is missing", "run", "--topology", "dgx-h100")

    def test_random_bytes_are_refused_in_one_line(self):
        source = random.Random(7)
        for number in range(20):
            content = source.randbytes(source.randrange(400))
            if number % 2 == 0:
                content = b"[topology]\nname=dgx-h100\n" + content
            path = self.write("case.ini", content)
            for words in (("run",), ("topology", "check"), ("topology", "show")):
                self.refuses(r"case\.ini", *words, path)


class Machines(Cli):
    def test_every_machine_of_the_list_is_fine(self):
        lines = self.prints("topology", "list").splitlines()
        names = [line.split()[0] for line in lines]
        self.assertEqual(names, sorted(names))
        self.assertIn("dgx-h100", names)
        checked = self.prints("topology", "check", *names).splitlines()
        self.assertEqual([line.split(":")[0] for line in checked], names)

    def test_show_prints_the_matrix_of_nvidia_smi(self):
        matrix = self.prints("topology", "show", "dgx-h100", "--matrix")
        self.assertRegex(matrix, r"(?m)^\s*GPU0\s+.*GPU7\b")
        self.assertRegex(matrix, r"(?m)^GPU0\s+X\s+NV18")
        self.assertIn(matrix.splitlines()[1], self.prints("topology", "show", "dgx-h100"))

    def test_a_set_changes_the_machine(self):
        self.assertIn(": 4 GPUs,", self.prints("topology", "check", "dgx-h100", "--set", "gpus=4"))
        self.assertIn(": 4 GPUs,", self.prints("topology", "check", "dgx-h100", "--set", "topology.gpus=4"))
        self.refuses(r"--set: \"gpus\" is not PARAMETER=VALUE", "topology", "check", "dgx-h100", "--set", "gpus")

    def test_mistakes_in_machine_files(self):
        base = ("plugin=nvswitch", "gpu=h100-sxm", "chips=4")
        for lines, pattern in (
                ((*base, "gpus=0"), r"gpus.*0"),
                ((*base, "gpus=-1"), r"gpus.*-1"),
                ((*base, "gpus=8 GB"), r"gpus"),
                ((*base, "gpus=99999999999999999999"), r"gpus"),
                ((*base, "gpus=8", "socket_rate=nan"), r"socket_rate"),
                ((*base, "gpus=8", "socket_rate=inf GB/s"), r"socket_rate"),
                ((*base, "gpus=8", "socket_rate=-1 GB/s"), r"socket_rate"),
                ((*base, "gpus=8", "socket_rate=32 ns"), r"socket_rate"),
                ((*base, "gpus=8", "gpuss=8"), r"gpuss.*did you mean gpus\?"),
                ((*base, "gpus=8", "gpus=8"), r"gpus appears twice in \[topology\]"),
                (("plugin=nvswitch", "gpu=h100-sxn", "chips=4", "gpus=8"), r"h100-sxn.*did you mean h100-sxm\?"),
                (("plugin=nvswich", "gpus=8"), r"nvswich.*did you mean nvswitch\?"),
                (("gpus=8",), r"plugin"),
                (("plugin=../nvswitch",), r"plugin")):
            path = self.machine(*lines)
            self.refuses(pattern, "topology", "check", path)
            self.refuses(pattern, "run", "--topology", path, "--collective", "all_reduce")
        self.refuses(r"no such file; did you mean .*machine\.ini\?", "topology", "check", path[:-5] + ".ini")
        self.refuses(r"unknown machine \"dgx-h10\".*did you mean dgx-h100\?", "topology", "show", "dgx-h10")

    def test_one_gpu_is_a_machine(self):
        path = self.machine("plugin=pcie-switch", "gpu=l40s", "gpus=1")
        self.assertIn(": 1 GPU,", self.prints("topology", "check", path))
        self.prints("run", "--topology", path, "--collective", "all_reduce", "--sizes", "1M")

    def test_diagrams_are_written_by_suffix(self):
        for suffix, start in (("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF"), ("dot", b"")):
            path = os.path.join(self.folder, "x." + suffix)
            self.prints("topology", "diagram", "dgx-h100", "-o", path)
            with open(path, "rb") as file:
                self.assertTrue(file.read().startswith(start), suffix)
        result = self.write("result.json", self.prints(*ALL_REDUCE, "--sizes", "1G", "--json"))
        self.prints("topology", "diagram", "dgx-h100", "--load", result, "-o", os.path.join(self.folder, "load.svg"))

    def test_a_diagram_loses_no_memory_but_that_of_graphviz(self):
        self.prints("topology", "diagram", "ws2-bridge-3090", "-o", self.path("x.svg"),
                    env=environment(ASAN_OPTIONS=UNWIND))

    def test_diagrams_show_the_faults_of_a_scenario(self):
        dot = os.path.join(self.folder, "x.dot")
        plain = "[topology]\nname=dgx-h100\n[collective]\noperation=all_reduce\nsizes=1M\n"
        faults = self.write("f.ini", plain + "[fault]\nkind=link-rate\nat=GPU 3 - NVSwitch\nrate=0.5\n")
        self.prints("topology", "diagram", "dgx-h100", "--faults", faults, "-o", dot)
        with open(dot, encoding="utf-8") as file:
            self.assertIn("slower by a fault: 1", file.read())
        self.refuses(r"has no \[fault\]", "topology", "diagram", "dgx-h100", "--faults",
                     self.write("g.ini", plain), "-o", dot)
        self.refuses(r"NVSwitch.* is not something with links of dgx-1v", "topology", "diagram", "dgx-1v", "--faults",
                     faults, "-o", dot)

    def test_diagrams_that_cannot_be(self):
        svg = os.path.join(self.folder, "x.svg")
        self.refuses(r"needs -o FILE", "topology", "diagram", "dgx-h100")
        self.refuses(r"svg.*png.*pdf.*dot", "topology", "diagram", "dgx-h100", "-o", self.folder + "/x.gif")
        self.refuses(r"/none/x\.svg: cannot be written", "topology", "diagram", "dgx-h100", "-o", "/none/x.svg")
        self.refuses(r"result\.json", "topology", "diagram", "dgx-h100", "--load", self.folder + "/result.json",
                     "-o", svg)
        for content in ("", "{", "[]", "{\"schema\": \"other\"}", "\x00\x01", "[" * 100000):
            path = self.write("result.json", content)
            self.refuses(r"result\.json", "topology", "diagram", "dgx-h100", "--load", path, "-o", svg)
        self.assertFalse(os.path.exists(svg))


class Training(Cli):
    STEP = "[topology]\nname=dgx-h100\n[model]\npreset=llama-3-8b\n[training]\nsequence=2048\nglobal_batch=64\n"

    def test_what_is_short_is_said_with_the_change_that_helps(self):
        path = self.write("step.ini", self.STEP)
        done = fabricast("memory", path)
        self.assertEqual(done.returncode, NO)
        self.assertRegex(done.stdout, r"# short by [0-9.]+ GiB on rank 0 because of optimiser")
        self.assertIn("# it would fit with zero=1", done.stdout)
        self.assertRegex(self.prints("memory", path, "--set", "parallel.zero=1"), "# (fits|tight): ")

    def test_bytes_of_memory_are_printed_for_programs(self):
        path = self.write("step.ini", self.STEP + "[parallel]\nzero=1\n")
        stage = json.loads(self.prints("memory", path, "--json"))["results"][0]["stages"][0]
        self.assertEqual(stage["parameters"], 2 * 8030261248)
        self.assertEqual(sum(value for key, value in stage.items() if key not in ("rank", "in_flight", "total")),
                         stage["total"])
        rows = list(csv.DictReader(io.StringIO(self.prints("memory", path, "--csv"))))
        self.assertEqual(int(rows[0]["total"]), stage["total"])

    def test_what_is_no_training_step_has_no_account(self):
        self.refuses(r"has no group \[training\] or \[inference\]", "memory", self.scenario())
        self.refuses("is not the number of GPUs", "memory", self.write("step.ini", self.STEP), "--set",
                     "parallel.tp=3")

    def test_a_training_step_is_run_and_adds_up(self):
        path = self.write("step.ini", self.STEP + "[parallel]\ntp=2\npp=2\nchunks=2\nzero=1\n")
        self.assertRegex(self.prints("run", path), r"step time +[0-9.]+ m?s .*\n *tokens/s")
        step = json.loads(self.prints("run", path, "--json"))["results"][0]
        self.assertAlmostEqual(sum(step["parts_s"].values()) / step["step_s"], 1, 9)
        self.assertTrue(step["low_s"] < step["step_s"] < step["high_s"])
        rows = list(csv.DictReader(io.StringIO(self.prints("run", path, "--csv"))))
        self.assertAlmostEqual(float(rows[0]["step_s"]), step["step_s"], 12)

    def test_the_trace_of_a_step_has_every_pass(self):
        path = self.write("step.ini", self.STEP + "[parallel]\ntp=2\npp=2\nchunks=2\nzero=1\n")
        trace = os.path.join(self.folder, "trace.json")
        self.prints("run", path, "--trace", trace)
        with open(trace, encoding="utf-8") as file:
            events = [event for event in json.load(file)["traceEvents"] if event["ph"] == "X"]
        self.assertEqual(len(events), 2 * 2 * 2 * 32)
        self.assertEqual({event["cat"] for event in events}, {"forward", "backward"})
        copies = ("--topology", "dgx-h100", "--set", "transfer.flows=0>1", "--set", "sizes=1M")
        self.refuses("--trace is for one training step or one coll", "run", *copies, "--trace", trace)
        self.refuses("--trace is for one training step or one coll", "run", path, path, "--trace", trace)

    def test_the_timeline_of_a_collective_has_an_event_for_every_slice(self):
        trace = os.path.join(self.folder, "trace.json")
        words = ("run", "--topology", "dgx-h100", "--collective", "all_reduce", "--set", "algorithm=ring")
        row = json.loads(self.prints(*words, "--sizes", "4M", "--json", "--trace", trace))["results"][0]["rows"][0]
        with open(trace, encoding="utf-8") as file:
            data = json.load(file)
        events = [event for event in data["traceEvents"] if event["ph"] == "X"]
        self.assertEqual(len(events), row["slices"])
        self.assertEqual({event["pid"] for event in events}, set(range(8)))
        self.assertEqual(len({event["tid"] for event in events}), row["channels"])
        self.assertLessEqual(max(event["ts"] + event["dur"] for event in events), row["time_us"])
        self.assertEqual(data["otherData"]["kept"], "all ranks and channels")
        run = fabricast(*words, "--sizes", "1K;4G", "--trace", trace)
        self.assertEqual(run.returncode, DONE, run.stderr)
        self.assertRegex(run.stderr, r"trace\.json has 4 GiB of all_reduce")
        with open(trace, encoding="utf-8") as file:
            self.assertLess(sum(1 for line in file), 310000)

    def test_the_picture_of_a_pipeline_has_a_box_for_every_pass(self):
        path = self.write("step.ini", self.STEP + "[parallel]\ntp=2\npp=2\nchunks=2\nzero=1\n")
        picture = os.path.join(self.folder, "pipeline.svg")
        self.prints("run", path, "--gantt", picture)
        root = xml.etree.ElementTree.parse(picture).getroot()
        boxes = [box for box in root.iter("{http://www.w3.org/2000/svg}title") if "micro-batch" in box.text]
        self.assertEqual(len(boxes), 2 * 2 * 2 * 32)
        self.refuses("--trace writes them all", "run", path, "--set", "global_batch=400000", "--gantt", picture)

    def test_steps_and_collectives_are_not_mixed(self):
        self.refuses("run them apart", "run", self.write("step.ini", self.STEP), self.scenario())

    def test_inference_is_run(self):
        path = self.write("serve.ini", "[topology]\nname=dgx-h100\n[model]\npreset=llama-3-8b\n[inference]\ngpus=1\n")
        self.assertRegex(self.prints("run", path), r"first token +[0-9.]+ m?s +[0-9]+ tokens/s read")
        answer = json.loads(self.prints("run", path, "--json"))["results"][0]
        self.assertAlmostEqual(sum(answer["token_parts_s"].values()) / answer["token_s"], 1, 9)
        rows = list(csv.DictReader(io.StringIO(self.prints("run", path, "--csv"))))
        self.assertAlmostEqual(float(rows[0]["token_s"]), answer["token_s"], 12)
        self.refuses("run them apart", "run", path, self.scenario())
        self.refuses("--gantt is for one training step", "run", path, "--gantt", "x.svg")
        self.refuses("--diagram is for one training step", "run", path, "--diagram", "x.svg")

    def test_the_links_of_a_machine_show_what_a_step_puts_on_them(self):
        path, drawing = self.write("s.ini", self.STEP + "[parallel]\ntp=2\n"), os.path.join(self.folder, "x.svg")
        options = ("--set", "model.layers=2", "--set", "global_batch=8")
        self.prints("run", path, *options, "--diagram", drawing)
        with open(drawing, encoding="utf-8") as file:
            drawn = file.read()
        self.assertIn("Utilisation of links: training step s", drawn)
        self.assertIn("UPI", drawn)
        self.assertNotIn("128 GB/s, 0 %", drawn) # what carries nothing is not busy at all
        several = fabricast("run", path, *options, "--set", "nodes=2", "--diagram", drawing)
        self.assertEqual(several.returncode, INPUT)
        self.assertIn("has 16 ranks, dgx-h100 has 8 GPUs", several.stderr)

    def test_a_comparison_says_what_of_a_long_run_lasts(self):
        compared = self.prints("compare", "goodput-175b", "goodput-175b")
        self.assertRegex(compared, r"(?m)^# B goodput   [\d.]+ % of the time is work that lasts; steps below are without it$")
        share = json.loads(self.prints("compare", "goodput-175b", "goodput-175b", "--json"))["scenarios"][1]["goodput"]
        run = json.loads(self.prints("run", "goodput-175b", "--json"))["results"][0]["goodput"]
        self.assertAlmostEqual(share, run["share"], 9)
        with open(os.path.join(SCENARIOS, "goodput-175b.ini"), encoding="utf-8") as file:
            self.assertIn("source=" + run["source"], file.read())

    def test_a_step_is_exported_checked_and_replayed(self):
        path = self.write("s.ini", self.STEP + "[parallel]\ntp=2\n")
        prefix = os.path.join(self.folder, "t")
        options = ("--set", "model.layers=2", "--set", "gpus=2", "--set", "global_batch=2")
        for form, suffix in (((), "et"), (("--json",), "json")):
            self.assertRegex(self.prints("chakra", "export", path, *options, "-o", prefix, *form), r"2 ranks, \d+ nodes")
            self.assertRegex(self.prints("chakra", "check", prefix), r"2 ranks, \d+ nodes, \d+ collectives")
            replay = self.write("r.ini", "[topology]\nname=dgx-h100\n[trace]\nfiles=t\n")
            row = json.loads(self.prints("run", replay, "--json"))["results"][0]["rows"][0]
            step = json.loads(self.prints("run", path, *options, "--json"))["results"][0]["step_s"]
            self.assertAlmostEqual(row["time_us"] / 1e6 / step, 1, delta=0.1)
            self.assertTrue(row["uses"])
            self.assertEqual(row["binding"], "computing")  # most of a step of two GPUs
            self.assertGreater(row["binding_utilisation"], max(use["utilisation"] for use in row["uses"]))
            drawing, loads = os.path.join(self.folder, "x.svg"), self.write("l.json", self.prints("run", replay, "--json"))
            self.prints("topology", "diagram", "dgx-h100", "--load", loads, "-o", drawing)
            with open(drawing, encoding="utf-8") as file:
                self.assertIn("Utilisation of links: trace", file.read())
            compared = self.prints("compare", replay, replay)
            self.assertRegex(compared, r"\n +trace +\d")
            self.assertRegex(compared, r"bound by computing, \d+ % of the time\n")
            compared = self.prints("compare", replay, replay, "--json")
            self.assertIsNone(json.loads(compared)["scenarios"][0]["rows"][0]["size_bytes"])
            page = self.prints("report", self.write("c.json", compared))
            self.assertRegex(page, r'<th scope="row">trace</th>')
            self.assertNotIn("0 B", re.sub(r"<(script|style).*?</\1>|<svg.*?</svg>|<pre.*?</pre>", "", page, flags=re.S))
            self.assertRegex(self.prints("explain", replay), r"(?m)^trace: .* bound by computing, ")
            self.refuses(r"has \[trace\], only a \[collective\]", "program", "export", replay)
            alone = self.write("a.ini", f"[topology]\nname=dgx-h100\n[trace]\nfiles=t.0.{suffix}\n")
            for words in (("run", alone, "--json"), ("chakra", "check", f"{prefix}.0.{suffix}")):
                self.assertRegex(self.prints(*words), r"(?s)(\A\{|: 1 rank, ).*\d+ collectives of one rank cost nothing; are files missing\?")
            for rank in range(2):
                os.unlink(f"{prefix}.{rank}.{suffix}")
        self.refuses(r"neither such a file nor .*t\.0\.et", "run", replay)
        self.refuses("needs -o PREFIX", "chakra", "export", path)
        for name, kind in (("/dev/full", "a device or a pipe"), (self.folder, "a folder"), (self.folder + "/new/", "a folder"),
                           ("-", "standard output")):
            self.refuses(f"--output is {name}, {kind}, must be PREFIX or FOLDER/PREFIX: every rank has a file of its "
                         r"own, PREFIX\.0\.et and so on", "chakra", "export", path, "-o", name, cwd=self.folder)
        self.refuses(r"/none/t\.0\.json: cannot be written: No such file", "chakra", "export", path, "--json", "-o",
                     "/none/t")
        self.assertEqual([name for name in os.listdir(self.folder) if name.startswith((".", "-"))], [])
        self.refuses(r"has no \[training\]", "chakra", "export", replay, "-o", prefix)
        self.refuses("needs files", "run", self.write("n.ini", "[topology]\nname=dgx-h100\n[trace]\nprecision=fp8\n"))

    def test_models_are_listed_and_shown(self):
        self.assertIn("llama-3-405b", self.prints("model", "list"))
        shown = self.prints("model", "show", "mixtral-8x7b", "--sequence", "4096")
        self.assertRegex(shown, r"all +46702792704")
        self.assertRegex(shown, r"that a token meets +12879925248")
        self.refuses("did you mean mixtral-8x7b", "model", "show", "mixtral-8x7")


class Plugins(Cli):
    def test_plugins_are_listed_and_explained(self):
        names = [line.split()[0] for line in self.prints("plugin", "list").splitlines()]
        self.assertEqual(names, sorted(names))
        for name in ("nvlink-bridge", "nvlink-mesh", "nvswitch", "pcie-switch"):
            self.assertIn(name, names)
            self.assertRegex(self.prints("plugin", "info", name), r"(?s)\A%s: .*Parameters:.*\bgpus\b" % name)
        self.refuses(r"nvswich.*did you mean nvswitch\?", "plugin", "info", "nvswich")
        self.refuses(r"/none/x\.so", "plugin", "info", "/none/x.so")

    def test_faulty_plugins_are_refused_with_a_sentence(self):
        faulty = sorted(name for name in os.listdir(TEST_PLUGINS) if name.endswith(".so") and name != "tiny.so")
        self.assertGreater(len(faulty), 3)
        for name in faulty:
            path = os.path.join(TEST_PLUGINS, name)
            done = fabricast("plugin", "info", path)
            self.assertIn(done.returncode, (DONE, INPUT), (name, done.stderr))
            if done.returncode == INPUT:
                self.assertRegex(done.stderr, r"\Afabricast: [^\n]*%s[^\n]+\n\Z" % re.escape(name[:-3]))

    def test_a_faulty_plugin_does_not_hide_the_others(self):
        done = fabricast("plugin", "list", "--plugin-dir", TEST_PLUGINS)
        self.assertEqual(done.returncode, INPUT)
        self.assertRegex(done.stderr, r"\Afabricast: [^\n]+\n\Z")
        self.assertIn("nvswitch", done.stdout)

    def test_what_is_no_shared_object_is_refused(self):
        path = self.write("text.so", "not a plugin")
        self.refuses(r"text\.so", "plugin", "info", path)
        machine = self.machine("plugin=text", "gpus=1")
        self.refuses(r"text", "topology", "check", machine, "--plugin-dir", self.folder)


class Import(Cli):
    def imports(self, name, gpu):
        return ("import", "topo-matrix", os.path.join(DATA, name), "--gpu", gpu)

    def test_a_matrix_becomes_a_machine_with_the_same_matrix(self):
        path = os.path.join(self.folder, "mine.ini")
        words = self.imports("topo-m-rtx4090x8-sys-nic.txt", "rtx-4090")
        self.assertEqual(self.prints(*words, "-o", path), "")
        with open(path, encoding="utf-8") as file:
            self.assertEqual(file.read(), self.prints(*words))
        self.assertIn(": 8 GPUs,", self.prints("topology", "check", path))
        with open(os.path.join(DATA, "topo-m-rtx4090x8-sys-nic.txt"), encoding="utf-8") as file:
            wanted = [re.findall(r"\b(X|NODE|SYS|PHB|PIX|PXB)\b", line)[:8] for line in file if re.match(r"GPU\d", line)]
        with open(os.path.join(DATA, "topo-m-rtx4090x8-sys-nic.txt"), encoding="utf-8") as file:
            self.assertEqual(self.prints("import", "topo-matrix", "-", "--gpu", "rtx-4090", stdin=file),
                             self.prints(*words).replace("topo-m-rtx4090x8-sys-nic.txt", "stdin"))
        printed = self.prints("topology", "show", path, "--matrix").splitlines()
        self.assertEqual([line.split()[1:9] for line in printed if re.match(r"GPU\d", line)], wanted)

    def test_a_log_becomes_a_measurement_or_nothing(self):
        logs = os.path.join(os.path.dirname(DATA), "nccl-tests")
        log = os.path.join(logs, "nccltests-2021-error-column-no-root.txt")
        target = os.path.join(self.folder, "mine")
        self.assertIn("collective=all_reduce", self.prints("import", "nccl-tests", log))
        self.prints("import", "nccl-tests", log, "-o", target)
        self.assertEqual(sorted(name for name in os.listdir(self.folder) if name.startswith("mine")),
                         ["mine.csv", "mine.ini"])
        bad = os.path.join(logs, "nccltests-built-without-mpi-under-mpirun.txt")
        self.refuses(r"line 9: rank 0 appears again", "import", "nccl-tests", bad, "-o",
                     os.path.join(self.folder, "none"))
        self.refuses(r"not an id", "import", "nccl-tests", log, "-o", os.path.join(self.folder, "No_Id"))
        self.refuses(r"--run is 2", "import", "nccl-tests", log, "--run", "2")
        self.assertFalse([name for name in os.listdir(self.folder) if "none" in name.lower() or "no_id" in name.lower()])

    def test_logs_come_through_a_pipe_and_go_to_a_name(self):
        logs = os.path.join(os.path.dirname(DATA), "nccl-tests")
        links = os.path.join(os.path.dirname(DATA), "links")
        for path, form in ((os.path.join(logs, "nccltests-2021-error-column-no-root.txt"), "nccl-tests"),
                           (os.path.join(links, "nvbandwidth-text-d2d.txt"), "nvbandwidth")):
            with open(path, "rb") as file:
                cat = subprocess.Popen(["cat"], stdin=file, stdout=subprocess.PIPE)
                printed = self.prints("import", form, "-", stdin=cat.stdout)
                cat.stdout.close()
                cat.wait()
            named = self.prints("import", form, path)
            self.assertEqual(printed.replace("stdin", os.path.basename(path)), named)
            before = os.listdir(self.folder)
            self.refuses(r"--output is \".*/\", must be ID or FOLDER/ID", "import", form, path, "-o",
                         self.folder + "/")
            self.refuses(r"none/x\.csv: cannot be written: No such file", "import", form, path, "-o",
                         os.path.join(self.folder, "none", "x"))
            self.assertEqual(os.listdir(self.folder), before)

    def test_what_cannot_be_imported(self):
        good = "topo-m-rtx4090x8-sys-nic.txt"
        out = os.path.join(self.folder, "out.ini")
        self.refuses(r"needs --gpu MODEL", *self.imports(good, "x")[:3])
        self.refuses(r"rtx-409[^0].*did you mean rtx-4090", *self.imports(good, "rtx-409x"), "-o", out)
        self.refuses(r"topo-m-windows-591-unsupported\.txt: ", *self.imports("topo-m-windows-591-unsupported.txt",
                                                                                   "rtx-4090"), "-o", out)
        self.refuses(r"none\.txt: no such file", *self.imports("none.txt", "rtx-4090"), "-o", out)
        self.refuses(r"has no command \"topo-matrx\"; did you mean topo-matrix", "import", "topo-matrx")
        source = random.Random(3)
        for _ in range(10):
            path = self.write("noise.txt", source.randbytes(source.randrange(300)))
            self.refuses(r"noise\.txt", "import", "topo-matrix", path, "--gpu", "rtx-4090", "-o", out)
        self.assertFalse(os.path.exists(out))


class Output(Cli):
    def test_a_file_gets_what_would_be_printed(self):
        path = os.path.join(self.folder, "out.json")
        printed = self.prints(*ALL_REDUCE, "--sizes", "1M", "--json")
        self.assertEqual(self.prints(*ALL_REDUCE, "--sizes", "1M", "--json", "-o", path), "")
        with open(path, encoding="utf-8") as file:
            self.assertEqual(file.read(), printed)
        self.assertEqual(os.listdir(self.folder), ["out.json"])
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode) & 0o111, 0)
        self.assertEqual(self.prints(*ALL_REDUCE, "--sizes", "1M", "--json", "-o", "-"), printed)

    def test_a_link_stays_a_link_and_a_mode_stays(self):
        path, link = self.write("real", "old"), os.path.join(self.folder, "link")
        os.chmod(path, 0o640)
        os.symlink("real", link)
        self.prints(*ALL_REDUCE, "--sizes", "1M", "-o", link)
        self.assertTrue(os.path.islink(link))
        self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o640)
        self.assertGreater(os.path.getsize(path), 100)

    def test_an_interrupted_program_leaves_no_file(self):
        measurements = os.path.join(os.path.dirname(os.path.dirname(DATA)), "measurements")
        for words in (("calibrate", measurements, "-o", "out.ini"), ("validate", measurements, "--csv", "-o", "out.csv"),
                      (*ALL_REDUCE, "--sizes", "1M:512G", "-o", "out.txt")):
            running = subprocess.Popen([PROGRAM, *words], cwd=self.folder, stdout=subprocess.DEVNULL,
                                       stderr=subprocess.PIPE)
            time.sleep(0.5)
            running.send_signal(signal.SIGINT)
            message = running.communicate(timeout=60)[1]
            # A shell shows this as 130.
            self.assertEqual((running.returncode, message), (-signal.SIGINT, b""), words)
            self.assertEqual(os.listdir(self.folder), [])

    def test_folders_of_plots_that_cannot_be_made(self):
        measurement = os.path.join(os.path.dirname(os.path.dirname(DATA)), "measurements",
                                   "aic-a100-nccl2.27.3-all-gather-2gpu.ini")
        plain = self.write("plain", "x")
        self.refuses(r"--plots: the folder .*plain/x cannot be made: Not a directory", "validate", measurement,
                     "--plots", os.path.join(plain, "x"))

    def test_files_that_cannot_be_written(self):
        self.refuses(r"/none/x: cannot be written: No such file", *ALL_REDUCE, "--sizes", "1M", "-o", "/none/x")
        self.refuses(r": cannot be written: Is a directory", *ALL_REDUCE, "--sizes", "1M", "-o", self.folder)
        self.refuses(r"cannot be written", *ALL_REDUCE, "--sizes", "1M", "-o", "")
        self.refuses(r"cannot be written: Not a directory", *ALL_REDUCE, "--sizes", "1M", "-o",
                     self.write("file", "") + "/x")

    def test_a_full_disk_is_the_machines_fault(self):
        with open("/dev/full", "wb") as full:
            for words in ((*ALL_REDUCE, "--sizes", "1M"), ("--help",), ("--version",), ("topology", "list"),
                          ("topology", "show", "dgx-h100"), ("plugin", "list"), ("plugin", "info", "nvswitch")):
                self.refuses(r"standard output: cannot be written: No space left", *words, status=SYSTEM, stdout=full)
        self.refuses(r"/dev/full: cannot be written: No space left", *ALL_REDUCE, "--sizes", "1M", "-o", "/dev/full",
                     status=SYSTEM)
        self.assertTrue(stat.S_ISCHR(os.stat("/dev/full").st_mode))

    def test_a_write_that_fails_leaves_the_old_file_alone(self):
        path = self.write("out", "old")

        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        self.refuses(r"out: cannot be written: File too large", *ALL_REDUCE, "--sizes", "1M", "-o", path, status=SYSTEM,
                     preexec_fn=limit, restore_signals=False)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        with open(path, encoding="utf-8") as file:
            self.assertEqual(file.read(), "old")
        self.assertEqual(os.listdir(self.folder), ["out"])

    def test_a_closed_pipe_ends_quietly(self):
        for words in ((*ALL_REDUCE, "--sizes", "1M"), (*ALL_REDUCE, "--sizes", "1M", "--json"), ("--help",),
                      ("topology", "list"), ("topology", "show", "dgx-h100"), ("plugin", "info", "nvswitch")):
            reader, writer = os.pipe()
            os.close(reader)
            done = fabricast(*words, stdout=writer)
            os.close(writer)
            self.assertEqual((done.returncode, done.stderr), (DONE, ""), words)

    def test_an_input_is_not_overwritten(self):
        scenario, step = self.scenario("sizes=1M"), os.path.join(SCENARIOS, "train-gradients-3090.ini")
        result = self.write("keep.json", self.prints("run", scenario, "--json"))
        overlay = self.write("fitted.ini", "[overlay]\n")
        with open(step, encoding="utf-8") as file:
            mine = self.write("mine.ini", file.read())
        link = os.path.join(self.folder, "link.ini")
        os.symlink(scenario, link)
        for path, words in ((result, ("report", result, "-o", result)),
                            (scenario, ("run", scenario, "-o", scenario)),
                            (scenario, ("run", "all-reduce", link, "-o", scenario)),
                            (scenario, ("run", scenario, "-o", link)),
                            (scenario, ("sweep", scenario, "--json", "-o", scenario)),
                            (overlay, ("run", scenario, "--calibration", overlay, "-o", overlay)),
                            (overlay, ("run", scenario, "--set", "calibration.file=" + overlay, "-o", overlay)),
                            (mine, ("run", mine, "--trace", mine))):
            with open(path, "rb") as file:
                before = file.read()
            self.refuses(r"command line: --(output|trace) is .*, which is read: .*name another file", *words)
            with open(path, "rb") as file:
                self.assertEqual(file.read(), before)
        self.prints("run", scenario, "-o", result)

    def test_one_of_a_thing_is_one(self):
        self.assertIn(" 1 micro-batch of 4,", self.prints("run", "train-gradients-3090"))

    def test_two_outputs_are_not_one_file(self):
        """One would take the place of the other, whether the file is there already or not."""
        step = self.write("step.ini", "[topology]\nname=dgx-h100\n[model]\npreset=gpt-2\n[parallel]\ntp=4\n[training]\n"
                          "micro_batch=1\nglobal_batch=8\n")
        grid = self.write("grid.ini", "[topology]\nname=dgx-h100\n[collective]\noperation=all_reduce\nsizes=1M\n"
                          "[sweep]\ncollective.ranks=2 | 4\n")
        both = os.path.join(self.folder, "both.svg")
        same = os.path.join(self.folder, "..", os.path.basename(self.folder), "both.svg")
        for words in (("run", step, "--trace", both, "--gantt", same), ("run", step, "--gantt", both, "-o", both),
                      ("run", step, "--diagram", both, "-o", same), ("sweep", grid, "--store", both, "-o", same)):
            self.refuses(r"command line: --[a-z]+ and --[a-z]+ are both .*both\.svg: one would take the place of the "
                         "other; name another file", *words)
            self.assertFalse(os.path.exists(both))
        self.prints("run", step, "--trace", "/dev/null", "--gantt", "/dev/null", "-o", "/dev/null")

    def test_what_a_scenario_names_is_not_overwritten(self):
        """Files that no word of the command line names: the machine, the model, the calibration, a trace, a log."""
        with open(os.path.join(os.path.dirname(SCENARIOS), "topologies", "dgx-h100.ini"), encoding="utf-8") as file:
            machine = self.write("box.ini", file.read())
        overlay = self.write("fitted.ini", "[calibration]\nformat=1\n[hopper]\nlaunch_us=5 us\n")
        ring = self.write("ring.ini", "[topology]\nname=box.ini\n[collective]\noperation=all_reduce\nsizes=1M\n"
                          "[calibration]\nfile=fitted.ini\n")
        grid = self.write("grid.ini", "[topology]\nname=box.ini\n[collective]\noperation=all_reduce\nsizes=1M\n"
                          "[sweep]\ncollective.ranks=2 | 4\n")
        with open(os.path.join(DATA, "..", "models", "hf-config-llama-70b-shape.json"), encoding="utf-8") as file:
            model = self.write("config.json", file.read())
        step = self.write("step.ini", "[topology]\nname=box.ini\n[model]\nconfig=config.json\n[parallel]\ntp=8\n"
                          "[training]\nmicro_batch=1\nglobal_batch=8\n")
        log = os.path.join(self.folder, "m.csv")
        for path, words in ((machine, ("run", ring)), (machine, ("explain", ring)), (machine, ("compare", ring, ring)),
                            (machine, ("report", ring, "--quick")), (machine, ("sweep", grid)), (overlay, ("run", ring)),
                            (model, ("run", step)), (model, ("memory", step)), (machine, ("memory", step))):
            with open(path, "rb") as file:
                before = file.read()
            self.refuses(r"(box.ini|fitted.ini|config.json): is read for what would be written there: its contents "
                         "would be lost; name another file", *words, "-o", path)
            with open(path, "rb") as file:
                self.assertEqual(file.read(), before)
        drawing = os.path.join(self.folder, "box.svg")
        os.link(machine, drawing)
        self.refuses("box.svg: is read for", "run", step, "--diagram", drawing)
        shutil.copyfile(os.path.join(DATA, "..", "nccl-tests", "nccltests-2021-error-column-no-root.txt"), log)
        self.refuses("m.csv: is read for", "import", "nccl-tests", log, "-o", os.path.join(self.folder, "m"))

    def test_a_closed_standard_output_is_said(self):
        self.refuses(r"standard output: cannot be written", "--version", status=SYSTEM, preexec_fn=lambda: os.close(1))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
