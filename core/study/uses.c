#include "study/transfer.h"

static int
compare_uses(const void *a, const void *b)
{
    const FabResultUse *x = a, *y = b;

    if (x->utilisation != y->utilisation)
        return x->utilisation > y->utilisation ? -1 : 1;
    return x->link != y->link ? (x->link < y->link ? -1 : 1) : (int)x->direction - (int)y->direction;
}

void
fab_run_add_uses(FabResultRow *row, const FabTopology *topology, const double *carried)
{
    for (uint32_t i = 0; i < topology->resource_count; i++) {
        const FabResource *resource = &topology->resources[i];
        FabResultUse use = { .link = resource->link, .bytes = carried[i] };
        if (carried[i] <= 0)
            continue;
        use.name = g_strdup(resource->name);
        use.direction = resource->link != UINT32_MAX && topology->links[resource->link].resource[1] == i;
        use.utilisation = row->time_ps > 0 ? carried[i] / (resource->capacity * (double)row->time_ps * 1e-12) : 0;
        g_array_append_val(row->uses, use);
    }
    g_array_sort(row->uses, compare_uses);
}
