#include "measure/passed-over.h"

#include "measure/log.h"

void
fab_passed_over_add(FabPassedOver *lines, const char *text, uint64_t number)
{
    if (lines->tool == NULL)
        lines->tool = fab_log_guess(text);
    if (lines->from == 0) {
        lines->from = number;
        g_strlcpy(lines->first, text, sizeof lines->first);
    }
    lines->to = number;
}

void
fab_passed_over_tell(FabPassedOver *lines, const FabImportOptions *options, const char *path, const char *who)
{
    if (lines->from != 0 && lines->from == lines->to)
        fab_import_remark(options, "%s: line %" G_GUINT64_FORMAT ": %s this; passed over: \"%s\"", path, lines->from,
                          who, lines->first);
    else if (lines->from != 0)
        fab_import_remark(options, "%s: lines %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT ": %s these; passed over, "
                          "from: \"%s\"", path, lines->from, lines->to, who, lines->first);
    lines->from = 0;
}
