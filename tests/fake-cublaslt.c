/*
 * A library with cuBLASLt's interface over plain host memory, as far as fabricast-measure uses it: A transposed, B not,
 * no gaps, sums of floats. Numbers of types and attributes are those of the real one, so that a wrong one fails here.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { OK = 0, INVALID_VALUE = 7, NOT_SUPPORTED = 15 };
enum { FLOAT32 = 0, HALF16 = 2, BFLOAT16 = 14, FLOAT8_E4M3 = 28, COMPUTE_32F = 68, COMPUTE_TF32 = 77 };

typedef struct {
    int compute, transpose_a;
} Desc;

typedef struct {
    int type;
    uint64_t rows, columns;
    int64_t stride, batch_stride;
    int32_t batch;
} Layout;

typedef struct {
    uint64_t algorithm[8];
    size_t workspace;
    int state;
    float waves;
    int reserved[4];
} Choice;

int cublasLtCreate(void **handle);
int cublasLtDestroy(void *handle);
int cublasLtMatmulDescCreate(Desc **desc, int compute, int scale);
int cublasLtMatmulDescSetAttribute(Desc *desc, int attribute, const void *value, size_t bytes);
int cublasLtMatmulDescDestroy(Desc *desc);
int cublasLtMatrixLayoutCreate(Layout **layout, int type, uint64_t rows, uint64_t columns, int64_t stride);
int cublasLtMatrixLayoutSetAttribute(Layout *layout, int attribute, const void *value, size_t bytes);
int cublasLtMatrixLayoutDestroy(Layout *layout);
int cublasLtMatmulPreferenceCreate(void **preference);
int cublasLtMatmulPreferenceSetAttribute(void *preference, int attribute, const void *value, size_t bytes);
int cublasLtMatmulPreferenceDestroy(void *preference);
int cublasLtMatmulAlgoGetHeuristic(void *handle, Desc *desc, Layout *a, Layout *b, Layout *c, Layout *d,
                                   void *preference, int wanted, Choice *choices, int *found);
int cublasLtMatmul(void *handle, Desc *desc, const float *alpha, const void *a, Layout *la, const void *b, Layout *lb,
                   const float *beta, const void *c, Layout *lc, void *d, Layout *ld, const uint64_t *algorithm,
                   void *workspace, size_t workspace_bytes, void *stream);

int
cublasLtCreate(void **handle)
{
    *handle = malloc(1);
    return OK;
}

int
cublasLtDestroy(void *handle)
{
    free(handle);
    return OK;
}

int
cublasLtMatmulDescCreate(Desc **desc, int compute, int scale)
{
    if (scale != FLOAT32 || (compute != COMPUTE_32F && compute != COMPUTE_TF32))
        return INVALID_VALUE;
    *desc = calloc(1, sizeof **desc);
    (*desc)->compute = compute;
    return OK;
}

int
cublasLtMatmulDescSetAttribute(Desc *desc, int attribute, const void *value, size_t bytes)
{
    if (attribute == 3 && bytes == 4)
        memcpy(&desc->transpose_a, value, bytes);
    else if (attribute != 25 || bytes != 1)
        return INVALID_VALUE;
    return OK;
}

int
cublasLtMatmulDescDestroy(Desc *desc)
{
    free(desc);
    return OK;
}

int
cublasLtMatrixLayoutCreate(Layout **layout, int type, uint64_t rows, uint64_t columns, int64_t stride)
{
    *layout = malloc(sizeof **layout);
    **layout = (Layout) { type, rows, columns, stride, 0, 1 };
    return OK;
}

int
cublasLtMatrixLayoutSetAttribute(Layout *layout, int attribute, const void *value, size_t bytes)
{
    if (attribute == 5 && bytes == 4)
        memcpy(&layout->batch, value, bytes);
    else if (attribute == 6 && bytes == 8)
        memcpy(&layout->batch_stride, value, bytes);
    else
        return INVALID_VALUE;
    return OK;
}

int
cublasLtMatrixLayoutDestroy(Layout *layout)
{
    free(layout);
    return OK;
}

int
cublasLtMatmulPreferenceCreate(void **preference)
{
    *preference = malloc(1);
    return OK;
}

int
cublasLtMatmulPreferenceSetAttribute(void *preference, int attribute, const void *value, size_t bytes)
{
    (void)preference, (void)value;
    return attribute == 1 && bytes == 8 ? OK : INVALID_VALUE;
}

int
cublasLtMatmulPreferenceDestroy(void *preference)
{
    free(preference);
    return OK;
}

/* One type is not there, as fp8 is not on older GPUs. */
int
cublasLtMatmulAlgoGetHeuristic(void *handle, Desc *desc, Layout *a, Layout *b, Layout *c, Layout *d, void *preference,
                               int wanted, Choice *choices, int *found)
{
    (void)handle, (void)preference;
    *found = 0;
    if (desc->transpose_a != 1 || wanted != 1 || c != d || a->rows != b->rows || d->rows != a->columns ||
        d->columns != b->columns || a->batch != b->batch || a->batch != d->batch)
        return INVALID_VALUE;
    if (a->type == HALF16)
        return NOT_SUPPORTED;
    memset(choices, 0, sizeof *choices);
    choices->algorithm[3] = 42;
    *found = 1;
    return OK;
}

static float
load(int type, const void *data, uint64_t i)
{
    float value = 0;
    uint32_t bits;

    if (type == FLOAT32)
        return ((const float *)data)[i];
    if (type == BFLOAT16)
        bits = (uint32_t)((const uint16_t *)data)[i] << 16;
    else /* e4m3: normal numbers */
        bits = (uint32_t)(((const uint8_t *)data)[i] >> 7) << 31 |
               ((uint32_t)(((const uint8_t *)data)[i] & 0x7f) + ((127 - 7) << 3)) << 20;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void
store(int type, void *data, uint64_t i, float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    if (type == FLOAT32)
        ((float *)data)[i] = value;
    else
        ((uint16_t *)data)[i] = (uint16_t)((bits + 0x7fff) >> 16);
}

int
cublasLtMatmul(void *handle, Desc *desc, const float *alpha, const void *a, Layout *la, const void *b, Layout *lb,
               const float *beta, const void *c, Layout *lc, void *d, Layout *ld, const uint64_t *algorithm,
               void *workspace, size_t workspace_bytes, void *stream)
{
    (void)handle, (void)c, (void)lc, (void)workspace, (void)workspace_bytes, (void)stream;
    if (*alpha != 1 || *beta != 0 || algorithm[3] != 42 || desc->transpose_a != 1)
        return INVALID_VALUE;
    for (int64_t batch = 0; batch < la->batch; batch++)
        for (uint64_t column = 0; column < ld->columns; column++)
            for (uint64_t row = 0; row < ld->rows; row++) {
                uint64_t x = (uint64_t)(batch * la->batch_stride) + row * (uint64_t)la->stride;
                uint64_t y = (uint64_t)(batch * lb->batch_stride) + column * (uint64_t)lb->stride;
                float sum = 0;

                for (uint64_t k = 0; k < la->rows; k++)
                    sum += load(la->type, a, x + k) * load(lb->type, b, y + k);
                store(ld->type, d, (uint64_t)(batch * ld->batch_stride) + column * (uint64_t)ld->stride + row, sum);
            }
    return OK;
}
