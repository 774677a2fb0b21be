/* The end of a run: what is left over, and what it comes to. */
#include "base/error.h"
#include "engine/engine-private.h"

enum { DEADLOCK_LINES = 8 };

#ifdef FAB_INVARIANTS
void
fab_engine_check_end(FabEngine *engine)
{
    for (uint32_t i = 0; i < engine->program->connections && engine->error == NULL; i++) {
        if (engine->connections[i].posted != engine->connections[i].taken)
            g_set_error(&engine->error, FAB_ERROR, FAB_ERROR_SYSTEM, "connection %u: %u slices sent, %u received", i,
                        engine->connections[i].posted, engine->connections[i].taken);
    }
}
#else
void
fab_engine_check_end(FabEngine *engine)
{
    (void)engine;
}
#endif

void
fab_engine_set_deadlock(FabEngine *engine)
{
    g_autoptr(GString) text = g_string_new(NULL);
    uint32_t listed = 0;

    for (uint32_t i = 0; i < engine->stream_count && listed < DEADLOCK_LINES; i++) {
        const FabStreamRun *stream = &engine->streams[i];
        bool input = stream->state == STREAM_INPUT;
        const FabEnd *end;
        if (stream->state == STREAM_DONE)
            continue;
        end = input ? &stream->step.recv[stream->end] : &stream->step.send[stream->end];
        g_string_append_printf(text, "%s rank %u channel %u role %u waits at step %" G_GUINT64_FORMAT
                               " (%s) for %s rank %u", listed++ == 0 ? "" : ";", stream->at.rank, stream->at.channel,
                               stream->at.role, stream->index, fab_step_name(&stream->step),
                               input ? "data of" : "a free slot at", end->peer);
    }
    g_set_error(&engine->error, FAB_ERROR, FAB_ERROR_DEADLOCK, "%s: deadlock: %u of %u streams wait for ever:%s%s",
                engine->program->name, engine->running, engine->stream_count, text->str,
                engine->running > listed ? "; ..." : "");
}

/* Where ranks are folded, what the first resource of a class did all of them do. */
static void
fill_bound(const FabEngine *engine, FabEngineReport *report)
{
    uint32_t resources = engine->spec->topology->resource_count;
    g_autofree double *bound = g_new0(double, MAX(resources, 1));

    report->bound = g_new0(bool, MAX(resources, 1));
    for (uint32_t i = 0; i < resources; i++)
        bound[i] = fab_flow_has_bound(engine->flows, i) ? 1 : 0;
    if (engine->spec->fold != NULL)
        fab_fold_spread(engine->spec->fold, bound);
    for (uint32_t i = 0; i < resources; i++)
        report->bound[i] = bound[i] > 0;
}

void
fab_engine_fill_report(FabEngine *engine)
{
    FabEngineReport *report = engine->report;
    double stream_ps = (double)engine->finish * engine->stream_count;
    uint32_t resources = engine->spec->topology->resource_count;
    int64_t longest = 0, busiest = 0;

    for (uint32_t rank = 0; rank < engine->program->ranks; rank++) {
        longest = MAX(longest, engine->ended[rank] - MIN(engine->began[rank], engine->ended[rank]));
        busiest = MAX(busiest, engine->ended[rank] - MIN(engine->ready[rank], engine->ended[rank]));
    }
    report->time_ps = engine->finish + engine->execution->launch_ps;
    report->interval_ps = longest + engine->execution->launch_ps;
    report->steady_ps = busiest + engine->execution->launch_ps;
    report->carried = g_memdup2(fab_flow_carried(engine->flows), resources * sizeof(double));
    fill_bound(engine, report);
    report->flows = fab_flow_started(engine->flows);
    report->copy_share = stream_ps > 0 ? (engine->copy_ps + fab_flow_limited_ps(engine->flows)) / stream_ps : 0;
    report->idle_share = stream_ps > 0 ? engine->wait_ps / stream_ps : 0;
    if (engine->spec->fold == NULL)
        return;
    fab_fold_spread(engine->spec->fold, report->carried);
    report->simulated = engine->program->ranks;
    report->steps *= fab_fold_times(engine->spec->fold);
    report->slices *= fab_fold_times(engine->spec->fold);
    report->repeated *= fab_fold_times(engine->spec->fold);
    report->events *= fab_fold_times(engine->spec->fold);
    report->flows *= fab_fold_times(engine->spec->fold);
}
