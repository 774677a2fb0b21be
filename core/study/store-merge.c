/* The points of one store taken into another. */
#include <sys/stat.h>

#include "base/error.h"
#include "study/store-private.h"

/* A point of both stores whose rows, or whose refusal, are not the same; NULL where there is none. */
static const char differs[] =
    "SELECT min(number) FROM ("
    " SELECT p.number FROM part.points p JOIN main.points m USING (number) WHERE p.refused IS NOT m.refused"
    " UNION SELECT number FROM (SELECT * FROM part.rows WHERE number IN (SELECT number FROM main.points)"
    " EXCEPT SELECT * FROM main.rows)"
    " UNION SELECT number FROM (SELECT * FROM main.rows WHERE number IN (SELECT number FROM part.points)"
    " EXCEPT SELECT * FROM part.rows))";

static const char take[] =
    "INSERT INTO main.rows SELECT * FROM part.rows WHERE number NOT IN (SELECT number FROM main.points);"
    "INSERT OR IGNORE INTO main.points SELECT * FROM part.points;";

/* Attaching creates what is not there, and waits for ever for a store that is attached to itself. */
static bool
check_part(const FabStore *store, const char *path, GError **error)
{
    struct stat part, whole;

    if (!fab_store_check_file(path, error))
        return false;
    if (stat(path, &part) != 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "%s: no such file", path);
        return false;
    }
    if (stat(store->path, &whole) != 0 || part.st_dev != whole.st_dev || part.st_ino != whole.st_ino)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: is the store itself, it cannot be merged into itself", path);
    return false;
}

static bool
attach(FabStore *store, const char *path, GError **error)
{
    g_autofree char *plain = g_strconcat(path[0] == ':' ? "./" : "", path, NULL);
    sqlite3_stmt *statement = NULL;
    bool good = sqlite3_prepare_v2(store->db, "ATTACH DATABASE ? AS part", -1, &statement, NULL) == SQLITE_OK &&
                sqlite3_bind_text(statement, 1, plain, -1, SQLITE_TRANSIENT) == SQLITE_OK &&
                sqlite3_step(statement) == SQLITE_DONE;

    if (!good)
        fab_store_fail(store, path, error);
    sqlite3_finalize(statement);
    return good;
}

/* The same inputs give the same rows: where they do not, a program or a machine is not what it says it is. */
static bool
check_common(FabStore *store, const char *path, GError **error)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(store->db, differs, -1, &statement, NULL);
    bool good = code == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW;

    if (!good) {
        fab_store_fail(store, path, error);
    } else if (sqlite3_column_type(statement, 0) != SQLITE_NULL) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "%s: point %" G_GINT64_FORMAT " came out differently than in %s; "
                    "one of the two was written by another program", path, (gint64)sqlite3_column_int64(statement, 0),
                    store->path);
        good = false;
    }
    sqlite3_finalize(statement);
    return good;
}

static bool
take_points(FabStore *store, const char *path, GPtrArray *inputs, uint64_t *added, GError **error)
{
    static const char count[] = "SELECT count(*) FROM main.points";
    int64_t before, after = -1;
    bool good;

    if (!fab_store_execute(store, "BEGIN IMMEDIATE", error))
        return false;
    before = fab_store_ask(store, store->path, count, error);
    good = before >= 0 && fab_store_check(store, "part", path, inputs, error) && check_common(store, path, error) &&
           fab_store_execute(store, take, error) &&
           (after = fab_store_ask(store, store->path, count, error)) >= 0 && fab_store_execute(store, "COMMIT", error);
    if (!good)
        sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
    *added = good ? (uint64_t)(after - before) : 0;
    return good;
}

bool
fab_store_merge(FabStore *store, const char *path, GPtrArray *inputs, uint64_t *added, GError **error)
{
    bool good;

    *added = 0;
    if (!check_part(store, path, error) || !attach(store, path, error))
        return false;
    good = take_points(store, path, inputs, added, error);
    sqlite3_exec(store->db, "DETACH DATABASE part", NULL, NULL, NULL);
    return good;
}
