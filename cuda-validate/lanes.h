/* What pipelines are made of: queues that begin and end together, and a kernel whose work a host can check. */
#ifndef FABM_LANES_H
#define FABM_LANES_H

#include "session.h"

/* The queues of a pipeline, and marks that make one run wait for the end of the one before. */
typedef struct {
    FabmBackend *backend;
    FabmQueue *queues[FABM_MOST_QUEUES];
    FabmMark *marks[FABM_MOST_QUEUES];
    int gpus[FABM_MOST_QUEUES];
    int count;
} FabmLanes;

/* A queue on each of the GPUs, `count` of them; close also what could not be opened. */
bool fabm_lanes_open(FabmLanes *lanes, FabmBackend *backend, const int *gpus, int count, FabmFailure *failure);
void fabm_lanes_close(FabmLanes *lanes);

/* What follows in any queue begins when all queues have done what they have. */
bool fabm_lanes_join(FabmLanes *lanes, FabmFailure *failure);

FabmParty fabm_lanes_party(const FabmLanes *lanes, FabmBody body, void *data);

/* The values that pipelines work on, the kernel (without rounds it does nothing), and what it makes of a value. */
FabmExpect fabm_work_input(const FabmSession *session);
FabmLaunch fabm_work_launch(void *data, uint64_t bytes, uint32_t rounds, uint32_t ctas);
float fabm_worked(float value, uint32_t rounds);

#endif
