#include "predict/inference.h"

#include "base/error.h"
#include "predict/group-time.h"
#include "predict/pass-time.h"
#include "topology/machine.h"

/* No published answer times were compared: as wide as another stack was off in training, and half as much again. */
#define INTERVAL 0.3

void
fab_inference_free(FabInference *inference)
{
    if (inference == NULL)
        return;
    fab_footprint_free(inference->footprint);
    g_free(inference);
}

/*
 * A batch goes through the stages one after the other; stages that wait are not used by others here. Parts of all
 * stages and messages between them.
 */
static bool
add_stages(const FabPassSpec *spec, double parts[FAB_TIME_PARTS], double *seconds, GError **error)
{
    const FabTraining *training = spec->training;
    g_autofree FabPassParts *passes = g_new0(FabPassParts, training->pp);
    double hop_s;

    if (!fab_pass_times(spec, passes, &hop_s, error))
        return false;
    for (uint32_t stage = 0; stage < training->pp; stage++) {
        for (int i = 0; i < FAB_TIME_PARTS; i++)
            parts[i] += passes[stage].forward[i];
    }
    parts[FAB_TIME_HOP] += hop_s * (training->pp - 1);
    *seconds = 0;
    for (int i = 0; i < FAB_TIME_PARTS; i++)
        *seconds += parts[i];
    return true;
}

static bool
predict(FabInference *inference, const FabTopology *topology, const char *where, GError **error)
{
    const FabTraining *prompt = inference->footprint->training;
    g_autoptr(FabTraining) token = fab_training_copy(prompt);
    g_autoptr(FabGroupTimes) times = fab_group_times_new(topology, prompt->nic_rate);
    FabGpuRates rates;
    FabPassSpec spec = { .training = prompt, .model = inference->footprint->model, .rates = &rates, .times = times };
    double sequences = (double)prompt->micro_batch * prompt->dp;

    fab_group_times_use(times, prompt->gpus);
    if (!fab_training_rates(prompt, topology, where, &rates, error) ||
        !add_stages(&spec, inference->prefill, &inference->prefill_s, error))
        return false;
    token->context = prompt->sequence + (prompt->context - prompt->sequence + 1) / 2;
    token->sequence = 1;
    spec.training = token;
    if (!add_stages(&spec, inference->decode, &inference->decode_s, error))
        return false;
    inference->stack = rates.stack;
    inference->low = 1 - INTERVAL;
    inference->high = 1 + INTERVAL;
    inference->tokens_per_s = sequences / inference->decode_s;
    inference->prompt_tokens_per_s = sequences * prompt->sequence / inference->prefill_s;
    return true;
}

FabInference *
fab_inference_new(const FabScenario *scenario, const FabTopology *topology, GError **error)
{
    g_autoptr(FabTopology) built = NULL;
    g_autoptr(FabInference) inference = g_new0(FabInference, 1);

    if (scenario->kind != FAB_SCENARIO_INFERENCE) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: has no group [inference]", scenario->path);
        return NULL;
    }
    if (topology == NULL) {
        built = fab_machine_load(scenario->topology, scenario->overrides, error);
        topology = built;
    }
    inference->footprint = topology != NULL ? fab_footprint_new(scenario, topology, error) : NULL;
    if (inference->footprint == NULL || !predict(inference, topology, scenario->path, error))
        return NULL;
    return g_steal_pointer(&inference);
}
