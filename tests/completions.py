#!/usr/bin/env python3
"""Presses the tab key: what shells offer for fabricast is every command and every option, in bash, zsh and fish.

completions.py PROGRAM FOLDER-OF-COMPLETIONS
"""

import os
import re
import shutil
import subprocess
import sys
import unittest

from program import PROGRAM, Case, fabricast

FOLDER = os.path.abspath(sys.argv[2])


def commands(*words):
    """Yields (words of a command, its help) for everything that `help` lists, level by level."""
    text = fabricast(*words, "--help").stdout
    listed = re.search(r"^Commands:\n((?:  .*\n)+)", text, re.M)
    if listed is None:
        yield words, text
        return
    for line in listed.group(1).splitlines():
        name = line.split()[0]
        if name != "help":
            yield from commands(*words, name)


def options(text):
    """Long options of a help text."""
    return set(re.findall(r"^  (?:-\w, )?--([\w-]+)", text, re.M))


def offered(*words):
    """What the program tells a shell, without descriptions."""
    done = fabricast("complete", *words)
    return [line.split("\t")[0] for line in done.stdout.splitlines()] if done.returncode == 0 else None


class Program(unittest.TestCase):
    def test_every_command_is_offered(self):
        seen = 0
        for words, _ in commands():
            for depth in range(len(words)):
                self.assertIn(words[depth], offered(*words[:depth], ""), words)
                self.assertIn(words[depth], offered(*words[:depth], words[depth][:2]))
            seen += 1
        self.assertGreater(seen, 20)

    def test_every_option_is_offered_and_no_other(self):
        for words, text in commands():
            told = {word.strip("-=") for word in offered(*words, "--")}
            self.assertEqual(told, options(text), words)
            self.assertIn("help", told)

    def test_an_option_that_takes_a_value_ends_in_an_equals_sign(self):
        told = offered("run", "--")
        self.assertIn("--output=", told)
        self.assertIn("--json", told)

    def test_arguments_are_machines_scenarios_plugins_models_and_files(self):
        self.assertIn("dgx-h100", offered("topology", "show", "dgx-"))
        self.assertIn("dgx-h100", offered("run", "--topology", ""))
        self.assertIn("--topology=dgx-h100", offered("run", "--topology=dgx"))
        self.assertIn("bridge-3090", offered("report", "bri"))
        self.assertIn("nvswitch", offered("plugin", "info", ""))
        self.assertIn("llama-3-8b", offered("model", "show", "llama"))
        self.assertEqual(offered("run", "-o", ""), [":files"])
        self.assertIn(":files", offered("compare", ""))
        self.assertEqual(offered("plugin", "list", ""), [])

    def test_what_is_no_command_is_offered_nothing(self):
        self.assertEqual(offered("no-such", ""), [])
        self.assertEqual(offered("topology", "no-such", "--"), [])
        self.assertEqual(offered("run", "--no-such"), [])

    def test_help_offers_commands(self):
        self.assertIn("run", offered("help", ""))
        self.assertIn("show", offered("help", "topology", ""))


class Shell(Case):
    """Each shell loads its file and is asked, with the program in its path."""

    def setUp(self):
        super().setUp()
        os.symlink(PROGRAM, self.path("fabricast"))
        self.write("a result.json", "")
        self.environment = dict(os.environ, PATH=self.folder + os.pathsep + os.environ["PATH"], HOME=self.folder,
                                LC_ALL="C.UTF-8")

    def ask(self, shell, script):
        if shutil.which(shell) is None:
            self.skipTest("there is no " + shell)
        done = subprocess.run([shell, "-c", script], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.stderr, "")
        return done.stdout.splitlines()

    def bash(self, line):
        return self.ask("bash", f"""source {FOLDER}/fabricast.bash
            compopt() {{ :; }}
            COMP_LINE={line!r} COMP_POINT={len(line)}
            _fabricast; printf '%s\\n' "${{COMPREPLY[@]}}" """)

    def zsh(self, *words):
        quoted = " ".join(repr(word) for word in words)
        return self.ask("zsh", f"""compadd() {{ while [[ $1 != -- ]]; do shift; done; shift; print -l -- "$@" }}
            _files() {{ print -- FILES }}
            words=(fabricast {quoted}) CURRENT={len(words) + 1}
            source {FOLDER}/_fabricast""")

    def fish(self, line):
        lines = self.ask("fish", f"source {FOLDER}/fabricast.fish; complete -C {line!r}")
        return [line.split("\t")[0] for line in lines]

    def test_bash(self):
        self.assertEqual(self.bash("fabricast rep"), ["report"])
        self.assertIn("show", self.bash("fabricast topology "))
        self.assertIn("--json", self.bash("fabricast run --"))
        # What stands before the '=' stays where it is.
        self.assertIn("dgx-h100", self.bash("fabricast run --topology=dgx"))
        self.assertIn("a result.json", self.bash("fabricast report a"))

    def test_bash_offers_every_option(self):
        for words, text in commands():
            told = {word.strip("-=") for word in self.bash(" ".join(("fabricast", *words, "--")))}
            self.assertEqual(told, options(text), words)

    def test_zsh(self):
        self.assertEqual(self.zsh("rep"), ["report"])
        self.assertIn("show", self.zsh("topology", ""))
        self.assertIn("--json", self.zsh("run", "--"))
        self.assertIn("--output=", self.zsh("run", "--o"))
        self.assertIn("FILES", self.zsh("report", ""))

    def test_fish(self):
        self.assertEqual(self.fish("fabricast rep"), ["report"])
        self.assertIn("show", self.fish("fabricast topology "))
        self.assertIn("--json", self.fish("fabricast run --"))
        self.assertTrue(any("result.json" in one for one in self.fish("fabricast report a")))


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
