#include "scenario/scenario.h"

#include <string.h>

#include "base/datatype.h"
#include "base/error.h"
#include "base/keyfile.h"
#include "base/units.h"
#include "scenario/find.h"
#include "scenario/flows.h"
#include "scenario/sets.h"

enum { MAX_RANKS = FAB_MOST_GPUS, MAX_CHANNELS = 1024, MAX_SLOTS = UINT16_MAX, MAX_SEEDS = 10000,
       MAX_CALLS = 1000000000 };
enum { OLDEST_NCCL = 18, NEWEST_NCCL = 30 };

#define GROUP_COLLECTIVE "collective"
#define GROUP_TRANSFER "transfer"
#define GROUP_TRAINING "training"
#define GROUP_INFERENCE "inference"
#define GROUP_PIPELINE "pipeline"
#define GROUP_TRACE "trace"

static const char *const work_groups[] = { GROUP_TRANSFER, GROUP_TRAINING, GROUP_INFERENCE, GROUP_PIPELINE, GROUP_TRACE,
                                           GROUP_COLLECTIVE, NULL };

/* A sweep that was not asked for: from where latency rules to where bandwidth does. */
#define DEFAULT_SIZES "8:8G"
#define DEFAULT_CHUNKS "256K:256M"

static const char *const collective_keys[] = {
    "operation", "sizes", "algorithm", "protocol", "channels", "chunk",  "slice",  "slots", "ranks",
    "root",      "datatype", "reduction", "peer",  "nvlink",   "launch", "processes", "threads", "nccl",
    "timing",    "calls",   "one_way", "registered",  "fold", "seeds", NULL,
};
static const char *const transfer_keys[] = { "flows", "sizes", "peer", "nvlink", "launch", "seeds", NULL };

static const char *const protocols[] = { "auto", "simple", "ll", "ll128", NULL };
static const char *const timings[] = { "back-to-back", "single", "kernel", NULL };
static const char *const folds[] = { "auto", "on", "off", "exact", NULL };
static const char *const reductions[] = { "sum", "prod", "max", "min", "avg", NULL };
static const char *const peers[] = { "auto", "nvlink", "pix", "pxb", "phb", "node", "sys", NULL };

static bool
refuse(const FabKeyfile *file, const char *group, const char *key, const char *text, const char *wanted,
       GError **error)
{
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "\"%.60s\" %s", text, wanted);
    fab_keyfile_prefix_error(file, group, key, error);
    return false;
}

/* ------------------------------------------------------------------ single keys */

static bool
read_word(FabKeyfile *file, const char *group, const char *key, const char *const *choices, int fallback, char **word,
          GError **error)
{
    int choice = fallback;

    if (!fab_keyfile_get_choice(file, group, key, choices, &choice, error))
        return false;
    *word = g_strdup(choices[choice]);
    return true;
}

static bool
read_count(FabKeyfile *file, const char *group, const char *key, uint32_t min, uint32_t max, uint32_t *value,
           GError **error)
{
    int64_t number = *value;

    if (!fab_keyfile_get_integer(file, group, key, min, max, &number, error))
        return false;
    *value = (uint32_t)number;
    return true;
}

/* 0 means "not given", so a given 0 is refused. */
static bool
read_bytes(FabKeyfile *file, const char *group, const char *key, uint64_t *bytes, GError **error)
{
    const char *text = fab_keyfile_get(file, group, key);

    if (text == NULL)
        return true;
    if (!fab_parse_bytes(text, bytes, error)) {
        fab_keyfile_prefix_error(file, group, key, error);
        return false;
    }
    if (*bytes == 0)
        return refuse(file, group, key, text, "must be at least 1 byte", error);
    return true;
}

/* A barrier moves no data: one row says all, whatever its size. */
static bool
read_sizes(FabKeyfile *file, const char *group, FabScenario *scenario, GError **error)
{
    const char *text = fab_keyfile_get(file, group, "sizes");
    const char *fallback = g_strcmp0(scenario->operation, "barrier") == 0 ? "8"
                           : strcmp(group, GROUP_PIPELINE) == 0           ? DEFAULT_CHUNKS
                                                                          : DEFAULT_SIZES;

    scenario->sizes = fab_parse_sizes(text != NULL ? text : fallback, &scenario->size_count, error);
    if (scenario->sizes != NULL)
        return true;
    fab_keyfile_prefix_error(file, group, "sizes", error);
    return false;
}

static bool
read_launch(FabKeyfile *file, const char *group, FabScenario *scenario, GError **error)
{
    scenario->launch_s = -1;
    return fab_keyfile_get_quantity(file, group, "launch", "s", 0, 1, &scenario->launch_s, error);
}

/* "2.27" or "2.27.3": the releases whose rules are known. */
static bool
read_nccl(FabKeyfile *file, FabScenario *scenario, GError **error)
{
    const char *text = fab_keyfile_get(file, GROUP_COLLECTIVE, "nccl");
    g_auto(GStrv) parts = g_strsplit(text != NULL ? text : "2.30", ".", 3);
    int64_t minor = 0;

    if (g_strv_length(parts) < 2 || strcmp(parts[0], "2") != 0 || !fab_parse_integer(parts[1], &minor, NULL) ||
        minor < OLDEST_NCCL || minor > NEWEST_NCCL) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "\"%.60s\" is not a release of NCCL from 2.%d to 2.%d", text,
                    OLDEST_NCCL, NEWEST_NCCL);
        fab_keyfile_prefix_error(file, GROUP_COLLECTIVE, "nccl", error);
        return false;
    }
    scenario->nccl = 2000 + (uint32_t)minor;
    return true;
}

static bool
read_datatype(FabKeyfile *file, FabScenario *scenario, GError **error)
{
    const char *text = fab_keyfile_get(file, GROUP_COLLECTIVE, "datatype");

    scenario->datatype = g_strdup(fab_datatype_find(text != NULL ? text : "float", error));
    if (scenario->datatype != NULL)
        return true;
    fab_keyfile_prefix_error(file, GROUP_COLLECTIVE, "datatype", error);
    return false;
}

static bool
parse_rank_list(char **parts, FabScenario *scenario, GError **error)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);

    scenario->rank_count = g_strv_length(parts);
    scenario->ranks = g_new(uint32_t, scenario->rank_count);
    for (uint32_t i = 0; i < scenario->rank_count; i++) {
        if (!fab_parse_gpu(parts[i], &scenario->ranks[i], error))
            return false;
        if (!g_hash_table_add(seen, GUINT_TO_POINTER(scenario->ranks[i] + 1))) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "GPU %u appears twice, each rank needs its own GPU",
                        scenario->ranks[i]);
            return false;
        }
    }
    return true;
}

/* "4": the first four GPUs; "0,2,4,6": these, in this order. */
static bool
read_ranks(FabKeyfile *file, FabScenario *scenario, GError **error)
{
    const char *text = fab_keyfile_get(file, GROUP_COLLECTIVE, "ranks");
    g_auto(GStrv) parts = g_strsplit_set(text != NULL ? text : "", ",;", -1);
    bool fine = true;

    if (text == NULL)
        return true;
    if (g_strv_length(parts) < 2)
        return read_count(file, GROUP_COLLECTIVE, "ranks", 1, MAX_RANKS, &scenario->rank_count, error);
    fine = parse_rank_list(parts, scenario, error);
    if (!fine)
        fab_keyfile_prefix_error(file, GROUP_COLLECTIVE, "ranks", error);
    return fine;
}

/* ------------------------------------------------------------------ groups */

static bool
read_common(FabKeyfile *file, const char *group, FabScenario *scenario, GError **error)
{
    scenario->nvlink = true;
    return read_sizes(file, group, scenario, error) &&
           read_count(file, group, "seeds", 1, MAX_SEEDS, &scenario->seeds, error) &&
           read_word(file, group, "peer", peers, 0, &scenario->peer, error) &&
           fab_keyfile_get_boolean(file, group, "nvlink", &scenario->nvlink, error) &&
           read_launch(file, group, scenario, error);
}

static bool
read_chunks(FabKeyfile *file, FabScenario *scenario, GError **error)
{
    const char *group = GROUP_COLLECTIVE;

    if (!read_count(file, group, "processes", 1, MAX_RANKS, &scenario->processes, error) ||
        !read_count(file, group, "threads", 1, MAX_RANKS, &scenario->threads, error))
        return false;
    if (!read_count(file, group, "channels", 1, MAX_CHANNELS, &scenario->channels, error) ||
        !read_bytes(file, group, "chunk", &scenario->chunk_bytes, error) ||
        !read_bytes(file, group, "slice", &scenario->slice_bytes, error) ||
        !read_count(file, group, "slots", 1, MAX_SLOTS, &scenario->slots, error))
        return false;
    if (scenario->chunk_bytes > 0 && scenario->slice_bytes > scenario->chunk_bytes)
        return refuse(file, group, "slice", fab_keyfile_get(file, group, "slice"),
                      "is more than the chunk, a chunk is cut into slices", error);
    return true;
}

/* Of the other collectives every rank sends and receives, so that nothing could be left out. */
static bool
read_one_way(FabKeyfile *file, FabScenario *scenario, GError **error)
{
    g_autofree char *wanted = g_strdup_printf("belongs to operation=sendrecv, here it is %.60s", scenario->operation);
    const char *key = "one_way";

    if (!fab_keyfile_get_boolean(file, GROUP_COLLECTIVE, key, &scenario->one_way, error))
        return false;
    return !scenario->one_way || strcmp(scenario->operation, "sendrecv") == 0 ||
           refuse(file, GROUP_COLLECTIVE, key, fab_keyfile_get(file, GROUP_COLLECTIVE, key), wanted, error);
}

/* NCCL's own variables, after the keys that say the same in our words. */
static bool
read_settings(FabKeyfile *file, FabScenario *scenario, GError **error)
{
    FabNcclSettings *settings = &scenario->settings;

    if (!fab_nccl_settings_read(file, GROUP_COLLECTIVE, scenario->operation, scenario->nccl, settings, error))
        return false;
    if (settings->peer != NULL) {
        g_free(scenario->peer);
        scenario->peer = g_strdup(settings->peer);
        scenario->nvlink = !settings->no_nvlink;
    }
    return true;
}

static bool
read_collective(FabKeyfile *file, FabScenario *scenario, GError **error)
{
    const char *group = GROUP_COLLECTIVE;
    const char *operation = fab_keyfile_get(file, group, "operation");
    const char *algorithm = fab_keyfile_get(file, group, "algorithm");

    if (operation == NULL || operation[0] == '\0') {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [collective] needs operation, such as operation=all_reduce",
                    scenario->path);
        return false;
    }
    scenario->operation = g_strdup(operation);
    scenario->algorithm = g_strdup(algorithm != NULL && algorithm[0] != '\0' ? algorithm : "auto");
    return read_word(file, group, "protocol", protocols, 0, &scenario->protocol, error) &&
           read_chunks(file, scenario, error) && read_ranks(file, scenario, error) &&
           read_count(file, group, "root", 0, MAX_RANKS - 1, &scenario->root, error) &&
           fab_keyfile_get_boolean(file, group, "registered", &scenario->registered, error) &&
           read_one_way(file, scenario, error) &&
           read_word(file, group, "timing", timings, 0, &scenario->timing, error) &&
           read_count(file, group, "calls", 1, MAX_CALLS, &scenario->calls, error) &&
           read_word(file, group, "fold", folds, 0, &scenario->fold, error) &&
           read_nccl(file, scenario, error) && read_datatype(file, scenario, error) &&
           read_word(file, group, "reduction", reductions, 0, &scenario->reduction, error) &&
           read_common(file, group, scenario, error) && read_settings(file, scenario, error);
}

static bool
read_transfer(FabKeyfile *file, FabScenario *scenario, GError **error)
{
    const char *flows = fab_keyfile_get(file, GROUP_TRANSFER, "flows");

    if (flows == NULL) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [transfer] needs flows, such as flows=0>1 2>3",
                    scenario->path);
        return false;
    }
    if (!fab_parse_flows(flows, scenario, error)) {
        fab_keyfile_prefix_error(file, GROUP_TRANSFER, "flows", error);
        return false;
    }
    return read_common(file, GROUP_TRANSFER, scenario, error);
}

/* A machine file or a calibration may lie beside the scenario that names it. */
static char *
find_beside(const char *scenario, const char *name)
{
    g_autofree char *folder = g_path_get_dirname(scenario);
    g_autofree char *beside = g_build_filename(folder, name, NULL);
    bool is_path = strchr(name, '/') != NULL || g_str_has_suffix(name, ".ini");

    if (is_path && !g_path_is_absolute(name) && strcmp(folder, ".") != 0 && g_file_test(beside, G_FILE_TEST_IS_REGULAR))
        return g_steal_pointer(&beside);
    return g_strdup(name);
}

static bool
read_topology(FabKeyfile *file, FabScenario *scenario, GError **error)
{
    g_auto(GStrv) keys = fab_keyfile_keys(file, "topology");
    const char *name = fab_keyfile_get(file, "topology", "name");

    if (name == NULL || name[0] == '\0') {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: [topology] needs name, a machine of `fabricast topology list` or a file", scenario->path);
        return false;
    }
    scenario->topology = find_beside(scenario->path, name);
    for (guint i = 0; keys[i] != NULL; i++) {
        if (strcmp(keys[i], "name") != 0)
            g_hash_table_insert(scenario->overrides, g_strdup(keys[i]),
                                g_strdup(fab_keyfile_get(file, "topology", keys[i])));
    }
    return true;
}

static bool
read_calibration(FabKeyfile *file, FabScenario *scenario, GError **error)
{
    const char *name = fab_keyfile_get(file, "calibration", "file");

    if (name != NULL && name[0] == '\0')
        return refuse(file, "calibration", "file", name, "is no file, name one or leave the key out", error);
    scenario->calibration = name != NULL ? find_beside(scenario->path, name) : NULL;
    return true;
}

static void
accept_all(FabKeyfile *file, const char *group, const char *const *keys)
{
    for (; *keys != NULL; keys++)
        fab_keyfile_accept(file, group, *keys);
}

/* Declares all that a scenario may say, so that a misspelt group or key is found before anything is missed. */
static bool
check_words(FabKeyfile *file, GError **error)
{
    fab_keyfile_accept(file, "scenario", "name");
    fab_keyfile_accept(file, "scenario", "title");
    fab_keyfile_accept(file, "topology", "name");
    fab_keyfile_accept_group(file, "topology");
    fab_keyfile_accept(file, "calibration", "file");
    accept_all(file, GROUP_COLLECTIVE, collective_keys);
    accept_all(file, GROUP_COLLECTIVE, fab_nccl_setting_keys);
    accept_all(file, GROUP_TRANSFER, transfer_keys);
    accept_all(file, GROUP_PIPELINE, fab_copy_pipeline_keys);
    accept_all(file, GROUP_TRACE, fab_trace_keys);
    fab_training_accept(file);
    fab_faults_accept(file);
    for (guint i = 0; fab_background_keys[i] != NULL; i++)
        fab_keyfile_accept(file, "background", fab_background_keys[i]);
    for (guint i = 0; fab_goodput_keys[i] != NULL; i++)
        fab_keyfile_accept(file, "goodput", fab_goodput_keys[i]);
    fab_keyfile_accept_group(file, "sweep"); /* sweep.c reads it */
    accept_all(file, "price", fab_price_keys);
    accept_all(file, "power", fab_power_keys);
    return fab_nccl_settings_check_places(file, GROUP_COLLECTIVE, error) && fab_keyfile_finish(file, error);
}

static bool
check_work(const FabKeyfile *file, GError **error)
{
    int things = 0;

    for (guint i = 0; work_groups[i] != NULL; i++)
        things += fab_keyfile_has_group(file, work_groups[i]);
    if (things == 1)
        return fab_training_check_groups(file, error);
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                "%s: says %s to run, a scenario has exactly one of [collective], [transfer], [pipeline], "
                "[training], [inference] and [trace]",
                fab_keyfile_path(file), things > 1 ? "two things" : "nothing");
    return false;
}

static bool
read_training(FabKeyfile *file, FabScenario *scenario, GError **error)
{
    scenario->model = fab_model_read(file, error);
    if (scenario->model == NULL)
        return false;
    scenario->training = scenario->kind == FAB_SCENARIO_INFERENCE ? fab_inference_read(file, scenario->model, error)
                                                                  : fab_training_read(file, scenario->model, error);
    return scenario->training != NULL;
}

static bool
read_work(FabKeyfile *file, FabScenario *scenario, GError **error)
{
    if (fab_keyfile_has_group(file, GROUP_TRAINING) || fab_keyfile_has_group(file, GROUP_INFERENCE)) {
        scenario->kind = fab_keyfile_has_group(file, GROUP_INFERENCE) ? FAB_SCENARIO_INFERENCE : FAB_SCENARIO_TRAINING;
        return read_training(file, scenario, error);
    }
    if (fab_keyfile_has_group(file, GROUP_TRANSFER)) {
        scenario->kind = FAB_SCENARIO_TRANSFER;
        return read_transfer(file, scenario, error);
    }
    if (fab_keyfile_has_group(file, GROUP_PIPELINE)) {
        scenario->kind = FAB_SCENARIO_PIPELINE;
        return fab_copy_pipeline_read(file, &scenario->pipeline, error) &&
               read_sizes(file, GROUP_PIPELINE, scenario, error);
    }
    if (fab_keyfile_has_group(file, GROUP_TRACE)) {
        scenario->kind = FAB_SCENARIO_TRACE;
        return fab_trace_wish_read(file, &scenario->trace, error);
    }
    scenario->kind = FAB_SCENARIO_COLLECTIVE;
    return read_collective(file, scenario, error);
}

/* What the work of a scenario cannot have. */
static bool
check_faults(const FabScenario *scenario, GError **error)
{
    bool copies = scenario->kind == FAB_SCENARIO_TRANSFER;

    for (guint i = 0; i < scenario->faults->len; i++) {
        const FabFault *fault = scenario->faults->pdata[i];
        const char *wrong = NULL;
        if (!copies && scenario->kind != FAB_SCENARIO_COLLECTIVE && scenario->kind != FAB_SCENARIO_TRAINING)
            wrong = "belongs to a scenario with [collective], [transfer] or [training]";
        else if (scenario->kind == FAB_SCENARIO_TRAINING && fault->delay_s > 0)
            wrong = "has delay, which is that of a single call; of a step of [training] give spread";
        else if (copies && (fault->kind == FAB_FAULT_SLOW_GPU || fault->kind == FAB_FAULT_JITTER))
            wrong = "is about kernels, and copies of [transfer] run none";
        else if (copies && fault->detection_s >= 0)
            wrong = "has detection, but a copy of [transfer] has one way; give end";
        if (wrong == NULL)
            continue;
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [%s] %s", scenario->path, fault->group, wrong);
        return false;
    }
    return true;
}

static bool
read_faults(FabKeyfile *file, FabScenario *scenario, GError **error)
{
    GPtrArray *faults = fab_faults_read(file, error);

    if (faults == NULL)
        return false;
    g_ptr_array_unref(scenario->faults);
    scenario->faults = faults;
    return check_faults(scenario, error);
}

static bool
read_background(FabKeyfile *file, FabScenario *scenario, GError **error)
{
    if (!fab_background_read(file, &scenario->background, error))
        return false;
    if (scenario->background == NULL || scenario->kind == FAB_SCENARIO_COLLECTIVE ||
        scenario->kind == FAB_SCENARIO_TRANSFER)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                "%s: [background] belongs to a scenario with [collective] or [transfer]", scenario->path);
    return false;
}

static bool
read_goodput(FabKeyfile *file, FabScenario *scenario, GError **error)
{
    if (!fab_goodput_read(file, &scenario->goodput, error))
        return false;
    if (scenario->goodput == NULL || scenario->kind == FAB_SCENARIO_TRAINING)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [goodput] belongs to a scenario with [training]",
                scenario->path);
    return false;
}

static FabScenario *
read_scenario(FabKeyfile *file, GError **error)
{
    g_autoptr(FabScenario) scenario = g_new0(FabScenario, 1);
    const char *name = fab_keyfile_get(file, "scenario", "name");

    scenario->path = g_strdup(fab_keyfile_path(file));
    scenario->name = name != NULL ? g_strdup(name) : fab_scenario_name_of(scenario->path);
    scenario->has_sweep = fab_keyfile_has_group(file, "sweep");
    scenario->title = g_strdup(fab_keyfile_get(file, "scenario", "title"));
    scenario->faults = g_ptr_array_new();
    scenario->text = fab_keyfile_text(file);
    scenario->overrides = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    if (!check_words(file, error) || !check_work(file, error) || !read_topology(file, scenario, error) ||
        !read_calibration(file, scenario, error) || !fab_price_read(file, &scenario->price, &scenario->power, error))
        return NULL;
    return read_work(file, scenario, error) && read_faults(file, scenario, error) &&
                   read_background(file, scenario, error) && read_goodput(file, scenario, error)
               ? g_steal_pointer(&scenario) : NULL;
}

/* ------------------------------------------------------------------ public */

FabKeyfile *
fab_scenario_open(const char *path, char *const *sets, GError **error)
{
    g_autofree char *found = fab_scenario_find(path, error);
    g_autoptr(FabKeyfile) file = found != NULL ? fab_keyfile_load(found, error) : NULL;

    return file != NULL && fab_scenario_apply_sets(file, sets, error) ? g_steal_pointer(&file) : NULL;
}

FabScenario *
fab_scenario_load(const char *path, char *const *sets, GError **error)
{
    g_autoptr(FabKeyfile) file = fab_scenario_open(path, sets, error);

    return file != NULL ? read_scenario(file, error) : NULL;
}

FabScenario *
fab_scenario_parse(const char *path, const char *text, char *const *sets, GError **error)
{
    g_autoptr(FabKeyfile) file = fab_keyfile_parse(path, text, error);

    return file != NULL && fab_scenario_apply_sets(file, sets, error) ? read_scenario(file, error) : NULL;
}

FabScenario *
fab_scenario_from_sets(char *const *sets, GError **error)
{
    return fab_scenario_parse("command line", "", sets, error);
}

void
fab_scenario_free(FabScenario *scenario)
{
    if (scenario == NULL)
        return;
    g_clear_pointer(&scenario->overrides, g_hash_table_destroy);
    g_free(scenario->path);
    g_free(scenario->name);
    g_free(scenario->title);
    g_free(scenario->text);
    g_free(scenario->topology);
    g_free(scenario->calibration);
    g_free(scenario->operation);
    g_free(scenario->algorithm);
    g_free(scenario->protocol);
    g_free(scenario->ranks);
    g_free(scenario->datatype);
    g_free(scenario->reduction);
    g_free(scenario->peer);
    g_free(scenario->timing);
    g_free(scenario->fold);
    g_free(scenario->settings.graph_file);
    g_free(scenario->pairs);
    g_free(scenario->trace.files);
    fab_model_free(scenario->model);
    fab_training_free(scenario->training);
    g_clear_pointer(&scenario->faults, g_ptr_array_unref);
    fab_goodput_spec_free(scenario->goodput);
    g_free(scenario->background);
    fab_price_free(scenario->price);
    fab_power_free(scenario->power);
    g_free(scenario->sizes);
    g_free(scenario);
}
