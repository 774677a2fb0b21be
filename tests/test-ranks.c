/* Sweeps by many ranks: here threads with queues between them, which stand for processes and MPI. */
#include "study/ranks.h"

#include <check.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "study/store.h"
#include "study/sweep-inputs.h"
#include "study/sweep-ranks.h"
#include "suite.h"

enum { RANKS = 4 };

/* ------------------------------------------------------------------ messages */

typedef struct {
    uint32_t from;
    size_t length;
    void *data;
} Message;

typedef struct {
    FabRanks ranks[RANKS];
    GAsyncQueue *inbox[RANKS];
    guint sent;
} Net;

static void
net_send(FabRanks *ranks, uint32_t to, const void *data, size_t length)
{
    Net *net = ranks->user;
    Message *message = g_new0(Message, 1);

    message->from = ranks->rank;
    message->length = length;
    message->data = g_memdup2(data, length);
    g_atomic_int_inc(&net->sent);
    g_async_queue_push(net->inbox[to], message);
}

static void *
net_poll(FabRanks *ranks, uint32_t *from, size_t *length)
{
    Net *net = ranks->user;
    g_autofree Message *message = g_async_queue_try_pop(net->inbox[ranks->rank]);

    if (message == NULL)
        return NULL;
    *from = message->from;
    *length = message->length;
    return message->data;
}

static void
net_finish(FabRanks *ranks)
{
    (void)ranks;
}

static Net *
net_new(void)
{
    Net *net = g_new0(Net, 1);

    for (uint32_t i = 0; i < RANKS; i++) {
        net->inbox[i] = g_async_queue_new();
        net->ranks[i] = (FabRanks) { FAB_RANKS_ABI, i, RANKS, RANKS, net_send, net_poll, net_finish, net };
    }
    return net;
}

/* Nothing may be left that nobody read. */
static void
net_free(Net *net)
{
    for (uint32_t i = 0; i < RANKS; i++) {
        ck_assert_int_eq(g_async_queue_length(net->inbox[i]), 0);
        g_async_queue_unref(net->inbox[i]);
    }
    g_free(net);
}

/* ------------------------------------------------------------------ ranks */

/* A sweep of [sweep] lines in a file of its own. */
typedef struct {
    char path[32];
    FabSweep *sweep;
    FabSweepSpec spec;
    GPtrArray *inputs;
} Case;

static void
case_init(Case *one, const char *lines)
{
    g_autofree char *text = g_strconcat("[topology]\nname=ws2-bridge-3090\n[collective]\noperation=all_reduce\n"
                                        "sizes=64K;1M\n[sweep]\n", lines, NULL);
    g_autoptr(GError) error = NULL;
    int file;

    g_strlcpy(one->path, "/tmp/fab-ranks-XXXXXX", sizeof one->path);
    file = g_mkstemp(one->path);
    ck_assert_int_ge(file, 0);
    close(file);
    ck_assert(g_file_set_contents(one->path, text, -1, NULL));
    one->sweep = fab_sweep_load(one->path, NULL, &error);
    ck_assert_msg(one->sweep != NULL, "%s", error != NULL ? error->message : "no error");
    one->spec = (FabSweepSpec) { .path = one->path, .sweep = one->sweep, .threads = 2 };
    one->inputs = fab_sweep_inputs(one->path, NULL, one->sweep);
}

static void
case_clear(Case *one)
{
    g_unlink(one->path);
    g_ptr_array_unref(one->inputs);
    fab_sweep_free(one->sweep);
}

typedef struct {
    FabRanks *ranks;
    const FabSweepSpec *spec;
    GPtrArray *inputs;
    const GError *trouble;
} Follow;

static gpointer
follow(gpointer data)
{
    Follow *one = data;

    fab_sweep_follow(one->ranks, one->spec, one->inputs, one->trouble);
    return NULL;
}

/*
 * Rank 0 leads into a store in memory, the others follow; `other` are the inputs of rank 2, `trouble` is that of rank
 * 3. `spec` NULL: called off.
 */
static bool
run_all(const FabSweepSpec *spec, GPtrArray *inputs, GPtrArray *other, const GError *trouble, FabStore *store,
        GError **error)
{
    Net *net = net_new();
    Follow follows[RANKS];
    GThread *threads[RANKS];
    uint64_t found = 0;
    bool good = true;

    for (uint32_t i = 1; i < RANKS; i++) {
        follows[i] = (Follow) { &net->ranks[i], spec, i == 2 ? other : inputs, i == 3 ? trouble : NULL };
        threads[i] = g_thread_new("rank", follow, &follows[i]);
    }
    if (store != NULL)
        good = fab_sweep_lead(&net->ranks[0], spec, inputs, store, &found, NULL, NULL, error);
    else
        fab_sweep_call_off(&net->ranks[0]);
    for (uint32_t i = 1; i < RANKS; i++)
        g_thread_join(threads[i]);
    net_free(net);
    return good;
}

static FabStore *
store_of(GPtrArray *inputs)
{
    FabStore *store = fab_store_open(NULL, "one", inputs, false, NULL);

    ck_assert_ptr_nonnull(store);
    return store;
}

static void
check_same_rows(FabStore *a, FabStore *b)
{
    g_autoptr(GPtrArray) one = fab_store_rows(a, NULL), other = fab_store_rows(b, NULL);

    ck_assert_uint_gt(one->len, 0);
    ck_assert_uint_eq(one->len, other->len);
    for (guint i = 0; i < one->len; i++) {
        const FabStoreRow *x = one->pdata[i], *y = other->pdata[i];
        ck_assert_uint_eq(x->point, y->point);
        ck_assert_uint_eq(x->size_bytes, y->size_bytes);
        ck_assert_double_eq(x->seconds, y->seconds);
        ck_assert_double_eq(x->low_s, y->low_s);
        ck_assert_double_eq(x->high_s, y->high_s);
        ck_assert_double_eq(x->work, y->work);
        ck_assert_double_eq(x->algbw, y->algbw);
        ck_assert_double_eq(x->cost, y->cost);
        ck_assert_uint_eq(x->gpus, y->gpus);
        ck_assert(x->fits == y->fits);
        ck_assert_pstr_eq(x->currency, y->currency);
        ck_assert_pstr_eq(x->binding, y->binding);
    }
}

/* ------------------------------------------------------------------ tests */

START_TEST(ranks_find_what_one_process_finds)
{
    Case one;
    g_autoptr(GError) error = NULL;
    g_autofree char *reason = NULL;
    uint64_t found, refused;

    case_init(&one, "collective.ranks=2..5\ncollective.channels=1..10\nprice.gpu_hour=1 USD/h | 2 USD/h\n"
                    "price.date=2025-11\nprice.source=a quote\n");
    g_autoptr(FabStore) alone = store_of(one.inputs);
    g_autoptr(FabStore) together = store_of(one.inputs);
    ck_assert(fab_sweep_run(&one.spec, alone, &found, NULL, NULL, &error));
    ck_assert_uint_eq(found, 80);
    ck_assert_msg(run_all(&one.spec, one.inputs, one.inputs, NULL, together, &error), "%s",
                  error != NULL ? error->message : "no error");
    check_same_rows(alone, together);
    ck_assert(fab_store_refused(together, &refused, &reason, NULL));
    ck_assert_uint_eq(refused, 60);
    ck_assert_ptr_nonnull(strstr(reason, "3 ranks need 3 GPUs"));
    case_clear(&one);
}
END_TEST

START_TEST(ranks_run_only_what_the_store_lacks)
{
    Case one;
    g_autoptr(GPtrArray) none = g_ptr_array_new();
    g_autofree bool *done = NULL;
    uint64_t count;

    case_init(&one, "collective.channels=1..10\n");
    g_autoptr(FabStore) store = store_of(one.inputs);
    for (uint64_t i = 0; i < 10; i += 2)
        ck_assert(fab_store_add(store, i, none, NULL, NULL));
    ck_assert(run_all(&one.spec, one.inputs, one.inputs, NULL, store, NULL));
    done = g_new0(bool, 10);
    ck_assert(fab_store_done(store, done, 10, &count, NULL));
    ck_assert_uint_eq(count, 10);
    g_autoptr(GPtrArray) rows = fab_store_rows(store, NULL);
    ck_assert_uint_eq(rows->len, 5 * 2);
    case_clear(&one);
}
END_TEST

START_TEST(a_rank_that_reads_another_file_is_named)
{
    Case one;
    g_autoptr(GPtrArray) other = g_ptr_array_new();
    g_autoptr(GError) error = NULL;
    FabStoreInput changed;

    case_init(&one, "collective.channels=1..10\n");
    g_autoptr(FabStore) store = store_of(one.inputs);
    for (guint i = 0; i < one.inputs->len; i++)
        g_ptr_array_add(other, one.inputs->pdata[i]);
    changed = *(FabStoreInput *)other->pdata[1];
    changed.digest = (char *)"other";
    other->pdata[1] = &changed;
    ck_assert(!run_all(&one.spec, one.inputs, other, NULL, store, &error));
    ck_assert_msg(g_str_has_prefix(error->message, "rank 2 on ") &&
                      strstr(error->message, "ws2-bridge-3090.ini is not the one of rank 0") != NULL,
                  "%s", error->message);
    case_clear(&one);
}
END_TEST

START_TEST(trouble_of_a_rank_is_said_by_the_first)
{
    Case one;
    g_autoptr(GError) error = NULL, trouble = g_error_new(FAB_ERROR, FAB_ERROR_FILE, "mine.ini: no such file");

    case_init(&one, "collective.channels=1..10\n");
    g_autoptr(FabStore) store = store_of(one.inputs);
    ck_assert(!run_all(&one.spec, one.inputs, one.inputs, trouble, store, &error));
    ck_assert_msg(g_str_has_prefix(error->message, "rank 3 on ") &&
                      g_str_has_suffix(error->message, ": mine.ini: no such file"), "%s", error->message);
    case_clear(&one);
}
END_TEST

START_TEST(a_file_that_is_missing_ends_all)
{
    Case one;
    g_autoptr(GError) error = NULL;

    case_init(&one, "collective.channels=1..10\ncalibration.file=none.ini\n");
    g_autoptr(FabStore) store = store_of(one.inputs);
    ck_assert(!run_all(&one.spec, one.inputs, one.inputs, NULL, store, &error));
    ck_assert_msg(strstr(error->message, "none.ini") != NULL, "%s", error->message);
    case_clear(&one);
}
END_TEST

START_TEST(all_end_when_it_is_called_off)
{
    Case one;

    case_init(&one, "collective.channels=1..10\n");
    ck_assert(run_all(&one.spec, one.inputs, one.inputs, NULL, NULL, NULL));
    case_clear(&one);
}
END_TEST

START_TEST(a_process_alone_has_no_ranks)
{
    FabRanks *ranks = NULL;

    for (const char *const *name = (const char *const[]) { "OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE",
                                                           "PMIX_RANK", NULL }; *name != NULL; name++)
        g_unsetenv(*name);
    ck_assert(fab_ranks_find(&ranks, NULL));
    ck_assert_ptr_null(ranks);
    g_setenv("OMPI_COMM_WORLD_SIZE", "1", TRUE);
    ck_assert(fab_ranks_find(&ranks, NULL));
    ck_assert_ptr_null(ranks);
}
END_TEST

START_TEST(cores_are_shared_out_among_the_ranks_of_a_machine)
{
    FabRanks alone = { .here = 1 }, many = { .here = 1 << 20 };

    ck_assert_uint_eq(fab_ranks_threads(&alone), g_get_num_processors());
    ck_assert_uint_ge(fab_ranks_threads(&many), 1);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("ranks");

    tcase_add_test(tests, ranks_find_what_one_process_finds);
    tcase_add_test(tests, ranks_run_only_what_the_store_lacks);
    tcase_add_test(tests, a_rank_that_reads_another_file_is_named);
    tcase_add_test(tests, trouble_of_a_rank_is_said_by_the_first);
    tcase_add_test(tests, a_file_that_is_missing_ends_all);
    tcase_add_test(tests, all_end_when_it_is_called_off);
    tcase_add_test(tests, a_process_alone_has_no_ranks);
    tcase_add_test(tests, cores_are_shared_out_among_the_ranks_of_a_machine);
    return run_tests(tests);
}
