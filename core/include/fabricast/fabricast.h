/*
 * The library in one include: build a machine, run a scenario on it, read the result.
 *
 *     cc my.c $(pkg-config --cflags --libs fabricast)
 *
 *     g_autoptr(GError) error = NULL;
 *     g_autoptr(FabScenario) scenario = fab_scenario_load("all-reduce.ini", NULL, &error);
 *     g_autoptr(FabResult) result = scenario != NULL ? fab_run(scenario, NULL, NULL, &error) : NULL;
 */
#ifndef FABRICAST_FABRICAST_H
#define FABRICAST_FABRICAST_H

#include "base/error.h"
#include "base/units.h"
#include "report/report.h"
#include "result/result.h"
#include "scenario/scenario.h"
#include "predict/run.h"
#include "topology/machine.h"
#include "topology/route.h"
#include "topology/topology.h"

#endif
