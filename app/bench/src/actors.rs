//! The members who ask, one a client: real ones, who sign up and in over the API.

use crate::api::Connection;
use anyhow::Context;
use serde_json::{Value, json};
use sqlx::{MySqlConnection, query, query_scalar};

const PASSWORD: &str = "as fast as it goes";

#[derive(Debug, Clone)]
pub struct Actor {
    pub id: u64,
    pub token: String,
    /// A photo of theirs, for their posts.
    pub photo: u64,
}

/// Signs them up unless they are there.
pub async fn sign_up(api: &mut Connection, count: usize) -> anyhow::Result<Vec<Actor>> {
    for number in 0..count {
        let body = json!({
            "email": format!("actor{number}@example.com"),
            "real_name": format!("Actor {number}"),
            "nickname": name(number),
            "password": PASSWORD,
        });
        let (status, answer) = api.json("POST", "/api/members", None, &body).await?;
        anyhow::ensure!(matches!(status, 201 | 409), "signing up an actor: {status} {answer}");
    }
    sign_in(api, count).await
}

/// Tokens live for minutes: again once the database is filled.
pub async fn sign_in(api: &mut Connection, count: usize) -> anyhow::Result<Vec<Actor>> {
    let mut actors = Vec::new();
    for number in 0..count {
        let body = json!({ "name": name(number), "password": PASSWORD });
        let (status, session) = api.json("POST", "/api/sessions", None, &body).await?;
        anyhow::ensure!(status == 201, "signing in an actor: {status} {session}");
        let token = session["access_token"]
            .as_str()
            .context("a session without a token")?
            .to_owned();
        let (_, me) = api.json("GET", "/api/me", Some(&token), &Value::Null).await?;
        let id = me["id"].as_u64().context("an actor without an id")?;
        actors.push(Actor { id, token, photo: 0 });
    }
    Ok(actors)
}

/// Gives each a photo that is ready, as an upload would.
pub async fn give_photos(database: &mut MySqlConnection, actors: &mut [Actor]) -> anyhow::Result<()> {
    for actor in actors {
        let there: Option<u64> = query_scalar("SELECT MIN(id) FROM media WHERE member_id = ?")
            .bind(actor.id)
            .fetch_one(&mut *database)
            .await?;
        actor.photo = match there {
            Some(id) => id,
            None => {
                let insert = "INSERT INTO media (member_id, object_key, kind, state, bytes, width, height) \
                              VALUES (?, ?, 'image/jpeg', 'ready', 80000, 1080, 1080)";
                let key = format!("{:032x}", u128::from(actor.id) << 64);
                let inserted = query(insert).bind(actor.id).bind(key).execute(&mut *database).await?;
                inserted.last_insert_id()
            }
        };
    }
    Ok(())
}

fn name(number: usize) -> String {
    format!("actor_{number}")
}
