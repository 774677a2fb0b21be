#include "result/result.h"

static void
clear_use(gpointer data)
{
    FabResultUse *use = data;

    g_free(use->name);
}

FabResultRow *
fab_result_row_new(void)
{
    FabResultRow *row = g_new0(FabResultRow, 1);

    row->uses = g_array_new(FALSE, TRUE, sizeof(FabResultUse));
    g_array_set_clear_func(row->uses, clear_use);
    return row;
}

void
fab_result_row_free(FabResultRow *row)
{
    if (row == NULL)
        return;
    g_clear_pointer(&row->uses, g_array_unref);
    g_free(row->algorithm);
    g_free(row->protocol);
    g_free(row->binding);
    g_free(row->kind);
    g_free(row->draws);
    g_free(row->growth);
    g_free(row);
}

static void
free_fault(gpointer data)
{
    FabResultFault *fault = data;

    g_free(fault->name);
    g_free(fault->what);
    g_free(fault->alone_ps);
    g_free(fault);
}

FabResultFault *
fab_result_add_fault(FabResult *result, const char *name, const char *what)
{
    FabResultFault *fault = g_new0(FabResultFault, 1);

    fault->name = g_strdup(name);
    fault->what = g_strdup(what);
    g_ptr_array_add(result->faults, fault);
    return fault;
}

FabResult *
fab_result_new(void)
{
    FabResult *result = g_new0(FabResult, 1);

    result->root = -1;
    result->notes = g_ptr_array_new_with_free_func(g_free);
    result->rows = g_ptr_array_new_with_free_func((GDestroyNotify)fab_result_row_free);
    result->faults = g_ptr_array_new_with_free_func(free_fault);
    return result;
}

void
fab_result_free(FabResult *result)
{
    if (result == NULL)
        return;
    g_clear_pointer(&result->notes, g_ptr_array_unref);
    g_clear_pointer(&result->rows, g_ptr_array_unref);
    g_clear_pointer(&result->faults, g_ptr_array_unref);
    g_free(result->healthy_ps);
    g_free(result->name);
    g_free(result->scenario);
    g_free(result->topology);
    g_free(result->topology_title);
    g_free(result->plugin);
    g_free(result->collective);
    g_free(result->calibration);
    g_free(result->fidelity);
    g_free(result->redop);
    g_free(result->interval);
    g_free(result->datatype);
    g_free(result);
}
