#!/usr/bin/env python3
"""Runs sweeps under mpirun with four ranks: the same bytes as one process, killed and finished, errors said once.

cli-mpi.py PROGRAM MPIRUN
"""

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
import unittest

from program import DONE, INPUT, PROGRAM, Case

MPIRUN = os.path.abspath(sys.argv[2])
RANKS = 4
POINTS = 1500
SWEEP = f"""[topology]
name=ws2-bridge-3090
[collective]
operation=all_reduce
[sweep]
collective.sizes=64..{POINTS * 64}+64
"""


def launcher():
    """mpirun with what it needs to start four processes anywhere; only Open MPI asks for it."""
    version = subprocess.run([MPIRUN, "--version"], stdout=subprocess.PIPE, text=True, check=False).stdout
    more = ["--allow-run-as-root", "--oversubscribe"] if "Open MPI" in version or "OpenRTE" in version else []
    return [MPIRUN, *more, "-n", str(RANKS), PROGRAM, "sweep"]


class Mpi(Case):
    def setUp(self):
        super().setUp()
        self.store = self.path("points.db")
        self.sweep = self.write("sweep.ini", SWEEP)

    def points(self):
        with contextlib.closing(sqlite3.connect(self.store)) as base:
            return [row[0] for row in base.execute("SELECT number FROM points")]

    def run_ranks(self, *words):
        return subprocess.run([*launcher(), *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=300, check=False)

    def alone(self, *words):
        return self.prints("sweep", self.sweep, *words)

    def test_four_ranks_print_and_keep_what_one_process_does(self):
        done = self.run_ranks(self.sweep, "--store", self.store, "--csv")
        self.assertEqual((done.returncode, done.stderr), (DONE, ""))
        self.assertEqual(done.stdout, self.alone("--csv"))
        self.assertEqual(sorted(self.points()), list(range(POINTS)))
        # What the ranks found is a store as any other.
        self.assertEqual(self.alone("--store", self.store, "--csv"), done.stdout)

    def test_what_was_killed_goes_on(self):
        running = subprocess.Popen([*launcher(), self.sweep, "--store", self.store, "--csv"], start_new_session=True,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        log, size = self.store + "-wal", -1
        while running.poll() is None and size < 300000:
            time.sleep(0.01)
            size = os.path.getsize(log) if os.path.exists(log) else -1
        os.killpg(running.pid, signal.SIGKILL)
        self.assertEqual(running.wait(), -signal.SIGKILL, "finished before it could be killed")
        done = None
        for _ in range(100):  # the ranks notice within moments that nobody is there any more
            done = self.run_ranks(self.sweep, "--store", self.store, "--csv")
            if done.returncode == DONE:
                break
            self.assertIn("another sweep is writing into it", done.stderr)
            time.sleep(0.1)
        self.assertEqual(done.stdout, self.alone("--csv"))
        self.assertEqual(sorted(self.points()), list(range(POINTS)))

    def says_once(self, words, *given):
        done = self.run_ranks(*given)
        self.assertEqual(done.returncode, INPUT, done.stderr)
        self.assertEqual(done.stderr.count("fabricast: "), 1, done.stderr)
        self.assertIn(words, done.stderr)
        self.assertEqual(done.stdout.count("point,"), 0)

    def test_errors_are_said_once(self):
        self.says_once("no such file", self.path("none.ini"))
        self.says_once("is a folder, a store is a file", self.sweep, "--store", self.folder)
        self.says_once("--part is not for processes that share the points already", self.sweep, "--part", "1/2")
        self.says_once("--merge is work for one process", self.sweep, "--merge", self.store)
        self.says_once("none.ini", self.sweep, "--set", "calibration.file=none.ini")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
