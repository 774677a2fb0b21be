#include "workload/graph.h"

#include "base/error.h"

#define NONE UINT32_MAX

enum { SHOWN = 8 };

typedef struct {
    uint32_t task, before;
} Edge;

struct FabGraph {
    GArray *tasks;    /* FabTask */
    GArray *edges;    /* Edge, of the streams too */
    uint32_t *last;   /* of each stream: its newest task */
    uint32_t streams;
    FabTaskLength length; /* NULL: durations stand */
    void *user;
};

FabGraph *
fab_graph_new(uint32_t streams)
{
    FabGraph *graph = g_new0(FabGraph, 1);

    graph->tasks = g_array_new(FALSE, FALSE, sizeof(FabTask));
    graph->edges = g_array_new(FALSE, FALSE, sizeof(Edge));
    graph->last = g_new(uint32_t, MAX(streams, 1));
    graph->streams = streams;
    for (uint32_t i = 0; i < streams; i++)
        graph->last[i] = NONE;
    return graph;
}

void
fab_graph_free(FabGraph *graph)
{
    if (graph == NULL)
        return;
    g_array_unref(graph->tasks);
    g_array_unref(graph->edges);
    g_free(graph->last);
    g_free(graph);
}

uint32_t
fab_graph_add(FabGraph *graph, uint32_t stream, int64_t duration_ps, uint32_t tag)
{
    FabTask task = { .stream = stream, .tag = tag, .duration_ps = duration_ps };
    uint32_t number = graph->tasks->len;

    g_return_val_if_fail(stream < graph->streams && duration_ps >= 0, NONE);
    g_array_append_val(graph->tasks, task);
    if (graph->last[stream] != NONE)
        fab_graph_after(graph, number, graph->last[stream]);
    graph->last[stream] = number;
    return number;
}

void
fab_graph_after(FabGraph *graph, uint32_t task, uint32_t before)
{
    Edge edge = { task, before };

    g_array_append_val(graph->edges, edge);
}

void
fab_graph_set_length(FabGraph *graph, FabTaskLength length, void *user)
{
    graph->length = length;
    graph->user = user;
}

uint32_t
fab_graph_count(const FabGraph *graph)
{
    return graph->tasks->len;
}

const FabTask *
fab_graph_task(const FabGraph *graph, uint32_t task)
{
    return &g_array_index(graph->tasks, FabTask, task);
}

int64_t
fab_graph_length(const FabGraph *graph)
{
    int64_t length = 0;

    for (guint i = 0; i < graph->tasks->len; i++)
        length = MAX(length, fab_task_end(fab_graph_task(graph, i)));
    return length;
}

/* ------------------------------------------------------------------ run */

/* Edges by the task that they leave: those of task i lie at from[i] .. from[i + 1]. */
typedef struct {
    uint32_t *from, *to, *open; /* open: predecessors that have not ended */
} Order;

static void
order_clear(Order *order)
{
    g_free(order->from);
    g_free(order->to);
    g_free(order->open);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Order, order_clear)

static void
order_init(Order *order, const FabGraph *graph)
{
    guint tasks = graph->tasks->len, edges = graph->edges->len;
    const Edge *edge = (const Edge *)graph->edges->data;
    g_autofree uint32_t *next = g_new0(uint32_t, tasks + 1);

    order->from = g_new0(uint32_t, tasks + 1);
    order->to = g_new(uint32_t, MAX(edges, 1));
    order->open = g_new0(uint32_t, MAX(tasks, 1));
    for (guint i = 0; i < edges; i++) {
        order->from[edge[i].before + 1]++;
        order->open[edge[i].task]++;
    }
    for (guint i = 0; i < tasks; i++) {
        order->from[i + 1] += order->from[i];
        next[i] = order->from[i];
    }
    for (guint i = 0; i < edges; i++)
        order->to[next[edge[i].before]++] = edge[i].task;
}

/* Every task left waits for another one left: going back from any of them ends in the cycle. */
static void
report_cycle(const FabGraph *graph, const Order *order, GError **error)
{
    guint tasks = graph->tasks->len;
    g_autofree uint32_t *waits = g_new(uint32_t, tasks);
    g_autofree bool *seen = g_new0(bool, tasks);
    g_autoptr(GString) text = g_string_new(NULL);
    uint32_t at = 0, first, shown = 0;

    while (order->open[at] == 0)
        at++;
    for (guint i = 0; i < graph->edges->len; i++) {
        const Edge *edge = &g_array_index(graph->edges, Edge, i);
        if (order->open[edge->before] > 0)
            waits[edge->task] = edge->before;
    }
    for (; !seen[at]; at = waits[at])
        seen[at] = true;
    first = at;
    do {
        if (shown++ < SHOWN)
            g_string_append_printf(text, "task %u waits for ", at);
        at = waits[at];
    } while (at != first);
    g_set_error(error, FAB_ERROR, FAB_ERROR_DEADLOCK, "tasks wait for each other in a circle of %u: %s%stask %u", shown,
                text->str, shown > SHOWN ? "... " : "", first);
}

bool
fab_graph_run(FabGraph *graph, GError **error)
{
    guint tasks = graph->tasks->len;
    FabTask *task = (FabTask *)graph->tasks->data;
    g_auto(Order) order = { NULL, NULL, NULL };
    g_autofree uint32_t *ready = g_new(uint32_t, MAX(tasks, 1));
    guint done = 0, known = 0;

    order_init(&order, graph);
    for (guint i = 0; i < tasks; i++) {
        task[i].start_ps = 0;
        if (order.open[i] == 0)
            ready[known++] = i;
    }
    for (; done < known; done++) {
        uint32_t now = ready[done];
        if (graph->length != NULL)
            task[now].duration_ps = graph->length(graph->user, &task[now]);
        for (uint32_t e = order.from[now]; e < order.from[now + 1]; e++) {
            uint32_t next = order.to[e];
            task[next].start_ps = MAX(task[next].start_ps, fab_task_end(&task[now]));
            if (--order.open[next] == 0)
                ready[known++] = next;
        }
    }
    if (done == tasks)
        return true;
    report_cycle(graph, &order, error);
    return false;
}
