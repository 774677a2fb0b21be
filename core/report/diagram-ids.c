/*
 * Numbers for the objects of a Graphviz graph. cgraph writes clusters in the order of their numbers, and its own
 * discipline takes the addresses of their names, which differ from run to run. This one counts.
 */
#include "report/diagram.h"

static void *
ids_open(Agraph_t *graph, Agdisc_t *discipline)
{
    (void)graph;
    (void)discipline;
    return g_new0(IDTYPE, 1);
}

/* Refuses names, so that cgraph keeps them itself and asks for the number of a nameless object. */
static long
ids_map(void *state, int type, char *name, IDTYPE *id, int create)
{
    IDTYPE *last = state;

    (void)type;
    (void)create;
    if (name != NULL)
        return 0;
    *id = ++*last;
    return 1;
}

static long
ids_alloc(void *state, int type, IDTYPE id)
{
    (void)state;
    (void)type;
    (void)id;
    return 0;
}

static void
ids_free(void *state, int type, IDTYPE id)
{
    (void)state;
    (void)type;
    (void)id;
}

static char *
ids_print(void *state, int type, IDTYPE id)
{
    (void)state;
    (void)type;
    (void)id;
    return NULL;
}

static void
ids_close(void *state)
{
    g_free(state);
}

static void
ids_register(void *state, int type, void *object)
{
    (void)state;
    (void)type;
    (void)object;
}

Agraph_t *
fab_diagram_graph_new(const char *name)
{
    static Agiddisc_t ids = { .open = ids_open, .map = ids_map, .alloc = ids_alloc, .free = ids_free,
                              .print = ids_print, .close = ids_close, .idregister = ids_register };
    static Agdisc_t discipline = { .id = &ids };

    return agopen((char *)name, Agundirected, &discipline);
}
