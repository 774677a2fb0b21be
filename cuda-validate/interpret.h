/*
 * Executes one stream of a channel program: the same code in a CUDA kernel and on host threads.
 *
 * The file that includes this defines FABM_CODE (qualifiers of functions), the type FabmTeam (the threads that play a
 * stream: `index` and `size`, and `mask`, a power of two below `size`, minus 1) and these:
 *
 *     fabm_barrier(team)         all threads of the team; what they wrote before, all of them see after
 *     fabm_load_acquire(p)       a 64-bit counter of another stream, maybe on another GPU
 *     fabm_publish()             what the team wrote before its last barrier is visible before the counters that this
 *                                thread stores next
 *     fabm_store_counter(p, v)   those
 *     fabm_raise(p, v)           a word that threads of the team may set at once
 *     fabm_given_up(run, wait)   called after each look in vain: true when it took too long, or when others gave up
 *     fabm_transfer(...)         moves a slice
 *     fabm_get(p, n), fabm_put(p, n, word)   at most 8 bytes of a buffer
 *     fabm_reduce_pair(r, a, b)  of two floats
 *     fabm_load_pair(p, a, b), fabm_store_pair(p, a, b)   16 bytes, of which each half is there or not
 *     FABM_LANES                 threads that move a line of LL128 together, a power of two; each has its part of it
 *     fabm_load_line(...)        its part of a line; true in all threads of a warp when all lines of the warp are there
 *     fabm_store_line(...)       its part of a line: whoever sees the flag sees the line
 *     fabm_any(b)                whether it is true in any thread of the warp
 *
 * Protocol of a slice: some threads of the team wait, one for each connection; barrier; all move data; barrier; the
 * same threads tell the other ends. A counter has one writer. `states` is memory of the team (shared memory on a GPU).
 * A connection belongs to one thread throughout, by its place in the table and not by its place in the step: between
 * telling after one step and waiting before the next there is no barrier.
 *
 * With LL and LL128 flags travel with the data, so each thread waits for the lines that it reads, and slices follow
 * each other without barriers. Some threads wait for free slots before every `group` slices, and free those that were
 * read behind them. A flag is the number of its slice, counted from the connection's first one: what an older slice
 * left in the slot has another one.
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

#include "lines.h"

/* The place in the stream's table of the step's i-th end: receives first. */
FABM_CODE uint32_t
fabm_op_end(const FabmOp *op, uint32_t i)
{
    return op->ends[i < op->recvs ? i : FABM_ENDS + i - op->recvs];
}

/* Two words that say whether the team gave up: 1 + the place of a connection; in waiting, and in moving lines. */
enum { FABM_STOP_WAITING, FABM_STOP_LINES, FABM_STOPS };

FABM_CODE void
fabm_open(const FabmProgramRun *run, const FabmLane *lane, FabmEndState *states, volatile uint32_t *stops,
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
        stops[FABM_STOP_WAITING] = stops[FABM_STOP_LINES] = 0;
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

/* One end: a slice has come, or so many slots are free. */
FABM_CODE bool
fabm_await_end(const FabmProgramRun *run, const FabmEndState *state, uint32_t slices)
{
    FabmWait wait = { 0, 0 };

    while (fabm_load_acquire(state->told) + (state->sends ? run->slots : 0) < state->count + slices)
        if (fabm_given_up(run, &wait))
            return false;
    return true;
}

/* False in all threads when the team gave up; the first one says where. */
FABM_CODE bool
fabm_go_on(const FabmProgramRun *run, const FabmLane *lane, uint32_t step, const FabmEndState *states, uint32_t stop,
           FabmStall *stall, const FabmTeam *team)
{
    if (stop == 0)
        return true;
    if (team->index == 0) {
        stall->sends = states[stop - 1].sends;
        stall->connection = run->ends[lane->first_end + stop - 1].connection;
        stall->step = step;
        stall->waiting = 1;
    }
    return false;
}

/* All ends of a step, or those that it sends to; ends with a barrier. */
FABM_CODE void
fabm_await(const FabmProgramRun *run, const FabmOp *op, bool receives, uint32_t slices, const FabmEndState *states,
           volatile uint32_t *stops, const FabmTeam *team)
{
    for (uint32_t i = receives ? 0 : op->recvs; i < (uint32_t)op->recvs + op->sends; i++) {
        uint32_t place = fabm_op_end(op, i);

        if (fabm_owns(team, place) && !fabm_await_end(run, &states[place], slices))
            fabm_raise(&stops[FABM_STOP_WAITING], place + 1);
    }
    fabm_barrier(team);
}

FABM_CODE void
fabm_advance(const FabmProgramRun *run, FabmEndState *state, uint32_t slices)
{
    state->count += slices;
    state->slot = (state->slot + slices) % run->slots;
}

/*
 * The slice is done: slots that were read are free, slots that were written are full. Only what was written needs to
 * be published: what was read was also used before the barrier.
 */
FABM_CODE void
fabm_tell(const FabmProgramRun *run, const FabmOp *op, FabmEndState *states, const FabmTeam *team)
{
    fabm_barrier(team);
    if (op->sends > 0 && team->index <= team->mask)
        fabm_publish();
    for (uint32_t i = 0; i < (uint32_t)op->recvs + op->sends; i++) {
        uint32_t place = fabm_op_end(op, i);
        FabmEndState *state = &states[place];

        if (!fabm_owns(team, place))
            continue;
        fabm_advance(run, state, 1);
        fabm_store_counter(state->tells, state->count);
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

FABM_CODE bool
fabm_step(const FabmProgramRun *run, const FabmLane *lane, const FabmMemory *memory, FabmStall *stall,
          FabmEndState *states, volatile uint32_t *stops, const FabmOp *op, uint32_t step, const FabmTeam *team)
{
    uint64_t moved = 0;

    do {
        uint64_t left = op->bytes - moved, bytes = left < run->slice ? left : run->slice;

        fabm_await(run, op, true, 1, states, stops, team);
        if (!fabm_go_on(run, lane, step, states, stops[FABM_STOP_WAITING], stall, team))
            return false;
        if (bytes > 0)
            fabm_slice(run, op, memory, moved, bytes, states, team);
        fabm_tell(run, op, states, team);
        moved += bytes;
    } while (moved < op->bytes);
    return true;
}

/* So many slices from `moved` on; without a barrier between. */
FABM_CODE void
fabm_lines(const FabmProgramRun *run, FabmProtocol protocol, const FabmMemory *memory, const FabmOp *op,
           uint64_t moved, uint32_t slices, const FabmEndState *states, volatile uint32_t *stops, const FabmTeam *team)
{
    for (uint32_t i = 0; i < slices; i++, moved += run->slice) {
        const uint64_t left = op->bytes - moved;
        FabmPiece piece = { NULL, NULL, left < run->slice ? left : run->slice, i };
        uint32_t stop;

        if (op->src != FABM_NONE)
            piece.src = memory->buffers[op->src] + op->src_offset + moved;
        if (op->dst != FABM_NONE)
            piece.dst = memory->buffers[op->dst] + op->dst_offset + moved;
        stop = protocol == FABM_LL ? fabm_ll_piece(run, op, &piece, states, team)
                                   : fabm_ll128_piece(run, op, &piece, states, team);
        if (stop != 0) {
            fabm_raise(&stops[FABM_STOP_LINES], stop);
            return;
        }
    }
}

/* Slots that were read are free; those that were written have said so themselves. */
FABM_CODE void
fabm_tell_lines(const FabmProgramRun *run, const FabmOp *op, uint32_t slices, FabmEndState *states,
                const FabmTeam *team)
{
    for (uint32_t i = 0; i < (uint32_t)op->recvs + op->sends; i++) {
        uint32_t place = fabm_op_end(op, i);
        FabmEndState *state = &states[place];

        if (!fabm_owns(team, place))
            continue;
        fabm_advance(run, state, slices);
        if (!state->sends)
            fabm_store_counter(state->tells, state->count);
    }
}

FABM_CODE bool
fabm_step_of_lines(const FabmProgramRun *run, FabmProtocol protocol, const FabmLane *lane, const FabmMemory *memory,
                   FabmStall *stall, FabmEndState *states, volatile uint32_t *stops, const FabmOp *op, uint32_t step,
                   const FabmTeam *team)
{
    uint64_t moved = 0;

    do {
        const uint64_t left = op->bytes - moved, all = left > 0 ? (left + run->slice - 1) / run->slice : 1;
        const uint32_t slices = all < run->group ? (uint32_t)all : run->group;

        /* This barrier is also between what the step before wrote to a buffer and what this one reads of it. */
        fabm_await(run, op, false, slices, states, stops, team);
        if (!fabm_go_on(run, lane, step, states, stops[FABM_STOP_WAITING], stall, team))
            return false;
        fabm_lines(run, protocol, memory, op, moved, slices, states, stops, team);
        fabm_barrier(team);
        if (!fabm_go_on(run, lane, step, states, stops[FABM_STOP_LINES], stall, team))
            return false;
        fabm_tell_lines(run, op, slices, states, team);
        moved += slices * run->slice;
    } while (moved < op->bytes);
    return true;
}

/* `protocol` is the run's: where it is a constant, the other protocols' code is left out. */
FABM_CODE void
fabm_interpret(const FabmProgramRun *run, FabmProtocol protocol, const FabmLane *lane, const FabmMemory *memory,
               FabmStall *stall, FabmEndState *states, volatile uint32_t *stops, const FabmTeam *team)
{
    FabmOp op, next;
    bool good = true;

    if (lane->ops == 0)
        return;
    next = run->ops[lane->first_op];
    fabm_open(run, lane, states, stops, team);
    for (uint32_t step = 0; step < lane->ops && good; step++) {
        /* The next step is fetched while this one waits. */
        op = next;
        if (step + 1 < lane->ops)
            next = run->ops[lane->first_op + step + 1];
        good = protocol == FABM_SIMPLE
                   ? fabm_step(run, lane, memory, stall, states, stops, &op, step, team)
                   : fabm_step_of_lines(run, protocol, lane, memory, stall, states, stops, &op, step, team);
    }
    if (good)
        fabm_close(run, lane, states, team);
}

#endif
