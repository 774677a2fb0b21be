#!/usr/bin/env python3
"""Compiles every header of core alone, as C11, and the plugin ABI also as C99 and C++.

usage: check-headers.py SOURCE-ROOT CC...
"""

import os
import shutil
import subprocess
import sys
import tempfile

STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only"]


def headers(root):
    for folder, folders, files in os.walk(os.path.join(root, "core")):
        folders.sort()
        for name in sorted(files):
            if name.endswith(".h"):
                yield os.path.relpath(os.path.join(folder, name), os.path.join(root, "core"))


def compiles(command, header):
    with tempfile.NamedTemporaryFile("w", suffix=".c") as file:
        # Twice: the guard must work. A declaration follows, for a file may not be empty.
        file.write(f'#include "{header}"\n#include "{header}"\nextern int check_headers;\n')
        file.flush()
        done = subprocess.run(command + [file.name], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        print(f"core/{header}: does not compile alone with {' '.join(command)}\n{done.stderr}")
    return done.returncode == 0


def main():
    root, cc = sys.argv[1], sys.argv[2:]
    flags = subprocess.run(["pkg-config", "--cflags", "glib-2.0", "json-glib-1.0", "libxml-2.0", "libcgraph", "libgvc"],
                           capture_output=True, text=True, check=True).stdout.split()
    core = os.path.join(root, "core")
    paths = ["-I" + core, "-I" + os.path.join(core, "include")]
    failed = 0
    count = 0
    for header in headers(root):
        count += 1
        failed += not compiles(cc + ["-std=c11", "-D_GNU_SOURCE", *STRICT, *paths, *flags], header)
    abi = "fabricast/plugin.h"
    failed += not compiles(cc + ["-std=c99", *STRICT, paths[1]], abi)
    cxx = next((name for name in ("c++", "g++", "clang++") if shutil.which(name)), None)
    if cxx is None:
        print("no C++ compiler, so the plugin ABI was not compiled as C++")
    else:
        failed += not compiles([cxx, "-x", "c++", "-std=c++11", *STRICT, paths[1]], abi)
    print(f"{count} headers, {failed} do not compile alone")
    return 1 if failed or count == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
