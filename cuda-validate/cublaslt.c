#include "cublaslt.h"

#include <stdlib.h>

#include "library.h"

/* Numbers and layouts of cuBLASLt's interface (CUDA 11 and later). */
enum { NOT_SUPPORTED = 15, TRANSPOSED = 1, FLOAT32 = 0, HALF16 = 2, BFLOAT16 = 14, FLOAT8_E4M3 = 28 };
enum { COMPUTE_32F = 68, COMPUTE_32F_FAST_TF32 = 77 };
enum { DESC_TRANSPOSE_A = 3, DESC_FAST_ACCUMULATION = 25 };
enum { LAYOUT_BATCH_COUNT = 5, LAYOUT_BATCH_STRIDE = 6, PREFERENCE_WORKSPACE = 1 };
enum { WORKSPACE = 64 << 20 };

typedef struct {
    uint64_t algorithm[8];
    size_t workspace;
    int state;
    float waves;
    int reserved[4];
} Choice;

typedef void *Handle;

struct FabmLt {
    FabmBackend *backend;
    int gpu;
    void *library, *workspace;
    Handle handle;
    int (*create)(Handle *handle);
    int (*destroy)(Handle handle);
    int (*desc_create)(Handle *desc, int compute, int scale);
    int (*desc_set)(Handle desc, int attribute, const void *value, size_t bytes);
    int (*desc_destroy)(Handle desc);
    int (*layout_create)(Handle *layout, int type, uint64_t rows, uint64_t columns, int64_t stride);
    int (*layout_set)(Handle layout, int attribute, const void *value, size_t bytes);
    int (*layout_destroy)(Handle layout);
    int (*preference_create)(Handle *preference);
    int (*preference_set)(Handle preference, int attribute, const void *value, size_t bytes);
    int (*preference_destroy)(Handle preference);
    int (*heuristic)(Handle handle, Handle desc, Handle a, Handle b, Handle c, Handle d, Handle preference, int wanted,
                     Choice *choices, int *found);
    int (*multiply)(Handle handle, Handle desc, const void *alpha, const void *a, Handle a_layout, const void *b,
                    Handle b_layout, const void *beta, const void *c, Handle c_layout, void *d, Handle d_layout,
                    const void *algorithm, void *workspace, size_t workspace_bytes, void *stream);
};

struct FabmProduct {
    FabmLt *lt;
    Handle desc, a, b, d;
    Choice choice;
};

const FabmProductType fabm_product_types[] = {
    { "fp32", FABM_FLOAT, FABM_FLOAT, FLOAT32, FLOAT32, COMPUTE_32F },
    { "tf32", FABM_FLOAT, FABM_FLOAT, FLOAT32, FLOAT32, COMPUTE_32F_FAST_TF32 },
    { "fp16", FABM_HALF, FABM_HALF, HALF16, HALF16, COMPUTE_32F },
    { "bf16", FABM_BFLOAT16, FABM_BFLOAT16, BFLOAT16, BFLOAT16, COMPUTE_32F },
    { "fp8", FABM_E4M3, FABM_BFLOAT16, FLOAT8_E4M3, BFLOAT16, COMPUTE_32F },
    { NULL, FABM_FLOAT, FABM_FLOAT, 0, 0, 0 },
};

static bool
good(int status, const char *what, FabmFailure *failure)
{
    return status == 0 || fabm_fail(failure, FABM_EXIT_MACHINE, "cuBLASLt: %s: status %d", what, status);
}

FabmLt *
fabm_lt_open(FabmBackend *backend, int gpu, const char *path, FabmFailure *failure)
{
    static const char *const names[] = { "libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so.11",
                                         "libcublasLt.so", NULL };
    FabmLt *lt = fabm_new(1, sizeof *lt);
    const FabmSymbol symbols[] = {
        { "cublasLtCreate", &lt->create },
        { "cublasLtDestroy", &lt->destroy },
        { "cublasLtMatmulDescCreate", &lt->desc_create },
        { "cublasLtMatmulDescSetAttribute", &lt->desc_set },
        { "cublasLtMatmulDescDestroy", &lt->desc_destroy },
        { "cublasLtMatrixLayoutCreate", &lt->layout_create },
        { "cublasLtMatrixLayoutSetAttribute", &lt->layout_set },
        { "cublasLtMatrixLayoutDestroy", &lt->layout_destroy },
        { "cublasLtMatmulPreferenceCreate", &lt->preference_create },
        { "cublasLtMatmulPreferenceSetAttribute", &lt->preference_set },
        { "cublasLtMatmulPreferenceDestroy", &lt->preference_destroy },
        { "cublasLtMatmulAlgoGetHeuristic", &lt->heuristic },
        { "cublasLtMatmul", &lt->multiply },
        { NULL, NULL },
    };

    lt->backend = backend;
    lt->gpu = gpu;
    lt->library = fabm_library_open("cuBLASLt", path, names, symbols, "it is part of the CUDA toolkit; name its "
                                    "library with --cublaslt=FILE", failure);
    if (lt->library != NULL && backend->select(backend, gpu, failure) &&
        good(lt->create(&lt->handle), "no handle", failure))
        lt->workspace = backend->alloc(backend, gpu, WORKSPACE, failure);
    if (lt->workspace != NULL)
        return lt;
    fabm_lt_close(lt);
    return NULL;
}

void
fabm_lt_close(FabmLt *lt)
{
    if (lt == NULL)
        return;
    if (lt->handle != NULL)
        (void)lt->destroy(lt->handle);
    lt->backend->release(lt->backend, lt->gpu, lt->workspace);
    fabm_library_close(lt->library);
    free(lt);
}

/* A matrix of `columns` columns of `rows` elements, without gaps, `batch` times. */
static bool
make_layout(FabmLt *lt, Handle *layout, int type, uint64_t rows, uint64_t columns, uint64_t batch, FabmFailure *failure)
{
    int32_t count = (int32_t)batch;
    int64_t stride = (int64_t)(rows * columns);

    return good(lt->layout_create(layout, type, rows, columns, (int64_t)rows), "no layout", failure) &&
           good(lt->layout_set(*layout, LAYOUT_BATCH_COUNT, &count, sizeof count), "no batch", failure) &&
           good(lt->layout_set(*layout, LAYOUT_BATCH_STRIDE, &stride, sizeof stride), "no batch", failure);
}

/* The first algorithm of the heuristic; false without a failure when there is none. */
static bool
choose(FabmProduct *product, FabmFailure *failure)
{
    FabmLt *lt = product->lt;
    Handle preference = NULL;
    uint64_t workspace = WORKSPACE;
    int found = 0, status;

    if (!good(lt->preference_create(&preference), "no preference", failure))
        return false;
    status = lt->preference_set(preference, PREFERENCE_WORKSPACE, &workspace, sizeof workspace);
    if (status == 0)
        status = lt->heuristic(lt->handle, product->desc, product->a, product->b, product->d, product->d, preference, 1,
                               &product->choice, &found);
    (void)lt->preference_destroy(preference);
    if (status != 0 && status != NOT_SUPPORTED)
        return good(status, "no algorithm", failure);
    return status == 0 && found > 0;
}

FabmProduct *
fabm_product_new(FabmLt *lt, const FabmProductType *type, const FabmShape *shape, FabmFailure *failure)
{
    FabmProduct *product = fabm_new(1, sizeof *product);
    int32_t transposed = TRANSPOSED;
    int8_t fast = type->in == FABM_E4M3; /* as training libraries have it */

    product->lt = lt;
    if (lt->backend->select(lt->backend, lt->gpu, failure) &&
        good(lt->desc_create(&product->desc, type->compute, FLOAT32), "no description", failure) &&
        good(lt->desc_set(product->desc, DESC_TRANSPOSE_A, &transposed, sizeof transposed), "no transpose", failure) &&
        (!fast ||
         good(lt->desc_set(product->desc, DESC_FAST_ACCUMULATION, &fast, sizeof fast), "no fast sums", failure)) &&
        make_layout(lt, &product->a, type->in_type, shape->k, shape->m, shape->batch, failure) &&
        make_layout(lt, &product->b, type->in_type, shape->k, shape->n, shape->batch, failure) &&
        make_layout(lt, &product->d, type->out_type, shape->m, shape->n, shape->batch, failure) &&
        choose(product, failure))
        return product;
    fabm_product_free(product);
    return NULL;
}

void
fabm_product_free(FabmProduct *product)
{
    if (product == NULL)
        return;
    if (product->desc != NULL)
        (void)product->lt->desc_destroy(product->desc);
    if (product->a != NULL)
        (void)product->lt->layout_destroy(product->a);
    if (product->b != NULL)
        (void)product->lt->layout_destroy(product->b);
    if (product->d != NULL)
        (void)product->lt->layout_destroy(product->d);
    free(product);
}

bool
fabm_product_run(FabmProduct *product, FabmQueue *queue, const void *a, const void *b, void *d, FabmFailure *failure)
{
    static const float one = 1, zero = 0;
    FabmLt *lt = product->lt;

    return good(lt->multiply(lt->handle, product->desc, &one, a, product->a, b, product->b, &zero, d, product->d, d,
                             product->d, product->choice.algorithm, lt->workspace, WORKSPACE,
                             lt->backend->native(queue)),
                "a product was not launched", failure);
}
