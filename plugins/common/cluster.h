/*
 * What every network of a cluster shares: its nodes, machines of the catalogue, and how switches and cables are added.
 * A plugin reads FAB_CLUSTER_PARAMS by fab_cluster_read(), then joins the NICs.
 */
#ifndef FAB_PLUGINS_CLUSTER_H
#define FAB_PLUGINS_CLUSTER_H

#include "common/params.h"

#define FAB_SECONDS(name, value, help) { name, FAB_PARAM_NUMBER, "s", help, value, 0, 1e-3, NULL }
#define FAB_RATIO(name, value, min, max, help) { name, FAB_PARAM_NUMBER, "", help, value, min, max, NULL }

#define FAB_CLUSTER_NODE_PARAMS                                                                                        \
    FAB_TEXT("node_*", NULL, "machine of one node, where it differs: node_3=dgx-a100"),                                \
    FAB_TEXT("node.*", NULL, "a parameter of the nodes' machine: node.gpu=h200-sxm"),                                  \
    FAB_INTEGER("nodes", NULL, 1, 65536, "nodes; their GPUs are ranks node by node"),                                  \
    FAB_INTEGER("planes", "1", 1, 16, "equal networks side by side, each with its share of every NIC's rate"),         \
    FAB_RATE("nic_rate", "0 GB/s", "rate of a NIC in each direction; 0: as the nodes' machine says")

#define FAB_CLUSTER_NETWORK_PARAMS                                                                                     \
    FAB_CHOICE("medium", "infiniband", "infiniband;ethernet", "what cables and switches speak"),                       \
    FAB_TEXT("switch", "", "model of the switches, as shown"),                                                         \
    FAB_SECONDS("switch_latency", "0 ns", "through a switch; 0: 200 ns InfiniBand, 800 ns Ethernet"),                  \
    FAB_SECONDS("cable_latency", "50 ns", "along a cable: 5 ns a metre"),                                              \
    FAB_SECONDS("nic_latency", "200 ns", "through a NIC, beside its PCIe link"),                                       \
    FAB_TEXT("down", "", "switches and NICs that are down, with their cables: Leaf 3, Node 0 NIC 5"),                  \
    FAB_RATIO("down_rate", "0", 0, 0.99, "share of the rate that the NICs of `down` keep: a cable at reduced width"),  \
    FAB_SECONDS("message_time", "0 us", "software of a message beyond InfiniBand's: about 17 us for EFA"),             \
    FAB_SECONDS("message_gap", "0 us", "time of the NIC that a message takes beside its bytes: 5.5 us for Slingshot"), \
    FAB_CHOICE("transport", "rdma", "rdma;tcp",                                                                        \
               "NICs move data by themselves; or a CPU thread of each GPU copies it through sockets, by host memory"), \
    FAB_RATE("thread_rate", "3.3 GB/s", "transport=tcp: what such a thread moves, sent and received together"),        \
    FAB_SECONDS("thread_time", "6 us", "a GPU's proxy thread is busy with each message, at each end: 6 us for"         \
                " transport=tcp; transport=rdma: nothing unless given"),                                               \
    FAB_BOOLEAN("in_order", "on", "NICs write a message's bytes in order, as LL and LL128 need; off: EFA of A100"      \
                " instances, where NCCL keeps to Simple"),                                                             \
    FAB_CHOICE("routing", "static", "static;adaptive;spray;detours",                                                   \
               "which of several equally short ways: by hash; the least taken; packet by packet over all; or the least"\
               " taken, and longer ones where these are full"),                                                        \
    FAB_CHOICE("flow_control", "ideal", "ideal;lossless",                                                              \
               "full ports hold back what passes them and nothing else; or, as credits and PFC do, the cables before"  \
               " them with all that those carry"),                                                                     \
    FAB_INTEGER("seed", "0", 0, 4294967295., "routing=static: another seed draws other ways"),                         \
    FAB_CHOICE("gdr", "pxb", "off;pxb;phb;sys",                                                                        \
               "farthest that a NIC may be from GPU memory that it reads and writes (GPUDirect RDMA): below the"       \
               " same PCIe switches, in the same NUMA node, anywhere"),                                                \
    FAB_BOOLEAN("sharp", "off", "switches reduce, as collnet-direct, collnet-chain and nvls over nodes need"),         \
    FAB_RATE("sharp_rate", "0 GB/s", "most that a switch reduces of one stream; 0: as fast as the cables"),            \
    FAB_BOOLEAN("pxn", "on", "data for another rail goes over NVLink to the GPU beside that NIC first; transport=tcp:" \
                " off unless given")

#define FAB_CLUSTER_PARAMS                                                                                             \
    FAB_TEXT("node", NULL, "machine of the catalogue that every node is"), FAB_CLUSTER_NODE_PARAMS,                    \
        FAB_CLUSTER_NETWORK_PARAMS

typedef struct {
    const FabHost *host;
    FabBuilder *builder;
    uint32_t nodes, planes;
    FabNode *node;
    uint32_t nics, most_nics; /* of all nodes; of the node that has most */
    double rate;              /* B/s of a port of a switch, that of the fastest NIC in one plane */
    double given_rate;        /* nic_rate */
    FabMedium medium;
    double switch_latency, cable_latency, nic_latency;
    const char *down; /* what is down, and the share of their rate that NICs keep */
    double down_rate;
    bool *met;        /* which entries of it were found */
    char *first_switch; /* its name, an example for messages */
} FabCluster;

/* Adds the nodes and sets the routing. False: an error is recorded. Clear the cluster in any case. */
bool fab_cluster_read(const FabHost *host, FabBuilder *builder, FabCluster *cluster);
void fab_cluster_clear(FabCluster *cluster);

/* A switch; printf-like name. FAB_VERTEX_NONE: it is down, cables to it are left out. */
FabVertex fab_cluster_add_switch(const FabCluster *cluster, const char *format, ...)
#ifdef __GNUC__
    __attribute__((format(printf, 2, 3)))
#endif
    ;

/* One cable from NIC `nic` of node `node` to a switch of one plane. */
bool fab_cluster_link_nic(const FabCluster *cluster, uint32_t node, uint32_t nic, FabVertex to);
/* Cables between two switches, each a link of its own: what hashing collides on. */
bool fab_cluster_link_switches(const FabCluster *cluster, FabVertex a, FabVertex b, uint32_t cables);

/* Ports upwards of a switch with `down` ports downwards. */
uint32_t fab_cluster_uplinks(uint32_t down, double oversubscription);
/*
 * The fewest spines of `radix` ports for `leaves` with `up` cables each, spread evenly; 0: no number of them has
 * enough ports.
 */
uint32_t fab_cluster_spines(uint32_t leaves, uint32_t up, uint32_t radix);

#endif
