//! Programs of the project that the tool runs on this machine, at the right place.

use crate::form::{Leaf, List, Map, form};
use crate::model::{Occasion, Stage};
use crate::scalar::{HOUR, MINUTE, Prose, SECOND, Time, VariableName, Whole};

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

form! {
    /// A command before or after a stage.
    Hook {
        /// The stage it is run before. It or `after` is given.
        before: Leaf<Stage>,
        /// The stage it is run after, if that went well.
        after: Leaf<Stage>,
        /// Run on this machine, with `RELEASE_ID`, `RELEASE_COMMIT` and `RELEASE_STAGE`, and once it is built
        /// `RELEASE_IMAGE`. Any exit code but 0 fails the stage.
        command: List<Leaf<Prose>>,
        /// Default: `5m`.
        timeout: Leaf<Time<SECOND, { 6 * HOUR }>>,
        /// More variables for it.
        env: Map<VariableName, Leaf<Prose>>,
    }
}

form! {
    /// Stages that are tried again when they fail. Production is not among them: a version that failed there is gone.
    Retry {
        /// Such as when a registry does not answer.
        build: Tries,
        /// Such as when an image cannot be pulled.
        test: Tries,
        /// Such as when a host does not answer.
        staging: Tries,
    }
}

form! {
    /// How often, and when.
    Tries {
        /// How often it is tried again. Default: once.
        times: Leaf<Whole<1, 5>>,
        /// Before the first time; each other time twice as long, up to ten minutes. Default: `5s`.
        pause: Leaf<Time<SECOND, { 10 * MINUTE }>>,
    }
}

form! {
    /// Somebody to tell.
    Notify {
        /// The environment variable that holds the address, which is a secret. It is sent `{"text": …}`, as Slack and its
        /// like understand it. Where the variable is not set, nobody is told.
        webhook: Leaf<VariableName>,
        /// Of what. Default: all of it.
        on: List<Leaf<Occasion>>,
    }
}
