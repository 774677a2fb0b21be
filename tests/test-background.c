/* What other jobs take of a network: [background]. */
#include <check.h>
#include <stdlib.h>

#include "fixture.h"
#include "suite.h"

#define COPY "topology.name=superpod-h100|topology.nodes=2|transfer.flows=0>8|transfer.sizes=64M"

static int64_t
first_row(const FabResult *result)
{
    return ((const FabResultRow *)result->rows->pdata[0])->time_ps;
}

static int64_t
time_of(const char *text)
{
    g_autoptr(FabResult) result = test_run_text(text);

    return ((const FabResultRow *)result->rows->pdata[0])->time_ps;
}

#define ACROSS "topology.name=superpod-h100|topology.nodes=2|topology.pxn=off|transfer.flows=0>9|transfer.sizes=64M"
#define HASHED "topology.name=cluster|topology.plugin=fat-tree|topology.node=dgx-a100|topology.nodes=4|" \
               "topology.radix=16|collective.operation=all_gather|collective.algorithm=ring|collective.sizes=16M"

START_TEST(other_jobs_take_their_share_of_cables_between_switches)
{
    g_autoptr(FabResult) half = test_run_text(ACROSS "|background.load=0.5");

    ck_assert_double_eq_tol((double)first_row(half) / (double)time_of(ACROSS), 2, 0.01);
    ck_assert_int_eq(time_of(COPY "|background.load=0.5"), time_of(COPY)); /* one leaf joins these two */
    ck_assert_uint_eq(half->faults->len, 1);
    ck_assert_str_eq(((const FabResultFault *)half->faults->pdata[0])->name, "background");
    ck_assert_int_eq(half->healthy_ps[0], time_of(ACROSS));
    ck_assert_int_eq(((const FabResultFault *)half->faults->pdata[0])->alone_ps[0], first_row(half));
}
END_TEST

START_TEST(a_fault_leaves_its_share_of_what_other_jobs_leave)
{
    const char *quarter = ACROSS "|background.load=0.5|fault.kind=link-rate|fault.rate=0.5|fault.start=0 us|fault.at=";
    g_autofree char *both = g_strconcat(quarter, "Leaf 0 - Spine 0", NULL);
    g_autoptr(FabResult) result = test_run_text(both);
    const FabResultFault *fault = result->faults->pdata[0], *other = result->faults->pdata[1];

    ck_assert_double_eq_tol((double)first_row(result) / (double)result->healthy_ps[0], 4, 0.02);
    ck_assert_double_eq_tol((double)fault->alone_ps[0] / (double)result->healthy_ps[0], 2, 0.01);
    ck_assert_double_eq_tol((double)other->alone_ps[0] / (double)result->healthy_ps[0], 2, 0.01);
}
END_TEST

START_TEST(flows_of_other_jobs_are_drawn_by_their_seed)
{
    const char *others = HASHED "|topology.radix=32|" /* nodes 0 and 2, on whose leaves hang nodes 1 and 3 */
                         "collective.ranks=0,1,2,3,4,5,6,7,16,17,18,19,20,21,22,23";
    g_autofree char *flows = g_strconcat(others, "|background.flows=32|background.rate=5 GB/s|background.seed=", NULL);
    g_autofree char *one = g_strconcat(flows, "1", NULL), *two = g_strconcat(flows, "2", NULL);
    g_autofree char *few = g_strconcat(others, "|background.flows=1|background.rate=1 B/s", NULL);

    ck_assert_int_gt(time_of(one), time_of(others));
    ck_assert_int_eq(time_of(one), time_of(one));
    ck_assert_int_ne(time_of(one), time_of(two));
    ck_assert_int_le(llabs(time_of(few) - time_of(others)), 1000);
}
END_TEST

START_TEST(other_jobs_have_nodes_of_their_own)
{
    const char *rails = "topology.name=superpod-h100|topology.nodes=3|transfer.flows=0>8|transfer.sizes=1G";
    g_autofree char *flows = g_strconcat(rails, "|background.flows=64|background.rate=50 GB/s", NULL);
    g_autoptr(FabResult) result = test_run_text(flows);

    ck_assert_int_eq(first_row(result), result->healthy_ps[0]); /* their flows stay among the NICs of node 2 */
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("background");

    tcase_add_test(tests, other_jobs_take_their_share_of_cables_between_switches);
    tcase_add_test(tests, a_fault_leaves_its_share_of_what_other_jobs_leave);
    tcase_add_test(tests, flows_of_other_jobs_are_drawn_by_their_seed);
    tcase_add_test(tests, other_jobs_have_nodes_of_their_own);
    return run_tests(tests);
}
