/* Break-evens as a table, CSV and JSON. */
#include "report/break-even.h"

#include <math.h>

#include "fabricast-config.h"
#include "report/compare.h"
#include "report/stream.h"

typedef char Number[G_ASCII_DTOSTR_BUF_SIZE];

static char
letter(guint i)
{
    return i < 26 ? (char)('A' + (int)i) : '?';
}

/* In words, no stronger than the interval. */
static const char *
verdict_of(const FabRatio *ratio, bool thrift)
{
    static const char *const thrifty[] = { "cheaper", "dearer", "cannot be told", "the same" };

    return thrift ? thrifty[fab_speed_verdict(ratio)] : fab_speed_verdict_names[fab_speed_verdict(ratio)];
}

/* ------------------------------------------------------------------ table */

static void
print_ratio(const FabRatio *ratio, bool thrift, bool last, FILE *out)
{
    char range[FAB_RATIO_RANGE];
    Number value;

    fprintf(out, " %7s %14s  %-*s", fab_stream_fixed(ratio->value, 2, value), fab_ratio_range(ratio, range),
            last ? 0 : 14, verdict_of(ratio, thrift));
}

static bool
has_prices(const FabBreakPair *pair)
{
    for (guint i = 0; i < pair->points->len; i++) {
        if (((const FabBreakPoint *)pair->points->pdata[i])->thrift.value > 0)
            return true;
    }
    return false;
}

static void
print_turns(const FabBreakEven *even, const FabBreakPair *pair, GPtrArray *turns, char name, bool thrift, FILE *out)
{
    const char *word = thrift ? "cheaper" : "faster";
    const FabBreakPoint *point = NULL;

    for (guint i = 0; i < turns->len; i++)
        fprintf(out, "# by the predictions %c is %s\n", name, (const char *)turns->pdata[i]);
    if (turns->len > 0)
        return;
    for (guint i = 0; i < pair->points->len; i++) {
        if (((const FabBreakPoint *)pair->points->pdata[i])->possible)
            point = pair->points->pdata[i];
    }
    if (point != NULL)
        fprintf(out, "# by the predictions %c is %s%s at all values from %s to %s\n", name,
                (thrift ? point->thrift.value : point->speed.value) > 1 ? "" : "not ", word, even->low, even->high);
}

static void
print_pair(const FabBreakEven *even, guint number, FILE *out)
{
    const FabBreakPair *pair = even->pairs->pdata[number];
    char name = letter(number + 1);
    bool prices = has_prices(pair);
    const char *more = prices ? "                 cheaper       interval" : "";

    if (pair->name == NULL) {
        fprintf(out, "#\n# %c and A: no value is possible\n", name);
        return;
    }
    fprintf(out, "#\n# %c %s against A %s\n#%13s  faster       interval%s\n", name, pair->name, even->first, "value",
            more);
    for (guint i = 0; i < pair->points->len; i++) {
        const FabBreakPoint *point = pair->points->pdata[i];
        fprintf(out, "%14s", point->shown);
        if (!point->possible)
            fputs("  not possible", out);
        if (point->possible)
            print_ratio(&point->speed, false, point->thrift.value <= 0, out);
        if (point->possible && point->thrift.value > 0)
            print_ratio(&point->thrift, true, true, out);
        fputc('\n', out);
    }
    print_turns(even, pair, pair->faster, name, false, out);
    if (prices)
        print_turns(even, pair, pair->cheaper, name, true, out);
    fprintf(out, "# interval  %s%s\n", pair->guessed ? "a guess: " : "", pair->basis);
}

void
fab_report_break_even(const FabBreakEven *even, FILE *out)
{
    fprintf(out, "# fabricast %s\n# break-even over %s from %s to %s\n", FAB_VERSION, even->key, even->low, even->high);
    for (guint i = 0; i < even->pairs->len; i++)
        print_pair(even, i, out);
    if (even->impossible > 0)
        fprintf(out, "# %u values are not possible, the first because %s\n", even->impossible, even->reason);
}

/* ------------------------------------------------------------------ for programs */

typedef struct {
    const char *name;
    double value; /* NaN: not known */
} Figure;

enum { FIGURES = 6 };

static void
list_figures(const FabBreakPoint *point, Figure figures[FIGURES])
{
    const FabRatio *ratios[2] = { &point->speed, &point->thrift };
    static const char *const names[FIGURES] = { "faster", "faster_low", "faster_high", "cheaper", "cheaper_low",
                                                "cheaper_high" };

    for (int i = 0; i < FIGURES; i++) {
        const FabRatio *ratio = ratios[i / 3];
        bool there = ratio->value > 0 && (i % 3 == 0 || ratio->known);
        figures[i] = (Figure) { names[i], !there       ? NAN
                                          : i % 3 == 0 ? ratio->value
                                          : i % 3 == 1 ? ratio->low
                                                       : ratio->high };
    }
}

static const char *
csv_verdict(const FabRatio *ratio, bool thrift)
{
    return ratio->value > 0 ? verdict_of(ratio, thrift) : "";
}

void
fab_report_break_even_csv(const FabBreakEven *even, FILE *out)
{
    Figure figures[FIGURES];

    list_figures(&(FabBreakPoint) { .value = NULL }, figures);
    fputs("label,scenario,key,value,possible", out);
    for (int i = 0; i < FIGURES; i++)
        fprintf(out, ",%s", figures[i].name);
    fputs(",speed_verdict,cost_verdict\r\n", out);
    for (guint p = 0; p < even->pairs->len; p++) {
        const FabBreakPair *pair = even->pairs->pdata[p];
        for (guint i = 0; i < pair->points->len; i++) {
            const FabBreakPoint *point = pair->points->pdata[i];
            fprintf(out, "%c,", letter(p + 1));
            fab_stream_csv_text(out, pair->name != NULL ? pair->name : "");
            fprintf(out, ",%s,", even->key);
            fab_stream_csv_text(out, point->value);
            fputs(point->possible ? ",yes" : ",no", out);
            list_figures(point, figures);
            for (int k = 0; k < FIGURES; k++)
                fab_stream_csv_number(out, figures[k].value);
            fprintf(out, ",%s,%s\r\n", csv_verdict(&point->speed, false), csv_verdict(&point->thrift, true));
        }
    }
}

static void
json_point(const FabBreakPoint *point, FILE *out)
{
    Figure figures[FIGURES];

    fputs("      {", out);
    fab_stream_json_member(out, "value", point->value, ", ");
    fprintf(out, "\"possible\": %s, ", point->possible ? "true" : "false");
    list_figures(point, figures);
    for (int i = 0; i < FIGURES; i++)
        fab_stream_json_number(out, figures[i].name, figures[i].value, i + 1 < FIGURES ? ", " : "}");
}

void
fab_report_break_even_json(const FabBreakEven *even, FILE *out)
{
    fputs("{\"schema\": \"fabricast-break-even\", \"schema_version\": 1, ", out);
    fab_stream_json_member(out, "key", even->key, ", ");
    fprintf(out, "\"impossible\": %u,\n  \"scenarios\": [\n", even->impossible);
    for (guint p = 0; p < even->pairs->len; p++) {
        const FabBreakPair *pair = even->pairs->pdata[p];
        fprintf(out, "    {\"label\": \"%c\", ", letter(p + 1));
        fab_stream_json_member(out, "scenario", pair->name != NULL ? pair->name : "", ", ");
        fab_stream_json_texts(out, "faster", pair->faster, ", ");
        fab_stream_json_texts(out, "cheaper", pair->cheaper, ", \"points\": [\n");
        for (guint i = 0; i < pair->points->len; i++) {
            json_point(pair->points->pdata[i], out);
            fputs(i + 1 < pair->points->len ? ",\n" : "\n", out);
        }
        fputs(p + 1 < even->pairs->len ? "    ]},\n" : "    ]}\n", out);
    }
    fputs("  ]\n}\n", out);
}
