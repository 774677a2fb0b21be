/* The phases of a collective or of a training step, and what binds in each: for how long everything waits for it. */
#ifndef FAB_PREDICT_PHASE_H
#define FAB_PREDICT_PHASE_H

#include <glib.h>

#include "topology/topology.h"

typedef struct {
    char *what;      /* "NVLink 4", "latency", "products of matrices" */
    char *where;     /* of links and the like, the busiest: "GPU 0 > NVSwitch"; NULL: there is no such place */
    guint places;    /* how many of them there are on the path; 0: no place */
    double seconds;
} FabBinding;

typedef struct {
    const char *name; /* static: "steady state", "backward" */
    double start_s;   /* NaN: it comes again and again */
    double seconds;
    GPtrArray *bindings; /* FabBinding, the longest first; they add up to `seconds` */
} FabPhase;

/* Of FabPhase, in order; they add up to the whole time. Release it with g_ptr_array_unref(). */
GPtrArray *fab_phases_new(void);
FabPhase *fab_phases_add(GPtrArray *phases, const char *name, double start_s);

/* Adds time to what binds in a phase, and to the phase. `where` may be NULL. */
void fab_phase_bind(FabPhase *phase, const char *what, const char *where, double seconds);

/* What a resource is of: the links' label, or what limits of its kind are called. */
const char *fab_phase_resource(const FabTopology *topology, uint32_t resource);

/* Sorts what binds, and counts places, when all is added. */
void fab_phases_close(GPtrArray *phases);

#endif
