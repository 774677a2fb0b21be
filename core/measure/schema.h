/* What the measurement format allows: groups, keys and columns with the type of their values. */
#ifndef FAB_MEASURE_SCHEMA_H
#define FAB_MEASURE_SCHEMA_H

#include "measure/measurement.h"

typedef enum {
    FAB_FACT_TEXT,
    FAB_FACT_ADDRESS,
    FAB_FACT_HEX,
    FAB_FACT_DATE,
    FAB_FACT_VERSION,
    FAB_FACT_ID,
    FAB_FACT_IDS,       /* separated by ';' */
    FAB_FACT_INTEGER,   /* `least` or more */
    FAB_FACT_WORD,      /* one of `words` */
    FAB_FACT_SETTINGS   /* NAME=value, separated by ';' */
} FabFactType;

typedef struct {
    const char *group, *key; /* a key that ends in '*' stands for one with a number there */
    FabFactType type;
    int64_t least;
    const char *const *words;
    bool required;
} FabFactSpec;

/* Ends with a row whose group is NULL. In the order in which groups and keys are written. */
extern const FabFactSpec fab_fact_specs[];

/* The row of a key, or NULL. */
const FabFactSpec *fab_fact_find(const char *group, const char *key);

/* Whether `value` fits. The message has no place in it: "is "x", must be ...". */
bool fab_fact_check(const FabFactSpec *spec, const char *value, GError **error);

/* "aic-h100-nccl2.23-ring": lower-case letters, digits, dashes and points. */
bool fab_measurement_is_id(const char *text);

typedef enum {
    FAB_CELL_TEXT,
    FAB_CELL_COUNT,    /* whole, 0 or more, of at most FAB_CELL_DIGITS digits */
    FAB_CELL_NUMBER,   /* finite */
    FAB_CELL_RATE,     /* 0 to 1e9: small ones are rounded to 0 by the tools */
    FAB_CELL_TIME,     /* fab_cell_is_time() */
    FAB_CELL_FLAG,     /* 0 or 1 */
    FAB_CELL_WORD      /* one of `words` */
} FabCellType;

enum { FAB_CELL_DIGITS = 18 }; /* below 2^63 */

typedef struct {
    const char *name;
    FabCellType type;
    bool required;
    const char *const *words;
} FabColumnSpec;

/* Columns of a kind; ends with a row whose name is NULL. */
const FabColumnSpec *fab_measurement_column_specs(FabMeasurementKind kind);

/* Whether microseconds can be the time of a transfer: from 1 ns to 11 days. Not of NaN. */
bool fab_cell_is_time(double time_us);

/* Whether `cell` fits. The message begins with the column's name. */
bool fab_cell_check(const FabColumnSpec *spec, const char *cell, GError **error);

#endif
