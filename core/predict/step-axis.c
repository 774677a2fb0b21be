#include "predict/step-axis.h"

/* Place among the replicas of its stage, context parallel ranks among them. */
static uint32_t
place_of(const FabTraining *training, uint32_t rank)
{
    return rank / training->tp % (training->cp * training->dp);
}

FabStepAxis
fab_step_axis_tensor(const FabTraining *training, uint32_t rank)
{
    return (FabStepAxis) { "tp", { training->tp, 1 }, rank - rank % training->tp };
}

FabStepAxis
fab_step_axis_replica(const FabTraining *training, uint32_t rank, bool experts)
{
    uint32_t all = training->dp * training->cp, apart = experts ? training->ep : 1;
    uint32_t base = rank - place_of(training, rank) * training->tp;

    return (FabStepAxis) { experts ? "edp" : "dp", { all / apart, training->tp * apart },
                           base + place_of(training, rank) % apart * training->tp };
}

FabStepAxis
fab_step_axis_expert(const FabTraining *training, uint32_t rank)
{
    return (FabStepAxis) { "ep", { training->ep, training->tp },
                           rank - place_of(training, rank) % training->ep * training->tp };
}
