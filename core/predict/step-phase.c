#include "predict/step-phase.h"

#include <math.h>
#include <string.h>

#include "predict/step-axis.h"
#include "scenario/placement.h"

typedef struct {
    const FabTrainingStep *step;
    const FabTopology *topology;
    const FabGroupTimes *times;
    GPtrArray *phases;
} Builder;

/* What kernels and waiting are bound by; NULL: a collective. */
static const char *const bound_by[FAB_TIME_PARTS] = {
    [FAB_TIME_MATRIX] = "products of matrices",
    [FAB_TIME_ATTENTION] = "attention kernels",
    [FAB_TIME_MEMORY] = "memory of GPUs",
    [FAB_TIME_HOST] = "launching kernels",
    [FAB_TIME_BUBBLE] = "waiting for other stages",
    [FAB_TIME_OPTIMISER] = "memory of GPUs",
    [FAB_TIME_SCALE] = "waiting for the slowest replica",
};

static const char *const collectives[FAB_TIME_PARTS] = {
    [FAB_TIME_TENSOR] = "tensor parallel", [FAB_TIME_EXPERT] = "expert parallel",
    [FAB_TIME_CONTEXT] = "context parallel", [FAB_TIME_SHARD] = "sharding",
    [FAB_TIME_HOP] = "messages between stages", [FAB_TIME_DATA] = "data parallel",
};

/* ------------------------------------------------------------------ collectives */

static FabGroup
group_of(const FabTraining *training, FabTimePart part)
{
    switch (part) {
    case FAB_TIME_TENSOR:
        return fab_step_axis_tensor(training, 0).group;
    case FAB_TIME_EXPERT:
        return fab_step_axis_expert(training, 0).group;
    case FAB_TIME_CONTEXT:
        return fab_step_axis_context(training, 0).group;
    case FAB_TIME_HOP:
        return (FabGroup) { 2, fab_placement_stride(training, FAB_AXIS_PP) };
    default:
        return fab_step_axis_replica(training, 0, false).group;
    }
}

/* The resource of that name; what binds may be none. */
static const char *
label_of(const FabTopology *topology, const char *name)
{
    for (uint32_t i = 0; i < topology->resource_count; i++) {
        if (strcmp(topology->resources[i].name, name) == 0)
            return fab_phase_resource(topology, i);
    }
    return NULL;
}

/* From one rank to the next is priced among two of them. */
static const char *
binding_of(const Builder *builder, FabTimePart part)
{
    FabGroup group = group_of(builder->step->footprint->training, part);
    const char *found = fab_group_binding(builder->times, group);

    return found != NULL ? found : fab_group_binding(builder->times, (FabGroup) { 2, group.stride });
}

static void
bind_collective(const Builder *builder, FabPhase *phase, FabTimePart part, double seconds)
{
    const char *by = builder->times != NULL ? binding_of(builder, part) : NULL;
    const char *label = by != NULL ? label_of(builder->topology, by) : NULL;
    g_autofree char *what = NULL;

    if (by == NULL)
        what = g_strdup(collectives[part]);
    else if (label != NULL || strcmp(by, FAB_BOUND_BY_ADAPTERS) == 0)
        what = g_strdup_printf("%s over %s", collectives[part], label != NULL ? label : by);
    else
        what = g_strdup_printf("%s, bound by %s", collectives[part], by);
    fab_phase_bind(phase, what, label != NULL ? by : NULL, seconds);
}

const char *
fab_step_part_link(const FabTrainingStep *step, const FabTopology *topology, const FabGroupTimes *times,
                   FabTimePart part)
{
    const Builder builder = { .step = step, .topology = topology, .times = times };
    const char *by = collectives[part] != NULL ? binding_of(&builder, part) : NULL;

    if (by == NULL || strcmp(by, FAB_BOUND_BY_ADAPTERS) == 0)
        return by;
    return label_of(topology, by);
}

static void
bind_part(const Builder *builder, FabPhase *phase, FabTimePart part, double seconds)
{
    if (bound_by[part] != NULL)
        fab_phase_bind(phase, bound_by[part], NULL, seconds);
    else
        bind_collective(builder, phase, part, seconds);
}

/* ------------------------------------------------------------------ phases */

/* What passes are made of, the others follow the pipeline. */
static bool
is_of_passes(FabTimePart part)
{
    return part < FAB_TIME_BUBBLE;
}

static void
add_passes(const Builder *builder, const char *name, bool backward, double start)
{
    const FabTrainingStep *step = builder->step;
    FabPhase *phase = fab_phases_add(builder->phases, name, start);

    for (FabTimePart i = 0; i < FAB_TIME_PARTS; i++) {
        if (is_of_passes(i))
            bind_part(builder, phase, i, backward ? fmax(step->parts[i] - step->forward[i], 0) : step->forward[i]);
    }
}

static void
add_one(const Builder *builder, const char *name, FabTimePart part, double start, double seconds)
{
    if (seconds > 0)
        bind_part(builder, fab_phases_add(builder->phases, name, start), part, seconds);
}

static double
sum(const double parts[FAB_TIME_PARTS])
{
    double all = 0;

    for (FabTimePart i = 0; i < FAB_TIME_PARTS; i++)
        all += is_of_passes(i) ? parts[i] : 0;
    return all;
}

GPtrArray *
fab_step_phases(const FabTrainingStep *step, const FabTopology *topology, const FabGroupTimes *times)
{
    const FabTraining *training = step->footprint->training;
    Builder builder = { step, topology, times, fab_phases_new() };
    double gather = fmin(step->gather, step->parts[FAB_TIME_DATA]), passes = gather + sum(step->parts);
    double pipeline = passes + step->parts[FAB_TIME_BUBBLE], reduce = step->parts[FAB_TIME_DATA] - gather;
    double end = pipeline + reduce + step->parts[FAB_TIME_OPTIMISER];
    bool once = training->pp == 1 && step->micros == 1; /* else passes come in turn */

    add_one(&builder, "gathering parameters", FAB_TIME_DATA, 0, gather);
    add_passes(&builder, "forward", false, once ? gather : NAN);
    add_passes(&builder, "backward", true, once ? gather + sum(step->forward) : NAN);
    add_one(&builder, "pipeline fills and drains", FAB_TIME_BUBBLE, NAN, step->parts[FAB_TIME_BUBBLE]);
    add_one(&builder, "gradients among replicas", FAB_TIME_DATA, pipeline, reduce);
    add_one(&builder, "optimiser", FAB_TIME_OPTIMISER, pipeline + reduce, step->parts[FAB_TIME_OPTIMISER]);
    add_one(&builder, "replicas wait", FAB_TIME_SCALE, end, step->parts[FAB_TIME_SCALE]);
    fab_phases_close(builder.phases);
    return builder.phases;
}

GPtrArray *
fab_token_phases(const FabInference *inference)
{
    Builder builder = { .phases = fab_phases_new() };
    FabPhase *phase = fab_phases_add(builder.phases, "a further token", 0);

    for (FabTimePart i = 0; i < FAB_TIME_PARTS; i++)
        bind_part(&builder, phase, i, inference->decode[i]);
    fab_phases_close(builder.phases);
    return builder.phases;
}
