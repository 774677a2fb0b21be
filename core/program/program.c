#include "program/program.h"

FabProgram *
fab_program_new(const char *name, gpointer data, GDestroyNotify data_free)
{
    FabProgram *program = g_new0(FabProgram, 1);

    program->name = g_strdup(name);
    program->channels = 1;
    program->roles = 1;
    program->slice_bytes = 1;
    program->slots = 1;
    program->role_share[0] = 1;
    program->data = data;
    program->data_free = data_free;
    return program;
}

void
fab_program_free(FabProgram *program)
{
    if (program == NULL)
        return;
    if (program->data_free != NULL)
        program->data_free(program->data);
    g_free(program->name);
    g_free(program);
}

const char *
fab_step_name(const FabStep *step)
{
    /* Indexed by receives, has several sources, writes a buffer, sends. */
    static const char *const names[2][2][2][2] = {
        { { { "nothing", "send" }, { "copy", "copySend" } }, { { "nothing", "send" }, { "copy", "copySend" } } },
        { { { "recv", "recvSend" }, { "recv", "recvCopySend" } },
          { { "recvReduce", "recvReduceSend" }, { "recvReduceCopy", "recvReduceCopySend" } } },
    };
    bool reduces = step->recv_count + (step->src != FAB_BUFFER_NONE ? 1 : 0) > 1;

    return names[step->recv_count > 0][reduces][step->dst != FAB_BUFFER_NONE][step->send_count > 0];
}
