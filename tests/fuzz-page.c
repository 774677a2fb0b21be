/* Fuzz target: results on their way into a report. What is accepted is written whole. */
#include "fuzz.h"

#include <stdlib.h>

#include "report/page.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autoptr(FabPage) page = fab_page_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *text = g_strndup((const char *)data, size);
    bool good = fab_page_add(page, "input", text, strlen(text), &error);

    fuzz_check_outcome(good, &error);
    if (good) {
        char *written = NULL;
        size_t length = 0;
        FILE *out = open_memstream(&written, &length);

        fab_page_write(page, NULL, out);
        fclose(out);
        g_assert_true(g_str_has_suffix(written, "</html>\n"));
        free(written);
    }
    return 0;
}
