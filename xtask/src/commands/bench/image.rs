//! `bench image`: from a linked binary to an image in the registry, natively and by `docker build` + `docker push`.
//!
//! Both get the same files and push to the same embedded registry, each time into a repository nobody has pushed to, so that
//! nothing is skipped. The runs alternate, because these machines' speed drifts.

use crate::build;
use crate::context::Context;
use crate::failure::{Failure, OrFail, Result};
use crate::preflight::{self, Install};
use crate::project::Project;
use crate::report::{Report, bytes};
use docker::BuildOptions;
use oci::{ImageSpec, Repository, image};
use std::time::{Duration, Instant};

const RUNS: usize = 5;

pub async fn image(profile: &str, report: &Report) -> Result<()> {
    let project = Project::find()?;
    let pipeline = project.pipeline(profile)?;
    let docker = preflight::engine(Install::Never).await?;
    let context = Context::open(project, pipeline, report.clone(), docker).await?;
    let binary = build::compile(&context).await?;
    let binary = std::fs::read(&binary).or_fail(|| format!("`{}` cannot be read", binary.display()))?;
    let (mut native, mut docker) = (Vec::new(), Vec::new());
    // One of each that does not count: the first push opens connections, the first build starts the builder.
    for run in 0..=RUNS {
        let took = (by_native(&context, &binary).await?, by_docker(&context, &binary).await?);
        if run > 0 {
            native.push(took.0);
            docker.push(took.1);
        }
    }
    let (ours, theirs) = (median(&mut native), median(&mut docker));
    let ratio = theirs.as_secs_f64() / ours.as_secs_f64();
    let text = format!(
        "image of a {} binary, {RUNS} runs each, median (spread)\n  native                      {}\n  docker build + docker push  {}\n  ratio                       {ratio:.1}×",
        bytes(binary.len() as u64),
        spread(&native),
        spread(&docker),
    );
    let ms = |times: &[Duration]| times.iter().map(|took| took.as_millis() as u64).collect::<Vec<_>>();
    report.data(
        "bench-image",
        &text,
        serde_json::json!({ "ratio": ratio, "native_ms": ms(&native), "docker_ms": ms(&docker) }),
    );
    Ok(())
}

/// Assembles and pushes; the time includes both.
async fn by_native(context: &Context, binary: &[u8]) -> Result<Duration> {
    let name = format!("{}-bench-{}", build::repository(context)?, crate::ids::new_ground());
    let repository = Repository::parse(&name).map_err(|error| Failure::failed(error.to_string()))?;
    let client = build::client(context)?;
    let since = Instant::now();
    let spec = build::assemble(&context.pipeline, binary.to_vec());
    let image = image::build(&spec).or_fail(|| "the image cannot be assembled".to_owned())?;
    build::push(context, &client, &repository, &image).await?;
    Ok(since.elapsed())
}

async fn by_docker(context: &Context, binary: &[u8]) -> Result<Duration> {
    let tag = format!(
        "{}-bench-{}:bench",
        build::repository(context)?,
        crate::ids::new_ground()
    );
    let failed = || "the build context cannot be made".to_owned();
    let tar = context_tar(&build::assemble(&context.pipeline, binary.to_vec()), binary).or_fail(failed)?;
    let ground = context
        .ground
        .as_ref()
        .map(|ground| (crate::local::GROUND_LABEL.to_owned(), ground.state.id.clone()));
    let labels = ground.into_iter().collect();
    let options = BuildOptions {
        dockerfile: "Dockerfile".to_owned(),
        tag: tag.clone(),
        args: Default::default(),
        labels,
    };
    let login = build::login(context).await?;
    let since = Instant::now();
    context
        .docker
        .build(tar, options, |_| {})
        .await
        .image
        .or_fail(|| "docker build failed".to_owned())?;
    context
        .docker
        .push(&tag, login.as_ref())
        .await
        .or_fail(|| "docker push failed".to_owned())?;
    let took = since.elapsed();
    context
        .docker
        .remove_image(&tag)
        .await
        .or_fail(|| "the benchmark's image cannot be removed".to_owned())?;
    Ok(took)
}

/// The same files as the native image: the builder unpacks an archive that is ADDed.
fn context_tar(spec: &ImageSpec, binary: &[u8]) -> anyhow::Result<Vec<u8>> {
    let native = image::build(spec)?;
    let base = native
        .layers
        .first()
        .map(|layer| layer.blob.bytes.clone())
        .unwrap_or_default();
    let mut archive = tar::Builder::new(Vec::new());
    // A variable of its own keeps the builder from answering out of its cache, as an edited binary would.
    let run = crate::ids::new_ground();
    let dockerfile = format!("FROM scratch\nENV RUN={run}\nADD base.tar.gz /\nCOPY app /app\nENTRYPOINT [\"/app\"]\n");
    for (name, bytes) in [
        ("Dockerfile", dockerfile.as_bytes()),
        ("base.tar.gz", &base),
        ("app", binary),
    ] {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o755);
        header.set_cksum();
        archive.append_data(&mut header, name, bytes)?;
    }
    Ok(archive.into_inner()?)
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// Of sorted times.
fn spread(times: &[Duration]) -> String {
    let s = |took: Option<&Duration>| took.map_or(0.0, Duration::as_secs_f64);
    format!(
        "{:.2} s ({:.2}–{:.2})",
        s(times.get(times.len() / 2)),
        s(times.first()),
        s(times.last())
    )
}
