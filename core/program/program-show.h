/* Channel programs for people: who does what, step by step, by NCCL's names. */
#ifndef FAB_PROGRAM_PROGRAM_SHOW_H
#define FAB_PROGRAM_PROGRAM_SHOW_H

#include "program/program-file.h"

/* Which streams: one rank, one channel; below 0: all of them. */
typedef struct {
    int64_t rank, channel;
} FabProgramPart;

/* Whether `out` took it all is the caller's to check. */
void fab_program_show(const FabProgram *program, const FabProgramNote *note, const FabProgramPart *part, FILE *out);

#endif
