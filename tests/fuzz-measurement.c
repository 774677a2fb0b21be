/*
 * Fuzz target: measurements. Input that begins with '[' is a key file beside a good table, anything else a table beside
 * a good key file; what is accepted is written and reads back the same.
 */
#include <glib/gstdio.h>

#include "fuzz.h"
#include "measure/measurement.h"

static const char good_facts[] = "[source]\nkind=collective\nmachine=m\n[system]\nranks=2\n"
                                 "[run]\ncollective=all_reduce\n[quality]\ngrade=A\nreason=r\n";
static const char good_table[] = "size_bytes,time_us,algbw_GBps,busbw_GBps,in_place\n8,1,,,0\n";
static char *folder;

static void
remove_files(void)
{
    static const char *const names[] = { "a.ini", "a.csv" };

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = g_build_filename(folder, names[i], NULL);
        g_unlink(path);
    }
}

static void
remove_folder(void)
{
    remove_files();
    g_rmdir(folder);
    g_free(folder);
}

static void
put(const char *name, const void *data, size_t size)
{
    g_autofree char *path = g_build_filename(folder, name, NULL);
    FILE *file = fopen(path, "wb");

    g_assert_true(file != NULL && fwrite(data, 1, size, file) == size && fclose(file) == 0);
}

static FabMeasurement *
load(GError **error)
{
    g_autofree char *path = g_build_filename(folder, "a.ini", NULL);

    return fab_measurement_load(path, error);
}

static void
check_same(const FabMeasurement *before, const FabMeasurement *after)
{
    g_assert_cmpuint(before->facts->len, ==, after->facts->len);
    g_assert_cmpuint(before->rows->len, ==, after->rows->len);
    for (guint i = 0; i < before->facts->len; i++) {
        const FabFact *fact = before->facts->pdata[i];
        g_assert_cmpstr(fact->value, ==, fab_measurement_get(after, fact->group, fact->key));
    }
    for (guint i = 0; i < before->rows->len; i++)
        g_assert_true(g_strv_equal(before->rows->pdata[i], after->rows->pdata[i]));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bool is_facts = size > 0 && data[0] == '[';
    g_autoptr(GError) error = NULL;
    g_autoptr(FabMeasurement) first = NULL, second = NULL;

    if (folder == NULL) {
        folder = g_dir_make_tmp("fab-fuzz-XXXXXX", NULL);
        atexit(remove_folder);
    }
    remove_files(); /* file systems write a file to disk that was cut short and written anew: milliseconds of waiting */
    put("a.ini", is_facts ? (const void *)data : good_facts, is_facts ? size : strlen(good_facts));
    put("a.csv", is_facts ? (const void *)good_table : data, is_facts ? strlen(good_table) : size);
    first = load(&error);
    fuzz_check_outcome(first != NULL, &error);
    if (first == NULL)
        return 0;
    remove_files(); /* what was read is not written over */
    if (!fab_measurement_write(first, folder, &error))
        g_error("cannot be written: %s", error->message);
    second = load(&error);
    if (second == NULL)
        g_error("what was written does not read: %s", error->message);
    check_same(first, second);
    return 0;
}
