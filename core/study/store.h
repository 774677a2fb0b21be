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
    bool extrapolated;   /* gone on to from smaller machines, not simulated */
    double cost;         /* of the row's work; 0: no price is given */
    char *currency, *binding;
} FabStoreRow;

/* Something that the points depend on: "machine dgx-h100", and the checksum of what it is today. */
typedef struct {
    char *name, *digest;
    char *text; /* of a scenario, so that a change of it can be shown; else NULL */
} FabStoreInput;

void fab_store_input_free(FabStoreInput *input);

/*
 * `path` NULL: in memory. `inputs` (FabStoreInput) are what the points depend on: a store of other ones, or of another
 * version, is refused with the name of what is different. `scenario` is what a new store calls the scenario. `shared`:
 * other processes write into it too; else it is this one's until it is closed. Owned by the caller.
 */
FabStore *fab_store_open(const char *path, const char *scenario, GPtrArray *inputs, bool shared, GError **error);
/*
 * A store as it is, to be read and not changed, whatever its points depend on: refuses one of another version, one that
 * is damaged, and one that a sweep is writing into. Owned by the caller.
 */
FabStore *fab_store_open_read(const char *path, GError **error);
/* Whether a file begins as a store does. */
bool fab_store_is_one(const char *path);
void fab_store_close(FabStore *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabStore, fab_store_close)

/* Sets done[point] for those below `points` that the store has; how many in *count. */
bool fab_store_done(FabStore *store, bool *done, uint64_t points, uint64_t *count, GError **error);

/* Adds a point that is not there yet: its rows (FabStoreRow), or why it could not be run. */
bool fab_store_add(FabStore *store, uint64_t point, GPtrArray *rows, const char *refused, GError **error);

/*
 * Adds the points of the store `path` that are not there yet, all or none; how many in *added. Refuses a store of other
 * inputs, or one in which a point of both came out differently.
 */
bool fab_store_merge(FabStore *store, const char *path, GPtrArray *inputs, uint64_t *added, GError **error);

/* What the scenario of its points is called, and its text. Both owned by the caller. */
bool fab_store_scenario(FabStore *store, char **name, char **text, GError **error);
/* All rows, by point and in the order they were added. FabStoreRow; owned by the caller. */
GPtrArray *fab_store_rows(FabStore *store, GError **error);
/* How many points could not be run, and why the first of them (owned by the caller; NULL: none). */
bool fab_store_refused(FabStore *store, uint64_t *count, char **first, GError **error);

void fab_store_row_free(FabStoreRow *row);

#endif
