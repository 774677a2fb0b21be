#include "validate/training-names.h"

#include <glib.h>
#include <string.h>

typedef struct {
    const char *pattern, *value;
} Pattern;

/* In order; the first that matches, whatever the case of letters. */
static const Pattern presets[] = {
    { "llama[ _-]?3(\\.1)?[ _-]405b", "llama-3-405b" },
    { "llama[ _-]?3(\\.1)?[ _-]70b", "llama-3-70b" },
    { "llama[ _-]?3(\\.1)?[ _-]8b", "llama-3-8b" },
    { "llama[ _-]?2[ _-]70b", "llama-2-70b" },
    { "llama[ _-]?2[ _-]34b", "llama-2-34b" },
    { "llama[ _-]?2[ _-]13b", "llama-2-13b" },
    { "llama[ _-]?2[ _-]7b", "llama-2-7b" },
    { "^nemo megatron|^gpt3-175b|^paxml gpt175b", "gpt-3-175b" },
    { "^gpt3-20b", "gpt-3-20b" },
    { "^gpt3-5b|^paxml gpt5b", "gpt-3-5b" },
    { "^nemotron4 15b", "nemotron-4-15b" },
    { "^nemotron4 340b|^nemotron-340b", "nemotron-4-340b" },
    { "^grok ?1 314b", "grok-1-314b" },
    { "^deepseek-?v3", "deepseek-v3" },
    { "^qwen3_30b_a3b", "qwen3-30b-a3b" },
    { "^qwen3_235b_a22b", "qwen3-235b-a22b" },
    { "^gpt oss 120b", "gpt-oss-120b" },
    { "^gpt2 wikitext", "gpt-2" },
    { "^gpt-1b$", "megatron-1b" },
    { "^gpt-2b$", "megatron-2b" },
    { "^gpt-4b$", "megatron-4b" },
    { "^gpt-8b$", "megatron-8b" },
    { "^internlm-7b$", "internlm-7b" },
    { "^llama 1b of nanotron$", "nanotron-1b" },
    { "^tinyllama", "tinyllama-1.1b" },
};

static const Pattern families[] = {
    { "^bloom", "bloom-176b" },
    { "^mpt-", "mpt-7b" },
    { "^gpt", "megatron-7.5b" },
};

static const Pattern stacks[] = {
    { "megatron-deepspeed", "megatron-deepspeed" },
    { "megatron-core|nemo|megatron bridge|dgx cloud", "nemo" },
    { "megatron-lm", "megatron" },
    /* IBM's fms-fsdp, FSDP2, and what says so: FlashAttention-2 */
    { "^pytorch fsdp$|torchtitan|flashattention-2", "fsdp-flash2" },
    { "fsdp", "fsdp" },
};

/* What does less than the shape of its model says: padding that is left out, other frameworks' older kernels. */
static const Pattern apart[] = {
    { "deeplearningexamples", "" },
};

static const char *
match(const Pattern *patterns, size_t count, const char *text)
{
    for (size_t i = 0; text != NULL && i < count; i++) {
        if (g_regex_match_simple(patterns[i].pattern, text, G_REGEX_CASELESS, 0))
            return patterns[i].value;
    }
    return NULL;
}

const char *
fab_training_preset(const char *name)
{
    return match(presets, G_N_ELEMENTS(presets), name);
}

const char *
fab_training_family(const char *name)
{
    return match(families, G_N_ELEMENTS(families), name);
}

const char *
fab_training_stack(const char *tool)
{
    const char *known = match(stacks, G_N_ELEMENTS(stacks), tool);

    if (known != NULL || tool == NULL || tool[0] == '\0')
        return known;
    return match(apart, G_N_ELEMENTS(apart), tool) != NULL ? NULL : "generic";
}

const FabTrainingMachine *
fab_training_machine(const char *gpu_id)
{
    static const FabTrainingMachine machines[] = {
        { "a100-sxm-80", "dgx-a100", NULL, 8, 8 },      { "a100-sxm-40", "dgx-a100", "a100-sxm-40", 8, 8 },
        { "h100-sxm", "dgx-h100", NULL, 8, 8 },         { "h200-sxm", "dgx-h200", NULL, 8, 8 },
        { "h800-sxm", "dgx-h100", "h800-sxm", 8, 8 },   { "b200-sxm", "dgx-b200", NULL, 8, 8 },
        { "b300-sxm", "hgx-b300", NULL, 8, 8 },         { "gb200", "gb200-nvl72", NULL, 72, 72 },
        { "gb300", "gb300-nvl72", NULL, 72, 72 },       { "v100-sxm2", "dgx-2", NULL, 16, 8 },
    };

    for (size_t i = 0; i < G_N_ELEMENTS(machines); i++) {
        if (strcmp(machines[i].gpu_id, gpu_id) == 0)
            return &machines[i];
    }
    return NULL;
}

double
fab_training_remark_gbps(const char *remark, const char *gpu_id)
{
    g_autofree char *family = g_ascii_strup(gpu_id, (gssize)strcspn(gpu_id, "-"));
    g_autofree char *pattern = g_strdup_printf("(\\d+) \\(%s nodes\\)", family);
    g_autoptr(GRegex) regex = g_regex_new(pattern, 0, 0, NULL);
    g_autoptr(GMatchInfo) info = NULL;
    g_autofree char *number = NULL;

    if (remark == NULL || regex == NULL || !g_regex_match(regex, remark, 0, &info))
        return 0;
    number = g_match_info_fetch(info, 1);
    return g_ascii_strtod(number, NULL);
}
