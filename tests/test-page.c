#include "report/page.h"

#include <check.h>
#include <string.h>

#include "base/error.h"
#include "suite.h"

#define ROW(size) "{\"size_bytes\": " size ", \"time_us\": 43.5, \"low_us\": 30, \"high_us\": 60, \"kind\": " \
            "\"nvlink-bridge/ring/ampere-ga10x\", \"algbw_GBps\": 24, \"busbw_GBps\": 24, " \
            "\"algorithm\": \"ring\", \"protocol\": \"simple\", \"channels\": 4, " \
            "\"binding\": \"GPU 0 > GPU 1\", \"binding_utilisation\": 0.8, " \
            "\"uses\": [{\"resource\": \"GPU 0 > GPU 1\", \"link\": 3, \"direction\": 0, \"bytes\": 1048576, " \
            "\"utilisation\": 0.8}]}"
#define SCENARIO "[scenario]\\ntitle=%s\\n[topology]\\nname=ws2-bridge-3090\\n[collective]\\noperation=all_reduce\\n" \
                 "sizes=1M\\n"
#define RESULT "{\"schema\": \"fabricast-result\", \"schema_version\": 1, \"version\": \"0.1.0\", \"results\": [{" \
               "\"name\": \"one\", \"scenario_text\": \"" SCENARIO "\", \"topology\": \"ws2-bridge-3090\", " \
               "\"topology_title\": \"two cards\", \"collective\": \"all_reduce\", \"interval\": \"a guess\", " \
               "\"notes\": [\"%s\"], \"rows\": [" ROW("524288") ", " ROW("1048576") "]}]}"

/* What a page of one document looks like. Owned by the caller. */
static char *
page_of(const char *document, const char *title)
{
    g_autoptr(FabPage) page = fab_page_new();
    g_autoptr(GError) error = NULL;
    char *text = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&text, &length);

    ck_assert_msg(fab_page_add(page, "one.json", document, strlen(document), &error), "%s",
                  error != NULL ? error->message : "");
    fab_page_write(page, title, out);
    fclose(out);
    return text;
}

static char *
message_about(const char *document)
{
    g_autoptr(FabPage) page = fab_page_new();
    g_autoptr(GError) error = NULL;

    ck_assert(!fab_page_add(page, "one.json", document, strlen(document), &error));
    ck_assert(g_error_matches(error, FAB_ERROR, FAB_ERROR_SYNTAX));
    ck_assert(g_str_has_prefix(error->message, "one.json: "));
    ck_assert_ptr_null(strchr(error->message, '\n'));
    return g_strdup(error->message);
}

static void
assert_holds(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "there is no \"%s\"", part);
}

START_TEST(a_page_says_question_answer_machine_errors_sources_and_files)
{
    g_autofree char *document = g_strdup_printf(RESULT, "Two cards", "a note");
    g_autofree char *text = page_of(document, NULL);

    assert_holds(text, "<!DOCTYPE html>");
    assert_holds(text, "<h1>How long does all-reduce take: “Two cards”?</h1>");
    assert_holds(text, "43.5 us (30 us to 60 us)");
    assert_holds(text, "GPU 0 &gt; GPU 1");
    assert_holds(text, "Errors measured on machines of this kind");
    assert_holds(text, "an NVLink bridge");
    assert_holds(text, "the bridge uses the 4 NVLinks of the card");
    assert_holds(text, "<td>a note</td>");
    assert_holds(text, "name=ws2-bridge-3090\n");
    assert_holds(text, "fabricast run one.ini\n");
    assert_holds(text, "class=\"curve\"");
    assert_holds(text, "Utilisation of links: all_reduce ring, 1 MiB");
}
END_TEST

#define SIDE(label, guessed, verdict, size) "{\"label\": \"" label "\", \"scenario\": \"" label "\", \"work\": " \
            "\"all_reduce\", \"interval_guessed\": " guessed ", \"fits\": true, \"rows\": [" \
            SIDE_ROW("1", verdict) ", " SIDE_ROW(size, verdict) "]}"
#define SIDE_ROW(size, verdict) "{\"size_bytes\": " size ", \"seconds\": 2, \"low_s\": 1, \"high_s\": 3, " \
            "\"binding\": \"x\", \"binding_share\": 0.5, \"verdict\": " verdict ", \"ratio\": 3, " \
            "\"ratio_low\": 2, \"ratio_high\": 4}"
#define PAIR(guessed) "{\"schema\": \"fabricast-comparison\", \"schema_version\": 1, \"scenarios\": [" \
            SIDE("slow", "false", "null", "2") ", " SIDE("quick", guessed, "\"faster\"", "2") "]}"

START_TEST(a_verdict_that_is_a_guess_is_said_to_be_one_everywhere)
{
    g_autofree char *sure = page_of(PAIR("false"), NULL), *guess = page_of(PAIR("true"), NULL);

    assert_holds(sure, "<div class=\"answer good\">");
    assert_holds(sure, "<span>faster from 1 B to 2 B</span>");
    assert_holds(sure, "<td>faster</td>");
    assert_holds(sure, "Nine of ten measurements of machines of the kind lie in the band.");
    /* Beside the chart, where no curve runs and long names wrap. */
    assert_holds(sure, "aria-hidden=\"true\"></span><span>as fast as slow</span></li>");
    ck_assert_ptr_null(strstr(sure, ">as fast as slow</text>"));
    assert_holds(guess, "<div class=\"answer open\">");
    assert_holds(guess, "<span>faster, by a guess, from 1 B to 2 B</span>");
    assert_holds(guess, "<td>faster, by a guess</td>");
    assert_holds(guess, "An interval under it is a guess");
    assert_holds(guess, "where no such machine was measured, the band is a guess");
    ck_assert_ptr_null(strstr(guess, "nothing is in doubt"));
    ck_assert_ptr_null(strstr(guess, "<td>faster</td>"));
}
END_TEST

static char *
replaced(const char *text, const char *part, const char *with)
{
    g_auto(GStrv) parts = g_strsplit(text, part, -1);

    ck_assert_ptr_nonnull(parts[1]);
    return g_strjoinv(with, parts);
}

START_TEST(each_machine_that_does_not_fit_is_named)
{
    g_autofree char *none = replaced(PAIR("false"), "\"fits\": true", "\"fits\": false");
    g_autofree char *text = page_of(none, NULL), *fine = page_of(PAIR("false"), NULL);

    assert_holds(text, "slow does not fit into memory. quick does not fit into memory.");
    assert_holds(text, "<div class=\"answer bad\">");
    ck_assert_ptr_null(strstr(fine, "does not fit"));
}
END_TEST

START_TEST(a_machine_is_as_fast_as_itself_without_a_doubt)
{
    g_autofree char *steps = replaced(PAIR("false"), "\"size_bytes\": 2, ", "");
    g_autofree char *text = page_of(steps, NULL);
    const char *ratio = "3 (2 to 4)", *bars = strstr(text, "How many times as fast; the line is the interval");

    ck_assert_ptr_nonnull(bars);
    bars = strstr(bars, ratio);
    ck_assert_msg(bars != NULL && strstr(text, "Time of a step") > bars, "the other one has an interval");
    ck_assert_msg(strstr(bars + 1, ratio) > strstr(text, "Time of a step"), "the first one has an interval too");
}
END_TEST

START_TEST(prices_are_dearer_and_not_slower)
{
    g_autofree char *same = replaced(PAIR("false"), "\"ratio\": 3", "\"ratio\": 3, \"cost\": 5, \"cost_low\": 4, "
                                     "\"cost_high\": 6");
    g_autofree char *priced = replaced(same, "\"interval_guessed\"", "\"currency\": \"USD\", \"interval_guessed\"");
    char *other = strstr(priced, "\"label\": \"quick\"");
    g_autofree char *dear = replaced(other, "\"cost_low\": 4, \"cost_high\": 6", "\"cost_low\": 7, \"cost_high\": 9");
    g_autofree char *document = g_strdup_printf("%.*s%s", (int)(other - priced), priced, dear);
    g_autofree char *text = page_of(document, NULL), *untold = page_of(priced, NULL);

    assert_holds(text, "dearer");
    ck_assert_ptr_null(strstr(text, "slower"));
    ck_assert_ptr_null(strstr(text, "which is dearer cannot be told"));
    assert_holds(untold, "which is dearer cannot be told");
}
END_TEST

START_TEST(nothing_is_said_of_bands_where_there_are_none)
{
    g_autofree char *whole = g_strdup_printf(RESULT, "Two cards", "");
    g_auto(GStrv) parts = g_strsplit(whole, "\"low_us\": 30, \"high_us\": 60", -1);
    g_autofree char *none = g_strjoinv("\"low_us\": null, \"high_us\": null", parts);
    g_autofree char *text = page_of(none, NULL);

    assert_holds(text, "class=\"curve\"");
    ck_assert_ptr_null(strstr(text, "lie in the band"));
}
END_TEST

START_TEST(one_size_is_no_curve)
{
    g_autofree char *whole = g_strdup_printf(RESULT, "Two cards", "");
    g_auto(GStrv) parts = g_strsplit(whole, ROW("524288") ", ", -1);
    g_autofree char *one = g_strjoinv("", parts);
    g_autofree char *text = page_of(one, NULL);

    assert_holds(text, "43.5 us (30 us to 60 us)");
    ck_assert_ptr_null(strstr(text, "class=\"curve\""));
}
END_TEST

START_TEST(nothing_on_a_page_comes_from_elsewhere)
{
    g_autofree char *document = g_strdup_printf(RESULT, "Two cards", "a note");
    g_autofree char *text = page_of(document, NULL);
    const char *const ways[] = { "src=", "<link", "@import", "url(http", "<iframe", "<object", NULL };
    /* D3's own text holds addresses that are names of namespaces; ours are checked without it. */
    char *library = strstr(text, "<footer>");

    ck_assert_ptr_nonnull(library);
    *library = '\0';
    for (int i = 0; ways[i] != NULL; i++)
        ck_assert_msg(strstr(text, ways[i]) == NULL, "%s", ways[i]);
}
END_TEST

START_TEST(texts_of_users_stay_texts)
{
    g_autofree char *document = g_strdup_printf(RESULT, "<script>alert(1)</script>&\\\"'", "</pre><img onerror=x>");
    g_autofree char *text = page_of(document, "<b>bold</b>");

    ck_assert_ptr_null(strstr(text, "<script>alert"));
    ck_assert_ptr_null(strstr(text, "<img"));
    ck_assert_ptr_null(strstr(text, "<b>bold"));
    assert_holds(text, "&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;&#39;");
    assert_holds(text, "&lt;b&gt;bold&lt;/b&gt;");
    /* In the data of charts nothing can end the element. */
    assert_holds(text, "\\u003cscript\\u003e");
}
END_TEST

START_TEST(a_machine_that_is_not_known_here_is_said_so)
{
    g_autofree char *right = g_strdup_printf(RESULT, "Two cards", "");
    g_auto(GStrv) parts = g_strsplit(right, "name=ws2-bridge-3090", -1);
    g_autofree char *wrong = g_strjoinv("name=elsewhere-8", parts);
    g_autofree char *text = page_of(wrong, NULL);

    assert_holds(text, "cannot be built here");
    assert_holds(text, "elsewhere-8");
    assert_holds(text, "43.5 us (30 us to 60 us)");
}
END_TEST

START_TEST(results_of_another_program_version_are_said_so)
{
    g_autofree char *right = g_strdup_printf(RESULT, "Two cards", "");
    g_auto(GStrv) parts = g_strsplit(right, "\"version\": \"0.1.0\"", -1);
    g_autofree char *other = g_strjoinv("\"version\": \"0.0.9\"", parts);
    g_autofree char *text = page_of(other, NULL);

    assert_holds(text, "are those of fabricast 0.0.9");
}
END_TEST

START_TEST(a_result_that_cannot_be_shown_is_one_sentence)
{
    static const struct {
        const char *document, *part;
    } cases[] = {
        { "", "is not whole JSON" },
        { "{\"schema\": \"fabricast-result\"", "is not whole JSON" },
        { "[1, 2]", "\"schema\" is missing" },
        { "{\"schema\": \"other\", \"schema_version\": 1}", "\"schema\" is other" },
        { "{\"schema\": \"fabricast-result\", \"schema_version\": 2, \"results\": []}", "\"schema_version\" 2" },
        { "{\"schema\": \"fabricast-result\", \"results\": []}", "reads version 1" },
        { "{\"schema\": \"fabricast-result\", \"schema_version\": 1, \"results\": []}", "\"results\" is empty" },
        { "{\"schema\": \"fabricast-result\", \"schema_version\": 1, \"results\": [7]}", "is no object" },
        { "{\"schema\": \"fabricast-result\", \"schema_version\": 1, \"results\": [{\"rows\": []}]}",
          "\"rows\" is empty" },
        { "{\"schema\": \"fabricast-result\", \"schema_version\": 1, \"results\": [{\"rows\": [{\"size_bytes\": 8, "
          "\"time_us\": null}]}]}", "no \"time_us\" above 0" },
        { "{\"schema\": \"fabricast-result\", \"schema_version\": 1, \"results\": [{\"rows\": [{\"size_bytes\": 8, "
          "\"time_us\": NaN}]}]}", "is not whole JSON" },
        { "{\"schema\": \"fabricast-result\", \"schema_version\": 1, \"results\": [{\"rows\": [{\"size_bytes\": 8, "
          "\"time_us\": 3, \"low_us\": 1e999}]}]}", "not finite" },
        { "{\"schema\": \"fabricast-comparison\", \"schema_version\": 1, \"scenarios\": [{\"rows\": []}]}",
          "\"rows\" is empty" },
        { "{\"schema\": \"fabricast-claims\", \"schema_version\": 1, \"claims\": [{\"points\": [{}]}]}",
          "no \"text\"" },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *message = message_about(cases[i].document);
        ck_assert_msg(strstr(message, cases[i].part) != NULL, "%s: %s", cases[i].document, message);
    }
}
END_TEST

START_TEST(faults_are_named_beside_the_healthy_time)
{
    g_autofree char *right = g_strdup_printf(RESULT, "Two cards", "");
    g_autofree char *fault = replaced(right, "\"interval\": \"a guess\"",
                                      "\"healthy_us\": [40, 29], \"faults\": [{\"name\": \"leaf\", \"what\": "
                                      "\"switch-down at Leaf 3\", \"alone_us\": [41, 36.25]}, {\"name\": \"slow\", "
                                      "\"what\": \"slow-gpu at GPU 0\", \"alone_us\": [41, null]}]");
    g_autofree char *text = page_of(fault, NULL), *healthy = page_of(right, NULL);

    assert_holds(text, "That is with faults, which add 50.0 %: without them it would take 29 us.");
    assert_holds(text, "The faults: switch-down at Leaf 3; slow-gpu at GPU 0.");
    assert_holds(text, "<dt>without faults</dt><dd>29 us</dd>");
    assert_holds(text, "<th scope=\"row\">leaf</th><td>switch-down at Leaf 3</td><td>36.25 us</td><td>25.0 %</td>");
    ck_assert_ptr_null(strstr(healthy, "faults cost"));
}
END_TEST

START_TEST(figures_that_no_machine_has_are_refused)
{
    static const struct {
        const char *part, *with, *said;
    } cases[] = {
        { "\"uses\": [{", "\"uses\": [1, {", "an element of \"uses\" is no object" },
        { "\"rows\": [{", "\"rows\": [\"text\", {", "an element of \"rows\" is no object" },
        { "\"binding_utilisation\": 0.8", "\"binding_utilisation\": 55", "a share is between 0 and 1" },
        { "\"binding_utilisation\": 0.8", "\"binding_utilisation\": -1", "a share is between 0 and 1" },
        { "\"time_us\": 43.5", "\"time_us\": 1e308", "more than any machine has" },
        { "\"time_us\": 43.5", "\"time_us\": 1e13", "more than any machine has" },
        { "\"size_bytes\": 524288", "\"size_bytes\": 1.5", "it is a whole number" },
        { "\"schema_version\": 1", "\"schema_version\": \"1\"", "has no number \"schema_version\"" },
    };
    g_autofree char *right = g_strdup_printf(RESULT, "Two cards", "");

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *document = replaced(right, cases[i].part, cases[i].with);
        g_autofree char *message = message_about(document);
        ck_assert_msg(strstr(message, cases[i].said) != NULL, "%s: %s", cases[i].with, message);
    }
}
END_TEST

START_TEST(a_point_of_a_claim_is_an_object)
{
    g_autofree char *message = message_about("{\"schema\": \"fabricast-claims\", \"schema_version\": 1, "
                                             "\"claims\": [{\"points\": [{}, \"text\"]}]}");

    ck_assert_ptr_nonnull(strstr(message, "an element of \"points\" is no object"));
}
END_TEST

int
main(void)
{
    TCase *tests = tcase_create("page");

    tcase_add_test(tests, a_page_says_question_answer_machine_errors_sources_and_files);
    tcase_add_test(tests, one_size_is_no_curve);
    tcase_add_test(tests, a_verdict_that_is_a_guess_is_said_to_be_one_everywhere);
    tcase_add_test(tests, each_machine_that_does_not_fit_is_named);
    tcase_add_test(tests, a_machine_is_as_fast_as_itself_without_a_doubt);
    tcase_add_test(tests, prices_are_dearer_and_not_slower);
    tcase_add_test(tests, nothing_is_said_of_bands_where_there_are_none);
    tcase_add_test(tests, nothing_on_a_page_comes_from_elsewhere);
    tcase_add_test(tests, texts_of_users_stay_texts);
    tcase_add_test(tests, a_machine_that_is_not_known_here_is_said_so);
    tcase_add_test(tests, results_of_another_program_version_are_said_so);
    tcase_add_test(tests, a_result_that_cannot_be_shown_is_one_sentence);
    tcase_add_test(tests, faults_are_named_beside_the_healthy_time);
    tcase_add_test(tests, figures_that_no_machine_has_are_refused);
    tcase_add_test(tests, a_point_of_a_claim_is_an_object);
    return run_tests(tests);
}
