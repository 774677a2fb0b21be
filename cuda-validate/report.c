#include "report.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report-private.h"

static char *
copy_text(const char *text)
{
    size_t size = strlen(text) + 1;

    return memcpy(fabm_new(size, 1), text, size);
}

/* ------------------------------------------------------------------ kinds of tables */

const char *const *
fabm_kind_columns(FabmKind kind)
{
    static const char *const device[] = { "test",  "variant", "gpus", "ctas",    "size_bytes", "metric",
                                          "value", "low",     "high", "samples", "unit",       NULL };
    static const char *const link[] = { "src", "dst", "unidir_GBps", "bidir_GBps", "latency_us", NULL };
    static const char *const collective[] = { "size_bytes", "time_us", "algbw_GBps", "busbw_GBps", "in_place", NULL };

    return kind == FABM_DEVICE ? device : kind == FABM_LINK ? link : collective;
}

const char *
fabm_kind_name(FabmKind kind)
{
    return kind == FABM_DEVICE ? "device" : kind == FABM_LINK ? "link" : "collective";
}

static int
count_columns(FabmKind kind)
{
    const char *const *columns = fabm_kind_columns(kind);
    int count = 0;

    while (columns[count] != NULL)
        count++;
    return count;
}

/* ------------------------------------------------------------------ facts */

const char *
fabm_facts_get(const FabmFacts *facts, const char *group, const char *key)
{
    for (int i = 0; i < facts->count; i++)
        if (strcmp(facts->list[i].group, group) == 0 && strcmp(facts->list[i].key, key) == 0)
            return facts->list[i].value;
    return NULL;
}

/* A value is one line without blanks around it, as the format wants it. */
static char *
tidy(const char *text)
{
    char *value = copy_text(text + strspn(text, " \t\r\n"));

    for (char *at = value; *at != '\0'; at++)
        if ((unsigned char)*at < ' ')
            *at = ' ';
    for (size_t length = strlen(value); length > 0 && value[length - 1] == ' '; length--)
        value[length - 1] = '\0';
    return value;
}

void
fabm_facts_set(FabmFacts *facts, const char *group, const char *key, const char *text)
{
    char *value = tidy(text);

    for (int i = 0; i < facts->count; i++) {
        FabmFact *fact = &facts->list[i];

        if (strcmp(fact->group, group) == 0 && strcmp(fact->key, key) == 0) {
            free(fact->value);
            fact->value = value;
            return;
        }
    }
    facts->list = fabm_grow(facts->list, (size_t)facts->count + 1, sizeof *facts->list);
    facts->list[facts->count++] = (FabmFact) { copy_text(group), copy_text(key), value };
}

static void
clear_facts(FabmFacts *facts)
{
    for (int i = 0; i < facts->count; i++) {
        free(facts->list[i].group);
        free(facts->list[i].key);
        free(facts->list[i].value);
    }
    free(facts->list);
}

static void
format_fact(FabmReport *report, FabmFacts *facts, const char *group, const char *key, const char *format, va_list args)
{
    char value[2000];

    vsnprintf(value, sizeof value, format, args);
    pthread_mutex_lock(&report->lock);
    fabm_facts_set(facts, group, key, value);
    pthread_mutex_unlock(&report->lock);
}

void
fabm_report_fact(FabmReport *report, const char *group, const char *key, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    format_fact(report, &report->facts, group, key, format, args);
    va_end(args);
}

void
fabm_sheet_fact(FabmSheet *sheet, const char *group, const char *key, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    format_fact(sheet->report, &sheet->facts, group, key, format, args);
    va_end(args);
}

/* ------------------------------------------------------------------ report and sheets */

FabmReport *
fabm_report_new(const char *machine, const char *tag, bool print)
{
    FabmReport *report = fabm_new(1, sizeof *report);

    pthread_mutex_init(&report->lock, NULL);
    report->machine = copy_text(machine);
    report->tag = tag != NULL ? copy_text(tag) : NULL;
    report->print = print;
    return report;
}

void
fabm_report_free(FabmReport *report)
{
    FabmSheet *next;

    if (report == NULL)
        return;
    for (FabmSheet *sheet = report->first; sheet != NULL; sheet = next) {
        next = sheet->next;
        for (int i = 0; i < sheet->rows * count_columns(sheet->kind); i++)
            free(sheet->cells[i]);
        free(sheet->cells);
        clear_facts(&sheet->facts);
        free(sheet->id);
        free(sheet);
    }
    clear_facts(&report->facts);
    free(report->machine);
    free(report->tag);
    free(report->matrix);
    pthread_mutex_destroy(&report->lock);
    free(report);
}

void
fabm_report_matrix(FabmReport *report, const char *text)
{
    pthread_mutex_lock(&report->lock);
    free(report->matrix);
    report->matrix = copy_text(text);
    pthread_mutex_unlock(&report->lock);
}

FabmSheet *
fabm_report_sheet(FabmReport *report, const char *suffix, FabmKind kind)
{
    FabmSheet **end = &report->first, *sheet;
    FabmText id = { 0 };

    fabm_text_add(&id, "%s-%s", report->machine, suffix);
    if (report->tag != NULL)
        fabm_text_add(&id, "-%s", report->tag);
    pthread_mutex_lock(&report->lock);
    while (*end != NULL && strcmp((*end)->id, id.data) != 0)
        end = &(*end)->next;
    sheet = *end;
    if (sheet == NULL) {
        sheet = *end = fabm_new(1, sizeof *sheet);
        *sheet = (FabmSheet) { .report = report, .id = copy_text(id.data), .kind = kind };
    }
    pthread_mutex_unlock(&report->lock);
    fabm_text_clear(&id);
    return sheet;
}

static void
add_row(FabmSheet *sheet, const char *const *cells)
{
    int columns = count_columns(sheet->kind);

    pthread_mutex_lock(&sheet->report->lock);
    sheet->cells = fabm_grow(sheet->cells, (size_t)(sheet->rows + 1) * (size_t)columns, sizeof *sheet->cells);
    for (int i = 0; i < columns; i++)
        sheet->cells[sheet->rows * columns + i] = copy_text(cells[i]);
    sheet->rows++;
    pthread_mutex_unlock(&sheet->report->lock);
}

enum { CELL = 32 };

/* Six digits are more than any repeat agrees in. */
static const char *
number_cell(double value, char cell[CELL])
{
    cell[0] = '\0';
    if (isfinite(value))
        snprintf(cell, CELL, "%.6g", value);
    return cell;
}

static const char *
count_cell(int64_t value, char cell[CELL])
{
    cell[0] = '\0';
    if (value >= 0)
        snprintf(cell, CELL, "%" PRId64, value);
    return cell;
}

void
fabm_sheet_row(FabmSheet *sheet, const FabmRow *row)
{
    char ctas[CELL], bytes[CELL], value[CELL], low[CELL], high[CELL], samples[CELL];
    const char *cells[FABM_MOST_COLUMNS] = { row->test,
                                             row->variant,
                                             row->gpus,
                                             count_cell(row->ctas, ctas),
                                             count_cell(row->bytes, bytes),
                                             row->metric,
                                             number_cell(row->summary.median, value),
                                             number_cell(row->summary.low, low),
                                             number_cell(row->summary.high, high),
                                             count_cell(row->summary.samples, samples),
                                             row->unit };

    add_row(sheet, cells);
    if (sheet->report->print) {
        printf("%-16s %-30s %-9s %5s %12s %9s %12s %-7s %s..%s (%s)\n", row->test, row->variant, row->gpus, ctas,
               bytes, row->metric, value, row->unit, low, high, samples);
        fflush(stdout);
    }
}

void
fabm_sheet_link(FabmSheet *sheet, int src, int dst, double unidir_gbps, double bidir_gbps, double latency_us)
{
    char from[CELL], to[CELL], one[CELL], both[CELL], latency[CELL];
    const char *cells[] = { count_cell(src, from), count_cell(dst, to), number_cell(unidir_gbps, one),
                            number_cell(bidir_gbps, both), number_cell(latency_us, latency) };

    add_row(sheet, cells);
}

void
fabm_sheet_collective(FabmSheet *sheet, uint64_t bytes, double time_us, double bus_factor, int in_place)
{
    char size[CELL], time[CELL], algbw[CELL], busbw[CELL], place[CELL];
    double gbps = (double)bytes / time_us * 1e-3;
    const char *cells[] = { count_cell((int64_t)bytes, size), number_cell(time_us, time), number_cell(gbps, algbw),
                            number_cell(gbps * bus_factor, busbw), count_cell(in_place, place) };

    add_row(sheet, cells);
}

int
fabm_report_rows(FabmReport *report)
{
    int rows = 0;

    pthread_mutex_lock(&report->lock);
    for (const FabmSheet *sheet = report->first; sheet != NULL; sheet = sheet->next)
        rows += sheet->rows;
    pthread_mutex_unlock(&report->lock);
    return rows;
}
