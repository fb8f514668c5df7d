//! Demo data for the API at `BASE_URL`: members who follow each other, posts with photos drawn here, likes, comments and
//! messages. Run again, it makes what is missing and nothing twice.

mod canvas;
mod client;
mod dice;
mod people;
mod photo;
mod play;
mod progress;
mod script;
mod target;
mod words;

use people::PEOPLE;
use script::Script;
use std::process::ExitCode;
use target::{ANYWHERE, Target};

const SEED: u64 = 1;
const BAD_INPUT: u8 = 2;
const USAGE: &str = "\
usage: BASE_URL=http://127.0.0.1:8080 seed [--beyond-this-network]

  --beyond-this-network  seed what is neither on this machine nor on a private network, too

environment:
  BASE_URL       where the API answers
  SEED_PASSWORD  the demo members' password; needed where others than this machine reach BASE_URL";

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let may_go_anywhere = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        [ANYWHERE] => true,
        _ => {
            eprintln!("unknown arguments `{}`\n\n{USAGE}", arguments.join(" "));
            return ExitCode::from(BAD_INPUT);
        }
    };
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let base_url = variable("BASE_URL").unwrap_or_default();
    let target = match Target::parse(&base_url, variable("SEED_PASSWORD"), may_go_anywhere) {
        Ok(target) => target,
        Err(error) => {
            eprintln!("error: {error:#}");
            return ExitCode::from(BAD_INPUT);
        }
    };
    let script = Script::new(SEED);
    match play::play(&target, &script).await {
        Ok(()) => {
            println!("{}", summary(&target, &script));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("\nerror: {error:#}\nwhat was made so far stays; run again, it goes on from there");
            ExitCode::FAILURE
        }
    }
}

fn summary(target: &Target, script: &Script) -> String {
    let amounts = script.amounts();
    let mut text = format!(
        "{} members, {} follows, {} posts with {} photos, {} likes, {} comments and {} messages are at {}",
        PEOPLE.len(),
        script.follows.len(),
        script.posts.len(),
        amounts.photos,
        amounts.likes,
        amounts.comments,
        amounts.messages,
        target.base_url
    );
    if target.is_this_machine {
        let first = PEOPLE[0].nickname;
        text.push_str(&format!(
            "\nsign in as `{first}` with the password `{}`",
            target.password
        ));
    }
    text
}
