/* Programs written line by line for tests of the engine, and the time that they take on a small fabric. */
#ifndef FAB_TESTS_SCRIPT_H
#define FAB_TESTS_SCRIPT_H

#include <check.h>
#include <math.h>
#include <string.h>

#include "engine/engine.h"
#include "fabric.h"

#define US INT64_C(1000000) /* picoseconds */
#define NS INT64_C(1000)
#define PAIR "g0-g1:nvlink:50"

/* At 50 GB/s this takes a microsecond. */
enum { PIECE = 50000 };

typedef struct {
    FabStream at;
    uint64_t bytes;
    int from, to; /* ranks; -1: none */
    uint32_t in, out; /* connections */
    uint8_t flags;
} Line;

typedef struct {
    Line lines[32];
    uint32_t count;
    FabEnd everyone[4]; /* ends of in-switch steps */
    uint32_t ranks;
} Script;

static bool
script_step(const FabProgram *program, const FabStream *stream, uint64_t index, FabStep *step)
{
    const Script *script = program->data;

    for (uint32_t i = 0; i < script->count; i++) {
        const Line *line = &script->lines[i];
        if (memcmp(&line->at, stream, sizeof *stream) != 0 || index-- > 0)
            continue;
        fab_step_begin(step, line->bytes);
        step->flags = line->flags;
        if (line->flags & FAB_STEP_IN_SWITCH) {
            step->send = script->everyone;
            step->send_count = (uint16_t)script->ranks;
        }
        if (line->from >= 0)
            fab_step_recv(step, line->in, (uint32_t)line->from);
        else
            step->src = FAB_BUFFER_INPUT;
        if (line->to >= 0)
            fab_step_send(step, line->out, (uint32_t)line->to);
        else
            step->dst = FAB_BUFFER_OUTPUT;
        return true;
    }
    return false;
}

static Line *
add(Script *script, FabStream at, uint64_t bytes)
{
    Line *line = &script->lines[script->count++];

    *line = (Line) { .at = at, .bytes = bytes, .from = -1, .to = -1 };
    return line;
}

static void
sends(Script *script, FabStream at, int to, uint32_t connection, uint64_t bytes)
{
    Line *line = add(script, at, bytes);

    line->to = to;
    line->out = connection;
}

static void
receives(Script *script, FabStream at, int from, uint32_t connection, uint64_t bytes)
{
    Line *line = add(script, at, bytes);

    line->from = from;
    line->in = connection;
}

/* A program of the lines with one slice a piece, `slots` slots and enough connections for the tests. */
static FabProgram *
program_new(Script *script, uint32_t ranks, uint32_t channels, uint32_t roles, uint32_t slots)
{
    FabProgram *program = fab_program_new("script", script, NULL);

    program->ranks = ranks;
    program->channels = channels;
    program->roles = roles;
    program->connections = 8;
    program->slice_bytes = PIECE;
    program->slots = slots;
    for (uint32_t role = 0; role < roles; role++)
        program->role_share[role] = 1.0 / roles;
    program->step = script_step;
    return program;
}

/* No cost but the fabric's. */
static FabExecution
free_execution(void)
{
    return (FabExecution) { .send_rate = INFINITY, .copy_rate = INFINITY, .wire = 1, .in_switch_weight = 1 };
}

static bool
run(const char *fabric, const FabProgram *program, const FabExecution *execution, FabPathClass peer_level,
    FabEngineReport *report, GError **error)
{
    static const uint32_t gpus[] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 };
    g_autoptr(FabTopology) topology = fabric_new(fabric);
    g_autoptr(FabRouter) router =
        fab_router_new(topology, &(FabRouteRules) { .peer_level = peer_level, .nvlink = true });
    FabEngineSpec spec = { .topology = topology, .router = router, .program = program, .gpus = gpus,
                           .execution = *execution };

    return fab_engine_run(&spec, report, error);
}

/* The time in picoseconds; the error of a run that fails is a failed test. */
static int64_t
time_of(const char *fabric, const FabProgram *program, const FabExecution *execution)
{
    g_autoptr(GError) error = NULL;
    FabEngineReport report;
    bool good = run(fabric, program, execution, FAB_PATH_SELF, &report, &error);
    int64_t time_ps = report.time_ps;

    ck_assert_msg(good, "%s", good ? "" : error->message);
    fab_engine_report_clear(&report);
    return time_ps;
}

/* Rank 0 sends `pieces` pieces to rank 1. */
static FabProgram *
copy_new(Script *script, uint32_t pieces, uint32_t slots)
{
    sends(script, (FabStream) { 0, 0, 0 }, 1, 0, (uint64_t)pieces * PIECE);
    receives(script, (FabStream) { 1, 0, 0 }, 0, 0, (uint64_t)pieces * PIECE);
    return program_new(script, 2, 1, 1, slots);
}

#endif
