/* Folding: what one rank for all of its class takes is what all ranks take, and what tells ranks apart is said. */
#include <check.h>
#include <math.h>
#include <string.h>

#include "fixture.h"
#include "predict/run-private.h"
#include "suite.h"
#include "topology/machine.h"

/* "topology.nodes=2|collective.sizes=1M" and how to fold. */
static FabResult *
run(const char *settings, const char *fold, GError **error)
{
    g_autofree char *all = g_strconcat(settings, "|collective.fold=", fold, NULL);

    return test_try_run_text(all, error);
}

static void
check_same_use(const char *settings, const FabResultUse *one, const FabResultUse *other)
{
    ck_assert_msg(fabs(one->bytes - other->bytes) <= 1e-9 * other->bytes, "%s: %s carries %g and %g bytes", settings,
                  other->name, one->bytes, other->bytes);
}

/* Uses are sorted by utilisation, where equal ones may stand in another order after rounding: names find them. */
static void
check_same_row(const char *settings, const FabResultRow *folded, const FabResultRow *whole)
{
    g_autoptr(GHashTable) uses = g_hash_table_new(g_str_hash, g_str_equal);

    ck_assert_msg(folded->time_ps == whole->time_ps, "%s: %" G_GINT64_FORMAT " and %" G_GINT64_FORMAT " ps",
                  settings, folded->time_ps, whole->time_ps);
    ck_assert_uint_eq(folded->steps, whole->steps);
    ck_assert_uint_eq(folded->slices, whole->slices);
    ck_assert_uint_eq(folded->uses->len, whole->uses->len);
    for (guint i = 0; i < whole->uses->len; i++) {
        FabResultUse *use = &g_array_index(folded->uses, FabResultUse, i);
        g_hash_table_insert(uses, use->name, use);
    }
    for (guint i = 0; i < whole->uses->len; i++) {
        const FabResultUse *use = &g_array_index(whole->uses, FabResultUse, i);
        const FabResultUse *same = g_hash_table_lookup(uses, use->name);
        ck_assert_msg(same != NULL, "%s: %s carries nothing when folded", settings, use->name);
        check_same_use(settings, same, use);
    }
}

static bool
says(const FabResult *result, const char *note)
{
    for (guint i = 0; i < result->notes->len; i++) {
        if (strcmp(result->notes->pdata[i], note) == 0)
            return true;
    }
    return false;
}

/* Runs both ways. `ranks` that are simulated of how many, or 0: whatever comes out. */
static void
check_same(const char *settings, uint32_t ranks, uint32_t of)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabResult) folded = run(settings, "on", &error), whole = NULL;

    ck_assert_msg(folded != NULL, "%s: %s", settings, error != NULL ? error->message : "");
    whole = run(settings, "off", &error);
    ck_assert_msg(whole != NULL, "%s: %s", settings, error != NULL ? error->message : "");
    ck_assert_uint_eq(folded->rows->len, whole->rows->len);
    for (guint i = 0; i < whole->rows->len; i++)
        check_same_row(settings, folded->rows->pdata[i], whole->rows->pdata[i]);
    ck_assert_uint_eq(folded->notes->len, whole->notes->len + 1);
    if (ranks > 0) {
        g_autofree char *note = g_strdup_printf(
            "folded: %u of %u ranks are simulated, each for %u that do the same at the same time", ranks, of,
            of / ranks);
        ck_assert_msg(says(folded, note), "%s: %s is not said", settings, note);
    }
}

static const struct {
    const char *settings;
    uint32_t ranks, of;
} cases[] = {
    { "topology.name=dgx-h100|collective.operation=alltoall|collective.sizes=1K,1M", 1, 8 },
    { "topology.name=dgx-a100|collective.operation=sendrecv|collective.sizes=1K,4M", 1, 8 },
    { "topology.name=dgx-h100|collective.operation=all_gather|collective.algorithm=ring|collective.channels=8|"
      "collective.sizes=1M", 1, 8 },
    { "topology.name=superpod-h100|topology.nodes=2|collective.operation=all_reduce|collective.algorithm=ring|"
      "collective.sizes=1K,64K,1M,16M", 8, 16 },
    { "topology.name=superpod-h100|topology.nodes=4|collective.operation=all_gather|collective.sizes=8K,1M,32M", 8,
      32 },
    { "topology.name=superpod-h100|topology.nodes=8|collective.operation=reduce_scatter|collective.sizes=64K,4M", 8,
      64 },
    { "topology.name=superpod-h100|topology.nodes=3|topology.node.nics_per_node=4|collective.operation=sendrecv|"
      "collective.sizes=1M", 8, 24 },
    { "topology.name=superpod-h100|topology.nodes=4|collective.operation=alltoall|collective.sizes=64K,4M", 8, 32 },
    { "topology.name=superpod-h100|topology.nodes=32|collective.operation=all_gather|collective.sizes=256K", 8, 256 },
    /* Groups of two nodes: every other step passes a spine. */
    { "topology.name=superpod-h100|topology.nodes=8|topology.group_nodes=2|topology.routing=spray|"
      "collective.operation=all_gather|collective.sizes=64K,8M", 16, 64 },
    { "topology.name=superpod-h100|topology.nodes=8|topology.group_nodes=4|topology.routing=spray|"
      "topology.oversubscription=2|collective.operation=all_reduce|collective.algorithm=ring|"
      "collective.protocol=simple|collective.sizes=32M", 32, 64 },
    /* Spines that half of the cables lead to: flows of all nodes share them. */
    { "topology.name=superpod-h100|topology.nodes=4|topology.group_nodes=1|topology.routing=spray|"
      "topology.oversubscription=2|collective.operation=sendrecv|collective.sizes=4M", 8, 32 },
    /* In NVLSTree nodes have places of their own, but the GPUs of a node do the same. */
    { "topology.name=superpod-h100|topology.nodes=2|collective.operation=all_reduce|collective.algorithm=nvls-tree|"
      "collective.sizes=256K,8M,64M", 2, 16 },
    { "topology.name=superpod-h100|topology.nodes=7|collective.operation=all_reduce|collective.algorithm=nvls-tree|"
      "collective.channels=4|collective.sizes=1M,16M", 7, 56 },
    { "topology.name=superpod-h100|topology.nodes=6|topology.group_nodes=2|topology.routing=spray|"
      "topology.oversubscription=2|collective.operation=all_reduce|collective.algorithm=nvls-tree|"
      "collective.sizes=4M", 6, 48 },
    { "topology.name=aws-p4d-x8|topology.nodes=4|topology.routing=spray|collective.operation=reduce_scatter|"
      "collective.sizes=1M", 0, 0 },
};

START_TEST(folded_equals_unfolded_to_the_picosecond)
{
    check_same(cases[_i].settings, cases[_i].ranks, cases[_i].of);
}
END_TEST

START_TEST(folded_equals_unfolded_on_clusters_drawn_at_random)
{
    static const char *const operations[] = { "all_gather", "reduce_scatter", "alltoall", "sendrecv", "all_reduce" };
    static const char *const protocols[] = { "auto", "simple", "ll", "ll128" };
    static const uint32_t groups[] = { 1, 2, 4 };
    g_autoptr(GRand) random = g_rand_new_with_seed(17);

    for (int i = 0; i < 24; i++) {
        uint32_t group = groups[g_rand_int_range(random, 0, 3)];
        uint32_t nodes = group * (uint32_t)g_rand_int_range(random, 2, 4);
        uint32_t operation = (uint32_t)g_rand_int_range(random, 0, 5);
        const char *protocol = protocols[g_rand_int_range(random, 0, operation < 2 || operation == 4 ? 4 : 2)];
        /* Pieces of all ranks, channels and loops are equally long. */
        uint64_t size = (uint64_t)nodes * 8 * 16 * 64 << g_rand_int_range(random, 0, 6);
        g_autofree char *settings = g_strdup_printf(
            "topology.name=superpod-h100|topology.nodes=%u|topology.group_nodes=%u|topology.routing=spray|"
            "topology.oversubscription=%d|collective.operation=%s|collective.protocol=%s|collective.algorithm=%s|"
            "collective.channels=%d|collective.sizes=%" G_GUINT64_FORMAT, nodes, group, g_rand_int_range(random, 1, 3),
            operations[operation], protocol, operation == 2 || operation == 3 ? "pairwise" : "ring",
            1 << g_rand_int_range(random, 0, 5), size);
        check_same(settings, 0, 0);
    }
}
END_TEST

static const struct {
    const char *settings, *why;
} refused[] = {
    { "topology.name=superpod-h100|topology.nodes=4|collective.operation=all_reduce|collective.algorithm=tree|"
      "collective.sizes=1M", "all_reduce tree of this size gives its ranks different work" },
    { "topology.name=superpod-h100|topology.nodes=3|collective.operation=all_gather|collective.sizes=1000000",
      "of this size gives its ranks different work" },
    { "topology.name=superpod-h100|topology.nodes=2|collective.operation=broadcast|collective.sizes=1M",
      "gives its ranks different work" },
    { "topology.name=superpod-h100|topology.nodes=4|topology.group_nodes=2|topology.routing=static|"
      "collective.operation=all_gather|collective.sizes=1M", "chooses among several ways for each connection" },
    { "topology.name=superpod-h100|topology.nodes=4|topology.group_nodes=2|topology.routing=adaptive|"
      "collective.operation=all_gather|collective.sizes=1M", "chooses among several ways for each connection" },
    { "topology.name=superpod-h100|topology.nodes=2|topology.node_1=dgx-a100|collective.operation=all_gather|"
      "collective.sizes=1M", "no two parts of the fabric are wired alike" },
    { "topology.name=loopback-h200|collective.operation=alltoall|collective.sizes=1M", "parts of one device" },
};

START_TEST(what_tells_ranks_apart_is_said)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabResult) result = run(refused[_i].settings, "on", &error), other = NULL;

    ck_assert_msg(result == NULL, "%s was folded", refused[_i].settings);
    ck_assert_msg(strstr(error->message, refused[_i].why) != NULL, "%s: %s", refused[_i].settings, error->message);
    g_clear_error(&error);
    other = run(refused[_i].settings, "auto", &error);
    ck_assert_msg(other != NULL, "%s: %s", refused[_i].settings, error != NULL ? error->message : "");
}
END_TEST

START_TEST(many_ranks_are_folded_unless_it_is_forbidden)
{
    const char *settings = "topology.name=superpod-h100|topology.nodes=64|topology.group_nodes=64|topology.radix=128|"
                           "collective.operation=all_gather|collective.channels=1|collective.sizes=64K";
    g_autoptr(GError) error = NULL;
    g_autoptr(FabResult) folded = run(settings, "auto", &error), whole = run(settings, "off", &error);

    ck_assert_ptr_nonnull(folded);
    ck_assert_ptr_nonnull(whole);
    ck_assert(says(folded, "folded: 8 of 512 ranks are simulated, each for 64 that do the same at the same time"));
    ck_assert_uint_eq(whole->notes->len + 1, folded->notes->len);
    check_same_row(settings, folded->rows->pdata[0], whole->rows->pdata[0]);
}
END_TEST

/* Whether the work of a scenario is accepted before it begins. */
static bool
is_accepted(const char *settings, GError **error)
{
    g_auto(GStrv) sets = g_strsplit(settings, "|", -1);
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets(sets, error);
    g_autoptr(FabTopology) topology = fab_machine_load(scenario->topology, scenario->overrides, error);
    FabRun run;
    bool good;

    ck_assert_ptr_nonnull(topology);
    good = fab_run_init(&run, scenario, topology, NULL, error) && fab_run_check_work(&run, error);
    fab_run_clear(&run);
    return good;
}

START_TEST(what_is_too_much_unfolded_runs_folded)
{
    const char *settings = "topology.name=superpod-h100|topology.nodes=64|topology.group_nodes=64|"
                           "topology.radix=128|collective.operation=all_reduce|collective.algorithm=ring|"
                           "collective.protocol=simple|collective.slice=4K|collective.chunk=4K|collective.sizes=16G";
    g_autofree char *unfolded = g_strconcat(settings, "|collective.fold=off", NULL);
    g_autoptr(GError) error = NULL;

    ck_assert(!is_accepted(unfolded, &error));
    ck_assert_ptr_nonnull(strstr(error->message, "slices"));
    g_clear_error(&error);
    ck_assert_msg(is_accepted(settings, &error), "%s", error != NULL ? error->message : "");
}
END_TEST

/* 2.7 x 10^8 pairs: neither the first with a choice nor what can never fit waits for all others to be looked at. */
START_TEST(all_to_all_over_very_many_ranks_is_refused_before_its_pairs_fill_the_memory)
{
    static const char *const clusters[] = { "topology.name=superpod-h100|topology.nodes=2048|",
                                            "topology.name=cluster|topology.nodes=2048|topology.radix=2048|" };

    for (guint i = 0; i < G_N_ELEMENTS(clusters); i++) {
        g_autofree char *settings = g_strconcat(clusters[i], "collective.operation=alltoall|collective.sizes=1G", NULL);
        g_autoptr(GError) error = NULL;
        ck_assert(!is_accepted(settings, &error));
        test_says(error->message, "of memory for its connections, at most 8 GiB are allowed");
    }
}
END_TEST

START_TEST(another_word_than_auto_on_off_is_refused)
{
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(run("topology.name=dgx-h100|collective.operation=alltoall|collective.sizes=1M", "of", &error));
    ck_assert_ptr_nonnull(strstr(error->message, "fold"));
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("fold");

    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, folded_equals_unfolded_to_the_picosecond, 0, G_N_ELEMENTS(cases));
    tcase_add_test(tests, folded_equals_unfolded_on_clusters_drawn_at_random);
    tcase_add_loop_test(tests, what_tells_ranks_apart_is_said, 0, G_N_ELEMENTS(refused));
    tcase_add_test(tests, many_ranks_are_folded_unless_it_is_forbidden);
    tcase_add_test(tests, what_is_too_much_unfolded_runs_folded);
    tcase_add_test(tests, all_to_all_over_very_many_ranks_is_refused_before_its_pairs_fill_the_memory);
    tcase_add_test(tests, another_word_than_auto_on_off_is_refused);
    return run_tests(tests);
}
