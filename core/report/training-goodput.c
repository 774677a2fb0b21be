/* What a long run loses to failures: below a step's table, and in its JSON. */

#include "report/stream.h"
#include "report/training.h"

#define HOUR 3600.0
#define DAY 86400.0

typedef char Number[G_ASCII_DTOSTR_BUF_SIZE];

/* "3.15 h", "42.1 min", "17 s". */
static char *
duration_text(double seconds)
{
    Number number;
    double value = seconds < 120 ? seconds : seconds < 2 * HOUR ? seconds / 60 : seconds / HOUR;

    return g_strdup_printf("%s %s", fab_stream_fixed(value, 2, number),
                           seconds < 120 ? "s" : seconds < 2 * HOUR ? "min" : "h");
}

static void
print_parts(const FabGoodput *goodput, FILE *out)
{
    double all = 0, lost = 1 - goodput->spent[FAB_SPENT_WORK] - goodput->spent[FAB_SPENT_CHECKPOINT];

    for (int i = 0; i < FAB_PART_KINDS; i++)
        all += goodput->failures[i];
    for (int i = 0; i < FAB_PART_KINDS; i++) {
        Number count, failures, hours;
        if (goodput->failures[i] <= 0)
            continue;
        fprintf(out, "  failures of %-5s %14s   of %s, %s h lost\n", fab_part_names[i],
                fab_stream_fixed(goodput->failures[i], 1, failures), fab_stream_fixed(goodput->parts[i], 0, count),
                fab_stream_fixed(lost * goodput->period / HOUR * goodput->failures[i] / all, 1, hours));
    }
}

void
fab_report_goodput(const FabTrainingStep *step, FILE *out)
{
    const FabGoodput *goodput = step->goodput;
    g_autofree char *mtbf = NULL, *interval = NULL, *write = NULL, *best = NULL, *young = NULL, *daly = NULL;
    Number first, second;
    double steps;

    if (goodput == NULL)
        return;
    mtbf = duration_text(goodput->mtbf);
    interval = duration_text(goodput->interval);
    write = duration_text(goodput->write);
    best = duration_text(goodput->best);
    young = duration_text(goodput->young);
    daly = duration_text(goodput->daly);
    steps = goodput->spent[FAB_SPENT_WORK] * goodput->period / step->seconds;
    fprintf(out, "# over %s days; rates: %s\n", fab_stream_fixed(goodput->period / DAY, 1, first), goodput->source);
    fprintf(out, "  goodput           %12s %%   %s steps last\n",
            fab_stream_fixed(100 * goodput->spent[FAB_SPENT_WORK], 2, first), fab_stream_fixed(steps, 0, second));
    fprintf(out, "  failures          %14s   apart on average while it runs\n", mtbf);
    fprintf(out, "  checkpoints       %14s   of work apart%s, each %s; best %s (Young %s, Daly %s)\n", interval,
            goodput->chosen ? ", the best" : "", write, best, young, daly);
    for (int i = 0; i < FAB_SPENT_PARTS; i++) {
        if (goodput->spent[i] > 0)
            fprintf(out, "  %-17s %12s h  %6s %%\n", fab_spent_names[i],
                    fab_stream_fixed(goodput->spent[i] * goodput->period / HOUR, 1, first),
                    fab_stream_fixed(100 * goodput->spent[i], 2, second));
    }
    print_parts(goodput, out);
}

static void
write_member(FILE *out, const char *name, double value, const char *after)
{
    Number text;

    fprintf(out, "\"%s\": %s%s", name, fab_stream_number(value, text), after);
}

void
fab_report_goodput_json(const FabTrainingStep *step, FILE *out)
{
    const FabGoodput *goodput = step->goodput;

    if (goodput == NULL)
        return;
    fputs(",\n      \"goodput\": { \"source\": ", out);
    fab_stream_json_text(out, goodput->source);
    fputs(", ", out);
    write_member(out, "share", goodput->spent[FAB_SPENT_WORK], ", ");
    write_member(out, "period_s", goodput->period, ", ");
    write_member(out, "mtbf_s", goodput->mtbf, ", ");
    write_member(out, "checkpoint_write_s", goodput->write, ", ");
    write_member(out, "checkpoint_interval_s", goodput->interval, ", ");
    write_member(out, "best_interval_s", goodput->best, ", ");
    write_member(out, "young_interval_s", goodput->young, ", ");
    write_member(out, "daly_interval_s", goodput->daly, ",\n        \"spent_s\": { ");
    for (int i = 0; i < FAB_SPENT_PARTS; i++)
        write_member(out, fab_spent_names[i], goodput->spent[i] * goodput->period,
                     i + 1 < FAB_SPENT_PARTS ? ", " : " },\n        \"failures\": { ");
    for (int i = 0; i < FAB_PART_KINDS; i++)
        write_member(out, fab_part_names[i], goodput->failures[i], i + 1 < FAB_PART_KINDS ? ", " : " } }");
}
