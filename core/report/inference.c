/* How fast a model answers: a table, CSV, JSON. */
#include <stdio.h>

#include "base/units.h"
#include "fabricast-config.h"
#include "report/inference.h"
#include "report/stream.h"

#define GIB ((double)(UINT64_C(1) << 30))
/* Shorter parts are roundings. */
#define SHOWN_S 1e-9

typedef char Number[G_ASCII_DTOSTR_BUF_SIZE];

static const char *const fit_names[] = { "fits", "tight", "short" };

static char *
time_text(double seconds)
{
    return fab_format_time(fab_ps_from_seconds(seconds));
}

static void
print_head(const FabInference *inference, FILE *out)
{
    const FabFootprint *footprint = inference->footprint;
    const FabTraining *layout = footprint->training;
    const FabMemory *memory = footprint->memory;
    const FabStageMemory *stage = &memory->stages[memory->fullest];
    Number used, cache, all;

    fprintf(out, "# fabricast inference  %s  %s on %u x %s (%s)\n", footprint->name,
            footprint->model->title != NULL ? footprint->model->title : "model", layout->gpus, footprint->gpu,
            footprint->topology);
    fprintf(out, "# tp %u  pp %u  dp %u  ep %u  %s; %u sequences a replica, %u tokens read, %u written\n", layout->tp,
            layout->pp, layout->dp, layout->ep, fab_precision_names[layout->precision], layout->micro_batch,
            layout->sequence, layout->context - layout->sequence);
    fprintf(out, "# memory %s: %s of %s GiB on rank %u, cache %s GiB%s%s\n", fit_names[memory->fit],
            fab_stream_fixed((double)stage->total / GIB, 1, used),
            fab_stream_fixed((double)memory->capacity / GIB, 1, all), fab_memory_rank(layout, memory->fullest),
            fab_stream_fixed((double)stage->parts[FAB_MEMORY_CACHE] / GIB, 2, cache),
            memory->change != NULL ? "; it would fit with " : "", memory->change != NULL ? memory->change : "");
    fprintf(out, "# stack %s; no inference was fitted or compared, take 30 %% to both sides\n", inference->stack->name);
}

void
fab_report_inference(const FabInference *inference, FILE *out)
{
    g_autofree char *prefill = time_text(inference->prefill_s), *decode = time_text(inference->decode_s);
    Number first, second;

    print_head(inference, out);
    fprintf(out, "  first token       %14s   %s tokens/s read\n", prefill,
            fab_stream_fixed(inference->prompt_tokens_per_s, 0, first));
    fprintf(out, "  each further one  %14s   %s tokens/s written by all, %s for each sequence\n", decode,
            fab_stream_fixed(inference->tokens_per_s, 1, first), fab_stream_fixed(1 / inference->decode_s, 1, second));
    fprintf(out, "# %-17s %14s  %14s\n", "where time goes", "first token", "further one");
    for (int i = 0; i < FAB_TIME_PARTS; i++) {
        g_autofree char *read = time_text(inference->prefill[i]), *written = time_text(inference->decode[i]);
        if (inference->prefill[i] >= SHOWN_S || inference->decode[i] >= SHOWN_S)
            fprintf(out, "  %-17s %14s  %14s\n", fab_time_part_names[i], read, written);
    }
}

void
fab_report_inference_csv(const FabInference *inference, bool header, FILE *out)
{
    const FabMemory *memory = inference->footprint->memory;
    const double figures[] = { inference->prefill_s, inference->decode_s, inference->prompt_tokens_per_s,
                               inference->tokens_per_s, (double)memory->stages[memory->fullest].total };
    Number text;

    if (header)
        fputs("scenario,topology,gpu,gpus,fit,first_token_s,token_s,prompt_tokens_per_s,tokens_per_s,memory_bytes\r\n",
              out);
    fab_stream_csv_text(out, inference->footprint->name);
    fputc(',', out);
    fab_stream_csv_text(out, inference->footprint->topology);
    fprintf(out, ",%s,%u,%s", inference->footprint->gpu, inference->footprint->training->gpus, fit_names[memory->fit]);
    for (size_t i = 0; i < G_N_ELEMENTS(figures); i++)
        fprintf(out, ",%s", fab_stream_number(figures[i], text));
    fputs("\r\n", out);
}

static void
write_parts(const char *name, const double parts[FAB_TIME_PARTS], FILE *out)
{
    Number text;

    fprintf(out, ",\n      \"%s\": { ", name);
    for (int i = 0; i < FAB_TIME_PARTS; i++)
        fprintf(out, "%s\"%s\": %s", i > 0 ? ", " : "", fab_time_part_names[i], fab_stream_number(parts[i], text));
    fputs(" }", out);
}

void
fab_report_inference_json(GPtrArray *inferences, FILE *out)
{
    fprintf(out, "{\n  \"schema\": \"fabricast-inference\",\n  \"schema_version\": 1,\n  \"version\": \"%s\",\n"
            "  \"results\": [\n", FAB_VERSION);
    for (guint i = 0; i < inferences->len; i++) {
        const FabInference *one = inferences->pdata[i];
        const FabMemory *memory = one->footprint->memory;
        Number first, token, read, written, bytes;
        fputs("    {\n      \"scenario\": ", out);
        fab_stream_json_text(out, one->footprint->name);
        fputs(",\n      \"scenario_text\": ", out);
        fab_stream_json_text(out, one->footprint->scenario);
        fputs(",\n      \"model\": ", out);
        fab_stream_json_text(out, one->footprint->model->title != NULL ? one->footprint->model->title : "model");
        fputs(",\n      \"topology\": ", out);
        fab_stream_json_text(out, one->footprint->topology);
        fprintf(out, ",\n      \"gpu\": \"%s\",\n      \"gpus\": %u,\n      \"fit\": \"%s\",\n", one->footprint->gpu,
                one->footprint->training->gpus, fit_names[memory->fit]);
        fprintf(out, "      \"first_token_s\": %s,\n      \"token_s\": %s,\n      \"prompt_tokens_per_s\": %s,\n"
                "      \"tokens_per_s\": %s,\n      \"memory_bytes\": %s", fab_stream_number(one->prefill_s, first),
                fab_stream_number(one->decode_s, token), fab_stream_number(one->prompt_tokens_per_s, read),
                fab_stream_number(one->tokens_per_s, written),
                fab_stream_number((double)memory->stages[memory->fullest].total, bytes));
        write_parts("first_token_parts_s", one->prefill, out);
        write_parts("token_parts_s", one->decode, out);
        fputs(i + 1 < inferences->len ? "\n    },\n" : "\n    }\n", out);
    }
    fputs("  ]\n}\n", out);
}
