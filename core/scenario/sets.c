#include "scenario/sets.h"

#include <string.h>

#include "base/error.h"
#include "scenario/training.h"

/* Groups of which a scenario has one; the last is that of a scenario that says nothing. */
static const char *const what_runs[] = { "transfer", "training", "inference", "pipeline", "trace", "collective", NULL };

static bool
is_word(const char *text)
{
    return text[0] != '\0' && strspn(text, G_CSET_a_2_z G_CSET_A_2_Z G_CSET_DIGITS "_-") == strlen(text);
}

/* Parameters of a cluster's nodes have a point of their own: node.gpu. */
static bool
is_key(const char *group, const char *text)
{
    g_auto(GStrv) words = g_strsplit(text, ".", 2);

    return g_strv_length(words) == 2 && strcmp(group, "topology") == 0 ? is_word(words[0]) && is_word(words[1])
                                                                            : is_word(text);
}

/* A fault may have a name: "fault uplink". */
static bool
is_group(const char *text)
{
    return is_word(g_str_has_prefix(text, "fault ") ? text + strlen("fault ") : text);
}

/* What the scenario runs; of a step on many GPUs model and layout have groups of their own. */
static const char *
find_group(const FabKeyfile *file, const char *key)
{
    guint i = 0;

    while (what_runs[i + 1] != NULL && !fab_keyfile_has_group(file, what_runs[i]))
        i++;
    if (strcmp(what_runs[i], "training") == 0 || strcmp(what_runs[i], "inference") == 0)
        return fab_training_group(what_runs[i], key);
    return what_runs[i];
}

/* "group.key=value"; without a group the key belongs to what the scenario runs: these only where `all` are wanted. */
static bool
apply_set(FabKeyfile *file, const char *set, bool all, GError **error)
{
    g_auto(GStrv) sides = g_strsplit(set, "=", 2);
    g_auto(GStrv) words = g_strsplit(sides[0] != NULL ? sides[0] : "", ".", 2);
    bool grouped = g_strv_length(words) == 2;

    if (!g_utf8_validate(set, -1, NULL) || g_strv_length(sides) != 2 || words[0] == NULL ||
        !(grouped ? is_group(words[0]) : is_word(words[0])) ||
        (grouped && !is_key(words[0], words[1]))) {
        g_autofree char *shown = g_utf8_make_valid(set, -1);
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: \"%.60s\" is not group.key=value", shown);
        return false;
    }
    if (grouped || all)
        fab_keyfile_set(file, grouped ? words[0] : find_group(file, words[0]), words[grouped ? 1 : 0], sides[1]);
    return true;
}

/* Groups first: which of them is there decides whose a key without one is. Then all in order, so that the last wins. */
bool
fab_scenario_apply_sets(FabKeyfile *file, char *const *sets, GError **error)
{
    for (int all = 0; all <= 1; all++) {
        for (guint i = 0; sets != NULL && sets[i] != NULL; i++) {
            if (!apply_set(file, sets[i], all != 0, error))
                return false;
        }
    }
    return true;
}

/* Whether two keys mean the same; one without a group is of any group that a scenario may run. */
static bool
is_same_key(const char *a, const char *b)
{
    const char *dot_a = strchr(a, '.'), *dot_b = strchr(b, '.');
    const char *grouped = dot_a != NULL ? a : b;
    g_autofree char *group = NULL;

    if ((dot_a != NULL) == (dot_b != NULL))
        return strcmp(a, b) == 0;
    group = g_strndup(grouped, (gsize)((dot_a != NULL ? dot_a : dot_b) - grouped));
    return strcmp(dot_a != NULL ? dot_a + 1 : a, dot_b != NULL ? dot_b + 1 : b) == 0 &&
           (g_strv_contains(what_runs, group) ||
            strcmp(group, fab_training_group("training", dot_a != NULL ? b : a)) == 0);
}

bool
fab_scenario_refuse_set(char *const *sets, const char *key, const char *by, GError **error)
{
    for (guint i = 0; sets != NULL && sets[i] != NULL; i++) {
        g_autofree char *set = g_strndup(sets[i], strcspn(sets[i], "="));
        if (!is_same_key(set, key))
            continue;
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: --set %.60s: %s is varied by %s, leave one out",
                    sets[i], key, by);
        return false;
    }
    return true;
}
