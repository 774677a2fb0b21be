/*
 * Slices whose flags travel with their data, protocols LL and LL128: a part of interpret.h, which says what the file
 * that includes it defines.
 */
#ifndef FABM_LINES_H
#define FABM_LINES_H

#include "kernels.h"

/* One slice of a step: where its data lie in the buffers, and which one of those between two looks it is. */
typedef struct {
    const uint8_t *src; /* NULL: none */
    uint8_t *dst;
    uint64_t bytes;
    uint32_t ahead;
} FabmPiece;

FABM_CODE uint8_t *
fabm_line_slot(const FabmProgramRun *run, const FabmEndState *state, uint32_t ahead)
{
    uint32_t slot = state->slot + ahead;

    return state->slots + (slot < run->slots ? slot : slot - run->slots) * run->stride;
}

/* Data bytes from `at` on that one word of 8 bytes has. */
FABM_CODE uint32_t
fabm_word_bytes(uint64_t bytes, uint64_t at)
{
    return at >= bytes ? 0 : bytes - at < 8 ? (uint32_t)(bytes - at) : 8;
}

/* Lines of 16 bytes: two halves of 4 bytes of data and their flag. 0, or 1 + the place of a connection given up. */
FABM_CODE uint32_t
fabm_ll_piece(const FabmProgramRun *run, const FabmOp *op, const FabmPiece *piece, const FabmEndState *states,
              const FabmTeam *team)
{
    const uint32_t lines = piece->bytes > 0 ? (uint32_t)((piece->bytes + FABM_LL_DATA - 1) / FABM_LL_DATA) : 1;

    for (uint32_t line = team->index; line < lines; line += team->size) {
        const uint32_t at = line * FABM_LL_DATA, bytes = fabm_word_bytes(piece->bytes, at);
        uint64_t value = piece->src != NULL ? fabm_get(piece->src + at, bytes) : 0;
        FabmWait wait = { 0, 0 };

        for (uint32_t i = 0; i < op->recvs; i++) {
            const FabmEndState *state = &states[op->ends[i]];
            const uint8_t *from = fabm_line_slot(run, state, piece->ahead) + line * FABM_LL_LINE;
            const uint32_t flag = (uint32_t)state->count + piece->ahead + 1;
            uint64_t low, high, word;

            for (fabm_load_pair(from, &low, &high); (uint32_t)(low >> 32) != flag || (uint32_t)(high >> 32) != flag;
                 fabm_load_pair(from, &low, &high))
                if (fabm_given_up(run, &wait))
                    return op->ends[i] + 1u;
            word = (low & 0xffffffffu) | high << 32;
            value = i > 0 || piece->src != NULL ? fabm_reduce_pair(run->reduction, value, word) : word;
        }
        if (piece->dst != NULL)
            fabm_put(piece->dst + at, bytes, value);
        for (uint32_t i = 0; i < op->sends; i++) {
            const FabmEndState *state = &states[op->ends[FABM_ENDS + i]];
            const uint64_t flag = (uint64_t)((uint32_t)state->count + piece->ahead + 1) << 32;

            fabm_store_pair(fabm_line_slot(run, state, piece->ahead) + line * FABM_LL_LINE,
                            (value & 0xffffffffu) | flag, value >> 32 | flag);
        }
    }
    return 0;
}

/* Words of 8 bytes of a line that one thread has; the last one of the line is the flag. */
enum { FABM_LINE_WORDS = 16 / FABM_LANES };

/* Lines of 128 bytes. All threads of a warp go round together, whether there is a line for them or not. */
FABM_CODE uint32_t
fabm_ll128_piece(const FabmProgramRun *run, const FabmOp *op, const FabmPiece *piece, const FabmEndState *states,
                 const FabmTeam *team)
{
    const uint32_t lines = piece->bytes > 0 ? (uint32_t)((piece->bytes + FABM_LL128_DATA - 1) / FABM_LL128_DATA) : 1;
    const uint32_t part = team->index % FABM_LANES, words = FABM_LINE_WORDS - (part == FABM_LANES - 1);

    for (uint32_t first = 0; first < lines; first += team->size / FABM_LANES) {
        const uint32_t line = first + team->index / FABM_LANES;
        const bool mine = line < lines;
        const uint64_t at = (uint64_t)line * FABM_LL128_DATA + part * FABM_LINE_WORDS * 8;
        const uint64_t place = (uint64_t)line * FABM_LL128_LINE + part * FABM_LINE_WORDS * 8;
        uint64_t value[FABM_LINE_WORDS] = { 0 }, other[FABM_LINE_WORDS] = { 0 };
        FabmWait wait = { 0, 0 };

        for (uint32_t w = 0; w < words && piece->src != NULL && mine; w++)
            value[w] = fabm_get(piece->src + at + 8 * w, fabm_word_bytes(piece->bytes, at + 8 * w));
        for (uint32_t i = 0; i < op->recvs; i++) {
            const FabmEndState *state = &states[op->ends[i]];
            const uint8_t *from = fabm_line_slot(run, state, piece->ahead) + place;
            const bool first_source = i == 0 && piece->src == NULL;

            while (!fabm_load_line((const uint64_t *)from, state->count + piece->ahead + 1, part, mine, other))
                if (fabm_any(fabm_given_up(run, &wait)))
                    return op->ends[i] + 1u;
            for (uint32_t w = 0; w < words; w++)
                value[w] = first_source ? other[w] : fabm_reduce_pair(run->reduction, value[w], other[w]);
        }
        for (uint32_t w = 0; w < words && piece->dst != NULL && mine; w++)
            fabm_put(piece->dst + at + 8 * w, fabm_word_bytes(piece->bytes, at + 8 * w), value[w]);
        for (uint32_t i = 0; i < op->sends; i++) {
            const FabmEndState *state = &states[op->ends[FABM_ENDS + i]];

            if (part == FABM_LANES - 1)
                value[FABM_LINE_WORDS - 1] = state->count + piece->ahead + 1;
            fabm_store_line((uint64_t *)(fabm_line_slot(run, state, piece->ahead) + place), part, mine, value);
        }
    }
    return 0;
}

#endif
