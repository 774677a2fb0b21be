#include "scenario/scenario.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "fixture.h"
#include "suite.h"

#define MACHINE "[topology]\nname=dgx-h100\n"
#define ALL_REDUCE MACHINE "[collective]\noperation=all_reduce\n"

/* GLib's own function waits for the disk, which may take its time. */
static void
write_file(const char *path, const char *text, size_t length)
{
    FILE *file = fopen(path, "wb");

    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(fwrite(text, 1, length, file), length);
    ck_assert_int_eq(fclose(file), 0);
}

/* Reads `text` as the file all-reduce.ini. The caller frees the scenario. */
static FabScenario *
read_text_with(const char *text, const char *const *sets, GError **error)
{
    g_autofree char *path = test_path("all-reduce.ini");

    write_file(path, text, strlen(text));
    return fab_scenario_load(path, (char *const *)sets, error);
}

static FabScenario *
read_text(const char *text)
{
    g_autoptr(GError) error = NULL;
    FabScenario *scenario = read_text_with(text, NULL, &error);

    ck_assert_msg(scenario != NULL, "%s", error != NULL ? error->message : "no error");
    return scenario;
}

/* The text must be refused with an input error whose message is one line, names the file and matches `pattern`. */
static void
refuse_with(const char *text, const char *const *sets, const char *pattern)
{
    g_autoptr(GError) error = NULL;
    FabScenario *scenario = read_text_with(text, sets, &error);

    ck_assert_msg(scenario == NULL, "accepted: %s", text);
    ck_assert_ptr_nonnull(error);
    test_refusal(&error, pattern);
}

static void
refuse_key(const char *key_value, const char *pattern)
{
    g_autofree char *text = g_strdup_printf(ALL_REDUCE "%s\n", key_value);

    refuse_with(text, NULL, pattern);
}

static void
refuse_sizes(const char *text, const char *pattern)
{
    g_autoptr(GError) error = NULL;
    uint32_t count;

    ck_assert_ptr_null(fab_parse_sizes(text, &count, &error));
    test_refusal(&error, pattern);
}

START_TEST(every_key_of_a_collective_is_read)
{
    g_autoptr(FabScenario) scenario =
        read_text("[scenario]\nname=one\ntitle=Does it read?\n"
                  "[topology]\nname=dgx-h100\nlink_rate=25 GB/s\n"
                  "[collective]\noperation=broadcast\nsizes=1M:4M\nalgorithm=ring\nprotocol=LL128\nchannels=4\n"
                  "chunk=128K\nslice=64K\nslots=8\nranks=3,1,2\nroot=2\ndatatype=bf16\nreduction=max\npeer=phb\n"
                  "nvlink=off\nlaunch=5 us\nprocesses=2\nthreads=4\n");

    ck_assert_str_eq(scenario->name, "one");
    ck_assert_str_eq(scenario->title, "Does it read?");
    ck_assert_str_eq(scenario->topology, "dgx-h100");
    ck_assert_uint_eq(g_hash_table_size(scenario->overrides), 1);
    ck_assert_str_eq(g_hash_table_lookup(scenario->overrides, "link_rate"), "25 GB/s");
    ck_assert_int_eq(scenario->kind, FAB_SCENARIO_COLLECTIVE);
    ck_assert_str_eq(scenario->operation, "broadcast");
    ck_assert_str_eq(scenario->algorithm, "ring");
    ck_assert_str_eq(scenario->protocol, "ll128");
    ck_assert_uint_eq(scenario->channels, 4);
    ck_assert_uint_eq(scenario->chunk_bytes, 128 << 10);
    ck_assert_uint_eq(scenario->slice_bytes, 64 << 10);
    ck_assert_uint_eq(scenario->slots, 8);
    ck_assert_uint_eq(scenario->rank_count, 3);
    ck_assert_uint_eq(scenario->ranks[0], 3);
    ck_assert_uint_eq(scenario->ranks[2], 2);
    ck_assert_uint_eq(scenario->root, 2);
    ck_assert_str_eq(scenario->datatype, "bfloat16");
    ck_assert_str_eq(scenario->reduction, "max");
    ck_assert_str_eq(scenario->peer, "phb");
    ck_assert(!scenario->nvlink);
    ck_assert_double_eq_tol(scenario->launch_s, 5e-6, 1e-18);
    ck_assert_uint_eq(scenario->processes, 2);
    ck_assert_uint_eq(scenario->threads, 4);
    ck_assert_uint_eq(scenario->size_count, 3);
}
END_TEST

START_TEST(what_is_not_said_is_left_to_nccl)
{
    g_autoptr(FabScenario) scenario = read_text(ALL_REDUCE);

    ck_assert_str_eq(scenario->name, "all-reduce");
    ck_assert_ptr_null(scenario->title);
    ck_assert_str_eq(scenario->algorithm, "auto");
    ck_assert_str_eq(scenario->protocol, "auto");
    ck_assert_str_eq(scenario->peer, "auto");
    ck_assert_str_eq(scenario->datatype, "float");
    ck_assert_str_eq(scenario->reduction, "sum");
    ck_assert(scenario->nvlink);
    ck_assert(scenario->launch_s < 0);
    ck_assert_uint_eq(scenario->channels + scenario->slots + scenario->rank_count + scenario->root, 0);
    ck_assert_uint_eq(scenario->chunk_bytes + scenario->slice_bytes, 0);
    ck_assert_ptr_null(scenario->ranks);
    ck_assert_uint_eq(scenario->size_count, 31);
}
END_TEST

START_TEST(a_clock_and_ways_of_sendrecv_are_read)
{
    static const char *const timings[] = { "back-to-back", "single", "kernel" };
    g_autoptr(FabScenario) plain = read_text(MACHINE "[collective]\noperation=sendrecv\n");
    g_autoptr(FabScenario) said = read_text(MACHINE "[collective]\noperation=sendrecv\none_way=on\nregistered=yes\n");
    g_autoptr(FabScenario) off = read_text(ALL_REDUCE "one_way=off\nregistered=on\n");
    g_autoptr(FabScenario) many = read_text(ALL_REDUCE "calls=100\n");

    ck_assert_str_eq(plain->timing, "back-to-back");
    ck_assert(!plain->one_way && !plain->registered);
    ck_assert_uint_eq(plain->calls, 0);
    ck_assert_uint_eq(many->calls, 100);
    ck_assert(said->one_way && said->registered);
    ck_assert(!off->one_way && off->registered);
    for (size_t i = 0; i < G_N_ELEMENTS(timings); i++) {
        g_autofree char *text = g_strdup_printf(ALL_REDUCE "timing=%s\n", timings[i]);
        g_autoptr(FabScenario) timed = read_text(text);
        ck_assert_str_eq(timed->timing, timings[i]);
    }
}
END_TEST

START_TEST(clocks_and_ways_that_do_not_exist_are_refused)
{
    refuse_key("timing=singel",
               "all-reduce\\.ini: \\[collective\\] timing is \"singel\", which is not known; did you mean single\\?$");
    refuse_key("timing=", "\\[collective\\] timing is \"\", which is not known");
    refuse_key("timing=on", "\\[collective\\] timing is \"on\", which is not known");
    refuse_key("calls=0", "\\[collective\\] calls");
    refuse_key("one_way=maybe", "\\[collective\\] one_way: \"maybe\" is not on or off");
    refuse_key("registered=2", "\\[collective\\] registered: \"2\" is not on or off");
    refuse_key("oneway=on", "unknown key oneway; did you mean one_way\\?");
    refuse_with(MACHINE "[transfer]\nflows=0>1\none_way=on\n", NULL, "\\[transfer\\] unknown key one_way");
    refuse_with(MACHINE "[transfer]\nflows=0>1\ntiming=single\n", NULL, "\\[transfer\\] unknown key timing");
}
END_TEST

START_TEST(one_way_belongs_to_sendrecv)
{
    static const char *const others[] = { "all_reduce", "all_gather", "reduce_scatter", "broadcast", "reduce",
                                          "alltoall", "gather", "scatter", "barrier", "sendrcv" };

    for (size_t i = 0; i < G_N_ELEMENTS(others); i++) {
        g_autofree char *text = g_strdup_printf(MACHINE "[collective]\noperation=%s\none_way=on\n", others[i]);
        g_autofree char *pattern =
            g_strdup_printf("all-reduce\\.ini: \\[collective\\] one_way: \"on\" belongs to operation=sendrecv, here it "
                            "is %s$", others[i]);
        refuse_with(text, NULL, pattern);
    }
}
END_TEST

START_TEST(ranks_are_a_count_or_a_list)
{
    g_autoptr(FabScenario) count = read_text(ALL_REDUCE "ranks=4\n");
    g_autoptr(FabScenario) list = read_text(ALL_REDUCE "ranks=6, 4;2\n");

    ck_assert_uint_eq(count->rank_count, 4);
    ck_assert_ptr_null(count->ranks);
    ck_assert_uint_eq(list->rank_count, 3);
    ck_assert_uint_eq(list->ranks[1], 4);
}
END_TEST

START_TEST(flows_are_pairs_in_one_or_both_directions)
{
    g_autoptr(FabScenario) scenario = read_text(MACHINE "[transfer]\nflows=0>1 2<>3, 4>5\nsizes=1G\n");

    ck_assert_int_eq(scenario->kind, FAB_SCENARIO_TRANSFER);
    ck_assert_uint_eq(scenario->pair_count, 4);
    ck_assert_uint_eq(scenario->pairs[1].from, 2);
    ck_assert_uint_eq(scenario->pairs[2].from, 3);
    ck_assert_uint_eq(scenario->pairs[2].to, 2);
    ck_assert_uint_eq(scenario->pairs[3].to, 5);
    ck_assert_uint_eq(scenario->sizes[0], UINT64_C(1) << 30);
}
END_TEST

START_TEST(sizes_double_multiply_add_or_are_listed)
{
    static const struct {
        const char *text;
        uint32_t count;
        uint64_t first, last;
    } cases[] = {
        { "8:8G", 31, 8, UINT64_C(8) << 30 }, { "1M:1G:4", 6, 1 << 20, 1 << 30 },
        { "1M;2M;1000", 3, 1 << 20, 1000 },   { "5,3", 2, 5, 3 },
        { "1M:4M:+1M", 4, 1 << 20, 4 << 20 }, { "7:7", 1, 7, 7 },
        { "10:100", 4, 10, 80 },              { "1 GB", 1, 1000000000, 1000000000 },
        { "512G", 1, UINT64_C(1) << 39, UINT64_C(1) << 39 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        uint32_t count = 0;
        g_autofree uint64_t *sizes = fab_parse_sizes(cases[i].text, &count, &error);
        ck_assert_msg(sizes != NULL, "%s", error != NULL ? error->message : "");
        ck_assert_uint_eq(count, cases[i].count);
        ck_assert_uint_eq(sizes[0], cases[i].first);
        ck_assert_uint_eq(sizes[count - 1], cases[i].last);
    }
}
END_TEST

START_TEST(sizes_that_make_no_sense_are_refused)
{
    refuse_sizes("0", "size 0 moves no data");
    refuse_sizes("0:8G", "size 0 moves no data");
    refuse_sizes("-8", "whole number of bytes");
    refuse_sizes("1.5", "whole number of bytes");
    refuse_sizes("nan", "is not a size");
    refuse_sizes("inf", "is not a size");
    refuse_sizes("1e400", "is not a size");
    refuse_sizes("99999999999999999999", "whole number of bytes");
    refuse_sizes("17T", "too large");
    refuse_sizes("8 s", "is not a size");
    refuse_sizes("8G:8", "runs backwards");
    refuse_sizes("1:2:1", "between 2 and 1024");
    refuse_sizes("1:2:-2", "between 2 and 1024");
    refuse_sizes("1:2:+0", "size 0");
    refuse_sizes("1:2:3:4", "is not FIRST:LAST");
    refuse_sizes("1M:1G:+1", "more than 4096 sizes");
    refuse_sizes("", "is empty");
    refuse_sizes("1;;2", "is not a size");
}
END_TEST

START_TEST(unknown_words_are_answered_with_the_nearest)
{
    refuse_key("algoritm=ring", "all-reduce\\.ini: \\[collective\\] unknown key algoritm; did you mean algorithm\\?$");
    refuse_with(MACHINE "[colective]\noperation=all_reduce\n", NULL, "unknown group \\[colective\\]; did you mean");
    refuse_key("protocol=simpel", "\\[collective\\] protocol is \"simpel\".*did you mean simple\\?");
    refuse_key("datatype=flota", "\\[collective\\] datatype: \"flota\".*did you mean float\\?");
    refuse_key("peer=pxbb", "did you mean pxb\\?");
    refuse_key("reduction=summ", "did you mean sum\\?");
    refuse_with("[scenario]\nnaem=x\n" ALL_REDUCE, NULL, "unknown key naem; did you mean name");
}
END_TEST

START_TEST(values_out_of_range_are_refused)
{
    refuse_key("channels=0", "channels is 0, must be between 1 and");
    refuse_key("channels=-1", "channels is -1");
    refuse_key("channels=1e3", "\"1e3\" is not a whole number");
    refuse_key("channels=99999999999999999999", "is not a whole number");
    refuse_key("chunk=0", "at least 1 byte");
    refuse_key("chunk=nan", "chunk: \"nan\" is not a size");
    refuse_key("chunk=64K\nslice=128K", "slice: \"128K\" is more than the chunk");
    refuse_key("slots=0", "slots is 0");
    refuse_key("root=-1", "root is -1");
    refuse_key("launch=5", "launch: \"5\" is not a time");
    refuse_key("launch=5 GB", "is not a time");
    refuse_key("launch=-1 us", "launch is -1 us, must be between 0");
    refuse_key("launch=inf s", "is not a time");
    refuse_key("nvlink=maybe", "is not on or off");
    refuse_key("ranks=0", "ranks is 0");
    refuse_key("ranks=0,1,0", "GPU 0 appears twice");
    refuse_key("ranks=0,-1", "GPU -1 does not exist");
    refuse_key("ranks=0,", "ranks: \"\" is not a whole number");
    refuse_key("sizes=0", "sizes: size 0 moves no data");
    refuse_key("operation=all_gather", "line 5: key operation .*appears twice");
}
END_TEST

START_TEST(a_file_that_lacks_something_is_refused)
{
    refuse_with("", NULL, "says nothing to run");
    refuse_with(MACHINE, NULL, "says nothing to run");
    refuse_with(ALL_REDUCE "[transfer]\nflows=0>1\n", NULL, "says two things to run");
    refuse_with(MACHINE "[collective]\nsizes=1M\n", NULL, "needs operation");
    refuse_with("[collective]\noperation=all_reduce\n", NULL, "\\[topology\\] needs name");
    refuse_with(MACHINE "[transfer]\nsizes=1M\n", NULL, "needs flows");
    refuse_with(MACHINE "[transfer]\nflows=\n", NULL, "names no flow");
    refuse_with(MACHINE "[transfer]\nflows=0>0\n", NULL, "ends where it starts");
    refuse_with(MACHINE "[transfer]\nflows=0-1\n", NULL, "is not a flow");
    refuse_with(MACHINE "[transfer]\nflows=0>1>2\n", NULL, "is not a flow");
    refuse_with(MACHINE "[transfer]\nflows=0>x\n", NULL, "is not a whole number");
    refuse_with("[topology\nname=x\n", NULL, "is not a key file");
    refuse_with("name=x\n", NULL, "is not a key file");
    refuse_with(MACHINE "\xff\xfe\n", NULL, "is not UTF-8");
}
END_TEST

START_TEST(sets_win_over_the_file)
{
    const char *sets[] = { "collective.operation=broadcast", "topology.gpus=4", "sizes=64", "scenario.name=other",
                           NULL };
    g_autoptr(GError) error = NULL;
    g_autoptr(FabScenario) scenario = read_text_with(ALL_REDUCE "sizes=1M\n", sets, &error);

    ck_assert_msg(scenario != NULL, "%s", error != NULL ? error->message : "");
    ck_assert_str_eq(scenario->operation, "broadcast");
    ck_assert_str_eq(g_hash_table_lookup(scenario->overrides, "gpus"), "4");
    ck_assert_uint_eq(scenario->size_count, 1);
    ck_assert_uint_eq(scenario->sizes[0], 64);
    ck_assert_str_eq(scenario->name, "other");
}
END_TEST

START_TEST(a_set_without_group_belongs_to_what_the_scenario_runs)
{
    const char *sets[] = { "sizes=64", "topology.name=x", "transfer.flows=0>1", NULL };
    g_autoptr(GError) error = NULL;
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets((char *const *)sets, &error);

    ck_assert_msg(scenario != NULL, "%s", error != NULL ? error->message : "");
    ck_assert_int_eq(scenario->kind, FAB_SCENARIO_TRANSFER);
    ck_assert_uint_eq(scenario->sizes[0], 64);
    ck_assert_str_eq(scenario->path, "command line");
}
END_TEST

START_TEST(the_last_of_two_texts_for_one_key_holds)
{
    const char *sets[] = { "sizes=64", "collective.sizes=128", "topology.name=x", "collective.channels=3", "channels=4",
                           "collective.operation=all_reduce", NULL };
    g_autoptr(GError) error = NULL;
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets((char *const *)sets, &error);

    ck_assert_msg(scenario != NULL, "%s", error != NULL ? error->message : "");
    ck_assert_uint_eq(scenario->sizes[0], 128);
    ck_assert_uint_eq(scenario->channels, 4);
}
END_TEST

START_TEST(mistakes_in_sets_are_the_command_lines)
{
    static const struct {
        const char *set;
        const char *pattern;
    } cases[] = {
        { "collective.sizes=0", "^command line: \\[collective\\] sizes: size 0" },
        { "channels=0", "^command line: \\[collective\\] channels is 0" },
        { "colective.sizes=1", "^command line: unknown group \\[colective\\]; did you mean collective" },
        { "collective.sices=1", "^command line: \\[collective\\] unknown key sices; did you mean sizes" },
        { "sizes", "^command line: \"sizes\" is not group.key=value" },
        { "=1", "is not group.key=value" },
        { "", "is not group.key=value" },
        { "a.b.c=1", "is not group.key=value" },
        { "[x].y=1", "is not group.key=value" },
        { "collective.sizes=\xff", "is not group.key=value" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        const char *sets[] = { cases[i].set, NULL };
        refuse_with(ALL_REDUCE, sets, cases[i].pattern);
    }
}
END_TEST

START_TEST(a_missing_file_is_answered_with_the_nearest)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *wrong = test_path("all-reduc.ini");
    g_autoptr(FabScenario) right = read_text(ALL_REDUCE);
    g_autofree char *expected = g_strdup_printf("%s: no such file; did you mean %s?", wrong, right->path);

    ck_assert_ptr_null(fab_scenario_load(wrong, NULL, &error));
    ck_assert_str_eq(error->message, expected);
    ck_assert_int_eq(error->code, FAB_ERROR_FILE);
}
END_TEST

START_TEST(random_bytes_are_refused_without_harm)
{
    g_autofree char *path = test_path("all-reduce.ini");
    g_autoptr(GRand) random = g_rand_new_with_seed(1);
    static const char letters[] = "[]=.,;:<>#\\ \n\t0123456789aeinrstopology collective operation all_reduce";

    for (int i = 0; i < 300; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(FabScenario) scenario = NULL;
        char text[200];
        int length = g_rand_int_range(random, 0, (int)sizeof text);
        for (int j = 0; j < length; j++)
            text[j] = i % 2 == 0 ? (char)g_rand_int_range(random, 0, 256)
                                 : letters[g_rand_int_range(random, 0, (int)sizeof letters - 1)];
        write_file(path, text, (size_t)length);
        scenario = fab_scenario_load(path, NULL, &error);
        ck_assert_ptr_null(scenario);
        ck_assert_ptr_nonnull(error);
    }
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("scenario");

    tcase_add_checked_fixture(tests, test_folder_make, test_folder_remove);
    tcase_add_test(tests, every_key_of_a_collective_is_read);
    tcase_add_test(tests, what_is_not_said_is_left_to_nccl);
    tcase_add_test(tests, a_clock_and_ways_of_sendrecv_are_read);
    tcase_add_test(tests, clocks_and_ways_that_do_not_exist_are_refused);
    tcase_add_test(tests, one_way_belongs_to_sendrecv);
    tcase_add_test(tests, ranks_are_a_count_or_a_list);
    tcase_add_test(tests, flows_are_pairs_in_one_or_both_directions);
    tcase_add_test(tests, sizes_double_multiply_add_or_are_listed);
    tcase_add_test(tests, sizes_that_make_no_sense_are_refused);
    tcase_add_test(tests, unknown_words_are_answered_with_the_nearest);
    tcase_add_test(tests, values_out_of_range_are_refused);
    tcase_add_test(tests, a_file_that_lacks_something_is_refused);
    tcase_add_test(tests, sets_win_over_the_file);
    tcase_add_test(tests, a_set_without_group_belongs_to_what_the_scenario_runs);
    tcase_add_test(tests, the_last_of_two_texts_for_one_key_holds);
    tcase_add_test(tests, mistakes_in_sets_are_the_command_lines);
    tcase_add_test(tests, a_missing_file_is_answered_with_the_nearest);
    tcase_add_test(tests, random_bytes_are_refused_without_harm);
    return run_tests(tests);
}
