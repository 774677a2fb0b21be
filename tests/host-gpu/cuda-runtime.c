/*
 * The part of CUDA's runtime that fabricast-measure uses, over the GPUs of host threads, so that the program runs as
 * it does on real ones. HOST_GPU says what is wrong with the machine: "no-driver", "old-driver", "no-gpu", "old-gpu"
 * (too old for the kernels), "other-gpu" (none of the kernels is for it), "no-peer", "refused-peer" (the driver says
 * no when it is asked), "pcie" (no NVLink joins them), "memory" (little of it), "broken" (work fails), "hang" (once two
 * times were taken, no wait for work ends).
 */
#include <cuda_runtime_api.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "backend.h"

enum { GPUS = 2, MULTIPROCESSORS = 4, BLOCKS_EACH = 4, LITTLE_MEMORY = 8 << 20, MOST_LAUNCHES = 256 };

extern const void *fabm_kernel_address(const FabmLaunch *launch);

struct CUgraph_st {
    FabmLaunch launches[MOST_LAUNCHES];
    int count;
};

static FabmBackend *machine;
static _Thread_local int current_gpu;
static bool reaches[GPUS][GPUS];
static int times_taken; /* between events */
static cudaGraph_t capture; /* where launches go instead of a stream */

static bool
is(const char *fault)
{
    const char *set = getenv("HOST_GPU");

    return set != NULL && strcmp(set, fault) == 0;
}

static FabmBackend *
gpus(void)
{
    if (machine == NULL)
        machine = fabm_fake_new(GPUS);
    return machine;
}

static cudaError_t
result(bool good)
{
    return good ? cudaSuccess : cudaErrorInvalidDevice;
}

const char *
cudaGetErrorName(cudaError_t error)
{
    return error == cudaErrorMemoryAllocation ? "cudaErrorMemoryAllocation" : "cudaErrorOfAnotherKind";
}

const char *
cudaGetErrorString(cudaError_t error)
{
    return error == cudaErrorMemoryAllocation ? "out of memory" : "another kind of error";
}

cudaError_t
cudaGetLastError(void)
{
    return cudaSuccess;
}

/* ------------------------------------------------------------------ what is there */

cudaError_t
cudaRuntimeGetVersion(int *version)
{
    *version = 13000;
    return cudaSuccess;
}

cudaError_t
cudaDriverGetVersion(int *version)
{
    *version = is("no-driver") ? 0 : is("old-driver") ? 12040 : 13000;
    return cudaSuccess;
}

cudaError_t
cudaGetDeviceCount(int *count)
{
    *count = GPUS;
    if (is("no-driver") || is("old-driver"))
        return cudaErrorInsufficientDriver;
    return is("no-gpu") ? cudaErrorNoDevice : cudaSuccess;
}

cudaError_t
cudaSetDevice(int gpu)
{
    current_gpu = gpu;
    return result(gpu >= 0 && gpu < GPUS);
}

cudaError_t
cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int gpu)
{
    *value = attribute == cudaDevAttrMultiProcessorCount      ? MULTIPROCESSORS
             : attribute == cudaDevAttrComputeCapabilityMajor ? (is("old-gpu") ? 6 : 9)
                                                              : 0;
    return result(gpu >= 0 && gpu < GPUS);
}

cudaError_t
cudaGetDeviceProperties(struct cudaDeviceProp *properties, int gpu)
{
    *properties = (struct cudaDeviceProp) { .name = "Host GPU", .major = 9, .multiProcessorCount = MULTIPROCESSORS,
                                            .totalGlobalMem = 1 << 30 };
    return result(gpu >= 0 && gpu < GPUS);
}

cudaError_t
cudaDeviceGetPCIBusId(char *text, int length, int gpu)
{
    snprintf(text, (size_t)length, "0000:0%d:00.0", gpu + 1);
    return cudaSuccess;
}

cudaError_t
cudaDeviceCanAccessPeer(int *can, int gpu, int peer)
{
    *can = gpu != peer && !is("no-peer");
    return cudaSuccess;
}

cudaError_t
cudaDeviceGetP2PAttribute(int *value, enum cudaDeviceP2PAttr attribute, int gpu, int peer)
{
    *value = !is("pcie");
    return result(attribute == cudaDevP2PAttrNativeAtomicSupported && gpu != peer);
}

cudaError_t
cudaDeviceEnablePeerAccess(int peer, unsigned flags)
{
    bool before = reaches[current_gpu][peer];

    if (is("refused-peer"))
        return cudaErrorInvalidDevice;
    reaches[current_gpu][peer] = true;
    return flags != 0 ? cudaErrorInvalidDevice : before ? cudaErrorPeerAccessAlreadyEnabled : cudaSuccess;
}

cudaError_t
cudaDeviceGetStreamPriorityRange(int *least, int *greatest)
{
    *least = 0;
    *greatest = -5;
    return cudaSuccess;
}

/* ------------------------------------------------------------------ memory */

static cudaError_t
allocate(void **memory, size_t bytes, int place)
{
    FabmFailure failure = { 0 };

    if (is("memory") && place >= 0 && bytes > LITTLE_MEMORY)
        return cudaErrorMemoryAllocation;
    *memory = gpus()->alloc(gpus(), place, bytes, &failure);
    return *memory != NULL ? cudaSuccess : cudaErrorMemoryAllocation;
}

cudaError_t
cudaMalloc(void **memory, size_t bytes)
{
    return allocate(memory, bytes, current_gpu);
}

cudaError_t
cudaFree(void *memory)
{
    free(memory);
    return cudaSuccess;
}

cudaError_t
cudaHostAlloc(void **memory, size_t bytes, unsigned flags)
{
    return flags == (cudaHostAllocPortable | cudaHostAllocMapped) ? allocate(memory, bytes, FABM_PINNED)
                                                                  : cudaErrorInvalidDevice;
}

cudaError_t
cudaFreeHost(void *memory)
{
    free(memory);
    return cudaSuccess;
}

/* ------------------------------------------------------------------ streams and events */

cudaError_t
cudaStreamCreateWithPriority(cudaStream_t *stream, unsigned flags, int priority)
{
    FabmFailure failure = { 0 };

    (void)priority;
    *stream = (cudaStream_t)gpus()->queue_new(gpus(), current_gpu, false, &failure);
    return result(flags == cudaStreamNonBlocking && *stream != NULL);
}

cudaError_t
cudaStreamDestroy(cudaStream_t stream)
{
    gpus()->queue_free((FabmQueue *)stream);
    return cudaSuccess;
}

cudaError_t
cudaStreamSynchronize(cudaStream_t stream)
{
    FabmFailure failure = { 0 };

    while (is("hang") && times_taken >= 2)
        sleep(1);
    return result(gpus()->drain((FabmQueue *)stream, &failure) && !is("broken"));
}

cudaError_t
cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned flags)
{
    FabmFailure failure = { 0 };

    return result(flags == 0 && gpus()->await((FabmQueue *)stream, (FabmMark *)event, &failure));
}

cudaError_t
cudaEventCreate(cudaEvent_t *event)
{
    FabmFailure failure = { 0 };

    *event = (cudaEvent_t)gpus()->mark_new(gpus(), current_gpu, &failure);
    return result(*event != NULL);
}

cudaError_t
cudaEventDestroy(cudaEvent_t event)
{
    gpus()->mark_free((FabmMark *)event);
    return cudaSuccess;
}

cudaError_t
cudaEventRecord(cudaEvent_t event, cudaStream_t stream)
{
    FabmFailure failure = { 0 };

    return result(gpus()->mark((FabmQueue *)stream, (FabmMark *)event, &failure));
}

cudaError_t
cudaEventElapsedTime(float *milliseconds, cudaEvent_t from, cudaEvent_t to)
{
    FabmFailure failure = { 0 };
    double us = 0;
    bool good = ++times_taken > 0 && gpus()->span((FabmMark *)from, (FabmMark *)to, &us, &failure);

    *milliseconds = (float)(us * 1e-3);
    return result(good);
}

/* ------------------------------------------------------------------ copies */

cudaError_t
cudaMemcpyAsync(void *dst, const void *src, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t stream)
{
    FabmFailure failure = { 0 };

    return result(kind == cudaMemcpyDefault &&
                  gpus()->copy((FabmQueue *)stream, dst, 0, src, 0, bytes, &failure));
}

cudaError_t
cudaMemcpyPeerAsync(void *dst, int dst_gpu, const void *src, int src_gpu, size_t bytes, cudaStream_t stream)
{
    return dst_gpu == src_gpu ? cudaErrorInvalidDevice : cudaMemcpyAsync(dst, src, bytes, cudaMemcpyDefault, stream);
}

cudaError_t
cudaMemsetAsync(void *memory, int byte, size_t bytes, cudaStream_t stream)
{
    FabmFailure failure = { 0 };

    return result(gpus()->set((FabmQueue *)stream, memory, (uint8_t)byte, bytes, &failure));
}

/* ------------------------------------------------------------------ kernels and graphs */

/* What a kernel takes, by its address: every launch that has it is tried. */
static bool
find_kernel(const void *kernel, FabmLaunch *launch, void **arguments)
{
    static const size_t sizes[FABM_KERNELS] = { 0, sizeof(FabmMove), sizeof(FabmFill), sizeof(FabmCheck),
                                                sizeof(FabmPing), sizeof(FabmWork), sizeof(FabmProgramRun) };

    for (int kind = 0; kind < FABM_KERNELS; kind++) {
        launch->kind = (FabmKernelKind)kind;
        memcpy(&launch->as, arguments[0], sizes[kind]);
        if (fabm_kernel_address(launch) == kernel)
            return true;
    }
    return false;
}

cudaError_t
cudaLaunchKernel(const void *kernel, dim3 grid, dim3 block, void **arguments, size_t shared, cudaStream_t stream)
{
    FabmLaunch launch = { .ctas = grid.x, .threads = block.x };
    FabmFailure failure = { 0 };

    (void)shared;
    if (grid.x == 0 || grid.y != 1 || grid.z != 1 || block.x == 0 || block.x > 1024 || block.y != 1 || block.z != 1 ||
        !find_kernel(kernel, &launch, arguments))
        return cudaErrorInvalidDevice;
    if (capture == NULL)
        return result(gpus()->launch((FabmQueue *)stream, &launch, &failure));
    capture->launches[capture->count++] = launch;
    return cudaSuccess;
}

cudaError_t
cudaLaunchCooperativeKernel(const void *kernel, dim3 grid, dim3 block, void **arguments, size_t shared,
                            cudaStream_t stream)
{
    return grid.x > MULTIPROCESSORS * BLOCKS_EACH ? cudaErrorInvalidDevice
                                                  : cudaLaunchKernel(kernel, grid, block, arguments, shared, stream);
}

cudaError_t
cudaFuncGetAttributes(struct cudaFuncAttributes *attributes, const void *kernel)
{
    attributes->binaryVersion = 90;
    return result(kernel != NULL && !is("other-gpu"));
}

cudaError_t
cudaOccupancyMaxActiveBlocksPerMultiprocessor(int *blocks, const void *kernel, int threads, size_t shared)
{
    *blocks = BLOCKS_EACH;
    return result(kernel != NULL && threads > 0 && shared < (48 << 10));
}

cudaError_t
cudaStreamBeginCapture(cudaStream_t stream, enum cudaStreamCaptureMode mode)
{
    (void)mode;
    capture = calloc(1, sizeof *capture);
    return result(stream != NULL);
}

cudaError_t
cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t *graph)
{
    *graph = capture;
    capture = NULL;
    return result(stream != NULL && *graph != NULL);
}

cudaError_t
cudaGraphInstantiateWithFlags(cudaGraphExec_t *executable, cudaGraph_t graph, unsigned long long flags)
{
    *executable = (cudaGraphExec_t)graph;
    return result(flags == 0);
}

cudaError_t
cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t stream)
{
    cudaGraph_t graph = (cudaGraph_t)executable;
    FabmFailure failure = { 0 };
    bool good = true;

    for (int i = 0; i < graph->count && good; i++)
        good = gpus()->launch((FabmQueue *)stream, &graph->launches[i], &failure);
    return result(good);
}

cudaError_t
cudaGraphExecDestroy(cudaGraphExec_t executable)
{
    (void)executable; /* it is the graph */
    return cudaSuccess;
}

cudaError_t
cudaGraphDestroy(cudaGraph_t graph)
{
    free(graph);
    return cudaSuccess;
}
