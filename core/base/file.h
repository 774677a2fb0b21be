/* Reads files whole, up to a limit, so that neither a folder nor an endless device can do harm. */
#ifndef FAB_BASE_FILE_H
#define FAB_BASE_FILE_H

#include <glib.h>
#include <stddef.h>

/*
 * All bytes of `path`, a file or a pipe of at most `limit` bytes, and a zero after them; *length (may be NULL) does not
 * count it. `wanted` says in messages what it must be: "PATH: is a folder, a file is needed". Owned by the caller.
 */
char *fab_file_read(const char *path, const char *wanted, size_t limit, size_t *length, GError **error);

#endif
