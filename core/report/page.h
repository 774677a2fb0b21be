/*
 * The report: results of other commands as one HTML file that opens from disk, prints, and says first what was asked
 * and what the answer is.
 */
#ifndef FAB_REPORT_PAGE_H
#define FAB_REPORT_PAGE_H

#include <glib.h>
#include <stdbool.h>
#include <stdio.h>

typedef struct FabPage FabPage;

FabPage *fab_page_new(void);
void fab_page_free(FabPage *page);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabPage, fab_page_free)

/*
 * Adds what `--json` of a command printed; `path` names it in messages. Refuses what is no such text, another version
 * of its schema, an empty list, a figure that is missing or not finite.
 */
bool fab_page_add(FabPage *page, const char *path, const char *text, gsize length, GError **error);

/* Writes all of it; `title` NULL: the first question. */
void fab_page_write(FabPage *page, const char *title, FILE *out);

#endif
