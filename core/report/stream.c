#include "report/stream.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/error.h"

enum { PS_PER_US = 1000000 };

bool
fab_stream_finish(FILE *out, GError **error)
{
    int failure = fflush(out) != 0 ? errno : 0;

    if (failure == 0 && !ferror(out))
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_SYSTEM, "the output cannot be written: %s",
                failure != 0 ? g_strerror(failure) : "an earlier write failed");
    return false;
}

const char *
fab_stream_number(double value, char buffer[G_ASCII_DTOSTR_BUF_SIZE])
{
    static const char *const formats[] = { "%.15g", "%.16g", "%.17g" };

    for (size_t i = 0; i < G_N_ELEMENTS(formats); i++) {
        g_ascii_formatd(buffer, G_ASCII_DTOSTR_BUF_SIZE, formats[i], value);
        if (g_ascii_strtod(buffer, NULL) == value)
            break;
    }
    return buffer;
}

const char *
fab_stream_fixed(double value, int decimals, char buffer[G_ASCII_DTOSTR_BUF_SIZE])
{
    char format[] = "%.0f";

    format[2] = (char)('0' + decimals);
    /* %f of a huge number would not fit the buffer. */
    if (value > 1e20)
        return fab_stream_number(value, buffer);
    return g_ascii_formatd(buffer, G_ASCII_DTOSTR_BUF_SIZE, format, value);
}

char *
fab_stream_microseconds(int64_t time_ps)
{
    GString *text = g_string_new(NULL);

    g_string_printf(text, "%" G_GINT64_FORMAT ".%06" G_GINT64_FORMAT, time_ps / PS_PER_US, time_ps % PS_PER_US);
    while (text->str[text->len - 1] == '0')
        g_string_truncate(text, text->len - 1);
    if (text->str[text->len - 1] == '.')
        g_string_truncate(text, text->len - 1);
    return g_string_free(text, FALSE);
}

void
fab_stream_json_text(FILE *out, const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);

    fputc('"', out);
    for (const char *c = valid; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(out, "\\%c", *c);
        else if ((unsigned char)*c < 0x20)
            fprintf(out, "\\u%04x", *c);
        else
            fputc(*c, out);
    }
    fputc('"', out);
}

void
fab_stream_json_member(FILE *out, const char *name, const char *text, const char *after)
{
    fprintf(out, "\"%s\": ", name);
    if (text != NULL)
        fab_stream_json_text(out, text);
    else
        fputs("null", out);
    fputs(after, out);
}

void
fab_stream_json_number(FILE *out, const char *name, double value, const char *after)
{
    char buffer[G_ASCII_DTOSTR_BUF_SIZE];

    fprintf(out, "\"%s\": %s%s", name, isfinite(value) ? fab_stream_number(value, buffer) : "null", after);
}

void
fab_stream_json_measure(FILE *out, const char *name, double value, const char *after)
{
    char buffer[G_ASCII_DTOSTR_BUF_SIZE];

    fprintf(out, "\"%s\": %s%s", name, isfinite(value) ? g_ascii_formatd(buffer, sizeof buffer, "%.9g", value) : "null",
            after);
}

void
fab_stream_json_texts(FILE *out, const char *name, const GPtrArray *texts, const char *after)
{
    fprintf(out, "\"%s\": [", name);
    for (guint i = 0; i < texts->len; i++) {
        fputs(i > 0 ? ", " : "", out);
        fab_stream_json_text(out, texts->pdata[i]);
    }
    fprintf(out, "]%s", after);
}

void
fab_stream_csv_text(FILE *out, const char *text)
{
    g_auto(GStrv) parts = NULL;
    g_autofree char *doubled = NULL;

    if (strpbrk(text, ",\"\r\n") == NULL) {
        fputs(text, out);
        return;
    }
    parts = g_strsplit(text, "\"", -1);
    doubled = g_strjoinv("\"\"", parts);
    fprintf(out, "\"%s\"", doubled);
}

void
fab_stream_csv_number(FILE *out, double value)
{
    char buffer[G_ASCII_DTOSTR_BUF_SIZE];

    fprintf(out, ",%s", isfinite(value) ? fab_stream_number(value, buffer) : "");
}
