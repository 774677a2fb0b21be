#include "watchdog.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct {
    pthread_t thread;
    pthread_mutex_t lock;
    FabmReport *report;
    const char *folder;
    double timeout_s, deadline_us;
    char point[120];
    bool running, ending;
} dog = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Writes what there is and ends the process, whatever the other threads do. */
static void
give_up(const char *why)
{
    FabmFailure failure = { 0 };
    int rows = fabm_report_rows(dog.report);

    /* One line, for who reads the last one. */
    if (dog.folder == NULL || rows == 0)
        fprintf(stderr, "fabricast-measure: %s; %d rows were measured\n", why, rows);
    else if (fabm_report_write(dog.report, dog.folder, why, &failure))
        fprintf(stderr, "fabricast-measure: %s; the %d rows measured until then are in %s\n", why, rows, dog.folder);
    else
        fprintf(stderr, "fabricast-measure: %s; %s\n", why, failure.text);
    fflush(NULL);
    _exit(FABM_EXIT_MACHINE);
}

/* Looks at the deadline; false: the work is done. */
static bool
look(void)
{
    char why[300];
    bool late, ending;

    pthread_mutex_lock(&dog.lock);
    ending = dog.ending;
    late = !ending && fabm_now_us() > dog.deadline_us;
    snprintf(why, sizeof why, "hangs for %g s at %s, gave up (--timeout sets how long a point may take)", dog.timeout_s,
             dog.point);
    pthread_mutex_unlock(&dog.lock);
    if (late)
        give_up(why);
    return !ending;
}

static void *
watch(void *data)
{
    const struct timespec nap = { .tv_nsec = 50 * 1000 * 1000 };
    sigset_t *signals = data;

    while (look()) {
        int signal = sigtimedwait(signals, NULL, &nap);

        if (signal == SIGINT)
            give_up("stopped by Ctrl-C");
        if (signal == SIGTERM)
            give_up("stopped by SIGTERM");
    }
    return NULL;
}

static void
fill_signals(sigset_t *signals)
{
    sigemptyset(signals);
    sigaddset(signals, SIGINT);
    sigaddset(signals, SIGTERM);
}

void
fabm_watchdog_take_signals(void)
{
    sigset_t signals;

    fill_signals(&signals);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
}

bool
fabm_watchdog_start(FabmReport *report, const char *folder, double timeout_s, FabmFailure *failure)
{
    static sigset_t signals;
    int error;

    fill_signals(&signals);
    dog.report = report;
    dog.folder = folder;
    dog.timeout_s = timeout_s;
    fabm_watchdog_point("the start");
    error = pthread_create(&dog.thread, NULL, watch, &signals);
    if (error != 0)
        return fabm_fail(failure, FABM_EXIT_MACHINE, "no thread for the watchdog: %s", strerror(error));
    dog.running = true;
    return true;
}

void
fabm_watchdog_point(const char *format, ...)
{
    va_list args;

    pthread_mutex_lock(&dog.lock);
    va_start(args, format);
    vsnprintf(dog.point, sizeof dog.point, format, args);
    va_end(args);
    dog.deadline_us = fabm_now_us() + dog.timeout_s * 1e6;
    pthread_mutex_unlock(&dog.lock);
}

void
fabm_watchdog_stop(void)
{
    if (!dog.running)
        return;
    pthread_mutex_lock(&dog.lock);
    dog.ending = true;
    pthread_mutex_unlock(&dog.lock);
    pthread_join(dog.thread, NULL);
    dog.running = false;
}
