/* Writers of results and topologies. Each returns false with FAB_ERROR_SYSTEM when the stream fails. */
#ifndef FAB_REPORT_REPORT_H
#define FAB_REPORT_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "result/result.h"
#include "topology/topology.h"

/* The columns of nccl-tests with '#' lines around them, then what binds. */
bool fab_report_table(const FabResult *result, FILE *out, GError **error);
/* One header row, then a row for each size of each result (FabResult). */
bool fab_report_csv(GPtrArray *results, FILE *out, GError **error);
/* One object that holds all results: schema "fabricast-result", schema_version 1, and the program's version. */
bool fab_report_json(GPtrArray *results, FILE *out, GError **error);

/* Vertices, links with nominal and effective rate, and the matrix of `nvidia-smi topo -m`. */
bool fab_report_topology(const FabTopology *topology, FILE *out, GError **error);
bool fab_report_matrix(const FabTopology *topology, FILE *out, GError **error);

/* Utilisation of each link direction for a diagram: load[link * 2 + direction], 0..1; NaN: unknown. */
typedef struct {
    double *load;
    char *caption; /* "all_reduce ring, 1 GiB, 1.9 ms" */
} FabDiagramLoad;

/*
 * Draws to `path`; the format is its suffix: svg, png, pdf, dot; others are refused by name. `load` may be NULL.
 * `left`: what faults leave of each link, 0 to 1; NULL: all.
 */
bool fab_report_diagram(const FabTopology *topology, const FabDiagramLoad *load, const double *left, const char *path,
                        bool expand, GError **error);

/* The same as the text of an SVG file. Owned by the caller. */
char *fab_report_diagram_svg(const FabTopology *topology, const FabDiagramLoad *load, const double *left,
                             GError **error);

/* Reads the last row of the first result in a JSON file written by fab_report_json(). */
FabDiagramLoad *fab_diagram_load_read(const FabTopology *topology, const char *path, GError **error);
void fab_diagram_load_free(FabDiagramLoad *load);

#endif
