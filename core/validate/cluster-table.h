/* Errors over several nodes in few numbers: by cluster, fabrics of their own apart from those that others share. */
#ifndef FAB_VALIDATE_CLUSTER_TABLE_H
#define FAB_VALIDATE_CLUSTER_TABLE_H

#include "validate/validate.h"

/* Where other jobs share the network one measurement is a draw: from here on the fastest of the repeats is judged. */
#define FAB_BEST_FROM (UINT64_C(32) << 20)

/* The scored tables of one cluster, so many of its nodes and one collective, with or without a forced algorithm. */
typedef struct {
    const FabValidationCase *first; /* one of them: machine, topology, nodes, network, collective */
    guint cases;
    FabErrorSummary summary[FAB_BANDS];
    FabErrorSummary best; /* shared: from FAB_BEST_FROM against the fastest of the repeats; without rows: none */
    guint repeats;        /* measurements of one size, at most */
} FabClusterTable;

/* FabClusterTable, networks of their own first, then by machine, nodes, collective. g_ptr_array_unref(). */
GPtrArray *fab_cluster_tables(const FabValidation *validation);

/* The fastest measurement of a row's size by the same cluster, nodes and collective, in microseconds. */
double fab_cluster_best_us(const FabValidation *validation, const FabValidationCase *one, uint64_t size);

typedef enum { FAB_BAR_LARGE, FAB_BAR_MIDDLE, FAB_BAR_SHARED, FAB_BARS } FabBar;

/* A bound that the mean error over tables shall keep. */
typedef struct {
    const char *name;    /* "networks of their own, from 8 MiB" */
    double most;         /* share */
    guint tables, within; /* that have such sizes; that keep it themselves */
    double mean;         /* over tables, which weigh the same */
} FabBarMean;

void fab_cluster_bars(const GPtrArray *tables, FabBarMean bars[FAB_BARS]);

#endif
