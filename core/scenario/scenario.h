/*
 * What to run, as plain data read from a scenario file and the command line: the machine, overrides, and a
 * collective sweep, a set of transfers, a copy pipeline, a training step or an execution trace. Names are checked
 * against files only, not against the machine.
 */
#ifndef FAB_SCENARIO_SCENARIO_H
#define FAB_SCENARIO_SCENARIO_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/keyfile.h"
#include "scenario/model.h"
#include "scenario/nccl-settings.h"
#include "scenario/background.h"
#include "scenario/copy-pipeline.h"
#include "scenario/fault.h"
#include "scenario/goodput.h"
#include "scenario/price.h"
#include "scenario/trace.h"
#include "scenario/training.h"

typedef enum { FAB_SCENARIO_COLLECTIVE, FAB_SCENARIO_TRANSFER, FAB_SCENARIO_TRAINING,
               FAB_SCENARIO_PIPELINE, FAB_SCENARIO_INFERENCE, FAB_SCENARIO_TRACE } FabScenarioKind;

/* [transfer]: simultaneous copies between GPUs, or between one and the memory of its CPU. */
typedef struct {
    uint32_t from, to; /* FAB_FLOW_HOST: memory of the CPU that the other one hangs on */
} FabTransferPair;

#define FAB_FLOW_HOST UINT32_MAX

typedef struct {
    char *path;      /* file, or "command line" */
    char *name, *title;
    char *text;      /* groups and keys, with what the command line set: fab_scenario_parse() reads it again */
    /* [topology] */
    char *topology;  /* catalogue id or file */
    GHashTable *overrides; /* parameter -> value, texts */
    char *calibration; /* [calibration] file: an overlay of constants; NULL: those shipped */
    bool has_sweep;  /* there is a [sweep], which only `fabricast sweep` looks at (scenario/sweep.h) */
    FabScenarioKind kind;
    /* [collective]; texts are NULL and numbers 0 where NCCL's choice is asked for */
    char *operation;       /* "all_reduce" */
    char *algorithm;       /* "auto", or a name of the table; never NULL for a collective */
    char *protocol;        /* "auto", "simple", "ll", "ll128" */
    uint32_t channels;     /* 0: auto */
    uint64_t chunk_bytes, slice_bytes; /* 0: the protocol's */
    uint32_t slots;        /* 0: the protocol's */
    uint32_t *ranks;       /* GPU of each rank; NULL: all GPUs in order */
    uint32_t rank_count;   /* 0: all */
    uint32_t root;
    char *datatype;        /* "float" */
    char *reduction;       /* "sum" */
    char *peer;            /* "auto", "nvlink", "pix", "pxb", "phb", "node", "sys": how far GPUs talk directly */
    bool nvlink;           /* false hides NVLink */
    double launch_s;       /* launch overhead; negative: the GPU's default */
    uint32_t nccl;         /* release whose rules decide, 1000 x major + minor: 2030 is 2.30 */
    uint32_t processes, threads; /* that launch: processes, and threads of each; 0: one thread for each GPU */
    FabNcclSettings settings;    /* NCCL's environment variables */
    /* "back-to-back": calls follow each other, as in nccl-tests; "single": each alone; "kernel": of the kernel alone */
    char *timing;
    uint32_t calls;        /* back-to-back calls that the time is the mean of; 0: as many as nccl-tests makes */
    uint32_t seeds;        /* draws of a network's hash; 0: the machine's own alone; also of [transfer] */
    char *fold;            /* "auto", "on", "off", "exact": whether one rank is simulated for all alike */
    bool registered;       /* user buffers are registered with NCCL, as CUDA graphs do it: sendrecv copies once */
    bool one_way;          /* sendrecv: the last rank does not send to the first */
    /* [transfer] */
    FabTransferPair *pairs;
    uint32_t pair_count;
    FabCopyPipeline pipeline; /* [pipeline] */
    /* [model], [parallel] and [training] or [inference] */
    FabModel *model;
    FabTraining *training;
    GPtrArray *faults; /* FabFault: [fault NAME]; never NULL */
    FabTraceWish trace;       /* [trace] */
    FabBackground *background; /* [background]; NULL: not given */
    FabGoodputSpec *goodput; /* [goodput] beside [training]; NULL: not given */
    FabPrice *price;   /* [price] and [power]; NULL: not given */
    FabPower *power;
    /* collective, transfer; of a pipeline's chunks */
    uint64_t *sizes;
    uint32_t size_count;
} FabScenario;

/*
 * Reads a file; a bare name may also be a scenario shipped with the program. `sets` holds "group.key=value" texts
 * (NULL-terminated, may be NULL) that win over it; "key=value" belongs to [collective] or [transfer], whichever the
 * scenario has.
 */
FabScenario *fab_scenario_load(const char *path, char *const *sets, GError **error);

/* The file with `sets` in it, not read yet: for what stands beside a scenario, such as [sweep]. Owned by the caller. */
FabKeyfile *fab_scenario_open(const char *path, char *const *sets, GError **error);

/* From nothing but "group.key=value" texts, as the command line gives them. */
FabScenario *fab_scenario_from_sets(char *const *sets, GError **error);

/* From the text of a file; `path` is only a name for messages, `sets` as above. */
FabScenario *fab_scenario_parse(const char *path, const char *text, char *const *sets, GError **error);

void fab_scenario_free(FabScenario *scenario);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabScenario, fab_scenario_free)

/*
 * "8:8G" doubles from 8 B to 8 GiB, "1M:1G:4" multiplies by 4, "1M:8M:+1M" adds 1 MiB, "1M;2M;1000" is a list.
 * At most 4096 sizes of 1 B to 512 GiB. Owned by the caller.
 */
uint64_t *fab_parse_sizes(const char *text, uint32_t *count, GError **error);

#endif
