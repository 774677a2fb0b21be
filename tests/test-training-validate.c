#include "validate/training-validate.h"

#include <check.h>
#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "base/paths.h"
#include "suite.h"
#include "validate/training-names.h"
#include "validate/training-row.h"

static void
add_table(GPtrArray *tables, const char *id)
{
    g_autofree char *name = g_strconcat(id, ".ini", NULL);
    g_autofree char *path = g_build_filename(fab_path_measurements(), name, NULL);
    g_autoptr(GError) error = NULL;
    FabMeasurement *measurement = fab_measurement_load(path, &error);

    ck_assert_msg(measurement != NULL, "%s", error != NULL ? error->message : "no error");
    g_ptr_array_add(tables, measurement);
}

static GPtrArray *
tables_of(const char *const *ids)
{
    GPtrArray *tables = g_ptr_array_new_with_free_func((GDestroyNotify)fab_measurement_free);

    for (; *ids != NULL; ids++)
        add_table(tables, *ids);
    return tables;
}

#define TABLES(...) tables_of((const char *const[]) { __VA_ARGS__, NULL })

/* The mean error of these tables stays below `most`; `runs` are scored. */
static void
check_errors(GPtrArray *tables, guint runs, double most)
{
    g_autoptr(FabStepValidation) validation = fab_step_validate(tables, NULL, NULL, NULL);
    FabStepErrors errors = fab_step_errors(validation, NULL);

    ck_assert_uint_eq(errors.rows, runs);
    ck_assert_double_lt(errors.mean, most);
    ck_assert_double_le(fabs(errors.bias), errors.mean);
    ck_assert_double_ge(errors.worst, errors.mean);
    g_ptr_array_unref(tables);
}

/* Bars with room for a refit of the collectives' constants; docs/training.md has today's figures. */
START_TEST(step_times_of_the_open_set_are_predicted)
{
    check_errors(TABLES("megatron-seqpar-a100-table5"), 8, 0.03);
    check_errors(TABLES("dgxc-2502-llama-3-1-8b-bf16-h100", "dgxc-2502-llama-3-1-70b-bf16-h100",
                        "dgxc-2502-llama-3-1-405b-bf16-h100", "dgxc-2502-nemotron4-15b-bf16-h100"), 25, 0.04);
    check_errors(TABLES("mosaic-mpt-a100-80gb"), 61, 0.06);
    check_errors(TABLES("mosaic-mpt-h100-bf16"), 52, 0.06);
    check_errors(TABLES("megatron-2020-tp-scaling-dgx2-dgxa100"), 8, 0.08);
    check_errors(TABLES("ibm-fms-fsdp-a100-h100"), 8, 0.09);
}
END_TEST

/* Measured 1.29 times as fast with the bridge; its table does not say how many lanes the slots have. */
START_TEST(a_bridge_speeds_up_replicas_that_copy_through_the_host)
{
    g_autoptr(GPtrArray) tables = TABLES("train-stas00-titanrtx-nvlink-ab");
    g_autoptr(FabStepValidation) validation = fab_step_validate(tables, NULL, NULL, NULL);
    const FabStepCase *one = validation->cases->pdata[0];
    const FabStepRow *with = &g_array_index(one->rows, FabStepRow, 1);
    const FabStepRow *without = &g_array_index(one->rows, FabStepRow, 3);
    g_autoptr(GArray) pairs = fab_step_pairs(validation);
    const FabStepPair *pair = &g_array_index(pairs, FabStepPair, 0);

    ck_assert(with->scored && without->scored);
    ck_assert_double_gt(without->predicted / with->predicted, 1.1);
    ck_assert_double_lt(without->predicted / with->predicted, 1.5);
    ck_assert_double_eq_tol(with->predicted, 101.9, 15);
    ck_assert_uint_eq(pairs->len, 1);
    ck_assert_uint_eq(pair->with, 2);
    ck_assert_uint_eq(pair->without, 4);
    ck_assert_double_eq_tol(pair->measured, 131.4367 / 101.9003, 1e-9);
    ck_assert_double_eq_tol(pair->predicted, without->predicted / with->predicted, 1e-9);
    ck_assert_double_lt(pair->low, pair->measured);
    ck_assert_double_gt(pair->high, pair->measured);
    ck_assert_double_lt(pair->high - pair->low, 0.3);
    ck_assert_str_eq(pair->open, "lanes of the slots");
}
END_TEST

START_TEST(layouts_are_put_in_their_order)
{
    g_autoptr(GPtrArray) tables = TABLES("vtrain-gt-single-a100");
    g_autoptr(FabStepValidation) validation = fab_step_validate(tables, NULL, NULL, NULL);
    guint jobs;
    double order = fab_step_ranking(validation, NULL, &jobs);

    ck_assert_uint_eq(jobs, 120);
    ck_assert_double_gt(order, 0.9);
    ck_assert_double_lt(fab_step_errors(validation, NULL).mean, 0.085);
    ck_assert_uint_eq(fab_step_errors(validation, "^no such table").rows, 0);
}
END_TEST

START_TEST(one_figure_of_a_run_is_scored_and_the_others_say_why_not)
{
    g_autoptr(GPtrArray) tables = TABLES("megatron-seqpar-a100-table5");
    g_autoptr(FabStepValidation) validation = fab_step_validate(tables, NULL, NULL, NULL);
    const FabStepCase *one = validation->cases->pdata[0];

    ck_assert_uint_eq(one->rows->len, 16);
    for (guint i = 0; i < one->rows->len; i++) {
        const FabStepRow *row = &g_array_index(one->rows, FabStepRow, i);
        ck_assert_int_eq(row->scored, strcmp(row->metric, "step_time") == 0);
        ck_assert_int_eq(row->scored, row->reason == NULL);
        ck_assert_double_le(row->low, row->predicted);
        ck_assert_double_ge(row->high, row->predicted);
    }
}
END_TEST

START_TEST(what_a_row_leaves_open_becomes_several_readings)
{
    g_autoptr(GPtrArray) tables = TABLES("megatron-seqpar-a100-table5", "megatron-core-r08-h100-weak-scaling",
                                         "bigscience-gpt2-v100-megatron");
    g_auto(FabTrainingRow) stated = { .scenarios = NULL }, open = { .scenarios = NULL };
    g_auto(FabTrainingRow) shapeless = { .scenarios = NULL };

    fab_training_row_read(tables->pdata[0], 0, &stated);
    ck_assert_uint_eq(stated.scenarios->len, 1);
    ck_assert_ptr_null(stated.unknown);
    fab_training_row_read(tables->pdata[1], 3, &open);
    ck_assert_uint_gt(open.scenarios->len, 1);
    ck_assert_str_eq(open.unknown, "recompute, micro-batch");
    fab_training_row_read(tables->pdata[2], 0, &shapeless);
    ck_assert_uint_eq(shapeless.scenarios->len, 0);
    ck_assert_str_eq(shapeless.reason, "the model's shape is not known");
}
END_TEST

/* A table of such rows, measured by such a tool; columns as in HEAD. */
#define HEAD \
    "model,params,layers,hidden,heads,seq_len,gpu,gpus,tp,pp,dp,ep,cp,micro_batch,global_batch,precision,recompute," \
    "schedule,metric,value,unit\n"

static FabMeasurement *
table_of(const char *tool, const char *rows)
{
    g_autofree char *folder = g_dir_make_tmp("fabricast-XXXXXX", NULL);
    g_autofree char *ini = g_build_filename(folder, "row.ini", NULL), *csv = g_build_filename(folder, "row.csv", NULL);
    g_autofree char *key = g_strdup_printf("[source]\nkind=training\nwhere=a test\ndate=2024\nmachine=m\n[system]\n"
                                           "gpu_id=h100-sxm\n[run]\ntool=%s\n[quality]\ngrade=A\nreason=a test\n",
                                           tool);
    g_autofree char *table = g_strconcat(HEAD, rows, NULL);
    FabMeasurement *measurement;

    ck_assert(g_file_set_contents(ini, key, -1, NULL));
    ck_assert(g_file_set_contents(csv, table, -1, NULL));
    measurement = fab_measurement_load(ini, NULL);
    ck_assert_ptr_nonnull(measurement);
    g_unlink(ini);
    g_unlink(csv);
    g_rmdir(folder);
    return measurement;
}

/* 126 layers on 16 stages: embedding and logits count as a layer each, and the 8 of a stage may be cut. */
START_TEST(interleaving_is_open_where_the_ends_count_as_layers)
{
    g_autoptr(FabMeasurement) measurement =
        table_of("NeMo", "Llama 3.1 405B,,,,,8192,h100-sxm,8192,8,16,64,,1,1,2048,bf16,none,1f1b-interleaved,"
                         "step_time,1,s\n");
    g_auto(FabTrainingRow) row = { .scenarios = NULL };

    fab_training_row_read(measurement, 0, &row);
    ck_assert_str_eq(row.unknown, "interleaving");
    ck_assert_uint_eq(row.scenarios->len, 3); /* 2, 4 and 8 pieces */
}
END_TEST

/* Half of each layer, though there is memory for nothing being recomputed. */
START_TEST(selective_checkpointing_of_pytorch_recomputes_something)
{
    g_autoptr(GPtrArray) tables = g_ptr_array_new_with_free_func((GDestroyNotify)fab_measurement_free);
    g_autoptr(FabStepValidation) validation = NULL;
    double seconds[3];

    g_ptr_array_add(tables,
                    table_of("torchtitan (FSDP2)",
                             "Llama 3.1 8B,,,,,8192,h100-sxm,64,1,1,64,,1,1,64,bf16,none,fsdp,step_time,1,s\n"
                             "Llama 3.1 8B,,,,,8192,h100-sxm,64,1,1,64,,1,1,64,bf16,selective,fsdp,step_time,1,s\n"
                             "Llama 3.1 8B,,,,,8192,h100-sxm,64,1,1,64,,1,1,64,bf16,full,fsdp,step_time,1,s\n"));
    validation = fab_step_validate(tables, NULL, NULL, NULL);
    for (guint i = 0; i < 3; i++)
        seconds[i] = g_array_index(((FabStepCase *)validation->cases->pdata[0])->rows, FabStepRow, i).step_s;
    ck_assert_double_gt(seconds[1], 1.1 * seconds[0]);
    ck_assert_double_eq_tol(seconds[1], (seconds[0] + seconds[2]) / 2, 1e-3 * seconds[1]);
}
END_TEST

START_TEST(names_of_tables_mean_what_they_say)
{
    ck_assert_str_eq(fab_training_preset("Llama 3.1 405b 24.09"), "llama-3-405b");
    ck_assert_str_eq(fab_training_preset("LLAMA3_8B"), "llama-3-8b");
    ck_assert_str_eq(fab_training_preset("Maxtext LLama2 70b"), "llama-2-70b");
    ck_assert_str_eq(fab_training_preset("DeepSeekV3 (tokendrop)"), "deepseek-v3");
    ck_assert_ptr_null(fab_training_preset("GPT-175B"));
    ck_assert_str_eq(fab_training_family("GPT-175B"), "megatron-7.5b");
    ck_assert_ptr_null(fab_training_family("BERT"));
    ck_assert_str_eq(fab_training_stack("NeMo / Megatron Bridge"), "nemo");
    ck_assert_str_eq(fab_training_stack("torchtitan (FSDP2)"), "fsdp-flash2");
    ck_assert_str_eq(fab_training_stack("Composer FSDP"), "fsdp");
    ck_assert_str_eq(fab_training_family("BLOOM-14336x72"), "bloom-176b");
    ck_assert_str_eq(fab_training_stack("HAI-LLM"), "generic");
    ck_assert_str_eq(fab_training_stack("nanotron"), "generic");
    ck_assert_ptr_null(fab_training_stack("NVIDIA DeepLearningExamples"));
    ck_assert_ptr_null(fab_training_stack(""));
    ck_assert_ptr_null(fab_training_stack(NULL));
    ck_assert_ptr_null(fab_training_machine("abacus"));
    ck_assert_double_eq(fab_training_remark_gbps("400 (A100 nodes), 800 (H100 nodes)", "h100-sxm"), 800);
    ck_assert_double_eq(fab_training_remark_gbps("400 (A100 nodes)", "b200-sxm"), 0);
    ck_assert_double_eq(fab_training_remark_gbps(NULL, "b200-sxm"), 0);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("training-validate");

    tcase_set_timeout(tests, 120);
    tcase_add_test(tests, step_times_of_the_open_set_are_predicted);
    tcase_add_test(tests, a_bridge_speeds_up_replicas_that_copy_through_the_host);
    tcase_add_test(tests, layouts_are_put_in_their_order);
    tcase_add_test(tests, one_figure_of_a_run_is_scored_and_the_others_say_why_not);
    tcase_add_test(tests, what_a_row_leaves_open_becomes_several_readings);
    tcase_add_test(tests, interleaving_is_open_where_the_ends_count_as_layers);
    tcase_add_test(tests, selective_checkpointing_of_pytorch_recomputes_something);
    tcase_add_test(tests, names_of_tables_mean_what_they_say);
    return run_tests(tests);
}
