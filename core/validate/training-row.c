#include "validate/training-row.h"

#include <math.h>
#include <string.h>

#include "base/units.h"
#include "validate/training-names.h"

/* Micro-batches that are tried: 1, 2, ... 16. */
enum { MOST_VARIANTS = 64, MICRO_BATCHES = 5 };

/* A row as it is turned into "group.key=value" texts. */
typedef struct {
    const FabMeasurement *measurement;
    guint row;
    GPtrArray *sets;       /* char *: what is known */
    GString *unknown;
    uint32_t gpus, tp, pp, cp, ep, dp, batch, layers;
    bool whole_layers;     /* "selective" means some of the layers, all of each: PyTorch's FSDP */
    bool older;            /* Megatron-LM before sequence parallelism, DeepSpeed's fork */
    const char *reason;
    char *detail;
} Reader;

static const char *
cell(const Reader *reader, guint column)
{
    return fab_measurement_text(reader->measurement, reader->row, column);
}

static void
add(Reader *reader, const char *key, const char *value)
{
    g_ptr_array_add(reader->sets, g_strdup_printf("%s=%s", key, value));
}

static void
add_count(Reader *reader, const char *key, uint32_t value)
{
    g_ptr_array_add(reader->sets, g_strdup_printf("%s=%u", key, value));
}

static bool
give_up(Reader *reader, const char *reason, const char *detail)
{
    if (reader->reason == NULL) {
        reader->reason = reason;
        reader->detail = g_strdup(detail);
    }
    return false;
}

/* A cell as a count; `fallback` when it is empty; 0 when it is something else. */
static uint32_t
count_of(const Reader *reader, guint column, uint32_t fallback)
{
    int64_t value;

    if (cell(reader, column)[0] == '\0')
        return fallback;
    if (!fab_parse_integer(cell(reader, column), &value, NULL) || value <= 0 || value >= INT32_MAX)
        return 0;
    return (uint32_t)value;
}

/* "vp=5" among the words of the schedule; 0: not there. */
static uint32_t
schedule_count(const Reader *reader, const char *word)
{
    g_auto(GStrv) words = g_strsplit(cell(reader, FAB_TRAINING_SCHEDULE), ";", -1);
    size_t length = strlen(word);
    int64_t value;

    for (guint i = 0; words[i] != NULL; i++) {
        if (strncmp(words[i], word, length) == 0 && words[i][length] == '=' &&
            fab_parse_integer(words[i] + length + 1, &value, NULL) && value > 0 && value < INT32_MAX)
            return (uint32_t)value;
    }
    return 0;
}

static bool
schedule_has(const Reader *reader, const char *part)
{
    return strstr(cell(reader, FAB_TRAINING_SCHEDULE), part) != NULL;
}

/* ------------------------------------------------------------------ the parts of a row */

static bool
read_model(Reader *reader)
{
    const char *name = cell(reader, FAB_TRAINING_MODEL), *preset = fab_training_preset(name);
    uint32_t layers = count_of(reader, FAB_TRAINING_LAYERS, 0), hidden = count_of(reader, FAB_TRAINING_HIDDEN, 0);
    uint32_t heads = count_of(reader, FAB_TRAINING_HEADS, 0);
    const char *family = fab_training_family(name);

    if (preset != NULL) {
        add(reader, "model.preset", preset);
        if (layers > 0)
            add_count(reader, "model.layers", layers);
    } else if (family != NULL && layers > 0 && hidden > 0 && heads > 0) {
        add(reader, "model.preset", family);
        add_count(reader, "model.layers", layers);
        add_count(reader, "model.hidden", hidden);
        add_count(reader, "model.heads", heads);
        add_count(reader, "model.ffn", 4 * hidden);
    } else {
        return give_up(reader, "the model's shape is not known", name);
    }
    if (count_of(reader, FAB_TRAINING_SEQUENCE, 0) == 0)
        return give_up(reader, "the sequence length is not known", name);
    add_count(reader, "training.sequence", count_of(reader, FAB_TRAINING_SEQUENCE, 0));
    return true;
}

/* The overrides of the measurement that are parameters of its machine; those of networks are not. */
static void
add_overrides(Reader *reader, bool without_bridge)
{
    static const char *const network[] = { "nodes", "fabric", "transport", "ranks_per_node", "racks", "ranks_per_rack",
                                           "gdr", NULL };

    for (guint i = 0; i < reader->measurement->facts->len; i++) {
        const FabFact *fact = reader->measurement->facts->pdata[i];
        g_autofree char *key = g_strconcat("topology.", fact->key, NULL);
        if (strcmp(fact->group, "overrides") == 0 && !g_strv_contains(network, fact->key) &&
            !(without_bridge && g_str_has_prefix(fact->key, "nvlink")))
            add(reader, key, fact->value);
    }
}

/* Where the table's GPU is usually found, else the machine that the measurement names; GPUs of one in *gpus. */
static bool
read_node(Reader *reader, uint32_t *gpus, uint32_t *nics)
{
    const char *gpu = cell(reader, FAB_TRAINING_GPU);
    const char *topology = fab_measurement_get(reader->measurement, "system", "topology");
    int64_t count = fab_measurement_integer(reader->measurement, "system", "gpus_per_node", 0);
    const FabTrainingMachine *machine = fab_training_machine(gpu);

    if (machine == NULL && (topology == NULL || count == 0))
        return give_up(reader, "no machine of the catalogue has this GPU", gpu);
    *gpus = machine != NULL ? machine->gpus : (uint32_t)count;
    *nics = machine != NULL ? machine->nics : 0;
    add(reader, "topology.name", machine != NULL ? machine->topology : topology);
    if (machine != NULL && machine->gpu != NULL)
        add(reader, "topology.gpu", machine->gpu);
    if (machine == NULL)
        add_overrides(reader, false);
    return true;
}

static bool
read_machine(Reader *reader)
{
    const char *gpu = cell(reader, FAB_TRAINING_GPU);
    const char *remark = fab_measurement_get(reader->measurement, "quality", "remark");
    int64_t nics = fab_measurement_integer(reader->measurement, "system", "nics_per_node", 0);
    int64_t gbps = fab_measurement_integer(reader->measurement, "system", "nic_gbps", 0);
    double node = fab_training_remark_gbps(remark, gpu);
    uint32_t each, adapters;

    if (!read_node(reader, &each, &adapters))
        return false;
    if (nics > 0 && gbps > 0)
        node = (double)nics * (double)gbps;
    /* The machine has an adapter for each GPU: a rate for all of a node is shared out among them. */
    if (node > 0 && adapters > 0)
        g_ptr_array_add(reader->sets, g_strdup_printf("training.nic_rate=%.0f B/s", node * 1e9 / 8 / adapters));
    reader->gpus = count_of(reader, FAB_TRAINING_GPUS, 0);
    if (reader->gpus == 0)
        return give_up(reader, "the number of GPUs is not known", gpu);
    add_count(reader, "training.gpus", reader->gpus);
    add_count(reader, "training.nodes", (reader->gpus + each - 1) / each);
    return true;
}

/* Layouts whose product is the number of GPUs; some tables count expert ranks beside the replicas. */
static bool
read_layout(Reader *reader)
{
    bool sharded = schedule_has(reader, "fsdp") || schedule_has(reader, "zero3") || schedule_has(reader, "ddp");
    uint64_t product;
    uint32_t left;

    reader->tp = count_of(reader, FAB_TRAINING_TP, sharded ? 1 : 0);
    reader->pp = count_of(reader, FAB_TRAINING_PP, sharded ? 1 : 0);
    reader->cp = count_of(reader, FAB_TRAINING_CP, 1);
    reader->ep = count_of(reader, FAB_TRAINING_EP, 1);
    if (reader->tp == 0 || reader->pp == 0 || reader->cp == 0 || reader->ep == 0)
        return give_up(reader, "the layout is not known", cell(reader, FAB_TRAINING_MODEL));
    /* A footnote's mark behind a 4 makes "41": more stages than any of the models has layers. */
    if (reader->pp == 41)
        reader->pp = 1;
    product = (uint64_t)reader->tp * reader->pp * reader->cp;
    left = reader->gpus % product == 0 ? (uint32_t)(reader->gpus / product) : 0;
    reader->dp = count_of(reader, FAB_TRAINING_DP, left);
    if (reader->dp > 0 && product * reader->dp * reader->ep == reader->gpus)
        reader->dp *= reader->ep;
    if (reader->dp == 0 || product * reader->dp != reader->gpus)
        return give_up(reader, "the layout does not multiply to the GPUs", cell(reader, FAB_TRAINING_MODEL));
    add_count(reader, "parallel.tp", reader->tp);
    add_count(reader, "parallel.pp", reader->pp);
    add_count(reader, "parallel.cp", reader->cp);
    add_count(reader, "parallel.ep", reader->ep);
    add_count(reader, "parallel.dp", reader->dp);
    return true;
}

static bool
read_precision(Reader *reader)
{
    const char *text = cell(reader, FAB_TRAINING_PRECISION), *word = NULL;

    if (g_str_has_prefix(text, "fp8") || strcmp(text, "mxfp8") == 0)
        word = "fp8";
    for (guint i = 0; word == NULL && fab_precision_names[i] != NULL; i++) {
        if (strcmp(text, fab_precision_names[i]) == 0)
            word = fab_precision_names[i];
    }
    if (word == NULL)
        return give_up(reader, text[0] != '\0' ? "the precision is not modelled" : "the precision is not known", text);
    add(reader, "training.precision", word);
    return true;
}

/* What a stack does unless the row says otherwise. */
static bool
read_stack(Reader *reader)
{
    const char *tool = fab_measurement_get(reader->measurement, "run", "tool");
    const char *stack = fab_training_stack(tool), *recompute = cell(reader, FAB_TRAINING_RECOMPUTE);
    /* Megatron-Core adds gradients up in fp32 unless it is told otherwise; NeMo's recipes tell it. */
    bool wide = tool != NULL && g_str_has_prefix(tool, "Megatron-Core");
    bool full = schedule_has(reader, "fsdp") || schedule_has(reader, "zero3") || schedule_has(reader, "hsdp");

    if (stack == NULL)
        return give_up(reader, "the software stack is not modelled", tool);
    reader->whole_layers = g_str_has_prefix(stack, "fsdp");
    reader->older = strcmp(stack, "megatron") == 0 || strcmp(stack, "megatron-deepspeed") == 0;
    add(reader, "training.stack", stack);
    add(reader, "training.gradients", wide ? "32 bit" : "16 bit");
    add(reader, "training.flash", reader->older ? "no" : "yes");
    add(reader, "training.overlap", reader->older ? "no" : "yes");
    if (full && reader->pp == 1)
        add(reader, "parallel.zero", schedule_has(reader, "SHARD_GRAD_OP") ? "2" : "3");
    else
        add(reader, "parallel.zero", reader->older || schedule_has(reader, "ddp") ? "0" : "1");
    add(reader, "parallel.sequence_parallel",
        reader->tp > 1 && (!reader->older || strstr(recompute, "sequence-parallel") != NULL) ? "yes" : "no");
    if (schedule_has(reader, "lora") || schedule_has(reader, "LoRA"))
        add(reader, "training.frozen", "yes");
    return true;
}

/* ------------------------------------------------------------------ what may be unknown */

/* Values of one key that a row leaves open, the likeliest first. */
typedef struct {
    const char *key, *what;
    GPtrArray *values; /* char * */
} Choice;

static void
choice_init(Choice *choice, const char *key, const char *what)
{
    *choice = (Choice) { key, what, g_ptr_array_new_with_free_func(g_free) };
}

static void
choice_clear(Choice *choice)
{
    g_clear_pointer(&choice->values, g_ptr_array_unref);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Choice, choice_clear)

static void
choose_count(Choice *choice, uint32_t value)
{
    g_ptr_array_add(choice->values, g_strdup_printf("%u", value));
}

/* A figure of the run that the row belongs to: the same job in every column that both state. NaN: there is none. */
static double
figure_of_run(const Reader *reader, const char *metric)
{
    for (guint row = 0; row < reader->measurement->rows->len; row++) {
        bool same = strcmp(fab_measurement_text(reader->measurement, row, FAB_TRAINING_METRIC), metric) == 0;
        for (guint column = 0; column < FAB_TRAINING_RECOMPUTE && same; column++)
            same = strcmp(fab_measurement_text(reader->measurement, row, column), cell(reader, column)) == 0;
        if (same)
            return fab_measurement_number(reader->measurement, row, FAB_TRAINING_VALUE);
    }
    return NAN;
}

/*
 * Shares of the peak with and without what is computed again say how many layers that is: a step is three forward
 * passes, of which all layers again are one.
 */
static double
recomputed_share(const Reader *reader)
{
    double again = figure_of_run(reader, "hfu") / figure_of_run(reader, "mfu") - 1;

    return isfinite(again) ? CLAMP(3 * again, 0, 1) : NAN;
}

static void
choose_recompute(Reader *reader, Choice *choice)
{
    const char *text = cell(reader, FAB_TRAINING_RECOMPUTE);
    static const char *const all[] = { "none", "full" };

    choice_init(choice, "parallel.recompute", "recompute");
    if (g_str_has_prefix(text, "selective") && reader->whole_layers)
        text = "";
    if (g_str_has_prefix(text, "selective"))
        g_ptr_array_add(choice->values, g_strdup("selective"));
    else if (text[0] != '\0')
        g_ptr_array_add(choice->values, g_strdup(text));
    for (guint i = 0; text[0] == '\0' && i < G_N_ELEMENTS(all); i++)
        g_ptr_array_add(choice->values, g_strdup(all[i]));
}

/* Divisors of a replica's batch: a pipeline is likeliest to have 1, a single stage as many as fit. */
static bool
choose_micro(Reader *reader, Choice *choice)
{
    uint32_t micro = count_of(reader, FAB_TRAINING_MICRO, UINT32_MAX), replica;

    choice_init(choice, "training.micro_batch", "micro-batch");
    reader->batch = count_of(reader, FAB_TRAINING_BATCH, 0);
    if (reader->batch == 0 && schedule_count(reader, "grad_accum") > 0 && micro > 0 && micro != UINT32_MAX)
        reader->batch = micro * reader->dp * schedule_count(reader, "grad_accum");
    if (reader->batch == 0 || micro == 0 || reader->batch % reader->dp != 0)
        return give_up(reader, "the batch is not known, or no multiple of the replicas",
                       cell(reader, FAB_TRAINING_BATCH));
    add_count(reader, "training.global_batch", reader->batch);
    replica = reader->batch / reader->dp;
    if (micro != UINT32_MAX)
        choose_count(choice, micro);
    for (uint32_t i = 0; micro == UINT32_MAX && i < MICRO_BATCHES; i++) {
        uint32_t value = reader->pp > 1 ? 1u << i : 1u << (MICRO_BATCHES - 1 - i);
        if (value <= replica && replica % value == 0)
            choose_count(choice, value);
    }
    return true;
}

/* Pieces of a stage: as stated, else 3 (arXiv 2205.05198 used it), 2, or the others that divide. */
static void
choose_chunks(Reader *reader, Choice *choice)
{
    uint32_t stated = schedule_count(reader, "vp"), each, ends;

    choice_init(choice, "parallel.chunks", "interleaving");
    if (reader->pp == 1 || (stated == 0 && !schedule_has(reader, "interleaved") &&
                            cell(reader, FAB_TRAINING_SCHEDULE)[0] != '\0'))
        stated = 1;
    /* Where stages cannot share the layers, embedding and logits may count as one each: needs_ends(). */
    ends = reader->layers % reader->pp != 0 && schedule_has(reader, "interleaved") ? 2 : 0;
    if (stated > 0 || (reader->layers + ends) % reader->pp != 0) {
        choose_count(choice, MAX(stated, 1));
        return;
    }
    each = (reader->layers + ends) / reader->pp;
    if (each % 3 == 0)
        choose_count(choice, 3);
    for (uint32_t v = 2; v <= MIN(each, 255); v++) {
        if (v != 3 && each % v == 0)
            choose_count(choice, v);
    }
    /* Nobody says that it is interleaved, or there is nothing to cut. */
    if (choice->values->len == 0 || !schedule_has(reader, "interleaved"))
        choose_count(choice, 1);
}

/* ------------------------------------------------------------------ all that a row may mean */

static FabScenario *
scenario_of(const Reader *reader, const char *recompute, const char *micro, const char *chunks, bool ends)
{
    g_autoptr(GPtrArray) sets = g_ptr_array_new_with_free_func(g_free);
    FabScenario *scenario;

    for (guint i = 0; i < reader->sets->len; i++)
        g_ptr_array_add(sets, g_strdup(reader->sets->pdata[i]));
    g_ptr_array_add(sets, g_strconcat("parallel.recompute=", recompute, NULL));
    g_ptr_array_add(sets, g_strconcat("training.micro_batch=", micro, NULL));
    g_ptr_array_add(sets, g_strconcat("parallel.chunks=", chunks, NULL));
    if (ends)
        g_ptr_array_add(sets, g_strdup("parallel.ends_as_layers=yes"));
    g_ptr_array_add(sets, NULL);
    scenario = fab_scenario_from_sets((char *const *)sets->pdata, NULL);
    if (scenario != NULL)
        scenario->training->measured_on = fab_measurement_get(reader->measurement, "source", "machine");
    return scenario;
}

/* Layers that stages cannot share evenly: NeMo then counts embedding and logits as layers. */
static bool
needs_ends(const Reader *reader, const char *chunks)
{
    int64_t pieces = 1;

    fab_parse_integer(chunks, &pieces, NULL);
    return reader->layers % (reader->pp * (uint32_t)pieces) != 0 &&
           (reader->layers + 2) % (reader->pp * (uint32_t)pieces) == 0;
}

/* One for each kind of recomputation, or none at all. */
static void
add_scenarios(const Reader *reader, const Choice *recompute, const char *micro, const char *chunks, FabTrainingRow *out)
{
    bool ends = needs_ends(reader, chunks);

    for (guint r = 0; r < recompute->values->len; r++) {
        FabScenario *scenario = scenario_of(reader, recompute->values->pdata[r], micro, chunks, ends);
        if (scenario == NULL)
            return;
        g_ptr_array_add(out->scenarios, scenario);
    }
}

static void
note_unknown(Reader *reader, const Choice *choice)
{
    if (choice->values->len > 1)
        g_string_append_printf(reader->unknown, "%s%s", reader->unknown->len > 0 ? ", " : "", choice->what);
}

static void
combine(Reader *reader, FabTrainingRow *out)
{
    g_auto(Choice) recompute = { 0 }, micro = { 0 }, chunks = { 0 };
    g_autoptr(FabScenario) first = NULL;

    choose_recompute(reader, &recompute);
    if (!choose_micro(reader, &micro))
        return;
    /* The layers come from the preset where the row has none. */
    first = scenario_of(reader, "none", "1", "1", false);
    if (first == NULL) {
        give_up(reader, "the row makes no scenario", cell(reader, FAB_TRAINING_MODEL));
        return;
    }
    reader->layers = first->model->layers;
    choose_chunks(reader, &chunks);
    if (!(recompute.values->len == 2 && isfinite(recomputed_share(reader))))
        note_unknown(reader, &recompute);
    note_unknown(reader, &micro);
    note_unknown(reader, &chunks);
    out->pairs = recompute.values->len == 2;
    out->recomputed = out->pairs ? recomputed_share(reader) : NAN;
    out->partly = out->pairs && g_str_has_prefix(cell(reader, FAB_TRAINING_RECOMPUTE), "selective");
    for (guint m = 0; m < micro.values->len; m++) {
        for (guint c = 0; c < chunks.values->len && out->scenarios->len < MOST_VARIANTS; c++)
            add_scenarios(reader, &recompute, micro.values->pdata[m], chunks.values->pdata[c], out);
    }
    if (out->scenarios->len == 0)
        give_up(reader, "the row makes no scenario", cell(reader, FAB_TRAINING_MODEL));
}

void
fab_training_row_read(const FabMeasurement *measurement, guint row, FabTrainingRow *out)
{
    Reader reader = { .measurement = measurement, .row = row, .unknown = g_string_new(NULL),
                      .sets = g_ptr_array_new_with_free_func(g_free) };

    *out = (FabTrainingRow) { .scenarios = g_ptr_array_new_with_free_func((GDestroyNotify)fab_scenario_free) };
    if (read_model(&reader) && read_machine(&reader) && read_layout(&reader) && read_precision(&reader) &&
        read_stack(&reader))
        combine(&reader, out);
    out->reason = reader.reason;
    out->detail = reader.detail;
    out->unknown = g_string_free(reader.unknown, reader.unknown->len == 0);
    g_ptr_array_unref(reader.sets);
}

/* ------------------------------------------------------------------ applications */

static bool
kept_apart(const Reader *reader)
{
    return strstr(cell(reader, FAB_APPLICATION_INTERCONNECT), "P2P_DISABLE") != NULL;
}

/* The machine as the measurement describes it; without its bridge where the row says that GPUs were kept apart. */
static bool
read_own_machine(Reader *reader)
{
    const char *topology = fab_measurement_get(reader->measurement, "system", "topology");

    if (topology == NULL)
        return give_up(reader, "no machine of the catalogue has this GPU", cell(reader, FAB_APPLICATION_MODEL));
    add(reader, "topology.name", topology);
    add_overrides(reader, kept_apart(reader));
    if (kept_apart(reader))
        add(reader, "topology.p2p", "off");
    return true;
}

static bool
read_replicas(Reader *reader)
{
    const char *preset = fab_training_preset(cell(reader, FAB_APPLICATION_MODEL));
    const char *precision = cell(reader, FAB_APPLICATION_PRECISION);
    uint32_t batch = count_of(reader, FAB_APPLICATION_BATCH, 0), gpus = count_of(reader, FAB_APPLICATION_GPUS, 0);

    if (preset == NULL)
        return give_up(reader, "programs without the shape of a model", cell(reader, FAB_APPLICATION_MODEL));
    if (strcmp(cell(reader, FAB_APPLICATION_PARALLELISM), "DDP") != 0 || batch == 0 || gpus == 0 ||
        !g_strv_contains(fab_precision_names, precision))
        return give_up(reader, "layout, batch or precision are not stated", cell(reader, FAB_APPLICATION_MODEL));
    add(reader, "model.preset", preset);
    add(reader, "training.precision", precision);
    add_count(reader, "training.gpus", gpus);
    add_count(reader, "training.micro_batch", batch);
    add_count(reader, "training.global_batch", batch * gpus);
    add(reader, "training.flash", "no");
    return true;
}

/*
 * Lanes of the slots: boards whose CPU has 16 for all cards give each of two 8, others 16. The pattern of a host stands
 * for either unless the table says.
 */
static bool
lanes_are_open(const Reader *reader)
{
    return g_strcmp0(fab_measurement_get(reader->measurement, "system", "topology"), "pcie-host") == 0 &&
           fab_measurement_get(reader->measurement, "overrides", "lanes") == NULL &&
           fab_measurement_get(reader->measurement, "system", "pcie_width") == NULL;
}

void
fab_application_row_read(const FabMeasurement *measurement, guint row, FabTrainingRow *out)
{
    static const char *const lanes[] = { "topology.lanes=16", "topology.lanes=8" };
    Reader reader = { .measurement = measurement, .row = row, .sets = g_ptr_array_new_with_free_func(g_free) };

    *out = (FabTrainingRow) { .scenarios = g_ptr_array_new_with_free_func((GDestroyNotify)fab_scenario_free) };
    if (read_replicas(&reader) && read_own_machine(&reader)) {
        guint readings = lanes_are_open(&reader) ? G_N_ELEMENTS(lanes) : 1;
        for (guint i = 0; i < readings; i++) {
            g_autoptr(GPtrArray) sets = g_ptr_array_new();
            FabScenario *scenario;
            g_ptr_array_extend(sets, reader.sets, NULL, NULL); /* borrowed */
            g_ptr_array_add(sets, readings > 1 ? (gpointer)lanes[i] : NULL);
            g_ptr_array_add(sets, NULL);
            scenario = fab_scenario_from_sets((char *const *)sets->pdata, NULL);
            if (scenario != NULL)
                g_ptr_array_add(out->scenarios, scenario);
        }
        if (out->scenarios->len == 0)
            give_up(&reader, "the row makes no scenario", cell(&reader, FAB_APPLICATION_MODEL));
        out->apart = kept_apart(&reader);
        out->unknown = readings > 1 ? g_strdup("lanes of the slots") : NULL;
    }
    out->reason = reader.reason;
    out->detail = reader.detail;
    g_ptr_array_unref(reader.sets);
}

uint32_t
fab_application_steps(const FabMeasurement *measurement, guint row)
{
    g_autoptr(GRegex) regex = g_regex_new("(\\d{1,9}) steps", 0, 0, NULL);
    g_autoptr(GMatchInfo) info = NULL;
    g_autofree char *number = NULL;

    if (!g_regex_match(regex, fab_measurement_text(measurement, row, FAB_APPLICATION_MODEL), 0, &info))
        return 0;
    number = g_match_info_fetch(info, 1);
    return (uint32_t)g_ascii_strtoull(number, NULL, 10);
}

void
fab_training_row_clear(FabTrainingRow *row)
{
    g_clear_pointer(&row->scenarios, g_ptr_array_unref);
    g_clear_pointer(&row->detail, g_free);
    g_clear_pointer(&row->unknown, g_free);
}

bool
fab_training_row_same_run(const FabMeasurement *measurement, guint a, guint b)
{
    for (guint column = 0; column < FAB_TRAINING_METRIC; column++) {
        if (strcmp(fab_measurement_text(measurement, a, column), fab_measurement_text(measurement, b, column)) != 0)
            return false;
    }
    return true;
}
