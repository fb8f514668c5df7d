//! The buckets that releases and orders are kept in. A server that takes no notice of conditional writes would let two
//! releases hold one environment, so each is asked before anything is touched; not at every look, because asking writes.

use crate::engine::Records;
use crate::failure::{Failure, Result};
use crate::project::Project;
use pipeline::model::{Pipeline, Place};
use store::{Store, Unfit};

/// Before an environment is changed.
pub async fn expect_fit(project: &Project, pipeline: &Pipeline) -> Result<()> {
    match unfit(project, pipeline).await.into_iter().next() {
        Some(failure) => Err(failure),
        None => Ok(()),
    }
}

/// Each that will not do.
pub async fn unfit(project: &Project, pipeline: &Pipeline) -> Vec<Failure> {
    let mut found = Vec::new();
    if let place @ Place::S3 { .. } = &pipeline.store {
        let opened = Records::open(project, pipeline).map(|records| records.store().clone());
        found.extend(examine("store", place, opened).await.err());
    }
    match &pipeline.channel {
        // The ground's own, which its tests hold against the same claims.
        Place::S3 { endpoint: None, .. } if pipeline.ground.is_some() => {}
        place @ Place::S3 { .. } => {
            let opened = Store::open(&project.place(place, ""), pipeline.app.as_str());
            let opened = opened.map_err(|error| {
                Failure::bad_input("the channel cannot be reached")
                    .why(format!("{error:#}"))
                    .next("mend `channel` in pipeline.yaml, or give the keys in the environment")
            });
            found.extend(examine("channel", place, opened).await.err());
        }
        Place::Directory(_) => {}
    }
    found
}

/// `key` is that of pipeline.yaml.
async fn examine(key: &str, place: &Place, opened: Result<Store>) -> Result<()> {
    let server = server(place);
    opened?.expect_conditional_writes().await.map_err(|unfit| match unfit {
        Unfit::Overwrites { .. } => Failure::bad_input(format!(
            "`{key}` cannot be kept on {server}: it ignores conditional writes"
        ))
        .why(unfit.to_string())
        .why("two releases could hold one environment at the same time")
        .next(format!(
            "name a bucket on a server that heeds them, such as Amazon S3, under `{key}` in pipeline.yaml"
        )),
        Unfit::Failed(error) => Failure::bad_input(format!("`{key}` cannot be used on {server}"))
            .why(format!("{error:#}"))
            .next(format!(
                "mend `{key}` in pipeline.yaml, or what is said above, then: cargo xtask doctor"
            )),
    })
}

fn server(place: &Place) -> String {
    match place {
        Place::S3 {
            endpoint: Some(endpoint),
            ..
        } => format!("`{endpoint}`"),
        Place::S3 { region, .. } => format!("Amazon S3 in `{region}`"),
        Place::Directory(_) => "this machine".to_owned(),
    }
}
