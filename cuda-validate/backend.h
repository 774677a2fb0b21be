/*
 * What a machine with GPUs can do, as the tests need it. Two machines implement it: CUDA (cuda.c), and host threads
 * that behave like GPUs (fake.c), so that everything above this line runs and is tested without a GPU.
 *
 * A place is the number of a GPU, or host memory. A queue is a stream of CUDA, a mark an event. Calls that fail say why
 * in `failure` and return false or NULL. Work that is put into a queue runs later; what goes wrong then is found by
 * drain().
 */
#ifndef FABM_BACKEND_H
#define FABM_BACKEND_H

#include "base.h"
#include "kernels.h"

enum { FABM_PINNED = -1, FABM_PAGEABLE = -2 }; /* places in host memory; GPUs reach pinned memory by its address */

typedef struct {
    char name[128], bus_id[32];
    int multiprocessors, major, minor, copy_engines;
    uint64_t memory_bytes, cache_bytes;
    double memory_clock_mhz, memory_bus_bits; /* 0: not known */
} FabmGpu;

typedef struct FabmBackend FabmBackend;
typedef struct FabmQueue FabmQueue;
typedef struct FabmMark FabmMark;
typedef struct FabmGraph FabmGraph;

struct FabmBackend {
    const char *name;
    int gpus;
    int runtime_version, driver_version; /* 1000 x major + 10 x minor, as CUDA counts; 0: none */
    void (*free)(FabmBackend *self);

    bool (*info)(FabmBackend *self, int gpu, FabmGpu *info, FabmFailure *failure);
    /* Lets kernels on `gpu` use memory of `other`, and copies go between them directly. */
    bool (*reach)(FabmBackend *self, int gpu, int other, FabmFailure *failure);
    /* Whether 128 bytes that a warp of `gpu` stores at once come to `other` in one piece: not over PCIe. */
    bool (*whole_lines)(FabmBackend *self, int gpu, int other);
    /* CTAs of this launch that the GPU holds at once: those of a program wait for each other. */
    int (*room)(FabmBackend *self, int gpu, const FabmLaunch *launch, FabmFailure *failure);

    void *(*alloc)(FabmBackend *self, int place, uint64_t bytes, FabmFailure *failure);
    void (*release)(FabmBackend *self, int place, void *memory);

    FabmQueue *(*queue_new)(FabmBackend *self, int gpu, bool urgent, FabmFailure *failure);
    void (*queue_free)(FabmQueue *queue);
    bool (*drain)(FabmQueue *queue, FabmFailure *failure);
    FabmMark *(*mark_new)(FabmBackend *self, int gpu, FabmFailure *failure);
    void (*mark_free)(FabmMark *mark);

    bool (*mark)(FabmQueue *queue, FabmMark *mark, FabmFailure *failure);
    bool (*await)(FabmQueue *queue, FabmMark *mark, FabmFailure *failure);
    /* Microseconds between two marks that have passed. */
    bool (*span)(FabmMark *from, FabmMark *to, double *us, FabmFailure *failure);

    bool (*copy)(FabmQueue *queue, void *dst, int dst_place, const void *src, int src_place, uint64_t bytes,
                 FabmFailure *failure);
    bool (*set)(FabmQueue *queue, void *memory, uint8_t byte, uint64_t bytes, FabmFailure *failure);
    bool (*launch)(FabmQueue *queue, const FabmLaunch *launch, FabmFailure *failure);

    /* `count` launches of one kernel, one after the other, as one graph. */
    FabmGraph *(*graph_new)(FabmQueue *queue, const FabmLaunch *launch, int count, FabmFailure *failure);
    bool (*graph_launch)(FabmGraph *graph, FabmQueue *queue, FabmFailure *failure);
    void (*graph_free)(FabmGraph *graph);

    /* The queue as CUDA's stream, for libraries; NULL where there is none. */
    void *(*native)(FabmQueue *queue);
    /* Makes `gpu` the current one of this thread, for libraries. */
    bool (*select)(FabmBackend *self, int gpu, FabmFailure *failure);
};

/* NULL with FABM_EXIT_MACHINE and a sentence when there is no usable driver or GPU. */
FabmBackend *fabm_cuda_new(FabmFailure *failure);

/* `gpus` GPUs of host threads. */
FabmBackend *fabm_fake_new(int gpus);

#endif
