/* Reading results: only what can be shown without a doubt gets in. */
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/nesting.h"
#include "report/page-private.h"

enum { SCHEMA_VERSION = 1 };

const FabPageKind *const fab_page_kinds[] = {
    &fab_page_comparison, &fab_page_claims,      &fab_page_sweep,  &fab_page_training,   &fab_page_inference,
    &fab_page_result,     &fab_page_explanation, &fab_page_memory, &fab_page_validation, NULL,
};

static bool
refuse(GError **error, const char *path, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* Sets the error and returns false. It is one line of UTF-8, whatever texts of the file stand in it. */
static bool
refuse(GError **error, const char *path, const char *format, ...)
{
    g_autofree char *what = NULL, *line = NULL;
    va_list args;

    va_start(args, format);
    what = g_strdup_vprintf(format, args);
    va_end(args);
    line = g_utf8_make_valid(what, -1);
    for (char *c = line; *c != '\0'; c++)
        *c = g_ascii_iscntrl(*c) ? ' ' : *c;
    g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: %s", path, line);
    return false;
}

/* ------------------------------------------------------------------ figures */

/* No quantity of a machine has more digits before its point, and pages have no unit for it. */
#define MOST 1e30
/* What times in picoseconds hold at most, in microseconds: see FAB_QUANTITY_SECONDS. */
#define MOST_MICROSECONDS 9e12
/* Shares are sums of rounded times. */
#define MOST_OF_A_WHOLE 1.001

/* Members by name, wherever they are, that all commands write in one way. */
static const char *const lists[] = { "results", "scenarios", "claims", "rows", "points", "uses", "stages", "faults" };
static const char *const shares[] = { "utilisation", "binding_utilisation", "binding_share" };
static const char *const times[] = { "time_us", "low_us", "high_us", "healthy_us", "alone_us" };
static const char *const wholes[] = { "size_bytes", "channels", "gpus", "ranks" };

#define IS_ONE_OF(name, names) is_one_of(name, names, G_N_ELEMENTS(names))

static bool
is_one_of(const char *name, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0)
            return true;
    }
    return false;
}

static bool
check_value(double value, const char *path, const char *name, GError **error)
{
    if (!isfinite(value))
        return refuse(error, path, "\"%.60s\" is a number that is not finite; no command writes such a result", name);
    if (fabs(value) > (IS_ONE_OF(name, times) ? MOST_MICROSECONDS : MOST))
        return refuse(error, path, "\"%.60s\" is %g, more than any machine has; no command writes such a result", name,
                      value);
    if (IS_ONE_OF(name, shares) && !(value >= 0 && value <= MOST_OF_A_WHOLE))
        return refuse(error, path, "\"%.60s\" is %g, a share is between 0 and 1", name, value);
    if (IS_ONE_OF(name, wholes) && (value < 0 || value != floor(value)))
        return refuse(error, path, "\"%.60s\" is %g, it is a whole number", name, value);
    return true;
}

static bool
check_node(JsonNode *node, const char *path, const char *name, GError **error)
{
    JsonObjectIter iter;
    const char *member;
    JsonNode *value;

    if (JSON_NODE_HOLDS_VALUE(node) && (json_node_get_value_type(node) == G_TYPE_DOUBLE ||
                                        json_node_get_value_type(node) == G_TYPE_INT64))
        return check_value(json_node_get_double(node), path, name, error);
    if (JSON_NODE_HOLDS_ARRAY(node)) {
        JsonArray *array = json_node_get_array(node);
        for (guint i = 0; i < json_array_get_length(array); i++) {
            JsonNode *element = json_array_get_element(array, i);
            if (IS_ONE_OF(name, lists) && !JSON_NODE_HOLDS_OBJECT(element))
                return refuse(error, path, "an element of \"%.60s\" is no object", name);
            if (!check_node(element, path, name, error))
                return false;
        }
    }
    if (JSON_NODE_HOLDS_OBJECT(node)) {
        json_object_iter_init(&iter, json_node_get_object(node));
        while (json_object_iter_next(&iter, &member, &value)) {
            if (!check_node(value, path, member, error))
                return false;
        }
    }
    return true;
}

static bool
check_numbers(const FabPageKind *kind, JsonObject *row, const char *path, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(kind->numbers) && kind->numbers[i] != NULL; i++) {
        double value = row != NULL ? fab_json_figure(row, kind->numbers[i]) : NAN;
        if (!(value > 0))
            return refuse(error, path, "a row has no \"%s\" above 0, every result of `fabricast %s --json` has one",
                          kind->numbers[i], kind->command);
    }
    return true;
}

static bool
check_texts(const FabPageKind *kind, JsonObject *item, const char *path, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(kind->texts) && kind->texts[i] != NULL; i++) {
        if (item == NULL || fab_json_text(item, kind->texts[i]) == NULL)
            return refuse(error, path, "an element has no \"%s\", every result of `fabricast %s --json` has one",
                          kind->texts[i], kind->command);
    }
    return true;
}

static bool
check_item(const FabPageKind *kind, JsonObject *item, const char *path, GError **error)
{
    guint count = kind->rows != NULL && item != NULL ? fab_json_length(item, kind->rows) : 1;

    if (item == NULL)
        return refuse(error, path, "an element of \"%s\" is no object", kind->list);
    if (count == 0)
        return refuse(error, path, "\"%s\" is empty or missing, there is nothing to report", kind->rows);
    for (guint i = 0; i < count; i++) {
        JsonObject *row = kind->rows != NULL ? fab_json_at(item, kind->rows, i) : item;
        if (!check_numbers(kind, row, path, error) || (kind->list == NULL && !check_texts(kind, row, path, error)))
            return false;
    }
    return kind->list == NULL || check_texts(kind, item, path, error);
}

/* ------------------------------------------------------------------ documents */

static const FabPageKind *
kind_of(JsonObject *top, const char *path, GError **error)
{
    const char *schema = top != NULL ? fab_json_text(top, "schema") : NULL;
    double version = top != NULL ? fab_json_figure(top, "schema_version") : NAN;

    for (int i = 0; schema != NULL && fab_page_kinds[i] != NULL; i++) {
        if (strcmp(fab_page_kinds[i]->schema, schema) != 0)
            continue;
        if (version == SCHEMA_VERSION)
            return fab_page_kinds[i];
        if (isnan(version))
            refuse(error, path, "has no number \"schema_version\", this program reads version %d", SCHEMA_VERSION);
        else
            refuse(error, path, "has \"schema_version\" %g, this program reads version %d", version, SCHEMA_VERSION);
        return NULL;
    }
    if (g_strcmp0(schema, "fabricast-break-even") == 0) {
        refuse(error, path, "is a break-even, which has no page; name the scenarios, or the JSON of compare without "
               "--break-even at the values that matter: --set KEY=VALUE");
        return NULL;
    }
    refuse(error, path, "\"schema\" is %.60s, a report needs what --json of run, compare, explain, claims, sweep, "
           "memory or validate printed", schema != NULL ? schema : "missing");
    return NULL;
}

static void
document_free(void *pointer)
{
    FabPageDocument *document = pointer;

    g_free(document->path);
    json_node_unref(document->root);
    g_free(document);
}

static bool
check_items(const FabPageKind *kind, JsonObject *top, const char *path, GError **error)
{
    guint count = kind->list != NULL ? fab_json_length(top, kind->list) : 1;

    if (count == 0)
        return refuse(error, path, "\"%s\" is empty or missing, there is nothing to report", kind->list);
    for (guint i = 0; i < count; i++) {
        if (!check_item(kind, kind->list != NULL ? fab_json_at(top, kind->list, i) : top, path, error))
            return false;
    }
    return true;
}

bool
fab_page_add(FabPage *page, const char *path, const char *text, gsize length, GError **error)
{
    g_autoptr(JsonParser) parser = json_parser_new_immutable();
    g_autoptr(GError) inner = NULL;
    FabPageDocument *document;
    const FabPageKind *kind;
    JsonObject *top;

    if (!fab_nesting_check(path, text, length, error))
        return false;
    if (!json_parser_load_from_data(parser, text, (gssize)length, &inner) || json_parser_get_root(parser) == NULL)
        return refuse(error, path, "is not whole JSON: %s", inner != NULL ? inner->message : "it is empty");
    top = fab_json_object(json_parser_get_root(parser));
    kind = kind_of(top, path, error);
    if (kind == NULL || !check_node(json_parser_get_root(parser), path, "", error) ||
        !check_items(kind, top, path, error))
        return false;
    document = g_new0(FabPageDocument, 1);
    document->kind = kind;
    document->path = g_strdup(path);
    document->root = json_parser_steal_root(parser);
    document->top = json_node_get_object(document->root);
    if (page->documents->len == 0)
        g_ptr_array_set_free_func(page->documents, document_free);
    g_ptr_array_add(page->documents, document);
    return true;
}

GPtrArray *
fab_page_items(FabPage *page, const FabPageKind *kind)
{
    GPtrArray *items = g_ptr_array_new();

    for (guint d = 0; d < page->documents->len; d++) {
        const FabPageDocument *document = page->documents->pdata[d];
        if (document->kind != kind)
            continue;
        if (kind->list == NULL || kind->whole)
            g_ptr_array_add(items, document->top);
        for (guint i = 0; !kind->whole && kind->list != NULL && i < fab_json_length(document->top, kind->list); i++)
            g_ptr_array_add(items, fab_json_at(document->top, kind->list, i));
    }
    return items;
}
