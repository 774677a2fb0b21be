/* fabricast-measure: measures the GPUs of this machine and writes what it found as measurement files. */
#include <ctype.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "nvml.h"
#include "session.h"
#include "watchdog.h"

#ifndef FABM_VERSION
#define FABM_VERSION "0.1.0"
#endif

#define LIBRARY(option) offsetof(FabmOptions, option)

const FabmTest fabm_tests[] = {
    { "links", "host to GPU and back, GPU to GPU, latency", 0, false, fabm_measure_links },
    { "launch", "kernels, graphs, dependencies between streams, events", 0, false, fabm_measure_launch },
    { "rates", "copy and reduce by kernels against CTAs and width of access", 0, false, fabm_measure_rates },
    { "pipeline", "chunks to a GPU, through a kernel and back, in several streams", 0, false, fabm_measure_pipeline },
    { "stages", "stages that pass micro-batches on, on a GPU each or on parts of one", 0, false, fabm_measure_stages },
    { "transfer", "copies between GPUs and with the host, all at once (--pairs)", 0, true, fabm_measure_transfer },
    { "program", "channel programs of files (--program), with virtual ranks where GPUs are few", 0, true,
      fabm_measure_programs },
    { "nccl", "NCCL's collectives", LIBRARY(nccl), false, fabm_measure_collectives },
    { "gemm", "matrix products over shapes and types", LIBRARY(cublaslt), false, fabm_measure_gemm },
    { "overlap", "a matrix product while a copy kernel runs", LIBRARY(cublaslt), false, fabm_measure_overlap },
    { NULL, NULL, 0, false, NULL },
};

/* Without real GPUs the libraries of real ones are of no use: only one that stands for it, named on purpose. */
static bool
lacks_library(const FabmOptions *options, const FabmTest *test)
{
    return options->fake > 0 && test->library != 0 &&
           *(const char *const *)((const char *)options + test->library) == NULL;
}

/* ------------------------------------------------------------------ what is said */

static void
print_help(void)
{
    FabmText options = { 0 };

    fabm_options_help(&options);
    printf("Usage: fabricast-measure [OPTION...] TEST...\n\n"
           "Measures the NVIDIA GPUs of this machine: every result is checked first, then timed.\n\nTests:\n");
    for (const FabmTest *test = fabm_tests; test->name != NULL; test++)
        printf("  %-12s %s\n", test->name, test->summary);
    printf("  %-12s %s\n\nOptions:\n%s", "all", "every test that needs no file", options.data);
    printf("\nExit status: 0 done, 1 a result was wrong, 2 the command line or a file is wrong, 3 the machine failed.\n"
           "What was measured until a failure is kept.\n");
    fabm_text_clear(&options);
}

static int
report_failure(const FabmFailure *failure)
{
    fprintf(stderr, "fabricast-measure: %s\n", failure->text);
    return failure->status;
}

/* Needs no GPU, and comes first: also where there is none. */
static void
list_tests(void)
{
    for (const FabmTest *test = fabm_tests; test->name != NULL; test++)
        printf("test %-12s %s%s\n", test->name, test->summary, test->library != 0 ? " (a library)" : "");
    fflush(stdout);
}

static bool
list_machine(const FabmSession *session, FabmFailure *failure)
{
    FabmBackend *backend = session->backend;
    FabmGpu info;

    for (int i = 0; i < session->gpu_count; i++) {
        FabmFailure refused = { 0 };

        if (!backend->info(backend, session->gpus[i], &info, failure))
            return false;
        printf("GPU %d: %s, %d multiprocessors, compute capability %d.%d, %.1f GiB, %d copy engines, %s\n",
               session->gpus[i], info.name, info.multiprocessors, info.major, info.minor,
               (double)info.memory_bytes / 1073741824.0, info.copy_engines, info.bus_id);
        for (int j = 0; j < session->gpu_count; j++) {
            if (i != j && !backend->reach(backend, session->gpus[i], session->gpus[j], &refused))
                printf("    %s\n", refused.text);
            refused.status = 0;
        }
    }
    return true;
}

/* ------------------------------------------------------------------ which GPUs and tests */

static bool
choose_gpus(FabmSession *session, FabmFailure *failure)
{
    const FabmNumbers *wanted = &session->options->gpus;

    for (int i = 0; i < (wanted->count > 0 ? wanted->count : session->backend->gpus) && i < FABM_MOST; i++) {
        uint64_t gpu = wanted->count > 0 ? wanted->values[i] : (uint64_t)i;

        if (gpu >= (uint64_t)session->backend->gpus)
            return fabm_fail(failure, FABM_EXIT_MACHINE, "GPU %llu is asked for, this machine has %d: 0 to %d",
                             (unsigned long long)gpu, session->backend->gpus, session->backend->gpus - 1);
        session->gpus[session->gpu_count++] = (int)gpu;
    }
    return true;
}

static bool
is_wanted(const FabmOptions *options, const FabmTest *test)
{
    for (int i = 0; i < options->tests.count; i++) {
        bool all = strcmp(options->tests.values[i], "all") == 0 && !test->by_name && !lacks_library(options, test);

        if (all || strcmp(options->tests.values[i], test->name) == 0)
            return true;
    }
    return false;
}

static bool
check_tests(const FabmOptions *options, FabmFailure *failure)
{
    const char *names[FABM_MOST] = { "all" };
    char hint[80];
    int count = 1;

    for (const FabmTest *test = fabm_tests; test->name != NULL; test++)
        names[count++] = test->name;
    names[count] = NULL;
    if (options->tests.count == 0 && !options->list)
        return fabm_fail(failure, FABM_EXIT_INPUT, "which test? Name some, or all (--help lists them)");
    for (int i = 0; i < options->tests.count; i++) {
        int found = 0;

        while (names[found] != NULL && strcmp(names[found], options->tests.values[i]) != 0)
            found++;
        if (names[found] == NULL)
            return fabm_fail(failure, FABM_EXIT_INPUT, "%.60s: no such test%s", options->tests.values[i],
                             fabm_hint(options->tests.values[i], names, hint, sizeof hint));
    }
    return true;
}

/* ------------------------------------------------------------------ where the figures come from */

/* "NVIDIA H200" and 8 become "nvidia-h200-x8". */
static void
make_machine_name(const FabmSession *session, const char *gpu, char name[120])
{
    const char *given = session->options->machine != NULL ? session->options->machine : gpu;
    size_t length = 0;

    for (; *given != '\0' && length < 100; given++) {
        unsigned char c = (unsigned char)tolower((unsigned char)*given);

        if (isalnum(c) || (length > 0 && name[length - 1] != '-'))
            name[length++] = isalnum(c) ? (char)c : '-';
    }
    while (length > 0 && name[length - 1] == '-')
        length--;
    name[length] = '\0';
    if (length == 0)
        strcpy(name, "machine");
    if (session->options->machine == NULL)
        snprintf(name + strlen(name), 12, "-x%d", session->gpu_count);
}

static void
describe_cpu(FabmReport *report)
{
    FILE *file = fopen("/proc/cpuinfo", "r");
    char line[300];

    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        const char *colon = strchr(line, ':');

        if (strncmp(line, "model name", 10) == 0 && colon != NULL) {
            fabm_report_fact(report, "system", "cpu", "%s", colon + 1);
            break;
        }
    }
    if (file != NULL)
        fclose(file);
}

static void
describe_run(FabmSession *session, const FabmGpu *gpu, int argc, char **argv)
{
    const FabmOptions *options = session->options;
    FabmReport *report = session->report;
    FabmText command = { 0 };
    time_t now = time(NULL);
    struct tm today;
    char date[16] = "";

    if (gmtime_r(&now, &today) != NULL && strftime(date, sizeof date, "%Y-%m-%d", &today) > 0)
        fabm_report_fact(report, "source", "date", "%s", date);
    for (int i = 1; i < argc; i++)
        fabm_text_add(&command, " %s", argv[i]);
    fabm_report_fact(report, "run", "command", "fabricast-measure%s", command.data != NULL ? command.data : "");
    fabm_text_clear(&command);
    fabm_report_fact(report, "run", "tool", "fabricast-measure %s", FABM_VERSION);
    fabm_report_fact(report, "run", "iterations", "%d", options->repeats);
    fabm_report_fact(report, "run", "warmup", "%d", options->warmup);
    if (session->backend->runtime_version > 0)
        fabm_report_fact(report, "run", "cuda_version", "%d.%d", session->backend->runtime_version / 1000,
                         session->backend->runtime_version % 1000 / 10);
    fabm_report_fact(report, "system", "gpu", "%s", gpu->name);
    fabm_report_fact(report, "system", "gpus_per_node", "%d", session->backend->gpus);
    fabm_report_fact(report, "system", "nodes", "1");
    fabm_report_fact(report, "system", "ranks", "%d", session->gpu_count);
    describe_cpu(report);
    if (options->fake > 0) {
        fabm_report_fact(report, "quality", "grade", "C");
        fabm_report_fact(report, "quality", "reason",
                         "host threads stood for GPUs: the program was tried, nothing was measured");
        return;
    }
    fabm_report_fact(report, "quality", "grade", "A");
    fabm_report_fact(report, "quality", "reason", "every result was checked before it was timed; value is the median, "
                     "low and high are the 10 %% and 90 %% quantiles");
    fabm_nvml_describe(report, session->backend, session->gpus, session->gpu_count);
}

/* Facts of the command line go last, so that they replace what was found out. */
static void
add_given_facts(FabmSession *session)
{
    for (int i = 0; i < session->options->facts.count; i++) {
        const char *fact = session->options->facts.values[i], *point = strchr(fact, '.'), *equals = strchr(fact, '=');
        char group[40], key[60];

        snprintf(group, sizeof group, "%.*s", (int)(point - fact), fact);
        snprintf(key, sizeof key, "%.*s", (int)(equals - point - 1), point + 1);
        fabm_report_fact(session->report, group, key, "%s", equals + 1);
    }
}

/* ------------------------------------------------------------------ the run */

/* Every wanted test; one that fails does not keep the others from running. The worst status. */
static int
run_tests(FabmSession *session, FabmText *troubles)
{
    int status = FABM_EXIT_DONE;

    for (const FabmTest *test = fabm_tests; test->name != NULL; test++) {
        FabmFailure failure = { 0 };

        if (!is_wanted(session->options, test))
            continue;
        if (lacks_library(session->options, test))
            fabm_fail(&failure, FABM_EXIT_INPUT, "needs real GPUs, not --fake");
        else if (session->options->fake > 0 || fabm_warm_gpus(session, 0.33, &failure))
            (void)test->run(session, &failure);
        if (failure.status == 0)
            continue;
        fprintf(stderr, "fabricast-measure: %s: %s\n", test->name, failure.text);
        fabm_text_add(troubles, "%s%s: %s", troubles->length > 0 ? "; " : "", test->name, failure.text);
        status = failure.status > status ? failure.status : status;
    }
    return status;
}

static int
finish(FabmSession *session, int status, const FabmText *troubles)
{
    const FabmOptions *options = session->options;
    FabmFailure failure = { 0 };
    FabmText json = { 0 };

    if (options->fake == 0)
        fabm_nvml_clocks(session->report, "clocks_after", session->backend, session->gpus, session->gpu_count);
    if (options->output != NULL && !fabm_report_write(session->report, options->output, troubles->data, &failure))
        return report_failure(&failure);
    if (options->json) {
        fabm_report_json(session->report, &json);
        fputs(json.data, stdout);
        fabm_text_clear(&json);
    }
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "fabricast-measure: standard output cannot be written\n");
        return FABM_EXIT_MACHINE;
    }
    return status;
}

static int
measure(FabmSession *session, int argc, char **argv)
{
    FabmFailure failure = { 0 };
    FabmText troubles = { 0 };
    FabmGpu gpu;
    char machine[120];
    int status;

    if (!session->backend->info(session->backend, session->gpus[0], &gpu, &failure))
        return report_failure(&failure);
    make_machine_name(session, gpu.name, machine);
    session->report = fabm_report_new(machine, session->options->tag, !session->options->json);
    fabm_report_fact(session->report, "source", "kind", "device");
    fabm_report_fact(session->report, "source", "machine", "%s", machine);
    describe_run(session, &gpu, argc, argv);
    add_given_facts(session);
    if (session->options->fake == 0)
        fabm_nvml_clocks(session->report, "clocks_before", session->backend, session->gpus, session->gpu_count);
    if (!fabm_watchdog_start(session->report, session->options->output, session->options->timeout_s, &failure)) {
        fabm_report_free(session->report);
        return report_failure(&failure);
    }
    status = run_tests(session, &troubles);
    fabm_watchdog_stop();
    status = finish(session, status, &troubles);
    fabm_text_clear(&troubles);
    fabm_report_free(session->report);
    return status;
}

#ifndef FABM_WITH_CUDA
FabmBackend *
fabm_cuda_new(FabmFailure *failure)
{
    fabm_fail(failure, FABM_EXIT_MACHINE, "this program was built without CUDA, so it has no real GPUs; build it where "
              "nvcc is, or try it with --fake 2");
    return NULL;
}
#endif

int
main(int argc, char **argv)
{
    FabmOptions options;
    FabmFailure failure = { 0 };
    FabmSession session = { .options = &options };
    int status = FABM_EXIT_DONE;

    if (!fabm_options_parse(&options, argc, argv, &failure))
        return report_failure(&failure);
    if (options.help || options.version) {
        if (options.help)
            print_help();
        else
            printf("fabricast-measure %s\n", FABM_VERSION);
        return FABM_EXIT_DONE;
    }
    if (!check_tests(&options, &failure))
        return report_failure(&failure);
    if (options.output != NULL)
        signal(SIGPIPE, SIG_IGN); /* files are what is wanted, whoever stopped to read the rows */
    if (options.list)
        list_tests();
    else
        fabm_watchdog_take_signals();
    session.backend = options.fake > 0 ? fabm_fake_new(options.fake) : fabm_cuda_new(&failure);
    if (session.backend == NULL)
        return report_failure(&failure);
    if (!choose_gpus(&session, &failure) || (options.list && !list_machine(&session, &failure)))
        status = report_failure(&failure);
    else if (!options.list)
        status = measure(&session, argc, argv);
    session.backend->free(session.backend);
    return status;
}
