#include "scenario/nccl-settings.h"

#include <string.h>

#include "base/error.h"
#include "base/units.h"

const char *const fab_nccl_setting_keys[] = {
    "NCCL_ALGO",         "NCCL_PROTO",         "NCCL_MIN_NCHANNELS", "NCCL_MAX_NCHANNELS", "NCCL_MIN_CTAS",
    "NCCL_MAX_CTAS",     "NCCL_P2P_DISABLE",   "NCCL_P2P_LEVEL",     "NCCL_SHM_DISABLE",   "NCCL_NVLS_ENABLE",
    "NCCL_PAT_ENABLE",   "NCCL_COLLNET_ENABLE", "NCCL_NTHREADS",      "NCCL_BUFFSIZE",      "NCCL_GRAPH_FILE",
    "NCCL_IB_QPS_PER_CONNECTION", "NCCL_NVLS_CHUNKSIZE", "NCCL_NVLSTREE_MAX_CHUNKSIZE", NULL,
};

const char *const fab_nccl_algorithm_names[] = { "Tree",     "Ring", "CollNetDirect", "CollNetChain", "NVLS",
                                                 "NVLSTree", "PAT",  NULL };
const char *const fab_nccl_protocol_names[] = { "LL", "LL128", "Simple", NULL };

/* Functions as lists name them, and the collectives that they are here. */
static const char *const function_names[] = { "Broadcast", "Reduce", "AllGather", "ReduceScatter", "AllReduce", NULL };
static const char *const function_operations[] = { "broadcast", "reduce", "all_gather", "reduce_scatter",
                                                   "all_reduce" };

enum { TREE, RING, COLLNET_DIRECT, COLLNET_CHAIN, NVLS, NVLS_TREE, PAT };
enum { LL128 = 1, ALL_REDUCE = 4 };
enum {
    LISTS_BY_FUNCTION = 2024, /* NCCL 2.24 */
    MOST_CHANNELS = 1024,
    WARP = 32, MOST_THREADS = 512,
    MOST_QUEUE_PAIRS = 128 /* NCCL_IB_MAX_QPS */
};
#define BIT(i) (1u << (i))
#define MOST_BUFFER (UINT64_C(1) << 32)
#define LEAST_CHUNK (UINT64_C(1) << 10)
#define MOST_CHUNK (UINT64_C(1) << 24)

/* One list, such as NCCL_ALGO, while it is read. */
typedef struct {
    FabKeyfile *file;
    const char *group, *key;
    const char *const *names;
    uint32_t nccl;
    int function; /* of the scenario's collective; -1: none of NCCL's table */
} List;

static bool
refuse(FabKeyfile *file, const char *group, const char *key, char *message, GError **error)
{
    g_set_error_literal(error, FAB_ERROR, FAB_ERROR_VALUE, message);
    g_free(message);
    fab_keyfile_prefix_error(file, group, key, error);
    return false;
}

static bool
refuse_value(FabKeyfile *file, const char *group, const char *key, const char *accepted, GError **error)
{
    const char *text = fab_keyfile_get(file, group, key);

    return refuse(file, group, key, g_strdup_printf("\"%.60s\" is not known; accepted: %s", text, accepted), error);
}

/* NULL where the key is absent or empty: an empty variable is no wish. */
static const char *
value_of(FabKeyfile *file, const char *group, const char *key)
{
    const char *text = fab_keyfile_get(file, group, key);

    return text != NULL && text[0] != '\0' ? text : NULL;
}

/* Index of a word, upper or lower case alike; -1: none. */
static int
find_word(const char *word, const char *const *words)
{
    for (int i = 0; words[i] != NULL; i++) {
        if (g_ascii_strcasecmp(word, words[i]) == 0)
            return i;
    }
    return -1;
}

/* ------------------------------------------------------------------ lists of algorithms and protocols */

/* "Ring,Tree" or "^LL128": the bits that a list keeps. */
static bool
parse_elements(const List *list, const char *text, uint32_t *kept, GError **error)
{
    bool without = text[0] == '^';
    g_auto(GStrv) words = g_strsplit(text + without, ",", -1);
    uint32_t bits = 0;

    for (guint i = 0; words[i] != NULL; i++) {
        int found = find_word(words[i], list->names);
        if (words[i][0] != '\0' && found < 0) {
            g_autofree char *suggestion = fab_suggestion(words[i], list->names);
            return refuse(list->file, list->group, list->key,
                          g_strdup_printf("\"%.60s\" is not known%s", words[i], suggestion), error);
        }
        if (found >= 0)
            bits |= BIT(found);
    }
    if (bits == 0)
        return refuse(list->file, list->group, list->key,
                      g_strdup_printf("\"%.60s\" names nothing, a list is such as Ring,Tree or ^LL128", text), error);
    *kept = without ? ~bits : bits;
    return true;
}

/* One part of "Ring;allreduce:Tree": `kept` changes when it is about the scenario's collective. */
static bool
parse_part(const List *list, const char *part, bool first, uint32_t *kept, GError **error)
{
    g_auto(GStrv) sides = g_strsplit(part, ":", 2);
    bool prefixed = g_strv_length(sides) == 2;
    int function = prefixed ? find_word(sides[0], function_names) : -1;
    uint32_t bits;

    if (prefixed && list->nccl < LISTS_BY_FUNCTION)
        return refuse(list->file, list->group, list->key,
                      g_strdup_printf("\"%.60s\" is for one collective, which NCCL knows since 2.24, not in 2.%u",
                                      part, list->nccl % 1000), error);
    if (prefixed && function < 0) {
        g_autofree char *suggestion = fab_suggestion(sides[0], function_names);
        return refuse(list->file, list->group, list->key,
                      g_strdup_printf("\"%.60s\" is no collective of a list%s", sides[0], suggestion), error);
    }
    if (!prefixed && !first)
        return refuse(list->file, list->group, list->key,
                      g_strdup_printf("\"%.60s\" needs its collective, as in allreduce:%.60s; only the first list may "
                                      "be for all", part, part), error);
    if (!parse_elements(list, sides[prefixed ? 1 : 0], &bits, error))
        return false;
    if (!prefixed || function == list->function)
        *kept = bits;
    return true;
}

/* `kept` stays as it is where the key is absent. */
static bool
read_list(const List *list, uint32_t *kept, bool *given, GError **error)
{
    const char *text = value_of(list->file, list->group, list->key);
    g_auto(GStrv) parts = g_strsplit(text != NULL ? text : "", ";", -1);
    uint32_t before = *kept;

    for (guint i = 0; parts[i] != NULL; i++) {
        if (parts[i][0] != '\0' && !parse_part(list, parts[i], i == 0, kept, error))
            return false;
    }
    *given = *kept != before;
    return true;
}

/* Before 2.24 a list was for all collectives, but it neither stopped those that only a ring performs nor hurt. */
static uint32_t
soften(uint32_t kept, int function, uint32_t nccl)
{
    if (nccl >= LISTS_BY_FUNCTION)
        return kept;
    if ((kept & (BIT(RING) | BIT(TREE) | BIT(NVLS) | BIT(NVLS_TREE))) == 0)
        return kept | BIT(RING) | BIT(TREE);
    return function != ALL_REDUCE ? kept | BIT(RING) : kept;
}

static bool
read_lists(FabKeyfile *file, const char *group, const char *operation, uint32_t nccl, FabNcclSettings *settings,
           GError **error)
{
    List algorithms = { file, group, "NCCL_ALGO", fab_nccl_algorithm_names, nccl, -1 };
    List protocols = { file, group, "NCCL_PROTO", fab_nccl_protocol_names, nccl, -1 };
    uint32_t kept_algorithms = UINT32_MAX, kept_protocols = UINT32_MAX;
    bool given = false;

    for (int i = 0; function_names[i] != NULL; i++) {
        if (strcmp(operation, function_operations[i]) == 0)
            algorithms.function = protocols.function = i;
    }
    if (!read_list(&algorithms, &kept_algorithms, &given, error))
        return false;
    if (given)
        settings->without_algorithms = ~soften(kept_algorithms, algorithms.function, nccl);
    if (!read_list(&protocols, &kept_protocols, &given, error))
        return false;
    settings->without_protocols = ~kept_protocols;
    settings->any_ll128 = given && (kept_protocols & BIT(LL128)) != 0;
    return true;
}

/* ------------------------------------------------------------------ the others */

static bool
read_number(FabKeyfile *file, const char *group, const char *key, int64_t least, int64_t most, uint32_t *value,
            GError **error)
{
    int64_t number = 0;

    if (value_of(file, group, key) == NULL)
        return true;
    if (!fab_keyfile_get_integer(file, group, key, least, most, &number, error))
        return false;
    *value = (uint32_t)number;
    return true;
}

static bool
read_channels(FabKeyfile *file, const char *group, FabNcclSettings *settings, GError **error)
{
    return read_number(file, group, "NCCL_MIN_NCHANNELS", 1, MOST_CHANNELS, &settings->min_channels, error) &&
           read_number(file, group, "NCCL_MAX_NCHANNELS", 1, MOST_CHANNELS, &settings->max_channels, error) &&
           read_number(file, group, "NCCL_MIN_CTAS", 1, MOST_CHANNELS, &settings->min_ctas, error) &&
           read_number(file, group, "NCCL_MAX_CTAS", 1, MOST_CHANNELS, &settings->max_ctas, error);
}

/* NCCL_P2P_DISABLE=1 is level LOC. PHB is any way below one CPU, which [collective] peer calls node. */
static bool
read_peer_level(FabKeyfile *file, const char *group, FabNcclSettings *settings, GError **error)
{
    static const char *const levels[] = { "LOC", "NVL", "NVB", "C2C", "PIX", "PXB", "P2C", "PXN", "PHB", "SYS",
                                          "0",   "1",   "2",   "3",   "4",   "5",   NULL };
    static const char *const peers[] = { "nvlink", "nvlink", "nvlink", "nvlink", "pix", "pxb", "pxb", "pxb", "node",
                                         "sys",    "nvlink", "pix",    "pxb",    "node", "sys", "sys" };
    const char *text = value_of(file, group, "NCCL_P2P_LEVEL");
    uint32_t disable = 0;
    int level = 0;

    if (!read_number(file, group, "NCCL_P2P_DISABLE", 0, 1, &disable, error))
        return false;
    if (text != NULL) {
        while (levels[level] != NULL && strcmp(text, levels[level]) != 0)
            level++;
        if (levels[level] == NULL)
            return refuse_value(file, group, "NCCL_P2P_LEVEL",
                                "LOC, NVL, NVB, C2C, PIX, PXB, P2C, PXN, PHB, SYS, or 0 to 5", error);
    }
    if (text == NULL && disable == 0)
        return true;
    settings->no_nvlink = disable == 1 || strcmp(levels[level], "LOC") == 0 || strcmp(levels[level], "0") == 0;
    settings->peer = settings->no_nvlink ? "nvlink" : peers[level];
    return true;
}

static bool
read_switches(FabKeyfile *file, const char *group, FabNcclSettings *settings, GError **error)
{
    uint32_t nvls = 2, pat = 2, no_shm = 0, collnet = 0;

    if (!read_number(file, group, "NCCL_NVLS_ENABLE", 0, 2, &nvls, error) ||
        !read_number(file, group, "NCCL_PAT_ENABLE", 0, 2, &pat, error) ||
        !read_number(file, group, "NCCL_SHM_DISABLE", 0, 1, &no_shm, error) ||
        !read_number(file, group, "NCCL_COLLNET_ENABLE", 0, 1, &collnet, error) ||
        !read_number(file, group, "NCCL_IB_QPS_PER_CONNECTION", 1, MOST_QUEUE_PAIRS, &settings->queue_pairs, error))
        return false;
    settings->collnet = collnet == 1;
    if (nvls == 0)
        settings->without_algorithms |= BIT(NVLS) | BIT(NVLS_TREE);
    if (pat == 0)
        settings->without_algorithms |= BIT(PAT);
    settings->pat = pat == 1;
    settings->no_shm = no_shm == 1;
    return true;
}

/* A size such as 512K; 0 stays where nothing is given. */
static bool
read_bytes(FabKeyfile *file, const char *group, const char *key, uint64_t least, uint64_t most, uint64_t *bytes,
           GError **error)
{
    const char *text = value_of(file, group, key);

    if (text == NULL)
        return true;
    if (!fab_parse_bytes(text, bytes, error)) {
        fab_keyfile_prefix_error(file, group, key, error);
        return false;
    }
    if (*bytes < least || *bytes > most) {
        g_autofree char *from = fab_format_bytes(least), *to = fab_format_bytes(most);
        return refuse(file, group, key,
                      g_strdup_printf("\"%.60s\" is no size of a buffer, must be from %s to %s", text, from, to),
                      error);
    }
    return true;
}

/* NCCL takes whole warps from 64 threads on; more than 512 are 512. */
static bool
read_kernel(FabKeyfile *file, const char *group, FabNcclSettings *settings, GError **error)
{
    if (!read_number(file, group, "NCCL_NTHREADS", 2 * WARP, MOST_THREADS, &settings->threads, error))
        return false;
    if (settings->threads % WARP != 0)
        return refuse(file, group, "NCCL_NTHREADS",
                      g_strdup_printf("%u threads are no whole warps, must be a multiple of %d", settings->threads,
                                      WARP), error);
    return read_bytes(file, group, "NCCL_BUFFSIZE", 32768, MOST_BUFFER, &settings->buffer_bytes, error) &&
           read_bytes(file, group, "NCCL_NVLS_CHUNKSIZE", LEAST_CHUNK, MOST_CHUNK, &settings->nvls_bytes, error) &&
           read_bytes(file, group, "NCCL_NVLSTREE_MAX_CHUNKSIZE", LEAST_CHUNK, MOST_CHUNK, &settings->nvls_tree_bytes,
                      error);
}

/* A file may lie beside the scenario that names it. */
static void
read_graph_file(FabKeyfile *file, const char *group, FabNcclSettings *settings)
{
    const char *name = value_of(file, group, "NCCL_GRAPH_FILE");
    g_autofree char *folder = g_path_get_dirname(fab_keyfile_path(file));
    g_autofree char *beside = name != NULL ? g_build_filename(folder, name, NULL) : NULL;

    if (name != NULL && !g_path_is_absolute(name) && g_file_test(beside, G_FILE_TEST_IS_REGULAR))
        settings->graph_file = g_steal_pointer(&beside);
    else
        settings->graph_file = g_strdup(name);
}

/* ------------------------------------------------------------------ conflicts with our own keys */

/* Our own key says the same in other words, and both were given. */
static bool
check_conflicts(FabKeyfile *file, const char *group, GError **error)
{
    static const struct {
        const char *theirs, *ours, *none;
    } pairs[] = {
        { "NCCL_ALGO", "algorithm", "auto" },     { "NCCL_PROTO", "protocol", "auto" },
        { "NCCL_MIN_NCHANNELS", "channels", "" }, { "NCCL_MAX_NCHANNELS", "channels", "" },
        { "NCCL_MIN_CTAS", "channels", "" },      { "NCCL_MAX_CTAS", "channels", "" },
        { "NCCL_P2P_LEVEL", "peer", "auto" },     { "NCCL_P2P_DISABLE", "peer", "auto" },
        { "NCCL_P2P_LEVEL", "nvlink", "on" },     { "NCCL_P2P_DISABLE", "nvlink", "on" },
        { "NCCL_BUFFSIZE", "chunk", "" },         { "NCCL_NVLS_CHUNKSIZE", "chunk", "" },
        { "NCCL_NVLSTREE_MAX_CHUNKSIZE", "chunk", "" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(pairs); i++) {
        const char *theirs = value_of(file, group, pairs[i].theirs), *ours = value_of(file, group, pairs[i].ours);
        if (theirs == NULL || ours == NULL || strcmp(ours, pairs[i].none) == 0)
            continue;
        return refuse(file, group, pairs[i].theirs,
                      g_strdup_printf("%.60s is given beside %s=%.60s, which says it in other words; leave one of them "
                                      "out", theirs, pairs[i].ours, ours), error);
    }
    return true;
}

bool
fab_nccl_settings_check_places(FabKeyfile *file, const char *group, GError **error)
{
    static const char *const places[][2] = {
        { "NCCL_PXN_DISABLE", "topology.pxn=off" },
        { "NCCL_NET_GDR_LEVEL", "topology.gdr=phb, or off, pxb, sys" },
        { "NCCL_IB_DISABLE", "topology.transport=tcp" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
        if (fab_keyfile_get(file, group, places[i][0]) != NULL)
            return refuse(file, group, places[i][0],
                          g_strdup_printf("is a key of a cluster's network here: %s", places[i][1]), error);
    }
    return true;
}

bool
fab_nccl_settings_read(FabKeyfile *file, const char *group, const char *operation, uint32_t nccl,
                       FabNcclSettings *settings, GError **error)
{
    *settings = (FabNcclSettings) { 0 };
    read_graph_file(file, group, settings);
    return check_conflicts(file, group, error) && read_lists(file, group, operation, nccl, settings, error) &&
           read_channels(file, group, settings, error) && read_peer_level(file, group, settings, error) &&
           read_switches(file, group, settings, error) && read_kernel(file, group, settings, error);
}
