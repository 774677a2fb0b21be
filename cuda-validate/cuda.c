/* Real GPUs, through the CUDA runtime. Kernels are launched by address, so that this file is plain C. */
#include <cuda_runtime_api.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"

/* Of kernels.cu: the function that runs such a launch. */
extern const void *fabm_kernel_address(const FabmLaunch *launch);

struct FabmQueue {
    FabmBackend *backend;
    int gpu;
    cudaStream_t stream;
};

struct FabmMark {
    int gpu;
    cudaEvent_t event;
};

struct FabmGraph {
    cudaGraph_t graph;
    cudaGraphExec_t executable;
};

/* ------------------------------------------------------------------ failures */

/* True when `error` is none; else what was tried on which GPU, and CUDA's own words. */
static bool
good(cudaError_t error, int gpu, const char *what, FabmFailure *failure)
{
    if (error == cudaSuccess)
        return true;
    (void)cudaGetLastError();
    return fabm_fail(failure, FABM_EXIT_MACHINE, "GPU %d: %s: %s (%s)", gpu, what, cudaGetErrorString(error),
                     cudaGetErrorName(error));
}

static bool
on_gpu(int gpu, FabmFailure *failure)
{
    return good(cudaSetDevice(gpu), gpu, "cannot be used", failure);
}

/* ------------------------------------------------------------------ what is there */

static int
attribute(enum cudaDeviceAttr which, int gpu)
{
    int value = 0;

    return cudaDeviceGetAttribute(&value, which, gpu) == cudaSuccess ? value : 0;
}

static bool
info(FabmBackend *self, int gpu, FabmGpu *info, FabmFailure *failure)
{
    struct cudaDeviceProp *properties = fabm_new(1, sizeof *properties);
    bool found = good(cudaGetDeviceProperties(properties, gpu), gpu, "has no properties", failure);

    (void)self;
    *info = (FabmGpu) { .multiprocessors = properties->multiProcessorCount,
                        .major = properties->major,
                        .minor = properties->minor,
                        .copy_engines = attribute(cudaDevAttrAsyncEngineCount, gpu),
                        .memory_bytes = properties->totalGlobalMem,
                        .cache_bytes = (uint64_t)attribute(cudaDevAttrL2CacheSize, gpu),
                        .memory_clock_mhz = attribute(cudaDevAttrMemoryClockRate, gpu) * 1e-3,
                        .memory_bus_bits = attribute(cudaDevAttrGlobalMemoryBusWidth, gpu) };
    snprintf(info->name, sizeof info->name, "%.100s", properties->name);
    free(properties);
    if (found && cudaDeviceGetPCIBusId(info->bus_id, sizeof info->bus_id, gpu) != cudaSuccess)
        info->bus_id[0] = '\0';
    return found;
}

static bool
reach(FabmBackend *self, int gpu, int other, FabmFailure *failure)
{
    int possible = 0;
    cudaError_t error;

    (void)self;
    if (gpu == other)
        return true;
    if (!good(cudaDeviceCanAccessPeer(&possible, gpu, other), gpu, "cannot say whom it reaches", failure))
        return false;
    if (!possible)
        return fabm_fail(failure, FABM_EXIT_MACHINE,
                         "GPU %d cannot reach the memory of GPU %d: no peer access between them (a setting of the "
                         "driver, or a platform that forbids it)", gpu, other);
    if (!on_gpu(gpu, failure))
        return false;
    error = cudaDeviceEnablePeerAccess(other, 0);
    if (error == cudaErrorPeerAccessAlreadyEnabled) {
        (void)cudaGetLastError();
        return true;
    }
    return good(error, gpu, "peer access was refused", failure);
}

/* NVLink is where atomics of the other GPU's memory are its own. */
static bool
whole_lines(FabmBackend *self, int gpu, int other)
{
    int atomics = 0;

    (void)self;
    return gpu == other ||
           (cudaDeviceGetP2PAttribute(&atomics, cudaDevP2PAttrNativeAtomicSupported, gpu, other) == cudaSuccess &&
            atomics != 0);
}

/* ------------------------------------------------------------------ memory */

static void *
alloc(FabmBackend *self, int place, uint64_t bytes, FabmFailure *failure)
{
    void *memory = NULL;
    cudaError_t error;

    (void)self;
    if (place == FABM_PAGEABLE) {
        if (posix_memalign(&memory, 4096, bytes > 0 ? bytes : 1) != 0)
            fabm_fail(failure, FABM_EXIT_MACHINE, "host: out of memory: %.1f MiB are wanted", (double)bytes / 1048576);
        else
            memset(memory, 0, bytes); /* pages that exist: their first touch is not what is measured */
        return memory;
    }
    if (place == FABM_PINNED)
        error = cudaHostAlloc(&memory, bytes > 0 ? bytes : 1, cudaHostAllocPortable | cudaHostAllocMapped);
    else
        error = on_gpu(place, failure) ? cudaMalloc(&memory, bytes > 0 ? bytes : 1) : cudaErrorInvalidDevice;
    if (error == cudaSuccess)
        return memory;
    (void)cudaGetLastError();
    if (place == FABM_PINNED)
        fabm_fail(failure, FABM_EXIT_MACHINE, "host: %.1f MiB of pinned memory are not to be had: %s",
                  (double)bytes / 1048576, cudaGetErrorString(error));
    else
        fabm_fail(failure, FABM_EXIT_MACHINE, "GPU %d: out of memory: %.1f MiB are wanted: %s", place,
                  (double)bytes / 1048576, cudaGetErrorString(error));
    return NULL;
}

static void
release(FabmBackend *self, int place, void *memory)
{
    (void)self;
    if (memory == NULL)
        return;
    if (place == FABM_PAGEABLE)
        free(memory);
    else if (place == FABM_PINNED)
        (void)cudaFreeHost(memory);
    else if (cudaSetDevice(place) == cudaSuccess)
        (void)cudaFree(memory);
}

/* ------------------------------------------------------------------ queues and marks */

/*
 * Loads our kernels on a GPU. The driver loads a kernel when it is first used, for which it may wait until the GPU is
 * idle; a kernel that is loaded while another one spins and waits for it would never start.
 */
static bool
load_kernels(int gpu, FabmFailure *failure)
{
    static bool loaded[64];
    int major = attribute(cudaDevAttrComputeCapabilityMajor, gpu);
    struct cudaFuncAttributes attributes;
    char what[160];

    if (gpu < 64 && loaded[gpu])
        return true;
    if (major > 0 && major < 7)
        return fabm_fail(failure, FABM_EXIT_MACHINE, "GPU %d is of compute capability %d.%d, the kernels need 7.0 "
                         "(Volta) or later", gpu, major, attribute(cudaDevAttrComputeCapabilityMinor, gpu));
    snprintf(what, sizeof what, "of compute capability %d.%d: a kernel cannot be loaded: the program was built for "
             "other GPUs, or by a newer toolkit than the driver's", major,
             attribute(cudaDevAttrComputeCapabilityMinor, gpu));
    for (int kind = 0; kind < FABM_KERNELS; kind++) {
        FabmLaunch launch = { .kind = (FabmKernelKind)kind };
        /* Of moves there are twelve: widths, sources, destinations; of programs one for each protocol. */
        uint32_t variants = kind == FABM_KERNEL_MOVE ? 12 : kind == FABM_KERNEL_PROGRAM ? 3 : 1;

        for (uint32_t variant = 0; variant < variants; variant++) {
            if (kind == FABM_KERNEL_MOVE) {
                launch.as.move.width = 4u << variant % 3;
                launch.as.move.sources = 1 + variant / 3 % 2;
                launch.as.move.destinations = 1 + variant / 6;
            } else if (kind == FABM_KERNEL_PROGRAM) {
                launch.as.program.protocol = variant;
            }
            if (!good(cudaFuncGetAttributes(&attributes, fabm_kernel_address(&launch)), gpu, what, failure))
                return false;
        }
    }
    if (gpu < 64)
        loaded[gpu] = true;
    return true;
}

static FabmQueue *
queue_new(FabmBackend *self, int gpu, bool urgent, FabmFailure *failure)
{
    int least = 0, greatest = 0;
    cudaStream_t stream;
    FabmQueue *queue;

    if (!on_gpu(gpu, failure) || !load_kernels(gpu, failure))
        return NULL;
    (void)cudaDeviceGetStreamPriorityRange(&least, &greatest);
    if (!good(cudaStreamCreateWithPriority(&stream, cudaStreamNonBlocking, urgent ? greatest : least), gpu,
              "no stream", failure))
        return NULL;
    queue = fabm_new(1, sizeof *queue);
    *queue = (FabmQueue) { self, gpu, stream };
    return queue;
}

static void
queue_free(FabmQueue *queue)
{
    if (queue == NULL)
        return;
    if (cudaSetDevice(queue->gpu) == cudaSuccess)
        (void)cudaStreamDestroy(queue->stream);
    free(queue);
}

static bool
drain(FabmQueue *queue, FabmFailure *failure)
{
    return on_gpu(queue->gpu, failure) &&
           good(cudaStreamSynchronize(queue->stream), queue->gpu, "its work failed", failure);
}

static FabmMark *
mark_new(FabmBackend *self, int gpu, FabmFailure *failure)
{
    cudaEvent_t event;
    FabmMark *mark;

    (void)self;
    if (!on_gpu(gpu, failure) || !good(cudaEventCreate(&event), gpu, "no event", failure))
        return NULL;
    mark = fabm_new(1, sizeof *mark);
    *mark = (FabmMark) { gpu, event };
    return mark;
}

static void
mark_free(FabmMark *mark)
{
    if (mark == NULL)
        return;
    if (cudaSetDevice(mark->gpu) == cudaSuccess)
        (void)cudaEventDestroy(mark->event);
    free(mark);
}

static bool
put_mark(FabmQueue *queue, FabmMark *mark, FabmFailure *failure)
{
    return on_gpu(queue->gpu, failure) &&
           good(cudaEventRecord(mark->event, queue->stream), queue->gpu, "an event was not recorded", failure);
}

static bool
put_await(FabmQueue *queue, FabmMark *mark, FabmFailure *failure)
{
    return on_gpu(queue->gpu, failure) && good(cudaStreamWaitEvent(queue->stream, mark->event, 0), queue->gpu,
                                               "a stream cannot wait for an event", failure);
}

static bool
span(FabmMark *from, FabmMark *to, double *us, FabmFailure *failure)
{
    float milliseconds = 0;

    if (!on_gpu(from->gpu, failure) || !good(cudaEventElapsedTime(&milliseconds, from->event, to->event), from->gpu,
                                             "no time between events", failure))
        return false;
    *us = (double)milliseconds * 1e3;
    return true;
}

/* ------------------------------------------------------------------ work */

static bool
put_copy(FabmQueue *queue, void *dst, int dst_place, const void *src, int src_place, uint64_t bytes,
         FabmFailure *failure)
{
    cudaError_t error;

    if (!on_gpu(queue->gpu, failure))
        return false;
    if (dst_place >= 0 && src_place >= 0 && dst_place != src_place)
        error = cudaMemcpyPeerAsync(dst, dst_place, src, src_place, bytes, queue->stream);
    else
        error = cudaMemcpyAsync(dst, src, bytes, cudaMemcpyDefault, queue->stream);
    return good(error, queue->gpu, "a copy was refused", failure);
}

static bool
put_set(FabmQueue *queue, void *memory, uint8_t byte, uint64_t bytes, FabmFailure *failure)
{
    return on_gpu(queue->gpu, failure) &&
           good(cudaMemsetAsync(memory, byte, bytes, queue->stream), queue->gpu, "memory was not set", failure);
}

/* Bytes of shared memory that the kernel asks for: its tables of connections, and two words for each role. */
static size_t
shared_bytes(const FabmLaunch *launch)
{
    if (launch->kind != FABM_KERNEL_PROGRAM)
        return 0;
    return launch->as.program.roles * (launch->as.program.ends_most * sizeof(FabmEndState) + 2 * sizeof(uint32_t));
}

/* CTAs of these kernels wait for each other, so all of them must be on the GPU at once. */
static bool
together(const FabmLaunch *launch)
{
    return launch->together != 0 || launch->kind == FABM_KERNEL_PROGRAM ||
           (launch->kind == FABM_KERNEL_PING && launch->ctas > 1);
}

static int
room(FabmBackend *self, int gpu, const FabmLaunch *launch, FabmFailure *failure)
{
    int blocks = 0;

    (void)self;
    if (!on_gpu(gpu, failure) ||
        !good(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&blocks, fabm_kernel_address(launch), (int)launch->threads,
                                                            shared_bytes(launch)),
              gpu, "the kernel does not fit", failure))
        return 0;
    return blocks * attribute(cudaDevAttrMultiProcessorCount, gpu);
}

static cudaError_t
start(const FabmQueue *queue, const FabmLaunch *launch)
{
    const void *kernel = fabm_kernel_address(launch);
    dim3 grid = { launch->ctas, 1, 1 }, block = { launch->threads, 1, 1 };
    FabmLaunch copy = *launch;
    void *arguments[] = { &copy.as };

    if (together(launch))
        return cudaLaunchCooperativeKernel(kernel, grid, block, arguments, shared_bytes(launch), queue->stream);
    return cudaLaunchKernel(kernel, grid, block, arguments, shared_bytes(launch), queue->stream);
}

static bool
put_launch(FabmQueue *queue, const FabmLaunch *launch, FabmFailure *failure)
{
    return on_gpu(queue->gpu, failure) && good(start(queue, launch), queue->gpu, "a kernel was not launched", failure);
}

static FabmGraph *
graph_new(FabmQueue *queue, const FabmLaunch *launch, int count, FabmFailure *failure)
{
    FabmGraph made = { 0 }, *graph;
    cudaError_t error = cudaSuccess;

    if (!on_gpu(queue->gpu, failure) ||
        !good(cudaStreamBeginCapture(queue->stream, cudaStreamCaptureModeThreadLocal), queue->gpu, "no graph", failure))
        return NULL;
    for (int i = 0; i < count && error == cudaSuccess; i++)
        error = start(queue, launch);
    if (!good(cudaStreamEndCapture(queue->stream, &made.graph), queue->gpu, "no graph", failure) ||
        !good(error, queue->gpu, "a graph took no kernel", failure))
        return NULL;
    if (!good(cudaGraphInstantiateWithFlags(&made.executable, made.graph, 0), queue->gpu, "no graph", failure)) {
        (void)cudaGraphDestroy(made.graph);
        return NULL;
    }
    graph = fabm_new(1, sizeof *graph);
    *graph = made;
    return graph;
}

static bool
graph_launch(FabmGraph *graph, FabmQueue *queue, FabmFailure *failure)
{
    return on_gpu(queue->gpu, failure) &&
           good(cudaGraphLaunch(graph->executable, queue->stream), queue->gpu, "a graph was not launched", failure);
}

static void
graph_free(FabmGraph *graph)
{
    if (graph == NULL)
        return;
    (void)cudaGraphExecDestroy(graph->executable);
    (void)cudaGraphDestroy(graph->graph);
    free(graph);
}

static void *
native(FabmQueue *queue)
{
    return queue->stream;
}

static bool
select_gpu(FabmBackend *self, int gpu, FabmFailure *failure)
{
    (void)self;
    return on_gpu(gpu, failure);
}

/* ------------------------------------------------------------------ machine */

static void
free_backend(FabmBackend *self)
{
    free(self);
}

/* Why there is no GPU to use, in one sentence. */
static void
explain(cudaError_t error, int runtime, int driver, FabmFailure *failure)
{
    if (driver == 0)
        fabm_fail(failure, FABM_EXIT_MACHINE, "there is no NVIDIA driver here (libcuda.so.1 cannot be loaded); run on "
                  "a machine with GPUs, or try the program with --fake 2");
    else if (error == cudaErrorInsufficientDriver)
        fabm_fail(failure, FABM_EXIT_MACHINE, "the driver is too old: it runs CUDA up to %d.%d, this program was built "
                  "with %d.%d; update the driver, or build with an older toolkit", driver / 1000, driver % 1000 / 10,
                  runtime / 1000, runtime % 1000 / 10);
    else if (error == cudaErrorNoDevice)
        fabm_fail(failure, FABM_EXIT_MACHINE, "the driver is here but shows no GPU; is one assigned to this job, and "
                  "is CUDA_VISIBLE_DEVICES not empty?");
    else
        fabm_fail(failure, FABM_EXIT_MACHINE, "the GPUs cannot be counted: %s (%s)", cudaGetErrorString(error),
                  cudaGetErrorName(error));
}

FabmBackend *
fabm_cuda_new(FabmFailure *failure)
{
    int runtime = 0, driver = 0, gpus = 0;
    cudaError_t error;
    FabmBackend *self;

    (void)cudaRuntimeGetVersion(&runtime);
    (void)cudaDriverGetVersion(&driver);
    error = cudaGetDeviceCount(&gpus);
    if (error != cudaSuccess || gpus == 0) {
        explain(error != cudaSuccess ? error : cudaErrorNoDevice, runtime, driver, failure);
        return NULL;
    }
    self = fabm_new(1, sizeof *self);
    *self = (FabmBackend) { .name = "cuda", .gpus = gpus, .runtime_version = runtime, .driver_version = driver,
                            .free = free_backend, .info = info, .reach = reach,
                            .whole_lines = whole_lines, .room = room, .alloc = alloc,
                            .release = release, .queue_new = queue_new, .queue_free = queue_free, .drain = drain,
                            .mark_new = mark_new, .mark_free = mark_free, .mark = put_mark, .await = put_await,
                            .span = span, .copy = put_copy, .set = put_set, .launch = put_launch,
                            .graph_new = graph_new, .graph_launch = graph_launch, .graph_free = graph_free,
                            .native = native, .select = select_gpu };
    return self;
}
