#include "program.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Limits of the format, and those of this program, which its kernel has. */
enum { MOST_LINE = 255, MOST_WORDS = 8 + 32, MOST_STEPS = 4194304, MOST_CONNECTIONS = 262144, MOST_RANKS = 1024 };
enum { MOST_ENDS_OF_STREAM = 256, MOST_SLICE = 1 << 30 }; /* bytes of a slice count in 32 bits */

struct FabmProgramFile {
    FILE *file;
    const char *path;
    unsigned line;
    char text[MOST_LINE + 2];
    char *words[MOST_WORDS + 1];
    int count;
    bool started, ended;
};

void
fabm_program_free(FabmProgram *program)
{
    if (program == NULL)
        return;
    free(program->connections);
    free(program->lanes);
    free(program->ops);
    free(program->entries);
    free(program);
}

void
fabm_program_name_lane(const FabmProgram *program, uint32_t lane, char *text, size_t size)
{
    uint32_t role = lane % program->roles, channel = lane / program->roles % program->channels;

    snprintf(text, size, "rank %u channel %u role %u", lane / program->roles / program->channels, channel, role);
}

/* ------------------------------------------------------------------ lines and words */

FabmProgramFile *
fabm_program_open(const char *path, FabmFailure *failure)
{
    FILE *stream = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    FabmProgramFile *file;

    if (stream == NULL) {
        fabm_fail(failure, FABM_EXIT_INPUT, "%s: cannot be read: %s", path, strerror(errno));
        return NULL;
    }
    file = fabm_new(1, sizeof *file);
    *file = (FabmProgramFile) { .file = stream, .path = path };
    return file;
}

void
fabm_program_close(FabmProgramFile *file)
{
    if (file == NULL)
        return;
    if (file->file != stdin)
        fclose(file->file);
    free(file);
}

static bool
refuse(const FabmProgramFile *file, const char *what, FabmFailure *failure)
{
    return fabm_fail(failure, FABM_EXIT_INPUT, "%s: line %u: %s", file->path, file->line, what);
}

/* The next line that is no comment, split into words; false at the end of the file and with a failure. */
static bool
next_line(FabmProgramFile *file, FabmFailure *failure)
{
    char *rest = NULL;

    do {
        size_t length;

        if (fgets(file->text, sizeof file->text, file->file) == NULL) {
            file->ended = true;
            return false;
        }
        file->line++;
        length = strlen(file->text);
        if (length == 0 || file->text[length - 1] != '\n')
            return refuse(file, "is longer than 255 characters, or the file ends within it", failure);
        file->text[length - 1] = '\0';
    } while (file->text[0] == '#');
    file->count = 0;
    for (char *word = strtok_r(file->text, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest)) {
        if (file->count == MOST_WORDS)
            return refuse(file, "has more words than a line can have", failure);
        file->words[file->count++] = word;
    }
    return file->count > 0 || refuse(file, "is empty", failure);
}

/* A line that begins with `key` and has so many words, at least. */
static bool
need_line(FabmProgramFile *file, const char *key, int words, FabmFailure *failure)
{
    if (!next_line(file, failure))
        return failure->status != 0 ? false
                                    : fabm_fail(failure, FABM_EXIT_INPUT, "%s: ends where a line \"%s\" must follow",
                                                file->path, key);
    if (strcmp(file->words[0], key) != 0)
        return fabm_fail(failure, FABM_EXIT_INPUT, "%s: line %u: begins with \"%.40s\", must be \"%s\"", file->path,
                         file->line, file->words[0], key);
    if (file->count < words)
        return fabm_fail(failure, FABM_EXIT_INPUT, "%s: line %u: \"%s\" has %d words, needs %d", file->path, file->line,
                         key, file->count, words);
    return true;
}

static bool
take_number(FabmProgramFile *file, int word, uint64_t least, uint64_t most, uint64_t *number, FabmFailure *failure)
{
    const char *text = word < file->count ? file->words[word] : "";
    size_t digits = strspn(text, "0123456789");

    *number = digits > 0 && digits <= 18 ? strtoull(text, NULL, 10) : UINT64_MAX;
    if (digits == 0 || text[digits] != '\0' || *number < least || *number > most)
        return fabm_fail(failure, FABM_EXIT_INPUT,
                         "%s: line %u: \"%.40s\" must be a whole number from %" PRIu64 " to %" PRIu64, file->path,
                         file->line, text, least, most);
    return true;
}

static bool
need_number(FabmProgramFile *file, const char *key, uint64_t least, uint64_t most, uint64_t *number,
            FabmFailure *failure)
{
    return need_line(file, key, 2, failure) && take_number(file, 1, least, most, number, failure);
}

static bool
need_small(FabmProgramFile *file, const char *key, uint32_t least, uint32_t most, uint32_t *number,
           FabmFailure *failure)
{
    uint64_t value = 0;
    bool good = need_number(file, key, least, most, &value, failure);

    *number = (uint32_t)value;
    return good;
}

static bool
need_name(FabmProgramFile *file, const char *key, char *name, size_t size, FabmFailure *failure)
{
    if (!need_line(file, key, 2, failure))
        return false;
    if (strlen(file->words[1]) >= size)
        return refuse(file, "has a name that is too long", failure);
    strcpy(name, file->words[1]);
    return true;
}

/* ------------------------------------------------------------------ head */

static const char *const collectives[] = { "all_reduce", "all_gather", "reduce_scatter", "broadcast", "reduce",
                                           "alltoall",   "sendrecv",   "gather",         "scatter",   "barrier", NULL };
static const char *const reductions[] = { "sum", "prod", "max", "min", "none", NULL };

static const char *const protocols[] = { "simple", "ll", "ll128", NULL }; /* FabmProtocol */

static int
find_word(const char *const *words, const char *word)
{
    int index = 0;

    while (words[index] != NULL && strcmp(words[index], word) != 0)
        index++;
    return words[index] != NULL ? index : -1;
}

/*
 * What the elements are here. Values to reduce must be floats; anything that is only moved counts as words of 4 bytes,
 * or of 2 where its pieces do not divide.
 */
static bool
choose_element(FabmProgramFile *file, FabmProgram *program, FabmFailure *failure)
{
    FabmExpect *expect = &program->expect;
    uint64_t all = program->size | expect->piece | program->input | program->output;

    if (expect->reduction != FABM_NO_REDUCTION && strcmp(program->datatype, "float") != 0)
        return fabm_fail(failure, FABM_EXIT_INPUT, "%s: line %u: %s reduces %s, this program reduces float alone",
                         file->path, file->line, program->name, program->datatype);
    program->word = expect->reduction != FABM_NO_REDUCTION || all % 4 == 0 ? 4 : 2;
    if (all % program->word != 0)
        return fabm_fail(failure, FABM_EXIT_INPUT, "%s: line %u: %s has pieces that are no multiples of %u bytes",
                         file->path, file->line, program->name, program->word);
    expect->element = program->word == 4 ? FABM_BITS32 : FABM_HALF;
    if (expect->reduction != FABM_NO_REDUCTION)
        expect->element = FABM_FLOAT;
    expect->size = program->size / program->word;
    expect->piece /= program->word;
    return true;
}

static bool
read_call(FabmProgramFile *file, FabmProgram *program, FabmFailure *failure)
{
    FabmExpect *expect = &program->expect;
    uint32_t in_place;
    int collective, reduction, protocol;

    if (!need_name(file, "program", program->name, sizeof program->name, failure) ||
        !need_name(file, "collective", program->collective, sizeof program->collective, failure))
        return false;
    collective = find_word(collectives, program->collective);
    if (collective < 0)
        return refuse(file, "names a collective that is not known", failure);
    expect->collective = (FabmCollective)collective;
    if (!need_name(file, "algorithm", program->algorithm, sizeof program->algorithm, failure) ||
        !need_name(file, "protocol", program->protocol, sizeof program->protocol, failure))
        return false;
    protocol = find_word(protocols, program->protocol);
    if (protocol < 0)
        return refuse(file, "names a protocol that is none of simple, ll and ll128", failure);
    program->protocol_kind = (FabmProtocol)protocol;
    if (!need_name(file, "datatype", program->datatype, sizeof program->datatype, failure) ||
        !need_name(file, "reduction", program->reduction, sizeof program->reduction, failure))
        return false;
    reduction = find_word(reductions, program->reduction);
    if (reduction < 0)
        return refuse(file, "names a reduction that is not known", failure);
    expect->reduction = (FabmReduction)reduction;
    return need_number(file, "size", 0, INT64_MAX, &program->size, failure) &&
           need_number(file, "piece", 0, INT64_MAX, &expect->piece, failure) &&
           need_small(file, "root", 0, MOST_RANKS - 1, &expect->root, failure) &&
           need_small(file, "in-place", 0, 0, &in_place, failure) &&
           need_small(file, "one-way", 0, 1, &expect->one_way, failure);
}

static bool
read_shape(FabmProgramFile *file, FabmProgram *program, FabmFailure *failure)
{
    const uint64_t most = UINT64_C(1) << 44; /* more than any GPU has: sums of it stay in 64 bits */
    uint32_t ignored, shares = 0;

    if (!need_number(file, "input", 0, most, &program->input, failure) ||
        !need_number(file, "output", 0, most, &program->output, failure) ||
        !need_number(file, "scratch", 0, most, &program->scratch, failure) ||
        !choose_element(file, program, failure) ||
        !need_number(file, "slice", 1, MOST_SLICE, &program->slice, failure) ||
        !need_small(file, "slots", 1, 65536, &program->slots, failure) ||
        !need_small(file, "threads", 1, 1024, &program->threads, failure) ||
        !need_small(file, "ranks", 1, MOST_RANKS, &program->ranks, failure) ||
        !need_small(file, "channels", 1, 1024, &program->channels, failure) ||
        !need_small(file, "roles", 1, FABM_ROLES, &program->roles, failure))
        return false;
    program->expect.ranks = program->ranks;
    if (program->expect.root >= program->ranks)
        return refuse(file, "the root is no rank", failure);
    for (uint32_t i = 0; i < program->roles; i++) {
        if (!need_small(file, "share", 1, 1000, &program->share[i], failure))
            return false;
        shares += program->share[i];
    }
    if (shares > 1000)
        return refuse(file, "the shares sum to more than 1000", failure);
    for (uint32_t i = 0; i < program->ranks; i++)
        if (!need_small(file, "gpu", 0, UINT32_MAX, &ignored, failure))
            return false;
    return true;
}

/* Three words from `word` on. */
static bool
take_stream(FabmProgramFile *file, const FabmProgram *program, int word, FabmStream *stream, FabmFailure *failure)
{
    uint64_t rank = 0, channel = 0, role = 0;
    bool good = take_number(file, word, 0, program->ranks - 1, &rank, failure) &&
                take_number(file, word + 1, 0, program->channels - 1, &channel, failure) &&
                take_number(file, word + 2, 0, program->roles - 1, &role, failure);

    *stream = (FabmStream) { (uint32_t)rank, (uint32_t)channel, (uint32_t)role };
    return good;
}

static bool
read_connections(FabmProgramFile *file, FabmProgram *program, FabmFailure *failure)
{
    if (!need_small(file, "connections", 0, MOST_CONNECTIONS, &program->connection_count, failure))
        return false;
    program->connections = fabm_new(program->connection_count, sizeof *program->connections);
    for (uint32_t i = 0; i < program->connection_count; i++) {
        FabmConnection *connection = &program->connections[i];

        if (!need_line(file, "connection", 7, failure) ||
            !take_stream(file, program, 1, &connection->sender, failure) ||
            !take_stream(file, program, 4, &connection->receiver, failure))
            return false;
        if (connection->sender.rank == connection->receiver.rank)
            return refuse(file, "joins a rank with itself", failure);
    }
    return true;
}

/* ------------------------------------------------------------------ steps */

/* What the steps of each connection add up to; both ends must agree. */
typedef struct {
    uint64_t sent, received; /* slices */
} Traffic;

typedef struct {
    FabmProgramFile *file;
    FabmProgram *program;
    Traffic *traffic;
    FabmStream stream; /* being read */
    FabmLane *lane;
    uint32_t op_room, entry_room;
} Steps;

/* The place of a connection in the stream's table, which it enters on first use. */
static bool
table_place(Steps *steps, uint32_t connection, bool sends, uint8_t *place, FabmFailure *failure)
{
    FabmProgram *program = steps->program;
    FabmTableEntry *table = program->entries + steps->lane->first_end;
    uint32_t i = 0;

    while (i < steps->lane->ends && (table[i].connection != connection || table[i].sends != sends))
        i++;
    if (i == MOST_ENDS_OF_STREAM)
        return refuse(steps->file, "is the stream's 257th connection, 256 are the most here", failure);
    if (i == steps->lane->ends) {
        if (program->entry_count == steps->entry_room) {
            steps->entry_room = steps->entry_room > 0 ? 2 * steps->entry_room : 256;
            program->entries = fabm_grow(program->entries, steps->entry_room, sizeof *program->entries);
        }
        program->entries[program->entry_count++] = (FabmTableEntry) { connection, sends };
        steps->lane->ends++;
        if (steps->lane->ends > program->ends_most)
            program->ends_most = steps->lane->ends;
    }
    *place = (uint8_t)i;
    return true;
}

static bool
same_stream(const FabmStream *a, const FabmStream *b)
{
    return a->rank == b->rank && a->channel == b->channel && a->role == b->role;
}

/* The connections at the end of a step's line. */
static bool
take_ends(Steps *steps, FabmOp *op, FabmFailure *failure)
{
    FabmProgram *program = steps->program;
    uint64_t slices = op->bytes > 0 ? (op->bytes - 1) / program->slice + 1 : 1, number = 0;

    for (uint32_t i = 0; i < (uint32_t)op->recvs + op->sends; i++) {
        bool sends = i >= op->recvs;
        FabmConnection *connection;

        if (!take_number(steps->file, 8 + (int)i, 0, UINT32_MAX, &number, failure))
            return false;
        if (number >= program->connection_count)
            return refuse(steps->file, "uses a connection that does not exist", failure);
        connection = &program->connections[number];
        if (!same_stream(sends ? &connection->sender : &connection->receiver, &steps->stream))
            return refuse(steps->file, "uses a connection that does not end at this stream", failure);
        if (!table_place(steps, (uint32_t)number, sends, &op->ends[sends ? FABM_ENDS + i - op->recvs : i], failure))
            return false;
        *(sends ? &steps->traffic[number].sent : &steps->traffic[number].received) += slices;
    }
    for (uint32_t i = 1; i < (uint32_t)op->recvs + op->sends; i++)
        for (uint32_t j = 0; j < i; j++)
            if (strcmp(steps->file->words[8 + i], steps->file->words[8 + j]) == 0)
                return refuse(steps->file, "uses a connection twice", failure);
    return true;
}

static bool
take_buffer(Steps *steps, int word, uint8_t *buffer, uint64_t *offset, uint64_t bytes, FabmFailure *failure)
{
    static const char letters[] = "-ios";
    const FabmProgram *program = steps->program;
    const uint64_t rooms[] = { 0, program->input, program->output, program->scratch };
    const char *text = steps->file->words[word], *found = strchr(letters, text[0]);

    if (found == NULL || text[0] == '\0' || text[1] != '\0')
        return refuse(steps->file, "names a buffer that is none of i, o, s and -", failure);
    *buffer = (uint8_t)(found - letters);
    if (!take_number(steps->file, word + 1, 0, INT64_MAX, offset, failure))
        return false;
    if (*buffer != FABM_NONE && (bytes > rooms[*buffer] || *offset > rooms[*buffer] - bytes))
        return refuse(steps->file, "leaves its buffer", failure);
    if (*buffer != FABM_NONE && (bytes % program->word != 0 || *offset % program->word != 0))
        return refuse(steps->file, "splits an element", failure);
    return true;
}

static bool
read_step(Steps *steps, FabmFailure *failure)
{
    FabmProgramFile *file = steps->file;
    FabmOp op = { 0 };
    uint64_t recvs = 0, sends = 0;

    if (!need_line(file, "step", 8, failure) || !take_number(file, 1, 0, INT64_MAX, &op.bytes, failure) ||
        !take_buffer(steps, 2, &op.src, &op.src_offset, op.bytes, failure) ||
        !take_buffer(steps, 4, &op.dst, &op.dst_offset, op.bytes, failure) ||
        !take_number(file, 6, 0, 16, &recvs, failure) || !take_number(file, 7, 0, 16, &sends, failure))
        return false;
    if (recvs > FABM_ENDS || sends > FABM_ENDS)
        return refuse(file, "has more than 4 connections on one side, which the kernel does not take", failure);
    if (file->count != 8 + (int)(recvs + sends))
        return refuse(file, "has not as many connections as it says", failure);
    if (op.dst == FABM_INPUT)
        return refuse(file, "writes its input", failure);
    if (op.bytes > 0 && ((op.src == FABM_NONE && recvs == 0) || (op.dst == FABM_NONE && sends == 0)))
        return refuse(file, "moves bytes from nowhere or to nowhere", failure);
    op.recvs = (uint8_t)recvs;
    op.sends = (uint8_t)sends;
    if (!take_ends(steps, &op, failure))
        return false;
    if (steps->program->op_count == steps->op_room) {
        steps->op_room = steps->op_room > 0 ? 2 * steps->op_room : 1024;
        steps->program->ops = fabm_grow(steps->program->ops, steps->op_room, sizeof op);
    }
    steps->program->ops[steps->program->op_count++] = op;
    return true;
}

static bool
read_stream(Steps *steps, int64_t *last, FabmFailure *failure)
{
    FabmProgram *program = steps->program;
    uint64_t count = 0;
    int64_t place;

    if (!need_line(steps->file, "stream", 5, failure) ||
        !take_stream(steps->file, program, 1, &steps->stream, failure) ||
        !take_number(steps->file, 4, 1, MOST_STEPS - program->op_count, &count, failure))
        return false;
    place = ((int64_t)steps->stream.rank * program->channels + steps->stream.channel) * program->roles +
            steps->stream.role;
    if (place <= *last)
        return refuse(steps->file, "the streams do not ascend", failure);
    *last = place;
    steps->lane = &program->lanes[place];
    steps->lane->first_op = program->op_count;
    steps->lane->first_end = program->entry_count;
    for (uint64_t i = 0; i < count; i++)
        if (!read_step(steps, failure))
            return false;
    steps->lane->ops = (uint32_t)count;
    return true;
}

static bool
read_streams(FabmProgramFile *file, FabmProgram *program, FabmFailure *failure)
{
    Steps steps = { .file = file, .program = program };
    uint32_t lanes = program->ranks * program->channels * program->roles, streams = 0;
    int64_t last = -1;

    if (!need_small(file, "streams", 0, lanes, &streams, failure))
        return false;
    program->lanes = fabm_new(lanes, sizeof *program->lanes);
    program->ends_most = 1;
    steps.traffic = fabm_new(program->connection_count, sizeof *steps.traffic);
    for (uint32_t i = 0; i < streams && failure->status == 0; i++)
        (void)read_stream(&steps, &last, failure);
    for (uint32_t i = 0; i < program->connection_count && failure->status == 0; i++)
        if (steps.traffic[i].sent != steps.traffic[i].received)
            fabm_fail(failure, FABM_EXIT_INPUT, "%s: line %u: connection %u: %" PRIu64 " slices are sent, %" PRIu64
                      " are received", file->path, file->line, i, steps.traffic[i].sent, steps.traffic[i].received);
    free(steps.traffic);
    return failure->status == 0 && need_line(file, "end", 1, failure);
}

/* ------------------------------------------------------------------ programs */

/* "fabricast-program 1" */
static bool
read_first_line(FabmProgramFile *file, FabmFailure *failure)
{
    uint64_t version;

    file->started = true;
    return need_line(file, "fabricast-program", 2, failure) && take_number(file, 1, 1, 1, &version, failure);
}

/* Whether another program follows; its first line is then put back. */
static bool
another(FabmProgramFile *file)
{
    int next = fgetc(file->file);

    while (next == '#') {
        while (next != '\n' && next != EOF)
            next = fgetc(file->file);
        file->line++;
        next = fgetc(file->file);
    }
    if (next == EOF)
        return false;
    ungetc(next, file->file);
    return true;
}

FabmProgram *
fabm_program_next(FabmProgramFile *file, FabmFailure *failure)
{
    FabmProgram *program;

    if (!file->started && !read_first_line(file, failure))
        return NULL;
    if (!another(file)) {
        if (ferror(file->file))
            fabm_fail(failure, FABM_EXIT_INPUT, "%s: cannot be read: %s", file->path, strerror(errno));
        return NULL;
    }
    program = fabm_new(1, sizeof *program);
    if (read_call(file, program, failure) && read_shape(file, program, failure) &&
        read_connections(file, program, failure) && read_streams(file, program, failure))
        return program;
    fabm_program_free(program);
    return NULL;
}
