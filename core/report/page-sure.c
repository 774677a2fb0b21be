/* How sure it is: errors that were measured on machines of the kind, every assumption with its source, the way back. */
#include <math.h>
#include <string.h>

#include "fabricast-config.h"
#include "report/page-private.h"
#include "predict/interval.h"
#include "topology/gpu.h"

/* ------------------------------------------------------------------ errors measured */

/* Adds the kinds of an item's rows, in the order of their appearance. */
static void
add_kinds(GPtrArray *kinds, JsonObject *item)
{
    for (guint i = 0; i < fab_json_length(item, "rows"); i++) {
        const char *kind = fab_json_text(fab_json_at(item, "rows", i), "kind");
        if (kind != NULL && !g_ptr_array_find_with_equal_func(kinds, kind, g_str_equal, NULL))
            g_ptr_array_add(kinds, (gpointer)kind);
    }
}

static void
add_interval(GPtrArray *sentences, FabPage *page, JsonObject *item)
{
    const char *interval = fab_json_text(item, "interval"), *ratio = fab_json_text(item, "ratio_interval");
    const char *const all[] = { interval, ratio };

    for (int i = 0; i < 2; i++) {
        char *text = all[i] != NULL ? g_strdup_printf("%s: %s.", fab_page_title(page, item), all[i]) : NULL;
        if (text != NULL && !g_ptr_array_find_with_equal_func(sentences, text, g_str_equal, NULL))
            g_ptr_array_add(sentences, text);
        else
            g_free(text);
    }
}

/* The same of what was run again for the page. */
static void
add_outcome(GPtrArray *kinds, GPtrArray *sentences, const FabPageScenario *one)
{
    for (guint i = 0; i < one->outcome->rows->len; i++) {
        const char *kind = ((const FabOutcomeRow *)one->outcome->rows->pdata[i])->kind;
        if (kind != NULL && !g_ptr_array_find_with_equal_func(kinds, kind, g_str_equal, NULL))
            g_ptr_array_add(kinds, (gpointer)kind);
    }
    g_ptr_array_add(sentences, g_strdup_printf("%s: %s.", one->called, one->outcome->interval));
}

static void
collect(FabPage *page, GPtrArray *kinds, GPtrArray *sentences)
{
    for (int k = 0; fab_page_kinds[k] != NULL; k++) {
        g_autoptr(GPtrArray) items = fab_page_items(page, fab_page_kinds[k]);
        for (guint i = 0; i < items->len; i++) {
            JsonObject *item = items->pdata[i];
            add_kinds(kinds, item);
            add_interval(sentences, page, item);
            guint scenarios = fab_page_kinds[k] == &fab_page_comparison ? fab_json_length(item, "scenarios") : 0;
            for (guint s = 0; s < scenarios; s++) {
                add_kinds(kinds, fab_json_at(item, "scenarios", s));
                add_interval(sentences, page, fab_json_at(item, "scenarios", s));
            }
        }
    }
    for (guint i = 0; i < page->scenarios->len; i++) {
        const FabPageScenario *one = page->scenarios->pdata[i];
        if (one->outcome != NULL && one->outcome->interval != NULL)
            add_outcome(kinds, sentences, one);
    }
}

static void
show_kind(FabPage *page, const char *text)
{
    const FabIntervals *intervals;
    FabKind kind;

    if (!fab_kind_parse(text, &kind))
        return;
    intervals = fab_intervals_of(&kind);
    for (int b = 0; b < FAB_BANDS; b++) {
        FabInterval one = fab_interval_of(intervals, &kind, (FabBand)b);
        g_autofree char *low = fab_quantity_format(FAB_QUANTITY_SHARE, exp(one.low) - 1);
        g_autofree char *high = fab_quantity_format(FAB_QUANTITY_SHARE, exp(one.high) - 1);
        g_autofree char *range = g_strdup_printf("%s to +%s", low, high);
        g_autofree char *machines = one.machines > 0 ? g_strdup_printf("%u", one.machines)
                                                     : g_strdup("none: the widest of all kinds, a guess");
        fab_html_table_row(page->out, fab_connection_names[kind.connection], fab_family_ids[kind.family],
                           fab_constants_shipped()->kernel[kind.generation].generation, fab_band_names[b], range,
                           machines, NULL);
    }
}

void
fab_page_show_errors(FabPage *page)
{
    const char *const head[] = { "GPUs joined by", "kernels", "generation", "sizes", "measured against predicted",
                                 "machines that measured it", NULL };
    g_autoptr(GPtrArray) kinds = g_ptr_array_new();
    g_autoptr(GPtrArray) sentences = g_ptr_array_new_with_free_func(g_free);

    collect(page, kinds, sentences);
    if (kinds->len == 0 && sentences->len == 0)
        return;
    fab_page_section(page, "errors", "How sure is this");
    for (guint i = 0; i < sentences->len; i++)
        fab_html_print(page->out, "<p>%s</p>\n", (const char *)sentences->pdata[i]);
    if (kinds->len > 0) {
        fputs("<p>Each prediction was compared with public measurements of machines that the model had not been fitted "
              "to. Nine of ten of them lie this far from it:</p>\n", page->out);
        fab_html_table_begin(page->out, "Errors measured on machines of this kind", head);
        for (guint i = 0; i < kinds->len; i++)
            show_kind(page, kinds->pdata[i]);
        fab_html_table_end(page->out);
    }
    fab_page_section_end(page);
}

/* ------------------------------------------------------------------ assumptions */

/* What, figure or statement, source; each once. */
static void
add_row(GHashTable *seen, FabPage *page, const char *what, const char *says, const char *source)
{
    char *key = g_strjoin("\n", what, says, NULL);

    if (g_hash_table_add(seen, key))
        fab_html_table_row(page->out, what, says, source, NULL);
}

static void
add_machine(GHashTable *seen, FabPage *page, const FabPageScenario *one)
{
    const FabTopology *topology = one->topology;
    const FabConstants *constants = fab_constants_shipped();
    GHashTableIter iter;
    gpointer key, value;

    for (guint i = 0; topology->source != NULL && topology->source[i] != NULL; i++) {
        g_auto(GStrv) sides = g_strsplit(topology->source[i], ":", 2);
        add_row(seen, page, topology->title, sides[0], sides[1] != NULL ? g_strstrip(sides[1]) : "");
    }
    g_hash_table_iter_init(&iter, one->scenario->overrides);
    while (g_hash_table_iter_next(&iter, &key, &value)) {
        g_autofree char *text = g_strdup_printf("%s is %s", (const char *)key, (const char *)value);
        add_row(seen, page, topology->title, text, "the scenario");
    }
    for (uint32_t i = 0; i < topology->gpu_count; i++) {
        const FabGpuModel *gpu = topology->vertices[topology->gpus[i]].gpu;
        const FabGpuData *data = fab_gpu_data(gpu->id, NULL);
        const FabKernelCosts *costs = fab_kernel_costs(constants, gpu->compute_capability);
        add_row(seen, page, gpu->id, "rates and memory of the GPU",
                data != NULL && data->source != NULL ? data->source : "the catalogue");
        if (one->scenario->kind != FAB_SCENARIO_TRANSFER)
            add_row(seen, page, costs->generation, "what NCCL's kernels cost on this generation",
                    costs->source != NULL ? costs->source : "the table of constants");
    }
}

static void
add_prices(GHashTable *seen, FabPage *page, const FabPageScenario *one)
{
    const FabPrice *price = one->scenario->price;
    const FabPower *power = one->scenario->power;

    if (price != NULL) {
        g_autofree char *text = g_strdup_printf("price of %s", price->date);
        add_row(seen, page, one->title, text, price->source);
    }
    if (power != NULL) {
        g_autofree char *text = g_strdup_printf("power of %s", power->date);
        add_row(seen, page, one->title, text, power->source);
    }
    if (one->scenario->calibration != NULL)
        add_row(seen, page, one->title, "constants of a calibration", one->scenario->calibration);
    if (one->step != NULL)
        add_row(seen, page, one->step->stack->name, "what kernels of this software reach", one->step->stack->source);
}

static void
add_notes(GHashTable *seen, FabPage *page, const FabPageScenario *one)
{
    JsonArray *notes = one->result != NULL ? fab_json_array(one->result, "notes") : NULL;

    for (guint i = 0; notes != NULL && i < json_array_get_length(notes); i++) {
        JsonNode *node = json_array_get_element(notes, i);
        if (json_node_get_value_type(node) == G_TYPE_STRING)
            add_row(seen, page, one->title, json_node_get_string(node), "the model");
    }
}

void
fab_page_show_assumptions(FabPage *page)
{
    const char *const head[] = { "of", "what is assumed", "where it comes from", NULL };
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    if (page->scenarios->len == 0)
        return;
    fab_page_section(page, "assumptions", "Assumptions and their sources");
    fab_html_table_begin(page->out, "Everything that was not computed", head);
    for (guint i = 0; i < page->scenarios->len; i++) {
        const FabPageScenario *one = page->scenarios->pdata[i];
        if (one->scenario == NULL || one->topology == NULL)
            continue;
        add_notes(seen, page, one);
        add_prices(seen, page, one);
        add_machine(seen, page, one);
    }
    fab_html_table_end(page->out);
    fab_page_section_end(page);
}

/* ------------------------------------------------------------------ the way back */

static void
show_file(FabPage *page, const char *name, const char *text)
{
    fab_html_print(page->out, "<details open><summary>%s</summary><pre tabindex=\"0\">%s</pre></details>\n", name,
                   text);
}

/* "fabricast compare a.ini b.ini": what made a document. Owned by the caller. */
static char *
command_of(FabPage *page, const FabPageDocument *document)
{
    const FabPageKind *kind = document->kind;
    GString *text = g_string_new(NULL);
    guint count = kind->list != NULL ? fab_json_length(document->top, kind->list) : 1;

    g_string_append_printf(text, "fabricast %s", kind->command);
    for (guint i = 0; i < count; i++) {
        JsonObject *item = kind->list != NULL ? fab_json_at(document->top, kind->list, i) : document->top;
        const FabPageScenario *one = fab_page_scenario(page, item);
        if (one != NULL)
            g_string_append_printf(text, " %s.ini", one->name);
    }
    if (kind == &fab_page_claims)
        g_string_append(text, " claims.ini");
    return g_string_free(text, FALSE);
}

static void
show_claim_file(FabPage *page)
{
    g_autoptr(GPtrArray) claims = fab_page_items(page, &fab_page_claims);
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < claims->len; i++) {
        const char *definition = fab_json_text(claims->pdata[i], "definition");
        g_string_append_printf(text, "%s%s", i > 0 ? "\n" : "", definition != NULL ? definition : "");
    }
    if (claims->len > 0)
        show_file(page, "claims.ini", text->str);
    g_string_free(text, TRUE);
}

/* Other versions may predict something else. */
static void
show_versions(FabPage *page)
{
    for (guint d = 0; d < page->documents->len; d++) {
        const FabPageDocument *document = page->documents->pdata[d];
        const char *version = fab_json_text(document->top, "version");
        if (version != NULL && strcmp(version, FAB_VERSION) != 0)
            fab_html_print(page->out, "<p>The figures of %s are those of fabricast %s, the pictures and the account of "
                           "memory those of fabricast %s.</p>\n", document->path, version, FAB_VERSION);
    }
}

void
fab_page_show_files(FabPage *page)
{
    GString *commands = g_string_new(NULL);

    fab_page_section(page, "files", "How to get the same figures");
    fab_html_print(page->out, "<p>Save the files below beside each other and run, with fabricast %s:</p>\n",
                   FAB_VERSION);
    for (guint d = 0; d < page->documents->len; d++) {
        g_autofree char *command = command_of(page, page->documents->pdata[d]);
        g_string_append_printf(commands, "%s\n", command);
    }
    fab_html_print(page->out, "<pre tabindex=\"0\">%s</pre>\n", commands->str);
    g_string_free(commands, TRUE);
    show_versions(page);
    for (guint i = 0; i < page->scenarios->len; i++) {
        const FabPageScenario *one = page->scenarios->pdata[i];
        g_autofree char *name = g_strconcat(one->name, ".ini", NULL);
        show_file(page, name, one->text);
    }
    show_claim_file(page);
    fab_page_section_end(page);
}
