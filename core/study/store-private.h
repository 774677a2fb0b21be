/* The store's insides, shared by what writes points (store.c) and what joins stores (store-merge.c). */
#ifndef FAB_STUDY_STORE_PRIVATE_H
#define FAB_STUDY_STORE_PRIVATE_H

#include <sqlite3.h>

#include "study/store.h"

struct FabStore {
    char *path;
    sqlite3 *db;
    sqlite3_stmt *add_point, *add_row;
};

/* What SQLite says is wrong with `path`, as ours. Returns false. */
bool fab_store_fail(const FabStore *store, const char *path, GError **error);

bool fab_store_execute(FabStore *store, const char *sql, GError **error);

/* The number that a statement yields; -1 with an error. */
int64_t fab_store_ask(FabStore *store, const char *path, const char *sql, GError **error);

/*
 * Whether the tables of `schema` ("main", or one that is attached) are those of a store of this program that holds the
 * points of these inputs (NULL: of any). `path` is its name in messages.
 */
bool fab_store_check(FabStore *store, const char *schema, const char *path, GPtrArray *inputs, GError **error);

/* A file that is there and cannot be a store: a folder, a pipe, a device. */
bool fab_store_check_file(const char *path, GError **error);

#endif
