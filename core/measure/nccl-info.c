/* What NCCL prints with NCCL_DEBUG=INFO, as far as a measurement can use it. */
#include <string.h>

#include "measure/import-nccl-tests.h"

enum { MAX_NOTES = 48, NOTE_BYTES = 600 };

static void
add_note(FabNcclRun *run, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void
add_note(FabNcclRun *run, const char *format, ...)
{
    g_autofree char *note = NULL;
    va_list arguments;

    va_start(arguments, format);
    note = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_strdelimit(note, ";", ',');
    if (run->notes->len < MAX_NOTES && strlen(note) < NOTE_BYTES)
        fab_nccl_add_name(run->notes, note);
}

/* "NCCL version 2.19.3+cuda12.3" */
static void
read_version(FabNcclRun *run, const char *text)
{
    const char *version = text + strspn(text, " "), *cuda = strstr(version, "+cuda");
    size_t length = strspn(version, "0123456789.");

    if (length >= 3 && run->nccl_version == NULL)
        run->nccl_version = g_strndup(version, length);
    if (cuda == version + length && run->cuda_version == NULL) {
        length = strspn(cuda + 5, "0123456789.");
        if (length > 0)
            run->cuda_version = g_strndup(cuda + 5, length);
    }
}

/* "NCCL_ALGO set by environment to Ring." */
static bool
read_setting(FabNcclRun *run, const char *text)
{
    static const char marker[] = " set by environment to ";
    const char *at = strstr(text, marker), *value = at != NULL ? at + strlen(marker) : NULL;
    size_t name = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");
    g_autofree char *setting = NULL;

    if (at == NULL || text + name != at || strchr(value, ';') != NULL)
        return at != NULL;
    setting = g_strdup_printf("%.*s=%s", (int)name, text, value);
    if (g_str_has_suffix(setting, "."))
        setting[strlen(setting) - 1] = '\0';
    fab_nccl_add_name(run->environment, setting);
    return true;
}

/* "Channel 00/16 :    0   1   2   3": a ring. "Channel 00/0 : 0[0] -> 1[1] via P2P/CUMEM": how a pair is joined. */
static void
read_channel(FabNcclRun *run, const char *text)
{
    const char *via = strstr(text, " via "), *colon = strchr(text, ':');
    g_autofree char *ring = NULL;
    char *words[512];
    unsigned count;
    GString *order;

    if (via != NULL) {
        add_note(run, "transport %s", via + strlen(" via "));
        return;
    }
    if (colon == NULL || strspn(colon + 1, " 0123456789") != strlen(colon + 1))
        return;
    ring = g_strdup(colon + 1);
    count = fab_log_split(ring, words, G_N_ELEMENTS(words));
    if (count < 2)
        return;
    order = g_string_new(NULL);
    for (unsigned i = 0; i < count; i++)
        g_string_append_printf(order, " %s", words[i]);
    add_note(run, "ring of channel %d:%s", (int)g_ascii_strtoll(text + strlen("Channel "), NULL, 10), order->str);
    g_string_free(order, TRUE);
}

bool
fab_nccl_info_read(FabNcclRun *run, const char *text)
{
    const char *version = strstr(text, "NCCL version "), *info = strstr(text, " NCCL INFO ");

    if (version != NULL) {
        read_version(run, version + strlen("NCCL version "));
        return true;
    }
    if (info == NULL)
        return false;
    info += strlen(" NCCL INFO ");
    if (read_setting(run, info))
        return true;
    if (g_str_has_prefix(info, "Channel "))
        read_channel(run, info);
    else if (strstr(info, " coll channels, ") != NULL)
        add_note(run, "%s", info);
    else if (g_str_has_prefix(info, "Trees [0] ") && strstr(info, "->0->") != NULL)
        add_note(run, "trees of rank 0: %.160s", info + strlen("Trees "));
    return true;
}
