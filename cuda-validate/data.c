/* Memory of a test, and the data in it. */
#include <stdio.h>

#include "pattern.h"
#include "session.h"

enum { DATA_CTAS = 1024, DATA_THREADS = 256 };

void *
fabm_pool_alloc(FabmPool *pool, int place, uint64_t bytes, FabmFailure *failure)
{
    void *memory;

    if (pool->count == (int)(sizeof pool->list / sizeof pool->list[0])) {
        fabm_fail(failure, FABM_EXIT_MACHINE, "too many buffers are wanted: fewer GPUs or ranks need fewer");
        return NULL;
    }
    memory = pool->backend->alloc(pool->backend, place, bytes, failure);
    if (memory != NULL) {
        pool->list[pool->count].place = place;
        pool->list[pool->count++].memory = memory;
    }
    return memory;
}

void
fabm_pool_free(FabmPool *pool)
{
    while (pool->count-- > 0)
        pool->backend->release(pool->backend, pool->list[pool->count].place, pool->list[pool->count].memory);
    pool->count = 0;
}

FabmExpect
fabm_data_words(const FabmSession *session, uint64_t words)
{
    return (FabmExpect) { .collective = FABM_BROADCAST, .element = FABM_BITS32, .reduction = FABM_NO_REDUCTION,
                          .ranks = 1, .size = words, .piece = words, .seed = session->options->seed };
}

bool
fabm_data_fill(FabmQueue *queue, const FabmSession *session, const FabmExpect *expect, uint32_t rank, void *data,
               uint64_t count, FabmFailure *failure)
{
    FabmLaunch launch = { .kind = FABM_KERNEL_FILL, .ctas = DATA_CTAS, .threads = DATA_THREADS,
                          .as.fill = { *expect, rank, data, count, 0 } };

    return count == 0 ||
           (session->backend->launch(queue, &launch, failure) && session->backend->drain(queue, failure));
}

bool
fabm_data_check(FabmQueue *queue, FabmSession *session, const FabmExpect *expect, uint32_t rank, const void *data,
                uint64_t count, const char *what, FabmFailure *failure)
{
    FabmBackend *backend = session->backend;
    uint64_t *wrong = backend->alloc(backend, FABM_PINNED, 2 * sizeof *wrong, failure);
    FabmLaunch launch = { .kind = FABM_KERNEL_CHECK, .ctas = DATA_CTAS, .threads = DATA_THREADS,
                          .as.check = { *expect, rank, data, count, wrong } };
    bool good;

    if (wrong == NULL)
        return false;
    wrong[0] = wrong[1] = 0;
    good = count == 0 || (backend->launch(queue, &launch, failure) && backend->drain(queue, failure));
    if (good && wrong[0] > 0)
        good = fabm_fail(failure, FABM_EXIT_WRONG, "%s: wrong data: %llu of %llu elements of rank %u, one at %llu; the "
                         "time of wrong data means nothing, so it was not taken", what, (unsigned long long)wrong[0],
                         (unsigned long long)count, rank, (unsigned long long)(wrong[1] - 1));
    backend->release(backend, FABM_PINNED, wrong);
    return good;
}
