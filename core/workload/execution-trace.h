/*
 * Execution traces: what each rank of a program did, as nodes that wait for other nodes of their rank, and collectives
 * and messages that join the ranks. Read from and written to files of the Chakra format, as protobuf (RANK.et) or JSON;
 * docs/chakra.md says how its fields are read.
 */
#ifndef FAB_WORKLOAD_EXECUTION_TRACE_H
#define FAB_WORKLOAD_EXECUTION_TRACE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "collective/collective.h"

typedef enum {
    FAB_TRACE_NOTHING, /* takes no time */
    FAB_TRACE_COMPUTE,
    FAB_TRACE_MEMORY,  /* loads and stores */
    FAB_TRACE_SEND,
    FAB_TRACE_RECEIVE,
    FAB_TRACE_COLLECTIVE
} FabTraceKind;

typedef struct {
    uint64_t id;             /* unlike those of all other nodes of its rank */
    const char *name;        /* the rank's, never NULL */
    const char *group;       /* of a collective: its ranks have the same name for it; NULL: all ranks */
    FabTraceKind kind;
    FabCollective collective;
    bool host;               /* work of the CPU */
    int64_t duration_ps;     /* 0: not known, the next two say how long it takes */
    double operations, bytes; /* floating point; of memory */
    uint64_t message;        /* bytes of each rank's input of a collective; of a message */
    uint32_t peer, tag;      /* rank at the other end of a message */
    uint32_t first, count;   /* those of the rank's dependences that it waits for */
} FabTraceNode;

typedef struct {
    char *path;              /* for messages */
    GArray *nodes;           /* FabTraceNode */
    GArray *waits;           /* uint64_t: ids; once resolved, indices of nodes */
    GStringChunk *texts;
    uint64_t passed_over;    /* control dependences that are not waited for */
    const char *scenario, *model; /* what it is of, written into the file's metadata; NULL: not said */
} FabTraceRank;

typedef struct {
    GPtrArray *ranks;        /* FabTraceRank */
} FabTrace;

/* Which dependences are waited for. Traces of PyTorch have who called whom as control dependences, in whose time what
 * was called is contained. */
typedef enum { FAB_TRACE_DATA, FAB_TRACE_ALL } FabTraceWaits;

FabTraceRank *fab_trace_rank_new(const char *path);
void fab_trace_rank_free(FabTraceRank *rank);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabTraceRank, fab_trace_rank_free)

FabTrace *fab_trace_new(void);
void fab_trace_free(FabTrace *trace);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabTrace, fab_trace_free)

static inline FabTraceNode *
fab_trace_node(const FabTraceRank *rank, uint32_t index)
{
    return &g_array_index(rank->nodes, FabTraceNode, index);
}

/* Nodes that say something of the trace and do nothing. */
uint64_t fab_trace_metadata(const FabTrace *trace);

/* "12 nodes", or "12 nodes and 3 of metadata". Owned by the caller. */
char *fab_trace_count_text(uint64_t nodes, uint64_t metadata);

/* Texts are copied; `first` and `count` are set. False with an error for more nodes than there may be. */
bool fab_trace_add(FabTraceRank *rank, const FabTraceNode *node, GError **error);
/* The node added last waits for another, whose node may come later. */
bool fab_trace_wait(FabTraceRank *rank, uint64_t id, GError **error);

/*
 * Turns ids into indices. Refuses ranks without nodes, equal ids, nodes that are waited for and are not there, and
 * circles, which it names.
 */
bool fab_trace_resolve(FabTraceRank *rank, GError **error);

/* One rank's file from memory, resolved. `path` is for messages. */
FabTraceRank *fab_trace_parse_protobuf(const char *path, const uint8_t *data, gsize length, FabTraceWaits waits,
                                       GError **error);
FabTraceRank *fab_trace_parse_json(const char *path, const char *text, gsize length, FabTraceWaits waits,
                                   GError **error);

/* PREFIX.0.et, PREFIX.1.et, ... or .json in their place; or PREFIX itself, one rank. */
FabTrace *fab_trace_read(const char *prefix, FabTraceWaits waits, GError **error);

/* Writes rank `self`, which was not resolved; JSON: as protobuf's own rules map messages. */
bool fab_trace_write(const FabTraceRank *rank, uint32_t self, const char *path, bool json, GError **error);

/* Of Chakra's enumerations: a node's type by number or name, a collective's by number. */
bool fab_trace_set_type(FabTraceNode *node, int64_t type, const char *name, const char *path, GError **error);
bool fab_trace_set_collective(FabTraceNode *node, int64_t type, const char *path, GError **error);

/* An attribute of a node; `text` NULL: it is a number. What is not known is passed over. */
bool fab_trace_set_attribute(FabTraceNode *node, const char *name, double number, const char *text, const char *path,
                             GError **error);

/* Microseconds of a file, at most 13 days. */
bool fab_trace_set_duration(FabTraceNode *node, double us, const char *path, GError **error);

/* Numbers of Chakra's enumerations, and names as protobuf writes them. */
int fab_trace_type_of(const FabTraceNode *node);
const char *fab_trace_type_name(int type);
int fab_trace_collective_of(FabCollective collective);

#endif
