/* What public tables of training call models, GPUs and software, and what that is here. */
#ifndef FAB_VALIDATE_TRAINING_NAMES_H
#define FAB_VALIDATE_TRAINING_NAMES_H

#include <stdint.h>

/* The preset of a model's name in a table, or NULL. */
const char *fab_training_preset(const char *name);

/* The preset that models of such a name are like, whose layers, hidden size and heads the table states; or NULL. */
const char *fab_training_family(const char *name);

typedef struct {
    const char *gpu_id;   /* in the column `gpu` */
    const char *topology, *gpu; /* `gpu` NULL: the machine's own */
    uint32_t gpus, nics;  /* of the machine */
} FabTrainingMachine;

/* The machine that GPUs of this id are usually in, or NULL. */
const FabTrainingMachine *fab_training_machine(const char *gpu_id);

/* The stack of a tool's name, or NULL. */
const char *fab_training_stack(const char *tool);

/* Gbit/s of all adapters of a node, of a remark such as "400 (A100 nodes), 800 (H100 nodes)"; 0: not there. */
double fab_training_remark_gbps(const char *remark, const char *gpu_id);

#endif
