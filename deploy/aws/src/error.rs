//! What went wrong. Nothing of what was sent or received is in it but an error's own code and message.

#[derive(Debug, thiserror::Error)]
pub enum AwsError {
    /// The environment of this process names nobody.
    #[error(
        "there are no keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where there is a role; `{0}` is not set"
    )]
    NoKeys(&'static str),
    #[error("the environment variable `{variable}` cannot be used: {why}")]
    Misset { variable: &'static str, why: String },
    #[error("{who} does not answer: {why}")]
    Silent { who: String, why: String },
    #[error("{who} answered {status}: {why}")]
    Refused { who: String, status: u16, why: String },
    #[error("{who} answered what cannot be understood: {why}")]
    Strange { who: String, why: String },
    #[error(transparent)]
    Outside(#[from] outside::Misset),
}
