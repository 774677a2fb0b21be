/* Chakra traces as protobuf: messages behind their lengths. */
#include <chakra.pb-c.h>

#include "base/error.h"
#include "workload/execution-trace.h"

/* Of one message: a node of millions of dependences. */
enum { MOST_MESSAGE = 1 << 26, VARINT_BITS = 64 };

typedef struct {
    const char *path;
    const uint8_t *data;
    gsize length, at;
} Stream;

static bool
refuse(const Stream *stream, const char *what, GError **error)
{
    g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: byte %" G_GSIZE_FORMAT ": %s", stream->path, stream->at,
                what);
    return false;
}

/* The next message; false at the end, or with an error. */
static bool
next_message(Stream *stream, const uint8_t **message, gsize *length, GError **error)
{
    uint64_t size = 0;
    int shift = 0;
    bool more = true;

    if (stream->at == stream->length)
        return false;
    for (; more && stream->at < stream->length && shift < VARINT_BITS; shift += 7) {
        size |= (uint64_t)(stream->data[stream->at] & 0x7f) << shift;
        more = stream->data[stream->at++] & 0x80;
    }
    if (more || size > MOST_MESSAGE)
        return refuse(stream, "a message's length was expected here, this is not a Chakra trace", error);
    if (size > stream->length - stream->at)
        return refuse(stream, "the file ends within a message", error);
    *message = stream->data + stream->at;
    *length = (gsize)size;
    stream->at += *length;
    return true;
}

/* Numbers of any type; *text is set for texts. False: neither. */
static bool
value_of(const ChakraAttribute *attribute, double *number, const char **text)
{
    *text = NULL;
    switch (attribute->value_case) {
    case CHAKRA_ATTRIBUTE__VALUE_DOUBLE_VALUE: *number = attribute->double_value; return true;
    case CHAKRA_ATTRIBUTE__VALUE_FLOAT_VALUE: *number = (double)attribute->float_value; return true;
    case CHAKRA_ATTRIBUTE__VALUE_INT32_VALUE: *number = attribute->int32_value; return true;
    case CHAKRA_ATTRIBUTE__VALUE_INT64_VALUE: *number = (double)attribute->int64_value; return true;
    case CHAKRA_ATTRIBUTE__VALUE_UINT32_VALUE: *number = attribute->uint32_value; return true;
    case CHAKRA_ATTRIBUTE__VALUE_UINT64_VALUE: *number = (double)attribute->uint64_value; return true;
    case CHAKRA_ATTRIBUTE__VALUE_SINT32_VALUE: *number = attribute->sint32_value; return true;
    case CHAKRA_ATTRIBUTE__VALUE_SINT64_VALUE: *number = (double)attribute->sint64_value; return true;
    case CHAKRA_ATTRIBUTE__VALUE_FIXED32_VALUE: *number = attribute->fixed32_value; return true;
    case CHAKRA_ATTRIBUTE__VALUE_FIXED64_VALUE: *number = (double)attribute->fixed64_value; return true;
    case CHAKRA_ATTRIBUTE__VALUE_SFIXED32_VALUE: *number = attribute->sfixed32_value; return true;
    case CHAKRA_ATTRIBUTE__VALUE_SFIXED64_VALUE: *number = (double)attribute->sfixed64_value; return true;
    case CHAKRA_ATTRIBUTE__VALUE_BOOL_VALUE: *number = attribute->bool_value != 0; return true;
    case CHAKRA_ATTRIBUTE__VALUE_STRING_VALUE: *text = attribute->string_value; return *text != NULL;
    default: return false;
    }
}

static bool
take_waits(FabTraceRank *rank, const uint64_t *ids, gsize count, GError **error)
{
    for (gsize i = 0; i < count; i++) {
        if (!fab_trace_wait(rank, ids[i], error))
            return false;
    }
    return true;
}

static bool
take_node(FabTraceRank *rank, const ChakraNode *message, FabTraceWaits waits, GError **error)
{
    /* A node says when it is not the CPU's. */
    FabTraceNode node = { .id = message->id, .name = message->name, .host = true };

    if (!fab_trace_set_type(&node, message->type, NULL, rank->path, error) ||
        !fab_trace_set_duration(&node, (double)message->duration_us, rank->path, error))
        return false;
    for (gsize i = 0; i < message->n_attributes; i++) {
        const ChakraAttribute *attribute = message->attributes[i];
        const char *text;
        double number = 0;
        if (value_of(attribute, &number, &text) &&
            !fab_trace_set_attribute(&node, attribute->name, number, text, rank->path, error))
            return false;
    }
    if (!fab_trace_add(rank, &node, error) ||
        !take_waits(rank, message->data_dependences, message->n_data_dependences, error))
        return false;
    if (waits == FAB_TRACE_ALL)
        return take_waits(rank, message->control_dependences, message->n_control_dependences, error);
    rank->passed_over += message->n_control_dependences;
    return true;
}

FabTraceRank *
fab_trace_parse_protobuf(const char *path, const uint8_t *data, gsize length, FabTraceWaits waits, GError **error)
{
    g_autoptr(FabTraceRank) rank = fab_trace_rank_new(path);
    Stream stream = { .path = path, .data = data, .length = length };
    const uint8_t *message;
    gsize size;
    bool first = true, good = true;
    g_autoptr(GError) inner = NULL;

    for (; good && next_message(&stream, &message, &size, &inner); first = false) {
        ChakraNode *node;
        if (first)
            continue; /* what the file says of itself changes nothing */
        node = chakra_node__unpack(NULL, size, message);
        good = node != NULL ? take_node(rank, node, waits, &inner)
                            : refuse(&stream, "the message that ends here is not a node", &inner);
        if (node != NULL)
            chakra_node__free_unpacked(node, NULL);
    }
    if (inner == NULL && first)
        refuse(&stream, "the file is empty, a Chakra trace has at least its metadata", &inner);
    if (inner == NULL)
        fab_trace_resolve(rank, &inner);
    if (inner == NULL)
        return g_steal_pointer(&rank);
    g_propagate_error(error, g_steal_pointer(&inner));
    return NULL;
}
