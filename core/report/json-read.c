#include "report/json-read.h"

#include <math.h>

/* NULL: there is no such member, or no object. */
static JsonNode *
find(JsonObject *object, const char *name)
{
    return object != NULL ? json_object_get_member(object, name) : NULL;
}

JsonObject *
fab_json_object(JsonNode *node)
{
    return node != NULL && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
}

JsonObject *
fab_json_member(JsonObject *object, const char *name)
{
    return fab_json_object(find(object, name));
}

JsonArray *
fab_json_array(JsonObject *object, const char *name)
{
    JsonNode *node = find(object, name);

    return node != NULL && JSON_NODE_HOLDS_ARRAY(node) ? json_node_get_array(node) : NULL;
}

const char *
fab_json_text(JsonObject *object, const char *name)
{
    JsonNode *node = find(object, name);

    return node != NULL && json_node_get_value_type(node) == G_TYPE_STRING ? json_node_get_string(node) : NULL;
}

bool
fab_json_number(JsonObject *object, const char *name, double *value)
{
    JsonNode *node = find(object, name);

    if (node == NULL || !JSON_NODE_HOLDS_VALUE(node) ||
        (json_node_get_value_type(node) != G_TYPE_INT64 && json_node_get_value_type(node) != G_TYPE_DOUBLE))
        return false;
    *value = json_node_get_double(node);
    return true;
}

double
fab_json_figure(JsonObject *object, const char *name)
{
    double value;

    return fab_json_number(object, name, &value) ? value : NAN;
}

bool
fab_json_truth(JsonObject *object, const char *name)
{
    JsonNode *node = find(object, name);

    return node != NULL && json_node_get_value_type(node) == G_TYPE_BOOLEAN && json_node_get_boolean(node);
}

guint
fab_json_length(JsonObject *object, const char *name)
{
    JsonArray *array = fab_json_array(object, name);

    return array != NULL ? json_array_get_length(array) : 0;
}

JsonObject *
fab_json_at(JsonObject *object, const char *name, guint index)
{
    return index < fab_json_length(object, name)
               ? fab_json_object(json_array_get_element(fab_json_array(object, name), index))
               : NULL;
}
