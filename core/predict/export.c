#include "predict/export.h"

#include "base/error.h"
#include "base/units.h"
#include "program/program-file.h"
#include "predict/run-private.h"

typedef struct {
    const FabScenario *scenario;
    FILE *out;
    uint64_t steps; /* of the file so far */
} Export;

static bool
check_algorithm(const FabScenario *scenario, const FabProgramNote *note, GError **error)
{
    const FabAlgorithm *algorithm = fab_algorithm_find(note->algorithm, NULL);
    g_autofree char *text = NULL;

    if (!algorithm->in_switch && !algorithm->several_nodes)
        return true;
    text = fab_format_bytes(note->size);
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                "%s: [collective] algorithm: %s runs %s, whose steps the switch or the network performs, which a "
                "program file cannot hold; take another one, such as ring", scenario->path, text, note->algorithm);
    return false;
}

static bool
write_one(const FabProgram *program, const FabProgramNote *note, void *user, GError **error)
{
    Export *export = user;

    return check_algorithm(export->scenario, note, error) &&
           fab_program_write(program, note, &export->steps, export->out, error);
}

static bool
use_size(const FabRun *run, uint64_t size, FabProgramUser use, void *user, GError **error)
{
    const FabScenario *scenario = run->scenario;
    FabPlan plan;
    g_autoptr(FabProgram) program = fab_run_program(run, size, &plan, error);
    bool reduces = run->collective == FAB_ALL_REDUCE || run->collective == FAB_REDUCE ||
                   run->collective == FAB_REDUCE_SCATTER;
    FabProgramNote note = {
        .collective = (char *)fab_collective_names[run->collective],
        .datatype = scenario->datatype,
        .reduction = reduces ? scenario->reduction : (char *)"none",
        .size = size,
        .root = scenario->root,
        .one_way = scenario->one_way,
        .gpus = run->gpus,
    };
    g_autofree uint32_t *one_device = NULL;
    uint64_t start;

    if (run->topology->shared != FAB_VERTEX_NONE)
        note.gpus = one_device = g_new0(uint32_t, run->ranks);
    if (program == NULL)
        return false;
    note.algorithm = (char *)plan.algorithm->name;
    note.protocol = (char *)fab_protocol_names[plan.protocol];
    note.threads = plan.threads;
    fab_piece(size, run->ranks, 0, &start, &note.piece);
    return use(program, &note, user, error);
}

bool
fab_export_each(const FabScenario *scenario, const FabTopology *topology, FabProgramUser use, void *user,
                GError **error)
{
    FabRun run;
    bool good;

    if (scenario->kind != FAB_SCENARIO_COLLECTIVE) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                    "%s: has [%s], only a [collective] has channel programs", scenario->path,
                    scenario->kind == FAB_SCENARIO_TRAINING   ? "training"
                    : scenario->kind == FAB_SCENARIO_PIPELINE ? "pipeline"
                    : scenario->kind == FAB_SCENARIO_TRACE    ? "trace"
                                                              : "transfer");
        return false;
    }
    good = fab_run_init(&run, scenario, topology, NULL, error);
    for (uint32_t i = 0; i < scenario->size_count && good; i++)
        good = use_size(&run, scenario->sizes[i], use, user, error);
    fab_run_clear(&run);
    return good;
}

bool
fab_export(const FabScenario *scenario, const FabTopology *topology, FILE *out, GError **error)
{
    Export export = { .scenario = scenario, .out = out };

    fab_program_file_begin(out);
    fprintf(out, "# %.80s on %.40s: %.80s\n", scenario->name, topology->name,
            topology->title != NULL ? topology->title : topology->plugin);
    return fab_export_each(scenario, topology, write_one, &export, error);
}
