/*
 * A transformer as numbers: what decides its parameters, its arithmetic and its memory. Read from the keys of [model],
 * from a preset shipped with the program, or from a config.json as Hugging Face writes it.
 */
#ifndef FAB_SCENARIO_MODEL_H
#define FAB_SCENARIO_MODEL_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/keyfile.h"

/* Counts are 0 where the model has no such thing. */
typedef struct {
    char *name, *title;
    uint32_t layers, hidden, heads;
    uint32_t kv_heads;          /* key and value heads; `heads` unless they are shared */
    uint32_t head_dim;          /* hidden / heads unless stated */
    uint32_t ffn;               /* width of a dense feed-forward block */
    uint32_t vocab;
    uint32_t positions;         /* learned position embeddings; rotary and other kinds have no parameters */
    uint32_t token_types;       /* BERT: learned segment embeddings */
    uint32_t sequence;          /* longest sequence that the model is made for */
    bool gated;                 /* the feed-forward block has a third matrix, its gate */
    bool tied;                  /* the logits use the embedding's matrix */
    bool bias;                  /* every linear layer has a bias */
    bool qkv_bias;              /* those of queries, keys and values have one */
    bool qk_norm;               /* queries and keys are normed by head */
    bool layer_norm;            /* norms have weight and bias, else only a weight (RMS norm) */
    bool norm_bias;             /* with layer_norm: the bias is there */
    bool post_norm;             /* BERT: the norm is behind the embedding, none behind the last layer */
    bool causal;
    bool pooler;                /* BERT: one dense layer on the first token */
    uint32_t experts, experts_per_token; /* routed experts, and how many of them a token visits */
    uint32_t expert_ffn;        /* width of one expert */
    uint32_t shared_ffn;        /* width of all shared experts together */
    uint32_t dense_layers;      /* with experts: so many layers at the start have the dense block instead */
    /* Attention with a compressed cache (DeepSeek): ranks, and the parts of a head */
    uint32_t kv_rank, q_rank, rope_dim, nope_dim, value_dim;
    bool router_bias;           /* a bias for each expert at the router */
    /*
     * A model that is no transformer is given as a whole, one layer of which only this is known: parameters, FLOPs of a
     * sample's forward pass, results of its layers. A "token" is a sample of it. 0: a transformer.
     */
    double parameters, sample_flops, sample_elements;
} FabModel;

static inline bool
fab_model_is_whole(const FabModel *model)
{
    return model->parameters > 0;
}

FabModel *fab_model_new(void);
FabModel *fab_model_copy(const FabModel *model);
void fab_model_free(FabModel *model);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabModel, fab_model_free)

/* The keys of [model]; NULL-terminated. */
const char *const *fab_model_keys(void);

/*
 * Reads [model] of a scenario or preset: `preset` or `config` first, then what the other keys change. Files are found
 * beside the file that names them. Refuses a model that does not say what it must.
 */
FabModel *fab_model_read(FabKeyfile *file, GError **error);

/* A preset by name, or a file: FILE.ini with a group [model], or FILE.json. */
FabModel *fab_model_load(const char *name, GError **error);

/* Names of the presets, sorted, NULL-terminated. g_strfreev(). */
char **fab_model_list(void);

/* A config.json of at most 1 MiB: `path` names it in messages. */
FabModel *fab_model_parse_config(const char *path, const char *text, gsize length, GError **error);

/* Fills in what follows from the rest (head_dim, kv_heads), then refuses what cannot be. `where` begins the message. */
bool fab_model_complete(FabModel *model, const char *where, GError **error);

#endif
