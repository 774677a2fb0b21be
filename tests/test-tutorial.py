#!/usr/bin/env python3
"""Does what docs/plugin-tutorial.md says: saves its files, runs its commands, compares what they print.

test-tutorial.py SOURCE-ROOT BUILD-ROOT PROGRAM CC...

A line of output that the page shows must be part of a line that the command prints, in order; "..." leaves lines out.
"""

import os
import re
import subprocess
import sys
import tempfile

PAGE = "docs/plugin-tutorial.md"
PLUGIN_LINES = 60


def blocks(page, language):
    return re.findall(r"^```" + language + r"\n(.*?)^```$", page, re.S | re.M)


def commands(block):
    """Yields (command, lines shown)."""
    parts = re.split(r"^\$ ", block, flags=re.M)
    for part in parts[1:]:
        command, *shown = part.rstrip("\n").split("\n")
        yield command, [line.strip() for line in shown if line.strip() not in ("", "...")]


def run(command, shown, folder, environment):
    done = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, text=True, timeout=120, check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    printed = iter(done.stdout.splitlines())
    for line in shown:
        if not any(line in other for other in printed):
            print(f"{PAGE}: $ {command}\nlacks the line: {line}\nit printed (exit status {done.returncode}):\n"
                  f"{done.stdout}")
            return False
    if not shown and done.returncode != 0:
        print(f"{PAGE}: $ {command}\nfailed with exit status {done.returncode}:\n{done.stdout}")
        return False
    return True


def main():
    source, build, program, *cc = sys.argv[1:]
    with open(os.path.join(source, PAGE), encoding="utf-8") as file:
        page = file.read()
    plugin, machine = blocks(page, "c")[0], blocks(page, "ini")[0]
    lines = plugin.count("\n")
    if lines >= PLUGIN_LINES:
        print(f"{PAGE}: the plugin has {lines} lines, the page promises fewer than {PLUGIN_LINES}")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        for name, text in (("gpu-ring.c", plugin), ("ring8.ini", machine)):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(text)
        tools = os.path.join(folder, "bin")
        os.mkdir(tools)
        os.symlink(os.path.abspath(program), os.path.join(tools, "fabricast"))
        environment = dict(os.environ, PATH=tools + os.pathsep + os.environ["PATH"], LC_ALL="C",
                           PKG_CONFIG_PATH=os.path.join(build, "meson-uninstalled"))
        strict = cc + ["-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only", "gpu-ring.c",
                       "-I" + os.path.join(source, "core", "include")]
        good = subprocess.run(strict, cwd=folder, check=False).returncode == 0
        count = 0
        for block in blocks(page, "sh"):
            for command, shown in commands(block):
                good = run(command, shown, folder, environment) and good
                count += 1
    print(f"{count} commands of {PAGE}, plugin of {lines} lines")
    return 0 if good and count > 0 else 1


if __name__ == "__main__":
    sys.exit(main())
