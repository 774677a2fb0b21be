/*
 * GPUs made of host threads: each queue is a thread that does its work in order, so that queues overlap, wait for each
 * other and can deadlock as those of a GPU do. Kernels are in fake-kernels.c.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "fake-kernels.h"

typedef enum { COPY, SET, LAUNCH, MARK, AWAIT } JobKind;

typedef struct Job Job;
struct Job {
    Job *next;
    JobKind kind;
    void *dst;
    const void *src;
    uint64_t bytes;
    uint8_t byte;
    FabmLaunch launch;
    FabmMark *mark;
    uint64_t turn; /* of the mark */
};

struct FabmMark {
    pthread_mutex_t lock;
    pthread_cond_t passed;
    uint64_t set, reached; /* how often it was put into a queue, and how often a queue came to it */
    double when_us;
};

struct FabmQueue {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    Job *first, **end;
    bool busy, closing;
};

struct FabmGraph {
    FabmLaunch launch;
    int count;
};

/* ------------------------------------------------------------------ the worker */

static void
pass_mark(FabmMark *mark, uint64_t turn)
{
    pthread_mutex_lock(&mark->lock);
    mark->reached = turn;
    mark->when_us = fabm_now_us();
    pthread_cond_broadcast(&mark->passed);
    pthread_mutex_unlock(&mark->lock);
}

static void
wait_mark(FabmMark *mark, uint64_t turn)
{
    pthread_mutex_lock(&mark->lock);
    while (mark->reached < turn)
        pthread_cond_wait(&mark->passed, &mark->lock);
    pthread_mutex_unlock(&mark->lock);
}

static void
do_job(const Job *job)
{
    switch (job->kind) {
    case COPY:
        memmove(job->dst, job->src, job->bytes);
        break;
    case SET:
        memset(job->dst, job->byte, job->bytes);
        break;
    case LAUNCH:
        fabm_fake_run(&job->launch);
        break;
    case MARK:
        pass_mark(job->mark, job->turn);
        break;
    case AWAIT:
        wait_mark(job->mark, job->turn);
        break;
    }
}

static void *
work(void *data)
{
    FabmQueue *queue = data;

    pthread_mutex_lock(&queue->lock);
    for (;;) {
        Job *job = queue->first;

        if (job == NULL) {
            queue->busy = false;
            pthread_cond_broadcast(&queue->changed);
            if (queue->closing)
                break;
            pthread_cond_wait(&queue->changed, &queue->lock);
            continue;
        }
        queue->first = job->next;
        if (queue->first == NULL)
            queue->end = &queue->first;
        pthread_mutex_unlock(&queue->lock);
        do_job(job);
        free(job);
        pthread_mutex_lock(&queue->lock);
    }
    pthread_mutex_unlock(&queue->lock);
    return NULL;
}

static bool
put(FabmQueue *queue, const Job *job)
{
    Job *copy = fabm_new(1, sizeof *copy);

    *copy = *job;
    pthread_mutex_lock(&queue->lock);
    *queue->end = copy;
    queue->end = &copy->next;
    queue->busy = true;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
    return true;
}

/* ------------------------------------------------------------------ queues and marks */

static FabmQueue *
queue_new(FabmBackend *self, int gpu, bool urgent, FabmFailure *failure)
{
    FabmQueue *queue = fabm_new(1, sizeof *queue);
    int error;

    (void)self, (void)gpu, (void)urgent;
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->changed, NULL);
    queue->end = &queue->first;
    error = pthread_create(&queue->thread, NULL, work, queue);
    if (error != 0) {
        free(queue);
        fabm_fail(failure, FABM_EXIT_MACHINE, "fake GPU: no thread for a queue: %s", strerror(error));
        return NULL;
    }
    return queue;
}

static void
queue_free(FabmQueue *queue)
{
    if (queue == NULL)
        return;
    pthread_mutex_lock(&queue->lock);
    queue->closing = true;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
    pthread_join(queue->thread, NULL);
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}

static bool
drain(FabmQueue *queue, FabmFailure *failure)
{
    (void)failure;
    pthread_mutex_lock(&queue->lock);
    while (queue->busy)
        pthread_cond_wait(&queue->changed, &queue->lock);
    pthread_mutex_unlock(&queue->lock);
    return true;
}

static FabmMark *
mark_new(FabmBackend *self, int gpu, FabmFailure *failure)
{
    FabmMark *mark = fabm_new(1, sizeof *mark);

    (void)self, (void)gpu, (void)failure;
    pthread_mutex_init(&mark->lock, NULL);
    pthread_cond_init(&mark->passed, NULL);
    return mark;
}

static void
mark_free(FabmMark *mark)
{
    if (mark == NULL)
        return;
    pthread_cond_destroy(&mark->passed);
    pthread_mutex_destroy(&mark->lock);
    free(mark);
}

static bool
put_mark(FabmQueue *queue, FabmMark *mark, FabmFailure *failure)
{
    (void)failure;
    return put(queue, &(Job) { .kind = MARK, .mark = mark, .turn = ++mark->set });
}

static bool
put_await(FabmQueue *queue, FabmMark *mark, FabmFailure *failure)
{
    (void)failure;
    return put(queue, &(Job) { .kind = AWAIT, .mark = mark, .turn = mark->set });
}

static bool
span(FabmMark *from, FabmMark *to, double *us, FabmFailure *failure)
{
    bool passed;

    pthread_mutex_lock(&from->lock);
    passed = from->reached > 0;
    *us = -from->when_us;
    pthread_mutex_unlock(&from->lock);
    pthread_mutex_lock(&to->lock);
    passed = passed && to->reached > 0;
    *us += to->when_us;
    pthread_mutex_unlock(&to->lock);
    return passed || fabm_fail(failure, FABM_EXIT_MACHINE, "fake GPU: a mark was read before it passed");
}

/* ------------------------------------------------------------------ work */

static bool
put_copy(FabmQueue *queue, void *dst, int dst_place, const void *src, int src_place, uint64_t bytes,
         FabmFailure *failure)
{
    (void)dst_place, (void)src_place, (void)failure;
    return put(queue, &(Job) { .kind = COPY, .dst = dst, .src = src, .bytes = bytes });
}

static bool
put_set(FabmQueue *queue, void *memory, uint8_t byte, uint64_t bytes, FabmFailure *failure)
{
    (void)failure;
    return put(queue, &(Job) { .kind = SET, .dst = memory, .byte = byte, .bytes = bytes });
}

static bool
put_launch(FabmQueue *queue, const FabmLaunch *launch, FabmFailure *failure)
{
    (void)failure;
    return put(queue, &(Job) { .kind = LAUNCH, .launch = *launch });
}

static FabmGraph *
graph_new(FabmQueue *queue, const FabmLaunch *launch, int count, FabmFailure *failure)
{
    FabmGraph *graph = fabm_new(1, sizeof *graph);

    (void)queue, (void)failure;
    *graph = (FabmGraph) { *launch, count };
    return graph;
}

static bool
graph_launch(FabmGraph *graph, FabmQueue *queue, FabmFailure *failure)
{
    for (int i = 0; i < graph->count; i++)
        if (!put_launch(queue, &graph->launch, failure))
            return false;
    return true;
}

static void
graph_free(FabmGraph *graph)
{
    free(graph);
}

/* ------------------------------------------------------------------ machine */

enum { FAKE_MULTIPROCESSORS = 4, FAKE_ROOM = 4096 };

static bool
info(FabmBackend *self, int gpu, FabmGpu *info, FabmFailure *failure)
{
    (void)self, (void)failure;
    *info = (FabmGpu) { .name = "fake", .multiprocessors = FAKE_MULTIPROCESSORS, .copy_engines = 2,
                        .memory_bytes = UINT64_C(1) << 30 };
    snprintf(info->bus_id, sizeof info->bus_id, "0000:%02x:00.0", gpu + 1);
    return true;
}

static bool
reach(FabmBackend *self, int gpu, int other, FabmFailure *failure)
{
    (void)self, (void)gpu, (void)other, (void)failure;
    return true;
}

static bool
whole_lines(FabmBackend *self, int gpu, int other)
{
    (void)self, (void)gpu, (void)other;
    return true;
}

static int
room(FabmBackend *self, int gpu, const FabmLaunch *launch, FabmFailure *failure)
{
    (void)self, (void)gpu, (void)launch, (void)failure;
    return FAKE_ROOM;
}

/* Filled with rubbish, as memory of a GPU may be. */
static void *
alloc(FabmBackend *self, int place, uint64_t bytes, FabmFailure *failure)
{
    void *memory = NULL;

    (void)self;
    if (bytes > UINT64_C(1) << 32 || posix_memalign(&memory, 4096, bytes > 0 ? bytes : 1) != 0) {
        fabm_fail(failure, FABM_EXIT_MACHINE, "fake %s %d: out of memory: %llu bytes are wanted",
                  place < 0 ? "host" : "GPU", place < 0 ? 0 : place, (unsigned long long)bytes);
        return NULL;
    }
    memset(memory, 0xa5, bytes);
    return memory;
}

static void
release(FabmBackend *self, int place, void *memory)
{
    (void)self, (void)place;
    free(memory);
}

static void *
native(FabmQueue *queue)
{
    (void)queue;
    return NULL;
}

static bool
select_gpu(FabmBackend *self, int gpu, FabmFailure *failure)
{
    (void)self, (void)gpu, (void)failure;
    return true;
}

static void
free_backend(FabmBackend *self)
{
    free(self);
}

FabmBackend *
fabm_fake_new(int gpus)
{
    FabmBackend *self = fabm_new(1, sizeof *self);

    *self = (FabmBackend) { .name = "fake", .gpus = gpus, .free = free_backend, .info = info, .reach = reach,
                            .whole_lines = whole_lines, .room = room, .alloc = alloc, .release = release,
                            .queue_new = queue_new, .queue_free = queue_free, .drain = drain, .mark_new = mark_new,
                            .mark_free = mark_free, .mark = put_mark, .await = put_await, .span = span,
                            .copy = put_copy, .set = put_set, .launch = put_launch, .graph_new = graph_new,
                            .graph_launch = graph_launch, .graph_free = graph_free, .native = native,
                            .select = select_gpu };
    return self;
}
