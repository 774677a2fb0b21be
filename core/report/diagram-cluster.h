/* The page of a cluster, which shows its network and folds what is alike. Only the diagram files include it. */
#ifndef FAB_REPORT_DIAGRAM_CLUSTER_H
#define FAB_REPORT_DIAGRAM_CLUSTER_H

#include "report/diagram.h"

enum { FAB_CLUSTER_BOX_HEIGHT = 46, FAB_CLUSTER_CAPTION_WIDTH = 186, FAB_CLUSTER_PAD = 16,
       FAB_CLUSTER_DETAIL_WIDTH = 330 };

/* Switches or nodes drawn as one, or a NIC of the node that is shown. */
typedef struct {
    char *name, *note;
    FabVertexKind kind;
    uint32_t members;        /* switches or nodes */
    uint32_t first;          /* a switch (vertex) or a node */
    uint32_t down, up, side; /* cables of the first switch */
    uint32_t inside;         /* cables between the members */
    bool small;              /* a NIC of the node that is shown */
    FabDiagramArea area;
} FabClusterBox;

/* Cables between two boxes. */
typedef struct {
    uint32_t a, b, count, link;
    uint32_t faults; /* how many of them have one */
    double load, left; /* of the busiest; of the slowest what faults leave */
} FabClusterEdge;

typedef struct {
    const FabTopology *topology;
    const FabDiagramLoad *load;
    const double *kept;  /* what faults leave of each link; NULL: all */
    bool expand, detail;
    uint32_t levels;     /* of switches; row 0 holds the nodes */
    uint32_t *level;     /* of vertices, 0: no switch */
    uint32_t *box_of;    /* of switches and of the NICs of a node that is shown; FAB_DIAGRAM_NONE: none */
    uint32_t *node_box;
    GArray *boxes;       /* FabClusterBox */
    GArray **rows;       /* uint32_t boxes, by level */
    GArray *edges;       /* FabClusterEdge */
    double left, right, top, bottom;
} FabClusterPage;

static inline FabClusterBox *
fab_cluster_box(const FabClusterPage *page, uint32_t index)
{
    return &g_array_index(page->boxes, FabClusterBox, index);
}

static inline const FabTopologyVertex *
fab_cluster_vertex(const FabClusterPage *page, FabVertex vertex)
{
    return &page->topology->vertices[vertex];
}

/* diagram-cluster-plan.c: what is drawn, and where. `expand`: every switch and node has a box of its own. */
FabClusterPage *fab_cluster_page_new(const FabTopology *topology, const FabDiagramLoad *load, const double *left,
                                     bool expand);
void fab_cluster_page_free(FabClusterPage *page);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabClusterPage, fab_cluster_page_free)

/* diagram-cluster.c: sets diagram->area; of `diagram` only topology and load are looked at. agclose(). */
Agraph_t *fab_diagram_cluster_draw(FabDiagram *diagram, bool expand);

#endif
