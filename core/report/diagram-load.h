/* The utilisation of links in a result that was parsed already. */
#ifndef FAB_REPORT_DIAGRAM_LOAD_H
#define FAB_REPORT_DIAGRAM_LOAD_H

#include <json-glib/json-glib.h>

#include "report/report.h"

/* Of the last row of `result`, an element of "results"; `path` names it in messages. Owned by the caller. */
FabDiagramLoad *fab_diagram_load_of(const FabTopology *topology, JsonObject *result, const char *path, GError **error);

#endif
