#include "measure/log.h"

#include <string.h>

#include "base/error.h"
#include "base/file.h"

/* Hours of NCCL_DEBUG=TRACE on some hundred ranks stay below; more is something else, or has no end. */
static const uint64_t LOG_BYTES = UINT64_C(1) << 30;

enum {
    BUFFER_BYTES = 256 << 10,
    LINE_BYTES = 64 << 10, /* NCCL's longest lines, the trees of 64 channels, have about 3 KiB */
    TAGS = 3,              /* a launcher inside a launcher, with a time */
    TAG_BYTES = 160        /* pod and host names have up to 63 and 253, rarely near it */
};

struct FabLog {
    FabFile *file;
    char *buffer, *line;
    size_t at, end, length; /* of buffer and line */
    uint64_t number;
    bool finished;
};

static bool
fill(FabLog *log, GError **error)
{
    ssize_t count = fab_file_next(log->file, log->buffer, BUFFER_BYTES, error);

    log->at = 0;
    log->end = count > 0 ? (size_t)count : 0;
    log->finished = count <= 0;
    return count >= 0;
}

/* What the first bytes say the file is when it is no text, or NULL. */
static const char *
not_text(const char *bytes, size_t length)
{
    static const struct {
        const char *magic;
        size_t length;
        const char *what;
    } known[] = {
        { "\x1f\x8b", 2, "is compressed with gzip; unpack it first" },
        { "\x28\xb5\x2f\xfd", 4, "is compressed with zstd; unpack it first" },
        { "\xfd" "7zXZ", 5, "is compressed with xz; unpack it first" },
        { "PK\x03\x04", 4, "is a zip archive; unpack it first" },
        { "%PDF", 4, "is a PDF document; give the text that the tool printed" },
        { "\xff\xfe", 2, "is UTF-16, as PowerShell writes it; save it as UTF-8" },
        { "\xfe\xff", 2, "is UTF-16; save it as UTF-8" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(known); i++) {
        if (length >= known[i].length && memcmp(bytes, known[i].magic, known[i].length) == 0)
            return known[i].what;
    }
    return memchr(bytes, 0, MIN(length, 4096)) != NULL ? "is a binary file; give the text that the tool printed" : NULL;
}

FabLog *
fab_log_open(const char *path, GError **error)
{
    g_autoptr(FabLog) log = g_new0(FabLog, 1);
    const char *wrong;

    log->file = fab_file_open(path, "a log", LOG_BYTES, true, error);
    if (log->file == NULL)
        return NULL;
    log->buffer = g_malloc(BUFFER_BYTES);
    log->line = g_malloc(LINE_BYTES + 1);
    if (!fill(log, error))
        return NULL;
    wrong = not_text(log->buffer, log->end);
    if (wrong != NULL) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: %s", path, wrong);
        return NULL;
    }
    if (log->end >= 3 && memcmp(log->buffer, "\xef\xbb\xbf", 3) == 0)
        log->at = 3; /* the mark that Windows editors write */
    return g_steal_pointer(&log);
}

void
fab_log_free(FabLog *log)
{
    if (log == NULL)
        return;
    fab_file_close(log->file);
    g_free(log->buffer);
    g_free(log->line);
    g_free(log);
}

int
fab_log_first(const FabLog *log)
{
    for (size_t i = log->at; i < log->end; i++) {
        if (!g_ascii_isspace(log->buffer[i]))
            return (unsigned char)log->buffer[i];
    }
    return -1;
}

char *
fab_log_rest(FabLog *log, size_t limit, size_t *length, GError **error)
{
    g_autoptr(GString) text = g_string_new_len(log->buffer + log->at, (gssize)(log->end - log->at));

    log->at = log->end;
    while (text->len <= limit && !log->finished) {
        if (!fill(log, error))
            return NULL;
        g_string_append_len(text, log->buffer, (gssize)log->end);
        log->at = log->end;
    }
    *length = text->len;
    if (text->len <= limit)
        return g_string_free(g_steal_pointer(&text), FALSE);
    fab_file_refuse_size(log->file, limit, error);
    return NULL;
}

/* ------------------------------------------------------------------ cleaning */

/* The end of the escape sequence at `at`: ESC [ ... letter, ESC ] ... BEL, or ESC and one character. */
static size_t
skip_escape(const char *text, size_t length, size_t at)
{
    size_t i = at + 2;

    if (at + 1 < length && text[at + 1] == ']') {
        while (i < length && text[i] != '\a')
            i++;
        return MIN(i + 1, length);
    }
    if (at + 1 < length && text[at + 1] == '[') {
        while (i < length && (text[i] < 0x40 || text[i] > 0x7e))
            i++;
        return MIN(i + 1, length);
    }
    return MIN(i, length);
}

/* In place. Control characters become blanks, a NUL (a hole that a crash left) becomes a question mark. */
static size_t
clean(char *text, size_t length)
{
    size_t out = 0;

    for (size_t i = 0; i < length;) {
        if (text[i] == 0x1b) {
            i = skip_escape(text, length, i);
            continue;
        }
        if (text[i] == 0)
            text[out++] = '?';
        else
            text[out++] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? ' ' : text[i];
        i++;
    }
    while (out > 0 && text[out - 1] == ' ')
        out--;
    text[out] = '\0';
    return out;
}

bool
fab_log_next(FabLog *log, FabLogLine *line, GError **error)
{
    bool complete = false, any = false;

    log->length = 0;
    *line = (FabLogLine) { .text = log->line };
    while (!complete) {
        const char *start, *stop;
        size_t count, room = LINE_BYTES - log->length;
        if (log->at == log->end && !log->finished && !fill(log, error))
            return false;
        if (log->at == log->end)
            break;
        any = true;
        start = log->buffer + log->at;
        stop = memchr(start, '\n', log->end - log->at);
        complete = stop != NULL;
        count = complete ? (size_t)(stop - start) : log->end - log->at;
        log->at += count + complete;
        line->overlong = line->overlong || count > room;
        memcpy(log->line + log->length, start, MIN(count, room));
        log->length += MIN(count, room);
    }
    if (!any)
        return false;
    clean(log->line, log->length);
    line->cut = !complete;
    line->number = ++log->number;
    return true;
}

/* ------------------------------------------------------------------ words */

/* Whether a line of a table or a comment starts here: where tags end. */
static bool
starts_line(const char *text)
{
    size_t digits;

    text += strspn(text, " ");
    digits = strspn(text, "0123456789,");
    return text[0] == '#' || (digits > 0 && text[digits] == ' ');
}

/* The length of one tag at the start of `text`, or 0. */
static size_t
tag_length(const char *text)
{
    size_t blank = strspn(text, " "), length = 0;
    const char *word = text + blank, *end;

    if (word[0] == '[' && (end = strstr(word, "]<std")) != NULL && (end = strchr(end, ':')) != NULL
        && end - text < TAG_BYTES)
        return (size_t)(end - text + 1);
    length = strcspn(word, " ");
    if (length == 0 || length > TAG_BYTES)
        return 0;
    if (word[length - 1] == ':' || word[length - 1] == ']' || word[length - 1] == '|')
        return blank + length;
    if (word[length] == ' ' && word[length + 1] == '|')
        return blank + length + 2;
    if (g_ascii_isdigit(word[0]) && length >= 20 && word[4] == '-' && word[10] == 'T')
        return blank + length; /* the time of kubectl --timestamps */
    end = strstr(word, ":#");
    return end != NULL && end < word + length ? (size_t)(end - text + 1) : 0;
}

char *
fab_log_strip_tag(char *text)
{
    char *rest = text;

    for (int i = 0; i < TAGS; i++) {
        size_t length = tag_length(rest);
        if (length == 0)
            break;
        rest += length;
        if (starts_line(rest))
            return rest + strspn(rest, " ");
    }
    return text + strspn(text, " ");
}

unsigned
fab_log_split(char *text, char **words, unsigned most)
{
    unsigned count = 0;

    for (;;) {
        text += strspn(text, " ");
        if (text[0] == '\0' || count == most)
            return count;
        words[count++] = text;
        text += strcspn(text, " ");
        if (text[0] != '\0')
            *text++ = '\0';
    }
}

const char *
fab_log_guess(const char *text)
{
    static const struct {
        const char *part, *what;
    } known[] = {
        { "P2P (Peer-to-Peer) GPU Bandwidth", "p2pBandwidthLatencyTest (fabricast import p2pBandwidthLatencyTest)" },
        { "P2P Connectivity Matrix", "p2pBandwidthLatencyTest (fabricast import p2pBandwidthLatencyTest)" },
        { "nvbandwidth Version", "nvbandwidth (fabricast import nvbandwidth)" },
        { "# nThread ", "nccl-tests (fabricast import nccl-tests)" },
        { "# Avg bus bandwidth", "nccl-tests (fabricast import nccl-tests)" },
        { "redop", "nccl-tests (fabricast import nccl-tests)" },
        { "CPU Affinity", "nvidia-smi topo -m (fabricast import topo-matrix)" },
        { "<system version", "an NCCL topology (fabricast import nccl-topology)" },
        { "<graphs version", "an NCCL graph (fabricast import nccl-graph)" },
        { "\"nvbandwidth\"", "the JSON of nvbandwidth (fabricast import nvbandwidth)" },
        { "# OSU MPI", "the OSU micro-benchmarks, which nothing here reads" },
        { "#bytes     #iterations", "perftest (ib_write_bw and others), which nothing here reads" },
        { "\"traceEvents\"", "a trace of a profiler, which nothing here reads" },
        { "NVIDIA-SMI", "nvidia-smi, of which only topo -m is read (fabricast import topo-matrix)" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(known); i++) {
        if (strstr(text, known[i].part) != NULL)
            return known[i].what;
    }
    return NULL;
}
