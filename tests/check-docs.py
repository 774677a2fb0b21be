#!/usr/bin/env python3
"""Does what README.md and the pages of docs/ listed below say and compares what they show with what the program prints.

check-docs.py [--write] [--no-library] SOURCE-ROOT BUILD-ROOT PROGRAM

Every line shown under "$ fabricast ..." must be printed, in order; "..." and lines about the run may be left out.
--write puts today's figures into the pages: run it after a change of the model, and read the difference.
--no-library leaves out the program in C, which cannot use a library built with a sanitizer.
"""

import difflib
import os
import re
import shutil
import subprocess
import sys
import tempfile

PAGES = {
    "README.md": ("predict.c",),
    "docs/quickstart.md": ("mine.ini", "topo.txt", "pair.ini"),
    "docs/validation.md": (),
    "docs/loopback.md": (),
    "docs/program-format.md": (),
    "docs/claims.md": (),
    "docs/compare.md": (),
    "docs/explain.md": (),
    "docs/sweep.md": (),
    "docs/report.md": (),
    "docs/guide.md": ("plain.ini", "bridged.ini", "bridge-pays.ini", "pcie.ini", "nvswitch.ini"),
}
MATRIX = "tests/data/topo-m/topo-m-rtx4090x8-sys-nic.txt"  # the machine of README's last example
COMMAND = re.compile(r"(?:    )?\$ ((?:fabricast|cat|cc) .*)$")
ALIKE = 0.5  # share of a line that may not change when it is written anew


def save_files(page, names, folder):
    """The fenced blocks of a page are its files, in order."""
    blocks = re.findall(r"^```\w*\n(.*?)^```$", page, re.S | re.M)
    for name, block in zip(names, blocks):
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(block)


def examples(lines):
    """Yields (line number of the command, command, line numbers shown under it)."""
    at = 0
    while at < len(lines):
        match = COMMAND.match(lines[at])
        start = at
        at += 1
        if match is None:
            continue
        shown = []
        while at < len(lines) and (lines[at] == "" or lines[at].startswith("    ")) and "    $ " != lines[at][:6]:
            if lines[at].strip() not in ("", "..."):
                shown.append(at)
            at += 1
        yield start, match.group(1), shown


def place(shown, printed):
    """For each line shown the same line printed, or else the most alike between its neighbours' lines: of those that begin
    with the same word, if any does."""
    same = difflib.SequenceMatcher(None, shown, printed, autojunk=False)
    places = {a + i: b + i for a, b, size in same.get_matching_blocks() for i in range(size)}
    low = 0
    for index, line in enumerate(shown):
        if index not in places:
            high = min([places[i] for i in places if i > index], default=len(printed))
            word = line.split()[:1]
            ratios = [(printed[i].split()[:1] == word, difflib.SequenceMatcher(None, line, printed[i]).ratio(), -i)
                      for i in range(low, high)]
            _, ratio, best = max(ratios, default=(False, 0, 0))
            if ratio >= ALIKE:
                places[index] = -best
        low = places.get(index, low - 1) + 1
    return places


class Page:
    def __init__(self, source, name):
        self.name = name
        self.path = os.path.join(source, name)
        with open(self.path, encoding="utf-8") as file:
            self.text = file.read()
        self.lines = self.text.split("\n")
        self.faults = 0
        self.lost = 0

    def fault(self, number, command, message):
        print(f"{self.name}:{number + 1}: $ {command}\n  {message}")
        self.faults += 1

    def compare(self, number, command, shown, done):
        texts = [self.lines[i][4:] for i in shown]
        printed = done.stdout.splitlines()
        places = place(texts, printed)
        if not shown and done.returncode != 0:
            self.fault(number, command, "fails: " + done.stdout.strip())
            self.lost += 1
        for index, text in enumerate(texts):
            if index not in places:
                self.fault(shown[index], command, "not printed: " + text)
                self.lost += 1
            elif text != printed[places[index]]:
                self.fault(shown[index], command, f"shown:   {text}\n  printed: {printed[places[index]]}")
                self.lines[shown[index]] = "    " + printed[places[index]]


def check_page(page, folder, environment, library):
    save_files(page.text, PAGES[page.name], folder)
    count = 0
    for number, command, shown in examples(page.lines):
        if command.startswith("cc ") and not library:
            continue
        done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, text=True, timeout=1500, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        page.compare(number, command, shown, done)
        count += 1
    return count


def main():
    flags = [word for word in sys.argv[1:] if word.startswith("--")]
    source, build, program = (os.path.abspath(word) for word in sys.argv[1:] if not word.startswith("--"))
    faults = 0
    for name in PAGES:
        page = Page(source, name)
        with tempfile.TemporaryDirectory() as folder:
            tools = os.path.join(folder, "bin")
            os.mkdir(tools)
            os.symlink(program, os.path.join(tools, "fabricast"))
            os.symlink(os.path.join(source, "scenarios"), os.path.join(folder, "scenarios"))
            shutil.copyfile(os.path.join(source, MATRIX), os.path.join(folder, "topo.txt"))
            environment = dict(os.environ, PATH=tools + os.pathsep + os.environ["PATH"], LC_ALL="C",
                               LD_LIBRARY_PATH=os.path.join(build, "core"),
                               PKG_CONFIG_PATH=os.path.join(build, "meson-uninstalled"),
                               CPATH=os.path.join(source, "core", "include", "fabricast"),
                               FABRICAST_TOPOLOGY_PATH=os.path.join(source, "topologies"),
                               FABRICAST_PLUGIN_PATH=os.path.join(build, "plugins"))
            count = check_page(page, folder, environment, "--no-library" not in flags)
        print(f"{name}: {count} commands, {page.faults} differences")
        if "--write" in flags and page.faults > page.lost:
            with open(page.path, "w", encoding="utf-8") as file:
                file.write("\n".join(page.lines))
        faults += page.lost if "--write" in flags else page.faults
    return 0 if faults == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
