#include "topology/network.h"

#include <math.h>
#include <string.h>

#include "base/mix.h"
#include "topology/cables.h"
#include "topology/route.h"

/* NICs that a GPU drives. */
typedef struct {
    uint32_t count;
    bool direct; /* they may read and write its memory */
    FabVertex *nics;
} Nearest;

/* All ways are used alike between any two NICs below the same two switches; kept for the NICs that come later. */
typedef struct {
    FabVertex from, to;      /* switches */
    double share;            /* of the flow */
    double rate[2];          /* of the cable of the first NIC and of that of the last, B/s */
    int64_t latency_ps;      /* from switch to switch */
    guint count;
    FabHop hops[];           /* the NICs' included */
} Trunk;

/* Kept at most. */
#define TRUNK_BYTES (UINT64_C(16) << 20)

struct FabNetworkWays {
    const FabTopology *topology;
    GHashTable *trunks;    /* set of Trunk */
    uint64_t trunk_bytes;
    FabWalk *walk;         /* the router's */
    Nearest *nearest;      /* of each GPU */
    FabCables *cables;
    FabVertex *queue;
    double *share;         /* of each vertex, while a flow is spread */
    uint32_t *taken;       /* flows placed on each direction of each link: [2 * link + direction] */
};

/* ------------------------------------------------------------------ NICs of GPUs */

typedef struct {
    FabPathClass class;
    uint32_t hops;
} Distance;

static Distance
distance_between(FabNetworkWays *ways, FabVertex gpu, FabVertex nic, GArray *hops)
{
    Distance distance = { FAB_PATH_NONE, UINT32_MAX };

    g_array_set_size(hops, 0);
    if (!fab_walk_path(ways->walk, gpu, nic, hops))
        return distance;
    distance.class = fab_path_class(ways->topology, gpu, nic);
    distance.hops = hops->len;
    return distance;
}

static bool
has_cable(const FabTopology *topology, FabVertex nic)
{
    uint32_t count;
    const uint32_t *links = fab_topology_links_at(topology, nic, &count);

    for (uint32_t i = 0; i < count; i++) {
        if (fab_is_cable(&topology->links[links[i]]))
            return true;
    }
    return false;
}

/* The NICs of a node nearest to a GPU, in order; those that are down have no cable. */
static GArray *
nearest_nics(FabNetworkWays *ways, const FabTopologyNode *node, FabVertex gpu)
{
    GArray *found = g_array_new(FALSE, FALSE, sizeof(FabVertex));
    g_autoptr(GArray) hops = g_array_new(FALSE, FALSE, sizeof(FabHop));
    Distance best = { FAB_PATH_NONE, UINT32_MAX };

    for (FabVertex v = node->first; v < node->first + node->vertices; v++) {
        Distance distance;
        if (ways->topology->vertices[v].kind != FAB_VERTEX_NIC || !has_cable(ways->topology, v))
            continue;
        distance = distance_between(ways, gpu, v, hops);
        if (distance.class > best.class || (distance.class == best.class && distance.hops > best.hops))
            continue;
        if (distance.class < best.class || distance.hops < best.hops)
            g_array_set_size(found, 0);
        best = distance;
        g_array_append_val(found, v);
    }
    return found;
}

static bool
same_list(const GArray *a, const GArray *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len * sizeof(FabVertex)) == 0;
}

/* Whether the NIC may read and write the memory of the GPU by itself. */
static bool
is_direct(FabNetworkWays *ways, FabVertex gpu, FabVertex nic)
{
    const FabTopology *topology = ways->topology;
    FabPathClass class = fab_path_class(topology, gpu, nic);
    FabGdr gdr = topology->network.gdr;
    g_autoptr(GArray) hops = NULL;
    bool c2c = false, socket = false;

    if (gdr == FAB_GDR_OFF || class > FAB_PATH_SYS)
        return false;
    if (gdr == FAB_GDR_SYS || class <= FAB_PATH_PXB || (gdr == FAB_GDR_PHB && class <= FAB_PATH_NODE))
        return true;
    hops = g_array_new(FALSE, FALSE, sizeof(FabHop));
    fab_walk_path(ways->walk, gpu, nic, hops);
    for (guint i = 0; i < hops->len; i++) {
        FabMedium medium = topology->links[g_array_index(hops, FabHop, i).link].medium;
        c2c = c2c || medium == FAB_MEDIUM_C2C;
        socket = socket || medium == FAB_MEDIUM_SOCKET;
    }
    return c2c && !socket;
}

/*
 * GPUs that are equally near to the same NICs share them out: two GPUs and two NICs one each, one GPU and four NICs all
 * four, four GPUs and two NICs one for each pair.
 */
static void
share_out(FabNetworkWays *ways, const FabTopologyNode *node)
{
    g_autofree GArray **lists = g_new(GArray *, node->gpus);

    for (uint32_t i = 0; i < node->gpus; i++)
        lists[i] = nearest_nics(ways, node, ways->topology->gpus[node->first_gpu + i]);
    for (uint32_t i = 0; i < node->gpus; i++) {
        Nearest *nearest = &ways->nearest[node->first_gpu + i];
        uint32_t rivals = 0, place = 0, each;
        for (uint32_t k = 0; k < node->gpus; k++) {
            place += k < i && same_list(lists[i], lists[k]);
            rivals += same_list(lists[i], lists[k]);
        }
        each = (lists[i]->len + rivals - 1) / rivals;
        nearest->nics = g_new(FabVertex, each + 1);
        for (nearest->count = 0; nearest->count < each; nearest->count++) {
            guint at = each == 1 ? place * lists[i]->len / MAX(rivals, lists[i]->len)
                                 : (place * each + nearest->count) % lists[i]->len;
            nearest->nics[nearest->count] = g_array_index(lists[i], FabVertex, at);
        }
        nearest->direct =
            nearest->count > 0 && is_direct(ways, ways->topology->gpus[node->first_gpu + i], nearest->nics[0]);
    }
    for (uint32_t i = 0; i < node->gpus; i++)
        g_array_unref(lists[i]);
}

/* Whether the same NICs of two nodes of one machine have cables. */
static bool
same_cables(const FabTopology *topology, const FabTopologyNode *a, const FabTopologyNode *b)
{
    for (uint32_t i = 0; i < a->vertices; i++) {
        if (topology->vertices[a->first + i].kind == FAB_VERTEX_NIC &&
            has_cable(topology, a->first + i) != has_cable(topology, b->first + i))
            return false;
    }
    return a->vertices == b->vertices;
}

/* Nodes of one machine are wired alike: what was found for the first holds for the others. */
static bool
copy_nearest(FabNetworkWays *ways, uint32_t number)
{
    const FabTopologyNode *node = &ways->topology->nodes[number];

    for (uint32_t n = 0; n < number; n++) {
        const FabTopologyNode *other = &ways->topology->nodes[n];
        if (strcmp(other->machine, node->machine) != 0 || !same_cables(ways->topology, other, node))
            continue;
        for (uint32_t i = 0; i < node->gpus; i++) {
            const Nearest *from = &ways->nearest[other->first_gpu + i];
            Nearest *to = &ways->nearest[node->first_gpu + i];
            *to = (Nearest) { from->count, from->direct, g_new(FabVertex, from->count + 1) };
            for (uint32_t k = 0; k < from->count; k++)
                to->nics[k] = from->nics[k] - other->first + node->first;
        }
        return true;
    }
    return false;
}

static guint
trunk_hash(gconstpointer key)
{
    const Trunk *trunk = key;

    return trunk->from * 2654435761u ^ trunk->to * 40503u;
}

static gboolean
trunk_equal(gconstpointer a, gconstpointer b)
{
    const Trunk *first = a, *second = b;

    return first->from == second->from && first->to == second->to && first->share == second->share &&
           first->rate[0] == second->rate[0] && first->rate[1] == second->rate[1];
}

FabNetworkWays *
fab_network_ways_new(const FabTopology *topology, FabWalk *walk)
{
    FabNetworkWays *ways = g_new0(FabNetworkWays, 1);

    ways->topology = topology;
    ways->walk = walk;
    ways->cables = fab_cables_new(topology);
    ways->trunks = g_hash_table_new_full(trunk_hash, trunk_equal, g_free, NULL);
    ways->nearest = g_new0(Nearest, topology->gpu_count);
    ways->queue = g_new(FabVertex, topology->vertex_count);
    ways->share = g_new0(double, topology->vertex_count);
    ways->taken = g_new0(uint32_t, 2 * (gsize)topology->link_count);
    for (uint32_t n = 0; n < topology->node_count; n++) {
        if (!copy_nearest(ways, n))
            share_out(ways, &topology->nodes[n]);
    }
    return ways;
}

void
fab_network_ways_free(FabNetworkWays *ways)
{
    if (ways == NULL)
        return;
    for (uint32_t i = 0; i < ways->topology->gpu_count; i++)
        g_free(ways->nearest[i].nics);
    g_free(ways->nearest);
    fab_cables_free(ways->cables);
    g_hash_table_unref(ways->trunks);
    g_free(ways->queue);
    g_free(ways->share);
    g_free(ways->taken);
    g_free(ways);
}

const FabVertex *
fab_network_nics(FabNetworkWays *ways, uint32_t gpu, uint32_t *count)
{
    *count = ways->nearest[gpu].count;
    return ways->nearest[gpu].nics;
}

bool
fab_network_is_direct(const FabNetworkWays *ways, uint32_t gpu)
{
    return ways->nearest[gpu].direct;
}

/* ------------------------------------------------------------------ cables */

static uint32_t
direction_of(const FabTopologyLink *link, FabVertex from)
{
    return link->a == from ? 0 : 1;
}

/* One cable for a whole flow. */
static uint32_t
choose_cable(const FabNetworkWays *ways, FabVertex vertex, uint64_t label)
{
    uint32_t count, best = UINT32_MAX;
    const uint32_t *cables = fab_cables_nearer(ways->cables, vertex, &count);
    double least = 0;

    if (ways->topology->network.routing == FAB_ROUTING_STATIC)
        return cables[fab_mix(label ^ fab_mix(vertex)) % count];
    for (uint32_t i = 0; i < count; i++) {
        const FabTopologyLink *link = &ways->topology->links[cables[i]];
        double load = ways->taken[2 * cables[i] + direction_of(link, vertex)] / fab_link_rate(link);
        if (best == UINT32_MAX || load < least) {
            best = cables[i];
            least = load;
        }
    }
    return best;
}

/* Flows on a cable once another one is placed there, by its rate. */
static double
load_with_one_more(const FabNetworkWays *ways, uint32_t cable, FabVertex from)
{
    const FabTopologyLink *link = &ways->topology->links[cable];

    return (ways->taken[2 * cable + direction_of(link, from)] + 1) / fab_link_rate(link);
}

/* What is before a flow at a switch on its shortest way: cables to the last switch, and the fullest of them. */
typedef struct {
    uint32_t cables;
    double fullest;
} Outlook;

static Outlook
look_ahead(const FabNetworkWays *ways, FabVertex vertex)
{
    Outlook outlook = { 0, 0 };

    while (fab_cables_distance(ways->cables, vertex) > 1) {
        uint32_t cable = choose_cable(ways, vertex, 0);
        outlook.fullest = fmax(outlook.fullest, load_with_one_more(ways, cable, vertex));
        outlook.cables++;
        vertex = fab_link_other_end(&ways->topology->links[cable], vertex);
    }
    return outlook;
}

/*
 * The cable to a switch that is no nearer, from which a longer way goes on that is worth it: such networks take a
 * detour where the queue of the shortest way times its length is longer. UINT32_MAX: none is.
 */
static uint32_t
choose_detour(const FabNetworkWays *ways, FabVertex vertex)
{
    Outlook direct = look_ahead(ways, vertex);
    uint32_t count, best = UINT32_MAX, distance = fab_cables_distance(ways->cables, vertex);
    const uint32_t *links = fab_topology_links_at(ways->topology, vertex, &count);
    double least = direct.fullest * direct.cables;

    for (uint32_t i = 0; i < count && direct.cables > 0; i++) {
        const FabTopologyLink *link = &ways->topology->links[links[i]];
        FabVertex next = fab_link_other_end(link, vertex);
        double first;
        Outlook rest;
        if (!fab_is_cable(link) || ways->topology->vertices[next].kind == FAB_VERTEX_NIC ||
            fab_cables_distance(ways->cables, next) != distance)
            continue;
        first = load_with_one_more(ways, links[i], vertex);
        if (first * (direct.cables + 1) >= least)
            continue;
        rest = look_ahead(ways, next);
        if (fmax(first, rest.fullest) * (rest.cables + 1) < least) {
            best = links[i];
            least = fmax(first, rest.fullest) * (rest.cables + 1);
        }
    }
    return best;
}

/* With `around` the first switch may send it over another one that is no nearer. */
static int64_t
take_one_way(FabNetworkWays *ways, FabVertex from, FabVertex to, uint32_t flow, double share, bool around,
             GArray *hops)
{
    uint64_t seed = fab_mix((uint64_t)flow << 32 | ways->topology->network.seed);
    uint64_t label = fab_mix(((uint64_t)from << 32 | to) ^ seed);
    uint32_t stage = 0;
    int64_t latency_ps = 0;

    while (from != to) {
        uint32_t aside = around && stage == 1 ? choose_detour(ways, from) : UINT32_MAX;
        uint32_t cable = aside != UINT32_MAX ? aside : choose_cable(ways, from, label);
        const FabTopologyLink *link = &ways->topology->links[cable];
        FabHop hop = { .link = cable, .direction = direction_of(link, from), .share = share, .stage = ++stage };
        g_array_append_val(hops, hop);
        ways->taken[2 * cable + hop.direction]++;
        latency_ps += link->latency_ps;
        from = fab_link_other_end(link, from);
    }
    return latency_ps;
}

/* Every switch passes what it gets on over all cables that lead nearer, by their rates. */
static int64_t
spread_over_all(FabNetworkWays *ways, FabVertex from, FabVertex to, double share, GArray *hops)
{
    const FabTopology *topology = ways->topology;
    uint32_t reached = 1, distance = fab_cables_distance(ways->cables, from);
    int64_t latency_ps = 0;

    ways->queue[0] = from;
    ways->share[from] = share;
    for (uint32_t head = 0; head < reached; head++) { /* nearer and nearer, so that a switch has got all of its share */
        FabVertex vertex = ways->queue[head];
        double total = 0;
        uint32_t count;
        const uint32_t *cables = fab_cables_nearer(ways->cables, vertex, &count);
        for (uint32_t i = 0; i < count; i++)
            total += fab_link_rate(&topology->links[cables[i]]);
        for (uint32_t i = 0; i < count; i++) {
            const FabTopologyLink *link = &topology->links[cables[i]];
            FabVertex next = fab_link_other_end(link, vertex);
            FabHop hop = { .link = cables[i], .direction = direction_of(link, vertex),
                           .share = ways->share[vertex] * fab_link_rate(link) / total,
                           .stage = distance - fab_cables_distance(ways->cables, vertex) + 1 };
            g_array_append_val(hops, hop);
            if (ways->share[next] == 0)
                ways->queue[reached++] = next;
            ways->share[next] += hop.share;
        }
    }
    for (FabVertex vertex = from; vertex != to;) {
        uint32_t count;
        const FabTopologyLink *link = &topology->links[*fab_cables_nearer(ways->cables, vertex, &count)];
        latency_ps += link->latency_ps;
        vertex = fab_link_other_end(link, vertex);
    }
    for (uint32_t i = 0; i < reached; i++)
        ways->share[ways->queue[i]] = 0;
    return latency_ps;
}

/* The one cable of a NIC; UINT32_MAX: it has several, or none. */
static uint32_t
only_cable(const FabTopology *topology, FabVertex nic)
{
    uint32_t count, found = UINT32_MAX;
    const uint32_t *links = fab_topology_links_at(topology, nic, &count);

    for (uint32_t i = 0; i < count; i++) {
        if (!fab_is_cable(&topology->links[links[i]]))
            continue;
        if (found != UINT32_MAX)
            return UINT32_MAX;
        found = links[i];
    }
    return found;
}

static void
keep_trunk(FabNetworkWays *ways, const Trunk *key, const FabHop *hops, guint count)
{
    gsize bytes = sizeof(Trunk) + count * sizeof *hops;
    Trunk *trunk;

    if (ways->trunk_bytes + bytes > TRUNK_BYTES) {
        g_hash_table_remove_all(ways->trunks);
        ways->trunk_bytes = 0;
    }
    trunk = g_malloc(bytes);
    *trunk = *key;
    trunk->count = count;
    memcpy(trunk->hops, hops, count * sizeof *hops);
    g_hash_table_add(ways->trunks, trunk);
    ways->trunk_bytes += bytes;
}

static int64_t
take_all_ways(FabNetworkWays *ways, FabVertex from, FabVertex to, double share, GArray *hops)
{
    const FabTopologyLink *links = ways->topology->links;
    uint32_t out = only_cable(ways->topology, from), in = only_cable(ways->topology, to);
    Trunk key = { .share = share };
    const Trunk *trunk;
    guint first = hops->len;

    if (out == UINT32_MAX || in == UINT32_MAX || out == in || from == to)
        return spread_over_all(ways, from, to, share, hops);
    key.from = fab_link_other_end(&links[out], from);
    key.to = fab_link_other_end(&links[in], to);
    key.rate[0] = fab_link_rate(&links[out]);
    key.rate[1] = fab_link_rate(&links[in]);
    trunk = g_hash_table_lookup(ways->trunks, &key);
    if (trunk == NULL) {
        int64_t latency_ps = spread_over_all(ways, from, to, share, hops);
        key.latency_ps = latency_ps - links[out].latency_ps - links[in].latency_ps;
        keep_trunk(ways, &key, &g_array_index(hops, FabHop, first), hops->len - first);
        return latency_ps;
    }
    g_array_append_vals(hops, trunk->hops, trunk->count);
    g_array_index(hops, FabHop, first).link = out;
    g_array_index(hops, FabHop, first).direction = direction_of(&links[out], from);
    g_array_index(hops, FabHop, hops->len - 1).link = in;
    g_array_index(hops, FabHop, hops->len - 1).direction = direction_of(&links[in], key.to);
    return trunk->latency_ps + links[out].latency_ps + links[in].latency_ps;
}

int64_t
fab_network_way(FabNetworkWays *ways, FabVertex from, FabVertex to, uint32_t flow, double share, GArray *hops)
{
    FabRouting routing = ways->topology->network.routing;

    fab_cables_aim(ways->cables, to);
    if (fab_cables_distance(ways->cables, from) == UINT32_MAX)
        return -1;
    return routing == FAB_ROUTING_SPRAY
               ? take_all_ways(ways, from, to, share, hops)
               : take_one_way(ways, from, to, flow, share, routing == FAB_ROUTING_DETOURS, hops);
}

bool
fab_network_is_only_way(FabNetworkWays *ways, FabVertex from, FabVertex to)
{
    uint32_t count = 1;

    fab_cables_aim(ways->cables, to);
    if (ways->topology->network.routing == FAB_ROUTING_DETOURS && fab_cables_distance(ways->cables, from) > 2)
        return false;
    while (from != to && count == 1) {
        const uint32_t *cables = fab_cables_nearer(ways->cables, from, &count);
        if (count == 1)
            from = fab_link_other_end(&ways->topology->links[*cables], from);
    }
    return count <= 1;
}

/* ------------------------------------------------------------------ sums */

/* The switch in the middle of the longest way from the first NIC. */
static FabVertex
find_root(FabNetworkWays *ways, const FabVertex *nics, uint32_t count, uint32_t flow)
{
    g_autoptr(GArray) hops = g_array_new(FALSE, FALSE, sizeof(FabHop));
    uint32_t farthest = 0, most = 0;

    fab_cables_aim(ways->cables, nics[0]);
    for (uint32_t i = 1; i < count; i++) {
        uint32_t distance = fab_cables_distance(ways->cables, nics[i]);
        if (distance == UINT32_MAX)
            return FAB_VERTEX_NONE;
        if (distance > most) {
            most = distance;
            farthest = i;
        }
    }
    if (most == 0)
        return FAB_VERTEX_NONE;
    take_one_way(ways, nics[farthest], nics[0], flow, 1, false, hops);
    return fab_hop_to(ways->topology, &g_array_index(hops, FabHop, hops->len / 2 - 1));
}

int64_t
fab_network_tree(FabNetworkWays *ways, const FabVertex *nics, uint32_t count, uint32_t flow, GArray *hops)
{
    const FabTopology *topology = ways->topology;
    FabVertex root = find_root(ways, nics, count, flow);
    g_autoptr(GHashTable) passed = g_hash_table_new(NULL, NULL); /* switches whose way up is known */
    int64_t longest_ps = 0;

    if (root == FAB_VERTEX_NONE)
        return -1;
    fab_cables_aim(ways->cables, root);
    for (uint32_t i = 0; i < count; i++) {
        int64_t latency_ps = 0;
        if (fab_cables_distance(ways->cables, nics[i]) == UINT32_MAX)
            return -1;
        for (FabVertex at = nics[i]; at != root;) {
            /* Each switch has one way up, whoever it got the data from. */
            uint64_t seed = fab_mix((uint64_t)flow << 32 | topology->network.seed);
            uint64_t label = fab_mix(((uint64_t)at << 32 | root) ^ seed);
            uint32_t nearer;
            const uint32_t *cables = fab_cables_nearer(ways->cables, at, &nearer);
            FabHop hop = { .link = cables[label % nearer], .share = 1 };
            hop.direction = direction_of(&topology->links[hop.link], at);
            latency_ps += topology->links[hop.link].latency_ps;
            if (g_hash_table_add(passed, GUINT_TO_POINTER(at + 1)))
                g_array_append_val(hops, hop);
            at = fab_link_other_end(&topology->links[hop.link], at);
        }
        longest_ps = MAX(longest_ps, latency_ps);
    }
    return longest_ps;
}
