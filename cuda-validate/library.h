/* Libraries that are loaded at run time where they are present. */
#ifndef FABM_LIBRARY_H
#define FABM_LIBRARY_H

#include "base.h"

typedef struct {
    const char *name;
    void *address; /* of a function pointer, which is set; NULL ends the table */
} FabmSymbol;

/*
 * Loads `path`, or when it is NULL the first of `names` that the loader finds, and looks up all symbols. NULL with
 * FABM_EXIT_MACHINE: the sentence names the library as `title`, what is missing, and `cure`.
 */
void *fabm_library_open(const char *title, const char *path, const char *const *names, const FabmSymbol *symbols,
                        const char *cure, FabmFailure *failure);
void fabm_library_close(void *library);

#endif
