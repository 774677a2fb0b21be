#include "program/program-survey.h"

#include "base/error.h"

/* Where a complaint is: one step of one stream. */
typedef struct {
    const FabProgram *program;
    FabSurvey *survey;
    uint32_t element_bytes;
    FabStream stream;
    uint64_t index;
    FabStep step;
} Place;

FabStream
fab_survey_stream(const FabProgram *program, uint64_t index)
{
    uint64_t channel = index / program->roles;

    return (FabStream) { .rank = (uint32_t)(channel / program->channels),
                         .channel = (uint32_t)(channel % program->channels),
                         .role = (uint32_t)(index % program->roles) };
}

/* Sets the error and returns false. */
static bool
refuse(const Place *place, const char *wrong, GError **error)
{
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: rank %u channel %u role %u step %" G_GUINT64_FORMAT
                " (%s): %s", place->program->name, place->stream.rank, place->stream.channel, place->stream.role,
                place->index, fab_step_name(&place->step), wrong);
    return false;
}

static bool
same_stream(const FabStream *a, const FabStream *b)
{
    return a->rank == b->rank && a->channel == b->channel && a->role == b->role;
}

/* Notes one end of a connection. */
static bool
note_end(const Place *place, const FabEnd *end, bool sends, GError **error)
{
    FabSurvey *survey = place->survey;
    uint32_t *index;
    FabWire *wire;

    if (end->connection >= place->program->connections)
        return refuse(place, "uses a connection that does not exist", error);
    if (end->peer >= place->program->ranks || end->peer == place->stream.rank)
        return refuse(place, "uses a connection that leads to no other rank", error);
    index = &survey->wire_of[end->connection];
    if (*index == UINT32_MAX) {
        FabWire fresh = { .id = end->connection };
        *index = survey->wires->len;
        g_array_append_val(survey->wires, fresh);
    }
    wire = &g_array_index(survey->wires, FabWire, *index);
    if (sends && !wire->sent) {
        wire->sent = true;
        wire->sender = place->stream;
        wire->to = end->peer;
    } else if (!sends && !wire->received) {
        wire->received = true;
        wire->receiver = place->stream;
        wire->from = end->peer;
    }
    if (!same_stream(sends ? &wire->sender : &wire->receiver, &place->stream))
        return refuse(place, "uses a connection that another stream uses the same way", error);
    if ((sends ? wire->to : wire->from) != end->peer)
        return refuse(place, "uses a connection that led to another rank before", error);
    return true;
}

static bool
check_ends(const Place *place, GError **error)
{
    const FabStep *step = &place->step;

    if (step->recv_count > FAB_PROGRAM_FILE_ENDS || step->send_count > FAB_PROGRAM_FILE_ENDS)
        return refuse(place, "has more than 16 connections on one side", error);
    for (uint32_t i = 0; i < step->recv_count; i++) {
        for (uint32_t j = 0; j < i; j++)
            if (step->recv[j].connection == step->recv[i].connection)
                return refuse(place, "receives twice from one connection", error);
        if (!note_end(place, &step->recv[i], false, error))
            return false;
    }
    for (uint32_t i = 0; i < step->send_count; i++) {
        for (uint32_t j = 0; j < i; j++)
            if (step->send[j].connection == step->send[i].connection)
                return refuse(place, "sends twice to one connection", error);
        if (!note_end(place, &step->send[i], true, error))
            return false;
    }
    return true;
}

static bool
check_buffer(const Place *place, uint8_t buffer, uint64_t offset, GError **error)
{
    const FabProgram *program = place->program;
    const uint64_t limits[] = { 0, program->input_bytes, program->output_bytes, program->scratch_bytes };
    uint64_t bytes = place->step.bytes;

    if (buffer == FAB_BUFFER_NONE || bytes == 0)
        return true;
    if (buffer > FAB_BUFFER_SCRATCH || bytes > limits[buffer] || offset > limits[buffer] - bytes)
        return refuse(place, "leaves its buffer", error);
    return offset % place->element_bytes == 0 || refuse(place, "begins inside an element; take sizes, chunk and slice "
                                                        "that are multiples of it", error);
}

static bool
check_step(const Place *place, GError **error)
{
    const FabStep *step = &place->step;

    if (step->flags & (FAB_STEP_IN_SWITCH | FAB_STEP_IN_NETWORK))
        return refuse(place, "is done by the switch or the network, which FIFO slots cannot do; take another algorithm",
                      error);
    if (step->flags != 0)
        return refuse(place, "keeps its slots with the sender, which a file cannot say", error);
    if (step->bytes % place->element_bytes != 0)
        return refuse(place, "ends inside an element; take sizes, chunk and slice that are multiples of it", error);
    if (step->bytes > 0 && step->src == FAB_BUFFER_NONE && step->recv_count == 0)
        return refuse(place, "moves bytes from nowhere", error);
    if (step->bytes > 0 && step->dst == FAB_BUFFER_NONE && step->send_count == 0)
        return refuse(place, "moves bytes to nowhere", error);
    if (step->dst == FAB_BUFFER_INPUT)
        return refuse(place, "writes its input buffer", error);
    return check_buffer(place, step->src, step->src_offset, error) &&
           check_buffer(place, step->dst, step->dst_offset, error) && check_ends(place, error);
}

static bool
too_long(const FabProgram *program, GError **error)
{
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                "%s: the file would have more than %u steps; take fewer or smaller sizes, or larger chunks",
                program->name, FAB_PROGRAM_FILE_STEPS);
    return false;
}

static bool
survey_streams(Place *place, uint64_t most, GError **error)
{
    const FabProgram *program = place->program;
    FabSurvey *survey = place->survey;
    uint64_t streams = (uint64_t)program->ranks * program->channels * program->roles;

    for (uint64_t i = 0; i < streams; i++) {
        place->stream = fab_survey_stream(program, i);
        for (place->index = 0; ; place->index++) {
            place->step = (FabStep) { 0 };
            if (!program->step(program, &place->stream, place->index, &place->step))
                break;
            if (++survey->total > most)
                return too_long(program, error);
            if (!check_step(place, error))
                return false;
        }
        survey->steps[i] = place->index;
        survey->streams += place->index > 0;
    }
    return true;
}

static int
compare_wires(const void *a, const void *b)
{
    const FabWire *x = a, *y = b;

    return x->id < y->id ? -1 : x->id > y->id;
}

/* Both ends are there and know each other; then the order of the wires is that of their ids. */
static bool
close_wires(const FabProgram *program, FabSurvey *survey, GError **error)
{
    for (guint i = 0; i < survey->wires->len; i++) {
        const FabWire *wire = &g_array_index(survey->wires, FabWire, i);
        if (wire->sent && wire->received && wire->to == wire->receiver.rank && wire->from == wire->sender.rank)
            continue;
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: connection %u %s", program->name, wire->id,
                    !wire->sent ? "has no sender" : !wire->received ? "has no receiver"
                                                                    : "does not join the ranks that use it");
        return false;
    }
    g_array_sort(survey->wires, compare_wires);
    for (guint i = 0; i < survey->wires->len; i++)
        survey->wire_of[g_array_index(survey->wires, FabWire, i).id] = i;
    return true;
}

static bool
check_frame(const FabProgram *program, uint32_t element_bytes, GError **error)
{
    const char *wrong = NULL;

    if (program->ranks > FAB_PROGRAM_FILE_RANKS)
        wrong = "more than 1024 ranks";
    else if (program->channels > FAB_PROGRAM_FILE_CHANNELS)
        wrong = "more than 1024 channels";
    else if (program->connections > FAB_PROGRAM_FILE_CONNECTIONS)
        wrong = "more than 262144 connections; take fewer ranks or channels";
    else if (program->slice_bytes % element_bytes != 0)
        wrong = "a slice that splits an element; take a multiple of it";
    if (wrong != NULL)
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: a program file cannot have %s", program->name, wrong);
    return wrong == NULL;
}

bool
fab_survey(const FabProgram *program, uint32_t element_bytes, uint64_t most, FabSurvey *survey, GError **error)
{
    Place place = { .program = program, .survey = survey, .element_bytes = element_bytes };

    g_return_val_if_fail(element_bytes > 0, false);
    *survey = (FabSurvey) { .wires = g_array_new(FALSE, FALSE, sizeof(FabWire)) };
    if (!check_frame(program, element_bytes, error))
        return false;
    survey->steps = g_new0(uint64_t, (gsize)program->ranks * program->channels * program->roles);
    survey->wire_of = g_new(uint32_t, MAX(program->connections, 1));
    for (uint32_t i = 0; i < program->connections; i++)
        survey->wire_of[i] = UINT32_MAX;
    return survey_streams(&place, most, error) && close_wires(program, survey, error);
}

void
fab_survey_clear(FabSurvey *survey)
{
    g_clear_pointer(&survey->steps, g_free);
    g_clear_pointer(&survey->wires, g_array_unref);
    g_clear_pointer(&survey->wire_of, g_free);
}
