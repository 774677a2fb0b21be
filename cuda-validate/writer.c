/* Reports as measurement files and as JSON. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "report-private.h"

static const char *const groups[] = { "source", "system", "overrides", "run", "quality" };

enum { GROUPS = sizeof groups / sizeof groups[0] };

/* ------------------------------------------------------------------ whole files */

static bool
write_text(const char *path, const char *text)
{
    FILE *file = fopen(path, "wb");
    bool good;

    if (file == NULL)
        return false;
    good = fputs(text, file) >= 0 && fflush(file) == 0 && fsync(fileno(file)) == 0;
    return fclose(file) == 0 && good;
}

/* FOLDER/ID.ENDING, through a file beside it that is renamed when it is complete. */
static bool
replace_file(const char *folder, const char *id, const char *ending, const char *text, FabmFailure *failure)
{
    FabmText path = { 0 }, beside = { 0 };
    bool good;

    fabm_text_add(&path, "%s/%s%s", folder, id, ending);
    fabm_text_add(&beside, "%s.%ld.tmp", path.data, (long)getpid());
    good = write_text(beside.data, text) && rename(beside.data, path.data) == 0;
    if (!good) {
        fabm_fail(failure, FABM_EXIT_MACHINE, "%s: cannot be written: %s", path.data, strerror(errno));
        unlink(beside.data);
    }
    fabm_text_clear(&path);
    fabm_text_clear(&beside);
    return good;
}

/* ------------------------------------------------------------------ key file and table */

static void
add_cell(FabmText *text, const char *cell)
{
    if (strpbrk(cell, ",\"") == NULL) {
        fabm_text_add(text, "%s", cell);
        return;
    }
    fabm_text_add(text, "\"");
    for (; *cell != '\0'; cell++)
        fabm_text_add(text, *cell == '"' ? "\"%c" : "%c", *cell);
    fabm_text_add(text, "\"");
}

static void
make_table(const FabmSheet *sheet, FabmText *text)
{
    const char *const *columns = fabm_kind_columns(sheet->kind);
    int width = 0;

    for (; columns[width] != NULL; width++)
        fabm_text_add(text, "%s%s", width > 0 ? "," : "", columns[width]);
    fabm_text_add(text, "\n");
    for (int i = 0; i < sheet->rows * width; i++) {
        add_cell(text, sheet->cells[i]);
        fabm_text_add(text, i % width == width - 1 ? "\n" : ",");
    }
}

/* Calls `add` with each fact that holds for the sheet, its own ones before those of the whole report, by group. */
static void
each_fact(const FabmSheet *sheet, const char *group, void (*add)(FabmText *, const FabmFact *, int), FabmText *text)
{
    const FabmFacts *both[] = { &sheet->facts, &sheet->report->facts };
    int count = 0;

    for (int from = 0; from < 2; from++) {
        for (int i = 0; i < both[from]->count; i++) {
            const FabmFact *fact = &both[from]->list[i];

            if (strcmp(fact->group, group) == 0 &&
                (from == 0 || fabm_facts_get(&sheet->facts, group, fact->key) == NULL))
                add(text, fact, count++);
        }
    }
}

static void
add_line(FabmText *text, const FabmFact *fact, int index)
{
    if (index == 0)
        fabm_text_add(text, "%s[%s]\n", text->length > 0 ? "\n" : "", fact->group);
    fabm_text_add(text, "%s=%s\n", fact->key, fact->value);
}

static void
make_keys(const FabmSheet *sheet, FabmText *text)
{
    for (int g = 0; g < GROUPS; g++)
        each_fact(sheet, groups[g], add_line, text);
}

/* What the kind and the end of the run say about the sheets. The caller holds the lock. */
static void
settle(FabmReport *report, const char *stopped)
{
    const char *grade = fabm_facts_get(&report->facts, "quality", "grade");
    char remark[700];

    for (FabmSheet *sheet = report->first; sheet != NULL; sheet = sheet->next) {
        fabm_facts_set(&sheet->facts, "source", "kind", fabm_kind_name(sheet->kind));
        if (stopped == NULL)
            continue;
        snprintf(remark, sizeof remark, "stopped early: %s", stopped);
        fabm_facts_set(&sheet->facts, "quality", "remark", remark);
        if (grade != NULL && strcmp(grade, "A") == 0)
            fabm_facts_set(&sheet->facts, "quality", "grade", "B");
    }
}

static bool
write_sheet(const FabmSheet *sheet, const char *folder, FabmFailure *failure)
{
    FabmText table = { 0 }, keys = { 0 };
    bool good;

    make_table(sheet, &table);
    make_keys(sheet, &keys);
    good = replace_file(folder, sheet->id, ".csv", table.data, failure);
    if (good && sheet->kind == FABM_LINK && sheet->report->matrix != NULL)
        good = replace_file(folder, sheet->id, ".topo.txt", sheet->report->matrix, failure);
    good = good && replace_file(folder, sheet->id, ".ini", keys.data, failure);
    fabm_text_clear(&table);
    fabm_text_clear(&keys);
    return good;
}

bool
fabm_report_write(FabmReport *report, const char *folder, const char *stopped, FabmFailure *failure)
{
    bool good = true;

    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return fabm_fail(failure, FABM_EXIT_MACHINE, "%s: cannot be made: %s", folder, strerror(errno));
    pthread_mutex_lock(&report->lock);
    settle(report, stopped);
    for (FabmSheet *sheet = report->first; sheet != NULL && good; sheet = sheet->next)
        good = sheet->rows == 0 || write_sheet(sheet, folder, failure);
    pthread_mutex_unlock(&report->lock);
    return good;
}

/* ------------------------------------------------------------------ JSON */

static void
add_string(FabmText *text, const char *string)
{
    fabm_text_add(text, "\"");
    for (; *string != '\0'; string++) {
        if (*string == '"' || *string == '\\')
            fabm_text_add(text, "\\%c", *string);
        else if ((unsigned char)*string < ' ')
            fabm_text_add(text, "\\u%04x", (unsigned)(unsigned char)*string);
        else
            fabm_text_add(text, "%c", *string);
    }
    fabm_text_add(text, "\"");
}

static void
add_pair(FabmText *text, const FabmFact *fact, int index)
{
    fabm_text_add(text, index > 0 ? ", " : "");
    add_string(text, fact->key);
    fabm_text_add(text, ": ");
    add_string(text, fact->value);
}

/* Numbers of the table are numbers, an unknown one is null; columns of words are strings. */
static void
add_value(FabmText *text, const char *column, const char *cell)
{
    static const char *const words[] = { "test", "variant", "gpus", "metric", "unit" };

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(column, words[i]) == 0) {
            add_string(text, cell);
            return;
        }
    }
    fabm_text_add(text, "%s", cell[0] != '\0' ? cell : "null");
}

static void
add_sheet(FabmText *text, const FabmSheet *sheet)
{
    const char *const *columns = fabm_kind_columns(sheet->kind);
    const char *const *cell = (const char *const *)sheet->cells;

    fabm_text_add(text, "    {\"id\": ");
    add_string(text, sheet->id);
    for (int g = 0; g < GROUPS; g++) {
        fabm_text_add(text, ",\n     \"%s\": {", groups[g]);
        each_fact(sheet, groups[g], add_pair, text);
        fabm_text_add(text, "}");
    }
    fabm_text_add(text, ",\n     \"rows\": [");
    for (int row = 0; row < sheet->rows; row++) {
        fabm_text_add(text, row > 0 ? ",\n       {" : "\n       {");
        for (int c = 0; columns[c] != NULL; c++, cell++) {
            fabm_text_add(text, "%s\"%s\": ", c > 0 ? ", " : "", columns[c]);
            add_value(text, columns[c], *cell);
        }
        fabm_text_add(text, "}");
    }
    fabm_text_add(text, "]}");
}

void
fabm_report_json(FabmReport *report, FabmText *text)
{
    int count = 0;

    pthread_mutex_lock(&report->lock);
    settle(report, NULL);
    fabm_text_add(text, "{\"machine\": ");
    add_string(text, report->machine);
    fabm_text_add(text, ",\n \"tables\": [");
    for (const FabmSheet *sheet = report->first; sheet != NULL; sheet = sheet->next) {
        if (sheet->rows == 0)
            continue;
        fabm_text_add(text, count++ > 0 ? ",\n" : "\n");
        add_sheet(text, sheet);
    }
    fabm_text_add(text, "]}\n");
    pthread_mutex_unlock(&report->lock);
}
