//! What a real shell completes after `cargo xtask`, in a project with a store of releases.

use contract::{Digest, ReleaseId};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const PIPELINE: &str = "
version: 1
app: shop
test: { command: [make, check] }
bench: { api: { command: [make, bench] } }
environments: { production: { approval: { timeout: 1h } } }
profiles: { aws: {}, nearby: {} }
";

struct Project {
    folder: tempfile::TempDir,
}

impl Project {
    /// With the tool as this test was built, where cargo would have built it.
    fn new() -> Self {
        let project = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        project.write("pipeline.yaml", PIPELINE);
        let built = project.path("target/debug");
        std::fs::create_dir_all(&built).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_xtask"), built.join("xtask")).unwrap();
        project
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    /// One that was made, and did this.
    fn release(&self, number: u64, events: &[Value]) -> String {
        let id = ReleaseId::from_parts(number, 0).to_string();
        let release = json!({
            "id": id, "app": "shop", "profile": "local", "config": Digest::of(b""), "image": null, "frontend": null,
            "source": { "commit": format!("{number:07}"), "branch": "main", "dirty": null },
            "substitutes": [], "created_at": "2026-01-01T00:00:00Z", "created_by": "mina",
        });
        self.write(&format!(".release/releases/{id}/release.json"), &release.to_string());
        let begun = json!({ "event": "begun", "version": 2, "release": id, "profile": "local" });
        let lines = [&begun].into_iter().chain(events).enumerate().map(|(sequence, event)| {
            let mut entry = json!({ "sequence": sequence, "at": "2026-01-01T00:00:00Z" });
            entry
                .as_object_mut()
                .unwrap()
                .extend(event.as_object().unwrap().clone());
            let entry = entry.to_string();
            format!("{} {entry}\n", &Digest::of(entry.as_bytes()).hex()[..16])
        });
        self.write(&format!(".release/releases/{id}/journal"), &lines.collect::<String>());
        id
    }

    fn parked(&self, number: u64) -> String {
        let image = format!("registry.example/shop@{}", Digest::of(b""));
        let seen = json!({
            "release": ReleaseId::from_parts(number, 0), "image": image, "image_size": 1, "tests_passed": 1,
            "substitutes": [], "staging": "", "migrations": [], "config": Digest::of(b""), "replaces": null, "commits": [],
            "dirty": false,
        });
        self.release(
            number,
            &[json!({ "event": "parked", "evidence": Digest::of(b""), "seen": seen })],
        )
    }

    fn live(&self, number: u64) -> String {
        self.release(number, &[json!({ "event": "finished" })])
    }

    /// Production settled on these, one after the other.
    fn settled(&self, releases: &[&str]) {
        let settled = releases.iter().map(|id| {
            json!({
                "version": {
                    "release": id, "commit": "", "image": format!("registry.example/shop@{}", Digest::of(b"")), "port": 1,
                    "env": {}, "secrets": [], "memory_mb": null,
                },
                "source": { "commit": "abcdef0", "branch": "main", "dirty": null }, "config": Digest::of(b""),
                "frontend": null, "at": "2026-01-01T00:00:00Z",
            })
        });
        let history = json!({ "settled": settled.collect::<Vec<_>>() });
        self.write(".release/environments/production/history.json", &history.to_string());
    }

    /// What bash offers after these words, the last of which is being typed.
    fn bash(&self, words: &[&str]) -> Vec<String> {
        self.bash_with("", self.folder.path(), words)
    }

    fn bash_with(&self, before: &str, folder: &Path, words: &[&str]) -> Vec<String> {
        let script = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["completions", "bash"])
            .output()
            .unwrap();
        self.write("cargo-xtask.bash", &String::from_utf8(script.stdout).unwrap());
        // As readline would: the function that is registered for `cargo` is called with the words and finds its answer.
        let driven = format!(
            "{before}\n. \"$1\"; shift\n[[ $(complete -p cargo) =~ -F\\ ([^ ]+) ]] || exit 9\n\
             COMP_WORDS=(\"$@\") COMP_CWORD=$(($# - 1)) COMPREPLY=()\n\
             \"${{BASH_REMATCH[1]}}\" cargo \"${{COMP_WORDS[COMP_CWORD]}}\" \"${{COMP_WORDS[COMP_CWORD-1]}}\"\n\
             (( ${{#COMPREPLY[@]}} == 0 )) || printf '%s\\n' \"${{COMPREPLY[@]}}\"\n"
        );
        let output = Command::new("bash")
            .args(["--noprofile", "--norc", "-c", &driven, "bash"])
            .arg(self.path("cargo-xtask.bash"))
            .arg("cargo")
            .args(words)
            .env_remove("CARGO_TARGET_DIR")
            .current_dir(folder)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{words:?}");
        assert!(output.status.success(), "{words:?}: {:?}", output.status);
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

#[test]
fn commands_options_stages_environments_and_profiles_are_completed() {
    let project = Project::new();
    for (words, expected) in [
        (&["xtask", "roll"][..], &["rollback"][..]),
        (&["xtask", "local", "s"], &["stop", "status"]),
        (&["xtask", "release", "--despite"], &["--despite-freeze"]),
        (&["xtask", "release", "--to", "bu"], &["build"]),
        (&["xtask", "release", "--to", "=", "bu"], &["build"]),
        (&["xtask", "rollback", ""], &["staging", "production"]),
        (&["xtask", "rollback", "prod"], &["production"]),
        (&["xtask", "plan", "--profile", ""], &["local", "aws", "nearby"]),
        (
            &["xtask", "bench", ""],
            &["image", "engine", "router", "rollout", "idle", "api"],
        ),
        (&["xtask", "completions", "f"], &["fish"]),
        (&["xtask", "nonsense", "more", ""], &[]),
    ] {
        assert_eq!(project.bash(words), expected, "{words:?}");
    }
}

#[test]
fn ids_are_those_that_the_command_can_do_something_with() {
    let project = Project::new();
    let (first, second) = (project.live(1), project.live(2));
    let third = project.release(3, &[]);
    let (fourth, fifth) = (project.parked(4), project.parked(5));
    project.settled(&[&first, &second]);
    assert_eq!(project.bash(&["xtask", "approve", ""]), [&*fifth, &fourth]);
    assert_eq!(project.bash(&["xtask", "reject", &fourth]), [&*fourth]);
    assert_eq!(
        project.bash(&["xtask", "release", "--resume", ""]),
        [&*fifth, &fourth, &third]
    );
    assert_eq!(
        project.bash(&["xtask", "show", ""]),
        [&*fifth, &fourth, &third, &second, &first]
    );
    assert_eq!(project.bash(&["xtask", "logs", &first[..10]]), [&*first]);
    assert_eq!(project.bash(&["xtask", "logs", "pro"]), ["production"]);
    assert_eq!(
        project.bash(&["xtask", "logs", "-f", "--app", ""]),
        ["staging", "production"]
    );
    assert_eq!(
        project.bash(&["xtask", "logs", "production", "--app", "--version", ""]),
        ["stable", "candidate"]
    );
    let hosts = project.bash(&["xtask", "exec", "production", "--host", ""]);
    assert!(
        hosts.iter().all(|host| host.starts_with("production")) && !hosts.is_empty(),
        "{hosts:?}"
    );
    assert_eq!(project.bash(&["xtask", "exec", "sta"]), ["staging"]);
    assert_eq!(
        project.bash(&["xtask", "rollback", "production", "--to", ""]),
        [&*first]
    );
    assert_eq!(
        project.bash(&["xtask", "rollback", "staging", "--to", ""]),
        Vec::<String>::new()
    );
}

#[test]
fn whatever_is_wrong_it_keeps_silent() {
    let project = Project::new();
    project.parked(1);
    let nothing = Vec::<String>::new();
    // Damage, a project that cannot be read, no project, and a tool that is not built.
    project.write(
        &format!(".release/releases/{}/journal", ReleaseId::from_parts(1, 0)),
        "damaged\n",
    );
    assert_eq!(project.bash(&["xtask", "approve", ""]), nothing);
    project.write("pipeline.yaml", "version: [");
    assert_eq!(project.bash(&["xtask", "approve", ""]), nothing);
    assert_eq!(
        project.bash_with("", Path::new("/"), &["xtask", "approve", ""]),
        nothing
    );
    std::fs::remove_file(project.path("target/debug/xtask")).unwrap();
    assert_eq!(project.bash(&["xtask", "roll"]), nothing);
}

#[test]
fn whatever_else_completes_cargo_goes_on_doing_so() {
    let project = Project::new();
    let cargo = "_cargo() { COMPREPLY=(\"cargo's own\"); }";
    let known = format!("{cargo}\ncomplete -F _cargo cargo");
    // Looked for at the first TAB, as bash-completion does.
    let lazy = format!("_completion_loader() {{ {cargo}; complete -F _cargo \"$1\"; return 124; }}");
    for before in [known.as_str(), lazy.as_str()] {
        let folder = project.folder.path();
        assert_eq!(project.bash_with(before, folder, &["bui"]), ["cargo's own"]);
        assert_eq!(
            project.bash_with(before, folder, &["test", "xtask", ""]),
            ["cargo's own"]
        );
        assert_eq!(project.bash_with(before, folder, &["xtask", "roll"]), ["rollback"]);
    }
}

/// By bash above in full; by the others where they are installed.
#[test]
fn fish_and_zsh_are_told_what_each_candidate_is() {
    let project = Project::new();
    let id = project.parked(1);
    let expected = format!("{id}\t0000001 of 2026-01-01T00:00:00Z by mina\n");
    let fish = ". $argv[1]; complete -C 'cargo xtask approve '";
    // What zsh's own functions would be given.
    let zsh = "typeset -A _comps; compdef() { :; }; _describe() { print -rl -- $found; }; . $1
        words=(xtask approve ''); CURRENT=3; _cargo-xtask";
    for (shell, options, driven, expected) in [
        ("fish", ["--no-config", "-c"], fish, expected.clone()),
        ("zsh", ["-f", "-c"], zsh, expected.replace('\t', ":")),
    ] {
        let script = project.path(shell);
        let printed = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["completions", shell])
            .output()
            .unwrap();
        std::fs::write(&script, printed.stdout).unwrap();
        let mut command = Command::new(shell);
        command.args(options).arg(driven);
        if shell == "zsh" {
            command.arg(shell);
        }
        let command = command
            .arg(&script)
            .env("HOME", project.folder.path())
            .env_remove("CARGO_TARGET_DIR");
        let Ok(output) = command.current_dir(project.folder.path()).output() else {
            eprintln!("{shell} is not installed: its script was not tried");
            continue;
        };
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{shell}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), expected, "{shell}");
    }
}

#[test]
fn of_a_thousand_releases_no_more_are_offered_than_anybody_looks_through() {
    let project = Project::new();
    for number in 1..=1_000 {
        project.parked(number);
    }
    for words in [&["show", ""], &["approve", ""]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command
            .args(["complete", "--"])
            .args(words)
            .current_dir(project.folder.path());
        let output = command.output().unwrap();
        assert_eq!(
            output.stdout.iter().filter(|byte| **byte == b'\n').count(),
            50,
            "{words:?}"
        );
    }
}
