//! Who we are to AWS, and the few calls beside S3, with what the S3 client brings along anyway: its connector, which knows
//! proxies and certificates, and its signature.
//!
//! Keys come from the environment, from the container service that runs this, or from the role of the EC2 instance this is;
//! the last two run out, and are renewed before they do.

mod call;
mod container;
mod ecr;
mod error;
mod http;
mod instance;
mod keys;
mod parameter;
mod source;

pub use call::Service;
pub use ecr::{Registry, Token};
pub use error::AwsError;
pub use keys::Keys;
pub use parameter::Parameters;
