//! One statement, on whichever connection is free.

use super::Pool;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _};
use sqlx::mysql::{MySqlQueryResult, MySqlRow, MySqlStatement, MySqlTypeInfo};
use sqlx::{Describe, Either, Execute, Executor, MySql, SqlStr};

type Answer = Either<MySqlQueryResult, MySqlRow>;

impl<'p> Executor<'p> for &'_ Pool {
    type Database = MySql;

    /// The connection is back before the first row is seen: no statement here asks for more rows than a page has.
    fn fetch_many<'e, 'q: 'e, E>(self, query: E) -> BoxStream<'e, sqlx::Result<Answer>>
    where
        'p: 'e,
        E: 'q + Execute<'q, MySql>,
    {
        let pool = self.clone();
        let answers = async move {
            let mut connection = pool.acquire().await?;
            let answers: Vec<Answer> = connection.fetch_many(query).try_collect().await?;
            connection.give_back();
            Ok::<_, sqlx::Error>(stream::iter(answers.into_iter().map(Ok)))
        };
        stream::once(answers).try_flatten().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<MySqlRow>>>
    where
        'p: 'e,
        E: 'q + Execute<'q, MySql>,
    {
        let pool = self.clone();
        let row = async move {
            let mut connection = pool.acquire().await?;
            let row = connection.fetch_optional(query).await?;
            connection.give_back();
            Ok(row)
        };
        row.boxed()
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [MySqlTypeInfo],
    ) -> BoxFuture<'e, sqlx::Result<MySqlStatement>>
    where
        'p: 'e,
    {
        let pool = self.clone();
        let statement = async move {
            let mut connection = pool.acquire().await?;
            let statement = connection.prepare_with(sql, parameters).await?;
            connection.give_back();
            Ok(statement)
        };
        statement.boxed()
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, sqlx::Result<Describe<MySql>>>
    where
        'p: 'e,
    {
        let pool = self.clone();
        let description = async move {
            let mut connection = pool.acquire().await?;
            let description = connection.describe(sql).await?;
            connection.give_back();
            Ok(description)
        };
        description.boxed()
    }
}
