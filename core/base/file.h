/*
 * Reads files up to a limit, so that neither a folder nor an endless device can do harm, and writes them whole or not
 * at all.
 */
#ifndef FAB_BASE_FILE_H
#define FAB_BASE_FILE_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* ------------------------------------------------------------------ reading */

/*
 * All bytes of `path`, a file or a pipe of at most `limit` bytes, and a zero after them; *length (may be NULL) does not
 * count it. `wanted` says in messages what it must be: "PATH: is a folder, a file is needed". Owned by the caller.
 */
char *fab_file_read(const char *path, const char *wanted, size_t limit, size_t *length, GError **error);

/*
 * Tells `seen` of every file that this thread reads whole from now on, before anybody looks at its contents; NULL ends
 * it. For those who must know what a result depends on.
 */
typedef void (*FabFileSeen)(const char *path, const char *data, size_t length, void *user);
void fab_file_watch(FabFileSeen seen, void *user);

/* The same part by part, for files that need not be in memory at once. */
typedef struct FabFile FabFile;

/* `patient`: the silence of a living pipe or terminal has no end; otherwise 10 s of it are an error. */
FabFile *fab_file_open(const char *path, const char *wanted, uint64_t limit, bool patient, GError **error);
/* The next bytes, at most `bytes`; 0 at the end, -1 with an error. */
ssize_t fab_file_next(FabFile *file, void *data, size_t bytes, GError **error);
/* "PATH: is larger than ...", for users who bear less than the limit. */
void fab_file_refuse_size(const FabFile *file, uint64_t limit, GError **error);
void fab_file_close(FabFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabFile, fab_file_close)

/* ------------------------------------------------------------------ writing */

/*
 * Puts `data` in the place of `path` (of what it points to, when it is a symbolic link): whoever reads sees the old
 * file or the whole new one, and a program that is stopped leaves nothing behind. Devices and pipes are written in
 * place; a pipe whose reader is gone is no error.
 */
bool fab_file_write(const char *path, const void *data, size_t length, GError **error);

/* Whether fab_file_write() can succeed, as far as folders and permissions tell: before long work. */
bool fab_file_check_place(const char *path, GError **error);

/*
 * Refuses what this process has read as a file, under whatever name: an output would take the place of an input. Say
 * so as early as inputs are known, and again before writing.
 */
bool fab_file_check_unread(const char *path, GError **error);

/* For descriptors that are open already: 0, or the errno of the write that failed. */
int fab_file_write_to(int descriptor, const void *data, size_t length);

/* "PATH: cannot be written: ..."; FAB_ERROR_SYSTEM when the disk is full or broken. Returns false. */
bool fab_file_blame(const char *path, int failure, GError **error);

#endif
