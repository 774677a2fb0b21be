/* A store that is only read: nothing is created beside it, not even where its folder cannot be written. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "study/store-private.h"

/* How SQLite's files begin, with the null character at its end. */
static const char magic[16] = "SQLite format 3";

bool
fab_store_is_one(const char *path)
{
    char start[sizeof magic] = "";
    FILE *file = g_file_test(path, G_FILE_TEST_IS_REGULAR) ? fopen(path, "rb") : NULL;
    bool is = file != NULL && fread(start, 1, sizeof start, file) == sizeof start &&
              memcmp(start, magic, sizeof magic) == 0;

    if (file != NULL)
        fclose(file);
    return is;
}

/*
 * Without a write-ahead log nobody is writing, and nobody was killed while they did: the file is all there is, and
 * SQLite need not create what readers share. With one, what is in the log belongs to the store.
 */
static bool
open_file(FabStore *store, const char *path, GError **error)
{
    g_autofree char *log = g_strconcat(path, "-wal", NULL);
    g_autofree char *whole = g_canonicalize_filename(path, NULL);
    g_autofree char *escaped = g_uri_escape_string(whole, "/", FALSE);
    g_autofree char *uri = g_strdup_printf("file://%s%s", escaped,
                                           g_file_test(log, G_FILE_TEST_EXISTS) ? "" : "?immutable=1");

    return sqlite3_open_v2(uri, &store->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL) == SQLITE_OK ||
           fab_store_fail(store, path, error);
}

/* Pages that were cut off, which SQLite takes for empty, or overwritten, which the rows alone need not show. */
static bool
check_pages(FabStore *store, const char *path, GError **error)
{
    int64_t size = fab_store_ask(store, path, "PRAGMA page_size", error);
    sqlite3_stmt *statement = NULL;
    g_autofree char *said = NULL;
    struct stat facts;

    if (size <= 0)
        return false;
    if (stat(path, &facts) == 0 && facts.st_size % size != 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "%s: is damaged; name another store (its last page is cut off)",
                    path);
        return false;
    }
    if (sqlite3_prepare_v2(store->db, "PRAGMA quick_check(1)", -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        said = g_strdup((const char *)sqlite3_column_text(statement, 0));
    if (said == NULL)
        fab_store_fail(store, path, error);
    else if (strcmp(said, "ok") != 0)
        g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "%s: is damaged; name another store (%s)", path,
                    g_strdelimit(said, "\n", ' '));
    sqlite3_finalize(statement);
    return said != NULL && strcmp(said, "ok") == 0;
}

FabStore *
fab_store_open_read(const char *path, GError **error)
{
    g_autoptr(FabStore) store = g_new0(FabStore, 1);

    store->path = g_strdup(path);
    if (!fab_store_check_file(path, error) || !open_file(store, path, error) || !check_pages(store, path, error) ||
        !fab_store_check(store, "main", path, NULL, error))
        return NULL;
    return g_steal_pointer(&store);
}

bool
fab_store_scenario(FabStore *store, char **name, char **text, GError **error)
{
    static const char ask[] = "SELECT sweep.scenario, inputs.text FROM sweep, inputs WHERE inputs.text IS NOT NULL";
    sqlite3_stmt *statement = NULL;

    *name = *text = NULL;
    if (sqlite3_prepare_v2(store->db, ask, -1, &statement, NULL) != SQLITE_OK ||
        (sqlite3_step(statement) != SQLITE_ROW && sqlite3_errcode(store->db) != SQLITE_DONE)) {
        fab_store_fail(store, store->path, error);
    } else {
        *name = g_strdup((const char *)sqlite3_column_text(statement, 0));
        *text = g_strdup((const char *)sqlite3_column_text(statement, 1));
        if (*name == NULL || *text == NULL)
            g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "%s: is damaged: it does not say of which scenario its "
                        "points are; name another store", store->path);
    }
    sqlite3_finalize(statement);
    if (*name != NULL && *text != NULL)
        return true;
    g_clear_pointer(name, g_free);
    g_clear_pointer(text, g_free);
    return false;
}
