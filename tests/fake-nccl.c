/*
 * A library with NCCL's interface over plain host memory, so that what calls NCCL runs without it: calls are collected
 * until the group ends, then done one after the other. Floats are summed; anything is moved.
 */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { MOST = 4096, OK = 0, INTERNAL_ERROR = 3, INVALID_ARGUMENT = 4, FLOAT = 7 };

typedef enum { ALL_REDUCE, ALL_GATHER, REDUCE_SCATTER, BROADCAST, REDUCE, SEND, RECV } Kind;

typedef struct {
    int rank, ranks;
} Communicator;

typedef struct {
    Kind kind;
    const char *send;
    char *recv;
    size_t count;
    int type, peer, rank, ranks;
    bool done;
} Call;

static Call calls[MOST];
static int call_count;

int ncclGetVersion(int *version);
const char *ncclGetErrorString(int result);
int ncclCommInitAll(Communicator **list, int count, const int *gpus);
int ncclCommDestroy(Communicator *communicator);
int ncclGroupStart(void);
int ncclGroupEnd(void);
int ncclAllReduce(const void *send, void *recv, size_t count, int type, int op, Communicator *c, void *stream);
int ncclAllGather(const void *send, void *recv, size_t count, int type, Communicator *c, void *stream);
int ncclReduceScatter(const void *send, void *recv, size_t count, int type, int op, Communicator *c, void *stream);
int ncclBroadcast(const void *send, void *recv, size_t count, int type, int root, Communicator *c, void *stream);
int ncclReduce(const void *send, void *recv, size_t count, int type, int op, int root, Communicator *c, void *stream);
int ncclSend(const void *send, size_t count, int type, int peer, Communicator *c, void *stream);
int ncclRecv(void *recv, size_t count, int type, int peer, Communicator *c, void *stream);

int
ncclGetVersion(int *version)
{
    /* Another number on request, for the test of old releases. */
    *version = getenv("FAKE_NCCL_VERSION") != NULL ? atoi(getenv("FAKE_NCCL_VERSION")) : 22304;
    return OK;
}

const char *
ncclGetErrorString(int result)
{
    return result == OK ? "no error" : "the fake library refuses";
}

int
ncclCommInitAll(Communicator **list, int count, const int *gpus)
{
    for (int i = 0; i < count; i++) {
        if (gpus[i] < 0)
            return INVALID_ARGUMENT;
        list[i] = malloc(sizeof **list);
        *list[i] = (Communicator) { i, count };
    }
    return OK;
}

int
ncclCommDestroy(Communicator *communicator)
{
    free(communicator);
    return OK;
}

int
ncclGroupStart(void)
{
    call_count = 0;
    return OK;
}

static int
collect(Kind kind, const void *send, void *recv, size_t count, int type, int peer, const Communicator *c)
{
    if (call_count == MOST)
        return INTERNAL_ERROR;
    calls[call_count++] = (Call) { kind, send, recv, count, type, peer, c->rank, c->ranks, false };
    return OK;
}

static size_t
width(int type)
{
    return type == FLOAT ? 4 : 2;
}

/* The call of each rank that belongs together; false when one is missing or differs. */
static bool
gather_calls(Kind kind, Call **by_rank, int ranks)
{
    for (int rank = 0; rank < ranks; rank++) {
        by_rank[rank] = NULL;
        for (int i = 0; i < call_count && by_rank[rank] == NULL; i++)
            if (calls[i].kind == kind && calls[i].rank == rank && !calls[i].done)
                by_rank[rank] = &calls[i];
        if (by_rank[rank] == NULL || by_rank[rank]->count != by_rank[0]->count)
            return false;
        by_rank[rank]->done = true;
    }
    return true;
}

static float *
sum_all(Call **by_rank, int ranks, size_t elements)
{
    float *sum = calloc(elements, sizeof *sum);

    for (int rank = 0; rank < ranks; rank++)
        for (size_t i = 0; i < elements; i++)
            sum[i] += ((const float *)(const void *)by_rank[rank]->send)[i];
    return sum;
}

static int
do_collective(const Call *first)
{
    Call *by_rank[64];
    int ranks = first->ranks;
    size_t bytes = first->count * width(first->type);
    float *sum = NULL;

    if (!gather_calls(first->kind, by_rank, ranks))
        return INVALID_ARGUMENT;
    if (first->kind == ALL_REDUCE || first->kind == REDUCE)
        sum = sum_all(by_rank, ranks, first->count);
    if (first->kind == REDUCE_SCATTER)
        sum = sum_all(by_rank, ranks, first->count * (size_t)ranks);
    for (int rank = 0; rank < ranks; rank++) {
        Call *call = by_rank[rank];

        if (call->kind == ALL_REDUCE || (call->kind == REDUCE && rank == call->peer))
            memcpy(call->recv, sum, bytes);
        else if (call->kind == REDUCE_SCATTER)
            memcpy(call->recv, sum + (size_t)rank * call->count, bytes);
        else if (call->kind == BROADCAST)
            memmove(call->recv, by_rank[call->peer]->send, bytes);
        for (int from = 0; call->kind == ALL_GATHER && from < ranks; from++)
            memmove(call->recv + (size_t)from * bytes, by_rank[from]->send, bytes);
    }
    free(sum);
    return OK;
}

static int
do_send(Call *call)
{
    for (int i = 0; i < call_count; i++) {
        Call *other = &calls[i];

        if (other->kind == RECV && !other->done && other->rank == call->peer && other->peer == call->rank) {
            other->done = call->done = true;
            if (other->count != call->count)
                return INVALID_ARGUMENT;
            memcpy(other->recv, call->send, call->count * width(call->type));
            return OK;
        }
    }
    return INVALID_ARGUMENT;
}

int
ncclGroupEnd(void)
{
    for (int i = 0; i < call_count; i++) {
        int result = OK;

        if (!calls[i].done && calls[i].kind == SEND)
            result = do_send(&calls[i]);
        else if (!calls[i].done && calls[i].kind != RECV)
            result = do_collective(&calls[i]);
        if (result != OK)
            return result;
    }
    for (int i = 0; i < call_count; i++)
        if (!calls[i].done)
            return INVALID_ARGUMENT;
    return OK;
}

int
ncclAllReduce(const void *send, void *recv, size_t count, int type, int op, Communicator *c, void *stream)
{
    (void)op, (void)stream;
    return collect(ALL_REDUCE, send, recv, count, type, 0, c);
}

int
ncclAllGather(const void *send, void *recv, size_t count, int type, Communicator *c, void *stream)
{
    (void)stream;
    return collect(ALL_GATHER, send, recv, count, type, 0, c);
}

int
ncclReduceScatter(const void *send, void *recv, size_t count, int type, int op, Communicator *c, void *stream)
{
    (void)op, (void)stream;
    return collect(REDUCE_SCATTER, send, recv, count, type, 0, c);
}

int
ncclBroadcast(const void *send, void *recv, size_t count, int type, int root, Communicator *c, void *stream)
{
    (void)stream;
    return collect(BROADCAST, send, recv, count, type, root, c);
}

int
ncclReduce(const void *send, void *recv, size_t count, int type, int op, int root, Communicator *c, void *stream)
{
    (void)op, (void)stream;
    return collect(REDUCE, send, recv, count, type, root, c);
}

int
ncclSend(const void *send, size_t count, int type, int peer, Communicator *c, void *stream)
{
    (void)stream;
    return collect(SEND, send, NULL, count, type, peer, c);
}

int
ncclRecv(void *recv, size_t count, int type, int peer, Communicator *c, void *stream)
{
    (void)stream;
    return collect(RECV, NULL, recv, count, type, peer, c);
}
