/* What a test works with, and the tests there are. */
#ifndef FABM_SESSION_H
#define FABM_SESSION_H

#include "backend.h"
#include "options.h"
#include "report.h"

typedef struct {
    const FabmOptions *options;
    FabmBackend *backend;
    FabmReport *report;
    int gpus[FABM_MOST];
    int gpu_count;
} FabmSession;

typedef struct {
    const char *name, *summary;
    size_t library; /* place of the option that names its library; 0: none. Without real GPUs it must be named */
    bool by_name; /* not among `all` */
    bool (*run)(FabmSession *session, FabmFailure *failure);
} FabmTest;

/* Ends with an entry without name. */
extern const FabmTest fabm_tests[];

bool fabm_measure_links(FabmSession *session, FabmFailure *failure);
bool fabm_measure_launch(FabmSession *session, FabmFailure *failure);
bool fabm_measure_rates(FabmSession *session, FabmFailure *failure);
bool fabm_measure_programs(FabmSession *session, FabmFailure *failure);
bool fabm_measure_collectives(FabmSession *session, FabmFailure *failure);
bool fabm_measure_gemm(FabmSession *session, FabmFailure *failure);
bool fabm_measure_overlap(FabmSession *session, FabmFailure *failure);
bool fabm_measure_pipeline(FabmSession *session, FabmFailure *failure);
bool fabm_measure_stages(FabmSession *session, FabmFailure *failure);
bool fabm_measure_transfer(FabmSession *session, FabmFailure *failure);

/* ------------------------------------------------------------------ timing */

enum { FABM_MOST_QUEUES = 128 };

/* Puts one run of the work into queue `index`. */
typedef bool (*FabmBody)(void *data, int index, FabmFailure *failure);

/* Work that goes into several queues at once, all of which begin together. */
typedef struct {
    FabmQueue *queues[FABM_MOST_QUEUES];
    int gpus[FABM_MOST_QUEUES];
    int count;
    FabmBody body;
    void *data;
} FabmParty;

/*
 * Device time of one run, from the begin of the first to the end of the last, in microseconds. Short work is repeated
 * within a sample until it takes about 300 us. Runs `warmup` times first.
 */
bool fabm_time_party(FabmSession *session, const FabmParty *party, FabmSummary *us, FabmFailure *failure);

/* Host time from the first call to the end of the work, of `runs` runs, per run. */
bool fabm_time_host(FabmSession *session, const FabmParty *party, int runs, FabmSummary *us, FabmFailure *failure);

/* Work for so long on every GPU, one after the other, so that its clocks are up when the first sample is taken. */
bool fabm_warm_gpus(FabmSession *session, double seconds, FabmFailure *failure);

/* ------------------------------------------------------------------ rows */

/* Row `time` in us, and for bytes above 0 row `rate` in GB/s. `row` says all but metric, summary and unit. */
void fabm_report_time(FabmSheet *sheet, FabmRow row, const FabmSummary *us, double bytes);

/* The sizes of the command line, or else LOW, LOW x factor, ... up to HIGH. */
FabmNumbers fabm_sizes(const FabmSession *session, uint64_t low, uint64_t high, uint64_t factor);

/* ------------------------------------------------------------------ memory and data */

/* Memory that is freed with the pool. */
typedef struct {
    FabmBackend *backend;
    struct {
        int place;
        void *memory;
    } list[4 * FABM_MOST];
    int count;
} FabmPool;

void *fabm_pool_alloc(FabmPool *pool, int place, uint64_t bytes, FabmFailure *failure);
void fabm_pool_free(FabmPool *pool);

/* Random words of `rank` into memory that GPU kernels reach; waits. */
bool fabm_data_fill(FabmQueue *queue, const FabmSession *session, const FabmExpect *expect, uint32_t rank, void *data,
                    uint64_t count, FabmFailure *failure);

/* Whether `data` is what `rank` must have; else a failure with FABM_EXIT_WRONG that begins with `what`. Waits. */
bool fabm_data_check(FabmQueue *queue, FabmSession *session, const FabmExpect *expect, uint32_t rank, const void *data,
                     uint64_t count, const char *what, FabmFailure *failure);

/* What a plain copy of `words` 32-bit words of rank 0 must give: the words. */
FabmExpect fabm_data_words(const FabmSession *session, uint64_t words);

#endif
