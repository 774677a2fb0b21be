#include "options.h"

#include <stdlib.h>
#include <string.h>

typedef enum { FLAG, WHOLE, SECONDS, NUMBER, BYTES, LIST, TEXT, TEXTS, WORDS } Kind;

typedef struct {
    const char *name, *argument; /* without the dashes; NULL: none */
    Kind kind;
    size_t offset; /* of the field */
    long least, most;
    const char *help;
} Option;

#define FIELD(name) offsetof(FabmOptions, name)

static const Option table[] = {
    { "list", NULL, FLAG, FIELD(list), 0, 0, "list the tests, the GPUs and what joins them" },
    { "gpus", "LIST", LIST, FIELD(gpus), 0, 0, "GPUs to use, such as 0,2-3 (all)" },
    { "fake", "N", WHOLE, FIELD(fake), 1, 64, "N GPUs made of host threads: tries the program, measures nothing" },
    { "sizes", "SIZES", BYTES, FIELD(sizes), 0, 0, "LOW:HIGH[:FACTOR] or a list, such as 4K:1G or 8M,64M" },
    { "repeats", "N", WHOLE, FIELD(repeats), 1, 100000, "timed samples of each point (20)" },
    { "warmup", "N", WHOLE, FIELD(warmup), 0, 100000, "runs before them (5)" },
    { "ctas", "LIST", LIST, FIELD(ctas), 0, 0, "thread blocks of copy kernels (1, 2, 4, ... all multiprocessors)" },
    { "widths", "LIST", LIST, FIELD(widths), 0, 0, "bytes of one access: 4, 8, 16 (all)" },
    { "threads", "N", WHOLE, FIELD(threads), 32, 1024, "threads of a block, a multiple of 32 (512)" },
    { "streams", "LIST", LIST, FIELD(streams), 0, 0, "streams of the pipeline, 1 to 64 (1,2,3,4,8)" },
    { "total", "BYTES", BYTES, FIELD(total), 0, 0, "what goes through the pipeline (256M)" },
    { "kernel-rate", "GB/S", NUMBER, FIELD(kernel_rate), 0, 10000000, "speed of the pipeline's kernel (two of them)" },
    { "back", "SHARE", NUMBER, FIELD(back), 0, 1000, "bytes that come back from the pipeline for each (1)" },
    { "pairs", "PAIRS", TEXT, FIELD(pairs), 0, 0, "copies of the test transfer, all at once: 0>1,h>0 (0>0)" },
    { "engine", "NAME", TEXT, FIELD(engine), 0, 0, "what copies them: copy, the GPU's copy engine, or kernel (copy)" },
    { "ranks", "LIST", LIST, FIELD(ranks), 0, 0, "NCCL and the pipeline on the first N GPUs, each N of the list" },
    { "collectives", "NAMES", WORDS, FIELD(collectives), 0, 0, "NCCL operations, separated by commas (all)" },
    { "dtype", "NAME", TEXT, FIELD(dtype), 0, 0, "data type of NCCL operations: float, half, bfloat16 (float)" },
    { "algo", "NAME", TEXT, FIELD(algo), 0, 0, "NCCL_ALGO for this run" },
    { "proto", "NAME", TEXT, FIELD(proto), 0, 0, "NCCL_PROTO for this run" },
    { "channels", "N", TEXT, FIELD(channels), 0, 0, "NCCL_MIN_NCHANNELS and NCCL_MAX_NCHANNELS for this run" },
    { "program", "FILE", TEXTS, FIELD(programs), 0, 0, "channel programs of the test program; - is standard input" },
    { "nccl", "FILE", TEXT, FIELD(nccl), 0, 0, "NCCL library to load (looked for)" },
    { "cublaslt", "FILE", TEXT, FIELD(cublaslt), 0, 0, "cuBLASLt library to load (looked for)" },
    { "seed", "N", WHOLE, FIELD(seed), 0, 2147483647, "of the random data (1)" },
    { "timeout", "SECONDS", SECONDS, FIELD(timeout_s), 0, 0, "a point that takes longer hangs: stop (60)" },
    { "output", "FOLDER", TEXT, FIELD(output), 0, 0, "write measurement files into FOLDER" },
    { "machine", "NAME", TEXT, FIELD(machine), 0, 0, "name of the machine and begin of the file names" },
    { "tag", "NAME", TEXT, FIELD(tag), 0, 0, "end of the file names, to keep several runs of a test" },
    { "fact", "GROUP.KEY=VALUE", TEXTS, FIELD(facts), 0, 0, "a line of the key files: system.topology=dgx-h200" },
    { "json", NULL, FLAG, FIELD(json), 0, 0, "results on standard output as JSON" },
    { "help", NULL, FLAG, FIELD(help), 0, 0, "print this and stop" },
    { "version", NULL, FLAG, FIELD(version), 0, 0, "print the version and stop" },
};

enum { OPTIONS = sizeof table / sizeof table[0] };

static bool
parse_number(const char *text, uint64_t *number, const char **end)
{
    char *after;

    if (*text < '0' || *text > '9')
        return false;
    *number = strtoull(text, &after, 10);
    *end = after;
    return after - text <= 18;
}

static bool
add_number(FabmNumbers *numbers, uint64_t number)
{
    if (numbers->count == FABM_MOST)
        return false;
    numbers->values[numbers->count++] = number;
    return true;
}

/* A size at the begin of `text`; `end` is what follows. */
static bool
take_bytes(const char *text, uint64_t *bytes, const char **end)
{
    static const char units[] = "KMGT";
    const char *unit;

    if (!parse_number(text, bytes, end))
        return false;
    unit = **end != '\0' ? strchr(units, **end) : NULL;
    if (unit != NULL) {
        int shift = 10 * (int)(unit - units + 1);

        if (*bytes > (UINT64_MAX >> 1) >> shift)
            return false;
        *bytes <<= shift;
        *end += 1;
        if ((*end)[0] == 'i')
            *end += 1;
    }
    if (**end == 'B')
        *end += 1;
    return true;
}

bool
fabm_parse_sizes(const char *text, FabmNumbers *sizes)
{
    uint64_t low, high, factor = 2;
    const char *at = text;

    sizes->count = 0;
    if (strchr(text, ':') == NULL) {
        do {
            if (sizes->count > 0)
                at++;
            if (!take_bytes(at, &low, &at) || !add_number(sizes, low))
                return false;
        } while (*at == ',');
        return *at == '\0';
    }
    if (!take_bytes(at, &low, &at) || *at++ != ':' || !take_bytes(at, &high, &at) || low == 0 || high < low)
        return false;
    if (*at == ':' && (!parse_number(at + 1, &factor, &at) || factor < 2))
        return false;
    for (uint64_t size = low; size <= high; size *= factor)
        if (!add_number(sizes, size) || size > high / factor)
            break;
    return *at == '\0';
}

bool
fabm_parse_list(const char *text, FabmNumbers *numbers)
{
    uint64_t from, to;

    numbers->count = 0;
    for (;; text++) {
        if (!parse_number(text, &from, &text))
            return false;
        to = from;
        if (*text == '-' && !parse_number(text + 1, &to, &text))
            return false;
        for (uint64_t i = from; i <= to; i++)
            if (!add_number(numbers, i))
                return false;
        if (*text != ',')
            return *text == '\0' && numbers->count > 0;
    }
}

static bool
parse_words(const char *text, FabmWords *words, char *room, size_t size)
{
    char *rest = NULL;

    if (strlen(text) >= size)
        return false;
    strcpy(room, text);
    words->count = 0;
    for (char *word = strtok_r(room, ",", &rest); word != NULL; word = strtok_r(NULL, ",", &rest)) {
        if (words->count == FABM_MOST)
            return false;
        words->values[words->count++] = word;
    }
    return words->count > 0;
}

/* What the argument of an option must be, for messages. */
static const char *
wanted(const Option *option)
{
    switch (option->kind) {
    case SECONDS:
        return "a number of seconds above 0";
    case NUMBER:
        return "a number of 0 or more";
    case BYTES:
        return "LOW:HIGH, LOW:HIGH:FACTOR or a list of sizes such as 4K,1M, at most 64 of them";
    case LIST:
        return "a list of whole numbers such as 0,2-3, at most 64 of them";
    case WORDS:
    case TEXTS:
        return "a text; at most 64 of them";
    default:
        return "a text";
    }
}

static bool
take_whole(const Option *option, const char *text, int *field)
{
    uint64_t number;
    const char *end;

    if (!parse_number(text, &number, &end) || *end != '\0' || number < (uint64_t)option->least ||
        number > (uint64_t)option->most)
        return false;
    *field = (int)number;
    return true;
}

static bool
take_seconds(const char *text, double *field)
{
    char *end;

    *field = strtod(text, &end);
    return end != text && *end == '\0' && *field > 0 && *field < 1e6;
}

static bool
take_decimal(const Option *option, const char *text, double *field)
{
    char *end;

    *field = strtod(text, &end);
    return end != text && *end == '\0' && *field >= (double)option->least && *field <= (double)option->most;
}

static bool
take_value(FabmOptions *options, const Option *option, const char *text)
{
    void *field = (char *)options + option->offset;

    switch (option->kind) {
    case FLAG:
        *(bool *)field = true;
        return true;
    case WHOLE:
        return take_whole(option, text, field);
    case SECONDS:
        return take_seconds(text, field);
    case NUMBER:
        return take_decimal(option, text, field);
    case BYTES:
        return fabm_parse_sizes(text, field);
    case LIST:
        return fabm_parse_list(text, field);
    case WORDS:
        return parse_words(text, field, options->collective_words, sizeof options->collective_words);
    case TEXTS: {
        FabmWords *words = field;

        if (words->count == FABM_MOST || text[0] == '\0')
            return false;
        words->values[words->count++] = text;
        return true;
    }
    case TEXT:
        *(const char **)field = text;
        return text[0] != '\0';
    }
    return false;
}

static const Option *
find_option(const char *name, size_t length, FabmFailure *failure)
{
    const char *names[OPTIONS + 1];
    char given[60], hint[80];

    for (int i = 0; i < OPTIONS; i++) {
        names[i] = table[i].name;
        if (strlen(table[i].name) == length && strncmp(table[i].name, name, length) == 0)
            return &table[i];
    }
    names[OPTIONS] = NULL;
    if (length > sizeof given - 1)
        length = sizeof given - 1;
    memcpy(given, name, length);
    given[length] = '\0';
    fabm_fail(failure, FABM_EXIT_INPUT, "--%s: no such option%s (--help lists them)", given,
              fabm_hint(given, names, hint, sizeof hint));
    return NULL;
}

/* One option with its argument; returns how many words it took, 0 on failure. */
static int
parse_option(FabmOptions *options, int left, char **words, FabmFailure *failure)
{
    const char *name = words[0] + 2;
    size_t length = strcspn(name, "=");
    const Option *option = find_option(name, length, failure);
    const char *text = name[length] == '=' ? name + length + 1 : NULL;
    int taken = 1;

    if (option == NULL)
        return 0;
    if (option->argument == NULL && text != NULL) {
        fabm_fail(failure, FABM_EXIT_INPUT, "--%s: takes no argument", option->name);
        return 0;
    }
    if (option->argument != NULL && text == NULL) {
        if (left < 2) {
            fabm_fail(failure, FABM_EXIT_INPUT, "--%s: needs an argument: --%s=%s", option->name, option->name,
                      option->argument);
            return 0;
        }
        text = words[1];
        taken = 2;
    }
    if (!take_value(options, option, text)) {
        if (option->kind == WHOLE)
            fabm_fail(failure, FABM_EXIT_INPUT, "--%s: \"%.60s\" must be a whole number from %ld to %ld", option->name,
                      text, option->least, option->most);
        else
            fabm_fail(failure, FABM_EXIT_INPUT, "--%s: \"%.60s\" must be %s", option->name, text, wanted(option));
        return 0;
    }
    return taken;
}

/* Of the pipeline and of transfers. */
static bool
check_flows(const FabmOptions *options, FabmFailure *failure)
{
    for (int i = 0; i < options->streams.count; i++)
        if (options->streams.values[i] < 1 || options->streams.values[i] > FABM_MOST)
            return fabm_fail(failure, FABM_EXIT_INPUT, "--streams: %llu must be from 1 to %d",
                             (unsigned long long)options->streams.values[i], FABM_MOST);
    if (options->total.count > 1 ||
        (options->total.count == 1 && (options->total.values[0] == 0 || options->total.values[0] % 4 != 0)))
        return fabm_fail(failure, FABM_EXIT_INPUT, "--total: must be one number of bytes, a multiple of 4 above 0");
    if (options->engine != NULL && strcmp(options->engine, "copy") != 0 && strcmp(options->engine, "kernel") != 0)
        return fabm_fail(failure, FABM_EXIT_INPUT, "--engine: \"%.60s\" must be copy or kernel", options->engine);
    return true;
}

/* What no single option can see. */
static bool
check_together(const FabmOptions *options, FabmFailure *failure)
{
    if (options->threads % 32 != 0)
        return fabm_fail(failure, FABM_EXIT_INPUT, "--threads: %d must be a multiple of 32", options->threads);
    for (int i = 0; i < options->widths.count; i++) {
        uint64_t width = options->widths.values[i];

        if (width != 4 && width != 8 && width != 16)
            return fabm_fail(failure, FABM_EXIT_INPUT, "--widths: %llu must be 4, 8 or 16",
                             (unsigned long long)width);
    }
    for (int i = 0; i < options->ctas.count; i++)
        if (options->ctas.values[i] > 65535)
            return fabm_fail(failure, FABM_EXIT_INPUT, "--ctas: %llu must be from 0 to 65535",
                             (unsigned long long)options->ctas.values[i]);
    for (int i = 0; i < options->sizes.count; i++)
        if (options->sizes.values[i] < 4 || options->sizes.values[i] % 4 != 0)
            return fabm_fail(failure, FABM_EXIT_INPUT, "--sizes: %llu must be a multiple of 4 bytes above 0",
                             (unsigned long long)options->sizes.values[i]);
    for (int i = 0; i < options->gpus.count; i++)
        for (int j = 0; j < i; j++)
            if (options->gpus.values[i] == options->gpus.values[j])
                return fabm_fail(failure, FABM_EXIT_INPUT, "--gpus: %llu appears twice",
                                 (unsigned long long)options->gpus.values[i]);
    if (!check_flows(options, failure))
        return false;
    if (options->tag != NULL && options->tag[strspn(options->tag, "abcdefghijklmnopqrstuvwxyz0123456789-.")] != '\0')
        return fabm_fail(failure, FABM_EXIT_INPUT, "--tag: \"%.60s\" must be of lower-case letters, digits, - and .",
                         options->tag);
    for (int i = 0; i < options->facts.count; i++) {
        const char *fact = options->facts.values[i], *point = strchr(fact, '.'), *equals = strchr(fact, '=');

        if (point == NULL || equals == NULL || point > equals || point == fact || equals[1] == '\0' ||
            strpbrk(fact, "\r\n") != NULL)
            return fabm_fail(failure, FABM_EXIT_INPUT,
                             "--fact: \"%.60s\" must be GROUP.KEY=VALUE, such as system.topology=dgx-h200", fact);
    }
    return true;
}

bool
fabm_options_parse(FabmOptions *options, int argc, char **argv, FabmFailure *failure)
{
    *options = (FabmOptions) { .repeats = 20, .warmup = 5, .threads = 512, .timeout_s = 60, .seed = 1,
                              .kernel_rate = -1, .back = 1 };
    for (int i = 1; i < argc;) {
        if (strncmp(argv[i], "--", 2) == 0) {
            int taken = parse_option(options, argc - i, argv + i, failure);

            if (taken == 0)
                return false;
            i += taken;
            continue;
        }
        if (argv[i][0] == '-')
            return fabm_fail(failure, FABM_EXIT_INPUT,
                             "%.60s: no such option; options begin with -- (--help lists them)", argv[i]);
        if (options->tests.count == FABM_MOST)
            return fabm_fail(failure, FABM_EXIT_INPUT, "%.60s: more tests than there are", argv[i]);
        options->tests.values[options->tests.count++] = argv[i++];
    }
    return check_together(options, failure);
}

void
fabm_options_help(FabmText *text)
{
    for (int i = 0; i < OPTIONS; i++) {
        char left[48] = "";
        size_t length = 0;
        const char *parts[] = { "--", table[i].name, table[i].argument != NULL ? "=" : "",
                                table[i].argument != NULL ? table[i].argument : "" };

        for (int p = 0; p < 4; p++) {
            size_t part = strlen(parts[p]);

            memcpy(left + length, parts[p], part + 1);
            length += part;
        }
        fabm_text_add(text, "  %-24s %s\n", left, table[i].help);
    }
}
