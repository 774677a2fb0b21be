/*
 * Key files (GKeyFile) with strict rules: duplicate groups or keys, unknown groups or keys, and bad
 * values are errors that name file, group and key. Readers take what they know; fab_keyfile_finish()
 * refuses what nobody took.
 */
#ifndef FAB_BASE_KEYFILE_H
#define FAB_BASE_KEYFILE_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct FabKeyfile FabKeyfile;

/* Reads a file (UTF-8, up to 64 MiB). `path` names it in messages. Owned by the caller. */
FabKeyfile *fab_keyfile_load(const char *path, GError **error);
/* The same from memory: `path` is only a name for messages. */
FabKeyfile *fab_keyfile_parse(const char *path, const char *text, GError **error);
void fab_keyfile_free(FabKeyfile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabKeyfile, fab_keyfile_free)

const char *fab_keyfile_path(const FabKeyfile *file);
bool fab_keyfile_has_group(const FabKeyfile *file, const char *group);
/* Keys of a group in file order, NULL-terminated; empty when there is no such group. g_strfreev(). */
char **fab_keyfile_keys(const FabKeyfile *file, const char *group);
char **fab_keyfile_groups(const FabKeyfile *file);

/* The raw value without surrounding blanks, or NULL when absent. Marks the key as known. Owned by `file`. */
const char *fab_keyfile_get(FabKeyfile *file, const char *group, const char *key);
/* Sets or replaces a value, as `--set group.key=value` does: messages about it say "command line", not the path. */
void fab_keyfile_set(FabKeyfile *file, const char *group, const char *key, const char *value);

/* All groups, keys and values as text, those set over the file too. Owned by the caller. */
char *fab_keyfile_text(const FabKeyfile *file);

/* Typed reads. Absent leaves *value alone and succeeds. Errors name file, group and key. */
bool fab_keyfile_get_integer(FabKeyfile *file, const char *group, const char *key, int64_t min, int64_t max,
                             int64_t *value, GError **error);
bool fab_keyfile_get_quantity(FabKeyfile *file, const char *group, const char *key, const char *unit, double min,
                              double max, double *value, GError **error);
bool fab_keyfile_get_boolean(FabKeyfile *file, const char *group, const char *key, bool *value, GError **error);
/* *value becomes the index in `choices` (NULL-terminated). */
bool fab_keyfile_get_choice(FabKeyfile *file, const char *group, const char *key, const char *const *choices,
                            int *value, GError **error);

/* Declares a key as accepted without reading it, so that "did you mean" can offer it. */
void fab_keyfile_accept(FabKeyfile *file, const char *group, const char *key);
/* Accepts every key of a group ([source] of machine files: free provenance). */
void fab_keyfile_accept_group(FabKeyfile *file, const char *group);
/* An error for the first group or key that nobody read or accepted. */
bool fab_keyfile_finish(const FabKeyfile *file, GError **error);

/* Puts "PATH: [GROUP] KEY: " in front of an error's message. */
void fab_keyfile_prefix_error(const FabKeyfile *file, const char *group, const char *key, GError **error);

#endif
