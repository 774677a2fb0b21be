#!/usr/bin/env python3
"""Runs `fabricast calibrate`, and other commands with what it writes, as users do.

cli-calibrate.py PROGRAM MEASUREMENTS
"""

import configparser
import json
import os
import shutil
import sys
import unittest

from program import Case, environment

MEASUREMENTS = os.path.abspath(sys.argv[2])
ID = "stas00-a100x8-allreduce"
FIT = ("--parameters", "ampere.thread_kernel_us,ampere.link_share", ID)
RUN = ("run", "--topology", "dgx-a100", "--collective", "all_reduce", "--sizes", "4K")


class Calibrate(Case):
    def overlay(self, value="20 us", name="mine.ini"):
        return self.write(name, f"[calibration]\nformat=1\ntitle=slow host\n[ampere]\nlaunch_us={value}\n")

    # ---------------------------------------------------------------- fits

    def test_a_fit_is_printed_and_becomes_an_overlay_that_other_commands_take(self):
        path = self.path("a100.ini")
        table = self.prints("calibrate", *FIT, "-o", path, "--title", "one box", env=environment(SOURCE_DATE_EPOCH="1760000000"))
        self.assertIn("thread_kernel_us", table)
        self.assertIn("95 % interval", table)
        self.assertIn(ID, table)
        file = configparser.ConfigParser(interpolation=None)
        file.read(path)
        self.assertEqual([file["calibration"][key] for key in ("format", "title", "date")], ["1", "one box", "2025-10-09"])
        self.assertEqual(file["calibration"]["measurements"], ID)
        self.assertRegex(file["ampere"]["thread_kernel_us"], r"^[0-9.]+ us$")
        self.assertRegex(file["ampere"]["thread_kernel_us_interval"], r"^[0-9.]+ us;[0-9.]+ us$")
        self.assertIn("a100.ini: one box", self.prints(*RUN, "--calibration", path))
        self.assertIn(f"# constants: {path}", self.prints("validate", ID, "--calibration", path))
        before, after = (json.loads(self.prints("validate", ID, "--json", *words))["errors"]["all"]
                         for words in ((), ("--calibration", path)))
        mean = [sum(band["fabricast"]["mean"] for band in bands) for bands in (before, after)]
        self.assertLess(mean[1], mean[0] * 1.02)
        self.assertEqual(os.listdir(self.folder), ["a100.ini"])

    def test_json_says_what_the_table_says(self):
        fit = json.loads(self.prints("calibrate", "--json", *FIT))
        self.assertEqual((fit["schema"], fit["schema_version"]), ("fabricast-calibration", 1))
        self.assertEqual([parameter["key"] for parameter in fit["parameters"]], ["thread_kernel_us", "link_share"])
        for parameter in fit["parameters"]:
            self.assertTrue(parameter["low"] <= parameter["value"] <= parameter["high"])
            if parameter["identified"]:
                self.assertTrue(parameter["low95"] <= parameter["value"] <= parameter["high95"])
            else:
                self.assertTrue(parameter["why_not"])
                self.assertEqual(parameter["value"], parameter["start"])
        self.assertEqual([case["id"] for case in fit["cases"]], [ID])
        self.assertEqual(sum(band["rows"] for band in fit["after"]), fit["rows"])

    def test_without_names_all_that_can_matter_is_fitted_the_same_on_any_number_of_processors(self):
        words = ("calibrate", ID, "--json", "--force")
        fits = [self.prints(*words), self.prints(*words)]
        mask = os.sched_getaffinity(0)
        try:
            os.sched_setaffinity(0, {min(mask)})
            fits.append(self.prints(*words))
        finally:
            os.sched_setaffinity(0, mask)
        self.assertEqual(fits[0], fits[1])
        self.assertEqual(fits[0], fits[2])
        parameters = json.loads(fits[0])["parameters"]
        self.assertEqual({parameter["group"] for parameter in parameters}, {"ampere"})
        self.assertTrue(any(parameter["identified"] for parameter in parameters))

    def test_a_log_of_ones_own_is_imported_and_fitted(self):
        sizes = [1 << shift for shift in range(10, 28)]
        rows = "".join(f"{size:12d} {size // 4:12d} float sum -1 {20 + size / 2e5:9.2f} 1 1 0 {20 + size / 2e5:9.2f} 1 1 0\n"
                       for size in sizes)
        log = self.write("log.txt", "# nThread 1 nGpus 1 minBytes 1024 maxBytes 134217728 step: 2(factor) warmup iters: 5 "
                                    "iters: 20 agg iters: 1 validation: 1 graph: 0\n#\n# Using devices\n" + "".join(
                             f"#  Rank {rank:2d} Group 0 Pid {100 + rank} on box device {rank} [0x0{rank}] "
                             "NVIDIA A100-SXM4-80GB\n" for rank in range(8)) +
                         "#\n#       size         count      type   redop    root     time   algbw   busbw #wrong     time"
                         "   algbw   busbw #wrong\n" + rows + "# Out of bounds values : 0 OK\n")
        self.prints("import", "nccl-tests", log, "--topology", "dgx-a100", "--collective", "all_reduce", "-o",
                    self.path("own"))
        fit = json.loads(self.prints("calibrate", self.path("own.ini"), "--json", "--force"))
        self.assertEqual([(case["id"], case["reason"]) for case in fit["cases"]], [("own", None)])

    def test_measurements_of_ones_own_are_fitted(self):
        for suffix in (".ini", ".csv"):
            shutil.copy(os.path.join(MEASUREMENTS, ID + suffix), self.path("own" + suffix))
        fit = json.loads(self.prints("calibrate", "--json", *FIT[:2], self.folder))
        self.assertEqual([case["id"] for case in fit["cases"]], ["own"])

    def test_a_fit_begins_with_an_overlay_where_one_is_named(self):
        fit = json.loads(self.prints("calibrate", "--json", "--calibration", self.overlay(), "--group", "ampere", *FIT,
                                     "--force"))
        starts = {parameter["key"]: parameter["start"] for parameter in fit["parameters"]}
        self.assertEqual(starts["launch_us"], 20)

    def test_values_at_their_bound_are_refused_unless_forced(self):
        shutil.copy(os.path.join(MEASUREMENTS, ID + ".ini"), self.path("slow.ini"))
        with open(os.path.join(MEASUREMENTS, ID + ".csv")) as file:
            header, *lines = file.read().splitlines()
        self.assertEqual(header.split(",")[1], "time_us")
        rows = [line.split(",") for line in lines]
        for row in rows:
            row[1] = str(float(row[1]) * 10)
            row[2] = row[3] = ""
        self.write("slow.csv", "\n".join([header, *(",".join(row) for row in rows)]) + "\n")
        words = ("calibrate", self.path("slow.ini"), "--parameters", "ampere.link_share", "-o", self.path("o.ini"))
        self.refuses(r"end of the plausible range: ampere\.link_share", *words, prints=".")
        self.assertFalse(os.path.exists(self.path("o.ini")))
        self.assertIn("AT ITS BOUND", self.prints(*words, "--force"))
        with open(self.path("o.ini")) as file:
            self.assertIn("note=some values are at the end", file.read())
        self.prints(*RUN, "--calibration", self.path("o.ini"))

    def test_bad_input_is_refused_and_leaves_no_file(self):
        path = self.path("o.ini")
        self.refuses("calibrate needs a measurement", "calibrate", "-o", path)
        self.refuses("neither a file, a folder nor an id.*did you mean " + ID, "calibrate", ID[:-1], "-o", path)
        self.refuses("names no constant.*did you mean launch_us", "calibrate", ID, "--parameters", "ampere.lanch_us",
                     "-o", path)
        self.refuses("--group.*did you mean ampere", "calibrate", ID, "--group", "amper", "-o", path)
        self.refuses("none of 1 measurements can be fitted", "calibrate", "megatron-2020-tp-scaling-dgx2-dgxa100",
                     "-o", path)
        self.refuses("tell none of the", "calibrate", ID, "--parameters", "pascal.launch_us", "-o", path,
                     prints=".")
        self.refuses("nothing beside --list|too many", "calibrate", "--list", ID)
        self.assertEqual(os.listdir(self.folder), [])

    # ---------------------------------------------------------------- the table

    def test_all_constants_are_listed_with_range_and_source(self):
        listed = json.loads(self.prints("calibrate", "--list", "--json"))["groups"]
        self.assertIn("hopper", [group["group"] for group in listed])
        for group in listed:
            self.assertTrue(group["source"], group["group"])
            for one in group["constants"]:
                self.assertTrue(one["low"] <= one["value"] <= one["high"], one)
                self.assertTrue(one["meaning"] and one["unit"])
        table = self.prints("calibrate", "--list", "--group", "hopper")
        self.assertTrue(table.startswith("[hopper]"))
        self.assertNotIn("[ampere]", table)
        changed = json.loads(self.prints("calibrate", "--list", "--json", "--group", "ampere", "--calibration",
                                         self.overlay()))["groups"]
        self.assertEqual({one["key"]: one["value"] for one in changed[0]["constants"]}["launch_us"], 20)

    # ---------------------------------------------------------------- overlays elsewhere

    def test_a_scenario_names_an_overlay_beside_it(self):
        self.overlay()
        scenario = self.write("one.ini", "[topology]\nname=dgx-a100\n[collective]\noperation=all_reduce\nsizes=4K\n"
                                         "[calibration]\nfile=mine.ini\n")
        with_overlay = json.loads(self.prints("run", scenario, "--json"))["results"][0]
        without = json.loads(self.prints(*RUN, "--json"))["results"][0]
        self.assertIn("mine.ini: slow host", with_overlay["calibration"])
        self.assertIsNone(without["calibration"])
        self.assertGreater(with_overlay["rows"][0]["time_us"], without["rows"][0]["time_us"] + 5)

    def test_bad_overlays_are_refused_everywhere(self):
        for value, pattern in (("20", r"mine\.ini: \[ampere\] launch_us: "), ("nan us", r"\[ampere\] launch_us: "),
                               ("999 us", "not plausible, must be between 3 us and 30 us")):
            path = self.overlay(value)
            for words in (RUN, ("validate", ID), ("calibrate", *FIT)):
                self.refuses(pattern, *words, "--calibration", path)
        self.refuses("no such file", *RUN, "--calibration", self.path("none.ini"))
        self.refuses("unknown key", *RUN, "--set", "calibration.fil=x")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
