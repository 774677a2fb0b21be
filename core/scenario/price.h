/*
 * What a machine costs and draws, as a scenario states it: [price] and [power]. Nothing is built in: who gives a figure
 * gives its date and where it comes from.
 */
#ifndef FAB_SCENARIO_PRICE_H
#define FAB_SCENARIO_PRICE_H

#include "base/keyfile.h"

/* [price]: of one machine that is bought, or of one GPU that is rented; the other is 0. */
typedef struct {
    char currency[4];    /* "USD", "EUR": three capitals */
    double machine;      /* for one machine of the scenario */
    double years;        /* over which it is written off */
    double gpu_hour;     /* rent of one GPU */
    char *date, *source;
} FabPrice;

/* [power]: what one machine draws from the wall under load, and what that costs. */
typedef struct {
    double machine_w;
    double overhead;     /* of the building: watts for each watt of the machine; 1 unless given */
    char currency[4];
    double kwh;          /* price of a kilowatt hour; 0: not given */
    char *date, *source;
} FabPower;

/* Keys of the two groups; NULL-terminated. */
extern const char *const fab_price_keys[], *const fab_power_keys[];

/* *price, *power: NULL where the file has no such group. Owned by the caller. */
bool fab_price_read(FabKeyfile *file, FabPrice **price, FabPower **power, GError **error);
void fab_price_free(FabPrice *price);
void fab_power_free(FabPower *power);

/* What one second of `machines` machines costs, of whose GPUs `gpus` are rented; 0: no price is known. */
double fab_price_per_second(const FabPrice *price, const FabPower *power, uint32_t machines, uint32_t gpus);

#endif
