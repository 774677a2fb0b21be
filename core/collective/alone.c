#include "collective/emit.h"

/* One rank: every collective is a copy of its input, in every channel a share of it, and the barrier is nothing. */

typedef struct {
    FabShare *shares;
    uint64_t chunk;
} Alone;

static void
alone_free(gpointer data)
{
    Alone *alone = data;

    g_free(alone->shares);
    g_free(alone);
}

static bool
alone_step(const FabProgram *program, const FabStream *stream, uint64_t index, FabStep *step)
{
    const Alone *alone = program->data;
    const FabShare *share = &alone->shares[stream->channel];

    if (index >= share->loops)
        return false;
    fab_step_begin(step, fab_emit_clip(index * alone->chunk, alone->chunk, share->bytes));
    step->src = FAB_BUFFER_INPUT;
    step->dst = FAB_BUFFER_OUTPUT;
    step->src_offset = step->dst_offset = share->offset + index * alone->chunk;
    return true;
}

FabProgram *
fab_alone_emit(const FabCollectiveSpec *spec, const char *algorithm)
{
    Alone *alone = g_new0(Alone, 1);
    FabProgram *program;

    alone->chunk = spec->chunk_bytes;
    alone->shares = fab_emit_shares(spec, spec->size, 1, alone->chunk);
    if (spec->collective == FAB_BARRIER)
        alone->shares[0].loops = 0;
    program = fab_emit_program(spec, algorithm, 0, alone, alone_free);
    program->step = alone_step;
    return program;
}
