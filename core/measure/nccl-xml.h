/* Reads XML that NCCL wrote. Hostile files are expected: no network, no entities, bounded size and depth. */
#ifndef FAB_MEASURE_NCCL_XML_H
#define FAB_MEASURE_NCCL_XML_H

#include <glib.h>
#include <libxml/tree.h>
#include <stdbool.h>
#include <stdint.h>

/* The document, whose root must be named `root`. Errors name line and column. xmlFreeDoc(). */
xmlDoc *fab_nccl_xml_load(const char *path, const char *root, GError **error);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(xmlDoc, xmlFreeDoc)

bool fab_nccl_xml_is(const xmlNode *node, const char *name);

/* The attribute's text, or NULL. g_free(). */
char *fab_nccl_xml_text(xmlNode *node, const char *name);
/* The attribute as a whole number, decimal or 0x...; `fallback` where it is absent or none. */
int64_t fab_nccl_xml_integer(xmlNode *node, const char *name, int64_t fallback);

#endif
