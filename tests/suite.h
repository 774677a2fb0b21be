/* The end of every test program. */
#ifndef FAB_TESTS_SUITE_H
#define FAB_TESTS_SUITE_H

#include <check.h>
#include <stdlib.h>

/* Runs `tests` and takes them: the exit status of the program. */
static inline int
run_tests(TCase *tests)
{
    Suite *suite = suite_create("fabricast");
    SRunner *runner = srunner_create(suite);
    int failed;

    suite_add_tcase(suite, tests);
    srunner_run_all(runner, CK_ENV);
    failed = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#endif
