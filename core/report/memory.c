/* What a training step needs of memory, for people and for programs. */
#include <inttypes.h>
#include <stdio.h>

#include "fabricast-config.h"
#include "report/stream.h"
#include "report/training.h"

#define GIB ((double)(UINT64_C(1) << 30))

static const char *const fit_names[] = { "fits", "tight", "short" };

/* What most of the memory is, and what is said of it. */
static FabMemoryPart
largest_part(const FabStageMemory *stage)
{
    FabMemoryPart largest = FAB_MEMORY_PARAMETERS;

    for (int i = 0; i < FAB_MEMORY_PARTS; i++) {
        if (stage->parts[i] > stage->parts[largest])
            largest = (FabMemoryPart)i;
    }
    return largest;
}

static void
print_gib(FILE *out, uint64_t bytes)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    fprintf(out, " %11s", fab_stream_fixed((double)bytes / GIB, 3, text));
}

static void
print_verdict(const FabFootprint *footprint, FILE *out)
{
    const FabMemory *memory = footprint->memory;
    const FabStageMemory *stage = &memory->stages[memory->fullest];
    uint32_t rank = fab_memory_rank(footprint->training, memory->fullest);
    char first[G_ASCII_DTOSTR_BUF_SIZE], second[G_ASCII_DTOSTR_BUF_SIZE];

    if (memory->fit == FAB_FIT_YES)
        fprintf(out, "# fits: %s GiB free on rank %u, the fullest\n",
                fab_stream_fixed((double)(memory->capacity - stage->total) / GIB, 2, first), rank);
    else if (memory->fit == FAB_FIT_TIGHT)
        fprintf(out, "# tight: %s GiB free on rank %u, less than the %s GiB that fragmentation may take\n",
                fab_stream_fixed((double)(memory->capacity - stage->total) / GIB, 2, first), rank,
                fab_stream_fixed((double)memory->allowance / GIB, 2, second));
    else
        fprintf(out, "# short by %s GiB on rank %u because of %s, %s GiB\n",
                fab_stream_fixed((double)(stage->total - memory->capacity) / GIB, 2, first), rank,
                fab_memory_part_names[largest_part(stage)],
                fab_stream_fixed((double)stage->parts[largest_part(stage)] / GIB, 2, second));
    if (memory->fit == FAB_FIT_NO)
        fprintf(out, "# %s%s\n", memory->change != NULL ? "it would fit with " : "no change of one layout to another "
                "makes it fit on these GPUs", memory->change != NULL ? memory->change : "");
}

void
fab_report_memory(const FabFootprint *footprint, FILE *out)
{
    const FabTraining *training = footprint->training;
    const FabMemory *memory = footprint->memory;
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    fprintf(out, "# fabricast memory  %s  %s on %u x %s, %s GiB each\n", footprint->name,
            footprint->model->title != NULL ? footprint->model->title : "model", training->gpus, footprint->gpu,
            fab_stream_fixed((double)memory->capacity / GIB, 1, text));
    fprintf(out, "# tp %u  pp %u  cp %u  dp %u  ep %u  zero %u  recompute %s%s  micro-batch %u x %u tokens\n",
            training->tp, training->pp, training->cp, training->dp, training->ep, training->zero,
            fab_recompute_names[training->recompute], training->sequence_parallel ? "  sequence parallel" : "",
            training->micro_batch, training->sequence);
    print_verdict(footprint, out);
    fprintf(out, "# GiB of each GPU of a stage\n#%5s %6s %9s", "stage", "rank", "in flight");
    for (int i = 0; i < FAB_MEMORY_PARTS; i++)
        fprintf(out, " %11s", fab_memory_part_names[i]);
    fprintf(out, " %11s\n", "all");
    for (uint32_t s = 0; s < memory->count; s++) {
        fprintf(out, " %5u %6u %9u", s, fab_memory_rank(training, s), memory->stages[s].in_flight);
        for (int i = 0; i < FAB_MEMORY_PARTS; i++)
            print_gib(out, memory->stages[s].parts[i]);
        print_gib(out, memory->stages[s].total);
        fputc('\n', out);
    }
}

void
fab_report_memory_csv(const FabFootprint *footprint, bool header, FILE *out)
{
    const FabMemory *memory = footprint->memory;

    if (header) {
        fputs("scenario,stage,rank,in_flight", out);
        for (int i = 0; i < FAB_MEMORY_PARTS; i++)
            fprintf(out, ",%s", fab_memory_part_names[i]);
        fputs(",total,capacity\r\n", out);
    }
    for (uint32_t s = 0; s < memory->count; s++) {
        const FabStageMemory *stage = &memory->stages[s];
        fab_stream_csv_text(out, footprint->name);
        fprintf(out, ",%u,%u,%u", s, fab_memory_rank(footprint->training, s), stage->in_flight);
        for (int i = 0; i < FAB_MEMORY_PARTS; i++)
            fprintf(out, ",%" PRIu64, stage->parts[i]);
        fprintf(out, ",%" PRIu64 ",%" PRIu64 "\r\n", stage->total, memory->capacity);
    }
}

static void
write_footprint(const FabFootprint *footprint, FILE *out)
{
    const FabMemory *memory = footprint->memory;

    fputs("    {\n      \"scenario\": ", out);
    fab_stream_json_text(out, footprint->name);
    fputs(",\n      \"scenario_text\": ", out);
    fab_stream_json_text(out, footprint->scenario);
    fputs(",\n      \"model\": ", out);
    fab_stream_json_text(out, footprint->model->title != NULL ? footprint->model->title : "model");
    fputs(",\n      \"topology\": ", out);
    fab_stream_json_text(out, footprint->topology);
    fputs(",\n      \"gpu\": ", out);
    fab_stream_json_text(out, footprint->gpu);
    fprintf(out, ",\n      \"gpus\": %u,\n      \"capacity\": %" PRIu64 ",\n      \"fit\": \"%s\",\n",
            footprint->training->gpus, memory->capacity, fit_names[memory->fit]);
    fputs("      \"change\": ", out);
    if (memory->change != NULL)
        fab_stream_json_text(out, memory->change);
    else
        fputs("null", out);
    fputs(",\n      \"stages\": [\n", out);
    for (uint32_t s = 0; s < memory->count; s++) {
        const FabStageMemory *stage = &memory->stages[s];
        fprintf(out, "        { \"rank\": %u, \"in_flight\": %u", fab_memory_rank(footprint->training, s),
                stage->in_flight);
        for (int i = 0; i < FAB_MEMORY_PARTS; i++)
            fprintf(out, ", \"%s\": %" PRIu64, fab_memory_part_names[i], stage->parts[i]);
        fprintf(out, ", \"total\": %" PRIu64 " }%s\n", stage->total, s + 1 < memory->count ? "," : "");
    }
    fputs("      ]\n    }", out);
}

void
fab_report_memory_json(GPtrArray *footprints, FILE *out)
{
    fprintf(out, "{\n  \"schema\": \"fabricast-memory\",\n  \"schema_version\": 1,\n  \"version\": \"%s\",\n"
            "  \"results\": [\n", FAB_VERSION);
    for (guint i = 0; i < footprints->len; i++) {
        write_footprint(footprints->pdata[i], out);
        fputs(i + 1 < footprints->len ? ",\n" : "\n", out);
    }
    fputs("  ]\n}\n", out);
}
