#include "collective/collective.h"

#include <string.h>

#include "base/error.h"
#include "collective/emit.h"

#define BIT(collective) (1u << (collective))

/* Bounds that keep every product of the emitters far from overflow, and far above any machine. */
#define MAX_BYTES (UINT64_C(1) << 42)
enum { MAX_RANKS = 1 << 20, MAX_CHANNELS = 1 << 10, PIECE_ALIGNMENT = 16 };

const char *const fab_collective_names[] = {
    [FAB_ALL_REDUCE] = "all_reduce",
    [FAB_ALL_GATHER] = "all_gather",
    [FAB_REDUCE_SCATTER] = "reduce_scatter",
    [FAB_BROADCAST] = "broadcast",
    [FAB_REDUCE] = "reduce",
    [FAB_ALL_TO_ALL] = "alltoall",
    [FAB_SEND_RECV] = "sendrecv",
    [FAB_GATHER] = "gather",
    [FAB_SCATTER] = "scatter",
    [FAB_BARRIER] = "barrier",
    [FAB_COLLECTIVE_COUNT] = NULL,
};

const FabAlgorithm fab_algorithms[] = {
    { "ring", "a ring a channel; every byte passes every rank", BIT(FAB_ALL_REDUCE) | BIT(FAB_ALL_GATHER) |
      BIT(FAB_REDUCE_SCATTER) | BIT(FAB_BROADCAST) | BIT(FAB_REDUCE) | BIT(FAB_BARRIER), false, false, fab_ring_emit },
    { "tree", "two complementary binary trees, reduced upwards and broadcast downwards at once",
      BIT(FAB_ALL_REDUCE) | BIT(FAB_BARRIER), false, false, fab_tree_emit },
    { "chain", "NCCL's tree inside one machine: a chain in ring order, up and down at once",
      BIT(FAB_ALL_REDUCE) | BIT(FAB_BARRIER), false, false, fab_chain_emit },
    { "halving-doubling", "exchanges with partners at doubling distances, halving and doubling the data",
      BIT(FAB_ALL_REDUCE) | BIT(FAB_ALL_GATHER) | BIT(FAB_REDUCE_SCATTER), false, false, fab_halving_emit },
    { "pairwise", "every rank sends to every other one directly, in rounds", BIT(FAB_ALL_TO_ALL) | BIT(FAB_SEND_RECV) |
      BIT(FAB_GATHER) | BIT(FAB_SCATTER) | BIT(FAB_ALL_GATHER) | BIT(FAB_REDUCE_SCATTER), false, false,
      fab_pairwise_emit },
    { "nvls", "the switch reduces and multicasts; every rank is the head of one piece",
      BIT(FAB_ALL_REDUCE) | BIT(FAB_ALL_GATHER) | BIT(FAB_REDUCE_SCATTER), true, false, fab_nvls_emit },
    { "pat", "a binomial tree for each rank's piece, farthest edges first, small pieces together",
      BIT(FAB_ALL_GATHER) | BIT(FAB_REDUCE_SCATTER), false, false, fab_pat_emit },
    { "nvls-tree", "the switch of each node reduces and multicasts, double binary trees join the nodes",
      BIT(FAB_ALL_REDUCE), true, true, fab_nvls_tree_emit },
    { "collnet-direct", "up to eight heads of a node reduce a piece each, the network reduces over the nodes",
      BIT(FAB_ALL_REDUCE), false, true, fab_collnet_direct_emit },
    { "collnet-chain", "a chain in each node, the network reduces over the nodes", BIT(FAB_ALL_REDUCE), false, true,
      fab_collnet_chain_emit },
    { "dissemination", "signals at doubling distances", BIT(FAB_BARRIER), false, false, fab_dissemination_emit },
    { 0 },
};

void
fab_piece(uint64_t size, uint32_t ranks, uint32_t r, uint64_t *offset, uint64_t *bytes)
{
    uint64_t unit = size / ranks + (size % ranks != 0);

    unit = (unit + PIECE_ALIGNMENT - 1) / PIECE_ALIGNMENT * PIECE_ALIGNMENT;
    *offset = MIN(unit * r, size);
    *bytes = MIN(unit, size - *offset);
}

static uint64_t
longest_piece(uint64_t size, uint32_t ranks)
{
    uint64_t offset, bytes;

    fab_piece(size, ranks, 0, &offset, &bytes);
    return bytes;
}

uint64_t
fab_collective_input_bytes(FabCollective collective, uint64_t size, uint32_t ranks)
{
    switch (collective) {
    case FAB_ALL_GATHER:
    case FAB_GATHER:
        return longest_piece(size, ranks);
    case FAB_BARRIER:
        return 0;
    default:
        return size;
    }
}

uint64_t
fab_collective_output_bytes(FabCollective collective, uint64_t size, uint32_t ranks)
{
    switch (collective) {
    case FAB_REDUCE_SCATTER:
    case FAB_SCATTER:
        return longest_piece(size, ranks);
    case FAB_ALL_TO_ALL:
        /* Each source's piece for this rank has a place of the longest piece's length. */
        return longest_piece(size, ranks) * ranks;
    case FAB_BARRIER:
        return 0;
    default:
        return size;
    }
}

double
fab_collective_bus_factor(FabCollective collective, uint32_t ranks)
{
    switch (collective) {
    case FAB_ALL_REDUCE:
        return 2.0 * (ranks - 1) / ranks;
    case FAB_ALL_GATHER:
    case FAB_REDUCE_SCATTER:
    case FAB_ALL_TO_ALL:
    case FAB_GATHER:
    case FAB_SCATTER:
        return (double)(ranks - 1) / ranks;
    case FAB_BARRIER:
        return 0;
    default:
        return 1;
    }
}

static bool
check_value(const FabCollectiveSpec *spec, GError **error, const char *key, uint64_t found, uint64_t least,
            uint64_t most)
{
    if (found >= least && found <= most)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: %s is %" G_GUINT64_FORMAT ", must be between %"
                G_GUINT64_FORMAT " and %" G_GUINT64_FORMAT, fab_collective_names[spec->collective], key, found, least,
                most);
    return false;
}

static bool
check_order(const FabCollectiveSpec *spec, GError **error)
{
    g_autofree bool *seen = g_new(bool, spec->ranks);

    for (uint32_t c = 0; spec->order != NULL && c < spec->channels; c++) {
        memset(seen, 0, spec->ranks * sizeof *seen);
        for (uint32_t p = 0; p < spec->ranks; p++) {
            uint32_t rank = spec->order[(size_t)c * spec->ranks + p];

            if (rank < spec->ranks && !seen[rank]) {
                seen[rank] = true;
                continue;
            }
            g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                        "%s: the ring of channel %u has rank %u at position %u%s, it must have each of 0 to %u once",
                        fab_collective_names[spec->collective], c, rank, p,
                        rank < spec->ranks ? " for the second time" : "", spec->ranks - 1);
            return false;
        }
    }
    return true;
}

static bool
check_nodes(const FabCollectiveSpec *spec, GError **error)
{
    if (spec->ranks_per_node == 0 || spec->ranks % spec->ranks_per_node == 0)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: %u ranks cannot be on nodes of %u each, must be a multiple",
                fab_collective_names[spec->collective], spec->ranks, spec->ranks_per_node);
    return false;
}

static bool
check_spec(const FabCollectiveSpec *spec, GError **error)
{
    return check_value(spec, error, "size", spec->size, 0, MAX_BYTES) &&
           check_value(spec, error, "the number of ranks", spec->ranks, 1, MAX_RANKS) &&
           check_nodes(spec, error) &&
           check_value(spec, error, "root", spec->root, 0, spec->ranks - 1) &&
           check_value(spec, error, "the number of channels", spec->channels, 1, MAX_CHANNELS) &&
           check_value(spec, error, "chunk", spec->chunk_bytes, 1, MAX_BYTES) &&
           check_value(spec, error, "slice", spec->slice_bytes, 1, spec->chunk_bytes) &&
           check_value(spec, error, "slots", spec->slots, 1, UINT16_MAX) && check_order(spec, error);
}

const FabAlgorithm *
fab_algorithm_find(const char *name, GError **error)
{
    const char *names[G_N_ELEMENTS(fab_algorithms)] = { NULL };
    g_autofree char *suggestion = NULL;

    for (size_t i = 0; fab_algorithms[i].name != NULL; i++) {
        if (strcmp(name, fab_algorithms[i].name) == 0)
            return &fab_algorithms[i];
        names[i] = fab_algorithms[i].name;
    }
    suggestion = fab_suggestion(name, names);
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "algorithm %.60s is not known%s", name, suggestion);
    return NULL;
}

/* "ring, nvls": the algorithms that perform a collective. Owned by the caller. */
static char *
performers(FabCollective collective)
{
    GString *list = g_string_new(NULL);

    for (const FabAlgorithm *row = fab_algorithms; row->name != NULL; row++)
        if (row->collectives & BIT(collective))
            g_string_append_printf(list, "%s%s", list->len > 0 ? ", " : "", row->name);
    return g_string_free(list, FALSE);
}

FabProgram *
fab_collective_emit(const FabAlgorithm *algorithm, const FabCollectiveSpec *spec, GError **error)
{
    if ((unsigned)spec->collective >= FAB_COLLECTIVE_COUNT) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "collective %d does not exist", (int)spec->collective);
        return NULL;
    }
    if (!(algorithm->collectives & BIT(spec->collective))) {
        g_autofree char *able = performers(spec->collective);

        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "algorithm %s cannot perform %s; accepted: %s", algorithm->name,
                    fab_collective_names[spec->collective], able);
        return NULL;
    }
    if (!check_spec(spec, error))
        return NULL;
    if (spec->ranks == 1)
        return fab_alone_emit(spec, algorithm->name);
    return algorithm->emit(spec, error);
}

/* Where one part of a rank's output comes from: the input of rank `from`, or all inputs reduced. */
typedef struct {
    bool reduced;
    uint32_t from;
    uint64_t from_offset, offset, bytes;
} Part;

static uint8_t
expected_byte(const FabCollectiveSpec *spec, bool max, const uint8_t *const *input, const Part *part, uint64_t i)
{
    uint8_t value = 0;

    if (!part->reduced)
        return input[part->from][part->from_offset + i];
    for (uint32_t r = 0; r < spec->ranks; r++) {
        uint8_t other = input[r][part->from_offset + i];

        value = max ? MAX(value, other) : (uint8_t)(value + other);
    }
    return value;
}

static bool
reduces(FabCollective collective)
{
    return collective == FAB_ALL_REDUCE || collective == FAB_REDUCE_SCATTER || collective == FAB_REDUCE;
}

/* Part `p` of rank r's output; false when it has none. Only all_gather, alltoall and gather have one for every rank. */
static bool
expected_part(const FabCollectiveSpec *spec, uint32_t r, uint32_t p, Part *part)
{
    uint32_t n = spec->ranks;

    *part = (Part) { .reduced = reduces(spec->collective), .bytes = spec->size };
    switch (spec->collective) {
    case FAB_GATHER:
    case FAB_ALL_GATHER:
        part->from = p;
        fab_piece(spec->size, n, p, &part->offset, &part->bytes);
        return spec->collective == FAB_ALL_GATHER || r == spec->root;
    case FAB_ALL_TO_ALL:
        part->from = p;
        fab_piece(spec->size, n, r, &part->from_offset, &part->bytes);
        part->offset = longest_piece(spec->size, n) * p;
        return true;
    case FAB_SCATTER:
    case FAB_REDUCE_SCATTER:
        part->from = spec->root;
        fab_piece(spec->size, n, r, &part->from_offset, &part->bytes);
        return p == 0;
    case FAB_BROADCAST:
        part->from = spec->root;
        return p == 0;
    case FAB_SEND_RECV:
        part->from = (r + n - 1) % n;
        return p == 0 && !(spec->one_way && r == 0);
    case FAB_REDUCE:
        return p == 0 && r == spec->root;
    case FAB_ALL_REDUCE:
        return p == 0;
    default:
        return false;
    }
}

void
fab_collective_expect(const FabCollectiveSpec *spec, bool max, const uint8_t *const *input, uint32_t r,
                      uint8_t *output, uint8_t *defined)
{
    Part part;

    memset(defined, 0, fab_collective_output_bytes(spec->collective, spec->size, spec->ranks));
    for (uint32_t p = 0; p < spec->ranks; p++) {
        if (!expected_part(spec, r, p, &part))
            continue;
        for (uint64_t i = 0; i < part.bytes; i++) {
            output[part.offset + i] = expected_byte(spec, max, input, &part, i);
            defined[part.offset + i] = 1;
        }
    }
}
