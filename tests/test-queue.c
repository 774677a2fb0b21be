#include <check.h>
#include <glib.h>
#include <stdlib.h>

#include "engine/queue.h"
#include "suite.h"

START_TEST(an_empty_queue_has_no_next_event)
{
    FabQueue *queue = fab_queue_new();
    int64_t when;
    uint32_t data;

    ck_assert(!fab_queue_pop(queue, &when, &data));
    ck_assert(!fab_queue_peek(queue, &when));
    ck_assert_uint_eq(fab_queue_size(queue), 0);
    fab_queue_free(queue);
}
END_TEST

START_TEST(events_come_out_by_time)
{
    static const int64_t times[] = { 50, 10, 40, 20, 30 };
    FabQueue *queue = fab_queue_new();
    int64_t when;
    uint32_t data;

    for (uint32_t i = 0; i < 5; i++)
        fab_queue_push(queue, times[i], i);
    for (int64_t expected = 10; expected <= 50; expected += 10) {
        ck_assert(fab_queue_pop(queue, &when, &data));
        ck_assert_int_eq(when, expected);
        ck_assert_int_eq(times[data], expected);
    }
    fab_queue_free(queue);
}
END_TEST

START_TEST(events_of_one_instant_come_out_in_the_order_they_went_in)
{
    FabQueue *queue = fab_queue_new();
    int64_t when;
    uint32_t data;

    for (uint32_t i = 0; i < 1000; i++)
        fab_queue_push(queue, 7, i);
    for (uint32_t i = 0; i < 500; i++) {
        ck_assert(fab_queue_pop(queue, &when, &data));
        ck_assert_uint_eq(data, i);
        fab_queue_push(queue, 7, 1000 + i); /* during the instant */
    }
    for (uint32_t i = 500; i < 1500; i++) {
        ck_assert(fab_queue_pop(queue, &when, &data));
        ck_assert_uint_eq(data, i);
    }
    ck_assert(!fab_queue_pop(queue, &when, &data));
    fab_queue_free(queue);
}
END_TEST

typedef struct {
    int64_t when;
    uint32_t data;
} Expected;

static int
compare_expected(const void *a, const void *b)
{
    const Expected *x = a, *y = b;

    return x->when != y->when ? (x->when < y->when ? -1 : 1) : (x->data < y->data ? -1 : x->data > y->data);
}

START_TEST(any_mix_equals_a_stable_sort)
{
    enum { EVENTS = 20000 };
    FabQueue *queue = fab_queue_new();
    Expected *expected = g_new(Expected, EVENTS);
    GRand *random = g_rand_new_with_seed((guint32)_i + 1);
    int spread = _i == 0 ? 3 : _i == 1 ? 700 : 1000000;
    int64_t when;
    uint32_t data;

    for (uint32_t i = 0; i < EVENTS; i++) {
        expected[i] = (Expected) { .when = g_rand_int_range(random, 0, spread), .data = i };
        fab_queue_push(queue, expected[i].when, i);
    }
    qsort(expected, EVENTS, sizeof *expected, compare_expected);
    for (uint32_t i = 0; i < EVENTS; i++) {
        ck_assert(fab_queue_pop(queue, &when, &data));
        ck_assert_int_eq(when, expected[i].when);
        ck_assert_uint_eq(data, expected[i].data);
        ck_assert_uint_eq(fab_queue_size(queue), EVENTS - 1 - i);
    }
    g_rand_free(random);
    g_free(expected);
    fab_queue_free(queue);
}
END_TEST

static gint
compare_in_tree(gconstpointer a, gconstpointer b, gpointer user)
{
    (void)user;
    return compare_expected(a, b);
}

/* How long after now the next one is: evenly, most at once and few late, in clusters, or of very different lengths. */
static int64_t
draw_delay(GRand *random, int law)
{
    switch (law) {
    case 0:
        return g_rand_int_range(random, 0, 1000000);
    case 1:
        return g_rand_int_range(random, 0, 10) > 0 ? g_rand_int_range(random, 0, 20) : INT64_C(1) << 40;
    case 2:
        return g_rand_int_range(random, 0, 5) * INT64_C(1000000000) + g_rand_int_range(random, 0, 100);
    default:
        return INT64_C(1) << g_rand_int_range(random, 0, 50);
    }
}

/* The queue and a sorted tree with the same events, of which the next comes out and others go in. */
START_TEST(thousands_pending_come_out_in_order_while_others_go_in)
{
    enum { PENDING = 12000, TURNS = 60000, LOW = 300 };
    FabQueue *queue = fab_queue_new();
    GTree *tree = g_tree_new_full(compare_in_tree, NULL, g_free, NULL);
    GRand *random = g_rand_new_with_seed((guint32)_i + 7);
    int64_t now = 0;
    uint32_t next = 0;

    for (uint32_t turn = 0; turn < TURNS; turn++) {
        /* up to PENDING, down to LOW, up again, and so on */
        guint32 pushes = turn / PENDING % 2 == 0 ? 2 : turn % 2 == 0 && g_tree_nnodes(tree) < LOW;
        for (guint32 i = 0; i < pushes; i++) {
            Expected event = { .when = now + draw_delay(random, _i), .data = next++ };
            fab_queue_push(queue, event.when, event.data);
            g_tree_insert(tree, g_memdup2(&event, sizeof event), NULL);
        }
        if (turn == PENDING / 2) {
            size_t count;
            FabQueueEvent *events = fab_queue_events(queue, &count);
            ck_assert_uint_eq(count, fab_queue_size(queue));
            for (size_t i = 1; i < count; i++)
                ck_assert(events[i - 1].when <= events[i].when);
            g_free(events);
        }
        if (g_tree_nnodes(tree) > 0) {
            const Expected *first = g_tree_node_key(g_tree_node_first(tree));
            uint32_t data;
            ck_assert(fab_queue_pop(queue, &now, &data));
            ck_assert_int_eq(now, first->when);
            ck_assert_uint_eq(data, first->data);
            g_tree_remove(tree, first);
        }
        ck_assert_uint_eq(fab_queue_size(queue), (size_t)g_tree_nnodes(tree));
    }
    g_rand_free(random);
    g_tree_destroy(tree);
    fab_queue_free(queue);
}
END_TEST

START_TEST(thousands_pending_may_all_be_put_off)
{
    enum { EVENTS = 10000, LATER = 12345 };
    FabQueue *queue = fab_queue_new();
    int64_t when, last = 0;
    uint32_t data;

    for (uint32_t i = 0; i < EVENTS; i++)
        fab_queue_push(queue, (int64_t)(i * 7919 % EVENTS) * 100, i);
    for (uint32_t i = 0; i < EVENTS / 10; i++)
        ck_assert(fab_queue_pop(queue, &last, &data));
    fab_queue_put_off(queue, LATER);
    fab_queue_push(queue, last + 50, EVENTS);
    ck_assert(fab_queue_pop(queue, &when, &data));
    ck_assert_uint_eq(data, EVENTS);
    for (uint32_t i = EVENTS / 10; i < EVENTS; i++) {
        ck_assert(fab_queue_pop(queue, &when, &data));
        ck_assert_int_eq(when, (int64_t)(data * 7919 % EVENTS) * 100 + LATER);
        ck_assert(when > last);
        last = when;
    }
    ck_assert(!fab_queue_peek(queue, &when));
    fab_queue_free(queue);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("queue");

    tcase_add_test(tests, an_empty_queue_has_no_next_event);
    tcase_add_test(tests, events_come_out_by_time);
    tcase_add_test(tests, events_of_one_instant_come_out_in_the_order_they_went_in);
    tcase_add_loop_test(tests, any_mix_equals_a_stable_sort, 0, 3);
    tcase_add_loop_test(tests, thousands_pending_come_out_in_order_while_others_go_in, 0, 4);
    tcase_add_test(tests, thousands_pending_may_all_be_put_off);
    return run_tests(tests);
}
