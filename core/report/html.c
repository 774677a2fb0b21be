#include "report/html.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "base/units.h"
#include "report/stream.h"

const char *const fab_quantity_ids[] = { "time", "rate", "bytes", "times", "share", "tokens", "plain" };

/* ------------------------------------------------------------------ text */

static void
write_text(FILE *out, const char *text)
{
    g_autofree char *valid = text != NULL ? g_utf8_make_valid(text, -1) : g_strdup("");

    for (const char *c = valid; *c != '\0'; c++) {
        switch (*c) {
        case '&': fputs("&amp;", out); break;
        case '<': fputs("&lt;", out); break;
        case '>': fputs("&gt;", out); break;
        case '"': fputs("&quot;", out); break;
        case '\'': fputs("&#39;", out); break;
        default:
            /* Control characters are no text in HTML. */
            fputc((unsigned char)*c >= 0x20 || *c == '\n' || *c == '\t' ? *c : ' ', out);
        }
    }
}

void
fab_html_print(FILE *out, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    for (const char *c = format; *c != '\0'; c++) {
        if (*c != '%') {
            fputc(*c, out);
            continue;
        }
        c++;
        if (*c == 's')
            write_text(out, va_arg(args, const char *));
        else if (*c == 'u')
            fprintf(out, "%u", va_arg(args, unsigned));
        else
            fputc('%', out);
    }
    va_end(args);
}

void
fab_html_json(FILE *out, const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);

    fputc('"', out);
    for (const char *c = valid; *c != '\0'; c++) {
        if (strchr("\"\\<>&", *c) != NULL || (unsigned char)*c < 0x20)
            fprintf(out, "\\u%04x", (unsigned char)*c);
        else
            fputc(*c, out);
    }
    fputc('"', out);
}

/* ------------------------------------------------------------------ quantities */

/* Three digits that matter, all before the point: "5.14", "12.3", "482", "66226", and whole numbers as they are. */
static char *
three_digits(double value)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];
    double size = fabs(value);
    int small = size > 0 && size < 1 ? MIN(2 - (int)floor(log10(size)), 9) : 2;
    int decimals = size == floor(size) || size >= 100 ? 0 : size >= 10 ? 1 : small;

    return g_strdup(fab_stream_fixed(value, decimals, text));
}

char *
fab_quantity_format(FabQuantity quantity, double value)
{
    g_autofree char *digits = NULL;
    char text[G_ASCII_DTOSTR_BUF_SIZE];
    double size;

    if (!isfinite(value))
        return g_strdup("-");
    switch (quantity) {
    case FAB_QUANTITY_SECONDS:
        return value >= 0 && value < 9e6 ? fab_format_time(fab_ps_from_seconds(value)) : g_strdup("-");
    case FAB_QUANTITY_RATE:
        return fab_format_rate(value);
    case FAB_QUANTITY_BYTES:
        return value >= 0 && value < 0x1p62 ? fab_format_bytes((uint64_t)value) : g_strdup("-");
    case FAB_QUANTITY_SHARE:
        size = fabs(100 * value);
        digits = g_strdup(fab_stream_fixed(100 * value, size >= 100 ? 0 : size >= 10 ? 1 : 2, text));
        return g_strdup_printf("%s %%", digits);
    case FAB_QUANTITY_TOKENS:
        digits = three_digits(value);
        return g_strdup_printf("%s tokens/s", digits);
    default:
        return three_digits(value);
    }
}

char *
fab_quantity_interval(FabQuantity quantity, double value, double low, double high)
{
    g_autofree char *middle = fab_quantity_format(quantity, value);
    g_autofree char *least = fab_quantity_format(quantity, low), *most = fab_quantity_format(quantity, high);

    if (isfinite(low) && isfinite(high) && low < high)
        return g_strdup_printf("%s (%s to %s)", middle, least, most);
    return g_steal_pointer(&middle);
}

/* ------------------------------------------------------------------ tables */

void
fab_html_table_begin(FILE *out, const char *caption, const char *const *head)
{
    fputs("<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"", out);
    fab_html_print(out, "%s\"><table><caption>%s</caption><thead><tr>", caption, caption);
    for (; *head != NULL; head++)
        fab_html_print(out, "<th scope=\"col\">%s</th>", *head);
    fputs("</tr></thead><tbody>\n", out);
}

void
fab_html_table_row(FILE *out, const char *first, ...)
{
    va_list args;
    const char *cell;

    fab_html_print(out, "<tr><th scope=\"row\">%s</th>", first);
    va_start(args, first);
    while ((cell = va_arg(args, const char *)) != NULL)
        fab_html_print(out, "<td>%s</td>", cell);
    va_end(args);
    fputs("</tr>\n", out);
}

void
fab_html_table_end(FILE *out)
{
    fputs("</tbody></table></div>\n", out);
}

/* ------------------------------------------------------------------ bars */

static void
length_attribute(FILE *out, const char *name, double share)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    fprintf(out, " %s=\"%s%%\"", name, fab_stream_fixed(100 * CLAMP(share, 0, 1), 2, text));
}

static void
write_bar(FILE *out, const FabHtmlBar *bar)
{
    fab_html_print(out, "<tr><th scope=\"row\"><span class=\"key c%u\" aria-hidden=\"true\"></span>%s</th>"
                   "<td class=\"figure\">%s</td><td class=\"bar\"><svg aria-hidden=\"true\" height=\"14\">"
                   "<rect class=\"c%u\" y=\"1\" height=\"12\" rx=\"2\"",
                   (unsigned)bar->colour % FAB_PALETTE, bar->name, bar->value, (unsigned)bar->colour % FAB_PALETTE);
    length_attribute(out, "width", bar->share);
    fputs("/>", out);
    if (isfinite(bar->low) && isfinite(bar->high)) {
        fputs("<line class=\"whisker\" y1=\"7\" y2=\"7\"", out);
        length_attribute(out, "x1", bar->low);
        length_attribute(out, "x2", bar->high);
        fputs("/>", out);
    }
    fputs("</svg></td>", out);
    if (bar->note != NULL)
        fab_html_print(out, "<td class=\"note\">%s</td>", bar->note);
    fputs("</tr>\n", out);
}

static void
write_bars(FILE *out, const char *caption, const char *caption_class, const FabHtmlBar *bars, guint count)
{
    fab_html_print(out, "<table class=\"bars\"><caption class=\"%s\">%s</caption><tbody>\n", caption_class, caption);
    for (guint i = 0; i < count; i++)
        write_bar(out, &bars[i]);
    fputs("</tbody></table>\n", out);
}

void
fab_html_bars(FILE *out, const char *caption, const FabHtmlBar *bars, guint count)
{
    write_bars(out, caption, "shown", bars, count);
}

void
fab_html_parts(FILE *out, const char *caption, const FabHtmlBar *bars, guint count)
{
    double from = 0;

    fab_html_print(out, "<h3>%s</h3>\n<svg class=\"strip\" role=\"img\" height=\"34\" aria-label=\"%s\">", caption,
                   caption);
    for (guint i = 0; i < count; i++) {
        fab_html_print(out, "<rect class=\"c%u\" height=\"34\"", (unsigned)bars[i].colour % FAB_PALETTE);
        length_attribute(out, "x", from);
        length_attribute(out, "width", bars[i].share);
        fab_html_print(out, "><title>%s: %s</title></rect>", bars[i].name, bars[i].value);
        from += bars[i].share;
    }
    fputs("</svg>\n", out);
    write_bars(out, caption, "said", bars, count);
}
