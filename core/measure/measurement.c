#include "measure/measurement.h"

#include <glib/gstdio.h>
#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/keyfile.h"
#include "measure/schema.h"
#include "measure/table.h"

/* Groups in the order in which they are written. */
static const char *const groups[] = { "source", "system", "overrides", "run", "quality", NULL };

static void
free_fact(gpointer data)
{
    FabFact *fact = data;

    g_free(fact->group);
    g_free(fact->key);
    g_free(fact->value);
    g_free(fact);
}

static FabMeasurement *
measurement_new(const char *path, const char *id)
{
    FabMeasurement *measurement = g_new0(FabMeasurement, 1);

    measurement->path = g_strdup(path);
    measurement->id = g_strdup(id);
    measurement->facts = g_ptr_array_new_with_free_func(free_fact);
    measurement->rows = g_ptr_array_new_with_free_func((GDestroyNotify)g_strfreev);
    return measurement;
}

void
fab_measurement_free(FabMeasurement *measurement)
{
    if (measurement == NULL)
        return;
    g_clear_pointer(&measurement->facts, g_ptr_array_unref);
    g_clear_pointer(&measurement->rows, g_ptr_array_unref);
    g_free(measurement->path);
    g_free(measurement->id);
    g_free(measurement);
}

FabMeasurement *
fab_measurement_new(const char *id, FabMeasurementKind kind, GError **error)
{
    g_autoptr(FabMeasurement) measurement = measurement_new(id, id);

    if (!fab_measurement_is_id(id)) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "\"%.60s\" is not an id of a measurement, must be lower-case letters, digits, dashes and points",
                    id);
        return NULL;
    }
    measurement->kind = kind;
    if (!fab_measurement_set(measurement, "source", "kind", fab_measurement_kind_names[kind], error))
        return NULL;
    return g_steal_pointer(&measurement);
}

/* ------------------------------------------------------------------ facts */

static bool
find_fact(const FabMeasurement *measurement, const char *group, const char *key, guint *index)
{
    for (*index = 0; *index < measurement->facts->len; (*index)++) {
        const FabFact *fact = measurement->facts->pdata[*index];
        if (strcmp(fact->group, group) == 0 && strcmp(fact->key, key) == 0)
            return true;
    }
    return false;
}

const char *
fab_measurement_get(const FabMeasurement *measurement, const char *group, const char *key)
{
    guint index;

    return find_fact(measurement, group, key, &index) ? ((FabFact *)measurement->facts->pdata[index])->value : NULL;
}

int64_t
fab_measurement_integer(const FabMeasurement *measurement, const char *group, const char *key, int64_t fallback)
{
    const char *value = fab_measurement_get(measurement, group, key);

    return value != NULL ? g_ascii_strtoll(value, NULL, 10) : fallback;
}

char *
fab_measurement_environment(const FabMeasurement *measurement, const char *name)
{
    const char *env = fab_measurement_get(measurement, "run", "env");
    g_auto(GStrv) settings = g_strsplit(env != NULL ? env : "", ";", -1);
    size_t length = strlen(name);

    for (guint i = 0; settings[i] != NULL; i++) {
        if (strncmp(settings[i], name, length) == 0 && settings[i][length] == '=')
            return g_strdup(settings[i] + length + 1);
    }
    return NULL;
}

/* Known groups, or known keys of a group, for suggestions. Owned by the caller, the texts are not. */
static const char **
known_keys(const char *group)
{
    GPtrArray *keys = g_ptr_array_new();

    for (const FabFactSpec *spec = fab_fact_specs; spec->group != NULL; spec++) {
        if (strcmp(spec->group, group) == 0)
            g_ptr_array_add(keys, (char *)spec->key);
    }
    g_ptr_array_add(keys, NULL);
    return (const char **)g_ptr_array_free(keys, FALSE);
}

static bool
refuse_unknown(const FabMeasurement *measurement, const char *group, const char *key, GError **error)
{
    bool known = g_strv_contains(groups, group);
    g_autofree const char **keys = known_keys(group);
    g_autofree char *suggestion = fab_suggestion(known ? key : group, known ? keys : groups);

    if (known)
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [%s] unknown key %.60s%s", measurement->path, group, key,
                    suggestion);
    else
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: unknown group [%.60s]%s", measurement->path, group,
                    suggestion);
    return false;
}

bool
fab_measurement_set(FabMeasurement *measurement, const char *group, const char *key, const char *value, GError **error)
{
    const FabFactSpec *spec = fab_fact_find(group, key);
    guint index;
    bool there = find_fact(measurement, group, key, &index);
    FabFact *fact;

    if (spec == NULL)
        return refuse_unknown(measurement, group, key, error);
    if (value == NULL) {
        if (there)
            g_ptr_array_remove_index(measurement->facts, index);
        return true;
    }
    if (!fab_fact_check(spec, value, error)) {
        g_prefix_error(error, "%s: [%s] %s ", measurement->path, group, key);
        return false;
    }
    if (there) {
        fact = measurement->facts->pdata[index];
        g_free(fact->value);
        fact->value = g_strdup(value);
        return true;
    }
    fact = g_new(FabFact, 1);
    *fact = (FabFact) { g_strdup(group), g_strdup(key), g_strdup(value) };
    g_ptr_array_add(measurement->facts, fact);
    return true;
}

bool
fab_measurement_check(const FabMeasurement *measurement, GError **error)
{
    bool collective = measurement->kind == FAB_MEASUREMENT_COLLECTIVE;

    for (const FabFactSpec *spec = fab_fact_specs; spec->group != NULL; spec++) {
        bool needed = spec->required || (collective && (strcmp(spec->key, "collective") == 0 ||
                                                        strcmp(spec->key, "ranks") == 0));
        if (!needed || fab_measurement_get(measurement, spec->group, spec->key) != NULL)
            continue;
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [%s] %s is missing, every measurement%s has it",
                    measurement->path, spec->group, spec->key, spec->required ? "" : " of a collective");
        return false;
    }
    return true;
}

/* ------------------------------------------------------------------ rows */

/* A row of a collective without time and without bandwidth says nothing. */
static bool
check_row(FabMeasurementKind kind, const char *const *cells, GError **error)
{
    const FabColumnSpec *specs = fab_measurement_column_specs(kind);
    guint count = g_strv_length((char **)cells), wanted = 0;

    while (specs[wanted].name != NULL)
        wanted++;
    if (count != wanted) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "has %u cells, must have %u", count, wanted);
        return false;
    }
    for (guint i = 0; i < count; i++) {
        if (!fab_cell_check(&specs[i], cells[i], error))
            return false;
    }
    if (kind == FAB_MEASUREMENT_COLLECTIVE && cells[FAB_COLLECTIVE_TIME][0] == '\0' &&
        cells[FAB_COLLECTIVE_BUSBW][0] == '\0') {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "time_us and busbw_GBps are empty, one of them must be there");
        return false;
    }
    return true;
}

bool
fab_measurement_add_row(FabMeasurement *measurement, const char *const *cells, GError **error)
{
    if (!check_row(measurement->kind, cells, error)) {
        g_prefix_error(error, "%s: row %u: ", measurement->path, measurement->rows->len + 1);
        return false;
    }
    g_ptr_array_add(measurement->rows, g_strdupv((char **)cells));
    return true;
}

const char *
fab_measurement_text(const FabMeasurement *measurement, guint row, guint column)
{
    return ((char **)measurement->rows->pdata[row])[column];
}

double
fab_measurement_number(const FabMeasurement *measurement, guint row, guint column)
{
    const char *cell = fab_measurement_text(measurement, row, column);

    return cell[0] != '\0' ? g_ascii_strtod(cell, NULL) : NAN;
}

/* ------------------------------------------------------------------ reading */

/* "folder/a.ini" to "a"; NULL with an error for a name that is no id. */
static char *
id_of_path(const char *path, GError **error)
{
    g_autofree char *name = g_path_get_basename(path);

    if (!g_str_has_suffix(name, ".ini")) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_FILE,
                    "%s: is not the key file of a measurement, its name must end in .ini", path);
        return NULL;
    }
    name[strlen(name) - strlen(".ini")] = '\0';
    if (!fab_measurement_is_id(name)) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: the name of a measurement must be lower-case letters, digits, dashes and points", path);
        return NULL;
    }
    return g_steal_pointer(&name);
}

static bool
read_facts(FabMeasurement *measurement, GError **error)
{
    g_autofree char *text = fab_measure_read_text(measurement->path, error);
    g_autoptr(FabKeyfile) file = text != NULL ? fab_keyfile_parse(measurement->path, text, error) : NULL;
    g_auto(GStrv) names = NULL;
    int kind = 0;

    if (file == NULL)
        return false;
    names = fab_keyfile_groups(file);
    for (guint i = 0; names[i] != NULL; i++) {
        g_auto(GStrv) keys = fab_keyfile_keys(file, names[i]);
        if (!g_strv_contains(groups, names[i]))
            return refuse_unknown(measurement, names[i], "", error);
        for (guint j = 0; keys[j] != NULL; j++) {
            const char *value = fab_keyfile_get(file, names[i], keys[j]);
            if (!fab_measurement_set(measurement, names[i], keys[j], value, error))
                return false;
        }
    }
    if (!fab_keyfile_get_choice(file, "source", "kind", fab_measurement_kind_names, &kind, error))
        return false;
    measurement->kind = (FabMeasurementKind)kind;
    return fab_measurement_check(measurement, error);
}

static bool
check_header(const FabMeasurement *measurement, const char *path, char **cells, GError **error)
{
    const char *const *columns = fab_measurement_columns(measurement->kind);
    g_autofree char *found = g_strjoinv(",", cells);
    g_autofree char *right = g_strjoinv(",", (char **)columns);

    if (strcmp(found, right) == 0)
        return true;
    for (guint i = 0; cells[i] != NULL; i++) {
        if (!g_strv_contains(columns, cells[i])) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX,
                        "%s: line 1: unknown column \"%.60s\", the header of kind %s is %s", path, cells[i],
                        fab_measurement_kind_names[measurement->kind], right);
            return false;
        }
    }
    g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: line 1: the columns are %.200s, of kind %s they must be %s",
                path, found, fab_measurement_kind_names[measurement->kind], right);
    return false;
}

/* The table beside the key file. */
static char *
table_path(const char *folder, const char *id)
{
    g_autofree char *name = g_strconcat(id, ".csv", NULL);

    return g_build_filename(folder, name, NULL);
}

static bool
read_rows(FabMeasurement *measurement, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(measurement->path);
    g_autofree char *path = table_path(folder, measurement->id);
    g_autofree char *text = NULL;
    g_autoptr(GPtrArray) rows = NULL;

    if (!g_file_test(path, G_FILE_TEST_EXISTS)) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "%s: no such file, the table of %s must lie beside it", path,
                    measurement->path);
        return false;
    }
    text = fab_measure_read_text(path, error);
    rows = text != NULL ? fab_measure_parse_table(path, text, error) : NULL;
    if (rows == NULL || !check_header(measurement, path, ((FabTableRow *)rows->pdata[0])->cells, error))
        return false;
    for (guint i = 1; i < rows->len; i++) {
        FabTableRow *row = rows->pdata[i];
        if (!check_row(measurement->kind, (const char *const *)row->cells, error)) {
            g_prefix_error(error, "%s: line %u: ", path, row->line);
            return false;
        }
        g_ptr_array_add(measurement->rows, g_steal_pointer(&row->cells));
    }
    if (measurement->rows->len == 0)
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: has a header and no rows, a measurement has at least one",
                    path);
    return measurement->rows->len > 0;
}

FabMeasurement *
fab_measurement_load(const char *path, GError **error)
{
    g_autofree char *id = id_of_path(path, error);
    g_autoptr(FabMeasurement) measurement = id != NULL ? measurement_new(path, id) : NULL;

    if (measurement == NULL || !read_facts(measurement, error) || !read_rows(measurement, error))
        return NULL;
    return g_steal_pointer(&measurement);
}

/* ------------------------------------------------------------------ writing */

static char *
format_facts(const FabMeasurement *measurement)
{
    GString *text = g_string_new(NULL);

    for (guint g = 0; groups[g] != NULL; g++) {
        bool open = false;
        for (guint i = 0; i < measurement->facts->len; i++) {
            const FabFact *fact = measurement->facts->pdata[i];
            if (strcmp(fact->group, groups[g]) != 0)
                continue;
            if (!open)
                g_string_append_printf(text, "%s[%s]\n", text->len > 0 ? "\n" : "", groups[g]);
            open = true;
            g_string_append_printf(text, "%s=%s\n", fact->key, fact->value);
        }
    }
    return g_string_free(text, FALSE);
}

static char *
format_rows(const FabMeasurement *measurement)
{
    GString *text = g_string_new(NULL);

    fab_measure_append_row(text, fab_measurement_columns(measurement->kind));
    for (guint i = 0; i < measurement->rows->len; i++)
        fab_measure_append_row(text, measurement->rows->pdata[i]);
    return g_string_free(text, FALSE);
}

bool
fab_measurement_write(const FabMeasurement *measurement, const char *folder, GError **error)
{
    g_autofree char *facts = format_facts(measurement);
    g_autofree char *rows = format_rows(measurement);
    g_autofree char *table = table_path(folder, measurement->id);
    g_autofree char *name = g_strconcat(measurement->id, ".ini", NULL);
    g_autofree char *path = g_build_filename(folder, name, NULL);
    bool replaces = g_file_test(table, G_FILE_TEST_EXISTS);

    if (!fab_measurement_check(measurement, error) || !fab_file_check_unread(table, error) ||
        !fab_file_check_unread(path, error) || !fab_file_write(table, rows, strlen(rows), error))
        return false;
    if (fab_file_write(path, facts, strlen(facts), error))
        return true;
    if (!replaces)
        g_unlink(table);
    return false;
}

/* ------------------------------------------------------------------ folders */

char **
fab_measurement_list(const char *folder, GError **error)
{
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    GPtrArray *names = g_ptr_array_new();

    if (dir == NULL) {
        g_ptr_array_free(names, TRUE);
        g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "%s: no such folder, or it cannot be read", folder);
        return NULL;
    }
    for (const char *name = g_dir_read_name(dir); name != NULL; name = g_dir_read_name(dir)) {
        if (g_str_has_suffix(name, ".ini"))
            g_ptr_array_add(names, g_strndup(name, strlen(name) - strlen(".ini")));
    }
    g_ptr_array_sort(names, fab_compare_strings);
    g_ptr_array_add(names, NULL);
    return (char **)g_ptr_array_free(names, FALSE);
}
