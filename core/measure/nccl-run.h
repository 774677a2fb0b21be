/* One run of an nccl-tests program as its log tells it, and how it becomes a measurement. */
#ifndef FAB_MEASURE_NCCL_RUN_H
#define FAB_MEASURE_NCCL_RUN_H

#include "measure/draft.h"

enum { FAB_NCCL_NUMBER = 24 };

/* One half of a row. Numbers stay as printed, so that nothing is rounded again; empty: not there. */
typedef struct {
    char time_us[FAB_NCCL_NUMBER], algbw[FAB_NCCL_NUMBER], busbw[FAB_NCCL_NUMBER];
    double wrong; /* results that were wrong; negative: not checked */
} FabNcclHalf;

typedef struct {
    uint64_t size, count;
    uint64_t line; /* 0: not a line of text */
    bool has_root; /* the row has that column, as from 2022 on */
    int32_t root;  /* -1: none, or the column is missing */
    char type[16], redop[16];
    FabNcclHalf half[2]; /* out of place, in place */
} FabNcclRow;

typedef struct {
    const char *path;       /* of the log, borrowed */
    uint64_t line, end;     /* where it starts and ends; 0: not text */
    char *program;          /* "all_reduce_perf", or NULL */
    GArray *rows;           /* FabNcclRow */
    GPtrArray *hosts, *processes, *gpus; /* distinct names, "host pid", names of devices */
    GArray *lines_of_rank;  /* uint64_t: where a rank was named, 0: nowhere */
    uint32_t devices, threads, gpus_per_thread, iterations, warmup, graph;
    bool finished;          /* its closing lines are there */
    bool has_columns;       /* its table has begun */
    char *nccl_version, *cuda_version, *date;
    GPtrArray *environment, *notes; /* "NAME=value", remarks of NCCL on channels and rings */
} FabNcclRun;

FabNcclRun *fab_nccl_run_new(const char *path, uint64_t line);
void fab_nccl_run_free(FabNcclRun *run);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabNcclRun, fab_nccl_run_free)

/* Adds to one of the lists of names, once. */
void fab_nccl_add_name(GPtrArray *names, const char *name);

/* What a log says of a rank, and where. Borrowed. */
typedef struct {
    uint32_t rank;
    uint64_t line;
    const char *host, *pid, *gpu;
} FabNcclDevice;

/* Fails when the rank was named already: the processes ran apart. */
bool fab_nccl_run_add_device(FabNcclRun *run, const FabNcclDevice *device, GError **error);

/* 22807 -> "2.28.7". */
void fab_nccl_run_set_version_code(FabNcclRun *run, int64_t code);

/* Checks the figures of a row, reports and empties what is no time, and keeps the rest. */
void fab_nccl_run_add_row(FabNcclRun *run, FabNcclRow *row, const FabImportOptions *options);

/* NULL with an error when a fact is missing that the log should say. Owned by the caller. */
FabDraft *fab_nccl_run_draft(const FabNcclRun *run, const FabImportOptions *options, GError **error);

#endif
