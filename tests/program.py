"""The program in the tests of its commands, as their first argument: what it must print, what it must refuse."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.path.abspath(sys.argv[1])
DONE, NO, INPUT, SYSTEM = 0, 1, 2, 3


def environment(**settings):
    """Without the caller's locale and folders, which must not change what is tested."""
    kept = {name: os.environ[name] for name in ("ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS") if name in os.environ}
    return {"PATH": os.environ["PATH"], "LC_ALL": "C", **kept, **settings}


def fabricast(*words, env=None, **more):
    return subprocess.run([PROGRAM, *words], env=env or environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=300, check=False, **more)


class Case(unittest.TestCase):
    """A test with a folder of its own."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="fabricast-")
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def prints(self, *words, status=DONE, **more):
        done = fabricast(*words, **more)
        self.assertEqual((done.returncode, done.stderr), (status, ""), words)
        return done.stdout

    def refuses(self, pattern, *words, status=INPUT, **more):
        done = fabricast(*words, **more)
        self.assertEqual((done.returncode, done.stdout), (status, ""), (words, done.stderr))
        self.assertRegex(done.stderr, r"\Afabricast: [^\n]+\n\Z", words)
        self.assertRegex(done.stderr, pattern, words)
