/* The shapes of the algorithms: steps, partners, and bytes moved through every rank's port. */
#include <check.h>
#include <string.h>

#include "collective/collective.h"
#include "program/interpreter.h"
#include "suite.h"

/* Bytes that cross each rank's port, as the engine counts them. */
typedef struct {
    uint64_t *out, *in;
} Traffic;

static void
add_step(const FabStep *step, uint32_t rank, Traffic *traffic)
{
    if (step->flags & FAB_STEP_LOCAL_SEND)
        return;
    if (step->flags & FAB_STEP_IN_NETWORK) {
        /* The network reads from one head in each node and writes to them; no rank does it. */
        for (uint32_t i = 0; i < step->recv_count; i++) {
            traffic->out[step->recv[i].peer] += step->bytes;
            traffic->in[step->send[i].peer] += step->bytes;
        }
        return;
    }
    if (!(step->flags & FAB_STEP_IN_SWITCH)) {
        for (uint32_t i = 0; i < step->send_count; i++) {
            traffic->out[rank] += step->bytes;
            traffic->in[step->send[i].peer] += step->bytes;
        }
        return;
    }
    /* Every rank serves a read, the reader gets one reduced value; the writer sends one, every rank gets a copy. */
    for (uint32_t i = 0; i < step->recv_count; i++)
        traffic->out[step->recv[i].peer] += step->bytes;
    traffic->in[rank] += step->recv_count > 0 ? step->bytes : 0;
    for (uint32_t i = 0; i < step->send_count; i++)
        traffic->in[step->send[i].peer] += step->bytes;
    traffic->out[rank] += step->send_count > 0 ? step->bytes : 0;
}

static void
count_traffic_on(const char *algorithm, FabCollective collective, uint64_t size, uint32_t ranks,
                 uint32_t ranks_per_node, uint32_t channels, Traffic *traffic)
{
    FabCollectiveSpec spec = {
        .collective = collective, .size = size, .ranks = ranks, .ranks_per_node = ranks_per_node,
        .channels = channels, .chunk_bytes = 4096, .slice_bytes = 4096, .slots = 8,
    };
    g_autoptr(FabProgram) program = fab_collective_emit(fab_algorithm_find(algorithm, NULL), &spec, NULL);
    FabStream stream;
    FabStep step;

    traffic->out = g_new0(uint64_t, ranks);
    traffic->in = g_new0(uint64_t, ranks);
    for (stream.rank = 0; stream.rank < ranks; stream.rank++)
        for (stream.channel = 0; stream.channel < channels; stream.channel++)
            for (stream.role = 0; stream.role < program->roles; stream.role++)
                for (uint64_t i = 0; program->step(program, &stream, i, &step); i++)
                    add_step(&step, stream.rank, traffic);
}

static void
count_traffic(const char *algorithm, FabCollective collective, uint64_t size, uint32_t ranks, uint32_t channels,
              Traffic *traffic)
{
    count_traffic_on(algorithm, collective, size, ranks, 0, channels, traffic);
}

static void
check_traffic(const char *algorithm, FabCollective collective, uint32_t ranks, uint64_t size, uint64_t out, uint64_t in)
{
    Traffic traffic;

    count_traffic(algorithm, collective, size, ranks, 2, &traffic);
    for (uint32_t r = 0; r < ranks; r++) {
        ck_assert_msg(traffic.out[r] == out, "%s %s: rank %u of %u sends %" G_GUINT64_FORMAT ", not %" G_GUINT64_FORMAT,
                      fab_collective_names[collective], algorithm, r, ranks, traffic.out[r], out);
        ck_assert_msg(traffic.in[r] == in, "%s %s: rank %u of %u receives %" G_GUINT64_FORMAT ", not %"
                      G_GUINT64_FORMAT, fab_collective_names[collective], algorithm, r, ranks, traffic.in[r], in);
    }
    g_free(traffic.out);
    g_free(traffic.in);
}

START_TEST(every_rank_moves_as_many_bytes_as_the_formula_says)
{
    for (uint32_t n = 2; n <= 16; n += n < 5 ? 1 : 3) {
        uint64_t piece = 32 * 1024, size = piece * n;

        check_traffic("ring", FAB_ALL_REDUCE, n, size, 2 * (size - piece), 2 * (size - piece));
        check_traffic("ring", FAB_ALL_GATHER, n, size, size - piece, size - piece);
        check_traffic("ring", FAB_REDUCE_SCATTER, n, size, size - piece, size - piece);
        check_traffic("pat", FAB_ALL_GATHER, n, size, size - piece, size - piece);
        check_traffic("pat", FAB_REDUCE_SCATTER, n, size, size - piece, size - piece);
        check_traffic("pairwise", FAB_ALL_TO_ALL, n, size, size - piece, size - piece);
        check_traffic("pairwise", FAB_ALL_GATHER, n, size, size - piece, size - piece);
        check_traffic("pairwise", FAB_REDUCE_SCATTER, n, size, size - piece, size - piece);
        check_traffic("pairwise", FAB_SEND_RECV, n, size, size, size);
        check_traffic("nvls", FAB_ALL_REDUCE, n, size, size + piece, size + piece);
        check_traffic("nvls", FAB_ALL_GATHER, n, size, piece, size);
        check_traffic("nvls", FAB_REDUCE_SCATTER, n, size, size, piece);
    }
    for (uint32_t n = 2; n <= 32; n *= 2) {
        uint64_t piece = 32 * 1024, size = piece * n;

        check_traffic("halving-doubling", FAB_ALL_REDUCE, n, size, 2 * (size - piece), 2 * (size - piece));
        check_traffic("halving-doubling", FAB_ALL_GATHER, n, size, size - piece, size - piece);
        check_traffic("halving-doubling", FAB_REDUCE_SCATTER, n, size, size - piece, size - piece);
    }
}
END_TEST

static void
check_rank(const char *algorithm, const Traffic *traffic, uint32_t rank, uint64_t bytes)
{
    ck_assert_msg(traffic->out[rank] == bytes && traffic->in[rank] == bytes,
                  "%s: rank %u sends %" G_GUINT64_FORMAT " and receives %" G_GUINT64_FORMAT ", not %" G_GUINT64_FORMAT,
                  algorithm, rank, traffic->out[rank], traffic->in[rank], bytes);
}

/* Four nodes. What goes over NVLink and what goes to the network are added up. */
START_TEST(algorithms_of_several_nodes_move_as_many_bytes_as_nccls)
{
    enum { NODES = 4 };

    for (uint32_t local = 1; local <= 8; local++) {
        const uint64_t piece = 32 * 1024, size = piece * local;
        uint64_t sum = 0;
        Traffic traffic;

        count_traffic_on("collnet-direct", FAB_ALL_REDUCE, size, local * NODES, local, 2, &traffic);
        for (uint32_t r = 0; r < local * NODES; r++)
            check_rank("collnet-direct", &traffic, r, 2 * (size - piece) + piece);
        g_free(traffic.out);
        g_free(traffic.in);
        count_traffic_on("collnet-chain", FAB_ALL_REDUCE, size, local * NODES, local, 2, &traffic);
        for (uint32_t r = 0; r < local * NODES; r++)
            check_rank("collnet-chain", &traffic, r, r % local == local - 1 ? size : 2 * size);
        g_free(traffic.out);
        g_free(traffic.in);
        count_traffic_on("nvls-tree", FAB_ALL_REDUCE, size, local * NODES, local, 2, &traffic);
        for (uint32_t r = 0; r < local * NODES; r++) {
            ck_assert_uint_ge(traffic.out[r], size + piece); /* as NVLS on one node, and the tree */
            ck_assert_uint_le(traffic.out[r], size + piece + 2 * piece);
            sum += traffic.out[r];
        }
        ck_assert_uint_eq(sum, (size + piece) * local * NODES + 2 * size * (NODES - 1));
        g_free(traffic.out);
        g_free(traffic.in);
        count_traffic_on("nvls", FAB_ALL_REDUCE, size, local * NODES, local, 2, &traffic);
        for (uint32_t r = 0; r < local * NODES; r++)
            check_rank("nvls", &traffic, r, size + piece + piece); /* as on one node, and each piece to the network */
        g_free(traffic.out);
        g_free(traffic.in);
    }
}
END_TEST

/* Steps of a loop until a rank has heard of every other one, when small pieces go together: log2 n rounds. */
START_TEST(pat_sends_far_first_and_every_rank_talks_to_few)
{
    for (uint32_t n = 2; n <= 64; n *= 2) {
        FabCollectiveSpec spec = {
            .collective = FAB_ALL_GATHER, .size = 16 * n, .ranks = n, .channels = 1, .chunk_bytes = 4096,
            .slice_bytes = 4096, .slots = 8,
        };
        g_autoptr(FabProgram) program = fab_collective_emit(fab_algorithm_find("pat", NULL), &spec, NULL);
        uint32_t distance = n, sent = 0;
        FabStep step;

        for (uint64_t i = 0; program->step(program, &(FabStream) { 0, 0, 0 }, i, &step); i++) {
            if (step.send_count == 0)
                continue;
            ck_assert_uint_le(step.send[0].peer, distance);
            ck_assert_uint_eq(step.send[0].peer & (step.send[0].peer - 1), 0);
            distance = step.send[0].peer;
            sent++;
        }
        ck_assert_uint_eq(distance, 1);
        ck_assert_uint_eq(sent, n - 1);
    }
}
END_TEST

/* Large pieces are walked depth first: a rank holds one sum for each dimension at most. */
START_TEST(pat_keeps_few_sums_of_large_pieces)
{
    for (uint32_t n = 2; n <= 64; n++) {
        FabCollectiveSpec spec = {
            .collective = FAB_REDUCE_SCATTER, .size = 4096 * n, .ranks = n, .channels = 1, .chunk_bytes = 64,
            .slice_bytes = 64, .slots = 8,
        };
        g_autoptr(FabProgram) program = fab_collective_emit(fab_algorithm_find("pat", NULL), &spec, NULL);
        uint32_t dimensions = 0;

        while (1u << dimensions < n)
            dimensions++;
        ck_assert_uint_le(program->scratch_bytes, dimensions * 64);
    }
}
END_TEST

static const uint32_t parents_of_14[] = { 0, 2, 4, 2, 8, 6, 4, 6, 0, 10, 12, 10, 8, 12 };

/* The tree that NCCL's source draws for 14 ranks: 0 - 8 - (4 - (2 - (1 3), 6 - (5 7)), 12 - (10 - (9 11), 13)). */
START_TEST(the_first_tree_is_the_one_that_nccl_builds)
{
    FabCollectiveSpec spec = {
        .collective = FAB_ALL_REDUCE, .size = 64, .ranks = 14, .channels = 2, .chunk_bytes = 64, .slice_bytes = 64,
        .slots = 8,
    };
    g_autoptr(FabProgram) program = fab_collective_emit(fab_algorithm_find("tree", NULL), &spec, NULL);

    for (uint32_t r = 1; r < 14; r++) {
        FabStep step;

        ck_assert(program->step(program, &(FabStream) { r, 0, 0 }, 0, &step));
        ck_assert_uint_eq(step.send[0].peer, parents_of_14[r]);
        /* The second tree is the mirror image. */
        ck_assert(program->step(program, &(FabStream) { 13 - r, 1, 0 }, 0, &step));
        ck_assert_uint_eq(step.send[0].peer, 13 - parents_of_14[r]);
    }
}
END_TEST

/* Each tree has half of the data, and each of its n - 1 edges carries that half up and down. */
START_TEST(the_double_tree_moves_at_most_twice_the_data_through_any_rank)
{
    for (uint32_t n = 2; n <= 33; n++) {
        const uint64_t size = 64 * 1024;
        uint64_t sum = 0;
        Traffic traffic;

        count_traffic("tree", FAB_ALL_REDUCE, size, n, 2, &traffic);
        for (uint32_t r = 0; r < n; r++) {
            ck_assert_uint_eq(traffic.out[r], traffic.in[r]);
            /* An odd number of ranks is shifted, and one rank may be within both trees. */
            ck_assert_uint_le(traffic.out[r], n % 2 == 0 ? 2 * size : 3 * size);
            sum += traffic.out[r];
        }
        ck_assert_uint_eq(sum, 2 * size * (n - 1));
        g_free(traffic.out);
        g_free(traffic.in);
    }
}
END_TEST

START_TEST(a_chain_moves_the_data_once_up_and_once_down_every_link)
{
    const uint64_t size = 64 * 1024;
    Traffic traffic;

    count_traffic("chain", FAB_ALL_REDUCE, size, 5, 2, &traffic);
    ck_assert_uint_eq(traffic.out[0], size);
    ck_assert_uint_eq(traffic.out[2], 2 * size);
    ck_assert_uint_eq(traffic.out[4], size);
    g_free(traffic.out);
    g_free(traffic.in);
}
END_TEST

static char *
step_names(const char *algorithm, FabCollective collective, uint32_t ranks, FabStream stream)
{
    FabCollectiveSpec spec = {
        .collective = collective, .size = 64, .ranks = ranks, .channels = 1, .chunk_bytes = 4096,
        .slice_bytes = 4096, .slots = 8,
    };
    g_autoptr(FabProgram) program = fab_collective_emit(fab_algorithm_find(algorithm, NULL), &spec, NULL);
    GString *names = g_string_new(NULL);
    FabStep step;

    for (uint64_t i = 0; program->step(program, &stream, i, &step); i++)
        g_string_append_printf(names, "%s%s", i > 0 ? " " : "", fab_step_name(&step));
    return g_string_free(names, FALSE);
}

static void
check_names(const char *algorithm, FabCollective collective, uint32_t rank, uint32_t role, const char *expected)
{
    g_autofree char *names = step_names(algorithm, collective, 4, (FabStream) { rank, 0, role });

    ck_assert_str_eq(names, expected);
}

START_TEST(steps_are_the_primitives_that_nccl_runs)
{
    check_names("ring", FAB_ALL_REDUCE, 1, 0, "send recvReduceSend recvReduceSend recvReduceCopySend recvCopySend "
                "recvCopySend recv");
    check_names("ring", FAB_ALL_GATHER, 1, 0, "copySend recvCopySend recvCopySend recv");
    check_names("ring", FAB_REDUCE_SCATTER, 1, 0, "send recvReduceSend recvReduceSend recvReduceCopy");
    check_names("ring", FAB_BROADCAST, 0, 0, "copySend");
    check_names("ring", FAB_BROADCAST, 2, 0, "recvCopySend");
    check_names("ring", FAB_BROADCAST, 3, 0, "recv");
    check_names("ring", FAB_REDUCE, 0, 0, "recvReduceCopy");
    check_names("ring", FAB_REDUCE, 1, 0, "send");
    check_names("ring", FAB_REDUCE, 3, 0, "recvReduceSend");
    check_names("tree", FAB_ALL_REDUCE, 0, 0, "recvReduceCopySend");
    check_names("tree", FAB_ALL_REDUCE, 0, 1, "");
    check_names("tree", FAB_ALL_REDUCE, 2, 0, "recvReduceSend");
    check_names("tree", FAB_ALL_REDUCE, 2, 1, "recvCopySend");
    check_names("tree", FAB_ALL_REDUCE, 3, 0, "send");
    check_names("tree", FAB_ALL_REDUCE, 3, 1, "recv");
    check_names("nvls", FAB_ALL_REDUCE, 0, 0, "send send send send");
    check_names("nvls", FAB_ALL_REDUCE, 0, 1, "recvReduceSend");
    check_names("nvls", FAB_ALL_REDUCE, 0, 2, "recv recv recv recv");
    check_names("pairwise", FAB_ALL_TO_ALL, 0, 0, "copy send send send");
    check_names("pairwise", FAB_ALL_TO_ALL, 0, 1, "recv recv recv");
}
END_TEST

START_TEST(the_last_loop_of_a_ring_has_chunks_of_whole_16_bytes)
{
    FabCollectiveSpec spec = {
        .collective = FAB_ALL_REDUCE, .size = 3 * 64 + 100, .ranks = 3, .channels = 1, .chunk_bytes = 64,
        .slice_bytes = 64, .slots = 8,
    };
    g_autoptr(FabProgram) program = fab_collective_emit(fab_algorithm_find("ring", NULL), &spec, NULL);
    FabStep step;

    /* One whole loop, then 100 bytes in chunks of 48, 48 and 4; rank r starts with chunk r - 1. */
    ck_assert(program->step(program, &(FabStream) { 1, 0, 0 }, 0, &step));
    ck_assert_uint_eq(step.bytes, 64);
    ck_assert(program->step(program, &(FabStream) { 1, 0, 0 }, 5, &step));
    ck_assert_uint_eq(step.bytes, 48);
    ck_assert_uint_eq(step.src_offset, 192);
    ck_assert(program->step(program, &(FabStream) { 0, 0, 0 }, 5, &step));
    ck_assert_uint_eq(step.bytes, 4);
    ck_assert(!program->step(program, &(FabStream) { 0, 0, 0 }, 10, &step));
}
END_TEST

/* A program in which one rank never comes: its first step waits on a connection that nobody feeds. */
typedef struct {
    FabProgram *whole;
    uint32_t absent;
} Absence;

static bool
absence_step(const FabProgram *program, const FabStream *stream, uint64_t index, FabStep *step)
{
    const Absence *absence = program->data;

    if (stream->rank != absence->absent)
        return absence->whole->step(absence->whole, stream, index, step);
    if (stream->channel > 0 || stream->role > 0)
        return false;
    fab_step_begin(step, 0);
    fab_step_recv(step, program->connections - 1, (absence->absent + 1) % program->ranks);
    return true;
}

/* Nobody leaves a barrier before all have come: without one rank, none reaches its end. */
START_TEST(no_rank_leaves_a_barrier_before_all_have_come)
{
    for (const FabAlgorithm *algorithm = fab_algorithms; algorithm->name != NULL; algorithm++) {
        /* No more ranks than the message names streams. */
        for (uint32_t ranks = 2; algorithm->collectives & (1u << FAB_BARRIER) && ranks <= 4; ranks++) {
            FabCollectiveSpec spec = {
                .collective = FAB_BARRIER, .size = 8, .ranks = ranks, .channels = 2, .chunk_bytes = 16,
                .slice_bytes = 16, .slots = 2,
            };
            g_autoptr(FabProgram) whole = fab_collective_emit(algorithm, &spec, NULL);
            Absence absence = { whole, ranks / 2 };
            g_autoptr(FabProgram) program = fab_program_new("barrier", &absence, NULL);
            g_autoptr(GError) error = NULL;

            program->ranks = ranks;
            program->channels = whole->channels;
            program->roles = whole->roles;
            program->connections = whole->connections + 1;
            program->slots = 2;
            program->step = absence_step;
            ck_assert(!fab_interpret(program, FAB_REDUCE_SUM, NULL, NULL, &error));
            for (uint32_t r = 0; r < ranks; r++) {
                g_autofree char *waits = g_strdup_printf("rank %u channel 0", r);

                ck_assert_msg(strstr(error->message, waits) != NULL, "%s: %s lacks %s", algorithm->name,
                              error->message, waits);
            }
        }
    }
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("algorithm");

    tcase_add_test(tests, every_rank_moves_as_many_bytes_as_the_formula_says);
    tcase_add_test(tests, algorithms_of_several_nodes_move_as_many_bytes_as_nccls);
    tcase_add_test(tests, pat_sends_far_first_and_every_rank_talks_to_few);
    tcase_add_test(tests, pat_keeps_few_sums_of_large_pieces);
    tcase_add_test(tests, the_first_tree_is_the_one_that_nccl_builds);
    tcase_add_test(tests, the_double_tree_moves_at_most_twice_the_data_through_any_rank);
    tcase_add_test(tests, a_chain_moves_the_data_once_up_and_once_down_every_link);
    tcase_add_test(tests, steps_are_the_primitives_that_nccl_runs);
    tcase_add_test(tests, the_last_loop_of_a_ring_has_chunks_of_whole_16_bytes);
    tcase_add_test(tests, no_rank_leaves_a_barrier_before_all_have_come);
    return run_tests(tests);
}
