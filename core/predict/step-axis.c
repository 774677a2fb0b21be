#include "predict/step-axis.h"

#include "scenario/placement.h"

FabStepAxis
fab_step_axis_tensor(const FabTraining *training, uint32_t rank)
{
    uint32_t stride = fab_placement_stride(training, FAB_AXIS_TP);

    return (FabStepAxis) { "tp", { training->tp, stride },
                           rank - fab_placement_of(training, rank, FAB_AXIS_TP) * stride };
}

FabStepAxis
fab_step_axis_replica(const FabTraining *training, uint32_t rank, bool experts)
{
    uint32_t all = training->dp * training->cp, apart = experts ? training->ep : 1;
    uint32_t stride = fab_placement_replica_stride(training), place = fab_placement_replica_of(training, rank);

    return (FabStepAxis) { experts ? "edp" : "dp", { all / apart, stride * apart },
                           rank - (place - place % apart) * stride };
}

FabStepAxis
fab_step_axis_expert(const FabTraining *training, uint32_t rank)
{
    uint32_t stride = fab_placement_replica_stride(training);

    return (FabStepAxis) { "ep", { training->ep, stride },
                           rank - fab_placement_replica_of(training, rank) % training->ep * stride };
}

FabStepAxis
fab_step_axis_context(const FabTraining *training, uint32_t rank)
{
    uint32_t stride = fab_placement_stride(training, FAB_AXIS_CP);

    return (FabStepAxis) { "cp", { training->cp, stride },
                           rank - fab_placement_of(training, rank, FAB_AXIS_CP) * stride };
}
