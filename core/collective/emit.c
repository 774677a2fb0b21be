#include "collective/emit.h"

#include "base/error.h"

FabShare *
fab_emit_shares(const FabCollectiveSpec *spec, uint64_t bytes, uint32_t pieces, uint64_t chunk)
{
    FabShare *shares = g_new0(FabShare, spec->channels);
    uint64_t loop_bytes = chunk * pieces;

    for (uint32_t c = 0; spec->collective != FAB_BARRIER && c < spec->channels; c++) {
        FabShare *share = &shares[c];
        uint64_t rest;

        fab_piece(bytes, spec->channels, c, &share->offset, &share->bytes);
        share->loops = fab_emit_ceil_div(share->bytes, loop_bytes);
        if (share->loops == 0)
            continue;
        rest = share->bytes - (share->loops - 1) * loop_bytes;
        share->last_chunk = MIN(chunk, (fab_emit_ceil_div(rest, pieces) + 15) / 16 * 16);
    }
    if (spec->collective == FAB_BARRIER)
        shares[0] = (FabShare) { .loops = 1 };
    return shares;
}

uint64_t
fab_emit_chunk(const FabCollectiveSpec *spec, uint64_t slices)
{
    if (fab_emit_ceil_div(spec->chunk_bytes, spec->slice_bytes) <= slices)
        return spec->chunk_bytes;
    return spec->slice_bytes * slices;
}

bool
fab_emit_check_connections(const FabCollectiveSpec *spec, double connections, GError **error)
{
    if (connections <= UINT32_MAX)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                "%s: %u ranks with %u channels need %.0f connections, at most %u can be numbered; use fewer channels",
                fab_collective_names[spec->collective], spec->ranks, spec->channels, connections, UINT32_MAX);
    return false;
}

FabProgram *
fab_emit_program(const FabCollectiveSpec *spec, const char *algorithm, uint32_t connections, gpointer data,
                 GDestroyNotify data_free)
{
    g_autofree char *name = g_strdup_printf("%s %s", fab_collective_names[spec->collective], algorithm);
    FabProgram *program = fab_program_new(name, data, data_free);

    program->ranks = spec->ranks;
    program->channels = spec->channels;
    program->connections = connections;
    program->input_bytes = fab_collective_input_bytes(spec->collective, spec->size, spec->ranks);
    program->output_bytes = fab_collective_output_bytes(spec->collective, spec->size, spec->ranks);
    program->slice_bytes = spec->slice_bytes;
    program->slots = spec->slots;
    return program;
}
