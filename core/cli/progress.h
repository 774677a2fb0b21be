/* How far long work has come: on standard error, only on a terminal, only after a second, gone at the end. */
#ifndef FAB_CLI_PROGRESS_H
#define FAB_CLI_PROGRESS_H

#include <glib.h>
#include <stdbool.h>

typedef struct {
    bool enabled, shown;
    gint64 start_us, last_us;
} FabProgressLine;

/* `quiet` never shows anything. */
void fab_progress_init(FabProgressLine *line, bool quiet);
/* A FabProgress whose `user` is the FabProgressLine. */
void fab_progress_update(double done, const char *what, void *user);
/* Erases the line. */
void fab_progress_clear(FabProgressLine *line);

#endif
