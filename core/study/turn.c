#include "study/turn.h"

#include <math.h>
#include <string.h>

#include "base/units.h"

/* The search ends at this ratio of the two sides. */
#define CLOSE 1.02
enum { MOST_STEPS = 40 };

/* "400 Gb/s" as a number, and where its unit begins. */
static bool
parse_amount(const char *text, double *number, const char **unit)
{
    char *end;

    if (!g_ascii_isdigit(text[0]))
        return false;
    *number = g_ascii_strtod(text, &end);
    *unit = end;
    return isfinite(*number) && strpbrk(end, "0123456789:;,|") == NULL;
}

bool
fab_span_is_amount(const char *text)
{
    const char *unit;
    double number;

    return parse_amount(text, &number, &unit);
}

/* Sizes are halved in bytes, so that between 1M and 1G there is more than whole megabytes. */
bool
fab_span_parse(FabSpan *span, const char *key, const char *below, const char *above)
{
    const char *unit, *other;
    uint64_t first, last;

    *span = (FabSpan) { .sizes = g_str_has_suffix(key, ".sizes") || strcmp(key, "sizes") == 0 };
    if (span->sizes) {
        if (!fab_parse_bytes(below, &first, NULL) || !fab_parse_bytes(above, &last, NULL))
            return false;
        span->low = (double)first;
        span->high = (double)last;
        span->whole = true;
        span->unit = g_strdup("");
    } else {
        if (!parse_amount(below, &span->low, &unit) || !parse_amount(above, &span->high, &other) ||
            strcmp(unit, other) != 0)
            return false;
        span->whole = memchr(below, '.', (size_t)(unit - below)) == NULL && unit[0] == '\0';
        span->unit = g_strdup(unit);
    }
    if (span->low > 0 && span->low < span->high)
        return true;
    fab_span_clear(span);
    return false;
}

void
fab_span_clear(FabSpan *span)
{
    g_clear_pointer(&span->unit, g_free);
}

char *
fab_span_value(const FabSpan *span, double number)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    g_ascii_formatd(text, sizeof text, "%.15g", span->whole ? floor(number) : number);
    return g_strconcat(text, span->unit, NULL);
}

char *
fab_span_shown(const FabSpan *span, double number)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    if (span->sizes)
        return fab_format_bytes((uint64_t)number);
    if (span->whole)
        return fab_span_value(span, number);
    g_ascii_formatd(text, sizeof text, "%.4g", number);
    return g_strconcat(text, span->unit, NULL);
}

void
fab_turn_search(FabSpan *span, bool first, FabTurnAsk ask, void *user)
{
    for (int i = 0; i < MOST_STEPS && span->high / span->low > CLOSE; i++) {
        double middle = sqrt(span->low * span->high);
        g_autofree char *value = fab_span_value(span, middle);
        bool answer;
        middle = span->whole ? floor(middle) : middle;
        if (middle <= span->low || !ask(value, &answer, user))
            return;
        if (answer == first)
            span->low = middle;
        else
            span->high = middle;
    }
}
