/* Turns what the programs of nccl-tests print, as text or as JSON, into measurements: one for each run in the log. */
#ifndef FAB_MEASURE_IMPORT_NCCL_TESTS_H
#define FAB_MEASURE_IMPORT_NCCL_TESTS_H

#include <stdbool.h>

#include "measure/draft.h"
#include "measure/log.h"
#include "measure/nccl-run.h"

/* FabDraft elements in the order of the log, at least one. g_ptr_array_unref(). */
GPtrArray *fab_import_nccl_tests(const char *path, const FabImportOptions *options, GError **error);

/* ------------------------------------------------------------------ parts, for each other and for tests */

/* The run in JSON, of which no line was read yet. Owned by the caller. */
FabNcclRun *fab_nccl_tests_read_json(const char *path, FabLog *log, const FabImportOptions *options, GError **error);

/* Takes what one line of NCCL says (version, settings, rings, channels, transports). False: NCCL did not print it. */
bool fab_nccl_info_read(FabNcclRun *run, const char *text);

#endif
