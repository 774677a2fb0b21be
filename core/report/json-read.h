/* Members of JSON objects by type. What is absent, null or of another type is not there; NULL has no members. */
#ifndef FAB_REPORT_JSON_READ_H
#define FAB_REPORT_JSON_READ_H

#include <json-glib/json-glib.h>
#include <stdbool.h>

/* NULL: not an object. */
JsonObject *fab_json_object(JsonNode *node);
JsonObject *fab_json_member(JsonObject *object, const char *name);
JsonArray *fab_json_array(JsonObject *object, const char *name);
const char *fab_json_text(JsonObject *object, const char *name);
bool fab_json_number(JsonObject *object, const char *name, double *value);

/* NaN where there is no number. */
double fab_json_figure(JsonObject *object, const char *name);
/* False where there is no such truth. */
bool fab_json_truth(JsonObject *object, const char *name);

/* Objects of an array of objects, 0 and NULL for what is none. */
guint fab_json_length(JsonObject *object, const char *name);
JsonObject *fab_json_at(JsonObject *object, const char *name, guint index);

#endif
