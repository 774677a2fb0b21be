/* The JSON that other programs write, from a log that begins with a brace. */
#ifndef FAB_MEASURE_JSON_H
#define FAB_MEASURE_JSON_H

#include <json-glib/json-glib.h>

#include "measure/log.h"

/*
 * What is left of `log`, at most 64 MiB, as JSON; `path` begins messages, `hint` ends the one about JSON that breaks
 * off. The root lives as long as the parser, which is the caller's.
 */
JsonParser *fab_measure_parse_json(FabLog *log, const char *path, const char *hint, GError **error);

#endif
