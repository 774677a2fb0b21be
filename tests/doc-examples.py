#!/usr/bin/env python3
"""Every command of the program that a page names exists, has the options that stand there, and runs. The manual page
names every command and every option.

doc-examples.py SOURCE-ROOT BUILD-ROOT PROGRAM

Pages that show output are check-docs.py's, which runs them and compares; here are all others, and what stands in the text.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile

# Files that the commands of a page read: copies from tests/data, or the number of a fenced block of the page.
FILES = {
    "docs/clusters.md": {"unit.ini": 0},
    "docs/import.md": {"run.log": "nccl-tests/nccltests-2021-error-column-no-root.txt",
                       "topo.xml": "nccl-xml/nccl-topo-dgx-a100-fragment.xml"},
    "docs/training.md": {"my/config.json": "models/hf-config-llama-70b-shape.json"},
}
# What stands for something of the reader's own: SCENARIO, ID.ini, folder/; files that only his GPUs can write.
OWN = re.compile(r"(^|[ =])(\[?[A-Z]{2,}[.\w]*|[A-Z]+\.\.\.|folder/|own(\.ini)?|fit\.ini|mine\.ini|results|step|--topology-dir=here)(?=$|[ \]])")
# These have tests of their own, in suite accuracy and with what stands for GPUs; here their options are looked at.
ELSEWHERE = {"validate", "calibrate", "measure", "chakra"}
ANSWER_NO = {"claims", "memory"}  # whose exit status 1 is an answer
# One small size instead of all: what is looked at is whether the command works.
SIZES = re.compile(r"--sizes[ =]\S+")


def page_names(source):
    docs = sorted(os.path.join("docs", name) for name in os.listdir(os.path.join(source, "docs")) if name.endswith(".md"))
    return ["README.md", *docs]


def examples(text):
    """Yields (line number, command without what is said of it, the whole line) of indented lines and of spans."""
    lines = text.split("\n")
    at = 0
    while at < len(lines):
        line, number = lines[at], at + 1
        match = re.match(r"    (?:\$ )?(fabricast .*)$", line)
        at += 1
        if match:
            words = match.group(1)
            while words.endswith("\\") and at < len(lines):
                words = words[:-1].rstrip() + " " + lines[at].strip()
                at += 1
            yield number, re.split(r"  +(?=\S)", words)[0].split(" | ")[0].strip(), words
        else:
            for span in re.findall(r"`(fabricast [^`]+)`", line):
                yield number, span, span


class Program:
    def __init__(self, path, environment):
        self.path, self.environment, self.helps = path, environment, {}

    def help(self, words):
        if words not in self.helps:
            done = subprocess.run([self.path, *words, "--help"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  timeout=60, check=False, env=self.environment)
            self.helps[words] = done.stdout if done.returncode == 0 else None
        return self.helps[words]

    def children(self, words):
        listed = re.search(r"^Commands:\n((?:  .*\n)+)", self.help(words) or "", re.M)
        return [line.split()[0] for line in listed.group(1).splitlines()] if listed else []

    def complaint(self, line):
        """What the program does not know of a line; None."""
        words, path = line.split()[1:], ()
        for word in words:
            children = self.children(path)
            if not children or word in ("COMMAND", "help") or word.startswith("-"):
                break
            if word not in children:
                return f"there is no command {' '.join(path + (word,))}"
            path += (word,)
        known = set(re.findall(r"--([\w-]+)", self.help(path) or "")) | {"help", "version"}
        for option in re.findall(r"(?<![\w-])--([a-z][\w-]*)", line):
            if option not in known and not self.children(path):
                return f"{' '.join(path)} has no option --{option}"
        return None


# They take the options of run that say what runs, and the manual says so once.
AS_RUN = {("program", "export"), ("program", "show"), ("measure",)}
EVERYWHERE = {"help", "plugin-dir", "topology-dir", "no-progress"}


def leaves(program, words=()):
    """Commands that do something, as words."""
    children = [name for name in program.children(words) if name != "help"]
    return [leaf for name in children for leaf in leaves(program, words + (name,))] if children else [words]


def check_manual(program, source):
    """Prints what the manual page leaves out; how much that is."""
    with open(os.path.join(source, "docs/fabricast.1"), encoding="utf-8") as file:
        sections = re.split(r"^\.SS ", file.read().replace("\\-", "-"), flags=re.M)
    options = {words: re.findall(r"^  (?:-(\w), )?--([\w-]+)", program.help(words), re.M) for words in leaves(program)}
    faults = 0
    for words, known in options.items():
        about = [text for text in sections if all(word in text.split("\n")[0] for word in words)]
        about += [text for text in sections if text.split("\n")[0] == "fabricast " + words[0] and words[-1] in text]
        text = " ".join(about)
        shared = {name for _, name in options[("run",)]} if words in AS_RUN else set()
        left_out = [name for letter, name in known if name not in EVERYWHERE | shared and
                    not re.search(rf"--{name}(?![\w-])", text) and not (letter and re.search(rf"-{letter}\b", text))]
        if not about or left_out:
            print(f"docs/fabricast.1: {' '.join(words)}: " + (", ".join(left_out) if about else "is not there"))
            faults += 1
    return faults


def fill(page, text, source, folder):
    blocks = re.findall(r"^```\w*\n(.*?)^```$", text, re.S | re.M)
    for name, origin in FILES.get(page, {}).items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if isinstance(origin, int):
            with open(path, "w", encoding="utf-8") as file:
                file.write(blocks[origin])
        else:
            shutil.copyfile(os.path.join(source, "tests/data", origin), path)


def run_page(page, text, folder, environment, here):
    """Runs what can be run here; returns how many, and prints what fails."""
    count = faults = 0
    done_before = set()
    for number, command, _ in examples(text):
        words = command.split()
        made = os.path.exists(os.path.join(folder, "mine.ini")) and "mine.ini" in command
        if command in done_before or words[1] in ELSEWHERE or (OWN.search(command) and not made and not here(command)):
            continue
        if len(words) < 3 and words[1] in ("run", "compare", "sweep", "claims", "explain", "report", "memory", "import"):
            continue  # the name alone, in a sentence
        if words[-1].startswith("--") and words[-1] in ("--load", "--json") or words[1:] in (
                ["program", "export"], ["topology", "show"], ["plugin", "info"], ["import", "topo-matrix"]):
            continue
        done_before.add(command)
        done = subprocess.run(["bash", "-c", SIZES.sub("--sizes 64K", command)], cwd=folder, env=environment, text=True, timeout=120, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        count += 1
        if done.returncode != 0 and not (done.returncode == 1 and words[1] in ANSWER_NO):
            print(f"{page}:{number}: $ {command}\n  {done.stdout.strip()[-300:]}")
            faults += 1
    return count, faults


def main():
    source, build, program = (os.path.abspath(word) for word in sys.argv[1:4])
    spec = importlib.util.spec_from_file_location("check_docs", os.path.join(source, "tests/check-docs.py"))
    check_docs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(check_docs)
    environment = dict(os.environ, LC_ALL="C", FABRICAST_TOPOLOGY_PATH=os.path.join(source, "topologies"),
                       FABRICAST_PLUGIN_PATH=os.path.join(build, "plugins"))
    known = Program(program, environment)
    named = ran = 0
    faults = check_manual(known, source)
    for page in page_names(source):
        with open(os.path.join(source, page), encoding="utf-8") as file:
            text = file.read()
        for number, _, line in examples(text):
            complaint = known.complaint(line)
            named += 1
            if complaint is not None:
                print(f"{page}:{number}: {line}\n  {complaint}")
                faults += 1
        if page in check_docs.PAGES or page == "docs/plugin-tutorial.md":
            continue
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(os.path.join(folder, "bin"))
            os.symlink(program, os.path.join(folder, "bin", "fabricast"))
            fill(page, text, source, folder)
            path = os.path.join(folder, "bin") + os.pathsep + environment["PATH"]
            made = FILES.get(page, {})
            count, bad = run_page(page, text, folder, dict(environment, PATH=path),
                                  lambda command, made=made: any(name in command for name in made))
            ran += count
            faults += bad
    print(f"{named} commands named, {ran} run here, {faults} faults")
    return 0 if faults == 0 and ran > 10 else 1


if __name__ == "__main__":
    sys.exit(main())
