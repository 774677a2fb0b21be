#include "workload/execution-trace.h"

#include <check.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "fixture.h"
#include "suite.h"

#define COMPUTE "{ \"id\": \"7\", \"name\": \"mm\", \"type\": \"COMP_NODE\", \"durationMicros\": \"12\" }"

static FabTraceRank *
parse(const char *text, GError **error)
{
    return fab_trace_parse_json("t.json", text, strlen(text), FAB_TRACE_DATA, error);
}

static FabTraceRank *
good(const char *text)
{
    g_autoptr(GError) error = NULL;
    FabTraceRank *rank = parse(text, &error);

    ck_assert_msg(rank != NULL, "%s", error != NULL ? error->message : "no error");
    return rank;
}

static void
bad(const char *text, FabError code, const char *pattern)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabTraceRank) rank = parse(text, &error);

    ck_assert_msg(rank == NULL, "accepted: %s", text);
    ck_assert_int_eq(error->code, (int)code);
    test_refusal(&error, pattern);
}

START_TEST(messages_of_protobuf_as_json_are_nodes)
{
    g_autoptr(FabTraceRank) rank = good(
        "{ \"version\": \"0.0.4\" }" COMPUTE "{ \"id\": \"8\", \"type\": \"COMM_COLL_NODE\", \"dataDeps\": [\"7\"], "
        "\"ctrlDeps\": [\"7\"], \"attr\": [{ \"name\": \"comm_type\", \"int64Val\": \"2\" }, "
        "{ \"name\": \"comm_size\", \"uint64Val\": \"4096\" }, "
        "{ \"name\": \"pg_name\", \"stringVal\": \"3\" }, { \"name\": \"other\", "
        "\"doubleList\": { \"values\": [1] } }] }");
    const FabTraceNode *first = fab_trace_node(rank, 0), *second = fab_trace_node(rank, 1);

    ck_assert_uint_eq(rank->nodes->len, 2);
    ck_assert_str_eq(first->name, "mm");
    ck_assert_int_eq(first->duration_ps, 12000000);
    ck_assert_int_eq(second->kind, FAB_TRACE_COLLECTIVE);
    ck_assert_int_eq(second->collective, FAB_ALL_GATHER);
    ck_assert_uint_eq(second->message, 4096);
    ck_assert_str_eq(second->group, "3");
    ck_assert_uint_eq(second->count, 1);
    ck_assert_uint_eq(rank->passed_over, 1);
}
END_TEST

START_TEST(messages_in_an_array_are_nodes)
{
    g_autoptr(FabTraceRank) told = good("[{ \"version\": \"0.0.4\" }, " COMPUTE "]");
    g_autoptr(FabTraceRank) plain = good("[" COMPUTE "]");

    ck_assert_uint_eq(told->nodes->len, 1);
    ck_assert_uint_eq(plain->nodes->len, 1);
    ck_assert_uint_eq(fab_trace_node(told, 0)->id, 7);
}
END_TEST

START_TEST(graphs_whose_nodes_have_members_are_read_too)
{
    g_autoptr(FabTraceRank) rank = good(
        "{ \"workload_graph\": [{ \"Id\": 1, \"Name\": \"x\", \"NodeType\": 5, \"is_cpu_op\": false, "
        "\"data_deps\": [], \"comm_dst\": 3, \"comm_src\": 0, \"comm_size\": 64, \"comm_tag\": 9 }, "
        "{ \"Id\": 2, \"NodeType\": 4, "
        "\"runtime\": 3, \"num_ops\": 1e9, \"tensor_size\": 100, \"data_deps\": [1] }] }");
    const FabTraceNode *send = fab_trace_node(rank, 0), *compute = fab_trace_node(rank, 1);

    ck_assert_int_eq(send->kind, FAB_TRACE_SEND);
    ck_assert_uint_eq(send->peer, 3);
    ck_assert_uint_eq(send->tag, 9);
    ck_assert(!send->host);
    ck_assert_double_eq(compute->operations, 1e9);
    ck_assert_double_eq(compute->bytes, 100);
}
END_TEST

static FabTraceRank *
sample(void)
{
    FabTraceRank *rank = fab_trace_rank_new("sample");
    FabTraceNode nodes[] = {
        { .id = 4, .name = "a \"quoted\" name", .kind = FAB_TRACE_COMPUTE, .duration_ps = 1234567 },
        { .id = G_MAXUINT64, .name = "b", .kind = FAB_TRACE_COLLECTIVE, .collective = FAB_REDUCE_SCATTER,
          .message = UINT64_C(1) << 40, .group = "dp 0" },
        { .id = 0, .name = "c", .kind = FAB_TRACE_RECEIVE, .peer = 2, .tag = 77, .message = 5 },
        { .id = 9, .name = "d", .kind = FAB_TRACE_MEMORY, .bytes = 4096, .operations = 3, .host = true },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(nodes); i++) {
        ck_assert(fab_trace_add(rank, &nodes[i], NULL));
        if (i > 0)
            ck_assert(fab_trace_wait(rank, nodes[i - 1].id, NULL));
    }
    return rank;
}

static void
check_round_trip(bool json)
{
    g_autofree char *folder = g_dir_make_tmp("fab-trace-XXXXXX", NULL);
    g_autofree char *prefix = g_build_filename(folder, "t", NULL);
    g_autofree char *path = g_strdup_printf("%s.0.%s", prefix, json ? "json" : "et");
    g_autoptr(FabTraceRank) written = sample();
    g_autoptr(GError) error = NULL;
    g_autoptr(FabTrace) trace = NULL;
    g_autofree char *text = NULL;

    written->scenario = "step";
    written->model = "a \"quoted\" model, layers 2";
    ck_assert(fab_trace_write(written, 0, path, json, &error));
    ck_assert(g_file_get_contents(path, &text, NULL, NULL));
    ck_assert_ptr_nonnull(g_strstr_len(text, 120, "quoted"));
    trace = fab_trace_read(prefix, FAB_TRACE_DATA, &error);
    ck_assert_msg(trace != NULL, "%s", error != NULL ? error->message : "no error");
    ck_assert_uint_eq(trace->ranks->len, 1);
    for (guint i = 0; i < written->nodes->len; i++) {
        const FabTraceNode *a = fab_trace_node(written, i), *b = fab_trace_node(trace->ranks->pdata[0], i);
        ck_assert_uint_eq(a->id, b->id);
        ck_assert_str_eq(a->name, b->name);
        ck_assert_int_eq(a->kind, b->kind);
        ck_assert_int_eq(a->collective, b->collective);
        ck_assert_int_eq(a->duration_ps, b->duration_ps);
        ck_assert_uint_eq(a->message, b->message);
        ck_assert_uint_eq(a->peer, b->peer);
        ck_assert_uint_eq(a->tag, b->tag);
        ck_assert_uint_eq(a->count, b->count);
        ck_assert_double_eq(a->bytes, b->bytes);
        ck_assert_double_eq(a->operations, b->operations);
        ck_assert(a->host == b->host);
        ck_assert_str_eq(a->group != NULL ? a->group : "-", b->group != NULL ? b->group : "-");
    }
    g_remove(path);
    g_rmdir(folder);
}

START_TEST(what_was_written_is_read_back)
{
    check_round_trip(false);
    check_round_trip(true);
}
END_TEST

/* { id 1, COMP_NODE, 5 us }, written by hand from the format's field numbers. */
START_TEST(protobuf_is_read_as_the_format_says)
{
    static const uint8_t file[] = { 0, 6, 0x08, 1, 0x18, 4, 0x38, 5 };
    static const uint8_t lists[] = { 2, 0x0a, 0, 6, 0x08, 1, 0x18, 4, 0x38, 5,
                                     9, 0x08, 2, 0x18, 4, 0x2a, 1, 1, 0x58, 3 };
    g_autoptr(FabTraceRank) rank = fab_trace_parse_protobuf("t.et", file, sizeof file, FAB_TRACE_DATA, NULL);
    g_autoptr(FabTraceRank) waiting = fab_trace_parse_protobuf("t.et", lists, sizeof lists, FAB_TRACE_DATA, NULL);

    ck_assert_ptr_nonnull(rank);
    ck_assert_uint_eq(fab_trace_node(rank, 0)->id, 1);
    ck_assert_int_eq(fab_trace_node(rank, 0)->duration_ps, 5000000);
    ck_assert_ptr_nonnull(waiting); /* a packed list, and a field that is not known */
    ck_assert_uint_eq(fab_trace_node(waiting, 1)->count, 1);
}
END_TEST

static void
bad_protobuf(const uint8_t *data, gsize length, const char *pattern)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabTraceRank) rank = fab_trace_parse_protobuf("t.et", data, length, FAB_TRACE_DATA, &error);

    ck_assert_ptr_null(rank);
    test_refusal(&error, pattern);
}

START_TEST(broken_protobuf_is_refused)
{
    static const uint8_t cut[] = { 0, 200, 1, 8 }, endless[] = { 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1 };
    static const uint8_t no_work[] = { 2, 0x0a, 0 };
    static const uint8_t no_node[] = { 0, 2, 0x0a, 99 }, type[] = { 0, 2, 0x18, 77 };

    bad_protobuf(NULL, 0, "empty");
    bad_protobuf(no_work, sizeof no_work, "has no nodes");
    bad_protobuf(cut, sizeof cut, "byte 3: the file ends within a message");
    bad_protobuf(endless, sizeof endless, "length was expected");
    bad_protobuf(no_node, sizeof no_node, "not a node");
    bad_protobuf(type, sizeof type, "type that is not known");
}
END_TEST

START_TEST(broken_json_is_refused)
{
    bad("", FAB_ERROR_SYNTAX, "empty");
    bad("{ \"id\": 1", FAB_ERROR_SYNTAX, "not JSON");
    {
        g_autofree char *deep = g_strnfill(65, '[');
        bad(deep, FAB_ERROR_SYNTAX, "nests deeper than 64 brackets, must be at most that deep$");
    }
    bad("7", FAB_ERROR_SYNTAX, "neither an object nor an array");
    bad("[7]", FAB_ERROR_SYNTAX, "node number 1: it is not an object");
    bad("{ \"workload_graph\": 5 }", FAB_ERROR_SYNTAX, "\"workload_graph\" or \"nodes\" is not an array");
    bad("{ \"workload_graph\": [] }", FAB_ERROR_VALUE, "has no nodes");
    bad("{ \"version\": \"0.0.4\" }", FAB_ERROR_VALUE, "has no nodes");
    bad("[{ \"version\": \"0.0.4\" }, { \"id\": \"3\" }]", FAB_ERROR_SYNTAX, "node 3: its type");
    bad("{ \"id\": \"x\", \"type\": 4 }", FAB_ERROR_SYNTAX, "node number 1: its id");
    bad("{ \"id\": -1, \"type\": 4 }", FAB_ERROR_SYNTAX, "node number 1: its id");
    bad("{ \"type\": [4] }", FAB_ERROR_SYNTAX, "node 0: its type");
    bad("{ \"type\": \"COMP\" }", FAB_ERROR_VALUE, "type that is not known");
    bad("{ \"type\": 4, \"durationMicros\": \"1e300\" }", FAB_ERROR_VALUE, "a duration in us of 1e\\+300");
    bad("{ \"type\": 4, \"durationMicros\": -3 }", FAB_ERROR_VALUE, "a duration");
    bad("{ \"type\": 7, \"comm_type\": 12 }", FAB_ERROR_VALUE, "comm_type 12, must be between 0 and 9");
    bad("{ \"type\": 7, \"comm_size\": \"9e18\" }", FAB_ERROR_VALUE, "comm_size");
    bad("{ \"type\": 7, \"comm_size\": \"4398046511105\" }", FAB_ERROR_VALUE,
        "comm_size 4398046511105, must be a whole number from 0 to 4398046511104$");
    bad("{ \"type\": 5, \"comm_tag\": -0.1 }", FAB_ERROR_VALUE, "comm_tag -0\\.1, .* from 0 to 4294967295$");
    bad("{ \"type\": 7, \"comm_size\": 1.5 }", FAB_ERROR_VALUE, "whole number");
    bad("{ \"type\": 4, \"attr\": [3] }", FAB_ERROR_SYNTAX, "attribute without a name");
    bad("{ \"type\": 4, \"dataDeps\": [\"a\"] }", FAB_ERROR_SYNTAX, "dependence");
}
END_TEST

START_TEST(dependences_that_cannot_be_are_named)
{
    bad("{ \"id\": 1, \"type\": 4 } { \"id\": 1, \"type\": 4 }", FAB_ERROR_VALUE, "two nodes have id 1");
    bad("{ \"id\": 1, \"type\": 4, \"dataDeps\": [2, 3] }", FAB_ERROR_VALUE,
        "2 dependences .*: node 1 waits for 2, node 1 waits for 3");
    bad("{ \"id\": 1, \"type\": 4, \"dataDeps\": [2] }", FAB_ERROR_VALUE, "1 dependence names nodes");
    bad("{ \"id\": 1, \"type\": 4, \"dataDeps\": [1] }", FAB_ERROR_DEADLOCK, "circle of 1: 1 waits for 1");
    bad("{ \"id\": 5, \"type\": 4 } { \"id\": 6, \"type\": 4, \"dataDeps\": [5, 8] } { \"id\": 7, \"type\": 4, "
        "\"dataDeps\": [6] } { \"id\": 8, \"type\": 4, \"dataDeps\": [7] } "
        "{ \"id\": 9, \"type\": 4, \"dataDeps\": [8] }",
        FAB_ERROR_DEADLOCK, "circle of 3: . waits for . waits for . waits for .");
}
END_TEST

START_TEST(control_dependences_are_waited_for_where_asked)
{
    const char *text = "{ \"id\": 1, \"type\": 4 } { \"id\": 2, \"type\": 4, \"ctrlDeps\": [1] }";
    g_autoptr(FabTraceRank) all = fab_trace_parse_json("t", text, strlen(text), FAB_TRACE_ALL, NULL);

    ck_assert_ptr_nonnull(all);
    ck_assert_uint_eq(fab_trace_node(all, 1)->count, 1);
    ck_assert_uint_eq(all->passed_over, 0);
}
END_TEST

START_TEST(missing_files_are_named)
{
    g_autoptr(GError) error = NULL;

    ck_assert_ptr_null(fab_trace_read("/nowhere/t", FAB_TRACE_DATA, &error));
    ck_assert_ptr_nonnull(strstr(error->message, "/nowhere/t.0.et"));
}
END_TEST

static void
refuse_files(const char *prefix, const char *pattern)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(FabTrace) trace = fab_trace_read(prefix, FAB_TRACE_DATA, &error);

    ck_assert_ptr_null(trace);
    test_refusal(&error, pattern);
}

static char *
put(const char *folder, const char *name)
{
    char *path = g_build_filename(folder, name, NULL);

    ck_assert(g_file_set_contents(path, COMPUTE, -1, NULL));
    return path;
}

START_TEST(a_rank_that_is_missing_between_others_is_named)
{
    g_autofree char *folder = g_dir_make_tmp("fab-trace-XXXXXX", NULL);
    g_autofree char *prefix = g_build_filename(folder, "t", NULL), *other = put(folder, "t.x.json");
    g_autofree char *third = put(folder, "t.2.json"), *fourth = put(folder, "t.3.et");
    g_autofree char *first = NULL, *second = NULL;
    g_autoptr(FabTrace) whole = NULL;

    refuse_files(prefix, "t\\.0\\.et is missing, t\\.2\\.json is there");
    first = put(folder, "t.0.json");
    refuse_files(prefix, "t\\.1\\.et is missing, t\\.2\\.json is there");
    g_remove(fourth);
    second = put(folder, "t.1.json");
    whole = fab_trace_read(prefix, FAB_TRACE_DATA, NULL);
    ck_assert_ptr_nonnull(whole);
    ck_assert_uint_eq(whole->ranks->len, 3);
    g_remove(first);
    g_remove(second);
    g_remove(third);
    g_remove(other);
    g_rmdir(folder);
}
END_TEST

START_TEST(what_is_no_file_is_said_to_be_what_it_is)
{
    g_autofree char *folder = g_dir_make_tmp("fab-trace-XXXXXX", NULL);
    g_autofree char *pipe = g_build_filename(folder, "pipe.json", NULL);
    g_autofree char *link = g_build_filename(folder, "t.0.json", NULL), *prefix = g_build_filename(folder, "t", NULL);

    refuse_files(folder, "is a folder, a Chakra trace is needed");
    ck_assert_int_eq(mkfifo(pipe, 0600), 0);
    refuse_files(pipe, "is a pipe that nobody writes to");
    ck_assert_int_eq(symlink("t.0.json", link), 0);
    refuse_files(link, "t\\.0\\.json: Too many levels");
    refuse_files(prefix, "t\\.0\\.json: Too many levels");
    g_remove(pipe);
    g_remove(link);
    g_rmdir(folder);
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("execution-trace");

    tcase_add_test(tests, messages_of_protobuf_as_json_are_nodes);
    tcase_add_test(tests, messages_in_an_array_are_nodes);
    tcase_add_test(tests, graphs_whose_nodes_have_members_are_read_too);
    tcase_add_test(tests, what_was_written_is_read_back);
    tcase_add_test(tests, protobuf_is_read_as_the_format_says);
    tcase_add_test(tests, broken_protobuf_is_refused);
    tcase_add_test(tests, broken_json_is_refused);
    tcase_add_test(tests, dependences_that_cannot_be_are_named);
    tcase_add_test(tests, control_dependences_are_waited_for_where_asked);
    tcase_add_test(tests, missing_files_are_named);
    tcase_add_test(tests, a_rank_that_is_missing_between_others_is_named);
    tcase_add_test(tests, what_is_no_file_is_said_to_be_what_it_is);
    return run_tests(tests);
}
