#include "gang.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    FabmGang *gang;
    int index;
    pthread_t thread;
    FabmFailure failure;
} Member;

struct FabmGang {
    void (*begin)(void *data, int index);
    FabmGangBody body;
    void *data;
    pthread_mutex_t lock;
    pthread_cond_t called, finished;
    unsigned turn; /* how often all were called */
    int left;      /* that are not done with this turn */
    bool closing;
    int threads, count;
    Member *members;
};

static void *
work(void *data)
{
    Member *member = data;
    FabmGang *gang = member->gang;
    unsigned seen = 0;

    if (gang->begin != NULL)
        gang->begin(gang->data, member->index);
    pthread_mutex_lock(&gang->lock);
    for (;;) {
        while (gang->turn == seen && !gang->closing)
            pthread_cond_wait(&gang->called, &gang->lock);
        if (gang->closing)
            break;
        seen = gang->turn;
        pthread_mutex_unlock(&gang->lock);
        (void)gang->body(gang->data, member->index, &member->failure);
        pthread_mutex_lock(&gang->lock);
        if (--gang->left == 0)
            pthread_cond_signal(&gang->finished);
    }
    pthread_mutex_unlock(&gang->lock);
    return NULL;
}

FabmGang *
fabm_gang_new(int count, void (*begin)(void *data, int index), FabmGangBody body, void *data, FabmFailure *failure)
{
    FabmGang *gang = fabm_new(1, sizeof *gang);

    *gang = (FabmGang) { .begin = begin, .body = body, .data = data, .count = count,
                         .members = fabm_new((size_t)count, sizeof *gang->members) };
    pthread_mutex_init(&gang->lock, NULL);
    pthread_cond_init(&gang->called, NULL);
    pthread_cond_init(&gang->finished, NULL);
    if (count == 1 && begin != NULL)
        begin(data, 0);
    for (int i = 0; i < count; i++) {
        Member *member = &gang->members[i];
        int error;

        *member = (Member) { .gang = gang, .index = i };
        error = count > 1 ? pthread_create(&member->thread, NULL, work, member) : 0;
        if (error != 0) {
            fabm_fail(failure, FABM_EXIT_MACHINE, "no thread for GPU %d of %d: %s", i + 1, count, strerror(error));
            fabm_gang_free(gang);
            return NULL;
        }
        gang->threads = count > 1 ? i + 1 : 0;
    }
    return gang;
}

void
fabm_gang_free(FabmGang *gang)
{
    if (gang == NULL)
        return;
    pthread_mutex_lock(&gang->lock);
    gang->closing = true;
    pthread_cond_broadcast(&gang->called);
    pthread_mutex_unlock(&gang->lock);
    for (int i = 0; i < gang->threads; i++)
        pthread_join(gang->members[i].thread, NULL);
    pthread_cond_destroy(&gang->called);
    pthread_cond_destroy(&gang->finished);
    pthread_mutex_destroy(&gang->lock);
    free(gang->members);
    free(gang);
}

bool
fabm_gang_run(FabmGang *gang, FabmFailure *failure)
{
    if (gang->threads == 0)
        return gang->body(gang->data, 0, failure);
    pthread_mutex_lock(&gang->lock);
    gang->left = gang->threads;
    gang->turn++;
    pthread_cond_broadcast(&gang->called);
    while (gang->left > 0)
        pthread_cond_wait(&gang->finished, &gang->lock);
    pthread_mutex_unlock(&gang->lock);
    for (int i = 0; i < gang->count; i++)
        if (gang->members[i].failure.status != 0)
            return fabm_fail(failure, gang->members[i].failure.status, "%s", gang->members[i].failure.text);
    return true;
}
