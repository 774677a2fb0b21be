/*
 * Diagrams of machines, rendered by Graphviz. All places are fixed before Graphviz sees the graph (layout
 * engine "nop2"), so that a drawing looks the same with every version of it. Graphviz keeps its settings in
 * globals: one thread of a process at a time may draw.
 */
#include "report/diagram.h"
#include "report/diagram-cluster.h"

#include <graphviz/gvc.h>
#include <locale.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"

static const char *const formats[] = { "svg", "png", "pdf", "dot", NULL };

/* Dots per inch at which the smallest words, of 9 points, are 7 dots high. */
enum { LEAST_RESOLUTION = 60 };

/* The format that the suffix names, or NULL with an error. */
static const char *
format_of(const char *path, GError **error)
{
    g_autofree char *name = g_path_get_basename(path);
    const char *suffix = strrchr(name, '.');

    for (uint32_t i = 0; suffix != NULL && suffix != name && formats[i] != NULL; i++) {
        if (g_ascii_strcasecmp(suffix + 1, formats[i]) == 0)
            return formats[i];
    }
    if (suffix == NULL || suffix == name || suffix[1] == '\0') {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: has no suffix that names a format of diagrams; accepted: .svg, .png, .pdf, .dot", path);
    } else {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: \"%s\" is not a format of diagrams; accepted: .svg, .png, .pdf, .dot", path, suffix);
    }
    return NULL;
}

/* Dots per inch: twice a screen's, less where the picture would pass what cairo can draw (32,767 pixels). */
static int
png_resolution(const FabDiagram *diagram)
{
    double inches = (diagram->area.right - diagram->area.left) / 72 + 1;

    return (int)MIN(144, 30000 / inches);
}

/* Words of a wide picture would be dots. */
static bool
check_legible(const FabDiagram *diagram, const char *format, bool expand, GError **error)
{
    if (!g_str_equal(format, "png") || png_resolution(diagram) >= LEAST_RESOLUTION)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                "%s: is %.0f inches wide, too wide for a PNG whose words can be read; draw it as .svg or .pdf%s",
                diagram->topology->name, (diagram->area.right - diagram->area.left) / 72,
                expand ? ", or leave --expand out" : "");
    return false;
}

/*
 * One context for the life of the process: Graphviz' Pango plugin keeps a pointer to the name of the last font,
 * which belongs to the context, and looks at it in the next drawing.
 */
static GVC_t *
context_of_process(void)
{
    static GVC_t *context;

    if (context == NULL)
        context = gvContext();
    return context;
}

/* The picture as bytes; gvFreeRenderData(). NULL: Graphviz lacks the format. */
static char *
render(Agraph_t *graph, const char *format, unsigned *length)
{
    GVC_t *context = context_of_process();
    char *data = NULL;

    if (context == NULL || gvLayout(context, graph, "nop2") != 0)
        return NULL;
    if (gvRenderData(context, graph, format, &data, length) != 0)
        data = NULL;
    gvFreeLayout(context, graph);
    return data;
}

/* The placed drawing of a machine, or of a cluster's network. */
static Agraph_t *
draw(FabDiagram *diagram, bool expand)
{
    if (diagram->topology->node_count > 0)
        return fab_diagram_cluster_draw(diagram, expand);
    fab_diagram_place(diagram);
    fab_diagram_connect(diagram);
    return fab_diagram_draw(diagram);
}

/* The picture as bytes; gvFreeRenderData(). NULL: Graphviz lacks the format. */
static char *
draw_as(const FabTopology *topology, const FabDiagramLoad *load, const double *left, const char *format, bool expand,
        unsigned *length, GError **error)
{
    g_autoptr(FabDiagram) diagram = fab_diagram_new(topology, load, left, expand && topology->node_count == 0);
    locale_t plain, before;
    Agraph_t *graph;
    char *data;

    /* Graphviz reads and writes numbers in the locale of the thread, and tells its complaints to stderr. */
    plain = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    before = plain != (locale_t)0 ? uselocale(plain) : (locale_t)0;
    agseterr(AGMAX);
    graph = draw(diagram, expand);
    if (g_str_equal(format, "png"))
        fab_diagram_set(graph, "dpi", "%d", png_resolution(diagram));
    data = check_legible(diagram, format, expand, error) ? render(graph, format, length) : NULL;
    agclose(graph);
    agseterr(AGWARN);
    if (plain != (locale_t)0) {
        uselocale(before);
        freelocale(plain);
    }
    return data;
}

bool
fab_report_diagram(const FabTopology *topology, const FabDiagramLoad *load, const double *left, const char *path,
                   bool expand, GError **error)
{
    const char *format = format_of(path, error);
    unsigned length = 0;
    bool written = false;
    GError *wrong = NULL;
    char *data;

    if (format == NULL)
        return false;
    data = draw_as(topology, load, left, format, expand, &length, &wrong);
    if (wrong != NULL)
        g_propagate_prefixed_error(error, wrong, "%s: ", path);
    else if (data == NULL)
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYSTEM, "%s: Graphviz cannot render %s here; its plugin is missing",
                    path, format);
    else
        written = fab_file_check_unread(path, error) && fab_file_write(path, data, length, error);
    gvFreeRenderData(data);
    return written;
}

char *
fab_report_diagram_svg(const FabTopology *topology, const FabDiagramLoad *load, const double *left, GError **error)
{
    unsigned length = 0;
    char *data = draw_as(topology, load, left, "svg", false, &length, NULL), *text;

    if (data == NULL) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYSTEM, "Graphviz cannot render svg here; its plugin is missing");
        return NULL;
    }
    text = g_strndup(data, length);
    gvFreeRenderData(data);
    return text;
}
