/*
 * The orders in which a ring collective visits GPUs: which rings NCCL's graph search would build, judged by
 * the wiring alone.
 *
 * Three kinds of fabric, three answers:
 *
 * - Every pair is joined through NVSwitch: one ring in device order. Channels share it, since any other order
 *   would use the same ports.
 * - The GPUs form one NVLink mesh without a switch: as many directed rings as can run at once, each direction of
 *   each NVLink (lane) serving at most one of them. A ring and the same ring backwards are two: they use opposite
 *   directions. All eight GPUs of a DGX-1V give 6, of a P100 DGX-1 4, four GPUs with four links per pair 12, a
 *   pair as many as it has links. Where lanes are left over and twice as many half lanes close more rings, two
 *   rings share each lane: four fully linked GPUs have 2 whole rings, but 6 half ones, as NCCL's search finds when
 *   it tries lower speeds (52 GB/s on four P100, three times the 17.3 of a link).
 * - Anything else (islands of NVLink, PCIe, a mesh that no ring closes in): one ring, in which bridged GPUs are
 *   neighbours and the rest follows the PCIe tree: same switch, same host bridge, same NUMA node. It has the
 *   fewest edges of the worst kind, then of the next worst, and so on; direct edges come before staged ones.
 *
 * Equal choices fall to the lowest GPU index, so the same machine always gives the same rings.
 */
#ifndef FAB_TOPOLOGY_RING_H
#define FAB_TOPOLOGY_RING_H

#include "topology/route.h"

/*
 * Finds at most `max_rings` (at least 1) rings over `count` different GPUs (at least 1; indices of GPUs) and
 * returns how many. `order` has room for max_rings * count entries: order[k * count + i] is the place in `gpus` of
 * the i-th GPU of ring k, which starts with the lowest GPU index and ends at the one before it. `bandwidth`
 * (may be NULL): B/s that each ring carries when all found ones run at once, infinity for one GPU. `per_lane` (may be
 * NULL): rings that share a lane of a mesh, 1 or 2.
 *
 * Returns 0 when some GPU cannot be reached from another; fab_router_push() tells why. The search is exact for
 * machines of today's size and bounded in steps: beyond the bound it keeps the best it has found.
 */
uint32_t fab_ring_search(FabRouter *router, const uint32_t *gpus, uint32_t count, uint32_t max_rings, uint32_t *order,
                         double *bandwidth, uint32_t *per_lane);

#endif
