#include <stdarg.h>
#include <string.h>

#include "base/datatype.h"
#include "base/error.h"
#include "base/file.h"
#include "program/program-file.h"
#include "program/program-survey.h"

/* A step's words, and the largest file: the most steps with long offsets. */
enum { MAX_LINE = 255, MAX_WORDS = 8 + 2 * FAB_PROGRAM_FILE_ENDS };
#define MAX_FILE (UINT64_C(1) << 29)

/* Far from overflow, far above any GPU's memory. */
#define MAX_BYTES (UINT64_C(1) << 42)

/* A step as stored: the ends follow each other in one array for the program. */
typedef struct {
    uint64_t bytes, src_offset, dst_offset;
    gsize ends; /* index of the first */
    uint8_t src, dst, recv_count, send_count;
} Stored;

typedef struct {
    uint64_t first, count; /* in `steps` */
} Span;

typedef struct {
    Span *spans;   /* of each stream */
    GArray *steps; /* Stored */
    GArray *ends;  /* FabEnd */
} Listing;

typedef struct {
    const char *path;
    char *next;     /* of the text that is left */
    uint32_t line;  /* number of the one in `words` */
    char *words[MAX_WORDS + 1];
    uint32_t count;
    uint64_t steps; /* of the file so far */
} Reader;

static void
listing_free(gpointer data)
{
    Listing *listing = data;

    g_free(listing->spans);
    g_array_unref(listing->steps);
    g_array_unref(listing->ends);
    g_free(listing);
}

static bool
listed_step(const FabProgram *program, const FabStream *stream, uint64_t index, FabStep *step)
{
    const Listing *listing = program->data;
    uint64_t number = ((uint64_t)stream->rank * program->channels + stream->channel) * program->roles + stream->role;
    const Span *span = &listing->spans[number];
    const Stored *stored;

    if (index >= span->count)
        return false;
    stored = &g_array_index(listing->steps, Stored, span->first + index);
    fab_step_begin(step, stored->bytes);
    step->src = stored->src;
    step->dst = stored->dst;
    step->src_offset = stored->src_offset;
    step->dst_offset = stored->dst_offset;
    step->recv_count = stored->recv_count;
    step->send_count = stored->send_count;
    step->recv = (const FabEnd *)(gconstpointer)listing->ends->data + stored->ends;
    step->send = step->recv + stored->recv_count;
    return true;
}

/* ------------------------------------------------------------------ lines */

G_GNUC_PRINTF(3, 4)
static bool
refuse(const Reader *reader, GError **error, const char *format, ...)
{
    g_autofree char *wrong = NULL;
    va_list values;

    va_start(values, format);
    wrong = g_strdup_vprintf(format, values);
    va_end(values);
    g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: line %u: %s", reader->path, reader->line, wrong);
    return false;
}

/* The next line that is no comment, without its end; NULL at the end of the file. */
static char *
next_text(Reader *reader)
{
    while (*reader->next != '\0') {
        char *text = reader->next, *end = strchr(text, '\n');
        reader->line++;
        if (end != NULL)
            *end = '\0';
        reader->next = end != NULL ? end + 1 : text + strlen(text);
        if (*text != '#')
            return text;
    }
    return NULL;
}

/* Splits the next line; `count` is 0 at the end of the file. */
static bool
next_line(Reader *reader, GError **error)
{
    char *text = next_text(reader);

    reader->count = 0;
    if (text == NULL)
        return true;
    if (strlen(text) > MAX_LINE)
        return refuse(reader, error, "is longer than %d characters", MAX_LINE);
    for (char *word = text; word != NULL && reader->count < MAX_WORDS; reader->count++) {
        char *blank = strchr(word, ' ');
        if (blank != NULL)
            *blank++ = '\0';
        for (const char *letter = word; *letter != '\0'; letter++)
            if (!g_ascii_isgraph(*letter))
                return refuse(reader, error, "has a letter that is not printable ASCII");
        if (*word == '\0')
            return refuse(reader, error, "has no words, or more than one blank between two");
        reader->words[reader->count] = word;
        text = word = blank;
    }
    return text == NULL || refuse(reader, error, "has more than %d words", MAX_WORDS);
}

static bool
parse_number(const Reader *reader, const char *word, uint64_t least, uint64_t most, uint64_t *value, GError **error)
{
    if (g_ascii_isdigit(*word) && g_ascii_string_to_unsigned(word, 10, least, most, value, NULL))
        return true;
    return refuse(reader, error, "%s has \"%.40s\", must be a whole number between %" G_GUINT64_FORMAT " and %"
                  G_GUINT64_FORMAT, reader->words[0], word, least, most);
}

/* Reads the line `key` with `words` words behind it. */
static bool
expect(Reader *reader, const char *key, uint32_t words, GError **error)
{
    if (!next_line(reader, error))
        return false;
    if (reader->count == 0)
        return refuse(reader, error, "the file ends here, the line \"%s\" must follow", key);
    if (strcmp(reader->words[0], key) != 0)
        return refuse(reader, error, "begins with \"%.40s\", must be the line \"%s\"", reader->words[0], key);
    return reader->count == words + 1 ||
           refuse(reader, error, "%s has %u words behind it, must have %u", key, reader->count - 1, words);
}

static bool
read_number(Reader *reader, const char *key, uint64_t least, uint64_t most, uint64_t *value, GError **error)
{
    return expect(reader, key, 1, error) && parse_number(reader, reader->words[1], least, most, value, error);
}

static bool
read_small(Reader *reader, const char *key, uint32_t least, uint32_t most, uint32_t *value, GError **error)
{
    uint64_t number = 0;
    bool good = read_number(reader, key, least, most, &number, error);

    *value = (uint32_t)number;
    return good;
}

static bool
read_word(Reader *reader, const char *key, char **value, GError **error)
{
    if (!expect(reader, key, 1, error))
        return false;
    *value = g_strdup(reader->words[1]);
    return true;
}

/* ------------------------------------------------------------------ head */

static bool
read_datatype(Reader *reader, FabProgramNote *note, GError **error)
{
    g_autoptr(GError) inner = NULL;
    const char *name;
    uint64_t bytes;

    if (!expect(reader, "datatype", 2, error) || !parse_number(reader, reader->words[2], 1, 8, &bytes, error))
        return false;
    name = fab_datatype_find(reader->words[1], &inner);
    if (name == NULL)
        return refuse(reader, error, "%s", inner->message);
    note->datatype = g_strdup(name);
    return bytes == fab_datatype_bytes(name) ||
           refuse(reader, error, "an element of %s has %u bytes, not %s", name, fab_datatype_bytes(name),
                  reader->words[2]);
}

static bool
read_note(Reader *reader, FabProgramNote *note, GError **error)
{
    uint32_t in_place, one_way;
    bool good = read_word(reader, "collective", &note->collective, error) &&
                read_word(reader, "algorithm", &note->algorithm, error) &&
                read_word(reader, "protocol", &note->protocol, error) && read_datatype(reader, note, error) &&
                read_word(reader, "reduction", &note->reduction, error) &&
                read_number(reader, "size", 0, MAX_BYTES, &note->size, error) &&
                read_number(reader, "piece", 0, MAX_BYTES, &note->piece, error) &&
                read_small(reader, "root", 0, FAB_PROGRAM_FILE_RANKS - 1, &note->root, error) &&
                read_small(reader, "in-place", 0, 0, &in_place, error) &&
                read_small(reader, "one-way", 0, 1, &one_way, error);

    note->one_way = good && one_way != 0;
    return good;
}

static bool
read_shares(Reader *reader, FabProgram *program, GError **error)
{
    uint32_t left = 1000;

    for (uint32_t i = 0; i < program->roles; i++) {
        uint32_t share;
        if (!read_small(reader, "share", 0, left, &share, error))
            return false;
        left -= share;
        program->role_share[i] = share / 1000.0;
    }
    return true;
}

static bool
read_gpus(Reader *reader, const FabProgram *program, FabProgramNote *note, GError **error)
{
    note->gpus = g_new0(uint32_t, program->ranks);
    for (uint32_t i = 0; i < program->ranks; i++)
        if (!read_small(reader, "gpu", 0, UINT32_MAX, &note->gpus[i], error))
            return false;
    return true;
}

static bool
read_frame(Reader *reader, FabProgram *program, FabProgramNote *note, GError **error)
{
    return read_number(reader, "input", 0, MAX_BYTES, &program->input_bytes, error) &&
           read_number(reader, "output", 0, MAX_BYTES, &program->output_bytes, error) &&
           read_number(reader, "scratch", 0, MAX_BYTES, &program->scratch_bytes, error) &&
           read_number(reader, "slice", 1, MAX_BYTES, &program->slice_bytes, error) &&
           read_small(reader, "slots", 1, UINT16_MAX, &program->slots, error) &&
           read_small(reader, "threads", 0, 1024, &note->threads, error) &&
           read_small(reader, "ranks", 1, FAB_PROGRAM_FILE_RANKS, &program->ranks, error) &&
           read_small(reader, "channels", 1, FAB_PROGRAM_FILE_CHANNELS, &program->channels, error) &&
           read_small(reader, "roles", 1, FAB_PROGRAM_ROLES, &program->roles, error) &&
           read_shares(reader, program, error) && read_gpus(reader, program, note, error) &&
           (note->root < program->ranks ||
            refuse(reader, error, "root is %u, there are %u ranks", note->root, program->ranks));
}

/* ------------------------------------------------------------------ connections and steps */

/* Three words from `words` on. */
static bool
parse_stream(const Reader *reader, const FabProgram *program, char *const *words, FabStream *stream, GError **error)
{
    uint64_t rank, channel, role;

    if (!parse_number(reader, words[0], 0, program->ranks - 1, &rank, error) ||
        !parse_number(reader, words[1], 0, program->channels - 1, &channel, error) ||
        !parse_number(reader, words[2], 0, program->roles - 1, &role, error))
        return false;
    *stream = (FabStream) { .rank = (uint32_t)rank, .channel = (uint32_t)channel, .role = (uint32_t)role };
    return true;
}

static FabWire *
read_wires(Reader *reader, FabProgram *program, GError **error)
{
    g_autofree FabWire *wires = NULL;

    if (!read_small(reader, "connections", 0, FAB_PROGRAM_FILE_CONNECTIONS, &program->connections, error))
        return NULL;
    wires = g_new0(FabWire, MAX(program->connections, 1));
    for (uint32_t i = 0; i < program->connections; i++)
        if (!expect(reader, "connection", 6, error) ||
            !parse_stream(reader, program, reader->words + 1, &wires[i].sender, error) ||
            !parse_stream(reader, program, reader->words + 4, &wires[i].receiver, error))
            return NULL;
    return g_steal_pointer(&wires);
}

static bool
parse_buffer(const Reader *reader, const char *word, uint8_t *buffer, GError **error)
{
    static const char letters[] = "-ios";
    const char *found = word[0] != '\0' && word[1] == '\0' ? strchr(letters, word[0]) : NULL;

    *buffer = found != NULL ? (uint8_t)(found - letters) : 0;
    return found != NULL || refuse(reader, error, "\"%.20s\" is no buffer; accepted: i, o, s, -", word);
}

/* The ends of a step; the ranks at the other end come from the connections' lines. */
static bool
parse_ends(const Reader *reader, const FabProgram *program, const FabWire *wires, Stored *stored, GError **error)
{
    Listing *listing = program->data;

    stored->ends = listing->ends->len;
    for (uint32_t i = 0; i < (uint32_t)stored->recv_count + stored->send_count; i++) {
        FabEnd end = { 0 };
        uint64_t number;
        if (program->connections == 0)
            return refuse(reader, error, "uses a connection, there are none");
        if (!parse_number(reader, reader->words[8 + i], 0, program->connections - 1, &number, error))
            return false;
        end.connection = (uint32_t)number;
        end.peer = i < stored->recv_count ? wires[number].sender.rank : wires[number].receiver.rank;
        g_array_append_val(listing->ends, end);
    }
    return true;
}

static bool
read_step(Reader *reader, const FabProgram *program, const FabWire *wires, GError **error)
{
    Listing *listing = program->data;
    Stored stored = { 0 };
    uint64_t recvs, sends;

    if (!next_line(reader, error))
        return false;
    if (reader->count < 8 || strcmp(reader->words[0], "step") != 0)
        return refuse(reader, error, "must be a line \"step\" with 7 words or more behind it");
    if (!parse_number(reader, reader->words[1], 0, MAX_BYTES, &stored.bytes, error) ||
        !parse_buffer(reader, reader->words[2], &stored.src, error) ||
        !parse_number(reader, reader->words[3], 0, MAX_BYTES, &stored.src_offset, error) ||
        !parse_buffer(reader, reader->words[4], &stored.dst, error) ||
        !parse_number(reader, reader->words[5], 0, MAX_BYTES, &stored.dst_offset, error) ||
        !parse_number(reader, reader->words[6], 0, FAB_PROGRAM_FILE_ENDS, &recvs, error) ||
        !parse_number(reader, reader->words[7], 0, FAB_PROGRAM_FILE_ENDS, &sends, error))
        return false;
    if (reader->count != 8 + recvs + sends)
        return refuse(reader, error, "names %u connections, must name %u", reader->count - 8,
                      (unsigned)(recvs + sends));
    stored.recv_count = (uint8_t)recvs;
    stored.send_count = (uint8_t)sends;
    if (!parse_ends(reader, program, wires, &stored, error))
        return false;
    g_array_append_val(listing->steps, stored);
    return true;
}

static bool
read_stream(Reader *reader, const FabProgram *program, const FabWire *wires, uint64_t *least, GError **error)
{
    Listing *listing = program->data;
    FabStream stream;
    uint64_t number, count;

    if (!expect(reader, "stream", 4, error) ||
        !parse_stream(reader, program, reader->words + 1, &stream, error) ||
        !parse_number(reader, reader->words[4], 1, FAB_PROGRAM_FILE_STEPS, &count, error))
        return false;
    number = ((uint64_t)stream.rank * program->channels + stream.channel) * program->roles + stream.role;
    if (number < *least)
        return refuse(reader, error, "the stream is not behind the one before");
    *least = number + 1;
    reader->steps += count;
    if (reader->steps > FAB_PROGRAM_FILE_STEPS)
        return refuse(reader, error, "the file has more than %u steps", FAB_PROGRAM_FILE_STEPS);
    listing->spans[number] = (Span) { .first = listing->steps->len, .count = count };
    for (uint64_t i = 0; i < count; i++)
        if (!read_step(reader, program, wires, error))
            return false;
    return true;
}

static bool
read_streams(Reader *reader, FabProgram *program, const FabWire *wires, GError **error)
{
    uint64_t streams = (uint64_t)program->ranks * program->channels * program->roles, count, least = 0;
    Listing *listing = program->data;

    if (!read_number(reader, "streams", 0, streams, &count, error))
        return false;
    listing->spans = g_new0(Span, streams);
    for (uint64_t i = 0; i < count; i++)
        if (!read_stream(reader, program, wires, &least, error))
            return false;
    return true;
}

/* ------------------------------------------------------------------ whole programs */

static bool
same_stream(const FabStream *a, const FabStream *b)
{
    return a->rank == b->rank && a->channel == b->channel && a->role == b->role;
}

/* What the steps do is what the lines of the connections say. */
static bool
check_program(const Reader *reader, const FabProgram *program, const FabProgramNote *note, const FabWire *wires,
              GError **error)
{
    g_auto(FabSurvey) survey = { 0 };

    if (!fab_survey(program, fab_datatype_bytes(note->datatype), FAB_PROGRAM_FILE_STEPS, &survey, error)) {
        g_prefix_error(error, "%s: ", reader->path);
        return false;
    }
    for (guint i = 0; i < survey.wires->len; i++) {
        const FabWire *wire = &g_array_index(survey.wires, FabWire, i);
        if (!same_stream(&wire->sender, &wires[wire->id].sender) ||
            !same_stream(&wire->receiver, &wires[wire->id].receiver))
            return refuse(reader, error, "connection %u joins other streams than its line says", wire->id);
    }
    return survey.wires->len == program->connections ||
           refuse(reader, error, "%u of %u connections are not used", program->connections - survey.wires->len,
                  program->connections);
}

static FabProgram *
empty_program(const FabProgramNote *note)
{
    g_autofree char *name = g_strdup_printf("%s %s", note->collective, note->algorithm);
    Listing *listing = g_new0(Listing, 1);
    FabProgram *program = fab_program_new(name, listing, listing_free);

    listing->steps = g_array_new(FALSE, FALSE, sizeof(Stored));
    listing->ends = g_array_new(FALSE, FALSE, sizeof(FabEnd));
    program->step = listed_step;
    return program;
}

static void
entry_free(gpointer data)
{
    FabProgramEntry *entry = data;

    fab_program_note_clear(&entry->note);
    fab_program_free(entry->program);
    g_free(entry);
}

/* Behind its line "program". */
static bool
read_program(Reader *reader, FabProgramEntry *entry, GError **error)
{
    g_autofree FabWire *wires = NULL;

    if (!read_note(reader, &entry->note, error))
        return false;
    entry->program = empty_program(&entry->note);
    if (!read_frame(reader, entry->program, &entry->note, error))
        return false;
    wires = read_wires(reader, entry->program, error);
    return wires != NULL && read_streams(reader, entry->program, wires, error) && expect(reader, "end", 0, error) &&
           check_program(reader, entry->program, &entry->note, wires, error);
}

static bool
read_version(Reader *reader, GError **error)
{
    if (!next_line(reader, error))
        return false;
    if (reader->count != 2 || strcmp(reader->words[0], "fabricast-program") != 0)
        return refuse(reader, error, "is not the line \"fabricast-program 1\" with which a program file begins");
    return strcmp(reader->words[1], "1") == 0 ||
           refuse(reader, error, "the format has version %.20s, this program reads version %d", reader->words[1],
                  FAB_PROGRAM_FILE_VERSION);
}

GPtrArray *
fab_program_read(const char *path, GError **error)
{
    gsize length = 0;
    g_autofree char *text = fab_file_read(path, "a program file", MAX_FILE, &length, error);
    g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func(entry_free);
    Reader reader = { .path = path, .next = text };

    if (text == NULL)
        return NULL;
    if (strlen(text) != length) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: holds a zero byte, a program file is text", path);
        return NULL;
    }
    if (!read_version(&reader, error) || !expect(&reader, "program", 1, error))
        return NULL;
    while (true) {
        FabProgramEntry *entry = g_new0(FabProgramEntry, 1);
        g_ptr_array_add(entries, entry);
        if (!read_program(&reader, entry, error) || !next_line(&reader, error))
            return NULL;
        if (reader.count == 0)
            return g_steal_pointer(&entries);
        if (reader.count != 2 || strcmp(reader.words[0], "program") != 0) {
            refuse(&reader, error, "must be the line \"program NAME\" or the end of the file");
            return NULL;
        }
    }
}
