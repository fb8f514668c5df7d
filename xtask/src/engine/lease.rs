//! One release mutates an environment at a time.
//!
//! A lease is a file: who holds it, until when, and how often it has changed hands (the fence). It is renewed while it is
//! held, given back when done, and taken over once it has run out. Whoever was too late finds its generations too low:
//! hosts accept only what rises, and every acquisition raises the fence.

use crate::context::Context;
use crate::failure::{Exit, Failure, OrFail, Result};
use crate::files;
use contract::{Desired, Fence, ReleaseId};
use jiff::{SignedDuration, Timestamp};
use pipeline::model::Environment;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::task::JoinHandle;

const TTL: SignedDuration = SignedDuration::from_secs(15);
const RENEW_EVERY: Duration = Duration::from_secs(4);

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaseFile {
    pub fence: Fence,
    pub holder: Option<Holder>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holder {
    pub release: ReleaseId,
    /// `user@machine, process 123`.
    pub who: String,
    pub since: Timestamp,
    pub expires_at: Timestamp,
}

/// Held until dropped; the fence it was acquired with goes into every generation published under it.
#[derive(Debug)]
pub struct Lease {
    folder: PathBuf,
    pub fence: Fence,
    renewal: JoinHandle<()>,
}

impl Lease {
    /// Takes an environment, with a fence above that of the document its hosts follow: state that was lost here must not
    /// make them refuse us.
    pub async fn acquire_above(context: &Context, environment: &Environment, release: ReleaseId) -> Result<Self> {
        let name = &environment.name;
        let current = context.channel(name)?.read_desired().await;
        let current = current.or_fail(|| format!("the channel of `{name}` cannot be read"))?;
        let generation = current.and_then(|(envelope, _)| serde_json::from_str::<Desired>(&envelope.document).ok());
        let published = generation.map(|desired| desired.generation.fence()).unwrap_or_default();
        Self::acquire(&context.project.environment(name), published, release)
    }

    /// Takes the environment whose state is in `folder`, or says who has it.
    fn acquire(folder: &Path, above: Fence, release: ReleaseId) -> Result<Self> {
        let who = holder_name();
        let fence = update(folder, |file, now| {
            if let Some(holder) = file.holder.as_ref().filter(|holder| holder.expires_at > now) {
                return Err(locked(folder, holder, now));
            }
            file.fence = file.fence.max(above).next();
            file.holder = Some(Holder {
                release,
                who: who.clone(),
                since: now,
                expires_at: now + TTL,
            });
            Ok(file.fence)
        })?;
        let renewal = tokio::spawn(renew(folder.to_owned(), fence));
        Ok(Self {
            folder: folder.to_owned(),
            fence,
            renewal,
        })
    }

    pub fn read(folder: &Path) -> Result<LeaseFile> {
        let path = folder.join("lease.json");
        Ok(files::read_json(&path)
            .or_fail(|| "the lease cannot be read".to_owned())?
            .unwrap_or_default())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewal.abort();
        // A lease that cannot be given back runs out by itself.
        let _ = update(&self.folder, |file, _| {
            if file.fence == self.fence {
                file.holder = None;
            }
            Ok(())
        });
    }
}

async fn renew(folder: PathBuf, fence: Fence) {
    loop {
        tokio::time::sleep(RENEW_EVERY).await;
        let renewed = update(&folder, |file, now| {
            if let Some(holder) = file.holder.as_mut().filter(|_| file.fence == fence) {
                holder.expires_at = now + TTL;
            }
            Ok(())
        });
        if let Err(failure) = renewed {
            tracing::warn!("the lease could not be renewed: {failure}");
        }
    }
}

/// Reads, changes and writes the lease under a lock that ends with the process.
fn update<T>(folder: &Path, change: impl FnOnce(&mut LeaseFile, Timestamp) -> Result<T>) -> Result<T> {
    let failed = || format!("the lease in `{}` cannot be changed", folder.display());
    std::fs::create_dir_all(folder).or_fail(failed)?;
    let lock = File::create(folder.join("lease.lock")).or_fail(failed)?;
    lock.lock().or_fail(failed)?;
    let mut file = Lease::read(folder)?;
    let result = change(&mut file, Timestamp::now())?;
    files::write_json(&folder.join("lease.json"), &file).or_fail(failed)?;
    Ok(result)
}

fn locked(folder: &Path, holder: &Holder, now: Timestamp) -> Failure {
    let environment = folder.file_name().unwrap_or_default().to_string_lossy();
    let held = now.duration_since(holder.since).as_secs();
    let left = holder.expires_at.duration_since(now).as_secs();
    Failure::new(
        Exit::Locked,
        format!("`{environment}` is being changed by release {}", holder.release),
    )
    .why(format!(
        "held by {} for {held} s; runs out in {left} s unless renewed",
        holder.who
    ))
    .world("nothing was touched")
    .next("wait for it to end (`cargo xtask status`), then run the command again")
}

fn holder_name() -> String {
    let machine = rustix::system::uname().nodename().to_string_lossy().into_owned();
    format!("{}@{machine}, process {}", crate::user::name(), std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release(number: u64) -> ReleaseId {
        ReleaseId::from_parts(number, 0)
    }

    #[tokio::test]
    async fn one_of_two_gets_the_lease_and_the_other_is_told_who_has_it() {
        let folder = tempfile::tempdir().unwrap();
        let held = Lease::acquire(folder.path(), Fence(0), release(1)).unwrap();
        let refused = Lease::acquire(folder.path(), Fence(0), release(2)).unwrap_err();
        assert_eq!(refused.exit, Exit::Locked);
        assert!(refused.to_string().contains(&release(1).to_string()), "{refused}");
        drop(held);
        assert_eq!(
            Lease::acquire(folder.path(), Fence(0), release(2)).unwrap().fence,
            Fence(2)
        );
    }

    #[tokio::test]
    async fn a_lease_that_ran_out_is_taken_over_with_a_higher_fence() {
        let folder = tempfile::tempdir().unwrap();
        let lost = Lease::acquire(folder.path(), Fence(0), release(1)).unwrap();
        lost.renewal.abort();
        update(folder.path(), |file, now| {
            file.holder.as_mut().unwrap().expires_at = now;
            Ok(())
        })
        .unwrap();
        let taken = Lease::acquire(folder.path(), Fence(0), release(2)).unwrap();
        assert!(taken.fence > lost.fence);
        // The one that lost it gives nothing back that is not its own.
        drop(lost);
        assert_eq!(Lease::read(folder.path()).unwrap().holder.unwrap().release, release(2));
    }
}
