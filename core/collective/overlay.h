/*
 * Calibrations as files: constants that take the place of those shipped, with where they come from
 * (docs/calibration.md).
 */
#ifndef FAB_COLLECTIVE_OVERLAY_H
#define FAB_COLLECTIVE_OVERLAY_H

#include <glib.h>

#include "collective/constants.h"

enum { FAB_OVERLAY_FORMAT = 1 };

typedef struct {
    char *path, *title;     /* title NULL: none */
    FabConstants constants; /* the shipped ones with the file's in their places */
    guint count;            /* how many the file sets */
} FabOverlay;

/* Strict: unknown groups and keys, units, ranges and intervals that miss their value are errors that name the place. */
FabOverlay *fab_overlay_load(const char *path, GError **error);
/* The same from memory; `path` is a name for messages. */
FabOverlay *fab_overlay_parse(const char *path, const char *text, GError **error);
void fab_overlay_free(FabOverlay *overlay);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabOverlay, fab_overlay_free)

#endif
