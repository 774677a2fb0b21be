/* Turns what nvbandwidth and p2pBandwidthLatencyTest print into measurements of links. */
#ifndef FAB_MEASURE_IMPORT_LINK_H
#define FAB_MEASURE_IMPORT_LINK_H

#include "measure/draft.h"

/*
 * FabDraft elements, at least one. nvbandwidth: one for each way of copying (read or write, copy engine or kernel);
 * p2pBandwidthLatencyTest: one without and one with peer access. g_ptr_array_unref().
 */
GPtrArray *fab_import_nvbandwidth(const char *path, const FabImportOptions *options, GError **error);
GPtrArray *fab_import_p2p(const char *path, const FabImportOptions *options, GError **error);

#endif
