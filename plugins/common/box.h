/*
 * The host side of a machine, the same for every fabric: GPUs, CPUs, host bridges, PCIe switches, NICs. One or several
 * equal boxes (trays). Reads the parameters of params.h.
 */
#ifndef FAB_PLUGINS_BOX_H
#define FAB_PLUGINS_BOX_H

#include <fabricast/plugin.h>

#include "common/tree.h"

typedef struct {
    const FabHost *host;
    FabBuilder *builder;
    uint32_t trays;
    uint32_t gpus;                /* in all boxes */
    uint32_t slots;               /* places for GPUs in one box */
    uint32_t sockets, numa_nodes; /* of one box */
    bool c2c;                     /* GPUs hang on their CPU by C2C */
    const FabGpuModel **models;   /* of GPU i */
    FabVertex *vertices;          /* of GPU i */
    FabTree tree;                 /* of one box */
} FabBox;

/* Builds everything but NVLink. False: an error is recorded. Clear the box in any case. */
bool fab_box_build(const FabHost *host, FabBuilder *builder, uint32_t trays, FabBox *box);
void fab_box_clear(FabBox *box);

/* Plans `box->tree` from the parameters. */
bool fab_layout_plan(FabBox *box);

#endif
