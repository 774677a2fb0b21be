#include "scenario/sets.h"

#include <string.h>

#include "base/error.h"

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

/* "group.key=value"; without a group the key belongs to what the scenario runs. */
static bool
apply_set(FabKeyfile *file, const char *set, bool with_group, GError **error)
{
    g_auto(GStrv) sides = g_strsplit(set, "=", 2);
    g_auto(GStrv) words = g_strsplit(sides[0] != NULL ? sides[0] : "", ".", 2);
    bool grouped = g_strv_length(words) == 2;
    const char *group = fab_keyfile_has_group(file, "transfer")    ? "transfer"
                        : fab_keyfile_has_group(file, "training")  ? "training"
                        : fab_keyfile_has_group(file, "inference") ? "inference"
                        : fab_keyfile_has_group(file, "pipeline")  ? "pipeline"
                        : fab_keyfile_has_group(file, "trace")     ? "trace"
                                                                       : "collective";

    if (!g_utf8_validate(set, -1, NULL) || g_strv_length(sides) != 2 || words[0] == NULL ||
        !(grouped ? is_group(words[0]) : is_word(words[0])) ||
        (grouped && !is_key(words[0], words[1]))) {
        g_autofree char *shown = g_utf8_make_valid(set, -1);
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "command line: \"%.60s\" is not group.key=value", shown);
        return false;
    }
    if (grouped == with_group)
        fab_keyfile_set(file, grouped ? words[0] : group, words[grouped ? 1 : 0], sides[1]);
    return true;
}

bool
fab_scenario_apply_sets(FabKeyfile *file, char *const *sets, GError **error)
{
    for (int with_group = 1; with_group >= 0; with_group--) {
        for (guint i = 0; sets != NULL && sets[i] != NULL; i++) {
            if (!apply_set(file, sets[i], with_group != 0, error))
                return false;
        }
    }
    return true;
}
