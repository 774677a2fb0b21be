#!/usr/bin/env python3
"""fabricast-measure as on real GPUs, with its CUDA kernels and what stands for CUDA's runtime on host threads: what runs
there is checked as on GPUs, and what can be wrong with a machine ends in a sentence.

cli-measure-cuda.py FABRICAST-MEASURE-ON-HOST FABRICAST FAKE-NCCL FAKE-CUBLASLT
"""

import os
import signal
import subprocess
import sys
import tempfile
import time

MEASURE, FABRICAST, NCCL, CUBLASLT = (os.path.abspath(path) for path in sys.argv[1:5])
QUICK = ("--repeats=1", "--warmup=0", "--sizes=4K")
failures = 0


def run(*arguments, fault=""):
    environment = os.environ | {"HOST_GPU": fault}
    return subprocess.run([MEASURE, *arguments], capture_output=True, text=True, check=False, env=environment)


def expect(condition, what):
    global failures
    if not condition:
        print(f"FAILED: {what}")
        failures += 1


def refuses(status, sentence, *arguments, fault=""):
    done = run(*arguments, fault=fault)
    expect(done.returncode == status and sentence in done.stderr and done.stderr.count("\n") == 1,
           f"{fault} {' '.join(arguments)}: {done.returncode} {done.stderr!r}, wanted {status} and {sentence!r}")


def export(path, ranks, channels, collective="all_reduce", algorithm="ring", protocol="simple"):
    done = subprocess.run([FABRICAST, "program", "export", "--topology=loopback-h200", f"--set=topology.gpus={ranks}",
                           "--collective", collective, "--algorithm", algorithm, "--protocol", protocol,
                           "--sizes=4K,20004" if protocol == "simple" else "--sizes=2004",
                           f"--channels={channels}", "--output", path], capture_output=True, text=True, check=False)
    expect(done.returncode == 0, f"export: {done.stderr}")
    return path


def tests_run():
    """Every test but the links, whose thousands of round trips take minutes on host threads."""
    runs = (("--gpus=0", "launch"), ("--gpus=0", "--ctas=1,3", "--widths=16,4", "--threads=64", "rates"), ("--streams=1,3", "pipeline"),
            ("stages",), ("--pairs=0>1,1>1", "transfer"), ("--pairs=0>1,1>0", "--engine=kernel", "transfer"),
            ("--nccl", NCCL, "nccl"), ("--sizes=256K", "--cublaslt", CUBLASLT, "gemm"),
            ("--sizes=64K", "--ctas=0,2", "--threads=32", "--cublaslt", CUBLASLT, "overlap"))
    for arguments in runs:
        done = run(*QUICK, *arguments)
        expect(done.returncode == 0 and done.stdout != "", f"{arguments}: {done.returncode} {done.stderr}")


def a_pipeline_goes_through_all_gpus():
    done = run(*QUICK, "--streams=2", "--kernel-rate=1", "--back=0.5", "pipeline")
    rows = [line for line in done.stdout.splitlines() if " 0+1 " in line]
    expect(done.returncode == 0 and len(rows) == 2, f"two GPUs at once: {done.returncode} {done.stdout} {done.stderr}")


def programs_run(folder):
    for collective, algorithm, ranks in (("all_reduce", "ring", 3), ("all_reduce", "tree", 3), ("alltoall", "pairwise", 3)):
        path = export(f"{folder}/{collective}-{algorithm}", ranks, 1, collective, algorithm)
        for gpus in ("0", "0,1"):
            done = run(*QUICK, "--gpus", gpus, "--program", path, "--output", folder, "program")
            expect(done.returncode == 0 and f"{collective} {algorithm}, {ranks} ranks" in done.stdout,
                   f"{collective} {algorithm} on {gpus}: {done.returncode} {done.stderr}")
    for protocol in ("ll", "ll128"):
        path = export(f"{folder}/{protocol}", 2, 1, protocol=protocol)
        for gpus in ("0", "0,1"):
            done = run(*QUICK, "--gpus", gpus, "--program", path, "--output", folder, "program")
            expect(done.returncode == 0 and f"all_reduce ring {protocol}, 2 ranks" in done.stdout,
                   f"{protocol} on {gpus}: {done.returncode} {done.stderr}")
    with open(folder + "/host-gpu-x2-program-all-reduce-ring-ll128-r2-c1.ini", encoding="utf-8") as file:
        expect("proto=LL128\n" in file.read(), "the protocol is in the key file")
    with open(folder + "/host-gpu-x2-programs.ini", encoding="utf-8") as file:
        keys = file.read()
    for line in ("gpu=Host GPU", "cuda_version=13.0", "grade=A", "gpus_per_node=2"):
        expect(line + "\n" in keys, f"{line} in the key file: {keys}")


def faults_are_sentences(folder):
    refuses(3, "there is no NVIDIA driver here", "launch", fault="no-driver")
    refuses(3, "the driver is too old: it runs CUDA up to 12.4, this program was built with 13.0", "launch",
            fault="old-driver")
    refuses(3, "shows no GPU", "launch", fault="no-gpu")
    refuses(3, "GPU 2 is asked for, this machine has 2: 0 to 1", "--gpus=2", "launch")
    refuses(3, "out of memory: 64.0 MiB are wanted", *QUICK, "--gpus=0", "--sizes=64M", "--nccl", NCCL,
            "--collectives=all_reduce", "nccl", fault="memory")
    refuses(3, "GPU 0: its work failed", *QUICK, "--gpus=0", "launch", fault="broken")
    refuses(3, "GPU 0 is of compute capability 6.0, the kernels need 7.0 (Volta) or later", *QUICK, "--gpus=0", "rates",
            fault="old-gpu")
    refuses(3, "GPU 0: of compute capability 9.0: a kernel cannot be loaded: the program was built for other GPUs", *QUICK,
            "--gpus=0", "rates", fault="other-gpu")
    path = export(folder + "/pair", 2, 1)
    refuses(3, "GPU 0: peer access was refused", *QUICK, "--program", path, "program", fault="refused-peer")
    refuses(3, "GPU 0 cannot reach the memory of GPU 1", *QUICK, "--program", path, "program", fault="no-peer")
    lines = export(folder + "/lines", 2, 1, protocol="ll128")
    refuses(2, "protocol ll128 needs NVLink, which GPU 0 and GPU 1 are not joined by", *QUICK, "--program", lines, "program",
            fault="pcie")
    done = run(*QUICK, "--gpus=0", "--program", lines, "program", fault="pcie")
    expect(done.returncode == 0, f"virtual ranks need no link: {done.stderr}")
    refuses(3, "GPU 0 cannot reach the memory of GPU 1", *QUICK, "--pairs=0>1", "--engine=kernel", "transfer",
            fault="no-peer")
    done = run(*QUICK, "--pairs=0>1", "transfer", fault="no-peer")
    expect(done.returncode == 0, f"copies through the host: {done.stderr}")
    wide = export(folder + "/wide", 16, 2)
    refuses(2, "must run at once on GPU 0, which holds 16", *QUICK, "--gpus=0", "--program", wide, "program")
    listed = run("--list", fault="no-peer")
    expect(listed.returncode == 0 and "GPU 1 cannot reach the memory of GPU 0" in listed.stdout, "--list says who reaches whom")


def rows_of(folder, name):
    with open(f"{folder}/host-gpu-x1-{name}.ini", encoding="utf-8") as file:
        keys = file.read()
    with open(f"{folder}/host-gpu-x1-{name}.csv", encoding="utf-8") as file:
        return keys, file.read().count("\n") - 1


def what_was_measured_is_kept(folder):
    """Memory that runs out, a hang and Ctrl-C after some points: those points are in a file that says so."""
    done = run("--repeats=1", "--warmup=0", "--gpus=0", "--ctas=1,2", "--widths=16", "--output", folder, "rates",
               fault="memory")
    expect(done.returncode == 3 and "out of memory" in done.stderr, f"little memory: {done.returncode} {done.stderr}")
    done = run(*QUICK, "--gpus=0", "--output", folder, "launch", "rates", fault="memory")
    keys, rows = rows_of(folder, "launch")
    expect(done.returncode == 3 and rows > 0 and "remark=stopped early: rates: GPU 0: out of memory" in keys,
           f"the test before the one without memory is kept: {rows} {keys}")
    done = run(*QUICK, "--gpus=0", "--timeout=3", "--output", folder, "launch", fault="hang")
    keys, rows = rows_of(folder, "launch")
    expect(done.returncode == 3 and "hangs for 3 s at launch: " in done.stderr and rows > 0 and
           "remark=stopped early: hangs for 3 s" in keys, f"a hang: {done.returncode} {done.stderr} {rows}")
    process = subprocess.Popen([MEASURE, *QUICK, "--gpus=0", "--output", folder, "launch"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, env=os.environ | {"HOST_GPU": "hang"})
    process.stdout.readline()
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    keys, rows = rows_of(folder, "launch")
    expect(process.returncode == 3 and "stopped by Ctrl-C" in errors and rows > 0 and
           "remark=stopped early: stopped by Ctrl-C" in keys, f"Ctrl-C while a GPU hangs: {process.returncode} {errors}")


with tempfile.TemporaryDirectory() as place:
    what_was_measured_is_kept(place)
    tests_run()
    a_pipeline_goes_through_all_gpus()
    programs_run(place)
    faults_are_sentences(place)
print(f"{failures} failed")
sys.exit(1 if failures else 0)
