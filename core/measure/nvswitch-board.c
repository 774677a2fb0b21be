#include "measure/nvswitch-board.h"

/* NVSwitch chips of the boards that are sold, from hardware overviews of each generation: DGX-2, HGX A100, HGX H100,
 * HGX B200, NVL72 rack. A count of links that is not here gets one vertex of unknown chips. */
static const struct {
    uint32_t nvlink_generation, links;
    const char *model; /* part of the GPU's id, NULL: any */
    uint32_t max_gpus, chips;
    const char *links_per_chip;
} nvswitches[] = {
    { 2, 6, NULL, 8, 6, "1" },           /* half of HGX-2 */
    { 3, 12, NULL, 8, 6, "2" },          /* HGX A100 */
    { 4, 18, NULL, 8, 4, "5;4;4;5" },    /* HGX H100, H200 */
    { 5, 18, "gb", 72, 18, "1" },        /* NVL72, also one tray of it */
    { 5, 18, NULL, 8, 2, "9" },          /* HGX B200, B300 */
};

const char *
fab_nvswitch_board_write(const FabGpuModel *gpu, uint32_t links, uint32_t gpus, GString *text)
{
    /* Two boards of 8, each chip joined to its opposite by 8 links. */
    if (gpu->nvlink_generation == 2 && links == 6 && gpus > 8 && gpus % 2 == 0) {
        g_string_append(text, "chips=12\nlinks_per_chip=1\nboards=2\nboard_links=48\n");
        return "two boards of 6 chips, as in DGX-2";
    }
    for (gsize i = 0; i < G_N_ELEMENTS(nvswitches); i++) {
        if (nvswitches[i].nvlink_generation == gpu->nvlink_generation && nvswitches[i].links == links
            && gpus <= nvswitches[i].max_gpus
            && (nvswitches[i].model == NULL || g_str_has_prefix(gpu->id, nvswitches[i].model))) {
            g_string_append_printf(text, "chips=%u\nlinks_per_chip=%s\n", nvswitches[i].chips,
                                   nvswitches[i].links_per_chip);
            return "chips as on boards sold with this GPU";
        }
    }
    g_string_append_printf(text, "chips=1\nlinks_per_chip=%u\n", links);
    return "the number of chips is not known and written as 1";
}
