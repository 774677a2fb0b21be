#!/usr/bin/env python3
"""Compares the tables of README.md and of pages of docs/ with what the program says today.

doc-tables.py [--write] [--clusters | --large=FOLDER [--patience=SECONDS]] SOURCE-ROOT PROGRAM

A table stands between "<!-- table NAME -->" and "<!-- end -->". --write puts today's into the pages: run it after a
change of the model, and read the difference.

--clusters: the tables of docs/clusters.md alone, some minutes. --large=FOLDER: those of racks and of hundreds of
nodes, which take hours and are therefore no test: what each of them printed is kept in FOLDER, so that the command can be
stopped and goes on where it was; one that takes longer than the patience (4 hours) says so in the page. --patience=0 runs none.
"""

import configparser
import json
import os
import re
import statistics
import subprocess
import sys

PAGES = ("README.md", "docs/validation.md", "docs/constants.md", "docs/training.md")
CLUSTER_PAGES = ("docs/clusters.md",)
BANDS = ("from 8 MiB", "64 KiB to 8 MiB", "below 64 KiB")
AIMS = {"from 8 MiB": 5, "64 KiB to 8 MiB": 12, "below 64 KiB": 15}
LARGE, MIDDLE = 8 << 20, 64 << 10
NAMED = ("dgx-h100", "dgx-a100", "dgx-1v", "gb200-nvl72")
BLOCK = re.compile(r"(<!-- table (\S+) -->\n).*?(<!-- end -->)", re.S)
WORST = 30
PATIENCE = 4 * 3600  # seconds for one large table
USUAL_RANKS = 64  # the default of --max-ranks


def band_of(size):
    return BANDS[0] if size >= LARGE else BANDS[1] if size >= MIDDLE else BANDS[2]


def percent(value):
    return "-" if value is None else f"{100 * value:.1f}"


def signed(value):
    return "-" if value is None else f"{100 * value:+.0f}"


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]) + "\n"


def means(cases):
    """Mean absolute error of each band, every case weighing the same."""
    result = []
    for band in BANDS:
        errors = [case["mean"][band] for case in cases if band in case["mean"]]
        result.append(percent(statistics.fmean(errors)) if errors else "-")
    return result


class Validation:
    """What "validate" says of the measurements in a folder; "" for the open set."""

    def __init__(self, root, program, folder=""):
        self.folder = os.path.join(root, folder or "tests/measurements")
        files = [os.path.join(self.folder, name) for name in sorted(os.listdir(self.folder)) if name.endswith(".ini")]
        text = subprocess.run([program, "validate", "--json", "--quiet", *(files if folder else [])],
                              capture_output=True, check=True).stdout
        self.data = json.loads(text)
        self.cases = [self.one(case) for case in self.data["cases"] if case["scored"]]

    def one(self, case):
        file = configparser.ConfigParser(interpolation=None, strict=False)
        file.optionxform = str
        file.read(os.path.join(self.folder, case["id"] + ".ini"), encoding="utf-8")
        case["source"] = file["source"].get("url") or file["source"].get("where", "not recorded")
        case["run"] = dict(file["run"])
        case["mean"], case["bias"] = {}, {}
        for band in BANDS:
            errors = [row["predicted_us"] / row["measured_us"] - 1 for row in case["rows"]
                      if row["predicted_us"] and row["measured_us"] and band_of(row["size_bytes"]) == band]
            if errors:
                case["mean"][band] = statistics.fmean(abs(error) for error in errors)
                case["bias"][band] = statistics.fmean(errors)
        inside = [row["low_us"] <= row["measured_us"] <= row["high_us"] for row in case["rows"] if row["low_us"]]
        case["inside"] = f"{sum(inside)}/{len(inside)}"
        case["excess"] = max(100 * error / AIMS[band] for band, error in case["mean"].items())
        return case

    def held(self):
        """By size, with the share of rows inside their interval."""
        rows = []
        for band in BANDS:
            one = next(e for e in self.data["errors"]["all"] if e["band"] == band)
            ours, nccl, line = one["fabricast"], one["nccl_model"], one["line_fit"]
            inside = [row["low_us"] <= row["measured_us"] <= row["high_us"] for case in self.cases
                      for row in case["rows"] if row["low_us"] and band_of(row["size_bytes"]) == band]
            rows.append([band, ours["cases"], ours["rows"], f"**{percent(ours['mean'])}**", signed(ours["bias"]),
                         percent(ours["median"]), percent(ours["p90"]), percent(ours["worst"]),
                         percent(statistics.fmean(inside)), f"{percent(nccl['mean'])}, {percent(nccl['median'])}",
                         f"{percent(line['mean'])}, {percent(line['median'])}"])
        return table(["size", "tables", "rows", "mean", "bias", "median", "90th percentile", "worst",
                      "inside the interval", "NCCL: mean, median", "line: mean, median"], rows)

    def sizes(self):
        rows = []
        for band in BANDS:
            one = next(e for e in self.data["errors"]["all"] if e["band"] == band)
            ours, nccl, line = one["fabricast"], one["nccl_model"], one["line_fit"]
            same = one["fabricast_where_nccl_model"]
            rows.append([band, ours["cases"], ours["rows"], f"**{percent(ours['mean'])}**", AIMS[band],
                         signed(ours["bias"]), percent(ours["median"]), percent(ours["p90"]), percent(ours["worst"]),
                         f"{percent(nccl['mean'])}, {percent(nccl['median'])}",
                         f"{percent(same['mean'])}, {percent(same['median'])}",
                         f"{percent(line['mean'])}, {percent(line['median'])}"])
        return table(["size", "tables", "rows", "mean", "aim", "bias", "median", "90th percentile", "worst",
                      "NCCL: mean, median", "ours on its rows", "line: mean, median"], rows)

    def grouped(self, title, key):
        groups = {}
        for case in self.cases:
            groups.setdefault(key(case), []).append(case)
        rows = [[name, len(groups[name]), *means(groups[name])] for name in sorted(groups)]
        return table([title, "tables", *BANDS], rows)

    def systems(self):
        return self.grouped("machine, GPU", lambda case: f"{case['topology']}, {case['gpu_id']}")

    def collectives(self):
        return self.grouped("collective", lambda case: case["collective"])

    def launches(self):
        def mode(case):
            if int(case["run"].get("processes", 0) or 0) == 1 and int(case["run"].get("threads", 1) or 1) <= 1:
                return "one thread for all GPUs"
            stated = "processes" in case["run"] or "threads" in case["run"]
            return "one thread or process for each GPU" if stated else "not stated"

        return self.grouped("who launches, as the table states", mode)

    def peaks(self):
        """(case, largest size, measured, predicted GB/s) of each all-reduce table that reaches 8 MiB."""
        for case in sorted(self.cases, key=lambda case: (case["topology"], case["ranks"], case["id"])):
            largest = max(row["size_bytes"] for row in case["rows"])
            if case["collective"] != "all_reduce" or largest < LARGE:
                continue
            last = [row for row in case["rows"] if row["size_bytes"] == largest]
            factor = 2 * (case["ranks"] - 1) / case["ranks"] * largest / 1000
            measured = statistics.fmean(factor / row["measured_us"] for row in last)
            yield case, largest, measured, statistics.fmean(factor / row["predicted_us"] for row in last)

    def peak_groups(self):
        groups = {"DGX H100, DGX A100, DGX-1V, GB200 NVL72": [], "others with NVLink": [], "without NVLink": []}
        for case, _, measured, predicted in self.peaks():
            name = 0 if case["topology"] in NAMED else 2 if case["rows"][0]["kind"].startswith("pcie") else 1
            groups[list(groups)[name]].append(abs(predicted / measured - 1))
        rows = [[name, len(errors), f"{percent(statistics.median(errors))} %", f"{percent(statistics.fmean(errors))} %",
                 f"{sum(error <= 0.15 for error in errors)} of {len(errors)}"] for name, errors in groups.items()]
        return table(["machines", "tables", "median error of busbw", "mean", "within 15 %"], rows)

    def short(self):
        rows = []
        for band in BANDS:
            one = next(e for e in self.data["errors"]["all"] if e["band"] == band)
            pairs = [f"{percent(one[who]['mean'])}, {percent(one[who]['median'])}"
                     for who in ("fabricast", "nccl_model", "line_fit")]
            rows.append([band, one["fabricast"]["cases"], pairs[0], AIMS[band], *pairs[1:]])
        return table(["size", "tables", "Fabricast", "aim (mean)", "NCCL's tuner", "line"], rows)

    def plateaus(self):
        """The tables of the named machines."""
        rows = []
        for case, largest, measured, predicted in self.peaks():
            if case["topology"] not in NAMED:
                continue
            rows.append([f"`{case['id']}`", case["gpu_id"], case["ranks"], f"{largest >> 20}", f"{measured:.1f}",
                         f"{predicted:.1f}", f"{100 * (predicted / measured - 1):+.1f} %"])
        return table(["table", "GPU", "GPUs", "MiB", "measured, GB/s", "predicted", "error"], rows)

    def listed(self, cases):
        rows = [[f"`{case['id']}`", f"{case['topology']}, {case['gpu_id']}", case["ranks"], case["collective"],
                 *[signed(case["bias"].get(band)) + " / " + percent(case["mean"].get(band)) if band in case["mean"]
                   else "-" for band in BANDS], case["inside"], case["grade"], case["source"]] for case in cases]
        return table(["table", "machine, GPU", "GPUs", "collective", *[f"{band}: bias / mean" for band in BANDS],
                      "inside", "grade", "source"], rows)

    def worst(self):
        cases = sorted(self.cases, key=lambda case: (-case["excess"], case["id"]))[:WORST]
        rows = [[f"`{case['id']}`", *[signed(case["bias"].get(band)) for band in BANDS],
                 *[percent(case["mean"].get(band)) for band in BANDS]] for case in cases]
        return table(["table", *[f"bias {band}" for band in BANDS], *[f"mean {band}" for band in BANDS]], rows)

    def full(self):
        return self.listed(sorted(self.cases, key=lambda case: (-case["excess"], case["id"])))


class Constants:
    """What "calibrate --list" prints: groups, each with its heading, its source and its constants."""

    def __init__(self, program):
        text = subprocess.run([program, "calibrate", "--list"], capture_output=True, check=True, text=True).stdout
        self.groups = []
        for block in text.strip().split("\n\n"):
            lines = block.split("\n")
            name, title = re.match(r"\[(\S+)\]  # (.*)", lines[0]).groups()
            notes = [line.lstrip("# ") for line in lines[1:] if line.startswith("#")]
            fields = [re.split(r"  +", line, maxsplit=3) for line in lines[1:] if not line.startswith("#")]
            self.groups.append((name, title, notes, fields))

    def values(self, groups):
        rows = []
        for field in groups[0][3]:
            key, _, span, meaning = field
            cells = [next(f[1] for f in group[3] if f[0] == key) for group in groups]
            rows.append([f"`{key}`", meaning, *cells, span])
        return table(["constant", "meaning", *[f"`{group[0]}`" for group in groups], "range"], rows)

    def kernels(self):
        return self.values([group for group in self.groups if not group[0].startswith(("pcie", "loopback"))])

    def loopback(self):
        return self.values([group for group in self.groups if group[0] == "loopback"])

    def pcie(self):
        return self.values([group for group in self.groups if group[0].startswith("pcie")])

    def sources(self):
        return table(["group", "holds for", "from"],
                     [[f"`{name}`", title, " ".join(notes)] for name, title, notes, _ in self.groups])


def steps(program):
    """The sets of training tables, as "validate --training" prints them."""
    text = subprocess.run([program, "validate", "--training", "--quiet"], capture_output=True, check=True,
                          text=True).stdout
    block = text[text.index("# set "):text.index("# table ")].strip().split("\n")
    return table(["set", "runs", "mean", "bias", "worst", "inside", "width"],
                 [re.split(r"  +", line.strip()) for line in block[1:]])


def blind_files(root):
    folder = os.path.join(root, "tests/measurements-blind")
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if name.endswith(".ini")]


def blind_steps(root, program, shown):
    """The tables of other owners' steps: figures of today between the page's own words, which stand first and last."""
    text = subprocess.run([program, "validate", "--training", "--quiet", *blind_files(root)], capture_output=True,
                          check=True, text=True).stdout
    block = text[text.index("# set "):text.index("# order of ")].strip().split("\n")
    figures = {row[0]: row[1:] for row in (re.split(r"  +", line.strip()) for line in block) if not row[0].startswith("#")}
    lines = []
    for line in shown.split("\n"):
        cells = line.strip("|").split("|")
        name = re.search(r"`(.*?)`", cells[0]) or re.fullmatch(r" *(all) *", cells[0])
        if name is not None and name[1] in figures:
            line = "|" + "|".join([cells[0], *[f" {cell} " for cell in figures.pop(name[1])], cells[-1]]) + "|"
        elif name is not None:
            line = f"| `{name[1]}` is no table of {program} |"
        lines.append(line)
    return "\n".join(lines[:-1] + [f"| `{name}` |  | is not here |" for name in figures] + lines[-1:])


def mean_and_bias(summary):
    return "-" if summary is None else f"{100 * summary['mean']:.0f} ({signed(summary['bias'])})"


class Clusters:
    """What "validate --clusters" prints: by cluster, and against the bars."""

    BEST = "best of repeats from 32 MiB"

    def __init__(self, data):
        self.tables = data["clusters"]["tables"]
        self.bars = data["clusters"]["bars"]

    @staticmethod
    def call(one):
        return one["collective"] + (f", {one['forced']} forced" if one["forced"] else "")

    def rows(self, shared):
        head = ["cluster", "nodes", "GPUs", "network", "collective", "tables", *reversed(BANDS)]
        rows = [[one["machine"], one["nodes"], one["ranks"], one["network"], self.call(one), one["tables"],
                 *[mean_and_bias(one[band]) for band in reversed(BANDS)],
                 *([f"{mean_and_bias(one[self.BEST])} of {one['repeats']}" if one[self.BEST] else "-"] if shared else [])]
                for one in self.tables if one["shared"] == shared]
        return table(head + ([self.BEST] if shared else []), rows) if rows else ""

    def every(self):
        return self.rows(False) + self.rows(True)

    def own(self):
        return self.rows(False)

    def shared(self):
        return self.rows(True)

    def judged(self):
        return table(["bar", "tables", "mean", "at most", "tables within it"],
                     [[bar["name"], bar["tables"], percent(bar["mean"]), f"{100 * bar['most']:.0f}", bar["within"]]
                      for bar in self.bars])


def run_clusters(program, *words, patience=PATIENCE):
    return subprocess.run([program, "validate", "--clusters", "--quiet", *words], capture_output=True, check=True,
                          text=True, timeout=patience).stdout


def run_large(root, program, folder, patience):
    """Every table that "validate --clusters" leaves out, one by one: what was printed."""
    index = os.path.join(root, "tests/measurements")
    os.makedirs(folder, exist_ok=True)
    for name in sorted(os.listdir(index)):
        path = os.path.join(folder, name[:-4] + ".json")
        file = configparser.ConfigParser(interpolation=None, strict=False)
        if not name.endswith(".ini"):
            continue
        file.read(os.path.join(index, name), encoding="utf-8")
        if file["source"]["kind"] != "collective" or int(file["system"].get("ranks", 0)) <= USUAL_RANKS:
            continue
        if int(file["overrides"].get("racks", 0)) == 1:
            continue
        if not os.path.exists(path):
            try:
                if patience == 0:
                    raise subprocess.TimeoutExpired(program, 0)
                text = run_clusters(program, os.path.join(index, name), "--max-ranks=0", "--json", patience=patience)
            except subprocess.TimeoutExpired:
                yield {"cases": [{"id": name[:-4], "ranks": int(file["system"]["ranks"]),
                                  "collective": file["run"]["collective"],
                                  "reason": f"took longer than {patience} s" if patience > 0 else "not run"}],
                       "clusters": {"tables": []}}
                continue
            with open(path + ".new", "w", encoding="utf-8") as out:
                out.write(text)
            os.replace(path + ".new", path)
        with open(path, encoding="utf-8") as out:
            yield json.load(out)


def large_table(root, program, folder, patience):
    """One row for each table: those of several repeats are not drawn together."""
    rows = []
    for data in run_large(root, program, folder, patience):
        case = data["cases"][0]
        if not data["clusters"]["tables"]:
            rows.append([f"`{case['id']}`", case["ranks"], case["collective"], "-", "-", case["reason"]])
            continue
        one = data["clusters"]["tables"][0]
        rows.append([f"`{case['id']}`", case["ranks"], case["collective"],
                     *[mean_and_bias(one[band]) for band in reversed(BANDS)]])
    return table(["table", "GPUs", "collective", *reversed(BANDS)], rows)


def main():
    options = [word for word in sys.argv[1:] if word.startswith("--")]
    write = "--write" in options
    root, program = [word for word in sys.argv[1:] if not word.startswith("--")]
    large = [word.split("=", 1)[1] for word in options if word.startswith("--large=")]
    if large:
        patience = [int(word.split("=", 1)[1]) for word in options if word.startswith("--patience=")] or [PATIENCE]
        pages, made = CLUSTER_PAGES, {"large": lambda: large_table(root, program, large[0], patience[0])}
    elif "--clusters" in options:
        clusters = Clusters(json.loads(run_clusters(program, "--json")))
        blind = Clusters(json.loads(run_clusters(program, "--json", *blind_files(root))))
        pages, made = CLUSTER_PAGES, {"own": clusters.own, "shared": clusters.shared, "bars": clusters.judged,
                                      "clusters-blind": blind.every}
    else:
        pages, made = PAGES, tables_of(root, program)
    return compare(root, pages, made, write)


def tables_of(root, program):
    validation, constants = Validation(root, program), Constants(program)
    blind = Validation(root, program, "tests/measurements-blind")
    return {
        "blind": blind.held, "blind-full": blind.full,
        "peaks": validation.peak_groups, "short": validation.short, "sizes": validation.sizes,
        "systems": validation.systems, "collectives": validation.collectives,
        "launches": validation.launches, "plateaus": validation.plateaus, "worst": validation.worst,
        "full": validation.full, "kernels": constants.kernels, "pcie": constants.pcie,
        "loopback": constants.loopback, "sources": constants.sources,
        "steps": lambda: steps(program),
        "steps-blind": lambda shown: blind_steps(root, program, shown),
    }


KEEPING = ("steps-blind",)  # they are made of what the page shows


def today_of(match, made):
    name, shown = match[2], match[0][len(match[1]):-len(match[3])]
    if name not in made:
        return match[0]
    return match[1] + (made[name](shown) if name in KEEPING else made[name]()) + match[3]


def compare(root, pages, made, write):
    differences = 0
    used = set()
    for page in pages:
        path = os.path.join(root, page)
        with open(path, encoding="utf-8") as file:
            old = file.read()
        used.update(match[1] for match in BLOCK.findall(old))
        new = BLOCK.sub(lambda match: today_of(match, made), old)
        for number, (shown, today) in enumerate(zip(old.split("\n"), new.split("\n")), 1):
            if shown != today and differences < 20 and not write:
                print(f"{page}:{number}:\n  shown: {shown}\n  today: {today}")
            differences += shown != today
        if len(old.split("\n")) != len(new.split("\n")):
            print(f"{page}: {len(old.split(chr(10)))} lines, today's tables make it {len(new.split(chr(10)))}")
            differences += 1
        if write and new != old:
            with open(path, "w", encoding="utf-8") as file:
                file.write(new)
    for name in sorted(set(made) - used):
        print(f"table {name} is shown on no page")
        differences += 1
    print(f"{differences} differences")
    return 1 if differences and not write else 0


if __name__ == "__main__":
    sys.exit(main())
