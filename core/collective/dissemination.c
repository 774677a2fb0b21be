#include "collective/emit.h"

/*
 * The dissemination barrier (Hensgen, Finkel, Manber 1988): in round k every rank signals the one 2^k ahead and waits
 * for the one 2^k behind, so that after log2(n) rounds, rounded up, it has heard of all. Signals have no bytes.
 */

static uint32_t
round_count(uint32_t ranks)
{
    uint32_t rounds = 0;

    while ((UINT64_C(1) << rounds) < ranks)
        rounds++;
    return rounds;
}

static bool
dissemination_step(const FabProgram *program, const FabStream *stream, uint64_t index, FabStep *step)
{
    uint32_t n = program->ranks, rounds = program->connections / n;
    uint32_t distance, ahead, behind;

    if (stream->channel > 0 || index >= 2 * rounds)
        return false;
    distance = UINT32_C(1) << (index / 2);
    ahead = (stream->rank + distance) % n;
    behind = (stream->rank + n - distance) % n;
    fab_step_begin(step, 0);
    if (index % 2 == 0)
        fab_step_send(step, stream->rank * rounds + (uint32_t)index / 2, ahead);
    else
        fab_step_recv(step, behind * rounds + (uint32_t)index / 2, behind);
    return true;
}

FabProgram *
fab_dissemination_emit(const FabCollectiveSpec *spec, GError **error)
{
    uint32_t rounds = round_count(spec->ranks);
    FabProgram *program;

    if (!fab_emit_check_connections(spec, (double)rounds * spec->ranks, error))
        return NULL;
    program = fab_emit_program(spec, "dissemination", rounds * spec->ranks, NULL, NULL);
    program->step = dissemination_step;
    return program;
}
