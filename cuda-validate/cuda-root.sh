#!/bin/sh
# Prints the folder of the CUDA toolkit that NVCC belongs to, as nvcc itself says it: the nvcc on a PATH may be a link or
# a script in another folder.
#
# usage: cuda-validate/cuda-root.sh NVCC
set -eu

root=$("$1" --dryrun -E -x cu /dev/null 2>&1 | sed -n 's/^#\$ TOP=//p')
if [ -z "$root" ] && link=$(readlink -f "$1") && [ "$link" != "$1" ]; then
    exec "$0" "$link"
fi
if ! [ -e "$root/include/cuda_runtime_api.h" ]; then
    printf '%s is no working nvcc: it names no toolkit with include/cuda_runtime_api.h\n' "$1" >&2
    exit 3
fi
cd "$root"
pwd -P
