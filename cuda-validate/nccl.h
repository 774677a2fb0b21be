/* NCCL, loaded at run time: no header of it is needed, and any release from 2.10 on will do. */
#ifndef FABM_NCCL_H
#define FABM_NCCL_H

#include "base.h"

typedef struct FabmNcclComm *FabmNcclCommunicator;

/* Numbers of NCCL's interface. */
enum { FABM_NCCL_HALF = 6, FABM_NCCL_FLOAT = 7, FABM_NCCL_BFLOAT16 = 9, FABM_NCCL_SUM = 0, FABM_NCCL_OLDEST = 21000 };

/* Its functions; a result is 0 when it went well, a stream is CUDA's. */
typedef struct {
    void *library;
    int version; /* 10000 x major + 100 x minor + patch */
    int (*get_version)(int *version);
    const char *(*error_string)(int result);
    int (*init_all)(FabmNcclCommunicator *communicators, int count, const int *gpus);
    int (*destroy)(FabmNcclCommunicator communicator);
    int (*group_start)(void);
    int (*group_end)(void);
    int (*all_reduce)(const void *, void *, size_t count, int type, int op, FabmNcclCommunicator, void *stream);
    int (*all_gather)(const void *, void *, size_t sent, int type, FabmNcclCommunicator, void *stream);
    int (*reduce_scatter)(const void *, void *, size_t received, int type, int op, FabmNcclCommunicator, void *stream);
    int (*broadcast)(const void *, void *, size_t count, int type, int root, FabmNcclCommunicator, void *stream);
    int (*reduce)(const void *, void *, size_t count, int type, int op, int root, FabmNcclCommunicator, void *stream);
    int (*send)(const void *, size_t count, int type, int peer, FabmNcclCommunicator, void *stream);
    int (*recv)(void *, size_t count, int type, int peer, FabmNcclCommunicator, void *stream);
} FabmNccl;

/* `path` NULL: looked for. */
bool fabm_nccl_open(FabmNccl *nccl, const char *path, FabmFailure *failure);

/* True when `result` is 0; else a failure with NCCL's own words. */
bool fabm_nccl_good(const FabmNccl *nccl, int result, const char *what, FabmFailure *failure);

#endif
