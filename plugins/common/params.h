/* Short forms for tables of parameters, and the parameters that every fabric shares: its host side. */
#ifndef FAB_PLUGINS_PARAMS_H
#define FAB_PLUGINS_PARAMS_H

#include <stddef.h>

#include <fabricast/plugin.h>

#define FAB_INTEGER(name, value, min, max, help) { name, FAB_PARAM_INTEGER, "", help, value, min, max, NULL }
#define FAB_RATE(name, value, help) { name, FAB_PARAM_NUMBER, "B/s", help, value, 0, 1e15, NULL }
#define FAB_BOOLEAN(name, value, help) { name, FAB_PARAM_BOOLEAN, "", help, value, 0, 0, NULL }
#define FAB_CHOICE(name, value, choices, help) { name, FAB_PARAM_CHOICE, "", help, value, 0, 0, choices }
#define FAB_TEXT(name, value, help) { name, FAB_PARAM_TEXT, "", help, value, 0, 0, NULL }
#define FAB_PARAMS_END { NULL, FAB_PARAM_NUMBER, NULL, NULL, NULL, 0, 0, NULL }

#define FAB_BOX_GPU_PARAMS                                                                                             \
    FAB_TEXT("gpu", NULL, "model of the GPUs, such as h100-sxm"),                                                      \
    FAB_TEXT("gpu_*", NULL, "model of one GPU, where it differs: gpu_0=rtx-pro-6000-ws"),                              \
    FAB_INTEGER("gpus", NULL, 1, 1024, "GPUs in the machine"),                                                         \
    FAB_INTEGER("slots", "0", 0, 1024,                                                                                 \
                "places for GPUs that the other parameters speak of, the first ones populated; 0: as many as gpus"),   \
    FAB_CHOICE("attach", "pcie", "pcie;c2c", "what joins a GPU to its CPU"),                                           \
    FAB_RATE("c2c_rate", "450 GB/s", "attach=c2c: rate of one GPU's link to its CPU"),                                 \
    FAB_INTEGER("pcie_generation", "0", 0, 6, "PCIe generation of the slots; 0: that of the GPU; the lower counts"),   \
    FAB_INTEGER("lanes", "16", 1, 16, "PCIe lanes of every slot: 1, 2, 4, 8 or 16"),                                   \
    FAB_INTEGER("lanes_gpu_*", NULL, 1, 16, "PCIe lanes of one GPU's slot: lanes_gpu_1=4"),                            \
    FAB_TEXT("gpu_numa", "", "NUMA node of each GPU: 0-1:3 2-3:1; empty: evenly, in order")

#define FAB_BOX_CPU_PARAMS                                                                                             \
    FAB_CHOICE("cpu_vendor", "unknown", "unknown;intel;amd;nvidia", "maker of the CPUs"),                              \
    FAB_TEXT("cpu", "", "model of the CPUs, as shown"),                                                                \
    FAB_INTEGER("sockets", "1", 1, 16, "CPU sockets of a box"),                                                        \
    FAB_INTEGER("numa_per_socket", "1", 1, 8, "NUMA nodes of a socket"),                                               \
    FAB_TEXT("socket_link", "", "what joins the sockets: UPI, xGMI; empty: by cpu_vendor"),                            \
    FAB_INTEGER("socket_links", "0", 0, 16, "parallel links between two sockets; 0: by cpu_vendor"),                   \
    FAB_RATE("socket_rate", "0 GB/s", "rate of one of them; 0: by cpu_vendor and pcie_generation"),                    \
    FAB_RATE("memory_limit", "0 GB/s", "DMA to and from the memory of a NUMA node, both together; 0: no limit"),       \
    FAB_RATE("bridge_rate", "1000 GB/s",                                                                               \
             "way from a host bridge to the memory of its NUMA node; 1000 GB/s: no limit of its own")

#define FAB_BOX_PCIE_PARAMS                                                                                            \
    FAB_TEXT("host_bridges", "own",                                                                                    \
             "own: one for each GPU or switch; shared: one for each NUMA node; or which GPUs share one: 0 1/2/3 4/5"), \
    FAB_RATE("peer_limit", "0 GB/s", "peer traffic through a host bridge, all together; 0: no limit"),                 \
    FAB_TEXT("chipset_gpus", "", "GPUs that hang off the chipset: 0 2"),                                               \
    FAB_INTEGER("chipset_lanes", "4", 1, 16, "PCIe lanes from the chipset to the CPU"),                                \
    FAB_INTEGER("switches", "0", 0, 256, "PCIe switches of a box, GPUs in order below them; 0: GPUs on root ports"),   \
    FAB_INTEGER("gpus_per_switch", "0", 0, 256, "GPUs below each switch; 0: evenly"),                                  \
    FAB_CHOICE("roots", "separate", "separate;shared", "whether switches of a NUMA node share a host bridge"),         \
    FAB_INTEGER("uplink_generation", "0", 0, 6, "PCIe generation of the switches' uplinks; 0: that of the slots"),     \
    FAB_INTEGER("uplink_lanes", "16", 1, 16, "PCIe lanes of each switch's uplink"),                                    \
    FAB_TEXT("switch", "", "model of the PCIe switches, as shown"),                                                    \
    FAB_RATE("switch_peer_limit", "0 GB/s", "peer traffic through a PCIe switch, all together; 0: no limit"),          \
    FAB_TEXT("switch_links", "", "switches that are partitions of one chip, joined inside it: 0-1 2-3"),               \
    FAB_RATE("switch_link_rate", "0 GB/s", "rate of each of switch_links"),                                            \
    FAB_BOOLEAN("acs", "off", "switches redirect peer traffic to the root port"),                                      \
    FAB_BOOLEAN("write_collapse", "off", "switches whose posted writes to several root ports collapse"),               \
    FAB_CHOICE("p2p", "auto", "on;off;auto", "PCIe peer access of the driver; auto: as the stock driver of the model")

#define FAB_BOX_NIC_PARAMS                                                                                             \
    FAB_INTEGER("nics_per_node", "0", 0, 1024, "NICs of a box"),                                                       \
    FAB_INTEGER("nic_gbps", "0", 0, 10000, "rate of a NIC in Gbit/s; 0: not known"),                                   \
    FAB_TEXT("nic", "", "model of the NICs, as shown"),                                                                \
    FAB_CHOICE("nic_attach", "auto", "auto;switch;stage;bridge;numa",                                                  \
               "NICs on the GPUs' switches, on a second stage of them, on the GPUs' host bridges, or on their own;"    \
               " auto: switch where there are switches, else numa"),                                                   \
    FAB_TEXT("nic_numa", "", "nic_attach=numa: NUMA nodes of the NICs, in order: 0 1; empty: evenly"),                 \
    FAB_INTEGER("nic_generation", "0", 0, 6, "PCIe generation of the NICs; 0: that of the slots"),                     \
    FAB_INTEGER("nic_lanes", "16", 1, 16, "PCIe lanes of each NIC"),                                                   \
    FAB_TEXT("tree", "",                                                                                               \
             "the PCIe tree where the regular parameters do not fit:"                                                  \
             " numa0 { bridge { sw { gpu0-1 nic0 } } gpu2 } numa1 { sw@4x16 { stage { gpu3@x8 } } };"                  \
             " words: numaN bridge sw stage chipset gpuN nicN, @GENERATIONxLANES of the link upwards")

#define FAB_BOX_PARAMS FAB_BOX_GPU_PARAMS, FAB_BOX_CPU_PARAMS, FAB_BOX_PCIE_PARAMS, FAB_BOX_NIC_PARAMS

#endif
