/* Pieces of HTML: text made safe, quantities as people write them, tables. */
#ifndef FAB_REPORT_HTML_H
#define FAB_REPORT_HTML_H

#include <glib.h>
#include <stdint.h>
#include <stdio.h>

/*
 * printf whose %s arguments are made safe for what stands between tags and in quoted attributes: NULL writes nothing,
 * what is not UTF-8 is replaced. Only %s, %% and %u are known.
 */
void fab_html_print(FILE *out, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* The same text as a JSON string that cannot end a <script>. */
void fab_html_json(FILE *out, const char *text);

/* What the values of an axis, a column or a tile are. */
typedef enum {
    FAB_QUANTITY_SECONDS,
    FAB_QUANTITY_RATE,    /* B/s */
    FAB_QUANTITY_BYTES,
    FAB_QUANTITY_TIMES,   /* a ratio */
    FAB_QUANTITY_SHARE,   /* 0.05 is 5 % */
    FAB_QUANTITY_TOKENS,  /* tokens/s */
    FAB_QUANTITY_PLAIN,
    FAB_QUANTITIES
} FabQuantity;

/* "time", "rate", ...: for the script of the page. Indexed by the enum. */
extern const char *const fab_quantity_ids[];

/* "1.25 us", "45 GB/s", "64 MiB", "5.14", "12 %"; "-" for what is not finite. Owned by the caller. */
char *fab_quantity_format(FabQuantity quantity, double value);
/* "5.14 (1.50 to 13.0)", or the value alone where there is no interval, or none but itself. Owned by the caller. */
char *fab_quantity_interval(FabQuantity quantity, double value, double low, double high);

/* A table whose cells are added row by row; texts are made safe. `head` are its columns, NULL-terminated. */
void fab_html_table_begin(FILE *out, const char *caption, const char *const *head);
/* The first cell of a row is its heading. NULL-terminated. */
void fab_html_table_row(FILE *out, const char *first, ...) G_GNUC_NULL_TERMINATED;
void fab_html_table_end(FILE *out);

/* One bar of a list: name, figures beside it, length of 0..1 and of its whisker (NaN: none). */
typedef struct {
    const char *name, *value, *note;
    double share, low, high;
    int colour;              /* 0.. of the palette */
} FabHtmlBar;

void fab_html_bars(FILE *out, const char *caption, const FabHtmlBar *bars, guint count);
/* The same with a heading and a strip of all parts, whose shares are those of one whole. */
void fab_html_parts(FILE *out, const char *caption, const FabHtmlBar *bars, guint count);

enum { FAB_PALETTE = 8 };

#endif
