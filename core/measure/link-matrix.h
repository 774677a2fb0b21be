/* Matrices of figures between GPUs as bandwidth tests print them, and the measurement they become. */
#ifndef FAB_MEASURE_LINK_MATRIX_H
#define FAB_MEASURE_LINK_MATRIX_H

#include "measure/draft.h"
#include "measure/log.h"

typedef struct {
    uint32_t count;     /* of rows and columns; 0: there is none */
    GPtrArray *cells;   /* text as printed, count x count; "" where there is no figure */
    GArray *row_lines;  /* uint64_t by row: where it was, 0: not there */
} FabLinkMatrix;

FabLinkMatrix *fab_link_matrix_new(void);
void fab_link_matrix_free(FabLinkMatrix *matrix);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabLinkMatrix, fab_link_matrix_free)

/* Whether the words are "0 1 2 ..." after an optional corner ("D\D", "GPU"): then the matrix has as many columns. */
bool fab_link_matrix_header(FabLinkMatrix *matrix, char **words, unsigned count);

/*
 * Takes "2 56.57 N/A ..." of the log `path`, below what it prints as `title`. A row that cannot be read is an error,
 * since a hole would look like a missing link; the last line of a log that was cut is left out with a remark.
 */
typedef struct {
    const char *path, *title;
    const FabImportOptions *options;
} FabLinkPlace;
bool fab_link_matrix_row(FabLinkMatrix *matrix, char **words, unsigned count, const FabLogLine *line,
                         const FabLinkPlace *place, GError **error);
/* One figure; "N/A" and what is no number become "no figure". False for no number. */
bool fab_link_matrix_set(FabLinkMatrix *matrix, uint32_t row, uint32_t column, const char *text);
void fab_link_matrix_resize(FabLinkMatrix *matrix, uint32_t count);

/* Rows that are missing. */
uint32_t fab_link_matrix_missing(const FabLinkMatrix *matrix);

/* The matrices of one measurement; any may be NULL, all that are not have the same size. */
typedef struct {
    const FabLinkMatrix *unidir, *bidir, *latency;
    bool column_to_row; /* data flows from the column's GPU to the row's */
    const char *path, *tool, *suffix, *note; /* `suffix` tells the measurements of one file apart */
} FabLinkTables;

/* What the file says of the machine. */
typedef struct {
    GPtrArray *gpus; /* names by device, NULL where not said */
    char *cuda_version, *driver;
} FabLinkMachine;

void fab_link_machine_init(FabLinkMachine *machine);
void fab_link_machine_clear(FabLinkMachine *machine);
void fab_link_machine_add(FabLinkMachine *machine, uint32_t device, const char *gpu);
/* 12080 -> "12.8" */
void fab_link_machine_set_cuda(FabLinkMachine *machine, int64_t code);

/* Owned by the caller; NULL when no pair has a figure. */
FabDraft *fab_link_draft(const FabLinkTables *tables, const FabLinkMachine *machine, const FabImportOptions *options);

#endif
