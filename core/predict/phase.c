#include "predict/phase.h"

#include <string.h>

/* While a phase is filled it has a binding for each place. */
static void
binding_free(gpointer pointer)
{
    FabBinding *binding = pointer;

    g_free(binding->what);
    g_free(binding->where);
    g_free(binding);
}

static void
phase_free(gpointer pointer)
{
    FabPhase *phase = pointer;

    g_ptr_array_unref(phase->bindings);
    g_free(phase);
}

GPtrArray *
fab_phases_new(void)
{
    return g_ptr_array_new_with_free_func(phase_free);
}

FabPhase *
fab_phases_add(GPtrArray *phases, const char *name, double start_s)
{
    FabPhase *phase = g_new0(FabPhase, 1);

    phase->name = name;
    phase->start_s = start_s;
    phase->bindings = g_ptr_array_new_with_free_func(binding_free);
    g_ptr_array_add(phases, phase);
    return phase;
}

void
fab_phase_bind(FabPhase *phase, const char *what, const char *where, double seconds)
{
    FabBinding *binding;

    if (seconds <= 0)
        return;
    phase->seconds += seconds;
    for (guint i = 0; i < phase->bindings->len; i++) {
        binding = phase->bindings->pdata[i];
        if (strcmp(binding->what, what) == 0 && g_strcmp0(binding->where, where) == 0) {
            binding->seconds += seconds;
            return;
        }
    }
    binding = g_new(FabBinding, 1);
    *binding = (FabBinding) { g_strdup(what), g_strdup(where), where != NULL ? 1 : 0, seconds };
    g_ptr_array_add(phase->bindings, binding);
}

/* The longest first; what is as long stays in the order in which it came. */
static void
sort(GPtrArray *bindings)
{
    for (guint i = 1; i < bindings->len; i++) {
        FabBinding *binding = bindings->pdata[i];
        guint k = i;
        for (; k > 0 && ((FabBinding *)bindings->pdata[k - 1])->seconds < binding->seconds; k--)
            bindings->pdata[k] = bindings->pdata[k - 1];
        bindings->pdata[k] = binding;
    }
}

/* Places of the same kind become one, named by the busiest. */
static void
join_places(GPtrArray *bindings)
{
    for (guint i = 0; i < bindings->len; i++) {
        FabBinding *first = bindings->pdata[i];
        for (guint k = i + 1; k < bindings->len;) {
            const FabBinding *other = bindings->pdata[k];
            if (strcmp(first->what, other->what) != 0) {
                k++;
                continue;
            }
            first->seconds += other->seconds;
            first->places += other->places;
            g_ptr_array_remove_index(bindings, k);
        }
    }
}

void
fab_phases_close(GPtrArray *phases)
{
    for (guint i = 0; i < phases->len; i++) {
        const FabPhase *phase = phases->pdata[i];
        sort(phase->bindings);
        join_places(phase->bindings);
        sort(phase->bindings);
    }
}

const char *
fab_phase_resource(const FabTopology *topology, uint32_t number)
{
    const FabResource *resource = &topology->resources[number];

    switch (resource->kind) {
    case FAB_RESOURCE_LINK:
        return topology->links[resource->link].label;
    case FAB_RESOURCE_PEER:
        return "peer traffic through PCIe switches and host bridges";
    case FAB_RESOURCE_HOST_PORT:
        return "the GPUs' way to host memory";
    case FAB_RESOURCE_MEMORY:
        return "memory of NUMA nodes";
    default:
        return resource->name;
    }
}
