/* What tests of several modules share: a folder of their own, runs of scenarios, errors that say what they should. */
#ifndef FAB_TESTS_FIXTURE_H
#define FAB_TESTS_FIXTURE_H

#include <stdio.h>

#include "predict/run.h"
#include "study/claim.h"

/* A folder that is there while a test runs, for tcase_add_checked_fixture(); its files go with it. */
extern char *test_folder;
void test_folder_make(void);
void test_folder_remove(void);

/* FOLDER/NAME, and the same of a file that holds `text`. Owned by the caller. */
char *test_path(const char *name);
char *test_write(const char *name, const char *text);

/* Fails unless `text` is there and holds `part`. */
void test_says(const char *text, const char *part);
/* Fails unless *error has this code of FAB_ERROR and `part` in its message; clears it. */
void test_error(GError **error, int code, const char *part);

/* Fails unless *error is one sentence about the input that matches `pattern`; clears it. */
void test_refusal(GError **error, const char *pattern);

/* What an importer remarked, a line each, since the last test_remarks_clear(); test_remark() is its callback. */
extern GString *test_remarks;
void test_remarks_clear(void);
void test_remark(void *data, const char *message);

/* A scenario of "group.key=value" texts that end with NULL. Fails where there is none. */
FabScenario *test_scenario(const char *const *sets);
/* The result of a scenario of "group.key=value" texts that end with NULL; a test fails where there must be one. */
FabResult *test_try_run(const char *const *sets, GError **error);
FabResult *test_run_sets(const char *const *sets);
FabResult *test_run(const char *set, ...) G_GNUC_NULL_TERMINATED;
/* The same of one text, with '|' between the settings. */
FabResult *test_try_run_text(const char *text, GError **error);
FabResult *test_run_text(const char *text);

/* Fails where there is no such row. */
const FabResultRow *test_row(const FabResult *result, guint i);

/* What `write` makes of one result. Owned by the caller, free(). */
char *test_written(FabResult *result, bool (*write)(GPtrArray *results, FILE *out, GError **error));

/* The claims of a text, in a file that is gone afterwards; a test fails where there must be some, or must be none. */
GPtrArray *test_judge(const char *text, GError **error);
GPtrArray *test_claims(const char *text);
void test_no_claims(const char *pattern, const char *text);

#endif
