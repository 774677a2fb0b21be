#include "base/units.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/error.h"

typedef struct {
    const char *name;
    double factor;
} Prefix;

/* Longer names first, so that "Ki" is not read as "K". */
static const Prefix prefixes[] = {
    { "Ki", 1024.0 }, { "Mi", 1048576.0 }, { "Gi", 1073741824.0 }, { "Ti", 1099511627776.0 },
    { "k", 1e3 },     { "K", 1e3 },        { "M", 1e6 },           { "G", 1e9 },
    { "T", 1e12 },    { "m", 1e-3 },       { "u", 1e-6 },          { "n", 1e-9 },
    { "p", 1e-12 },   { "", 1.0 },
};

static const char *
examples_of(const char *unit)
{
    if (strcmp(unit, "B/s") == 0)
        return "a rate such as 450 GB/s or 400 Gb/s";
    if (strcmp(unit, "s") == 0)
        return "a time such as 500 ns or 1.5 us";
    if (strcmp(unit, "B") == 0)
        return "a size such as 8, 64 MiB or 8G";
    if (strcmp(unit, "W") == 0)
        return "a power such as 700 W or 10.2 kW";
    if (unit[0] == '\0')
        return "a number";
    return unit;
}

static bool
refuse(const char *text, const char *unit, GError **error)
{
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "\"%.60s\" is not %s", text, examples_of(unit));
    return false;
}

/* The factor of a suffix such as "GB/s" for the unit "B/s"; 0 when it does not fit. */
static double
suffix_factor(const char *suffix, const char *unit)
{
    bool bytes = unit[0] == 'B';

    for (size_t i = 0; i < G_N_ELEMENTS(prefixes); i++) {
        size_t length = strlen(prefixes[i].name);
        const char *rest = suffix + length;
        if (strncmp(suffix, prefixes[i].name, length) != 0)
            continue;
        if (strcmp(rest, unit) == 0 && !(bytes && prefixes[i].factor < 1))
            return prefixes[i].factor;
        if (bytes && rest[0] == 'b' && strcmp(rest + 1, unit + 1) == 0 && prefixes[i].factor >= 1)
            return prefixes[i].factor / 8;
    }
    return 0;
}

/* nccl-tests writes sizes as 8, 4K, 64M, 8G, all powers of two. */
static double
short_size_factor(const char *suffix)
{
    static const char letters[] = "KMGT";
    const char *at = suffix[0] == '\0' ? NULL : strchr(letters, g_ascii_toupper(suffix[0]));

    if (suffix[0] == '\0')
        return 1;
    return at != NULL && suffix[1] == '\0' ? pow(1024, (double)(at - letters + 1)) : 0;
}

bool
fab_parse_quantity(const char *text, const char *unit, double *value, GError **error)
{
    g_autofree char *trimmed = g_strstrip(g_strdup(text));
    char *end = NULL;
    double number, factor;

    if (trimmed[0] != '-' && trimmed[0] != '+' && trimmed[0] != '.' && !g_ascii_isdigit(trimmed[0]))
        return refuse(text, unit, error);
    if (trimmed[0] == '0' && (trimmed[1] == 'x' || trimmed[1] == 'X'))
        return refuse(text, unit, error);
    number = g_ascii_strtod(trimmed, &end);
    if (end == trimmed || !isfinite(number))
        return refuse(text, unit, error);
    while (g_ascii_isspace(*end))
        end++;
    factor = suffix_factor(end, unit);
    if (factor == 0 && strcmp(unit, "B") == 0)
        factor = short_size_factor(end);
    if (factor == 0 && number == 0 && *end == '\0')
        factor = 1; /* nothing is nothing in every unit */
    if (factor == 0 || !isfinite(number * factor))
        return refuse(text, unit, error);
    *value = number * factor;
    return true;
}

bool
fab_parse_bytes(const char *text, uint64_t *bytes, GError **error)
{
    double value;

    if (!fab_parse_quantity(text, "B", &value, error))
        return false;
    if (value < 0 || value >= 0x1p62 || value != floor(value)) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "\"%.60s\" is not a whole number of bytes from 0 to 4 EiB", text);
        return false;
    }
    *bytes = (uint64_t)value;
    return true;
}

bool
fab_parse_integer(const char *text, int64_t *value, GError **error)
{
    g_autofree char *trimmed = g_strstrip(g_strdup(text));
    char *end = NULL;

    errno = 0;
    *value = g_ascii_strtoll(trimmed, &end, 10);
    if (end == trimmed || *end != '\0' || errno == ERANGE) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "\"%.60s\" is not a whole number", text);
        return false;
    }
    return true;
}

bool
fab_parse_boolean(const char *text, bool *value, GError **error)
{
    static const char *const words[] = { "on", "yes", "true", "off", "no", "false", NULL };
    g_autofree char *trimmed = g_strstrip(g_strdup(text));

    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(trimmed, words[i]) == 0) {
            *value = i < 3;
            return true;
        }
    }
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "\"%.60s\" is not on or off", text);
    return false;
}

/* `value` with up to four significant digits, no trailing zeros, whatever the locale. */
static char *
format_scaled(double value, const char *suffix)
{
    char digits[G_ASCII_DTOSTR_BUF_SIZE];

    g_ascii_formatd(digits, sizeof digits, "%.4g", value);
    if (strchr(digits, 'e') != NULL)
        g_ascii_formatd(digits, sizeof digits, "%.0f", value);
    return g_strdup_printf("%s %s", digits, suffix);
}

char *
fab_format_rate(double bytes_per_second)
{
    if (bytes_per_second >= 1e12)
        return format_scaled(bytes_per_second / 1e12, "TB/s");
    if (bytes_per_second >= 1e9)
        return format_scaled(bytes_per_second / 1e9, "GB/s");
    return format_scaled(bytes_per_second / 1e6, "MB/s");
}

char *
fab_format_time(int64_t time_ps)
{
    double ps = (double)time_ps;

    if (ps >= 1e12)
        return format_scaled(ps / 1e12, "s");
    if (ps >= 1e9)
        return format_scaled(ps / 1e9, "ms");
    if (ps >= 1e6)
        return format_scaled(ps / 1e6, "us");
    return format_scaled(ps / 1e3, "ns");
}

char *
fab_format_bytes(uint64_t bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
    double value = (double)bytes;
    unsigned i = 0;

    for (; value >= 1024 && i + 1 < G_N_ELEMENTS(units); i++)
        value /= 1024;
    return format_scaled(value, units[i]);
}

int64_t
fab_ps_from_seconds(double seconds)
{
    return (int64_t)llround(seconds * 1e12);
}
