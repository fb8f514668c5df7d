# What may follow `cargo xtask`, for bash: keep this in a file and name it in ~/.bashrc (`source FILE`). Whatever completes
# the rest of cargo goes on doing so.

_cargo_xtask() {
    if [[ ${COMP_WORDS[1]-} != xtask ]] || (( COMP_CWORD < 2 )); then
        _cargo_xtask_else "$@"
        return
    fi
    COMPREPLY=()
    local folder=$PWD
    while [[ ! -e $folder/pipeline.yaml ]]; do
        [[ -n $folder ]] || return 0
        folder=${folder%/*}
    done
    local program=${CARGO_TARGET_DIR:-$folder/target}/debug/xtask candidate
    [[ -x $program ]] || return 0
    while IFS=$'\t' read -r candidate _; do
        COMPREPLY+=("$candidate")
    done < <("$program" complete -- "${COMP_WORDS[@]:2:COMP_CWORD-1}" 2>/dev/null)
    compopt -o nosort +o default +o bashdefault 2>/dev/null
    return 0
}

# What completed cargo before. bash-completion only looks for it now.
_cargo_xtask_else() {
    local loader
    if [[ -z $_cargo_xtask_before ]]; then
        for loader in _comp_load _completion_loader; do
            declare -F "$loader" >/dev/null && { "$loader" cargo; break; }
        done
        _cargo_xtask_before=$(complete -p cargo 2>/dev/null)
        complete -o bashdefault -o default -F _cargo_xtask cargo
    fi
    if [[ $_cargo_xtask_before =~ -F\ ([^ ]+) && ${BASH_REMATCH[1]} != _cargo_xtask ]]; then
        "${BASH_REMATCH[1]}" "$@"
    fi
}

_cargo_xtask_before=$(complete -p cargo 2>/dev/null)
[[ $_cargo_xtask_before == *_cargo_xtask* ]] && _cargo_xtask_before=
complete -o bashdefault -o default -F _cargo_xtask cargo
