//! From a commit to an image, and where images and orders are kept.

use crate::form::{Leaf, List, Map, form};
use crate::model::{Builder, RegistryAuth};
use crate::scalar::{AnyPath, Endpoint, ProjectPath, Prose, Repository, VariableName, Whole, Word};

form! {
    /// Which commits may be released.
    Source {
        /// The branch releases come from. Default: `main`.
        branch: Leaf<Word>,
        /// Refuse a commit that is not on that branch. Default: true; in profile `local` false.
        require_branch: Leaf<bool>,
        /// Refuse a tree with changes that are not committed. Default: true; in profile `local` false.
        require_clean: Leaf<bool>,
    }
}

form! {
    /// How a commit becomes an image.
    Build {
        /// The cargo package. Default: the app's name.
        package: Leaf<Word>,
        /// Its binary. Default: the package's name.
        binary: Leaf<Word>,
        /// `native` (no daemon), `docker` (a Dockerfile), or `auto`: native for a cargo package, else docker.
        builder: Leaf<Builder>,
        /// For the docker builder. Default: `Dockerfile`.
        dockerfile: Leaf<ProjectPath>,
        /// For the docker builder: values of the Dockerfile's `ARG`s. No place for secrets: images remember them.
        args: Map<VariableName, Leaf<Prose>>,
        /// The port the app listens on in its container. Default: 8080.
        port: Leaf<Whole<1, 65_535>>,
        /// The image's own health check: arguments to the binary.
        healthcheck: List<Leaf<Prose>>,
    }
}

form! {
    /// Any OCI registry.
    Registry {
        /// `host[:port]/path`, without a tag: images are known by digest only.
        repository: Leaf<Repository>,
        /// `docker-config` (with helpers), `env` (`REGISTRY_USERNAME`, `REGISTRY_PASSWORD`), `ecr` (a token of AWS) or `anonymous`.
        auth: Leaf<RegistryAuth>,
        /// A certificate authority to trust besides the usual ones.
        ca_file: Leaf<AnyPath>,
    }
}

form! {
    /// Where documents lie: one of these.
    choice Place {
        /// A directory that all who need it share.
        directory: Leaf<AnyPath>,
        /// A bucket that all who need it reach.
        s3: S3,
    }
}

form! {
    /// A prefix in an S3-compatible bucket.
    S3 {
        /// The bucket's name.
        bucket: Leaf<Word>,
        /// What keys begin with. Default: the app's name.
        prefix: Leaf<Word>,
        /// The bucket's region.
        region: Leaf<Word>,
        /// Where the store answers, if it is not Amazon's.
        endpoint: Leaf<Endpoint>,
    }
}
