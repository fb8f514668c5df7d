//! The static site, storage, and the local ground that stands in for a cloud.

use crate::form::{Leaf, form};
use crate::scalar::{ProjectPath, Whole, Word};

form! {
    /// The static site that is released with the app.
    Frontend {
        /// Where it lies.
        dir: Leaf<ProjectPath>,
        /// The document served for `/`, written last. Default: `index.html`.
        entry: Leaf<ProjectPath>,
        /// Where it is published. Left out on the local ground: the bucket embedded there.
        bucket: Leaf<Word>,
        /// The CDN distribution in front of the bucket.
        distribution: Leaf<Word>,
        /// Releases whose assets are kept, so that open tabs go on working. Default: 5.
        keep_releases: Leaf<Whole<1, 24>>,
    }
}

form! {
    /// A bucket for the app's own files, such as uploads.
    Storage {
        /// Its name. Each environment of the local ground gets one of its own, as do tests.
        bucket: Leaf<Word>,
    }
}

form! {
    /// Ports on this machine. Those left out are chosen once and kept.
    Ground {
        /// The site, with the API under `/api`.
        site: Leaf<Whole<1, 65_535>>,
        /// Production, without the site.
        production: Leaf<Whole<1, 65_535>>,
        /// Staging.
        staging: Leaf<Whole<1, 65_535>>,
        /// The image registry.
        registry: Leaf<Whole<1, 65_535>>,
        /// The bucket store.
        bucket: Leaf<Whole<1, 65_535>>,
    }
}
