#!/usr/bin/env python3
"""Writes the style, the script and the chart library of reports as C.

embed.py PAGE.css PAGE.js OUTPUT.c [D3.min.js]
"""

import os
import sys

NOTICE = "/usr/share/doc/node-d3/copyright"


def array(name, data):
    rows = [", ".join(str(byte) for byte in data[i:i + 24]) for i in range(0, len(data), 24)]
    return f"const char {name}[] = {{\n" + "".join(row + ",\n" for row in rows) + "0 };\n"


def library(path):
    """The bytes of the library and the terms under which it may be passed on; nothing where there are none."""
    notice = os.path.join(os.path.dirname(path), "LICENSE")
    if not os.path.exists(notice):
        notice = NOTICE
    if not os.path.exists(notice):
        print(f"embed.py: {path} has no licence beside it, it is left out", file=sys.stderr)
        return b"", b""
    with open(path, "rb") as file:
        code = file.read()
    with open(notice, "rb") as file:
        terms = file.read()
    # Neither may end the element that holds it, and the array holds chars.
    code = code.decode("utf-8").replace("</script", "<\\/script").encode("ascii", "backslashreplace")
    terms = terms.replace(b"--", b"- -").decode("utf-8").encode("ascii", "replace")
    return code, terms


def main():
    style, script, output, *rest = sys.argv[1:]
    code, terms = library(rest[0]) if rest else (b"", b"")
    with open(style, "rb") as file:
        style = file.read()
    with open(script, "rb") as file:
        script = file.read()
    with open(output, "w", encoding="ascii") as file:
        file.write("/* Made by embed.py. */\n#include \"report/page-private.h\"\n\n")
        for name, data in (("style", style), ("script", script), ("library", code), ("library_notice", terms)):
            file.write(array("fab_page_" + name, data))
        file.write(f"const unsigned fab_page_library_length = {len(code)};\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
