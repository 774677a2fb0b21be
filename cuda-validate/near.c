#include "near.h"

#include <ctype.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

static cpu_set_t given;
static bool known;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void
note_given(void)
{
    known = sched_getaffinity(0, sizeof given, &given) == 0;
}

bool
fabm_near_parse(const char *list, void *cpus)
{
    cpu_set_t *set = cpus;

    CPU_ZERO(set);
    while (isdigit((unsigned char)*list)) {
        char *end;
        unsigned long first = strtoul(list, &end, 10), last = first;

        if (*end == '-' && isdigit((unsigned char)end[1]))
            last = strtoul(end + 1, &end, 10);
        if (last < first || last >= CPU_SETSIZE)
            return false;
        for (unsigned long cpu = first; cpu <= last; cpu++)
            CPU_SET(cpu, set);
        if (*end == '\0' || *end == '\n')
            return true;
        if (*end != ',')
            return false;
        list = end + 1;
    }
    return false;
}

/* The CPUs that Linux says are near a device of the PCI bus, whose address it writes in small letters. */
static bool
look_up(const char *bus_id, cpu_set_t *cpus)
{
    char path[120], address[32] = "", line[4096];
    bool found;
    FILE *file;

    for (size_t i = 0; bus_id[i] != '\0' && i + 1 < sizeof address; i++)
        address[i] = (char)tolower((unsigned char)bus_id[i]);
    snprintf(path, sizeof path, "/sys/bus/pci/devices/%s/local_cpulist", address);
    file = fopen(path, "r");
    if (file == NULL)
        return false;
    found = fgets(line, sizeof line, file) != NULL && fabm_near_parse(line, cpus);
    fclose(file);
    return found;
}

void
fabm_near_bind(FabmBackend *backend, int gpu)
{
    FabmFailure ignored = { 0 };
    cpu_set_t cpus;
    FabmGpu info;

    pthread_once(&once, note_given);
    if (!known || !backend->info(backend, gpu, &info, &ignored) || !look_up(info.bus_id, &cpus))
        return;
    CPU_AND(&cpus, &cpus, &given);
    if (CPU_COUNT(&cpus) > 0)
        (void)sched_setaffinity(0, sizeof cpus, &cpus);
}

void
fabm_near_release(void)
{
    pthread_once(&once, note_given);
    if (known)
        (void)sched_setaffinity(0, sizeof given, &given);
}
