/* Shares solved by hand, and the max-min property under random load. */
#include <check.h>
#include <glib.h>
#include <math.h>

#include "engine/flow.h"
#include "suite.h"

#define MARK UINT32_C(0x80000000)
#define GB 1e9

typedef struct {
    FabQueue *queue;
    FabFlowSet *flows;
    GPtrArray *routes;
} Fixture;

static void
fixture_init(Fixture *fixture, const double *capacity, uint32_t count)
{
    fixture->queue = fab_queue_new();
    fixture->flows = fab_flow_set_new(capacity, count, fixture->queue, MARK);
    fixture->routes = g_ptr_array_new_with_free_func(g_free);
}

static void
fixture_clear(Fixture *fixture)
{
    fab_flow_set_free(fixture->flows);
    fab_queue_free(fixture->queue);
    g_ptr_array_unref(fixture->routes);
}

static const FabRoute *
route_of(Fixture *fixture, uint32_t count, const uint32_t *resources, const double *weights)
{
    FabRoute *route = g_malloc0(sizeof *route + count * sizeof(FabUse));

    route->id = fixture->routes->len;
    route->count = count;
    for (uint32_t i = 0; i < count; i++)
        route->uses[i] = (FabUse) { .resource = resources[i], .weight = weights != NULL ? weights[i] : 1 };
    g_ptr_array_add(fixture->routes, route);
    return route;
}

/* Runs to the end of the next transfer; its time, and how many transfers end with it. */
static int64_t
next_end(Fixture *fixture, uint32_t *ended)
{
    int64_t when;
    uint32_t data, tag;

    *ended = 0;
    while (*ended == 0 && fab_queue_pop(fixture->queue, &when, &data)) {
        if (!fab_flow_complete(fixture->flows, when, data & ~MARK))
            continue;
        while (fab_flow_take_tag(fixture->flows, &tag))
            (*ended)++;
        fab_flow_share(fixture->flows, when);
    }
    return *ended > 0 ? when : -1;
}

static void
assert_max_min(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;

    ck_assert_msg(fab_flow_check(fixture->flows, &error), "%s", error != NULL ? error->message : "");
}

START_TEST(a_lone_flow_runs_at_the_narrowest_resource)
{
    Fixture fixture;
    const FabRoute *route;
    uint32_t ended;

    fixture_init(&fixture, (const double[]) { 50 * GB, 25 * GB }, 2);
    route = route_of(&fixture, 2, (const uint32_t[]) { 0, 1 }, NULL);
    fab_flow_start(fixture.flows, 0, route, 25e6, INFINITY, 0);
    fab_flow_share(fixture.flows, 0);
    ck_assert_double_eq_tol(fab_flow_rate(fixture.flows, route), 25 * GB, 1);
    ck_assert_int_eq(next_end(&fixture, &ended), INT64_C(1000000000));
    ck_assert_double_eq_tol(fab_flow_carried(fixture.flows)[0], 25e6, 1e-3);
    fixture_clear(&fixture);
}
END_TEST

START_TEST(flows_of_one_resource_share_it_equally_and_refill_it)
{
    Fixture fixture;
    const FabRoute *a, *b;
    uint32_t ended;

    fixture_init(&fixture, (const double[]) { 10 * GB }, 1);
    a = route_of(&fixture, 1, (const uint32_t[]) { 0 }, NULL);
    b = route_of(&fixture, 1, (const uint32_t[]) { 0 }, NULL);
    fab_flow_start(fixture.flows, 0, a, 10e6, INFINITY, 0);
    fab_flow_start(fixture.flows, 0, b, 30e6, INFINITY, 1);
    fab_flow_share(fixture.flows, 0);
    ck_assert_double_eq_tol(fab_flow_rate(fixture.flows, a), 5 * GB, 1);
    ck_assert_int_eq(next_end(&fixture, &ended), INT64_C(2000000000)); /* 10 MB at 5 GB/s */
    ck_assert_double_eq_tol(fab_flow_rate(fixture.flows, b), 10 * GB, 1);
    ck_assert_int_eq(next_end(&fixture, &ended), INT64_C(4000000000)); /* 20 MB more at 10 GB/s */
    fixture_clear(&fixture);
}
END_TEST

/*
 * The parking lot: one long flow over both links, one short flow on each; capacities 10 and 30 GB/s. The first link
 * gives 5 to each of its two flows, so the second short one gets 25.
 */
START_TEST(the_parking_lot_has_its_textbook_shares)
{
    Fixture fixture;
    const FabRoute *across, *first, *second;

    fixture_init(&fixture, (const double[]) { 10 * GB, 30 * GB }, 2);
    across = route_of(&fixture, 2, (const uint32_t[]) { 0, 1 }, NULL);
    first = route_of(&fixture, 1, (const uint32_t[]) { 0 }, NULL);
    second = route_of(&fixture, 1, (const uint32_t[]) { 1 }, NULL);
    fab_flow_start(fixture.flows, 0, second, 1e9, INFINITY, 0);
    fab_flow_share(fixture.flows, 0);
    fab_flow_start(fixture.flows, 0, across, 1e9, INFINITY, 1);
    fab_flow_share(fixture.flows, 0);
    ck_assert_double_eq_tol(fab_flow_rate(fixture.flows, across), 10 * GB, 1);
    ck_assert_double_eq_tol(fab_flow_rate(fixture.flows, second), 20 * GB, 1);
    fab_flow_start(fixture.flows, 0, first, 1e9, INFINITY, 2);
    fab_flow_share(fixture.flows, 0);
    ck_assert_double_eq_tol(fab_flow_rate(fixture.flows, across), 5 * GB, 1);
    ck_assert_double_eq_tol(fab_flow_rate(fixture.flows, first), 5 * GB, 1);
    ck_assert_double_eq_tol(fab_flow_rate(fixture.flows, second), 25 * GB, 1);
    assert_max_min(&fixture);
    fixture_clear(&fixture);
}
END_TEST

/* Weights 1 and 3 on 12 GB/s: equal rates of 3 GB/s use 3 + 9. */
START_TEST(weights_are_bytes_used_for_each_byte_of_payload)
{
    Fixture fixture;
    const FabRoute *light, *heavy;

    fixture_init(&fixture, (const double[]) { 12 * GB }, 1);
    light = route_of(&fixture, 1, (const uint32_t[]) { 0 }, (const double[]) { 1 });
    heavy = route_of(&fixture, 1, (const uint32_t[]) { 0 }, (const double[]) { 3 });
    fab_flow_start(fixture.flows, 0, light, 1e9, INFINITY, 0);
    fab_flow_start(fixture.flows, 0, heavy, 1e9, INFINITY, 1);
    fab_flow_share(fixture.flows, 0);
    ck_assert_double_eq_tol(fab_flow_rate(fixture.flows, light), 3 * GB, 1);
    ck_assert_double_eq_tol(fab_flow_rate(fixture.flows, heavy), 3 * GB, 1);
    fixture_clear(&fixture);
}
END_TEST

START_TEST(what_a_limited_flow_leaves_goes_to_the_others)
{
    Fixture fixture;
    const FabRoute *slow, *fast;

    fixture_init(&fixture, (const double[]) { 10 * GB }, 1);
    slow = route_of(&fixture, 1, (const uint32_t[]) { 0 }, NULL);
    fast = route_of(&fixture, 1, (const uint32_t[]) { 0 }, NULL);
    fab_flow_start(fixture.flows, 0, slow, 1e9, 2 * GB, 0);
    fab_flow_start(fixture.flows, 0, fast, 1e9, INFINITY, 1);
    fab_flow_share(fixture.flows, 0);
    ck_assert_double_eq_tol(fab_flow_rate(fixture.flows, slow), 2 * GB, 1);
    ck_assert_double_eq_tol(fab_flow_rate(fixture.flows, fast), 8 * GB, 1);
    fixture_clear(&fixture);
}
END_TEST

START_TEST(identical_flows_are_one_with_a_multiplicity)
{
    Fixture fixture;
    const FabRoute *route;
    uint32_t ended;

    fixture_init(&fixture, (const double[]) { 16 * GB }, 1);
    route = route_of(&fixture, 1, (const uint32_t[]) { 0 }, NULL);
    for (uint32_t i = 0; i < 16; i++)
        fab_flow_start(fixture.flows, 0, route, 1e6, INFINITY, i);
    fab_flow_share(fixture.flows, 0);
    ck_assert_uint_eq(fab_flow_active(fixture.flows), 16);
    ck_assert_double_eq_tol(fab_flow_rate(fixture.flows, route), 1 * GB, 1);
    ck_assert_int_eq(next_end(&fixture, &ended), INT64_C(1000000000));
    ck_assert_uint_eq(ended, 16);
    ck_assert_double_eq_tol(fab_flow_carried(fixture.flows)[0], 16e6, 1e-3);
    fixture_clear(&fixture);
}
END_TEST

/* Random routes over 12 resources, random starts and limits: the solution is max-min fair after every change. */
START_TEST(random_load_is_always_max_min_fair)
{
    enum { RESOURCES = 12, ROUTES = 60, CHANGES = 150 };
    double capacity[RESOURCES];
    Fixture fixture;
    GRand *random = g_rand_new_with_seed((guint32)_i);
    int64_t now = 0, when;
    uint32_t data, tag, started = 0, ended = 0;

    for (int i = 0; i < RESOURCES; i++)
        capacity[i] = g_rand_int_range(random, 1, 20) * GB;
    fixture_init(&fixture, capacity, RESOURCES);
    for (int i = 0; i < ROUTES; i++) {
        uint32_t resources[4];
        double weights[4];
        uint32_t count = (uint32_t)g_rand_int_range(random, 1, 5), base = (uint32_t)g_rand_int_range(random, 0, 8);
        for (uint32_t k = 0; k < count; k++) {
            resources[k] = base + k;
            weights[k] = g_rand_boolean(random) ? 1 : g_rand_double_range(random, 0.05, 2);
        }
        route_of(&fixture, count, resources, weights);
    }
    for (int i = 0; i < CHANGES; i++) {
        int starts = g_rand_int_range(random, 0, 4);
        for (int k = 0; k < starts; k++) {
            const FabRoute *route = g_ptr_array_index(fixture.routes, g_rand_int_range(random, 0, ROUTES));
            double limit = g_rand_boolean(random) ? INFINITY : g_rand_double_range(random, 0.1, 3) * GB;
            fab_flow_start(fixture.flows, now, route, g_rand_int_range(random, 1, 50) * 1e5, limit, started++);
        }
        for (int k = _i % 2 * 2; k > 0; k--) /* also to nothing, and back */
            fab_flow_set_capacity(fixture.flows, (uint32_t)g_rand_int_range(random, 0, RESOURCES),
                                  g_rand_int_range(random, 0, 20) * GB);
        fab_flow_share(fixture.flows, now);
        assert_max_min(&fixture);
        if (now >= FAB_FLOW_LONGEST_PS / 2)
            break;
        if (!fab_queue_pop(fixture.queue, &when, &data))
            continue;
        ck_assert_int_ge(when, now);
        now = when;
        if (fab_flow_complete(fixture.flows, now, data & ~MARK)) {
            while (fab_flow_take_tag(fixture.flows, &tag))
                ended++;
        }
    }
    for (uint32_t i = 0; i < RESOURCES && _i % 2 != 0; i++)
        fab_flow_set_capacity(fixture.flows, i, 5 * GB);
    fab_flow_share(fixture.flows, now);
    while (fab_queue_pop(fixture.queue, &when, &data)) {
        if (fab_flow_complete(fixture.flows, when, data & ~MARK)) {
            while (fab_flow_take_tag(fixture.flows, &tag))
                ended++;
        }
        fab_flow_share(fixture.flows, when);
        assert_max_min(&fixture);
    }
    ck_assert_uint_eq(started, ended);
    ck_assert_uint_eq(fab_flow_active(fixture.flows), 0);
    g_rand_free(random);
    fixture_clear(&fixture);
}
END_TEST

START_TEST(what_waits_is_taken_out_with_what_it_has_left)
{
    const double capacity[] = { 10 * GB, 10 * GB };
    const uint32_t first[] = { 0 }, second[] = { 1 };
    Fixture fixture;
    const FabRoute *stalled, *other;
    double bytes, limit;
    uint32_t tag, ended;

    fixture_init(&fixture, capacity, 2);
    stalled = route_of(&fixture, 1, first, NULL);
    other = route_of(&fixture, 1, second, NULL);
    fab_flow_start(fixture.flows, 0, stalled, 1e6, 4 * GB, 1);
    fab_flow_start(fixture.flows, 0, stalled, 1e6, 4 * GB, 2);
    fab_flow_start(fixture.flows, 0, other, 1e6, INFINITY, 3);
    fab_flow_share(fixture.flows, 0);
    ck_assert(!fab_flow_take_waiting(fixture.flows, 10, &bytes, &limit));
    fab_flow_set_capacity(fixture.flows, 0, 0);
    ck_assert(fab_flow_take_waiting(fixture.flows, 50000000, &bytes, &limit)); /* 50 us at 4 GB/s */
    ck_assert_double_eq_tol(bytes, 8e5, 1);
    ck_assert_double_eq_tol(limit, 4 * GB, 1);
    ck_assert(fab_flow_take_tag(fixture.flows, &tag));
    ck_assert(fab_flow_take_tag(fixture.flows, &tag));
    ck_assert(!fab_flow_take_tag(fixture.flows, &tag));
    ck_assert(!fab_flow_take_waiting(fixture.flows, 50000000, &bytes, &limit));
    fab_flow_share(fixture.flows, 50000000);
    ck_assert_int_eq(next_end(&fixture, &ended), 100000000);
    ck_assert_double_eq_tol(fab_flow_carried(fixture.flows)[0], 4e5, 1);
    fixture_clear(&fixture);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("flow");

    tcase_add_test(tests, a_lone_flow_runs_at_the_narrowest_resource);
    tcase_add_test(tests, flows_of_one_resource_share_it_equally_and_refill_it);
    tcase_add_test(tests, the_parking_lot_has_its_textbook_shares);
    tcase_add_test(tests, weights_are_bytes_used_for_each_byte_of_payload);
    tcase_add_test(tests, what_a_limited_flow_leaves_goes_to_the_others);
    tcase_add_test(tests, identical_flows_are_one_with_a_multiplicity);
    tcase_add_loop_test(tests, random_load_is_always_max_min_fair, 0, 50);
    tcase_add_test(tests, what_waits_is_taken_out_with_what_it_has_left);
    return run_tests(tests);
}
