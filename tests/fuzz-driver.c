/*
 * Runs a fuzz target without libFuzzer: the seeds themselves, then deterministic mutations of them.
 *
 *     fuzz-keyfile [-n RUNS] [-s SEED] FILE-OR-FOLDER...
 *
 * An input that fails lies in ./fuzz-failure afterwards; give it as the only FILE with -n 0 to see it again.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "fuzz.h"

enum { INPUT_LIMIT = 64 << 10, RUNS_DEFAULT = 3000, MUTATIONS_LIMIT = 8 };

typedef struct {
    uint64_t state; /* xorshift64* */
    GPtrArray *seeds; /* GBytes */
    GPtrArray *words; /* of the seeds: what keys and values are made of */
    GByteArray *input;
} Fuzzer;

static const GByteArray *current; /* what the target is looking at */

/* Provided by the sanitizers, where there are any. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void
save_failure(void)
{
    FILE *file = current != NULL ? fopen("fuzz-failure", "wb") : NULL;

    if (file == NULL)
        return;
    fwrite(current->data, 1, current->len, file);
    fclose(file);
    fprintf(stderr, "the input is in ./fuzz-failure\n");
}

static void
save_on_signal(int number)
{
    signal(number, SIG_DFL);
    save_failure();
    raise(number);
}

static void
save_and_abort(const char *domain, GLogLevelFlags level, const char *message, gpointer data)
{
    (void)data;
    fprintf(stderr, "%s: %s (level %d)\n", domain != NULL ? domain : "", message, level);
    abort(); /* save_on_signal() does the rest */
}

static uint32_t
draw(Fuzzer *fuzzer, uint32_t limit)
{
    fuzzer->state ^= fuzzer->state >> 12;
    fuzzer->state ^= fuzzer->state << 25;
    fuzzer->state ^= fuzzer->state >> 27;
    return (uint32_t)((fuzzer->state * UINT64_C(2685821657736338717)) >> 33) % limit;
}

static void
add_words(Fuzzer *fuzzer, const char *text, gsize length)
{
    gsize start = 0;

    for (gsize i = 0; i <= length; i++) {
        if (i < length && (g_ascii_isalnum(text[i]) || text[i] == '_' || text[i] == '-'))
            continue;
        if (i > start && i - start < 32)
            g_ptr_array_add(fuzzer->words, g_strndup(text + start, i - start));
        start = i + 1;
    }
}

static void
add_seed(Fuzzer *fuzzer, const char *path)
{
    g_autoptr(GError) error = NULL;
    char *text = NULL;
    gsize length = 0;

    if (g_file_test(path, G_FILE_TEST_IS_DIR)) {
        g_autoptr(GDir) folder = g_dir_open(path, 0, NULL);
        g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
        const char *entry;
        while (folder != NULL && (entry = g_dir_read_name(folder)) != NULL)
            g_ptr_array_add(names, g_build_filename(path, entry, NULL));
        g_ptr_array_sort(names, fab_compare_strings);
        for (guint i = 0; i < names->len; i++)
            add_seed(fuzzer, g_ptr_array_index(names, i));
        return;
    }
    if (!g_file_get_contents(path, &text, &length, &error)) {
        fprintf(stderr, "%s\n", error->message);
        exit(2);
    }
    add_words(fuzzer, text, length);
    g_ptr_array_add(fuzzer->seeds, g_bytes_new_take(text, MIN(length, INPUT_LIMIT)));
}

static void
insert(GByteArray *input, guint at, const void *bytes, guint length)
{
    guint old = input->len;

    if (old + length > INPUT_LIMIT)
        return;
    g_byte_array_set_size(input, old + length);
    memmove(input->data + at + length, input->data + at, old - at);
    memcpy(input->data + at, bytes, length);
}

/* A piece of some seed, at most 200 bytes. */
static void
splice(Fuzzer *fuzzer, guint at)
{
    gsize length;
    const guint8 *seed = g_bytes_get_data(g_ptr_array_index(fuzzer->seeds, draw(fuzzer, fuzzer->seeds->len)), &length);
    guint from = draw(fuzzer, (uint32_t)length + 1), wanted = 1 + draw(fuzzer, 200);

    insert(fuzzer->input, at, seed + from, (guint)MIN(length - from, wanted));
}

static void
insert_token(Fuzzer *fuzzer, guint at)
{
    static const char *const tokens[] = { "\n", "=", "[", "]", ":", ",", "-", "0", "-1", "1e999", "nan", "inf", "\t",
                                          "99999999999999999999", "18446744073709551615", "\xff\xfe", "\xc3", "\x1b[4m",
                                          " GB/s", "0.0000001", "{", "}", "numa0 {", "#", "\r\n" };
    const char *token = tokens[draw(fuzzer, G_N_ELEMENTS(tokens))];

    if (draw(fuzzer, 2) == 0 && fuzzer->words->len > 0)
        token = g_ptr_array_index(fuzzer->words, draw(fuzzer, fuzzer->words->len));
    insert(fuzzer->input, at, token, (guint)strlen(token));
}

static void
mutate(Fuzzer *fuzzer)
{
    GByteArray *input = fuzzer->input;
    guint at = draw(fuzzer, input->len + 1);
    guint8 byte = (guint8)draw(fuzzer, 256);

    guint length = 1 + draw(fuzzer, 40);

    switch (draw(fuzzer, 7)) {
    case 0:
        if (at < input->len)
            input->data[at] = byte;
        break;
    case 1:
        if (at < input->len)
            input->data[at] ^= (guint8)(1u << (byte % 8));
        break;
    case 2:
        if (at < input->len)
            g_byte_array_remove_range(input, at, MIN(input->len - at, length));
        break;
    case 3:
        if (at < input->len && g_ascii_isdigit(input->data[at]))
            input->data[at] = (guint8)('0' + byte % 10);
        break;
    case 4:
        splice(fuzzer, at);
        break;
    default:
        insert_token(fuzzer, at);
        break;
    }
}

static void
run(Fuzzer *fuzzer)
{
    /* An exact copy, so that a sanitizer sees every byte read beyond the end. */
    g_autofree uint8_t *copy = g_malloc(MAX(fuzzer->input->len, 1));

    memcpy(copy, fuzzer->input->data, fuzzer->input->len);
    current = fuzzer->input;
    LLVMFuzzerTestOneInput(copy, fuzzer->input->len);
    current = NULL;
}

static void
start_from(Fuzzer *fuzzer, guint seed)
{
    gsize length;
    const guint8 *bytes = g_bytes_get_data(g_ptr_array_index(fuzzer->seeds, seed), &length);

    g_byte_array_set_size(fuzzer->input, 0);
    g_byte_array_append(fuzzer->input, bytes, (guint)length);
}

int
main(int argc, char **argv)
{
    Fuzzer fuzzer = { .state = 1, .seeds = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref),
                      .words = g_ptr_array_new_with_free_func(g_free), .input = g_byte_array_new() };
    long runs = RUNS_DEFAULT;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-n") == 0 && i + 1 < argc)
            runs = strtol(argv[++i], NULL, 10);
        else if (strcmp(argv[i], "-s") == 0 && i + 1 < argc)
            fuzzer.state = strtoull(argv[++i], NULL, 10) | 1;
        else
            add_seed(&fuzzer, argv[i]);
    }
    if (fuzzer.seeds->len == 0) {
        fprintf(stderr, "usage: %s [-n RUNS] [-s SEED] FILE-OR-FOLDER...\n", argv[0]);
        return 2;
    }
    g_log_set_default_handler(save_and_abort, NULL);
    signal(SIGABRT, save_on_signal);
    if (__sanitizer_set_death_callback == NULL)
        signal(SIGSEGV, save_on_signal);
    else
        __sanitizer_set_death_callback(save_failure);
    for (guint i = 0; i < fuzzer.seeds->len; i++) {
        start_from(&fuzzer, i);
        run(&fuzzer);
    }
    for (long i = 0; i < runs; i++) {
        start_from(&fuzzer, draw(&fuzzer, fuzzer.seeds->len));
        for (uint32_t changes = 1 + draw(&fuzzer, MUTATIONS_LIMIT); changes > 0; changes--)
            mutate(&fuzzer);
        run(&fuzzer);
    }
    printf("%u seeds and %ld mutations of them\n", fuzzer.seeds->len, runs);
    g_ptr_array_unref(fuzzer.seeds);
    g_ptr_array_unref(fuzzer.words);
    g_byte_array_unref(fuzzer.input);
    return 0;
}
