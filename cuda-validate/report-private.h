/* The inside of a report, for the files that write it. */
#ifndef FABM_REPORT_PRIVATE_H
#define FABM_REPORT_PRIVATE_H

#include <pthread.h>

#include "report.h"

enum { FABM_MOST_COLUMNS = 11 };

typedef struct {
    char *group, *key, *value;
} FabmFact;

typedef struct {
    FabmFact *list;
    int count;
} FabmFacts;

struct FabmSheet {
    FabmReport *report;
    FabmSheet *next;
    char *id;
    FabmKind kind;
    FabmFacts facts;
    char **cells; /* rows x columns */
    int rows;
};

struct FabmReport {
    pthread_mutex_t lock;
    char *machine, *tag, *matrix;
    bool print;
    FabmFacts facts;
    FabmSheet *first;
};

/* Column names of a kind, NULL-terminated, and its name. */
const char *const *fabm_kind_columns(FabmKind kind);
const char *fabm_kind_name(FabmKind kind);

/* The value of a fact, or NULL. */
const char *fabm_facts_get(const FabmFacts *facts, const char *group, const char *key);

/* Sets or replaces; the value becomes one line. The caller holds the lock. */
void fabm_facts_set(FabmFacts *facts, const char *group, const char *key, const char *text);

#endif
