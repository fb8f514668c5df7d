//! Lists of posts, newest first: everyone's.

use super::post::{self, Post};
use crate::app::App;
use crate::body::Parameters;
use crate::page::{Cursor, Page, PageQuery};
use crate::problem::Problem;
use crate::token::SignedIn;
use axum::Json;
use axum::extract::State;
use serde::Serialize;

#[derive(Debug, Serialize)]
pub struct Posts {
    posts: Vec<Post>,
    /// What to ask for as `before` to go on; null at the end.
    next: Option<Cursor>,
}

impl Posts {
    fn cut(page: &Page, mut posts: Vec<Post>) -> Json<Posts> {
        let next = page.cut(&mut posts, |post| post.id.0);
        Json(Posts { posts, next })
    }
}

pub async fn everyones(
    State(app): State<App>,
    viewer: Option<SignedIn>,
    Parameters(query): Parameters<PageQuery>,
) -> Result<Json<Posts>, Problem> {
    let page = Page::parse(&query)?;
    let viewer = viewer.map(|SignedIn(member)| member);
    let posts = post::newest(&app.database.pool, &page, viewer).await?;
    Ok(Posts::cut(&page, posts))
}
