#include "base/keyfile.h"

#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/units.h"

enum { MAX_BYTES = 64 << 20 };

struct FabKeyfile {
    char *path;
    GKeyFile *keys;
    GHashTable *known;  /* "group\nkey", and "group\n" for a group whose keys are free */
    GHashTable *replaced; /* "group\nkey" of values that fab_keyfile_set() gave */
    GPtrArray *values;  /* texts lent to callers */
};

static char *
known_id(const char *group, const char *key)
{
    return g_strdup_printf("%s\n%s", group, key);
}

/* GKeyFile merges duplicates silently, so they are looked for before it reads the text. */
static bool
check_duplicates(const char *path, const char *text, GError **error)
{
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_autofree char *group = g_strdup("");

    for (guint i = 0; lines[i] != NULL; i++) {
        g_autofree char *id = NULL;
        char *line = g_strstrip(lines[i]);
        char *mark = line[0] == '[' ? strchr(line, ']') : strchr(line, '=');

        if (line[0] == '#' || mark == NULL || mark == line)
            continue;
        *mark = '\0';
        if (line[0] == '[') {
            g_free(group);
            group = g_strdup(line + 1);
            id = known_id(group, "");
        } else {
            id = known_id(group, g_strchomp(line));
        }
        if (!g_hash_table_add(seen, g_steal_pointer(&id))) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: line %u: %s %s appears twice%s%s%s", path, i + 1,
                        line[0] == '[' ? "group" : "key", line[0] == '[' ? line + 1 : line,
                        line[0] == '[' ? "" : " in [", line[0] == '[' ? "" : group, line[0] == '[' ? "" : "]");
            return false;
        }
    }
    return true;
}

/* GLib's message quotes the line, however long, and does not number it. */
static void
explain_syntax(const char *path, const char *text, const GError *inner, GError **error)
{
    bool in_group = false;
    guint number = 0;

    while (text != NULL && text[0] != '\0') {
        size_t blank = strspn(text, " \t\r"), length = strcspn(text + blank, "\r\n");
        const char *line = text + blank, *mark = memchr(line, line[0] == '[' ? ']' : '=', length);

        number++;
        in_group = in_group || (line[0] == '[' && mark != NULL);
        if (length > 0 && line[0] != '#' && (mark == NULL || mark == line || !in_group)) {
            g_autofree char *shown = g_utf8_make_valid(line, (gssize)MIN(length, 60));
            g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: is not a key file: line %u, \"%s\", %s", path, number,
                        shown, mark == NULL || mark == line ? "is none of [group], key=value and # comment"
                                                            : "stands before the first [group]");
            return;
        }
        text = strchr(line, '\n');
        text = text != NULL ? text + 1 : NULL;
    }
    g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: is not a key file: %.200s", path, inner->message);
}

FabKeyfile *
fab_keyfile_parse(const char *path, const char *text, GError **error)
{
    g_autoptr(FabKeyfile) file = g_new0(FabKeyfile, 1);
    g_autoptr(GError) inner = NULL;

    file->path = g_strdup(path);
    file->keys = g_key_file_new();
    file->known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    file->replaced = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    file->values = g_ptr_array_new_with_free_func(g_free);
    if (!g_utf8_validate(text, -1, NULL)) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: is not UTF-8 text", path);
        return NULL;
    }
    if (!check_duplicates(path, text, error))
        return NULL;
    if (text[0] != '\0' && !g_key_file_load_from_data(file->keys, text, strlen(text), G_KEY_FILE_NONE, &inner)) {
        explain_syntax(path, text, inner, error);
        return NULL;
    }
    return g_steal_pointer(&file);
}

FabKeyfile *
fab_keyfile_load(const char *path, GError **error)
{
    gsize length = 0;
    g_autofree char *text = fab_file_read(path, "a file", MAX_BYTES, &length, error);

    if (text == NULL)
        return NULL;
    if (memchr(text, '\0', length) != NULL) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: holds a zero byte, so it is not a key file", path);
        return NULL;
    }
    /* Some editors put a byte order mark in front. */
    return fab_keyfile_parse(path, g_str_has_prefix(text, "\xef\xbb\xbf") ? text + 3 : text, error);
}

void
fab_keyfile_free(FabKeyfile *file)
{
    if (file == NULL)
        return;
    g_clear_pointer(&file->keys, g_key_file_free);
    g_clear_pointer(&file->known, g_hash_table_destroy);
    g_clear_pointer(&file->replaced, g_hash_table_destroy);
    g_clear_pointer(&file->values, g_ptr_array_unref);
    g_free(file->path);
    g_free(file);
}

const char *
fab_keyfile_path(const FabKeyfile *file)
{
    return file->path;
}

bool
fab_keyfile_has_group(const FabKeyfile *file, const char *group)
{
    return g_key_file_has_group(file->keys, group);
}

char **
fab_keyfile_keys(const FabKeyfile *file, const char *group)
{
    char **keys = g_key_file_get_keys(file->keys, group, NULL, NULL);

    return keys != NULL ? keys : g_new0(char *, 1);
}

char **
fab_keyfile_groups(const FabKeyfile *file)
{
    return g_key_file_get_groups(file->keys, NULL);
}

void
fab_keyfile_accept(FabKeyfile *file, const char *group, const char *key)
{
    g_hash_table_add(file->known, known_id(group, key));
}

void
fab_keyfile_accept_group(FabKeyfile *file, const char *group)
{
    g_hash_table_add(file->known, known_id(group, ""));
}

const char *
fab_keyfile_get(FabKeyfile *file, const char *group, const char *key)
{
    char *value = g_key_file_get_value(file->keys, group, key, NULL);

    fab_keyfile_accept(file, group, key);
    if (value == NULL)
        return NULL;
    g_strstrip(value);
    g_ptr_array_add(file->values, value);
    return value;
}

void
fab_keyfile_set(FabKeyfile *file, const char *group, const char *key, const char *value)
{
    g_key_file_set_value(file->keys, group, key, value);
    g_hash_table_add(file->replaced, known_id(group, key));
}

char *
fab_keyfile_text(const FabKeyfile *file)
{
    return g_key_file_to_data(file->keys, NULL, NULL);
}

/* Who gave a value: the file or the command line. */
static const char *
origin_of(const FabKeyfile *file, const char *group, const char *key)
{
    g_autofree char *id = known_id(group, key);

    return g_hash_table_contains(file->replaced, id) ? "command line" : file->path;
}

void
fab_keyfile_prefix_error(const FabKeyfile *file, const char *group, const char *key, GError **error)
{
    g_prefix_error(error, "%s: [%s] %s: ", origin_of(file, group, key), group, key);
}

bool
fab_keyfile_get_integer(FabKeyfile *file, const char *group, const char *key, int64_t min, int64_t max, int64_t *value,
                        GError **error)
{
    const char *text = fab_keyfile_get(file, group, key);
    int64_t number;

    if (text == NULL)
        return true;
    if (!fab_parse_integer(text, &number, error)) {
        fab_keyfile_prefix_error(file, group, key, error);
        return false;
    }
    if (number < min || number > max) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: [%s] %s is %" G_GINT64_FORMAT ", must be between %" G_GINT64_FORMAT " and %" G_GINT64_FORMAT,
                    origin_of(file, group, key), group, key, number, min, max);
        return false;
    }
    *value = number;
    return true;
}

bool
fab_keyfile_get_quantity(FabKeyfile *file, const char *group, const char *key, const char *unit, double min, double max,
                         double *value, GError **error)
{
    const char *text = fab_keyfile_get(file, group, key);
    double number;

    if (text == NULL)
        return true;
    if (!fab_parse_quantity(text, unit, &number, error)) {
        fab_keyfile_prefix_error(file, group, key, error);
        return false;
    }
    if (!(number >= min && number <= max)) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [%s] %s is %s, must be between %g and %g%s%s",
                    origin_of(file, group, key), group, key, text, min, max, unit[0] == '\0' ? "" : " ", unit);
        return false;
    }
    *value = number;
    return true;
}

bool
fab_keyfile_get_boolean(FabKeyfile *file, const char *group, const char *key, bool *value, GError **error)
{
    const char *text = fab_keyfile_get(file, group, key);

    if (text == NULL || fab_parse_boolean(text, value, error))
        return true;
    fab_keyfile_prefix_error(file, group, key, error);
    return false;
}

bool
fab_keyfile_get_choice(FabKeyfile *file, const char *group, const char *key, const char *const *choices, int *value,
                       GError **error)
{
    const char *text = fab_keyfile_get(file, group, key);
    g_autofree char *suggestion = NULL;

    if (text == NULL)
        return true;
    for (int i = 0; choices[i] != NULL; i++) {
        if (g_ascii_strcasecmp(text, choices[i]) == 0) {
            *value = i;
            return true;
        }
    }
    suggestion = fab_suggestion(text, choices);
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [%s] %s is \"%.60s\", which is not known%s",
                origin_of(file, group, key), group, key, text, suggestion);
    return false;
}

/* The known words of one level: groups (group NULL) or keys of a group. NULL-terminated, owned by the caller. */
static char **
known_words(const FabKeyfile *file, const char *group)
{
    g_autoptr(GHashTable) words = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, NULL);
    GPtrArray *list = g_ptr_array_new();
    GHashTableIter iter;
    gpointer id;

    g_hash_table_iter_init(&iter, file->known);
    while (g_hash_table_iter_next(&iter, &id, NULL)) {
        g_auto(GStrv) parts = g_strsplit(id, "\n", 2);
        const char *word = group == NULL ? parts[0] : parts[1];
        if (group != NULL && (strcmp(parts[0], group) != 0 || word[0] == '\0'))
            continue;
        if (!g_hash_table_contains(words, word)) {
            char *copy = g_strdup(word);
            g_hash_table_add(words, copy);
            g_ptr_array_add(list, copy);
        }
    }
    g_ptr_array_sort(list, fab_compare_strings);
    g_ptr_array_add(list, NULL);
    return (char **)g_ptr_array_free(list, FALSE);
}

/* A group that only fab_keyfile_set() filled was given on the command line. */
static const char *
group_origin(const FabKeyfile *file, const char *group)
{
    g_auto(GStrv) keys = fab_keyfile_keys(file, group);
    const char *origin = file->path;

    for (guint i = 0; keys[i] != NULL; i++) {
        origin = origin_of(file, group, keys[i]);
        if (origin == file->path)
            break;
    }
    return origin;
}

static bool
refuse_unknown(const FabKeyfile *file, const char *group, const char *key, GError **error)
{
    g_auto(GStrv) words = known_words(file, key == NULL ? NULL : group);
    g_autofree char *suggestion = fab_suggestion(key == NULL ? group : key, (const char *const *)words);

    if (key == NULL)
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: unknown group [%.60s]%s", group_origin(file, group), group,
                    suggestion);
    else
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [%s] unknown key %.60s%s",
                    origin_of(file, group, key), group, key, suggestion);
    return false;
}

bool
fab_keyfile_finish(const FabKeyfile *file, GError **error)
{
    g_auto(GStrv) groups = fab_keyfile_groups(file);

    for (guint i = 0; groups[i] != NULL; i++) {
        g_auto(GStrv) keys = fab_keyfile_keys(file, groups[i]);
        g_autofree char *free_group = known_id(groups[i], "");
        g_auto(GStrv) known = known_words(file, groups[i]);

        if (g_hash_table_contains(file->known, free_group))
            continue;
        if (known[0] == NULL)
            return refuse_unknown(file, groups[i], NULL, error);
        for (guint j = 0; keys[j] != NULL; j++) {
            if (!g_strv_contains((const char *const *)known, keys[j]))
                return refuse_unknown(file, groups[i], keys[j], error);
        }
    }
    return true;
}
