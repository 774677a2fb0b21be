#include "cli/progress.h"

#include <stdio.h>
#include <unistd.h>

enum { QUIET_US = 1000000, INTERVAL_US = 100000 };

void
fab_progress_init(FabProgressLine *line, bool quiet)
{
    line->enabled = !quiet && isatty(STDERR_FILENO);
    line->shown = false;
    line->start_us = line->last_us = g_get_monotonic_time();
}

void
fab_progress_update(double done, const char *what, void *user)
{
    FabProgressLine *line = user;
    gint64 now_us = g_get_monotonic_time();

    if (!line->enabled || now_us - line->start_us < QUIET_US || now_us - line->last_us < INTERVAL_US)
        return;
    fprintf(stderr, "\r%3d %% %.60s\033[K", (int)(CLAMP(done, 0, 1) * 100), what != NULL ? what : "");
    fflush(stderr);
    line->last_us = now_us;
    line->shown = true;
}

void
fab_progress_clear(FabProgressLine *line)
{
    if (!line->shown)
        return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    line->shown = false;
}
