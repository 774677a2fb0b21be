#!/usr/bin/env python3
"""Fails when a source file breaks the rules that a program can see: sizes, width, blanks, words left behind."""

import os
import re
import sys

FOLDERS = ("core", "plugins", "cuda-validate", "tests")
WIDTH = 120
FUNCTION_LINES = 80
FUNCTION_P90 = 40
FILE_LINES = {".c": 600, ".cu": 600, ".h": 300, ".cuh": 300}
LEFT_BEHIND = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b")

# A definition starts at column 0; "name(" there means that the return type stands on the line above.
STARTS_WITH_NAME = re.compile(r"^([A-Za-z_]\w*)\s*\(")
TYPE_ON_SAME_LINE = re.compile(r"^(?!typedef\b|else\b|return\b|struct\s+\w+\s*\{|enum\b)[A-Za-z_][\w\s\*]*[\s\*]"
                               r"(\w+)\s*\([^;=]*$")

# A cast and what it casts, with a blank between them.
CAST = re.compile(r"(?<![\w)])\((?:const )?(?:u?int(?:8|16|32|64)_t|size_t|double|char|int|g\w+|G[A-Z]\w+|Fab\w+)"
                  r"(?: \*+)?\) [\w(&*-]")


def sources(root):
    for top in FOLDERS:
        for folder, folders, files in os.walk(os.path.join(root, top)):
            folders.sort()
            for name in sorted(files):
                if os.path.splitext(name)[1] in FILE_LINES:
                    yield os.path.join(folder, name)


def without_comments(text):
    """The text with comments and literals blanked; line numbers stay."""
    def blank(match):
        return "\n" * match.group(0).count("\n") or " "

    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text, flags=re.S)


def functions(lines):
    """Yields (line of the head, name, lines from head to closing brace, type on the head's line)."""
    head = None
    for number, line in enumerate(lines, 1):
        named = STARTS_WITH_NAME.match(line)
        typed = TYPE_ON_SAME_LINE.match(line)
        if line.startswith("{"):
            if head is not None:
                head = (*head, "open")
        elif line.startswith("}"):
            if head is not None and head[-1] == "open":
                yield head[0], head[1], number - head[0] + 1, head[2]
            head = None
        elif head is not None and head[-1] == "open":
            continue
        elif named:
            head = (number, named.group(1), False)
        elif typed and not line.startswith("#"):
            head = (number, typed.group(1), True)
            if line.rstrip().endswith("{"):
                head = (*head, "open")
        elif line and not line[0].isspace():
            head = None


# Programs of Check end alike, and obey its variables alike.
OWN_RUNNER = re.compile(r"\bsrunner_create\b")


def check(path, shown, lengths):
    """Yields (line, complaint)."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    lines = text.split("\n")
    limit = FILE_LINES[os.path.splitext(path)[1]]
    if len(lines) - 1 > limit:
        yield limit + 1, f"the file has {len(lines) - 1} lines, {limit} are the most"
    if text and not text.endswith("\n"):
        yield len(lines), "no newline at the end of the file"
    for number, line in enumerate(lines, 1):
        if "\t" in line:
            yield number, "a tab; indent with spaces"
        if line != line.rstrip():
            yield number, "blanks at the end of the line"
        if len(line) > WIDTH:
            yield number, f"{len(line)} columns, {WIDTH} are the most"
        word = LEFT_BEHIND.search(line)
        if word:
            yield number, f"{word.group(1)}: do it, or write an issue"
    code = without_comments(text).split("\n")
    for number, line in enumerate(code, 1):
        if re.search(r"\bgoto\b", line):
            yield number, "goto; use g_autoptr and early returns"
        if CAST.search(line) and "sizeof" not in line:
            yield number, "a blank behind a cast"
        if OWN_RUNNER.search(line) and os.path.basename(path) != "suite.h":
            yield number, "a runner of its own; end with run_tests() of suite.h"
    for number, name, length, typed in functions(code):
        lengths.append((length, f"{shown}:{number}: {name}"))
        if length > FUNCTION_LINES:
            yield number, f"{name} has {length} lines, {FUNCTION_LINES} are the most"
        if typed:
            yield number, f"{name}: the return type stands on its own line above the name"


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
    complaints = 0
    files = 0
    lengths = []
    for path in sources(root):
        shown = os.path.relpath(path, root)
        files += 1
        for line, complaint in check(path, shown, lengths):
            print(f"{shown}:{line}: {complaint}")
            complaints += 1
    if not lengths:
        print(f"{root}: no functions found below {', '.join(FOLDERS)}")
        return 1
    lengths.sort()
    p90 = lengths[int(0.9 * (len(lengths) - 1))][0]
    if p90 > FUNCTION_P90:
        print(f"nine of ten functions must have at most {FUNCTION_P90} lines; the 90th percentile is {p90}; longest:")
        for length, where in reversed(lengths[-10:]):
            print(f"    {where}: {length} lines")
        complaints += 1
    print(f"{files} files, {len(lengths)} functions, 90th percentile {p90} lines, longest {lengths[-1][0]}; "
          f"{complaints} complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
