//! What is wrong before a release begins: `release` and `doctor` say it in the same words, and neither touches anything.

use crate::project::{Project, files_below};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::process::Command;

/// One thing that is wrong.
struct Case {
    name: &'static str,
    profile: &'static str,
    /// Makes it wrong; what it returns lives as long as the case.
    arrange: fn(&Project) -> Held,
    command: fn(&Project, &[&str]) -> Command,
    /// All of these are said.
    says: &'static [&'static str],
    next: &'static str,
}

#[derive(Default)]
struct Held {
    port: Option<TcpListener>,
    /// Said as well, where it is known only now.
    says: Vec<String>,
}

const WELL: fn(&Project) -> Held = |_| Held::default();
const PLAIN: fn(&Project, &[&str]) -> Command = |project, args| project.command(args);

const CASES: [Case; 14] = [
    Case {
        name: "no engine",
        profile: "local",
        arrange: WELL,
        command: |project, args| with_engine(project, args, "unix:///nowhere/docker.sock"),
        says: &["no Docker engine: `/nowhere/docker.sock` is not there"],
        next: "install one: `sudo apt-get install docker.io`, or `cargo xtask doctor --install`; or unset DOCKER_HOST",
    },
    Case {
        name: "an engine that is not running",
        profile: "local",
        arrange: WELL,
        command: |project, args| {
            let socket = outside(project, "ended.sock");
            drop(UnixListener::bind(&socket));
            with_engine(project, args, &format!("unix://{}", socket.display()))
        },
        says: &["ended.sock` does not answer: the socket is there, but nothing listens on it"],
        next: "`sudo systemctl start docker`",
    },
    Case {
        name: "an engine that lets nobody in",
        profile: "local",
        arrange: WELL,
        command: engine_denied,
        says: &["denied.sock` does not let this user in"],
        next: "`sudo usermod -aG docker $USER`",
    },
    Case {
        name: "a port that is taken",
        profile: "local",
        arrange: |project| {
            let port = TcpListener::bind("127.0.0.1:0").unwrap();
            let number = port.local_addr().unwrap().port();
            project.edit("pipeline.yaml", "ground: {}", &format!("ground: {{ site: {number} }}"));
            let by = format!("port {number} on 127.0.0.1, kept for site, is taken by");
            Held {
                port: Some(port),
                says: vec![by, std::process::id().to_string()],
            }
        },
        command: PLAIN,
        says: &[],
        next: "end that process, or name another port under `profiles.local.ground`",
    },
    Case {
        name: "a secret that is gone",
        profile: "local",
        arrange: |project| {
            let folder = project.root.join(".release/secrets/staging");
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("index.json"), "[\"TOKEN\"]").unwrap();
            Held::default()
        },
        command: PLAIN,
        says: &["secret `TOKEN` of `staging` is missing", "TOKEN@1"],
        next: "put it back into that file",
    },
    Case {
        name: "a ground whose state is torn",
        profile: "local",
        arrange: |project| {
            std::fs::create_dir_all(project.root.join(".release/ground")).unwrap();
            for name in ["state.json", "state-copy.json"] {
                std::fs::write(project.root.join(".release/ground").join(name), "{\"id\": \"2a6").unwrap();
            }
            Held::default()
        },
        command: PLAIN,
        says: &["the ground's state cannot be read", "state.json"],
        next: "put one of both back",
    },
    Case {
        name: "a tree with changes",
        profile: "remote",
        arrange: |project| {
            project.edit("web/index.html", "front end 1", "front end 2");
            Held::default()
        },
        command: PLAIN,
        says: &["the tree has changes that are in no commit", "expected: commit "],
        next: "git stash, or commit them, or use profile local",
    },
    Case {
        name: "another branch",
        profile: "remote",
        arrange: |project| {
            project.git(&["switch", "--quiet", "--create", "try"]);
            Held::default()
        },
        command: PLAIN,
        says: &[
            "this is not the branch that is released from",
            "expected `main`, found `try`",
        ],
        next: "git switch main",
    },
    Case {
        name: "no git",
        profile: "local",
        arrange: |project| {
            std::fs::remove_dir_all(project.root.join(".git")).unwrap();
            Held::default()
        },
        command: PLAIN,
        says: &["is not in a git repository"],
        next: "git init && git add --all && git commit",
    },
    Case {
        name: "no commit",
        profile: "local",
        arrange: |project| {
            std::fs::remove_dir_all(project.root.join(".git")).unwrap();
            project.git(&["init", "--quiet"]);
            Held::default()
        },
        command: PLAIN,
        says: &["has no commit yet"],
        next: "git add --all && git commit",
    },
    Case {
        name: "an unknown key",
        profile: "local",
        arrange: |project| {
            project.edit("pipeline.yaml", "app: fixture\n", "app: fixture\nbiuld: {}\n");
            Held::default()
        },
        command: PLAIN,
        says: &["1 problem in pipeline.yaml", "pipeline.yaml:3:1", "`biuld`", "`build`"],
        next: "mend the lines named above",
    },
    Case {
        name: "an unknown profile",
        profile: "lokal",
        arrange: WELL,
        command: PLAIN,
        says: &["lokal", "`local`"],
        next: "",
    },
    Case {
        name: "a disk that is full",
        profile: "local",
        arrange: WELL,
        command: on_a_small_disk,
        says: &["small` is nearly full", "expected 2.0 GiB free, found 0.1 GiB"],
        next: "make room there",
    },
    Case {
        name: "no linker",
        profile: "local",
        arrange: WELL,
        command: |project, args| {
            let folder = outside(project, "only-git");
            std::fs::create_dir_all(&folder).unwrap();
            let git = String::from_utf8(Command::new("which").arg("git").output().unwrap().stdout).unwrap();
            let _ = std::os::unix::fs::symlink(git.trim(), folder.join("git"));
            let mut command = project.command(args);
            command.env("PATH", folder);
            command
        },
        says: &["there is no C linker `cc`"],
        next: "sudo apt-get install gcc libc6-dev",
    },
];

fn outside(project: &Project, name: &str) -> PathBuf {
    project.root.parent().unwrap().join(name)
}

fn with_engine(project: &Project, args: &[&str], host: &str) -> Command {
    let mut command = project.command(args);
    command.env("DOCKER_HOST", host);
    command
}

/// A socket of somebody else's. Root passes every door, so it has to lay that power down first.
fn engine_denied(project: &Project, args: &[&str]) -> Command {
    let socket = outside(project, "denied.sock");
    if !socket.exists() {
        std::mem::forget(UnixListener::bind(&socket).unwrap());
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o000)).unwrap();
    }
    let host = format!("unix://{}", socket.display());
    if !rustix::process::geteuid().is_root() {
        return with_engine(project, args, &host);
    }
    std::os::unix::fs::chown(&socket, Some(1), Some(1)).unwrap();
    let powerless = [
        "--bounding-set=-dac_override,-dac_read_search",
        "--inh-caps=-dac_override,-dac_read_search",
    ];
    let mut command = project.command_by("setpriv", &[&powerless, &[Project::tool()][..], args].concat());
    command.env("DOCKER_HOST", host);
    command
}

/// The project on a file system of 64 MB, which only this command sees.
fn on_a_small_disk(project: &Project, args: &[&str]) -> Command {
    let small = outside(project, "small");
    std::fs::create_dir_all(&small).unwrap();
    let script = "mount -t tmpfs -o size=64m small \"$1\" && cp -a . \"$1\" && cd \"$1\" && shift && exec \"$@\"";
    let small = small.to_string_lossy();
    let user: &[&str] = if rustix::process::geteuid().is_root() {
        &[]
    } else {
        &["--map-root-user"]
    };
    let unshare = [
        user,
        &["--mount", "sh", "-c", script, "sh", &small, Project::tool()],
        args,
    ]
    .concat();
    project.command_by("unshare", &unshare)
}

#[test]
fn doctor_and_release_say_the_same_of_each_and_touch_nothing() {
    for case in &CASES {
        let project = Project::fixture();
        let held = (case.arrange)(&project);
        let before = files_below(&project.root);
        let release = ["release", "--yes", "--no-install", "--profile", case.profile];
        let release = Project::end(&mut (case.command)(&project, &release)).expect(2);
        let doctor = Project::end(&mut (case.command)(&project, &["doctor", "--profile", case.profile])).expect(2);
        assert_eq!(
            files_below(&project.root),
            before,
            "{}: something was touched",
            case.name
        );

        let what = release
            .stderr
            .lines()
            .find_map(|line| line.strip_prefix("error: "))
            .unwrap_or_default();
        assert!(!what.is_empty(), "{}: {}", case.name, release.all());
        assert!(
            doctor.stdout.contains(&format!("✗ {what}")),
            "{}: release says `{what}`; {}",
            case.name,
            doctor.all()
        );
        let says = case
            .says
            .iter()
            .map(|words| (*words).to_owned())
            .chain(held.says.iter().cloned());
        let next = Some(format!("next: {}", case.next)).filter(|_| !case.next.is_empty());
        for words in says.chain(next) {
            assert!(
                release.stderr.contains(&words),
                "{}: expected `{words}`: {}",
                case.name,
                release.all()
            );
            assert!(
                doctor.stdout.contains(&words),
                "{}: expected `{words}`: {}",
                case.name,
                doctor.all()
            );
        }
        println!("{:<30} exit 2, twice: {what}", case.name);
        drop(held.port);
    }
}
