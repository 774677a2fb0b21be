#include "study/export.h"

#include "base/error.h"
#include "base/units.h"
#include "program/program-file.h"

typedef struct {
    const FabScenario *scenario;
    FILE *out;
    uint64_t steps; /* written so far */
} Export;

static bool
check_algorithm(const FabScenario *scenario, const FabRunProgram *one, GError **error)
{
    const FabAlgorithm *algorithm = one->plan->algorithm;
    g_autofree char *size = NULL;

    if (!algorithm->in_switch && !algorithm->several_nodes)
        return true;
    size = fab_format_bytes(one->size);
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                "%s: [collective] algorithm: %s runs %s, whose steps the switch or the network performs, which a "
                "program file cannot hold; take another one, such as ring", scenario->path, size, algorithm->name);
    return false;
}

static bool
write_one(const FabRunProgram *one, void *user, GError **error)
{
    Export *export = user;
    const FabScenario *scenario = export->scenario;
    bool reduces = one->collective == FAB_ALL_REDUCE || one->collective == FAB_REDUCE ||
                   one->collective == FAB_REDUCE_SCATTER;
    FabProgramNote note = {
        .collective = (char *)fab_collective_names[one->collective],
        .algorithm = (char *)one->plan->algorithm->name,
        .protocol = (char *)fab_protocol_names[one->plan->protocol],
        .datatype = scenario->datatype,
        .reduction = reduces ? scenario->reduction : (char *)"none",
        .size = one->size,
        .root = scenario->root,
        .one_way = scenario->one_way,
        .threads = one->plan->threads,
        .gpus = (uint32_t *)one->gpus,
    };
    uint64_t start;

    fab_piece(one->size, one->program->ranks, 0, &start, &note.piece);
    return check_algorithm(scenario, one, error) &&
           fab_program_write(one->program, &note, &export->steps, export->out, error);
}

bool
fab_export(const FabScenario *scenario, const FabTopology *topology, FILE *out, GError **error)
{
    Export export = { .scenario = scenario, .out = out };

    if (scenario->kind != FAB_SCENARIO_COLLECTIVE) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: has [transfer], only a [collective] has channel programs", scenario->path);
        return false;
    }
    fab_program_file_begin(out);
    fprintf(out, "# %.80s on %.40s: %.80s\n", scenario->name, topology->name,
            topology->title != NULL ? topology->title : topology->plugin);
    return fab_run_programs(scenario, topology, write_one, &export, error);
}
