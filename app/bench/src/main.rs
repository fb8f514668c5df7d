//! How fast the API at `BASE_URL` is beside the SQL it runs, sent straight to its database at `DATABASE_URL` by a loop, and
//! beside `/version`, which does nothing. All three are measured in turns by as many clients, because machines' speed drifts.

mod actors;
mod api;
mod counts;
mod figures;
mod kind;
mod load;
mod measure;
mod sql;
mod statements;
mod world;

use std::process::ExitCode;

const BAD_INPUT: u8 = 2;
const USAGE: &str = "\
usage: BASE_URL=http://127.0.0.1:8080 DATABASE_URL=mysql://USER:PASSWORD@HOST:PORT/DATABASE bench [--json]

Fills an empty database, then measures. A database that holds anything else is left alone.";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let as_json = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--json"] => true,
        _ => {
            eprintln!("unknown arguments `{}`\n\n{USAGE}", arguments.join(" "));
            return ExitCode::from(BAD_INPUT);
        }
    };
    counts::listen();
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let (Some(base_url), Some(database_url)) = (variable("BASE_URL"), variable("DATABASE_URL")) else {
        eprintln!("BASE_URL and DATABASE_URL must both be set\n\n{USAGE}");
        return ExitCode::from(BAD_INPUT);
    };
    match measure::measure(&base_url, &database_url).await {
        Ok(figures) if as_json => println!("{}", figures.json()),
        Ok(figures) => println!("{}", figures.text()),
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
