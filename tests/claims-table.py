#!/usr/bin/env python3
"""Is the table of statements in docs/claims.md what `fabricast claims` prints?

claims-table.py [--write] SOURCE-ROOT PROGRAM

Every claim that ships stands in the table, every one in the table ships, and the verdict behind its name is today's.
--write puts today's verdicts into the table. Every statement has claims, or says why it is not judged.
"""

import glob
import json
import os
import re
import subprocess
import sys

PAGE = "docs/claims.md"
ROW = re.compile(r"^\| ([0-9]+[ab]?(?:-[0-9]+)?) \| ([^|]+) \| ([^|]+) \|$")
ENTRY = re.compile(r"^([0-9a-z-]+): ([a-z ]+|\?)$")
NUMBERS = [*range(1, 59), *range(101, 140)]  # of statements: guide and thread, then vendors and the web


def judge(source, program):
    files = sorted(glob.glob(os.path.join(source, "scenarios", "claims", "*.ini")))
    done = subprocess.run([program, "claims", "--json", *files], check=False, text=True, stdout=subprocess.PIPE)
    return {claim["id"]: claim["verdict"] for claim in json.loads(done.stdout)["claims"]}


def numbers_of(text):
    first, _, last = text.rstrip("ab").partition("-")
    return range(int(first), int(last or first) + 1)


def check_row(number, cell, verdicts, seen, faults):
    """The cell with today's verdicts."""
    entries = []
    if cell.startswith("not judged: "):
        return cell
    for text in cell.split("; "):
        match = ENTRY.match(text)
        if match is None or match.group(1) not in verdicts:
            faults.append(f"{PAGE}: statement {number}: \"{text}\" is no claim that ships with its verdict")
            entries.append(text)
            continue
        name, shown = match.groups()
        seen.add(name)
        if shown != verdicts[name]:
            faults.append(f"{PAGE}: statement {number}: {name} is shown as \"{shown}\", judged \"{verdicts[name]}\"")
        entries.append(f"{name}: {verdicts[name]}")
    return "; ".join(entries)


def main():
    source, program = (os.path.abspath(word) for word in sys.argv[1:] if not word.startswith("--"))
    path = os.path.join(source, PAGE)
    verdicts = judge(source, program)
    faults, seen, numbers = [], set(), set()
    with open(path, encoding="utf-8") as file:
        lines = file.read().split("\n")
    for at, line in enumerate(lines):
        match = ROW.match(line)
        if match is not None:
            number, statement, cell = match.groups()
            numbers.update(numbers_of(number))
            lines[at] = f"| {number} | {statement} | {check_row(number, cell, verdicts, seen, faults)} |"
    faults += [f"{PAGE}: {name} is not in the table of statements" for name in sorted(set(verdicts) - seen)]
    faults += [f"{PAGE}: statement {number} is not in the table" for number in NUMBERS if number not in numbers]
    if "--write" in sys.argv[1:]:
        with open(path, "w", encoding="utf-8") as file:
            file.write("\n".join(lines))
    print("\n".join([*faults, f"{len(verdicts)} claims, {len(numbers)} statements, {len(faults)} faults"]))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
