#!/usr/bin/env python3
"""Same input, same bytes out, whatever lies where in memory and whoever runs it.

test-determinism.py PROGRAM SCENARIOS MEASUREMENTS

Every command runs several times: with other contents of fresh and freed memory, addresses at random and fixed, another
place of the stack, another locale, time zone, folder and order of what it is told.
"""

import json
import os
import subprocess
import sys
import unittest

from program import PROGRAM, Case, environment, for_drawing

SCENARIOS, MEASUREMENTS = (os.path.abspath(path) for path in sys.argv[2:4])
FIXED_ADDRESSES = ["setarch", os.uname().machine, "--addr-no-randomize"]

# What differs between runs: environment and, in the last one, no address space randomisation.
RUNS = (
    {"LC_ALL": "C"},
    {"LC_ALL": "C", "MALLOC_PERTURB_": "85"},
    {"LC_ALL": "de_DE.UTF-8", "MALLOC_PERTURB_": "170", "TZ": "Asia/Kathmandu", "PADDING": "x" * 12345},
    {"LC_ALL": "C", "MALLOC_PERTURB_": "255", "MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "4096"},
)

# One machine of each kind of wiring, one run of each kind of program.
MACHINES = ("dgx-h100", "dgx-1v", "dgx-2", "gb200-nvl72", "gh200-4", "ws2-bridge-3090", "wrx90-3sw-8")
CALLS = (
    ("dgx-h100", "all_reduce", "nvls"), ("dgx-h100", "alltoall", "auto"), ("dgx-1v", "all_reduce", "ring"),
    ("dgx-a100", "reduce_scatter", "halving-doubling"), ("dgx-a100", "all_reduce", "tree"),
)


def addresses_can_be_fixed():
    try:
        return subprocess.run([*FIXED_ADDRESSES, "true"], stderr=subprocess.DEVNULL, check=False).returncode == 0
    except OSError:
        return False


class Determinism(Case):
    maxDiff = 2000

    def run_once(self, words, run, before=(), cwd=None):
        env = for_drawing(environment(**run), words)
        done = subprocess.run([*before, PROGRAM, *words], env=env, cwd=cwd, stdin=subprocess.DEVNULL,
                              capture_output=True, timeout=300, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, b""), words)
        return done.stdout

    def outputs(self, *words, file=None):
        """What the command prints, or writes to `file`, in each of the runs."""
        ways = [(run, ()) for run in RUNS]
        if FIXED:
            ways.append((RUNS[1], FIXED_ADDRESSES))
        for number, (run, before) in enumerate(ways):
            cwd = self.path(f"run {number}")
            os.makedirs(cwd, exist_ok=True)
            text = self.run_once(words, run, before, cwd)
            if file is not None:
                with open(os.path.join(cwd, file), "rb") as stream:
                    text = stream.read()
            self.assertNotEqual(text, b"", words)
            yield text

    def assert_same(self, *words, file=None):
        first, *others = self.outputs(*words, file=file)
        for other in others:
            if other != first:
                self.assertEqual(first.decode(), other.decode(), words)
        return first

    def test_results_are_the_same_bytes_every_time(self):
        for machine, collective, algorithm in CALLS:
            call = ("run", "--topology", machine, "--collective", collective, "--algorithm", algorithm,
                    "--sizes", "1K;1M;48M")
            self.assert_same(*call, "--json")
        self.assert_same(*call, "--csv")
        self.assert_same(*call)

    def test_transfers_are_the_same_bytes_every_time(self):
        self.assert_same("run", os.path.join(SCENARIOS, "pcie-flows-shared-uplink.ini"), "--json")
        self.assert_same("run", os.path.join(SCENARIOS, "pcie-flows-one-switch.ini"), "--json")

    def test_machines_are_shown_with_the_same_bytes_every_time(self):
        for name in MACHINES:
            self.assert_same("topology", "show", name)
        self.assert_same("topology", "list")
        self.assert_same("plugin", "info", "pcie-switch")

    def test_diagrams_are_the_same_bytes_every_time(self):
        for name in ("dgx-h100", "gb200-nvl72", "dgx-1v"):
            self.assert_same("topology", "diagram", name, "-o", "x.dot", file="x.dot")
        self.assert_same("topology", "diagram", "dgx-h100", "-o", "x.svg", file="x.svg")

    def test_validation_is_the_same_bytes_every_time(self):
        self.assert_same("validate", os.path.join(MEASUREMENTS, "aic-a100-nccl2.27.3-all-gather-2gpu.ini"), "--json")

    def test_a_result_does_not_depend_on_what_ran_before_it(self):
        paths = [os.path.join(SCENARIOS, name) for name in ("all-reduce-dgx-1v.ini", "pcie-flows-shared-uplink.ini")]
        few = ("--set", "sizes=1M;4M", "--csv")
        alone = [self.run_once(("run", path, *few), RUNS[0]).splitlines() for path in paths]
        both = self.run_once(("run", *paths, *few), RUNS[0]).splitlines()
        turned = self.run_once(("run", *reversed(paths), *few), RUNS[0]).splitlines()
        self.assertEqual(both, alone[0] + alone[1][1:])
        self.assertEqual(turned, alone[1] + alone[0][1:])

    def test_the_order_of_keys_does_not_matter(self):
        sets = ["topology.name=dgx-h100", "topology.gpus=4", "topology.multicast=off", "topology.cpu=any",
                "collective.operation=all_reduce", "collective.sizes=1K;8M", "collective.channels=3"]
        texts = set()
        for order in (sets, sets[::-1], sets[3:] + sets[:3]):
            words = [word for each in order for word in ("--set", each)]
            result = json.loads(self.run_once(("run", *words, "--json"), RUNS[0]))
            for one in result["results"]:
                del one["scenario_text"]  # says what was said, in its order
            texts.add(json.dumps(result))
        self.assertEqual(len(texts), 1)


FIXED = addresses_can_be_fixed()

if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
