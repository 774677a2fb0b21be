#!/bin/sh
# Prints nvcc's options for the GPUs to compile for: ARCH as -arch takes it, and of all-major those that the kernels run
# on, from Volta on (their waits need threads that make progress alone, and loads and stores with an order).
#
# usage: cuda-validate/arches.sh NVCC ARCH
set -eu

if [ "$2" != all-major ]; then
    printf '%s\n' "-arch=$2"
    exit 0
fi
"$1" --list-gpu-arch | sed -n 's/^compute_\([0-9]*\)$/\1/p' | sort -n | awk '
    $1 < 70 { next }
    !any || $1 % 10 == 0 { any = 1; last = $1; print "-gencode=arch=compute_" $1 ",code=sm_" $1 }
    END { if (!any) exit 3; print "-gencode=arch=compute_" last ",code=compute_" last }'
