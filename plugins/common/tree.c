#include "common/tree.h"

#include <stdlib.h>
#include <string.h>

#include "common/text.h"

enum { WIDTH_MAX = 16, GENERATION_MAX = 6, WORDS_MAX = 100000, NIC_MAX = 1023 };

typedef struct {
    const FabHost *host;
    FabBuilder *builder;
    FabTree *tree;
    const char *at;  /* what is left to read */
    uint32_t word;   /* from 1, for messages */
    uint32_t open;   /* node whose braces are open, FAB_NODE_NONE: none */
    uint32_t opened; /* node that the next '{' opens, FAB_NODE_NONE: none */
    uint32_t slots;
    uint8_t *seen[FAB_NODE_KINDS]; /* GPUs and NICs placed */
} Reader;

typedef struct {
    const char *name;
    FabNodeKind kind;
    bool numbered;
} Word;

static const Word words[] = {
    { "numa", FAB_NODE_NUMA, true },   { "bridge", FAB_NODE_BRIDGE, false },   { "sw", FAB_NODE_SWITCH, false },
    { "stage", FAB_NODE_STAGE, false }, { "chipset", FAB_NODE_CHIPSET, false }, { "gpu", FAB_NODE_GPU, true },
    { "nic", FAB_NODE_NIC, true },
};

void
fab_tree_clear(FabTree *tree)
{
    free(tree->nodes);
    *tree = (FabTree){ 0 };
}

uint32_t
fab_tree_add(FabTree *tree, FabNodeKind kind, uint32_t parent)
{
    if (tree->count == tree->room) {
        uint32_t room = tree->room == 0 ? 64 : tree->room * 2;
        FabTreeNode *nodes = realloc(tree->nodes, room * sizeof *nodes);
        if (nodes == NULL)
            return FAB_NODE_NONE;
        tree->nodes = nodes;
        tree->room = room;
    }
    tree->nodes[tree->count] = (FabTreeNode){ .kind = kind, .number = tree->counts[kind]++, .parent = parent };
    return tree->count++;
}

uint32_t
fab_tree_numa(const FabTree *tree, uint32_t node)
{
    while (tree->nodes[node].kind != FAB_NODE_NUMA)
        node = tree->nodes[node].parent;
    return tree->nodes[node].number;
}

/* ------------------------------------------------------------------ reading the text */

/* Where a device may hang; a host bridge is implied below a NUMA node. */
static bool
fits_below(FabNodeKind kind, FabNodeKind parent)
{
    switch (parent) {
    case FAB_NODE_NUMA:
        return kind != FAB_NODE_NUMA && kind != FAB_NODE_STAGE;
    case FAB_NODE_BRIDGE:
        return kind == FAB_NODE_SWITCH || kind == FAB_NODE_CHIPSET || kind == FAB_NODE_GPU || kind == FAB_NODE_NIC;
    case FAB_NODE_SWITCH:
    case FAB_NODE_STAGE:
        return kind == FAB_NODE_SWITCH || kind == FAB_NODE_STAGE || kind == FAB_NODE_GPU || kind == FAB_NODE_NIC;
    case FAB_NODE_CHIPSET:
        return kind == FAB_NODE_SWITCH || kind == FAB_NODE_GPU || kind == FAB_NODE_NIC;
    default:
        return false;
    }
}

static bool
refuse(const Reader *reader, const char *why)
{
    int length = (int)strcspn(reader->at, " \t{}");

    if (*reader->at == '{' || *reader->at == '}')
        length = 1;
    return reader->host->fail(reader->builder, "tree: word %u, \"%.*s\": %s", reader->word,
                              length < 40 ? length : 40, reader->at, why);
}

/* The edge suffix: @4, @x8, @4x8. */
static bool
read_edge(const char **at, uint32_t *generation, uint32_t *lanes)
{
    bool any = false;

    *generation = *lanes = 0;
    if (!fab_text_sign(at, '@'))
        return true;
    if (**at != 'x') {
        if (!fab_text_number(at, generation) || *generation < 1 || *generation > GENERATION_MAX)
            return false;
        any = true;
    }
    if (fab_text_sign(at, 'x')) {
        if (!fab_text_number(at, lanes) || *lanes < 1 || *lanes > WIDTH_MAX || (*lanes & (*lanes - 1)) != 0)
            return false;
        any = true;
    }
    return any;
}

static bool
add_device(Reader *reader, FabNodeKind kind, uint32_t generation, uint32_t lanes, uint32_t *node)
{
    FabTree *tree = reader->tree;
    uint32_t parent = reader->open;

    if (tree->nodes[parent].kind == FAB_NODE_NUMA && kind != FAB_NODE_BRIDGE) {
        parent = fab_tree_add(tree, FAB_NODE_BRIDGE, parent);
        if (parent == FAB_NODE_NONE)
            return refuse(reader, "out of memory");
        tree->nodes[parent].implied = true;
    }
    *node = fab_tree_add(tree, kind, parent);
    if (*node == FAB_NODE_NONE)
        return refuse(reader, "out of memory");
    tree->nodes[*node].generation = generation;
    tree->nodes[*node].lanes = lanes;
    return true;
}

/* Places GPUs or NICs `first` to `last` below the open node. */
static bool
add_leaves(Reader *reader, FabNodeKind kind, uint32_t first, uint32_t last, uint32_t generation, uint32_t lanes)
{
    uint32_t limit = kind == FAB_NODE_GPU ? reader->slots : NIC_MAX + 1;
    uint32_t node;

    if (last >= limit && kind == FAB_NODE_GPU)
        return reader->host->fail(reader->builder, "tree: word %u names GPU %u, must be 0 to %u (gpus, or slots)",
                                  reader->word, last, limit - 1);
    if (last >= limit)
        return refuse(reader, "NICs are numbered 0 to 1023");
    for (uint32_t number = first; number <= last; number++) {
        if (reader->seen[kind][number])
            return reader->host->fail(reader->builder, "tree: word %u places %s %u again, each has one place",
                                      reader->word, kind == FAB_NODE_GPU ? "GPU" : "NIC", number);
        reader->seen[kind][number] = 1;
        if (!add_device(reader, kind, generation, lanes, &node))
            return false;
        reader->tree->nodes[node].number = number;
    }
    return true;
}

static const Word *
find_word(const char *at)
{
    size_t length = strspn(at, "abcdefghijklmnopqrstuvwxyz");

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strlen(words[i].name) == length && strncmp(words[i].name, at, length) == 0)
            return &words[i];
    }
    return NULL;
}

/* Opens NUMA node `number` of the ones that exist. */
static bool
enter_numa(Reader *reader, uint32_t number)
{
    if (number >= reader->tree->counts[FAB_NODE_NUMA])
        return reader->host->fail(reader->builder, "tree: word %u names NUMA node %u, must be 0 to %u "
                                  "(sockets x numa_per_socket)", reader->word, number,
                                  reader->tree->counts[FAB_NODE_NUMA] - 1);
    reader->opened = number;
    return true;
}

static bool
read_word(Reader *reader)
{
    const Word *word = find_word(reader->at);
    const char *at = reader->at;
    uint32_t first = 0, last = 0, generation, lanes;

    if (word == NULL)
        return refuse(reader, "not known; accepted: numaN, bridge, sw, stage, chipset, gpuN, nicN, { and }");
    at += strlen(word->name);
    if (word->numbered && !fab_text_range(&at, &first, &last))
        return refuse(reader, "needs a number, such as gpu3 or gpu0-3");
    if (!read_edge(&at, &generation, &lanes))
        return refuse(reader, "a link is written @4, @x8 or @4x8: generation 1 to 6, lanes 1, 2, 4, 8 or 16");
    if (*at != '\0' && strchr(" \t{}", *at) == NULL)
        return refuse(reader, "has letters after its end");
    if (word->kind == FAB_NODE_NUMA ? reader->open != FAB_NODE_NONE : reader->open == FAB_NODE_NONE)
        return refuse(reader, "NUMA nodes, and only they, stand outside of all braces");
    if (word->kind != FAB_NODE_NUMA && !fits_below(word->kind, reader->tree->nodes[reader->open].kind))
        return refuse(reader, "cannot hang there");
    if (word->kind == FAB_NODE_NUMA) {
        if (first != last || generation != 0 || lanes != 0)
            return refuse(reader, "a NUMA node is one number without a link");
        if (!enter_numa(reader, first))
            return false;
    } else if (word->numbered) {
        if (!add_leaves(reader, word->kind, first, last, generation, lanes))
            return false;
    } else if (!add_device(reader, word->kind, generation, lanes, &reader->opened)) {
        return false;
    }
    reader->at = at;
    return true;
}

static bool
read_brace(Reader *reader)
{
    const FabTreeNode *nodes = reader->tree->nodes;

    if (*reader->at == '{') {
        if (reader->opened == FAB_NODE_NONE)
            return refuse(reader, "follows numaN, bridge, sw, stage or chipset only");
        reader->open = reader->opened;
        reader->opened = FAB_NODE_NONE;
    } else {
        if (reader->open == FAB_NODE_NONE)
            return refuse(reader, "closes nothing");
        reader->open = nodes[reader->open].parent;
        if (reader->open != FAB_NODE_NONE && nodes[reader->open].implied)
            reader->open = nodes[reader->open].parent;
    }
    reader->at++;
    return true;
}

static bool
read_all(Reader *reader)
{
    for (fab_text_skip_blanks(&reader->at); *reader->at != '\0'; fab_text_skip_blanks(&reader->at)) {
        bool brace = *reader->at == '{' || *reader->at == '}';
        if (++reader->word > WORDS_MAX)
            return refuse(reader, "too many words");
        if (reader->opened != FAB_NODE_NONE && *reader->at != '{')
            return refuse(reader, "a { must stand here, after numaN, bridge, sw, stage or chipset");
        if (!(brace ? read_brace(reader) : read_word(reader)))
            return false;
    }
    if (reader->open != FAB_NODE_NONE || reader->opened != FAB_NODE_NONE)
        return reader->host->fail(reader->builder, "tree: a } is missing at the end");
    return true;
}

/* Every GPU has its place, and NICs are numbered without gaps. */
static bool
check_complete(const Reader *reader)
{
    const FabTree *tree = reader->tree;

    for (uint32_t i = 0; i < reader->slots; i++) {
        if (!reader->seen[FAB_NODE_GPU][i])
            return reader->host->fail(reader->builder, "tree: GPU %u has no place, must name gpu0 to gpu%u", i,
                                      reader->slots - 1);
    }
    for (uint32_t i = 0; i < tree->counts[FAB_NODE_NIC]; i++) {
        if (!reader->seen[FAB_NODE_NIC][i])
            return reader->host->fail(reader->builder, "tree: NIC %u of %u is missing, they are numbered from 0", i,
                                      tree->counts[FAB_NODE_NIC]);
    }
    return true;
}

bool
fab_tree_parse(const FabHost *host, FabBuilder *builder, const char *text, uint32_t slots, FabTree *tree)
{
    Reader reader = { .host = host, .builder = builder, .tree = tree, .at = text, .slots = slots,
                      .open = FAB_NODE_NONE, .opened = FAB_NODE_NONE };
    bool read;

    reader.seen[FAB_NODE_GPU] = calloc(slots, 1);
    reader.seen[FAB_NODE_NIC] = calloc(NIC_MAX + 1, 1);
    if (reader.seen[FAB_NODE_GPU] == NULL || reader.seen[FAB_NODE_NIC] == NULL)
        read = host->fail(builder, "tree: out of memory");
    else
        read = read_all(&reader) && check_complete(&reader);
    free(reader.seen[FAB_NODE_GPU]);
    free(reader.seen[FAB_NODE_NIC]);
    return read;
}
