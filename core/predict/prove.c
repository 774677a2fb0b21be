#include <string.h>

#include "base/error.h"
#include "collective/collective.h"
#include "program/interpreter.h"
#include "predict/export.h"

/* Inputs, outputs and scratch of all ranks; a workstation has more. */
#define MAX_BYTES (UINT64_C(4) << 30)

/* Filled into outputs, so that what nobody writes is found. */
enum { POISON = 0xa7 };

typedef struct {
    FabCollectiveSpec spec;
    const FabProgram *program;
    GPtrArray *input, *output; /* of each rank */
} Proof;

static bool
refuse(const FabProgram *program, GError **error, const char *wrong)
{
    g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE, "%s: %s", program->name, wrong);
    return false;
}

static bool
find_spec(const FabProgramEntry *entry, FabCollectiveSpec *spec, GError **error)
{
    const FabProgram *program = entry->program;
    uint64_t start, piece;
    int found = 0;

    while (fab_collective_names[found] != NULL && strcmp(fab_collective_names[found], entry->note.collective) != 0)
        found++;
    if (fab_collective_names[found] == NULL)
        return refuse(program, error, "the collective is not known");
    *spec = (FabCollectiveSpec) { .collective = (FabCollective)found, .size = entry->note.size, .ranks = program->ranks,
                                  .root = entry->note.root, .one_way = entry->note.one_way };
    fab_piece(spec->size, spec->ranks, 0, &start, &piece);
    if (piece != entry->note.piece)
        return refuse(program, error, "piece is not the longest piece of one rank");
    if (program->input_bytes != fab_collective_input_bytes(spec->collective, spec->size, spec->ranks) ||
        program->output_bytes != fab_collective_output_bytes(spec->collective, spec->size, spec->ranks))
        return refuse(program, error, "input or output have not the bytes that the collective needs");
    if ((double)program->ranks * (double)(program->input_bytes + program->output_bytes + program->scratch_bytes) >
        (double)MAX_BYTES)
        return refuse(program, error, "the buffers of all ranks are more than 4 GiB, which is the most that is proved");
    return true;
}

/* Numbers that tell rank and place, so that what lands elsewhere is found. */
static void
fill(Proof *proof)
{
    const FabProgram *program = proof->program;

    for (uint32_t rank = 0; rank < program->ranks; rank++) {
        uint8_t *input = g_malloc(program->input_bytes + 1), *output = g_malloc(program->output_bytes + 1);
        uint32_t state = rank * 2654435761u + 1;
        for (uint64_t i = 0; i < program->input_bytes; i++) {
            state = state * 1664525u + 1013904223u;
            input[i] = (uint8_t)(state >> 24);
        }
        memset(output, POISON, program->output_bytes);
        g_ptr_array_add(proof->input, input);
        g_ptr_array_add(proof->output, output);
    }
}

static bool
compare(const Proof *proof, GError **error)
{
    uint64_t bytes = proof->program->output_bytes;
    g_autofree uint8_t *expected = g_malloc0(bytes + 1), *defined = g_malloc0(bytes + 1);

    for (uint32_t rank = 0; rank < proof->program->ranks; rank++) {
        const uint8_t *output = proof->output->pdata[rank];
        fab_collective_expect(&proof->spec, false, (const uint8_t *const *)proof->input->pdata, rank, expected,
                              defined);
        for (uint64_t i = 0; i < bytes; i++) {
            if (!defined[i] || output[i] == expected[i])
                continue;
            g_set_error(error, FAB_ERROR, FAB_ERROR_VALUE,
                        "%s: byte %" G_GUINT64_FORMAT " of the output of rank %u is wrong", proof->program->name, i,
                        rank);
            return false;
        }
    }
    return true;
}

bool
fab_program_prove(const FabProgramEntry *entry, GError **error)
{
    g_autoptr(GPtrArray) input = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) output = g_ptr_array_new_with_free_func(g_free);
    Proof proof = { .program = entry->program, .input = input, .output = output };

    if (!find_spec(entry, &proof.spec, error))
        return false;
    fill(&proof);
    return fab_interpret(proof.program, FAB_REDUCE_SUM, (const uint8_t *const *)input->pdata, (uint8_t **)output->pdata,
                         error) && compare(&proof, error);
}
