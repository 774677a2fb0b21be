#include "validate/device.h"

#include <math.h>
#include <stdio.h>

#include "collective/constants.h"
#include "engine/flow.h"
#include "engine/queue.h"
#include "predict/run.h"
#include "scenario/scenario.h"
#include "topology/machine.h"
#include "validate/device-private.h"

#define FLOW_MARK UINT32_C(0x80000000)

/* ------------------------------------------------------------------ scenarios */

/* The time of the only row of a scenario of `sets`, microseconds; NaN when it cannot be run. `topology` NULL: its. */
static double
run_sets(const FabTopology *topology, GPtrArray *sets)
{
    g_autoptr(FabScenario) scenario = NULL;
    g_autoptr(FabResult) result = NULL;

    g_ptr_array_add(sets, NULL);
    scenario = fab_scenario_from_sets((char *const *)sets->pdata, NULL);
    if (scenario != NULL)
        result = topology != NULL ? fab_run_on(scenario, topology, NULL, NULL, NULL, NULL)
                                  : fab_run(scenario, NULL, NULL, NULL);
    return result != NULL && result->rows->len == 1
               ? (double)((const FabResultRow *)result->rows->pdata[0])->time_ps * 1e-6
               : NAN;
}

static void
add_set(GPtrArray *sets, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void
add_set(GPtrArray *sets, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_ptr_array_add(sets, g_strdup_vprintf(format, args));
    va_end(args);
}

/* Copies of so many bytes that begin at once: "0>1 2>3". */
static double
predict_flows(const FabDevice *device, const char *flows, const char *bytes)
{
    g_autoptr(GPtrArray) sets = g_ptr_array_new_with_free_func(g_free);

    add_set(sets, "topology.name=%s", device->machine);
    add_set(sets, "transfer.flows=%s", flows);
    add_set(sets, "transfer.sizes=%s", bytes);
    return run_sets(device->topology, sets);
}

/*
 * Copies inside a GPU by kernels with so many CTAs each, "0>0 0>0": those between virtual GPUs that have as many, each
 * to the next one.
 */
static double
predict_virtual(const FabDevice *device, guint row)
{
    const FabTopology *topology = device->topology;
    double ctas = fab_measurement_number(device->measurement, row, FAB_DEVICE_CTAS);
    g_auto(GStrv) pairs = g_strsplit(fab_device_cell(device, row, FAB_DEVICE_GPUS), " ", -1);
    g_autoptr(GPtrArray) sets = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GString) flows = g_string_new(NULL);
    guint count = g_strv_length(pairs), gpus;

    if (topology->shared == FAB_VERTEX_NONE || !(ctas > 0))
        return NAN;
    gpus = (guint)(topology->vertices[topology->shared].memory->processors / ctas);
    if (gpus < 2 || count > gpus)
        return NAN;
    for (guint i = 0; i < count; i++) {
        if (strcmp(pairs[i], "0>0") != 0)
            return NAN;
        g_string_append_printf(flows, "%s%u>%u", i > 0 ? " " : "", i, (i + 1) % gpus);
    }
    add_set(sets, "topology.name=%s", device->machine);
    add_set(sets, "topology.gpus=%u", gpus);
    add_set(sets, "transfer.flows=%s", flows->str);
    add_set(sets, "transfer.sizes=%s", fab_device_cell(device, row, FAB_DEVICE_SIZE));
    return run_sets(NULL, sets);
}

/* "0>1" one way, "0+1" both ways at once; a copy inside a GPU is none of the model's. */
static double
predict_peer(const FabDevice *device, guint row)
{
    const char *gpus = fab_device_cell(device, row, FAB_DEVICE_GPUS), *plus = strchr(gpus, '+');
    g_autofree char *first = plus != NULL ? g_strndup(gpus, (gsize)(plus - gpus)) : NULL;
    g_autofree char *both = plus != NULL ? g_strdup_printf("%s>%s %s>%s", first, plus + 1, plus + 1, first) : NULL;

    return predict_flows(device, both != NULL ? both : gpus, fab_device_cell(device, row, FAB_DEVICE_SIZE));
}

/* The rate at which the kernel alone worked on such chunks, B/s: what the host does and the copies are predicted. */
static double
kernel_rate(const FabDevice *device, const char *rounds, const char *chunk)
{
    for (guint i = 0; i < device->measurement->rows->len; i++)
        if (fab_device_is(device, i, FAB_DEVICE_TEST, "kernel") &&
            fab_device_is(device, i, FAB_DEVICE_METRIC, "rate") &&
            fab_device_is(device, i, FAB_DEVICE_VARIANT, rounds) && fab_device_is(device, i, FAB_DEVICE_SIZE, chunk))
            return fab_measurement_number(device->measurement, i, FAB_DEVICE_VALUE) * 1e9;
    return 0;
}

/* How many GPUs "0+1+2" names, or 0 where they are not the machine's first ones in order, as a scenario has them. */
static guint
first_gpus(const char *text)
{
    g_auto(GStrv) names = g_strsplit(text, "+", -1);
    guint count = g_strv_length(names);

    for (guint i = 0; i < count && count > 1; i++) {
        g_autofree char *name = g_strdup_printf("%u", i);
        if (strcmp(names[i], name) != 0)
            return 0;
    }
    return count;
}

/* "streams 3 chunk 1048576 rounds 1" and, where not all comes back, "back 0.5", on one GPU or on the first so many. */
static double
predict_pipeline(const FabDevice *device, guint row)
{
    g_auto(GStrv) words = g_strsplit(fab_device_cell(device, row, FAB_DEVICE_VARIANT), " ", -1);
    g_autoptr(GPtrArray) sets = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *rounds = NULL;
    guint count = g_strv_length(words), gpus = first_gpus(fab_device_cell(device, row, FAB_DEVICE_GPUS));

    if (count < 6 || gpus == 0 || strcmp(words[0], "streams") != 0 || strcmp(words[2], "chunk") != 0 ||
        strcmp(words[4], "rounds") != 0)
        return NAN;
    rounds = g_strdup_printf("rounds %s", words[5]);
    add_set(sets, "topology.name=%s", device->machine);
    add_set(sets, "pipeline.bytes=%s", fab_device_cell(device, row, FAB_DEVICE_SIZE));
    add_set(sets, "pipeline.gpus=%u", gpus);
    add_set(sets, "pipeline.streams=%s", words[1]);
    add_set(sets, "pipeline.sizes=%s", words[3]);
    add_set(sets, "pipeline.compute=%.0f B/s", kernel_rate(device, rounds, words[3]));
    add_set(sets, "pipeline.back=%s", count > 7 && strcmp(words[6], "back") == 0 ? words[7] : "1");
    return run_sets(device->topology, sets);
}

/* ------------------------------------------------------------------ host links */

/* When the last of some copies of so many bytes, which begin at once, has arrived. */
static double
end_of(const FabDevice *device, const FabRoute *const *routes, uint32_t count, double bytes)
{
    const FabTopology *topology = device->topology;
    g_autofree double *capacity = g_new(double, topology->resource_count);
    FabQueue *queue = fab_queue_new();
    uint32_t data, copy, left = count;
    int64_t when, last = 0;
    FabFlowSet *flows;

    for (uint32_t i = 0; i < topology->resource_count; i++)
        capacity[i] = topology->resources[i].capacity;
    flows = fab_flow_set_new(capacity, topology->resource_count, queue, FLOW_MARK);
    for (uint32_t i = 0; i < count; i++)
        fab_flow_start(flows, 0, routes[i], bytes, INFINITY, i);
    fab_flow_share(flows, 0);
    while (left > 0 && fab_queue_pop(queue, &when, &data) && when < FAB_FLOW_LONGEST_PS) {
        if (fab_flow_complete(flows, when, data & ~FLOW_MARK))
            for (; fab_flow_take_tag(flows, &copy); left--)
                last = MAX(last, when + routes[copy]->latency_ps);
        fab_flow_share(flows, when);
    }
    fab_flow_set_free(flows);
    fab_queue_free(queue);
    return left == 0 ? (double)last * 1e-6 : NAN;
}

/* Copies to a GPU, from it, or both at once. What goes through a buffer of the driver is none of the model's. */
static double
predict_host(const FabDevice *device, guint row)
{
    uint32_t gpu = (uint32_t)g_ascii_strtoull(fab_device_cell(device, row, FAB_DEVICE_GPUS), NULL, 10), count = 0;
    const FabRoute *routes[2];

    if (!fab_device_is(device, row, FAB_DEVICE_VARIANT, "pinned") || gpu >= device->topology->gpu_count)
        return NAN;
    for (int in = 0; in < 2; in++) {
        if (fab_device_is(device, row, FAB_DEVICE_TEST, in != 0 ? "d2h" : "h2d"))
            continue;
        routes[count] = fab_router_host(device->router, gpu, in != 0, NULL);
        if (routes[count++] == NULL)
            return NAN;
    }
    return end_of(device, routes, count, fab_measurement_number(device->measurement, row, FAB_DEVICE_SIZE));
}

/* ------------------------------------------------------------------ latency */

enum { PING_THREADS = 32, PING_BYTES = 512 }; /* of fabricast-measure: one warp, and what protocol simple sends */

/* A slice of one line or of few bytes on one channel, microseconds beside the wire; NaN: no such protocol there. */
static double
hop_us(const FabDevice *device, const char *protocol, bool nvlink)
{
    const FabConstants *constants = fab_constants_shipped();
    const FabKernelCosts *costs =
        fab_kernel_costs(constants, device->topology->vertices[device->topology->gpus[0]].gpu->compute_capability);
    const FabPcieCosts *pcie = &constants->peer;
    double share = costs->ll_fixed_share + (1 - costs->ll_fixed_share) * PING_THREADS / 512;

    if (strcmp(protocol, "ll") == 0)
        return (nvlink ? costs->ll_round_us : fmax(costs->ll_round_us, pcie->ll_round_us)) * share +
               (nvlink ? costs->ll_latency_us : pcie->ll_latency_us);
    if (strcmp(protocol, "ll128") == 0 && nvlink && costs->ll128_rate > 0)
        return 120 / (costs->ll128_rate * 1e3) + costs->ll128_latency_us;
    if (strcmp(protocol, "simple") == 0)
        return PING_BYTES / (costs->send_rate * 1e3) +
               (nvlink ? costs->simple_step_us + fmax(costs->simple_latency_us - costs->simple_crowd_us, 0)
                       : pcie->simple_step_us + pcie->simple_latency_us);
    return NAN;
}

/* "0>1": what a hop of a small message costs a collective of one channel. */
static double
predict_latency(const FabDevice *device, guint row)
{
    const FabRoute *way;
    FabTransport how;
    unsigned from, to;

    if (sscanf(fab_device_cell(device, row, FAB_DEVICE_GPUS), "%u>%u", &from, &to) != 2 || from == to ||
        from >= device->topology->gpu_count || to >= device->topology->gpu_count ||
        device->topology->shared != FAB_VERTEX_NONE)
        return NAN;
    how = fab_router_transport(device->router, from, to);
    way = how == FAB_TRANSPORT_NVLINK || how == FAB_TRANSPORT_PEER ? fab_router_push(device->router, from, to, NULL)
                                                                   : NULL;
    if (way == NULL)
        return NAN;
    return hop_us(device, fab_device_cell(device, row, FAB_DEVICE_VARIANT), how == FAB_TRANSPORT_NVLINK) +
           (double)way->latency_ps * 1e-6;
}

/* ------------------------------------------------------------------ tables */

/*
 * Short copies and kernels are timed many in a row: each begins a gap after the one before it in its stream, and not
 * before the host's thread has put those of all streams into them. What [pipeline] takes for both.
 */
static double
in_a_row(double us, guint streams)
{
    double behind = us + FAB_COPY_PIPELINE_GAP_S * 1e6, host = streams * FAB_COPY_PIPELINE_ISSUE_S * 1e6;

    return behind < host ? host : behind; /* what is none stays none */
}

/* What copy pipelines assume of the host and of streams. */
static double
predict_launch(const FabDevice *device, guint row)
{
    if (fab_device_is(device, row, FAB_DEVICE_VARIANT, "launches from the host"))
        return FAB_COPY_PIPELINE_ISSUE_S * 1e6;
    return fab_device_is(device, row, FAB_DEVICE_VARIANT, "kernels in a stream") ? in_a_row(0, 1) : NAN;
}

static guint
count_of_pairs(const char *text)
{
    guint count = 0;

    for (; *text != '\0'; text++)
        count += *text == '>';
    return MAX(count, 1);
}

static double
predict(const FabDevice *device, guint row)
{
    const char *test = fab_device_cell(device, row, FAB_DEVICE_TEST);

    if (strcmp(test, "h2d") == 0 || strcmp(test, "d2h") == 0 || strcmp(test, "both") == 0)
        return in_a_row(predict_host(device, row), strcmp(test, "both") == 0 ? 2 : 1);
    if (strcmp(test, "peer") == 0 && g_str_has_prefix(fab_device_cell(device, row, FAB_DEVICE_VARIANT), "copy"))
        return in_a_row(predict_peer(device, row), fab_device_is(device, row, FAB_DEVICE_VARIANT, "copy both") ? 2 : 1);
    if (strcmp(test, "several copy") == 0 ||
        (strcmp(test, "transfer") == 0 && fab_device_is(device, row, FAB_DEVICE_VARIANT, "copy")))
        return in_a_row(predict_flows(device, fab_device_cell(device, row, FAB_DEVICE_GPUS),
                                      fab_device_cell(device, row, FAB_DEVICE_SIZE)),
                        count_of_pairs(fab_device_cell(device, row, FAB_DEVICE_GPUS)));
    if (strcmp(test, "transfer") == 0)
        return predict_virtual(device, row);
    if (strcmp(test, "launch") == 0)
        return predict_launch(device, row);
    if (strcmp(test, "latency") == 0)
        return predict_latency(device, row);
    if (strcmp(test, "pipeline") == 0)
        return predict_pipeline(device, row);
    if (g_str_has_prefix(test, "overlap"))
        return fab_device_overlap(device, row, strcmp(test, "overlap") != 0);
    if (strcmp(test, "stages") == 0)
        return fab_device_stages(device, row);
    if (strcmp(test, "gemm") == 0)
        return fab_device_product(device, row);
    return in_a_row(strcmp(test, "kernel") == 0 ? fab_device_kernel(device, row) : fab_device_rate(device, row), 1);
}

static int64_t
count_of(const FabDevice *device, guint row, guint column)
{
    double number = fab_measurement_number(device->measurement, row, column);

    return isfinite(number) ? (int64_t)number : -1;
}

static void
add_rows(const FabDevice *device, FabDeviceCase *one)
{
    for (guint row = 0; row < device->measurement->rows->len; row++) {
        FabDeviceRow made = { .test = fab_device_cell(device, row, FAB_DEVICE_TEST),
                              .variant = fab_device_cell(device, row, FAB_DEVICE_VARIANT),
                              .gpus = fab_device_cell(device, row, FAB_DEVICE_GPUS),
                              .ctas = count_of(device, row, FAB_DEVICE_CTAS),
                              .bytes = count_of(device, row, FAB_DEVICE_SIZE) };
        if (!fab_device_is(device, row, FAB_DEVICE_METRIC, "time"))
            continue;
        made.measured_us = fab_measurement_number(device->measurement, row, FAB_DEVICE_VALUE);
        made.predicted_us = predict(device, row);
        made.error = made.predicted_us / made.measured_us - 1;
        if (isfinite(made.error))
            g_array_append_val(one->rows, made);
        else
            one->left_out++;
    }
}

static void
free_case(gpointer data)
{
    FabDeviceCase *one = data;

    g_free(one->reason);
    g_array_unref(one->rows);
    g_free(one);
}

static FabDeviceCase *
make_case(const FabMeasurement *measurement)
{
    FabDeviceCase *one = g_new0(FabDeviceCase, 1);
    FabDevice device = { .measurement = measurement,
                      .machine = fab_measurement_get(measurement, "system", "topology") };
    g_autoptr(GError) error = NULL;

    one->measurement = measurement;
    one->rows = g_array_new(FALSE, FALSE, sizeof(FabDeviceRow));
    if (device.machine == NULL) {
        one->reason = g_strdup("the machine is not known: [system] topology is missing");
        return one;
    }
    device.topology = fab_machine_load(device.machine, NULL, &error);
    if (device.topology == NULL) {
        one->reason = g_strdup(error->message);
        return one;
    }
    device.router = fab_router_new(device.topology, &(FabRouteRules) { .peer_level = FAB_PATH_SYS, .nvlink = true });
    add_rows(&device, one);
    fab_router_free(device.router);
    fab_topology_free(device.topology);
    return one;
}

GPtrArray *
fab_device_validate(GPtrArray *measurements)
{
    GPtrArray *cases = g_ptr_array_new_with_free_func(free_case);

    for (guint i = 0; i < measurements->len; i++) {
        const FabMeasurement *measurement = measurements->pdata[i];
        if (measurement->kind == FAB_MEASUREMENT_DEVICE)
            g_ptr_array_add(cases, make_case(measurement));
    }
    return cases;
}
