/* Runs in several threads at once give what one gives alone: nothing is shared but what is fixed or locked. */
#include <check.h>
#include <stdlib.h>

#include "report/report.h"
#include "scenario/scenario.h"
#include "predict/run.h"
#include "suite.h"

enum { THREADS = 4, ROUNDS = 3 };

/* Different machines and plugins, so that catalogue, loader and GPU models are first asked for at the same time. */
static const char *const calls[][5] = {
    { "topology.name=dgx-h100", "collective.operation=all_reduce", "sizes=1K;4M", NULL },
    { "topology.name=dgx-1v", "collective.operation=all_gather", "sizes=1K;4M", NULL },
    { "topology.name=wrx90-3sw-8", "collective.operation=alltoall", "sizes=1K;4M", NULL },
    { "topology.name=ws2-bridge-3090", "transfer.flows=0<>1", "sizes=1K;4M", NULL },
};

/* The call's result as JSON; free(). NULL when it failed. */
static char *
run(const char *const *sets)
{
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets((char *const *)sets, NULL);
    g_autoptr(GPtrArray) results = g_ptr_array_new_with_free_func((GDestroyNotify)fab_result_free);
    FabResult *result = scenario != NULL ? fab_run(scenario, NULL, NULL, NULL) : NULL;
    char *text = NULL;
    size_t length = 0;
    FILE *out;

    if (result == NULL)
        return NULL;
    g_ptr_array_add(results, result);
    out = open_memstream(&text, &length);
    fab_report_json(results, out, NULL);
    fclose(out);
    return text;
}

/* All calls, beginning with another one in each thread. Returns their texts in the order of `calls`. */
static gpointer
run_all(gpointer data)
{
    size_t first = GPOINTER_TO_SIZE(data);
    char **texts = g_new0(char *, G_N_ELEMENTS(calls));

    for (size_t i = 0; i < G_N_ELEMENTS(calls); i++) {
        size_t call = (first + i) % G_N_ELEMENTS(calls);
        texts[call] = run(calls[call]);
    }
    return texts;
}

static void
free_texts(char **texts)
{
    for (size_t i = 0; i < G_N_ELEMENTS(calls); i++)
        free(texts[i]);
    g_free(texts);
}

START_TEST(threads_that_run_at_once_get_the_bytes_of_one_alone)
{
    GThread *threads[THREADS];
    char **found[THREADS], **alone;

    for (size_t i = 0; i < THREADS; i++)
        threads[i] = g_thread_new("run", run_all, GSIZE_TO_POINTER(i));
    for (size_t i = 0; i < THREADS; i++)
        found[i] = g_thread_join(threads[i]);
    alone = run_all(NULL);
    for (size_t i = 0; i < THREADS; i++) {
        for (size_t call = 0; call < G_N_ELEMENTS(calls); call++) {
            ck_assert_msg(alone[call] != NULL, "%s", calls[call][0]);
            ck_assert_pstr_eq(found[i][call], alone[call]);
        }
        free_texts(found[i]);
    }
    free_texts(alone);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("threads");

    tcase_set_timeout(tests, 120);
    tcase_add_loop_test(tests, threads_that_run_at_once_get_the_bytes_of_one_alone, 0, ROUNDS);
    return run_tests(tests);
}
