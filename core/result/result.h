/* What a run found out: plain data, one row for each size. Nothing here depends on how it was computed. */
#ifndef FAB_RESULT_RESULT_H
#define FAB_RESULT_RESULT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Use of one resource during one row. */
typedef struct {
    char *name;          /* as in the topology */
    uint32_t link;       /* index of its link, UINT32_MAX: none */
    uint32_t direction;  /* 0: a to b */
    double bytes;        /* carried, protocol included */
    double utilisation;  /* bytes / (capacity x time), 0..1 */
} FabResultUse;

/* Times of one size over draws of a network's hash; of fewer than 20 the 5 % and 95 % are the extremes. */
typedef struct {
    int64_t least_ps, p5_ps, p95_ps, most_ps;
} FabResultDraws;

/* Of a tree or ring over `nodes` nodes two smaller ones were simulated; a doubling of the larger adds a time (mean). */
typedef struct {
    uint32_t nodes, simulated[2]; /* ascending */
    uint32_t doublings;
    int64_t each_ps;
    bool crowded; /* links of the whole are busier than theirs, which was added */
} FabResultGrowth;

typedef struct {
    uint64_t size_bytes;
    int64_t time_ps; /* of several draws the median */
    int64_t low_ps, high_ps; /* nine of ten measurements lie between them; 0: not known */
    char *kind;          /* of machine and kernels, what the interval depends on: "nvswitch/ring/hopper"; or NULL */
    double algbw, busbw; /* B/s; busbw 0 where the collective defines none */
    char *algorithm, *protocol;
    uint32_t channels;
    char *binding;       /* what limits: a resource, "channel copy rate", "latency", "host launch" */
    double binding_utilisation; /* share of the time that it is busy, 0..1 */
    GArray *uses;        /* FabResultUse, busiest first; only resources that carried bytes */
    uint64_t steps, slices; /* primitives and slices simulated */
    FabResultDraws *draws;  /* NULL: one draw alone, or nothing is drawn */
    FabResultGrowth *growth; /* NULL: simulated whole */
} FabResultRow;

/* Something that is wrong with the machine, and what it would cost alone. */
typedef struct {
    char *name, *what;   /* "uplink"; "link-rate at Leaf 0 - Spine 1, 50 % left" */
    int64_t *alone_ps;   /* time of each row with this fault only; NULL: not run */
} FabResultFault;

typedef struct {
    char *name;            /* of the scenario */
    char *scenario;        /* its text, from which it can be run again; NULL: not known */
    char *topology, *topology_title, *plugin;
    char *collective;      /* or "transfer" */
    uint32_t ranks, gpus;  /* taking part; in the machine */
    char *calibration;     /* file of the overlay whose constants were used; NULL: those shipped */
    char *fidelity;        /* "chunk" */
    char *redop, *datatype;
    int32_t root;          /* -1: none */
    GPtrArray *notes;      /* char *: what a reader must know ("GeForce: staged through host memory") */
    char *interval;        /* what the intervals rest on, or why there is none */
    bool guessed;          /* an interval is a guess: nobody measured such a machine */
    GPtrArray *rows;       /* FabResultRow */
    GPtrArray *faults;     /* FabResultFault; the rows are with all of them */
    uint32_t draws, first_seed; /* of the network's hash, with seeds from the first on; 0: not repeated */
    int64_t *healthy_ps;   /* time of each row without any; NULL: not run */
} FabResult;

FabResult *fab_result_new(void);
void fab_result_free(FabResult *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabResult, fab_result_free)

/* Adds a fault; its texts are copied. */
FabResultFault *fab_result_add_fault(FabResult *result, const char *name, const char *what);

FabResultRow *fab_result_row_new(void);
void fab_result_row_free(FabResultRow *row);

#endif
