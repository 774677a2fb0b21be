#include "common/text.h"

#include <string.h>

enum { DIGITS_MAX = 7, WORD_SHOWN = 40 };

void
fab_text_skip_blanks(const char **at)
{
    *at += strspn(*at, " \t");
}

void
fab_text_skip_separators(const char **at)
{
    *at += strspn(*at, " \t,;");
}

bool
fab_text_number(const char **at, uint32_t *value)
{
    size_t digits = strspn(*at, "0123456789");

    if (digits == 0 || digits > DIGITS_MAX)
        return false;
    *value = 0;
    for (; digits > 0; digits--, (*at)++)
        *value = *value * 10 + (uint32_t)(**at - '0');
    return true;
}

bool
fab_text_range(const char **at, uint32_t *first, uint32_t *last)
{
    if (!fab_text_number(at, first))
        return false;
    *last = *first;
    return !fab_text_sign(at, '-') || (fab_text_number(at, last) && *first <= *last);
}

bool
fab_text_sign(const char **at, char sign)
{
    if (**at != sign)
        return false;
    (*at)++;
    return true;
}

int
fab_text_word_length(const char *at)
{
    size_t length = strcspn(at, " \t,;");

    return (int)(length < WORD_SHOWN ? length : WORD_SHOWN);
}
