/* Judged claims as text, CSV and JSON. */
#include "report/claims.h"

#include <math.h>
#include <string.h>

#include "base/units.h"
#include "fabricast-config.h"
#include "report/stream.h"

typedef char Number[G_ASCII_DTOSTR_BUF_SIZE];

/* A figure in its unit. Owned by the caller. */
static char *
figure(const FabClaim *claim, double value)
{
    Number text;

    if (!isfinite(value))
        return g_strdup("-");
    if (strcmp(claim->unit, "B/s") == 0)
        return fab_format_rate(value);
    if (strcmp(claim->unit, "s") == 0)
        return fab_format_time(fab_ps_from_seconds(value));
    if (strcmp(claim->unit, "B") == 0)
        return g_strdup_printf("%s GB", fab_stream_fixed(value / 1e9, 1, text));
    g_ascii_formatd(text, sizeof text, value == floor(value) ? "%.0f" : fabs(value) < 100 ? "%.3g" : "%.0f", value);
    return g_strdup(text);
}

/* "6.9 (5.1 to 9.0)", or one figure where it is exact or has no interval. */
static char *
with_interval(const FabClaim *claim, const FabClaimPoint *point)
{
    g_autofree char *value = figure(claim, point->value), *low = figure(claim, point->low),
                    *high = figure(claim, point->high);
    const char *binds = point->binds != NULL ? point->binds : "";

    if (!point->known)
        return g_strdup_printf("%s (no interval)%s%s", value, point->binds != NULL ? ", " : "", binds);
    if (point->low == point->high)
        return g_strdup_printf("%s%s%s", value, point->binds != NULL ? ", " : "", binds);
    return g_strdup_printf("%s (%s to %s)%s%s", value, low, high, point->binds != NULL ? ", " : "", binds);
}

/* ------------------------------------------------------------------ text */

static void
print_block(const FabClaim *claim, FILE *out)
{
    fprintf(out, "%s: %s\n", claim->id, claim->text);
    fprintf(out, "  says      %s\n", claim->source);
    fprintf(out, "  asked     %s %s %s\n", claim->metric, claim->operator, claim->threshold);
    for (guint i = 0; i < claim->points->len; i++) {
        const FabClaimPoint *point = &g_array_index(claim->points, FabClaimPoint, i);
        g_autofree char *text = with_interval(claim, point);
        fprintf(out, "  %-9s %s%s%s%s%s: %s\n", i == 0 ? "figures" : "", claim->vary != NULL ? claim->vary : "",
                claim->vary != NULL ? "=" : "", point->condition, claim->vary != NULL ? ": " : "", text,
                point->state == FAB_HOLDS   ? "yes"
                : point->state == FAB_FAILS ? "no"
                : point->known              ? "open, the interval holds the threshold"
                                            : "open, nothing is certain without an interval");
    }
    if (claim->measured != NULL)
        fprintf(out, "  measured  %s\n", claim->measured);
    if (claim->turn != NULL)
        fprintf(out, "  turns     %s\n", claim->turn);
    for (guint i = 0; i < claim->basis->len; i++)
        fprintf(out, "  %-9s %s\n", i == 0 ? "rests on" : "", (const char *)claim->basis->pdata[i]);
    fprintf(out, "  verdict   %s", fab_claim_verdict_names[claim->verdict]);
    if (claim->verdict == FAB_CLAIM_UNTOLD)
        fprintf(out, "; the prediction itself is on its side under %u of %u condition%s", claim->inside,
                claim->points->len, fab_plural(claim->points->len));
    fprintf(out, "%s\n\n", claim->guessed ? ", and an interval is a guess" : "");
}

/* The condition that tells most: the one whose figure is least, and the one whose figure is most. */
static char *
summary(const FabClaim *claim)
{
    const FabClaimPoint *least = &g_array_index(claim->points, FabClaimPoint, 0), *most = least;
    g_autofree char *low = NULL, *high = NULL;

    for (guint i = 1; i < claim->points->len; i++) {
        const FabClaimPoint *point = &g_array_index(claim->points, FabClaimPoint, i);
        least = point->value < least->value ? point : least;
        most = point->value > most->value ? point : most;
    }
    low = with_interval(claim, least);
    high = with_interval(claim, most);
    if (claim->vary == NULL)
        return g_steal_pointer(&low);
    if (least->value == most->value)
        return g_strdup_printf("%s for all", low);
    return g_strdup_printf("%s at %s; %s at %s", low, least->condition, high, most->condition);
}

void
fab_report_claims(GPtrArray *claims, bool brief, FILE *out)
{
    int width = 5;

    for (guint i = 0; i < claims->len && !brief; i++)
        print_block(claims->pdata[i], out);
    for (guint i = 0; i < claims->len; i++)
        width = MAX(width, (int)g_utf8_strlen(((const FabClaim *)claims->pdata[i])->id, -1));
    fprintf(out, "# fabricast %s, %u claim%s\n", FAB_VERSION, claims->len, fab_plural(claims->len));
    for (guint i = 0; i < claims->len; i++) {
        const FabClaim *claim = claims->pdata[i];
        g_autofree char *text = summary(claim);
        fprintf(out, "%-*s  %-14s  %s %s %s: %s%s%s\n", width, claim->id, fab_claim_verdict_names[claim->verdict],
                claim->metric, claim->operator, claim->threshold, text, claim->turn != NULL ? "; " : "",
                claim->turn != NULL ? claim->turn : "");
    }
}

/* ------------------------------------------------------------------ for programs */

void
fab_report_claims_csv(GPtrArray *claims, FILE *out)
{
    fputs("claim,verdict,metric,operator,threshold,unit,vary,condition,value,low,high,state\r\n", out);
    for (guint i = 0; i < claims->len; i++) {
        const FabClaim *claim = claims->pdata[i];
        for (guint k = 0; k < claim->points->len; k++) {
            const FabClaimPoint *point = &g_array_index(claim->points, FabClaimPoint, k);
            const char *const texts[] = { claim->id, fab_claim_verdict_names[claim->verdict], claim->metric,
                                          claim->operator, claim->threshold, claim->unit,
                                          claim->vary != NULL ? claim->vary : "", point->condition };
            for (size_t t = 0; t < G_N_ELEMENTS(texts); t++) {
                fputs(t > 0 ? "," : "", out);
                fab_stream_csv_text(out, texts[t]);
            }
            fab_stream_csv_number(out, point->value);
            fab_stream_csv_number(out, point->known ? point->low : NAN);
            fab_stream_csv_number(out, point->known ? point->high : NAN);
            fprintf(out, ",%s\r\n", fab_claim_state_names[point->state]);
        }
    }
}

static void
json_claim(const FabClaim *claim, FILE *out)
{
    const struct {
        const char *name, *value;
    } texts[] = { { "id", claim->id }, { "definition", claim->definition }, { "text", claim->text },
                  { "source", claim->source },
                  { "metric", claim->metric }, { "operator", claim->operator }, { "threshold", claim->threshold },
                  { "unit", claim->unit }, { "vary", claim->vary }, { "turn", claim->turn },
                  { "measured", claim->measured }, { "verdict", fab_claim_verdict_names[claim->verdict] } };

    fputs("    {", out);
    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++)
        fab_stream_json_member(out, texts[i].name, texts[i].value, ", ");
    fprintf(out, "\"guessed\": %s,\n      ", claim->guessed ? "true" : "false");
    fab_stream_json_texts(out, "basis", claim->basis, ",\n      \"points\": [");
    for (guint i = 0; i < claim->points->len; i++) {
        const FabClaimPoint *point = &g_array_index(claim->points, FabClaimPoint, i);
        fputs(i > 0 ? ",\n        {" : "\n        {", out);
        fab_stream_json_member(out, "condition", claim->vary != NULL ? point->condition : NULL, ", ");
        fab_stream_json_number(out, "value", point->value, ", ");
        fab_stream_json_number(out, "low", point->known ? point->low : NAN, ", ");
        fab_stream_json_number(out, "high", point->known ? point->high : NAN, ", ");
        fab_stream_json_member(out, "binds", point->binds, ", ");
        fprintf(out, "\"state\": \"%s\"}", fab_claim_state_names[point->state]);
    }
    fputs("\n      ]}", out);
}

void
fab_report_claims_json(GPtrArray *claims, FILE *out)
{
    fprintf(out, "{\"schema\": \"fabricast-claims\", \"schema_version\": 1, \"version\": \"%s\",\n"
            "  \"claims\": [\n", FAB_VERSION);
    for (guint i = 0; i < claims->len; i++) {
        json_claim(claims->pdata[i], out);
        fputs(i + 1 < claims->len ? ",\n" : "\n", out);
    }
    fputs("  ]\n}\n", out);
}
