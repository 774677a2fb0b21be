/*
 * Ends the program when a point hangs, or on Ctrl-C, and keeps what was measured until then. It is a thread of its own,
 * since the measuring one may be stuck inside the driver.
 */
#ifndef FABM_WATCHDOG_H
#define FABM_WATCHDOG_H

#include "report.h"

/*
 * Before any thread is made, of the driver too: they inherit that SIGINT and SIGTERM wait for the watchdog, which alone
 * acts on them.
 */
void fabm_watchdog_take_signals(void);

/* Starts it. `folder` may be NULL. */
bool fabm_watchdog_start(FabmReport *report, const char *folder, double timeout_s, FabmFailure *failure);

/* A point begins, named for the message; the time begins anew. */
void fabm_watchdog_point(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* All points are done. */
void fabm_watchdog_stop(void);

#endif
