#include "measure/gpu-name.h"

#include <glib.h>
#include <string.h>

/* Names as cudaGetDeviceProperties() gives them, without "NVIDIA", "Tesla" and "GeForce"; seen in published logs of
 * nccl-tests and nvidia-smi, the rest as the vendor's driver lists them. */
static const struct {
    const char *name, *id;
} names[] = {
    { "P100-SXM2-16GB", "p100-sxm2" },
    { "V100-SXM2-16GB", "v100-sxm2" },
    { "V100-SXM2-32GB", "v100-sxm2" },
    { "V100-SXM3-32GB", "v100-sxm2" },
    { "V100-PCIE-16GB", "v100-pcie" },
    { "T4", "t4" },
    { "A100-SXM4-40GB", "a100-sxm-40" },
    { "A100-SXM4-80GB", "a100-sxm-80" },
    { "A100-SXM-64GB", "a100-sxm-64" },
    { "A100-SXM4-64GB", "a100-sxm-64" },
    { "A100-PCIE-40GB", "a100-pcie-40" },
    { "A100 80GB PCIe", "a100-pcie-80" },
    { "A800-SXM4-80GB", "a800-sxm-80" },
    { "A10", "a10" },
    { "A40", "a40" },
    { "RTX A4000", "rtx-a4000" },
    { "RTX A5000", "rtx-a5000" },
    { "RTX A6000", "rtx-a6000" },
    { "RTX 2080 Ti", "rtx-2080ti" },
    { "RTX 3070 Ti", "rtx-3070ti" },
    { "RTX 3090", "rtx-3090" },
    { "RTX 3090 Ti", "rtx-3090-ti" },
    { "RTX 4090", "rtx-4090" },
    { "RTX 5090", "rtx-5090" },
    { "TITAN RTX", "titan-rtx" },
    { "Quadro RTX 8000", "quadro-rtx-8000" },
    { "RTX 5000 Ada Generation", "rtx-5000-ada" },
    { "RTX 6000 Ada Generation", "rtx-6000-ada" },
    { "RTX PRO 6000 Blackwell Workstation Edition", "rtx-pro-6000-ws" },
    { "RTX PRO 6000 Blackwell Server Edition", "rtx-pro-6000-se" },
    { "L4", "l4" },
    { "L40S", "l40s" },
    { "H100 PCIe", "h100-pcie" },
    { "H100 80GB HBM3", "h100-sxm" },
    { "H100 SXM5 80GB", "h100-sxm" },
    { "H100 NVL", "h100-nvl" },
    { "H100 SXM5 96GB", "h100-sxm-96" },
    { "H800", "h800-sxm" },
    { "H20", "h20" },
    { "H200", "h200-sxm" },
    { "H200 NVL", "h200-nvl" },
    { "GH200 120GB", "gh200-96" },
    { "GH200 480GB", "gh200-96" },
    { "GH200 144G HBM3e", "gh200-144" },
    { "B200", "b200-sxm" },
    { "B300 SXM6 AC", "b300-sxm" },
    { "GB200", "gb200" },
    { "GB300", "gb300" },
};

const char *
fab_gpu_id_of_name(const char *name)
{
    static const char *const makers[] = { "NVIDIA ", "Tesla ", "GeForce " };

    for (gsize i = 0; i < G_N_ELEMENTS(makers); i++) {
        if (g_str_has_prefix(name, makers[i]))
            name += strlen(makers[i]);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        if (g_ascii_strcasecmp(name, names[i].name) == 0)
            return names[i].id;
    }
    return NULL;
}

/*
 * PCI device identifiers of vendor 10de, after https://pci-ids.ucw.cz. Identifiers that several models share are left
 * out. Not re-checked against a table: 15f9, 2203, 26b2, 26b9, 2b85, 2bb1, 2bb5, 2342, 2348, 3182.
 */
static const struct {
    int64_t device;
    const char *id;
} devices[] = {
    { 0x15f9, "p100-sxm2" },    { 0x1db1, "v100-sxm2" },    { 0x1db5, "v100-sxm2" },       { 0x1db4, "v100-pcie" },
    { 0x1db6, "v100-pcie" },    { 0x1eb8, "t4" },           { 0x20b0, "a100-sxm-40" },     { 0x20b2, "a100-sxm-80" },
    { 0x20f1, "a100-pcie-40" }, { 0x20b5, "a100-pcie-80" }, { 0x20f3, "a800-sxm-80" },     { 0x2236, "a10" },
    { 0x2235, "a40" },          { 0x24b0, "rtx-a4000" },    { 0x2231, "rtx-a5000" },       { 0x2230, "rtx-a6000" },
    { 0x1e04, "rtx-2080ti" },   { 0x1e07, "rtx-2080ti" },   { 0x1e02, "titan-rtx" },       { 0x2482, "rtx-3070ti" },
    { 0x2204, "rtx-3090" },     { 0x2203, "rtx-3090-ti" },  { 0x2684, "rtx-4090" },        { 0x2b85, "rtx-5090" },
    { 0x26b1, "rtx-6000-ada" }, { 0x26b2, "rtx-5000-ada" }, { 0x27b8, "l4" },              { 0x26b9, "l40s" },
    { 0x2bb1, "rtx-pro-6000-ws" }, { 0x2bb5, "rtx-pro-6000-se" },
    { 0x2331, "h100-pcie" },    { 0x2330, "h100-sxm" },     { 0x2321, "h100-nvl" },        { 0x2324, "h800-sxm" },
    { 0x2329, "h20" },          { 0x2335, "h200-sxm" },     { 0x233b, "h200-nvl" },        { 0x2342, "gh200-96" },
    { 0x2348, "gh200-144" },    { 0x2901, "b200-sxm" },     { 0x3182, "b300-sxm" },        { 0x2941, "gb200" },
    { 0x31c2, "gb300" },
};

const char *
fab_gpu_id_of_pci(int64_t device)
{
    for (gsize i = 0; i < G_N_ELEMENTS(devices); i++) {
        if (devices[i].device == device)
            return devices[i].id;
    }
    return NULL;
}
