/* Matrix products by cuBLASLt, loaded at run time; no header of it is needed. */
#ifndef FABM_CUBLASLT_H
#define FABM_CUBLASLT_H

#include "backend.h"

typedef struct FabmLt FabmLt;           /* the library with a handle and a workspace on one GPU */
typedef struct FabmProduct FabmProduct; /* one product, with the algorithm that its heuristic puts first */

/* What is multiplied and what comes out. */
typedef struct {
    const char *name; /* "bf16" */
    FabmElement in, out;
    int in_type, out_type, compute; /* numbers of CUDA and cuBLAS */
} FabmProductType;

/* Ends with an entry without name. */
extern const FabmProductType fabm_product_types[];

/*
 * D = A B, `batch` times: A has m rows of k elements, each row without gaps; B has n columns of k, D n columns of m.
 */
typedef struct {
    uint64_t m, n, k, batch;
} FabmShape;

/* `path` NULL: looked for. The workspace is on `gpu`, which must be selected while products are made and run. */
FabmLt *fabm_lt_open(FabmBackend *backend, int gpu, const char *path, FabmFailure *failure);
void fabm_lt_close(FabmLt *lt);

/* NULL without a failure: this GPU has no such product (fp8 before Ada). */
FabmProduct *fabm_product_new(FabmLt *lt, const FabmProductType *type, const FabmShape *shape, FabmFailure *failure);
void fabm_product_free(FabmProduct *product);

/* Puts the product into a queue. */
bool fabm_product_run(FabmProduct *product, FabmQueue *queue, const void *a, const void *b, void *d,
                      FabmFailure *failure);

#endif
