#include "workload/stack.h"

#include <string.h>

/* Tables of tests/measurements that the shares were fitted to. */
#define SEQPAR "megatron-seqpar-a100-table5: one share"
#define DGXC "dgxc-2502: shares of matrices and memory, factor of experts"
#define VTRAIN "vtrain-gt-single-a100: share of matrices, launches of a layer; the rest as megatron"
#define MOSAIC_A100 "mosaic-mpt, A100: shares of matrices and memory, loss, slowdown"
#define MOSAIC_H100 "mosaic-mpt, H100: shares of matrices, memory and attention, slowdown"
#define FLASH2 "half-way between fsdp and megatron or nemo on the same GPUs; attention of arXiv 2407.08608; not fitted"
#define GENERIC "the slower of the stacks of the same GPUs, their launches as vtrain's; no step time fitted"
#define TAKEN "taken over from another generation, no step time fitted"

/*
 * On A100 0.86 is what cuBLAS reaches with random numbers when tiles fill the GPU: 8192 cubed at 257 TFLOP/s
 * (thonking.ai, "Strangely, matrix multiplications ..."; zeros reach 295, so power is what limits it), 0.83 by the rule
 * of kernel.c. What a stack has less of is its own: copies, casts, stragglers, kernels chosen for other shapes.
 *
 * By stack, then ascending capability. docs/training.md says which figures were fitted, and to what.
 */
static const FabStack stacks[] = {
    { .name = "megatron", .compute_capability = 0, .gemm_share = 0.86, .gemm_share_fp8 = 0.61, .tile_columns = 300,
      .tile_columns_fp8 = 600, .memory_share = 0.80, .flash_forward = 0.52, .flash_backward = 0.40, .logit_bytes = 22,
      .hop_exposed = 1, .overlap_slowdown = 0.13, .moe_factor = 1.2, .moe_factor_fp8 = 1.45, .scale_loss = 0.0025,
      .residual = 0.08, .source = TAKEN },
    { .name = "megatron", .compute_capability = 80, .gemm_share = 0.86, .gemm_share_fp8 = 0.61, .tile_columns = 300,
      .tile_columns_fp8 = 600, .memory_share = 0.80, .flash_forward = 0.52, .flash_backward = 0.40, .logit_bytes = 22,
      .hop_exposed = 1, .overlap_slowdown = 0.13, .moe_factor = 1.2, .moe_factor_fp8 = 1.45, .fitted = true,
      .scale_loss = 0.0025, .residual = 0.08, .machine = "selene", .source = SEQPAR },
    { .name = "megatron", .compute_capability = 90, .gemm_share = 0.68, .gemm_share_fp8 = 0.61, .tile_columns = 300,
      .tile_columns_fp8 = 600, .memory_share = 0.80, .flash_forward = 0.55, .flash_backward = 0.45, .logit_bytes = 22,
      .hop_exposed = 1, .overlap_slowdown = 0.13, .moe_factor = 1.2, .moe_factor_fp8 = 1.45, .scale_loss = 0.0025,
      .residual = 0.08, .source = TAKEN },
    { .name = "megatron-deepspeed", .compute_capability = 80, .gemm_share = 0.80, .gemm_share_fp8 = 0.61,
      .tile_columns = 300, .tile_columns_fp8 = 600, .memory_share = 0.80, .flash_forward = 0.52, .flash_backward = 0.40,
      .logit_bytes = 22, .host_layer_s = 3.4e-3, .host_hop_s = 0.4e-3, .host_ends_s = 2e-3, .hop_exposed = 1,
      .overlap_slowdown = 0.13, .moe_factor = 1.2, .moe_factor_fp8 = 1.45, .fitted = true, .scale_loss = 0.0025,
      .residual = 0.18, .machine = "vtrain-8gpu", .source = VTRAIN },
    { .name = "nemo", .compute_capability = 0, .gemm_share = 0.86, .gemm_share_fp8 = 0.61, .tile_columns = 300,
      .tile_columns_fp8 = 600, .memory_share = 0.80, .flash_forward = 0.52, .flash_backward = 0.40, .logit_bytes = 22,
      .tp_pieces = 1.5, .hop_exposed = 0.5, .overlap_slowdown = 0.13, .moe_factor = 1.2, .moe_factor_fp8 = 1.45,
      .scale_loss = 0.0025, .residual = 0.08, .source = TAKEN },
    { .name = "nemo", .compute_capability = 90, .gemm_share = 0.69, .gemm_share_fp8 = 0.65, .tile_columns = 300,
      .tile_columns_fp8 = 600, .memory_share = 0.72, .flash_forward = 0.55, .flash_backward = 0.45, .logit_bytes = 22,
      .tp_pieces = 1.5, .hop_exposed = 0.5, .overlap_slowdown = 0.13, .moe_factor = 1.2, .moe_factor_fp8 = 1.45,
      .fitted = true, .scale_loss = 0.0025, .residual = 0.08, .machine = "dgxc-h100", .source = DGXC },
    { .name = "nemo", .compute_capability = 100, .gemm_share = 0.68, .gemm_share_fp8 = 0.61, .tile_columns = 300,
      .tile_columns_fp8 = 600, .memory_share = 0.80, .flash_forward = 0.55, .flash_backward = 0.45, .logit_bytes = 22,
      .tp_pieces = 1.5, .hop_exposed = 0.5, .overlap_slowdown = 0.13, .moe_factor = 1.2, .moe_factor_fp8 = 1.45,
      .scale_loss = 0.0025, .residual = 0.08, .source = TAKEN },
    { .name = "fsdp", .compute_capability = 0, .gemm_share = 0.78, .gemm_share_fp8 = 0.61, .tile_columns = 300,
      .tile_columns_fp8 = 600, .memory_share = 0.70, .flash_forward = 0.52, .flash_backward = 0.26, .logit_bytes = 26,
      .host_layer_s = 1.3e-3, .host_ends_s = 2e-3, .hop_exposed = 1, .overlap_slowdown = 0.2, .moe_factor = 1.2,
      .moe_factor_fp8 = 1.45, .scale_loss = 0.0025, .residual = 0.09, .source = TAKEN },
    { .name = "fsdp", .compute_capability = 80, .gemm_share = 0.78, .gemm_share_fp8 = 0.61, .tile_columns = 300,
      .tile_columns_fp8 = 600, .memory_share = 0.70, .flash_forward = 0.52, .flash_backward = 0.26, .logit_bytes = 26,
      .host_layer_s = 1.3e-3, .host_ends_s = 2e-3, .hop_exposed = 1, .overlap_slowdown = 0.2, .moe_factor = 1.2,
      .moe_factor_fp8 = 1.45, .fitted = true, .scale_loss = 0.0025, .residual = 0.09, .machine = "mosaic",
      .source = MOSAIC_A100 },
    { .name = "fsdp", .compute_capability = 90, .gemm_share = 0.66, .gemm_share_fp8 = 0.61, .tile_columns = 300,
      .tile_columns_fp8 = 600, .memory_share = 0.55, .flash_forward = 0.29, .flash_backward = 0.15, .logit_bytes = 26,
      .host_layer_s = 1.3e-3, .host_ends_s = 2e-3, .hop_exposed = 1, .overlap_slowdown = 0.65, .moe_factor = 1.2,
      .moe_factor_fp8 = 1.45, .fitted = true, .scale_loss = 0.0025, .residual = 0.09, .machine = "mosaic",
      .source = MOSAIC_H100 },
    /*
     * FSDP of 2024: matrices and moved bytes half-way between the two stacks that were fitted on the same GPUs: FSDP of
     * 2023, and megatron or nemo, whose kernels are as new. FlashAttention-2 reaches 35 % of an H100 (arXiv
     * 2407.08608), backward less by the ratio on A100. Compute beside collectives as slow as under FSDP on A100: the
     * figure fitted on H100 holds a network that was not known.
     */
    { .name = "fsdp-flash2", .compute_capability = 0, .gemm_share = 0.82, .gemm_share_fp8 = 0.61, .tile_columns = 300,
      .tile_columns_fp8 = 600, .memory_share = 0.75, .flash_forward = 0.52, .flash_backward = 0.40, .logit_bytes = 22,
      .hop_exposed = 1, .overlap_slowdown = 0.2, .moe_factor = 1.2, .moe_factor_fp8 = 1.45, .scale_loss = 0.0025,
      .residual = 0.09, .source = FLASH2 },
    { .name = "fsdp-flash2", .compute_capability = 90, .gemm_share = 0.675, .gemm_share_fp8 = 0.63, .tile_columns = 300,
      .tile_columns_fp8 = 600, .memory_share = 0.63, .flash_forward = 0.35, .flash_backward = 0.27, .logit_bytes = 22,
      .hop_exposed = 1, .overlap_slowdown = 0.2, .moe_factor = 1.2, .moe_factor_fp8 = 1.45, .scale_loss = 0.0025,
      .residual = 0.09, .source = FLASH2 },
    /*
     * Software that nothing is known of: the lower shares of the stacks above on the same GPUs (on H100 moved bytes
     * between theirs), FlashAttention-2, nothing hidden, and the launches of Megatron-DeepSpeed, the only ones fitted.
     */
    { .name = "generic", .compute_capability = 0, .gemm_share = 0.78, .gemm_share_fp8 = 0.61, .tile_columns = 300,
      .tile_columns_fp8 = 600, .memory_share = 0.70, .flash_forward = 0.52, .flash_backward = 0.40, .logit_bytes = 26,
      .host_layer_s = 3.4e-3, .host_hop_s = 0.4e-3, .host_ends_s = 2e-3, .hop_exposed = 1, .overlap_slowdown = 0.2,
      .moe_factor = 1.2, .moe_factor_fp8 = 1.45, .scale_loss = 0.0025, .residual = 0.09, .source = GENERIC },
    { .name = "generic", .compute_capability = 90, .gemm_share = 0.66, .gemm_share_fp8 = 0.61, .tile_columns = 300,
      .tile_columns_fp8 = 600, .memory_share = 0.60, .flash_forward = 0.35, .flash_backward = 0.27, .logit_bytes = 26,
      .host_layer_s = 3.4e-3, .host_hop_s = 0.4e-3, .host_ends_s = 2e-3, .hop_exposed = 1, .overlap_slowdown = 0.2,
      .moe_factor = 1.2, .moe_factor_fp8 = 1.45, .scale_loss = 0.0025, .residual = 0.09, .source = GENERIC },
};

/* FSDP shards parameters; NeMo is what Hopper and later are trained with, Megatron what Ampere was. */
static const char *
usual(const FabTraining *training, uint32_t compute_capability)
{
    if (training->zero == 3)
        return "fsdp";
    return compute_capability >= 90 ? "nemo" : "megatron";
}

const FabStack *
fab_stack_find(const FabTraining *training, uint32_t compute_capability)
{
    bool automatic = training->stack == NULL || strcmp(training->stack, "auto") == 0;
    const char *name = automatic ? usual(training, compute_capability) : training->stack;
    const FabStack *found = training->constants;

    /* The first row of a stack serves older GPUs too. */
    for (size_t i = 0; i < sizeof stacks / sizeof stacks[0] && training->constants == NULL; i++) {
        if (strcmp(stacks[i].name, name) == 0 &&
            (found == NULL || stacks[i].compute_capability <= compute_capability))
            found = &stacks[i];
    }
    return found != NULL ? found : &stacks[0];
}

bool
fab_stack_is_fitted(const FabStack *stack, uint32_t compute_capability)
{
    return stack->fitted && stack->compute_capability == compute_capability;
}

bool
fab_stack_knows(const FabStack *stack, const char *machine)
{
    return stack->machine != NULL && machine != NULL && strcmp(stack->machine, machine) == 0;
}
