#include "study/store.h"

#include <errno.h>
#include <sqlite3.h>
#include <string.h>

#include "base/error.h"
#include "fabricast-config.h"

/* "Fabr": SQLite's application id, and the form of the tables. */
enum { APPLICATION = 0x46616272, FORMAT = 1, PATIENCE_MS = 60000 };

struct FabStore {
    char *path;
    sqlite3 *db;
    sqlite3_stmt *add_point, *add_row;
};

static const char tables[] =
    "CREATE TABLE sweep (version TEXT NOT NULL, digest TEXT NOT NULL);"
    "CREATE TABLE points (number INTEGER PRIMARY KEY, refused TEXT);"
    "CREATE TABLE rows (number INTEGER NOT NULL, place INTEGER NOT NULL, size_bytes INTEGER NOT NULL,"
    " seconds REAL NOT NULL, low_s REAL, high_s REAL, work REAL NOT NULL, algbw REAL, gpus INTEGER NOT NULL,"
    " fits INTEGER NOT NULL, cost REAL, currency TEXT, binding TEXT, PRIMARY KEY (number, place));";

void
fab_store_row_free(FabStoreRow *row)
{
    if (row == NULL)
        return;
    g_free(row->currency);
    g_free(row->binding);
    g_free(row);
}

void
fab_store_close(FabStore *store)
{
    if (store == NULL)
        return;
    sqlite3_finalize(store->add_point);
    sqlite3_finalize(store->add_row);
    sqlite3_close(store->db);
    g_free(store->path);
    g_free(store);
}

/* What SQLite says is wrong, as ours. */
static bool
fail(const FabStore *store, GError **error)
{
    int code = sqlite3_errcode(store->db);
    bool input = code == SQLITE_NOTADB || code == SQLITE_CANTOPEN || code == SQLITE_READONLY || code == SQLITE_BUSY ||
                 code == SQLITE_ERROR || code == SQLITE_CORRUPT || code == SQLITE_LOCKED;

    g_set_error(error, FAB_ERROR, input ? FAB_ERROR_FILE : FAB_ERROR_SYSTEM, "%s: %s%s", store->path,
                code == SQLITE_BUSY     ? "another sweep is writing into it; wait for that, or share the points with "
                                          "--part: "
                : code == SQLITE_NOTADB ? "is not a store that a sweep wrote: "
                                        : "the store of the sweep cannot be used: ",
                sqlite3_errmsg(store->db));
    return false;
}

static bool
execute(FabStore *store, const char *sql, GError **error)
{
    return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK || fail(store, error);
}

/* ------------------------------------------------------------------ opening */

/* The number that a statement yields; -1 with an error. */
static int64_t
ask(FabStore *store, const char *sql, GError **error)
{
    sqlite3_stmt *statement = NULL;
    int64_t number = -1;

    if (sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        number = sqlite3_column_int64(statement, 0);
    else
        fail(store, error);
    sqlite3_finalize(statement);
    return number;
}

static bool
create(FabStore *store, const char *digest, GError **error)
{
    g_autofree char *ids = g_strdup_printf("PRAGMA application_id = %d; PRAGMA user_version = %d; %s INSERT INTO sweep "
                                           "VALUES ('%s', '%s');", APPLICATION, FORMAT, tables, FAB_VERSION, digest);

    return execute(store, ids, error);
}

/* Of the same form, the same program, the same points. */
static bool
check(FabStore *store, const char *digest, GError **error)
{
    sqlite3_stmt *statement = NULL;
    g_autofree char *version = NULL, *stored = NULL;

    if (sqlite3_prepare_v2(store->db, "SELECT version, digest FROM sweep", -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW) {
        version = g_strdup((const char *)sqlite3_column_text(statement, 0));
        stored = g_strdup((const char *)sqlite3_column_text(statement, 1));
    }
    sqlite3_finalize(statement);
    if (stored == NULL)
        return fail(store, error);
    if (strcmp(version, FAB_VERSION) == 0 && strcmp(stored, digest) == 0)
        return true;
    if (strcmp(version, FAB_VERSION) != 0)
        g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "%s: was written by fabricast %s, this is %s; name another store",
                    store->path, version, FAB_VERSION);
    else
        g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "%s: holds the points of another scenario, or of this one before "
                    "it was changed; name another store", store->path);
    return false;
}

/* In one transaction, so that two processes do not both create the tables. */
static bool
prepare(FabStore *store, const char *digest, GError **error)
{
    int64_t application, format, objects;
    bool good;

    if (!execute(store, "BEGIN IMMEDIATE", error))
        return false;
    application = ask(store, "PRAGMA application_id", error);
    format = application >= 0 ? ask(store, "PRAGMA user_version", error) : -1;
    objects = format >= 0 ? ask(store, "SELECT count(*) FROM sqlite_master", error) : -1;
    if (objects < 0)
        return false;
    if (objects == 0 && application == 0) {
        good = create(store, digest, error);
    } else if (application != APPLICATION || format != FORMAT) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "%s: is %s; name another store", store->path,
                    application != APPLICATION ? "a database that no sweep wrote"
                                               : "a store in the form of another version");
        return false;
    } else {
        good = check(store, digest, error);
    }
    return good && execute(store, "COMMIT", error);
}

FabStore *
fab_store_open(const char *path, const char *text, bool shared, GError **error)
{
    g_autoptr(FabStore) store = g_new0(FabStore, 1);
    g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);
    static const char add_point[] = "INSERT INTO points VALUES (?, ?)";
    static const char add_row[] = "INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

    store->path = g_strdup(path != NULL ? path : "memory");
    if (sqlite3_open(path != NULL ? path : ":memory:", &store->db) != SQLITE_OK) {
        fail(store, error);
        return NULL;
    }
    sqlite3_busy_timeout(store->db, shared ? PATIENCE_MS : 0);
    /* A write-ahead log survives a kill at any moment. */
    if ((!shared && !execute(store, "PRAGMA locking_mode = EXCLUSIVE", error)) ||
        !execute(store, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;", error) ||
        !prepare(store, digest, error))
        return NULL;
    if (sqlite3_prepare_v2(store->db, add_point, -1, &store->add_point, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(store->db, add_row, -1, &store->add_row, NULL) != SQLITE_OK) {
        fail(store, error);
        return NULL;
    }
    return g_steal_pointer(&store);
}

/* ------------------------------------------------------------------ points */

bool
fab_store_done(FabStore *store, bool *done, uint64_t points, uint64_t *count, GError **error)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(store->db, "SELECT number FROM points", -1, &statement, NULL);

    *count = 0;
    while (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        uint64_t number = (uint64_t)sqlite3_column_int64(statement, 0);
        if (number < points && !done[number]) {
            done[number] = true;
            (*count)++;
        }
        code = SQLITE_OK;
    }
    sqlite3_finalize(statement);
    return code == SQLITE_DONE || fail(store, error);
}

static bool
step_once(FabStore *store, sqlite3_stmt *statement, GError **error)
{
    bool good = sqlite3_step(statement) == SQLITE_DONE || fail(store, error);

    sqlite3_reset(statement);
    return good;
}

static void
bind_text(sqlite3_stmt *statement, int place, const char *text)
{
    if (text != NULL)
        sqlite3_bind_text(statement, place, text, -1, SQLITE_TRANSIENT);
    else
        sqlite3_bind_null(statement, place);
}

static bool
add_row(FabStore *store, uint64_t point, guint place, const FabStoreRow *row, GError **error)
{
    const double reals[] = { row->seconds, row->low_s, row->high_s, row->work, row->algbw };
    sqlite3_stmt *statement = store->add_row;

    sqlite3_bind_int64(statement, 1, (int64_t)point);
    sqlite3_bind_int64(statement, 2, place);
    sqlite3_bind_int64(statement, 3, (int64_t)row->size_bytes);
    for (size_t i = 0; i < G_N_ELEMENTS(reals); i++)
        sqlite3_bind_double(statement, 4 + (int)i, reals[i]);
    sqlite3_bind_int64(statement, 9, row->gpus);
    sqlite3_bind_int64(statement, 10, row->fits);
    sqlite3_bind_double(statement, 11, row->cost);
    bind_text(statement, 12, row->currency);
    bind_text(statement, 13, row->binding);
    return step_once(store, statement, error);
}

bool
fab_store_add(FabStore *store, uint64_t point, GPtrArray *rows, const char *refused, GError **error)
{
    bool good = execute(store, "BEGIN IMMEDIATE", error);

    if (!good)
        return false;
    sqlite3_bind_int64(store->add_point, 1, (int64_t)point);
    bind_text(store->add_point, 2, refused);
    good = step_once(store, store->add_point, error);
    for (guint i = 0; rows != NULL && i < rows->len && good; i++)
        good = add_row(store, point, i, rows->pdata[i], error);
    if (good && execute(store, "COMMIT", error))
        return true;
    sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    return false;
}

/* ------------------------------------------------------------------ reading */

static FabStoreRow *
read_row(sqlite3_stmt *statement)
{
    FabStoreRow *row = g_new0(FabStoreRow, 1);

    row->point = (uint64_t)sqlite3_column_int64(statement, 0);
    row->size_bytes = (uint64_t)sqlite3_column_int64(statement, 1);
    row->seconds = sqlite3_column_double(statement, 2);
    row->low_s = sqlite3_column_double(statement, 3);
    row->high_s = sqlite3_column_double(statement, 4);
    row->work = sqlite3_column_double(statement, 5);
    row->algbw = sqlite3_column_double(statement, 6);
    row->gpus = (uint32_t)sqlite3_column_int64(statement, 7);
    row->fits = sqlite3_column_int(statement, 8) != 0;
    row->cost = sqlite3_column_double(statement, 9);
    row->currency = g_strdup((const char *)sqlite3_column_text(statement, 10));
    row->binding = g_strdup((const char *)sqlite3_column_text(statement, 11));
    return row;
}

GPtrArray *
fab_store_rows(FabStore *store, GError **error)
{
    g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify)fab_store_row_free);
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(store->db,
                                  "SELECT number, size_bytes, seconds, low_s, high_s, work, algbw, gpus, fits, cost, "
                                  "currency, binding FROM rows ORDER BY number, place", -1, &statement, NULL);

    while (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        g_ptr_array_add(rows, read_row(statement));
        code = SQLITE_OK;
    }
    sqlite3_finalize(statement);
    return code == SQLITE_DONE || fail(store, error) ? g_steal_pointer(&rows) : NULL;
}

bool
fab_store_refused(FabStore *store, uint64_t *count, char **first, GError **error)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(store->db, "SELECT refused FROM points WHERE refused IS NOT NULL ORDER BY number", -1,
                                  &statement, NULL);

    *count = 0;
    *first = NULL;
    while (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        if ((*count)++ == 0)
            *first = g_strdup((const char *)sqlite3_column_text(statement, 0));
        code = SQLITE_OK;
    }
    sqlite3_finalize(statement);
    return code == SQLITE_DONE || fail(store, error);
}
