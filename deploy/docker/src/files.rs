//! Files put into a container before it starts: how secrets get in without passing through its environment or arguments.

use crate::Docker;
use anyhow::{Context, Result, ensure};
use bollard::query_parameters::UploadToContainerOptionsBuilder;

/// Numeric user and group of a file; the names in an image are not looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Owner {
    pub uid: u32,
    pub gid: u32,
}

impl Docker {
    /// Writes one file, owned by root, into a container that was created without `read_only_root`.
    pub async fn put_file(&self, id: &str, path: &str, bytes: &[u8], mode: u32) -> Result<()> {
        self.put_file_as(id, path, bytes, mode, Owner::default()).await
    }

    /// The same for a container that runs as another user.
    pub async fn put_file_as(&self, id: &str, path: &str, bytes: &[u8], mode: u32, owner: Owner) -> Result<()> {
        ensure!(
            path.starts_with('/'),
            "`{path}` is not an absolute path in container `{id}`"
        );
        let archive = archive(path, bytes, mode, owner).with_context(|| format!("packing `{path}`"))?;
        let options = UploadToContainerOptionsBuilder::default().path("/").build();
        let uploaded = self
            .api()
            .upload_to_container(id, Some(options), bollard::body_full(archive.into()))
            .await;
        uploaded.with_context(|| format!("putting `{path}` into container `{id}`"))
    }
}

fn archive(path: &str, bytes: &[u8], mode: u32, owner: Owner) -> std::io::Result<Vec<u8>> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(mode);
    header.set_uid(u64::from(owner.uid));
    header.set_gid(u64::from(owner.gid));
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, path.trim_start_matches('/'), bytes)?;
    archive.into_inner()
}
