#include "study/sweep-ranks.h"

#include <string.h>

#include "base/error.h"
#include "fabricast-config.h"
#include "study/crew.h"

/* How long the own threads are listened to before messages are looked for. */
enum { PATIENCE_US = 500 };

/*
 * What messages say, as GVariant: HELLO with version, machine, appetite for points, inputs as names and checksums, and
 * why the rank cannot work (empty: it can); FOUND with a point, the code of an error (-1: none) and its words, and
 * rows; BYE is the last of a rank. Of rank 0: POINT with a number, END.
 */
typedef enum { HELLO, FOUND, BYE, POINT, END } Kind;

#define HELLO_TYPE "(sstsa(ss))"
#define ROW_TYPE "(tdddddubdmsmsb)"
#define FOUND_TYPE "(tisa" ROW_TYPE ")"

static void
send_kind(FabRanks *ranks, uint32_t to, Kind kind, GVariant *content)
{
    g_autoptr(GVariant) message = g_variant_ref_sink(g_variant_new("(yv)", (guchar)kind, content));

    ranks->send(ranks, to, g_variant_get_data(message), g_variant_get_size(message));
}

/* NULL: no message is there. Owned by the caller. */
static GVariant *
receive(FabRanks *ranks, uint32_t *from, Kind *kind)
{
    size_t length;
    void *data = ranks->poll(ranks, from, &length);
    g_autoptr(GVariant) message = NULL;
    GVariant *content;
    guchar byte;

    if (data == NULL)
        return NULL;
    message = g_variant_ref_sink(g_variant_new_from_data(G_VARIANT_TYPE("(yv)"), data, length, FALSE, g_free, data));
    g_variant_get(message, "(yv)", &byte, &content);
    *kind = (Kind)byte;
    return content;
}

/* ------------------------------------------------------------------ points on their way */

static GVariant *
pack_found(const FabFound *found)
{
    GVariantBuilder rows;

    g_variant_builder_init(&rows, G_VARIANT_TYPE("a" ROW_TYPE));
    for (guint i = 0; found->rows != NULL && i < found->rows->len; i++) {
        const FabStoreRow *row = found->rows->pdata[i];
        g_variant_builder_add(&rows, ROW_TYPE, row->size_bytes, row->seconds, row->low_s, row->high_s, row->work,
                              row->algbw, row->gpus, (gboolean)row->fits, row->cost, row->currency, row->binding,
                              (gboolean)row->extrapolated);
    }
    return g_variant_new(FOUND_TYPE, found->point, found->error != NULL ? found->error->code : -1,
                         found->error != NULL ? found->error->message : "", &rows);
}

static FabFound *
unpack_found(GVariant *content)
{
    FabFound *found = g_new0(FabFound, 1);
    g_autoptr(GVariantIter) rows = NULL;
    FabStoreRow row = { .point = 0 };
    const char *words;
    gboolean fits, extrapolated;
    int code;

    g_variant_get(content, "(ti&sa" ROW_TYPE ")", &found->point, &code, &words, &rows);
    if (code >= 0) {
        found->error = g_error_new_literal(FAB_ERROR, code, words);
        return found;
    }
    found->rows = g_ptr_array_new_with_free_func((GDestroyNotify)fab_store_row_free);
    while (g_variant_iter_next(rows, ROW_TYPE, &row.size_bytes, &row.seconds, &row.low_s, &row.high_s, &row.work,
                               &row.algbw, &row.gpus, &fits, &row.cost, &row.currency, &row.binding,
                               &extrapolated)) {
        row.fits = fits;
        row.extrapolated = extrapolated;
        g_ptr_array_add(found->rows, g_memdup2(&row, sizeof row));
    }
    return found;
}

/* ------------------------------------------------------------------ the others */

static GVariant *
pack_hello(GPtrArray *inputs, uint64_t appetite, const GError *trouble)
{
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("a(ss)"));
    for (guint i = 0; inputs != NULL && i < inputs->len; i++) {
        const FabStoreInput *input = inputs->pdata[i];
        g_variant_builder_add(&list, "(ss)", input->name, input->digest);
    }
    return g_variant_new(HELLO_TYPE, FAB_VERSION, g_get_host_name(), appetite,
                         trouble != NULL ? trouble->message : "", &list);
}

/* False: rank 0 says that it is over. */
static bool
follow_orders(FabRanks *ranks, FabCrew *crew, uint64_t *running)
{
    uint32_t from;
    Kind kind;

    for (;;) {
        g_autoptr(GVariant) content = receive(ranks, &from, &kind);
        if (content == NULL)
            return true;
        if (kind == END)
            return false;
        if (crew != NULL)
            fab_crew_give(crew, g_variant_get_uint64(content));
        (*running)++;
    }
}

void
fab_sweep_follow(FabRanks *ranks, const FabSweepSpec *spec, GPtrArray *inputs, const GError *trouble)
{
    g_autoptr(FabCrew) crew = trouble == NULL ? fab_crew_new(spec) : NULL;
    uint64_t running = 0;

    send_kind(ranks, 0, HELLO, pack_hello(inputs, crew != NULL ? fab_crew_appetite(crew) : 0, trouble));
    while (follow_orders(ranks, crew, &running)) {
        g_autoptr(FabFound) found = running > 0 ? fab_crew_take(crew, PATIENCE_US) : NULL;
        if (running == 0)
            g_usleep(PATIENCE_US);
        if (found == NULL)
            continue;
        send_kind(ranks, 0, FOUND, pack_found(found));
        running--;
    }
    send_kind(ranks, 0, BYE, g_variant_new_uint64(0));
}

/* ------------------------------------------------------------------ rank 0 */

/* Another rank as rank 0 sees it. */
typedef struct {
    char *machine;
    uint64_t appetite, running;
    bool ready, gone;
} Follower;

typedef struct {
    FabRanks *ranks;
    Follower *followers; /* of each rank; [0] is not used */
    GPtrArray *inputs;   /* NULL: called off */
    FabSweepQueue *queue;
    FabStore *store;
    uint64_t running;    /* with all of them */
    GError *error;       /* the first */
} Lead;

static void
fail(Lead *lead, uint32_t rank, const char *words)
{
    if (lead->error == NULL)
        g_set_error(&lead->error, FAB_ERROR, FAB_ERROR_FILE, "rank %u on %s: %s", rank, lead->followers[rank].machine,
                    words);
}

/* A file that is another one on that machine would make points that nobody can tell apart. */
static void
check_inputs(Lead *lead, uint32_t rank, GVariantIter *list)
{
    const char *name, *digest;
    guint i = 0;

    for (; g_variant_iter_next(list, "(&s&s)", &name, &digest); i++) {
        const FabStoreInput *ours = i < lead->inputs->len ? lead->inputs->pdata[i] : NULL;
        g_autofree char *words = NULL;
        if (ours != NULL && strcmp(ours->name, name) == 0 && strcmp(ours->digest, digest) == 0)
            continue;
        words = g_strdup_printf("%s is not the one of rank 0 on %s; all ranks must read the same files", name,
                                g_get_host_name());
        fail(lead, rank, words);
        return;
    }
    if (i < lead->inputs->len)
        fail(lead, rank, "reads fewer files than rank 0; all ranks must read the same files");
}

static void
greet(Lead *lead, uint32_t rank, GVariant *content)
{
    Follower *follower = &lead->followers[rank];
    g_autoptr(GVariantIter) list = NULL;
    const char *version, *trouble;

    g_variant_get(content, "(&sst&sa(ss))", &version, &follower->machine, &follower->appetite, &trouble, &list);
    follower->ready = true;
    if (lead->inputs == NULL)
        return;
    if (strcmp(version, FAB_VERSION) != 0)
        fail(lead, rank, "is another version of fabricast than that of rank 0");
    else if (trouble[0] != '\0')
        fail(lead, rank, trouble);
    else
        check_inputs(lead, rank, list);
}

static void
take_found(Lead *lead, uint32_t rank, FabFound *found)
{
    g_autoptr(GError) wrong = NULL;

    lead->running--;
    lead->followers[rank].running--;
    if (lead->error != NULL || fab_sweep_queue_write(lead->queue, lead->store, found, &wrong))
        return;
    lead->error = g_steal_pointer(&wrong);
    if (rank > 0)
        g_prefix_error(&lead->error, "rank %u on %s: ", rank, lead->followers[rank].machine);
}

/* All that has arrived. */
static void
read_messages(Lead *lead)
{
    uint32_t from;
    Kind kind;

    for (;;) {
        g_autoptr(GVariant) content = receive(lead->ranks, &from, &kind);
        if (content == NULL)
            return;
        if (kind == HELLO) {
            greet(lead, from, content);
        } else if (kind == BYE) {
            lead->followers[from].gone = true;
        } else if (lead->queue != NULL) {
            g_autoptr(FabFound) found = unpack_found(content);
            take_found(lead, from, found);
        }
    }
}

static bool
all(const Lead *lead, bool gone)
{
    for (uint32_t i = 1; i < lead->ranks->size; i++) {
        if (gone ? !lead->followers[i].gone : !lead->followers[i].ready)
            return false;
    }
    return true;
}

/* One point to each in turn, until nobody wants more. */
static void
hand_out(Lead *lead, FabCrew *crew)
{
    bool any = true;
    uint64_t point;

    while (any) {
        any = false;
        for (uint32_t i = 0; i < lead->ranks->size; i++) {
            Follower *follower = &lead->followers[i];
            if (follower->running >= follower->appetite || !fab_sweep_queue_next(lead->queue, &point))
                continue;
            if (i == 0)
                fab_crew_give(crew, point);
            else
                send_kind(lead->ranks, i, POINT, g_variant_new_uint64(point));
            follower->running++;
            lead->running++;
            any = true;
        }
    }
}

/* Ends the others, and waits for the last word of each. */
static void
dismiss(Lead *lead)
{
    while (!all(lead, false)) {
        read_messages(lead);
        g_usleep(PATIENCE_US);
    }
    for (uint32_t i = 1; i < lead->ranks->size; i++)
        send_kind(lead->ranks, i, END, g_variant_new_uint64(0));
    while (!all(lead, true)) {
        read_messages(lead);
        g_usleep(PATIENCE_US);
    }
    for (uint32_t i = 0; i < lead->ranks->size; i++)
        g_free(lead->followers[i].machine);
    g_free(lead->followers);
}

static void
work(Lead *lead, const FabSweepSpec *spec, FabProgress progress, void *user)
{
    g_autoptr(FabCrew) crew = fab_crew_new(spec);

    lead->followers[0].appetite = fab_crew_appetite(crew);
    while (!all(lead, false)) {
        read_messages(lead);
        g_usleep(PATIENCE_US);
    }
    while (lead->error == NULL) {
        g_autoptr(FabFound) found = NULL;
        hand_out(lead, crew);
        if (lead->running == 0)
            return;
        found = fab_crew_take(crew, PATIENCE_US);
        if (found != NULL)
            take_found(lead, 0, found);
        read_messages(lead);
        fab_sweep_queue_report(lead->queue, progress, user);
    }
}

bool
fab_sweep_lead(FabRanks *ranks, const FabSweepSpec *spec, GPtrArray *inputs, FabStore *store, uint64_t *found,
               FabProgress progress, void *user, GError **error)
{
    g_autoptr(FabSweepQueue) queue = fab_sweep_queue_new(spec, store, error);
    Lead lead = { .ranks = ranks, .followers = g_new0(Follower, ranks->size), .queue = queue, .store = store };

    if (queue != NULL) {
        lead.inputs = inputs;
        work(&lead, spec, progress, user);
        *found = fab_sweep_queue_written(queue);
    }
    dismiss(&lead);
    if (lead.error != NULL)
        g_propagate_error(error, lead.error);
    return queue != NULL && lead.error == NULL;
}

void
fab_sweep_call_off(FabRanks *ranks)
{
    Lead lead = { .ranks = ranks, .followers = g_new0(Follower, ranks->size) };

    dismiss(&lead);
}
