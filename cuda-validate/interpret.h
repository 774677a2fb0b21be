/*
 * Executes one stream of a channel program: the same code in a CUDA kernel and on host threads.
 *
 * The file that includes this defines FABM_CODE (qualifiers of functions), the type FabmTeam (the threads that play a
 * stream: `index` and `size`, and `mask`, a power of two below `size`, minus 1) and these:
 *
 *     fabm_barrier(team)         all threads of the team; what they wrote before, all of them see after
 *     fabm_load_acquire(p)       a 64-bit counter of another stream, maybe on another GPU
 *     fabm_store_release(p, v)   what the whole team wrote before its last barrier is visible before the counter
 *     fabm_given_up(run, wait)   called after each look in vain: true when it took too long, or when others gave up
 *     fabm_transfer(...)         moves a slice
 *
 * Protocol of a slice: some threads of the team wait, one for each connection; barrier; all move data; barrier; the
 * same threads tell the other ends. A counter has one writer. `states` is memory of the team (shared memory on a GPU).
 * A connection belongs to one thread throughout, by its place in the table and not by its place in the step: between
 * telling after one step and waiting before the next there is no barrier.
 */
#ifndef FABM_INTERPRET_H
#define FABM_INTERPRET_H

#include "kernels.h"

/* Looks in vain so far, and when the clock was first read; zero at the begin. */
typedef struct {
    uint64_t began;
    uint32_t looks;
} FabmWait;

FABM_CODE bool fabm_given_up(const FabmProgramRun *run, FabmWait *wait);

/* The place in the stream's table of the step's i-th end: receives first. */
FABM_CODE uint32_t
fabm_op_end(const FabmOp *op, uint32_t i)
{
    return op->ends[i < op->recvs ? i : FABM_ENDS + i - op->recvs];
}

FABM_CODE void
fabm_open(const FabmProgramRun *run, const FabmLane *lane, FabmEndState *states, volatile uint32_t *stopped,
          const FabmTeam *team)
{
    for (uint32_t i = team->index; i < lane->ends; i += team->size) {
        const FabmEnd *end = &run->ends[lane->first_end + i];

        states[i].slots = end->slots;
        states[i].told = end->told;
        states[i].tells = end->tells;
        states[i].count = *end->count;
        states[i].slot = (uint32_t)(states[i].count % run->slots);
        states[i].sends = end->sends;
    }
    if (team->index == 0)
        *stopped = 0;
    fabm_barrier(team);
}

FABM_CODE void
fabm_close(const FabmProgramRun *run, const FabmLane *lane, const FabmEndState *states, const FabmTeam *team)
{
    fabm_barrier(team);
    for (uint32_t i = team->index; i < lane->ends; i += team->size)
        *run->ends[lane->first_end + i].count = states[i].count;
}

/* Whether this thread waits for and tells the connection at a place of the table. */
FABM_CODE bool
fabm_owns(const FabmTeam *team, uint32_t place)
{
    return (place & team->mask) == team->index;
}

/* One end: a slice has come, or a slot is free. */
FABM_CODE bool
fabm_await_end(const FabmProgramRun *run, const FabmEndState *state)
{
    FabmWait wait = { 0, 0 };

    while (fabm_load_acquire(state->told) + (state->sends ? run->slots : 0) <= state->count)
        if (fabm_given_up(run, &wait))
            return false;
    return true;
}

/* All ends of a step; false in all threads when the program is given up. */
FABM_CODE bool
fabm_await(const FabmProgramRun *run, const FabmLane *lane, const FabmOp *op, uint32_t step, const FabmEndState *states,
           volatile uint32_t *stopped, FabmStall *stall, const FabmTeam *team)
{
    for (uint32_t i = 0; i < (uint32_t)op->recvs + op->sends; i++) {
        uint32_t place = fabm_op_end(op, i);

        if (fabm_owns(team, place) && !fabm_await_end(run, &states[place])) {
            stall->sends = states[place].sends;
            stall->connection = run->ends[lane->first_end + place].connection;
            stall->step = step;
            stall->waiting = 1;
            *stopped = 1;
        }
    }
    fabm_barrier(team);
    return *stopped == 0;
}

/* The slice is done: slots that were read are free, slots that were written are full. */
FABM_CODE void
fabm_tell(const FabmProgramRun *run, const FabmOp *op, FabmEndState *states, const FabmTeam *team)
{
    fabm_barrier(team);
    for (uint32_t i = 0; i < (uint32_t)op->recvs + op->sends; i++) {
        uint32_t place = fabm_op_end(op, i);
        FabmEndState *state = &states[place];

        if (!fabm_owns(team, place))
            continue;
        state->count++;
        state->slot = state->slot + 1 < run->slots ? state->slot + 1 : 0;
        fabm_store_release(state->tells, state->count);
    }
}

/* Sources and destinations of one slice of a step, and the move. */
FABM_CODE void
fabm_slice(const FabmProgramRun *run, const FabmOp *op, const FabmMemory *memory, uint64_t moved, uint64_t bytes,
           const FabmEndState *states, const FabmTeam *team)
{
    const uint8_t *sources[FABM_ENDS + 1];
    uint8_t *targets[FABM_ENDS + 1];
    uint32_t source_count = 0, target_count = 0;

    if (op->src != FABM_NONE)
        sources[source_count++] = memory->buffers[op->src] + op->src_offset + moved;
    for (uint32_t i = 0; i < op->recvs; i++) {
        const FabmEndState *state = &states[op->ends[i]];

        sources[source_count++] = state->slots + state->slot * run->stride;
    }
    if (op->dst != FABM_NONE)
        targets[target_count++] = memory->buffers[op->dst] + op->dst_offset + moved;
    for (uint32_t i = 0; i < op->sends; i++) {
        const FabmEndState *state = &states[op->ends[FABM_ENDS + i]];

        targets[target_count++] = state->slots + state->slot * run->stride;
    }
    fabm_transfer(run->reduction, targets, target_count, sources, source_count, bytes, team);
}

FABM_CODE void
fabm_interpret(const FabmProgramRun *run, const FabmLane *lane, const FabmMemory *memory, FabmStall *stall,
               FabmEndState *states, volatile uint32_t *stopped, const FabmTeam *team)
{
    FabmOp op, next;

    if (lane->ops == 0)
        return;
    next = run->ops[lane->first_op];
    fabm_open(run, lane, states, stopped, team);
    for (uint32_t step = 0; step < lane->ops; step++) {
        uint64_t moved = 0;

        /* The next step is fetched while this one waits. */
        op = next;
        if (step + 1 < lane->ops)
            next = run->ops[lane->first_op + step + 1];
        do {
            uint64_t left = op.bytes - moved, bytes = left < run->slice ? left : run->slice;

            if (!fabm_await(run, lane, &op, step, states, stopped, stall, team))
                return;
            if (bytes > 0)
                fabm_slice(run, &op, memory, moved, bytes, states, team);
            fabm_tell(run, &op, states, team);
            moved += bytes;
        } while (moved < op.bytes);
    }
    fabm_close(run, lane, states, team);
}

#endif
