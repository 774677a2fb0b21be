#include "measure/draft.h"

#include <stdarg.h>
#include <string.h>

static const char *const groups[] = { "source", "system", "overrides", "run", "quality" };

typedef struct {
    char *key, *value;
} Entry;

struct FabDraft {
    GArray *entries[G_N_ELEMENTS(groups)];
    GString *csv;
    char *suffix;
    uint32_t rows;
};

/* One line of UTF-8. Takes `text`. */
static char *
one_line(char *text)
{
    char *valid = g_utf8_make_valid(text, -1);

    for (char *c = valid; *c != '\0'; c++) {
        if (g_ascii_iscntrl(*c))
            *c = ' ';
    }
    g_free(text);
    return valid;
}

void
fab_import_clean_error(GError **error)
{
    if (error != NULL && *error != NULL)
        (*error)->message = one_line((*error)->message);
}

void
fab_import_remark(const FabImportOptions *options, const char *format, ...)
{
    g_autofree char *message = NULL;
    va_list arguments;

    va_start(arguments, format);
    message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    message = one_line(g_steal_pointer(&message));
    options->remark(options->data, message);
}

static void
clear_entry(gpointer data)
{
    Entry *entry = data;

    g_free(entry->key);
    g_free(entry->value);
}

FabDraft *
fab_draft_new(const char *header)
{
    FabDraft *draft = g_new0(FabDraft, 1);

    for (gsize i = 0; i < G_N_ELEMENTS(groups); i++) {
        draft->entries[i] = g_array_new(FALSE, TRUE, sizeof(Entry));
        g_array_set_clear_func(draft->entries[i], clear_entry);
    }
    draft->csv = g_string_new(header);
    g_string_append_c(draft->csv, '\n');
    draft->suffix = g_strdup("");
    return draft;
}

void
fab_draft_free(FabDraft *draft)
{
    if (draft == NULL)
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(groups); i++)
        g_array_unref(draft->entries[i]);
    g_string_free(draft->csv, TRUE);
    g_free(draft->suffix);
    g_free(draft);
}

static GArray *
find_group(const FabDraft *draft, const char *group)
{
    for (gsize i = 0; i < G_N_ELEMENTS(groups); i++) {
        if (strcmp(groups[i], group) == 0)
            return draft->entries[i];
    }
    g_return_val_if_reached(draft->entries[0]);
}

static Entry *
find_entry(const FabDraft *draft, const char *group, const char *key)
{
    GArray *entries = find_group(draft, group);

    for (guint i = 0; i < entries->len; i++) {
        Entry *entry = &g_array_index(entries, Entry, i);
        if (strcmp(entry->key, key) == 0)
            return entry;
    }
    return NULL;
}

static void
set_value(FabDraft *draft, const char *group, const char *key, char *value)
{
    Entry *entry = find_entry(draft, group, key);
    Entry new_entry = { .value = g_strstrip(g_strdelimit(one_line(value), "\\", '/')) }; /* no escapes of key files */

    if (new_entry.value[0] == '\0') {
        g_free(new_entry.value);
        return;
    }
    if (entry != NULL) {
        g_free(entry->value);
        entry->value = new_entry.value;
        return;
    }
    new_entry.key = g_strdup(key);
    g_array_append_val(find_group(draft, group), new_entry);
}

void
fab_draft_set(FabDraft *draft, const char *group, const char *key, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    set_value(draft, group, key, g_strdup_vprintf(format, arguments));
    va_end(arguments);
}

void
fab_draft_add(FabDraft *draft, const char *group, const char *key, const char *item)
{
    const char *old = fab_draft_get(draft, group, key);
    g_auto(GStrv) items = g_strsplit(old != NULL ? old : "", ";", -1);

    if (g_strv_contains((const char *const *)items, item))
        return;
    set_value(draft, group, key, old != NULL ? g_strdup_printf("%s;%s", old, item) : g_strdup(item));
}

const char *
fab_draft_get(const FabDraft *draft, const char *group, const char *key)
{
    const Entry *entry = find_entry(draft, group, key);

    return entry != NULL ? entry->value : NULL;
}

void
fab_draft_append(FabDraft *draft, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    g_string_append_vprintf(draft->csv, format, arguments);
    va_end(arguments);
    g_string_append_c(draft->csv, '\n');
    draft->rows++;
}

uint32_t
fab_draft_rows(const FabDraft *draft)
{
    return draft->rows;
}

void
fab_draft_set_suffix(FabDraft *draft, const char *suffix)
{
    g_free(draft->suffix);
    draft->suffix = g_strdup(suffix);
}

const char *
fab_draft_suffix(const FabDraft *draft)
{
    return draft->suffix;
}

char *
fab_draft_ini(const FabDraft *draft)
{
    GString *text = g_string_new(NULL);

    for (gsize i = 0; i < G_N_ELEMENTS(groups); i++) {
        if (draft->entries[i]->len == 0)
            continue;
        g_string_append_printf(text, "%s[%s]\n", text->len > 0 ? "\n" : "", groups[i]);
        for (guint j = 0; j < draft->entries[i]->len; j++) {
            const Entry *entry = &g_array_index(draft->entries[i], Entry, j);
            g_string_append_printf(text, "%s=%s\n", entry->key, entry->value);
        }
    }
    return g_string_free(text, FALSE);
}

const char *
fab_draft_csv(const FabDraft *draft)
{
    return draft->csv->str;
}

static bool
copy_rows(const FabDraft *draft, FabMeasurement *measurement, GError **error)
{
    g_auto(GStrv) lines = g_strsplit(draft->csv->str, "\n", -1);

    for (guint i = 1; lines[0] != NULL && lines[i] != NULL && lines[i][0] != '\0'; i++) {
        g_auto(GStrv) cells = g_strsplit(lines[i], ",", -1);
        if (!fab_measurement_add_row(measurement, (const char *const *)cells, error))
            return false;
    }
    return true;
}

FabMeasurement *
fab_draft_measurement(const FabDraft *draft, const char *id, GError **error)
{
    const char *name = fab_draft_get(draft, "source", "kind");
    FabMeasurementKind kind = 0;
    g_autoptr(FabMeasurement) measurement = NULL;

    while (kind < FAB_MEASUREMENT_KINDS && g_strcmp0(fab_measurement_kind_names[kind], name) != 0)
        kind++;
    measurement = fab_measurement_new(id, kind, error);
    for (gsize i = 0; measurement != NULL && i < G_N_ELEMENTS(groups); i++) {
        for (guint j = 0; j < draft->entries[i]->len; j++) {
            const Entry *entry = &g_array_index(draft->entries[i], Entry, j);
            if (!fab_measurement_set(measurement, groups[i], entry->key, entry->value, error))
                return NULL;
        }
    }
    if (measurement == NULL || !copy_rows(draft, measurement, error) || !fab_measurement_check(measurement, error))
        return NULL;
    return g_steal_pointer(&measurement);
}
