//! Whether a place refuses what it has to refuse. Some S3 servers do not know conditional writes: they write whatever the
//! condition says, and two releases would both hold one lease.

use crate::{Condition, Store, WriteError};
use anyhow::anyhow;
use std::time::{SystemTime, UNIX_EPOCH};

/// It stays: the next probe goes on with it.
const KEY: &str = "conditional-writes.json";

#[derive(Debug, thiserror::Error)]
pub enum Unfit {
    #[error("expected {condition} to be refused, found `{place}` overwritten")]
    Overwrites { condition: &'static str, place: String },
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

impl Store {
    /// Writes a document of its own as nothing here ever should be, and expects to be refused. Several may ask at once.
    pub async fn expect_conditional_writes(&self) -> Result<(), Unfit> {
        // Refused where an earlier probe has been; what counts is the second time.
        self.is_written(Condition::Absent).await?;
        self.expect_refused("`If-None-Match: *` on a document that exists", Condition::Absent)
            .await?;
        let found = self.get(KEY).await?;
        let (_, known) = found.ok_or_else(|| anyhow!("`{}` was written and is not there", self.locate(KEY)))?;
        // By us or, if that is refused, by another probe in this moment: the revision is an old one now.
        self.is_written(Condition::Is(&known)).await?;
        self.expect_refused("`If-Match` with an ETag of before", Condition::Is(&known))
            .await
    }

    async fn expect_refused(&self, condition: &'static str, asked: Condition<'_>) -> Result<(), Unfit> {
        match self.is_written(asked).await? {
            false => Ok(()),
            true => Err(Unfit::Overwrites {
                condition,
                place: self.locate(KEY),
            }),
        }
    }

    async fn is_written(&self, condition: Condition<'_>) -> anyhow::Result<bool> {
        match self.write(KEY, content(), condition).await {
            Ok(_) => Ok(true),
            Err(WriteError::Conflict) => Ok(false),
            Err(WriteError::Failed(error)) => Err(error),
        }
    }
}

/// Never the same twice: an ETag is made of the content, and one that returned would look current.
fn content() -> Vec<u8> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let (process, at_ns) = (std::process::id(), now.as_nanos());
    format!("{{\"tried_by\": \"process {process}\", \"at_ns\": {at_ns}}}\n").into_bytes()
}
