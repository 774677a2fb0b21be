#include "runner.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pattern.h"

enum { LINE = 128 }; /* counters have a line of their own, so that polls do not disturb each other */
enum { GROUPS = 8 }; /* of a connection's slots: so often slots of lines are freed, as NCCL has 8 steps in flight */

/* What one GPU holds. */
typedef struct {
    int gpu;
    uint32_t first_rank, ranks;
    FabmQueue *queue;
    uint8_t *buffers[4];  /* of all its ranks, by FabmBuffer */
    uint8_t *slots;       /* of the connections that its ranks receive from */
    uint8_t *counters;    /* lines of each connection: for its receiver and its sender */
    FabmStall *stalls;
    FabmLaunch launch;
} Share;

struct FabmRunner {
    FabmSession *session;
    const FabmProgram *program;
    FabmPool pool;
    Share shares[FABM_MOST];
    int share_count;
    uint64_t stride[4], slot_stride; /* bytes from rank to rank of each buffer, and from slot to slot */
    uint64_t *slot_places;           /* of each connection, within the slots of its receiver's GPU */
    uint32_t *stop;                  /* host memory: somebody gave up */
    double patience_s;
    FabmExpect expect;
    char gpus[200];
};

/* ------------------------------------------------------------------ who is where */

static uint64_t
round_up(uint64_t bytes, uint64_t to)
{
    return (bytes + to - 1) / to * to;
}

static Share *
share_of(FabmRunner *runner, uint32_t rank)
{
    int i = 0;

    while (rank >= runner->shares[i].first_rank + runner->shares[i].ranks)
        i++;
    return &runner->shares[i];
}

static void
spread_ranks(FabmRunner *runner)
{
    uint32_t ranks = runner->program->ranks, gpus = (uint32_t)runner->session->gpu_count;
    uint32_t used = ranks < gpus ? ranks : gpus;
    size_t length = 0;

    for (uint32_t i = 0; i < used; i++) {
        Share *share = &runner->shares[i];
        uint32_t first = (uint32_t)((uint64_t)ranks * i / used), next = (uint32_t)((uint64_t)ranks * (i + 1) / used);

        *share = (Share) { .gpu = runner->session->gpus[i], .first_rank = first, .ranks = next - first };
        if (length < sizeof runner->gpus - 8)
            length += (size_t)snprintf(runner->gpus + length, 8, "%s%d", i > 0 ? "+" : "", share->gpu % 1000);
    }
    runner->share_count = (int)used;
}

/* Every GPU that stores into another's slots or counters must reach it. */
static bool
reach_all(FabmRunner *runner, FabmFailure *failure)
{
    FabmBackend *backend = runner->session->backend;

    for (uint32_t i = 0; i < runner->program->connection_count; i++) {
        const FabmConnection *connection = &runner->program->connections[i];
        int from = share_of(runner, connection->sender.rank)->gpu;
        int to = share_of(runner, connection->receiver.rank)->gpu;

        if (!backend->reach(backend, from, to, failure) || !backend->reach(backend, to, from, failure))
            return false;
        if (runner->program->protocol_kind == FABM_LL128 && !backend->whole_lines(backend, from, to))
            return fabm_fail(failure, FABM_EXIT_INPUT, "%s: protocol ll128 needs NVLink, which GPU %d and GPU %d are "
                             "not joined by: a flag could be there before its line; export it with simple or ll",
                             runner->program->name, from, to);
    }
    return true;
}

/* ------------------------------------------------------------------ memory */

static uint64_t
buffer_bytes(const FabmProgram *program, int buffer)
{
    return buffer == FABM_INPUT ? program->input : buffer == FABM_OUTPUT ? program->output : program->scratch;
}

/* Bytes of one slot: data, or lines of data and flags. */
static uint64_t
slot_bytes(const FabmProgram *program)
{
    switch (program->protocol_kind) {
    case FABM_LL:
        return round_up(program->slice, FABM_LL_DATA) / FABM_LL_DATA * FABM_LL_LINE;
    case FABM_LL128:
        return round_up(program->slice, FABM_LL128_DATA) / FABM_LL128_DATA * FABM_LL128_LINE;
    default:
        return program->slice;
    }
}

/* Slots lie with the receiver, one connection after the other. */
static void
place_slots(FabmRunner *runner, uint64_t *totals)
{
    const FabmProgram *program = runner->program;

    runner->slot_stride = round_up(slot_bytes(program), LINE);
    runner->slot_places = fabm_new(program->connection_count, sizeof *runner->slot_places);
    for (uint32_t i = 0; i < program->connection_count; i++) {
        Share *share = share_of(runner, program->connections[i].receiver.rank);

        runner->slot_places[i] = totals[share - runner->shares];
        totals[share - runner->shares] += runner->slot_stride * program->slots;
    }
}

static bool
allocate(FabmRunner *runner, FabmFailure *failure)
{
    const FabmProgram *program = runner->program;
    FabmBackend *backend = runner->session->backend;
    uint64_t slot_totals[FABM_MOST] = { 0 };

    place_slots(runner, slot_totals);
    for (int b = FABM_INPUT; b <= FABM_SCRATCH; b++)
        runner->stride[b] = round_up(buffer_bytes(program, b), 256);
    for (int i = 0; i < runner->share_count && failure->status == 0; i++) {
        Share *share = &runner->shares[i];
        uint64_t lines = 2 * (uint64_t)program->connection_count * LINE;

        share->queue = backend->queue_new(backend, share->gpu, false, failure);
        for (int b = FABM_INPUT; b <= FABM_SCRATCH && failure->status == 0; b++)
            share->buffers[b] = fabm_pool_alloc(&runner->pool, share->gpu, share->ranks * runner->stride[b], failure);
        if (failure->status == 0)
            share->slots = fabm_pool_alloc(&runner->pool, share->gpu, slot_totals[i], failure);
        if (failure->status == 0)
            share->counters = fabm_pool_alloc(&runner->pool, share->gpu, lines, failure);
        /* No counter and no flag has counted yet. */
        if (failure->status == 0 && (!backend->set(share->queue, share->counters, 0, lines, failure) ||
                                     !backend->set(share->queue, share->slots, 0, slot_totals[i], failure) ||
                                     !backend->drain(share->queue, failure)))
            return false;
    }
    return failure->status == 0;
}

/* ------------------------------------------------------------------ tables */

/*
 * Of one connection, at each end: the counter that this end polls, and its own count of slices. What was sent lies with
 * the receiver (line 0), what was taken with the sender (line 1).
 */
static FabmEnd
make_end(FabmRunner *runner, const FabmTableEntry *entry)
{
    const FabmConnection *connection = &runner->program->connections[entry->connection];
    Share *sender = share_of(runner, connection->sender.rank), *receiver = share_of(runner, connection->receiver.rank);
    uint64_t place = 2 * (uint64_t)entry->connection * LINE;
    uint8_t *head = receiver->counters + place, *tail = sender->counters + place + LINE;

    return (FabmEnd) { .slots = receiver->slots + runner->slot_places[entry->connection],
                       .told = (uint64_t *)(entry->sends ? tail : head),
                       .tells = (uint64_t *)(entry->sends ? head : tail),
                       .count = (uint64_t *)((entry->sends ? tail : head) + LINE / 2),
                       .sends = entry->sends,
                       .connection = entry->connection };
}

/* A copy of host data on a GPU; waits. */
static void *
put_table(FabmRunner *runner, const Share *share, const void *data, uint64_t bytes, FabmFailure *failure)
{
    FabmBackend *backend = runner->session->backend;
    void *memory = fabm_pool_alloc(&runner->pool, share->gpu, bytes, failure);

    if (memory == NULL || bytes == 0)
        return memory;
    if (!backend->copy(share->queue, memory, share->gpu, data, FABM_PAGEABLE, bytes, failure) ||
        !backend->drain(share->queue, failure))
        return NULL;
    return memory;
}

static FabmMemory *
make_memory_table(FabmRunner *runner)
{
    FabmMemory *table = fabm_new(runner->program->ranks, sizeof *table);

    for (uint32_t rank = 0; rank < runner->program->ranks; rank++) {
        Share *share = share_of(runner, rank);

        for (int b = FABM_INPUT; b <= FABM_SCRATCH; b++)
            table[rank].buffers[b] = share->buffers[b] + (rank - share->first_rank) * runner->stride[b];
    }
    return table;
}

/* Threads of a role: its share of the CTA's, in whole warps, at least one. */
static uint32_t
role_threads(const FabmProgram *program, uint32_t role, uint32_t threads)
{
    uint32_t warps = (threads * program->share[role] + 500) / 1000 / 32;

    return warps > 0 ? warps * 32 : 32;
}

static void
make_launch(FabmRunner *runner, Share *share, const FabmLane *lanes, const FabmOp *ops, const FabmEnd *ends,
            const FabmMemory *memory)
{
    const FabmProgram *program = runner->program;
    uint32_t threads = program->threads < FABM_PROGRAM_THREADS ? program->threads : FABM_PROGRAM_THREADS, sum = 0;
    FabmProgramRun run = { .lanes = lanes + (uint64_t)share->first_rank * program->channels * program->roles,
                           .ops = ops,
                           .ends = ends,
                           .memory = memory + share->first_rank,
                           .channels = program->channels,
                           .roles = program->roles,
                           .slots = program->slots,
                           .reduction = (uint32_t)program->expect.reduction,
                           .protocol = (uint32_t)program->protocol_kind,
                           .group = program->slots >= GROUPS ? program->slots / GROUPS : 1,
                           .ends_most = program->ends_most,
                           .slice = program->slice,
                           .stride = runner->slot_stride,
                           .stalls = share->stalls,
                           .stop = runner->stop,
                           .patience_ns = (uint64_t)(runner->patience_s * 1e9) };

    for (uint32_t role = 0; role < program->roles; role++) {
        run.role_threads[role] = role_threads(program, role, threads);
        sum += run.role_threads[role];
    }
    share->launch = (FabmLaunch) { .kind = FABM_KERNEL_PROGRAM, .ctas = share->ranks * program->channels,
                                   .threads = sum, .as.program = run };
}

static bool
lay_out(FabmRunner *runner, FabmFailure *failure)
{
    const FabmProgram *program = runner->program;
    uint64_t lanes = (uint64_t)program->ranks * program->channels * program->roles;
    FabmMemory *memory = make_memory_table(runner);
    FabmEnd *ends = fabm_new(program->entry_count, sizeof *ends);

    for (uint32_t i = 0; i < program->entry_count; i++)
        ends[i] = make_end(runner, &program->entries[i]);
    runner->stop = fabm_pool_alloc(&runner->pool, FABM_PINNED, sizeof *runner->stop, failure);
    for (int i = 0; i < runner->share_count && failure->status == 0; i++) {
        Share *share = &runner->shares[i];
        uint64_t own = (uint64_t)share->ranks * program->channels * program->roles;
        const void *tables[4];

        share->stalls = fabm_pool_alloc(&runner->pool, FABM_PINNED, own * sizeof *share->stalls, failure);
        if (share->stalls != NULL)
            memset(share->stalls, 0, own * sizeof *share->stalls);
        tables[0] = put_table(runner, share, program->lanes, lanes * sizeof *program->lanes, failure);
        tables[1] = put_table(runner, share, program->ops, program->op_count * sizeof *program->ops, failure);
        tables[2] = put_table(runner, share, ends, program->entry_count * sizeof *ends, failure);
        tables[3] = put_table(runner, share, memory, program->ranks * sizeof *memory, failure);
        make_launch(runner, share, tables[0], tables[1], tables[2], tables[3]);
    }
    if (runner->stop != NULL)
        *runner->stop = 0;
    free(ends);
    free(memory);
    return failure->status == 0;
}

/* All CTAs of a GPU must be there at once, as they wait for each other. */
static bool
check_room(FabmRunner *runner, FabmFailure *failure)
{
    FabmBackend *backend = runner->session->backend;

    for (int i = 0; i < runner->share_count; i++) {
        const Share *share = &runner->shares[i];
        int room = backend->room(backend, share->gpu, &share->launch, failure);

        if (failure->status != 0)
            return false;
        if (share->launch.ctas > (uint32_t)room)
            return fabm_fail(failure, FABM_EXIT_INPUT, "%s: %u CTAs (%u ranks with %u channels) must run at once on "
                             "GPU %d, which holds %d: export it with fewer channels", runner->program->name,
                             share->launch.ctas, share->ranks, runner->program->channels, share->gpu, room);
    }
    return true;
}

/* ------------------------------------------------------------------ a runner */

FabmRunner *
fabm_runner_new(FabmSession *session, const FabmProgram *program, double patience_s, FabmFailure *failure)
{
    FabmRunner *runner = fabm_new(1, sizeof *runner);

    *runner = (FabmRunner) { .session = session, .program = program, .patience_s = patience_s,
                             .pool = { .backend = session->backend }, .expect = program->expect };
    runner->expect.seed = session->options->seed;
    spread_ranks(runner);
    if (reach_all(runner, failure) && allocate(runner, failure) && lay_out(runner, failure) &&
        check_room(runner, failure))
        return runner;
    fabm_runner_free(runner);
    return NULL;
}

void
fabm_runner_free(FabmRunner *runner)
{
    if (runner == NULL)
        return;
    for (int i = 0; i < runner->share_count; i++)
        runner->session->backend->queue_free(runner->shares[i].queue);
    fabm_pool_free(&runner->pool);
    free(runner->slot_places);
    free(runner);
}

const char *
fabm_runner_gpus(const FabmRunner *runner)
{
    return runner->gpus;
}

static bool
put_program(void *data, int index, FabmFailure *failure)
{
    FabmRunner *runner = data;
    Share *share = &runner->shares[index];

    return runner->session->backend->launch(share->queue, &share->launch, failure);
}

FabmParty
fabm_runner_party(FabmRunner *runner)
{
    FabmParty party = { .count = runner->share_count, .body = put_program, .data = runner };

    for (int i = 0; i < runner->share_count; i++) {
        party.queues[i] = runner->shares[i].queue;
        party.gpus[i] = runner->shares[i].gpu;
    }
    return party;
}

bool
fabm_runner_finished(FabmRunner *runner, FabmFailure *failure)
{
    const FabmProgram *program = runner->program;
    uint32_t waiting = 0;
    char first[64] = "", what[120] = "";

    if (*(volatile uint32_t *)runner->stop == 0)
        return true;
    for (int i = 0; i < runner->share_count; i++) {
        const Share *share = &runner->shares[i];
        uint32_t base = share->first_rank * program->channels * program->roles;

        for (uint32_t lane = 0; lane < share->ranks * program->channels * program->roles; lane++) {
            const FabmStall *stall = &share->stalls[lane];

            if (stall->waiting == 0 || waiting++ > 0)
                continue;
            fabm_program_name_lane(program, base + lane, first, sizeof first);
            snprintf(what, sizeof what, "step %u, to %s connection %u", stall->step,
                     stall->sends ? "send on" : "receive from", stall->connection);
        }
    }
    return fabm_fail(failure, FABM_EXIT_MACHINE, "%s: hangs: after %g s %u streams wait, one of them %s in %s",
                     program->name, runner->patience_s, waiting, first, what);
}

/* ------------------------------------------------------------------ checking */

static bool
prepare(FabmRunner *runner, FabmFailure *failure)
{
    FabmSession *session = runner->session;
    const FabmProgram *program = runner->program;

    for (uint32_t rank = 0; rank < program->ranks; rank++) {
        Share *share = share_of(runner, rank);
        uint64_t local = rank - share->first_rank;

        if (!fabm_data_fill(share->queue, session, &runner->expect, rank,
                            share->buffers[FABM_INPUT] + local * runner->stride[FABM_INPUT],
                            program->input / program->word, failure))
            return false;
    }
    for (int i = 0; i < runner->share_count; i++) {
        Share *share = &runner->shares[i];

        for (int b = FABM_OUTPUT; b <= FABM_SCRATCH; b++)
            if (!session->backend->set(share->queue, share->buffers[b], 0xff, share->ranks * runner->stride[b],
                                       failure))
                return false;
        if (!session->backend->drain(share->queue, failure))
            return false;
    }
    return true;
}

bool
fabm_runner_check(FabmRunner *runner, FabmFailure *failure)
{
    const FabmProgram *program = runner->program;
    FabmBackend *backend = runner->session->backend;

    if (!prepare(runner, failure))
        return false;
    for (int i = 0; i < runner->share_count; i++)
        if (!put_program(runner, i, failure))
            return false;
    for (int i = 0; i < runner->share_count; i++)
        if (!backend->drain(runner->shares[i].queue, failure))
            return false;
    if (!fabm_runner_finished(runner, failure))
        return false;
    for (uint32_t rank = 0; rank < program->ranks; rank++) {
        Share *share = share_of(runner, rank);
        uint64_t local = rank - share->first_rank;

        if (!fabm_data_check(share->queue, runner->session, &runner->expect, rank,
                             share->buffers[FABM_OUTPUT] + local * runner->stride[FABM_OUTPUT],
                             program->output / program->word, program->name, failure))
            return false;
    }
    return true;
}
