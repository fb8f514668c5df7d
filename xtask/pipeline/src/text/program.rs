//! Programs of the project that the tool runs on this machine, at the right place.

use crate::form::{Leaf, List, form};
use crate::scalar::{HOUR, Prose, SECOND, Time};

form! {
    /// What fills an environment with demo data.
    Seed {
        /// Run on this machine, with `BASE_URL` naming the environment. Run again, it should add nothing. Exit code 2 means
        /// that nothing was touched.
        command: List<Leaf<Prose>>,
        /// Default: `10m`.
        timeout: Leaf<Time<SECOND, { 6 * HOUR }>>,
    }
}

form! {
    /// A benchmark of the app.
    Bench {
        /// Run on this machine with `--json` added, with `BASE_URL` naming the running image and `DATABASE_URL` the first of
        /// the services. Prints one JSON object, whose `text` is what people read.
        command: List<Leaf<Prose>>,
        /// Default: `15m`.
        timeout: Leaf<Time<SECOND, { 6 * HOUR }>>,
    }
}
