/* A whole program looked through, step by step: is it what a file can hold, how long is it, who talks to whom. */
#ifndef FAB_PROGRAM_PROGRAM_SURVEY_H
#define FAB_PROGRAM_PROGRAM_SURVEY_H

#include "program/program-file.h"

/* A connection that is used. */
typedef struct {
    uint32_t id;             /* in the program */
    bool sent, received;     /* by the streams below */
    FabStream sender, receiver;
    uint32_t to, from;       /* the ranks that sender and receiver believe to be at the other end */
} FabWire;

typedef struct {
    uint64_t *steps;         /* of each stream: (rank * channels + channel) * roles + role */
    uint64_t streams, total; /* streams that have steps; steps of all */
    GArray *wires;           /* FabWire, in the order of the connections' ids */
    uint32_t *wire_of;       /* index in `wires` by connection id; UINT32_MAX: not used */
} FabSurvey;

/*
 * `most` bounds the steps. The message names the program, and rank, channel, role and step where it applies. *survey
 * must be cleared in any case.
 */
bool fab_survey(const FabProgram *program, uint32_t element_bytes, uint64_t most, FabSurvey *survey, GError **error);
void fab_survey_clear(FabSurvey *survey);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(FabSurvey, fab_survey_clear)

/* The stream of an index in `steps`. */
FabStream fab_survey_stream(const FabProgram *program, uint64_t index);

#endif
