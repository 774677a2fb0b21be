/* The scenarios behind the results: read again from the text that results carry, their machines built again. */
#include <string.h>

#include "report/page-private.h"
#include "topology/machine.h"

static void
scenario_free(void *pointer)
{
    FabPageScenario *one = pointer;

    g_free(one->name);
    g_free(one->title);
    g_free(one->called);
    g_free(one->text);
    g_free(one->problem);
    fab_scenario_free(one->scenario);
    fab_topology_free(one->topology);
    fab_training_step_free(one->step);
    fab_footprint_free(one->footprint);
    fab_outcome_free(one->outcome);
    g_free(one);
}

/*
 * Texts of results as files of their own: nothing is looked at but the catalogue and files that the text names. `sets`
 * are put over it, NULL: nothing is.
 */
static void
read_again(FabPageScenario *one, char *const *sets)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_strconcat(one->name, ".ini", NULL);

    one->scenario = fab_scenario_parse(path, one->text, sets, &error);
    if (one->scenario != NULL)
        one->topology = fab_machine_load(one->scenario->topology, one->scenario->overrides, &error);
    if (error != NULL)
        one->problem = g_strdup(error->message);
    /* What cannot be simulated by itself, such as a sweep of which no point fits, has no timeline and no account. */
    if (one->topology != NULL && one->scenario->kind == FAB_SCENARIO_TRAINING)
        one->step = fab_training_step_new(one->scenario, one->topology, NULL, NULL);
    if (one->topology != NULL && one->scenario->kind == FAB_SCENARIO_INFERENCE)
        one->footprint = fab_footprint_new(one->scenario, one->topology, NULL);
    one->title = g_strdup(one->scenario != NULL && one->scenario->title != NULL ? one->scenario->title : one->name);
}

static FabPageScenario *
find(FabPage *page, const char *text)
{
    for (guint i = 0; i < page->scenarios->len; i++) {
        FabPageScenario *one = page->scenarios->pdata[i];
        if (strcmp(one->text, text) == 0)
            return one;
    }
    return NULL;
}

const FabFootprint *
fab_page_footprint(const FabPageScenario *one)
{
    return one->step != NULL ? one->step->footprint : one->footprint;
}

FabPageScenario *
fab_page_scenario(FabPage *page, JsonObject *item)
{
    const char *text = fab_json_text(item, "scenario_text");

    return text != NULL ? find(page, text) : NULL;
}

static const char *
name_of(JsonObject *item)
{
    const char *name = fab_json_text(item, "scenario");

    name = name != NULL ? name : fab_json_text(item, "name");
    return name != NULL ? name : "";
}

const char *
fab_page_title(FabPage *page, JsonObject *item)
{
    const FabPageScenario *one = fab_page_scenario(page, item);

    return one != NULL ? one->title : name_of(item);
}

/* `wanted`, with a number behind it where another scenario of the page has it already. Owned by the caller. */
static char *
apart(FabPage *page, const char *wanted, const char *separator, bool of_file)
{
    char *name = g_strdup(wanted);
    guint number = 1;

    for (guint i = 0; i < page->scenarios->len; i++) {
        const FabPageScenario *other = page->scenarios->pdata[i];
        if (strcmp(of_file ? other->name : other->title, name) != 0)
            continue;
        g_free(name);
        name = g_strdup_printf("%s%s%u", wanted, separator, ++number);
        i = (guint)-1;
    }
    return name;
}

static void
take(FabPage *page, const FabPageKind *kind, JsonObject *item)
{
    const char *text = fab_json_text(item, "scenario_text");
    FabPageScenario *one = text != NULL ? find(page, text) : NULL;
    g_autofree char *plain = NULL, *title = NULL;
    g_auto(GStrv) sets = NULL;

    if (text == NULL)
        return;
    if (one == NULL) {
        one = g_new0(FabPageScenario, 1);
        plain = g_strcanon(g_strdup(name_of(item)), G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "._-", '-');
        one->name = apart(page, plain, "-", true);
        one->text = g_strdup(text);
        sets = kind == &fab_page_sweep ? fab_page_sweep_sets(item) : NULL;
        read_again(one, sets);
        if (sets != NULL && sets[0] != NULL && one->topology != NULL)
            one->outcome = fab_outcome_new(one->scenario, one->topology, NULL, NULL, NULL);
        title = g_steal_pointer(&one->title);
        one->title = apart(page, title, ", ", false);
        one->called = g_strconcat(one->title, sets != NULL && sets[0] != NULL ? ", its quickest point" : "", NULL);
        g_ptr_array_add(page->scenarios, one);
    }
    if (kind == &fab_page_result)
        one->result = item;
}

void
fab_page_find_scenarios(FabPage *page)
{
    g_ptr_array_set_free_func(page->scenarios, scenario_free);
    for (int k = 0; fab_page_kinds[k] != NULL; k++) {
        const FabPageKind *kind = fab_page_kinds[k];
        g_autoptr(GPtrArray) items = fab_page_items(page, kind);
        for (guint i = 0; i < items->len; i++) {
            JsonObject *item = items->pdata[i];
            take(page, kind, item);
            for (guint s = 0; kind == &fab_page_comparison && s < fab_json_length(item, "scenarios"); s++)
                take(page, kind, fab_json_at(item, "scenarios", s));
        }
    }
}
