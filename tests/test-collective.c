/* Every algorithm moves the right numbers, and as many bytes as its formula says. */
#include <check.h>
#include <string.h>

#include "base/error.h"
#include "collective/collective.h"
#include "program/interpreter.h"
#include "suite.h"

enum { POISON = 0x5c };

static uint32_t
next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static uint8_t **
buffers_new(uint32_t ranks, uint64_t bytes, uint32_t *state)
{
    uint8_t **buffers = g_new(uint8_t *, ranks);

    for (uint32_t r = 0; r < ranks; r++) {
        buffers[r] = g_malloc(MAX(bytes, 1));
        for (uint64_t i = 0; i < bytes; i++)
            buffers[r][i] = state == NULL ? POISON : (uint8_t)next_random(state);
    }
    return buffers;
}

static void
buffers_free(uint8_t **buffers, uint32_t ranks)
{
    for (uint32_t r = 0; r < ranks; r++)
        g_free(buffers[r]);
    g_free(buffers);
}

static char *
spec_name(const FabAlgorithm *algorithm, const FabCollectiveSpec *spec)
{
    return g_strdup_printf("%s %s: ranks %u size %" G_GUINT64_FORMAT " root %u channels %u chunk %" G_GUINT64_FORMAT
                           " slice %" G_GUINT64_FORMAT " slots %u%s", fab_collective_names[spec->collective],
                           algorithm->name, spec->ranks, spec->size, spec->root, spec->channels, spec->chunk_bytes,
                           spec->slice_bytes, spec->slots, spec->order != NULL ? " permuted" : "");
}

/* Defined bytes are those expected, and all others are as they were. */
static void
check_output(const FabCollectiveSpec *spec, bool max, uint8_t *const *input, uint8_t *const *output,
             const char *name)
{
    uint64_t bytes = fab_collective_output_bytes(spec->collective, spec->size, spec->ranks);
    g_autofree uint8_t *expected = g_malloc(bytes + 1);
    g_autofree uint8_t *defined = g_malloc(bytes + 1);
    bool everywhere = spec->collective != FAB_REDUCE && spec->collective != FAB_GATHER;

    for (uint32_t r = 0; r < spec->ranks; r++) {
        memset(expected, POISON, bytes + 1);
        fab_collective_expect(spec, max, (const uint8_t *const *) input, r, expected, defined);
        for (uint64_t i = 0; i < bytes; i++)
            if ((defined[i] || everywhere) && output[r][i] != expected[i])
                ck_abort_msg("%s: rank %u byte %" G_GUINT64_FORMAT " is %u, expected %u", name, r, i, output[r][i],
                             expected[i]);
    }
}

static void
check_collective(const FabAlgorithm *algorithm, const FabCollectiveSpec *spec, bool max)
{
    g_autofree char *name = spec_name(algorithm, spec);
    g_autoptr(GError) error = NULL;
    g_autoptr(FabProgram) program = fab_collective_emit(algorithm, spec, &error);
    uint32_t state = (uint32_t)(spec->size * 31 + spec->ranks * 7 + spec->collective);
    uint8_t **input, **output;

    /* A passed ck_assert() costs more than a small program. */
    if (program == NULL)
        ck_abort_msg("%s: %s", name, error->message);
    input = buffers_new(spec->ranks, program->input_bytes, &state);
    output = buffers_new(spec->ranks, program->output_bytes, NULL);
    if (!fab_interpret(program, max ? FAB_REDUCE_MAX : FAB_REDUCE_SUM, (const uint8_t *const *) input, output, &error))
        ck_abort_msg("%s: %s", name, error->message);
    check_output(spec, max, input, output, name);
    buffers_free(input, spec->ranks);
    buffers_free(output, spec->ranks);
}

/* A different shuffle of the ranks for every channel. */
static uint32_t *
shuffled_order(uint32_t channels, uint32_t ranks)
{
    uint32_t *order = g_new(uint32_t, (size_t)channels * ranks);
    uint32_t state = channels * 977 + ranks;

    for (uint32_t c = 0; c < channels; c++) {
        uint32_t *ring = order + (size_t)c * ranks;

        for (uint32_t i = 0; i < ranks; i++)
            ring[i] = i;
        for (uint32_t i = ranks - 1; i > 0; i--) {
            uint32_t j = next_random(&state) % (i + 1), held = ring[i];

            ring[i] = ring[j];
            ring[j] = held;
        }
    }
    return order;
}

static bool
can_do(const FabAlgorithm *algorithm, FabCollective collective, uint32_t ranks)
{
    if (!(algorithm->collectives & (1u << collective)))
        return false;
    return strcmp(algorithm->name, "halving-doubling") != 0 || collective == FAB_ALL_REDUCE ||
           (ranks & (ranks - 1)) == 0;
}

static bool
has_root(FabCollective collective)
{
    return collective == FAB_BROADCAST || collective == FAB_REDUCE || collective == FAB_GATHER ||
           collective == FAB_SCATTER;
}

static bool
reduces(FabCollective collective)
{
    return collective == FAB_ALL_REDUCE || collective == FAB_REDUCE_SCATTER || collective == FAB_REDUCE;
}

/* Chunk and slice in bytes: loops of whole chunks, odd chunks, and everything in one. */
static const uint64_t cuts[][2] = { { 64, 32 }, { 48, 48 }, { 7, 3 }, { 1 << 20, 1 << 20 } };

/* All algorithms for one collective and spec, with the cut that `cut` names. */
static void
check_sizes(FabCollective collective, uint32_t ranks, const uint64_t *sizes, size_t size_count, uint32_t salt)
{
    static const uint32_t slots[] = { 1, 2, 8 };

    for (const FabAlgorithm *algorithm = fab_algorithms; algorithm->name != NULL; algorithm++) {
        if (!can_do(algorithm, collective, ranks))
            continue;
        for (size_t s = 0; s < size_count; s++) {
            uint32_t mix = salt + (uint32_t)s;
            uint32_t channels = 1 + mix % 3;
            g_autofree uint32_t *order = mix % 2 == 0 ? shuffled_order(channels, ranks) : NULL;
            /* A large buffer in 3-byte slices shows nothing that a small one does not. */
            size_t cut = sizes[s] > 600 && mix % 4 == 2 ? 3 : mix % 4;
            FabCollectiveSpec spec = {
                .collective = collective, .size = sizes[s], .ranks = ranks, .channels = channels,
                .root = has_root(collective) ? mix % ranks : 0, .chunk_bytes = cuts[cut][0],
                .slice_bytes = cuts[cut][1], .slots = slots[mix / 3 % 3], .order = order,
            };

            check_collective(algorithm, &spec, false);
            if (reduces(collective))
                check_collective(algorithm, &spec, true);
        }
    }
}

START_TEST(every_collective_and_algorithm_moves_the_right_numbers_between_2_to_17_ranks)
{
    FabCollective collective = (FabCollective)_i;

    for (uint32_t ranks = 2; ranks <= 17; ranks++) {
        uint64_t sizes[] = { 0, 1, 3, 17, 16 * ranks, 16 * ranks - 5, 16 * ranks + 33, 1000, 4096 + 7 };

        for (uint32_t salt = 0; salt < (ranks <= 9 ? 8 : 3); salt++)
            check_sizes(collective, ranks, sizes, G_N_ELEMENTS(sizes), ranks + salt * 5);
    }
}
END_TEST

START_TEST(every_collective_and_algorithm_moves_the_right_numbers_between_32_and_64_ranks)
{
    const uint64_t sizes[] = { 1, 17, 1027, 4096 + 7 };

    check_sizes((FabCollective)_i, 32, sizes, G_N_ELEMENTS(sizes), 1);
    check_sizes((FabCollective)_i, 32, sizes, G_N_ELEMENTS(sizes), 6);
    check_sizes((FabCollective)_i, 64, sizes, G_N_ELEMENTS(sizes), 2);
    check_sizes((FabCollective)_i, 64, sizes, G_N_ELEMENTS(sizes), 7);
}
END_TEST

/* Algorithms that tell nodes apart, with every way to spread the ranks evenly. */
START_TEST(nodes_of_any_size_move_the_right_numbers)
{
    static const char *const names[] = { "tree", "nvls", "nvls-tree", "collnet-direct", "collnet-chain" };
    static const uint32_t counts[] = { 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 20, 32, 64 };
    static const uint64_t sizes[] = { 0, 1, 17, 1000, 4096 + 7 };
    static const uint32_t slots[] = { 1, 2, 8 };

    for (size_t i = 0; i < G_N_ELEMENTS(counts) * G_N_ELEMENTS(sizes); i++) {
        FabCollectiveSpec spec = {
            .collective = FAB_ALL_REDUCE, .ranks = counts[i / G_N_ELEMENTS(sizes)],
            .size = sizes[i % G_N_ELEMENTS(sizes)], .channels = 1 + (uint32_t)i % 4, .slots = slots[i % 3],
        };
        g_autofree uint32_t *order = i % 2 == 0 ? shuffled_order(spec.channels, spec.ranks) : NULL;
        size_t cut = spec.ranks > 17 ? 3 - i % 2 * 2 : spec.size > 600 && i % 4 == 2 ? 3 : i % 4;

        spec.order = order;
        spec.chunk_bytes = cuts[cut][0];
        spec.slice_bytes = cuts[cut][1];
        for (spec.ranks_per_node = 1; spec.ranks_per_node <= spec.ranks; spec.ranks_per_node++) {
            if (spec.ranks % spec.ranks_per_node == 0)
                check_collective(fab_algorithm_find(names[_i], NULL), &spec, i % 3 == 0);
        }
    }
}
END_TEST

START_TEST(ranks_that_do_not_fill_their_nodes_are_refused)
{
    FabCollectiveSpec spec = {
        .collective = FAB_ALL_REDUCE, .size = 64, .ranks = 6, .ranks_per_node = 4, .channels = 1, .chunk_bytes = 16,
        .slice_bytes = 16, .slots = 2,
    };
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(fab_collective_emit(fab_algorithm_find("collnet-chain", NULL), &spec, &error));
    ck_assert_str_eq(error->message, "all_reduce: 6 ranks cannot be on nodes of 4 each, must be a multiple");
}
END_TEST

/* Every combination of the flow-control settings, on one awkward size. */
START_TEST(chunks_slices_slots_and_channels_never_change_the_numbers)
{
    static const uint32_t slots[] = { 1, 2, 3, 8 };

    for (const FabAlgorithm *algorithm = fab_algorithms; algorithm->name != NULL; algorithm++) {
        for (uint32_t i = 0; i < 6 * G_N_ELEMENTS(cuts) * G_N_ELEMENTS(slots); i++) {
            uint32_t channels = 1 + i % 6;
            const uint64_t *cut = cuts[i / 6 % G_N_ELEMENTS(cuts)];
            FabCollectiveSpec spec = {
                .collective = (FabCollective)_i, .size = 517, .channels = channels, .chunk_bytes = cut[0],
                .slice_bytes = cut[1], .slots = slots[i / 6 / G_N_ELEMENTS(cuts)],
            };

            for (spec.ranks = 2; spec.ranks <= 5; spec.ranks++)
                if (can_do(algorithm, spec.collective, spec.ranks))
                    check_collective(algorithm, &spec, false);
        }
    }
}
END_TEST

/* Rank 0 gets nothing, so that its output stays as it was; nobody sends what the last rank has. */
START_TEST(one_way_the_last_rank_sends_nothing_back)
{
    const FabAlgorithm *pairwise = fab_algorithm_find("pairwise", NULL);

    for (uint32_t i = 0; i < 6 * G_N_ELEMENTS(cuts); i++) {
        FabCollectiveSpec spec = {
            .collective = FAB_SEND_RECV, .size = 517, .channels = 1 + i % 6, .chunk_bytes = cuts[i / 6][0],
            .slice_bytes = cuts[i / 6][1], .slots = 2, .one_way = true,
        };

        for (spec.ranks = 2; spec.ranks <= 5; spec.ranks++) {
            g_autoptr(FabProgram) program = fab_collective_emit(pairwise, &spec, NULL);
            FabStep step;

            check_collective(pairwise, &spec, false);
            for (uint32_t channel = 0; channel < spec.channels; channel++) {
                ck_assert(!program->step(program, &(FabStream) { spec.ranks - 1, channel, 0 }, 0, &step));
                ck_assert(!program->step(program, &(FabStream) { 0, channel, 1 }, 0, &step));
            }
        }
    }
}
END_TEST

START_TEST(one_rank_copies_its_input)
{
    for (const FabAlgorithm *algorithm = fab_algorithms; algorithm->name != NULL; algorithm++) {
        for (uint64_t size = 0; size < 200; size += 33) {
            FabCollectiveSpec spec = {
                .collective = (FabCollective)_i, .size = size, .ranks = 1, .channels = 2, .chunk_bytes = 20,
                .slice_bytes = 6, .slots = 2,
            };

            if (can_do(algorithm, spec.collective, 1))
                check_collective(algorithm, &spec, false);
        }
    }
}
END_TEST

/* The same program, except that rank 1 forwards what it receives without adding its own. */
static bool
forgetful_step(const FabProgram *program, const FabStream *stream, uint64_t index, FabStep *step)
{
    const FabProgram *whole = program->data;

    if (!whole->step(whole, stream, index, step))
        return false;
    if (stream->rank == 1 && step->recv_count > 0)
        step->src = FAB_BUFFER_NONE;
    return true;
}

START_TEST(a_program_that_forgets_one_rank_gives_another_result)
{
    FabCollectiveSpec spec = {
        .collective = FAB_ALL_REDUCE, .size = 64, .ranks = 4, .channels = 1, .chunk_bytes = 16, .slice_bytes = 16,
        .slots = 2,
    };
    g_autoptr(FabProgram) whole = fab_collective_emit(fab_algorithm_find("ring", NULL), &spec, NULL);
    g_autoptr(FabProgram) program = g_memdup2(whole, sizeof *whole);
    uint32_t state = 1;
    uint8_t **input = buffers_new(4, 64, &state), **output = buffers_new(4, 64, NULL);
    uint8_t expected[64], defined[64];

    program->name = g_strdup("forgetful");
    program->data = whole;
    program->data_free = NULL;
    program->step = forgetful_step;
    ck_assert(fab_interpret(program, FAB_REDUCE_SUM, (const uint8_t *const *) input, output, NULL));
    fab_collective_expect(&spec, false, (const uint8_t *const *) input, 2, expected, defined);
    ck_assert(memcmp(output[2], expected, sizeof expected) != 0);
    buffers_free(input, 4);
    buffers_free(output, 4);
}
END_TEST

START_TEST(pieces_are_equal_but_for_the_last_ones)
{
    uint64_t offset, bytes;

    fab_piece(100, 3, 0, &offset, &bytes);
    ck_assert_uint_eq(offset, 0);
    ck_assert_uint_eq(bytes, 48);
    fab_piece(100, 3, 2, &offset, &bytes);
    ck_assert_uint_eq(offset, 96);
    ck_assert_uint_eq(bytes, 4);
    fab_piece(1, 4, 3, &offset, &bytes);
    ck_assert_uint_eq(offset, 1);
    ck_assert_uint_eq(bytes, 0);
    fab_piece(0, 4, 0, &offset, &bytes);
    ck_assert_uint_eq(bytes, 0);
}
END_TEST

START_TEST(buffers_and_bus_factors_are_those_of_nccl_tests)
{
    ck_assert_uint_eq(fab_collective_input_bytes(FAB_ALL_GATHER, 1024, 8), 128);
    ck_assert_uint_eq(fab_collective_output_bytes(FAB_ALL_GATHER, 1024, 8), 1024);
    ck_assert_uint_eq(fab_collective_input_bytes(FAB_REDUCE_SCATTER, 1024, 8), 1024);
    ck_assert_uint_eq(fab_collective_output_bytes(FAB_REDUCE_SCATTER, 1024, 8), 128);
    ck_assert_uint_eq(fab_collective_output_bytes(FAB_ALL_TO_ALL, 1024, 8), 1024);
    ck_assert_uint_eq(fab_collective_output_bytes(FAB_BARRIER, 1024, 8), 0);
    ck_assert_double_eq(fab_collective_bus_factor(FAB_ALL_REDUCE, 8), 1.75);
    ck_assert_double_eq(fab_collective_bus_factor(FAB_ALL_GATHER, 8), 0.875);
    ck_assert_double_eq(fab_collective_bus_factor(FAB_ALL_TO_ALL, 4), 0.75);
    ck_assert_double_eq(fab_collective_bus_factor(FAB_BROADCAST, 8), 1);
    ck_assert_double_eq(fab_collective_bus_factor(FAB_BARRIER, 8), 0);
}
END_TEST

static void
check_refused(const char *algorithm, const FabCollectiveSpec *spec, const char *part)
{
    g_autoptr(GError) error = NULL;
    FabProgram *program = fab_collective_emit(fab_algorithm_find(algorithm, NULL), spec, &error);

    ck_assert_ptr_null(program);
    ck_assert(g_error_matches(error, FAB_ERROR, FAB_ERROR_VALUE));
    ck_assert_msg(strstr(error->message, part) != NULL, "%s lacks: %s", error->message, part);
}

START_TEST(a_spec_out_of_bounds_is_refused_with_a_sentence)
{
    static const uint32_t twice[] = { 0, 1, 1, 3 }, beyond[] = { 0, 1, 2, 4 };
    const FabCollectiveSpec good = {
        .collective = FAB_ALL_REDUCE, .size = 64, .ranks = 4, .channels = 1, .chunk_bytes = 16, .slice_bytes = 16,
        .slots = 2,
    };
    FabCollectiveSpec bad = good;

    bad.ranks = 0;
    check_refused("ring", &bad, "ranks is 0");
    bad = good;
    bad.root = 4;
    check_refused("ring", &bad, "root is 4, must be between 0 and 3");
    bad = good;
    bad.channels = 0;
    check_refused("ring", &bad, "channels is 0");
    bad = good;
    bad.slots = 0;
    check_refused("ring", &bad, "slots is 0");
    bad = good;
    bad.chunk_bytes = 0;
    check_refused("ring", &bad, "chunk is 0");
    bad = good;
    bad.slice_bytes = 17;
    check_refused("ring", &bad, "slice is 17, must be between 1 and 16");
    bad = good;
    bad.size = UINT64_MAX;
    check_refused("ring", &bad, "size is");
    bad = good;
    bad.order = twice;
    check_refused("ring", &bad, "rank 1 at position 2 for the second time");
    bad.order = beyond;
    check_refused("ring", &bad, "rank 4 at position 3");
    bad = good;
    bad.collective = FAB_ALL_TO_ALL;
    check_refused("ring", &bad, "algorithm ring cannot perform alltoall; accepted: pairwise");
    bad.collective = FAB_ALL_GATHER;
    bad.ranks = 6;
    check_refused("halving-doubling", &bad, "6 ranks are not a power of two");
    bad.collective = FAB_ALL_REDUCE;
    bad.ranks = 4096;
    check_refused("nvls", &bad, "ranks is 4096, must be at most 1024");
    bad.collective = FAB_ALL_TO_ALL;
    bad.ranks = 1 << 20;
    check_refused("pairwise", &bad, "use fewer channels");
    bad.collective = (FabCollective)99;
    check_refused("ring", &bad, "collective 99");
}
END_TEST

START_TEST(an_unknown_algorithm_offers_the_nearest)
{
    g_autoptr(GError) error = NULL;

    ck_assert_str_eq(fab_algorithm_find("ring", &error)->name, "ring");
    ck_assert_ptr_null(fab_algorithm_find("rnig", &error));
    ck_assert_msg(strstr(error->message, "did you mean ring?") != NULL, "%s", error->message);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("collective");

    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, every_collective_and_algorithm_moves_the_right_numbers_between_2_to_17_ranks, 0,
                        FAB_COLLECTIVE_COUNT);
    tcase_add_loop_test(tests, every_collective_and_algorithm_moves_the_right_numbers_between_32_and_64_ranks, 0,
                        FAB_COLLECTIVE_COUNT);
    tcase_add_loop_test(tests, nodes_of_any_size_move_the_right_numbers, 0, 4);
    tcase_add_test(tests, ranks_that_do_not_fill_their_nodes_are_refused);
    tcase_add_loop_test(tests, chunks_slices_slots_and_channels_never_change_the_numbers, 0, FAB_COLLECTIVE_COUNT);
    tcase_add_test(tests, one_way_the_last_rank_sends_nothing_back);
    tcase_add_loop_test(tests, one_rank_copies_its_input, 0, FAB_COLLECTIVE_COUNT);
    tcase_add_test(tests, a_program_that_forgets_one_rank_gives_another_result);
    tcase_add_test(tests, pieces_are_equal_but_for_the_last_ones);
    tcase_add_test(tests, buffers_and_bus_factors_are_those_of_nccl_tests);
    tcase_add_test(tests, a_spec_out_of_bounds_is_refused_with_a_sentence);
    tcase_add_test(tests, an_unknown_algorithm_offers_the_nearest);
    return run_tests(tests);
}
