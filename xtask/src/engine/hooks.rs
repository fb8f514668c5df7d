//! Commands of the project around stages.

use super::Run;
use crate::failure::Result;
use crate::plan::StageName;
use pipeline::model::{Hook, When};

impl Run<'_> {
    /// Those before or after a stage, in their order; the first that fails is the last.
    pub(super) async fn hooks(&self, when: When, stage: StageName) -> Result<()> {
        let context = self.context;
        let hooks = context.pipeline.hooks_of(stage.as_str());
        for hook in hooks.filter(|hook| hook.when == when) {
            let told = self.told(hook);
            context.providers.hook(context, &self.release, hook, told).await?;
        }
        Ok(())
    }

    fn told(&self, hook: &Hook) -> Vec<(String, String)> {
        let release = &self.release;
        let mut told = vec![
            ("RELEASE_ID".to_owned(), release.id.to_string()),
            ("RELEASE_COMMIT".to_owned(), release.source.commit.clone()),
            ("RELEASE_STAGE".to_owned(), hook.stage.as_str().to_owned()),
        ];
        if let Some(image) = &release.image {
            told.push(("RELEASE_IMAGE".to_owned(), image.to_string()));
        }
        told
    }
}
