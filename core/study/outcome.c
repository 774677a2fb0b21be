#include "study/outcome.h"

#include "predict/inference.h"
#include "predict/step-phase.h"
#include "topology/machine.h"

static FabOutcomeRow *
row_new(FabOutcome *outcome)
{
    FabOutcomeRow *row = g_new0(FabOutcomeRow, 1);

    g_ptr_array_add(outcome->rows, row);
    return row;
}

static void
row_free(void *pointer)
{
    FabOutcomeRow *row = pointer;

    g_free(row->binding);
    g_free(row->over);
    g_free(row->kind);
    g_free(row);
}

void
fab_outcome_free(FabOutcome *outcome)
{
    if (outcome == NULL)
        return;
    g_free(outcome->name);
    g_free(outcome->scenario);
    g_free(outcome->topology);
    g_free(outcome->what);
    g_free(outcome->interval);
    g_free(outcome->faults);
    g_free(outcome->price);
    g_free(outcome->power);
    g_clear_pointer(&outcome->rows, g_ptr_array_unref);
    g_free(outcome);
}

/* ------------------------------------------------------------------ price and power */

/* "250000" for whole amounts, else two decimals. */
static char *
money(double amount, const char *currency)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    g_ascii_formatd(text, sizeof text, amount == (double)(int64_t)amount ? "%.0f" : "%.2f", amount);
    return g_strdup_printf("%s %s", text, currency);
}

static char *
price_text(const FabPrice *price)
{
    char years[G_ASCII_DTOSTR_BUF_SIZE];
    g_autofree char *amount = money(price->machine > 0 ? price->machine : price->gpu_hour, price->currency);

    g_ascii_formatd(years, sizeof years, "%g", price->years);
    if (price->machine > 0)
        return g_strdup_printf("%s a machine over %s years (%s, %s)", amount, years, price->date, price->source);
    return g_strdup_printf("%s for an hour of a GPU (%s, %s)", amount, price->date, price->source);
}

static char *
power_text(const FabPower *power)
{
    char watts[G_ASCII_DTOSTR_BUF_SIZE], overhead[G_ASCII_DTOSTR_BUF_SIZE];
    g_autofree char *kwh = power->kwh > 0 ? money(power->kwh, power->currency) : NULL;

    g_ascii_formatd(watts, sizeof watts, "%g", power->machine_w / 1000);
    g_ascii_formatd(overhead, sizeof overhead, "%g", power->overhead);
    return g_strdup_printf("%s kW a machine, times %s for the building%s%s%s (%s, %s)", watts, overhead,
                           kwh != NULL ? ", " : "", kwh != NULL ? kwh : "", kwh != NULL ? " a kWh" : "", power->date,
                           power->source);
}

static void
set_costs(FabOutcome *outcome, const FabScenario *scenario)
{
    const FabPrice *price = scenario->price;
    const FabPower *power = scenario->power;

    outcome->per_second = fab_price_per_second(price, power, outcome->machines, outcome->gpus);
    if (price != NULL) {
        g_strlcpy(outcome->currency, price->currency, sizeof outcome->currency);
        outcome->price = price_text(price);
    }
    if (power != NULL) {
        outcome->watts = power->machine_w * power->overhead * outcome->machines;
        outcome->power = power_text(power);
    }
}

/* ------------------------------------------------------------------ what was run */

/* "leaf: switch-down at Leaf 3; background: ...". Owned by the caller; NULL: the machine is whole and alone. */
static char *
faults_text(const FabScenario *scenario)
{
    g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; i < scenario->faults->len; i++) {
        const FabFault *fault = scenario->faults->pdata[i];
        g_autofree char *what = fab_fault_describe(fault);
        g_ptr_array_add(texts, g_strdup_printf("%s: %s", fault->name, what));
    }
    if (scenario->background != NULL) {
        g_autofree char *what = fab_background_describe(scenario->background);
        g_ptr_array_add(texts, g_strdup_printf("background: %s", what));
    }
    g_ptr_array_add(texts, NULL);
    return texts->len > 1 ? g_strjoinv("; ", (char **)texts->pdata) : NULL;
}

static void
take_result(FabOutcome *outcome, const FabResult *result, const FabTopology *topology)
{
    outcome->what = g_strdup(result->collective);
    outcome->gpus = MIN(result->ranks, topology->gpu_count);
    outcome->machines = MAX(topology->node_count, 1);
    outcome->interval = g_strdup(result->interval != NULL ? result->interval
                                                          : "there is no interval: copies have none");
    outcome->guessed = result->guessed;
    outcome->fits = true;
    for (guint i = 0; i < result->rows->len; i++) {
        const FabResultRow *from = result->rows->pdata[i];
        FabOutcomeRow *row = row_new(outcome);
        row->size_bytes = outcome->kind == FAB_SCENARIO_TRACE ? 0 : from->size_bytes; /* a trace has one of its own */
        row->seconds = (double)from->time_ps * 1e-12;
        row->low_s = (double)from->low_ps * 1e-12;
        row->high_s = (double)from->high_ps * 1e-12;
        row->work = MAX(row->seconds * from->algbw, 1); /* the size; of a pipeline all its chunks */
        row->algbw = from->algbw;
        row->busbw = from->busbw;
        row->binding = g_strdup(from->binding);
        row->binding_share = from->binding_utilisation;
        row->kind = g_strdup(from->kind);
        row->extrapolated = from->growth != NULL;
    }
}

static void
take_step(FabOutcome *outcome, const FabTrainingStep *step, const FabTopology *topology, const FabGroupTimes *times)
{
    const FabFootprint *footprint = step->footprint;
    const FabMemory *memory = footprint->memory;
    const FabTraining *training = footprint->training;
    FabOutcomeRow *row = row_new(outcome);
    int longest = 0;

    outcome->what = g_strdup_printf("training of %s", footprint->model->title != NULL ? footprint->model->title
                                                                                     : "a model");
    outcome->gpus = training->gpus;
    outcome->machines = training->nodes;
    outcome->interval = g_strdup_printf("a rule of thumb for training steps (%s)", step->reason);
    outcome->guessed = !step->fitted;
    outcome->goodput = step->goodput != NULL ? step->goodput->spent[FAB_SPENT_WORK] : 0;
    outcome->memory_bytes = (double)memory->stages[memory->fullest].total;
    outcome->memory_capacity = (double)memory->capacity;
    outcome->fits = memory->fit != FAB_FIT_NO;
    for (int i = 1; i < FAB_TIME_PARTS; i++)
        longest = step->parts[i] > step->parts[longest] ? i : longest;
    row->seconds = step->seconds;
    row->low_s = step->low;
    row->high_s = step->high;
    row->alike = step->stack;
    row->own_low_s = step->own_low;
    row->own_high_s = step->own_high;
    row->work = (double)training->global_batch * training->sequence;
    row->binding = g_strdup(fab_time_part_names[longest]);
    row->over = g_strdup(fab_step_part_link(step, topology, times, longest));
    row->binding_share = step->parts[longest] / step->seconds;
}

/* Further tokens: what an answer mostly consists of. */
static void
take_inference(FabOutcome *outcome, const FabInference *inference)
{
    const FabFootprint *footprint = inference->footprint;
    const FabMemory *memory = footprint->memory;
    FabOutcomeRow *row = row_new(outcome);
    int longest = 0;

    outcome->what = g_strdup_printf("inference of %s", footprint->model->title != NULL ? footprint->model->title
                                                                                      : "a model");
    outcome->gpus = footprint->training->gpus;
    outcome->machines = footprint->training->nodes;
    outcome->interval = g_strdup("no answer times were compared: 30 % is a rule of thumb");
    outcome->guessed = true;
    outcome->memory_bytes = (double)memory->stages[memory->fullest].total;
    outcome->memory_capacity = (double)memory->capacity;
    outcome->fits = memory->fit != FAB_FIT_NO;
    for (int i = 1; i < FAB_TIME_PARTS; i++)
        longest = inference->decode[i] > inference->decode[longest] ? i : longest;
    row->seconds = inference->decode_s;
    row->low_s = inference->decode_s * inference->low;
    row->high_s = inference->decode_s * inference->high;
    row->work = inference->tokens_per_s * inference->decode_s;
    row->binding = g_strdup(fab_time_part_names[longest]);
    row->binding_share = inference->decode[longest] / inference->decode_s;
}

bool
fab_outcome_counts_tokens(FabScenarioKind kind)
{
    return kind == FAB_SCENARIO_TRAINING || kind == FAB_SCENARIO_INFERENCE;
}

static bool
execute(FabOutcome *outcome, const FabScenario *scenario, const FabTopology *topology, FabProgress progress, void *user,
        GError **error)
{
    if (scenario->kind == FAB_SCENARIO_TRAINING) {
        g_autoptr(FabGroupTimes) times = fab_group_times_new(topology, scenario->training->nic_rate);
        g_autoptr(FabTrainingStep) step = fab_training_step_new(scenario, topology, times, error);
        if (step != NULL)
            take_step(outcome, step, topology, times);
        return step != NULL;
    }
    if (scenario->kind == FAB_SCENARIO_INFERENCE) {
        g_autoptr(FabInference) inference = fab_inference_new(scenario, topology, error);
        if (inference != NULL)
            take_inference(outcome, inference);
        return inference != NULL;
    }
    g_autoptr(FabResult) result = fab_run_on(scenario, topology, NULL, progress, user, error);
    if (result != NULL)
        take_result(outcome, result, topology);
    return result != NULL;
}

FabOutcome *
fab_outcome_new(const FabScenario *scenario, const FabTopology *topology, FabProgress progress, void *user,
                GError **error)
{
    g_autoptr(FabOutcome) outcome = g_new0(FabOutcome, 1);
    g_autoptr(FabTopology) built = NULL;

    outcome->kind = scenario->kind;
    outcome->name = g_strdup(scenario->name);
    outcome->scenario = g_strdup(scenario->text);
    outcome->faults = faults_text(scenario);
    outcome->rows = g_ptr_array_new_with_free_func(row_free);
    if (topology == NULL) {
        built = fab_machine_load(scenario->topology, scenario->overrides, error);
        topology = built;
    }
    if (topology == NULL || !execute(outcome, scenario, topology, progress, user, error))
        return NULL;
    outcome->topology = g_strdup(topology->name);
    set_costs(outcome, scenario);
    return g_steal_pointer(&outcome);
}

const FabOutcomeRow *
fab_outcome_row(const FabOutcome *outcome, uint64_t size_bytes)
{
    for (guint i = 0; i < outcome->rows->len; i++) {
        const FabOutcomeRow *row = outcome->rows->pdata[i];
        if (row->size_bytes == size_bytes)
            return row;
    }
    return NULL;
}

FabRatio
fab_ratio_of(const FabOutcomeRow *a, const FabOutcomeRow *b)
{
    double work = b->work / a->work;
    FabRatio ratio = { .value = a->seconds / b->seconds * work, .known = a->low_s > 0 && b->low_s > 0 };
    bool alike = a->alike != NULL && a->alike == b->alike;

    if (!ratio.known) {
        ratio.low = ratio.high = ratio.value;
        return ratio;
    }
    ratio.low = (alike ? a->own_low_s / b->own_high_s : a->low_s / b->high_s) * work;
    ratio.high = (alike ? a->own_high_s / b->own_low_s : a->high_s / b->low_s) * work;
    return ratio;
}
