#!/usr/bin/env python3
"""What nvcc makes of the kernels has the memory accesses and barriers that their protocols rest on: no test without a GPU
runs those, but what they were compiled to can be read.

check-ptx.py NVCC CUDA-VALIDATE-FOLDER
"""

import os
import re
import subprocess
import sys
import tempfile

NVCC, FOLDER = sys.argv[1:3]

# Of each kernel, by a part of its name: what it must have. Counters and flags are ordered at system scope, since the
# other end may be another GPU; what a slot holds is read past L1; a line of LL and LL128 is one access of 16 bytes.
COUNTERS = ("ld.acquire.sys.global.u64", "st.relaxed.sys.global.u64")
LINES = ("ld.volatile.global.v2.u64", "st.volatile.global.v2.u64")
NEEDED = {
    "program_kernelIL12FabmProtocol0": COUNTERS + ("fence.acq_rel.sys", "ld.volatile.global.v4.u32", "bar.sync"),
    "program_kernelIL12FabmProtocol1": COUNTERS + LINES + ("bar.sync",),
    "program_kernelIL12FabmProtocol2": COUNTERS + LINES + ("bar.sync", "vote.sync.all.pred", "bar.warp.sync"),
    "ping_kernel": LINES + ("ld.acquire.sys.global.u64", "st.release.sys.global.u64", "vote.sync.all.pred"),
}
FORBIDDEN = {
    r"ld\.global(\.\w+)*\.nc": "reads through the cache that does not see what others write",
    r"bar(rier)?(\.cta)?\.(sync|red)(\.aligned)?\s+0[;,]": "waits for all roles of a CTA, which do not all come",
}
failures = 0


def kernels(ptx):
    """Name and text of each."""
    parts = re.split(r"^(?:\.visible )?\.entry (\w+)", ptx, flags=re.M)
    return dict(zip(parts[1::2], parts[2::2]))


def check(name, text):
    found = [f"has no {needed}" for key, words in NEEDED.items() if key in name
             for needed in words if needed not in text]
    if any(key in name for key in NEEDED):
        found += [f"{why}: {match.group(0)}" for pattern, why in FORBIDDEN.items()
                  for match in [re.search(pattern, text)] if match]
    return found


with tempfile.TemporaryDirectory() as place:
    out = os.path.join(place, "kernels.ptx")
    done = subprocess.run([NVCC, "-std=c++14", "-O3", "-I" + FOLDER, "-ptx", "-o", out, os.path.join(FOLDER, "kernels.cu")],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(done.stderr)
    with open(out, encoding="utf-8") as file:
        entries = kernels(file.read())
for key in NEEDED:
    if not any(key in name for name in entries):
        print(f"FAILED: no kernel {key} among {sorted(entries)}")
        failures += 1
for name, text in entries.items():
    for complaint in check(name, text):
        print(f"FAILED: {name} {complaint}")
        failures += 1
print(f"{len(entries)} kernels, {failures} failed")
sys.exit(1 if failures else 0)
