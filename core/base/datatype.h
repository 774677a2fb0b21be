/* Element types by the names that nccl-tests prints. */
#ifndef FAB_BASE_DATATYPE_H
#define FAB_BASE_DATATYPE_H

#include <glib.h>
#include <stdint.h>

/* The name nccl-tests prints for `name` or its usual alias ("float16" is "half"). Static; NULL with an error. */
const char *fab_datatype_find(const char *name, GError **error);

/* Bytes of one element; 0 for a name that fab_datatype_find() would not return. */
uint32_t fab_datatype_bytes(const char *name);

#endif
