/* Text of reports on terminals that are narrower than its lines. */
#ifndef FAB_REPORT_NARROW_H
#define FAB_REPORT_NARROW_H

#include <glib.h>

/*
 * `text` with no line of more than `columns` characters, words that are longer apart. Sentences are wrapped. A table
 * whose last column is text keeps its columns and that text is wrapped below itself; where this leaves too little
 * room, every row takes several lines, each with as many columns as fit, and the head is cut at the same places.
 * What a report wrapped below a label is one sentence again before it is wrapped. Nothing but blanks and '#' is added,
 * dropped or moved to another row. Tables that fit stay as they are; below 40 columns nothing is made narrower. Owned
 * by the caller.
 */
char *fab_narrow(const char *text, gsize length, guint columns);

#endif
