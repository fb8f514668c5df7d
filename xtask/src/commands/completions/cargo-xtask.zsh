# What may follow `cargo xtask`, for zsh: keep this in a file and name it in ~/.zshrc after `compinit` (`source FILE`). The
# completion that comes with cargo calls a function of this name.

_cargo-xtask() {
    local folder=$PWD line what
    while [[ ! -e $folder/pipeline.yaml ]]; do
        [[ -n $folder ]] || return 1
        folder=${folder%/*}
    done
    local program=${CARGO_TARGET_DIR:-$folder/target}/debug/xtask
    [[ -x $program ]] || return 1
    local -a found
    for line in ${(f)"$("$program" complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)"}; do
        what=${line#*$'\t'}
        found+=("${${line%%$'\t'*}//:/\\:}${what:+:$what}")
    done
    _describe -V 'cargo xtask' found
}

# Where nothing completes cargo.
if (( ! ${+_comps[cargo]} )); then
    _cargo_only_xtask() {
        [[ ${words[2]} == xtask ]] && (( CURRENT > 2 )) || { _default; return }
        shift words
        (( CURRENT-- ))
        _cargo-xtask
    }
    compdef _cargo_only_xtask cargo
fi
