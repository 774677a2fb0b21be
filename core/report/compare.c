/* Comparisons as a table, CSV and JSON. */
#include "report/compare.h"

#include <math.h>
#include <string.h>

#include "base/units.h"
#include "fabricast-config.h"
#include "report/stream.h"

typedef char Number[G_ASCII_DTOSTR_BUF_SIZE];

/* The unit that costs are given for: what people buy. */
#define LARGE_BYTES 1e12
#define LARGE_TOKENS 1e6
#define JOULES_OF_A_KWH 3.6e6

static double
large_unit(const FabOutcome *outcome)
{
    return fab_outcome_counts_tokens(outcome->kind) ? LARGE_TOKENS : LARGE_BYTES;
}

static const char *
large_unit_name(const FabOutcome *outcome)
{
    return fab_outcome_counts_tokens(outcome->kind) ? "10^6 tokens" : "a TB";
}

/* A to Z, then numbers. */
static const char *
label(guint i, char text[16])
{
    if (i < 26)
        g_snprintf(text, 16, "%c", 'A' + (int)i);
    else
        g_snprintf(text, 16, "#%u", i + 1);
    return text;
}

/* ------------------------------------------------------------------ table */

static const char *
interval_text(const FabOutcomeRow *row, char text[32])
{
    if (row->low_s > 0)
        g_snprintf(text, 32, "%+d/%+d", (int)lround(100 * (row->low_s / row->seconds - 1)),
                   (int)lround(100 * (row->high_s / row->seconds - 1)));
    else
        g_strlcpy(text, "-", 32);
    return text;
}

const char *
fab_ratio_range(const FabRatio *ratio, char text[FAB_RATIO_RANGE])
{
    Number low, high;

    if (ratio->known)
        g_snprintf(text, FAB_RATIO_RANGE, "%s..%s", fab_stream_fixed(ratio->low, 2, low),
                   fab_stream_fixed(ratio->high, 2, high));
    else
        g_strlcpy(text, "-", FAB_RATIO_RANGE);
    return text;
}

static void
print_pair_row(const FabOutcomeRow *first, const FabOutcomeRow *other, FabRatio ratio, bool step, bool guessed,
               FILE *out)
{
    double rate_a = step ? first->work / first->seconds : first->algbw / 1e9;
    double rate_b = step ? other->work / other->seconds : other->algbw / 1e9, unit = step ? 1 : 1e6;
    /* A trace has no size. */
    g_autofree char *size = step ? g_strdup("step")
                            : first->size_bytes == 0 ? g_strdup("trace") : fab_format_bytes(first->size_bytes);
    Number time_a, time_b, text_a, text_b, value;
    char from[32], to[32], range[FAB_RATIO_RANGE];
    FabSpeedVerdict verdict = fab_speed_verdict(&ratio);

    fprintf(out, "%10s %11s %9s %11s %9s %9s %9s %7s %12s  %s%s\n", size,
            fab_stream_fixed(first->seconds * unit, 2, time_a), interval_text(first, from),
            fab_stream_fixed(other->seconds * unit, 2, time_b), interval_text(other, to),
            fab_stream_fixed(rate_a, step ? 0 : 2, text_a), fab_stream_fixed(rate_b, step ? 0 : 2, text_b),
            fab_stream_fixed(ratio.value, 2, value), fab_ratio_range(&ratio, range),
            fab_speed_verdict_names[verdict],
            guessed && verdict < FAB_VERDICT_UNTOLD ? ", by a guess" : "");
}

static void
print_pair(const FabComparison *comparison, guint number, FILE *out)
{
    const FabOutcome *first = comparison->outcomes->pdata[0], *other = comparison->outcomes->pdata[number];
    bool step = fab_outcome_counts_tokens(first->kind), guessed = first->guessed || other->guessed;
    char name[16];
    g_autofree char *time = g_strconcat("time ", label(number, name), NULL);
    g_autofree char *rate = g_strconcat("rate ", name, NULL);

    fprintf(out, "#\n# is %s faster than A?\n", name);
    fprintf(out, "#%9s %11s %9s %11s %9s %9s %9s %7s %12s\n", "size", "time A", "interval", time, "interval", "rate A",
            rate, "ratio", "interval");
    fprintf(out, "#%9s %11s %9s %11s %9s %9s %9s %7s %12s\n", "", step ? "(s)" : "(us)", "(%)", step ? "(s)" : "(us)",
            "(%)", step ? "(tok/s)" : "(GB/s)", step ? "(tok/s)" : "(GB/s)", "(times)", "(times)");
    for (guint i = 0; i < comparison->sizes->len; i++) {
        uint64_t size = g_array_index(comparison->sizes, uint64_t, i);
        print_pair_row(fab_outcome_row(first, size), fab_outcome_row(other, size),
                       fab_comparison_ratio(comparison, number, size), step, guessed, out);
    }
}

/* Runs of sizes that the same thing limits are one line. */
static void
print_bindings(const FabComparison *comparison, guint number, FILE *out)
{
    const FabOutcome *outcome = comparison->outcomes->pdata[number];
    guint sizes = comparison->sizes->len, last;
    char name[16];
    Number share;

    for (guint i = 0; i < sizes; i = last + 1) {
        const FabOutcomeRow *row = fab_outcome_row(outcome, g_array_index(comparison->sizes, uint64_t, i));
        const FabOutcomeRow *end = row;
        for (last = i; last + 1 < sizes; last++) {
            const FabOutcomeRow *next =
                fab_outcome_row(outcome, g_array_index(comparison->sizes, uint64_t, last + 1));
            if (g_strcmp0(next->binding, row->binding) != 0)
                break;
            end = next;
        }
        g_autofree char *from = fab_format_bytes(row->size_bytes), *to = fab_format_bytes(end->size_bytes);
        fprintf(out, "# %s bound by %s%s%s, %s %% of the time", label(number, name), end->binding,
                end->over != NULL ? " over " : "", end->over != NULL ? end->over : "",
                fab_stream_fixed(100 * end->binding_share, 0, share));
        if (!fab_outcome_counts_tokens(outcome->kind) && outcome->kind != FAB_SCENARIO_TRACE)
            fprintf(out, i == last ? ", %s" : ", %s to %s", from, to);
        fputc('\n', out);
    }
}

/* Sizes that were gone on to from smaller machines, "1 GiB to 4 GiB". */
static void
print_extrapolated(const FabComparison *comparison, guint number, FILE *out)
{
    const FabOutcomeRow *first = NULL, *last = NULL;
    g_autofree char *from = NULL, *to = NULL;
    char name[16];

    for (guint i = 0; i < comparison->sizes->len; i++) {
        const FabOutcomeRow *row = fab_outcome_row(comparison->outcomes->pdata[number],
                                                   g_array_index(comparison->sizes, uint64_t, i));
        if (!row->extrapolated)
            continue;
        first = first != NULL ? first : row;
        last = row;
    }
    if (first == NULL)
        return;
    from = fab_format_bytes(first->size_bytes);
    to = fab_format_bytes(last->size_bytes);
    fprintf(out, "# %s extrapolated from smaller trees, as they grow by levels: %s%s%s; ", label(number, name), from,
            first != last ? " to " : "", first != last ? to : "");
    fputs("fold=off simulates every rank\n", out);
}

static void
print_cost(const FabComparison *comparison, guint number, FILE *out)
{
    const FabOutcome *outcome = comparison->outcomes->pdata[number];
    uint64_t size = g_array_index(comparison->sizes, uint64_t, comparison->sizes->len - 1);
    const FabOutcomeRow *row = fab_outcome_row(outcome, size);
    FabUnitCost cost = fab_unit_cost(outcome, row);
    double unit = large_unit(outcome), kwh = outcome->watts * row->seconds / JOULES_OF_A_KWH / row->work * unit;
    Number hour, value, low, high;
    char name[16];

    label(number, name);
    if (outcome->price != NULL)
        fprintf(out, "# %s price     %s: %s %s an hour; %s %s (%s to %s) for %s\n", name, outcome->price,
                fab_stream_fixed(outcome->per_second * 3600, 2, hour), outcome->currency,
                fab_stream_fixed(cost.value * unit, 6, value), outcome->currency,
                fab_stream_fixed(cost.low * unit, 6, low), fab_stream_fixed(cost.high * unit, 6, high),
                large_unit_name(outcome));
    else if (comparison->currency != NULL)
        fprintf(out, "# %s price     not given\n", name);
    if (outcome->power != NULL)
        fprintf(out, "# %s power     %s: %s kWh for %s\n", name, outcome->power, fab_stream_fixed(kwh, 6, value),
                large_unit_name(outcome));
}

static void
print_memory(const FabOutcome *outcome, const char *name, FILE *out)
{
    Number used, all;

    if (fab_outcome_counts_tokens(outcome->kind))
        fprintf(out, "# %s memory    %s: %s of %s GiB\n", name, outcome->fits ? "fits" : "does not fit",
                fab_stream_fixed(outcome->memory_bytes / 0x1p30, 1, used),
                fab_stream_fixed(outcome->memory_capacity / 0x1p30, 1, all));
}

void
fab_report_comparison(const FabComparison *comparison, FILE *out)
{
    char name[16];
    Number share;

    fprintf(out, "# fabricast %s\n", FAB_VERSION);
    for (guint i = 0; i < comparison->outcomes->len; i++) {
        const FabOutcome *outcome = comparison->outcomes->pdata[i];
        fprintf(out, "# %s %s: %s on %s, %u GPU%s\n", label(i, name), outcome->name, outcome->what, outcome->topology,
                outcome->gpus, fab_plural(outcome->gpus));
        if (outcome->faults != NULL)
            fprintf(out, "# %s faults    %s\n", name, outcome->faults);
        if (outcome->goodput > 0)
            fprintf(out, "# %s goodput   %s %% of the time is work that lasts; steps below are without it\n", name,
                    fab_stream_fixed(100 * outcome->goodput, 2, share));
    }
    for (guint i = 1; i < comparison->outcomes->len; i++)
        print_pair(comparison, i, out);
    fputs("#\n", out);
    for (guint i = 0; i < comparison->outcomes->len; i++)
        print_bindings(comparison, i, out);
    for (guint i = 0; i < comparison->outcomes->len; i++)
        print_extrapolated(comparison, i, out);
    for (guint i = 0; i < comparison->outcomes->len; i++)
        print_memory(comparison->outcomes->pdata[i], label(i, name), out);
    for (guint i = 0; i < comparison->outcomes->len; i++)
        print_cost(comparison, i, out);
    for (guint i = 0; i < comparison->outcomes->len; i++) {
        const FabOutcome *outcome = comparison->outcomes->pdata[i];
        fprintf(out, "# %s interval  %s%s\n", label(i, name), outcome->guessed ? "a guess: " : "", outcome->interval);
        if (comparison->bases->pdata[i] != NULL)
            fprintf(out, "# %s ratio     %s\n", name, (const char *)comparison->bases->pdata[i]);
    }
}

/* ------------------------------------------------------------------ for programs */

typedef struct {
    const char *name;
    double value; /* NaN: not known */
} Figure;

enum { FIGURES = 14 };

static double
known(bool is_known, double value)
{
    return is_known ? value : NAN;
}

static void
list_figures(const FabComparison *comparison, guint number, uint64_t size, Figure figures[FIGURES])
{
    const FabOutcome *outcome = comparison->outcomes->pdata[number];
    const FabOutcomeRow *row = fab_outcome_row(outcome, size);
    FabRatio ratio = fab_comparison_ratio(comparison, number, size);
    FabUnitCost cost = fab_unit_cost(outcome, row);
    bool priced = outcome->price != NULL, step = fab_outcome_counts_tokens(outcome->kind);
    bool sized = !step && outcome->kind != FAB_SCENARIO_TRACE; /* a trace is one piece of work, of no size */
    double unit = large_unit(outcome);
    const Figure all[FIGURES] = {
        { "size_bytes", known(sized, (double)size) },
        { "seconds", row->seconds },
        { "low_s", known(row->low_s > 0, row->low_s) },
        { "high_s", known(row->low_s > 0, row->high_s) },
        { "algbw_GBps", known(!step, row->algbw / 1e9) },
        { "busbw_GBps", known(row->busbw > 0, row->busbw / 1e9) },
        { "tokens_per_s", known(step, row->work / row->seconds) },
        { "binding_share", row->binding_share },
        { "ratio", ratio.value },
        { "ratio_low", known(ratio.known, ratio.low) },
        { "ratio_high", known(ratio.known, ratio.high) },
        { "cost", known(priced, cost.value * unit) },
        { "cost_low", known(priced, cost.low * unit) },
        { "cost_high", known(priced, cost.high * unit) },
    };

    memcpy(figures, all, sizeof all);
}

static const char *
verdict_of(const FabComparison *comparison, guint number, uint64_t size)
{
    FabRatio ratio = fab_comparison_ratio(comparison, number, size);

    return number > 0 ? fab_speed_verdict_names[fab_speed_verdict(&ratio)] : NULL;
}

static void
csv_row(const FabComparison *comparison, guint number, uint64_t size, FILE *out)
{
    const FabOutcome *outcome = comparison->outcomes->pdata[number];
    const char *verdict = verdict_of(comparison, number, size);
    Figure figures[FIGURES];
    char name[16];

    list_figures(comparison, number, size, figures);
    fprintf(out, "%s,", label(number, name));
    fab_stream_csv_text(out, outcome->name);
    fputc(',', out);
    fab_stream_csv_text(out, outcome->topology);
    fprintf(out, ",%u,", outcome->gpus);
    fab_stream_csv_text(out, fab_outcome_row(outcome, size)->binding);
    fprintf(out, ",%s,%s,%s", verdict != NULL ? verdict : "",
            fab_outcome_row(outcome, size)->extrapolated ? "yes" : "no", outcome->currency);
    for (int i = 0; i < FIGURES; i++)
        fab_stream_csv_number(out, figures[i].value);
    fputs("\r\n", out);
}

void
fab_report_comparison_csv(const FabComparison *comparison, FILE *out)
{
    Figure figures[FIGURES];

    list_figures(comparison, 0, g_array_index(comparison->sizes, uint64_t, 0), figures);
    fputs("label,scenario,topology,gpus,binding,verdict,extrapolated,currency", out);
    for (int i = 0; i < FIGURES; i++)
        fprintf(out, ",%s", figures[i].name);
    fputs("\r\n", out);
    for (guint i = 0; i < comparison->outcomes->len; i++) {
        for (guint k = 0; k < comparison->sizes->len; k++)
            csv_row(comparison, i, g_array_index(comparison->sizes, uint64_t, k), out);
    }
}

static void
json_row(const FabComparison *comparison, guint number, uint64_t size, FILE *out)
{
    const FabOutcomeRow *row = fab_outcome_row(comparison->outcomes->pdata[number], size);
    Figure figures[FIGURES];

    list_figures(comparison, number, size, figures);
    fputs("        {", out);
    fab_stream_json_member(out, "binding", row->binding, ", ");
    fab_stream_json_member(out, "binding_over", row->over, ", ");
    fab_stream_json_member(out, "kind", row->kind, ", ");
    fab_stream_json_member(out, "verdict", verdict_of(comparison, number, size), ", ");
    fprintf(out, "\"extrapolated\": %s, ", row->extrapolated ? "true" : "false");
    for (int i = 0; i < FIGURES; i++)
        fab_stream_json_number(out, figures[i].name, figures[i].value, i + 1 < FIGURES ? ", " : "}");
}

static void
json_outcome(const FabComparison *comparison, guint number, FILE *out)
{
    const FabOutcome *outcome = comparison->outcomes->pdata[number];
    const struct {
        const char *name, *value;
    } texts[] = { { "scenario", outcome->name }, { "scenario_text", outcome->scenario },
                  { "topology", outcome->topology }, { "work", outcome->what },
                  { "interval", outcome->interval }, { "faults", outcome->faults },
                  { "price", outcome->price }, { "power", outcome->power },
                  { "currency", outcome->price != NULL ? outcome->currency : NULL } };
    char name[16];
    Number share;

    fprintf(out, "    {\"label\": \"%s\", ", label(number, name));
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        fab_stream_json_member(out, texts[i].name, texts[i].value, ", ");
    fprintf(out, "\"gpus\": %u, \"interval_guessed\": %s, \"fits\": %s,\n      ", outcome->gpus,
            outcome->guessed ? "true" : "false", outcome->fits ? "true" : "false");
    fab_stream_json_member(out, "ratio_interval", comparison->bases->pdata[number], ", ");
    fprintf(out, "\"goodput\": %s", outcome->goodput > 0 ? fab_stream_number(outcome->goodput, share) : "null");
    fputs(",\n      \"rows\": [\n", out);
    for (guint i = 0; i < comparison->sizes->len; i++) {
        json_row(comparison, number, g_array_index(comparison->sizes, uint64_t, i), out);
        fputs(i + 1 < comparison->sizes->len ? ",\n" : "\n", out);
    }
    fputs("      ]}", out);
}

void
fab_report_comparison_json(const FabComparison *comparison, FILE *out)
{
    fprintf(out, "{\"schema\": \"fabricast-comparison\", \"schema_version\": 1, \"version\": \"%s\",\n"
            "  \"scenarios\": [\n", FAB_VERSION);
    for (guint i = 0; i < comparison->outcomes->len; i++) {
        json_outcome(comparison, i, out);
        fputs(i + 1 < comparison->outcomes->len ? ",\n" : "\n", out);
    }
    fputs("  ]\n}\n", out);
}
