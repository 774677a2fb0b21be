/* What fuzz targets share. */
#ifndef FAB_TESTS_FUZZ_H
#define FAB_TESTS_FUZZ_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* One run of the code under test; libFuzzer's interface, so `clang -fsanitize=fuzzer` takes the targets as they are. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The reader's promise: success without an error, or failure with one sentence about it. Frees the error. */
static inline void
fuzz_check_outcome(bool good, GError **error)
{
    g_assert_true(good == (*error == NULL));
    if (*error != NULL) {
        g_assert_true((*error)->message[0] != '\0');
        g_assert_null(strchr((*error)->message, '\n'));
        g_assert_true(g_utf8_validate((*error)->message, -1, NULL));
        g_clear_error(error);
    }
}

/* Runs `reader` on a file that holds the input; a memory file, for millions of runs. */
static inline void
fuzz_with_file(const uint8_t *data, size_t size, void (*reader)(const char *path))
{
    int fd = memfd_create("input", 0);
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", fd);

    g_assert_true(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    reader(path);
    close(fd);
}

#endif
