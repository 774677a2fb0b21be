/*
 * Chakra traces as JSON: the messages one after the other as protobuf's rules map them, in an array, or in the
 * "workload_graph" of an object whose nodes have their attributes as members.
 */
#include <json-glib/json-glib.h>
#include <string.h>

#include "base/error.h"
#include "base/nesting.h"
#include "workload/execution-trace.h"

#define NAMES(...) ((const char *const[]) { __VA_ARGS__, NULL })

typedef struct {
    FabTraceRank *rank;
    FabTraceWaits waits;
    GError **error;
} Reader;

static bool
refuse(const Reader *reader, const char *what)
{
    g_set_error(reader->error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: %s", reader->rank->path, what);
    return false;
}

/* Says which node, by its id or, while that is not known, by its place. */
static bool
refuse_node(const Reader *reader, const uint64_t *id, const char *what)
{
    g_set_error(reader->error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: node %s%" G_GUINT64_FORMAT ": %s", reader->rank->path,
                id != NULL ? "" : "number ", id != NULL ? *id : reader->rank->nodes->len + UINT64_C(1), what);
    return false;
}

static JsonNode *
member(JsonObject *object, const char *const *names)
{
    for (; *names != NULL; names++) {
        JsonNode *node = json_object_get_member(object, *names);
        if (node != NULL && !json_node_is_null(node))
            return node;
    }
    return NULL;
}

static const char *
text_of(JsonNode *node)
{
    return node != NULL && JSON_NODE_HOLDS_VALUE(node) && json_node_get_value_type(node) == G_TYPE_STRING
               ? json_node_get_string(node) : NULL;
}

/* A number, or a text that is one. */
static bool
number_of(JsonNode *node, double *number)
{
    const char *text = text_of(node);
    char *end;
    GType type;

    if (text != NULL) {
        *number = g_ascii_strtod(text, &end);
        return end != text && *end == '\0';
    }
    if (node == NULL || !JSON_NODE_HOLDS_VALUE(node))
        return false;
    type = json_node_get_value_type(node);
    *number = type == G_TYPE_BOOLEAN ? json_node_get_boolean(node) : json_node_get_double(node);
    return true;
}

/* Ids use all of 64 bits, more than a double holds. */
static bool
id_of(JsonNode *node, uint64_t *id)
{
    const char *text = text_of(node);

    if (text != NULL)
        return g_ascii_string_to_unsigned(text, 10, 0, G_MAXUINT64, id, NULL);
    if (node == NULL || !JSON_NODE_HOLDS_VALUE(node) || json_node_get_value_type(node) != G_TYPE_INT64 ||
        json_node_get_int(node) < 0)
        return false;
    *id = (uint64_t)json_node_get_int(node);
    return true;
}

static bool
take_value(const Reader *reader, FabTraceNode *node, const char *name, JsonNode *value)
{
    double number = 0;
    bool numeric = number_of(value, &number);

    /* A group's name may be digits. */
    if (text_of(value) != NULL && (!numeric || strcmp(name, "pg_name") == 0))
        return fab_trace_set_attribute(node, name, 0, text_of(value), reader->rank->path, reader->error);
    return !numeric || fab_trace_set_attribute(node, name, number, NULL, reader->rank->path, reader->error);
}

/* { "name": "comm_size", "int64Val": "65536" }, whatever the type. */
static bool
take_attribute(const Reader *reader, FabTraceNode *node, JsonNode *attribute)
{
    bool holds = attribute != NULL && JSON_NODE_HOLDS_OBJECT(attribute);
    JsonObject *object = holds ? json_node_get_object(attribute) : NULL;
    const char *name = object != NULL ? text_of(json_object_get_member(object, "name")) : NULL;
    g_autoptr(GList) members = object != NULL ? json_object_get_members(object) : NULL;

    if (name == NULL)
        return refuse(reader, "an attribute without a name, it is an object with \"name\" and a value");
    for (GList *at = members; at != NULL; at = at->next) {
        const char *key = at->data;
        if ((g_str_has_suffix(key, "Val") || g_str_has_suffix(key, "_val")) &&
            !take_value(reader, node, name, json_object_get_member(object, key)))
            return false;
    }
    return true;
}

static bool
take_attributes(const Reader *reader, FabTraceNode *node, JsonObject *object)
{
    static const char *const flat[] = { "is_cpu_op", "num_ops",  "tensor_size", "comm_type", "comm_size",
                                        "comm_src",  "comm_dst", "comm_tag",    "pg_name" };
    JsonNode *list = member(object, NAMES("attr", "attributes"));
    JsonArray *array = list != NULL && JSON_NODE_HOLDS_ARRAY(list) ? json_node_get_array(list) : NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(flat); i++) {
        JsonNode *value = json_object_get_member(object, flat[i]);
        if (value != NULL && !take_value(reader, node, flat[i], value))
            return false;
    }
    for (guint i = 0; array != NULL && i < json_array_get_length(array); i++) {
        if (!take_attribute(reader, node, json_array_get_element(array, i)))
            return false;
    }
    return true;
}

static bool
take_waits(const Reader *reader, JsonNode *list, bool waited)
{
    JsonArray *array = list != NULL && JSON_NODE_HOLDS_ARRAY(list) ? json_node_get_array(list) : NULL;
    guint count = array != NULL ? json_array_get_length(array) : 0;

    for (guint i = 0; i < count && waited; i++) {
        uint64_t id;
        if (!id_of(json_array_get_element(array, i), &id))
            return refuse(reader, "a dependence is not the number of a node");
        if (!fab_trace_wait(reader->rank, id, reader->error))
            return false;
    }
    reader->rank->passed_over += waited ? 0 : count;
    return true;
}

static bool
take_node(const Reader *reader, JsonObject *object)
{
    FabTraceNode node = { .host = true };
    JsonNode *id = member(object, NAMES("id", "Id")), *type = member(object, NAMES("type", "NodeType"));
    JsonNode *time = member(object, NAMES("durationMicros", "duration_micros", "runtime"));
    double number = 0, us = 0;

    if (id != NULL && !id_of(id, &node.id)) /* protobuf leaves 0 out */
        return refuse_node(reader, NULL, "its id is not a number from 0 on");
    node.name = text_of(member(object, NAMES("name", "Name")));
    if (text_of(type) == NULL && !number_of(type, &number))
        return refuse_node(reader, &node.id, "its type is neither a number nor a name");
    if (time != NULL && !number_of(time, &us))
        return refuse_node(reader, &node.id, "its duration is not a number");
    if (!fab_trace_set_type(&node, number >= 0 && number < 1e6 ? (int64_t)number : -1, text_of(type),
                            reader->rank->path, reader->error) ||
        !fab_trace_set_duration(&node, us, reader->rank->path, reader->error) ||
        !take_attributes(reader, &node, object) || !fab_trace_add(reader->rank, &node, reader->error))
        return false;
    return take_waits(reader, member(object, NAMES("dataDeps", "data_deps")), true) &&
           take_waits(reader, member(object, NAMES("ctrlDeps", "ctrl_deps")), reader->waits == FAB_TRACE_ALL);
}

/* What has no type is what the file says of itself. */
static bool
describes_file(JsonObject *object)
{
    return member(object, NAMES("type", "NodeType")) == NULL;
}

static bool
take_top(const Reader *reader, JsonNode *node)
{
    JsonObject *object = node != NULL && JSON_NODE_HOLDS_OBJECT(node) ? json_node_get_object(node) : NULL;
    JsonNode *list = object != NULL ? member(object, NAMES("workload_graph", "nodes")) : node;
    JsonArray *array = list != NULL && JSON_NODE_HOLDS_ARRAY(list) ? json_node_get_array(list) : NULL;

    if (object != NULL && list != NULL && array == NULL)
        return refuse(reader, "\"workload_graph\" or \"nodes\" is not an array, it is one of nodes");
    for (guint i = 0; array != NULL && i < json_array_get_length(array); i++) {
        JsonNode *item = json_array_get_element(array, i);
        if (item == NULL || !JSON_NODE_HOLDS_OBJECT(item))
            return refuse_node(reader, NULL, "it is not an object");
        if (i == 0 && object == NULL && describes_file(json_node_get_object(item)))
            continue;
        if (!take_node(reader, json_node_get_object(item)))
            return false;
    }
    if (array != NULL)
        return true;
    if (object == NULL)
        return refuse(reader, "neither an object nor an array, a Chakra trace is of nodes");
    return describes_file(object) || take_node(reader, object);
}

/* The end of the value that starts at `at`: where its brackets are closed. */
static gsize
end_of_value(const char *text, gsize length, gsize at)
{
    bool quoted = false;
    int depth = 0;

    for (; at < length; at++) {
        if (quoted && text[at] == '\\')
            at++;
        else if (text[at] == '"')
            quoted = !quoted;
        else if (!quoted && (text[at] == '{' || text[at] == '['))
            depth++;
        else if (!quoted && (text[at] == '}' || text[at] == ']') && --depth <= 0)
            return at + 1;
    }
    return MIN(at, length);
}

static bool
parse_values(const Reader *reader, const char *text, gsize length)
{
    g_autoptr(JsonParser) parser = json_parser_new_immutable();
    gsize at = 0, values = 0;

    while (true) {
        g_autoptr(GError) inner = NULL;
        gsize end;
        while (at < length && (g_ascii_isspace(text[at]) || text[at] == ','))
            at++;
        if (at == length)
            return values > 0 || refuse(reader, "the file is empty, a Chakra trace is of nodes");
        end = end_of_value(text, length, at);
        if (!json_parser_load_from_data(parser, text + at, (gssize)(end - at), &inner)) {
            g_autofree char *flat = g_strdelimit(g_utf8_make_valid(inner->message, -1), "\r\n", ' ');
            g_set_error(reader->error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: byte %" G_GSIZE_FORMAT ": is not JSON: %s",
                        reader->rank->path, at, flat);
            return false;
        }
        if (!take_top(reader, json_parser_get_root(parser)))
            return false;
        values++;
        at = end;
    }
}

FabTraceRank *
fab_trace_parse_json(const char *path, const char *text, gsize length, FabTraceWaits waits, GError **error)
{
    g_autoptr(FabTraceRank) rank = fab_trace_rank_new(path);
    Reader reader = { .rank = rank, .waits = waits, .error = error };

    if (length > G_MAXSSIZE || !g_utf8_validate(text, (gssize)length, NULL)) {
        refuse(&reader, "is not UTF-8 text, a Chakra trace in JSON is needed");
        return NULL;
    }
    if (!fab_nesting_check(path, text, length, error) || !parse_values(&reader, text, length) ||
        !fab_trace_resolve(rank, error))
        return NULL;
    return g_steal_pointer(&rank);
}
