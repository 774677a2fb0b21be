/* Goodput of long runs: closed forms against each other, a simulation of failures, and a published run. */
#include <check.h>
#include <math.h>

#include "fixture.h"
#include "predict/goodput.h"
#include "predict/training-step.h"
#include "suite.h"

#define HOUR 3600.0
#define DAY 86400.0

static FabGoodput
goodput_of(const FabGoodputSpec *spec, double gpus)
{
    const double parts[] = { gpus, gpus, gpus / 8 };
    FabGoodput goodput;
    g_autoptr(GError) error = NULL;

    ck_assert_msg(fab_goodput(spec, parts, 1e12, "test", &goodput, &error), "%s", error != NULL ? error->message : "");
    return goodput;
}

static FabGoodputSpec
usual(void)
{
    return (FabGoodputSpec) { .mtbf = { [FAB_PART_GPU] = 50000 * HOUR }, .write = 60, .detection = 120, .restart = 300,
                              .replaced = 1, .period = 30 * DAY };
}

/* ------------------------------------------------------------------ the best interval */

START_TEST(dalys_estimate_is_near_the_best_interval_and_youngs_not_far)
{
    const double writes[] = { 1, 30, 300, 1800 };

    for (gsize i = 0; i < G_N_ELEMENTS(writes); i++) {
        double best = fab_best_interval(writes[i], 4 * HOUR);
        ck_assert_double_eq_tol(fab_daly_interval(writes[i], 4 * HOUR) / best, 1, 0.002);
        ck_assert_double_eq_tol((fab_young_interval(writes[i], 4 * HOUR) - best) / writes[i], 2.0 / 3, 0.07);
    }
    ck_assert_double_eq_tol(fab_daly_interval(10 * HOUR, 4 * HOUR), 4 * HOUR, 1e-9);
}
END_TEST

START_TEST(no_other_interval_is_better_than_the_best)
{
    FabGoodputSpec spec = usual();
    FabGoodput best = goodput_of(&spec, 8192);
    const double factors[] = { 0.2, 0.5, 0.9, 0.99, 1.01, 1.1, 2, 5 };

    ck_assert(best.chosen);
    for (gsize i = 0; i < G_N_ELEMENTS(factors); i++) {
        FabGoodput other;
        spec.interval = best.interval * factors[i];
        other = goodput_of(&spec, 8192);
        ck_assert_double_lt(other.spent[FAB_SPENT_WORK], best.spent[FAB_SPENT_WORK]);
        ck_assert_double_eq(other.best, best.interval);
    }
}
END_TEST

/* ------------------------------------------------------------------ the account */

START_TEST(shares_add_up_to_all_of_the_time)
{
    FabGoodputSpec spec = usual();

    spec.repair = 24 * HOUR;
    spec.spares = 2;
    for (double gpus = 8; gpus <= 65536; gpus *= 8) {
        FabGoodput goodput = goodput_of(&spec, gpus);
        double sum = 0;
        for (int i = 0; i < FAB_SPENT_PARTS; i++) {
            ck_assert_double_ge(goodput.spent[i], 0);
            sum += goodput.spent[i];
        }
        ck_assert_double_eq_tol(sum, 1, 1e-12);
    }
}
END_TEST

START_TEST(a_job_that_hardly_fails_pays_for_checkpoints_alone)
{
    FabGoodputSpec spec = usual();
    FabGoodput goodput;

    spec.mtbf[FAB_PART_GPU] = 1e12 * HOUR;
    spec.interval = 540;
    goodput = goodput_of(&spec, 8);
    ck_assert_double_eq_tol(goodput.spent[FAB_SPENT_WORK], 0.9, 1e-6);
    ck_assert_double_eq_tol(goodput.spent[FAB_SPENT_CHECKPOINT], 0.1, 1e-6);
}
END_TEST

START_TEST(rates_of_parts_add_up)
{
    FabGoodputSpec spec = usual();
    FabGoodput goodput;

    spec.mtbf[FAB_PART_NIC] = 100000 * HOUR;
    spec.mtbf[FAB_PART_NODE] = 25000 * HOUR;
    goodput = goodput_of(&spec, 1000); /* 1000/50000 + 1000/100000 + 125/25000 an hour */
    ck_assert_double_eq_tol(goodput.mtbf, HOUR / 0.035, 1e-6);
    ck_assert_double_eq_tol(goodput.failures[FAB_PART_GPU], 720 * 0.02, 1e-9);
    ck_assert_double_eq_tol(goodput.failures[FAB_PART_NIC], 720 * 0.01, 1e-9);
    ck_assert_double_eq_tol(goodput.failures[FAB_PART_NODE], 720 * 0.005, 1e-9);
}
END_TEST

START_TEST(erlangs_formula_has_its_textbook_values)
{
    ck_assert_double_eq_tol(fab_erlang_b(1, 1), 0.5, 1e-12);
    ck_assert_double_eq_tol(fab_erlang_b(2, 1), 0.2, 1e-12);
    ck_assert_double_eq_tol(fab_erlang_b(10, 5), 0.018385, 1e-6);
    ck_assert_double_eq_tol(fab_erlang_b(0, 5), 1, 1e-12);
}
END_TEST

/* ------------------------------------------------------------------ a simulation */

typedef struct {
    GRand *random;
    double now, next; /* next: when the job fails if it runs until then */
    double mtbf;
    double *back;     /* when each node in repair is back */
    uint32_t broken;
} Run;

static double
draw(Run *run)
{
    return -log(1 - g_rand_double(run->random)) * run->mtbf;
}

/* A failure takes a node away; the job waits while more are away than stood by. Repairs take exactly their time. */
static void
lose_node(Run *run, const FabGoodputSpec *spec)
{
    uint32_t first;

    for (uint32_t i = 0; i < run->broken;) {
        if (run->back[i] <= run->now)
            run->back[i] = run->back[--run->broken];
        else
            i++;
    }
    if (spec->repair > 0)
        run->back[run->broken++] = run->now + spec->repair;
    if (run->broken > spec->spares && spec->repair > 0) {
        first = 0;
        for (uint32_t i = 1; i < run->broken; i++)
            first = run->back[i] < run->back[first] ? i : first;
        run->now = run->back[first];
        run->back[first] = run->back[--run->broken];
    }
    run->next = run->now + draw(run);
}

/* Works for `length`; false: it failed on the way. */
static bool
get_through(Run *run, double length, const FabGoodputSpec *spec)
{
    if (run->next >= run->now + length) {
        run->now += length;
        return true;
    }
    run->now = run->next;
    lose_node(run, spec);
    return false;
}

/* The share of the time that is work, over so many intervals that last. */
static double
simulate(const FabGoodputSpec *spec, const FabGoodput *goodput, int intervals, guint32 seed)
{
    double back[64];
    Run run = { .random = g_rand_new_with_seed(seed), .mtbf = goodput->mtbf, .back = back };

    run.next = draw(&run);
    for (int done = 0; done < intervals; done++) {
        while (!get_through(&run, goodput->interval + goodput->write, spec)) {
            while (!get_through(&run, spec->detection + spec->restart, spec))
                ;
        }
    }
    g_rand_free(run.random);
    return intervals * goodput->interval / run.now;
}

START_TEST(failures_drawn_by_chance_leave_what_the_closed_form_says)
{
    const double gpus[] = { 1024, 16384, 131072 };
    FabGoodputSpec spec = usual();
    FabGoodput goodput = goodput_of(&spec, gpus[_i]);

    ck_assert_double_eq_tol(simulate(&spec, &goodput, 200000, 1) / goodput.spent[FAB_SPENT_WORK], 1, 0.005);
}
END_TEST

START_TEST(repairs_of_fixed_length_leave_what_erlangs_formula_says)
{
    FabGoodputSpec spec = usual();
    FabGoodput goodput;

    spec.repair = 10 * HOUR;
    spec.spares = (uint32_t)_i;
    goodput = goodput_of(&spec, 8192); /* 1.6 in repair on average, if it never waited */
    ck_assert_double_eq_tol(simulate(&spec, &goodput, 1000000, 2) / goodput.spent[FAB_SPENT_WORK], 1, 0.01);
    ck_assert_double_gt(goodput.spent[FAB_SPENT_WAITING], 0);
}
END_TEST

/* ------------------------------------------------------------------ a published run */

START_TEST(llama_3_on_16384_gpus_had_more_than_ninety_per_cent)
{
    /* arXiv 2407.21783: 419 unexpected interruptions in 54 days on 16,384 GPUs, "higher than 90% effective training
       time"; 15 minutes from failure to work and a minute for a checkpoint are our guesses. */
    FabGoodputSpec spec = { .mtbf = { [FAB_PART_GPU] = 54 * DAY * 16384 / 419 }, .write = 60, .detection = 300,
                            .restart = 600, .replaced = 1, .period = 54 * DAY };
    FabGoodput goodput = goodput_of(&spec, 16384);

    ck_assert_double_eq_tol(goodput.failures[FAB_PART_GPU], 419, 1e-6);
    ck_assert_double_ge(goodput.spent[FAB_SPENT_WORK], 0.80);
    ck_assert_double_le(goodput.spent[FAB_SPENT_WORK], 0.95);
}
END_TEST

/* ------------------------------------------------------------------ scenarios */

#define STEP "topology.name=dgx-h100|model.preset=gpt-3-5b|parallel.tp=8|training.nodes=4|training.global_batch=64"
#define RATE STEP "|goodput.gpu_mtbf=50000 h|goodput.source=a guess"

static FabTrainingStep *
try_step(const char *text, GError **error)
{
    g_auto(GStrv) sets = g_strsplit(text, "|", -1);
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets(sets, error);

    return scenario != NULL ? fab_training_step_new(scenario, NULL, NULL, error) : NULL;
}

START_TEST(a_training_scenario_counts_its_machines)
{
    g_autoptr(FabTrainingStep) step = try_step(RATE "|goodput.checkpoint_write=30 s|goodput.restart=5 min|"
                                               "goodput.checkpoint_interval=2 h|goodput.period=7 d", NULL);

    ck_assert_ptr_nonnull(step);
    ck_assert_double_eq(step->goodput->parts[FAB_PART_GPU], 32);
    ck_assert_double_eq(step->goodput->parts[FAB_PART_NODE], 4);
    ck_assert_double_ge(step->goodput->parts[FAB_PART_NIC], 32);
    ck_assert_double_eq(step->goodput->interval, 7200);
    ck_assert_double_eq(step->goodput->period, 7 * DAY);
    ck_assert_double_eq_tol(step->goodput->failures[FAB_PART_GPU], 7 * 24 * 32 / 50000.0, 1e-9);
}
END_TEST

START_TEST(a_checkpoint_holds_parameters_and_the_optimisers_state)
{
    g_autoptr(FabTrainingStep) step = try_step(RATE "|goodput.storage_rate=1 GB/s|goodput.restart=5 min", NULL);
    g_autoptr(FabTrainingStep) given =
        try_step(RATE "|goodput.storage_rate=1 GB/s|goodput.checkpoint_bytes=30 GB|goodput.restart=5 min", NULL);

    ck_assert_double_gt(step->goodput->write, 5 * 14); /* five billion parameters of 14 bytes */
    ck_assert_double_lt(step->goodput->write, 6 * 14);
    ck_assert_double_eq_tol(given->goodput->write, 30, 1e-9);
}
END_TEST

static const struct {
    const char *text, *pattern;
} refused[] = {
    { STEP "|goodput.restart=5 min|goodput.source=a", "needs the mean time between failures of one GPU, NIC or node" },
    { STEP "|goodput.gpu_mtbf=5 h", "needs source, where the rates come from" },
    { RATE "|goodput.restart=5 min", "needs one of checkpoint_write, .* and storage_rate" },
    { RATE "|goodput.restart=5 min|goodput.checkpoint_write=1 s|goodput.storage_rate=1 GB/s",
      "has both checkpoint_write, .* and storage_rate, .*; leave one out" },
    { STEP "|goodput.gpu_mtbf=0h|goodput.node_mtbf=9 h|goodput.source=a|"
      "goodput.checkpoint_write=1 s|goodput.restart=1 s",
      "\\[goodput\\] gpu_mtbf: is 0h, must be above 0" },
    { RATE "|goodput.restart=5 min|goodput.checkpoint_write=0 s", "checkpoint_write: is 0 s, must be above 0" },
    { RATE "|goodput.restart=5 min|goodput.checkpoint_write=0 s|goodput.storage_rate=1 GB/s",
      "checkpoint_write: is 0 s, must be above 0" },
    { RATE "|goodput.restart=5 min|goodput.checkpoint_write=1 s|goodput.checkpoint_interval=0 s",
      "checkpoint_interval: is 0 s, must be above 0" },
    { RATE "|goodput.restart=5 min|goodput.checkpoint_write=1 s|goodput.checkpoint_interval=0.001 s",
      "checkpoint_interval is 0.001 s, must be a step of .* s or longer" },
    { RATE "|goodput.restart=5 min|goodput.checkpoint_write=1 s|goodput.checkpoint_bytes=1 GB",
      "storage_rate, to which checkpoint_bytes belongs" },
    { RATE "|goodput.checkpoint_write=1 s", "needs restart" },
    { RATE "|goodput.checkpoint_write=1 s|goodput.restart=5", "restart: \"5\" is not a time up to a million days" },
    { RATE "|goodput.checkpoint_write=1 s|goodput.restart=-5 s", "is not a time" },
    { RATE "|goodput.checkpoint_write=1 s|goodput.restart=5 s|goodput.spares=3", "needs repair" },
    { RATE "|goodput.checkpoint_write=1 s|goodput.restart=5 s|goodput.period=0 s", "needs a period above 0" },
    { RATE "|goodput.checkpoint_write=1 s|goodput.restart=5 s|goodput.mtbf=3 h", "unknown key mtbf" },
    { RATE "|goodput.gpu_mtbf=10 min|goodput.checkpoint_write=10 min|goodput.restart=5 min",
      "so that nothing is ever done" },
    { "topology.name=ws2-bridge-3090|model.preset=gpt-2|training.global_batch=8|goodput.nic_mtbf=1000 h|"
      "goodput.source=a|goodput.checkpoint_write=1 s|goodput.restart=5 min",
      "parts that the machine does not have" },
    { "topology.name=dgx-h100|collective.operation=all_reduce|goodput.gpu_mtbf=5 h|goodput.source=a|"
      "goodput.checkpoint_write=1 s|goodput.restart=5 min", "belongs to a scenario with \\[training\\]" },
};

START_TEST(what_makes_no_sense_is_refused_in_one_sentence)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabTrainingStep) step = try_step(refused[_i].text, &error);

    ck_assert_msg(step == NULL, "accepted: %s", refused[_i].text);
    test_refusal(&error, refused[_i].pattern);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("goodput");

    tcase_add_test(tests, dalys_estimate_is_near_the_best_interval_and_youngs_not_far);
    tcase_add_test(tests, no_other_interval_is_better_than_the_best);
    tcase_add_test(tests, shares_add_up_to_all_of_the_time);
    tcase_add_test(tests, a_job_that_hardly_fails_pays_for_checkpoints_alone);
    tcase_add_test(tests, rates_of_parts_add_up);
    tcase_add_test(tests, erlangs_formula_has_its_textbook_values);
    tcase_add_loop_test(tests, failures_drawn_by_chance_leave_what_the_closed_form_says, 0, 3);
    tcase_add_loop_test(tests, repairs_of_fixed_length_leave_what_erlangs_formula_says, 0, 4);
    tcase_add_test(tests, llama_3_on_16384_gpus_had_more_than_ninety_per_cent);
    tcase_add_test(tests, a_training_scenario_counts_its_machines);
    tcase_add_test(tests, a_checkpoint_holds_parameters_and_the_optimisers_state);
    tcase_add_loop_test(tests, what_makes_no_sense_is_refused_in_one_sentence, 0, G_N_ELEMENTS(refused));
    return run_tests(tests);
}
