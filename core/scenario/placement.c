#include "scenario/placement.h"

#include <string.h>

#include "base/error.h"

#define GROUP "parallel"
#define KEY "order"

static const char *const names[] = { "tp", "cp", "dp", "pp", NULL };
static const uint8_t usual[FAB_AXES] = { FAB_AXIS_TP, FAB_AXIS_CP, FAB_AXIS_DP, FAB_AXIS_PP };

/* What was never read is the usual order. */
static const uint8_t *
order_of(const FabTraining *training)
{
    return training->order[0] == training->order[1] ? usual : training->order;
}

static uint32_t
degree(const FabTraining *training, FabAxis axis)
{
    const uint32_t degrees[FAB_AXES] = { training->tp, training->cp, training->dp, training->pp };

    return degrees[axis];
}

static bool
refuse(const FabKeyfile *file, const char *text, const char *what, GError **error)
{
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "is \"%.60s\", %s", text, what);
    fab_keyfile_prefix_error(file, GROUP, KEY, error);
    return false;
}

/* Each of the four once. */
static bool
parse(const char *text, uint8_t order[FAB_AXES])
{
    g_auto(GStrv) words = g_strsplit(text, ",", -1);
    uint32_t seen = 0;

    if (g_strv_length(words) != FAB_AXES)
        return false;
    for (int i = 0; i < FAB_AXES; i++) {
        uint8_t axis = 0;
        while (names[axis] != NULL && strcmp(names[axis], g_strstrip(words[i])) != 0)
            axis++;
        if (names[axis] == NULL || (seen & 1u << axis) != 0)
            return false;
        seen |= 1u << axis;
        order[i] = axis;
    }
    return true;
}

bool
fab_placement_read(FabKeyfile *file, FabTraining *training, GError **error)
{
    const char *text = fab_keyfile_get(file, GROUP, KEY);
    int cp = 0, dp = 0;

    memcpy(training->order, usual, sizeof usual);
    if (text == NULL)
        return true;
    if (!parse(text, training->order))
        return refuse(file, text, "must name tp, cp, dp and pp once each: those whose ranks are neighbours first",
                      error);
    while (training->order[cp] != FAB_AXIS_CP)
        cp++;
    while (training->order[dp] != FAB_AXIS_DP)
        dp++;
    if (ABS(cp - dp) != 1)
        return refuse(file, text, "cp and dp must be next to each other: their ranks exchange gradients as one group",
                      error);
    return true;
}

uint32_t
fab_placement_stride(const FabTraining *training, FabAxis axis)
{
    const uint8_t *order = order_of(training);
    uint32_t stride = 1;

    for (int i = 0; order[i] != axis; i++)
        stride *= degree(training, order[i]);
    return stride;
}

uint32_t
fab_placement_replica_stride(const FabTraining *training)
{
    return MIN(fab_placement_stride(training, FAB_AXIS_CP), fab_placement_stride(training, FAB_AXIS_DP));
}

uint32_t
fab_placement_of(const FabTraining *training, uint32_t rank, FabAxis axis)
{
    return rank / fab_placement_stride(training, axis) % degree(training, axis);
}

uint32_t
fab_placement_replica_of(const FabTraining *training, uint32_t rank)
{
    return rank / fab_placement_replica_stride(training) % (training->cp * training->dp);
}

uint32_t
fab_placement_rank(const FabTraining *training, uint32_t stage, uint32_t within)
{
    return stage * fab_placement_stride(training, FAB_AXIS_PP) +
           within % training->tp * fab_placement_stride(training, FAB_AXIS_TP) +
           within / training->tp * fab_placement_replica_stride(training);
}

char *
fab_placement_unusual(const FabTraining *training)
{
    const uint8_t *order = order_of(training);

    if (memcmp(order, usual, sizeof usual) == 0)
        return NULL;
    return g_strdup_printf("%s,%s,%s,%s", names[order[0]], names[order[1]], names[order[2]], names[order[3]]);
}
