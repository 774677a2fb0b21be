/*
 * The CUDA kernels of cuda-validate/kernels.cu on host threads, in the place of the fake back end's own. Kernels whose
 * threads wait for each other have a host thread for each of theirs; the others run one thread after the other.
 */
#include "../../cuda-validate/kernels.cu"

#include <stdio.h>
#include <stdlib.h>

extern "C" {
#include "fake-kernels.h"
}

typedef struct {
    const FabmLaunch *launch;
    HostCta *cta;
    unsigned block, thread;
} HostThread;

static void
enter(const HostThread *thread)
{
    host_cta = thread->cta;
    blockIdx.x = thread->block;
    threadIdx.x = thread->thread;
    gridDim.x = thread->launch->ctas;
    blockDim.x = thread->launch->threads;
}

template <typename Word>
static void
run_move(const FabmMove *move)
{
    if (move->sources > 1)
        move->destinations > 1 ? move_kernel<Word, 2, 2>(*move) : move_kernel<Word, 2, 1>(*move);
    else
        move->destinations > 1 ? move_kernel<Word, 1, 2>(*move) : move_kernel<Word, 1, 1>(*move);
}

static void *
run_thread(void *data)
{
    const HostThread *thread = (const HostThread *)data;
    const FabmLaunch *launch = thread->launch;

    enter(thread);
    switch (launch->kind) {
    case FABM_KERNEL_MOVE:
        if (launch->as.move.width == 4)
            run_move<uint32_t>(&launch->as.move);
        else if (launch->as.move.width == 8)
            run_move<uint2>(&launch->as.move);
        else
            run_move<uint4>(&launch->as.move);
        break;
    case FABM_KERNEL_FILL:
        fill_kernel(launch->as.fill);
        break;
    case FABM_KERNEL_CHECK:
        check_kernel(launch->as.check);
        break;
    case FABM_KERNEL_PING:
        ping_kernel(launch->as.ping);
        break;
    case FABM_KERNEL_WORK:
        work_kernel(launch->as.work);
        break;
    case FABM_KERNEL_PROGRAM:
        if (launch->as.program.protocol == FABM_LL)
            program_kernel<FABM_LL>(launch->as.program);
        else if (launch->as.program.protocol == FABM_LL128)
            program_kernel<FABM_LL128>(launch->as.program);
        else
            program_kernel<FABM_SIMPLE>(launch->as.program);
        break;
    default:
        empty_kernel();
        break;
    }
    return nullptr;
}

/* Shared memory, not zero at first, and barriers of each role. */
static void
open_cta(HostCta *cta, const FabmLaunch *launch)
{
    size_t bytes = 8, warps = launch->threads / HOST_WARP + 1;

    cta->warps = (HostWarp *)calloc(warps, sizeof *cta->warps);
    for (size_t i = 0; i < warps; i++)
        pthread_barrier_init(&cta->warps[i].barrier, nullptr, HOST_WARP);
    if (launch->kind == FABM_KERNEL_PROGRAM) {
        const FabmProgramRun *run = &launch->as.program;

        bytes = run->roles * (run->ends_most * sizeof(FabmEndState) + FABM_STOPS * sizeof(uint32_t));
        for (uint32_t i = 0; i < run->roles; i++)
            pthread_barrier_init(&cta->roles[i], nullptr, run->role_threads[i]);
    }
    cta->shared = (uint64_t *)malloc(bytes);
    memset(cta->shared, 0xa5, bytes);
}

static void
close_cta(HostCta *cta, const FabmLaunch *launch)
{
    for (size_t i = 0; i < launch->threads / HOST_WARP + 1; i++)
        pthread_barrier_destroy(&cta->warps[i].barrier);
    free(cta->warps);
    for (uint32_t i = 0; launch->kind == FABM_KERNEL_PROGRAM && i < launch->as.program.roles; i++)
        pthread_barrier_destroy(&cta->roles[i]);
    free(cta->shared);
}

static void
run_together(const FabmLaunch *launch)
{
    size_t count = (size_t)launch->ctas * launch->threads;
    HostCta *ctas = (HostCta *)calloc(launch->ctas, sizeof *ctas);
    HostThread *threads = (HostThread *)calloc(count, sizeof *threads);
    pthread_t *handles = (pthread_t *)calloc(count, sizeof *handles);

    for (unsigned block = 0; block < launch->ctas; block++)
        open_cta(&ctas[block], launch);
    for (size_t i = 0; i < count; i++) {
        unsigned block = (unsigned)(i / launch->threads);

        threads[i] = HostThread { launch, &ctas[block], block, (unsigned)(i % launch->threads) };
        if (pthread_create(&handles[i], nullptr, run_thread, &threads[i]) != 0) {
            perror("a kernel on host threads");
            abort();
        }
    }
    for (size_t i = 0; i < count; i++)
        pthread_join(handles[i], nullptr);
    for (unsigned block = 0; block < launch->ctas; block++)
        close_cta(&ctas[block], launch);
    free(handles);
    free(threads);
    free(ctas);
}

/* Kernels that walk over their data in steps of the whole grid do the same with a small one, in less time. */
static FabmLaunch
small_grid(const FabmLaunch *launch)
{
    FabmLaunch small = *launch;

    if (launch->kind != FABM_KERNEL_MOVE) {
        small.ctas = launch->ctas < 3 ? launch->ctas : 3;
        small.threads = launch->threads < 32 ? launch->threads : 32;
    }
    return small;
}

extern "C" void
fabm_fake_run(const FabmLaunch *launch)
{
    const FabmLaunch small = small_grid(launch);

    if (launch->kind == FABM_KERNEL_PROGRAM || launch->kind == FABM_KERNEL_PING ||
        (launch->kind == FABM_KERNEL_MOVE && launch->as.move.stop != nullptr)) {
        run_together(launch);
        return;
    }
    for (unsigned block = 0; block < small.ctas; block++)
        for (unsigned i = 0; i < small.threads; i++) {
            HostThread thread = { &small, nullptr, block, i };

            run_thread(&thread);
        }
}
