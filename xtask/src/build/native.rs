//! Without a daemon: a static binary by cargo, the image around it in this process.
//!
//! The same commit, toolchain and C library give the same digest in any folder: paths are remapped out of the binary, the
//! image has no times in it, and nothing about the release is compiled in.

use super::{Built, push};
use crate::command;
use crate::context::Context;
use crate::failure::{Failure, OrFail, Result};
use oci::image::{Bom, HealthCheck, ImageSpec, Package};
use oci::{BuiltImage, rootfs};
use pipeline::model::Pipeline;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::process::Command;

const TARGET: &str = "x86_64-unknown-linux-gnu";
pub const COMPILE_WITHIN: Duration = Duration::from_secs(3600);

pub async fn build(context: &Context) -> Result<Built> {
    let since = Instant::now();
    let binary = compile(context).await?;
    let compile_ms = since.elapsed().as_millis() as u64;
    let bytes = std::fs::read(&binary).or_fail(|| format!("`{}` cannot be read", binary.display()))?;
    let mut spec = assemble(&context.pipeline, bytes);
    spec.sbom = Some(bill_of_materials(context).await?);
    let image = oci::image::build(&spec).or_fail(|| "the image cannot be assembled".to_owned())?;
    let since = Instant::now();
    let uploaded = push_image(context, &image).await?;
    let push_ms = since.elapsed().as_millis() as u64;
    let repository = push::repository(context)?;
    Ok(Built {
        image: contract::ImageRef {
            repository,
            digest: image.digest(),
        },
        builder: "native".to_owned(),
        size: image.size(),
        uploaded,
        compile_ms,
        push_ms,
    })
}

async fn push_image(context: &Context, image: &BuiltImage) -> Result<u64> {
    let client = push::client(context)?;
    let repository = oci::Repository::parse(&push::repository(context)?)
        .map_err(|error| Failure::bad_input(format!("the registry's repository cannot be used: {error}")))?;
    push::push(context, &client, &repository, image).await
}

/// The release binary, linked statically.
pub async fn compile(context: &Context) -> Result<PathBuf> {
    let build = &context.pipeline.build;
    let root = &context.project.root;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(root)
        .args(["build", "--release", "--locked", "--target", TARGET]);
    cargo.args([
        "--package",
        &build.package,
        "--bin",
        &build.binary,
        "--message-format=json-render-diagnostics",
    ]);
    let remaps = remaps(root).await?;
    let mut flags = vec![
        "-Ctarget-feature=+crt-static".to_owned(),
        "-Clink-arg=-Wl,--build-id=none".to_owned(),
    ];
    flags.extend(
        remaps
            .iter()
            .map(|(from, to)| format!("--remap-path-prefix={from}={to}")),
    );
    cargo
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
        .env("SOURCE_DATE_EPOCH", "0");
    let c_flags: Vec<String> = remaps
        .iter()
        .map(|(from, to)| format!("'-ffile-prefix-map={from}={to}'"))
        .collect();
    // Folders may have spaces in their names.
    cargo
        .env("CC_SHELL_ESCAPED_FLAGS", "1")
        .env("CFLAGS", c_flags.join(" "))
        .env("CXXFLAGS", c_flags.join(" "));
    let finished = command::run(cargo, COMPILE_WITHIN, |line| {
        if let Some(name) = line.trim_start().strip_prefix("Compiling ") {
            context.report.progress(format!("compiling {name}"));
        }
    })
    .await?;
    if !finished.success {
        let failure =
            Failure::failed(format!("`{}` does not compile", build.package)).next("mend what the compiler names above");
        return Err(finished
            .tail
            .iter()
            .fold(failure, |failure, line| failure.why(format!("| {line}"))));
    }
    executable(&finished.stdout, &build.binary).ok_or_else(|| {
        Failure::bad_input(format!("package `{}` has no binary `{}`", build.package, build.binary))
            .next("name it under `build.binary` in pipeline.yaml")
    })
}

/// Folders whose names would otherwise end up in the binary. The project's own is not among them: cargo names the files of
/// a workspace relative to it, and a flag that names it would make every clone compile all dependencies anew.
async fn remaps(root: &Path) -> Result<Vec<(String, String)>> {
    let home = std::env::var("CARGO_HOME")
        .ok()
        .or_else(|| Some(format!("{}/.cargo", std::env::var("HOME").ok()?)));
    let sysroot = command::ask("rustc", &["--print", "sysroot"], root).await?;
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let metadata = command::ask(
        &cargo,
        &["metadata", "--no-deps", "--format-version", "1", "--locked"],
        root,
    )
    .await?;
    let unknown = || "`cargo metadata` does not say where the build cache is".to_owned();
    let metadata: serde_json::Value = serde_json::from_str(&metadata.unwrap_or_default()).or_fail(unknown)?;
    let target = metadata["target_directory"].as_str().map(str::to_owned);
    let pairs = [(target, "/target"), (home, "/cargo"), (sysroot, "/rust")];
    Ok(pairs
        .into_iter()
        .filter_map(|(from, to)| Some((from?, to.to_owned())))
        .collect())
}

fn executable(messages: &str, binary: &str) -> Option<PathBuf> {
    let find = |line: &str| -> Option<PathBuf> {
        let message: serde_json::Value = serde_json::from_str(line).ok()?;
        let path = PathBuf::from(message.get("executable")?.as_str()?);
        (path.file_name()? == binary).then_some(path)
    };
    messages.lines().rev().find_map(find)
}

/// The image around a binary.
pub fn assemble(pipeline: &Pipeline, binary: Vec<u8>) -> ImageSpec {
    let build = &pipeline.build;
    let program = format!("/{}", build.binary);
    let healthcheck = (!build.healthcheck.is_empty()).then(|| HealthCheck {
        test: std::iter::once(program.clone())
            .chain(build.healthcheck.iter().cloned())
            .collect(),
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(3),
        start_period: Duration::from_secs(30),
        retries: 3,
    });
    ImageSpec {
        layers: vec![rootfs::base(), rootfs::program(&program, binary)],
        entrypoint: vec![program],
        user: format!("{}:{}", rootfs::USER_ID, rootfs::GROUP_ID),
        working_dir: "/".to_owned(),
        exposed_ports: vec![build.port],
        healthcheck,
        labels: [("org.opencontainers.image.title".to_owned(), pipeline.app.to_string())].into(),
        ..ImageSpec::default()
    }
}

/// The packages that went into the binary, from cargo's own graph.
async fn bill_of_materials(context: &Context) -> Result<Bom> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let package = &context.pipeline.build.package;
    let tree_args = [
        "tree",
        "--locked",
        "--package",
        package,
        "--target",
        TARGET,
        "--edges",
        "normal",
        "--prefix",
        "none",
    ];
    let format = ["--format", "{p}\t{l}"];
    let tree = command::ask(&cargo, &[&tree_args[..], &format[..]].concat(), &context.project.root).await?;
    let mut packages: Vec<Package> = tree.unwrap_or_default().lines().filter_map(package_of).collect();
    packages.sort();
    packages.dedup();
    let own = packages.iter().find(|found| found.name == *package);
    let version = own.map(|own| own.version.clone()).unwrap_or_default();
    packages.retain(|found| found.name != *package);
    Ok(Bom {
        name: package.clone(),
        version,
        packages,
    })
}

/// `name v1.2.3 (source)<tab>licence`, with ` (*)` behind what was listed before.
fn package_of(line: &str) -> Option<Package> {
    let (package, licence) = line.split_once('\t')?;
    let mut words = package.split_whitespace();
    let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
    let local = package.contains("(/");
    Some(Package {
        name: name.to_owned(),
        version: version.to_owned(),
        licence: Some(licence.trim_end_matches(" (*)").to_owned()).filter(|licence| !licence.is_empty()),
        source: (!local).then(|| "registry+https://github.com/rust-lang/crates.io-index".to_owned()),
    })
}
