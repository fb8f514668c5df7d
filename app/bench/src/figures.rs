//! What was found, for people and for programs.

use crate::load::Run;
use serde_json::{Value, json};
use std::time::Duration;

#[derive(Debug)]
pub struct Figures {
    /// Members, posts and likes.
    pub sizes: (i64, i64, i64),
    pub clients: usize,
    pub rounds: usize,
    pub run: Duration,
    pub lines: Vec<Line>,
    pub version: Vec<Run>,
}

/// One kind of request, a run a round on each side.
#[derive(Debug)]
pub struct Line {
    pub name: &'static str,
    pub statements: u64,
    pub api: Vec<Run>,
    pub sql: Vec<Run>,
}

/// The middle of some figures, and the least and the greatest of them.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Spread {
    median: f64,
    least: f64,
    most: f64,
}

impl Spread {
    fn of(figures: impl Iterator<Item = f64>) -> Spread {
        let mut figures: Vec<f64> = figures.collect();
        figures.sort_by(f64::total_cmp);
        let at = |at: usize| figures.get(at).copied().unwrap_or_default();
        Spread {
            median: at(figures.len() / 2),
            least: at(0),
            most: at(figures.len().saturating_sub(1)),
        }
    }

    fn text(self, digits: usize) -> String {
        let Spread { median, least, most } = self;
        format!("{median:.digits$} ({least:.digits$}–{most:.digits$})")
    }

    fn json(self) -> Value {
        json!({ "median": self.median, "least": self.least, "most": self.most })
    }
}

fn per_second(runs: &[Run]) -> Spread {
    Spread::of(runs.iter().map(|run| run.per_second))
}

fn p99_ms(runs: &[Run]) -> Spread {
    Spread::of(runs.iter().map(|run| run.p99_ms))
}

impl Line {
    /// Of runs next to each other in time.
    fn ratio(&self) -> Spread {
        let pairs = self.api.iter().zip(&self.sql);
        Spread::of(pairs.map(|(api, sql)| api.per_second / sql.per_second))
    }
}

impl Figures {
    fn floor(&self, line: &Line) -> f64 {
        per_second(&line.api).median / per_second(&self.version).median
    }

    pub fn text(&self) -> String {
        let (members, posts, likes) = self.sizes;
        let mut text = format!(
            "{members} members, {posts} posts, {likes} likes; {} clients, as many database connections on either side; \
             {} rounds of {} s each in turns, median (spread)\n",
            self.clients,
            self.rounds,
            self.run.as_secs()
        );
        let row = |cells: [&str; 8]| {
            let [name, statements, api, api_p99, sql, sql_p99, ratio, floor] = cells;
            let row = format!(
                "{name:<12} {statements:>4}  {api:<19} {api_p99:<17} {sql:<19} {sql_p99:<17} {ratio:<19} {floor}"
            );
            row.trim_end().to_owned() + "\n"
        };
        text.push_str(&row([
            "",
            "SQL",
            "API, requests/s",
            "p99, ms",
            "SQL alone",
            "p99, ms",
            "ratio",
            "of /version",
        ]));
        for line in &self.lines {
            text.push_str(&row([
                line.name,
                &line.statements.to_string(),
                &per_second(&line.api).text(0),
                &p99_ms(&line.api).text(1),
                &per_second(&line.sql).text(0),
                &p99_ms(&line.sql).text(1),
                &format!("{}×", line.ratio().text(2)),
                &format!("{:.2}×", self.floor(line)),
            ]));
        }
        let version = per_second(&self.version).text(0);
        text.push_str(&row([
            "/version",
            "0",
            &version,
            &p99_ms(&self.version).text(1),
            "",
            "",
            "",
            "",
        ]));
        text
    }

    /// `text` is for people, all else for programs.
    pub fn json(&self) -> Value {
        let lines = self.lines.iter().map(|line| {
            json!({
                "name": line.name,
                "statements": line.statements,
                "api_per_second": per_second(&line.api).json(),
                "api_p99_ms": p99_ms(&line.api).json(),
                "sql_per_second": per_second(&line.sql).json(),
                "sql_p99_ms": p99_ms(&line.sql).json(),
                "ratio": line.ratio().json(),
                "of_version": self.floor(line),
            })
        });
        let (members, posts, likes) = self.sizes;
        json!({
            "text": self.text(),
            "members": members,
            "posts": posts,
            "likes": likes,
            "clients": self.clients,
            "requests": lines.collect::<Vec<_>>(),
            "version_per_second": per_second(&self.version).json(),
            "version_p99_ms": p99_ms(&self.version).json(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_the_median_of_those_of_each_round() {
        let runs = |figures: &[f64]| {
            figures
                .iter()
                .map(|per_second| Run {
                    per_second: *per_second,
                    p99_ms: 1.0,
                })
                .collect()
        };
        let line = Line {
            name: "feed",
            statements: 2,
            api: runs(&[80.0, 30.0, 700.0]),
            sql: runs(&[100.0, 100.0, 1_000.0]),
        };
        assert_eq!(
            line.ratio(),
            Spread {
                median: 0.7,
                least: 0.3,
                most: 0.8
            }
        );
        let figures = Figures {
            sizes: (1, 2, 3),
            clients: 10,
            rounds: 3,
            run: Duration::from_secs(3),
            lines: vec![line],
            version: runs(&[160.0, 160.0, 160.0]),
        };
        assert!(figures.text().contains("0.70 (0.30–0.80)×"), "{}", figures.text());
        assert_eq!(figures.json()["requests"][0]["of_version"], 0.5);
    }
}
