/* Fuzz target: key files and everything that is read from them, by typed reads of every key. */
#include "base/keyfile.h"
#include "fuzz.h"

static void
read_key(FabKeyfile *file, const char *group, const char *key)
{
    static const char *const choices[] = { "on", "off", "auto", NULL };
    g_autoptr(GError) error = NULL;
    int64_t integer = 0;
    double quantity = 0;
    bool boolean = false;
    int choice = 0;

    fuzz_check_outcome(fab_keyfile_get_integer(file, group, key, 0, 100, &integer, &error), &error);
    g_assert_true(integer >= 0 && integer <= 100);
    fuzz_check_outcome(fab_keyfile_get_quantity(file, group, key, "B/s", 1, 1e15, &quantity, &error), &error);
    g_assert_true(quantity == 0 || (quantity >= 1 && quantity <= 1e15));
    fuzz_check_outcome(fab_keyfile_get_boolean(file, group, key, &boolean, &error), &error);
    fuzz_check_outcome(fab_keyfile_get_choice(file, group, key, choices, &choice, &error), &error);
    g_assert_true(choice >= 0 && choice < 3);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autoptr(GError) error = NULL;
    g_autoptr(FabKeyfile) file = fab_keyfile_parse("input", text, &error);
    g_auto(GStrv) groups = NULL;

    fuzz_check_outcome(file != NULL, &error);
    if (file == NULL)
        return 0;
    fab_keyfile_accept(file, "topology", "plugin");
    fuzz_check_outcome(fab_keyfile_finish(file, &error), &error);
    groups = fab_keyfile_groups(file);
    for (guint i = 0; groups[i] != NULL; i++) {
        g_auto(GStrv) keys = fab_keyfile_keys(file, groups[i]);
        for (guint j = 0; keys[j] != NULL; j++)
            read_key(file, groups[i], keys[j]);
    }
    fuzz_check_outcome(fab_keyfile_finish(file, &error), &error);
    return 0;
}
