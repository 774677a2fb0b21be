/* What is wrong with a machine while it works, as a scenario states it: [fault] and [fault NAME]. */
#ifndef FAB_SCENARIO_FAULT_H
#define FAB_SCENARIO_FAULT_H

#include "base/keyfile.h"

typedef enum {
    FAB_FAULT_LINK_DOWN,      /* links carry nothing */
    FAB_FAULT_LINK_RATE,      /* links keep a share of their rate */
    FAB_FAULT_NVSWITCH_PLANE, /* chips of an NVSwitch vertex are gone, with their share of every port */
    FAB_FAULT_SWITCH_DOWN,    /* a switch with all its links */
    FAB_FAULT_NIC_DOWN,       /* a NIC with its cables */
    FAB_FAULT_SLOW_GPU,       /* kernels take longer */
    FAB_FAULT_JITTER,         /* kernels begin late and are slow by chance */
} FabFaultKind;

/* Their words, NULL-terminated. */
extern const char *const fab_fault_kind_names[];

typedef struct {
    char *name;         /* of the group; "fault" where it has none */
    char *group;        /* as in the file: "fault", "fault NAME" */
    FabFaultKind kind;
    char **at;          /* vertices, or links as "Leaf 0 - Spine 1"; NULL-terminated; of jitter NULL: all GPUs */
    double rate;        /* link-rate: share that is left, 0..1 */
    uint32_t chips;     /* nvswitch-plane: how many are gone */
    double factor;      /* slow-gpu: kernels take so many times as long */
    double delay_s;     /* jitter: mean of an exponential distribution */
    double spread;      /* jitter: standard deviation of a normal one, of which the slower half counts */
    uint32_t seed;
    double start_s, end_s; /* from the start of a call; end INFINITY: not in the run */
    double detection_s; /* after its start, until data goes round it; negative: never */
    bool timed;         /* it begins or ends during the run: NCCL started without it */
} FabFault;

/*
 * The faults of a file in its order: FabFault. Owned by the caller, empty where there is none. Names are not checked
 * against the machine.
 */
GPtrArray *fab_faults_read(FabKeyfile *file, GError **error);

/* Declares the groups and their keys, so that a misspelt one is found. */
void fab_faults_accept(FabKeyfile *file);

/* "link-rate at Leaf 0 - Spine 1, 50 % left". Owned by the caller. */
char *fab_fault_describe(const FabFault *fault);

#endif
