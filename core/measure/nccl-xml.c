#include "measure/nccl-xml.h"

#include <libxml/parser.h>
#include <string.h>

#include "base/error.h"
#include "base/file.h"
#include "measure/log.h"

/* A topology of 8 GPUs has about 20 KiB, an NVLink domain of 72 below 1 MiB. */
enum { MAX_BYTES = 16 << 20 };

/* What a file is that has another root. */
static const char *
other_root(const char *name)
{
    static const struct {
        const char *name, *what;
    } known[] = {
        { "system", "an NCCL topology: use fabricast import nccl-topology" },
        { "graphs", "an NCCL graph: use fabricast import nccl-graph" },
        { "topology", "hwloc's XML (lstopo), which nothing here reads" },
        { "algo", "an MSCCL algorithm, which nothing here reads" },
    };

    for (gsize i = 0; i < G_N_ELEMENTS(known); i++) {
        if (strcmp(known[i].name, name) == 0)
            return known[i].what;
    }
    return "no file of NCCL";
}

typedef struct {
    int line, column;
    char *message; /* NULL: no error yet */
} Problem;

/* The first error is the one that matters, those after it follow from it. */
static void
keep_first(void *data, const xmlError *problem)
{
    Problem *first = ((xmlParserCtxt *)data)->_private;

    if (first->message == NULL && problem->level >= XML_ERR_ERROR)
        *first = (Problem) { problem->line, problem->int2, g_strdup(problem->message) };
}

static xmlDoc *
parse(const char *path, const char *text, size_t length, GError **error)
{
    xmlParserCtxt *context = xmlNewParserCtxt();
    Problem problem = { .line = 1, .column = 1 };
    xmlDoc *document;

    context->_private = &problem;
    /* Its second argument became const with libxml2 2.12. */
    context->sax->serror = (xmlStructuredErrorFunc)(void (*)(void))keep_first;
    document = xmlCtxtReadMemory(context, text, (int)length, path, NULL,
                                 XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING | XML_PARSE_BIG_LINES);
    if (document == NULL)
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: line %d column %d: no well-formed XML: %s", path,
                    problem.line, problem.column,
                    problem.message != NULL ? g_strstrip(problem.message) : "the parser gave up");
    g_free(problem.message);
    xmlFreeParserCtxt(context);
    return document;
}

static void
refuse_type(const char *path, GError **error)
{
    g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: has a document type, which no file of NCCL has", path);
}

xmlDoc *
fab_nccl_xml_load(const char *path, const char *root, GError **error)
{
    size_t length = 0;
    g_autofree char *text = fab_file_read(path, "an XML file of NCCL", MAX_BYTES, &length, error);
    g_autoptr(xmlDoc) document = NULL;
    const xmlNode *top;

    if (text == NULL)
        return NULL;
    if (strspn(text, " \t\r\n") == length) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: is empty", path);
        return NULL;
    }
    if (strchr(text, '<') == NULL) {
        const char *guess = fab_log_guess(text);
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: is no XML%s%s", path,
                    guess != NULL ? "; it looks like " : "", guess != NULL ? guess : "");
        return NULL;
    }
    if (strstr(text, "<!DOCTYPE") != NULL || strstr(text, "<!ENTITY") != NULL) {
        refuse_type(path, error);
        return NULL;
    }
    document = parse(path, text, length, error);
    /* Text in another encoding may hold one that the search above does not see. */
    if (document != NULL && (document->intSubset != NULL || document->extSubset != NULL)) {
        refuse_type(path, error);
        return NULL;
    }
    top = document != NULL ? xmlDocGetRootElement(document) : NULL;
    if (top == NULL)
        return NULL;
    if (!fab_nccl_xml_is(top, root)) {
        g_set_error(error, FAB_ERROR, FAB_ERROR_SYNTAX, "%s: line %ld: the first element is <%.40s>, must be <%s>; "
            "this is %s", path, xmlGetLineNo(top), (const char *)top->name, root, other_root((const char *)top->name));
        return NULL;
    }
    return g_steal_pointer(&document);
}

bool
fab_nccl_xml_is(const xmlNode *node, const char *name)
{
    return node->type == XML_ELEMENT_NODE && strcmp((const char *)node->name, name) == 0;
}

char *
fab_nccl_xml_text(xmlNode *node, const char *name)
{
    xmlChar *value = xmlGetProp(node, (const xmlChar *)name);
    char *text = g_strdup((const char *)value);

    xmlFree(value);
    return text;
}

int64_t
fab_nccl_xml_integer(xmlNode *node, const char *name, int64_t fallback)
{
    g_autofree char *text = fab_nccl_xml_text(node, name);
    char *end = NULL;
    int64_t value = text != NULL ? g_ascii_strtoll(text, &end, g_str_has_prefix(text, "0x") ? 16 : 10) : fallback;

    return text != NULL && end != text && *end == '\0' ? value : fallback;
}
