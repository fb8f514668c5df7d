//! Whatever the file holds, the answer is a model or problems: never a panic, never a hang.

use crate::expect::root;
use std::fmt::Write as _;
use std::time::{Duration, Instant};

fn load(text: &str) -> Result<pipeline::model::Pipeline, pipeline::Problems> {
    let loaded = pipeline::load("pipeline.yaml", text, "local");
    if let Err(problems) = &loaded {
        assert!(!problems.is_empty(), "refused without a reason");
        assert!(problems.to_string().ends_with("; nothing was touched"));
    }
    loaded
}

/// The one problem of a text that is not YAML, as `line:column expected`.
fn only_problem(text: &str) -> String {
    let problems = load(text).unwrap_err();
    let [problem] = problems.problems() else {
        panic!("{problems}")
    };
    format!("{}:{} {}", problem.line, problem.column, problem.expected)
}

/// xorshift64*: the same mutations on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
    }
}

#[test]
fn thousands_of_damaged_pipelines_are_answered() {
    let sound = std::fs::read(root("pipeline.yaml")).unwrap();
    let mut random = Random(42);
    let (mut refused, mut accepted) = (0, 0);
    for _ in 0..2_000 {
        let mut bytes = sound.clone();
        for _ in 0..=random.below(4) {
            damage(&mut bytes, &mut random);
        }
        match load(&String::from_utf8_lossy(&bytes)) {
            Ok(_) => accepted += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(
        refused > 500 && accepted > 100,
        "{refused} refused, {accepted} accepted: that is no real damage"
    );
}

fn damage(bytes: &mut Vec<u8>, random: &mut Random) {
    const TELLING: &[u8] = b":-#[]{}&*!|>'\"%@`,? \t\n\r\0\xff\xc3<=~0";
    let at = random.below(bytes.len());
    let end = (at + 1 + random.below(40)).min(bytes.len());
    match random.below(6) {
        0 => bytes[at] = TELLING[random.below(TELLING.len())],
        1 => bytes.insert(at, TELLING[random.below(TELLING.len())]),
        2 => bytes[at] = random.below(256) as u8,
        3 => drop(bytes.drain(at..end)),
        4 => {
            let copy = bytes[at..end].to_vec();
            let to = random.below(bytes.len());
            bytes.splice(to..to, copy);
        }
        _ => bytes.truncate(at.max(1)),
    }
}

#[test]
fn what_is_not_yaml_is_one_problem_with_its_place() {
    let nothing = "1:1 expected at least `version`, `app` and `test.command`";
    for (text, expected) in [
        ("app: [shop\nversion: 1\n", "2:8 illegal placement of ':' indicator"),
        ("app: *shop\n", "1:6 reference to unknown value"),
        ("app: \"shop\n", "2:1 invalid indentation in multiline quoted scalar"),
        (
            "app: shop\n---\napp: shop\n",
            "3:1 only single YAML document expected but multiple found",
        ),
        ("app: !include /etc/passwd\n", "1:15 unsupported tag `!include`"),
        ("~: shop\n", "1:1 null is not allowed here"),
        ("[app]: shop\n", "1:1 expected string scalar"),
        ("app: .nan\n", "1:6 value `.nan` is not a finite number"),
        ("", nothing),
        ("# nothing\n", nothing),
        ("shop", "1:1 expected keys and their values, found `shop`"),
    ] {
        assert_eq!(only_problem(text), expected, "{text:?}");
    }
}

#[test]
fn a_bomb_of_aliases_is_refused_at_once() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let below = format!("*a{}", level - 1);
        writeln!(bomb, "a{level}: &a{level} [{}]", vec![below; 10].join(", ")).unwrap();
    }
    let started = Instant::now();
    only_problem(&bomb);
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "took {:?}",
        started.elapsed()
    );
}

#[test]
fn size_depth_and_number_of_nodes_are_bounded() {
    assert_eq!(only_problem(&"# x\n".repeat(70_000)), "1:1 expected at most 262144");
    only_problem(&format!("a: {}{}\n", "[".repeat(100), "]".repeat(100)));
    only_problem(&format!("a: {}\n", "[".repeat(100_000)));
    only_problem(&format!("a: [{}]\n", "1,".repeat(100_000)));
    let nested: String = (0..100).map(|depth| format!("{}a:\n", " ".repeat(depth))).collect();
    only_problem(&nested);
    // Each key is unknown, and each is a problem; only so many are shown.
    let many: String = (0..5_000).map(|number| format!("key{number}: 1\n")).collect();
    let problems = load(&many).unwrap_err();
    assert!(problems.problems().len() > 5_000 && problems.to_string().len() < 100_000);
}

#[test]
fn aliases_and_merge_keys_may_be_used_within_these_bounds() {
    let text =
        "version: 1\napp: shop\ntest: { command: [ok] }\nenvironments:\n  staging: &one { bake: 1s, memory_mb: 64 }\n";
    let model = load(&format!("{text}  production: {{ <<: *one, bake: 2s }}\n")).unwrap();
    assert_eq!(
        (model.production.bake, model.production.memory_mb),
        (Duration::from_secs(2), Some(64))
    );
    assert_eq!(model.staging.bake, Duration::from_secs(1));
}

#[test]
fn line_ends_and_byte_order_marks_shift_no_position() {
    let place = |text: &str| {
        let problems = load(text).unwrap_err();
        problems
            .problems()
            .iter()
            .map(|problem| (problem.line, problem.column))
            .collect::<Vec<_>>()
    };
    let text = "version: 1\napp: shop\ntest: { command: [ok] }\nsource: { brunch: x }\n";
    assert_eq!(place(text), [(4, 11)]);
    assert_eq!(place(&text.replace('\n', "\r\n")), [(4, 11)]);
    assert_eq!(place(&text.replace('\n', "\r")), [(4, 11)]);
    assert_eq!(place(&format!("\u{feff}{text}")), [(4, 11)]);
    let wide = text.replace("brunch: x", "branch: \"é漢\", brunch: x");
    assert_eq!(place(&wide), [(4, 25)], "columns are characters, not bytes");
}
