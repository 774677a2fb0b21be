/* What the host and the GPU need to start work: kernels, graphs, dependencies between streams, events. */
#include <stdio.h>

#include "session.h"
#include "watchdog.h"

enum { CHAIN = 100 }; /* kernels of a graph, or of a sample of dependent ones */

typedef struct {
    FabmBackend *backend;
    FabmQueue *queues[2];
    FabmMark *marks[2];
    FabmGraph *graph;
    FabmLaunch empty, together;
} Work;

static bool
put_kernel(void *data, int index, FabmFailure *failure)
{
    Work *work = data;

    return work->backend->launch(work->queues[index], &work->empty, failure);
}

static bool
put_together(void *data, int index, FabmFailure *failure)
{
    Work *work = data;

    return work->backend->launch(work->queues[index], &work->together, failure);
}

static bool
put_graph(void *data, int index, FabmFailure *failure)
{
    Work *work = data;

    return work->backend->graph_launch(work->graph, work->queues[index], failure);
}

/* A kernel in one stream, which the other waits for, and one there, which the first waits for; CHAIN kernels. */
static bool
put_dependent(void *data, int index, FabmFailure *failure)
{
    Work *work = data;
    FabmBackend *backend = work->backend;

    (void)index;
    for (int i = 0; i < CHAIN; i++) {
        FabmQueue *here = work->queues[i % 2], *there = work->queues[1 - i % 2];
        FabmMark *mark = work->marks[i % 2];

        if (!backend->launch(here, &work->empty, failure) || !backend->mark(here, mark, failure) ||
            !backend->await(there, mark, failure))
            return false;
    }
    return true;
}

static bool
put_event(void *data, int index, FabmFailure *failure)
{
    Work *work = data;

    return work->backend->mark(work->queues[index], work->marks[0], failure);
}

static bool
put_nothing(void *data, int index, FabmFailure *failure)
{
    (void)data, (void)index, (void)failure;
    return true;
}

/* What is timed: by the host's clock over `runs` runs, or by events for 0; a run stands for `pieces` pieces of work. */
typedef struct {
    const char *variant;
    FabmBody body;
    int runs, pieces;
} Point;

static const Point points[] = {
    { "launch and wait", put_kernel, 1, 1 },          /* host: call to return of the wait */
    { "launches from the host", put_kernel, 1000, 1 }, /* host: one after the other, one wait */
    { "kernels in a stream", put_kernel, 0, 1 },      /* device */
    { "cooperative kernels", put_together, 0, 1 },    /* device: launched as channel programs are */
    { "graph and wait", put_graph, 1, 1 },            /* host: a graph of CHAIN kernels */
    { "kernels in a graph", put_graph, 0, CHAIN },    /* device, of each kernel */
    { "kernels across streams", put_dependent, 0, CHAIN },
    { "events from the host", put_event, 1000, 1 },
    { "between two events", put_nothing, 0, 1 },      /* device: the floor of what events measure */
};

static bool
measure_point(FabmSession *session, FabmSheet *sheet, const FabmParty *party, const Point *point, FabmFailure *failure)
{
    FabmSummary us;
    char name[16];
    bool done;

    snprintf(name, sizeof name, "%d", party->gpus[0]);
    fabm_watchdog_point("launch: %s", point->variant);
    done = point->runs > 0 ? fabm_time_host(session, party, point->runs, &us, failure)
                           : fabm_time_party(session, party, &us, failure);
    if (!done)
        return false;
    us.median /= point->pieces;
    us.low /= point->pieces;
    us.high /= point->pieces;
    fabm_report_time(sheet, (FabmRow) { .test = "launch", .variant = point->variant, .gpus = name, .ctas = 1,
                                        .bytes = -1 }, &us, 0);
    return true;
}

static bool
measure_gpu(FabmSession *session, FabmSheet *sheet, int gpu, FabmFailure *failure)
{
    FabmBackend *backend = session->backend;
    Work work = { .backend = backend, .empty = { .kind = FABM_KERNEL_EMPTY, .ctas = 1, .threads = 32 },
                  .together = { .kind = FABM_KERNEL_EMPTY, .ctas = 1, .threads = 32, .together = 1 } };
    FabmParty party = { .gpus = { gpu }, .count = 1, .data = &work };

    for (int i = 0; i < 2 && failure->status == 0; i++) {
        work.queues[i] = backend->queue_new(backend, gpu, false, failure);
        work.marks[i] = failure->status == 0 ? backend->mark_new(backend, gpu, failure) : NULL;
    }
    if (failure->status == 0)
        work.graph = backend->graph_new(work.queues[0], &work.empty, CHAIN, failure);
    party.queues[0] = work.queues[0];
    for (size_t i = 0; i < sizeof points / sizeof points[0] && failure->status == 0; i++) {
        party.body = points[i].body;
        (void)measure_point(session, sheet, &party, &points[i], failure);
    }
    backend->graph_free(work.graph);
    for (int i = 0; i < 2; i++) {
        backend->queue_free(work.queues[i]);
        backend->mark_free(work.marks[i]);
    }
    return failure->status == 0;
}

bool
fabm_measure_launch(FabmSession *session, FabmFailure *failure)
{
    FabmSheet *sheet = fabm_report_sheet(session->report, "launch", FABM_DEVICE);

    for (int i = 0; i < session->gpu_count; i++)
        if (!measure_gpu(session, sheet, session->gpus[i], failure))
            return false;
    return true;
}
