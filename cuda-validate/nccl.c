#include "nccl.h"

#include "library.h"

bool
fabm_nccl_good(const FabmNccl *nccl, int result, const char *what, FabmFailure *failure)
{
    return result == 0 ||
           fabm_fail(failure, FABM_EXIT_MACHINE, "NCCL: %s: %s; NCCL_DEBUG=WARN makes it say more", what,
                     nccl->error_string(result));
}

bool
fabm_nccl_open(FabmNccl *nccl, const char *path, FabmFailure *failure)
{
    static const char *const names[] = { "libnccl.so.2", "libnccl.so", NULL };
    const FabmSymbol symbols[] = {
        { "ncclGetVersion", &nccl->get_version },
        { "ncclGetErrorString", &nccl->error_string },
        { "ncclCommInitAll", &nccl->init_all },
        { "ncclCommDestroy", &nccl->destroy },
        { "ncclGroupStart", &nccl->group_start },
        { "ncclGroupEnd", &nccl->group_end },
        { "ncclAllReduce", &nccl->all_reduce },
        { "ncclAllGather", &nccl->all_gather },
        { "ncclReduceScatter", &nccl->reduce_scatter },
        { "ncclBroadcast", &nccl->broadcast },
        { "ncclReduce", &nccl->reduce },
        { "ncclSend", &nccl->send },
        { "ncclRecv", &nccl->recv },
        { NULL, NULL },
    };

    *nccl = (FabmNccl) { 0 };
    nccl->library = fabm_library_open("NCCL", path, names, symbols, "install NCCL 2.10 or later, or name its library "
                                      "with --nccl=FILE", failure);
    if (nccl->library == NULL)
        return false;
    if (nccl->get_version(&nccl->version) == 0 && nccl->version >= FABM_NCCL_OLDEST)
        return true;
    fabm_fail(failure, FABM_EXIT_MACHINE, "NCCL is version %d, must be %d (2.10) or later", nccl->version,
              FABM_NCCL_OLDEST);
    fabm_library_close(nccl->library);
    nccl->library = NULL;
    return false;
}
