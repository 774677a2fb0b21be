#!/usr/bin/env python3
"""The checkers check: each rule, broken on purpose in a small tree, must be reported; a clean tree must pass."""

import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
CLEAN = "static int\nadd(int a, int b)\n{\n    return a + b;\n}\n"


def body(lines):
    return "int\nlong_one(int a)\n{\n" + "    a++;\n" * (lines - 5) + "    return a;\n}\n"


# Checker, file in the tree, text, what the report must hold (None: must pass).
CASES = [
    ("check-style.py", "core/a/a.c", CLEAN, None),
    ("check-style.py", "core/a/a.c", 'const char *\nname(void)\n{\n    return "goto"; /* goto */\n}\n', None),
    ("check-style.py", "core/a/a.c", body(81) + CLEAN * 20, None),
    ("check-style.py", "core/a/a.c", body(82) + CLEAN * 20, "core/a/a.c:2: long_one has 81 lines"),
    ("check-style.py", "core/a/a.c", body(50), "90th percentile is 49"),
    ("check-style.py", "core/a/a.c", CLEAN + "static int sum(int a)\n{\n    return a;\n}\n", "a.c:6: sum: the return type"),
    ("check-style.py", "core/a/a.c", CLEAN + "int *sum(int a) {\n    return 0;\n}\n", "a.c:6: sum: the return type"),
    ("check-style.py", "core/a/a.c", CLEAN + "int\nf(void)\n{\n    goto out;\nout:\n    return 0;\n}\n", "a.c:9: goto"),
    ("check-style.py", "core/a/a.c", CLEAN.replace("a + b", "(int) a"), "a.c:4: a blank behind a cast"),
    ("check-style.py", "tests/a.c", CLEAN + "int\nmain(void)\n{\n    return srunner_create(0);\n}\n",
     "tests/a.c:9: a runner of its own"),
    ("check-style.py", "plugins/a.c", CLEAN.replace("    ", "\t"), "plugins/a.c:4: a tab"),
    ("check-style.py", "core/a/a.c", CLEAN.replace(";", "; "), "a.c:4: blanks at the end"),
    ("check-style.py", "core/a/a.c", CLEAN + "/* " + "x" * 120 + " */\n", "a.c:6: 126 columns"),
    ("check-style.py", "core/a/a.c", CLEAN + "/* TO" + "DO later */\n", "a.c:6: TO" + "DO"),
    ("check-style.py", "core/a/a.c", CLEAN * 121, "a.c:601: the file has 605 lines, 600"),
    ("check-style.py", "core/a/a.h", CLEAN * 61, "a.h:301: the file has 305 lines, 300"),
    ("check-style.py", "core/a/a.c", CLEAN[:-1], "no newline at the end"),
    ("check-style.py", "docs/a.c", CLEAN, "no functions found"),
    ("check-includes.py", "core/engine/a.c", '#include "topology/route.h"\n#include <glib.h>\n', None),
    ("check-includes.py", "core/engine/a.c", '\n# include "predict/run.h"\n', "core/engine/a.c:2: core/engine may not"),
    ("check-includes.py", "core/base/a.h", "#include <fabricast/plugin.h>\n", "core/base/a.h:1: core/base may not"),
    ("check-includes.py", "core/topology/a.h", "#include <fabricast/plugin.h>\n", None),
    ("check-includes.py", "core/topology/a.c", '#include "route.h"\n', 'write "topology/route.h"'),
    ("check-includes.py", "core/report/a.c", "#include <fabricast/fabricast.h>\n", "for users of the library"),
    ("check-includes.py", "core/study/a.c", '#include "cli/cli.h"\n', "core/study may not include cli/cli.h"),
    ("check-includes.py", "core/cli/a.c", '#include "report/report.h"\n', None),
    ("check-includes.py", "core/novel/a.c", "", "folder core/novel is not in the table"),
    ("check-includes.py", "core/meson.build", "install_headers('base/a.h')\n", "this header is installed, base/b.h is not"),
    ("check-includes.py", "core/meson.build", "install_headers('base/a.h',\n  'base/b.h')\n", None),
    ("check-includes.py", "plugins/a.c", "#include <fabricast/plugin.h>\n#include <stdio.h>\n", None),
    ("check-includes.py", "plugins/a.c", "#include <glib.h>\n", "plugins/a.c:1: a plugin may include"),
    ("check-includes.py", "cuda-validate/a.c", "#include <glib.h>\n", "builds without GLib"),
    ("check-includes.py", "cuda-validate/a.c", '#include "engine/flow.h"\n', "public headers of core only"),
    ("check-headers.py", "core/a/a.h", "#include <stdint.h>\nuint32_t f(void);\n", None),
    ("check-headers.py", "core/a/a.h", "uint32_t f(void);\n", "core/a/a.h: does not compile alone"),
    ("check-headers.py", "core/a/a.h", "typedef struct { int a; } Twice;\n", "core/a/a.h: does not compile alone"),
]


def run(checker, path, text, expected, cc):
    with tempfile.TemporaryDirectory() as root:
        files = {path: text}
        if path == "core/meson.build":
            files |= {"core/base/a.h": '#include "base/b.h"\n', "core/base/b.h": ""}
        if checker == "check-headers.py":
            files["core/include/fabricast/plugin.h"] = "typedef int FabNothing;\n"
            if "Twice" not in text:
                files[path] = "#ifndef A_H\n#define A_H\n" + text + "#endif\n"
            files["core/include/fabricast/plugin.h"] = "#ifndef P_H\n#define P_H\ntypedef int FabNothing;\n#endif\n"
        for name, content in files.items():
            full = os.path.join(root, name)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, "w", encoding="utf-8") as file:
                file.write(content)
        command = [sys.executable, os.path.join(HERE, checker), root] + (cc if checker == "check-headers.py" else [])
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    good = done.returncode == (0 if expected is None else 1) and (expected is None or expected in done.stdout)
    if not good:
        print(f"{checker} on {path}: exit status {done.returncode}, expected "
              f"{'to pass' if expected is None else repr(expected)}; it said:\n{done.stdout}{done.stderr}")
    return good


def main():
    results = [run(*case, sys.argv[1:]) for case in CASES]
    print(f"{sum(results)} of {len(results)} cases as expected")
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
