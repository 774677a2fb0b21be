/* The command line of fabricast-measure. */
#ifndef FABM_OPTIONS_H
#define FABM_OPTIONS_H

#include "base.h"

enum { FABM_MOST = 64 };

typedef struct {
    uint64_t values[FABM_MOST];
    int count;
} FabmNumbers;

typedef struct {
    const char *values[FABM_MOST];
    int count;
} FabmWords;

typedef struct {
    bool help, version, list, json;
    int fake;         /* GPUs made of host threads; 0: real ones */
    FabmNumbers gpus; /* empty: all */
    FabmNumbers sizes, ctas, widths, ranks;
    FabmNumbers streams, total; /* of the pipeline; total has one value, the bytes that go through it */
    double kernel_rate;         /* GB/s of the pipeline's kernel; 0: none to speak of; below 0: as usual */
    double back;                /* bytes that come back from the pipeline for each that went in */
    const char *pairs, *engine; /* of the test transfer: "0>1,2>3", "copy" or "kernel" */
    int repeats, warmup;
    int threads;       /* of a CTA */
    double timeout_s;  /* of one point */
    uint32_t seed;
    const char *output;    /* folder; NULL: none is written */
    const char *machine;   /* NULL: made of the GPUs' name */
    const char *tag;       /* end of the file names; NULL: none */
    FabmWords facts;       /* GROUP.KEY=VALUE */
    FabmWords collectives; /* of NCCL; empty: all */
    char collective_words[400];
    const char *dtype, *algo, *proto, *channels;
    const char *nccl, *cublaslt; /* libraries; NULL: looked for */
    FabmWords programs;          /* files; "-" is standard input */
    FabmWords tests;
} FabmOptions;

/* Fills `options`, whose texts point into argv and into itself; false with FABM_EXIT_INPUT. */
bool fabm_options_parse(FabmOptions *options, int argc, char **argv, FabmFailure *failure);

/* A table of options for --help. */
void fabm_options_help(FabmText *text);

/* "4K:1G" (doubling), "4K:1GiB:4", "4K,1M": bytes, powers of 1024; at most FABM_MOST. */
bool fabm_parse_sizes(const char *text, FabmNumbers *sizes);

/* "0,2-5". */
bool fabm_parse_list(const char *text, FabmNumbers *numbers);

#endif
