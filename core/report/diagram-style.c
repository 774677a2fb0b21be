/* How things look: shapes and lines that also differ in grey, and the words of labels. */
#include "report/diagram.h"

#include <math.h>
#include <string.h>

#include "base/units.h"
#include "report/names.h"

enum { MAX_MODEL_WIDTH = 90 };

const FabDiagramShape *
fab_diagram_shape(FabVertexKind kind)
{
    static const FabDiagramShape shapes[] = {
        [FAB_VERTEX_GPU] = { "box", "rounded,filled", "#cfe8b4", "#3f7d20", "#16300a", 1, 1.8 },
        [FAB_VERTEX_NVSWITCH] = { "box", "filled", "#2c5a2e", "#16300a", "#ffffff", 2, 1.2 },
        [FAB_VERTEX_PCIE_SWITCH] = { "box", "diagonals,filled", "#e4effb", "#2b6cb0", "#12304f", 1, 1.2 },
        [FAB_VERTEX_HOST_BRIDGE] = { "polygon", "filled", "#ffffff", "#4a5568", "#1a202c", 1, 1.2 },
        [FAB_VERTEX_CPU] = { "box3d", "filled", "#ecc680", "#a86a12", "#3d2704", 1, 1.2 },
        [FAB_VERTEX_NIC] = { "note", "filled", "#d8c6e8", "#6b46a0", "#2c1a4a", 1, 1.2 },
        [FAB_VERTEX_MEMORY] = { "box", "filled", "#f3d6dc", "#9b2c4a", "#4a0d20", 1, 1.2 },
        [FAB_VERTEX_NET_SWITCH] = { "cds", "filled", "#6b46a0", "#2c1a4a", "#ffffff", 1, 1.2 },
    };

    g_return_val_if_fail(kind < G_N_ELEMENTS(shapes) && shapes[kind].shape != NULL, &shapes[FAB_VERTEX_GPU]);
    return &shapes[kind];
}

void
fab_diagram_stroke(const FabTopologyLink *link, FabDiagramStroke *stroke)
{
    static const struct {
        const char *color, *style;
        double pen;
    } strokes[] = {
        [FAB_MEDIUM_NVLINK] = { "#3f8f2a", "solid", 3.6 },
        [FAB_MEDIUM_C2C] = { "#0f766e:#ffffff:#0f766e", "solid", 1.6 },
        [FAB_MEDIUM_PCIE] = { "#2b6cb0", "solid", 1.6 },
        [FAB_MEDIUM_SOCKET] = { "#c05621", "dashed", 2.6 },
        [FAB_MEDIUM_INTERNAL] = { "#718096", "dotted", 1.6 },
        [FAB_MEDIUM_INFINIBAND] = { "#6b46a0", "dashed", 1.4 },
        [FAB_MEDIUM_ETHERNET] = { "#6b46a0", "dotted", 2.2 },
    };
    bool known = link->medium < G_N_ELEMENTS(strokes) && strokes[link->medium].color != NULL;
    FabMedium medium = known ? link->medium : FAB_MEDIUM_INTERNAL;

    stroke->color = g_strdup(strokes[medium].color);
    stroke->style = strokes[medium].style;
    stroke->pen = strokes[medium].pen;
    /* A single NVLink of a mesh is thinner than a double one. */
    if (medium == FAB_MEDIUM_NVLINK && link->lanes < 2)
        stroke->pen = 1.8;
}

void
fab_diagram_load_stroke(double load, FabMedium medium, FabDiagramStroke *stroke)
{
    /* From light to dark, so that grey keeps the order. */
    static const char *const colors[] = { "#fbc15e", "#f08c2e", "#d9541e", "#a02c1c", "#4f0d14" };
    FabTopologyLink link = { .medium = medium, .lanes = 2 };
    int step;

    fab_diagram_stroke(&link, stroke);
    g_free(stroke->color);
    if (!isfinite(load)) {
        stroke->color = g_strdup("#c3c9d1");
        stroke->pen = 1.2;
        return;
    }
    step = (int)(CLAMP(load, 0.0, 0.999) * (double)G_N_ELEMENTS(colors));
    stroke->color = g_strdup(colors[step]);
    stroke->pen = 1.8 + 0.9 * step;
}

void
fab_diagram_fault_stroke(double left, FabDiagramStroke *stroke)
{
    /* A colour that neither a medium nor a load has; what is gone is pale. */
    stroke->color = g_strdup(left > 0 ? "#c0267e" : "#9aa3ae");
    stroke->style = "dashed";
    stroke->pen = left > 0 ? 2.6 : 1.3;
}

char *
fab_diagram_fault_text(double left)
{
    return left > 0 ? g_strdup_printf("%.3g %% left", left * 100) : g_strdup("down");
}

/* To three digits: "63 GB/s", not "63.02 GB/s". */
static double
three_digits(double value)
{
    double unit;

    if (!(value > 0) || !isfinite(value))
        return value;
    unit = pow(10, floor(log10(value)) - 2);
    return round(value / unit) * unit;
}

char *
fab_diagram_link_rate(const FabTopologyLink *link)
{
    return fab_link_is_unlimited(link) ? NULL : fab_format_rate(three_digits(link->bandwidth));
}

char *
fab_diagram_link_kind(const FabTopologyLink *link)
{
    const char *label = link->label != NULL ? link->label : fab_medium_name(link->medium);

    if (link->medium == FAB_MEDIUM_INTERNAL && strcmp(label, fab_medium_name(link->medium)) == 0)
        label = "on chip";

    if ((link->lanes < 2 && link->medium != FAB_MEDIUM_NVLINK) || g_str_has_prefix(label, "PCIe"))
        return g_strdup(label);
    return g_strdup_printf("%s x%u", label, MAX(1, link->lanes));
}

char *
fab_diagram_link_class(const FabTopologyLink *link)
{
    g_autofree char *kind = fab_diagram_link_kind(link);
    g_autofree char *rate = fab_diagram_link_rate(link);

    return g_strdup_printf("%s, %s", kind, rate != NULL ? rate : "no limit of its own");
}

/* Breaks the name of a model that is too long for a device into lines, all as short as two or three allow. */
static char *
break_model(const char *model)
{
    double total = fab_diagram_text_width(model, 9, false);
    double target = total / MAX(1, ceil(total / MAX_MODEL_WIDTH)) + 18;
    g_auto(GStrv) words = g_strsplit(model, " ", -1);
    GString *text = g_string_new(NULL);
    double width = 0;

    for (uint32_t i = 0; words[i] != NULL; i++) {
        double word = fab_diagram_text_width(words[i], 9, false) + 4;

        if (i > 0)
            g_string_append_c(text, width + word > target ? '\n' : ' ');
        width = i > 0 && width + word > target ? word : width + word;
        g_string_append(text, words[i]);
    }
    return g_string_free(text, FALSE);
}

char *
fab_diagram_vertex_note(const FabTopologyVertex *vertex, uint32_t copies)
{
    g_autoptr(GPtrArray) parts = g_ptr_array_new_with_free_func(g_free);
    bool is_device = vertex->kind == FAB_VERTEX_GPU || vertex->kind == FAB_VERTEX_NIC;

    if (vertex->model != NULL && vertex->model[0] != '\0' && strcmp(vertex->model, vertex->name) != 0)
        g_ptr_array_add(parts, is_device ? break_model(vertex->model) : g_strdup(vertex->model));
    if (vertex->count * copies > 1)
        g_ptr_array_add(parts, g_strdup_printf("%u %s", vertex->count * copies,
                                               vertex->kind == FAB_VERTEX_GPU ? "devices" : "chips"));
    if ((vertex->flags & FAB_VERTEX_MULTICAST) != 0)
        g_ptr_array_add(parts, g_strdup("reduces in the switch"));
    if ((vertex->flags & FAB_VERTEX_ACS) != 0)
        g_ptr_array_add(parts, g_strdup("ACS on"));
    if (vertex->peer_limit > 0) {
        g_autofree char *rate = fab_format_rate(three_digits(vertex->peer_limit));
        g_ptr_array_add(parts, g_strdup_printf("peers up to %s", rate));
    }
    if (parts->len == 0)
        return NULL;
    g_ptr_array_add(parts, NULL);
    return g_strjoinv(" \302\267 ", (char **)parts->pdata);
}

const char *
fab_diagram_unit_word(const FabDiagram *diagram)
{
    return diagram->shared_fabric ? "Tray" : "Server";
}

double
fab_diagram_text_width(const char *text, double size, bool bold)
{
    double em = 0;

    for (const char *at = text; *at != '\0'; at = g_utf8_next_char(at)) {
        gunichar c = g_utf8_get_char(at);

        if (c < 128 && strchr("iljtfrI.,:;'|!()[] /-\"", (int)c) != NULL)
            em += 0.38;
        else if (c < 128 && strchr("mwMW%@", (int)c) != NULL)
            em += 0.95;
        else if (c >= 0x1100)
            em += 1.0;
        else
            em += g_unichar_isupper(c) ? 0.70 : 0.63;
    }
    return em * size * (bold ? 1.12 : 1.0);
}
