/* Fuzz target: files of channel programs; what is accepted is written again and read again. */
#include "fuzz.h"
#include "program/program-file.h"

static void
load(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) entries = fab_program_read(path, &error);

    fuzz_check_outcome(entries != NULL, &error);
    for (guint i = 0; entries != NULL && i < entries->len; i++) {
        const FabProgramEntry *entry = entries->pdata[i];
        char *text = NULL;
        size_t length = 0;
        FILE *out = open_memstream(&text, &length);
        uint64_t steps = 0;
        bool written = fab_program_write(entry->program, &entry->note, &steps, out, &error);

        fclose(out);
        fuzz_check_outcome(written, &error);
        free(text);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_with_file(data, size, load);
    return 0;
}
