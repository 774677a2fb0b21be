/*
 * Tasks of known length on streams, as CUDA runs them: a stream executes its tasks one after the other in the order
 * they were added, and a task waits for those named with fab_graph_after(). Times are picoseconds.
 */
#ifndef FAB_WORKLOAD_GRAPH_H
#define FAB_WORKLOAD_GRAPH_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    uint32_t stream;
    uint32_t tag;         /* the builder's, for traces */
    int64_t duration_ps;
    int64_t start_ps;     /* set by fab_graph_run() */
} FabTask;

typedef struct FabGraph FabGraph;

FabGraph *fab_graph_new(uint32_t streams);
void fab_graph_free(FabGraph *graph);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabGraph, fab_graph_free)

/* The number of the new task, from 0. */
uint32_t fab_graph_add(FabGraph *graph, uint32_t stream, int64_t duration_ps, uint32_t tag);

/* `task` starts when `before` has ended, whichever was added first. */
void fab_graph_after(FabGraph *graph, uint32_t task, uint32_t before);

/* Instead of its duration: how long a task takes whose start_ps is known by now. Called once for each, as it starts. */
typedef int64_t (*FabTaskLength)(void *user, const FabTask *task);
void fab_graph_set_length(FabGraph *graph, FabTaskLength length, void *user);

/* Sets all starts. FAB_ERROR_DEADLOCK names the tasks of a cycle. */
bool fab_graph_run(FabGraph *graph, GError **error);

uint32_t fab_graph_count(const FabGraph *graph);
const FabTask *fab_graph_task(const FabGraph *graph, uint32_t task);
static inline int64_t
fab_task_end(const FabTask *task)
{
    return task->start_ps + task->duration_ps;
}

/* When the last task ends; 0 without tasks. */
int64_t fab_graph_length(const FabGraph *graph);

#endif
