/* Channel programs as files: what is written is read back, and computes the same. */
#include <check.h>
#include <string.h>

#include "base/error.h"
#include "collective/collective.h"
#include "fixture.h"
#include "predict/export.h"
#include "program/interpreter.h"
#include "program/program-file.h"
#include "suite.h"
#include "topology/machine.h"

/* ------------------------------------------------------------------ writing */

static FabProgramNote
note_of(const FabCollectiveSpec *spec, const char *algorithm)
{
    static uint32_t gpus[64];
    uint64_t start;
    FabProgramNote note = { .collective = (char *)fab_collective_names[spec->collective],
                            .algorithm = (char *)algorithm, .protocol = (char *)"simple", .datatype = (char *)"float",
                            .reduction = (char *)"sum", .size = spec->size, .root = spec->root,
                            .one_way = spec->one_way, .threads = 512, .gpus = gpus };

    fab_piece(spec->size, spec->ranks, 0, &start, &note.piece);
    return note;
}

/* Writes the program to the file and reads it back. */
static GPtrArray *
round_trip(const FabProgram *program, const FabProgramNote *note)
{
    g_autofree char *path = test_path("a.prog");
    FILE *file = fopen(path, "w");
    g_autoptr(GError) error = NULL;
    uint64_t steps = 0;
    GPtrArray *entries;

    fab_program_file_begin(file);
    ck_assert_msg(fab_program_write(program, note, &steps, file, &error), "%s", error != NULL ? error->message : "");
    fclose(file);
    entries = fab_program_read(path, &error);
    ck_assert_msg(entries != NULL, "%s", error != NULL ? error->message : "");
    ck_assert_uint_eq(entries->len, 1);
    return entries;
}

/* Every step of both; the connections may have other numbers, but the same ranks at their ends. */
static void
check_same_steps(const FabProgram *a, const FabProgram *b)
{
    for (uint32_t i = 0; i < a->ranks * a->channels * a->roles; i++) {
        FabStream stream = { i / a->roles / a->channels, i / a->roles % a->channels, i % a->roles };
        bool more = true;

        for (uint64_t j = 0; more; j++) {
            FabStep x = { 0 }, y = { 0 };
            more = a->step(a, &stream, j, &x);
            ck_assert_int_eq(b->step(b, &stream, j, &y), more);
            if (!more)
                break;
            ck_assert_uint_eq(x.bytes, y.bytes);
            ck_assert_str_eq(fab_step_name(&x), fab_step_name(&y));
            ck_assert(x.bytes == 0 || x.src == FAB_BUFFER_NONE || x.src_offset == y.src_offset);
            ck_assert(x.bytes == 0 || x.dst == FAB_BUFFER_NONE || x.dst_offset == y.dst_offset);
            ck_assert_int_eq(x.src, y.src);
            ck_assert_int_eq(x.dst, y.dst);
            for (uint32_t k = 0; k < x.recv_count; k++)
                ck_assert_uint_eq(x.recv[k].peer, y.recv[k].peer);
            for (uint32_t k = 0; k < x.send_count; k++)
                ck_assert_uint_eq(x.send[k].peer, y.send[k].peer);
        }
    }
}

/* Moves real numbers through the program and compares with the definition of the collective. */
static void
check_computes(const FabProgram *program, const FabCollectiveSpec *spec)
{
    uint32_t n = spec->ranks;
    g_autoptr(GPtrArray) input = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) output = g_ptr_array_new_with_free_func(g_free);
    g_autofree uint8_t *expected = g_malloc0(program->output_bytes + 1);
    g_autofree uint8_t *defined = g_malloc0(program->output_bytes + 1);
    g_autoptr(GError) error = NULL;

    for (uint32_t r = 0; r < n; r++) {
        uint8_t *in = g_malloc(program->input_bytes + 1), *out = g_malloc(program->output_bytes + 1);
        for (uint64_t i = 0; i < program->input_bytes; i++)
            in[i] = (uint8_t)(i * 7 + r * 31 + 1);
        memset(out, 0xee, program->output_bytes);
        g_ptr_array_add(input, in);
        g_ptr_array_add(output, out);
    }
    ck_assert_msg(fab_interpret(program, FAB_REDUCE_SUM, (const uint8_t *const *)input->pdata,
                                (uint8_t **)output->pdata, &error), "%s", error != NULL ? error->message : "");
    for (uint32_t r = 0; r < n; r++) {
        const uint8_t *out = output->pdata[r];
        uint64_t wrong = 0;
        fab_collective_expect(spec, false, (const uint8_t *const *)input->pdata, r, expected, defined);
        for (uint64_t i = 0; i < program->output_bytes; i++)
            wrong += defined[i] && out[i] != expected[i];
        ck_assert_uint_eq(wrong, 0);
    }
}

START_TEST(every_program_is_read_back_and_computes_its_collective)
{
    for (const FabAlgorithm *row = fab_algorithms; row->name != NULL; row++) {
        for (int c = 0; c < FAB_COLLECTIVE_COUNT; c++) {
            for (uint32_t ranks = 1; ranks <= 4; ranks *= 2) {
                FabCollectiveSpec spec = { .collective = (FabCollective)c, .size = c == FAB_BARRIER ? 0 : 4000,
                                           .ranks = ranks, .root = ranks - 1, .channels = 3, .chunk_bytes = 256,
                                           .slice_bytes = 128, .slots = 4, .one_way = ranks == 4 };
                FabProgramNote note = note_of(&spec, row->name);
                g_autoptr(FabProgram) program = NULL;
                g_autoptr(GPtrArray) entries = NULL;
                g_autoptr(GError) error = NULL;
                const FabProgramEntry *entry;

                if (!(row->collectives & (1u << c)) || row->in_switch || row->several_nodes)
                    continue;
                program = fab_collective_emit(row, &spec, &error);
                ck_assert_msg(program != NULL, "%s", error != NULL ? error->message : "");
                entries = round_trip(program, &note);
                entry = entries->pdata[0];
                ck_assert_uint_eq(entry->program->slots, 4);
                ck_assert_uint_eq(entry->program->slice_bytes, program->slice_bytes);
                ck_assert_uint_eq(entry->program->roles, program->roles);
                ck_assert_double_eq(entry->program->role_share[0], program->role_share[0]);
                ck_assert_uint_eq(entry->program->input_bytes, program->input_bytes);
                ck_assert_uint_eq(entry->program->output_bytes, program->output_bytes);
                ck_assert_uint_eq(entry->program->scratch_bytes, program->scratch_bytes);
                ck_assert_uint_eq(entry->note.piece, note.piece);
                ck_assert_uint_eq(entry->note.root, ranks - 1);
                ck_assert_int_eq(entry->note.one_way, ranks == 4);
                check_same_steps(program, entry->program);
                check_computes(entry->program, &spec);
            }
        }
    }
}
END_TEST

START_TEST(a_scenario_becomes_one_program_for_each_size)
{
    const char *sets[] = { "topology.name=dgx-h100", "operation=all_reduce", "algorithm=ring", "sizes=1K;1M",
                           "ranks=6,0,3", "datatype=half", "reduction=max", NULL };
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets((char *const *)sets, NULL);
    g_autoptr(FabTopology) topology = fab_machine_load("dgx-h100", NULL, NULL);
    g_autofree char *path = test_path("a.prog");
    g_autoptr(GPtrArray) entries = NULL;
    FILE *file = fopen(path, "w");

    ck_assert(fab_export(scenario, topology, file, NULL));
    fclose(file);
    entries = fab_program_read(path, NULL);
    ck_assert_uint_eq(entries->len, 2);
    for (guint i = 0; i < 2; i++) {
        const FabProgramEntry *entry = entries->pdata[i];
        ck_assert_uint_eq(entry->note.size, i == 0 ? 1 << 10 : 1 << 20);
        ck_assert_uint_eq(entry->program->ranks, 3);
        ck_assert_uint_eq(entry->note.gpus[0], 6);
        ck_assert_uint_eq(entry->note.gpus[2], 3);
        ck_assert_str_eq(entry->note.datatype, "half");
        ck_assert_str_eq(entry->note.reduction, "max");
        check_computes(entry->program, &(FabCollectiveSpec) { .collective = FAB_ALL_REDUCE, .size = entry->note.size,
                                                              .ranks = 3 });
    }
}
END_TEST

/* ------------------------------------------------------------------ what cannot be written */

static void
check_export_refused(const char *const *sets, const char *part)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabScenario) scenario = fab_scenario_from_sets((char *const *)sets, NULL);
    g_autoptr(FabTopology) topology = fab_machine_load(scenario->topology, NULL, NULL);
    g_autofree char *path = test_path("a.prog");
    FILE *file = fopen(path, "w");

    ck_assert(!fab_export(scenario, topology, file, &error));
    fclose(file);
    ck_assert(g_error_matches(error, FAB_ERROR, FAB_ERROR_VALUE));
    ck_assert_msg(strstr(error->message, part) != NULL, "%s lacks: %s", error->message, part);
}

START_TEST(what_a_file_cannot_hold_is_refused)
{
#define MACHINE "topology.name=dgx-h100", "operation=all_reduce"
    check_export_refused((const char *const[]) { MACHINE, "algorithm=nvls", "sizes=1M", NULL },
                         "1 MiB runs nvls, whose steps the switch or the network performs");
    check_export_refused((const char *const[]) { MACHINE, "algorithm=ring", "sizes=10", NULL },
                         "size is 10, must be a multiple of the 4 bytes of a float");
    check_export_refused((const char *const[]) { MACHINE, "algorithm=ring", "sizes=8", "reduction=avg", NULL },
                         "reduction is avg, which no step performs; accepted: sum, prod, max, min");
    check_export_refused((const char *const[]) { MACHINE, "algorithm=ring", "sizes=1M", "chunk=6", "slice=6",
                                                 "slots=2", "protocol=simple", NULL },
                         "a slice that splits an element");
    check_export_refused((const char *const[]) { MACHINE, "algorithm=ring", "sizes=1G", "chunk=64", "slice=64", NULL },
                         "more than 4194304 steps; take fewer or smaller sizes, or larger chunks");
    check_export_refused((const char *const[]) { "topology.name=dgx-h100", "transfer.flows=0>1", "sizes=1M", NULL },
                         "only a [collective] has channel programs");
}
END_TEST

/* One step of a stream 0 0 0 that is as wrong as the test wants it. */
static bool
wrong_step(const FabProgram *program, const FabStream *stream, uint64_t index, FabStep *step)
{
    *step = *(const FabStep *)program->data;
    if (step->recv_count > 0)
        step->recv = step->ends;
    if (step->send_count > 0)
        step->send = step->ends + FAB_STEP_ENDS;
    return stream->rank == 0 && index == 0;
}

static void
check_step_refused(FabStep step, const char *part)
{
    g_autoptr(FabProgram) program = fab_program_new("made up", &step, NULL);
    FabProgramNote note = note_of(&(FabCollectiveSpec) { .collective = FAB_ALL_REDUCE, .size = 8, .ranks = 2 }, "ring");
    g_autoptr(GError) error = NULL;
    uint64_t steps = 0;

    program->ranks = 2;
    program->connections = 1;
    program->input_bytes = program->output_bytes = 8;
    program->slice_bytes = 8;
    program->step = wrong_step;
    ck_assert(!fab_program_write(program, &note, &steps, stdout, &error));
    ck_assert_msg(strstr(error->message, part) != NULL, "%s lacks: %s", error->message, part);
}

START_TEST(steps_that_no_fifo_can_do_are_refused_by_place)
{
    FabStep step = { .bytes = 8, .src = FAB_BUFFER_INPUT, .dst = FAB_BUFFER_OUTPUT };

    step.flags = FAB_STEP_IN_SWITCH;
    check_step_refused(step, "made up: rank 0 channel 0 role 0 step 0 (copy): is done by the switch or the network");
    step.flags = FAB_STEP_LOCAL_SEND;
    check_step_refused(step, "keeps its slots with the sender");
    step.flags = 0;
    step.src_offset = 4;
    check_step_refused(step, "leaves its buffer");
    step.bytes = 2;
    check_step_refused(step, "ends inside an element");
    step.bytes = 4;
    step.src_offset = 2;
    check_step_refused(step, "begins inside an element");
    step.src_offset = 0;
    step.dst = FAB_BUFFER_INPUT;
    check_step_refused(step, "writes its input buffer");
    step.dst = FAB_BUFFER_NONE;
    check_step_refused(step, "moves bytes to nowhere");
    fab_step_send(&step, 0, 1);
    check_step_refused(step, "connection 0 has no receiver");
    step.ends[FAB_STEP_ENDS].peer = 0;
    check_step_refused(step, "leads to no other rank");
    step.ends[FAB_STEP_ENDS].connection = 1;
    check_step_refused(step, "uses a connection that does not exist");
}
END_TEST

/* ------------------------------------------------------------------ reading what is wrong */

static const char good[] =
    "fabricast-program 1\n# a comment\nprogram a\ncollective broadcast\nalgorithm ring\nprotocol simple\n"
    "datatype float 4\nreduction none\nsize 8\npiece 16\nroot 0\nin-place 0\none-way 0\ninput 8\noutput 8\nscratch 0\n"
    "slice 8\nslots 1\nthreads 512\nranks 2\nchannels 1\nroles 1\nshare 1000\ngpu 0\ngpu 1\nconnections 1\n"
    "connection 0 0 0 1 0 0\nstreams 2\nstream 0 0 0 1\nstep 8 i 0 o 0 0 1 0\nstream 1 0 0 1\nstep 8 - 0 o 0 1 0 0\n"
    "end\n";

/* `from` (once in the good text) becomes `to`; NULL: nothing. The message must hold `part`; NULL: it is fine. */
static void
check_read(const char *from, const char *to, const char *part)
{
    g_autofree char *path = test_path("a.prog");
    g_auto(GStrv) halves = g_strsplit(good, from != NULL ? from : "\001", 2);
    g_autofree char *text = from != NULL ? g_strconcat(halves[0], to, halves[1], NULL) : g_strdup(good);
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) entries = NULL;

    ck_assert(from == NULL || halves[1] != NULL);
    ck_assert(g_file_set_contents(path, text, -1, NULL));
    entries = fab_program_read(path, &error);
    ck_assert_msg((entries != NULL) == (part == NULL), "%s -> %s: %s", from, to, error != NULL ? error->message : "");
    ck_assert_msg(part == NULL || strstr(error->message, part) != NULL, "%s lacks: %s",
                  error != NULL ? error->message : "", part);
}

START_TEST(wrong_files_are_refused_by_line)
{
    check_read(NULL, NULL, NULL);
    check_read("gpu 1\n", "gpu 1\n# anything  \303\251\n", NULL);
    check_read("fabricast-program 1\n", "", "a.prog: line 2: is not the line \"fabricast-program 1\"");
    check_read("program 1", "program 2", "line 1: the format has version 2, this program reads version 1");
    check_read("slots 1\n", "", "line 18: begins with \"threads\", must be the line \"slots\"");
    check_read("slots 1", "slots 0", "line 18: slots has \"0\", must be a whole number between 1 and 65535");
    check_read("slots 1", "slots +1", "slots has \"+1\"");
    check_read("slots 1", "slots 1 2", "slots has 2 words behind it, must have 1");
    check_read("slots 1", "slots  1", "more than one blank");
    check_read("slots 1", "slots \t", "not printable");
    check_read("float 4", "float 2", "an element of float has 4 bytes, not 2");
    check_read("float 4", "flaot 4", "is not a datatype; did you mean float?");
    check_read("root 0", "root 2", "root is 2, there are 2 ranks");
    check_read("ranks 2", "ranks 1025", "between 1 and 1024");
    check_read("share 1000", "share 1001", "between 0 and 1000");
    check_read("0 0 0 1 0 0\n", "0 0 0 2 0 0\n", "connection has \"2\", must be a whole number between 0 and 1");
    check_read("stream 0 0 0 1", "stream 1 0 0 1", "the stream is not behind the one before");
    check_read("stream 0 0 0 1", "stream 0 0 0 0", "between 1 and 4194304");
    check_read("8 i 0", "8 q 0", "\"q\" is no buffer; accepted: i, o, s, -");
    check_read("o 0 0 1 0\n", "o 0 0 1\n", "names 0 connections, must name 1");
    check_read("8 i 0", "8 i 4",
               "a.prog: broadcast ring: rank 0 channel 0 role 0 step 0 (copySend): leaves its buffer");
    check_read("0 0 0 1 0 0\n", "0 0 0 0 0 0\n", "leads to no other rank");
    check_read("8 - 0 o 0 1 0 0\n", "0 - 0 - 0 0 0\n", "connection 0 has no receiver");
    check_read("connections 1\n", "connections 2\nconnection 0 0 0 1 0 0\n", "1 of 2 connections are not used");
    check_read("end\n", "", "the file ends here, the line \"end\" must follow");
    check_read("end\n", "end\nend\n", "must be the line \"program NAME\" or the end of the file");
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("program-file");

    tcase_add_checked_fixture(tests, test_folder_make, test_folder_remove);
    tcase_add_test(tests, every_program_is_read_back_and_computes_its_collective);
    tcase_add_test(tests, a_scenario_becomes_one_program_for_each_size);
    tcase_add_test(tests, what_a_file_cannot_hold_is_refused);
    tcase_add_test(tests, steps_that_no_fifo_can_do_are_refused_by_place);
    tcase_add_test(tests, wrong_files_are_refused_by_line);
    return run_tests(tests);
}
