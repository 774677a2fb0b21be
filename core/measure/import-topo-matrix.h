/* Turns the output of `nvidia-smi topo -m` into a machine file that says what was read and what was inferred. */
#ifndef FAB_MEASURE_IMPORT_TOPO_MATRIX_H
#define FAB_MEASURE_IMPORT_TOPO_MATRIX_H

#include <glib.h>
#include <stdbool.h>
#include <stdio.h>

/*
 * Reads the matrix in `path`, for a machine whose GPUs are all of model `gpu` (an id of the catalogue), and writes a
 * machine file. The machine it describes has the classes of the matrix again. Nothing is written on failure.
 */
bool fab_import_topo_matrix(const char *path, const char *gpu, FILE *out, GError **error);

#endif
