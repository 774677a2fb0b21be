/*
 * Two training steps that differ only in what connects the GPUs: their kernels are the same, and so is an error of
 * their times. What is left to doubt is the exchange.
 */
#ifndef FAB_STUDY_PAIR_H
#define FAB_STUDY_PAIR_H

#include "study/outcome.h"

/*
 * True: both are steps inside one machine with the same GPUs, model, layout, batch of each GPU and software, and *ratio
 * says how many times faster b does a token's work; replicas may differ in number where none shares out its state.
 * Neither has faults, since no interval is known with them. *share is how many GPUs a has for each of b's; *basis says
 * what the interval rests on (owned by the caller). False without an error: they are no such pair.
 */
bool fab_pair_ratio(const FabScenario *a, const FabScenario *b, FabRatio *ratio, double *share, char **basis,
                    GError **error);

#endif
