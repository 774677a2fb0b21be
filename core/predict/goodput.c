#include "predict/goodput.h"

#include <math.h>

#include "base/error.h"

/* Below it nothing is ever done: a month has 2.6e6 seconds. */
#define LEAST_WORK 1e-6

const char *const fab_spent_names[] = { "work", "checkpoints", "again", "detection", "restart", "waiting", NULL };

double
fab_young_interval(double write, double mtbf)
{
    return sqrt(2 * write * mtbf);
}

/* Daly 2006: his higher-order estimate. */
double
fab_daly_interval(double write, double mtbf)
{
    double ratio = write / (2 * mtbf);

    if (write >= 2 * mtbf)
        return mtbf;
    return sqrt(2 * write * mtbf) * (1 + sqrt(ratio) / 3 + ratio / 9) - write;
}

/* The zero of (1 - t) e^t = e^-d, with t the interval and d the write over the mean time between failures. */
double
fab_best_interval(double write, double mtbf)
{
    double low = 0, high = 1, wanted = exp(-write / mtbf);

    for (int i = 0; i < 200; i++) { /* (1 - t) e^t falls from 1 to 0 */
        double middle = (low + high) / 2;
        if ((1 - middle) * exp(middle) > wanted)
            low = middle;
        else
            high = middle;
    }
    return low * mtbf;
}

double
fab_erlang_b(uint32_t servers, double load)
{
    double blocked = 1;

    for (uint32_t i = 1; i <= servers; i++)
        blocked = load * blocked / (i + load * blocked);
    return blocked;
}

/* Shares of the time in which no node is waited for; Daly 2006, section 2. */
static void
share_out(const FabGoodputSpec *spec, FabGoodput *goodput, double running)
{
    double mtbf = goodput->mtbf, away = spec->detection + spec->restart;
    double segment = goodput->interval + goodput->write; /* work and its checkpoint */
    double failed = expm1(segment / mtbf);               /* failures until one is through */
    double restarts = failed * mtbf * expm1(away / mtbf); /* as long as it takes until one of them is through */
    double all = failed * mtbf + restarts;

    goodput->spent[FAB_SPENT_WORK] = running * goodput->interval / all;
    goodput->spent[FAB_SPENT_CHECKPOINT] = running * goodput->write / all;
    goodput->spent[FAB_SPENT_AGAIN] = running * fmax(failed * mtbf - segment, 0) / all;
    if (away > 0) {
        goodput->spent[FAB_SPENT_DETECTION] = running * restarts / all * spec->detection / away;
        goodput->spent[FAB_SPENT_RESTART] = running * restarts / all * spec->restart / away;
    }
    goodput->spent[FAB_SPENT_WAITING] = 1 - running;
}

bool
fab_goodput(const FabGoodputSpec *spec, const double parts[FAB_PART_KINDS], double bytes, const char *where,
            FabGoodput *goodput, GError **error)
{
    double rate = 0, running = 1;

    *goodput = (FabGoodput) { .period = spec->period, .source = spec->source, .chosen = spec->interval <= 0 };
    for (int i = 0; i < FAB_PART_KINDS; i++) {
        goodput->parts[i] = parts[i];
        rate += spec->mtbf[i] > 0 ? parts[i] / spec->mtbf[i] : 0;
    }
    goodput->write = spec->write > 0 ? spec->write : (spec->bytes > 0 ? spec->bytes : bytes) / spec->storage_rate;
    if (rate <= 0) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: [goodput] has rates of parts that the machine does not have; give those of its GPUs, gpu_mtbf",
                    where);
        return false;
    }
    goodput->mtbf = 1 / rate;
    goodput->best = fab_best_interval(goodput->write, goodput->mtbf);
    goodput->young = fab_young_interval(goodput->write, goodput->mtbf);
    goodput->daly = fab_daly_interval(goodput->write, goodput->mtbf);
    goodput->interval = goodput->chosen ? goodput->best : spec->interval;
    if (spec->repair > 0)
        running = 1 - fab_erlang_b(spec->spares + 1, rate * spec->replaced * spec->repair);
    share_out(spec, goodput, running);
    for (int i = 0; i < FAB_PART_KINDS; i++)
        goodput->failures[i] = spec->mtbf[i] > 0 ? parts[i] / spec->mtbf[i] * spec->period * running : 0;
    if (goodput->spent[FAB_SPENT_WORK] >= LEAST_WORK)
        return true;
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                "%s: [goodput]: something fails every %.3g s on average, and an interval with its checkpoint and a "
                "restart take %.3g s, so that nothing is ever done; take fewer parts, or shorter intervals and "
                "restarts", where, goodput->mtbf, goodput->interval + goodput->write + spec->detection + spec->restart);
    return false;
}
