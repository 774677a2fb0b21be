/* The devices of an NCCL topology: what is read from it. What it implies is import-nccl-topology.c. */
#ifndef FAB_MEASURE_NCCL_TOPOLOGY_H
#define FAB_MEASURE_NCCL_TOPOLOGY_H

#include "measure/draft.h"
#include "measure/nccl-xml.h"

typedef struct {
    char *target; /* bus id as written, lower case */
    int64_t class; /* 0x068000: NVSwitch */
    uint32_t count;
} FabNcclLink;

typedef struct {
    xmlNode *node;  /* its <pci> */
    char *bus;      /* lower case */
    int64_t dev;    /* number that CUDA gives it, -1: not said */
    const char *id; /* of the catalogue, or NULL */
    uint32_t numa;  /* index into the machine's NUMA nodes */
    GArray *links;  /* FabNcclLink */
    bool c2c;
} FabNcclGpu;

typedef struct {
    xmlNode *node;
    char *name, *bus;
    uint32_t numa, gbps; /* gbps 0: not said */
} FabNcclNic;

typedef struct {
    const char *path;
    GPtrArray *gpus, *nics; /* FabNcclGpu in the order of CUDA's numbers, FabNcclNic in the order of the file */
    GPtrArray *cpus;        /* xmlNode of <cpu>, by index of NUMA node; NULL where the file has none */
    const char *cpu_vendor; /* "intel", "amd", "nvidia", "unknown" */
    uint32_t virtual_nics;  /* without a place on PCIe */
} FabNcclTopology;

/* `document` must outlive it. Owned by the caller. */
FabNcclTopology *fab_nccl_topology_read(const char *path, xmlDoc *document, const FabImportOptions *options,
                                        GError **error);
void fab_nccl_topology_free(FabNcclTopology *topology);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabNcclTopology, fab_nccl_topology_free)

typedef enum { FAB_NCCL_PCI_BRIDGE, FAB_NCCL_PCI_GPU, FAB_NCCL_PCI_NIC, FAB_NCCL_PCI_OTHER } FabNcclPci;

/* By its class, and by what is below it. */
FabNcclPci fab_nccl_pci_kind(xmlNode *pci);

/* PCIe generation of "16.0 GT/s PCIe", 0: not known. */
uint32_t fab_nccl_pci_generation(xmlNode *pci);

#endif
