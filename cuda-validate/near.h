/* Keeps a thread, and the pages that it touches first, on the side of a machine that a GPU is on. */
#ifndef FABM_NEAR_H
#define FABM_NEAR_H

#include "backend.h"

/* CPUs of a list such as "0-3,8", as Linux writes them; false when it is none. For tests. */
bool fabm_near_parse(const char *list, void *cpus);

/*
 * Binds this thread to those of its CPUs that are near the GPU, where the machine says which they are; else it stays as
 * it was. What it may use is what the process was given when this was first called, wherever it was bound since.
 */
void fabm_near_bind(FabmBackend *backend, int gpu);

/* Undoes it. */
void fabm_near_release(void);

#endif
