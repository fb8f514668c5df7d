//! The same requests without the API: their statements, straight to the database, each client at a connection of its own.

use crate::actors::Actor;
use crate::api::{post_of, text_of};
use crate::kind::{Kind, Turn};
use crate::statements::{ATTACH, FEED, INSERT_POST, LIKE, PHOTOS, POST};
use anyhow::{Context, ensure};
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection};
use sqlx::{ConnectOptions, Connection as _, Executor as _, MySql, QueryBuilder, query, query_as};

const PAGE: u32 = 20;
const READY: &str = "ready";
const DEADLOCK_ATTEMPTS: u32 = 10;

/// As the API reads them.
type PostRow = (u64, Option<String>, u64, String, String, String, i64, bool, i64);
type PhotoRow = (u64, u64, String, u32, u32, Option<String>);

/// A session as the API's are.
pub async fn connect(url: &str) -> anyhow::Result<MySqlConnection> {
    let options: MySqlConnectOptions = url.parse().context("DATABASE_URL is no mysql:// address")?;
    let options = options
        .timezone(Some("+09:00".to_owned()))
        .charset("utf8mb4")
        .collation("utf8mb4_unicode_ci");
    let mut connection = options.connect().await.context("the database cannot be reached")?;
    connection.execute("SET SESSION innodb_lock_wait_timeout = 5").await?;
    Ok(connection)
}

#[derive(Debug)]
pub struct SqlClient {
    pub connection: MySqlConnection,
    pub actor: Actor,
}

impl SqlClient {
    pub async fn ask(&mut self, turn: Turn) -> anyhow::Result<()> {
        for _ in 1..DEADLOCK_ATTEMPTS {
            match self.run(turn).await {
                Err(error) if is_deadlock(&error) => {}
                outcome => return outcome,
            }
        }
        self.run(turn).await
    }

    async fn run(&mut self, turn: Turn) -> anyhow::Result<()> {
        match turn.kind {
            Kind::Feed => self.feed().await,
            Kind::Post => {
                let post = post_of(turn.number);
                ensure!(
                    show(&mut self.connection, &self.actor, post).await? == 1,
                    "there is no post {post}"
                );
                Ok(())
            }
            Kind::Create => self.create(&text_of(turn.number)).await,
            Kind::Like => {
                let like = query(LIKE).bind(post_of(turn.number)).bind(self.actor.id);
                like.execute(&mut self.connection).await?;
                Ok(())
            }
        }
    }

    async fn feed(&mut self) -> anyhow::Result<()> {
        let rows: Vec<PostRow> = query_as(FEED)
            .bind(self.actor.id)
            .bind(self.actor.id)
            .bind(u64::MAX)
            .bind(PAGE + 1)
            .fetch_all(&mut self.connection)
            .await?;
        ensure!(rows.len() > PAGE as usize, "a feed of {} posts", rows.len());
        photos(&mut self.connection, &rows).await
    }

    async fn create(&mut self, text: &str) -> anyhow::Result<()> {
        let mut transaction = self.connection.begin().await?;
        let inserted = query(INSERT_POST)
            .bind(self.actor.id)
            .bind(text)
            .execute(&mut *transaction)
            .await?;
        let post = inserted.last_insert_id();
        let [select, position, from, state, ids, end] = ATTACH;
        let mut attach = QueryBuilder::<MySql>::new(select);
        attach
            .push_bind(post)
            .push(position)
            .push(", ")
            .push_bind(self.actor.photo);
        attach.push(from).push_bind(self.actor.id).push(state).push_bind(READY);
        attach.push(ids).push_bind(self.actor.photo).push(end);
        attach.build().execute(&mut *transaction).await?;
        ensure!(
            show(&mut transaction, &self.actor, post).await? == 1,
            "the new post {post} is not there"
        );
        transaction.commit().await?;
        Ok(())
    }
}

/// How many posts there are of this id: one or none.
async fn show(connection: &mut MySqlConnection, viewer: &Actor, post: u64) -> anyhow::Result<usize> {
    let rows: Option<PostRow> = query_as(POST)
        .bind(viewer.id)
        .bind(post)
        .fetch_optional(&mut *connection)
        .await?;
    let rows: Vec<PostRow> = rows.into_iter().collect();
    photos(connection, &rows).await?;
    Ok(rows.len())
}

async fn photos(connection: &mut MySqlConnection, posts: &[PostRow]) -> anyhow::Result<()> {
    let [select, order] = PHOTOS;
    let mut query = QueryBuilder::<MySql>::new(select);
    let mut list = query.separated(", ");
    for post in posts {
        list.push_bind(post.0);
    }
    query.push(order);
    let rows: Vec<PhotoRow> = query.build_query_as().fetch_all(connection).await?;
    ensure!(
        rows.len() >= posts.len(),
        "{} photos of {} posts",
        rows.len(),
        posts.len()
    );
    Ok(())
}

fn is_deadlock(error: &anyhow::Error) -> bool {
    let error = error
        .downcast_ref::<sqlx::Error>()
        .and_then(sqlx::Error::as_database_error);
    error
        .and_then(|error| error.code())
        .is_some_and(|state| state == "40001")
}
