#include "predict/crowd.h"

#include <math.h>
#include <string.h>

/* Ends of a stream are known from the steps of its first loop: three at most (an NVLSTree's root). */
enum { FIRST_STEPS = 3 };

/* A link is full when it has less than this share left. */
#define ROUNDING 1e-9

struct FabCrowd {
    const FabTopology *topology;
    uint32_t channels;
    float *load; /* by resource, channel and direction: bytes for each byte of one of its connections */
};

enum { UP, DOWN, DIRECTIONS };

void
fab_crowd_free(FabCrowd *crowd)
{
    if (crowd == NULL)
        return;
    g_free(crowd->load);
    g_free(crowd);
}

/* ------------------------------------------------------------------ loads */

/* While routes are added. */
typedef struct {
    FabRouter *router;
    const FabProgram *program;
    const uint32_t *gpus;
    uint32_t local;
    bool tree;
    float *load;
    uint8_t *counted; /* a bit for each connection */
    GError **error;
} Survey;

static bool
add_connection(Survey *survey, const FabStream *stream, const FabEnd *end)
{
    uint8_t bit = (uint8_t)(1u << end->connection % 8);
    uint32_t direction = survey->tree ? end->connection % DIRECTIONS : UP;
    const FabRoute *route;

    if (end->peer / survey->local == stream->rank / survey->local || (survey->counted[end->connection / 8] & bit) != 0)
        return true;
    survey->counted[end->connection / 8] |= bit;
    route = fab_router_push_flow(survey->router, survey->gpus[stream->rank], survey->gpus[end->peer], stream->channel,
                                 survey->error);
    for (uint32_t i = 0; route != NULL && i < route->count; i++) {
        gsize at = (gsize)route->uses[i].resource * survey->program->channels + stream->channel;
        survey->load[at * DIRECTIONS + direction] += (float)route->uses[i].weight;
    }
    return route != NULL;
}

static bool
add_stream(Survey *survey, const FabStream *stream)
{
    FabStep step = { .bytes = 0 };

    for (uint32_t i = 0; i < FIRST_STEPS && survey->program->step(survey->program, stream, i, &step); i++) {
        for (uint32_t e = 0; e < step.send_count; e++)
            if (!add_connection(survey, stream, &step.send[e]))
                return false;
    }
    return true;
}

static bool
add_all(Survey *survey)
{
    const FabProgram *program = survey->program;

    for (uint32_t r = 0; r < program->ranks; r++)
        for (uint32_t c = 0; c < program->channels; c++)
            for (uint32_t role = 0; role < program->roles; role++)
                if (!add_stream(survey, &(FabStream) { r, c, role }))
                    return false;
    return true;
}

FabCrowd *
fab_crowd_new(FabRouter *router, const FabProgram *program, const uint32_t *gpus, uint32_t local, bool tree,
              GError **error)
{
    g_autofree uint8_t *counted = g_new0(uint8_t, program->connections / 8 + 1);
    FabCrowd *crowd = g_new(FabCrowd, 1);
    Survey survey = { .router = router, .program = program, .gpus = gpus, .local = local, .tree = tree,
                      .counted = counted, .error = error };

    crowd->topology = fab_router_topology(router);
    crowd->channels = program->channels;
    crowd->load = survey.load = g_new0(float, (gsize)crowd->topology->resource_count * program->channels * DIRECTIONS);
    if (add_all(&survey))
        return crowd;
    fab_crowd_free(crowd);
    return NULL;
}

/* ------------------------------------------------------------------ sharing */

/* Channels on their way. */
typedef struct {
    const FabCrowd *crowd;
    GArray *narrow; /* uint32_t: resources that would be full if no channel were held back */
    double most, lag;
    double now;
    double *rate;     /* of each channel, B/s of a connection */
    double *left;     /* bytes of a connection, by channel and direction; 0: it has ended */
    uint32_t *held;   /* by which of `narrow`; UINT32_MAX: by none */
    bool *growing;
    GArray *lost;     /* double: channels' seconds that each of `narrow` has cost */
} Sharing;

static inline bool
moves(const Sharing *sharing, uint32_t channel, uint32_t direction)
{
    return sharing->left[channel * DIRECTIONS + direction] > 0 && (direction == UP || sharing->now >= sharing->lag);
}

/* Of a resource, for each byte of a connection of the channel, by what moves now. */
static inline double
load_of(const Sharing *sharing, uint32_t resource, uint32_t channel)
{
    const float *load = sharing->crowd->load + ((gsize)resource * sharing->crowd->channels + channel) * DIRECTIONS;

    return (moves(sharing, channel, UP) ? load[UP] : 0) + (moves(sharing, channel, DOWN) ? load[DOWN] : 0);
}

static void
find_narrow(Sharing *sharing)
{
    const FabCrowd *crowd = sharing->crowd;
    uint32_t flows = crowd->channels * DIRECTIONS;

    for (uint32_t r = 0; r < crowd->topology->resource_count; r++) {
        const float *load = crowd->load + (gsize)r * flows;
        double sum = 0;
        for (uint32_t i = 0; i < flows; i++)
            sum += load[i];
        if (sum * sharing->most > crowd->topology->resources[r].capacity * (1 + ROUNDING))
            g_array_append_val(sharing->narrow, r);
    }
    g_array_set_size(sharing->lost, sharing->narrow->len);
}

/* The resource that cost most; UINT32_MAX: none did. */
static uint32_t
find_binding(const Sharing *sharing)
{
    uint32_t binding = UINT32_MAX;
    double most = 0;

    for (guint i = 0; i < sharing->narrow->len; i++) {
        double lost = g_array_index(sharing->lost, double, i);
        if (lost <= most)
            continue;
        most = lost;
        binding = g_array_index(sharing->narrow, uint32_t, i);
    }
    return binding;
}

/* The rate up to which those that grow may grow before the resource is full; infinity: none of them uses it. */
static double
level_of(const Sharing *sharing, uint32_t resource)
{
    double growing = 0, room = sharing->crowd->topology->resources[resource].capacity;

    for (uint32_t c = 0; c < sharing->crowd->channels; c++) {
        if (sharing->growing[c])
            growing += load_of(sharing, resource, c);
        else
            room -= load_of(sharing, resource, c) * sharing->rate[c];
    }
    return growing > 0 ? fmax(room, 0) / growing : INFINITY;
}

/* Those that grow and use one of `narrow`, all without one, stay at this rate. */
static void
hold(Sharing *sharing, uint32_t number, double rate)
{
    uint32_t resource = number != UINT32_MAX ? g_array_index(sharing->narrow, uint32_t, number) : UINT32_MAX;

    for (uint32_t c = 0; c < sharing->crowd->channels; c++) {
        if (!sharing->growing[c] || (resource != UINT32_MAX && !(load_of(sharing, resource, c) > 0)))
            continue;
        sharing->growing[c] = false;
        sharing->rate[c] = rate;
        sharing->held[c] = number;
    }
}

/* Max-min fair rates of those that move. */
static void
share(Sharing *sharing)
{
    uint32_t fullest = 0;

    for (uint32_t c = 0; c < sharing->crowd->channels; c++) {
        sharing->growing[c] = moves(sharing, c, UP) || moves(sharing, c, DOWN);
        sharing->rate[c] = 0;
    }
    while (fullest != UINT32_MAX) {
        double least = sharing->most;
        fullest = UINT32_MAX;
        for (guint i = 0; i < sharing->narrow->len; i++) {
            double level = level_of(sharing, g_array_index(sharing->narrow, uint32_t, i));
            if (level < least) {
                least = level;
                fullest = i;
            }
        }
        hold(sharing, fullest, least);
    }
}

/* Until another direction of a channel begins or ends; false: all have ended. */
static bool
go_on(Sharing *sharing)
{
    uint32_t flows = sharing->crowd->channels * DIRECTIONS;
    double span = sharing->now < sharing->lag ? sharing->lag - sharing->now : INFINITY;

    for (uint32_t i = 0; i < flows; i++)
        if (moves(sharing, i / DIRECTIONS, i % DIRECTIONS))
            span = fmin(span, sharing->left[i] / sharing->rate[i / DIRECTIONS]);
    if (!isfinite(span))
        return false;
    for (uint32_t i = 0; i < flows; i++) {
        double moved = span * sharing->rate[i / DIRECTIONS];
        if (!moves(sharing, i / DIRECTIONS, i % DIRECTIONS))
            continue;
        if (sharing->held[i / DIRECTIONS] != UINT32_MAX)
            g_array_index(sharing->lost, double, sharing->held[i / DIRECTIONS]) +=
                span * (1 - sharing->rate[i / DIRECTIONS] / sharing->most);
        sharing->left[i] = sharing->left[i] > moved * (1 + ROUNDING) ? sharing->left[i] - moved : 0;
    }
    sharing->now = sharing->now + span >= sharing->lag * (1 - ROUNDING) ? fmax(sharing->now + span, sharing->lag)
                                                                       : sharing->now + span;
    return true;
}

double
fab_crowd_seconds(const FabCrowd *crowd, double bytes, double most, double lag, uint32_t *binding)
{
    g_autoptr(GArray) narrow = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    g_autoptr(GArray) lost = g_array_new(FALSE, TRUE, sizeof(double));
    g_autofree double *rate = g_new0(double, crowd->channels), *left = g_new(double, crowd->channels * DIRECTIONS);
    g_autofree uint32_t *held = g_new0(uint32_t, crowd->channels);
    g_autofree bool *growing = g_new0(bool, crowd->channels);
    Sharing sharing = { crowd, narrow, most, lag, 0, rate, left, held, growing, lost };

    for (uint32_t i = 0; i < crowd->channels * DIRECTIONS; i++)
        left[i] = bytes;
    find_narrow(&sharing);
    do {
        share(&sharing);
    } while (go_on(&sharing));
    *binding = find_binding(&sharing);
    return sharing.now;
}

double
fab_crowd_carried(const FabCrowd *crowd, uint32_t resource, double bytes)
{
    uint32_t flows = crowd->channels * DIRECTIONS;
    double sum = 0;

    for (uint32_t i = 0; i < flows; i++)
        sum += crowd->load[(gsize)resource * flows + i];
    return sum * bytes;
}
