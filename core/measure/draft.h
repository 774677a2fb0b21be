/* A measurement as an importer builds it: the key file and the table, and what the importer has to say about them. */
#ifndef FAB_MEASURE_DRAFT_H
#define FAB_MEASURE_DRAFT_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "measure/measurement.h"

/* What the user adds to a log, and who hears what could not be read. */
typedef struct {
    const char *collective; /* NULL: as the log says */
    const char *topology;   /* catalogue id, or NULL */
    uint32_t ranks;         /* 0: as the log says */
    /* One sentence, "PATH: line N: ..."; never NULL. */
    void (*remark)(void *data, const char *message);
    void *data;
} FabImportOptions;

void fab_import_remark(const FabImportOptions *options, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Makes the message one line of UTF-8, whatever the log brought into it. */
void fab_import_clean_error(GError **error);

typedef struct FabDraft FabDraft;

/* `header`: the first line of the table. Owned by the caller. */
FabDraft *fab_draft_new(const char *header);
void fab_draft_free(FabDraft *draft);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabDraft, fab_draft_free)

/* Sets or replaces a value; one that is empty is left out. Line breaks and other controls become blanks. */
void fab_draft_set(FabDraft *draft, const char *group, const char *key, const char *format, ...) G_GNUC_PRINTF(4, 5);
/* Adds to a list, once. */
void fab_draft_add(FabDraft *draft, const char *group, const char *key, const char *item);
const char *fab_draft_get(const FabDraft *draft, const char *group, const char *key);

/* One line of the table. */
void fab_draft_append(FabDraft *draft, const char *format, ...) G_GNUC_PRINTF(2, 3);
uint32_t fab_draft_rows(const FabDraft *draft);

/* Tells the drafts of one file apart ("on", "read-ce"); "" unless it was set. */
void fab_draft_set_suffix(FabDraft *draft, const char *suffix);
const char *fab_draft_suffix(const FabDraft *draft);

/* The key file, groups in the order of the format. Owned by the caller. */
char *fab_draft_ini(const FabDraft *draft);
const char *fab_draft_csv(const FabDraft *draft);

/* The same as a measurement with a name, all values checked. Owned by the caller. */
FabMeasurement *fab_draft_measurement(const FabDraft *draft, const char *id, GError **error);

#endif
