/*
 * Channel programs as files, for programs that execute them. `docs/program-format.md` specifies the format; this is
 * its writer and its reader.
 */
#ifndef FAB_PROGRAM_PROGRAM_FILE_H
#define FAB_PROGRAM_PROGRAM_FILE_H

#include <stdio.h>

#include "program/program.h"

/* The most that a file holds, so that readers can have arrays of fixed size. */
enum {
    FAB_PROGRAM_FILE_VERSION = 1,
    FAB_PROGRAM_FILE_RANKS = 1024,
    FAB_PROGRAM_FILE_CHANNELS = 1024,
    FAB_PROGRAM_FILE_CONNECTIONS = 1 << 18,
    FAB_PROGRAM_FILE_ENDS = 16,      /* of a step, on either side */
    FAB_PROGRAM_FILE_STEPS = 1 << 22 /* of all programs of a file */
};

/* What a file says of a program beside its steps: what it computes, and how it was chosen. */
typedef struct {
    char *collective;  /* "all_reduce" */
    char *algorithm, *protocol; /* "ring", "simple" */
    char *datatype;    /* as fab_datatype_find() returns it */
    char *reduction;   /* "sum", or "none" where nothing is reduced */
    uint64_t size;     /* of the call, as nccl-tests counts it */
    uint64_t piece;    /* the longest piece of one rank */
    uint32_t root;
    bool one_way;      /* sendrecv: the last rank does not send to the first */
    uint32_t threads;  /* of a channel's CTA */
    uint32_t *gpus;    /* of each rank */
} FabProgramNote;

void fab_program_note_clear(FabProgramNote *note);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(FabProgramNote, fab_program_note_clear)

/* The first line. */
void fab_program_file_begin(FILE *out);

/*
 * Writes one program after the first line. *steps counts those of the file so far. Refuses, before anything is
 * written, what the format cannot hold: FAB_ERROR_VALUE. Whether `out` took it all is the caller's to check.
 */
bool fab_program_write(const FabProgram *program, const FabProgramNote *note, uint64_t *steps, FILE *out,
                       GError **error);

/* One program of a file. */
typedef struct {
    FabProgramNote note;
    FabProgram *program;
} FabProgramEntry;

/* All programs of a file (FabProgramEntry), at least one. Messages name file and line. Owned by the caller. */
GPtrArray *fab_program_read(const char *path, GError **error);

#endif
