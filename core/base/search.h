/* Search orders: folders added on the command line, folders of an environment variable, the standard folder. */
#ifndef FAB_BASE_SEARCH_H
#define FAB_BASE_SEARCH_H

#include <glib.h>

/* A list of folders that users add to. Set the two names once; the rest is managed. Safe with threads. */
typedef struct {
    const char *variable; /* environment variable with ':'-separated folders */
    GMutex lock;
    GPtrArray *added;
} FabSearchPath;

/* Puts `folder` in front of all others. */
void fab_search_add(FabSearchPath *path, const char *folder);

/* All folders in search order, each once, `standard` last. NULL-terminated; g_strfreev(). */
char **fab_search_folders(FabSearchPath *path, const char *standard);

/* Names of the regular files FOLDER/NAME+suffix, sorted, each once, NULL-terminated; g_strfreev(). */
char **fab_search_names(const char *const *folders, const char *suffix);

/* The first FOLDER/NAME+suffix that exists, or NULL. Owned by the caller. */
char *fab_search_find(const char *const *folders, const char *name, const char *suffix);

#endif
