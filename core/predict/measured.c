#include "predict/measured.h"

#include <errno.h>
#include <json-glib/json-glib.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/nesting.h"
#include "predict/export.h"
#include "topology/machine.h"

void
fab_measured_free(FabMeasured *measured)
{
    if (measured == NULL)
        return;
    fab_result_free(measured->result);
    g_free(measured->program);
    g_free(measured->gpu);
    g_free(measured->note);
    g_free(measured->wrong);
    g_array_unref(measured->rows);
    g_free(measured);
}

/* One row for each size, measured nothing yet. Takes the result. */
static FabMeasured *
measured_new(FabResult *result, const char *program)
{
    FabMeasured *measured = g_new0(FabMeasured, 1);

    measured->result = result;
    measured->program = g_strdup(program);
    measured->rows = g_array_new(FALSE, FALSE, sizeof(FabMeasuredRow));
    for (guint i = 0; i < result->rows->len; i++) {
        const FabResultRow *row = result->rows->pdata[i];
        FabMeasuredRow one = { .size_bytes = row->size_bytes, .predicted_us = (double)row->time_ps * 1e-6,
                               .measured_us = NAN, .low_us = NAN, .high_us = NAN, .samples = NAN, .error = NAN };
        g_array_append_val(measured->rows, one);
    }
    return measured;
}

/* ------------------------------------------------------------------ what the program prints */

static JsonArray *
array_member(JsonObject *object, const char *name)
{
    JsonNode *node = json_object_get_member(object, name);

    return node != NULL && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}

static JsonObject *
object_element(JsonArray *array, guint index)
{
    JsonNode *node = json_array_get_element(array, index);

    return JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

static double
number_member(JsonObject *object, const char *name)
{
    JsonNode *node = json_object_get_member(object, name);
    bool is_number = node != NULL && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) != G_TYPE_STRING;

    return is_number ? json_node_get_double(node) : NAN;
}

static const char *
text_member(JsonObject *object, const char *name)
{
    JsonNode *node = json_object_get_member(object, name);
    bool is_text = node != NULL && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING;

    return is_text ? json_node_get_string(node) : "";
}

/* Bytes that the row is about: of a pipeline those of its chunks, which its variant names. */
static double
size_of_row(JsonObject *row)
{
    const char *chunk = strstr(text_member(row, "variant"), "chunk ");

    return strcmp(text_member(row, "test"), "pipeline") != 0 ? number_member(row, "size_bytes")
           : chunk != NULL                                   ? g_ascii_strtod(chunk + strlen("chunk "), NULL)
                                                             : NAN;
}

/* A row of a table says a time of one size. */
static void
take_row(FabMeasured *measured, const char *test, JsonObject *row)
{
    double size = size_of_row(row), time_us = number_member(row, "value");

    if (strcmp(text_member(row, "test"), test) != 0 || strcmp(text_member(row, "metric"), "time") != 0 ||
        strcmp(text_member(row, "unit"), "us") != 0 || !(time_us > 0))
        return;
    for (guint i = 0; i < measured->rows->len; i++) {
        FabMeasuredRow *one = &g_array_index(measured->rows, FabMeasuredRow, i);
        if ((double)one->size_bytes != size || !isnan(one->measured_us))
            continue;
        one->measured_us = time_us;
        one->low_us = number_member(row, "low");
        one->high_us = number_member(row, "high");
        one->samples = number_member(row, "samples");
        one->error = one->predicted_us / time_us - 1;
        return;
    }
}

/* How fast the kernel of a pipeline worked alone, over all chunks: what is asked for may be more than a GPU gives. */
typedef struct {
    double least, most; /* GB/s; most 0: not said */
} KernelRate;

static void
take_kernel(KernelRate *kernel, JsonObject *row)
{
    double rate = number_member(row, "value");

    if (strcmp(text_member(row, "test"), "kernel") != 0 || strcmp(text_member(row, "metric"), "rate") != 0 ||
        !(rate > 0))
        return;
    kernel->least = kernel->most > 0 ? MIN(kernel->least, rate) : rate;
    kernel->most = MAX(kernel->most, rate);
}

static void
take_table(FabMeasured *measured, const char *test, JsonObject *table, KernelRate *kernel)
{
    JsonArray *rows = array_member(table, "rows");
    JsonNode *system = json_object_get_member(table, "system");
    const char *gpu = system != NULL && JSON_NODE_HOLDS_OBJECT(system)
                          ? text_member(json_node_get_object(system), "gpu") : "";

    if (measured->gpu == NULL && gpu[0] != '\0')
        measured->gpu = g_strdup(gpu);
    for (guint i = 0; rows != NULL && i < json_array_get_length(rows); i++) {
        if (object_element(rows, i) == NULL)
            continue;
        take_row(measured, test, object_element(rows, i));
        take_kernel(kernel, object_element(rows, i));
    }
}

static void
note_kernel(FabMeasured *measured, const KernelRate *kernel)
{
    char least[G_ASCII_DTOSTR_BUF_SIZE], most[G_ASCII_DTOSTR_BUF_SIZE];

    if (kernel->most <= 0)
        return;
    g_ascii_formatd(least, sizeof least, "%.4g", kernel->least);
    g_ascii_formatd(most, sizeof most, "%.4g", kernel->most);
    measured->note = g_strdup_printf("the kernel alone works at %s%s%s GB/s", least, kernel->most > kernel->least
                                     ? " to " : "", kernel->most > kernel->least ? most : "");
}

/* Its JSON: {"tables": [{"system": {"gpu"}, "rows": [{"test", "size_bytes", "metric", "value", "unit", ...}]}]}. */
static bool
read_output(FabMeasured *measured, const char *test, const char *json, GError **error)
{
    KernelRate kernel = { 0 };
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonNode *root = NULL;
    JsonArray *tables;

    if (!fab_nesting_check(measured->program, json, strlen(json), error))
        return false;
    if (!json_parser_load_from_data(parser, json, -1, NULL) || (root = json_parser_get_root(parser)) == NULL ||
        !JSON_NODE_HOLDS_OBJECT(root)) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYSTEM, "%s: what it printed is not one JSON object",
                    measured->program);
        return false;
    }
    tables = array_member(json_node_get_object(root), "tables");
    for (guint i = 0; tables != NULL && i < json_array_get_length(tables); i++)
        if (object_element(tables, i) != NULL)
            take_table(measured, test, object_element(tables, i), &kernel);
    note_kernel(measured, &kernel);
    for (guint i = 0; i < measured->rows->len; i++)
        if (!isnan(g_array_index(measured->rows, FabMeasuredRow, i).measured_us))
            return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_SYSTEM, "%s: measured none of the %u %s", measured->program,
                measured->rows->len, strcmp(test, "program") == 0 ? "programs" : "sizes");
    return false;
}

/* ------------------------------------------------------------------ running it */

/* The programs of the scenario in a file of their own: its path, owned by the caller, who unlinks it. */
static char *
write_programs(const FabScenario *scenario, const FabTopology *topology, GError **error)
{
    g_autofree char *path = NULL;
    int descriptor = g_file_open_tmp("fabricast-XXXXXX.prog", &path, error);
    FILE *file = descriptor >= 0 ? fdopen(descriptor, "w") : NULL;
    bool good;

    if (file == NULL) {
        g_prefix_error(error, "the programs cannot be written: ");
        return NULL;
    }
    good = fab_export(scenario, topology, file, error);
    if (fclose(file) != 0 && good) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYSTEM, "%s: cannot be written: %s", path, g_strerror(errno));
        good = false;
    }
    if (!good)
        unlink(path);
    return good ? g_steal_pointer(&path) : NULL;
}

/* The last line that it wrote on standard error, without its name before it. Owned by the caller. */
static char *
sentence_of(const char *messages, int status)
{
    g_autofree char *text = g_strchomp(g_utf8_make_valid(messages, -1));
    const char *line = strrchr(text, '\n') != NULL ? strrchr(text, '\n') + 1 : text;
    const char *colon = strstr(line, "fabricast-measure: ");

    if (line[0] != '\0')
        return g_strdup(colon == line ? line + strlen("fabricast-measure: ") : line);
    return WIFSIGNALED(status) ? g_strdup_printf("was ended by signal %d", WTERMSIG(status))
                               : g_strdup_printf("ended with status %d and said nothing", WEXITSTATUS(status));
}

/* Its test that runs such a scenario, whose rows have the times. */
static const char *
test_of(const FabScenario *scenario)
{
    return scenario->kind == FAB_SCENARIO_PIPELINE   ? "pipeline"
           : scenario->kind == FAB_SCENARIO_TRANSFER ? "transfer"
                                                     : "program";
}

static void
add_word(GPtrArray *words, const char *word)
{
    g_ptr_array_add(words, g_strdup(word));
}

static void
add_number(GPtrArray *words, const char *option, double number)
{
    char text[G_ASCII_DTOSTR_BUF_SIZE];

    add_word(words, option);
    add_word(words, g_ascii_formatd(text, sizeof text, "%.10g", number));
}

static void
add_sizes(GPtrArray *words, const FabScenario *scenario)
{
    GString *text = g_string_new(NULL);

    for (uint32_t i = 0; i < scenario->size_count; i++) {
        uint64_t size = scenario->sizes[i];
        if (scenario->kind == FAB_SCENARIO_PIPELINE)
            size = MIN(size, scenario->pipeline.bytes);
        g_string_append_printf(text, "%s%" G_GUINT64_FORMAT, i > 0 ? "," : "", size);
    }
    add_word(words, "--sizes");
    g_ptr_array_add(words, g_string_free(text, FALSE));
}

/* Through the first GPUs, all at once, as the scenario has them. */
static void
add_pipeline(GPtrArray *words, const FabCopyPipeline *pipeline)
{
    add_word(words, "--gpus");
    g_ptr_array_add(words, pipeline->gpus > 1 ? g_strdup_printf("0-%u", pipeline->gpus - 1) : g_strdup("0"));
    add_word(words, "--ranks");
    g_ptr_array_add(words, g_strdup_printf("%u", pipeline->gpus));
    add_word(words, "--total");
    g_ptr_array_add(words, g_strdup_printf("%" G_GUINT64_FORMAT, pipeline->bytes));
    add_word(words, "--streams");
    g_ptr_array_add(words, g_strdup_printf("%u", pipeline->streams));
    add_number(words, "--kernel-rate", pipeline->compute_rate * 1e-9);
    add_number(words, "--back", pipeline->back);
}

static void
add_end(GString *text, uint32_t end, bool virtual)
{
    if (end == FAB_FLOW_HOST)
        g_string_append_c(text, 'h');
    else
        g_string_append_printf(text, "%u", virtual ? 0 : end);
}

/* Virtual GPUs are parts of GPU 0: each copies inside it, by a kernel that has its share of the CTAs. */
static void
add_pairs(GPtrArray *words, const FabScenario *scenario, const FabTopology *topology)
{
    bool virtual = topology->shared != FAB_VERTEX_NONE;
    GString *text = g_string_new(NULL);

    for (uint32_t i = 0; i < scenario->pair_count; i++) {
        g_string_append(text, i > 0 ? "," : "");
        add_end(text, scenario->pairs[i].from, virtual);
        g_string_append_c(text, '>');
        add_end(text, scenario->pairs[i].to, virtual);
    }
    add_word(words, "--pairs");
    g_ptr_array_add(words, g_string_free(text, FALSE));
    add_word(words, "--engine");
    add_word(words, virtual ? "kernel" : "copy");
    if (virtual)
        add_number(words, "--ctas",
                   MAX(topology->vertices[topology->shared].memory->processors / topology->gpu_count, 1));
}

/* Its command line; `path` holds the programs of a collective. The array owns its texts and ends with a NULL. */
static GPtrArray *
command_line(const char *program, const FabScenario *scenario, const FabTopology *topology, const char *path,
             const char *const *more)
{
    GPtrArray *words = g_ptr_array_new_with_free_func(g_free);

    add_word(words, program);
    add_word(words, test_of(scenario));
    if (scenario->kind == FAB_SCENARIO_COLLECTIVE) {
        add_word(words, "--program");
        add_word(words, path);
    } else {
        add_sizes(words, scenario);
    }
    if (scenario->kind == FAB_SCENARIO_PIPELINE)
        add_pipeline(words, &scenario->pipeline);
    else if (scenario->kind == FAB_SCENARIO_TRANSFER)
        add_pairs(words, scenario, topology);
    add_word(words, "--json");
    for (; more != NULL && *more != NULL; more++)
        add_word(words, *more);
    g_ptr_array_add(words, NULL);
    return words;
}

/* Runs it and takes what it found out. */
static bool
run_program(FabMeasured *measured, const char *test, GPtrArray *words, GError **error)
{
    g_autofree char *output = NULL, *messages = NULL, *sentence = NULL;
    g_autoptr(GError) inner = NULL;
    int status, ended;

    if (!g_spawn_sync(NULL, (char **)words->pdata, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &output, &messages, &status,
                      &inner)) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYSTEM,
                    "%s: cannot be run (%s); build cuda-validate/ and name what it made with --program-path",
                    measured->program,
                    g_error_matches(inner, G_SPAWN_ERROR, G_SPAWN_ERROR_NOENT) ? "no such program" : inner->message);
        return false;
    }
    ended = WIFEXITED(status) && messages[0] != '\0' ? WEXITSTATUS(status) : FAB_EXIT_SYSTEM;
    if (WIFEXITED(status) && WEXITSTATUS(status) == FAB_EXIT_DONE)
        ended = FAB_EXIT_DONE;
    if (ended == FAB_EXIT_DONE)
        return read_output(measured, test, output, error);
    if (ended == FAB_EXIT_NO) {
        measured->wrong = sentence_of(messages, status);
        read_output(measured, test, output, NULL); /* what was right until then */
        return true;
    }
    sentence = sentence_of(messages, status);
    g_set_error(error, FAB_ERROR, ended == FAB_EXIT_INPUT ? FAB_ERROR_VALUE : FAB_ERROR_SYSTEM, "%s: %s",
                measured->program, sentence);
    return false;
}

static bool
can_run(const FabScenario *scenario, GError **error)
{
    if (scenario->background != NULL) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: [background] cannot be made on the GPUs here; leave it out to measure", scenario->path);
        return false;
    }
    if (scenario->faults->len > 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: [%s] cannot be made on the GPUs here; leave it out to measure", scenario->path,
                    ((const FabFault *)scenario->faults->pdata[0])->group);
        return false;
    }
    if (scenario->kind == FAB_SCENARIO_TRAINING || scenario->kind == FAB_SCENARIO_INFERENCE ||
        scenario->kind == FAB_SCENARIO_TRACE) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: has [%s], which is not run on GPUs; a [collective], a [transfer] or a [pipeline] is",
                    scenario->path, scenario->kind == FAB_SCENARIO_TRAINING    ? "training"
                                    : scenario->kind == FAB_SCENARIO_INFERENCE ? "inference"
                                                                               : "trace");
        return false;
    }
    return true;
}

FabMeasured *
fab_measured_run(const FabScenario *scenario, const char *program, const char *const *more, FabProgress progress,
                 void *user, GError **error)
{
    g_autoptr(FabTopology) topology = NULL;
    g_autoptr(FabMeasured) measured = NULL;
    g_autoptr(GPtrArray) words = NULL;
    g_autofree char *path = NULL;
    FabResult *result;
    bool good;

    if (!can_run(scenario, error))
        return NULL;
    topology = fab_machine_load(scenario->topology, scenario->overrides, error);
    if (topology == NULL)
        return NULL;
    if (scenario->kind == FAB_SCENARIO_COLLECTIVE && (path = write_programs(scenario, topology, error)) == NULL)
        return NULL;
    result = fab_run_on(scenario, topology, NULL, progress, user, error);
    measured = result != NULL ? measured_new(result, program) : NULL;
    words = command_line(program, scenario, topology, path, more);
    good = measured != NULL && run_program(measured, test_of(scenario), words, error);
    if (path != NULL)
        unlink(path);
    return good ? g_steal_pointer(&measured) : NULL;
}
