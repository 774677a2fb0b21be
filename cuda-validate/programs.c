/* The test `program`: channel programs of files, checked and timed. */
#include <stdio.h>
#include <string.h>

#include "runner.h"
#include "watchdog.h"

/* "all_reduce" and "ring" as names of files and of NCCL: "all-reduce", "Ring". */
static void
dashed(char *text)
{
    for (; *text != '\0'; text++)
        if (*text == '_')
            *text = '-';
}

/* busbw / algbw of nccl-tests; 0: the format of collective tables has no such collective. */
static double
bus_factor(const FabmProgram *program)
{
    double n = program->ranks;

    switch (program->expect.collective) {
    case FABM_ALL_REDUCE:
        return 2 * (n - 1) / n;
    case FABM_ALL_GATHER:
    case FABM_REDUCE_SCATTER:
    case FABM_ALLTOALL:
        return (n - 1) / n;
    case FABM_BROADCAST:
    case FABM_REDUCE:
    case FABM_SENDRECV:
        return 1;
    default:
        return 0;
    }
}

/* The table that `fabricast validate` reads: one for each collective, algorithm, number of ranks and of channels. */
static void
report_collective(FabmSession *session, const FabmProgram *program, const FabmSummary *us)
{
    static const char *const protocols[] = { "Simple", "LL", "LL128" };
    FabmSheet *sheet;
    char suffix[200], algorithm[64];
    double factor = bus_factor(program);

    if (factor == 0 || program->size == 0)
        return;
    snprintf(suffix, sizeof suffix, "program-%s-%s%s%s-r%u-c%u", program->collective, program->algorithm,
             program->protocol_kind == FABM_SIMPLE ? "" : "-",
             program->protocol_kind == FABM_SIMPLE ? "" : program->protocol, program->ranks, program->channels);
    dashed(suffix);
    snprintf(algorithm, sizeof algorithm, "%s", program->algorithm);
    if (algorithm[0] >= 'a' && algorithm[0] <= 'z')
        algorithm[0] = (char)(algorithm[0] - 'a' + 'A');
    sheet = fabm_report_sheet(session->report, suffix, FABM_COLLECTIVE);
    fabm_sheet_fact(sheet, "system", "ranks", "%u", program->ranks);
    fabm_sheet_fact(sheet, "run", "collective", "%s", program->collective);
    fabm_sheet_fact(sheet, "run", "algo", "%s", algorithm);
    fabm_sheet_fact(sheet, "run", "proto", "%s", protocols[program->protocol_kind]);
    fabm_sheet_fact(sheet, "run", "channels", "%u", program->channels);
    fabm_sheet_fact(sheet, "run", "dtype", "%s", program->datatype);
    if (program->expect.reduction != FABM_NO_REDUCTION)
        fabm_sheet_fact(sheet, "run", "redop", "%s", program->reduction);
    fabm_sheet_collective(sheet, program->size, us->median, factor, 0);
}

static bool
time_program(FabmSession *session, FabmSheet *sheet, const FabmProgram *program, FabmRunner *runner,
             FabmFailure *failure)
{
    FabmParty party = fabm_runner_party(runner);
    FabmSummary us;
    char variant[200];

    /*
     * Twice: the second run finds the counters where the first one left them. Once more after the timed ones. While the
     * program was read the GPUs had nothing to do, and short calls would find them with low clocks.
     */
    if ((session->options->fake == 0 && !fabm_warm_gpus(session, 0.1, failure)) ||
        !fabm_runner_check(runner, failure) || !fabm_runner_check(runner, failure) ||
        !fabm_time_party(session, &party, &us, failure) || !fabm_runner_finished(runner, failure) ||
        !fabm_runner_check(runner, failure))
        return false;
    snprintf(variant, sizeof variant, "%s %s%s%s, %u ranks, %u channels", program->collective, program->algorithm,
             program->protocol_kind == FABM_SIMPLE ? "" : " ",
             program->protocol_kind == FABM_SIMPLE ? "" : program->protocol, program->ranks, program->channels);
    fabm_report_time(sheet, (FabmRow) { .test = "program", .variant = variant, .gpus = fabm_runner_gpus(runner),
                                        .ctas = (int64_t)program->ranks * program->channels,
                                        .bytes = (int64_t)program->size }, &us,
                     program->expect.collective == FABM_BARRIER ? 0 : (double)program->size);
    report_collective(session, program, &us);
    return true;
}

static bool
measure_file(FabmSession *session, FabmSheet *sheet, const char *path, FabmFailure *failure)
{
    FabmProgramFile *file = fabm_program_open(path, failure);
    FabmProgram *program = NULL;
    int count = 0;

    while (file != NULL && failure->status == 0 && (program = fabm_program_next(file, failure)) != NULL) {
        FabmRunner *runner;

        fabm_watchdog_point("program %s", program->name);
        runner = fabm_runner_new(session, program, session->options->timeout_s / 4, failure);
        if (runner != NULL)
            (void)time_program(session, sheet, program, runner, failure);
        fabm_runner_free(runner);
        fabm_program_free(program);
        count++;
    }
    fabm_program_close(file);
    if (failure->status == 0 && count == 0)
        fabm_fail(failure, FABM_EXIT_INPUT, "%s: holds no program", path);
    return failure->status == 0;
}

bool
fabm_measure_programs(FabmSession *session, FabmFailure *failure)
{
    FabmSheet *sheet = fabm_report_sheet(session->report, "programs", FABM_DEVICE);

    if (session->options->programs.count == 0)
        return fabm_fail(failure, FABM_EXIT_INPUT, "which program? Name files with --program=FILE; "
                         "fabricast program export writes them");
    for (int i = 0; i < session->options->programs.count; i++)
        if (!measure_file(session, sheet, session->options->programs.values[i], failure))
            return false;
    return true;
}
