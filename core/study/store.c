#include "study/store-private.h"

#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "fabricast-config.h"

/* "Fabr": SQLite's application id, and the form of the tables. */
enum { APPLICATION = 0x46616272, FORMAT = 4, PATIENCE_MS = 60000 };

static const char tables[] =
    "CREATE TABLE sweep (version TEXT NOT NULL, scenario TEXT NOT NULL);"
    "CREATE TABLE inputs (name TEXT PRIMARY KEY, digest TEXT NOT NULL, text TEXT);"
    "CREATE TABLE points (number INTEGER PRIMARY KEY, refused TEXT);"
    "CREATE TABLE rows (number INTEGER NOT NULL, place INTEGER NOT NULL, size_bytes INTEGER NOT NULL,"
    " seconds REAL NOT NULL, low_s REAL, high_s REAL, work REAL NOT NULL, algbw REAL, gpus INTEGER NOT NULL,"
    " fits INTEGER NOT NULL, cost REAL, currency TEXT, binding TEXT, extrapolated INTEGER NOT NULL,"
    " PRIMARY KEY (number, place));";

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
fab_store_input_free(FabStoreInput *input)
{
    if (input == NULL)
        return;
    g_free(input->name);
    g_free(input->digest);
    g_free(input->text);
    g_free(input);
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

/* ------------------------------------------------------------------ what goes wrong */

/* SQLITE_IOERR stands for what the system said; only writes and room fail for reasons that can be put right. */
static const char *
say_what(int code)
{
    switch (code) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return "another sweep is writing into it; wait for that, or share the points with --part";
    case SQLITE_NOTADB:
        return "is not a store that a sweep wrote";
    case SQLITE_CORRUPT:
        return "is damaged; name another store";
    case SQLITE_FULL:
    case SQLITE_IOERR:
        return "cannot be written any further; what is in it is kept: make room and start the sweep again";
    case SQLITE_READONLY:
        return "cannot be written";
    default:
        return "the store of the sweep cannot be used";
    }
}

bool
fab_store_fail(const FabStore *store, const char *path, GError **error)
{
    int code = sqlite3_errcode(store->db) & 0xff, system = sqlite3_system_errno(store->db);
    bool input = code == SQLITE_NOTADB || code == SQLITE_CANTOPEN || code == SQLITE_READONLY || code == SQLITE_BUSY ||
                 code == SQLITE_ERROR || code == SQLITE_CORRUPT || code == SQLITE_LOCKED;
    const char *reason = code == SQLITE_IOERR && system != 0 ? g_strerror(system) : sqlite3_errmsg(store->db);

    g_set_error(error, FAB_ERROR, input ? FAB_ERROR_FILE : FAB_ERROR_SYSTEM, "%s: %s (%s)", path, say_what(code),
                reason);
    return false;
}

bool
fab_store_execute(FabStore *store, const char *sql, GError **error)
{
    return sqlite3_exec(store->db, sql, NULL, NULL, NULL) == SQLITE_OK || fab_store_fail(store, store->path, error);
}

int64_t
fab_store_ask(FabStore *store, const char *path, const char *sql, GError **error)
{
    sqlite3_stmt *statement = NULL;
    int64_t number = -1;

    if (sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        number = sqlite3_column_int64(statement, 0);
    else
        fab_store_fail(store, path, error);
    sqlite3_finalize(statement);
    return number;
}

bool
fab_store_check_file(const char *path, GError **error)
{
    struct stat facts;

    if (path[0] == '\0') {
        g_set_error_literal(error, FAB_ERROR, FAB_ERROR_VALUE, "a store has no name; name a file, such as points.db");
        return false;
    }
    if (stat(path, &facts) != 0 || S_ISREG(facts.st_mode))
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "%s: is %s, a store is a file on a disk", path,
                S_ISDIR(facts.st_mode)    ? "a folder"
                : S_ISFIFO(facts.st_mode) ? "a pipe"
                                          : "a device");
    return false;
}

/* ------------------------------------------------------------------ whose points they are */

/* The first line that one text has and the other has not; *line is NULL in the one that ends there. */
static void
first_difference(const char *there, const char *here, char **line_there, char **line_here)
{
    g_auto(GStrv) old = g_strsplit(there, "\n", -1), new = g_strsplit(here, "\n", -1);
    guint i = 0;

    while (old[i] != NULL && new[i] != NULL && strcmp(old[i], new[i]) == 0)
        i++;
    *line_there = g_strdup(old[i] != NULL && old[i][0] != '\0' ? old[i] : "nothing");
    *line_here = g_strdup(new[i] != NULL && new[i][0] != '\0' ? new[i] : "nothing");
}

/* One of the inputs is not what it was: its name, and of a scenario the line. */
static void
refuse_input(const char *path, const FabStoreInput *input, const char *old_text, GError **error)
{
    g_autofree char *there = NULL, *here = NULL;

    if (input->text == NULL || old_text == NULL) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "%s: %s has changed since its points were found; name another "
                    "store", path, input->name);
        return;
    }
    first_difference(old_text, input->text, &there, &here);
    g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "%s: holds the points of another scenario, or of this one before it "
                "was changed: \"%.60s\" there is \"%.60s\" here; name another store", path, there, here);
}

/* Every input of today is that of the store. */
static bool
check_inputs(FabStore *store, const char *schema, const char *path, GPtrArray *inputs, GError **error)
{
    g_autofree char *sql = g_strdup_printf("SELECT digest, text FROM %s.inputs WHERE name = ?", schema);
    sqlite3_stmt *statement = NULL;
    bool good = sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) == SQLITE_OK ||
                fab_store_fail(store, path, error);

    for (guint i = 0; inputs != NULL && i < inputs->len && good; i++) {
        const FabStoreInput *input = inputs->pdata[i];
        sqlite3_bind_text(statement, 1, input->name, -1, SQLITE_TRANSIENT);
        if (sqlite3_step(statement) != SQLITE_ROW ||
            strcmp((const char *)sqlite3_column_text(statement, 0), input->digest) != 0) {
            refuse_input(path, input, (const char *)sqlite3_column_text(statement, 1), error);
            good = false;
        }
        sqlite3_reset(statement);
    }
    sqlite3_finalize(statement);
    return good;
}

static bool
check_version(FabStore *store, const char *schema, const char *path, GError **error)
{
    g_autofree char *sql = g_strdup_printf("SELECT version FROM %s.sweep", schema);
    g_autofree char *version = NULL;
    sqlite3_stmt *statement = NULL;

    if (sqlite3_prepare_v2(store->db, sql, -1, &statement, NULL) == SQLITE_OK && sqlite3_step(statement) == SQLITE_ROW)
        version = g_strdup((const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    if (version == NULL)
        return fab_store_fail(store, path, error);
    if (strcmp(version, FAB_VERSION) == 0)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "%s: was written by fabricast %s, this is %s; name another store",
                path, version, FAB_VERSION);
    return false;
}

/* What no sweep writes: of another type, not finite, negative, of no point. NULL is written where nothing is known. */
static const char bad_rows[] =
    "SELECT count(*) FROM %s.rows WHERE (typeof(number) = 'integer' AND number IN (SELECT number FROM %s.points)"
    " AND typeof(place) = 'integer' AND place >= 0 AND typeof(size_bytes) = 'integer' AND size_bytes >= 0"
    " AND typeof(seconds) = 'real' AND seconds > 0 AND seconds < 1e300"
    " AND typeof(low_s) IN ('real', 'null') AND ifnull(low_s, 0) >= 0"
    " AND typeof(high_s) IN ('real', 'null') AND ifnull(high_s, 0) BETWEEN ifnull(low_s, 0) AND 1e300"
    " AND typeof(work) = 'real' AND work > 0 AND work < 1e300"
    " AND typeof(algbw) IN ('real', 'null') AND ifnull(algbw, 0) BETWEEN 0 AND 1e300"
    " AND typeof(gpus) = 'integer' AND gpus BETWEEN 1 AND 4294967295 AND fits IN (0, 1)"
    " AND typeof(cost) IN ('real', 'null') AND ifnull(cost, 0) BETWEEN 0 AND 1e300"
    " AND typeof(currency) IN ('text', 'null') AND typeof(binding) IN ('text', 'null')"
    " AND extrapolated IN (0, 1)) IS NOT 1";

/* Rows that were changed by hand, or by a disk. */
static bool
check_rows(FabStore *store, const char *schema, const char *path, GError **error)
{
    g_autofree char *sql = g_strdup_printf(bad_rows, schema, schema);
    int64_t count = fab_store_ask(store, path, sql, error);

    if (count <= 0)
        return count == 0;
    g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "%s: is damaged: %" G_GINT64_FORMAT " rows are not what a sweep "
                "writes; name another store", path, count);
    return false;
}

bool
fab_store_check(FabStore *store, const char *schema, const char *path, GPtrArray *inputs, GError **error)
{
    g_autofree char *ask_application = g_strdup_printf("PRAGMA %s.application_id", schema);
    g_autofree char *ask_format = g_strdup_printf("PRAGMA %s.user_version", schema);
    int64_t application = fab_store_ask(store, path, ask_application, error);
    int64_t format = application >= 0 ? fab_store_ask(store, path, ask_format, error) : -1;

    if (format < 0)
        return false;
    if (application == APPLICATION && format == FORMAT)
        return check_version(store, schema, path, error) && check_inputs(store, schema, path, inputs, error) &&
               check_rows(store, schema, path, error);
    g_set_error(error, FAB_ERROR, FAB_ERROR_FILE, "%s: is %s; name another store", path,
                application != APPLICATION ? "a database that no sweep wrote"
                                           : "a store in the form of another version");
    return false;
}

/* ------------------------------------------------------------------ opening */

static void
bind_text(sqlite3_stmt *statement, int place, const char *text)
{
    if (text != NULL)
        sqlite3_bind_text(statement, place, text, -1, SQLITE_TRANSIENT);
    else
        sqlite3_bind_null(statement, place);
}

static bool
step_once(FabStore *store, sqlite3_stmt *statement, GError **error)
{
    bool good = sqlite3_step(statement) == SQLITE_DONE || fab_store_fail(store, store->path, error);

    sqlite3_reset(statement);
    return good;
}

static bool
create(FabStore *store, const char *scenario, GPtrArray *inputs, GError **error)
{
    char *quoted = sqlite3_mprintf("%Q", scenario);
    g_autofree char *sql = g_strdup_printf("PRAGMA application_id = %d; PRAGMA user_version = %d; %s INSERT INTO sweep "
                                           "VALUES ('%s', %s);", APPLICATION, FORMAT, tables, FAB_VERSION, quoted);
    sqlite3_stmt *statement = NULL;
    bool good = fab_store_execute(store, sql, error) &&
                (sqlite3_prepare_v2(store->db, "INSERT INTO inputs VALUES (?, ?, ?)", -1, &statement, NULL) ==
                     SQLITE_OK || fab_store_fail(store, store->path, error));

    sqlite3_free(quoted);
    for (guint i = 0; i < inputs->len && good; i++) {
        const FabStoreInput *input = inputs->pdata[i];
        bind_text(statement, 1, input->name);
        bind_text(statement, 2, input->digest);
        bind_text(statement, 3, input->text);
        good = step_once(store, statement, error);
    }
    sqlite3_finalize(statement);
    return good;
}

/* In one transaction, so that two processes do not both create the tables. */
static bool
prepare(FabStore *store, const char *scenario, GPtrArray *inputs, GError **error)
{
    int64_t application, objects;

    if (!fab_store_execute(store, "BEGIN IMMEDIATE", error))
        return false;
    application = fab_store_ask(store, store->path, "PRAGMA application_id", error);
    objects = application >= 0 ? fab_store_ask(store, store->path, "SELECT count(*) FROM sqlite_master", error) : -1;
    if (objects < 0)
        return false;
    if (objects == 0 && application == 0 ? !create(store, scenario, inputs, error)
                                         : !fab_store_check(store, "main", store->path, inputs, error))
        return false;
    return fab_store_execute(store, "COMMIT", error);
}

FabStore *
fab_store_open(const char *path, const char *scenario, GPtrArray *inputs, bool shared, GError **error)
{
    g_autoptr(FabStore) store = g_new0(FabStore, 1);
    /* A name that starts with ':' would mean something else to SQLite. */
    g_autofree char *plain = path != NULL ? g_strconcat(path[0] == ':' ? "./" : "", path, NULL) : g_strdup(":memory:");
    static const char add_point[] = "INSERT INTO points VALUES (?, ?)";
    static const char add_row[] = "INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

    store->path = g_strdup(path != NULL ? path : "memory");
    if (path != NULL && !fab_store_check_file(path, error))
        return NULL;
    if (sqlite3_open(plain, &store->db) != SQLITE_OK) {
        fab_store_fail(store, store->path, error);
        return NULL;
    }
    sqlite3_busy_timeout(store->db, shared ? PATIENCE_MS : 0);
    /* A write-ahead log survives a kill at any moment. */
    if ((!shared && !fab_store_execute(store, "PRAGMA locking_mode = EXCLUSIVE", error)) ||
        !fab_store_execute(store, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;", error) ||
        !prepare(store, scenario, inputs, error))
        return NULL;
    if (sqlite3_prepare_v2(store->db, add_point, -1, &store->add_point, NULL) != SQLITE_OK ||
        sqlite3_prepare_v2(store->db, add_row, -1, &store->add_row, NULL) != SQLITE_OK) {
        fab_store_fail(store, store->path, error);
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
    return code == SQLITE_DONE || fab_store_fail(store, store->path, error);
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
    sqlite3_bind_int64(statement, 14, row->extrapolated);
    return step_once(store, statement, error);
}

bool
fab_store_add(FabStore *store, uint64_t point, GPtrArray *rows, const char *refused, GError **error)
{
    bool good = fab_store_execute(store, "BEGIN IMMEDIATE", error);

    if (!good)
        return false;
    sqlite3_bind_int64(store->add_point, 1, (int64_t)point);
    bind_text(store->add_point, 2, refused);
    good = step_once(store, store->add_point, error);
    for (guint i = 0; rows != NULL && i < rows->len && good; i++)
        good = add_row(store, point, i, rows->pdata[i], error);
    if (good && fab_store_execute(store, "COMMIT", error))
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
    row->extrapolated = sqlite3_column_int(statement, 12) != 0;
    return row;
}

GPtrArray *
fab_store_rows(FabStore *store, GError **error)
{
    g_autoptr(GPtrArray) rows = g_ptr_array_new_with_free_func((GDestroyNotify)fab_store_row_free);
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(store->db,
                                  "SELECT number, size_bytes, seconds, low_s, high_s, work, algbw, gpus, fits, cost, "
                                  "currency, binding, extrapolated FROM rows ORDER BY number, place", -1, &statement,
                                  NULL);

    while (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        g_ptr_array_add(rows, read_row(statement));
        code = SQLITE_OK;
    }
    sqlite3_finalize(statement);
    return code == SQLITE_DONE || fab_store_fail(store, store->path, error) ? g_steal_pointer(&rows) : NULL;
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
    return code == SQLITE_DONE || fab_store_fail(store, store->path, error);
}
