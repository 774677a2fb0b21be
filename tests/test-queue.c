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

int
main(void)
{
    TCase *tests = tcase_create("queue");

    tcase_add_test(tests, an_empty_queue_has_no_next_event);
    tcase_add_test(tests, events_come_out_by_time);
    tcase_add_test(tests, events_of_one_instant_come_out_in_the_order_they_went_in);
    tcase_add_loop_test(tests, any_mix_equals_a_stable_sort, 0, 3);
    return run_tests(tests);
}
