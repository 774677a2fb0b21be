# shellcheck shell=bash
# Completion of fabricast for bash: the program knows what may follow.

_fabricast() {
    local line=${COMP_LINE:0:COMP_POINT} current prefix candidate
    local -a words
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    current=${words[-1]}
    # bash replaces only what follows the last '='.
    prefix=${current%"${current##*=}"}
    COMPREPLY=()
    while IFS=$'\t' read -r candidate _; do
        if [[ $candidate == :files ]]; then
            compopt -o filenames
            while IFS= read -r candidate; do
                COMPREPLY+=("$candidate")
            done < <(compgen -f -- "${current##*=}")
            continue
        fi
        [[ $candidate == *= ]] && compopt -o nospace
        COMPREPLY+=("${candidate#"$prefix"}")
    done < <("${words[0]}" complete "${words[@]:1}" 2>/dev/null)
}

complete -F _fabricast fabricast
