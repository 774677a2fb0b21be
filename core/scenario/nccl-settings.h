/*
 * NCCL's environment variables as keys of [collective], under their own names: what each asks for, as plain data. A
 * value that NCCL would ignore in silence is refused here.
 */
#ifndef FAB_SCENARIO_NCCL_SETTINGS_H
#define FAB_SCENARIO_NCCL_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/keyfile.h"

/* The key names; NULL-terminated. */
extern const char *const fab_nccl_setting_keys[];

/* Names as NCCL_ALGO and NCCL_PROTO spell them, in the order of NCCL's cost table; NULL-terminated. */
extern const char *const fab_nccl_algorithm_names[], *const fab_nccl_protocol_names[];

typedef struct {
    /* Rows and columns of the cost table taken away for this collective: bit i is name i of the lists above. */
    uint32_t without_algorithms, without_protocols;
    bool any_ll128;             /* NCCL_PROTO keeps LL128: then it runs over any kind of link */
    bool pat;                   /* NCCL_PAT_ENABLE=1: with several GPUs in a node too */
    bool collnet;               /* NCCL_COLLNET_ENABLE=1: networks that reduce are used */
    bool no_shm;                /* NCCL_SHM_DISABLE=1 */
    uint32_t min_channels, max_channels; /* of rings, trees and send/recv; 0: not given */
    uint32_t min_ctas, max_ctas;         /* of NVLS too; 0: not given */
    uint32_t queue_pairs;       /* of a connection between nodes, NCCL_IB_QPS_PER_CONNECTION; 0: not given, one */
    uint32_t threads;           /* 0: the protocol's */
    uint64_t buffer_bytes;      /* of a Simple FIFO; 0: 4 MiB */
    uint64_t nvls_bytes;        /* longest chunk of NVLS; 0: 128 KiB */
    uint64_t nvls_tree_bytes;   /* longest chunk of NVLSTree; 0: that of NVLS, 64 KiB from four nodes on */
    char *graph_file;           /* XML of NCCL_GRAPH_DUMP_FILE, found beside the scenario; owned; NULL: not given */
    const char *peer;           /* a value of [collective] peer, static; NULL: not given */
    bool no_nvlink;             /* with `peer`: NVLink is beyond that level too */
} FabNcclSettings;

/* Refuses variables that this program has as keys of the machine's network, and says which: before unknown keys are. */
bool fab_nccl_settings_check_places(FabKeyfile *file, const char *group, GError **error);

/* Reads those of the keys that `file` has, for a collective ("all_reduce") and a release (2030 is 2.30). */
bool fab_nccl_settings_read(FabKeyfile *file, const char *group, const char *operation, uint32_t nccl,
                            FabNcclSettings *settings, GError **error);

#endif
