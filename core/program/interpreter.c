#include "program/interpreter.h"

#include <string.h>

#include "base/error.h"

enum { POISON = 0xa5, LISTED_WAITS = 8 };

/* A FIFO: slices that were sent and not received yet, at most `slots` of them. */
typedef struct {
    uint32_t first, count;
    GBytes **slices; /* NULL until the first one is sent */
    int64_t sender, receiver;              /* streams, -1 until the first use */
    uint32_t sender_names, receiver_names; /* the rank that each side believes to be at the other end */
    uint64_t sent_in, received_in;         /* the last steps that named it, as counted by `steps` of the run */
} Fifo;

typedef struct {
    FabStream stream;
    FabStep step;
    uint64_t index, moved; /* of the current step: its number, and bytes done */
    bool in_step, ended;
} Cursor;

typedef struct {
    const FabProgram *program;
    FabReduction reduction;
    const uint8_t *const *input;
    uint8_t **output;
    uint8_t **scratch;
    Fifo *fifos;
    Cursor *cursors;
    uint64_t streams, steps;
    uint8_t *value; /* of the slice in progress */
} Run;

/* "all_reduce ring: rank 3 channel 0 role 0 step 5 (recvReduceSend)". Owned by the caller. */
static char *
place_name(const Run *run, const Cursor *cursor)
{
    return g_strdup_printf("%s: rank %u channel %u role %u step %" G_GUINT64_FORMAT " (%s)", run->program->name,
                           cursor->stream.rank, cursor->stream.channel, cursor->stream.role, cursor->index,
                           fab_step_name(&cursor->step));
}

static uint64_t
buffer_bytes(const FabProgram *program, uint8_t buffer)
{
    switch (buffer) {
    case FAB_BUFFER_INPUT:
        return program->input_bytes;
    case FAB_BUFFER_OUTPUT:
        return program->output_bytes;
    case FAB_BUFFER_SCRATCH:
        return program->scratch_bytes;
    default:
        return 0;
    }
}

static bool
check_range(const Run *run, const Cursor *cursor, uint8_t buffer, uint64_t offset, GError **error)
{
    static const char *const names[] = { "no buffer", "input", "output", "scratch" };
    uint64_t limit = buffer_bytes(run->program, buffer);
    uint64_t bytes = cursor->step.bytes;
    g_autofree char *place = NULL;

    if (bytes == 0 || (bytes <= limit && offset <= limit - bytes))
        return true;
    place = place_name(run, cursor);
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                "%s: touches bytes %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT " of its %s buffer, which has %"
                G_GUINT64_FORMAT, place, offset, offset + bytes, names[MIN(buffer, 3)], limit);
    return false;
}

/* A connection has one sending stream, one receiving stream, and both know the other's rank. */
static bool
check_end(Run *run, const Cursor *cursor, const FabEnd *end, bool sends, GError **error)
{
    int64_t self = cursor - run->cursors;
    const char *wrong = NULL;
    g_autofree char *place = NULL;

    if (end->connection >= run->program->connections) {
        wrong = "is not below the number of connections";
    } else if (end->peer >= run->program->ranks) {
        wrong = "leads to a rank that does not exist";
    } else {
        Fifo *fifo = &run->fifos[end->connection];
        int64_t *mine = sends ? &fifo->sender : &fifo->receiver;
        int64_t other = sends ? fifo->receiver : fifo->sender;
        uint32_t *names = sends ? &fifo->sender_names : &fifo->receiver_names;
        uint32_t other_names = sends ? fifo->receiver_names : fifo->sender_names;
        uint64_t *used_in = sends ? &fifo->sent_in : &fifo->received_in;

        if (*mine == -1) {
            *mine = self;
            *names = end->peer;
        }
        if (*mine != self)
            wrong = sends ? "has two senders" : "has two receivers";
        else if (*names != end->peer)
            wrong = "changes its other end";
        else if (other != -1 && (run->cursors[other].stream.rank != end->peer || other_names != cursor->stream.rank))
            wrong = "does not join the ranks that use it";
        else if (*used_in == run->steps)
            wrong = "appears twice in one step";
        *used_in = run->steps;
    }
    if (wrong == NULL)
        return true;
    place = place_name(run, cursor);
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: connection %u to rank %u %s", place, end->connection,
                end->peer, wrong);
    return false;
}

static bool
check_step(Run *run, const Cursor *cursor, GError **error)
{
    const FabStep *step = &cursor->step;
    const char *wrong = NULL;

    run->steps++;
    for (uint32_t i = 0; i < step->recv_count; i++)
        if (!check_end(run, cursor, &step->recv[i], false, error))
            return false;
    for (uint32_t i = 0; i < step->send_count; i++)
        if (!check_end(run, cursor, &step->send[i], true, error))
            return false;
    if (step->bytes > 0 && step->recv_count == 0 && step->src == FAB_BUFFER_NONE)
        wrong = "moves bytes from nowhere";
    else if (step->bytes > 0 && step->send_count == 0 && step->dst == FAB_BUFFER_NONE)
        wrong = "moves bytes to nowhere";
    else if (step->dst == FAB_BUFFER_INPUT)
        wrong = "writes its input buffer";
    if (wrong != NULL) {
        g_autofree char *place = place_name(run, cursor);

        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: %s", place, wrong);
        return false;
    }
    return (step->src == FAB_BUFFER_NONE || check_range(run, cursor, step->src, step->src_offset, error)) &&
           (step->dst == FAB_BUFFER_NONE || check_range(run, cursor, step->dst, step->dst_offset, error));
}

/* Makes the stream's next step current; leaves `ended` set when there is none. */
static bool
fetch_step(Run *run, Cursor *cursor, GError **error)
{
    if (cursor->ended || cursor->in_step)
        return true;
    if (!run->program->step(run->program, &cursor->stream, cursor->index, &cursor->step)) {
        cursor->ended = true;
        return true;
    }
    cursor->in_step = true;
    cursor->moved = 0;
    return check_step(run, cursor, error);
}

/* The end that the current step has to wait for, or NULL. */
static const FabEnd *
blocking_end(const Run *run, const Cursor *cursor, bool *sends)
{
    const FabStep *step = &cursor->step;

    *sends = false;
    for (uint32_t i = 0; i < step->recv_count; i++)
        if (run->fifos[step->recv[i].connection].count == 0)
            return &step->recv[i];
    *sends = true;
    for (uint32_t i = 0; i < step->send_count; i++)
        if (run->fifos[step->send[i].connection].count >= run->program->slots)
            return &step->send[i];
    return NULL;
}

static uint8_t *
buffer_data(const Run *run, uint32_t rank, uint8_t buffer)
{
    return buffer == FAB_BUFFER_OUTPUT ? run->output[rank] : run->scratch[rank];
}

/* Adds one source to the value of the slice. */
static void
take_source(Run *run, const uint8_t *source, uint64_t bytes, bool first)
{
    if (bytes == 0)
        return;
    if (first) {
        memcpy(run->value, source, bytes);
    } else if (run->reduction == FAB_REDUCE_SUM) {
        for (uint64_t i = 0; i < bytes; i++)
            run->value[i] = (uint8_t)(run->value[i] + source[i]);
    } else {
        for (uint64_t i = 0; i < bytes; i++)
            run->value[i] = MAX(run->value[i], source[i]);
    }
}

static bool
receive_slice(Run *run, const Cursor *cursor, const FabEnd *end, uint64_t bytes, bool first, GError **error)
{
    Fifo *fifo = &run->fifos[end->connection];
    g_autoptr(GBytes) slice = g_steal_pointer(&fifo->slices[fifo->first]);
    gsize found = 0;
    const uint8_t *data = g_bytes_get_data(slice, &found);

    fifo->first = fifo->first + 1 == run->program->slots ? 0 : fifo->first + 1;
    fifo->count--;
    if (found != bytes) {
        g_autofree char *place = place_name(run, cursor);

        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: expects a slice of %" G_GUINT64_FORMAT " bytes on connection %u, but rank %u sent %"
                    G_GSIZE_FORMAT, place, bytes, end->connection, end->peer, found);
        return false;
    }
    take_source(run, data, bytes, first);
    return true;
}

static void
send_slice(Run *run, const FabEnd *end, GBytes *slice)
{
    Fifo *fifo = &run->fifos[end->connection];
    uint32_t last = fifo->first + fifo->count;

    if (fifo->slices == NULL)
        fifo->slices = g_new0(GBytes *, run->program->slots);
    if (last >= run->program->slots)
        last -= run->program->slots;
    fifo->slices[last] = g_bytes_ref(slice);
    fifo->count++;
}

/* Moves one slice of the current step, whose ends are all ready. */
static bool
move_slice(Run *run, Cursor *cursor, GError **error)
{
    const FabStep *step = &cursor->step;
    uint32_t rank = cursor->stream.rank;
    uint64_t bytes = MIN(step->bytes - cursor->moved, run->program->slice_bytes);
    bool has_src = step->src != FAB_BUFFER_NONE;

    if (has_src && bytes > 0) {
        const uint8_t *data = step->src == FAB_BUFFER_INPUT ? run->input[rank] : buffer_data(run, rank, step->src);

        take_source(run, data + step->src_offset + cursor->moved, bytes, true);
    }
    for (uint32_t i = 0; i < step->recv_count; i++)
        if (!receive_slice(run, cursor, &step->recv[i], bytes, i == 0 && !has_src, error))
            return false;
    if (step->dst != FAB_BUFFER_NONE && bytes > 0)
        memcpy(buffer_data(run, rank, step->dst) + step->dst_offset + cursor->moved, run->value, bytes);
    if (step->send_count > 0) {
        g_autoptr(GBytes) slice = g_bytes_new(run->value, bytes);

        for (uint32_t i = 0; i < step->send_count; i++)
            send_slice(run, &step->send[i], slice);
    }
    cursor->moved += bytes;
    if (cursor->moved == step->bytes) {
        cursor->in_step = false;
        cursor->index++;
    }
    return true;
}

/* Runs one stream until it ends or has to wait. */
static bool
run_stream(Run *run, Cursor *cursor, bool *moved, GError **error)
{
    bool sends;

    if (!fetch_step(run, cursor, error))
        return false;
    while (!cursor->ended && blocking_end(run, cursor, &sends) == NULL) {
        *moved = true;
        if (!move_slice(run, cursor, error) || !fetch_step(run, cursor, error))
            return false;
    }
    return true;
}

static void
report_deadlock(const Run *run, GError **error)
{
    g_autoptr(GString) waits = g_string_new(NULL);
    uint64_t count = 0;

    for (uint64_t i = 0; i < run->streams; i++) {
        const Cursor *cursor = &run->cursors[i];
        const FabEnd *end;
        bool sends;

        if (cursor->ended || count++ >= LISTED_WAITS)
            continue;
        end = blocking_end(run, cursor, &sends);
        g_string_append_printf(waits, "%srank %u channel %u role %u waits at step %" G_GUINT64_FORMAT
                               " (%s) for rank %u to %s", count > 1 ? "; " : "", cursor->stream.rank,
                               cursor->stream.channel, cursor->stream.role, cursor->index,
                               fab_step_name(&cursor->step), end->peer, sends ? "receive" : "send");
    }
    if (count > LISTED_WAITS)
        g_string_append_printf(waits, "; and %" G_GUINT64_FORMAT " more", count - LISTED_WAITS);
    g_set_error(error, FAB_ERROR, FAB_ERROR_DEADLOCK, "%s: deadlock: %s", run->program->name, waits->str);
}

static bool
check_leftovers(const Run *run, GError **error)
{
    for (uint32_t i = 0; i < run->program->connections; i++) {
        const Fifo *fifo = &run->fifos[i];

        if (fifo->count == 0)
            continue;
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: %u slices that rank %u sent to rank %u on connection %u are never received",
                    run->program->name, fifo->count, run->cursors[fifo->sender].stream.rank, fifo->sender_names, i);
        return false;
    }
    return true;
}

static bool
run_all(Run *run, GError **error)
{
    bool waits = true;

    while (waits) {
        bool moved = false;

        waits = false;
        for (uint64_t i = 0; i < run->streams; i++) {
            if (!run_stream(run, &run->cursors[i], &moved, error))
                return false;
            waits |= !run->cursors[i].ended;
        }
        if (waits && !moved) {
            report_deadlock(run, error);
            return false;
        }
    }
    return check_leftovers(run, error);
}

static void
run_init(Run *run)
{
    const FabProgram *program = run->program;
    uint64_t largest = MAX(program->input_bytes, MAX(program->output_bytes, program->scratch_bytes));

    run->streams = (uint64_t)program->ranks * program->channels * program->roles;
    run->cursors = g_new0(Cursor, run->streams);
    run->fifos = g_new0(Fifo, program->connections);
    run->scratch = g_new0(uint8_t *, program->ranks);
    /* A step cannot be longer than the buffers it starts from and ends in, so neither can a slice. */
    run->value = g_malloc0(MAX(1, MIN(program->slice_bytes, largest)));
    for (uint64_t i = 0; i < run->streams; i++) {
        FabStream *stream = &run->cursors[i].stream;

        stream->role = i % program->roles;
        stream->channel = i / program->roles % program->channels;
        stream->rank = i / program->roles / program->channels;
    }
    for (uint32_t i = 0; i < program->connections; i++)
        run->fifos[i].sender = run->fifos[i].receiver = -1;
    for (uint32_t i = 0; i < program->ranks; i++) {
        run->scratch[i] = g_malloc(MAX(1, program->scratch_bytes));
        memset(run->scratch[i], POISON, program->scratch_bytes);
    }
}

static void
run_clear(Run *run)
{
    const FabProgram *program = run->program;

    for (uint32_t i = 0; i < program->connections; i++) {
        Fifo *fifo = &run->fifos[i];

        for (; fifo->count > 0; fifo->count--) {
            g_bytes_unref(fifo->slices[fifo->first]);
            fifo->first = fifo->first + 1 == program->slots ? 0 : fifo->first + 1;
        }
        g_free(fifo->slices);
    }
    for (uint32_t i = 0; i < program->ranks; i++)
        g_free(run->scratch[i]);
    g_free(run->scratch);
    g_free(run->fifos);
    g_free(run->cursors);
    g_free(run->value);
}

bool
fab_interpret(const FabProgram *program, FabReduction reduction, const uint8_t *const *input, uint8_t **output,
              GError **error)
{
    Run run = { .program = program, .reduction = reduction, .input = input, .output = output };
    bool done;

    g_return_val_if_fail(program->ranks > 0 && program->channels > 0 && program->roles > 0, false);
    g_return_val_if_fail(program->slice_bytes > 0 && program->slots > 0, false);
    run_init(&run);
    done = run_all(&run, error);
    run_clear(&run);
    return done;
}
