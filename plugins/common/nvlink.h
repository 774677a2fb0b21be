/* NVLinks between GPUs, checked against the links that each GPU has. */
#ifndef FAB_PLUGINS_NVLINK_H
#define FAB_PLUGINS_NVLINK_H

#include "common/box.h"
#include "common/params.h"

/* Parameters of every fabric that can have NVLink. */
#define FAB_NVLINK_PARAMS FAB_BOOLEAN("nvlink", "on", "off: as if no NVLink were there")

#define FAB_NVLINK_PAIR_PARAMS                                                                                         \
    FAB_TEXT("nvlink_pairs", "", "pairs of GPUs joined by an NVLink bridge: 0-2 1-3, or with links 0-2:4"),            \
    FAB_INTEGER("nvlink_links", "0", 0, 64, "NVLinks between two bridged GPUs; 0: as many as the GPU has for them")

typedef struct {
    const FabBox *box;
    uint32_t *used;  /* links of GPU i that are taken */
    uint8_t *joined; /* gpus x gpus */
} FabNvlink;

/*
 * Joins GPUs a and b by `links` NVLinks (0: all of the GPU's). `param` names the origin in messages. A pair with an
 * end in an empty slot is left out.
 */
bool fab_nvlink_join(FabNvlink *nvlink, const char *param, uint32_t a, uint32_t b, uint32_t links);

/* Joins the pairs that text parameter `param` lists as A-B or A-B:LINKS; `links` for those that do not say. */
bool fab_nvlink_join_list(FabNvlink *nvlink, const char *param, uint32_t links);

/* Joins the pairs that FAB_NVLINK_PAIR_PARAMS list. */
bool fab_nvlink_join_pairs(FabNvlink *nvlink);

/* A machine of one box: its host side and, unless nvlink=off, the NVLinks that `join` adds. */
bool fab_nvlink_build(const FabHost *host, FabBuilder *builder, bool (*join)(FabNvlink *nvlink));

#endif
