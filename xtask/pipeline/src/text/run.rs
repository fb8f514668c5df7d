//! How the app runs, and how it is tested.

use crate::form::{Leaf, List, Map, form};
use crate::scalar::{HOUR, MINUTE, Prose, SECOND, ServiceName, Time, UrlPath, VariableName, Whole, Word};
use contract::{SecretName, SecretRef};

form! {
    /// Configuration.
    Env {
        /// Variables that anyone may read.
        clear: Map<VariableName, Leaf<Prose>>,
        /// Names of variables whose values are kept out of files, logs and this repository. `NAME@3` is the third version of
        /// one that hosts keep; on the local ground, which makes them up, there is only one.
        secret: List<Leaf<SecretRef>>,
    }
}

form! {
    /// When a version counts as ready. There is always such a gate.
    Health {
        /// Answers 200 while the process lives; decides about restarts. Default: `/healthz`.
        live_path: Leaf<UrlPath>,
        /// Answers 200 while the process can serve; decides about traffic. Default: `/readyz`.
        ready_path: Leaf<UrlPath>,
        /// Between two probes. Default: `500ms`.
        interval: Leaf<Time<100, MINUTE>>,
        /// For one probe. Default: `2s`.
        timeout: Leaf<Time<100, MINUTE>>,
        /// Ready this many times in a row before it takes traffic. Default: 2.
        passes: Leaf<Whole<1, 100>>,
        /// Not ready by then: failed. Default: `60s`.
        deadline: Leaf<Time<SECOND, HOUR>>,
    }
}

form! {
    /// How a version is stopped, once no new requests reach it.
    Drain {
        /// For requests in flight to end. Default: `10s`.
        requests: Leaf<Time<0, HOUR>>,
        /// From SIGTERM to SIGKILL. Default: `10s`.
        stop: Leaf<Time<0, HOUR>>,
    }
}

form! {
    /// A command of the image that prepares the database. It prints `applied NUMBER NAME` for each migration it applied, and
    /// ends its last line with `the schema is at NUMBER`: `rollback` goes by both.
    Migrate {
        /// Arguments to the image.
        command: List<Leaf<Prose>>,
        /// Default: `10m`.
        timeout: Leaf<Time<SECOND, { 6 * HOUR }>>,
    }
}

form! {
    /// The image, tested beside the services it needs.
    Test {
        /// Databases and such. Each one's name is its host name.
        services: Map<ServiceName, Service>,
        /// Configuration, besides that for everywhere.
        env: Env,
        /// When the app counts as ready, where it differs from everywhere.
        health: Health,
        /// What prepares the database, where it differs from everywhere.
        migrate: Migrate,
        /// Run on this machine, with `BASE_URL` naming the running image. Exit code 0 means passed.
        command: List<Leaf<Prose>>,
        /// Default: `10m`.
        timeout: Leaf<Time<SECOND, { 6 * HOUR }>>,
        /// Whether a database that is not the named image may stand in for it. Default: false; in profile `local` true.
        allow_substitute: Leaf<bool>,
    }
}

form! {
    /// A service the app needs: in tests and, on the local ground, in each environment.
    Service {
        /// The image.
        image: Leaf<Word>,
        /// The port it listens on.
        port: Leaf<Whole<1, 65_535>>,
        /// The database to make.
        database: Leaf<Word>,
        /// Who may use it.
        username: Leaf<Word>,
        /// The app's secret that holds this service's password, which is made up at random.
        password: Leaf<SecretName>,
        /// When it counts as healthy.
        health: ServiceHealth,
        /// Arguments to the server.
        command: List<Leaf<Prose>>,
    }
}

form! {
    /// When a service counts as healthy.
    ServiceHealth {
        /// Run in its container, without a shell. Exit code 0 means healthy.
        command: List<Leaf<Prose>>,
        /// Between two checks. Default: `1s`.
        interval: Leaf<Time<100, MINUTE>>,
        /// For one check. Default: `5s`.
        timeout: Leaf<Time<100, MINUTE>>,
        /// Not healthy by then: failed. Default: `60s`.
        deadline: Leaf<Time<SECOND, HOUR>>,
    }
}
