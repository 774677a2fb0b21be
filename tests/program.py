"""The program in the tests of its commands, as their first argument: what it must print, what it must refuse."""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.path.abspath(sys.argv[1])
DONE, NO, INPUT, SYSTEM = 0, 1, 2, 3
takes_minutes = unittest.skipIf("FAB_SANITIZED" in os.environ, "takes minutes with sanitizers; other builds run it")
SANITIZERS = "ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS"
DRAWING = "diagram", "--diagram", "report"
UNWIND = "fast_unwind_on_malloc=0"


def environment(**settings):
    """Without the caller's locale and folders, which must not change what is tested."""
    kept = {name: os.environ[name] for name in SANITIZERS if name in os.environ}
    return {"PATH": os.environ["PATH"], "LC_ALL": "C", **kept, **settings}


def for_drawing(env, words):
    """
    Leaks of Graphviz's libraries are known by their callers, which only the slow unwinder finds: with it everything
    takes 25 times as long. Who wants to see leaks of ours asks for it: tests of diagrams and pages do, and one here.
    """
    options = env.get("ASAN_OPTIONS", "")
    if not set(DRAWING) & set(words) or UNWIND in options:
        return env
    return {**env, "ASAN_OPTIONS": options + ":detect_leaks=0"}


def fabricast(*words, env=None, **more):
    settings = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8",
                "errors": "replace", "timeout": 300, "check": False, **more}
    return subprocess.run([PROGRAM, *words], env=for_drawing(env or environment(), words), **settings)


class Case(unittest.TestCase):
    """A test with a folder of its own."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="fabricast-")
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write(self, name, content):
        with open(self.path(name), "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())
        return self.path(name)

    def prints(self, *words, status=DONE, says=r"\A\Z", **more):
        """What it prints; `says`: what stands on standard error."""
        done = fabricast(*words, **more)
        self.assertEqual(done.returncode, status, (words, done.stderr))
        self.assertRegex(done.stderr, says, words)
        return done.stdout

    def refuses(self, pattern, *words, status=INPUT, prints=r"\A\Z", **more):
        """It must say one line that matches, on standard error, and end with the status. Returns the line."""
        done = fabricast(*words, **more)
        self.assertEqual(done.returncode, status, (words, done.stderr))
        self.assertRegex(done.stdout or "", prints, words)
        self.assertRegex(done.stderr, r"\Afabricast: [^\n]+\n\Z", words)
        self.assertRegex(done.stderr, pattern, words)
        return done.stderr
