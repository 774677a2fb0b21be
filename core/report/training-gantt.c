/* The pipeline of a training step as a picture: a row for each stage, a box for each pass, time to the right. */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/units.h"
#include "report/stream.h"
#include "report/training.h"

/* SVG units. */
enum { WIDTH = 1200, LEFT = 110, RIGHT = 1160, TOP = 64, ROW = 22, BOX = 18, TICKS = 8, NUMBER_WIDTH = 12 };
/* Beyond them a picture shows nothing: --trace has room for all. */
enum { MOST_STAGES = 256, MOST_PASSES = 100000 };

typedef struct {
    const FabTrainingStep *step;
    double scale; /* units for each picosecond */
    uint32_t ranks;
    FILE *out;
} Gantt;

/* Readable in grey: forward is light, backward dark, weights between. */
static const struct {
    const char *name, *fill, *ink;
} kinds[] = { { "forward", "#a9cdee", "#10324d" }, { "backward", "#1f6fb4", "#ffffff" },
              { "weights", "#8a8f98", "#ffffff" }, { "backward with weights", "#17507f", "#ffffff" } };

static double
x_of(const Gantt *gantt, int64_t time_ps)
{
    return LEFT + (double)time_ps * gantt->scale;
}

static void
write_pass(const Gantt *gantt, const FabTask *task)
{
    FabPass pass = fab_pass_of_tag(task->tag);
    uint32_t stage = task->stream / gantt->ranks;
    double start = x_of(gantt, task->start_ps), width = (double)task->duration_ps * gantt->scale;
    char x[G_ASCII_DTOSTR_BUF_SIZE], w[G_ASCII_DTOSTR_BUF_SIZE], middle[G_ASCII_DTOSTR_BUF_SIZE];
    uint32_t y = TOP + stage * ROW;

    fprintf(gantt->out, "<rect x=\"%s\" y=\"%u\" width=\"%s\" height=\"%d\" fill=\"%s\" stroke=\"#ffffff\" "
            "stroke-width=\"0.4\" fill-opacity=\"%s\"><title>%s, micro-batch %u, chunk %u</title></rect>\n",
            fab_stream_fixed(start, 2, x), y, fab_stream_fixed(width, 2, w), BOX, kinds[pass.kind].fill,
            pass.chunk % 2 == 0 ? "1" : "0.75", kinds[pass.kind].name, pass.micro, pass.chunk);
    if (width >= NUMBER_WIDTH)
        fprintf(gantt->out, "<text x=\"%s\" y=\"%u\" font-size=\"9\" text-anchor=\"middle\" fill=\"%s\">%u</text>\n",
                fab_stream_fixed(start + width / 2, 2, middle), y + 13, kinds[pass.kind].ink, pass.micro);
}

static void
write_axis(const Gantt *gantt, uint32_t bottom)
{
    int64_t all = fab_ps_from_seconds(gantt->step->seconds);

    for (int i = 0; i <= TICKS; i++) {
        int64_t time_ps = all / TICKS * i;
        g_autofree char *label = fab_format_time(time_ps);
        char x[G_ASCII_DTOSTR_BUF_SIZE];
        fab_stream_fixed(x_of(gantt, time_ps), 2, x);
        fprintf(gantt->out, "<line x1=\"%s\" y1=\"%d\" x2=\"%s\" y2=\"%u\" stroke=\"#d5d9de\"/>\n"
                "<text x=\"%s\" y=\"%u\" font-size=\"11\" text-anchor=\"%s\">%s</text>\n", x, TOP - 4, x, bottom, x,
                bottom + 14, i < TICKS ? "middle" : "end", label);
    }
}

/* What follows the pipeline: gradients among replicas, optimiser, waiting for the slowest. */
static void
write_tail(const Gantt *gantt, uint32_t stages)
{
    int64_t end = fab_graph_length(gantt->step->pipeline), all = fab_ps_from_seconds(gantt->step->seconds);
    char x[G_ASCII_DTOSTR_BUF_SIZE], w[G_ASCII_DTOSTR_BUF_SIZE];

    if (all > end)
        fprintf(gantt->out, "<rect x=\"%s\" y=\"%d\" width=\"%s\" height=\"%u\" fill=\"#f0c27b\"><title>gradients, "
                "optimiser, scale</title></rect>\n", fab_stream_fixed(x_of(gantt, end), 2, x), TOP,
                fab_stream_fixed((double)(all - end) * gantt->scale, 2, w), stages * ROW - (ROW - BOX));
}

static void
write_heading(const Gantt *gantt)
{
    const FabTraining *training = gantt->step->footprint->training;
    g_autofree char *time = fab_format_time(fab_ps_from_seconds(gantt->step->seconds));
    g_autofree char *name = g_markup_escape_text(gantt->step->footprint->name, -1);
    char share[G_ASCII_DTOSTR_BUF_SIZE];
    int x = LEFT;

    fprintf(gantt->out, "<text x=\"%d\" y=\"20\" font-size=\"15\">%s: %s, %u stages, %u micro-batches, %s a step, "
            "bubble %s %%</text>\n", LEFT, name, fab_schedule_names[training->schedule], training->pp,
            gantt->step->micros, time, fab_stream_fixed(100 * gantt->step->bubble_share, 1, share));
    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        fprintf(gantt->out, "<rect x=\"%d\" y=\"32\" width=\"12\" height=\"12\" fill=\"%s\"/>\n<text x=\"%d\" y=\"42\" "
                "font-size=\"11\">%s</text>\n", x, kinds[i].fill, x + 16, kinds[i].name);
        x += 36 + 7 * (int)strlen(kinds[i].name); /* 11 units high letters are at most 7 wide */
    }
    fprintf(gantt->out, "<rect x=\"%d\" y=\"32\" width=\"12\" height=\"12\" fill=\"#f0c27b\"/>\n", x);
    fprintf(gantt->out, "<text x=\"%d\" y=\"42\" font-size=\"11\">gradients, optimiser, scale</text>\n", x + 16);
}

bool
fab_report_training_gantt(const FabTrainingStep *step, FILE *out, GError **error)
{
    const FabTraining *training = step->footprint->training;
    uint32_t stages = training->pp, bottom = TOP + stages * ROW, count = fab_graph_count(step->pipeline);
    Gantt gantt = { .step = step, .scale = (RIGHT - LEFT) / (step->seconds * 1e12),
                    .ranks = training->fold ? 1 : training->gpus / training->pp, .out = out };

    if (stages > MOST_STAGES || 2.0 * stages * training->chunks * step->micros > MOST_PASSES) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "command line: --gantt: %u stages x %u chunks x %u micro-batches are too many boxes for a picture; "
                    "--trace writes them all",
                    stages, training->chunks, step->micros);
        return false;
    }
    fprintf(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %u\" font-family=\"sans-serif\">\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n", WIDTH, bottom + 24);
    write_heading(&gantt);
    write_axis(&gantt, bottom);
    for (uint32_t s = 0; s < stages; s++)
        fprintf(out, "<text x=\"%d\" y=\"%u\" font-size=\"11\" text-anchor=\"end\">stage %u, rank %u</text>\n",
                LEFT - 6, TOP + s * ROW + 13, s, fab_memory_rank(training, s));
    /* One rank of each stage: the others do the same. */
    for (uint32_t i = 0; i < count; i++) {
        const FabTask *task = fab_graph_task(step->pipeline, i);
        if (task->stream < stages * gantt.ranks && task->stream % gantt.ranks == 0)
            write_pass(&gantt, task);
    }
    write_tail(&gantt, stages);
    fputs("</svg>\n", out);
    return true;
}
