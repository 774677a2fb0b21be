/* Fuzz target: files of channel programs as fabricast-measure reads them, whose steps it hands to a GPU unchecked. */
#include "fuzz.h"
#include "program.h"

/* What the kernel relies on. */
static void
check_program(const FabmProgram *program)
{
    const uint64_t rooms[] = { 0, program->input, program->output, program->scratch };
    uint32_t lanes = program->ranks * program->channels * program->roles;

    for (uint32_t l = 0; l < lanes; l++) {
        const FabmLane *lane = &program->lanes[l];

        g_assert_true((uint64_t)lane->first_op + lane->ops <= program->op_count);
        g_assert_true((uint64_t)lane->first_end + lane->ends <= program->entry_count);
        g_assert_true(lane->ends <= program->ends_most);
        for (uint32_t o = 0; o < lane->ops; o++) {
            const FabmOp *op = &program->ops[lane->first_op + o];

            g_assert_true(op->src <= FABM_SCRATCH && op->dst <= FABM_SCRATCH && op->dst != FABM_INPUT);
            g_assert_true(op->src == FABM_NONE || op->src_offset + op->bytes <= rooms[op->src]);
            g_assert_true(op->dst == FABM_NONE || op->dst_offset + op->bytes <= rooms[op->dst]);
            g_assert_true(op->recvs <= FABM_ENDS && op->sends <= FABM_ENDS);
            for (uint32_t i = 0; i < op->recvs; i++)
                g_assert_true(op->ends[i] < lane->ends && !program->entries[lane->first_end + op->ends[i]].sends);
            for (uint32_t i = FABM_ENDS; i < FABM_ENDS + (uint32_t)op->sends; i++)
                g_assert_true(op->ends[i] < lane->ends && program->entries[lane->first_end + op->ends[i]].sends);
        }
    }
}

static void
load(const char *path)
{
    FabmFailure failure = { 0 };
    FabmProgramFile *file = fabm_program_open(path, &failure);
    FabmProgram *program;

    g_assert_nonnull(file);
    while ((program = fabm_program_next(file, &failure)) != NULL) {
        check_program(program);
        fabm_program_free(program);
    }
    g_assert_true(failure.status == 0 || failure.status == FABM_EXIT_INPUT);
    g_assert_true((failure.status == 0) == (failure.text[0] == '\0') && strchr(failure.text, '\n') == NULL);
    fabm_program_close(file);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_with_file(data, size, load);
    return 0;
}
