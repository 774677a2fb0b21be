/* Where an answer turns while one number grows: found by halving between two values that answer differently. */
#ifndef FAB_STUDY_TURN_H
#define FAB_STUDY_TURN_H

#include <glib.h>
#include <stdbool.h>

/* Two values of a key, written as scenarios write them: "8" and "64", "1M" and "1G", "100 Gb/s" and "400 Gb/s". */
typedef struct {
    double low, high;
    char *unit;  /* of both, with its blank: " Gb/s"; sizes are in bytes and have none */
    bool whole;  /* only whole numbers lie between */
    bool sizes;
} FabSpan;

/* `key` tells whether they are sizes. False: they have no order, or not the same unit; the span is then empty. */
bool fab_span_parse(FabSpan *span, const char *key, const char *below, const char *above);
void fab_span_clear(FabSpan *span);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(FabSpan, fab_span_clear)

/* A number, with or without a unit: such values have an order. */
bool fab_span_is_amount(const char *text);

/* A number of the span as a scenario takes it, and as people read it. Owned by the caller. */
char *fab_span_value(const FabSpan *span, double number);
char *fab_span_shown(const FabSpan *span, double number);

/* Answers for one value; false: it is not possible. */
typedef bool (*FabTurnAsk)(const char *value, bool *answer, void *user);

/* Narrows the span to where the answer, `first` at its low end, turns: to 2 %, neighbours, or what is possible. */
void fab_turn_search(FabSpan *span, bool first, FabTurnAsk ask, void *user);

#endif
