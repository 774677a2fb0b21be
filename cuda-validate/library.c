#include "library.h"

#include <dlfcn.h>
#include <string.h>

void *
fabm_library_open(const char *title, const char *path, const char *const *names, const FabmSymbol *symbols,
                  const char *cure, FabmFailure *failure)
{
    const char *tried = path != NULL ? path : names[0];
    void *library = NULL;

    if (path != NULL)
        library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    for (; path == NULL && library == NULL && *names != NULL; names++) {
        tried = *names;
        library = dlopen(*names, RTLD_NOW | RTLD_LOCAL);
    }
    if (library == NULL) {
        fabm_fail(failure, FABM_EXIT_MACHINE, "%s cannot be loaded: %s; %s", title, dlerror(), cure);
        return NULL;
    }
    for (; symbols->address != NULL; symbols++) {
        void *found = dlsym(library, symbols->name);

        if (found == NULL) {
            fabm_fail(failure, FABM_EXIT_MACHINE, "%s: %s has no %s, so it is too old or another library; %s", title,
                      tried, symbols->name, cure);
            dlclose(library);
            return NULL;
        }
        /* As POSIX has it: a pointer to data becomes one to a function. */
        memcpy(symbols->address, &found, sizeof found);
    }
    return library;
}

void
fabm_library_close(void *library)
{
    if (library != NULL)
        dlclose(library);
}
