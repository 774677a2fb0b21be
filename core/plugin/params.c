#include "plugin/params.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/units.h"

enum { PATTERN_DIGITS_MAX = 5 };

bool
fab_param_is_pattern(const FabParamSpec *spec)
{
    return g_str_has_suffix(spec->name, "*");
}

static bool
matches(const FabParamSpec *spec, const char *name)
{
    size_t length = strlen(spec->name) - 1;
    size_t digits;

    if (!fab_param_is_pattern(spec))
        return strcmp(spec->name, name) == 0;
    if (strncmp(spec->name, name, length) != 0)
        return false;
    if (length > 0 && spec->name[length - 1] == '.')
        return name[length] != '\0'; /* parameters of a machine inside this one: its own table checks them */
    digits = strspn(name + length, "0123456789");
    if (digits > 1 && name[length] == '0')
        return false; /* node_03 would be another name of node_3 */
    return digits > 0 && digits <= PATTERN_DIGITS_MAX && name[length + digits] == '\0';
}

const FabParamSpec *
fab_param_find(const FabParamSpec *params, const char *name)
{
    for (; params->name != NULL; params++) {
        if (matches(params, name))
            return params;
    }
    return NULL;
}

char **
fab_param_names(const FabParamSpec *params)
{
    GPtrArray *names = g_ptr_array_new();

    for (; params->name != NULL; params++)
        g_ptr_array_add(names, g_strdup(params->name));
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(names, FALSE);
}

char *
fab_param_format(double value)
{
    char digits[G_ASCII_DTOSTR_BUF_SIZE];
    char *exponent;
    long power;

    if (!isfinite(value))
        return g_strdup(isnan(value) ? "NaN" : value > 0 ? "infinity" : "-infinity");
    if (fabs(value) < 1e6 && (value == 0 || fabs(value) >= 1e-3))
        return g_strdup(g_ascii_formatd(digits, sizeof digits, "%.9g", value));
    g_ascii_formatd(digits, sizeof digits, "%.9e", value);
    exponent = strchr(digits, 'e');
    if (exponent == NULL)
        return g_strdup(digits);
    power = strtol(exponent + 1, NULL, 10);
    while (exponent[-1] == '0')
        exponent--;
    if (exponent[-1] == '.')
        exponent--;
    *exponent = '\0';
    return g_strdup_printf("%se%ld", digits, power);
}

static bool
check_range(const FabParamSpec *spec, const char *name, const char *text, double number, GError **error)
{
    g_autofree char *low = NULL;
    g_autofree char *high = NULL;
    const char *unit = spec->unit != NULL ? spec->unit : "";

    if (number >= spec->min && number <= spec->max)
        return true;
    low = fab_param_format(spec->min);
    high = fab_param_format(spec->max);
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s is %.60s, must be between %s and %s%s%s", name, text, low, high,
                unit[0] == '\0' ? "" : " ", unit);
    return false;
}

static bool
parse_choice(const FabParamSpec *spec, const char *name, const char *text, GError **error)
{
    g_auto(GStrv) words = g_strsplit(spec->choices, ";", -1);
    g_autofree char *suggestion = NULL;

    if (g_strv_contains((const char *const *)words, text))
        return true;
    suggestion = fab_suggestion(text, (const char *const *)words);
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s is \"%.60s\", which is not known%s", name, text, suggestion);
    return false;
}

static bool
parse_typed(const FabParamSpec *spec, const char *text, FabParamValue *value, GError **error)
{
    switch (spec->type) {
    case FAB_PARAM_NUMBER:
        return fab_parse_quantity(text, spec->unit != NULL ? spec->unit : "", &value->number, error);
    case FAB_PARAM_INTEGER:
        if (!fab_parse_integer(text, &value->integer, error))
            return false;
        value->number = (double)value->integer;
        return true;
    case FAB_PARAM_BOOLEAN:
        return fab_parse_boolean(text, &value->boolean, error);
    case FAB_PARAM_CHOICE:
    case FAB_PARAM_TEXT:
        break;
    }
    return true;
}

bool
fab_param_parse(const FabParamSpec *spec, const char *name, const char *text, FabParamValue *value, GError **error)
{
    *value = (FabParamValue){ .text = text };
    if (spec->type == FAB_PARAM_CHOICE)
        return parse_choice(spec, name, text, error);
    if (!parse_typed(spec, text, value, error)) {
        g_prefix_error(error, "%s: ", name);
        return false;
    }
    if (spec->type == FAB_PARAM_NUMBER || spec->type == FAB_PARAM_INTEGER)
        return check_range(spec, name, text, value->number, error);
    return true;
}

/* Names are what files and command lines can hold: letters, digits, '_' and '-', perhaps '*' or ".*" at the end. */
static bool
name_is_usable(const char *name)
{
    size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

    if (length == 0 || length > 64)
        return false;
    if (name[length] == '.' && name[length + 1] == '*')
        length++;
    return name[length] == '\0' || (name[length] == '*' && name[length + 1] == '\0');
}

static const char *
fault_of(const FabParamSpec *spec)
{
    if (!name_is_usable(spec->name))
        return "has a name that files cannot hold, must be letters, digits, '_' and '-'";
    if (strcmp(spec->name, "plugin") == 0 || strcmp(spec->name, "title") == 0)
        return "has a name that every machine file uses for itself; choose another";
    if (spec->type > FAB_PARAM_TEXT)
        return "has an unknown type, must be one of FabParamType";
    if (spec->help == NULL || spec->help[0] == '\0')
        return "has no help, must say in one line what it is";
    if (spec->type == FAB_PARAM_NUMBER && spec->unit == NULL)
        return "has no unit, must be \"\" when it is a plain number";
    if ((spec->type == FAB_PARAM_NUMBER || spec->type == FAB_PARAM_INTEGER) && !(spec->min <= spec->max))
        return "has an empty range, min must not be above max";
    if (spec->type == FAB_PARAM_CHOICE && (spec->choices == NULL || spec->choices[0] == '\0'))
        return "has no choices, must be words with ';' between";
    return NULL;
}

static bool
check_entry(const FabParamSpec *params, const FabParamSpec *spec, GError **error)
{
    const char *fault = fault_of(spec);
    g_autoptr(GError) inner = NULL;
    FabParamValue value;

    if (fault != NULL) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_PLUGIN, "parameter %u (\"%.60s\") %s", (unsigned)(spec - params) + 1,
                    spec->name, fault);
        return false;
    }
    for (const FabParamSpec *earlier = params; earlier < spec; earlier++) {
        if (strcmp(earlier->name, spec->name) == 0) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_PLUGIN, "parameter %s is declared twice, must be once", spec->name);
            return false;
        }
    }
    if (spec->default_value != NULL && !fab_param_parse(spec, spec->name, spec->default_value, &value, &inner)) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_PLUGIN, "default of parameter %s", inner->message);
        return false;
    }
    return true;
}

bool
fab_params_check(const FabParamSpec *params, GError **error)
{
    for (const FabParamSpec *spec = params; spec->name != NULL; spec++) {
        if (spec - params >= FAB_PARAMS_MAX) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_PLUGIN,
                        "has more than %d parameters; the table must end with an entry whose name is NULL",
                        FAB_PARAMS_MAX);
            return false;
        }
        if (!check_entry(params, spec, error))
            return false;
    }
    return true;
}
