/* What the files of the report share. Each kind of result has a file of its own, page-<kind>.c. */
#ifndef FAB_REPORT_PAGE_PRIVATE_H
#define FAB_REPORT_PAGE_PRIVATE_H

#include "report/chart.h"
#include "report/html.h"
#include "report/json-read.h"
#include "report/page.h"
#include "scenario/scenario.h"
#include "study/outcome.h"
#include "predict/training-step.h"
#include "topology/topology.h"

/* A scenario that some result names: read again from its text. */
typedef struct {
    char *name, *title; /* title: what it is called in the report */
    char *called;       /* the same of what is drawn of it: of a sweep that is its quickest point */
    char *text;
    FabScenario *scenario; /* NULL: cannot be read here, `problem` says why */
    FabTopology *topology; /* NULL: the same */
    FabTrainingStep *step; /* of a training step that can be simulated here; else NULL */
    FabFootprint *footprint; /* of inference, else NULL */
    FabOutcome *outcome;     /* of a sweep's quickest point, run again for what its intervals rest on; else NULL */
    char *problem;
    JsonObject *result;    /* of a run, NULL: none was given; belongs to its document */
} FabPageScenario;

typedef enum { FAB_TONE_PLAIN, FAB_TONE_GOOD, FAB_TONE_BAD, FAB_TONE_OPEN } FabTone;

typedef struct {
    char *question, *verdict, *sentence;
    FabTone tone;
    GPtrArray *tiles; /* char *: label and value by turns */
} FabPageAnswer;

/* What a command writes: where its figures are, and how they are shown. */
typedef struct {
    const char *schema, *command; /* "fabricast-result", "run" */
    const char *list;             /* of what it has several; NULL: the document is one */
    bool whole;                   /* these are shown together: the document is the item */
    const char *rows;             /* of each of these; NULL: none */
    const char *numbers[3];       /* that every row has (or each item without rows): finite, above 0 */
    const char *texts[5];         /* that every item of `list` has, or every row without a list */
    bool headline;                /* its answer stands on top even when another kind's does */
    void (*answer)(FabPage *page, JsonObject *item, FabPageAnswer *answer);
    /* The sections of all items (JsonObject) of this kind. */
    void (*show)(FabPage *page, GPtrArray *items);
} FabPageKind;

typedef struct {
    const FabPageKind *kind;
    char *path;
    JsonNode *root;
    JsonObject *top;
} FabPageDocument;

struct FabPage {
    GPtrArray *documents; /* FabPageDocument */
    GPtrArray *scenarios; /* FabPageScenario */
    GPtrArray *sections;  /* char *: id and title by turns, of those written */
    FILE *out;            /* the body while it is written */
    guint charts, diagrams;
};

extern const FabPageKind fab_page_comparison, fab_page_claims, fab_page_sweep, fab_page_result, fab_page_training,
    fab_page_inference, fab_page_explanation, fab_page_memory, fab_page_validation;

/* All kinds in the order of the report; ends with NULL. */
extern const FabPageKind *const fab_page_kinds[];

/* page-load.c: all items of a kind, of all documents. g_ptr_array_unref(). */
GPtrArray *fab_page_items(FabPage *page, const FabPageKind *kind);

/* page-scenario.c: finds the scenarios that the documents name, once each. */
void fab_page_find_scenarios(FabPage *page);
/* What it needs of memory; NULL: it is no training step and no inference. */
const FabFootprint *fab_page_footprint(const FabPageScenario *one);
/* By the text that an item carries; NULL: it carries none. */
FabPageScenario *fab_page_scenario(FabPage *page, JsonObject *item);
/* What an item's scenario is called in the report; "" when nothing is known. Belongs to page or item. */
const char *fab_page_title(FabPage *page, JsonObject *item);

/* page.c: a section of its own, and its end. */
void fab_page_section(FabPage *page, const char *id, const char *title);
void fab_page_section_end(FabPage *page);
void fab_page_chart(FabPage *page, const FabChart *chart);
void fab_page_tile(FabPageAnswer *answer, const char *label, char *value); /* takes the value */

/* page-sweep.c: what is set over a sweep's scenario at its quickest point; empty where none fits. g_strfreev(). */
char **fab_page_sweep_sets(JsonObject *item);

/* What the bands of a chart of times are: so many curves have one, of so many it is a guess. NULL: no band. Owned. */
char *fab_page_about_bands(guint banded, guint guessed);

/* page-faults.c: adds the healthy time and the faults of an item that has some; then a table of what each costs. */
void fab_page_add_faults(JsonObject *item, guint row, double seconds, FabPageAnswer *answer);
void fab_page_show_faults(FabPage *page, GPtrArray *items);

/*
 * page-machine.c: machines, memory. page-timeline.c: what happens when. page-sure.c: errors measured, assumptions, the
 * way back.
 */
void fab_page_show_machines(FabPage *page);
/* A file of SVG, on white whatever the page's colours are. */
void fab_page_picture(FabPage *page, const char *svg, const char *caption);
void fab_page_show_timelines(FabPage *page);
void fab_page_show_memory(FabPage *page);
void fab_page_show_errors(FabPage *page);
void fab_page_show_assumptions(FabPage *page);
void fab_page_show_files(FabPage *page);

/* "memory_bound" as "memory bound". Owned by the caller. */
char *fab_page_words(const char *text);
/* " The interval: ..." or " There is no interval: ..." of what a result says of it, NULL: "". Owned by the caller. */
char *fab_page_interval(const char *interval);
/* "all_reduce" as "all-reduce". Owned by the caller. */
char *fab_page_work(const char *text);

/* The style, the script and the library of charts, as they were when the program was built. */
extern const char fab_page_style[], fab_page_script[], fab_page_library[], fab_page_library_notice[];
extern const unsigned fab_page_library_length; /* 0: it was built without */

#endif
