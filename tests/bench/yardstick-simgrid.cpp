/*
 * The yardstick of flows.c: the same load on the same network through SimGrid's S4U, with its flow model set to plain
 * max-min sharing (the driver gives the options). Usage: yardstick-simgrid MODE HOSTS A BYTES star|tree [--cfg=...]
 * Modes, random numbers and the line printed are those of flows.c. The time is that of the run alone; building the
 * platform is not counted.
 */
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include <simgrid/s4u.hpp>

#include "bench.h"

namespace s4u = simgrid::s4u;

namespace {

const double RATE = 450e9, LATENCY = 250e-9;
const unsigned LEAF = 16, SPINES = 8;

struct Bench {
    uint32_t hosts = 0;
    long amount = 0, steps = 0;
    uint64_t bytes = 0, done = 0;
    std::vector<s4u::Host *> at;
};

Bench bench;

std::string
host_name(unsigned long i)
{
    return "host" + std::to_string(i);
}

void
build_star()
{
    auto *zone = s4u::create_star_zone("star");

    for (uint32_t i = 0; i < bench.hosts; i++) {
        auto *host = zone->create_host(host_name(i), 1e9);
        auto *link = zone->create_split_duplex_link("link" + std::to_string(i), RATE);
        link->set_latency(LATENCY)->seal();
        zone->add_route(host->get_netpoint(), nullptr, nullptr, nullptr,
                        {{ link, s4u::LinkInRoute::Direction::UP }}, true);
        bench.at.push_back(host);
    }
    zone->seal();
}

std::pair<simgrid::kernel::routing::NetPoint *, simgrid::kernel::routing::NetPoint *>
add_leaf_host(s4u::NetZone *zone, const std::vector<unsigned long> &, unsigned long)
{
    auto *host = zone->create_host(host_name(bench.at.size()), 1e9);

    bench.at.push_back(host);
    return { host->get_netpoint(), nullptr };
}

/*
 * The links between leaves and spines (from a vertex that is no host, as their name says) take no time: SimGrid shares
 * in inverse proportion to latency, so that max-min sharing needs equal latencies.
 */
void
build_tree()
{
    simgrid::s4u::FatTreeParams shape(2, { LEAF, bench.hosts / LEAF }, { 1, SPINES }, { 1, 1 });
    s4u::ClusterCallbacks callbacks(add_leaf_host);

    s4u::create_fatTree_zone("tree", nullptr, shape, callbacks, RATE, LATENCY, s4u::Link::SharingPolicy::SPLITDUPLEX)
        ->seal();
    for (auto *link : s4u::Engine::get_instance()->get_all_links()) {
        unsigned long from = 0;
        if (std::sscanf(link->get_cname(), "link_from_%lu_", &from) == 1 && from >= bench.hosts)
            link->set_latency(0.0);
    }
}

/* ---------------------------------------------------------------- loads */

void
chain_chunk(uint32_t chunk, bool mixed)
{
    uint64_t random = chunk, size = mixed ? bench_size(&random, bench.bytes) : bench.bytes;
    uint32_t from = chunk % bench.hosts;

    for (long step = 0; step < bench.steps; step++, bench.done++) {
        uint32_t to = (from + 1) % bench.hosts;
        s4u::Comm::sendto(bench.at[from], bench.at[to], size);
        from = to;
    }
}

void
pairs_host(uint32_t host)
{
    uint64_t random = host;

    for (long i = 0; i < bench.amount; i++, bench.done++) {
        uint32_t to = bench_other(&random, bench.hosts, host);
        s4u::Comm::sendto(bench.at[host], bench.at[to], bench_size(&random, bench.bytes));
    }
}

void
wait_for(std::vector<s4u::CommPtr> &flows)
{
    bench.done += flows.size();
    s4u::Comm::wait_all(flows);
    flows.clear();
}

void
perm_rounds()
{
    std::vector<uint32_t> to(bench.hosts);
    std::vector<s4u::CommPtr> flows;
    uint64_t random = 7;

    for (uint32_t i = 0; i < bench.hosts; i++)
        to[i] = i;
    for (long round = 0; round < bench.amount; round++) {
        for (uint32_t i = bench.hosts - 1; i > 0; i--)
            std::swap(to[i], to[bench_below(&random, i + 1)]);
        for (uint32_t i = 0; i < bench.hosts; i++) {
            if (to[i] != i)
                flows.push_back(s4u::Comm::sendto_async(bench.at[i], bench.at[to[i]],
                                                        bench_size(&random, bench.bytes)));
        }
        wait_for(flows);
    }
}

void
a2a_rounds()
{
    std::vector<s4u::CommPtr> flows;

    for (long round = 0; round < bench.amount; round++) {
        for (uint32_t i = 0; i < bench.hosts * bench.hosts; i++) {
            if (i / bench.hosts != i % bench.hosts)
                flows.push_back(s4u::Comm::sendto_async(bench.at[i / bench.hosts], bench.at[i % bench.hosts],
                                                        bench.bytes));
        }
        wait_for(flows);
    }
}

void
create_actors(const std::string &mode)
{
    if (mode == "chain" || mode == "mixed") {
        bool mixed = mode == "mixed";
        for (uint32_t i = 0; i < bench.hosts * static_cast<uint32_t>(bench.amount); i++)
            s4u::Actor::create("chunk", bench.at[i % bench.hosts], [i, mixed]() { chain_chunk(i, mixed); });
    } else if (mode == "pairs") {
        for (uint32_t i = 0; i < bench.hosts; i++)
            s4u::Actor::create("host", bench.at[i], [i]() { pairs_host(i); });
    } else {
        s4u::Actor::create("rounds", bench.at[0], mode == "perm" ? perm_rounds : a2a_rounds);
    }
}

} // namespace

int
main(int argc, char **argv)
{
    s4u::Engine engine(&argc, argv);
    const char *steps = std::getenv("STEPS");
    double before, seconds;

    if (argc != 6) {
        std::fprintf(stderr, "usage: yardstick-simgrid chain|mixed|perm|pairs|a2a HOSTS A BYTES star|tree\n");
        return 2;
    }
    bench.hosts = static_cast<uint32_t>(std::atoi(argv[2]));
    bench.amount = std::atol(argv[3]);
    bench.bytes = std::strtoull(argv[4], nullptr, 10);
    bench.steps = steps != nullptr ? std::atol(steps) : 2L * (bench.hosts - 1);
    if (std::string(argv[5]) == "tree")
        build_tree();
    else
        build_star();
    before = bench_cpu();
    create_actors(argv[1]);
    engine.run();
    seconds = bench_cpu() - before;
    std::printf("items=%" PRIu64 " simulated=%.12g cpu=%.6f rate=%.0f rss_mib=%.1f\n", bench.done,
                s4u::Engine::get_clock(), seconds, static_cast<double>(bench.done) / seconds, bench_peak_mib());
    return 0;
}
