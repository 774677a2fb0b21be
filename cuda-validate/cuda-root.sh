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
for file in include/cuda_runtime_api.h lib*/libcudart_static.a; do
    # shellcheck disable=SC2086 # the pattern is a pattern
    if [ -z "$root" ] || ! ls -- "$root"/$file >/dev/null 2>&1; then
        printf '%s is no working nvcc: it names no toolkit with %s\n' "$1" "$file" >&2
        exit 3
    fi
done
cd "$root"
pwd -P
