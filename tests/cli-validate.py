#!/usr/bin/env python3
"""Runs `fabricast validate` as users do.

cli-validate.py PROGRAM MEASUREMENTS
"""

import csv
import io
import json
import os
import sys
import tempfile
import unittest
import xml.etree.ElementTree

from program import NO, Case

MEASUREMENTS = os.path.abspath(sys.argv[2])
FRESH = os.path.join(os.path.dirname(MEASUREMENTS), "measurements-fresh")
ID = "stas00-a100x8-allreduce"
COLUMNS = ("id,gpu_id,ranks,collective,size_bytes,measured_us,predicted_us,low_us,high_us,algorithm,protocol,channels,"
           "nccl_model_us,line_fit_us").split(",")


class Validate(Case):
    def prints(self, *words, **more):
        return super().prints("validate", *words, **more)

    def refuses(self, pattern, *words):
        super().refuses(pattern, "validate", *words)

    def test_the_open_set_is_the_default_and_nothing_of_it_is_left_out(self):
        result = json.loads(self.prints("--json"))
        ids = [name[:-4] for name in os.listdir(MEASUREMENTS) if name.endswith(".ini")]
        self.assertEqual(result["schema"], "fabricast-validation")
        self.assertEqual(sorted(case["id"] for case in result["cases"]), sorted(ids))
        self.assertEqual([band["band"] for band in result["errors"]["all"]],
                         ["below 64 KiB", "64 KiB to 8 MiB", "from 8 MiB"])
        for case in result["cases"]:
            self.assertTrue(case["reason"] or case["rows"], case["id"])
            self.assertEqual(case["scored"], case["reason"] is None and case["grade"] != "C", case["id"])
        for band in result["errors"]["all"]:
            self.assertGreaterEqual(band["fabricast"]["cases"], 100)
            self.assertEqual(band["fabricast"]["rows"], band["line_fit"]["rows"])

    def test_training_steps_have_rows_of_their_own(self):
        case = "megatron-seqpar-a100-table5"
        rows = list(csv.DictReader(io.StringIO(self.prints(case, "--csv"))))
        self.assertEqual(list(rows[0]), "id,row,metric,measured,predicted,low,high,unit".split(","))
        self.assertEqual([int(row["row"]) for row in rows], list(range(1, 17)))
        for row in rows:
            self.assertEqual(row["id"], case)
            self.assertTrue(float(row["low"]) <= float(row["predicted"]) <= float(row["high"]), row)
        text = self.prints(case)
        self.assertRegex(text, r"Megatron, table 5 of arXiv 2205.05198 +8 ")
        self.assertIn("megatron-seqpar-a100-table5", text)
        self.prints(case, "--max-error", "50")
        self.prints(case, "--max-error", "0.001", status=NO, says=r"above --max-error 0\.001\n\Z")
        self.refuses("are for collectives", case, "--interval-table")
        result = json.loads(self.prints(case, "--json"))
        self.assertEqual((result["schema"], result["cases"][0]["id"]), ("fabricast-training-validation", case))
        self.assertEqual(len(result["cases"][0]["rows"]), len(rows))
        self.assertEqual(result["cases"][0]["rows"][0]["predicted"], float(rows[0]["predicted"]))

    def test_tables_of_training_are_predicted_without_themselves(self):
        cases = ("megatron-seqpar-a100-table5", "megatron-2020-dp128-scaling-dgxa100", "vtrain-gt-single-a100")
        result = json.loads(self.prints(*cases, "--leave-one-out", "--json"))
        left = {one["id"]: one for one in result["left_out"]}
        self.assertEqual(left["vtrain-gt-single-a100"]["alone"], left["vtrain-gt-single-a100"]["runs"])
        self.assertIsNone(left["vtrain-gt-single-a100"]["left_out"])
        self.assertEqual(left["megatron-seqpar-a100-table5"]["alone"], 0)
        self.assertTrue(0 < left["megatron-seqpar-a100-table5"]["left_out"] < 0.15)
        for one in left.values():
            self.assertTrue(0 < one["machine_left_out"] < 1 and 0 <= one["machine_inside"] <= 1)
        self.assertGreater(left["megatron-seqpar-a100-table5"]["machine_inside"], 0.5)
        text = self.prints(*cases[:2], "--leave-one-out")
        self.assertRegex(text, r"Megatron, table 5 of arXiv 2205.05198 +8 +0 +\d")
        self.refuses("take --json or neither", cases[0], "--leave-one-out", "--csv")

    def test_what_cannot_be_a_step_is_counted_with_its_reason(self):
        text = self.prints("train-lambda-4090-scaling", "bigscience-gpt2-v100-megatron")
        self.assertIn("programs without the shape of a model", text)
        self.assertIn("the model's shape is not known", text)

    def test_json_and_csv_and_table_say_the_same(self):
        case = json.loads(self.prints(ID, "--json"))["cases"][0]
        lines = list(csv.DictReader(io.StringIO(self.prints(ID, "--csv"))))
        table = self.prints(ID)
        self.assertEqual(list(lines[0])[:len(COLUMNS)], COLUMNS)
        self.assertEqual(len(lines), len(case["rows"]))
        for line, row in zip(lines, case["rows"]):
            for name in ("size_bytes", "measured_us", "predicted_us", "low_us", "high_us", "nccl_model_us", "line_fit_us"):
                self.assertEqual(float(line[name]), row[name])
            self.assertTrue(0 < row["low_us"] <= row["predicted_us"] <= row["high_us"])
            self.assertEqual(line["kind"], row["kind"])
            self.assertIn(f"{row['predicted_us']:.2f} ", table)

    def test_files_folders_and_ids_name_measurements(self):
        path = os.path.join(MEASUREMENTS, ID + ".ini")
        self.assertEqual(self.prints(ID), self.prints(path))
        self.assertEqual(self.prints(ID, path), self.prints(path))
        with tempfile.TemporaryDirectory() as folder:
            for suffix in (".ini", ".csv"):
                with open(os.path.join(MEASUREMENTS, ID + suffix)) as source, \
                        open(os.path.join(folder, "mine" + suffix), "w") as copy:
                    copy.write(source.read())
            self.assertEqual(self.prints(folder), self.prints(path).replace(ID, "mine"))

    def test_tables_that_nobody_has_looked_at_can_be_read(self):
        """Without predicting a collective, and nothing is said of how good a prediction is: they are scored once."""
        ids = {name[:-4] for name in os.listdir(FRESH) if name.endswith(".ini")}
        self.assertEqual(ids, {name[:-4] for name in os.listdir(FRESH) if name.endswith(".csv")})
        clusters = json.loads(self.prints(FRESH, "--clusters", "--max-ranks=1", "--json"))["cases"]
        steps = json.loads(self.prints(FRESH, "--training", "--json"))["cases"]
        self.assertEqual({case["reason"] for case in clusters}, {"more ranks than --max-ranks"})
        for case in clusters + steps:
            self.assertIn(case["id"], ids)
        self.assertTrue(clusters and steps)

    def test_the_same_run_prints_the_same(self):
        self.assertEqual(self.prints(ID, "--json"), self.prints(ID, "--json"))

    def test_a_bound_decides_the_exit_status(self):
        self.prints(ID, "--max-error", "1000")
        self.prints(ID, "--max-error", "1000,1000,1000")
        text = self.prints(ID, "--max-error", "1000,0,1000", status=NO,
                           says=r"the mean error 64 KiB to 8 MiB is [\d.]+ %, above --max-error 0\n\Z")
        self.assertIn(ID, text)

    def test_a_bound_is_not_kept_where_nothing_is_scored(self):
        link = next(name[:-4] for name in sorted(os.listdir(MEASUREMENTS)) if name.startswith("p2p-"))
        self.assertRegex(self.prints(link), r"not predicted: not a collective; link\n$")
        self.prints(link, "--max-error", "1000", status=NO,
                    says=r"no measurement is scored, so --max-error cannot be judged\n\Z")

    def test_bad_input_is_refused_with_one_sentence(self):
        self.refuses(r"\"stas00-a100x8-alreduce\" is neither .*; did you mean stas00-a100x8-allreduce\?",
                     "stas00-a100x8-alreduce")
        self.refuses(r"nowhere\.ini: no such file", "nowhere.ini")
        self.refuses(r"--max-error is \"much\", must be a number of percent", ID, "--max-error", "much")
        self.refuses(r"--max-error is \"1,2\"", ID, "--max-error", "1,2")
        self.refuses(r"--max-error is \"-1\"", ID, "--max-error", "-1")
        self.refuses(r"--max-error is \"nan\"", ID, "--max-error", "nan")
        link = next(name[:-4] for name in sorted(os.listdir(MEASUREMENTS)) if name.startswith("p2p-"))
        self.refuses(r"leave-one-out: none of 1 measurements can be fitted", link, "--leave-one-out")
        self.refuses(r"leave-one-out: all measurements .* come from one machine", ID, "--leave-one-out")
        self.refuses(r"--csv and --interval-table exclude each other", ID, "--csv", "--interval-table")
        self.refuses(r"--json and --csv exclude each other", ID, "--json", "--csv")
        with tempfile.TemporaryDirectory() as folder:
            self.refuses(r"holds no measurement", folder)
            with open(os.path.join(folder, "bad.ini"), "w") as file:
                file.write("[source]\nkind=colective\n")
            self.refuses(r"bad\.ini: \[source\] kind is \"colective\"", folder)

    def test_tables_of_several_nodes_are_predicted_when_asked_for(self):
        several = "nccl1801-gb200-3xnvl4-allreduce-tree"
        self.assertRegex(self.prints(several), r"not scored: +1  several NVLink domains")
        self.assertRegex(self.prints(several, ID, "--clusters"), r"validation: 1 measurements, 1 of them scored")
        result = json.loads(self.prints(several, "--clusters", "--json"))
        self.assertEqual([row["algorithm"] for row in result["cases"][0]["rows"]], ["tree", "tree"])
        self.refuses(r"name one cluster over several nodes, two clusters", several, "--clusters", "--leave-one-out")
        other = "deepops-dgxa100-4n-allreduce-hdr"
        text = self.prints(several, other, "--clusters", "--leave-one-out")
        self.assertRegex(text, r"(?s)Left out: each cluster.*of 2 clusters")
        source = self.prints(several, other, "--clusters", "--leave-one-out", "--interval-table")
        self.assertRegex(source, r"\.known\[FAB_CONNECTION_NETWORK\]\[FAB_FAMILY_RING\]")
        self.assertIn("fab_intervals_networks(void)", source)

    def test_clusters_are_summed_up_and_what_is_too_large_is_named(self):
        ids = ("nccl1801-gb200-3xnvl4-allreduce-tree", "deepops-dgxa100-4n-allreduce-hdr",
               "polaris-a100-2n-allreduce-nccl2215-setup4", "polaris-a100-2n-allreduce-nccl218-setup5")
        large = "polaris-a100-540n-allreduce-nccl218-setup5"
        text = self.prints(*ids, large, "--clusters")
        self.assertRegex(text, r"(?m)^# left out, tables of more than 64 ranks.*\n#   " + large + ", 2160 ranks$")
        self.assertRegex(text, r"(?m)^  polaris +2 x hgx-a100-4 +8 all_reduce +2 .* of 4$")
        result = json.loads(self.prints(*ids, large, "--clusters", "--json"))
        clusters = result["clusters"]
        self.assertEqual(clusters["left_out"], [{"id": large, "ranks": 2160}])
        self.assertEqual([(t["machine"], t["shared"], t["tables"]) for t in clusters["tables"]],
                         [("deepops-dgxa100", False, 1), ("nccl1801-gb200", False, 1), ("polaris", True, 2)])
        self.assertEqual(clusters["tables"][1]["forced"], "tree")
        self.assertIsNone(clusters["tables"][0]["best of repeats from 32 MiB"])
        # The fastest of all repeats, worked out anew.
        cases = [case for case in result["cases"] if case["id"].startswith("polaris-a100-2n")]
        best, errors = {}, []
        for case in cases:
            for row in case["rows"]:
                best[row["size_bytes"]] = min(row["measured_us"], best.get(row["size_bytes"], 1e99))
        for case in cases:
            some = [abs(row["predicted_us"] / best[row["size_bytes"]] - 1) for row in case["rows"]
                    if row["size_bytes"] >= 32 << 20]
            errors.append(sum(some) / len(some))
        mean = clusters["tables"][2]["best of repeats from 32 MiB"]["mean"]
        self.assertAlmostEqual(mean, sum(errors) / len(errors), 6)
        bar = clusters["bars"][-1]
        self.assertEqual((bar["most"], bar["tables"], bar["within"]), (0.15, 1, int(mean <= 0.15)))
        lines = list(csv.DictReader(io.StringIO(self.prints(*ids, "--clusters", "--csv"))))
        self.assertEqual(list(lines[0])[-5:], ["nodes", "network", "shared", "forced", "best_us"])
        for line in lines:
            self.assertLessEqual(float(line["best_us"]), float(line["measured_us"]))
        self.assertNotIn("best_us", self.prints(ID, "--csv"))
        few = self.prints(*ids, "--clusters", "--max-ranks", "8")
        self.assertRegex(few, r"#   deepops-dgxa100-4n-allreduce-hdr, 32 ranks\n")
        self.refuses(r"--max-ranks is -3, must be 0 \(no bound\)", *ids, "--clusters", "--max-ranks=-3")
        self.refuses(r"--max-ranks is for --clusters, which is not given", ID, "--max-ranks", "8")

    def test_the_table_of_intervals_is_source(self):
        source = self.prints(ID, "--interval-table")
        self.assertRegex(source, r"static const FabIntervals shipped = \{\n    \.known\[FAB_CONNECTION_SWITCH\]")
        self.assertEqual(source.count(".machines["), 5)

    def test_of_two_machines_each_is_predicted_without_the_other(self):
        other = "superbench-a100x8-all-reduce"
        result = json.loads(self.prints(ID, other, "--leave-one-out", "--json"))
        plain = json.loads(self.prints(ID, other, "--json"))
        self.assertEqual((result["left_out"], plain["left_out"], plain["in_sample"]), (True, False, []))
        self.assertEqual([case["id"] for case in result["cases"]], [ID, other])
        self.assertNotEqual(result["errors"]["all"], plain["errors"]["all"])
        self.assertRegex(self.prints(ID, other, "--leave-one-out"), r"(?s)Left out: each machine.*in sample.*inside the 90")

    def test_plots_are_pictures_one_for_each_case(self):
        with tempfile.TemporaryDirectory() as folder:
            self.prints(ID, "--plots", os.path.join(folder, "new", "plots"))
            names = os.listdir(os.path.join(folder, "new", "plots"))
            self.assertEqual(names, [ID + ".svg"])
            picture = xml.etree.ElementTree.parse(os.path.join(folder, "new", "plots", names[0])).getroot()
            text = " ".join(picture.itertext())
            self.assertTrue(picture.tag.endswith("svg"))
            for word in (ID, "measured", "predicted", "NCCL", "line"):
                self.assertIn(word, text)
            self.assertIn("90 % interval", text)
            self.assertEqual(len(picture.findall(".//{*}polygon[@class='interval']")), 1)
            rows = len(json.loads(self.prints(ID, "--json"))["cases"][0]["rows"])
            self.assertEqual(len(picture.findall(".//{*}circle[@class='measured']")), rows)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
