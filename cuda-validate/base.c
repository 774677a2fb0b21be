#include "base.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

bool
fabm_fail(FabmFailure *failure, int status, const char *format, ...)
{
    va_list args;

    if (failure->status != 0)
        return false;
    failure->status = status;
    va_start(args, format);
    vsnprintf(failure->text, sizeof failure->text, format, args);
    va_end(args);
    return false;
}

static void *
need(void *memory)
{
    if (memory == NULL) {
        fputs("fabricast-measure: the host has no memory left\n", stderr);
        exit(FABM_EXIT_MACHINE);
    }
    return memory;
}

void *
fabm_new(size_t count, size_t size)
{
    return need(calloc(count > 0 ? count : 1, size));
}

void *
fabm_grow(void *old, size_t count, size_t size)
{
    return need(size > 0 && count > SIZE_MAX / size ? NULL : realloc(old, count * size));
}

void
fabm_text_add(FabmText *text, const char *format, ...)
{
    va_list args, again;
    int length;

    va_start(args, format);
    va_copy(again, args);
    length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0) {
        va_end(again);
        return;
    }
    if (text->length + (size_t)length + 1 > text->room) {
        text->room = 2 * (text->length + (size_t)length + 1);
        text->data = fabm_grow(text->data, text->room, 1);
    }
    vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
    va_end(again);
    text->length += (size_t)length;
}

void
fabm_text_clear(FabmText *text)
{
    free(text->data);
    *text = (FabmText) { 0 };
}

double
fabm_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec * 1e-3;
}

enum { LONGEST_WORD = 40 };

/* Letters to change, add or leave out to make `a` of `b` (Levenshtein); large for long words. */
static size_t
distance(const char *a, const char *b)
{
    size_t row[LONGEST_WORD + 1], length = strlen(b);

    if (length > LONGEST_WORD || strlen(a) > LONGEST_WORD)
        return LONGEST_WORD;
    for (size_t j = 0; j <= length; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t corner = row[0];

        row[0] = i;
        for (size_t j = 1; j <= length; j++) {
            size_t best = corner + (a[i - 1] != b[j - 1]);

            corner = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[length];
}

/* The word that is nearest in spelling, or NULL when none is near. */
static const char *
find_nearest(const char *word, const char *const *words)
{
    size_t best = strlen(word) / 3 + 2;
    const char *nearest = NULL;

    for (; *words != NULL; words++) {
        size_t found = distance(word, *words);

        if (found < best) {
            best = found;
            nearest = *words;
        }
    }
    return nearest;
}

const char *
fabm_hint(const char *word, const char *const *words, char *room, size_t size)
{
    const char *nearest = find_nearest(word, words);

    room[0] = '\0';
    if (nearest != NULL)
        snprintf(room, size, "; did you mean %s?", nearest);
    return room;
}
