/*
 * What a sweep found so far, in an SQLite file: each point is written whole or not at all, so that a sweep that was
 * killed goes on where it stopped.
 */
#ifndef FAB_STUDY_STORE_H
#define FAB_STUDY_STORE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct FabStore FabStore;

/* One size of one point. */
typedef struct {
    uint64_t point;
    uint64_t size_bytes; /* 0: a training step */
    double seconds, low_s, high_s, work, algbw;
    uint32_t gpus;
    bool fits;           /* into memory */
    double cost;         /* of the row's work; 0: no price is given */
    char *currency, *binding;
} FabStoreRow;

/*
 * `path` NULL: in memory. `text` is what the points depend on: a store of another text, or of another version, is
 * refused. `shared`: other processes write into it too; else it is this one's until it is closed. Owned by the caller.
 */
FabStore *fab_store_open(const char *path, const char *text, bool shared, GError **error);
void fab_store_close(FabStore *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabStore, fab_store_close)

/* Sets done[point] for those below `points` that the store has; how many in *count. */
bool fab_store_done(FabStore *store, bool *done, uint64_t points, uint64_t *count, GError **error);

/* Adds a point that is not there yet: its rows (FabStoreRow), or why it could not be run. */
bool fab_store_add(FabStore *store, uint64_t point, GPtrArray *rows, const char *refused, GError **error);

/* All rows, by point and in the order they were added. FabStoreRow; owned by the caller. */
GPtrArray *fab_store_rows(FabStore *store, GError **error);
/* How many points could not be run, and why the first of them (owned by the caller; NULL: none). */
bool fab_store_refused(FabStore *store, uint64_t *count, char **first, GError **error);

void fab_store_row_free(FabStoreRow *row);

#endif
