/* Writers of fits and of constants. Each returns false with FAB_ERROR_SYSTEM when the stream fails. */
#ifndef FAB_REPORT_CALIBRATE_H
#define FAB_REPORT_CALIBRATE_H

#include <stdio.h>

#include "validate/calibrate.h"
#include "validate/interval-fit.h"

/* Each constant before and after, with its interval or why it has none; then errors by band and case. */
bool fab_report_fit(const FabFit *fit, FILE *out, GError **error);
/* The same: schema "fabricast-calibration", schema_version 1. */
bool fab_report_fit_json(const FabFit *fit, FILE *out, GError **error);

/*
 * The fitted values and their intervals (FabOverlayInterval) as a file that FabOverlay reads; title NULL: named by its
 * machines. `date` is "2026-11-21".
 */
bool fab_report_overlay(const FabFit *fit, const GArray *intervals, const char *title, const char *date, FILE *out,
                        GError **error);

/* Every constant of these groups (NULL: all): meaning, unit, range, value, source. */
bool fab_report_constants(const FabConstants *constants, const char *const *groups, FILE *out, GError **error);
/* The same: schema "fabricast-constants", schema_version 1. */
bool fab_report_constants_json(const FabConstants *constants, const char *const *groups, FILE *out, GError **error);

#endif
