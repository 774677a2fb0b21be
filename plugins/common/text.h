/* Small readers for the lists in text parameters. */
#ifndef FAB_PLUGINS_TEXT_H
#define FAB_PLUGINS_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Skips blanks and, in lists, commas and semicolons. */
void fab_text_skip_blanks(const char **at);
void fab_text_skip_separators(const char **at);

/* Reads up to seven decimal digits. False, and nothing taken, when there are none or more. */
bool fab_text_number(const char **at, uint32_t *value);

/* Reads "3" or "3-5" into first and last, first <= last. */
bool fab_text_range(const char **at, uint32_t *first, uint32_t *last);

/* Reads `sign` when it is next. */
bool fab_text_sign(const char **at, char sign);

/* Length of the word at `at`: up to a blank, a separator or the end; at most 40, for messages. */
int fab_text_word_length(const char *at);

#endif
