# What may follow `cargo xtask`, for fish: keep this in ~/.config/fish/conf.d/cargo-xtask.fish. It adds to whatever else
# completes cargo.

function __cargo_xtask_is_meant
    set -l words (commandline -opc)
    test (count $words) -ge 2; and test "$words[2]" = xtask
end

function __cargo_xtask
    set -l words (commandline -opc)
    set -l typed (commandline -ct)
    test (count $typed) -eq 1; or set typed ''
    set -l folder $PWD
    while not test -e $folder/pipeline.yaml
        test -n "$folder"; or return
        set folder (string replace -r '/[^/]*$' '' -- $folder)
    end
    set -l program $folder/target/debug/xtask
    set -q CARGO_TARGET_DIR; and set program $CARGO_TARGET_DIR/debug/xtask
    test -x $program; and $program complete -- $words[3..-1] $typed 2>/dev/null
end

complete -c cargo -n __cargo_xtask_is_meant -f -k -a '(__cargo_xtask)'
