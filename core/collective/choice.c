/* From a call to a plan: NCCL's cost table, then its channel, thread, chunk and slice arithmetic. */
#include "collective/choice.h"

#include <math.h>
#include <string.h>

#include "base/error.h"

#define KIB UINT64_C(1024)

enum {
    LL_BYTES_PER_THREAD = 8,    /* payload of one LL round */
    LL_STEP = 32768,            /* payload of one LL slot */
    LL128_STEP = 576000,        /* payload of one LL128 slot */
    LL128_PIECE = 9600,         /* forwarded at once (ring study, 3.2) */
    FIFO_SLOTS = 8,
    PCIE_PIECE = 32768,         /* forwarded at once by broadcast, reduce and send/recv over PCIe */
    P2P_LL_BYTES = 16384,       /* NCCL_P2P_LL_THRESHOLD, for each channel */
    MOST_CHANNELS = 64,         /* MAXCHANNELS; a CTA can serve several peers at once */
    CELL = 32768                /* traffic that is not split further over channels */
};

static uint64_t
round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

static uint64_t
divide_up(uint64_t value, uint64_t by)
{
    return (value + by - 1) / by;
}

/* ------------------------------------------------------------------ algorithm and protocol */

static const char *
default_algorithm(FabCollective collective)
{
    switch (collective) {
    case FAB_ALL_TO_ALL:
    case FAB_SEND_RECV:
    case FAB_GATHER:
    case FAB_SCATTER:
        return "pairwise";
    default:
        return "ring";
    }
}

static bool
in_cost_table(const char *algorithm)
{
    return g_strv_contains(fab_nccl_algorithms, algorithm);
}

/* What one rank sends to another in a point-to-point collective. */
static uint64_t
part_of(const FabMachineFacts *facts, FabCollective collective, uint64_t size)
{
    return collective == FAB_SEND_RECV ? size : size / facts->ranks;
}

/* Channels of rings and trees: those of the graph search, within the bounds that were given. */
static uint32_t
most_channels(const FabMachineFacts *facts, const FabWishes *wishes)
{
    uint32_t limit = facts->nccl >= 2025 ? MOST_CHANNELS : MOST_CHANNELS / 2;
    uint32_t most = facts->channels, least = MIN(MAX(wishes->min_channels, wishes->min_ctas), limit);

    if (wishes->max_channels > 0)
        most = MIN(most, wishes->max_channels);
    if (wishes->max_ctas > 0)
        most = MIN(most, wishes->max_ctas);
    return MAX(most, least);
}

static uint32_t
power_of_two_up(uint32_t value)
{
    uint32_t power = 1;

    while (power < value)
        power *= 2;
    return power;
}

/* Payload of one slot of a Simple FIFO. */
static uint64_t
simple_step(const FabWishes *wishes)
{
    return wishes->buffer_bytes > 0 ? wishes->buffer_bytes / FIFO_SLOTS : 512 * KIB;
}

/* From 2.29 on twice as much between racks, as trays of four GPUs put less together (NCCL's src/init.cc). */
static uint64_t
send_chunk(const FabMachineFacts *facts, const FabWishes *wishes)
{
    bool large = facts->transport == FAB_TRANSPORT_NVLINK && facts->nodes <= 1;
    uint64_t chunk = facts->grace && facts->nccl >= 2029 ? 256 * KIB : 128 * KIB;

    return MIN(large ? 512 * KIB : chunk, simple_step(wishes));
}

/*
 * Over a network what does not fill eight slots is cut finer, so that its first bytes leave sooner (NCCL's
 * src/enqueue.cc, tags v2.22.3-1 to v2.30.7-1). Releases before go by the part in one channel; all that is measured
 * with them is Slingshot's (Polaris), where messages of half the length take no more of a NIC, against what its
 * message_gap says, so that they are left whole.
 */
static uint64_t
network_chunk(const FabMachineFacts *facts, FabCollective collective, uint64_t size, uint64_t chunk)
{
    uint64_t bytes = part_of(facts, collective, size);

    if (facts->nodes <= 1 || facts->nccl < 2022)
        return chunk;
    if (bytes < chunk)
        return chunk / 4;
    return bytes < FIFO_SLOTS * chunk ? chunk / 2 : chunk;
}

/*
 * Channels for each peer: halved while those of all peers do not fit, doubled while a part is above 32 chunks, halved
 * again while it is below an eighth of a chunk. Over several nodes a part is a chunk at most, and half of one at least
 * from 2.20 on; releases before that begin with all channels (NCCL's src/enqueue.cc, tags v2.18.3-1 to v2.30.3-1).
 */
static uint32_t
channels_per_peer(const FabMachineFacts *facts, const FabWishes *wishes, uint64_t part)
{
    uint32_t all = power_of_two_up(most_channels(facts, wishes));
    uint32_t most = MIN(power_of_two_up(facts->p2p_per_peer), all), channels = most;
    uint64_t chunk = send_chunk(facts, wishes), large = chunk * 32, small = chunk / 8;

    if (facts->nodes > 1) {
        large = chunk;
        small = facts->nccl < 2020 ? small : chunk / 2;
    }
    while (channels > 1 && channels * facts->ranks > all && (facts->nodes <= 1 || facts->nccl >= 2020))
        channels /= 2;
    while (channels < most && part / channels > large)
        channels *= 2;
    while (channels > 1 && part / channels < small)
        channels /= 2;
    return channels;
}

/* What NCCL's variables leave has nothing that can perform the collective. */
static bool
refuse_kind(const FabMachineFacts *facts, FabCollective collective, uint64_t size, GError **error)
{
    g_autoptr(GString) offered = g_string_new(NULL);

    for (int a = 0; fab_nccl_algorithms[a] != NULL; a++) {
        for (int p = 0; p < FAB_PROTOCOL_COUNT; p++) {
            if (isfinite(fab_nccl_estimate_us(facts, collective, fab_nccl_algorithms[a], (FabProtocol)p, size)))
                g_string_append_printf(offered, "%s%s %s", offered->len > 0 ? ", " : "", fab_nccl_algorithms[a],
                                       fab_protocol_names[p]);
        }
    }
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                "NCCL_ALGO, NCCL_PROTO, NCCL_NVLS_ENABLE, algorithm and protocol leave nothing of what NCCL 2.%u "
                "has for %s here: %s", facts->nccl % 1000, fab_collective_names[collective], offered->str);
    return false;
}

/* NCCL's one row for trees is a chain inside a node, and a tree of chains over several. */
static const char *
tree_of(const FabMachineFacts *facts, const char *algorithm)
{
    return facts->nodes > 1 && strcmp(algorithm, "chain") == 0 ? "tree" : algorithm;
}

static bool
choose_kind(const FabMachineFacts *facts, FabCollective collective, uint64_t size, const FabWishes *wishes,
            const char **algorithm, FabProtocol *protocol, GError **error)
{
    bool fewer = wishes->without_algorithms != 0 || wishes->without_protocols != 0;

    *algorithm = wishes->algorithm != NULL ? wishes->algorithm : default_algorithm(collective);
    *protocol = wishes->protocol >= 0 ? (FabProtocol)wishes->protocol : FAB_PROTOCOL_SIMPLE;
    if (isfinite(fab_nccl_cheapest_us(facts, collective, size, wishes, algorithm, protocol))) {
        *algorithm = tree_of(facts, *algorithm);
        return true;
    }
    if (fewer && collective <= FAB_REDUCE && facts->ranks > 1 && in_cost_table(*algorithm))
        return refuse_kind(facts, collective, size, error);
    if (wishes->protocol >= 0)
        return true;
    if (strcmp(*algorithm, "pairwise") == 0) {
        uint64_t part = part_of(facts, collective, size);
        /*
         * Between nodes send/recv has the shared buffers of Simple alone (src/transport/net.cc). Where NICs are
         * InfiniBand's or EFA's the proxies' times were found with LL, which small calls agree with no less.
         */
        if ((facts->nodes <= 1 || facts->thread_us <= 0) &&
            part <= (uint64_t)P2P_LL_BYTES * channels_per_peer(facts, wishes, part))
            *protocol = FAB_PROTOCOL_LL;
    } else if (size <= 64 * KIB && strcmp(*algorithm, "nvls") != 0 && !facts->simple_only) {
        *protocol = FAB_PROTOCOL_LL; /* not in NCCL's table: small calls take the protocol of low latency */
    }
    return true;
}

/* ------------------------------------------------------------------ channels and threads */

static uint64_t
bytes_per_thread(FabProtocol protocol, uint32_t ranks)
{
    return protocol == FAB_PROTOCOL_LL ? (uint64_t)LL_BYTES_PER_THREAD * ranks
                                       : protocol == FAB_PROTOCOL_LL128 ? 8 : 64;
}

/* Small calls use fewer channels, then fewer threads (NCCL's src/enqueue.cc). */
static void
shrink(const FabMachineFacts *facts, FabCollective collective, uint64_t size, FabPlan *plan)
{
    bool tree = facts->nodes > 1 && strcmp(plan->algorithm->name, "ring") != 0;
    uint64_t each = bytes_per_thread(plan->protocol, tree ? 1 : facts->ranks);
    uint64_t traffic = size * (collective == FAB_ALL_REDUCE ? 2 : 1) * (plan->protocol == FAB_PROTOCOL_LL ? 4 : 1);

    while (plan->channels > 1 && size < plan->channels * plan->threads * each)
        plan->channels--;
    while (plan->channels == 1 && plan->threads % 128 == 0 && size < plan->threads * each)
        plan->threads /= 2;
    plan->channels = (uint32_t)CLAMP(divide_up(traffic, CELL), 1, plan->channels);
}

/* Simple rings that are no faster than PCIe 3 get half of the threads (NCCL's src/graph/tuning.cc). */
static uint32_t
most_threads(const FabMachineFacts *facts, const FabPlan *plan, const FabWishes *wishes)
{
    bool slow = facts->graph_channels * facts->graph_speed <= 12 && strcmp(plan->algorithm->name, "ring") == 0;

    if (plan->protocol == FAB_PROTOCOL_LL128)
        return 640;
    if (wishes->threads > 0)
        return wishes->threads;
    return slow && plan->protocol == FAB_PROTOCOL_SIMPLE ? 256 : 512;
}

static void
choose_channels(const FabMachineFacts *facts, FabCollective collective, uint64_t size, const FabWishes *wishes,
                FabPlan *plan)
{
    bool pairwise = strcmp(plan->algorithm->name, "pairwise") == 0;

    plan->threads = most_threads(facts, plan, wishes);
    plan->channels = most_channels(facts, wishes);
    if (pairwise && facts->ranks > 1) {
        uint32_t pieces = collective == FAB_SEND_RECV ? 1 : facts->ranks; /* a rank's own piece has channels too */
        uint32_t each = channels_per_peer(facts, wishes, part_of(facts, collective, size));
        uint32_t all = power_of_two_up(plan->channels), remote;
        plan->tasks = 2 * pieces;
        plan->channel_bytes = divide_up(part_of(facts, collective, size), each);
        plan->channels = MIN(pieces * each, MOST_CHANNELS);
        remote = MAX(plan->channels - plan->channels / pieces * (pieces > 1), 1);
        plan->cta_share = MIN(1.0, (double)MAX(all, each) / remote);
        plan->peers = MAX(pieces - 1, 1);
    } else if (plan->algorithm->in_switch) {
        uint32_t most = wishes->max_ctas > 0 ? wishes->max_ctas : UINT32_MAX;
        plan->channels = MAX(MIN(facts->nvls_channels, most), MAX(wishes->min_ctas, 1)); /* one rank alone has none */
    } else if (collective <= FAB_REDUCE) {
        shrink(facts, collective, size, plan);
    }
    if (collective == FAB_BARRIER)
        plan->channels = 1;
    if (wishes->channels > 0)
        plan->channels = wishes->channels;
}

/* ------------------------------------------------------------------ chunks and slices */

static uint64_t
longest_nvls(const FabWishes *wishes)
{
    return wishes->nvls_bytes > 0 ? wishes->nvls_bytes : 128 * KIB;
}

/*
 * NVLS shortens its chunk while the call fills too few loops (NCCL's src/enqueue.cc). A longer chunk that was asked for
 * thus keeps chunks of 64 KiB up to larger calls: until they fill 64 loops of it. Above, it is taken for no faster than
 * 128 KiB: 8 GiB on B200 with 512 KiB run at 480 GB/s (stas00-p6b200x8-allreduce), on B300 with 128 KiB at 478
 * (ebpf-b300x8-allreduce-default).
 */
static uint64_t
nvls_chunk(const FabMachineFacts *facts, uint64_t size, uint32_t channels, const FabWishes *wishes)
{
    uint64_t loop = (uint64_t)channels * MIN(facts->ranks, 32);
    uint64_t chunk = longest_nvls(wishes);

    if (size < 64 * loop * chunk && chunk > 64 * KIB)
        chunk = 64 * KIB;
    if (size < 8 * loop * chunk && chunk > 32 * KIB)
        chunk = 32 * KIB;
    if (size < 2 * loop * chunk && chunk > 16 * KIB)
        chunk = 16 * KIB;
    return MIN(chunk, 128 * KIB);
}

/*
 * NVLSTree has bounds of its own, and from four nodes on shorter chunks, since each passes several nodes (NCCL's
 * src/enqueue.cc), or what the release has found.
 */
static uint64_t
nvls_tree_chunk(const FabMachineFacts *facts, uint64_t size, uint32_t channels, const FabWishes *wishes)
{
    static const uint64_t loops[] = { 32, 16, 4, 1 }, shorter[] = { 256 * KIB, 128 * KIB, 64 * KIB, 32 * KIB };
    uint64_t loop = (uint64_t)channels * MIN(facts->local, 32);
    uint64_t most = wishes->nvls_bytes > 0 || facts->nvls_chunk == 0 ? longest_nvls(wishes) : facts->nvls_chunk;
    uint64_t chunk = facts->nodes >= 4 ? 64 * KIB : most;

    if (wishes->nvls_tree_bytes > 0)
        chunk = wishes->nvls_tree_bytes;
    else if (facts->nvls_tree_chunk > 0)
        chunk = facts->nvls_tree_chunk;
    chunk = MIN(chunk, most);
    for (size_t i = 0; i < G_N_ELEMENTS(loops); i++) {
        if (size < loops[i] * loop * chunk && chunk > shorter[i])
            chunk = shorter[i];
    }
    return chunk;
}

/* PAT halves its chunk while a call does not fill it in every channel and for many ranks (NCCL's src/enqueue.cc). */
static uint64_t
pat_chunk(FabCollective collective, uint64_t size, uint64_t chunk, uint32_t channels)
{
    uint64_t many = collective == FAB_ALL_GATHER ? 32 : 16;

    while (chunk * channels * many > size && chunk > 64 * KIB)
        chunk /= 2;
    return chunk;
}

/*
 * Chunks of one slice. Over PCIe those of broadcast, reduce and send/recv are seen to arrive while they are being sent:
 * broadcasting 1 MiB on a pair of 2080 Ti takes 19 us more than its bytes at the full rate, where storing whole chunks
 * first would double it.
 */
static void
use_pieces(const FabMachineFacts *facts, bool in_pieces, FabPlan *plan)
{
    plan->slice_bytes = plan->chunk_bytes;
    if (in_pieces && facts->transport > FAB_TRANSPORT_NVLINK)
        plan->slice_bytes = MIN(PCIE_PIECE, plan->chunk_bytes);
    plan->fences = (double)plan->slice_bytes / (double)plan->chunk_bytes;
    plan->slots = (uint32_t)(FIFO_SLOTS * (plan->chunk_bytes / plan->slice_bytes));
}

/* Up to 2.21 trees over nodes cut what is too little to keep their levels busy (NCCL's src/enqueue.cc). */
static uint64_t
tree_chunk(const FabMachineFacts *facts, uint64_t share, uint64_t chunk)
{
    static const struct {
        uint32_t chunks;
        uint64_t least;
    } rules[] = { { 8, 128 * KIB }, { 4, 64 * KIB }, { 1, 32 * KIB } };
    double depth = facts->local - 1 + floor(log2(facts->nodes));

    for (gsize i = 0; i < G_N_ELEMENTS(rules); i++) {
        while ((double)(share / chunk) < depth * rules[i].chunks && chunk > rules[i].least)
            chunk /= 2;
    }
    return chunk;
}

/* Simple over a ring: 2 MiB chunks of two slices; broadcast and reduce 512 KiB (NCCL's collectives.h). */
static void
simple_chunk(const FabMachineFacts *facts, FabCollective collective, uint64_t size, const FabWishes *wishes,
             FabPlan *plan)
{
    uint64_t step = simple_step(wishes), most = 4 * step, share;

    if (strcmp(plan->algorithm->name, "ring") != 0) {
        bool pairwise = strcmp(plan->algorithm->name, "pairwise") == 0;
        plan->chunk_bytes = step;
        if (pairwise)
            plan->chunk_bytes = network_chunk(facts, collective, size, send_chunk(facts, wishes));
        if (strcmp(plan->algorithm->name, "pat") == 0)
            plan->chunk_bytes = pat_chunk(collective, size, step, plan->channels);
        if (facts->nodes > 1 && facts->nccl < 2022 && strcmp(plan->algorithm->name, "tree") == 0)
            plan->chunk_bytes = tree_chunk(facts, divide_up(size, plan->channels), step);
        use_pieces(facts, pairwise, plan);
        return;
    }
    if (collective == FAB_BROADCAST || collective == FAB_REDUCE) {
        plan->chunk_bytes = step;
        use_pieces(facts, true, plan);
        return;
    }
    share = divide_up(divide_up(size, plan->channels), facts->ranks);
    plan->chunk_bytes = most;
    plan->slice_bytes = MAX(round_up(divide_up(MIN(share, most), 2), 16), most / 64);
    plan->slots = FIFO_SLOTS / 2;
    /* The second slice of a chunk that fits into one takes a slot, too: between nodes two messages are on their way. */
    if (facts->nodes > 1 && share <= plan->slice_bytes)
        plan->slots = FIFO_SLOTS / 4;
}

/*
 * A channel's share of a ring call is cut into as many chunks as ranks. A tree's chunk is halved while a channel has
 * few of them (NCCL's src/enqueue.cc). Between nodes whole chunks are sent, and a ring over several nodes is seen to
 * hand on whole chunks everywhere: all-reduce of 1 to 64 MiB on two and four DGX A100 takes, for each of its steps, a
 * hop and a chunk at what a CTA reaches.
 */
static void
ll128_chunk(const FabMachineFacts *facts, uint64_t size, FabPlan *plan)
{
    uint64_t share = divide_up(size, plan->channels), chunk = LL128_STEP;
    bool tree = strcmp(tree_of(facts, "chain"), plan->algorithm->name) == 0;
    uint64_t piece = tree && facts->nodes > 1 ? LL128_PIECE / 2 : LL128_PIECE; /* half of the threads go each way */
    double ranks = facts->nodes > 1 ? facts->local : facts->ranks;
    double steps = 1 + 0.1 * ranks + (facts->nodes > 1 ? floor(log2(facts->nodes)) : 0);

    while (tree && (double)(share / chunk) < steps * 64 / ranks && chunk > 128 * KIB)
        chunk /= 2;
    while (tree && (double)(share / chunk) < steps * 16 / ranks && chunk > 32 * KIB)
        chunk /= 2;
    if (!tree)
        share = divide_up(share, facts->ranks);
    plan->chunk_bytes = chunk;
    if (!tree && facts->nodes > 1)
        piece = chunk;
    plan->slice_bytes = MIN(MAX(round_up(divide_up(MIN(share, chunk), 16), 16), piece), chunk);
    plan->slots = (uint32_t)(FIFO_SLOTS * (chunk / plan->slice_bytes));
}

static void
choose_chunks(const FabMachineFacts *facts, FabCollective collective, uint64_t size, const FabWishes *wishes,
              FabPlan *plan)
{
    if (plan->algorithm->in_switch) {
        plan->chunk_bytes = plan->slice_bytes =
            facts->nodes > 1 ? nvls_tree_chunk(facts, size, plan->channels, wishes)
                             : nvls_chunk(facts, size, plan->channels, wishes);
        plan->slots = FIFO_SLOTS;
    } else if (plan->protocol == FAB_PROTOCOL_LL) {
        plan->chunk_bytes = LL_STEP;
        plan->slice_bytes = (uint64_t)plan->threads * LL_BYTES_PER_THREAD;
        plan->slots = (uint32_t)(FIFO_SLOTS * (LL_STEP / plan->slice_bytes));
    } else if (plan->protocol == FAB_PROTOCOL_LL128) {
        ll128_chunk(facts, size, plan);
    } else {
        simple_chunk(facts, collective, size, wishes, plan);
    }
    if (wishes->chunk_bytes > 0) {
        plan->chunk_bytes = wishes->chunk_bytes;
        plan->slice_bytes = MIN(plan->slice_bytes, plan->chunk_bytes);
    }
    if (wishes->slice_bytes > 0)
        plan->slice_bytes = MIN(wishes->slice_bytes, plan->chunk_bytes);
    if (wishes->slots > 0)
        plan->slots = wishes->slots;
}

static bool
simple_only(const FabAlgorithm *algorithm)
{
    return algorithm->in_switch || strcmp(algorithm->name, "pat") == 0 || g_str_has_prefix(algorithm->name, "collnet");
}

/* What cannot run over several nodes, or is not modelled there. */
static bool
check_nodes(const FabMachineFacts *facts, FabCollective collective, const FabAlgorithm *algorithm, GError **error)
{
    bool collnet = g_str_has_prefix(algorithm->name, "collnet"), nvls = strcmp(algorithm->name, "nvls") == 0;

    if ((!collnet && !nvls) || (facts->collnet && (collnet || collective == FAB_ALL_REDUCE)))
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "algorithm %s needs %s; use ring, tree or nvls-tree",
                algorithm->name, facts->collnet ? "one NVSwitch that joins all ranks for all but all_reduce"
                                : collnet       ? "a network that reduces (sharp=on of the cluster) and "
                                                  "NCCL_COLLNET_ENABLE=1"
                                                : "one NVSwitch that joins all ranks, here they are on several nodes, "
                                                  "or a network that reduces (sharp=on) and NCCL_COLLNET_ENABLE=1");
    return false;
}

bool
fab_choose(const FabMachineFacts *facts, FabCollective collective, uint64_t size, const FabWishes *wishes,
           FabPlan *plan, GError **error)
{
    const char *name = NULL;

    *plan = (FabPlan) { .rooted = collective == FAB_BROADCAST || collective == FAB_REDUCE };
    if (!choose_kind(facts, collective, size, wishes, &name, &plan->protocol, error))
        return false;
    plan->algorithm = fab_algorithm_find(name, error);
    if (plan->algorithm == NULL)
        return false;
    if (facts->nodes > 1 && !check_nodes(facts, collective, plan->algorithm, error))
        return false;
    if (plan->algorithm->in_switch && !facts->in_switch && facts->ranks > 1) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "algorithm %s needs an NVSwitch with in-switch reduction that joins all ranks; use ring", name);
        return false;
    }
    if (plan->algorithm->several_nodes && facts->nodes <= 1 && facts->ranks > 1) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "algorithm %s joins several nodes by a network, here all ranks are on one node, where NCCL does "
                    "not run it; use ring, chain or nvls", name);
        return false;
    }
    if (strcmp(name, "pat") == 0 && !facts->pat && facts->ranks > 1 && facts->local != 1) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "algorithm pat has %s, NCCL runs PAT inside a node with NCCL_PAT_ENABLE=1 only; "
                    "add that or use ring",
                    facts->nodes > 1 ? "several ranks on a node" : "all ranks on one node");
        return false;
    }
    if (simple_only(plan->algorithm) && wishes->protocol >= 0 && wishes->protocol != FAB_PROTOCOL_SIMPLE) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "algorithm %s runs with protocol simple only, not %s", name,
                    fab_protocol_names[wishes->protocol]);
        return false;
    }
    if (simple_only(plan->algorithm))
        plan->protocol = FAB_PROTOCOL_SIMPLE;
    choose_channels(facts, collective, size, wishes, plan);
    choose_chunks(facts, collective, size, wishes, plan);
    return true;
}
