/* The JSON that nccl-tests writes with -J, version 3. Its list of the whole environment may hold secrets: of it only
 * NCCL's own settings are taken. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "measure/import-nccl-tests.h"
#include "measure/json.h"
#include "measure/schema.h"

enum { VERSION = 3 };

typedef struct {
    const char *path;
    const FabImportOptions *options;
    FabNcclRun *run;
} Reader;

/* The member as a value, or NULL when it is absent, null or not a single value. */
static JsonNode *
find_value(JsonObject *object, const char *name)
{
    JsonNode *node = object != NULL ? json_object_get_member(object, name) : NULL;

    return node != NULL && JSON_NODE_HOLDS_VALUE(node) ? node : NULL;
}

static JsonObject *
find_object(JsonObject *object, const char *name)
{
    JsonNode *node = object != NULL ? json_object_get_member(object, name) : NULL;

    return node != NULL && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

static JsonArray *
find_array(JsonObject *object, const char *name)
{
    JsonNode *node = object != NULL ? json_object_get_member(object, name) : NULL;

    return node != NULL && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}

static const char *
get_text(JsonObject *object, const char *name)
{
    JsonNode *node = find_value(object, name);
    bool is_text = node != NULL && json_node_get_value_type(node) == G_TYPE_STRING;
    const char *text = is_text ? json_node_get_string(node) : NULL;

    return text != NULL ? text : "";
}

/* Numbers may be written as text ("    -1", "nan"); NAN where there is none. */
static double
get_number(JsonObject *object, const char *name)
{
    JsonNode *node = find_value(object, name);
    char *end;
    double value;

    if (node == NULL)
        return NAN;
    if (json_node_get_value_type(node) != G_TYPE_STRING)
        return json_node_get_double(node);
    value = g_ascii_strtod(json_node_get_string(node), &end);
    return *end == '\0' && end != json_node_get_string(node) ? value : NAN;
}

static uint32_t
get_count(JsonObject *object, const char *name)
{
    double value = get_number(object, name);

    return value > 0 && value <= G_MAXINT32 ? (uint32_t)value : 0;
}

/* ------------------------------------------------------------------ settings and devices */

/* NCCL_* of the environment; words that may be secrets stay out. */
static void
read_environment(Reader *reader, JsonArray *environment)
{
    for (guint i = 0; environment != NULL && i < json_array_get_length(environment); i++) {
        JsonNode *node = json_array_get_element(environment, i);
        const char *setting = JSON_NODE_HOLDS_VALUE(node) ? json_node_get_string(node) : NULL;
        if (setting != NULL && g_str_has_prefix(setting, "NCCL_") && strpbrk(setting, ";\n\r") == NULL
            && strchr(setting, '=') != NULL && strstr(setting, "COMM_ID") == NULL && strstr(setting, "FILE=") == NULL)
            fab_nccl_add_name(reader->run->environment, setting);
    }
}

static bool
read_devices(Reader *reader, JsonArray *devices, GError **error)
{
    for (guint i = 0; devices != NULL && i < json_array_get_length(devices); i++) {
        JsonNode *node = json_array_get_element(devices, i);
        JsonObject *device = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
        g_autofree char *pid = NULL;
        double rank = get_number(device, "rank");
        if (!(rank >= 0 && rank <= G_MAXINT32)) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: config.devices[%u] has no rank", reader->path, i);
            return false;
        }
        pid = g_strdup_printf("%u", get_count(device, "pid"));
        if (!fab_nccl_run_add_device(reader->run, &(FabNcclDevice) { .rank = (uint32_t)rank, .line = i + 1,
                .host = get_text(device, "hostname"), .pid = pid, .gpu = get_text(device, "device_info") }, error)) {
            g_prefix_error(error, "config.devices (counted as lines): ");
            return false;
        }
    }
    return true;
}

static bool
read_config(Reader *reader, JsonObject *root, GError **error)
{
    JsonObject *config = find_object(root, "config");
    JsonArray *arguments = find_array(root, "args");
    JsonNode *program = arguments != NULL && json_array_get_length(arguments) > 0 ? json_array_get_element(arguments, 0)
                                                                                  : NULL;

    if (program != NULL && JSON_NODE_HOLDS_VALUE(program) && json_node_get_string(program) != NULL) {
        g_autofree char *name = g_path_get_basename(json_node_get_string(program));
        if (strstr(name, "_perf") != NULL)
            reader->run->program = g_strndup(name, (size_t)(strstr(name, "_perf") - name) + 5);
    }
    fab_nccl_run_set_version_code(reader->run, get_count(root, "nccl_version"));
    if (strlen(get_text(root, "start_time")) >= 10)
        reader->run->date = g_strndup(get_text(root, "start_time"), 10);
    reader->run->threads = get_count(config, "nthreads");
    reader->run->gpus_per_thread = get_count(config, "ngpus");
    reader->run->iterations = get_count(config, "iterations");
    reader->run->warmup = get_count(config, "warmup_iters");
    reader->run->graph = get_count(config, "graph");
    reader->run->finished = find_value(root, "end_time") != NULL || find_object(root, "average_bus_bandwidth") != NULL;
    read_environment(reader, find_array(root, "env"));
    return read_devices(reader, find_array(config, "devices"), error);
}

/* ------------------------------------------------------------------ results */

/* With six decimals as printed; the shortest text of the same value. */
static void
format_number(double value, char text[FAB_NCCL_NUMBER])
{
    g_ascii_formatd(text, FAB_NCCL_NUMBER, "%.10g", value);
    if (strchr(text, 'e') != NULL)
        g_ascii_formatd(text, FAB_NCCL_NUMBER, "%.6f", value);
}

static bool
read_half(Reader *reader, JsonObject *result, guint index, const char *name, FabNcclHalf *half, GError **error)
{
    JsonObject *figures = find_object(result, name);
    const char *time = figures != NULL && json_object_has_member(figures, "time") ? "time" : "cpu_time";
    double wrong;

    half->wrong = -1;
    if (figures == NULL)
        return true; /* null: not measured */
    if (strcmp(time, "cpu_time") == 0 && find_value(figures, time) != NULL) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: results[%u].%s: these are times of the CPU (option -C), which end before the GPUs do; measure "
                    "without -C", reader->path, index, name);
        return false;
    }
    if (!fab_cell_is_time(get_number(figures, "time"))) {
        fab_import_remark(reader->options, "%s: results[%u].%s: the time is not a number from 0.001 to 1e12; left out",
                          reader->path, index, name);
        return true;
    }
    format_number(get_number(figures, "time"), half->time_us);
    if (isfinite(get_number(figures, "alg_bw")))
        format_number(get_number(figures, "alg_bw"), half->algbw);
    if (isfinite(get_number(figures, "bus_bw")))
        format_number(get_number(figures, "bus_bw"), half->busbw);
    wrong = get_number(figures, "nwrong");
    half->wrong = isfinite(wrong) ? wrong : -1;
    return true;
}

static bool
read_results(Reader *reader, JsonArray *results, GError **error)
{
    for (guint i = 0; results != NULL && i < json_array_get_length(results); i++) {
        JsonNode *node = json_array_get_element(results, i);
        JsonObject *result = JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
        double size = get_number(result, "size"), count = get_number(result, "count"), root = get_number(result,
        "root");
        FabNcclRow row = { .root = root >= 0 && root < G_MAXINT32 ? (int32_t)root : -1 };
        if (!(size >= 0 && size < 1e18) || !(count >= 0 && count < 0x1p62)) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: results[%u] has no size and count", reader->path, i);
            return false;
        }
        row.size = (uint64_t)size;
        row.count = (uint64_t)count;
        g_strlcpy(row.type, get_text(result, "type"), sizeof(row.type));
        g_strlcpy(row.redop, get_text(result, "redop"), sizeof(row.redop));
        if (!read_half(reader, result, i, "out_of_place", &row.half[0], error)
            || !read_half(reader, result, i, "in_place", &row.half[1], error))
            return false;
        fab_nccl_run_add_row(reader->run, &row, reader->options);
    }
    if (reader->run->rows->len > 0)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: results[] holds no time that can be used", reader->path);
    return false;
}

static bool
check_root(Reader *reader, JsonNode *node, JsonObject **root, GError **error)
{
    double version;

    *root = node != NULL && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
    if (*root == NULL || find_array(*root, "results") == NULL || find_value(*root, "version") == NULL) {
        const char *other = *root != NULL && json_object_has_member(*root, "nvbandwidth") ? "nvbandwidth"
                            : *root != NULL && json_object_has_member(*root, "traceEvents") ? "a profiler" : NULL;
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: this JSON is not of nccl-tests (no version and "
            "results)%s%s",
                    reader->path, other != NULL ? "; it looks like that of " : "", other != NULL ? other : "");
        return false;
    }
    version = get_number(*root, "version");
    if (version == VERSION)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: version is %g, version %d of the JSON of nccl-tests is read",
                reader->path, version, VERSION);
    return false;
}

FabNcclRun *
fab_nccl_tests_read_json(const char *path, FabLog *log, const FabImportOptions *options, GError **error)
{
    g_autoptr(FabNcclRun) run = fab_nccl_run_new(path, 0);
    g_autoptr(JsonParser) parser = fab_measure_parse_json(log, path, "a run that was killed leaves it so, the text "
                                                          "that it printed can be imported instead", error);
    Reader reader = { .path = path, .options = options, .run = run };
    JsonObject *root = NULL;

    if (parser == NULL || !check_root(&reader, json_parser_get_root(parser), &root, error)
        || !read_config(&reader, root, error) || !read_results(&reader, find_array(root, "results"), error))
        return NULL;
    return g_steal_pointer(&run);
}
