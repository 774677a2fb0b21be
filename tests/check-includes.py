#!/usr/bin/env python3
"""Fails when a file includes what its folder may not: data flows one way (the table is in core/README.md).

Fails too when an installed header needs one that is not installed.
"""

import os
import re
import sys

# Folder -> folders of core that it may include besides itself.
MAY_INCLUDE = {
    "include": [],
    "base": [],
    "scenario": ["base"],
    "result": ["base"],
    "plugin": ["base", "include"],
    "topology": ["base", "plugin", "include"],
    "program": ["base"],
    "collective": ["base", "topology", "program"],
    "workload": ["base", "scenario", "topology", "program", "collective"],
    "engine": ["base", "topology", "program", "result"],
    "measure": ["base", "topology", "result"],
    "predict": ["base", "include", "scenario", "result", "plugin", "topology", "program", "collective", "workload",
                "engine", "measure"],
    "validate": ["base", "scenario", "result", "plugin", "topology", "collective", "workload", "engine", "measure",
                 "predict"],
    "study": ["base", "include", "scenario", "result", "plugin", "topology", "collective", "workload", "predict"],
    "report": ["base", "include", "scenario", "topology", "workload", "result", "measure", "predict", "validate",
               "study"],
}
MAY_INCLUDE["cli"] = list(MAY_INCLUDE)
MAY_INCLUDE["mpi"] = ["base", "study"]

# Headers that a plugin may use: the C11 library and the plugin ABI.
LIBC = {"assert.h", "ctype.h", "errno.h", "float.h", "inttypes.h", "limits.h", "math.h", "stdarg.h", "stdbool.h",
        "stddef.h", "stdint.h", "stdio.h", "stdlib.h", "string.h", "time.h"}

# fabricast.h is the whole library in one include.
EVERYTHING = {"core/include/fabricast/fabricast.h"}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def includes(path):
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            match = INCLUDE.match(line)
            if match:
                yield number, match.group(1), match.group(2)


def sources(root, top):
    for folder, folders, files in os.walk(os.path.join(root, top)):
        folders.sort()
        for name in sorted(files):
            if name.endswith((".c", ".h", ".cu", ".cuh")):
                yield os.path.relpath(os.path.join(folder, name), root).replace(os.sep, "/")


def check_core(root, path):
    """Yields (line, complaint)."""
    folder = path.split("/")[1]
    if path in EVERYTHING:
        return
    if folder not in MAY_INCLUDE:
        yield 1, f"folder core/{folder} is not in the table; add a row to tests/check-includes.py and core/README.md"
        return
    allowed = [folder] + MAY_INCLUDE[folder]
    for line, quote, name in includes(os.path.join(root, path)):
        if name.startswith("fabricast/"):
            target = "include"
            if name == "fabricast/fabricast.h":
                yield line, f"<{name}> is for users of the library; include the one header that is needed"
        elif quote == "<" or name == "fabricast-config.h":
            continue
        elif "/" not in name:
            yield line, f'"{name}" has no folder in front; write "{folder}/{name}"'
            continue
        else:
            target = name.split("/")[0]
        if target not in allowed:
            yield line, f"core/{folder} may not include {name}; it may include {', '.join(sorted(allowed))}"


def check_plugin(root, path):
    for line, quote, name in includes(os.path.join(root, path)):
        ours = quote == '"' and name.startswith("common/")
        if name != "fabricast/plugin.h" and name not in LIBC and not ours:
            yield line, f"a plugin may include <fabricast/plugin.h>, common/ and the C library only, not {name}"


def check_cuda(root, path):
    for line, quote, name in includes(os.path.join(root, path)):
        if name.startswith("glib") or name.startswith("gio/"):
            yield line, f"cuda-validate builds without GLib, so not {name}"
        elif quote == '"' and name.split("/")[0] in MAY_INCLUDE:
            yield line, f"cuda-validate may include the public headers of core only, not {name}"


def check_installed(root):
    """Headers that are installed include none that is not: yields (path, line, complaint)."""
    build = os.path.join(root, "core/meson.build")
    if not os.path.exists(build):
        return
    with open(build, encoding="utf-8") as file:
        lists = re.findall(r"install_headers\((.*?)\)", file.read(), re.S)
    installed = {name.removeprefix("include/") for text in lists for name in re.findall(r"'([^']+\.h)'", text)}
    for name in sorted(installed):
        path = f"core/include/{name}" if name.startswith("fabricast/") else f"core/{name}"
        for line, quote, included in includes(os.path.join(root, path)):
            if (quote == '"' or included.startswith("fabricast/")) and included not in installed:
                yield path, line, f"this header is installed, {included} is not; add it to core/meson.build"


def main():
    root = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
    complaints = 0
    count = 0
    for top, check in (("core", check_core), ("plugins", check_plugin), ("cuda-validate", check_cuda)):
        for path in sources(root, top):
            count += 1
            for line, complaint in check(root, path):
                print(f"{path}:{line}: {complaint}")
                complaints += 1
    for path, line, complaint in check_installed(root):
        print(f"{path}:{line}: {complaint}")
        complaints += 1
    if count == 0:
        print(f"{root}: no sources found below core/, plugins/ or cuda-validate/")
        return 1
    print(f"{count} files, {complaints} includes in a wrong direction")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
