//! What was measured, and how it is said: medians and spread, each as a ratio against HAProxy in the same run.

use crate::load::Answered;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

const PEER: &str = "HAProxy";
const PROXIES: [&str; 3] = ["router", "nginx", PEER];

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cell {
    /// How large the answers are.
    pub answers: &'static str,
    pub connections: usize,
    pub proxy: &'static str,
}

#[derive(Debug, Clone, Copy)]
struct Run {
    per_second: f64,
    cpu_per_10k: f64,
    p99_ms: f64,
}

#[derive(Debug, Default)]
pub struct Figures {
    runs: BTreeMap<Cell, Vec<Run>>,
    memory: Vec<(&'static str, String, u64)>,
}

impl Figures {
    pub fn note(&mut self, cell: Cell, answered: &Answered, cpu: Duration) {
        let mut took_us = answered.took_us.clone();
        took_us.sort_unstable();
        let requests = took_us.len();
        let p99 = took_us.get((requests * 99).div_ceil(100).saturating_sub(1));
        self.runs.entry(cell).or_default().push(Run {
            per_second: requests as f64 / answered.within.as_secs_f64(),
            cpu_per_10k: cpu.as_secs_f64() * 10_000.0 / requests.max(1) as f64,
            p99_ms: p99.map_or(f64::NAN, |us| f64::from(*us) / 1_000.0),
        });
    }

    pub fn note_memory(&mut self, proxy: &'static str, version: String, bytes: u64) {
        self.memory.push((proxy, version, bytes));
    }

    /// One object: `text` for people, the rest for programs.
    pub fn to_json(&self) -> Value {
        let cells = self.runs.iter().map(|(cell, runs)| {
            let of = |pick: fn(&Run) -> f64| runs.iter().map(pick).collect::<Vec<_>>();
            json!({
                "answers": cell.answers, "connections": cell.connections, "proxy": cell.proxy,
                "requests_per_second": of(|run| run.per_second),
                "cpu_seconds_per_10k": of(|run| run.cpu_per_10k),
                "p99_ms": of(|run| run.p99_ms),
            })
        });
        let memory = self
            .memory
            .iter()
            .map(|(proxy, version, bytes)| json!({ "proxy": proxy, "version": version, "private_bytes": bytes }));
        json!({ "text": self.text(), "cells": cells.collect::<Vec<_>>(), "memory": memory.collect::<Vec<_>>() })
    }

    fn text(&self) -> String {
        let mut text = format!(
            "{:>5} {:>5}  {:8} {:>10} {:>14} {:>7}  {:>10} {:>7}  {:>9}\n",
            "size", "conns", "", "requests/s", "(least–most)", "ratio", "CPU s/10k", "ratio", "p99 ms"
        );
        let mut groups: Vec<(&str, usize)> = self.runs.keys().map(|cell| (cell.answers, cell.connections)).collect();
        groups.dedup();
        groups.sort_by_key(|(answers, connections)| (*answers != "small", *connections));
        groups.dedup();
        for (answers, connections) in groups {
            for proxy in PROXIES {
                let cell = Cell {
                    answers,
                    connections,
                    proxy,
                };
                // Writing to a String cannot fail.
                let _ = self.line(&mut text, cell);
            }
        }
        for (proxy, version, bytes) in &self.memory {
            let _ = writeln!(
                text,
                "{proxy} {version}: {:.1} MB of its own after the load",
                *bytes as f64 / 1e6
            );
        }
        text
    }

    fn line(&self, text: &mut String, cell: Cell) -> std::fmt::Result {
        let (Some(own), Some(peer)) = (self.runs.get(&cell), self.runs.get(&Cell { proxy: PEER, ..cell })) else {
            return Ok(());
        };
        let rates: Vec<f64> = own.iter().map(|run| run.per_second).collect();
        // Of each run against the peer's in the same turn: drift falls out.
        let ratio = |pick: fn(&Run) -> f64| median(own.iter().zip(peer).map(|(own, peer)| pick(own) / pick(peer)));
        let (least, most) = (
            rates.iter().copied().fold(f64::MAX, f64::min),
            rates.iter().copied().fold(0.0, f64::max),
        );
        writeln!(
            text,
            "{:>5} {:>5}  {:8} {:>10.0} {:>14} {:>6.2}×  {:>10.3} {:>6.2}×  {:>9.2}",
            cell.answers,
            cell.connections,
            cell.proxy,
            median(rates.iter().copied()),
            format!("{least:.0}–{most:.0}"),
            ratio(|run| run.per_second),
            median(own.iter().map(|run| run.cpu_per_10k)),
            ratio(|run| run.cpu_per_10k),
            median(own.iter().map(|run| run.p99_ms)),
        )
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
