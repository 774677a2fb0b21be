/* A channel program in the memory of GPUs, ready to run; ranks that have no GPU of their own share one. */
#ifndef FABM_RUNNER_H
#define FABM_RUNNER_H

#include "program.h"
#include "session.h"

typedef struct FabmRunner FabmRunner;

/*
 * Ranks are spread over the session's GPUs in order, as evenly as goes. `patience_s` is how long a stream waits for
 * another before it gives up. Buffers are not filled yet.
 */
FabmRunner *fabm_runner_new(FabmSession *session, const FabmProgram *program, double patience_s, FabmFailure *failure);
void fabm_runner_free(FabmRunner *runner);

/* Random inputs, poisoned outputs and scratch; then one run, and every output is checked. */
bool fabm_runner_check(FabmRunner *runner, FabmFailure *failure);

/* A party whose body launches the program once on each GPU that has ranks. */
FabmParty fabm_runner_party(FabmRunner *runner);

/* After a run: whether streams gave up; the failure names some and what they wait for. */
bool fabm_runner_finished(FabmRunner *runner, FabmFailure *failure);

/* "0", "0+1+2": the GPUs that have ranks. */
const char *fabm_runner_gpus(const FabmRunner *runner);

#endif
