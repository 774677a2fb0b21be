#include "validate/training-validate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "predict/group-time.h"
#include "validate/training-row.h"
#include "predict/training-step.h"
#include "topology/machine.h"

/* A reading is passed over when the account says that it takes this much of the memory there is. */
#define MOST_MEMORY 1.05
/* From here on something is recomputed where a row does not say what; and how far its share may be off. */
#define ENOUGH_MEMORY 0.95
#define RECOMPUTE_SLACK 0.3
/* Of a layer, where a row says that some of each is: PyTorch's selective checkpointing keeps every other product. */
#define RECOMPUTE_PARTLY 0.5
/* Where the run's shares of the peak, rounded to a percent, say it. */
#define RECOMPUTE_ROUNDED 0.05

static const char reason_metric[] = "the figure is no time, rate or share of the peak";
static const char reason_grade[] = "graded C";
static const char reason_other[] = "another figure of the run is scored";
static const char reason_doubtful[] = "batch, layout or tokens of the row cannot be right";
static const char reason_divide[] = "nothing that the row may mean divides";

/* ------------------------------------------------------------------ machines that were built */

/* A machine and the collectives priced on it so far. */
typedef struct {
    FabTopology *topology;
    FabGroupTimes *times;
} Machine;

/* What a validation builds once. */
typedef struct {
    GHashTable *machines;           /* text -> Machine */
    const FabStackFactors *factors; /* NULL: constants as they are shipped */
    GHashTable *stacks;             /* FabStack -> its copy with the factors in it */
} Context;

static void
machine_free(gpointer pointer)
{
    Machine *machine = pointer;

    fab_group_times_free(machine->times);
    fab_topology_free(machine->topology);
    g_free(machine);
}

/* A machine is its name, what is overridden of it, and the rate of its adapters. */
static char *
machine_key(const FabScenario *scenario)
{
    g_autoptr(GList) names = g_list_sort(g_hash_table_get_keys(scenario->overrides), (GCompareFunc)strcmp);
    GString *key = g_string_new(scenario->topology);

    for (const GList *name = names; name != NULL; name = name->next)
        g_string_append_printf(key, " %s=%s", (const char *)name->data,
                               (const char *)g_hash_table_lookup(scenario->overrides, name->data));
    g_string_append_printf(key, " %.0f", scenario->training->nic_rate);
    return g_string_free(key, FALSE);
}

static const Machine *
machine_of(Context *context, const FabScenario *scenario)
{
    g_autofree char *key = machine_key(scenario);
    Machine *machine = g_hash_table_lookup(context->machines, key);
    FabTopology *topology;

    if (machine != NULL)
        return machine;
    topology = fab_machine_load(scenario->topology, scenario->overrides, NULL);
    if (topology == NULL)
        return NULL;
    machine = g_new(Machine, 1);
    machine->topology = topology;
    machine->times = fab_group_times_new(topology, scenario->training->nic_rate);
    g_hash_table_insert(context->machines, g_steal_pointer(&key), machine);
    return machine;
}

/* ------------------------------------------------------------------ one run */

/* The likeliest reading of a run: a step whose length is `seconds`; and the ends of all readings. */
typedef struct {
    FabTrainingStep *step;
    double seconds, low, high;
    double least, most;       /* seconds, over the readings */
    int rank;                 /* 2: fits with nothing recomputed that need not be, 1: fits with that, 0: does not */
    const char *reason;
} Run;

static const FabStack *
scaled_stack(Context *context, const FabTraining *training, const FabTopology *topology)
{
    uint32_t capability = topology->vertices[topology->gpus[0]].gpu->compute_capability;
    FabTraining any = { .stack = (char *)"generic" };
    const FabStack *own = fab_stack_find(context->factors->generic ? &any : training, capability);
    FabStack *scaled = g_hash_table_lookup(context->stacks, own);

    if (scaled != NULL)
        return scaled;
    scaled = g_memdup2(own, sizeof *own);
    scaled->gemm_share *= context->factors->gemm;
    scaled->gemm_share_fp8 *= context->factors->gemm_fp8;
    scaled->memory_share *= context->factors->memory;
    scaled->host_layer_s *= context->factors->host;
    g_hash_table_insert(context->stacks, (gpointer)own, scaled);
    return scaled;
}

static FabTrainingStep *
step_of(Context *context, const FabScenario *scenario)
{
    const Machine *machine = machine_of(context, scenario);

    if (machine != NULL && context->factors != NULL)
        scenario->training->constants = scaled_stack(context, scenario->training, machine->topology);
    if (context->factors != NULL && context->factors->strangers)
        scenario->training->measured_on = NULL;
    return machine != NULL ? fab_training_step_new(scenario, machine->topology, machine->times, NULL) : NULL;
}

/* Memory of the fullest stage, as a share of what there is. */
static double
fullness(const FabTrainingStep *step)
{
    const FabMemory *memory = step->footprint->memory;

    return (double)memory->stages[memory->fullest].total / (double)memory->capacity;
}

/* A reading that states what it recomputes. */
static Run
read_stated(Context *context, const FabScenario *scenario)
{
    FabTrainingStep *step = step_of(context, scenario);

    if (step == NULL)
        return (Run) { .step = NULL };
    return (Run) { .step = step, .seconds = step->seconds, .low = step->low, .high = step->high,
                   .least = step->seconds, .most = step->seconds, .rank = fullness(step) <= MOST_MEMORY ? 2 : 0 };
}

/* Between what takes `run`, nothing recomputed, and all of it: so much of it, give or take `slack`. Frees `full`. */
static void
recompute_some(Run *run, FabTrainingStep *full, double share, double slack)
{
    double less = CLAMP(share - slack, 0, 1), more = CLAMP(share + slack, 0, 1);
    const FabTrainingStep *none = run->step;

    run->seconds = none->seconds + share * (full->seconds - none->seconds);
    run->least = none->seconds + less * (full->seconds - none->seconds);
    run->most = none->seconds + more * (full->seconds - none->seconds);
    run->low = none->low + less * (full->low - none->low);
    run->high = none->high + more * (full->high - none->high);
    fab_training_step_free(full);
}

/*
 * Whoever trains recomputes as many layers as it takes to fit: none where nothing is short, else the share at which
 * memory between that of nothing and that of everything recomputed is just enough. `stated` NaN: that; else it.
 */
static Run
read_some(Context *context, const FabScenario *nothing, const FabScenario *everything, const FabTrainingRow *row)
{
    Run run = read_stated(context, nothing);
    bool known = isfinite(row->recomputed);
    FabTrainingStep *full;
    double most, least, share;

    if (run.step == NULL || (!known && !row->partly && fullness(run.step) <= ENOUGH_MEMORY))
        return run;
    full = step_of(context, everything);
    if (full == NULL)
        return run;
    most = fullness(run.step);
    least = fullness(full);
    share = most > least ? CLAMP((most - ENOUGH_MEMORY) / (most - least), 0, 1) : 1;
    if (row->partly)
        share = fmax(share, RECOMPUTE_PARTLY);
    if (known || (row->partly && most - share * (most - least) <= MOST_MEMORY))
        run.rank = 2;
    else
        run.rank = least <= MOST_MEMORY ? 1 : 0;
    recompute_some(&run, full, known ? row->recomputed : share, known ? RECOMPUTE_ROUNDED : RECOMPUTE_SLACK);
    return run;
}

/* The first of the best readings stands, the others as good widen the interval. */
static void
take_reading(Run *run, Run reading)
{
    if (reading.step == NULL)
        return;
    if (run->step == NULL || reading.rank > run->rank) {
        fab_training_step_free(run->step);
        *run = reading;
        return;
    }
    if (reading.rank == run->rank) {
        run->low = fmin(run->low, reading.low);
        run->high = fmax(run->high, reading.high);
        run->least = fmin(run->least, reading.least);
        run->most = fmax(run->most, reading.most);
    }
    fab_training_step_free(reading.step);
}

static Run
predict_run(Context *context, const FabTrainingRow *row)
{
    Run run = { .step = NULL };

    for (guint i = 0; i < row->scenarios->len; i += row->pairs ? 2 : 1)
        take_reading(&run, row->pairs ? read_some(context, row->scenarios->pdata[i], row->scenarios->pdata[i + 1], row)
                                      : read_stated(context, row->scenarios->pdata[i]));
    run.reason = row->reason != NULL ? row->reason : run.step == NULL ? reason_divide : NULL;
    return run;
}

/* ------------------------------------------------------------------ figures */

/* What a metric's figure is when a step takes `seconds`; NaN: not a figure of ours. */
static double
figure(const FabTrainingStep *step, const char *metric, const char *unit, double seconds)
{
    const FabTraining *training = step->footprint->training;
    double ratio = step->seconds / seconds, sequences = training->global_batch / seconds;

    if (strcmp(metric, "step_time") == 0)
        return seconds;
    if (strcmp(metric, "tokens_per_s") == 0)
        return step->tokens_per_s * ratio;
    if (strcmp(metric, "tokens_per_s_per_gpu") == 0)
        return step->tokens_per_s * ratio / training->gpus;
    if (strcmp(metric, "throughput") == 0 && (strcmp(unit, "seq/s") == 0 || strcmp(unit, "samples/s") == 0))
        return sequences;
    if (strcmp(metric, "throughput") == 0 && strcmp(unit, "tok/s") == 0)
        return step->tokens_per_s * ratio;
    if (strcmp(metric, "mfu") == 0)
        return 100 * step->mfu * ratio;
    if (strcmp(metric, "hfu") == 0)
        return 100 * step->hfu * ratio;
    if (strcmp(metric, "model_tflops_per_gpu") == 0)
        return step->flops_per_gpu * ratio / 1e12;
    if (strcmp(metric, "achieved_tflops_per_gpu") == 0)
        return step->flops_per_gpu * step->hfu / step->mfu * ratio / 1e12;
    if (strcmp(metric, "aggregate_pflops") == 0)
        return step->flops_per_gpu * step->hfu / step->mfu * ratio * training->gpus / 1e15;
    return NAN;
}

/* Which figure of a run stands for it: the first of these; shares of a peak depend on what is counted. */
static int
weight(const char *metric)
{
    static const char *const order[] = { "step_time", "tokens_per_s", "tokens_per_s_per_gpu", "throughput",
                                         "model_tflops_per_gpu", "achieved_tflops_per_gpu" };

    for (size_t i = 0; i < G_N_ELEMENTS(order); i++) {
        if (strcmp(metric, order[i]) == 0)
            return (int)i;
    }
    return G_MAXINT;
}

/* Rows whose columns contradict each other, or rows of the same job elsewhere. */
static bool
is_doubtful(const FabMeasurement *measurement, guint row)
{
    const struct {
        const char *id, *gpus;
    } doubtful[] = { { "^dgxc-2504-.*finetuning", "^(16|32)$" },
                     { "^dgxc-2504-nemo-megatron", "^512$" },
                     { "^dgxc-25050.-grok", "." },
                     { "^nemo-2407.-h100-fp8-.*finetuning", "." } };

    for (size_t i = 0; i < G_N_ELEMENTS(doubtful); i++) {
        if (g_regex_match_simple(doubtful[i].id, measurement->id, 0, 0) &&
            g_regex_match_simple(doubtful[i].gpus, fab_measurement_text(measurement, row, FAB_TRAINING_GPUS), 0, 0))
            return true;
    }
    return false;
}

static FabStepRow
row_of(const FabMeasurement *measurement, guint row, const Run *run)
{
    const char *metric = fab_measurement_text(measurement, row, FAB_TRAINING_METRIC);
    const char *unit = fab_measurement_text(measurement, row, FAB_TRAINING_UNIT);
    FabStepRow out = { .row = row + 1, .metric = g_strdup(metric), .unit = g_strdup(unit), .reason = run->reason,
                       .measured = fab_measurement_number(measurement, row, FAB_TRAINING_VALUE), .predicted = NAN,
                       .low = NAN, .high = NAN, .step_s = NAN, .measured_step_s = NAN };
    double first, second;

    out.longer_is_worse = strcmp(metric, "step_time") == 0;
    out.run = g_strdup_printf("%s|%s|%s|%s|%s|%s|%s|%s", fab_measurement_text(measurement, row, FAB_TRAINING_MODEL),
                              fab_measurement_text(measurement, row, FAB_TRAINING_GPU),
                              fab_measurement_text(measurement, row, FAB_TRAINING_SEQUENCE),
                              fab_measurement_text(measurement, row, FAB_TRAINING_LAYERS),
                              fab_measurement_text(measurement, row, FAB_TRAINING_HIDDEN),
                              fab_measurement_text(measurement, row, FAB_TRAINING_GPUS),
                              fab_measurement_text(measurement, row, FAB_TRAINING_BATCH),
                              fab_measurement_text(measurement, row, FAB_TRAINING_PRECISION));
    if (run->step == NULL)
        return out;
    out.predicted = figure(run->step, metric, unit, run->seconds);
    if (!isfinite(out.predicted)) {
        out.reason = reason_metric;
        return out;
    }
    first = figure(run->step, metric, unit, run->low);
    second = figure(run->step, metric, unit, run->high);
    out.low = fmin(first, second);
    out.high = fmax(first, second);
    out.step_s = run->seconds;
    out.least_s = run->least;
    out.most_s = run->most;
    out.stack = run->step->stack->name;
    out.capability = run->step->stack->compute_capability;
    out.measured_step_s = out.longer_is_worse ? out.measured : out.step_s * out.predicted / out.measured;
    return out;
}

/* ------------------------------------------------------------------ one table */

static void
clear_row(gpointer pointer)
{
    FabStepRow *row = pointer;

    g_free(row->metric);
    g_free(row->unit);
    g_free(row->run);
    g_free(row->open);
}

/* Of the rows from `first` to `end`, which are one run, the one with the weightiest figure is scored. */
static void
choose_scored(FabStepCase *one, const FabMeasurement *measurement, guint first, guint end)
{
    FabStepRow *best = NULL;

    for (guint i = first; i < end; i++) {
        FabStepRow *row = &g_array_index(one->rows, FabStepRow, i);
        if (isfinite(row->predicted) && weight(row->metric) < G_MAXINT && row->measured > 0 &&
            (best == NULL || weight(row->metric) < weight(best->metric)))
            best = row;
    }
    for (guint i = first; i < end; i++) {
        FabStepRow *row = &g_array_index(one->rows, FabStepRow, i);
        bool doubtful = is_doubtful(measurement, i);
        row->scored = row == best && one->grade != 'C' && !doubtful;
        if (row->reason == NULL && !row->scored)
            row->reason = one->grade == 'C' ? reason_grade : doubtful ? reason_doubtful : reason_other;
    }
}

static void
read_training(Context *context, const FabMeasurement *measurement, FabStepCase *one)
{
    guint end;

    for (guint first = 0; first < measurement->rows->len; first = end) {
        g_auto(FabTrainingRow) row = { .scenarios = NULL };
        Run run;
        fab_training_row_read(measurement, first, &row);
        run = predict_run(context, &row);
        for (end = first; end < measurement->rows->len && fab_training_row_same_run(measurement, first, end); end++) {
            FabStepRow out = row_of(measurement, end, &run);
            out.open = g_strdup(row.unknown);
            g_array_append_val(one->rows, out);
        }
        choose_scored(one, measurement, first, end);
        fab_training_step_free(run.step);
    }
}

/* Of whole programs: what its name says to be a public model, for as many steps as it says. */
static FabStepRow
application_row(Context *context, const FabMeasurement *measurement, guint row)
{
    const char *metric = fab_measurement_text(measurement, row, FAB_APPLICATION_METRIC);
    FabStepRow out = { .row = row + 1, .metric = g_strdup(metric), .longer_is_worse = true,
                       .unit = g_strdup(fab_measurement_text(measurement, row, FAB_APPLICATION_UNIT)),
                       .run = g_strdup(fab_measurement_text(measurement, row, FAB_APPLICATION_MODEL)),
                       .measured = fab_measurement_number(measurement, row, FAB_APPLICATION_VALUE),
                       .predicted = NAN, .low = NAN, .high = NAN, .step_s = NAN, .measured_step_s = NAN };
    uint32_t steps = strcmp(metric, "time") == 0 ? fab_application_steps(measurement, row) : 0;
    g_auto(FabTrainingRow) reading = { .scenarios = NULL };
    Run run;

    fab_application_row_read(measurement, row, &reading);
    run = predict_run(context, &reading);
    out.reason = run.reason != NULL ? run.reason : steps == 0 ? reason_metric : NULL;
    if (run.step != NULL && steps > 0) {
        out.predicted = steps * run.seconds;
        out.low = steps * run.low;
        out.high = steps * run.high;
        out.step_s = run.seconds;
        out.least_s = run.least;
        out.most_s = run.most;
        out.open = g_strdup(reading.unknown);
        out.apart = reading.apart;
        out.stack = run.step->stack->name;
        out.capability = run.step->stack->compute_capability;
        out.measured_step_s = out.measured / steps;
    }
    fab_training_step_free(run.step);
    return out;
}

static void
read_application(Context *context, const FabMeasurement *measurement, FabStepCase *one)
{
    for (guint i = 0; i < measurement->rows->len; i++) {
        FabStepRow row = application_row(context, measurement, i);
        row.scored = row.reason == NULL && one->grade != 'C';
        if (row.reason == NULL && !row.scored)
            row.reason = reason_grade;
        g_array_append_val(one->rows, row);
    }
}

static FabStepCase *
read_case(Context *context, const FabMeasurement *measurement)
{
    FabStepCase *one = g_new0(FabStepCase, 1);
    const char *grade = fab_measurement_get(measurement, "quality", "grade");
    const char *machine = fab_measurement_get(measurement, "source", "machine");

    one->id = g_strdup(measurement->id);
    one->machine = g_strdup(machine != NULL ? machine : "");
    one->grade = grade != NULL ? grade[0] : 'C';
    one->rows = g_array_new(FALSE, TRUE, sizeof(FabStepRow));
    g_array_set_clear_func(one->rows, clear_row);
    if (measurement->kind == FAB_MEASUREMENT_TRAINING)
        read_training(context, measurement, one);
    else
        read_application(context, measurement, one);
    return one;
}

static void
case_free(gpointer pointer)
{
    FabStepCase *one = pointer;

    g_free(one->id);
    g_free(one->machine);
    g_array_unref(one->rows);
    g_free(one);
}

FabStepValidation *
fab_step_validate(GPtrArray *measurements, const FabStackFactors *factors, FabProgress progress, void *user)
{
    FabStepValidation *validation = g_new0(FabStepValidation, 1);
    g_autoptr(GHashTable) machines = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, machine_free);
    g_autoptr(GHashTable) stacks = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    Context context = { machines, factors, stacks };

    validation->cases = g_ptr_array_new_with_free_func(case_free);
    for (guint i = 0; i < measurements->len; i++) {
        const FabMeasurement *measurement = measurements->pdata[i];
        if (measurement->kind != FAB_MEASUREMENT_TRAINING && measurement->kind != FAB_MEASUREMENT_APPLICATION)
            continue;
        if (progress != NULL)
            progress((double)i / measurements->len, measurement->id, user);
        g_ptr_array_add(validation->cases, read_case(&context, measurement));
    }
    return validation;
}

void
fab_step_validation_free(FabStepValidation *validation)
{
    if (validation == NULL)
        return;
    g_ptr_array_unref(validation->cases);
    g_free(validation);
}

/* ------------------------------------------------------------------ errors */

static bool
case_matches(const FabStepCase *one, const char *pattern)
{
    return pattern == NULL || g_regex_match_simple(pattern, one->id, 0, 0);
}

FabStepErrors
fab_step_errors(const FabStepValidation *validation, const char *pattern)
{
    FabStepErrors errors = { .rows = 0 };

    for (guint i = 0; i < validation->cases->len; i++) {
        const FabStepCase *one = validation->cases->pdata[i];
        for (guint r = 0; r < one->rows->len && case_matches(one, pattern); r++) {
            const FabStepRow *row = &g_array_index(one->rows, FabStepRow, r);
            double error = row->step_s / row->measured_step_s - 1;
            if (!row->scored)
                continue;
            errors.rows++;
            errors.inside += row->low <= row->measured && row->measured <= row->high;
            errors.mean += fabs(error);
            errors.bias += error;
            errors.worst = fmax(errors.worst, fabs(error));
            errors.width += (row->high - row->low) / row->predicted;
        }
    }
    if (errors.rows > 0) {
        errors.mean /= errors.rows;
        errors.bias /= errors.rows;
        errors.width /= errors.rows;
    }
    return errors;
}

/* ------------------------------------------------------------------ order of layouts */

typedef struct {
    const char *run;
    double measured, predicted;
} Layout;

static int
compare_runs(const void *a, const void *b)
{
    const Layout *x = a, *y = b;

    return strcmp(x->run, y->run);
}

/* Rank of each layout among `count` by one of its times; equal ones share the mean. */
static double
rank_of(const Layout *layouts, guint count, guint which, bool measured)
{
    double value = measured ? layouts[which].measured : layouts[which].predicted, below = 0, equal = 0;

    for (guint i = 0; i < count; i++) {
        double other = measured ? layouts[i].measured : layouts[i].predicted;
        below += other < value;
        equal += other == value;
    }
    return below + (equal + 1) / 2;
}

/* NaN when one of the two orders has no differences. */
static double
spearman(const Layout *layouts, guint count)
{
    double mean = (count + 1) / 2.0, both = 0, first = 0, second = 0;

    for (guint i = 0; i < count; i++) {
        double x = rank_of(layouts, count, i, true) - mean, y = rank_of(layouts, count, i, false) - mean;
        both += x * y;
        first += x * x;
        second += y * y;
    }
    return first > 0 && second > 0 ? both / sqrt(first * second) : NAN;
}

double
fab_step_ranking(const FabStepValidation *validation, const char *pattern, guint *jobs)
{
    double sum = 0;

    *jobs = 0;
    for (guint i = 0; i < validation->cases->len; i++) {
        const FabStepCase *one = validation->cases->pdata[i];
        g_autoptr(GArray) layouts = g_array_new(FALSE, FALSE, sizeof(Layout));
        guint end;
        for (guint r = 0; r < one->rows->len && case_matches(one, pattern); r++) {
            const FabStepRow *row = &g_array_index(one->rows, FabStepRow, r);
            Layout layout = { row->run, row->measured_step_s, row->step_s };
            if (row->scored)
                g_array_append_val(layouts, layout);
        }
        if (layouts->len > 0)
            qsort(layouts->data, layouts->len, sizeof(Layout), compare_runs);
        for (guint first = 0; first < layouts->len; first = end) {
            const Layout *job = &g_array_index(layouts, Layout, first);
            double order;
            for (end = first; end < layouts->len && strcmp(job->run, g_array_index(layouts, Layout, end).run) == 0;)
                end++;
            order = end - first >= 4 ? spearman(job, end - first) : NAN;
            if (isfinite(order)) {
                sum += order;
                ++*jobs;
            }
        }
    }
    return *jobs > 0 ? sum / *jobs : NAN;
}
