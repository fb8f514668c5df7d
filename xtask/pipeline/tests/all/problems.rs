//! Every mistake is reported, all at once, each where it is.

use crate::expect::expect_file;

/// A pipeline without a mistake, to add one to.
const SOUND: &str = "version: 1\napp: shop\ntest: { command: [\"true\"] }\n";

/// What is wrong with a text: `line:column message; expected`.
fn problems(text: &str, profile: &str) -> Vec<String> {
    match pipeline::load("pipeline.yaml", text, profile) {
        Ok(_) => Vec::new(),
        Err(problems) => {
            assert!(!problems.is_empty(), "refused without a reason");
            let shown = |p: &pipeline::Problem| format!("{}:{} {}; {}", p.line, p.column, p.message, p.expected);
            problems.problems().iter().map(shown).collect()
        }
    }
}

/// The sound pipeline with these lines before it has exactly these problems, each at its `«` in the lines.
#[track_caller]
fn check(profile: &str, lines: &str, expected: &[&str]) {
    assert_eq!(problems(SOUND, "local"), Vec::<String>::new());
    let mut places = Vec::new();
    for (number, line) in lines.lines().enumerate() {
        let marks = line.chars().enumerate().filter(|(_, c)| *c == '«');
        places.extend(
            marks
                .enumerate()
                .map(|(marks, (column, _))| format!("{}:{}", number + 1, column - marks + 1)),
        );
    }
    assert_eq!(places.len(), expected.len(), "a place for each problem in\n{lines}");
    let expected: Vec<String> = places
        .iter()
        .zip(expected)
        .map(|(place, problem)| format!("{place} {problem}"))
        .collect();
    // A test that says more about `test` says all about it.
    let sound = SOUND
        .lines()
        .filter(|line| !(lines.contains("test: ") && line.starts_with("test:")));
    let text = format!("{}\n{}\n", lines.replace('«', ""), sound.collect::<Vec<_>>().join("\n"));
    assert_eq!(problems(&text, profile), expected, "in\n{text}");
}

#[test]
fn seven_different_mistakes_are_reported_in_one_go() {
    let text = include_str!("golden/seven.yaml");
    let problems = pipeline::load("pipeline.yaml", text, "local").unwrap_err();
    let places: Vec<_> = problems
        .problems()
        .iter()
        .map(|problem| (problem.line, problem.column))
        .collect();
    assert_eq!(places, [(5, 3), (8, 9), (15, 3), (22, 17), (27, 11), (31, 21), (35, 8)]);
    expect_file("seven.txt", &format!("{problems}\n"));
}

#[test]
fn a_program_gets_the_same_problems_as_data() {
    let problems = pipeline::load("pipeline.yaml", "version: 1\napp: shop\nsuorce: {}\n", "local").unwrap_err();
    let first = serde_json::to_value(problems.problems().last()).unwrap();
    assert_eq!((&first["line"], &first["column"]), (&3.into(), &1.into()));
    assert_eq!(
        (&first["message"], &first["help"]),
        (&"unknown key `suorce`".into(), &"did you mean `source`?".into())
    );
}

#[test]
fn what_must_be_given_is_asked_for() {
    assert_eq!(
        problems("{}", "local"),
        [
            "1:1 missing key `version`; expected `version: 1`",
            "1:1 missing key `app`; expected the app's name",
            "1:1 missing key `test.command`; expected the command that runs the tests",
        ]
    );
    assert_eq!(
        problems("version: 1\napp: shop\ntest:\n  command: 5\n", "local"),
        ["4:12 bad value for `command`; expected a list of 1 to 100 items, found the number 5"],
        "what is there but bad is not missing as well"
    );
}

#[test]
fn programs_have_a_command_and_benchmarks_a_name_that_is_free() {
    let text = format!("{SOUND}\nseed: {{ timeout: 1m }}\nbench: {{ image: {{ command: [x] }}, api: {{}} }}\n");
    let said: Vec<String> = problems(&text, "local")
        .into_iter()
        .filter_map(|problem| problem.split_once(' ').map(|(_, said)| said.to_owned()))
        .collect();
    assert_eq!(
        said,
        [
            "missing key `seed.command`; expected a program and its arguments",
            "`image` is a benchmark of the tool itself; expected another name",
            "missing key `bench.api.command`; expected a program and its arguments",
        ]
    );
}

#[test]
fn a_file_for_a_later_tool_is_refused_by_its_version() {
    let text = SOUND.replace("version: 1", "version: 2");
    assert_eq!(
        problems(&text, "local"),
        ["1:10 bad value for `version`; expected 1, the only version this tool reads, found the number 2"]
    );
}

#[test]
fn values_of_the_wrong_type_are_named_with_what_was_expected() {
    let cases = [
        (
            "source: «[main]",
            "`source` is not a mapping; expected keys and their values, found a list",
        ),
        (
            "«source:",
            "`source` is not a mapping; expected keys and their values, found nothing",
        ),
        (
            "source: { require_clean: «yes }",
            "bad value for `require_clean`; expected `true` or `false`, found `yes`",
        ),
        (
            "env: { clear: «[A] }",
            "`clear` is not a mapping; expected names and their values, found a list",
        ),
        (
            "env: { clear: { RATE: «1.10 } }",
            "bad value for `RATE`; expected text (at most 32768 characters), found the number 1.1",
        ),
        (
            "build: { builder: «dokcer }",
            "bad value for `builder`; expected one of `auto`, `native`, `docker`, found `dokcer`",
        ),
        (
            "env: { secret: [A, «B: c] }",
            "bad value for `secret`; expected a secret's name (upper-case letters, digits and underscores, at most 80), and `@` with its version if it is not the first, found a mapping",
        ),
    ];
    for (lines, expected) in cases {
        check("local", lines, &[expected]);
    }
}

#[test]
fn values_out_of_range_are_named_with_the_range() {
    let time = "bad value for `interval`; expected a time from 100ms to 1m (such as `10s`, `1m30s`, `24h`), found";
    let share = "bad value for `max_error_rate`; expected a weight (0% to 100%, at most one decimal), found";
    let judge =
        |rate: &str| format!("environments: {{ staging: {{ canary: {{ judge: {{ max_error_rate: «{rate} }} }} }} }}");
    let path = "bad value for `dir`; expected a path within the project (relative, without `..`), found";
    let port = "bad value for `port`; expected a whole number from 1 to 65535, found the number";
    let cases = [
        ("build: { port: «0 }".to_owned(), format!("{port} 0")),
        ("build: { port: «-1 }".to_owned(), format!("{port} -1")),
        ("health: { interval: «10m }".to_owned(), format!("{time} `10m`")),
        ("health: { interval: «10 }".to_owned(), format!("{time} the number 10")),
        ("health: { interval: «soon }".to_owned(), format!("{time} `soon`")),
        (judge("101%"), format!("{share} `101%`")),
        (judge("1"), format!("{share} the number 1")),
        ("frontend: { dir: «/srv/web }".to_owned(), format!("{path} `/srv/web`")),
        (
            "frontend: { dir: «a/../../b }".to_owned(),
            format!("{path} `a/../../b`"),
        ),
    ];
    for (lines, expected) in cases {
        check("local", &lines, &[&expected]);
    }
}

#[test]
fn empty_lists_are_refused() {
    let expected = "bad value for `hosts`; expected a list of 1 to 100 items, found an empty one";
    check(
        "local",
        "environments: { staging: { target: { hosts: «[] } } }",
        &[expected],
    );
}

#[test]
fn a_key_given_twice_is_reported_where_it_is_again() {
    check(
        "local",
        "source:\n  branch: a\n  «branch: b",
        &["`branch` is given twice; the first one is in line 2"],
    );
    check(
        "local",
        "env: { clear: { A: x, B: y, «A: z } }",
        &["`A` is given twice; the first one is in line 1"],
    );
}

#[test]
fn help_says_what_to_type() {
    let help = |added: &str| {
        let problems = pipeline::load("pipeline.yaml", &format!("{SOUND}{added}\n"), "local").unwrap_err();
        problems.problems()[0].help.clone().unwrap_or_default()
    };
    assert_eq!(
        help("env: { clear: { PORT: 80 } }"),
        "put it in quotes, so that it is text"
    );
    assert_eq!(help("build: { port: \"80\" }"), "remove the quotes");
    assert_eq!(help("build: { builder: dokcer }"), "did you mean `docker`?");
    let approvers = |name: &str| {
        help(&format!(
            "environments: {{ production: {{ approval: {{ approvers: [{name}] }} }} }}"
        ))
    };
    assert_eq!(approvers("gihub:mina"), "did you mean `github:mina`?");
    assert_eq!(approvers("\"@mina-kim\""), "did you mean `github:mina-kim`?");
    assert_eq!(help("enviroments: {}"), "did you mean `environments`?");
    assert_eq!(help("ground:"), "remove the line, or write `{}`");
    assert_eq!(help("notify: []"), "", "nothing that is near");
}

#[test]
fn a_smoke_check_asks_and_expects_what_there_is() {
    let check_one = |smoke: &str, expected: &[&str]| {
        check(
            "local",
            &format!("environments: {{ staging: {{ smoke: [{smoke}] }} }}"),
            expected,
        );
    };
    check_one(
        "{ path: /, method: «get }",
        &[
            "bad value for `method`; expected one of `GET`, `HEAD`, `OPTIONS`, `POST`, `PUT`, `PATCH`, `DELETE`, found `get`",
        ],
    );
    check_one(
        "{ path: /, pointer: «release }",
        &["bad value for `pointer`; expected a JSON pointer (such as `/items/0/name`), found `release`"],
    );
    check_one(
        "{ path: /, equals: «yes please }",
        &["`equals` without `pointer`; expected where in the answer it stands"],
    );
}

#[test]
fn a_load_check_is_bounded_and_stays_away_from_users() {
    let staging = |load: &str| format!("environments: {{ staging: {{ load: {load} }} }}");
    let rate = "bad value for `rps`; expected a whole number from 1 to 1000, found the number";
    let time = |key: &str, range: &str, found: &str| {
        format!("bad value for `{key}`; expected a time from {range} (such as `10s`, `1m30s`, `24h`), found `{found}`")
    };
    let path = "bad value for `paths`; expected a path that starts with `/`, found `version`";
    for (load, expected) in [
        ("{ paths: [/], rps: «0 }", format!("{rate} 0")),
        ("{ paths: [/], rps: «1001 }", format!("{rate} 1001")),
        (
            "{ paths: [/], duration: «999ms }",
            time("duration", "1s to 5m", "999ms"),
        ),
        ("{ paths: [/], duration: «6m }", time("duration", "1s to 5m", "6m")),
        ("{ paths: [/], p99: «6s }", time("p99", "1ms to 5s", "6s")),
        ("{ paths: [«version] }", path.to_owned()),
    ] {
        check("local", &staging(load), &[&expected]);
    }
    check(
        "local",
        "environments: { staging: { «load: { rps: 5 } } }",
        &["missing key `environments.staging.load.paths`; expected what to ask for"],
    );
    check(
        "local",
        "environments: { production: { «load: { paths: [/] } } }",
        &["`load` in production, where it would be load on users; expected it in `environments.staging`"],
    );
}

#[test]
fn a_freeze_names_a_span_and_a_zone_that_there_are() {
    let expected = "expected a span of every week or of days, and its time zone (such as `Fri 18:00 – Mon 09:00 Asia/Seoul` or \
                    `2026-12-24 18:00 – 2026-12-27 09:00 Asia/Seoul`)";
    for freeze in ["Fri 18:00 – Mon 09:00", "Fri 18:00 – Mon 09:00 Asia/Soul", "weekends"] {
        let lines = format!("environments: {{ production: {{ freeze: [«{freeze}] }} }}");
        check(
            "local",
            &lines,
            &[&format!("bad value for `freeze`; {expected}, found `{freeze}`")],
        );
    }
}

#[test]
fn canary_weights_rise_to_the_whole() {
    let steps = |steps: &str| format!("environments: {{ production: {{ canary: {{ steps: [{steps}] }} }} }}");
    let rise = "the canary's weights do not rise; expected more than";
    let last = "the canary's last weight is not 100%; expected `100%`, found";
    let falling = steps("{weight: 50%, bake: 1s}, {weight: «25%, bake: 1s}, {weight: 100%}");
    check("local", &falling, &[&format!("{rise} 50%, found `25%`")]);
    check(
        "local",
        &steps("{weight: «0%, bake: 1s}, {weight: 100%}"),
        &[&format!("{rise} 0%, found `0%`")],
    );
    check("local", &steps("{weight: «50%, bake: 1s}"), &[&format!("{last} `50%`")]);
    check(
        "local",
        &steps("«{weight: 5%}, {weight: 100%}"),
        &["missing key `environments.production.canary.steps.bake`; expected how long this share is watched"],
    );
    // Only what it is, not also what it would make of the canary.
    let lots = "bad value for `weight`; expected a weight (0% to 100%, at most one decimal), found `lots`";
    check("local", &steps("{weight: «lots, bake: 1s}"), &[lots]);
}

#[test]
fn a_host_belongs_to_one_environment() {
    let lines = "environments:\n  staging: { target: { hosts: [a] } }\n  production: { target: { hosts: [b, «a] } }";
    check(
        "local",
        lines,
        &["host `a` is named twice; the first one is in line 2, column 32"],
    );
}

#[test]
fn targets_of_later_versions_are_known_but_refused() {
    let fleet = "`fleet` is not supported yet by this version; expected `hosts`, a list of host names";
    check(
        "local",
        "environments: { production: { target: { «fleet: { group: web } } } }",
        &[fleet],
    );
    let both = "`target` holds 2 keys; expected exactly one of `hosts`, `fleet`, `ecs`";
    check(
        "local",
        "environments: { production: { «target: { hosts: [a], ecs: {} } } }",
        &[both],
    );
}

#[test]
fn a_choice_in_a_profile_replaces_the_one_it_is_laid_over() {
    let lines = "channel: { directory: /srv }\nprofiles: { local: { channel: { s3: { bucket: b, region: r } } } }\n";
    let model = pipeline::load("pipeline.yaml", &format!("{SOUND}{lines}"), "local").unwrap();
    assert!(matches!(model.channel, pipeline::model::Place::S3 { prefix, .. } if prefix == "shop"));
}

#[test]
fn a_service_password_that_the_app_is_not_given_is_refused() {
    let service = "image: i, port: 1, database: d, username: u, password: «DB_PASSWORD, health: { command: [ok] }";
    let lines = format!("test: {{ command: [ok], services: {{ db: {{ {service} }} }} }}");
    let message = "the app is not given `DB_PASSWORD`, the password of `db`, in";
    let expected = "expected a name listed in `env.secret`";
    check(
        "local",
        &lines,
        &[&format!("{message} test, staging, production; {expected}")],
    );
    check(
        "local",
        &format!("{}\nenv: {{ secret: [DB_PASSWORD] }}", lines.replace('«', "")),
        &[],
    );
    let only_staging = format!("{lines}\nenvironments: {{ staging: {{ env: {{ secret: [DB_PASSWORD] }} }} }}");
    check(
        "local",
        &only_staging,
        &[&format!("{message} test, production; {expected}")],
    );
}

#[test]
fn a_service_is_described_wholly() {
    check(
        "local",
        "test: { command: [ok], services: { «««db: { image: i, port: 1, «health: {} } } }",
        &[
            "missing key `test.services.db.database`; expected the database to make",
            "missing key `test.services.db.username`; expected who may use the database",
            "missing key `test.services.db.password`; expected the secret that holds the password",
            "missing key `test.services.db.health.command`; expected a command that succeeds once it is healthy",
        ],
    );
}

#[test]
fn a_variable_has_one_source() {
    check(
        "local",
        "env:\n  clear: { A: x, «RELEASE_ID: y }\n  secret: [«A, B, «B]",
        &[
            "`RELEASE_ID` is set by the host; expected another name",
            "`A` is both clear and secret; expected it in one of both; it is clear in line 2",
            "secret `B` is listed twice; the first one is in line 3",
        ],
    );
}

#[test]
fn a_gate_that_nothing_can_pass_is_refused() {
    let expected = "expected more than 540000ms: 10 passes, one every 60000ms";
    check(
        "local",
        "health: { interval: 1m, passes: 10, deadline: «5m }",
        &[&format!("no version can become ready before this deadline; {expected}")],
    );
}

#[test]
fn ports_of_the_ground_differ() {
    let expected = "port 8000 is given twice; the first one is in line 1, column 17";
    check("local", "ground: { site: 8000, staging: «8000 }", &[expected]);
}

#[test]
fn an_unknown_profile_is_answered_with_those_there_are() {
    check(
        "asw",
        "«profiles: { aws: {} }",
        &["there is no profile `asw`; expected one of `local`, `aws`"],
    );
    check("aws", "«", &["there is no profile `aws`; expected one of `local`"]);
}

#[test]
fn a_mistake_in_a_profile_that_is_not_asked_for_is_reported_too() {
    let expected = "unknown key `regsitry`; expected one of `source`, `build`, `registry`, `channel`, `store`, `env`, `health`, \
                    `migrate`, `drain`, `replicas`, `memory_mb`, `cpus`, `test`, `environments`, `frontend`, `storage`, `seed`, `bench`, `hooks`, `retry`, `notify`, `ground`";
    check("local", "profiles: { aws: { «regsitry: {} } }", &[expected]);
}

#[test]
fn cpus_are_a_bounded_number_with_few_decimals() {
    for bad in ["0", "0.05", "64.5", "-1", "1.0625", "1e9"] {
        let found = if bad == "1e9" { "1000000000" } else { bad };
        let expected = format!(
            "bad value for `cpus`; expected a number of CPUs (0.1 to 64, at most three decimals), found the number {found}"
        );
        check("local", &format!("cpus: «{bad}"), &[&expected]);
    }
    let expected = "bad value for `cpus`; expected a number of CPUs (0.1 to 64, at most three decimals), found `half`";
    check("local", "cpus: «half", &[expected]);
}

#[test]
fn a_secret_may_name_its_version_and_is_listed_once_all_the_same() {
    check(
        "local",
        "env: { secret: [KEY, «KEY@2] }",
        &["secret `KEY` is listed twice; the first one is in line 1"],
    );
    let expected = "bad value for `secret`; expected a secret's name (upper-case letters, digits and underscores, at most 80), and `@` with its version if \
                    it is not the first, found `KEY@0`";
    check("local", "env: { secret: [«KEY@0] }", &[expected]);
}

#[test]
fn a_host_runs_one_to_eight_containers() {
    for bad in ["0", "9", "1.5", "-1", "many"] {
        let found = if bad == "many" {
            "`many`".to_owned()
        } else {
            format!("the number {bad}")
        };
        let expected = format!("bad value for `replicas`; expected a number of containers, 1 to 8, found {found}");
        check("local", &format!("replicas: «{bad}"), &[&expected]);
    }
}

#[test]
fn a_bucket_has_a_name_that_s3_takes() {
    for name in ["Media", "me", "-media", "media_files"] {
        let expected = format!(
            "`{name}` cannot be a bucket's name; expected 3 to 40 lower-case letters, digits and inner hyphens"
        );
        check("local", &format!("storage: {{ bucket: «{name} }}"), &[&expected]);
    }
}

#[test]
fn without_the_ground_everything_real_must_be_named() {
    let because = "because only the local ground has";
    check(
        "aws",
        "profiles:\n  ««««aws: { «frontend: { dir: web } }",
        &[
            &format!("missing key `registry.repository`; expected a repository, {because} a registry of its own"),
            "missing key `channel`; expected a `directory` or `s3`, because hosts of their own must reach it",
            &format!("missing key `environments.staging.target`; expected `hosts`, {because} hosts of its own"),
            &format!("missing key `environments.production.target`; expected `hosts`, {because} hosts of its own"),
            &format!("missing key `frontend.bucket`; expected a bucket, {because} one of its own"),
        ],
    );
}

#[test]
fn a_stage_is_tried_again_a_few_times_and_production_never() {
    check(
        "local",
        "test: { command: [make] }\nretry:\n  test: { times: «9, pause: «1h }\n  «production: { times: 1 }\n",
        &[
            "bad value for `times`; expected a whole number from 1 to 5, found the number 9",
            "bad value for `pause`; expected a time from 1s to 10m (such as `10s`, `1m30s`, `24h`), found `1h`",
            "unknown key `production`; expected one of `build`, `test`, `staging`",
        ],
    );
}

#[test]
fn a_hook_stands_at_one_side_of_one_stage_and_whoever_is_told_has_a_name_not_an_address() {
    check(
        "local",
        "hooks:\n  - «{ command: [make] }\n  - «{ before: build, after: build, command: [make] }\n  - { after: «lunch, command: [make] }\n  - «{ after: bake }\n",
        &[
            "a hook is run before a stage or after one; expected `before` or `after`, and one of them",
            "a hook is run before a stage or after one; expected `before` or `after`, and one of them",
            "bad value for `after`; expected one of `source`, `build`, `test`, `staging`, `approval`, `production`, `frontend`, `bake`, found `lunch`",
            "missing key `hooks.command`; expected a program and its arguments",
        ],
    );
    let problems = problems(
        &format!("{SOUND}notify: [{{ webhook: \"https://hooks.example/T0/B0\" }}]\n"),
        "local",
    );
    assert!(problems[0].contains("expected an environment variable"), "{problems:?}");
}

#[test]
fn an_approver_is_an_account_or_somebody_that_github_or_aws_knows() {
    let expected = "an account's name, or `github:` or `aws:` and the name there, without spaces";
    check(
        "local",
        "environments: { production: { approval: { approvers: [mina, github:mina-kim, \"aws:codepipeline/shop\", «gitlab:mina, \
         «mina kim, «\"github:\", «7] } } }",
        &[
            &format!("bad value for `approvers`; expected {expected}, found `gitlab:mina`"),
            &format!("bad value for `approvers`; expected {expected}, found `mina kim`"),
            &format!("bad value for `approvers`; expected {expected}, found `github:`"),
            &format!("bad value for `approvers`; expected {expected}, found the number 7"),
        ],
    );
    let longest = "x".repeat(64);
    let with =
        |name: &str| format!("{SOUND}environments: {{ production: {{ approval: {{ approvers: [{name}] }} }} }}\n");
    assert_eq!(problems(&with(&longest), "local"), Vec::<String>::new());
    assert_eq!(problems(&with(&format!("{longest}x")), "local").len(), 1);
}
