/* Reads the matrix that `nvidia-smi topo -m` prints, however it was pasted. Nothing is inferred here. */
#ifndef FAB_MEASURE_TOPO_MATRIX_H
#define FAB_MEASURE_TOPO_MATRIX_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* Nearest first. SOC of old drivers is read as SYS. */
typedef enum {
    FAB_CELL_UNKNOWN, /* a NIC without a row, or N/A */
    FAB_CELL_SELF,
    FAB_CELL_NV, /* hides the way over PCIe */
    FAB_CELL_PIX,
    FAB_CELL_PXB,
    FAB_CELL_PHB,
    FAB_CELL_NODE,
    FAB_CELL_SYS
} FabCellClass;

typedef struct {
    FabCellClass class;
    uint32_t nvlinks; /* the number of NV# */
} FabCell;

typedef struct {
    char *label;        /* as the column says: "GPU0", "NIC3", "mlx5_0" */
    char *name;         /* of the NIC legend, or NULL */
    bool is_gpu, has_row;
    char *cpu_affinity; /* "0-23", or "" */
    int32_t numa;       /* -1: not printed */
} FabTopoDevice;

typedef struct {
    FabTopoDevice *devices; /* in the order of the columns */
    uint32_t count, gpu_count;
    FabCell *cells; /* count x count, symmetric */
    bool has_soc;   /* the driver wrote SOC, which stands for SYS or NODE */
} FabTopoMatrix;

/* `path` names the text in messages. Errors name line, row and column. Owned by the caller. */
FabTopoMatrix *fab_topo_matrix_parse(const char *path, const char *text, size_t length, GError **error);
FabTopoMatrix *fab_topo_matrix_load(const char *path, GError **error);
void fab_topo_matrix_free(FabTopoMatrix *matrix);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(FabTopoMatrix, fab_topo_matrix_free)

const FabCell *fab_topo_matrix_cell(const FabTopoMatrix *matrix, uint32_t row, uint32_t column);

/* "PIX", "NV12", ...: as printed. Owned by the caller. */
char *fab_cell_text(const FabCell *cell);

#endif
