/* The test `nccl`: NCCL's collectives, counted as nccl-tests counts them; one thread launches for all GPUs. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "nccl.h"
#include "pattern.h"
#include "session.h"
#include "watchdog.h"

typedef struct {
    FabmSession *session;
    FabmNccl nccl;
    FabmSheet *sheet;
    int ranks, type;
    FabmElement element;
    uint32_t element_bytes;
    FabmNcclCommunicator communicators[FABM_MOST];
    FabmQueue *queues[FABM_MOST];
    uint8_t *send[FABM_MOST], *recv[FABM_MOST];
    FabmPool pool;
    uint64_t count; /* elements, of the size of the call */
    bool in_place;
    int round; /* of a call of several groups */
} Calls;

/* What one rank calls within a group; a result of NCCL. `own` are the elements of one rank's piece. */
typedef struct {
    const char *name;
    FabmCollective expect;
    bool reduces, pieces; /* pieces: the size is that of all ranks' pieces */
    bool in_place;        /* nccl-tests has it in place, too */
    bool table;           /* the format of collective tables has it */
    bool rounds;          /* a group for each power of two below the ranks; in place only: nothing is copied before */
    int (*call)(Calls *calls, int rank, uint64_t own);
} Operation;

static uint8_t *
at(const Calls *calls, uint8_t *buffer, uint64_t element)
{
    return buffer + element * calls->element_bytes;
}

static int
call_all_reduce(Calls *c, int r, uint64_t own)
{
    return c->nccl.all_reduce(c->in_place ? c->recv[r] : c->send[r], c->recv[r], own, c->type, FABM_NCCL_SUM,
                              c->communicators[r], c->session->backend->native(c->queues[r]));
}

static int
call_all_gather(Calls *c, int r, uint64_t own)
{
    return c->nccl.all_gather(c->in_place ? at(c, c->recv[r], (uint64_t)r * own) : c->send[r], c->recv[r], own, c->type,
                              c->communicators[r], c->session->backend->native(c->queues[r]));
}

static int
call_reduce_scatter(Calls *c, int r, uint64_t own)
{
    return c->nccl.reduce_scatter(c->send[r], c->in_place ? at(c, c->send[r], (uint64_t)r * own) : c->recv[r], own,
                                  c->type, FABM_NCCL_SUM, c->communicators[r],
                                  c->session->backend->native(c->queues[r]));
}

static int
call_broadcast(Calls *c, int r, uint64_t own)
{
    return c->nccl.broadcast(c->in_place ? c->recv[r] : c->send[r], c->recv[r], own, c->type, 0, c->communicators[r],
                             c->session->backend->native(c->queues[r]));
}

static int
call_reduce(Calls *c, int r, uint64_t own)
{
    return c->nccl.reduce(c->in_place ? c->recv[r] : c->send[r], c->recv[r], own, c->type, FABM_NCCL_SUM, 0,
                          c->communicators[r], c->session->backend->native(c->queues[r]));
}

static int
send_piece(Calls *c, int r, const uint8_t *from, uint64_t count, int peer)
{
    return c->nccl.send(from, count, c->type, peer, c->communicators[r], c->session->backend->native(c->queues[r]));
}

static int
recv_piece(Calls *c, int r, uint8_t *to, uint64_t count, int peer)
{
    return c->nccl.recv(to, count, c->type, peer, c->communicators[r], c->session->backend->native(c->queues[r]));
}

static int
call_alltoall(Calls *c, int r, uint64_t own)
{
    int result = 0;

    for (int peer = 0; peer < c->ranks && result == 0; peer++) {
        result = send_piece(c, r, at(c, c->send[r], (uint64_t)peer * own), own, peer);
        if (result == 0)
            result = recv_piece(c, r, at(c, c->recv[r], (uint64_t)peer * own), own, peer);
    }
    return result;
}

static int
call_sendrecv(Calls *c, int r, uint64_t own)
{
    int result = send_piece(c, r, c->send[r], own, (r + 1) % c->ranks);

    return result != 0 ? result : recv_piece(c, r, c->recv[r], own, (r + c->ranks - 1) % c->ranks);
}

static int
call_gather(Calls *c, int r, uint64_t own)
{
    int result = send_piece(c, r, c->send[r], own, 0);

    for (int peer = 0; r == 0 && peer < c->ranks && result == 0; peer++)
        result = recv_piece(c, r, at(c, c->recv[r], (uint64_t)peer * own), own, peer);
    return result;
}

static int
call_scatter(Calls *c, int r, uint64_t own)
{
    int result = recv_piece(c, r, c->recv[r], own, 0);

    for (int peer = 0; r == 0 && peer < c->ranks && result == 0; peer++)
        result = send_piece(c, r, at(c, c->send[r], (uint64_t)peer * own), own, peer);
    return result;
}

/* All-gather by doubling: in round i with the rank whose bit i differs, all that both have. */
static int
call_hypercube(Calls *c, int r, uint64_t own)
{
    int mask = 1 << c->round, first = r & ~(mask - 1);
    uint8_t *mine = at(c, c->recv[r], (uint64_t)first * own);
    uint8_t *theirs = at(c, c->recv[r], (uint64_t)(first ^ mask) * own);
    int result = send_piece(c, r, mine, own * (uint64_t)mask, r ^ mask);

    return result != 0 ? result : recv_piece(c, r, theirs, own * (uint64_t)mask, r ^ mask);
}

static const Operation operations[] = {
    { "all_reduce", FABM_ALL_REDUCE, true, false, true, true, false, call_all_reduce },
    { "all_gather", FABM_ALL_GATHER, false, true, true, true, false, call_all_gather },
    { "reduce_scatter", FABM_REDUCE_SCATTER, true, true, true, true, false, call_reduce_scatter },
    { "broadcast", FABM_BROADCAST, false, false, true, true, false, call_broadcast },
    { "reduce", FABM_REDUCE, true, false, true, true, false, call_reduce },
    { "alltoall", FABM_ALLTOALL, false, true, false, true, false, call_alltoall },
    { "sendrecv", FABM_SENDRECV, false, false, false, true, false, call_sendrecv },
    { "gather", FABM_GATHER, false, true, false, false, false, call_gather },
    { "scatter", FABM_SCATTER, false, true, false, false, false, call_scatter },
    { "hypercube", FABM_ALL_GATHER, false, true, true, false, true, call_hypercube },
};

enum { OPERATIONS = sizeof operations / sizeof operations[0] };

static double
bus_factor(const Operation *operation, int ranks)
{
    double n = ranks;

    return operation->expect == FABM_ALL_REDUCE ? 2 * (n - 1) / n : operation->pieces ? (n - 1) / n : 1;
}

/* ------------------------------------------------------------------ one call */

typedef struct {
    Calls *calls;
    const Operation *operation;
    uint64_t own;
} Call;

/* All ranks in one group. */
static bool
put_group(Call *call, FabmFailure *failure)
{
    FabmNccl *nccl = &call->calls->nccl;
    int result = nccl->group_start();

    for (int rank = 0; rank < call->calls->ranks && result == 0; rank++)
        result = call->operation->call(call->calls, rank, call->own);
    if (result != 0) {
        (void)nccl->group_end();
        return fabm_nccl_good(nccl, result, call->operation->name, failure);
    }
    return fabm_nccl_good(nccl, nccl->group_end(), call->operation->name, failure);
}

/* The whole call goes into the queues with the first of them. */
static bool
put_call(void *data, int index, FabmFailure *failure)
{
    Call *call = data;
    Calls *calls = call->calls;

    if (index > 0)
        return true;
    calls->round = 0;
    do {
        if (!put_group(call, failure))
            return false;
        calls->round++;
    } while (call->operation->rounds && 1 << calls->round < calls->ranks);
    return true;
}

static bool
drain_all(Calls *calls, FabmFailure *failure)
{
    for (int rank = 0; rank < calls->ranks; rank++)
        if (!calls->session->backend->drain(calls->queues[rank], failure))
            return false;
    return true;
}

/* Where a rank's input begins: in place it lies in the output, or the output in it. */
static uint8_t *
input_of(const Calls *calls, const Call *call, int rank)
{
    if (!calls->in_place || call->operation->expect == FABM_REDUCE_SCATTER)
        return calls->send[rank];
    if (call->operation->expect == FABM_ALL_GATHER)
        return at(calls, calls->recv[rank], (uint64_t)rank * call->own);
    return calls->recv[rank];
}

static bool
check_call(Call *call, FabmFailure *failure)
{
    Calls *calls = call->calls;
    FabmSession *session = calls->session;
    const Operation *operation = call->operation;
    uint64_t in = operation->expect == FABM_ALL_GATHER || operation->expect == FABM_GATHER ? call->own : calls->count;
    uint64_t out = operation->expect == FABM_REDUCE_SCATTER || operation->expect == FABM_SCATTER ? call->own
                                                                                                 : calls->count;
    FabmExpect expect = { .collective = operation->expect, .element = calls->element,
                          .reduction = operation->reduces ? FABM_SUM : FABM_NO_REDUCTION,
                          .ranks = (uint32_t)calls->ranks, .size = calls->count, .piece = call->own,
                          .seed = session->options->seed };

    for (int rank = 0; rank < calls->ranks; rank++)
        if (!session->backend->set(calls->queues[rank], calls->recv[rank], 0xff, calls->count * calls->element_bytes,
                                   failure) ||
            !fabm_data_fill(calls->queues[rank], session, &expect, (uint32_t)rank, input_of(calls, call, rank), in,
                            failure))
            return false;
    if (!drain_all(calls, failure) || !put_call(call, 0, failure) || !drain_all(calls, failure))
        return false;
    for (int rank = 0; rank < calls->ranks; rank++) {
        bool inside = calls->in_place && operation->expect == FABM_REDUCE_SCATTER;
        uint8_t *result = inside ? at(calls, calls->send[rank], (uint64_t)rank * call->own) : calls->recv[rank];

        if (!fabm_data_check(calls->queues[rank], session, &expect, (uint32_t)rank, result, out, operation->name,
                             failure))
            return false;
    }
    return true;
}

/* ------------------------------------------------------------------ tables */

static void
lower(char *text)
{
    for (; *text != '\0'; text++)
        *text = *text == '_' || *text == ',' || *text == '^' ? '-' : (char)tolower((unsigned char)*text);
}

static FabmSheet *
collective_sheet(Calls *calls, const Operation *operation)
{
    const FabmOptions *options = calls->session->options;
    char suffix[200], environment[300] = "";
    FabmSheet *sheet;

    snprintf(suffix, sizeof suffix, "nccl-%s-r%d%s%.30s%s%.30s%s%.10s", operation->name, calls->ranks,
             options->algo != NULL ? "-" : "", options->algo != NULL ? options->algo : "",
             options->proto != NULL ? "-" : "", options->proto != NULL ? options->proto : "",
             options->channels != NULL ? "-c" : "", options->channels != NULL ? options->channels : "");
    lower(suffix);
    sheet = fabm_report_sheet(calls->session->report, suffix, FABM_COLLECTIVE);
    fabm_sheet_fact(sheet, "system", "ranks", "%d", calls->ranks);
    fabm_sheet_fact(sheet, "run", "collective", "%s", operation->name);
    fabm_sheet_fact(sheet, "run", "processes", "1");
    fabm_sheet_fact(sheet, "run", "dtype", "%s", options->dtype != NULL ? options->dtype : "float");
    if (operation->reduces)
        fabm_sheet_fact(sheet, "run", "redop", "sum");
    if (options->algo != NULL)
        fabm_sheet_fact(sheet, "run", "algo", "%s", options->algo);
    if (options->proto != NULL)
        fabm_sheet_fact(sheet, "run", "proto", "%s", options->proto);
    if (options->channels != NULL)
        snprintf(environment, sizeof environment, "NCCL_MIN_NCHANNELS=%.20s;NCCL_MAX_NCHANNELS=%.20s",
                 options->channels, options->channels);
    if (environment[0] != '\0')
        fabm_sheet_fact(sheet, "run", "env", "%s", environment);
    return sheet;
}

static bool
time_call(Calls *calls, const Operation *operation, uint64_t bytes, FabmFailure *failure)
{
    uint64_t ranks = (uint64_t)calls->ranks, elements = bytes / calls->element_bytes;
    Call call = { calls, operation, operation->pieces ? elements / ranks : elements };
    FabmParty party = { .count = calls->ranks, .body = put_call, .data = &call };
    FabmSummary us;
    char variant[60], gpus[16];

    calls->count = operation->pieces ? call.own * ranks : elements;
    bytes = calls->count * calls->element_bytes;
    if (calls->count == 0)
        return true;
    for (int rank = 0; rank < calls->ranks; rank++) {
        party.queues[rank] = calls->queues[rank];
        party.gpus[rank] = calls->session->gpus[rank];
    }
    fabm_watchdog_point("NCCL %s %llu bytes, %d ranks", operation->name, (unsigned long long)bytes, calls->ranks);
    if (!check_call(&call, failure) || !fabm_time_party(calls->session, &party, &us, failure))
        return false;
    snprintf(variant, sizeof variant, "%d ranks, %s", calls->ranks, calls->in_place ? "in place" : "out of place");
    snprintf(gpus, sizeof gpus, calls->ranks > 1 ? "%d-%d" : "%d", calls->session->gpus[0],
             calls->session->gpus[calls->ranks - 1]);
    fabm_report_time(calls->sheet, (FabmRow) { .test = operation->name, .variant = variant, .gpus = gpus, .ctas = -1,
                                               .bytes = (int64_t)bytes }, &us, (double)bytes);
    if (operation->table)
        fabm_sheet_collective(collective_sheet(calls, operation), bytes, us.median, bus_factor(operation, calls->ranks),
                              calls->in_place);
    return true;
}

/* ------------------------------------------------------------------ all calls on some GPUs */

static bool
is_wanted(const FabmOptions *options, const char *name)
{
    for (int i = 0; i < options->collectives.count; i++)
        if (strcmp(options->collectives.values[i], name) == 0)
            return true;
    return options->collectives.count == 0;
}

/* Rounds are pairs of ranks that differ in one bit. Who asks for it by name is told. */
static bool
is_possible(const Calls *calls, const Operation *operation)
{
    bool possible = !operation->rounds || (calls->ranks > 1 && (calls->ranks & (calls->ranks - 1)) == 0);

    if (!possible && calls->session->options->collectives.count > 0)
        fprintf(stderr, "fabricast-measure: nccl: %s is of 2, 4, 8, ... ranks, not of %d: left out\n", operation->name,
                calls->ranks);
    return possible;
}

static bool
open_calls(Calls *calls, uint64_t most, FabmFailure *failure)
{
    FabmBackend *backend = calls->session->backend;

    for (int rank = 0; rank < calls->ranks && failure->status == 0; rank++) {
        int gpu = calls->session->gpus[rank];

        calls->queues[rank] = backend->queue_new(backend, gpu, false, failure);
        calls->send[rank] = failure->status == 0 ? fabm_pool_alloc(&calls->pool, gpu, most, failure) : NULL;
        calls->recv[rank] = failure->status == 0 ? fabm_pool_alloc(&calls->pool, gpu, most, failure) : NULL;
    }
    return failure->status == 0 &&
           fabm_nccl_good(&calls->nccl, calls->nccl.init_all(calls->communicators, calls->ranks, calls->session->gpus),
                          "no communicators", failure);
}

static void
close_calls(Calls *calls)
{
    for (int rank = 0; rank < calls->ranks; rank++) {
        if (calls->communicators[rank] != NULL)
            (void)calls->nccl.destroy(calls->communicators[rank]);
        calls->session->backend->queue_free(calls->queues[rank]);
        calls->communicators[rank] = NULL;
        calls->queues[rank] = NULL;
    }
    fabm_pool_free(&calls->pool);
}

static bool
measure_ranks(Calls *calls, FabmFailure *failure)
{
    FabmNumbers sizes = fabm_sizes(calls->session, 4 << 10, 1 << 30, 4);
    uint64_t most = 0;

    for (int i = 0; i < sizes.count; i++)
        most = sizes.values[i] > most ? sizes.values[i] : most;
    fabm_watchdog_point("NCCL starts on %d GPUs", calls->ranks);
    if (open_calls(calls, most, failure))
        for (int o = 0; o < OPERATIONS; o++) {
            if (!is_wanted(calls->session->options, operations[o].name) || !is_possible(calls, &operations[o]))
                continue;
            for (int in_place = operations[o].rounds; in_place <= operations[o].in_place; in_place++)
                for (int i = 0; i < sizes.count && failure->status == 0; i++) {
                    calls->in_place = in_place != 0;
                    (void)time_call(calls, &operations[o], sizes.values[i], failure);
                }
        }
    close_calls(calls);
    return failure->status == 0;
}

/* ------------------------------------------------------------------ what the command line asks for */

static bool
choose_type(Calls *calls, FabmFailure *failure)
{
    static const char *const names[] = { "float", "half", "bfloat16", NULL };
    static const int types[] = { FABM_NCCL_FLOAT, FABM_NCCL_HALF, FABM_NCCL_BFLOAT16 };
    static const FabmElement elements[] = { FABM_FLOAT, FABM_HALF, FABM_BFLOAT16 };
    const char *wanted = calls->session->options->dtype != NULL ? calls->session->options->dtype : "float";
    char hint[80];
    int i = 0;

    while (names[i] != NULL && strcmp(names[i], wanted) != 0)
        i++;
    if (names[i] == NULL)
        return fabm_fail(failure, FABM_EXIT_INPUT, "--dtype: \"%.40s\" must be float, half or bfloat16%s", wanted,
                         fabm_hint(wanted, names, hint, sizeof hint));
    calls->type = types[i];
    calls->element = elements[i];
    calls->element_bytes = fabm_element_bytes(elements[i]);
    return true;
}

static bool
check_names(const FabmOptions *options, FabmFailure *failure)
{
    const char *names[OPERATIONS + 1];
    char hint[80];

    for (int o = 0; o < OPERATIONS; o++)
        names[o] = operations[o].name;
    names[OPERATIONS] = NULL;
    for (int i = 0; i < options->collectives.count; i++) {
        const char *name = options->collectives.values[i];
        int o = 0;

        while (o < OPERATIONS && strcmp(names[o], name) != 0)
            o++;
        if (o == OPERATIONS)
            return fabm_fail(failure, FABM_EXIT_INPUT, "--collectives: %.40s is none%s", name,
                             fabm_hint(name, names, hint, sizeof hint));
    }
    return true;
}

/* NCCL reads its variables when it starts, so they are set before it is loaded. */
static void
set_variables(const FabmOptions *options)
{
    if (options->algo != NULL)
        setenv("NCCL_ALGO", options->algo, 1);
    if (options->proto != NULL)
        setenv("NCCL_PROTO", options->proto, 1);
    if (options->channels != NULL) {
        setenv("NCCL_MIN_NCHANNELS", options->channels, 1);
        setenv("NCCL_MAX_NCHANNELS", options->channels, 1);
    }
}

bool
fabm_measure_collectives(FabmSession *session, FabmFailure *failure)
{
    Calls calls = { .session = session, .pool = { .backend = session->backend } };
    FabmNumbers ranks = session->options->ranks;

    if (ranks.count == 0)
        ranks = (FabmNumbers) { { (uint64_t)session->gpu_count }, 1 };
    for (int i = 0; i < ranks.count; i++)
        if (ranks.values[i] < 1 || ranks.values[i] > (uint64_t)session->gpu_count)
            return fabm_fail(failure, FABM_EXIT_MACHINE, "%llu ranks are asked for, there are %d GPUs: one for each",
                             (unsigned long long)ranks.values[i], session->gpu_count);
    set_variables(session->options);
    if (!choose_type(&calls, failure) || !check_names(session->options, failure) ||
        !fabm_nccl_open(&calls.nccl, session->options->nccl, failure))
        return false;
    fabm_report_fact(session->report, "run", "nccl_version", "%d.%d.%d", calls.nccl.version / 10000,
                     calls.nccl.version / 100 % 100, calls.nccl.version % 100);
    calls.sheet = fabm_report_sheet(session->report, "nccl", FABM_DEVICE);
    for (int i = 0; i < ranks.count && failure->status == 0; i++) {
        calls.ranks = (int)ranks.values[i];
        (void)measure_ranks(&calls, failure);
    }
    /* The library stays: its threads may still end. */
    return failure->status == 0;
}
