//! The names registries and engines know document forms by.

/// What an image is made of: Docker's own forms (schema 2), not their OCI twins.
///
/// The health check is Docker's extension of the image config; the OCI config has no such field. Docker's engine reads it
/// under either name, but Podman and Buildah drop it from what calls itself an OCI config. The layers and the JSON are
/// otherwise the same, and every registry and engine reads both. Only what is attached to an image (the SBOM) is an OCI
/// manifest, because `subject` exists nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaType {
    ImageManifest,
    ImageConfig,
    Layer,
    /// An OCI manifest: of something attached to an image.
    ArtifactManifest,
    /// An OCI index: the list of what is attached, for registries without the referrers API.
    Index,
    /// The `{}` that stands where an artifact has no config.
    Empty,
    CycloneDx,
}

impl MediaType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ImageManifest => "application/vnd.docker.distribution.manifest.v2+json",
            Self::ImageConfig => "application/vnd.docker.container.image.v1+json",
            Self::Layer => "application/vnd.docker.image.rootfs.diff.tar.gzip",
            Self::ArtifactManifest => "application/vnd.oci.image.manifest.v1+json",
            Self::Index => "application/vnd.oci.image.index.v1+json",
            Self::Empty => "application/vnd.oci.empty.v1+json",
            Self::CycloneDx => "application/vnd.cyclonedx+json",
        }
    }
}
