/* Chakra traces: writing, as protobuf and as JSON. */
#include <chakra.pb-c.h>

#include "base/file.h"
#include "workload/execution-trace.h"

/* The version of the schema that the files follow. */
#define VERSION "0.0.4"

enum { MOST_ATTRIBUTES = 8 };

/* What a node says beside its fixed fields. */
typedef struct {
    ChakraAttribute list[MOST_ATTRIBUTES];
    ChakraAttribute *pointers[MOST_ATTRIBUTES];
    gsize count;
} Attributes;

static ChakraAttribute *
add(Attributes *attributes, const char *name, ChakraAttribute__ValueCase type)
{
    ChakraAttribute *attribute = &attributes->list[attributes->count];

    chakra_attribute__init(attribute);
    attribute->name = (char *)name;
    attribute->value_case = type;
    attributes->pointers[attributes->count++] = attribute;
    return attribute;
}

static void
add_number(Attributes *attributes, const char *name, int64_t number)
{
    add(attributes, name, CHAKRA_ATTRIBUTE__VALUE_INT64_VALUE)->int64_value = number;
}

static void
add_end(Attributes *attributes, const char *name, uint32_t number)
{
    add(attributes, name, CHAKRA_ATTRIBUTE__VALUE_INT32_VALUE)->int32_value = (int32_t)number;
}

/* Types are those that readers of the format expect of each name. */
static void
list_attributes(const FabTraceNode *node, uint32_t self, Attributes *attributes)
{
    bool message = node->kind == FAB_TRACE_SEND || node->kind == FAB_TRACE_RECEIVE;

    attributes->count = 0;
    add(attributes, "is_cpu_op", CHAKRA_ATTRIBUTE__VALUE_BOOL_VALUE)->bool_value = node->host;
    if (node->operations > 0)
        add_number(attributes, "num_ops", (int64_t)node->operations);
    if (node->bytes > 0)
        add(attributes, "tensor_size", CHAKRA_ATTRIBUTE__VALUE_UINT64_VALUE)->uint64_value = (uint64_t)node->bytes;
    if (node->duration_ps > 0) /* the format's own field has whole microseconds */
        add_number(attributes, "duration_ps", node->duration_ps);
    if (node->kind == FAB_TRACE_COLLECTIVE)
        add_number(attributes, "comm_type", fab_trace_collective_of(node->collective));
    if (node->kind == FAB_TRACE_COLLECTIVE || message)
        add_number(attributes, "comm_size", (int64_t)node->message);
    if (node->group != NULL)
        add(attributes, "pg_name", CHAKRA_ATTRIBUTE__VALUE_STRING_VALUE)->string_value = (char *)node->group;
    if (message) {
        add_end(attributes, "comm_src", node->kind == FAB_TRACE_SEND ? self : node->peer);
        add_end(attributes, "comm_dst", node->kind == FAB_TRACE_SEND ? node->peer : self);
        add_end(attributes, "comm_tag", node->tag);
    }
}

/* Of the whole file: what it is of. */
static void
list_metadata(const FabTraceRank *rank, Attributes *attributes)
{
    attributes->count = 0;
    if (rank->scenario != NULL)
        add(attributes, "scenario", CHAKRA_ATTRIBUTE__VALUE_STRING_VALUE)->string_value = (char *)rank->scenario;
    if (rank->model != NULL)
        add(attributes, "model", CHAKRA_ATTRIBUTE__VALUE_STRING_VALUE)->string_value = (char *)rank->model;
}

static uint64_t
microseconds(const FabTraceNode *node)
{
    return (uint64_t)(node->duration_ps + 500000) / 1000000;
}

/* ------------------------------------------------------------------ protobuf */

static void
put_length(GByteArray *out, gsize length)
{
    do {
        uint8_t byte = (uint8_t)((length & 0x7f) | (length > 0x7f ? 0x80 : 0));
        g_byte_array_append(out, &byte, 1);
        length >>= 7;
    } while (length > 0);
}

static void
put_message(GByteArray *out, const ProtobufCMessage *message)
{
    gsize length = protobuf_c_message_get_packed_size(message);
    guint at;

    put_length(out, length);
    at = out->len;
    g_byte_array_set_size(out, at + (guint)length);
    protobuf_c_message_pack(message, out->data + at);
}

static void
write_protobuf(const FabTraceRank *rank, uint32_t self, GByteArray *out)
{
    ChakraMetadata metadata = CHAKRA_METADATA__INIT;
    Attributes about;

    list_metadata(rank, &about);
    metadata.version = (char *)VERSION;
    metadata.n_attributes = about.count;
    metadata.attributes = about.pointers;
    put_message(out, &metadata.base);
    for (guint i = 0; i < rank->nodes->len; i++) {
        const FabTraceNode *node = fab_trace_node(rank, i);
        ChakraNode message = CHAKRA_NODE__INIT;
        Attributes attributes;
        list_attributes(node, self, &attributes);
        message.id = node->id;
        message.name = (char *)node->name;
        message.type = fab_trace_type_of(node);
        message.n_data_dependences = node->count;
        message.data_dependences = &g_array_index(rank->waits, uint64_t, node->first);
        message.duration_us = microseconds(node);
        message.n_attributes = attributes.count;
        message.attributes = attributes.pointers;
        put_message(out, &message.base);
    }
}

/* ------------------------------------------------------------------ JSON */

static void
put_text(GString *out, const char *text)
{
    g_string_append_c(out, '"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            g_string_append_printf(out, "\\%c", *text);
        else if ((unsigned char)*text < ' ')
            g_string_append_printf(out, "\\u%04x", (unsigned)*text);
        else
            g_string_append_c(out, *text);
    }
    g_string_append_c(out, '"');
}

/* Numbers of 64 bits are texts in protobuf's JSON. */
static void
put_attribute(GString *out, const ChakraAttribute *attribute)
{
    g_string_append(out, "{ \"name\": ");
    put_text(out, attribute->name);
    switch (attribute->value_case) {
    case CHAKRA_ATTRIBUTE__VALUE_BOOL_VALUE:
        g_string_append_printf(out, ", \"boolVal\": %s }", attribute->bool_value ? "true" : "false");
        break;
    case CHAKRA_ATTRIBUTE__VALUE_INT32_VALUE:
        g_string_append_printf(out, ", \"int32Val\": %d }", attribute->int32_value);
        break;
    case CHAKRA_ATTRIBUTE__VALUE_UINT64_VALUE:
        g_string_append_printf(out, ", \"uint64Val\": \"%" G_GUINT64_FORMAT "\" }", attribute->uint64_value);
        break;
    case CHAKRA_ATTRIBUTE__VALUE_STRING_VALUE:
        g_string_append(out, ", \"stringVal\": ");
        put_text(out, attribute->string_value);
        g_string_append(out, " }");
        break;
    default:
        g_string_append_printf(out, ", \"int64Val\": \"%" G_GINT64_FORMAT "\" }", attribute->int64_value);
    }
}

/* The last member of an object, and its end. */
static void
put_attributes(GString *out, const Attributes *attributes)
{
    g_string_append(out, attributes->count > 0 ? ", \"attr\": [" : "");
    for (gsize k = 0; k < attributes->count; k++) {
        g_string_append(out, k > 0 ? ", " : "");
        put_attribute(out, attributes->pointers[k]);
    }
    g_string_append(out, attributes->count > 0 ? "] }" : " }");
}

static void
write_json(const FabTraceRank *rank, uint32_t self, GString *out)
{
    Attributes about;

    list_metadata(rank, &about);
    g_string_append(out, "{ \"version\": \"" VERSION "\"");
    put_attributes(out, &about);
    g_string_append_c(out, '\n');
    for (guint i = 0; i < rank->nodes->len; i++) {
        const FabTraceNode *node = fab_trace_node(rank, i);
        Attributes attributes;
        list_attributes(node, self, &attributes);
        g_string_append_printf(out, "{ \"id\": \"%" G_GUINT64_FORMAT "\", \"name\": ", node->id);
        put_text(out, node->name);
        g_string_append_printf(out, ", \"type\": \"%s\", \"durationMicros\": \"%" G_GUINT64_FORMAT "\", ",
                               fab_trace_type_name(fab_trace_type_of(node)), microseconds(node));
        g_string_append(out, "\"dataDeps\": [");
        for (uint32_t k = 0; k < node->count; k++)
            g_string_append_printf(out, "%s\"%" G_GUINT64_FORMAT "\"", k > 0 ? ", " : "",
                                   g_array_index(rank->waits, uint64_t, node->first + k));
        g_string_append_c(out, ']');
        put_attributes(out, &attributes);
        g_string_append_c(out, '\n');
    }
}

bool
fab_trace_write(const FabTraceRank *rank, uint32_t self, const char *path, bool json, GError **error)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(GString) text = g_string_new(NULL);

    if (!fab_file_check_unread(path, error))
        return false;
    if (json)
        write_json(rank, self, text);
    else
        write_protobuf(rank, self, bytes);
    return json ? fab_file_write(path, text->str, text->len, error)
                : fab_file_write(path, bytes->data, bytes->len, error);
}
