#include "predict/work.h"

#include "base/error.h"
#include "base/units.h"

/* Minutes where flows do not meet (some 8 million slices a second), a quarter of an hour where all do. */
#define MAX_SLICES 1e9
/* Of a sweep, which shows its progress: ten times that. */
#define MAX_SWEEP 1e10
/* A workstation has more; so has what runs beside us. */
#define MAX_MEMORY (UINT64_C(8) << 30)

enum {
    SAMPLES = 64, /* streams looked at: all of a small program, some of each kind of a large one */
    PARTS = 8,    /* steps looked at in each */
    STREAM_BYTES = 320, CONNECTION_BYTES = 32, SLOT_BYTES = 8 /* of the engine, rounded up */
};

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

double
fab_work_slices(const FabProgram *program)
{
    uint64_t streams = streams_of(program), samples = MIN(streams, SAMPLES);
    double slices = 0;

    for (uint64_t i = 0; i < samples; i++) {
        uint64_t number = i * streams / samples, channel = number / program->roles;
        FabStream stream = { .rank = (uint32_t)(channel / program->channels),
                             .channel = (uint32_t)(channel % program->channels),
                             .role = (uint32_t)(number % program->roles) };
        slices += stream_slices(program, &stream);
    }
    return samples > 0 ? slices / (double)samples * (double)streams : 0;
}

double
fab_work_memory(const FabProgram *program)
{
    return (double)streams_of(program) * STREAM_BYTES +
           (double)program->connections * (CONNECTION_BYTES + (double)program->slots * SLOT_BYTES);
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
