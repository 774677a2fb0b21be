#include "nvml.h"

#include <stdio.h>
#include <string.h>

#include "library.h"

/* Declared here, so that no header of NVML is needed; the layout and the numbers are those of its API, version 2. */
typedef struct {
    char bus_id_legacy[16];
    unsigned domain, bus, device, pci_device_id, pci_subsystem_id;
    char bus_id[32];
} PciInfo;

typedef void *Device;

static struct {
    int (*init)(void);
    int (*shutdown)(void);
    int (*driver)(char *text, unsigned size);
    int (*device)(const char *bus_id, Device *device);
    int (*clock)(Device device, int domain, unsigned *mhz);
    int (*ecc)(Device device, int *now, int *pending);
    int (*ancestor)(Device one, Device other, int *level);
    int (*link_state)(Device device, unsigned link, int *active);
    int (*link_peer)(Device device, unsigned link, PciInfo *peer);
    int (*pcie_generation)(Device device, unsigned *generation);
    int (*pcie_width)(Device device, unsigned *width);
} nvml;

enum { CLOCK_SM = 1, CLOCK_MEMORY = 2, MOST_LINKS = 18 };

static const FabmSymbol symbols[] = {
    { "nvmlInit_v2", &nvml.init },
    { "nvmlShutdown", &nvml.shutdown },
    { "nvmlSystemGetDriverVersion", &nvml.driver },
    { "nvmlDeviceGetHandleByPciBusId_v2", &nvml.device },
    { "nvmlDeviceGetClockInfo", &nvml.clock },
    { "nvmlDeviceGetEccMode", &nvml.ecc },
    { "nvmlDeviceGetTopologyCommonAncestor", &nvml.ancestor },
    { "nvmlDeviceGetNvLinkState", &nvml.link_state },
    { "nvmlDeviceGetNvLinkRemotePciInfo_v2", &nvml.link_peer },
    { "nvmlDeviceGetMaxPcieLinkGeneration", &nvml.pcie_generation },
    { "nvmlDeviceGetCurrPcieLinkWidth", &nvml.pcie_width },
    { NULL, NULL },
};

/* The library, initialised, or NULL. */
static void *
open_nvml(void)
{
    static const char *const names[] = { "libnvidia-ml.so.1", NULL };
    FabmFailure ignored = { 0 };
    void *library = fabm_library_open("NVML", NULL, names, symbols, "", &ignored);

    if (library != NULL && nvml.init() != 0) {
        fabm_library_close(library);
        library = NULL;
    }
    return library;
}

static void
close_nvml(void *library)
{
    if (library == NULL)
        return;
    (void)nvml.shutdown();
    fabm_library_close(library);
}

static bool
find_device(FabmBackend *backend, int gpu, FabmGpu *info, Device *device)
{
    FabmFailure ignored = { 0 };

    return backend->info(backend, gpu, info, &ignored) && nvml.device(info->bus_id, device) == 0;
}

/* "SM 1980 MHz, memory 3201 MHz; ..." for each GPU. */
void
fabm_nvml_clocks(FabmReport *report, const char *key, FabmBackend *backend, const int *gpus, int count)
{
    void *library = open_nvml();
    FabmText text = { 0 };

    for (int i = 0; library != NULL && i < count; i++) {
        unsigned sm = 0, memory = 0;
        FabmGpu info;
        Device device;

        if (find_device(backend, gpus[i], &info, &device) && nvml.clock(device, CLOCK_SM, &sm) == 0 &&
            nvml.clock(device, CLOCK_MEMORY, &memory) == 0)
            fabm_text_add(&text, "%sGPU %d: SM %u MHz, memory %u MHz", text.length > 0 ? "; " : "", gpus[i], sm,
                          memory);
    }
    if (text.length > 0)
        fabm_report_fact(report, "run", key, "%s", text.data);
    fabm_text_clear(&text);
    close_nvml(library);
}

/* ------------------------------------------------------------------ matrix */

/* Bus ids are written with 4 or 8 digits of the domain: what follows them is compared. */
static bool
same_bus(const char *a, const char *b)
{
    const char *x = strchr(a, ':'), *y = strchr(b, ':');

    return x != NULL && y != NULL && strcasecmp(x, y) == 0;
}

/* NVLinks between two GPUs: those that end at the other one; where none ends at any GPU, all, as a switch has them. */
static int
count_links(Device device, const char *other, const FabmGpu *gpus, int count)
{
    int direct = 0, elsewhere = 0, other_gpus = 0;

    for (unsigned link = 0; link < MOST_LINKS; link++) {
        PciInfo peer = { .bus_id = "" };
        int active = 0;
        bool to_gpu = false;

        if (nvml.link_state(device, link, &active) != 0 || !active || nvml.link_peer(device, link, &peer) != 0)
            continue;
        for (int i = 0; i < count; i++)
            to_gpu = to_gpu || same_bus(peer.bus_id, gpus[i].bus_id);
        if (same_bus(peer.bus_id, other))
            direct++;
        else if (to_gpu)
            other_gpus++;
        else
            elsewhere++;
    }
    return direct > 0 || other_gpus > 0 ? direct : elsewhere;
}

/* As nvidia-smi names them; the levels are those of NVML. */
static void
name_path(Device one, Device other, int links, char name[16])
{
    static const char *const names[] = { "PIX", "PIX", "PXB", "PHB", "NODE", "SYS" };
    int level = 0;

    if (links > 0)
        snprintf(name, 16, "NV%d", links);
    else if (nvml.ancestor(one, other, &level) != 0 || level < 0 || level > 50)
        snprintf(name, 16, "N/A");
    else
        snprintf(name, 16, "%s", names[level / 10]);
}

static void
describe_matrix(FabmReport *report, const Device *devices, const FabmGpu *infos, int count)
{
    FabmText text = { 0 };
    char name[16];

    for (int i = 0; i < count; i++)
        fabm_text_add(&text, "\tGPU%d", i);
    fabm_text_add(&text, "\n");
    for (int i = 0; i < count; i++) {
        fabm_text_add(&text, "GPU%d", i);
        for (int j = 0; j < count; j++) {
            snprintf(name, sizeof name, " X ");
            if (i != j)
                name_path(devices[i], devices[j], count_links(devices[i], infos[j].bus_id, infos, count), name);
            fabm_text_add(&text, "\t%s", name);
        }
        fabm_text_add(&text, "\n");
    }
    fabm_report_matrix(report, text.data);
    fabm_text_clear(&text);
}

void
fabm_nvml_describe(FabmReport *report, FabmBackend *backend, const int *gpus, int count)
{
    void *library = open_nvml();
    FabmGpu infos[64];
    Device devices[64];
    char driver[96] = "";
    unsigned generation = 0, width = 0;
    int ecc = 0, pending = 0, found = 0;

    while (library != NULL && found < count && find_device(backend, gpus[found], &infos[found], &devices[found]))
        found++;
    if (found == count && count > 0) {
        if (nvml.driver(driver, sizeof driver) == 0)
            fabm_report_fact(report, "run", "driver", "%s", driver);
        if (nvml.ecc(devices[0], &ecc, &pending) == 0)
            fabm_report_fact(report, "system", "ecc", "%s", ecc ? "yes" : "no");
        if (nvml.pcie_generation(devices[0], &generation) == 0 && generation > 0)
            fabm_report_fact(report, "system", "pcie_generation", "%u", generation);
        if (nvml.pcie_width(devices[0], &width) == 0 && width > 0)
            fabm_report_fact(report, "system", "pcie_width", "%u", width);
        describe_matrix(report, devices, infos, count);
    }
    close_nvml(library);
}
