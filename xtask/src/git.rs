//! What the source tree is: commit, branch, and the digest of what differs from the commit.

use crate::command;
use crate::failure::{Failure, Result};
use crate::plan::SourceFacts;
use crate::project::Project;
use contract::Digest;
use sha2::{Digest as _, Sha256};
use std::path::Path;

pub async fn facts(project: &Project) -> Result<SourceFacts> {
    let root = &project.root;
    let Some(commit) = git(root, &["rev-parse", "--verify", "HEAD^{commit}"]).await? else {
        return Err(no_commit(root).await?);
    };
    let branch = git(root, &["symbolic-ref", "--quiet", "--short", "HEAD"]).await?;
    Ok(SourceFacts {
        commit,
        branch,
        dirty: dirty_digest(root).await?,
    })
}

async fn no_commit(root: &Path) -> Result<Failure> {
    let inside = git(root, &["rev-parse", "--is-inside-work-tree"]).await?;
    Ok(if inside.as_deref() == Some("true") {
        Failure::bad_input(format!("`{}` has no commit yet", root.display()))
            .why("expected: a commit to release, so that what runs can be named")
            .next("git add --all && git commit")
    } else {
        Failure::bad_input(format!("`{}` is not in a git repository", root.display()))
            .why("expected: a git work tree with at least one commit, so that what runs can be named")
            .next("git init && git add --all && git commit --message 'Begin'")
    })
}

/// `None` for a clean tree. Tracked changes count by their diff, untracked files by name and content.
async fn dirty_digest(root: &Path) -> Result<Option<Digest>> {
    let status = answer(root, &["status", "--porcelain", "--untracked-files=all", "-z"]).await?;
    if status.is_empty() {
        return Ok(None);
    }
    let mut hash = Sha256::new();
    hash.update(answer(root, &["diff", "HEAD", "--binary", "--no-color", "--no-ext-diff"]).await?);
    let untracked = answer(root, &["ls-files", "--others", "--exclude-standard", "-z"]).await?;
    for name in untracked.split('\0').filter(|name| !name.is_empty()) {
        hash.update(name);
        // A file that is gone or unreadable by now is as good as one with no content.
        hash.update(std::fs::read(root.join(name)).unwrap_or_default());
    }
    Ok(Some(Digest::from_sha256(hash.finalize().into())))
}

/// The commits between two, newest first, a line each.
pub async fn commits_between(project: &Project, from: &str, to: &str) -> Result<Option<Vec<String>>> {
    let range = format!("{from}..{to}");
    let log = git(
        &project.root,
        &["log", "--max-count=50", "--format=%h %s", &range, "--"],
    )
    .await?;
    Ok(log.map(|log| log.lines().map(str::to_owned).collect()))
}

/// Where git must know: a tree it cannot compare is not a clean one.
async fn answer(root: &Path, args: &[&str]) -> Result<String> {
    let answer = git(root, args).await?;
    answer.ok_or_else(|| Failure::bad_input(format!("`git {}` failed in `{}`", args.join(" "), root.display())))
}

async fn git(root: &Path, args: &[&str]) -> Result<Option<String>> {
    command::ask("git", args, root).await
}
