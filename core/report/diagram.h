/*
 * A drawing before Graphviz sees it: what of the machine is shown, and where. Only the diagram-*.c files
 * include this. Lengths are points (1/72 inch), x to the right, y downwards from the top.
 */
#ifndef FAB_REPORT_DIAGRAM_H
#define FAB_REPORT_DIAGRAM_H

#include <graphviz/cgraph.h>

#include "report/report.h"

#define FAB_DIAGRAM_NONE UINT32_MAX

enum { FAB_DIAGRAM_BAR_HEIGHT = 36, FAB_DIAGRAM_FRAME_PAD = 12 };

typedef struct {
    double left, top, right, bottom;
} FabDiagramArea;

/* Rows of the drawing, from the top. PCIe switches take as many rows as they are nested deep. */
typedef enum {
    FAB_DIAGRAM_SPINE, /* NVSwitches and network switches */
    FAB_DIAGRAM_GPU,
    FAB_DIAGRAM_NIC,
    FAB_DIAGRAM_SWITCH,
    FAB_DIAGRAM_BRIDGE,
    FAB_DIAGRAM_CPU
} FabDiagramLayer;

/* A vertex that is drawn. */
typedef struct {
    FabVertex vertex;
    uint32_t copies;      /* equal vertices drawn as this one: 1 unless it is a spine */
    uint32_t unit;        /* index in `units`; FAB_DIAGRAM_NONE: a spine, outside of all */
    uint32_t parent;      /* item nearer to the CPU; FAB_DIAGRAM_NONE: a root */
    GArray *children;     /* uint32_t items, in drawing order */
    FabDiagramLayer layer;
    uint32_t depth;       /* row within the layer, 0 on top */
    uint32_t order;       /* lowest number of a GPU in or below it: drawing order */
    FabDiagramArea area;
    double port;          /* x of the link to the parent */
} FabDiagramItem;

/* What repeats: a box, or a socket's tree where one box holds many GPUs. */
typedef struct {
    int32_t box;
    uint32_t like;     /* the first unit of the same structure; itself when it is the first */
    uint32_t alike;    /* on the first: how many there are with it */
    bool folded;       /* only a card of the block of `like` */
    uint32_t first_gpu, last_gpu; /* numbers; FAB_DIAGRAM_NONE: no GPU */
    FabDiagramArea area;
} FabDiagramUnit;

/* Units that are not drawn in detail, as a block of cards. */
typedef struct {
    uint32_t like; /* the unit that is drawn in detail */
    GArray *units; /* uint32_t */
    FabDiagramArea area;
} FabDiagramBlock;

/* A frame round a socket or a NUMA node. */
typedef struct {
    char *label, *id;
    uint32_t unit;
    bool inner; /* a NUMA node within a socket's frame */
    FabDiagramArea area;
} FabDiagramFrame;

/* One end of a drawn link: an item or a block. */
typedef struct {
    bool block;
    uint32_t index;
} FabDiagramEnd;

/* Parallel links of one class between the same ends are one edge. */
typedef struct {
    FabDiagramEnd a, b;
    uint32_t link;  /* one of them */
    uint32_t count; /* how many */
    double load;    /* of the busiest direction of all, NaN: unknown */
    double left;    /* what faults leave of each */
    char *label;    /* NULL: explained by a neighbour and the legend */
    double x[4], y[4]; /* Bezier curve from a to b */
    double label_x, label_y; /* centre of the label */
} FabDiagramEdge;

typedef struct {
    const FabTopology *topology;
    const FabDiagramLoad *load;
    const double *left; /* what faults leave of each link; NULL: all */
    GArray *items, *units, *blocks, *frames, *edges; /* FabDiagramItem, ... */
    uint32_t *item_of; /* vertex to item; FAB_DIAGRAM_NONE: folded */
    uint32_t *unit_of; /* vertex to unit; FAB_DIAGRAM_NONE: a spine */
    uint32_t *parent_of; /* trees over vertices */
    bool shared_fabric; /* NVLink joins boxes: they are trays of one machine */
    FabDiagramArea area; /* of everything but title and legend */
} FabDiagram;

static inline FabDiagramItem *
fab_diagram_item(const FabDiagram *diagram, uint32_t index)
{
    return &g_array_index(diagram->items, FabDiagramItem, index);
}

static inline const FabTopologyVertex *
fab_diagram_vertex(const FabDiagram *diagram, uint32_t index)
{
    return &diagram->topology->vertices[fab_diagram_item(diagram, index)->vertex];
}

/* diagram-tree.c: what is drawn. `expand`: every vertex. */
FabDiagram *fab_diagram_new(const FabTopology *topology, const FabDiagramLoad *load, const double *left, bool expand);
void fab_diagram_free(FabDiagram *diagram);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabDiagram, fab_diagram_free)

/* diagram-layout.c: where items, frames and blocks lie. */
void fab_diagram_place(FabDiagram *diagram);
/* Width that the name of an item and the words under it need. */
double fab_diagram_name_width(const FabDiagram *diagram, uint32_t item);
/* diagram-spine.c: switches of the fabric above `arcs`, the height that links between GPUs take. */
void fab_diagram_place_spines(FabDiagram *diagram, double arcs);
/* Height over its ends of the curve that joins two GPUs `distance` apart, at its top. */
double fab_diagram_arc_height(double distance);
/* diagram-route.c: the drawn links, their curves and labels. */
void fab_diagram_connect(FabDiagram *diagram);

/* diagram-style.c: how things look. */
typedef struct {
    const char *shape, *style, *fill, *line, *text;
    int peripheries;
    double pen;
} FabDiagramShape;

const FabDiagramShape *fab_diagram_shape(FabVertexKind kind);

typedef struct {
    char *color; /* owned */
    const char *style;
    double pen;
} FabDiagramStroke;

void fab_diagram_stroke(const FabTopologyLink *link, FabDiagramStroke *stroke);
/* For a utilisation from 0 to 1; NaN: unknown. */
void fab_diagram_load_stroke(double load, FabMedium medium, FabDiagramStroke *stroke);

/* Of a link of which a fault leaves only so much, instead of its own. */
void fab_diagram_fault_stroke(double left, FabDiagramStroke *stroke);
/* "down", "50 % left". Owned by the caller. */
char *fab_diagram_fault_text(double left);
/* What faults leave of a link, 1 where there are none. */
static inline double
fab_diagram_left(const double *left, uint32_t link)
{
    return left != NULL ? left[link] : 1;
}

/* "NVLink 4 x18", "450 GB/s": the two lines of a label; no rate (NULL) without a limit. Owned by the caller. */
char *fab_diagram_link_kind(const FabTopologyLink *link);
char *fab_diagram_link_rate(const FabTopologyLink *link);
/* Links with the same kind and rate are of one class. Owned by the caller. */
char *fab_diagram_link_class(const FabTopologyLink *link);
/* What stands under the name of a vertex, in one or two lines, or NULL. Owned by the caller. */
char *fab_diagram_vertex_note(const FabTopologyVertex *vertex, uint32_t copies);
/* "Tray" or "Server". */
const char *fab_diagram_unit_word(const FabDiagram *diagram);
/* Width of a line of text, not less than DejaVu Sans and Verdana need. */
double fab_diagram_text_width(const char *text, double size, bool bold);

/* diagram-draw.c: the graph with all places fixed, for Graphviz' layout "nop2". agclose(). */
/* An empty graph whose objects are numbered in order of creation. Release with agclose(). */
Agraph_t *fab_diagram_graph_new(const char *name);
/* The same with the fonts and defaults of all pages. */
Agraph_t *fab_diagram_graph_styled(const char *name);
Agraph_t *fab_diagram_draw(const FabDiagram *diagram);

/* One text or shape of the drawing; `markup` is Graphviz HTML. */
Agnode_t *fab_diagram_add_node(Agraph_t *graph, const char *name, const FabDiagramArea *area, const char *markup);
Agedge_t *fab_diagram_add_line(Agraph_t *graph, const char *from, const char *to, const double *x, const double *y,
                               const FabDiagramStroke *stroke);
void fab_diagram_set_shape(Agnode_t *node, const FabDiagramShape *shape, double width);
/* printf-like setting of an attribute of a node, an edge or a graph; numbers only as integers. */
void fab_diagram_set(void *object, const char *name, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* diagram-legend.c: title, caption and the explanation of what occurs. */
void fab_diagram_add_title(const FabDiagram *diagram, Agraph_t *graph);
void fab_diagram_add_legend(const FabDiagram *diagram, Agraph_t *graph);
/* Only what a page of a cluster does not say itself: the scale of loads, and what faults look like. */
void fab_diagram_add_scale(const FabDiagram *diagram, Agraph_t *graph);

#endif
