/* One plugin that breaks one rule; FAULT says which. */
#include <fabricast/plugin.h>

#define FAULT_ABI 1
#define FAULT_SIZE 2
#define FAULT_SYMBOL 3
#define FAULT_NO_NAME 4
#define FAULT_OTHER_NAME 5
#define FAULT_NO_SUMMARY 6
#define FAULT_NO_PARAMS 7
#define FAULT_NO_BUILD 8
#define FAULT_NO_HELP 9
#define FAULT_RANGE 10
#define FAULT_TYPE 11
#define FAULT_TWICE 12
#define FAULT_DEFAULT 13
#define FAULT_CHOICES 14
#define FAULT_RESERVED 15
#define FAULT_BUILD_FAILS 16
#define FAULT_UNBOUND 17
#define FAULT_ENDLESS 18

static const FabParamSpec params[] = {
#if FAULT == FAULT_NO_HELP
    { "rate", FAB_PARAM_NUMBER, "B/s", 0, "1 GB/s", 0, 1e12, 0 },
#elif FAULT == FAULT_RANGE
    { "rate", FAB_PARAM_NUMBER, "B/s", "a rate", "1 GB/s", 1e12, 0, 0 },
#elif FAULT == FAULT_TYPE
    { "rate", (FabParamType)77, "B/s", "a rate", "1 GB/s", 0, 1e12, 0 },
#elif FAULT == FAULT_TWICE
    { "rate", FAB_PARAM_NUMBER, "B/s", "a rate", "1 GB/s", 0, 1e12, 0 },
    { "rate", FAB_PARAM_NUMBER, "B/s", "a rate", "1 GB/s", 0, 1e12, 0 },
#elif FAULT == FAULT_DEFAULT
    { "rate", FAB_PARAM_NUMBER, "B/s", "a rate", "1 apple", 0, 1e12, 0 },
#elif FAULT == FAULT_CHOICES
    { "mode", FAB_PARAM_CHOICE, "", "a mode", "fast", 0, 0, 0 },
#elif FAULT == FAULT_RESERVED
    { "title", FAB_PARAM_TEXT, "", "a title", "", 0, 0, 0 },
#elif FAULT == FAULT_ENDLESS
#define ENTRY(prefix, digit) { prefix #digit, FAB_PARAM_TEXT, "", "one of too many", "", 0, 0, 0 },
#define TEN(prefix)                                                                                                    \
    ENTRY(prefix, 0) ENTRY(prefix, 1) ENTRY(prefix, 2) ENTRY(prefix, 3) ENTRY(prefix, 4)                               \
    ENTRY(prefix, 5) ENTRY(prefix, 6) ENTRY(prefix, 7) ENTRY(prefix, 8) ENTRY(prefix, 9)
    TEN("a") TEN("b") TEN("c") TEN("d") TEN("e") TEN("f") TEN("g") TEN("h") TEN("i") TEN("j") TEN("k") TEN("l") TEN("m")
    TEN("n") TEN("o") TEN("p") TEN("q") TEN("r") TEN("s") TEN("t") TEN("u") TEN("v") TEN("w") TEN("x") TEN("y") TEN("z")
#endif
    { 0 },
};

#if FAULT == FAULT_UNBOUND
bool a_function_that_nobody_defines(void);
#endif

static bool
build(const FabHost *host, FabBuilder *builder)
{
    (void)host;
    (void)builder;
#if FAULT == FAULT_UNBOUND
    return a_function_that_nobody_defines();
#else
    return false;
#endif
}

#if FAULT == FAULT_SYMBOL
#define fab_topology_plugin another_symbol
#endif

const FabTopologyPlugin fab_topology_plugin = {
    .abi = FAULT == FAULT_ABI ? FAB_PLUGIN_ABI + 41 : FAB_PLUGIN_ABI,
    .size = FAULT == FAULT_SIZE ? 8 : sizeof(FabTopologyPlugin),
    .name = FAULT == FAULT_NO_NAME ? 0 : FAULT == FAULT_OTHER_NAME ? "nvswitch" : NAME,
    .summary = FAULT == FAULT_NO_SUMMARY ? 0 : "a plugin that breaks a rule",
    .params = FAULT == FAULT_NO_PARAMS ? 0 : params,
    .build = FAULT == FAULT_NO_BUILD ? 0 : build,
};
