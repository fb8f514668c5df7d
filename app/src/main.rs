//! The API server, and what it needs around it: `serve` (the default), `healthcheck`, `migrate`, `sweep` and `openapi`.

mod address;
mod app;
mod attempts;
mod author;
mod body;
mod comments;
mod config;
mod database;
mod follows;
mod handshake;
mod healthcheck;
mod hs512;
mod idempotency;
mod interface;
mod jobs;
mod keys;
mod language;
mod late;
mod likes;
mod log;
mod mail;
mod media;
mod members;
mod messages;
mod metrics;
mod migrations;
mod names;
mod operations;
mod page;
mod password;
mod path;
mod posts;
mod problem;
mod prose;
mod queries;
mod refresh;
mod request;
mod s3;
mod server;
mod sessions;
mod sweep;
mod token;
mod welcome;

use config::Config;
use std::process::ExitCode;

const USAGE: &str = "\
usage: instagram [serve | healthcheck | migrate | sweep | openapi]

  serve        answer HTTP on LISTEN (the default)
  healthcheck  ask the server on this machine whether it is alive
  migrate      bring the database to the schema this binary needs
  sweep        throw away what has expired and what nobody uses, as `serve` does by itself every ten minutes
  openapi      print the document of the interface

environment:
  LISTEN          address and port (default 0.0.0.0:8080)
  DB_URL          mysql://HOST[:PORT]/DATABASE, with DB_USERNAME and DB_PASSWORD
  DATABASE_URL    mysql://USER:PASSWORD@HOST[:PORT]/DATABASE, instead of those three
  DB_SSL_MODE     disabled, preferred, required, verify-ca or verify-identity (default: verify-identity; preferred for
                  loopback and private addresses and for names of one label, as containers have them)
  DB_SSL_CA       the path of a PEM file, or its text, with the authorities that may sign the database's certificate,
                  beside the public ones
  JWT_KEY         at least 32 bytes, the same on every host; or several ID:KEY with commas between, the first signs
  DB_POOL_MAX     most connections to the database (default 10)
  PUBLIC_PROXIES  how many proxies with public addresses, such as a CDN, are in front (default 0)
  S3_ENDPOINT     http(s)://HOST[:PORT] of a store for photos, with S3_BUCKET, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY,
                  and, where they differ, S3_REGION (default us-east-1) and S3_PUBLIC_ENDPOINT, as clients reach it
  MAIL_FROM       the address that mail comes from (default no-reply@instagram.example)
  MAIL_DIR        a folder that takes the mail, the same for every process; or
  MAIL_SMTP       HOST:PORT of the server that takes the mail; with neither it is kept in the database
  MAIL_TLS        `starttls` (the default) or `off`
  MAIL_USERNAME   and MAIL_PASSWORD, where the server wants them
  RUST_LOG        what to log (default info)";

const BAD_INPUT: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] | ["serve"] => configured(Config::for_serve(&config::environment), server::serve),
        ["sweep"] => configured(Config::for_serve(&config::environment), sweep::sweep),
        ["migrate"] => configured(Config::for_migrate(&config::environment), migrations::migrate),
        ["healthcheck"] => healthcheck::run(config::environment("LISTEN")),
        ["openapi"] => match interface::json() {
            Ok(document) => {
                print!("{document}");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("error: the document cannot be written: {error}");
                ExitCode::FAILURE
            }
        },
        ["--help" | "-h" | "help"] => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("unknown arguments `{}`\n\n{USAGE}", arguments.join(" "));
            ExitCode::from(BAD_INPUT)
        }
    }
}

/// Runs `command` once everything it reads from the environment is right.
fn configured<C, F>(config: Result<C, config::Problems>, command: impl FnOnce(C) -> F) -> ExitCode
where
    F: Future<Output = anyhow::Result<()>>,
{
    let config = match config {
        Ok(config) => config,
        Err(problems) => {
            eprintln!("{problems}");
            return ExitCode::from(BAD_INPUT);
        }
    };
    let outcome = tokio::runtime::Runtime::new()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(command(config)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
