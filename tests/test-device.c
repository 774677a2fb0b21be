/* What single parts of a machine take, predicted beside what fabricast-measure timed. */
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/device.h"
#include "scenario/scenario.h"
#include "suite.h"
#include "validate/device.h"
#include "predict/run.h"

static GPtrArray *
measured(const char *topology, const char *const rows[][4], guint count)
{
    GPtrArray *measurements = g_ptr_array_new_with_free_func((GDestroyNotify)fab_measurement_free);
    FabMeasurement *measurement = fab_measurement_new("made", FAB_MEASUREMENT_DEVICE, NULL);

    if (topology != NULL)
        ck_assert(fab_measurement_set(measurement, "system", "topology", topology, NULL));
    for (guint i = 0; i < count; i++) {
        const char *cells[] = { rows[i][0], rows[i][1], rows[i][2], "4", rows[i][3], "time", "100", "", "", "20", "us",
                                NULL };
        ck_assert(fab_measurement_add_row(measurement, cells, NULL));
    }
    g_ptr_array_add(measurements, measurement);
    return measurements;
}

/* Tables with CTAs and other figures than times: test, variant, GPUs, CTAs, size, metric, value. */
static GPtrArray *
measured_in_full(const char *topology, const char *const rows[][7], guint count)
{
    GPtrArray *measurements = measured(topology, NULL, 0);

    for (guint i = 0; i < count; i++) {
        const char *cells[] = { rows[i][0], rows[i][1], rows[i][2], rows[i][3], rows[i][4], rows[i][5], rows[i][6],
                                "", "", "20", "us", NULL };
        ck_assert(fab_measurement_add_row(measurements->pdata[0], cells, NULL));
    }
    return measurements;
}

static const FabDeviceRow *
row_of(GPtrArray *cases, guint index)
{
    const FabDeviceCase *one = cases->pdata[0];

    ck_assert_msg(one->reason == NULL, "%s", one->reason);
    ck_assert_uint_lt(index, one->rows->len);
    return &g_array_index(one->rows, FabDeviceRow, index);
}

/* What a scenario of one row takes, microseconds. */
static double
scenario_us(const char *const *sets)
{
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets((char *const *)sets, NULL);
    g_autoptr(FabResult) result = fab_run(scenario, NULL, NULL, NULL);

    return (double)((const FabResultRow *)result->rows->pdata[0])->time_ps * 1e-6;
}

START_TEST(ctas_move_data_at_their_rate_until_memory_or_cache_is_full)
{
    static const char *const rows[][4] = { { "copy", "16 bytes, memory", "0", "41000000" },
                                           { "reduce", "16 bytes, cache", "0", "41000000" },
                                           { "reduce-copy", "4 bytes, memory", "0", "41000000" } };
    g_autoptr(GPtrArray) measurements = measured("loopback-h200", rows, G_N_ELEMENTS(rows));
    g_autoptr(GPtrArray) cases = fab_device_validate(measurements);

    /* Four CTAs with 82 GB/s each: a copy has two accesses, a reduction of two three; and a gap between kernels. */
    ck_assert_double_eq_tol(row_of(cases, 0)->predicted_us, 1.5 + 2 * 41e6 / (4 * 82e9) * 1e6, 1e-6);
    ck_assert_double_eq_tol(row_of(cases, 1)->predicted_us, 1.5 + 3 * 41e6 / (4 * 82e9) * 1e6, 1e-6);
    ck_assert_double_eq_tol(row_of(cases, 0)->error, 2.515 - 1, 1e-9);
    ck_assert_uint_eq(((const FabDeviceCase *)cases->pdata[0])->left_out, 1); /* the rate is of 16-byte accesses */
}
END_TEST

START_TEST(copies_and_pipelines_take_what_their_scenarios_take)
{
    static const char *const rows[][4] = { { "peer", "copy", "0>1", "1048576" },
                                           { "several copy", "ring", "0>1 1>0", "1048576" },
                                           { "pipeline", "streams 2 chunk 65536 rounds 1 back 0.5", "0", "1048576" },
                                           { "pipeline", "streams 2 chunk 65536 rounds 1", "0+1+2+3", "1048576" },
                                           { "pipeline", "streams 2 chunk 65536 rounds 1", "1+2", "1048576" },
                                           { "h2d", "pinned", "0", "1048576" },
                                           { "both", "pinned", "0", "1048576" },
                                           { "h2d", "pageable", "0", "1048576" },
                                           { "peer", "copy", "0>0", "1048576" },
                                           { "launch", "graph and wait", "0", "" } };
    g_autoptr(GPtrArray) measurements = measured("dgx-h100", rows, G_N_ELEMENTS(rows));
    g_autoptr(GPtrArray) cases = fab_device_validate(measurements);

    /* A gap before each copy, which is behind another one of its stream. */
    ck_assert_double_eq_tol(row_of(cases, 0)->predicted_us,
                            1.5 + scenario_us((const char *const[]) { "topology.name=dgx-h100", "transfer.flows=0>1",
                                                                      "transfer.sizes=1M", NULL }), 1e-9);
    ck_assert_double_eq_tol(row_of(cases, 1)->predicted_us,
                            1.5 + scenario_us((const char *const[]) { "topology.name=dgx-h100",
                                                                      "transfer.flows=0>1 1>0",
                                                                      "transfer.sizes=1M", NULL }), 1e-9);
    ck_assert_double_eq_tol(row_of(cases, 2)->predicted_us,
                            scenario_us((const char *const[]) { "topology.name=dgx-h100", "pipeline.bytes=1M",
                                                                "pipeline.sizes=64K", "pipeline.streams=2",
                                                                "pipeline.back=0.5", NULL }), 1e-9);
    ck_assert_double_eq_tol(row_of(cases, 3)->predicted_us,
                            scenario_us((const char *const[]) { "topology.name=dgx-h100", "pipeline.bytes=1M",
                                                                "pipeline.sizes=64K", "pipeline.streams=2",
                                                                "pipeline.gpus=4", NULL }), 1e-9);
    ck_assert_str_eq(row_of(cases, 4)->test, "h2d");
    ck_assert_double_gt(row_of(cases, 4)->predicted_us, 1048576 / 64e9 * 1e6); /* no faster than PCIe 5.0 x16 */
    ck_assert_double_ge(row_of(cases, 5)->predicted_us, row_of(cases, 4)->predicted_us);
    ck_assert_uint_eq(((const FabDeviceCase *)cases->pdata[0])->left_out, 4); /* one of them: GPUs 1 and 2 */
}
END_TEST

START_TEST(products_run_on_the_matrix_units)
{
    static const char *const rows[][4] = { { "gemm", "bf16 8192x8192x8192 batch 1", "0", "" },
                                           { "gemm", "fp8 8192x8192x8192 batch 1", "0", "" },
                                           { "gemm", "tf32 8192x8192x8192 batch 1", "0", "" },
                                           { "gemm", "nonsense", "0", "" },
                                           { "gemm", "bf16 2048x2048x128 batch 64", "0", "" },
                                           { "gemm", "bf16 128x2048x2048 batch 64", "0", "" } };
    g_autoptr(GPtrArray) measurements = measured("dgx-h100", rows, G_N_ELEMENTS(rows));
    g_autoptr(GPtrArray) cases = fab_device_validate(measurements);

    /* At least 2 x 8192^3 operations at the peak rate of 989.4 TFLOP/s, and not twice that. */
    ck_assert_double_gt(row_of(cases, 0)->predicted_us, 2 * pow(8192, 3) / 989.4e12 * 1e6);
    ck_assert_double_lt(row_of(cases, 0)->predicted_us, 4 * pow(8192, 3) / 989.4e12 * 1e6);
    ck_assert_double_lt(row_of(cases, 1)->predicted_us, row_of(cases, 0)->predicted_us);
    /* The products of attention: 64 of each, the first bound by what it writes. */
    ck_assert_double_gt(row_of(cases, 2)->predicted_us, 64 * 2.0 * 2048 * 2048 / 3.36e12 * 1e6);
    ck_assert_double_gt(row_of(cases, 3)->predicted_us, 64 * 2.0 * 128 * 2048 * 2048 / 989.4e12 * 1e6);
    ck_assert_double_lt(row_of(cases, 3)->predicted_us, row_of(cases, 2)->predicted_us);
    ck_assert_uint_eq(((const FabDeviceCase *)cases->pdata[0])->left_out, 2);
}
END_TEST

START_TEST(copies_inside_a_gpu_are_those_between_virtual_ones)
{
    static const char *const rows[][7] = { { "transfer", "kernel", "0>0 0>0", "66", "67108864", "time", "100" },
                                           { "transfer", "kernel", "0>0", "33", "67108864", "time", "100" },
                                           { "transfer", "kernel", "0>1", "66", "67108864", "time", "100" },
                                           { "transfer", "kernel", "0>0", "132", "67108864", "time", "100" } };
    g_autoptr(GPtrArray) measurements = measured_in_full("loopback-h200", rows, G_N_ELEMENTS(rows));
    g_autoptr(GPtrArray) cases = fab_device_validate(measurements);

    ck_assert_double_eq_tol(row_of(cases, 0)->predicted_us,
                            scenario_us((const char *const[]) { "topology.name=loopback-h200", "topology.gpus=2",
                                                                "transfer.flows=0>1 1>0", "transfer.sizes=64M", NULL }),
                            1e-9);
    ck_assert_double_eq_tol(row_of(cases, 1)->predicted_us,
                            scenario_us((const char *const[]) { "topology.name=loopback-h200", "topology.gpus=4",
                                                                "transfer.flows=0>1", "transfer.sizes=64M", NULL }),
                            1e-9);
    ck_assert_uint_eq(((const FabDeviceCase *)cases->pdata[0])->left_out, 2);
}
END_TEST

START_TEST(short_copies_wait_for_the_host)
{
    static const char *const rows[][4] = { { "h2d", "pinned", "0", "4" },
                                           { "both", "pinned", "0", "4" },
                                           { "several copy", "ring", "0>1 1>2 2>3 3>0", "4" },
                                           { "launch", "launches from the host", "0", "" },
                                           { "launch", "kernels in a stream", "0", "" } };
    g_autoptr(GPtrArray) measurements = measured("dgx-h100", rows, G_N_ELEMENTS(rows));
    g_autoptr(GPtrArray) cases = fab_device_validate(measurements);

    /* 2 us for each call of the thread that feeds all streams. */
    ck_assert_double_ge(row_of(cases, 0)->predicted_us, 2);
    ck_assert_double_lt(row_of(cases, 0)->predicted_us, 4);
    ck_assert_double_eq(row_of(cases, 1)->predicted_us, 4);
    ck_assert_double_eq(row_of(cases, 2)->predicted_us, 8);
    ck_assert_double_eq(row_of(cases, 3)->predicted_us, 2);
    ck_assert_double_eq(row_of(cases, 4)->predicted_us, 2);
}
END_TEST

START_TEST(a_message_between_gpus_takes_what_a_hop_of_its_protocol_costs)
{
    static const char *const rows[][7] = { { "latency", "ll", "0>1", "", "", "time", "1" },
                                           { "latency", "ll128", "0>1", "", "", "time", "1" },
                                           { "latency", "simple", "0>1", "", "", "time", "1" },
                                           { "latency", "flag", "0>1", "", "", "time", "1" },
                                           { "latency", "ll", "0>0", "", "", "time", "1" },
                                           { "latency", "ll", "0>9", "", "", "time", "1" } };
    g_autoptr(GPtrArray) switched = measured_in_full("dgx-h100", rows, G_N_ELEMENTS(rows));
    g_autoptr(GPtrArray) hops = fab_device_validate(switched);
    g_autoptr(GPtrArray) slotted = measured_in_full("pcie-switch", rows, G_N_ELEMENTS(rows));
    g_autoptr(GPtrArray) slow = fab_device_validate(slotted);

    ck_assert_uint_eq(((const FabDeviceCase *)hops->pdata[0])->left_out, 3);
    ck_assert_double_gt(row_of(hops, 2)->predicted_us, row_of(hops, 1)->predicted_us);
    for (guint i = 0; i < 3; i++) {
        ck_assert_double_gt(row_of(hops, i)->predicted_us, 0.5); /* more than the wire alone */
        ck_assert_double_lt(row_of(hops, i)->predicted_us, 20);
    }
    /* Without NVLink there is no LL128, and the others are no faster. */
    ck_assert_uint_eq(((const FabDeviceCase *)slow->pdata[0])->left_out, 4);
    ck_assert_double_gt(row_of(slow, 0)->predicted_us, row_of(hops, 0)->predicted_us);
    ck_assert_str_eq(row_of(slow, 1)->variant, "simple");
}
END_TEST

#define BESIDE "bf16 8192x8192x8192 batch 1, copy beside it"

START_TEST(a_copy_takes_sms_from_a_product_and_then_memory)
{
    static const char *const rows[][7] = { { "gemm", "bf16 8192x8192x8192 batch 1", "0", "", "", "time", "1000" },
                                           { "overlap", BESIDE, "0", "0", "", "time", "1000" },
                                           { "overlap", BESIDE, "0", "33", "", "time", "1000" },
                                           { "overlap", BESIDE, "0", "66", "", "time", "1000" },
                                           { "overlap copy", BESIDE, "0", "1", "4194304", "time", "1000" },
                                           { "overlap copy", BESIDE, "0", "2", "8388608", "time", "1000" },
                                           { "overlap copy", BESIDE, "0", "130", "545259520", "time", "1000" },
                                           { "overlap", BESIDE, "0", "132", "", "time", "1000" } };
    g_autoptr(GPtrArray) measurements = measured_in_full("dgx-h100", rows, G_N_ELEMENTS(rows));
    g_autoptr(GPtrArray) cases = fab_device_validate(measurements);
    double alone = row_of(cases, 0)->predicted_us;

    ck_assert_double_eq(row_of(cases, 1)->predicted_us, alone);
    /* 99 and 66 of 132 SMs, but for the wave that is not full. */
    ck_assert_double_eq_tol(row_of(cases, 2)->predicted_us / alone, 132.0 / 99, 0.05);
    ck_assert_double_eq_tol(row_of(cases, 3)->predicted_us / alone, 2, 0.05);
    /* CTAs copy at a rate of their own, each as long for its piece as others; all of them want more than there is. */
    ck_assert_double_eq_tol(row_of(cases, 4)->predicted_us, row_of(cases, 5)->predicted_us, 1e-9);
    ck_assert_double_gt(row_of(cases, 6)->predicted_us, 1.2 * row_of(cases, 4)->predicted_us);
    ck_assert_double_gt(row_of(cases, 6)->predicted_us, 2 * 545259520 / 3.36e12 * 1e6); /* no faster than HBM3 */
    ck_assert_uint_eq(((const FabDeviceCase *)cases->pdata[0])->left_out, 1); /* no SM is left for a product */
}
END_TEST

/* The memory holds it back. */
#define ONE_TOKEN "bf16 4096x1x4096 batch 64, copy beside it"

START_TEST(a_product_that_needs_the_memory_keeps_its_sms_part_of_it)
{
    static const char *const rows[][7] = { { "overlap", ONE_TOKEN, "0", "0", "", "time", "100" },
                                           { "overlap", ONE_TOKEN, "0", "20", "", "time", "100" },
                                           { "overlap", ONE_TOKEN, "0", "60", "", "time", "100" } };
    g_autoptr(GPtrArray) measurements = measured_in_full("dgx-h100", rows, G_N_ELEMENTS(rows));
    g_autoptr(GPtrArray) cases = fab_device_validate(measurements);

    /* 20 CTAs want half of what the memory gives, 60 more than all: what is full is shared by SM. */
    ck_assert_double_eq_tol(row_of(cases, 1)->predicted_us / row_of(cases, 0)->predicted_us, 132.0 / 112, 0.05);
    ck_assert_double_eq_tol(row_of(cases, 2)->predicted_us / row_of(cases, 0)->predicted_us, 132.0 / 72, 0.05);
}
END_TEST

START_TEST(a_kernel_is_as_fast_as_its_arithmetic_or_memory)
{
    static const char *const rows[][7] = { { "kernel", "rounds 2048", "0", "528", "69206016", "time", "1000" },
                                           { "kernel", "rounds 2048", "0", "132", "69206016", "time", "1000" },
                                           { "kernel", "rounds 1", "0", "528", "69206016", "time", "1000" },
                                           { "kernel", "rounds 2048", "0", "528", "4", "time", "1000" },
                                           { "kernel", "of nothing", "0", "528", "4", "time", "1000" } };
    g_autoptr(GPtrArray) measurements = measured_in_full("dgx-h100", rows, G_N_ELEMENTS(rows));
    g_autoptr(GPtrArray) cases = fab_device_validate(measurements);
    double words = 69206016 / 4, full = 2 * 2048 * words / 66.9e12 * 1e6; /* 128 words for each thread of 528 CTAs */

    ck_assert_double_eq_tol(row_of(cases, 0)->predicted_us, full, 0.05 * full);
    /* A CTA on each SM has half of the threads that hide a multiply-add's four cycles. */
    ck_assert_double_eq_tol(row_of(cases, 1)->predicted_us, 2 * full, 0.05 * full);
    ck_assert_double_lt(row_of(cases, 2)->predicted_us, full / 10);
    ck_assert_double_gt(row_of(cases, 2)->predicted_us, 2 * 69206016 / 3.36e12 * 1e6);
    /* One thread: 2048 x 4 cycles at the clock of the peak rate. */
    ck_assert_double_eq_tol(row_of(cases, 3)->predicted_us, 2048 * 4 / (66.9e12 / 2 / 128 / 132) * 1e6 + 1.5, 0.2);
    ck_assert_uint_eq(((const FabDeviceCase *)cases->pdata[0])->left_out, 1);
}
END_TEST

START_TEST(stages_share_a_gpu_with_their_kernels_rates)
{
    static const char *const rows[][7] = {
        { "kernel", "rounds 2047", "0", "528", "4194304", "rate", "40" },
        { "kernel", "rounds 2047", "0", "132", "4194304", "rate", "20" },
        { "stages", "micro-batches 16 rounds 2047", "0>0>0>0", "132", "4194304", "time", "7000" },
        { "stages", "micro-batches 1 rounds 2047", "0>0>0>0", "132", "4194304", "time", "900" },
        { "stages", "micro-batches 1 rounds 2047", "0>1>2>3", "528", "4194304", "time", "900" },
        { "stages", "micro-batches 1 rounds 7", "0>0", "132", "4194304", "time", "1" },
        { "stages", "micro-batches 1 rounds 2047", "0>99", "528", "4194304", "time", "1" },
        { "stages", "nonsense", "0>0", "528", "4194304", "time", "1" },
    };
    g_autoptr(GPtrArray) measurements = measured_in_full("dgx-h100", rows, G_N_ELEMENTS(rows));
    g_autoptr(GPtrArray) cases = fab_device_validate(measurements);
    double whole = 4194304 / 40e9 * 1e6;

    /* Bound by the GPU's whole rate, but while few stages work; and one after the other at a stage's rate alone. */
    ck_assert_double_gt(row_of(cases, 0)->predicted_us, 16 * 4 * whole);
    ck_assert_double_lt(row_of(cases, 0)->predicted_us, (16 * 4 + 4) * whole + 300);
    ck_assert_double_gt(row_of(cases, 1)->predicted_us, 4 * 2 * whole);
    ck_assert_double_lt(row_of(cases, 1)->predicted_us, 4 * 2 * whole + 60);
    ck_assert_double_gt(row_of(cases, 2)->predicted_us, 4 * whole);
    ck_assert_double_lt(row_of(cases, 2)->predicted_us, 4 * whole + 100);
    ck_assert_uint_eq(((const FabDeviceCase *)cases->pdata[0])->left_out, 3);
}
END_TEST

START_TEST(a_table_without_a_machine_says_so)
{
    static const char *const rows[][4] = { { "h2d", "pinned", "0", "1048576" } };
    g_autoptr(GPtrArray) nowhere = measured(NULL, rows, 1), unknown = measured("no-such-machine", rows, 1);
    g_autoptr(GPtrArray) first = fab_device_validate(nowhere), second = fab_device_validate(unknown);

    ck_assert(strstr(((const FabDeviceCase *)first->pdata[0])->reason, "[system] topology is missing") != NULL);
    ck_assert(strstr(((const FabDeviceCase *)second->pdata[0])->reason, "no-such-machine") != NULL);
}
END_TEST

START_TEST(reports_have_every_row_and_the_means)
{
    static const char *const rows[][4] = { { "copy", "16 bytes, memory", "0", "41000000" },
                                           { "copy", "16 bytes, memory", "0", "4096" } };
    g_autoptr(GPtrArray) measurements = measured("loopback-h200", rows, 2);
    g_autoptr(GPtrArray) cases = fab_device_validate(measurements);
    g_autofree char *text = NULL, *csv = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    fab_report_device(cases, out);
    fclose(out);
    ck_assert_msg(strstr(text, "251.50    151.5\n") != NULL, "%s", text);
    ck_assert(strstr(text, "151.5 (1)") != NULL);
    out = open_memstream(&csv, &size);
    fab_report_device_csv(cases, out);
    fclose(out);
    ck_assert(strstr(csv, "made,copy,\"16 bytes, memory\",0,4,41000000,100,251.5,1.515") != NULL);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("device");

    tcase_add_test(tests, ctas_move_data_at_their_rate_until_memory_or_cache_is_full);
    tcase_add_test(tests, copies_and_pipelines_take_what_their_scenarios_take);
    tcase_add_test(tests, products_run_on_the_matrix_units);
    tcase_add_test(tests, copies_inside_a_gpu_are_those_between_virtual_ones);
    tcase_add_test(tests, short_copies_wait_for_the_host);
    tcase_add_test(tests, a_message_between_gpus_takes_what_a_hop_of_its_protocol_costs);
    tcase_add_test(tests, a_copy_takes_sms_from_a_product_and_then_memory);
    tcase_add_test(tests, a_product_that_needs_the_memory_keeps_its_sms_part_of_it);
    tcase_add_test(tests, a_kernel_is_as_fast_as_its_arithmetic_or_memory);
    tcase_add_test(tests, stages_share_a_gpu_with_their_kernels_rates);
    tcase_add_test(tests, a_table_without_a_machine_says_so);
    tcase_add_test(tests, reports_have_every_row_and_the_means);
    return run_tests(tests);
}
