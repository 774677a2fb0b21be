/* How long training steps are: a table, CSV, JSON. */
#include <math.h>
#include <stdio.h>

#include "base/units.h"
#include "fabricast-config.h"
#include "report/stream.h"
#include "report/training.h"
#include "scenario/placement.h"

/* Shorter parts are roundings of picoseconds. */
#define SHOWN_S 1e-8
#define GIB ((double)(UINT64_C(1) << 30))

typedef char Number[G_ASCII_DTOSTR_BUF_SIZE];

static const char *const fit_names[] = { "fits", "tight", "short" };

static char *
time_text(double seconds)
{
    return fab_format_time(fab_ps_from_seconds(seconds));
}

static void
print_memory(const FabFootprint *footprint, FILE *out)
{
    const FabMemory *memory = footprint->memory;
    const FabStageMemory *stage = &memory->stages[memory->fullest];
    Number used, all;

    fprintf(out, "# memory %s: %s of %s GiB on rank %u%s%s\n", fit_names[memory->fit],
            fab_stream_fixed((double)stage->total / GIB, 1, used),
            fab_stream_fixed((double)memory->capacity / GIB, 1, all),
            fab_memory_rank(footprint->training, memory->fullest),
            memory->change != NULL ? "; it would fit with " : "", memory->change != NULL ? memory->change : "");
}

static void
print_head(const FabTrainingStep *step, FILE *out)
{
    const FabFootprint *footprint = step->footprint;
    const FabTraining *training = footprint->training;
    g_autofree char *order = fab_placement_unusual(training);

    fprintf(out, "# fabricast training  %s  %s on %u x %s (%s)\n", footprint->name,
            footprint->model->title != NULL ? footprint->model->title : "model", training->gpus, footprint->gpu,
            footprint->topology);
    fprintf(out, "# tp %u  pp %u x %u  cp %u  dp %u  ep %u  zero %u  %s  recompute %s%s\n", training->tp, training->pp,
            training->chunks, training->cp, training->dp, training->ep, training->zero,
            fab_schedule_names[training->schedule], fab_recompute_names[training->recompute],
            training->sequence_parallel ? "  sequence parallel" : "");
    if (order != NULL)
        fprintf(out, "# order of axes on the machine, neighbours first: %s\n", order);
    fprintf(out, "# %u ", training->global_batch);
    if (fab_model_is_whole(footprint->model))
        fputs("samples", out);
    else
        fprintf(out, "sequences of %u tokens", training->sequence);
    fprintf(out, ", %u micro-batch%s of %u, %s\n", step->micros, step->micros == 1 ? "" : "es", training->micro_batch,
            fab_precision_names[training->precision]);
    fprintf(out, "# stack %s, constants of %s%s\n", step->stack->name, step->stack->source,
            step->fitted ? "" : "; not fitted on such GPUs");
    print_memory(footprint, out);
}

static void
print_fault(const char *name, const char *what, double seconds, double healthy, FILE *out)
{
    g_autofree char *time = time_text(seconds);
    Number more;

    fprintf(out, "  %14s  %8s %% more   %s: %s\n", time, fab_stream_fixed(100 * (seconds / healthy - 1), 2, more), name,
            what);
}

static void
print_faults(const FabTrainingStep *step, FILE *out)
{
    g_autofree char *healthy = NULL;

    if (step->faults == NULL || step->faults->len == 0)
        return;
    healthy = time_text(step->healthy);
    fprintf(out, "# what faults cost: the step without any, with each alone%s\n  %14s                    healthy\n",
            step->faults->len > 1 ? ", with all" : "", healthy);
    for (guint i = 0; i < step->faults->len; i++) {
        const FabStepFault *fault = step->faults->pdata[i];
        print_fault(fault->name, fault->what, fault->seconds, step->healthy, out);
    }
    if (step->faults->len > 1)
        print_fault("faults", "all of them, as above", step->seconds, step->healthy, out);
}

void
fab_report_training_step(const FabTrainingStep *step, FILE *out)
{
    g_autofree char *time = time_text(step->seconds), *low = time_text(step->low), *high = time_text(step->high);
    Number first, second;

    print_head(step, out);
    fprintf(out, "  step time         %14s   %s to %s: %s\n", time, low, high, step->reason);
    fprintf(out, "  %s  %14s   %s for each GPU\n",
            fab_model_is_whole(step->footprint->model) ? "samples/s       " : "tokens/s        ",
            fab_stream_fixed(step->tokens_per_s, 0, first),
            fab_stream_fixed(step->tokens_per_s / step->footprint->training->gpus, 1, second));
    fprintf(out, "  MFU               %12s %%   %s TFLOP/s for each GPU\n", fab_stream_fixed(100 * step->mfu, 2, first),
            fab_stream_fixed(step->flops_per_gpu / 1e12, 1, second));
    fprintf(out, "  HFU               %12s %%\n", fab_stream_fixed(100 * step->hfu, 2, first));
    fprintf(out, "# where the time of stage %u goes%s\n", step->stage, step->host_bound ? "; bound by its host" : "");
    for (int i = 0; i < FAB_TIME_PARTS; i++) {
        g_autofree char *part = time_text(step->parts[i]);
        if (step->parts[i] >= SHOWN_S)
            fprintf(out, "  %-17s %14s  %6s %%\n", fab_time_part_names[i], part,
                    fab_stream_fixed(100 * step->parts[i] / step->seconds, 2, first));
    }
    print_faults(step, out);
    fab_report_goodput(step, out);
}

/* ------------------------------------------------------------------ for programs */

typedef struct {
    const char *name;
    double value;
} Figure;

enum { FIGURES = 10 };

static void
list_figures(const FabTrainingStep *step, Figure figures[FIGURES])
{
    const FabFootprint *footprint = step->footprint;
    const Figure all[FIGURES] = {
        { "gpus", footprint->training->gpus },
        { "step_s", step->seconds },
        { "low_s", step->low },
        { "high_s", step->high },
        { "tokens_per_s", step->tokens_per_s },
        { "mfu", step->mfu },
        { "hfu", step->hfu },
        { "model_flops_per_gpu", step->flops_per_gpu },
        { "bubble_share", step->bubble_share },
        { "memory_bytes", (double)footprint->memory->stages[footprint->memory->fullest].total },
    };

    for (int i = 0; i < FIGURES; i++)
        figures[i] = all[i];
}

void
fab_report_training_step_csv(const FabTrainingStep *step, bool header, FILE *out)
{
    Figure figures[FIGURES];
    Number text;

    list_figures(step, figures);
    if (header) {
        fputs("scenario,topology,gpu,fit", out);
        for (int i = 0; i < FIGURES; i++)
            fprintf(out, ",%s", figures[i].name);
        for (int i = 0; i < FAB_TIME_PARTS; i++)
            fprintf(out, ",%s_s", fab_time_part_names[i]);
        fputs("\r\n", out);
    }
    fab_stream_csv_text(out, step->footprint->name);
    fputc(',', out);
    fab_stream_csv_text(out, step->footprint->topology);
    fprintf(out, ",%s,%s", step->footprint->gpu, fit_names[step->footprint->memory->fit]);
    for (int i = 0; i < FIGURES; i++)
        fprintf(out, ",%s", fab_stream_number(figures[i].value, text));
    for (int i = 0; i < FAB_TIME_PARTS; i++)
        fprintf(out, ",%s", fab_stream_number(step->parts[i], text));
    fputs("\r\n", out);
}

/* Only where there are any. */
static void
write_faults(const FabTrainingStep *step, FILE *out)
{
    Number text;

    if (step->faults == NULL || step->faults->len == 0)
        return;
    fprintf(out, ",\n      \"healthy_s\": %s,\n      \"faults\": [", fab_stream_number(step->healthy, text));
    for (guint i = 0; i < step->faults->len; i++) {
        const FabStepFault *fault = step->faults->pdata[i];
        fprintf(out, "%s{\"name\": ", i > 0 ? ", " : "");
        fab_stream_json_text(out, fault->name);
        fputs(", \"what\": ", out);
        fab_stream_json_text(out, fault->what);
        fprintf(out, ", \"alone_s\": %s}", fab_stream_number(fault->seconds, text));
    }
    fputs("]", out);
}

static void
write_step(const FabTrainingStep *step, FILE *out)
{
    Figure figures[FIGURES];
    Number text;

    list_figures(step, figures);
    fputs("    {\n      \"scenario\": ", out);
    fab_stream_json_text(out, step->footprint->name);
    fputs(",\n      \"scenario_text\": ", out);
    fab_stream_json_text(out, step->footprint->scenario);
    fputs(",\n      \"model\": ", out);
    fab_stream_json_text(out, step->footprint->model->title != NULL ? step->footprint->model->title : "model");
    fputs(",\n      \"topology\": ", out);
    fab_stream_json_text(out, step->footprint->topology);
    fputs(",\n      \"gpu\": ", out);
    fab_stream_json_text(out, step->footprint->gpu);
    fprintf(out, ",\n      \"fit\": \"%s\",\n      \"stack\": \"%s\",\n", fit_names[step->footprint->memory->fit],
            step->stack->name);
    for (int i = 0; i < FIGURES; i++)
        fprintf(out, "      \"%s\": %s,\n", figures[i].name, fab_stream_number(figures[i].value, text));
    fprintf(out, "      \"stage\": %u,\n      \"interval\": ", step->stage);
    fab_stream_json_text(out, step->reason);
    fputs(",\n      \"parts_s\": { ", out);
    for (int i = 0; i < FAB_TIME_PARTS; i++)
        fprintf(out, "%s\"%s\": %s", i > 0 ? ", " : "", fab_time_part_names[i],
                fab_stream_number(step->parts[i], text));
    fputs(" }", out);
    write_faults(step, out);
    fab_report_goodput_json(step, out);
    fputs("\n    }", out);
}

void
fab_report_training_step_json(GPtrArray *steps, FILE *out)
{
    fprintf(out, "{\n  \"schema\": \"fabricast-training\",\n  \"schema_version\": 1,\n  \"version\": \"%s\",\n"
            "  \"results\": [\n", FAB_VERSION);
    for (guint i = 0; i < steps->len; i++) {
        write_step(steps->pdata[i], out);
        fputs(i + 1 < steps->len ? ",\n" : "\n", out);
    }
    fputs("  ]\n}\n", out);
}

/* ------------------------------------------------------------------ timeline */

void
fab_report_training_trace(const FabTrainingStep *step, FILE *out)
{
    static const char *const kinds[] = { "forward", "backward", "weights", "backward and weights" };
    const FabTraining *training = step->footprint->training;
    uint32_t count = fab_graph_count(step->pipeline), ranks = training->fold ? 1 : training->gpus / training->pp;

    fputs("{\"displayTimeUnit\":\"ms\",\"traceEvents\":[\n", out);
    for (uint32_t s = 0; s < training->pp * ranks; s++)
        fprintf(out, "{\"name\":\"thread_name\",\"ph\":\"M\",\"pid\":0,\"tid\":%u,\"args\":{\"name\":\"stage %u, rank "
                "%u\"}},\n", s, s / ranks, fab_placement_rank(training, s / ranks, s % ranks));
    for (uint32_t i = 0; i < count; i++) {
        const FabTask *task = fab_graph_task(step->pipeline, i);
        FabPass pass = fab_pass_of_tag(task->tag);
        g_autofree char *start = fab_stream_microseconds(task->start_ps);
        g_autofree char *length = fab_stream_microseconds(task->duration_ps);
        if (task->stream < training->pp * ranks)
            fprintf(out, "{\"name\":\"%s %u\",\"cat\":\"%s\",\"ph\":\"X\",\"pid\":0,\"tid\":%u,\"ts\":%s,\"dur\":%s,"
                    "\"args\":{\"micro\":%u,\"chunk\":%u}},\n", kinds[pass.kind], pass.micro, kinds[pass.kind],
                    task->stream, start, length, pass.micro, pass.chunk);
    }
    fputs("{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":0,\"args\":{\"name\":", out);
    fab_stream_json_text(out, step->footprint->name);
    fputs("}}\n]}\n", out);
}

/* ------------------------------------------------------------------ on the diagram */

FabDiagramLoad *
fab_report_training_load(const FabTrainingStep *step, const FabTraceRun *run, const FabTopology *topology)
{
    FabDiagramLoad *load = g_new0(FabDiagramLoad, 1);
    g_autofree char *time = fab_format_time(run->length_ps);
    double seconds = (double)run->length_ps * 1e-12;

    load->load = g_new(double, 2 * (size_t)topology->link_count + 1);
    for (uint32_t i = 0; i < topology->link_count; i++) {
        for (int direction = 0; direction < 2; direction++) {
            uint32_t resource = topology->links[i].resource[direction];
            double share = run->carried[resource] / (topology->resources[resource].capacity * seconds);
            load->load[2 * i + (uint32_t)direction] = run->carried[resource] > 0 && seconds > 0 ? MIN(share, 1.0) : NAN;
        }
    }
    load->caption = g_strdup_printf("Utilisation of links: training step %s, %s", step->footprint->name, time);
    return load;
}
