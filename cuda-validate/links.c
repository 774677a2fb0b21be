/* Links: host to GPU and back, GPU to GPU by copy engine and by kernel, all pairs, several at once, and latency. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "near.h"
#include "pattern.h"
#include "session.h"
#include "watchdog.h"

typedef struct {
    FabmBackend *backend;
    FabmQueue *queue;
    void *dst;
    const void *src;
    int dst_place, src_place;
    uint64_t bytes;
    FabmLaunch launch; /* by kernel, when its ctas are above 0 */
} Copy;

static bool
put_copy(void *data, int index, FabmFailure *failure)
{
    const Copy *copy = (const Copy *)data + index;

    if (copy->launch.ctas > 0)
        return copy->backend->launch(copy->queue, &copy->launch, failure);
    return copy->backend->copy(copy->queue, copy->dst, copy->dst_place, copy->src, copy->src_place, copy->bytes,
                               failure);
}

/* Times copies that run at once, each in its own queue. */
static bool
time_copies(FabmSession *session, Copy *copies, const int *gpus, int count, FabmSummary *us, FabmFailure *failure)
{
    FabmParty party = { .count = count, .body = put_copy, .data = copies };

    for (int i = 0; i < count; i++) {
        party.queues[i] = copies[i].queue;
        party.gpus[i] = gpus[i];
    }
    return fabm_time_party(session, &party, us, failure);
}

static uint64_t
last_size(const FabmNumbers *sizes)
{
    uint64_t most = 4;

    for (int i = 0; i < sizes->count; i++)
        most = sizes->values[i] > most ? sizes->values[i] : most;
    return most;
}

/* ------------------------------------------------------------------ host and GPU */

typedef struct {
    FabmSession *session;
    FabmSheet *sheet;
    FabmQueue *up, *down; /* queues of the GPU */
    int gpu, place;       /* place: FABM_PINNED or FABM_PAGEABLE */
    char gpu_name[16];
    uint32_t *host[2], *device[2];
} HostLink;

/* Host data that a GPU cannot reach is filled and checked by the host. */
static bool
check_host_copy(HostLink *link, bool down, uint64_t bytes, FabmFailure *failure)
{
    FabmBackend *backend = link->session->backend;
    uint64_t words = bytes / 4;
    FabmExpect expect = fabm_data_words(link->session, words);
    const char *what = down ? "copy to the host" : "copy from the host";

    if (down) {
        memset(link->host[0], 0xff, bytes);
        if (!fabm_data_fill(link->up, link->session, &expect, 0, link->device[0], words, failure) ||
            !backend->copy(link->up, link->host[0], link->place, link->device[0], link->gpu, bytes, failure) ||
            !backend->drain(link->up, failure))
            return false;
        for (uint64_t i = 0; i < words; i++)
            if (link->host[0][i] != fabm_input(&expect, 0, i))
                return fabm_fail(failure, FABM_EXIT_WRONG, "%s: wrong data in word %llu", what, (unsigned long long)i);
        return true;
    }
    for (uint64_t i = 0; i < words; i++)
        link->host[0][i] = fabm_input(&expect, 0, i);
    return backend->set(link->up, link->device[0], 0xff, bytes, failure) &&
           backend->copy(link->up, link->device[0], link->gpu, link->host[0], link->place, bytes, failure) &&
           fabm_data_check(link->up, link->session, &expect, 0, link->device[0], words, what, failure);
}

static bool
time_host_link(HostLink *link, const char *test, uint64_t bytes, FabmFailure *failure)
{
    FabmBackend *backend = link->session->backend;
    const int gpus[2] = { link->gpu, link->gpu };
    bool both = strcmp(test, "both") == 0, down = strcmp(test, "d2h") == 0;
    Copy up = { .backend = backend, .queue = link->up, .dst = link->device[0], .dst_place = link->gpu,
                .src = link->host[0], .src_place = link->place, .bytes = bytes };
    Copy back = { .backend = backend, .queue = both ? link->down : link->up, .dst = link->host[1],
                  .dst_place = link->place, .src = link->device[1], .src_place = link->gpu, .bytes = bytes };
    Copy copies[2] = { down ? back : up, back };
    FabmRow row = { .test = test, .variant = link->place == FABM_PINNED ? "pinned" : "pageable",
                    .gpus = link->gpu_name, .ctas = -1, .bytes = (int64_t)bytes };
    FabmSummary us;

    fabm_watchdog_point("%s %s %llu bytes", test, row.variant, (unsigned long long)bytes);
    if (!both && !check_host_copy(link, down, bytes, failure))
        return false;
    if (!time_copies(link->session, copies, gpus, both ? 2 : 1, &us, failure))
        return false;
    fabm_report_time(link->sheet, row, &us, (double)bytes * (both ? 2 : 1));
    return true;
}

static bool
measure_host_link(HostLink *link, FabmFailure *failure)
{
    static const char *const tests[] = { "h2d", "d2h", "both" };
    bool pinned = link->place == FABM_PINNED;
    /* Pageable memory goes through a buffer of the driver: both at once would measure the host's threads. */
    FabmNumbers sizes = fabm_sizes(link->session, 4 << 10, pinned ? 256 << 20 : 64 << 20, 4);
    uint64_t most = last_size(&sizes);
    FabmPool pool = { .backend = link->session->backend };
    FabmExpect words = fabm_data_words(link->session, most / 4);

    for (int i = 0; i < 2 && failure->status == 0; i++) {
        link->host[i] = fabm_pool_alloc(&pool, link->place, most, failure);
        link->device[i] = fabm_pool_alloc(&pool, link->gpu, most, failure);
    }
    if (failure->status == 0) /* what goes back while others come; the first is filled where it is checked */
        (void)fabm_data_fill(link->up, link->session, &words, 0, link->device[1], most / 4, failure);
    for (int t = 0; t < (pinned ? 3 : 2) && failure->status == 0; t++)
        for (int i = 0; i < sizes.count && failure->status == 0; i++)
            (void)time_host_link(link, tests[t], sizes.values[i], failure);
    fabm_pool_free(&pool);
    return failure->status == 0;
}

/* The host's side of a ping: it answers from its own loop. */
typedef struct {
    FabmBackend *backend;
    FabmQueue *queue;
    FabmLaunch launch;
    uint64_t *boxes[2];
} HostPing;

static bool
put_host_ping(void *data, int index, FabmFailure *failure)
{
    HostPing *ping = data;
    const FabmPing *sides = &ping->launch.as.ping;
    double late_us = fabm_now_us() + (double)sides->patience_ns * 1e-3;

    (void)index;
    __atomic_store_n(ping->boxes[0], 0, __ATOMIC_RELEASE);
    __atomic_store_n(ping->boxes[1], 0, __ATOMIC_RELEASE);
    if (!ping->backend->launch(ping->queue, &ping->launch, failure))
        return false;
    for (uint64_t trip = 1; trip <= sides->trips; trip++) {
        while (__atomic_load_n(ping->boxes[1], __ATOMIC_ACQUIRE) < trip)
            if (fabm_now_us() > late_us)
                return fabm_fail(failure, FABM_EXIT_MACHINE, "a flag from the GPU to the host did not arrive");
        __atomic_store_n(ping->boxes[0], trip, __ATOMIC_RELEASE);
    }
    return ping->backend->drain(ping->queue, failure);
}

/* One way between a GPU and the host by flags in pinned memory: half of a store that arrives and a look that reads. */
static bool
measure_host_latency(HostLink *link, FabmFailure *failure)
{
    FabmSession *session = link->session;
    FabmPool pool = { .backend = session->backend };
    HostPing ping = { .backend = session->backend, .queue = link->up };
    FabmParty party = { .queues = { link->up }, .gpus = { link->gpu }, .count = 1, .body = put_host_ping,
                        .data = &ping };
    FabmPing sides = { .trips = 1000, .mode = FABM_PING_FLAG,
                       .patience_ns = (uint64_t)(session->options->timeout_s * 0.5e9) };
    FabmSummary us;

    for (int side = 0; side < 2; side++)
        sides.mine[side] = ping.boxes[side] = fabm_pool_alloc(&pool, FABM_PINNED, FABM_MAILBOX, failure);
    sides.stuck = fabm_pool_alloc(&pool, FABM_PINNED, sizeof *sides.stuck, failure);
    if (failure->status == 0) {
        *sides.stuck = 0;
        ping.launch = (FabmLaunch) { .kind = FABM_KERNEL_PING, .ctas = 1, .threads = 32, .as.ping = sides };
        fabm_watchdog_point("latency of the host");
        if (fabm_time_party(session, &party, &us, failure)) {
            FabmSummary one_way = { us.median / sides.trips / 2, us.low / sides.trips / 2, us.high / sides.trips / 2,
                                    us.samples };

            fabm_report_time(link->sheet, (FabmRow) { .test = "host latency", .variant = "flag",
                                                      .gpus = link->gpu_name, .ctas = -1, .bytes = -1 }, &one_way, 0);
        }
    }
    fabm_pool_free(&pool);
    return failure->status == 0;
}

static bool
measure_host(FabmSession *session, FabmSheet *sheet, int gpu, FabmFailure *failure)
{
    FabmBackend *backend = session->backend;
    HostLink link = { .session = session, .sheet = sheet, .gpu = gpu };

    snprintf(link.gpu_name, sizeof link.gpu_name, "%d", gpu);
    fabm_near_bind(backend, gpu);
    link.up = backend->queue_new(backend, gpu, false, failure);
    link.down = link.up != NULL ? backend->queue_new(backend, gpu, false, failure) : NULL;
    for (int place = FABM_PINNED; place >= FABM_PAGEABLE && failure->status == 0; place--) {
        link.place = place;
        (void)measure_host_link(&link, failure);
    }
    if (failure->status == 0)
        (void)measure_host_latency(&link, failure);
    backend->queue_free(link.up);
    backend->queue_free(link.down);
    fabm_near_release();
    return failure->status == 0;
}

/* ------------------------------------------------------------------ GPU and GPU */

typedef struct {
    FabmSession *session;
    FabmSheet *sheet;
    uint64_t bytes;
    int ctas;                       /* of copies by kernel */
    FabmQueue *queues[FABM_MOST];   /* by index among the session's GPUs */
    FabmQueue *seconds[FABM_MOST];
    void *from[FABM_MOST], *to[FABM_MOST];
    FabmPool pool;
} Peers;

static bool
open_peers(Peers *peers, FabmSession *session, FabmSheet *sheet, FabmFailure *failure)
{
    FabmBackend *backend = session->backend;
    FabmGpu info;

    *peers = (Peers) { .session = session, .sheet = sheet, .pool = { .backend = backend }, .bytes = 64 << 20 };
    if (session->options->sizes.count > 0)
        peers->bytes = last_size(&session->options->sizes) / 16 * 16;
    if (peers->bytes < 16)
        peers->bytes = 16;
    if (!backend->info(backend, session->gpus[0], &info, failure))
        return false;
    peers->ctas = info.multiprocessors;
    for (int i = 0; i < session->gpu_count && failure->status == 0; i++) {
        int gpu = session->gpus[i];

        peers->queues[i] = backend->queue_new(backend, gpu, false, failure);
        peers->seconds[i] = failure->status == 0 ? backend->queue_new(backend, gpu, false, failure) : NULL;
        peers->from[i] = failure->status == 0 ? fabm_pool_alloc(&peers->pool, gpu, peers->bytes, failure) : NULL;
        peers->to[i] = failure->status == 0 ? fabm_pool_alloc(&peers->pool, gpu, peers->bytes, failure) : NULL;
    }
    return failure->status == 0;
}

static void
close_peers(Peers *peers)
{
    for (int i = 0; i < peers->session->gpu_count; i++) {
        peers->session->backend->queue_free(peers->queues[i]);
        peers->session->backend->queue_free(peers->seconds[i]);
    }
    fabm_pool_free(&peers->pool);
}

/* From the i-th GPU of the session to the j-th; the source drives it. */
static Copy
peer_copy(const Peers *peers, int i, int j, bool kernel, bool second)
{
    const int *gpus = peers->session->gpus;
    Copy copy = { .backend = peers->session->backend, .queue = second ? peers->seconds[i] : peers->queues[i],
                  .dst = peers->to[j], .src = peers->from[i], .dst_place = gpus[j], .src_place = gpus[i],
                  .bytes = peers->bytes };

    if (kernel)
        copy.launch = (FabmLaunch) { .kind = FABM_KERNEL_MOVE, .ctas = (uint32_t)peers->ctas,
                                     .threads = (uint32_t)peers->session->options->threads,
                                     .as.move = { .src = { copy.src, NULL }, .dst = { copy.dst, NULL }, .sources = 1,
                                                  .destinations = 1, .width = 16, .bytes = peers->bytes } };
    return copy;
}

static bool
check_peer_copy(Peers *peers, Copy *copy, int i, int j, FabmFailure *failure)
{
    FabmBackend *backend = peers->session->backend;
    FabmExpect expect = fabm_data_words(peers->session, peers->bytes / 4);

    return fabm_data_fill(peers->queues[i], peers->session, &expect, 0, peers->from[i], peers->bytes / 4, failure) &&
           backend->set(peers->queues[j], peers->to[j], 0xff, peers->bytes, failure) &&
           backend->drain(peers->queues[j], failure) && put_copy(copy, 0, failure) &&
           backend->drain(copy->queue, failure) &&
           fabm_data_check(peers->queues[j], peers->session, &expect, 0, peers->to[j], peers->bytes / 4,
                           "copy between GPUs", failure);
}

/* One pair by one engine, one way and both at once; GB/s of both directions together for the latter. */
static bool
measure_pair(Peers *peers, int i, int j, bool kernel, double gbps[2], FabmFailure *failure)
{
    const int *gpus = peers->session->gpus;
    const int places[2] = { gpus[i], gpus[j] };
    Copy copies[2] = { peer_copy(peers, i, j, kernel, false), peer_copy(peers, j, i, kernel, true) };
    FabmRow row = { .test = "peer", .ctas = kernel ? peers->ctas : -1, .bytes = (int64_t)peers->bytes };
    FabmSummary us;
    char name[32];

    for (int both = 0; both < (i == j ? 1 : 2); both++) {
        snprintf(name, sizeof name, both ? "%d+%d" : "%d>%d", gpus[i], gpus[j]);
        fabm_watchdog_point("copy %s by %s", name, kernel ? "kernel" : "copy engine");
        row.gpus = name;
        row.variant = kernel ? (both ? "kernel both" : "kernel") : both ? "copy both" : "copy";
        if (!both && !check_peer_copy(peers, &copies[0], i, j, failure))
            return false;
        if (!time_copies(peers->session, copies, places, both + 1, &us, failure))
            return false;
        fabm_report_time(peers->sheet, row, &us, (double)peers->bytes * (both + 1));
        gbps[both] = (double)peers->bytes * (both + 1) / us.median * 1e-3;
    }
    return true;
}

/* ------------------------------------------------------------------ several copies at once */

/* Copies of a pattern: pairs of indices. */
static int
make_pattern(const char *pattern, int gpus, int pairs[FABM_MOST][2])
{
    int count = 0;

    for (int i = 0; i < gpus; i++) {
        int to = strcmp(pattern, "ring") == 0 ? (i + 1) % gpus : strcmp(pattern, "pairs") == 0 ? (i ^ 1) : 0;
        bool from_first = strcmp(pattern, "from first") == 0;

        if (to >= gpus || (strcmp(pattern, "ring") != 0 && strcmp(pattern, "pairs") != 0 && i == 0))
            continue;
        pairs[count][0] = from_first ? 0 : i;
        pairs[count++][1] = from_first ? i : to;
    }
    return count;
}

static bool
measure_pattern(Peers *peers, const char *pattern, bool kernel, FabmFailure *failure)
{
    const int *gpus = peers->session->gpus;
    FabmBackend *backend = peers->session->backend;
    int pairs[FABM_MOST][2], places[FABM_MOST] = { 0 };
    int count = make_pattern(pattern, peers->session->gpu_count, pairs);
    Copy copies[FABM_MOST];
    FabmText name = { 0 };
    FabmSummary us;
    bool done;

    for (int c = 0; c < count; c++) {
        copies[c] = peer_copy(peers, pairs[c][0], pairs[c][1], kernel, false);
        /* Copies of one source at once need a queue each, and one target may have many sources. */
        copies[c].queue = backend->queue_new(backend, gpus[pairs[c][0]], false, failure);
        places[c] = gpus[pairs[c][0]];
        fabm_text_add(&name, "%s%d>%d", c > 0 ? " " : "", gpus[pairs[c][0]], gpus[pairs[c][1]]);
    }
    fabm_watchdog_point("copies at once, %s", pattern);
    done = failure->status == 0 && time_copies(peers->session, copies, places, count, &us, failure);
    if (done)
        fabm_report_time(peers->sheet,
                         (FabmRow) { .test = kernel ? "several kernel" : "several copy", .variant = pattern,
                                     .gpus = name.data, .ctas = kernel ? peers->ctas : -1,
                                     .bytes = (int64_t)peers->bytes },
                         &us, (double)peers->bytes * count);
    for (int c = 0; c < count; c++)
        backend->queue_free(copies[c].queue);
    fabm_text_clear(&name);
    return done;
}

/* ------------------------------------------------------------------ latency */

static const char *const modes[] = { "flag", "ll", "ll128", "simple" };
static const int message_bytes[] = { 8, 8, 120, 512 }; /* of each, without flags that travel with data */

typedef struct {
    FabmBackend *backend;
    FabmQueue *queues[2];
    FabmLaunch launches[2];
    int count;
    void *boxes[2];
    FabmQueue *box_queues[2];
    volatile uint32_t *stuck;
} Ping;

/* One launch that plays both sides, or one on each GPU. */
static bool
put_ping(void *data, int index, FabmFailure *failure)
{
    Ping *ping = data;

    return ping->backend->launch(ping->queues[index], &ping->launches[index], failure);
}

/* Boxes are zeroed before each launch, outside what is timed. */
static bool
time_ping(FabmSession *session, Ping *ping, const int *gpus, FabmSamples *samples, FabmFailure *failure)
{
    FabmOptions once = *session->options;
    FabmSession inner = *session;
    FabmParty party = { .queues = { ping->queues[0], ping->queues[1] }, .gpus = { gpus[0], gpus[1] },
                        .count = ping->count, .body = put_ping, .data = ping };
    FabmSummary us;

    once.repeats = 1;
    once.warmup = 0;
    inner.options = &once;
    for (int run = -1; run < session->options->repeats; run++) {
        for (int side = 0; side < 2; side++)
            if (!ping->backend->set(ping->box_queues[side], ping->boxes[side], 0, FABM_MAILBOX, failure) ||
                !ping->backend->drain(ping->box_queues[side], failure))
                return false;
        /* Without warm-up a sample is one run, which a box that counts up once needs. */
        if (!fabm_time_party(&inner, &party, &us, failure))
            return false;
        if (*ping->stuck)
            return fabm_fail(failure, FABM_EXIT_MACHINE, "a flag from GPU %d to GPU %d and back did not arrive",
                             gpus[0], gpus[1]);
        if (run >= 0)
            fabm_samples_add(samples, us.median / ping->launches[0].as.ping.trips / 2);
    }
    return true;
}

/* One way, in us; NaN when it was not measured. */
static bool
measure_latency(Peers *peers, int i, int j, int mode, double *one_way_us, FabmFailure *failure)
{
    FabmSession *session = peers->session;
    FabmBackend *backend = session->backend;
    const int gpus[2] = { session->gpus[i], session->gpus[j] };
    FabmPool pool = { .backend = backend };
    Ping ping = { .backend = backend, .queues = { peers->queues[i], peers->queues[j] }, .count = i == j ? 1 : 2,
                  .box_queues = { peers->queues[i], peers->queues[j] } };
    FabmPing sides = { .trips = 1000, .mode = (uint32_t)mode,
                       .patience_ns = (uint64_t)(session->options->timeout_s * 0.5e9) };
    FabmSamples samples = { 0 };
    FabmSummary us;
    char name[32];

    for (int side = 0; side < 2; side++)
        ping.boxes[side] = sides.mine[side] = fabm_pool_alloc(&pool, gpus[side], FABM_MAILBOX, failure);
    sides.stuck = fabm_pool_alloc(&pool, FABM_PINNED, sizeof *sides.stuck, failure);
    if (failure->status == 0) {
        *sides.stuck = 0;
        ping.stuck = sides.stuck;
        for (int side = 0; side < ping.count; side++) {
            sides.first = (uint32_t)side;
            ping.launches[side] = (FabmLaunch) { .kind = FABM_KERNEL_PING, .ctas = i == j ? 2 : 1, .threads = 32,
                                                 .as.ping = sides };
        }
        snprintf(name, sizeof name, "%d>%d", gpus[0], gpus[1]);
        fabm_watchdog_point("latency %s %s", name, modes[mode]);
        if (time_ping(session, &ping, gpus, &samples, failure)) {
            us = fabm_samples_summary(&samples);
            *one_way_us = us.median;
            fabm_report_time(peers->sheet,
                             (FabmRow) { .test = "latency", .variant = modes[mode], .gpus = name, .ctas = -1,
                                         .bytes = message_bytes[mode] }, &us, 0);
        }
    }
    fabm_samples_clear(&samples);
    fabm_pool_free(&pool);
    return failure->status == 0;
}

/* ------------------------------------------------------------------ all */

/* A pair that cannot reach each other has copies through the host only, and no kernel and no latency. */
static bool
measure_both_ways(Peers *peers, int i, int j, FabmSheet *links, FabmFailure *failure)
{
    FabmSession *session = peers->session;
    FabmFailure refused = { 0 };
    double copy[2] = { NAN, NAN }, kernel[2] = { NAN, NAN }, latency = NAN, other;
    bool reached = session->backend->reach(session->backend, session->gpus[i], session->gpus[j], &refused) &&
                   session->backend->reach(session->backend, session->gpus[j], session->gpus[i], &refused);

    if (!reached)
        fprintf(stderr, "fabricast-measure: %s; copies between them go through the host\n", refused.text);
    if (!measure_pair(peers, i, j, false, copy, failure) ||
        (reached && !measure_pair(peers, i, j, true, kernel, failure)))
        return false;
    for (int mode = 0; reached && mode < FABM_PING_MODES; mode++)
        if (!measure_latency(peers, i, j, mode, mode == 0 ? &latency : &other, failure))
            return false;
    fabm_sheet_link(links, session->gpus[i], session->gpus[j], copy[0], copy[1], latency);
    return true;
}

static bool
all_reach(const FabmSession *session)
{
    FabmFailure refused = { 0 };

    for (int i = 0; i < session->gpu_count; i++)
        for (int j = 0; j < session->gpu_count; j++)
            if (!session->backend->reach(session->backend, session->gpus[i], session->gpus[j], &refused))
                return false;
    return true;
}

static bool
measure_peers(FabmSession *session, FabmSheet *sheet, FabmFailure *failure)
{
    static const char *const patterns[] = { "ring", "pairs", "to first", "from first" };
    FabmSheet *links = fabm_report_sheet(session->report, "matrix", FABM_LINK);
    Peers peers;

    fabm_sheet_fact(links, "run", "engine", "copy");
    if (open_peers(&peers, session, sheet, failure)) {
        for (int i = 0; i < session->gpu_count && failure->status == 0; i++)
            for (int j = 0; j < session->gpu_count && failure->status == 0; j++)
                (void)measure_both_ways(&peers, i, j, links, failure);
        for (int p = 0; session->gpu_count > 2 && p < 4 && failure->status == 0; p++)
            if (measure_pattern(&peers, patterns[p], false, failure) && all_reach(session))
                (void)measure_pattern(&peers, patterns[p], true, failure);
    }
    close_peers(&peers);
    return failure->status == 0;
}

bool
fabm_measure_links(FabmSession *session, FabmFailure *failure)
{
    FabmSheet *sheet = fabm_report_sheet(session->report, "links", FABM_DEVICE);

    for (int i = 0; i < session->gpu_count; i++)
        if (!measure_host(session, sheet, session->gpus[i], failure))
            return false;
    return measure_peers(session, sheet, failure);
}
