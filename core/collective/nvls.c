#include "collective/emit.h"

#include "base/error.h"

/*
 * NVLink SHARP as NCCL uses it on unregistered buffers. Every rank is the head of one piece of each loop. Roles of
 * all_reduce, which run at once on consecutive loops:
 *
 *     scatter   copies each piece of the input to a slot in this GPU's own memory, which the piece's head reads. NCCL
 *               fills the slots of all heads at once; here each rank begins with its own piece, so that the heads'
 *               slots are complete in the same instant too
 *     reduce    the head reads all ranks' slots through the switch, which reduces them, and multicasts the result
 *     gather    copies each piece from the slot that its head's multicast filled to the output
 *
 * reduce_scatter has no multicast: the head writes the reduced piece to its output. all_gather has no reduction: the
 * head multicasts its own input.
 */

typedef struct {
    uint32_t ranks, channels;
    FabCollective collective;
    uint64_t size, chunk;
    uint64_t unit;       /* longest rank's piece; all_gather and reduce_scatter */
    uint32_t scatter, in_switch; /* numbers of the roles, NO_ROLE where there is none; gather is the other one */
    uint32_t up_count;   /* connections that lead to heads; those from heads follow */
    FabShare *shares;
    FabEnd *ups, *downs; /* [(channel * ranks + head) * ranks + rank]: ends of the head's step */
} Nvls;

/* The largest NVLink domain announced has 576 GPUs; the ends of all heads' steps take 16 bytes x ranks^2 x channels. */
enum { NO_ROLE = 4, MAX_RANKS = 1024 };

static void
nvls_free(gpointer data)
{
    Nvls *nvls = data;

    g_free(nvls->shares);
    g_free(nvls->ups);
    g_free(nvls->downs);
    g_free(nvls);
}

static inline size_t
end_index(const Nvls *nvls, uint32_t channel, uint32_t head, uint32_t rank)
{
    return ((size_t)channel * nvls->ranks + head) * nvls->ranks + rank;
}

/*
 * Length of a head's chunk in a loop; the offsets are in the buffer of all pieces and in the buffer of one. For
 * all_reduce, the heads' chunks of a loop follow each other, as do the loops, and there is no buffer of one.
 */
static inline uint64_t
head_chunk(const Nvls *nvls, const FabShare *share, uint64_t loop, uint32_t head, uint64_t *in_all, uint64_t *in_one)
{
    uint64_t offset, chunk = loop + 1 == share->loops ? share->last_chunk : nvls->chunk;

    if (nvls->collective == FAB_ALL_REDUCE) {
        offset = loop * nvls->chunk * nvls->ranks + head * chunk;
        *in_all = *in_one = share->offset + offset;
        return fab_emit_clip(offset, chunk, share->bytes);
    }
    offset = loop * nvls->chunk;
    *in_one = share->offset + offset;
    *in_all = nvls->unit * head + *in_one;
    return fab_emit_clip(*in_all, fab_emit_clip(offset, chunk, share->bytes), nvls->size);
}

static void
in_switch_step(const Nvls *nvls, const FabStream *stream, FabStep *step, uint64_t in_one)
{
    size_t first = end_index(nvls, stream->channel, stream->rank, 0);

    step->flags = FAB_STEP_IN_SWITCH;
    if (nvls->ups != NULL) {
        step->recv = nvls->ups + first;
        step->recv_count = (uint16_t)nvls->ranks;
    } else {
        step->src = FAB_BUFFER_INPUT;
        step->src_offset = in_one;
    }
    if (nvls->downs != NULL) {
        step->send = nvls->downs + first;
        step->send_count = (uint16_t)nvls->ranks;
    } else {
        step->dst = FAB_BUFFER_OUTPUT;
        step->dst_offset = in_one;
    }
}

static bool
nvls_step(const FabProgram *program, const FabStream *stream, uint64_t index, FabStep *step)
{
    const Nvls *nvls = program->data;
    const FabShare *share = &nvls->shares[stream->channel];
    uint32_t head = stream->rank; /* of the reduce role; the others take all heads in turn */
    uint64_t loop = stream->role == nvls->in_switch ? index : fab_emit_split(index, nvls->ranks, &head);
    uint64_t in_all, in_one;

    if (loop >= share->loops)
        return false;
    if (stream->role != nvls->in_switch)
        head = head + stream->rank < nvls->ranks ? head + stream->rank : head + stream->rank - nvls->ranks;
    fab_step_begin(step, head_chunk(nvls, share, loop, head, &in_all, &in_one));
    if (stream->role == nvls->in_switch) {
        in_switch_step(nvls, stream, step, in_one);
    } else if (stream->role == nvls->scatter) {
        step->flags = FAB_STEP_LOCAL_SEND;
        step->src = FAB_BUFFER_INPUT;
        step->src_offset = in_all;
        fab_step_send(step, (uint32_t)end_index(nvls, stream->channel, head, stream->rank), head);
    } else {
        step->dst = FAB_BUFFER_OUTPUT;
        step->dst_offset = in_all;
        fab_step_recv(step, nvls->up_count + (uint32_t)end_index(nvls, stream->channel, head, stream->rank), head);
    }
    return true;
}

static FabEnd *
ends_new(const Nvls *nvls, uint32_t first)
{
    uint32_t count = nvls->channels * nvls->ranks * nvls->ranks;
    FabEnd *ends = g_new(FabEnd, count);

    for (uint32_t i = 0; i < count; i++)
        ends[i] = (FabEnd) { first + i, i % nvls->ranks };
    return ends;
}

/*
 * NCCL 2.18 to 2.30: of 20 warps 7 reduce up to 6 ranks, 5 beyond; scatter and gather halve the rest. With one of
 * those roles missing, we give the rest to the other.
 */
static void
share_warps(const Nvls *nvls, FabProgram *program)
{
    double in_switch = nvls->ranks <= 6 ? 7.0 / 20 : 5.0 / 20;

    for (uint32_t role = 0; role < program->roles; role++)
        program->role_share[role] = role == nvls->in_switch ? in_switch : (1 - in_switch) / (program->roles - 1);
}

static Nvls *
nvls_new(const FabCollectiveSpec *spec)
{
    Nvls *nvls = g_new0(Nvls, 1);
    uint64_t start, bytes = spec->size;

    *nvls = (Nvls) {
        .ranks = spec->ranks, .channels = spec->channels, .collective = spec->collective, .size = spec->size,
        .chunk = fab_emit_chunk(spec, spec->slots), .scatter = 0, .in_switch = 1,
    };
    if (spec->collective != FAB_ALL_REDUCE) {
        fab_piece(spec->size, spec->ranks, 0, &start, &nvls->unit);
        bytes = nvls->unit;
    }
    if (spec->collective == FAB_ALL_GATHER) {
        nvls->scatter = NO_ROLE;
        nvls->in_switch = 0;
    } else {
        nvls->ups = ends_new(nvls, 0);
        nvls->up_count = spec->channels * spec->ranks * spec->ranks;
    }
    if (spec->collective != FAB_REDUCE_SCATTER)
        nvls->downs = ends_new(nvls, nvls->up_count);
    nvls->shares = fab_emit_shares(spec, bytes, spec->collective == FAB_ALL_REDUCE ? spec->ranks : 1, nvls->chunk);
    return nvls;
}

FabProgram *
fab_nvls_emit(const FabCollectiveSpec *spec, GError **error)
{
    double pairs = (double)spec->channels * spec->ranks * spec->ranks;
    bool both = spec->collective == FAB_ALL_REDUCE;
    FabProgram *program;
    Nvls *nvls;

    if (spec->ranks_per_node > 0 && spec->ranks_per_node < spec->ranks && both)
        return fab_nvls_network_emit(spec, error);
    if (spec->ranks > MAX_RANKS) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "nvls %s: the number of ranks is %u, must be at most %d",
                    fab_collective_names[spec->collective], spec->ranks, MAX_RANKS);
        return NULL;
    }
    if (!fab_emit_check_connections(spec, both ? 2 * pairs : pairs, error))
        return NULL;
    nvls = nvls_new(spec);
    program = fab_emit_program(spec, "nvls", (uint32_t)(both ? 2 * pairs : pairs), nvls, nvls_free);
    program->step = nvls_step;
    program->roles = both ? 3 : 2;
    share_warps(nvls, program);
    return program;
}
