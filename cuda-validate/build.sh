#!/bin/sh
# Builds fabricast-measure on a machine that has only a C compiler and nvcc: no Meson, no GLib.
#
# usage: cuda-validate/build.sh [FOLDER]    (default: build-measure)
#   NVCC, CC   the compilers (nvcc or /usr/local/cuda/bin/nvcc, cc)
#   ARCH       GPUs to compile for, as nvcc -arch takes them (all-major: from Volta on)
set -eu

source=$(cd "$(dirname "$0")" && pwd)
folder=${1:-build-measure}
cc=${CC:-cc}
arch=${ARCH:-all-major}
nvcc=${NVCC:-$(command -v nvcc || true)}
[ -n "$nvcc" ] || nvcc=/usr/local/cuda/bin/nvcc
if ! [ -x "$nvcc" ]; then
    printf 'build.sh: no nvcc on the PATH or in /usr/local/cuda/bin; name it with NVCC=FILE\n' >&2
    exit 3
fi
root=$("$source/cuda-root.sh" "$nvcc")
nvcc=$root/bin/nvcc
for static in "$root"/lib*/libcudart_static.a; do break; done

arches=$("$source/arches.sh" "$nvcc" "$arch")
mkdir -p "$folder"
# shellcheck disable=SC2086 # options without blanks in them
"$nvcc" -std=c++14 -O3 $arches -Xcompiler -fno-threadsafe-statics,-fno-exceptions \
    -I"$source" -c -o "$folder/kernels.o" "$source/kernels.cu"
# One command: a few seconds, and nothing to keep up to date.
"$cc" -std=c11 -O2 -g -D_GNU_SOURCE -DFABM_WITH_CUDA -isystem "$root/include" -o "$folder/fabricast-measure" \
    "$source"/*.c "$folder/kernels.o" "$static" -lpthread -ldl -lrt -lm
printf '%s\n' "$folder/fabricast-measure"
