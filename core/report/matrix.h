/* The matrix of distances, which stands alone or below the tables of a machine. */
#ifndef FAB_REPORT_MATRIX_H
#define FAB_REPORT_MATRIX_H

#include "topology/topology.h"

void fab_report_append_matrix(const FabTopology *topology, GString *out);

#endif
