/*
 * Where a sub-command writes: standard output, or a file that appears whole or not at all. A reader that closes the
 * pipe early has what it wanted; that is no error.
 */
#ifndef FAB_CLI_OUTPUT_H
#define FAB_CLI_OUTPUT_H

#include <glib.h>
#include <stdbool.h>
#include <stdio.h>

typedef struct FabOutput FabOutput;

/* `path` NULL or "-": standard output. Says early when the file cannot be written. */
FabOutput *fab_output_new(const char *path, GError **error);
/* The same for text that people read: on a narrow terminal, and only there, lines are made narrower. */
FabOutput *fab_output_new_for_eyes(const char *path, GError **error);
/* Refuses `path`, named by `option`, when it is the file `input`: results would take its place. Both may be NULL. */
bool fab_output_check(const char *option, const char *path, const char *input, GError **error);
/* Refuses two options that name one file, also one that does not exist yet. Either path may be NULL. */
bool fab_output_check_apart(const char *option, const char *path, const char *other, const char *other_path,
                            GError **error);
/* Refuses a file that was read meanwhile: a scenario names models and machines. Finishing does too; this is early. */
bool fab_output_check_inputs(const FabOutput *output, GError **error);
void fab_output_free(FabOutput *output);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabOutput, fab_output_free)

/* What is printed here waits for the next flush. Belongs to the output. */
FILE *fab_output_stream(FabOutput *output);

/* Writes to standard output what waits; a file waits for the end. */
bool fab_output_flush(FabOutput *output, GError **error);

/* True once the reader of standard output has gone. */
bool fab_output_closed(const FabOutput *output);

/* Writes all and, for a file, puts it in place. */
bool fab_output_finish(FabOutput *output, GError **error);

#endif
