/* Lines of a log that its importer does not know: neighbours are reported together, by number. */
#ifndef FAB_MEASURE_PASSED_OVER_H
#define FAB_MEASURE_PASSED_OVER_H

#include "measure/draft.h"

typedef struct {
    uint64_t from, to; /* lines not yet reported; 0: none */
    char first[61];    /* the beginning of the first of them */
    const char *tool;  /* what printed the first that could be told, also of those reported; NULL: unknown */
} FabPassedOver;

void fab_passed_over_add(FabPassedOver *lines, const char *text, uint64_t number);

/* Reports what waits. `who` is "nvbandwidth does not print", after it comes "this; passed over: ...". */
void fab_passed_over_tell(FabPassedOver *lines, const FabImportOptions *options, const char *path, const char *who);

#endif
