#include "common/nvlink.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"

/* False: out of memory, recorded. Clear in any case. */
static bool
init(FabNvlink *nvlink, const FabBox *box)
{
    *nvlink = (FabNvlink){ .box = box };
    nvlink->used = calloc(box->gpus, sizeof *nvlink->used);
    nvlink->joined = calloc((size_t)box->gpus * box->gpus, 1);
    return (nvlink->used != NULL && nvlink->joined != NULL) || box->host->fail(box->builder, "out of memory");
}

static void
clear(FabNvlink *nvlink)
{
    free(nvlink->used);
    free(nvlink->joined);
}

static bool
take_links(FabNvlink *nvlink, const char *param, uint32_t gpu, uint32_t links)
{
    const FabBox *box = nvlink->box;
    const FabGpuModel *model = box->models[gpu];

    if (model->nvlink_links == 0)
        return box->host->fail(box->builder, "%s: GPU %u (%s) has no NVLink", param, gpu, model->name);
    nvlink->used[gpu] += links;
    if (nvlink->used[gpu] > model->nvlink_links)
        return box->host->fail(box->builder, "%s: GPU %u (%s) would use %u NVLinks, it has %u", param, gpu,
                               model->name, nvlink->used[gpu], model->nvlink_links);
    return true;
}

bool
fab_nvlink_join(FabNvlink *nvlink, const char *param, uint32_t a, uint32_t b, uint32_t links)
{
    const FabBox *box = nvlink->box;
    uint32_t slots = box->slots * box->trays;
    const FabGpuModel *first, *second;
    uint8_t *joined;

    if (a >= slots || b >= slots)
        return box->host->fail(box->builder, "%s names GPU %u, must be 0 to %u (gpus, or slots)", param,
                               a >= slots ? a : b, slots - 1);
    if (a == b)
        return box->host->fail(box->builder, "%s joins GPU %u to itself, must be two GPUs", param, a);
    if (a >= box->gpus || b >= box->gpus)
        return true;
    joined = &nvlink->joined[a < b ? (size_t)a * box->gpus + b : (size_t)b * box->gpus + a];
    if (*joined)
        return box->host->fail(box->builder, "%s joins GPUs %u and %u twice, give the pair once with its number of "
                               "links", param, a, b);
    *joined = 1;
    first = box->models[a];
    second = box->models[b];
    if (links == 0)
        links = first->nvlink_links < second->nvlink_links ? first->nvlink_links : second->nvlink_links;
    if (!take_links(nvlink, param, a, links) || !take_links(nvlink, param, b, links))
        return false;
    if (first->nvlink_generation != second->nvlink_generation)
        return box->host->fail(box->builder, "%s joins GPU %u (NVLink %u) and GPU %u (NVLink %u), must be of one "
                               "generation", param, a, first->nvlink_generation, b, second->nvlink_generation);
    return box->host->add_link(box->builder, &(FabLinkSpec){
        .size = sizeof(FabLinkSpec), .a = box->vertices[a], .b = box->vertices[b], .medium = FAB_MEDIUM_NVLINK,
        .generation = first->nvlink_generation, .lanes = links,
        .bandwidth = links * (first->nvlink_link_bandwidth < second->nvlink_link_bandwidth
                                  ? first->nvlink_link_bandwidth : second->nvlink_link_bandwidth) });
}

bool
fab_nvlink_join_list(FabNvlink *nvlink, const char *param, uint32_t links)
{
    const FabBox *box = nvlink->box;
    const char *at = box->host->text(box->builder, param);

    for (fab_text_skip_separators(&at); *at != '\0'; fab_text_skip_separators(&at)) {
        const char *word = at;
        uint32_t a, b, count = links;
        bool read = fab_text_number(&at, &a) && fab_text_sign(&at, '-') && fab_text_number(&at, &b);
        if (read && fab_text_sign(&at, ':'))
            read = fab_text_number(&at, &count) && count > 0;
        if (!read || (*at != '\0' && strchr(" \t,;", *at) == NULL))
            return box->host->fail(box->builder, "%s: \"%.*s\" is not A-B or A-B:LINKS, such as 0-3:2", param,
                                   fab_text_word_length(word), word);
        if (!fab_nvlink_join(nvlink, param, a, b, count))
            return false;
    }
    return true;
}

bool
fab_nvlink_join_pairs(FabNvlink *nvlink)
{
    const FabBox *box = nvlink->box;

    return fab_nvlink_join_list(nvlink, "nvlink_pairs", (uint32_t)box->host->integer(box->builder, "nvlink_links"));
}

bool
fab_nvlink_build(const FabHost *host, FabBuilder *builder, bool (*join)(FabNvlink *nvlink))
{
    FabBox box;
    FabNvlink nvlink = { 0 };
    bool built = fab_box_build(host, builder, 1, &box);

    if (built && host->boolean(builder, "nvlink"))
        built = init(&nvlink, &box) && join(&nvlink);
    clear(&nvlink);
    fab_box_clear(&box);
    return built;
}
