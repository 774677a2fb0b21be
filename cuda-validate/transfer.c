/* Copies between GPUs, and with the host, that all begin at once: what [transfer] of a scenario says, and more. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "near.h"
#include "session.h"
#include "watchdog.h"

typedef struct {
    int from, to; /* GPUs, or FABM_PINNED */
    int gpu;      /* that does it */
    FabmQueue *queue;
    void *src, *dst;
    FabmLaunch launch;
} Flow;

typedef struct {
    FabmSession *session;
    FabmPool pool;
    Flow flows[FABM_MOST];
    int count;
    bool kernel;
    uint32_t ctas; /* of each copy by kernel */
    uint64_t bytes;
} Transfer;

static bool
put_flow(void *data, int index, FabmFailure *failure)
{
    Transfer *transfer = data;
    FabmBackend *backend = transfer->session->backend;
    Flow *flow = &transfer->flows[index];

    if (transfer->kernel)
        return backend->launch(flow->queue, &flow->launch, failure);
    return backend->copy(flow->queue, flow->dst, flow->to, flow->src, flow->from, transfer->bytes, failure);
}

/* A GPU of the session, or "h" for pinned memory of the host, at `*at`, which moves on. */
static bool
take_place(const FabmSession *session, const char **at, int *place, FabmFailure *failure)
{
    char *end;
    long gpu;

    if (**at == 'h') {
        *place = FABM_PINNED;
        *at += 1;
        return true;
    }
    gpu = strtol(*at, &end, 10);
    if (end == *at)
        return false;
    *at = end;
    for (int i = 0; i < session->gpu_count; i++)
        if (session->gpus[i] == gpu) {
            *place = (int)gpu;
            return true;
        }
    return fabm_fail(failure, FABM_EXIT_MACHINE, "--pairs: GPU %ld is asked for, which is not among the %d that are "
                     "used", gpu, session->gpu_count);
}

/* "0>1,2>3,h>0"; a GPU may copy to itself. */
static bool
read_pairs(Transfer *transfer, const char *text, FabmFailure *failure)
{
    const char *at = text;

    while (transfer->count < FABM_MOST) {
        Flow *flow = &transfer->flows[transfer->count];

        if (!take_place(transfer->session, &at, &flow->from, failure) || *at++ != '>' ||
            !take_place(transfer->session, &at, &flow->to, failure) || (flow->from < 0 && flow->to < 0))
            break;
        flow->gpu = flow->from >= 0 ? flow->from : flow->to;
        transfer->count++;
        if (*at == '\0')
            return true;
        if (*at++ != ',')
            break;
    }
    return failure->status != 0 ? false
                                : fabm_fail(failure, FABM_EXIT_INPUT, "--pairs: \"%.60s\" must be pairs such as "
                                            "0>1,2>3,h>0, GPUs or h for the host, at most %d", text, FABM_MOST);
}

static bool
open_flows(Transfer *transfer, uint64_t most, FabmFailure *failure)
{
    FabmSession *session = transfer->session;
    FabmBackend *backend = session->backend;

    for (int i = 0; i < transfer->count && failure->status == 0; i++) {
        Flow *flow = &transfer->flows[i];
        FabmFailure refused = { 0 };

        /* Copies of engines go through the host where GPUs do not reach each other; kernels do not. */
        if (flow->from >= 0 && flow->to >= 0 && transfer->kernel &&
            !backend->reach(backend, flow->from, flow->to, failure))
            break;
        if (flow->from >= 0 && flow->to >= 0 && !transfer->kernel)
            (void)backend->reach(backend, flow->from, flow->to, &refused);
        fabm_near_bind(backend, flow->gpu); /* where memory of the host comes to lie */
        flow->queue = backend->queue_new(backend, flow->gpu, false, failure);
        flow->src = failure->status == 0 ? fabm_pool_alloc(&transfer->pool, flow->from, most, failure) : NULL;
        flow->dst = failure->status == 0 ? fabm_pool_alloc(&transfer->pool, flow->to, most, failure) : NULL;
    }
    fabm_near_release();
    return failure->status == 0;
}

static void
set_bytes(Transfer *transfer, uint64_t bytes)
{
    transfer->bytes = bytes;
    for (int i = 0; i < transfer->count; i++) {
        Flow *flow = &transfer->flows[i];

        flow->launch = (FabmLaunch) { .kind = FABM_KERNEL_MOVE, .ctas = transfer->ctas,
                                      .threads = (uint32_t)transfer->session->options->threads,
                                      .as.move = { .src = { flow->src, NULL }, .dst = { flow->dst, NULL },
                                                   .sources = 1, .destinations = 1, .width = bytes % 16 == 0 ? 16 : 4,
                                                   .bytes = bytes } };
    }
}

/* Every copy moves words of its own. */
static bool
check_flows(Transfer *transfer, FabmFailure *failure)
{
    FabmSession *session = transfer->session;
    FabmBackend *backend = session->backend;
    uint64_t words = transfer->bytes / 4;

    for (int i = 0; i < transfer->count; i++) {
        FabmExpect expect = fabm_data_words(session, words);
        Flow *flow = &transfer->flows[i];

        expect.seed += (uint32_t)i;
        if (flow->to < 0)
            memset(flow->dst, 0xff, transfer->bytes);
        if (!fabm_data_fill(flow->queue, session, &expect, 0, flow->src, words, failure) ||
            (flow->to >= 0 && !backend->set(flow->queue, flow->dst, 0xff, transfer->bytes, failure)) ||
            !backend->drain(flow->queue, failure))
            return false;
    }
    for (int i = 0; i < transfer->count; i++)
        if (!put_flow(transfer, i, failure))
            return false;
    for (int i = 0; i < transfer->count; i++)
        if (!backend->drain(transfer->flows[i].queue, failure))
            return false;
    for (int i = 0; i < transfer->count; i++) {
        FabmExpect expect = fabm_data_words(session, words);
        Flow *flow = &transfer->flows[i];
        FabmQueue *queue = backend->queue_new(backend, flow->to >= 0 ? flow->to : flow->gpu, false, failure);

        expect.seed += (uint32_t)i;
        if (queue != NULL)
            (void)fabm_data_check(queue, session, &expect, 0, flow->dst, words, "transfer", failure);
        backend->queue_free(queue);
    }
    return failure->status == 0;
}

static void
add_place(FabmText *text, int place)
{
    if (place >= 0)
        fabm_text_add(text, "%d", place);
    else
        fabm_text_add(text, "h");
}

static bool
measure_size(Transfer *transfer, FabmSheet *sheet, FabmFailure *failure)
{
    FabmParty party = { .count = transfer->count, .body = put_flow, .data = transfer };
    FabmText names = { 0 };
    FabmSummary us;
    bool good;

    for (int i = 0; i < transfer->count; i++) {
        party.queues[i] = transfer->flows[i].queue;
        party.gpus[i] = transfer->flows[i].gpu;
        fabm_text_add(&names, "%s", i > 0 ? " " : "");
        add_place(&names, transfer->flows[i].from);
        fabm_text_add(&names, ">");
        add_place(&names, transfer->flows[i].to);
    }
    fabm_watchdog_point("transfer %s, %llu bytes each", names.data, (unsigned long long)transfer->bytes);
    good = check_flows(transfer, failure) && fabm_time_party(transfer->session, &party, &us, failure);
    if (good)
        fabm_report_time(sheet, (FabmRow) { .test = "transfer", .variant = transfer->kernel ? "kernel" : "copy",
                                            .gpus = names.data, .ctas = transfer->kernel ? (int64_t)transfer->ctas : -1,
                                            .bytes = (int64_t)transfer->bytes },
                         &us, (double)transfer->bytes * transfer->count);
    fabm_text_clear(&names);
    return good;
}

bool
fabm_measure_transfer(FabmSession *session, FabmFailure *failure)
{
    const FabmOptions *options = session->options;
    FabmNumbers sizes = fabm_sizes(session, 4 << 10, 1 << 30, 4);
    Transfer transfer = { .session = session, .pool = { .backend = session->backend },
                          .kernel = options->engine != NULL && strcmp(options->engine, "kernel") == 0 };
    uint64_t most = 0;
    FabmGpu info;

    for (int i = 0; i < sizes.count; i++)
        most = sizes.values[i] > most ? sizes.values[i] : most;
    if (!read_pairs(&transfer, options->pairs != NULL ? options->pairs : "0>0", failure) ||
        !session->backend->info(session->backend, session->gpus[0], &info, failure))
        return false;
    /* Together the copies have every multiprocessor once. */
    transfer.ctas = (uint32_t)(info.multiprocessors > transfer.count ? info.multiprocessors / transfer.count : 1);
    if (options->ctas.count > 0 && options->ctas.values[0] > 0)
        transfer.ctas = (uint32_t)options->ctas.values[0];
    (void)open_flows(&transfer, most, failure);
    for (int i = 0; i < sizes.count && failure->status == 0; i++) {
        set_bytes(&transfer, sizes.values[i]);
        (void)measure_size(&transfer, fabm_report_sheet(session->report, "transfer", FABM_DEVICE), failure);
    }
    for (int i = 0; i < transfer.count; i++)
        session->backend->queue_free(transfer.flows[i].queue);
    fabm_pool_free(&transfer.pool);
    return failure->status == 0;
}
