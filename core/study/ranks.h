/*
 * Processes that work together, started by mpirun or by Slurm. What MPI is to us: numbered ranks and messages between
 * them. The module that knows MPI (core/mpi) is only opened by a process that was started as one of several, so that
 * the program itself needs none.
 */
#ifndef FAB_STUDY_RANKS_H
#define FAB_STUDY_RANKS_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Rises with every change of the struct below: program and module must be of one build. */
enum { FAB_RANKS_ABI = 1 };

typedef struct FabRanks FabRanks;

struct FabRanks {
    uint32_t abi;
    uint32_t rank, size;
    uint32_t here; /* ranks on this machine, this one among them */
    /* Returns at once; `data` is copied. Messages of one rank to another arrive in their order. */
    void (*send)(FabRanks *ranks, uint32_t to, const void *data, size_t length);
    /* The next message, or NULL when there is none yet; g_free(). */
    void *(*poll)(FabRanks *ranks, uint32_t *from, size_t *length);
    /* Waits until all that was sent has left. Nothing may be sent or polled after it. */
    void (*finish)(FabRanks *ranks);
    void *user; /* of whoever carries the messages */
};

/* What the module exports, as fab_ranks_module. */
typedef struct {
    FabRanks *(*start)(void); /* starts MPI; NULL where that fails; lives as long as the process */
} FabRanksModule;
#define FAB_RANKS_SYMBOL "fab_ranks_module"

/*
 * The other processes of this one. *ranks NULL: there are none, or this one is alone. An error where it is one of
 * several and the program was built without MPI, since all would do the same.
 */
bool fab_ranks_find(FabRanks **ranks, GError **error);

/* Threads for each rank where nobody says how many: cores that this process may use, shared out among those here. */
uint32_t fab_ranks_threads(const FabRanks *ranks);

#endif
