/*
 * What was measured, and the files it becomes: key file and table of docs/measurements.md, each whole or not at all.
 * Every call may come from any thread, since the watchdog writes what there is when the measuring thread hangs.
 */
#ifndef FABM_REPORT_H
#define FABM_REPORT_H

#include "base.h"
#include "statistics.h"

typedef struct FabmReport FabmReport;
typedef struct FabmSheet FabmSheet; /* one table and its key file; belongs to the report */

typedef enum { FABM_DEVICE, FABM_LINK, FABM_COLLECTIVE } FabmKind;

/* A line of a FABM_DEVICE table. */
typedef struct {
    const char *test;    /* what ran: "h2d", "copy" */
    const char *variant; /* how: "pinned", "width=16"; "" */
    const char *gpus;    /* "0", "0>1", "0+1"; "" */
    int64_t ctas, bytes; /* below 0: does not apply */
    const char *metric;  /* "rate", "time", ... */
    FabmSummary summary;
    const char *unit;
} FabmRow;

/*
 * The tables' names begin with `machine` and end with `tag`, unless that is NULL. `print`: each row of a device table
 * also goes to standard output.
 */
FabmReport *fabm_report_new(const char *machine, const char *tag, bool print);
void fabm_report_free(FabmReport *report);

/* A line of every key file; later ones of the same group and key replace earlier ones. */
void fabm_report_fact(FabmReport *report, const char *group, const char *key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The matrix that is written beside the tables of links. */
void fabm_report_matrix(FabmReport *report, const char *text);

/* Table MACHINE-SUFFIX-TAG: the same sheet when it is asked for again. */
FabmSheet *fabm_report_sheet(FabmReport *report, const char *suffix, FabmKind kind);
void fabm_sheet_fact(FabmSheet *sheet, const char *group, const char *key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

void fabm_sheet_row(FabmSheet *sheet, const FabmRow *row);

/* Cells of a link or collective table; NaN is written as an empty cell. `in_place` is 0 or 1. */
void fabm_sheet_link(FabmSheet *sheet, int src, int dst, double unidir_gbps, double bidir_gbps, double latency_us);
void fabm_sheet_collective(FabmSheet *sheet, uint64_t bytes, double time_us, double bus_factor, int in_place);

/* Rows of all sheets. */
int fabm_report_rows(FabmReport *report);

/*
 * FOLDER/ID.csv, .ini and .topo.txt of every sheet that has rows. `stopped` says why the run ended early, or is NULL;
 * such tables are graded B.
 */
bool fabm_report_write(FabmReport *report, const char *folder, const char *stopped, FabmFailure *failure);

/* Everything as one JSON object. */
void fabm_report_json(FabmReport *report, FabmText *text);

#endif
