#include "workload/skew.h"

#include <math.h>

/* The popularity of experts on the busiest of `ep` GPUs over the mean, when they are dealt out by chance. */
static double
dealt_by_zipf(const FabTraining *training, uint32_t experts)
{
    g_autofree double *popularity = g_new(double, experts);
    g_autoptr(GRand) chance = g_rand_new_with_seed(training->expert_seed);
    uint32_t each = experts / training->ep;
    double most = 0, all = 0;

    for (uint32_t i = 0; i < experts; i++)
        all += popularity[i] = pow(i + 1, -training->expert_zipf);
    for (uint32_t i = experts - 1; i > 0; i--) {
        uint32_t other = (uint32_t)g_rand_int_range(chance, 0, (gint32)i + 1);
        double kept = popularity[i];
        popularity[i] = popularity[other];
        popularity[other] = kept;
    }
    for (uint32_t gpu = 0; gpu < training->ep; gpu++) {
        double here = 0;
        for (uint32_t i = 0; i < each; i++)
            here += popularity[gpu * each + i];
        most = fmax(most, here);
    }
    return most / (all / training->ep);
}

double
fab_expert_skew(const FabTraining *training, const FabModel *model)
{
    if (training->ep < 2 || model->experts < training->ep)
        return 1;
    if (training->expert_skew > 0)
        return fmin(training->expert_skew, training->ep);
    return training->expert_zipf > 0 ? dealt_by_zipf(training, model->experts) : 1;
}
