/*
 * Calibrations as files: constants that take the place of those shipped, with where they come from
 * (docs/calibration.md).
 */
#ifndef FAB_COLLECTIVE_OVERLAY_H
#define FAB_COLLECTIVE_OVERLAY_H

#include <glib.h>

#include "collective/constants.h"
#include "collective/kind.h"

enum { FAB_OVERLAY_FORMAT = 1 };

/* Nine of ten times lie between 1 + low and 1 + high of the prediction, on the machines that were calibrated. */
typedef struct {
    FabKind kind;
    double low[FAB_BANDS], high[FAB_BANDS]; /* shares: -0.08, 0.12 */
    int64_t cases;                          /* tables that it comes from */
} FabOverlayInterval;

typedef struct {
    char *path, *title;     /* title NULL: none */
    FabConstants constants; /* the shipped ones with the file's in their places */
    guint count;            /* how many the file sets */
    GArray *intervals;      /* FabOverlayInterval, may be empty */
} FabOverlay;

/* Strict: unknown groups and keys, units, ranges and intervals that miss their value are errors that name the place. */
FabOverlay *fab_overlay_load(const char *path, GError **error);
/* The same from memory; `path` is a name for messages. */
FabOverlay *fab_overlay_parse(const char *path, const char *text, GError **error);
void fab_overlay_free(FabOverlay *overlay);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabOverlay, fab_overlay_free)

#endif
