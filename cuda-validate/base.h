/* What every part of the measuring program uses: failures as one sentence, growing text, the clock. */
#ifndef FABM_BASE_H
#define FABM_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Exit statuses, the same as fabricast's. */
enum { FABM_EXIT_DONE = 0, FABM_EXIT_WRONG = 1, FABM_EXIT_INPUT = 2, FABM_EXIT_MACHINE = 3 };

/* Why something failed; `status` is 0 as long as nothing did. */
typedef struct {
    int status;
    char text[600];
} FabmFailure;

/* Keeps the first failure. Always false, so that a caller can `return fabm_fail(...)`. */
bool fabm_fail(FabmFailure *failure, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Text that grows. Zero it before use; fabm_text_clear() frees. `data` is NULL while nothing was added. */
typedef struct {
    char *data;
    size_t length, room;
} FabmText;

void fabm_text_add(FabmText *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void fabm_text_clear(FabmText *text);

/* malloc and realloc that end the program with a sentence and FABM_EXIT_MACHINE when there is no memory; zeroed. */
void *fabm_new(size_t count, size_t size);
void *fabm_grow(void *old, size_t count, size_t size);

/* Host clock that never goes back, in microseconds. */
double fabm_now_us(void);

/* "; did you mean ...?" of the NULL-terminated list, or "" where none is near, in `room` of `size` bytes. */
const char *fabm_hint(const char *word, const char *const *words, char *room, size_t size);

#endif
