/*
 * The reference: runs a channel program on real numbers in host memory, with its FIFOs and slots, and so
 * proves that it computes the collective and cannot deadlock with the slots it asks for.
 */
#ifndef FAB_PROGRAM_INTERPRETER_H
#define FAB_PROGRAM_INTERPRETER_H

#include "program/program.h"

typedef enum { FAB_REDUCE_SUM, FAB_REDUCE_MAX } FabReduction;

/*
 * Elements are 1-byte unsigned integers: sums wrap, which is exact and associative, so every order gives the
 * same bytes. `input[r]` has input_bytes, `output[r]` output_bytes; output may be preset to prove that every byte is
 * written. Returns false with FAB_ERROR_DEADLOCK naming the ranks and steps that wait, or FAB_ERROR_VALUE
 * when a step leaves its buffers or reads a slot of another size than was sent.
 */
bool fab_interpret(const FabProgram *program, FabReduction reduction, const uint8_t *const *input, uint8_t **output,
                   GError **error);

#endif
