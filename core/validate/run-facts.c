#include "validate/run-facts.h"

#include <string.h>

#include "base/units.h"

static bool
says(const char *text, const char *pattern)
{
    return text != NULL && g_regex_match_simple(pattern, text, G_REGEX_CASELESS, 0);
}

/* One thread or process for each GPU, in the words that people use. */
static bool
says_one_each(const char *note, int64_t ranks)
{
    g_autofree char *threads = g_strdup_printf("\\b%d (threads|processes)\\b", (int)ranks);

    return says(note, "(thread|process|rank)s? (per|for each|for every|each|a) gpu") || says(note, threads) ||
           says(note, "-t ([2-9]|[1-9][0-9]+)\\b");
}

/* "-t 2", 0: the note does not say. */
static int64_t
option_of(const char *note, const char *option)
{
    g_autofree char *pattern = g_strdup_printf("(?:^|\\s)%s ?([1-9][0-9]{0,5})\\b", option);
    g_autoptr(GRegex) regex = g_regex_new(pattern, 0, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;
    g_autofree char *number = NULL;

    if (note == NULL || !g_regex_match(regex, note, 0, &match))
        return 0;
    number = g_match_info_fetch(match, 1);
    return g_ascii_strtoll(number, NULL, 10);
}

/* "-t 2 -g 4" as nccl-tests takes them: threads of a process, and GPUs of each thread. */
static bool
says_several_each(const char *note, int64_t ranks, FabLaunchFacts *facts)
{
    int64_t threads = option_of(note, "-t"), gpus = option_of(note, "-g");

    if (threads < 2 || gpus < 2 || ranks < threads * gpus || ranks % (threads * gpus) != 0)
        return false;
    *facts = (FabLaunchFacts) { .processes = ranks / (threads * gpus), .threads = threads,
                                .from = "threads with several GPUs each, as the note says" };
    return true;
}

static bool
says_one_for_all(const char *note)
{
    return says(note, "one (process|thread)( drives| for all|$|[,;.])") || says(note, "-g ([2-9]|[1-9][0-9]+)\\b") ||
           says(note, "single (process|thread)");
}

FabLaunchFacts
fab_launch_facts(const FabMeasurement *measurement)
{
    const char *note = fab_measurement_get(measurement, "source", "note");
    const char *tool = fab_measurement_get(measurement, "run", "tool");
    int64_t ranks = fab_measurement_integer(measurement, "system", "ranks", 0);
    FabLaunchFacts facts = {
        .processes = fab_measurement_integer(measurement, "run", "processes", 0),
        .threads = fab_measurement_integer(measurement, "run", "threads", 0),
    };

    if (facts.processes > 0 || facts.threads > 0) {
        facts.processes = MAX(facts.processes, 1); /* threads are those of one process */
        return facts;
    }
    if (says_several_each(note, ranks, &facts))
        return facts;
    if (says_one_each(note, ranks))
        return (FabLaunchFacts) { .from = "one thread for each GPU, as the note says" };
    if (says_one_for_all(note))
        return (FabLaunchFacts) { .processes = 1, .from = "one thread for all GPUs, as the note says" };
    if (tool != NULL && g_str_has_suffix(tool, "_perf") &&
        fab_measurement_integer(measurement, "system", "nodes", 1) == 1)
        return (FabLaunchFacts) { .processes = 1, .from = "one thread for all GPUs, as nccl-tests does when not told" };
    return (FabLaunchFacts) { .from = "one process for each GPU" };
}

/* When the releases came out (https://docs.nvidia.com/deeplearning/nccl/release-notes/). */
static const struct {
    const char *month;
    int64_t minor;
} releases[] = {
    { "2023-06", 18 }, { "2023-10", 19 }, { "2024-02", 20 }, { "2024-04", 21 }, { "2024-07", 22 },
    { "2024-09", 23 }, { "2025-01", 24 }, { "2025-03", 26 }, { "2025-06", 27 }, { "2025-09", 28 },
    { "2025-12", 29 }, { "2026-04", 30 },
};

int64_t
fab_release_facts(const FabMeasurement *measurement, bool *stated)
{
    const char *version = fab_measurement_get(measurement, "run", "nccl_version");
    const char *date = fab_measurement_get(measurement, "source", "date");
    g_auto(GStrv) parts = g_strsplit(version != NULL ? version : "", ".", 3);
    int64_t minor = 0;

    *stated = g_strv_length(parts) >= 2 && fab_parse_integer(parts[1], &minor, NULL);
    if (*stated || date == NULL)
        return minor;
    minor = releases[0].minor;
    for (gsize i = 0; i < G_N_ELEMENTS(releases); i++) {
        if (strncmp(releases[i].month, date, strlen("2023-06")) <= 0)
            minor = releases[i].minor;
    }
    return minor;
}

/* Profiles kernels one by one and sends one way: microsoft/vidur, vidur/profiling/collectives/collectives_impl.py. */
static bool
is_vidur(const FabMeasurement *measurement)
{
    const char *tool = fab_measurement_get(measurement, "run", "tool");

    return tool != NULL && g_str_has_prefix(tool, "vidur profiler");
}

const char *
fab_timing_facts(const FabMeasurement *measurement)
{
    const char *tool = fab_measurement_get(measurement, "run", "tool");

    if (tool != NULL && g_str_has_prefix(tool, "all_reduce_bench.py"))
        return "single"; /* events around each call: stas00/ml-engineering, network/benchmarks */
    return fab_sends_one_way(measurement) ? "kernel" : "back-to-back";
}

bool
fab_sends_one_way(const FabMeasurement *measurement)
{
    const char *collective = fab_measurement_get(measurement, "run", "collective");

    return is_vidur(measurement) && g_strcmp0(collective, "sendrecv") == 0;
}

bool
fab_registers_buffers(const FabMeasurement *measurement)
{
    return says(fab_measurement_get(measurement, "run", "tool"), "cuda graph");
}
