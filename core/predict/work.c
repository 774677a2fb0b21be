#include "predict/work.h"

#include "base/error.h"
#include "base/units.h"

/* Minutes where flows do not meet (some 8 million slices a second), a quarter of an hour where all do. */
#define MAX_SLICES 1e9
/* Of a size with more, until its steps repeat themselves: nobody waits long to learn that they do not. */
#define MAX_HOPEFUL (MAX_SLICES / 4)
/* Of a sweep, which shows its progress: ten times that. */
#define MAX_SWEEP 1e10
/* A workstation has more; so has what runs beside us. */
#define MAX_MEMORY (UINT64_C(8) << 30)

enum {
    SAMPLES = 64, /* streams looked at: all of a small program, some of each kind of a large one */
    PARTS = 8,    /* steps looked at in each */
    RUNS = 64,    /* runs of steps that are alike */
    LEAST = 512   /* steps of such a run that are simulated before it can repeat itself */
};

/*
 * Of the engine and its routes, rounded up: a stream with the flow that it waits for and the places of that among the
 * flows of eight resources; a connection; to another node also a route over three levels of switches, as found and as
 * it is looked for.
 */
enum { STREAM_BYTES = 640, CONNECTION_BYTES = 64, SLOT_BYTES = 8, REMOTE_BYTES = 512, REMOTE_SLOT_BYTES = 16 };

static uint64_t
streams_of(const FabProgram *program)
{
    return (uint64_t)program->ranks * program->channels * program->roles;
}

static bool
has_step(const FabProgram *program, const FabStream *stream, uint64_t index, FabStep *step)
{
    *step = (FabStep) { 0 };
    return program->step(program, stream, index, step);
}

/* Steps are pure and end once, so that their number is found by halving. */
static uint64_t
count_steps(const FabProgram *program, const FabStream *stream)
{
    uint64_t low = 0, high = 1; /* steps below `low` exist, `high` may not */
    FabStep step;

    while (high < UINT64_C(1) << 62 && has_step(program, stream, high - 1, &step)) {
        low = high;
        high *= 2;
    }
    while (low + 1 < high) {
        uint64_t middle = low + (high - low) / 2;
        if (has_step(program, stream, middle - 1, &step))
            low = middle;
        else
            high = middle;
    }
    return low;
}

double
fab_work_steps(const FabProgram *program)
{
    return (double)count_steps(program, &(FabStream) { 0, 0, 0 });
}

/* Slices of one stream: those of a few steps, spread over all of them; one that goes to many ranks counts for each. */
static double
stream_slices(const FabProgram *program, const FabStream *stream)
{
    uint64_t steps = count_steps(program, stream), parts = MIN(steps, PARTS);
    double slices = 0;

    for (uint64_t i = 0; i < parts; i++) {
        FabStep step;
        uint64_t number = 1;
        if (!has_step(program, stream, (uint64_t)((double)steps * (double)i / (double)parts), &step))
            continue;
        if (step.bytes > program->slice_bytes)
            number = step.bytes / program->slice_bytes + (step.bytes % program->slice_bytes != 0);
        slices += (double)number * MAX(1, (step.recv_count + step.send_count) / 2);
    }
    return parts > 0 ? slices / (double)parts * (double)steps : 0;
}

/* The same without what may be repetition; from its first runs on. */
static double
least_slices(const FabProgram *program, const FabStream *stream)
{
    uint64_t steps = count_steps(program, stream), index = 0;
    double share = 0;

    for (int i = 0; i < RUNS && index < steps; i++) {
        uint64_t end = MIN(program->alike(program, stream, index), steps);
        share += (double)MIN(end - index, LEAST);
        index = end;
    }
    return index > 0 ? stream_slices(program, stream) * share / (double)index : 0;
}

static FabStream
sample(const FabProgram *program, uint64_t i, uint64_t samples)
{
    uint64_t streams = streams_of(program), number = i * streams / samples, channel = number / program->roles;
    uint64_t role = number + (streams > samples ? i : 0); /* strides that are multiples of the roles meet all, too */

    return (FabStream) { .rank = (uint32_t)(channel / program->channels),
                         .channel = (uint32_t)(channel % program->channels),
                         .role = (uint32_t)(role % program->roles) };
}

static double
sum(const FabProgram *program, double (*slices_of)(const FabProgram *program, const FabStream *stream))
{
    uint64_t streams = streams_of(program), samples = MIN(streams, SAMPLES);
    double slices = 0;

    for (uint64_t i = 0; i < samples; i++) {
        FabStream stream = sample(program, i, samples);
        slices += slices_of(program, &stream);
    }
    return samples > 0 ? slices / (double)samples * (double)streams : 0;
}

double
fab_work_slices(const FabProgram *program)
{
    return sum(program, stream_slices);
}

double
fab_work_least(const FabProgram *program)
{
    return sum(program, program->alike != NULL ? least_slices : stream_slices);
}

/* The share of connections that lead to another node, by the steps that send, of ranks at all places of their nodes. */
static double
remote_share(const FabProgram *program, uint32_t local)
{
    uint64_t samples = MIN(streams_of(program), SAMPLES), ends = 0, remote = 0;

    for (uint64_t i = 0; i < samples && local > 0; i++) {
        FabStream stream = sample(program, i, samples);
        uint64_t steps, parts;
        stream.rank = (uint32_t)((stream.rank + i) % program->ranks);
        steps = count_steps(program, &stream);
        parts = MIN(steps, PARTS);
        for (uint64_t k = 0; k < parts; k++) {
            FabStep step;
            if (!has_step(program, &stream, (uint64_t)((double)steps * (double)k / (double)parts), &step))
                continue;
            for (uint32_t e = 0; e < step.send_count; e++)
                remote += step.send[e].peer / local != stream.rank / local;
            ends += step.send_count;
        }
    }
    return ends > 0 ? (double)remote / (double)ends : 0;
}

double
fab_work_memory(const FabProgram *program, uint32_t local)
{
    double slots = program->slots, remote = remote_share(program, local) * program->connections;

    return (double)streams_of(program) * STREAM_BYTES +
           (double)program->connections * (CONNECTION_BYTES + slots * SLOT_BYTES) +
           remote * (REMOTE_BYTES + slots * REMOTE_SLOT_BYTES);
}

double
fab_work_most(const FabProgram *program)
{
    return fab_work_slices(program) <= MAX_SLICES ? 0 : MAX_HOPEFUL;
}

bool
fab_work_is_allowed(double slices, double memory)
{
    return slices <= MAX_SLICES && memory <= (double)MAX_MEMORY;
}

bool
fab_work_check(const char *where, double largest, double sweep, double memory, GError **error)
{
    bool one = largest > MAX_SLICES;

    if (memory > (double)MAX_MEMORY) {
        g_autofree char *found = fab_format_bytes((uint64_t)MIN(memory, 0x1p60));
        g_autofree char *most = fab_format_bytes(MAX_MEMORY);
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: [collective] needs about %s of memory for its connections, at most %s are allowed; take fewer "
                    "channels, slots or ranks", where, found, most);
        return false;
    }
    if (one || sweep > MAX_SWEEP) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: [collective] %s would move about %.2g slices, at most %.0g are simulated; take %s sizes, or "
                    "larger chunk and slice", where, one ? "one size" : "all sizes together", one ? largest : sweep,
                    one ? MAX_SLICES : MAX_SWEEP, one ? "smaller" : "fewer or smaller");
        return false;
    }
    return true;
}
