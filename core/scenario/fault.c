#include "scenario/fault.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/units.h"

enum { MOST_FAULTS = 256, MOST_CHIPS = 64 };

#define GROUP "fault"

const char *const fab_fault_kind_names[] = { "link-down", "link-rate", "nvswitch-plane", "switch-down", "nic-down",
                                             "slow-gpu", "jitter", NULL };

static const char *const keys[] = { "kind", "at", "rate", "chips", "factor", "delay", "spread", "seed",
                                    "start", "end", "detection", NULL };

/* Keys that belong to one kind. */
static const struct {
    const char *key;
    FabFaultKind kind;
} own_keys[] = {
    { "rate", FAB_FAULT_LINK_RATE }, { "chips", FAB_FAULT_NVSWITCH_PLANE }, { "factor", FAB_FAULT_SLOW_GPU },
    { "delay", FAB_FAULT_JITTER },   { "spread", FAB_FAULT_JITTER },          { "seed", FAB_FAULT_JITTER },
};

static void
fault_free(void *pointer)
{
    FabFault *fault = pointer;

    g_free(fault->name);
    g_free(fault->group);
    g_strfreev(fault->at);
    g_free(fault);
}

static bool
is_fault_group(const char *group)
{
    return strcmp(group, GROUP) == 0 || g_str_has_prefix(group, GROUP " ");
}

void
fab_faults_accept(FabKeyfile *file)
{
    g_auto(GStrv) groups = fab_keyfile_groups(file);

    for (guint k = 0; keys[k] != NULL; k++) {
        fab_keyfile_accept(file, GROUP, keys[k]); /* so that a misspelt group is told of it */
        for (guint i = 0; groups[i] != NULL; i++) {
            if (is_fault_group(groups[i]))
                fab_keyfile_accept(file, groups[i], keys[k]);
        }
    }
}

static bool
need(const FabKeyfile *file, const FabFault *fault, const char *what, GError **error)
{
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [%s] needs %s", fab_keyfile_path(file), fault->group, what);
    return false;
}

static bool
read_kind(FabKeyfile *file, FabFault *fault, GError **error)
{
    int kind = -1;

    if (!fab_keyfile_get_choice(file, fault->group, "kind", fab_fault_kind_names, &kind, error))
        return false;
    if (kind < 0) {
        g_autofree char *words = g_strjoinv(", ", (char **)fab_fault_kind_names);
        g_autofree char *what = g_strdup_printf("kind, one of %s", words);
        return need(file, fault, what, error);
    }
    fault->kind = (FabFaultKind)kind;
    for (gsize i = 0; i < G_N_ELEMENTS(own_keys); i++) {
        if (own_keys[i].kind == fault->kind || fab_keyfile_get(file, fault->group, own_keys[i].key) == NULL)
            continue;
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "belongs to kind=%s, here it is %s",
                    fab_fault_kind_names[own_keys[i].kind], fab_fault_kind_names[kind]);
        fab_keyfile_prefix_error(file, fault->group, own_keys[i].key, error);
        return false;
    }
    return true;
}

/* "Leaf 3, Node 0 NIC 5" as words without blanks around them. */
static bool
read_places(FabKeyfile *file, FabFault *fault, GError **error)
{
    static const char *const examples[] = { "Node 0 NIC 5 - Leaf 5", "Leaf 0 - Spine 1", "NVSwitch", "Leaf 3",
                                            "Node 0 NIC 5", "GPU 3", "GPU 3" };
    const char *text = fab_keyfile_get(file, fault->group, "at");
    g_auto(GStrv) parts = g_strsplit(text != NULL ? text : "", ",", -1);
    g_autoptr(GPtrArray) places = g_ptr_array_new_with_free_func(g_free);

    for (guint i = 0; parts[i] != NULL; i++) {
        if (g_strstrip(parts[i])[0] != '\0')
            g_ptr_array_add(places, g_strdup(parts[i]));
        else if (parts[1] != NULL) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [%s] at: \"%.60s\" has a comma with no name beside it; "
                        "leave the comma out", fab_keyfile_path(file), fault->group, text);
            return false;
        }
    }
    if (places->len == 0 && text == NULL && fault->kind == FAB_FAULT_JITTER)
        return true;
    if (places->len == 0) {
        g_autofree char *what = g_strdup_printf("at, where it is, as `fabricast topology show` names it: at=%s",
                                                examples[fault->kind]);
        return need(file, fault, what, error);
    }
    g_ptr_array_add(places, NULL);
    fault->at = (char **)g_ptr_array_free(g_steal_pointer(&places), FALSE);
    return true;
}

static bool
read_degree(FabKeyfile *file, FabFault *fault, GError **error)
{
    int64_t chips = 1;

    fault->rate = fault->factor = -1;
    if (!fab_keyfile_get_quantity(file, fault->group, "rate", "", 0.001, 0.999, &fault->rate, error) ||
        !fab_keyfile_get_quantity(file, fault->group, "factor", "", 1, 1000, &fault->factor, error) ||
        !fab_keyfile_get_integer(file, fault->group, "chips", 1, MOST_CHIPS, &chips, error))
        return false;
    fault->chips = (uint32_t)chips;
    if (fault->kind == FAB_FAULT_LINK_RATE && fault->rate < 0)
        return need(file, fault, "rate, the share of its rate that the link keeps: rate=0.5", error);
    if (fault->kind == FAB_FAULT_SLOW_GPU && fault->factor < 0)
        return need(file, fault, "factor, how many times as long kernels take: factor=1.2", error);
    return true;
}

static bool
read_jitter(FabKeyfile *file, FabFault *fault, GError **error)
{
    int64_t seed = 0;

    if (!fab_keyfile_get_quantity(file, fault->group, "delay", "s", 0, 10, &fault->delay_s, error) ||
        !fab_keyfile_get_quantity(file, fault->group, "spread", "", 0, 10, &fault->spread, error) ||
        !fab_keyfile_get_integer(file, fault->group, "seed", 0, UINT32_MAX, &seed, error))
        return false;
    fault->seed = (uint32_t)seed;
    if (fault->kind != FAB_FAULT_JITTER || fault->delay_s > 0 || fault->spread > 0)
        return true;
    return need(file, fault, "delay, by which kernels begin late on average (delay=20 us), or spread, of their clocks "
                "(spread=0.02)", error);
}

/* Whether nothing passes what has this fault. */
static bool
is_loss(const FabFault *fault)
{
    return fault->kind == FAB_FAULT_LINK_DOWN || fault->kind == FAB_FAULT_SWITCH_DOWN ||
           fault->kind == FAB_FAULT_NIC_DOWN;
}

static void
refuse_end(const FabKeyfile *file, const FabFault *fault, GError **error)
{
    g_autofree char *start = fab_format_time(fab_ps_from_seconds(fault->start_s));
    g_autofree char *end = fab_format_time(fab_ps_from_seconds(fault->end_s));

    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: [%s] end is %s, must be after start, %s",
                fab_keyfile_path(file), fault->group, end, start);
}

/* What is lost for ever and never noticed would be waited for without end. */
static bool
check_times(const FabKeyfile *file, const FabFault *fault, bool ends, GError **error)
{
    if (fault->timed && fault->kind == FAB_FAULT_JITTER)
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: [%s] has start or end, but jitter is drawn once for a call; leave them out",
                    fab_keyfile_path(file), fault->group);
    else if (fault->end_s <= fault->start_s)
        refuse_end(file, fault, error);
    else if (fault->detection_s >= 0 && (!is_loss(fault) || !fault->timed))
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: [%s] detection belongs to link-down, switch-down and nic-down with a start during the run",
                    fab_keyfile_path(file), fault->group);
    else if (fault->timed && is_loss(fault) && !ends && fault->detection_s < 0)
        return need(file, fault, "end, or detection, after which data goes round it: what it carries would wait for "
                    "ever", error);
    else
        return true;
    return false;
}

static bool
read_times(FabKeyfile *file, FabFault *fault, GError **error)
{
    double most = 1e6;
    bool ends = fab_keyfile_get(file, fault->group, "end") != NULL;

    fault->timed = ends || fab_keyfile_get(file, fault->group, "start") != NULL;
    fault->end_s = INFINITY;
    fault->detection_s = -1;
    return fab_keyfile_get_quantity(file, fault->group, "start", "s", 0, most, &fault->start_s, error) &&
           fab_keyfile_get_quantity(file, fault->group, "end", "s", 0, most, &fault->end_s, error) &&
           fab_keyfile_get_quantity(file, fault->group, "detection", "s", 0, most, &fault->detection_s, error) &&
           check_times(file, fault, ends, error);
}

static bool
read_fault(FabKeyfile *file, FabFault *fault, GError **error)
{
    return read_kind(file, fault, error) && read_places(file, fault, error) && read_degree(file, fault, error) &&
           read_jitter(file, fault, error) && read_times(file, fault, error);
}

GPtrArray *
fab_faults_read(FabKeyfile *file, GError **error)
{
    g_autoptr(GPtrArray) faults = g_ptr_array_new_with_free_func(fault_free);
    g_auto(GStrv) groups = fab_keyfile_groups(file);

    for (guint i = 0; groups[i] != NULL; i++) {
        FabFault *fault;
        if (!is_fault_group(groups[i]))
            continue;
        if (faults->len == MOST_FAULTS) {
            g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: has more than %d faults", fab_keyfile_path(file),
                        MOST_FAULTS);
            return NULL;
        }
        fault = g_new0(FabFault, 1);
        g_ptr_array_add(faults, fault);
        fault->group = g_strdup(groups[i]);
        fault->name = g_strstrip(g_strdup(groups[i][strlen(GROUP)] != '\0' ? groups[i] + strlen(GROUP) : GROUP));
        if (!read_fault(file, fault, error))
            return NULL;
    }
    return g_steal_pointer(&faults);
}

static void
describe_time(GString *text, const char *before, double seconds)
{
    g_autofree char *time = fab_format_time(fab_ps_from_seconds(seconds));

    g_string_append_printf(text, "%s%s", before, time);
}

static void
describe_times(GString *text, const FabFault *fault)
{
    if (!fault->timed)
        return;
    describe_time(text, ", from ", fault->start_s);
    if (isfinite(fault->end_s))
        describe_time(text, " to ", fault->end_s);
    if (fault->detection_s >= 0)
        describe_time(text, ", gone round after ", fault->detection_s);
}

char *
fab_fault_describe(const FabFault *fault)
{
    GString *text = g_string_new(fab_fault_kind_names[fault->kind]);
    g_autofree char *places = fault->at != NULL ? g_strjoinv(", ", fault->at) : NULL;
    char number[G_ASCII_DTOSTR_BUF_SIZE];

    if (places != NULL)
        g_string_append_printf(text, " at %s", places);
    if (fault->kind == FAB_FAULT_LINK_RATE)
        g_string_append_printf(text, ", %s %% left", g_ascii_formatd(number, sizeof number, "%.4g", fault->rate * 100));
    if (fault->kind == FAB_FAULT_NVSWITCH_PLANE)
        g_string_append_printf(text, ", %u chip%s", fault->chips, fab_plural(fault->chips));
    if (fault->kind == FAB_FAULT_SLOW_GPU)
        g_string_append_printf(text, ", %s times as long", g_ascii_formatd(number, sizeof number, "%.4g",
                                                                         fault->factor));
    if (fault->delay_s > 0)
        describe_time(text, ", late by ", fault->delay_s);
    if (fault->spread > 0)
        g_string_append_printf(text, ", slower by %s %%",
                               g_ascii_formatd(number, sizeof number, "%.4g", fault->spread * 100));
    if (fault->kind == FAB_FAULT_JITTER)
        g_string_append_printf(text, ", seed %u", fault->seed);
    describe_times(text, fault);
    return g_string_free(text, FALSE);
}
