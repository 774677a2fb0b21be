/* The module that carries messages over MPI. Nothing else of the program knows MPI. */
#include <glib.h>
#include <mpi.h>

#include "study/ranks.h"

enum { TAG = 0x466162 & 0x7fff };

/* A message that MPI may still be reading. */
typedef struct {
    MPI_Request request;
    void *data;
} Sent;

static GPtrArray *pending; /* Sent */

static void
forget(Sent *sent)
{
    g_free(sent->data);
    g_free(sent);
}

/* Lets go of what has left; `wait` for all of it. */
static void
reap(bool wait)
{
    for (guint i = pending->len; i > 0; i--) {
        Sent *sent = pending->pdata[i - 1];
        int done = 0;
        if (wait)
            done = MPI_Wait(&sent->request, MPI_STATUS_IGNORE) == MPI_SUCCESS;
        else
            MPI_Test(&sent->request, &done, MPI_STATUS_IGNORE);
        if (!done)
            continue;
        forget(sent);
        g_ptr_array_remove_index_fast(pending, i - 1);
    }
}

static void
send(FabRanks *ranks, uint32_t to, const void *data, size_t length)
{
    Sent *sent = g_new0(Sent, 1);

    (void)ranks;
    sent->data = g_memdup2(data, length);
    MPI_Isend(sent->data, (int)length, MPI_BYTE, (int)to, TAG, MPI_COMM_WORLD, &sent->request);
    g_ptr_array_add(pending, sent);
    reap(false);
}

static void *
poll(FabRanks *ranks, uint32_t *from, size_t *length)
{
    MPI_Message message;
    MPI_Status status;
    int there = 0, bytes = 0;
    void *data;

    (void)ranks;
    reap(false);
    MPI_Improbe(MPI_ANY_SOURCE, TAG, MPI_COMM_WORLD, &there, &message, &status);
    if (!there)
        return NULL;
    MPI_Get_count(&status, MPI_BYTE, &bytes);
    data = g_malloc((gsize)MAX(bytes, 1));
    MPI_Mrecv(data, bytes, MPI_BYTE, &message, MPI_STATUS_IGNORE);
    *from = (uint32_t)status.MPI_SOURCE;
    *length = (size_t)bytes;
    return data;
}

static void
finish(FabRanks *ranks)
{
    (void)ranks;
    reap(true);
    g_clear_pointer(&pending, g_ptr_array_unref);
    MPI_Finalize();
}

static uint32_t
ranks_here(void)
{
    MPI_Comm here;
    int count = 1;

    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &here);
    MPI_Comm_size(here, &count);
    MPI_Comm_free(&here);
    return (uint32_t)count;
}

/* One thread of a process speaks MPI, the one that called this; the others only compute. */
static FabRanks *
start(void)
{
    static FabRanks ranks = { .abi = FAB_RANKS_ABI, .send = send, .poll = poll, .finish = finish };
    int support, rank, size;

    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &support) != MPI_SUCCESS || support < MPI_THREAD_FUNNELED)
        return NULL;
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    ranks.rank = (uint32_t)rank;
    ranks.size = (uint32_t)size;
    ranks.here = ranks_here();
    pending = g_ptr_array_new();
    return &ranks;
}

extern const FabRanksModule fab_ranks_module;
const FabRanksModule fab_ranks_module = { .start = start };
