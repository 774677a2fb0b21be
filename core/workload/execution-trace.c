#include "workload/execution-trace.h"

#include <math.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "base/units.h"

/* A step of 1,000 layers and 1,000 micro-batches fits; memory of hostile files stays below 3 GiB. */
enum { MOST_NODES = 1 << 24, MOST_WAITS = 1 << 26, MOST_RANKS = 1 << 14, SHOWN = 6 };
#define MOST_FILE (UINT64_C(1) << 30)
#define MOST_BYTES 0x1p42    /* of a message; what collectives accept */
#define MOST_US 1.1e12       /* 13 days, as the engine */
#define MOST_WORK 1e24

static const char *const type_names[] = { "INVALID_NODE", "METADATA_NODE", "MEM_LOAD_NODE", "MEM_STORE_NODE",
                                          "COMP_NODE", "COMM_SEND_NODE", "COMM_RECV_NODE", "COMM_COLL_NODE",
                                          "STORAGE_NODE", "BATCH_NODE", "CHECKPOINT_NODE", NULL };
static const FabTraceKind kinds[] = { FAB_TRACE_NOTHING, FAB_TRACE_NOTHING, FAB_TRACE_MEMORY,  FAB_TRACE_MEMORY,
                                      FAB_TRACE_COMPUTE, FAB_TRACE_SEND,    FAB_TRACE_RECEIVE, FAB_TRACE_COLLECTIVE,
                                      FAB_TRACE_COMPUTE, FAB_TRACE_COMPUTE, FAB_TRACE_COMPUTE };
static const FabCollective collectives[] = { FAB_ALL_REDUCE, FAB_REDUCE,     FAB_ALL_GATHER,     FAB_GATHER,
                                             FAB_SCATTER,    FAB_BROADCAST,  FAB_ALL_TO_ALL,     FAB_REDUCE_SCATTER,
                                             FAB_REDUCE_SCATTER, FAB_BARRIER };

/* ------------------------------------------------------------------ life */

FabTraceRank *
fab_trace_rank_new(const char *path)
{
    FabTraceRank *rank = g_new0(FabTraceRank, 1);

    rank->path = g_strdup(path);
    rank->nodes = g_array_new(FALSE, FALSE, sizeof(FabTraceNode));
    rank->waits = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    rank->texts = g_string_chunk_new(4096);
    return rank;
}

void
fab_trace_rank_free(FabTraceRank *rank)
{
    if (rank == NULL)
        return;
    g_free(rank->path);
    g_array_unref(rank->nodes);
    g_array_unref(rank->waits);
    g_string_chunk_free(rank->texts);
    g_free(rank);
}

FabTrace *
fab_trace_new(void)
{
    FabTrace *trace = g_new0(FabTrace, 1);

    trace->ranks = g_ptr_array_new_with_free_func((GDestroyNotify)fab_trace_rank_free);
    return trace;
}

void
fab_trace_free(FabTrace *trace)
{
    if (trace == NULL)
        return;
    g_ptr_array_unref(trace->ranks);
    g_free(trace);
}

uint64_t
fab_trace_metadata(const FabTrace *trace)
{
    uint64_t count = 0;

    for (guint r = 0; r < trace->ranks->len; r++) {
        const FabTraceRank *rank = trace->ranks->pdata[r];
        for (guint i = 0; i < rank->nodes->len; i++)
            count += fab_trace_node(rank, i)->kind == FAB_TRACE_NOTHING;
    }
    return count;
}

char *
fab_trace_count_text(uint64_t nodes, uint64_t metadata)
{
    g_autofree char *more = metadata > 0 ? g_strdup_printf(" and %" G_GUINT64_FORMAT " of metadata", metadata) : NULL;

    return g_strdup_printf("%" G_GUINT64_FORMAT " node%s%s", nodes, fab_plural(nodes), more != NULL ? more : "");
}

static const char *
keep(FabTraceRank *rank, const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);

    return g_string_chunk_insert_const(rank->texts, g_strdelimit(valid, "\r\n", ' '));
}

bool
fab_trace_add(FabTraceRank *rank, const FabTraceNode *node, GError **error)
{
    FabTraceNode copy = *node;

    if (rank->nodes->len >= MOST_NODES) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: has more than %d nodes", rank->path, MOST_NODES);
        return false;
    }
    copy.name = keep(rank, node->name != NULL ? node->name : "");
    copy.group = node->group != NULL ? keep(rank, node->group) : NULL;
    copy.first = rank->waits->len;
    copy.count = 0;
    g_array_append_val(rank->nodes, copy);
    return true;
}

bool
fab_trace_wait(FabTraceRank *rank, uint64_t id, GError **error)
{
    if (rank->waits->len >= MOST_WAITS) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: has more than %d dependences", rank->path, MOST_WAITS);
        return false;
    }
    g_array_append_val(rank->waits, id);
    fab_trace_node(rank, rank->nodes->len - 1)->count++;
    return true;
}

/* ------------------------------------------------------------------ ids */

static GHashTable *
index_ids(const FabTraceRank *rank, GError **error)
{
    g_autoptr(GHashTable) ids = g_hash_table_new(g_int64_hash, g_int64_equal);

    for (guint i = 0; i < rank->nodes->len; i++) {
        FabTraceNode *node = fab_trace_node(rank, i);
        if (g_hash_table_insert(ids, &node->id, GUINT_TO_POINTER(i)))
            continue;
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: two nodes have id %" G_GUINT64_FORMAT ", ids must differ",
                    rank->path, node->id);
        return NULL;
    }
    return g_steal_pointer(&ids);
}

static bool
find_waits(FabTraceRank *rank, GHashTable *ids, GError **error)
{
    g_autoptr(GString) missing = g_string_new(NULL);
    guint count = 0;

    for (guint i = 0; i < rank->nodes->len; i++) {
        const FabTraceNode *node = fab_trace_node(rank, i);
        for (uint32_t k = node->first; k < node->first + node->count; k++) {
            uint64_t *id = &g_array_index(rank->waits, uint64_t, k);
            gpointer found;
            if (g_hash_table_lookup_extended(ids, id, NULL, &found))
                *id = GPOINTER_TO_UINT(found);
            else if (count++ < SHOWN)
                g_string_append_printf(missing, "%snode %" G_GUINT64_FORMAT " waits for %" G_GUINT64_FORMAT,
                                       count > 1 ? ", " : "", node->id, *id);
        }
    }
    if (count == 0)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: %u dependence%s nodes that are not in the file: %s%s",
                rank->path, count, count == 1 ? " names" : "s name", missing->str, count > SHOWN ? ", ..." : "");
    return false;
}

/* `left`: nodes not yet done in an order that respects all; each waits for another of them. */
static void
report_circle(const FabTraceRank *rank, const uint32_t *open, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_autofree bool *seen = g_new0(bool, rank->nodes->len);
    uint32_t at = 0, first, length = 0;

    while (open[at] == 0)
        at++;
    for (int round = 0; round < 2; round++) {
        for (first = at; round == 0 ? !seen[at] : length == 0 || at != first; length += round) {
            const FabTraceNode *node = fab_trace_node(rank, at);
            uint32_t k = node->first, next;
            seen[at] = true;
            while (open[g_array_index(rank->waits, uint64_t, k)] == 0)
                k++;
            next = (uint32_t)g_array_index(rank->waits, uint64_t, k);
            if (round == 1 && length < SHOWN)
                g_string_append_printf(text, "%" G_GUINT64_FORMAT " waits for ", node->id);
            at = next;
        }
    }
    g_set_error(error, FAB_ERROR, FAB_ERROR_DEADLOCK,
                "%s: nodes wait for each other in a circle of %u: %s%s%" G_GUINT64_FORMAT, rank->path, length,
                text->str, length > SHOWN ? "... " : "", fab_trace_node(rank, first)->id);
}

static bool
check_order(const FabTraceRank *rank, GError **error)
{
    guint nodes = rank->nodes->len, known = 0, done = 0;
    g_autofree uint32_t *open = g_new0(uint32_t, nodes + 1), *from = g_new0(uint32_t, nodes + 2);
    g_autofree uint32_t *to = g_new(uint32_t, rank->waits->len + 1), *ready = g_new(uint32_t, nodes + 1);

    for (guint i = 0; i < nodes; i++) {
        const FabTraceNode *node = fab_trace_node(rank, i);
        open[i] = node->count;
        for (uint32_t k = node->first; k < node->first + node->count; k++)
            from[g_array_index(rank->waits, uint64_t, k) + 2]++;
        if (node->count == 0)
            ready[known++] = i;
    }
    for (guint i = 2; i < nodes + 2; i++)
        from[i] += from[i - 1];
    for (guint i = 0; i < nodes; i++) {
        const FabTraceNode *node = fab_trace_node(rank, i);
        for (uint32_t k = node->first; k < node->first + node->count; k++)
            to[from[g_array_index(rank->waits, uint64_t, k) + 1]++] = i;
    }
    for (; done < known; done++) {
        for (uint32_t e = from[ready[done]]; e < from[ready[done] + 1]; e++) {
            if (--open[to[e]] == 0)
                ready[known++] = to[e];
        }
    }
    if (done < nodes)
        report_circle(rank, open, error);
    return done == nodes;
}

bool
fab_trace_resolve(FabTraceRank *rank, GError **error)
{
    g_autoptr(GHashTable) ids = NULL;

    if (rank->nodes->len == 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: has no nodes, a Chakra trace has at least one", rank->path);
        return false;
    }
    ids = index_ids(rank, error);
    return ids != NULL && find_waits(rank, ids, error) && check_order(rank, error);
}

/* ------------------------------------------------------------------ fields */

bool
fab_trace_set_type(FabTraceNode *node, int64_t type, const char *name, const char *path, GError **error)
{
    if (name != NULL) {
        for (type = 0; type_names[type] != NULL && strcmp(type_names[type], name) != 0;)
            type++;
    }
    if (type >= 0 && type < (int64_t)G_N_ELEMENTS(kinds)) {
        node->kind = kinds[type];
        return true;
    }
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: node %" G_GUINT64_FORMAT " has a type that is not known", path,
                node->id);
    return false;
}

bool
fab_trace_set_collective(FabTraceNode *node, int64_t type, const char *path, GError **error)
{
    if (type >= 0 && type < (int64_t)G_N_ELEMENTS(collectives)) {
        node->collective = collectives[type];
        return true;
    }
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                "%s: node %" G_GUINT64_FORMAT " has comm_type %" G_GINT64_FORMAT ", must be between 0 and %d", path,
                node->id, type, (int)G_N_ELEMENTS(collectives) - 1);
    return false;
}

static bool
take(double number, double most, bool whole, const char *name, const FabTraceNode *node, const char *path,
     GError **error)
{
    char found[G_ASCII_DTOSTR_BUF_SIZE], bound[G_ASCII_DTOSTR_BUF_SIZE];

    if (number >= 0 && number <= most && (!whole || number == floor(number)))
        return true;
    /* All digits of the bounds: rounded, what just exceeds one would look as if it did not. */
    g_ascii_formatd(found, sizeof found, "%.15g", number);
    g_ascii_formatd(bound, sizeof bound, "%.15g", most);
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                "%s: node %" G_GUINT64_FORMAT " has %s %s, must be %s from 0 to %s", path, node->id, name, found,
                whole ? "a whole number" : "a number", bound);
    return false;
}

bool
fab_trace_set_duration(FabTraceNode *node, double us, const char *path, GError **error)
{
    if (!take(us, MOST_US, false, "a duration in us of", node, path, error))
        return false;
    node->duration_ps = (int64_t)(us * 1e6 + 0.5);
    return true;
}

bool
fab_trace_set_attribute(FabTraceNode *node, const char *name, double number, const char *text, const char *path,
                        GError **error)
{
    static const char *const numbers[] = { "num_ops", "tensor_size", "comm_size", "comm_src", "comm_dst", "comm_tag",
                                           "duration_ps", NULL };
    static const double most[] = { MOST_WORK, MOST_WORK, MOST_BYTES, UINT32_MAX, UINT32_MAX, UINT32_MAX,
                                   MOST_US * 1e6 };
    size_t i = 0;

    if (text != NULL && strcmp(name, "pg_name") == 0)
        node->group = text;
    if (text != NULL)
        return true;
    if (strcmp(name, "is_cpu_op") == 0)
        node->host = number != 0;
    if (strcmp(name, "comm_type") == 0)
        return fab_trace_set_collective(node, number >= 0 && number < 1e6 ? (int64_t)number : -1, path, error);
    while (numbers[i] != NULL && strcmp(numbers[i], name) != 0)
        i++;
    if (numbers[i] == NULL)
        return true;
    if (!take(number, most[i], i >= 2, name, node, path, error))
        return false;
    if (i == 0)
        node->operations = number;
    else if (i == 1)
        node->bytes = number;
    else if (i == 2)
        node->message = (uint64_t)number;
    else if (i == 3 && node->kind == FAB_TRACE_RECEIVE)
        node->peer = (uint32_t)number;
    else if (i == 4 && node->kind == FAB_TRACE_SEND)
        node->peer = (uint32_t)number;
    else if (i == 5)
        node->tag = (uint32_t)number;
    else if (i == 6)
        node->duration_ps = (int64_t)number;
    return true;
}

int
fab_trace_type_of(const FabTraceNode *node)
{
    int type = 1; /* what takes no time is metadata */

    if (node->kind == FAB_TRACE_COMPUTE)
        return 4;
    while (type < (int)G_N_ELEMENTS(kinds) - 1 && kinds[type] != node->kind)
        type++;
    return type;
}

const char *
fab_trace_type_name(int type)
{
    return type_names[type];
}

int
fab_trace_collective_of(FabCollective collective)
{
    int type = 0;

    while (type < (int)G_N_ELEMENTS(collectives) - 1 && collectives[type] != collective)
        type++;
    return type;
}

/* ------------------------------------------------------------------ files */

static FabTraceRank *
read_rank(const char *path, FabTraceWaits waits, GError **error)
{
    gsize length;
    g_autofree char *data = fab_file_read(path, "a Chakra trace", MOST_FILE, &length, error);

    if (data == NULL)
        return NULL;
    if (g_str_has_suffix(path, ".json"))
        return fab_trace_parse_json(path, data, length, waits, error);
    return fab_trace_parse_protobuf(path, (const uint8_t *)data, length, waits, error);
}

static const char *const suffixes[] = { "et", "json" };

/* A link that leads nowhere is there, too. */
static bool
is_there(const char *path)
{
    return g_file_test(path, G_FILE_TEST_EXISTS) || g_file_test(path, G_FILE_TEST_IS_SYMLINK);
}

/* The file of a rank, or NULL. Owned by the caller. */
static char *
rank_path(const char *prefix, guint rank)
{
    for (size_t i = 0; i < G_N_ELEMENTS(suffixes); i++) {
        g_autofree char *path = g_strdup_printf("%s.%u.%s", prefix, rank, suffixes[i]);
        if (is_there(path))
            return g_steal_pointer(&path);
    }
    return NULL;
}

/* Whether `rest` is the end of a file's name as a rank's file has it: ".12.et". */
static bool
rank_of_name(const char *rest, uint64_t *rank)
{
    const char *dot = rest[0] == '.' ? strchr(rest + 1, '.') : NULL;
    g_autofree char *digits = dot != NULL ? g_strndup(rest + 1, (gsize)(dot - rest - 1)) : NULL;

    if (dot == NULL || (digits[0] == '0' && digits[1] != '\0') ||
        (strcmp(dot + 1, suffixes[0]) != 0 && strcmp(dot + 1, suffixes[1]) != 0))
        return false;
    return g_ascii_string_to_unsigned(digits, 10, 0, G_MAXUINT64, rank, NULL);
}

/* Ranks are counted without gaps: none has a file after the first that has none. */
static bool
check_gap(const char *prefix, guint first, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(prefix), *base = g_path_get_basename(prefix), *beyond = NULL;
    g_autoptr(GDir) dir = g_str_has_suffix(prefix, "/") ? NULL : g_dir_open(folder, 0, NULL);
    uint64_t rank, least = G_MAXUINT64;
    const char *name;

    while (dir != NULL && (name = g_dir_read_name(dir)) != NULL) {
        if (!g_str_has_prefix(name, base) || !rank_of_name(name + strlen(base), &rank) || rank < first ||
            rank > least || (rank == least && g_strcmp0(name, beyond) > 0))
            continue;
        least = rank;
        g_free(beyond);
        beyond = g_strdup(name);
    }
    if (beyond == NULL)
        return true;
    if (first == MOST_RANKS)
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: there are more than %d ranks, %s is there", prefix,
                    MOST_RANKS, beyond);
    else
        g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "%s.%u.et is missing, %s is there; ranks are counted from 0 "
                    "without gaps", prefix, first, beyond);
    return false;
}

static bool
add_rank(FabTrace *trace, const char *path, FabTraceWaits waits, GError **error)
{
    FabTraceRank *rank = read_rank(path, waits, error);

    if (rank != NULL)
        g_ptr_array_add(trace->ranks, rank);
    return rank != NULL;
}

FabTrace *
fab_trace_read(const char *prefix, FabTraceWaits waits, GError **error)
{
    g_autoptr(FabTrace) trace = fab_trace_new();
    bool single = g_file_test(prefix, G_FILE_TEST_IS_REGULAR);
    char *path;

    while (!single && trace->ranks->len < MOST_RANKS && (path = rank_path(prefix, trace->ranks->len)) != NULL) {
        bool good = add_rank(trace, path, waits, error);
        g_free(path);
        if (!good)
            return NULL;
    }
    if (!single && !check_gap(prefix, trace->ranks->len, error))
        return NULL;
    /* A pipe is read; what a folder or a link that leads nowhere is, is said by who reads files. */
    if (trace->ranks->len == 0 && is_there(prefix))
        return add_rank(trace, prefix, waits, error) ? g_steal_pointer(&trace) : NULL;
    if (trace->ranks->len > 0)
        return g_steal_pointer(&trace);
    g_set_error(error, FAB_ERROR, FAB_ERROR_FILE,
                "%s: there is neither such a file nor %s.0.et nor %s.0.json; ranks are counted from 0", prefix, prefix,
                prefix);
    return NULL;
}
