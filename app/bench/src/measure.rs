//! The story: fill, compare what both sides do, warm up, then measure in turns.

use crate::actors::{self, Actor};
use crate::api::{ApiClient, Connection};
use crate::counts;
use crate::figures::{Figures, Line};
use crate::kind::Kind;
use crate::load::{Client, Run, Seat, Work, run};
use crate::sql::{self, SqlClient};
use crate::world::{self, World};
use anyhow::ensure;
use std::time::{Duration, Instant};

/// As many as the API has connections to its database, unless it is told otherwise; and so many connections on the side
/// without the API.
pub const CLIENTS: usize = 10;
const ROUNDS: usize = 5;
const WARM_UP: Duration = Duration::from_secs(2);
const RUN: Duration = Duration::from_secs(3);
/// Between the likes of the two sides: more than either gives.
const APART: u64 = 50_000;

pub async fn measure(base_url: &str, database_url: &str) -> anyhow::Result<Figures> {
    let mut database = sql::connect(database_url).await?;
    let mut api = Connection::open(base_url).await?;
    let is_filled = world::is_filled(&mut database).await?;
    let mut actors = actors::sign_up(&mut api, CLIENTS).await?;
    if is_filled {
        world::forget(&mut database, &actors).await?;
        eprintln!("the database is as an earlier run filled it");
    } else {
        let since = Instant::now();
        World::new(&actors).fill(&mut database, &actors).await?;
        eprintln!("filled the database in {} s", since.elapsed().as_secs());
        actors = actors::sign_in(&mut api, CLIENTS).await?;
    }
    actors::give_photos(&mut database, &mut actors).await?;
    let (mut with_api, mut without) = seats(base_url, database_url, &actors).await?;
    let mut statements = Vec::new();
    for kind in Kind::ALL {
        statements.push(same_work(&mut api, kind, &mut with_api, &mut without).await?);
    }
    let sizes = world::sizes(&mut database).await?;
    let (lines, version) = rounds(&mut with_api, &mut without).await?;
    let lines = Kind::ALL.into_iter().zip(statements).zip(lines);
    Ok(Figures {
        sizes,
        clients: CLIENTS,
        rounds: ROUNDS,
        run: RUN,
        lines: lines
            .map(|((kind, statements), (api, sql))| Line {
                name: kind.name(),
                statements,
                api,
                sql,
            })
            .collect(),
        version,
    })
}

async fn seats(base_url: &str, database_url: &str, actors: &[Actor]) -> anyhow::Result<(Vec<Seat>, Vec<Seat>)> {
    let (mut with_api, mut without) = (Vec::new(), Vec::new());
    for (actor, first) in actors.iter().zip((0..).step_by(7)) {
        let actor = || actor.clone();
        let connection = Connection::open(base_url).await?;
        let client = ApiClient {
            connection,
            actor: actor(),
        };
        with_api.push(Seat::new(Client::Api(client), first));
        let connection = sql::connect(database_url).await?;
        let client = SqlClient {
            connection,
            actor: actor(),
        };
        without.push(Seat::new(Client::Sql(client), first + APART));
    }
    Ok((with_api, without))
}

/// Both sides take as many statements for one request, or there is nothing to compare.
async fn same_work(
    api: &mut Connection,
    kind: Kind,
    with_api: &mut [Seat],
    without: &mut [Seat],
) -> anyhow::Result<u64> {
    let (Some(with_api), Some(without)) = (with_api.first_mut(), without.first_mut()) else {
        return Ok(0);
    };
    let there = counts::there(api, kind, with_api.ask(Work::Kind(kind))).await?;
    let here = counts::here(without.ask(Work::Kind(kind))).await?;
    ensure!(
        there == here,
        "{}: the API takes {there} statements, and this benchmark {here}\n\
         hint: bring app/bench/src/sql.rs in line with the app",
        kind.name()
    );
    Ok(here)
}

type Sides = (Vec<Run>, Vec<Run>);

async fn rounds(with_api: &mut Vec<Seat>, without: &mut Vec<Seat>) -> anyhow::Result<(Vec<Sides>, Vec<Run>)> {
    let mut lines = vec![Sides::default(); Kind::ALL.len()];
    let mut version = Vec::new();
    for kind in Kind::ALL {
        run(with_api, Work::Kind(kind), WARM_UP).await?;
        run(without, Work::Kind(kind), WARM_UP).await?;
    }
    for round in 1..=ROUNDS {
        eprintln!("round {round} of {ROUNDS}");
        for (kind, (api, sql)) in Kind::ALL.into_iter().zip(&mut lines) {
            api.push(run(with_api, Work::Kind(kind), RUN).await?);
            sql.push(run(without, Work::Kind(kind), RUN).await?);
        }
        version.push(run(with_api, Work::Version, RUN).await?);
    }
    Ok((lines, version))
}
