#!/usr/bin/env python3
"""fabricast-measure as its page says, on GPUs made of host threads; what it writes is read by fabricast.

cli-measure.py FABRICAST-MEASURE FABRICAST FAKE-NCCL FAKE-CUBLASLT SCRIPT
"""

import glob
import json
import os
import signal
import subprocess
import sys
import tempfile
import time

MEASURE, FABRICAST, NCCL, CUBLASLT, SCRIPT = (os.path.abspath(path) for path in sys.argv[1:6])
QUICK = ["--fake=2", "--repeats=2", "--warmup=1", "--sizes=4K", "--ctas=1", "--widths=16"]
failures = 0


def run(*arguments):
    return subprocess.run([MEASURE, *arguments], capture_output=True, text=True, check=False)


def expect(condition, what):
    global failures
    if not condition:
        print(f"FAILED: {what}")
        failures += 1


def refuses(status, sentence, *arguments):
    done = run(*arguments)
    expect(done.returncode == status and sentence in done.stderr and done.stderr.count("\n") == 1,
           f"{' '.join(arguments)}: {done.returncode} {done.stderr!r}, wanted {status} and {sentence!r} in one line")


def words_of_the_command_line():
    refuses(2, "which test?")
    refuses(2, "lnks: no such test; did you mean links?", "lnks")
    refuses(2, "did you mean timeout?", "--timout=3", "links")
    refuses(2, "a multiple of 4 above 0", "--fake=1", "--total=0", "pipeline")
    refuses(3, "GPU 5 is asked for, this machine has 2: 0 to 1", "--fake=2", "--gpus=5", "links")
    help_text = run("--help").stdout
    for word in ("--timeout=SECONDS", "links", "launch", "rates", "Exit status"):
        expect(word in help_text, f"{word} in --help")
    expect(run("--version").stdout.startswith("fabricast-measure "), "--version")
    listed = run("--fake=3", "--list")
    expect(listed.returncode == 0 and "GPU 2: fake" in listed.stdout and "test links" in listed.stdout, "--list")
    listed = run("--list")
    expect("test links" in listed.stdout and (listed.returncode == 0 or "--fake" in listed.stderr), "--list without a GPU")


def without_gpus():
    """Here, where there is none; on a machine with GPUs the command does its work."""
    done = run("--gpus=0", "--sizes=4K", "--repeats=1", "--ctas=1", "--widths=16", "launch")
    expect(done.returncode == 0 or (done.returncode == 3 and done.stderr.startswith("fabricast-measure: ")),
           f"without a GPU: {done.returncode} {done.stderr}")


def files_are_read():
    with tempfile.TemporaryDirectory() as folder:
        done = run(*QUICK, "--output", folder, "--machine=Test Machine", "--fact=source.note=a test", "all")
        tagged = run(*QUICK, "--output", folder, "--tag=again", "launch")
        expect(tagged.returncode == 0 and os.path.exists(folder + "/fake-x2-launch-again.ini"), "--tag ends the names")
        expect(done.returncode == 0, f"all: {done.returncode} {done.stderr}")
        expect("h2d" in done.stdout and "GB/s" in done.stdout, "rows are printed")
        written = sorted(os.path.basename(name) for name in glob.glob(folder + "/*"))
        for suffix in ("links", "matrix", "launch", "rates", "pipeline", "stages"):
            for ending in (".ini", ".csv"):
                expect("test-machine-" + suffix + ending in written, f"{suffix}{ending} in {written}")
        expect(not [name for name in written if name.endswith(".tmp")], "nothing is left beside")
        read = subprocess.run([FABRICAST, "validate", folder], capture_output=True, text=True, check=False)
        expect("test-machine" not in read.stderr, f"fabricast reads the files: {read.stderr}")
        with open(folder + "/test-machine-links.ini", encoding="utf-8") as file:
            keys = file.read()
        for line in ("kind=device", "note=a test", "grade=C", "gpu=fake", "iterations=2", "machine=test-machine"):
            expect(line + "\n" in keys, f"{line} in the key file")


def json_is_json():
    done = run(*QUICK, "--json", "launch")
    tables = json.loads(done.stdout)["tables"]
    expect(done.returncode == 0 and tables[0]["id"] == "fake-x2-launch", "--json names its tables")
    row = tables[0]["rows"][0]
    expect(row["test"] == "launch" and row["value"] > 0 and row["samples"] == 2 and row["size_bytes"] is None,
           f"--json has rows: {row}")


def programs_run():
    """Every collective that can be exported, as fabricast exports it, gives what its page says, on shared GPUs and own."""
    calls = (("all_reduce", "ring", 4), ("all_reduce", "tree", 5), ("all_gather", "ring", 3), ("reduce_scatter", "ring", 4),
             ("broadcast", "ring", 3), ("reduce", "ring", 3), ("alltoall", "pairwise", 4), ("sendrecv", "pairwise", 3))
    with tempfile.TemporaryDirectory() as folder:
        for collective, algorithm, ranks in calls:
            path = f"{folder}/{collective}-{algorithm}.prog"
            done = subprocess.run([FABRICAST, "program", "export", "--topology=loopback-h200", "--collective", collective,
                                   "--algorithm", algorithm, "--protocol=simple", "--channels=2", "--sizes=4K,100000",
                                   f"--set=topology.gpus={ranks}", "--output", path],
                                  capture_output=True, text=True, check=False)
            expect(done.returncode == 0, f"export of {collective}: {done.stderr}")
            for gpus in (1, 2):
                done = run(f"--fake={gpus}", "--repeats=1", "--warmup=0", "--output", folder, "--program", path, "program")
                expect(done.returncode == 0 and f"{collective} {algorithm}, {ranks} ranks" in done.stdout,
                       f"{collective} {algorithm} on {gpus} GPUs: {done.stderr}")
        keys = open(folder + "/fake-x2-program-all-reduce-tree-r5-c2.ini", encoding="utf-8").read()
        for line in ("kind=collective", "algo=Tree", "proto=Simple", "channels=2", "ranks=5", "redop=sum"):
            expect(line + "\n" in keys, f"{line} in the key file of a program")
        read = subprocess.run([FABRICAST, "validate", folder], capture_output=True, text=True, check=False)
        expect("fake-x2" not in read.stderr, f"fabricast reads the files: {read.stderr}")
    refuses(2, "which program?", "--fake=1", "program")
    done = run("--fake=1", "--program=/nowhere", "program")
    expect(done.returncode == 2 and "/nowhere: cannot be read" in done.stderr, f"no such program: {done.stderr}")


HOST_THREADS = """[topology]
title=host threads that stand for a GPU
plugin=loopback
gpu=h200-sxm
gpus=4
sms=2
sm_rate=4 GB/s
slice_time=30 us
flag_latency=30 us
launch=300 us
"""


def fabricast(*words):
    return subprocess.run([FABRICAST, *words], capture_output=True, text=True, check=False)


def put_times(table, times):
    """Times of the model in the place of those of host threads, which are never the same."""
    with open(table, encoding="utf-8") as file:
        header, *rows = file.read().splitlines()
    with open(table, "w", encoding="utf-8") as file:
        file.write(header + "\n")
        for row, time_us in zip(rows, times):
            size, _, _, _, in_place = row.split(",")
            file.write(f"{size},{time_us},,,{in_place}\n")


def the_loop_closes():
    """Exported, measured, compared, calibrated, compared again."""
    with tempfile.TemporaryDirectory() as folder:
        with open(folder + "/host-threads.ini", "w", encoding="utf-8") as file:
            file.write(HOST_THREADS)
        machine = "--topology-dir=" + folder
        for protocol in ("simple", "ll"):
            path = f"{folder}/{protocol}.prog"
            done = fabricast("program", "export", machine, "--topology=host-threads", "--collective=all_reduce",
                             "--algorithm=tree", "--protocol", protocol, "--channels=1", "--sizes=4K:1M:4", "-o", path)
            expect(done.returncode == 0, f"export: {done.stderr}")
            done = run("--fake=1", "--repeats=2", "--warmup=1", "--fact=quality.grade=B",
                       "--fact=system.topology=host-threads", "--output", folder + "/results", "--program", path, "program")
            expect(done.returncode == 0, f"measured: {done.stderr}")
        tables = sorted(glob.glob(folder + "/results/*-r4-c1.ini"))
        expect([os.path.basename(name) for name in tables] ==
               ["fake-x1-program-all-reduce-tree-ll-r4-c1.ini", "fake-x1-program-all-reduce-tree-r4-c1.ini"], f"{tables}")
        for table, protocol in zip(tables, ("ll", "simple")):
            slow = fabricast("run", machine, "--topology=host-threads", "--set=topology.launch=450 us", "--protocol", protocol,
                             "--collective=all_reduce", "--algorithm=tree", "--channels=1", "--sizes=4K:1M:4", "--json")
            put_times(table.replace(".ini", ".csv"),
                      [row["time_us"] for row in json.loads(slow.stdout)["results"][0]["rows"]])
        before = fabricast("validate", machine, *tables).stdout
        expect(before.count(" tree ll 1\n") == 5 and before.count(" tree simple 1\n") == 5, f"scored: {before}")
        fitted = fabricast("calibrate", machine, "--quiet", "--parameters=loopback.launch,loopback.sm_rate", "-o",
                           folder + "/overlay.ini", *tables)
        expect(fitted.returncode == 0 and "loopback" in fitted.stdout, f"calibrate: {fitted.stdout} {fitted.stderr}")
        after = fabricast("validate", machine, "--calibration", folder + "/overlay.ini", *tables)
        misses = [[abs(float(line.split()[3])) for line in text.splitlines() if line.endswith((" ll 1", " simple 1"))]
                  for text in (before, after.stdout)]
        expect([len(some) for some in misses] == [10, 10] and max(misses[0]) > 5 and max(misses[1]) < 0.2,
               f"validate with the overlay: {misses} {after.stderr}")


def parts_are_compared():
    with tempfile.TemporaryDirectory() as folder:
        done = run(*QUICK, "--gpus=0", "--fact=system.topology=dgx-h100", "--output", folder, "links", "pipeline")
        expect(done.returncode == 0, f"links and a pipeline: {done.stderr}")
        table = fabricast("validate", "--device", folder)
        for words in ("fake-x1-links  on dgx-h100, 3 of ", "\n  h2d            pinned ", "streams 8 chunk 4096 rounds 2047",
                      "# mean error in percent"):
            expect(words in table.stdout, f"{words!r} in {table.stdout} {table.stderr}")
        rows = fabricast("validate", "--device", "--csv", folder).stdout.splitlines()
        expect(len(rows) == 1 + 3 + 10 + 2, f"rows: {rows}")
        for wrong in ("--json", "--max-error=5"):
            done = fabricast("validate", "--device", wrong, folder)
            expect(done.returncode == 2 and "--device prints a table" in done.stderr, f"{wrong}: {done.stderr}")
        done = fabricast("validate", "--device", "stas00-a100x8-allreduce")
        expect(done.returncode == 2 and "none of 1 measurements is of kind device" in done.stderr, done.stderr)


def copies_begin_at_once():
    done = run("--fake=3", "--repeats=1", "--warmup=0", "--sizes=4K,60000", "--pairs=0>1,1>0,2>0,2>2,h>0,1>h", "transfer")
    expect(done.returncode == 0 and done.stdout.count("0>1 1>0 2>0 2>2 h>0 1>h") == 4,
           f"transfer: {done.stdout} {done.stderr}")
    done = run("--fake=1", "--repeats=1", "--sizes=4K,60004", "--pairs=0>0,0>0", "--engine=kernel", "--ctas=3", "transfer")
    expect(done.returncode == 0 and done.stdout.count("transfer         kernel") == 4, f"by kernel: {done.stderr}")
    for wrong in ("0>0,", "0", "0>", ">0", "0>0;0>0", "h>h", "x>0"):
        refuses(2, "must be pairs such as 0>1,2>3,h>0", "--fake=1", "--pairs=" + wrong, "transfer")
    refuses(3, "GPU 2 is asked for, which is not among the 2", "--fake=2", "--pairs=0>2", "transfer")
    refuses(3, "GPU 0 is asked for, which is not among the 1", "--fake=2", "--gpus=1", "--pairs=0>1", "transfer")


def nccl_is_called_right():
    """All collectives on a library with NCCL's interface; the data are checked as those of NCCL are."""
    with tempfile.TemporaryDirectory() as folder:
        done = run("--fake=4", "--nccl", NCCL, "--ranks=1,3,4", "--sizes=4K,60000", "--repeats=1", "--warmup=0",
                   "--output", folder, "nccl")
        expect(done.returncode == 0, f"nccl: {done.returncode} {done.stderr}")
        for name in ("all_reduce", "all_gather", "reduce_scatter", "broadcast", "reduce", "alltoall", "sendrecv", "gather",
                     "scatter"):
            for variant in ("1 ranks, out of place", "3 ranks, out of place", "4 ranks, out of place"):
                expect(f"{name:<16} {variant}" in done.stdout, f"{name} {variant}")
        expect("all_reduce       4 ranks, in place" in done.stdout, "in place")
        expect([line.split()[1] for line in done.stdout.splitlines() if line.startswith("hypercube")] == ["4"] * 4,
               f"a hypercube of four ranks, not of one or three: {done.stdout}")
        read = subprocess.run([FABRICAST, "validate", folder], capture_output=True, text=True, check=False)
        expect("fake-x4" not in read.stderr, f"fabricast reads the files: {read.stderr}")
        done = run("--fake=2", "--nccl", NCCL, "--sizes=4K", "--repeats=1", "--algo=Ring", "--proto=LL128", "--channels=4",
                   "--dtype=bfloat16", "--collectives=all_gather", "--output", folder, "nccl")
        expect(done.returncode == 0 and "all_gather" in done.stdout and "all_reduce" not in done.stdout, done.stderr)
        keys = open(folder + "/fake-x4-nccl-all-reduce-r3.ini", encoding="utf-8").read()
        for line in ("nccl_version=2.23.4", "processes=1", "ranks=3", "collective=all_reduce", "dtype=float"):
            expect(line + "\n" in keys, f"{line} in the key file")
        keys = open(folder + "/fake-x2-nccl-all-gather-r2-ring-ll128-c4.ini", encoding="utf-8").read()
        for line in ("algo=Ring", "proto=LL128", "env=NCCL_MIN_NCHANNELS=4;NCCL_MAX_NCHANNELS=4", "dtype=bfloat16"):
            expect(line + "\n" in keys, f"{line} in the key file of forced settings")
    refuses(3, "5 ranks are asked for, there are 2 GPUs", "--fake=2", "--nccl", NCCL, "--ranks=5", "nccl")
    refuses(3, "NCCL cannot be loaded: /nowhere", "--fake=2", "--nccl=/nowhere", "nccl")
    refuses(3, "has no ncclGetVersion", "--fake=2", "--nccl=libm.so.6", "nccl")
    refuses(2, "did you mean alltoall?", "--fake=2", "--nccl", NCCL, "--collectives=all_to_all", "nccl")
    refuses(2, "must be float, half or bfloat16", "--fake=2", "--nccl", NCCL, "--dtype=int", "nccl")
    refuses(2, "needs real GPUs", "--fake=2", "nccl")
    os.environ["FAKE_NCCL_VERSION"] = "2708"
    refuses(3, "NCCL is version 2708, must be 21000 (2.10) or later", "--fake=2", "--nccl", NCCL, "nccl")


def products_are_called_right():
    """The smallest shape of each type, on a library with cuBLASLt's interface; results are checked as real ones are."""
    done = run("--fake=1", "--cublaslt", CUBLASLT, "--sizes=256K", "--repeats=1", "--warmup=0", "gemm")
    expect(done.returncode == 0, f"gemm: {done.returncode} {done.stderr}")
    for name in ("fp32", "tf32", "bf16", "fp8"):
        expect(f"{name} 256x256x256 batch 1" in done.stdout, f"{name} in {done.stdout}")
    expect("fp16" not in done.stdout and "no product fp16 of shape 1" in done.stderr, f"what is missing: {done.stderr}")
    done = run("--fake=1", "--cublaslt", CUBLASLT, "--sizes=64K", "--repeats=1", "--warmup=0", "--ctas=0,1,3", "overlap")
    expect(done.returncode == 0, f"overlap: {done.returncode} {done.stderr}")
    expect(done.stdout.count("overlap copy") == 4 and done.stdout.count("TFLOP/s") == 3, f"overlap: {done.stdout}")
    done = run("--fake=1", "--cublaslt", CUBLASLT, "--sizes=64K", "--repeats=1", "--warmup=0", "overlap")
    expect(done.returncode == 0 and done.stdout.count("TFLOP/s") == 3, f"0, 1 and 2 of 4 multiprocessors: {done.stdout}")
    refuses(2, "4 CTAs of a copy would have every multiprocessor of GPU 0, which has 4", "--fake=1", "--cublaslt", CUBLASLT,
            "--ctas=4", "overlap")
    refuses(3, "cuBLASLt cannot be loaded: /nowhere", "--fake=1", "--cublaslt=/nowhere", "gemm")
    refuses(2, "needs real GPUs", "--fake=1", "gemm")


def the_script_goes_on_where_it_stopped():
    paths = os.environ | {"PATH": os.path.dirname(FABRICAST) + ":" + os.environ["PATH"]}
    with tempfile.TemporaryDirectory() as folder:
        command = [SCRIPT, "--fake", "1", "--binary", MEASURE, "--output", folder + "/out", "--programs",
                   folder + "/programs", "--archive", folder + "/all.tgz", "--only", "launch,ring-r2"]

        def script(*arguments):
            return subprocess.run([*command, *arguments], capture_output=True, text=True, check=False, env=paths)

        done = script("--budget", "35")
        expect(done.returncode == 3 and "launch           done" in done.stdout and "another run: ring-r2" in done.stdout,
               f"no time for all: {done.returncode} {done.stdout} {done.stderr}")
        os.rename(folder + "/out", folder + "/first")
        done = script()
        expect(done.returncode == 0 and "ring-r2          done" in done.stdout and "launch  " not in done.stdout,
               f"the rest, from the archive: {done.returncode} {done.stdout} {done.stderr}")
        for name in ("launch", "programs-ring-r2"):
            expect(os.path.exists(f"{folder}/out/fake-x1-{name}.csv"), f"{name} is among the files")
        expect("launch           done" in script("--list").stdout, "--list")
        for words, sentence in ((("--ouput", "x"), "unknown option --ouput"), (("--budget", "x"), "--budget x must be"),
                                (("--fact", "x"), "must be GROUP.KEY=VALUE"), (("--only", "lnks"), "no step lnks here")):
            bad = script(*words)
            expect(bad.returncode == 2 and sentence in bad.stderr, f"{words}: {bad.returncode} {bad.stderr}")
        if run("--list").returncode == 3:
            bad = subprocess.run([SCRIPT, "--binary", MEASURE, "--output", folder + "/none"], capture_output=True, text=True,
                                 check=False, env=paths)
            expect(bad.returncode == 3 and bad.stderr.count("\n") == 1 and bad.stdout == "",
                   f"no GPU is said once: {bad.returncode} {bad.stdout} {bad.stderr}")


def ctrl_c_keeps_what_was_measured():
    with tempfile.TemporaryDirectory() as folder:
        # Far more samples than it will get time for, after tests that are quick.
        process = subprocess.Popen([MEASURE, "--fake=1", "--repeats=100000", "--warmup=0", "--sizes=4K", "--output",
                                    folder, "links"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        process.stdout.readline()
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        expect(process.returncode == 3 and "stopped by Ctrl-C" in errors, f"Ctrl-C: {process.returncode} {errors}")
        with open(folder + "/fake-x1-links.ini", encoding="utf-8") as file:
            expect("remark=stopped early: stopped by Ctrl-C\n" in file.read(), "the file says that it was stopped")


def a_reader_that_stops_loses_no_files():
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen([MEASURE, "--fake=1", "--repeats=1", "--ctas=1", "--output", folder, "launch", "rates"],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        process.stdout.readline()
        process.stdout.close()
        errors = process.stderr.read()
        expect(process.wait() == 3 and "standard output cannot be written" in errors, f"a closed pipe: {errors}")
        expect(os.path.exists(folder + "/fake-x1-rates.csv"), "what was measured after it is kept")


def a_hang_ends():
    done = run("--fake=1", "--repeats=100000", "--warmup=0", "--sizes=1M", "--timeout=0.2", "links")
    expect(done.returncode == 3 and "hangs for 0.2 s at h2d pinned 1048576 bytes" in done.stderr,
           f"watchdog: {done.returncode} {done.stderr}")


for check in (words_of_the_command_line, without_gpus, files_are_read, json_is_json, programs_run, the_loop_closes, parts_are_compared, copies_begin_at_once, nccl_is_called_right,
              products_are_called_right, the_script_goes_on_where_it_stopped, ctrl_c_keeps_what_was_measured,
              a_reader_that_stops_loses_no_files, a_hang_ends):
    check()
print(f"{failures} failed")
sys.exit(1 if failures else 0)
