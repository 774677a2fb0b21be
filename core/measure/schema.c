#include "measure/schema.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/units.h"

const char *const fab_measurement_kind_names[] = { "collective", "link",        "flow", "moe",
                                                   "training",   "application", "device", NULL };

static const char *const yes_no[] = { "yes", "no", NULL };
static const char *const on_off[] = { "on", "off", NULL };
static const char *const grades[] = { "A", "B", "C", NULL };
static const char *const engines[] = { "copy", "sm", NULL };
static const char *const fabrics[] = { "rail-optimised", "fat-tree", "dragonfly", "nvl-domain", "unknown", NULL };
static const char *const roots[] = { "separate", "shared", NULL };
static const char *const systems[] = { "windows", NULL };
static const char *const collectives[] = { "all_reduce", "all_gather", "reduce_scatter", "broadcast",
                                           "reduce",     "alltoall",   "sendrecv",       NULL };

#define TEXT(group, key) { group, key, FAB_FACT_TEXT, 0, NULL, false }
#define TYPED(group, key, type) { group, key, type, 0, NULL, false }
#define COUNT(group, key, least) { group, key, FAB_FACT_INTEGER, least, NULL, false }
#define WORD(group, key, words) { group, key, FAB_FACT_WORD, 0, words, false }
#define NEEDED(group, key, type, words) { group, key, type, 0, words, true }

const FabFactSpec fab_fact_specs[] = {
    NEEDED("source", "kind", FAB_FACT_WORD, fab_measurement_kind_names),
    TYPED("source", "url", FAB_FACT_ADDRESS),
    TEXT("source", "where"),
    TYPED("source", "commit", FAB_FACT_HEX),
    TYPED("source", "date", FAB_FACT_DATE),
    NEEDED("source", "machine", FAB_FACT_TEXT, NULL),
    TEXT("source", "note"),

    TYPED("system", "topology", FAB_FACT_ID),
    TEXT("system", "gpu"),
    TYPED("system", "gpu_id", FAB_FACT_IDS),
    COUNT("system", "gpus_per_node", 1),
    COUNT("system", "nodes", 1),
    COUNT("system", "ranks", 1),
    COUNT("system", "nvlink_generation", 1),
    COUNT("system", "nvlink_links_per_gpu", 0),
    COUNT("system", "nvlink_pair_links", 0),
    WORD("system", "nvswitch", yes_no),
    WORD("system", "p2p", yes_no),
    WORD("system", "vm", yes_no),
    COUNT("system", "pcie_generation", 1),
    COUNT("system", "pcie_width", 1),
    TEXT("system", "cpu"),
    COUNT("system", "sockets", 1),
    TEXT("system", "nic"),
    COUNT("system", "nics_per_node", 0),
    COUNT("system", "nic_gbps", 1),
    WORD("system", "ecc", yes_no),

    TYPED("overrides", "gpu", FAB_FACT_ID),
    TYPED("overrides", "gpu_*", FAB_FACT_ID),
    COUNT("overrides", "gpus", 1),
    COUNT("overrides", "ranks_per_node", 1),
    COUNT("overrides", "nodes", 1),
    WORD("overrides", "fabric", fabrics),
    COUNT("overrides", "nics_per_node", 0),
    COUNT("overrides", "nic_gbps", 1),
    TEXT("overrides", "transport"),
    COUNT("overrides", "racks", 1),
    COUNT("overrides", "ranks_per_rack", 1),
    COUNT("overrides", "pcie_generation", 1),
    COUNT("overrides", "lanes", 1),
    COUNT("overrides", "lanes_gpu_*", 1),
    COUNT("overrides", "sockets", 1),
    COUNT("overrides", "numa_per_socket", 1),
    TYPED("overrides", "cpu_vendor", FAB_FACT_ID),
    TEXT("overrides", "host_bridges"),
    TEXT("overrides", "chipset_gpus"),
    COUNT("overrides", "chipset_lanes", 1),
    COUNT("overrides", "switches", 0),
    COUNT("overrides", "gpus_per_switch", 1),
    WORD("overrides", "roots", roots),
    WORD("overrides", "p2p", on_off),
    WORD("overrides", "acs", on_off),
    WORD("overrides", "gdr", on_off),
    WORD("overrides", "nvlink", on_off),
    TEXT("overrides", "nvlink_pairs"),
    COUNT("overrides", "nvlink_links", 1),
    COUNT("overrides", "links_per_pair", 1),
    WORD("overrides", "os", systems),

    TEXT("run", "tool"),
    WORD("run", "collective", collectives),
    TEXT("run", "dtype"),
    TEXT("run", "redop"),
    TEXT("run", "algo"),
    TEXT("run", "proto"),
    COUNT("run", "channels", 1),
    TYPED("run", "nccl_version", FAB_FACT_VERSION),
    TYPED("run", "cuda_version", FAB_FACT_VERSION),
    TEXT("run", "driver"),
    COUNT("run", "processes", 1),
    COUNT("run", "threads", 1),
    WORD("run", "engine", engines),
    COUNT("run", "iterations", 1),
    COUNT("run", "warmup", 0),
    TYPED("run", "env", FAB_FACT_SETTINGS),
    TEXT("run", "command"),
    TEXT("run", "clocks_before"),
    TEXT("run", "clocks_after"),

    NEEDED("quality", "grade", FAB_FACT_WORD, grades),
    NEEDED("quality", "reason", FAB_FACT_TEXT, NULL),
    TEXT("quality", "inferred"),
    TEXT("quality", "derived"),
    TEXT("quality", "mapping"),
    TEXT("quality", "remark"),
    { 0 },
};

/* ------------------------------------------------------------------ facts */

/* Whether `key` is `pattern`, or `pattern` ends in '*' and a GPU number stands there. */
static bool
key_matches(const char *pattern, const char *key)
{
    size_t stem = strlen(pattern) - 1;

    if (strcmp(pattern, key) == 0)
        return pattern[stem] != '*';
    return pattern[stem] == '*' && strncmp(pattern, key, stem) == 0 && key[stem] != '\0' && strlen(key) - stem <= 4 &&
           strspn(key + stem, G_CSET_DIGITS) == strlen(key) - stem;
}

const FabFactSpec *
fab_fact_find(const char *group, const char *key)
{
    for (const FabFactSpec *spec = fab_fact_specs; spec->group != NULL; spec++) {
        if (strcmp(spec->group, group) == 0 && key_matches(spec->key, key))
            return spec;
    }
    return NULL;
}

static bool
consists_of(const char *text, const char *set)
{
    return text[0] != '\0' && strspn(text, set) == strlen(text);
}

bool
fab_measurement_is_id(const char *text)
{
    return consists_of(text, G_CSET_a_2_z G_CSET_DIGITS "-.") && g_ascii_isalnum(text[0]) && strlen(text) <= 200;
}

static bool
is_list_of_ids(const char *value)
{
    g_auto(GStrv) parts = g_strsplit(value, ";", -1);

    for (guint i = 0; parts[i] != NULL; i++) {
        if (!fab_measurement_is_id(parts[i]))
            return false;
    }
    return parts[0] != NULL;
}

static bool
is_list_of_settings(const char *value)
{
    g_auto(GStrv) parts = g_strsplit(value, ";", -1);

    for (guint i = 0; parts[i] != NULL; i++) {
        size_t name = strspn(parts[i], G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_");
        if (name == 0 || parts[i][name] != '=')
            return false;
    }
    return parts[0] != NULL;
}

static bool
is_address(const char *value)
{
    return (g_str_has_prefix(value, "https://") || g_str_has_prefix(value, "http://")) && strpbrk(value, " \t") == NULL;
}

static bool
is_date(const char *value)
{
    return g_regex_match_simple("^(\\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\\d|3[01]))?)?|\\d{4}-\\d{4})$", value, 0, 0);
}

/* NULL when the value fits its type, else what would be right. Not for words and whole numbers. */
static const char *
wanted(FabFactType type, const char *value)
{
    switch (type) {
    case FAB_FACT_ADDRESS:
        return is_address(value) ? NULL : "an address that begins with https:// or http://";
    case FAB_FACT_HEX:
        return consists_of(value, "0123456789abcdef") ? NULL : "a commit in lower-case hexadecimal digits";
    case FAB_FACT_DATE:
        return is_date(value) ? NULL : "a date: YYYY, YYYY-MM, YYYY-MM-DD or YYYY-YYYY";
    case FAB_FACT_VERSION:
        return g_regex_match_simple("^\\d+(\\.\\d+){1,3}$", value, 0, 0) ? NULL : "a version such as 2.23.4";
    case FAB_FACT_ID:
        return fab_measurement_is_id(value) ? NULL : "an id of lower-case letters, digits, dashes and points";
    case FAB_FACT_IDS:
        return is_list_of_ids(value) ? NULL : "ids of lower-case letters, digits, dashes and points, separated by ;";
    case FAB_FACT_SETTINGS:
        return is_list_of_settings(value) ? NULL : "settings such as NCCL_ALGO=Ring;NCCL_PROTO=LL";
    default:
        return NULL;
    }
}

static bool
check_word(const char *const *words, const char *value, GError **error)
{
    g_autofree char *suggestion = NULL;

    if (g_strv_contains(words, value))
        return true;
    suggestion = fab_suggestion(value, words);
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "is \"%.60s\", which is not known%s", value, suggestion);
    return false;
}

bool
fab_fact_check(const FabFactSpec *spec, const char *value, GError **error)
{
    const char *right = wanted(spec->type, value);
    int64_t number;

    if (value[0] == '\0' || strpbrk(value, "\r\n") != NULL || !g_utf8_validate(value, -1, NULL) ||
        g_ascii_isspace(value[0]) || g_ascii_isspace(value[strlen(value) - 1])) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "is %s, must be one line of UTF-8 text; leave the key out when its value is not known",
                    value[0] == '\0' ? "empty" : "not one line or has blanks around it");
        return false;
    }
    if (spec->type == FAB_FACT_WORD)
        return check_word(spec->words, value, error);
    if (spec->type == FAB_FACT_INTEGER) {
        if (fab_parse_integer(value, &number, NULL) && number >= spec->least && number <= INT32_MAX)
            return true;
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "is \"%.60s\", must be a whole number from %" G_GINT64_FORMAT " to %d", value, spec->least,
                    INT32_MAX);
        return false;
    }
    if (right != NULL)
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "is \"%.60s\", must be %s", value, right);
    return right == NULL;
}

/* ------------------------------------------------------------------ tables */

static const char *const flow_metrics[] = {
    "total", "write_total", "read_total", "per_flow", "busbw", "latency", NULL,
};

static const FabColumnSpec collective_columns[] = {
    { "size_bytes", FAB_CELL_COUNT, true, NULL }, { "time_us", FAB_CELL_TIME, false, NULL },
    { "algbw_GBps", FAB_CELL_RATE, false, NULL }, { "busbw_GBps", FAB_CELL_RATE, false, NULL },
    { "in_place", FAB_CELL_FLAG, false, NULL },   { 0 },
};
static const FabColumnSpec link_columns[] = {
    { "src", FAB_CELL_COUNT, true, NULL },         { "dst", FAB_CELL_COUNT, true, NULL },
    { "unidir_GBps", FAB_CELL_RATE, false, NULL }, { "bidir_GBps", FAB_CELL_RATE, false, NULL },
    { "latency_us", FAB_CELL_TIME, false, NULL },  { 0 },
};
static const FabColumnSpec flow_columns[] = {
    { "group", FAB_CELL_TEXT, false, NULL },         { "pattern", FAB_CELL_TEXT, true, NULL },
    { "flows", FAB_CELL_COUNT, false, NULL },        { "transfers", FAB_CELL_TEXT, false, NULL },
    { "metric", FAB_CELL_WORD, true, flow_metrics }, { "value", FAB_CELL_NUMBER, true, NULL },
    { "unit", FAB_CELL_TEXT, true, NULL },           { 0 },
};
static const FabColumnSpec moe_columns[] = {
    { "ep_ranks", FAB_CELL_COUNT, true, NULL },        { "op", FAB_CELL_TEXT, true, NULL },
    { "latency_us", FAB_CELL_TIME, false, NULL },      { "bandwidth_GBps", FAB_CELL_RATE, false, NULL },
    { "bottleneck_link", FAB_CELL_TEXT, false, NULL }, { 0 },
};
/* Batches may be two figures, as published: "128;128", "10240/5120". */
static const FabColumnSpec training_columns[] = {
    { "model", FAB_CELL_TEXT, true, NULL },        { "params", FAB_CELL_TEXT, false, NULL },
    { "layers", FAB_CELL_COUNT, false, NULL },     { "hidden", FAB_CELL_COUNT, false, NULL },
    { "heads", FAB_CELL_COUNT, false, NULL },      { "seq_len", FAB_CELL_COUNT, false, NULL },
    { "gpu", FAB_CELL_TEXT, false, NULL },         { "gpus", FAB_CELL_COUNT, false, NULL },
    { "tp", FAB_CELL_COUNT, false, NULL },         { "pp", FAB_CELL_COUNT, false, NULL },
    { "dp", FAB_CELL_COUNT, false, NULL },         { "ep", FAB_CELL_COUNT, false, NULL },
    { "cp", FAB_CELL_COUNT, false, NULL },         { "micro_batch", FAB_CELL_TEXT, false, NULL },
    { "global_batch", FAB_CELL_TEXT, false, NULL }, { "precision", FAB_CELL_TEXT, false, NULL },
    { "recompute", FAB_CELL_TEXT, false, NULL },   { "schedule", FAB_CELL_TEXT, false, NULL },
    { "metric", FAB_CELL_TEXT, true, NULL },       { "value", FAB_CELL_NUMBER, true, NULL },
    { "unit", FAB_CELL_TEXT, true, NULL },         { 0 },
};
static const FabColumnSpec application_columns[] = {
    { "model", FAB_CELL_TEXT, false, NULL },        { "precision", FAB_CELL_TEXT, false, NULL },
    { "batch_per_gpu", FAB_CELL_TEXT, false, NULL }, { "gpus", FAB_CELL_COUNT, false, NULL },
    { "parallelism", FAB_CELL_TEXT, false, NULL },  { "interconnect", FAB_CELL_TEXT, false, NULL },
    { "phase", FAB_CELL_TEXT, false, NULL },        { "metric", FAB_CELL_TEXT, true, NULL },
    { "value", FAB_CELL_NUMBER, true, NULL },       { "unit", FAB_CELL_TEXT, true, NULL },
    { 0 },
};
static const FabColumnSpec device_columns[] = {
    { "test", FAB_CELL_TEXT, true, NULL },         { "variant", FAB_CELL_TEXT, false, NULL },
    { "gpus", FAB_CELL_TEXT, false, NULL },        { "ctas", FAB_CELL_COUNT, false, NULL },
    { "size_bytes", FAB_CELL_COUNT, false, NULL }, { "metric", FAB_CELL_TEXT, true, NULL },
    { "value", FAB_CELL_NUMBER, true, NULL },      { "low", FAB_CELL_NUMBER, false, NULL },
    { "high", FAB_CELL_NUMBER, false, NULL },      { "samples", FAB_CELL_COUNT, false, NULL },
    { "unit", FAB_CELL_TEXT, true, NULL },         { 0 },
};

const FabColumnSpec *
fab_measurement_column_specs(FabMeasurementKind kind)
{
    static const FabColumnSpec *const tables[] = { collective_columns, link_columns,     flow_columns,
                                                   moe_columns,        training_columns, application_columns,
                                                   device_columns };

    return tables[kind];
}

const char *const *
fab_measurement_columns(FabMeasurementKind kind)
{
    static const char *names[FAB_MEASUREMENT_KINDS][32];
    static gsize ready = 0;

    if (g_once_init_enter(&ready)) {
        for (int k = 0; k < FAB_MEASUREMENT_KINDS; k++) {
            const FabColumnSpec *specs = fab_measurement_column_specs((FabMeasurementKind)k);
            for (guint i = 0; specs[i].name != NULL; i++)
                names[k][i] = specs[i].name;
        }
        g_once_init_leave(&ready, 1);
    }
    return names[kind];
}

bool
fab_cell_is_time(double time_us)
{
    return time_us >= 0.001 && time_us <= 1e12;
}

/* NULL when the cell fits, else what would be right. Not for words. */
static const char *
wanted_cell(FabCellType type, const char *cell)
{
    bool plain = consists_of(cell, G_CSET_DIGITS "+-.eE");
    char *end = NULL;
    double number = plain ? g_ascii_strtod(cell, &end) : NAN;
    bool finite = plain && end != NULL && *end == '\0' && isfinite(number);

    switch (type) {
    case FAB_CELL_COUNT:
        plain = consists_of(cell, G_CSET_DIGITS) && strlen(cell) <= FAB_CELL_DIGITS;
        return plain ? NULL : "a whole number from 0 to 1e18";
    case FAB_CELL_NUMBER:
        return finite ? NULL : "a number such as 12.5";
    case FAB_CELL_RATE:
        return finite && number >= 0 && number <= 1e9 ? NULL : "a number from 0 to 1e9";
    case FAB_CELL_TIME:
        return finite && fab_cell_is_time(number) ? NULL : "a time from 0.001 to 1e12 microseconds";
    case FAB_CELL_FLAG:
        return strcmp(cell, "0") == 0 || strcmp(cell, "1") == 0 ? NULL : "0 or 1";
    default:
        return NULL;
    }
}

bool
fab_cell_check(const FabColumnSpec *spec, const char *cell, GError **error)
{
    const char *right = cell[0] != '\0' ? wanted_cell(spec->type, cell) : NULL;

    if (cell[0] == '\0') {
        if (spec->required)
            g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s is empty, every row needs it", spec->name);
        return !spec->required;
    }
    if (spec->type == FAB_CELL_WORD && !check_word(spec->words, cell, error)) {
        g_prefix_error(error, "%s ", spec->name);
        return false;
    }
    if (right != NULL)
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s is \"%.60s\", must be %s%s", spec->name, cell, right,
                    spec->required ? "" : "; leave the cell empty when it is not known");
    return right == NULL;
}
