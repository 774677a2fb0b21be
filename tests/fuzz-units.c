/* Fuzz target: quantities, byte counts and lists of sizes. */
#include <math.h>

#include "base/units.h"
#include "fuzz.h"
#include "scenario/scenario.h"

static void
parse(const char *text)
{
    static const char *const units[] = { "B/s", "s", "B", "Hz", "T/s", "" };
    g_autoptr(GError) error = NULL;
    g_autofree uint64_t *sizes = NULL;
    uint64_t bytes = 0;
    uint32_t count = 0;
    int64_t integer;
    bool boolean;

    for (guint i = 0; i < G_N_ELEMENTS(units); i++) {
        double value = 0;
        fuzz_check_outcome(fab_parse_quantity(text, units[i], &value, &error), &error);
        g_assert_true(isfinite(value));
    }
    fuzz_check_outcome(fab_parse_bytes(text, &bytes, &error), &error);
    g_assert_cmpuint(bytes, <, UINT64_C(1) << 62);
    g_free(fab_format_bytes(bytes));
    fuzz_check_outcome(fab_parse_integer(text, &integer, &error), &error);
    fuzz_check_outcome(fab_parse_boolean(text, &boolean, &error), &error);
    sizes = fab_parse_sizes(text, &count, &error);
    g_assert_true(sizes == NULL || (count >= 1 && count <= 4096));
    fuzz_check_outcome(sizes != NULL, &error);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = g_strndup((const char *)data, MIN(size, 4096));
    g_auto(GStrv) words = NULL;

    if (!g_utf8_validate(text, -1, NULL))
        return 0; /* readers of files and of the command line let no other text through */
    g_strdelimit(text, "\r\n", ' '); /* values are one line */
    parse(text);
    words = g_strsplit(text, " ", 64);
    for (guint i = 0; words[i] != NULL; i++)
        parse(words[i]);
    return 0;
}
