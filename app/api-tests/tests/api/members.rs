use crate::client::{Client, phone, sign_up, text, unique, with};
use reqwest::StatusCode;
use serde_json::{Value, json};

#[tokio::test]
async fn a_member_signs_up_and_is_shown_without_the_password() {
    let sign_up = sign_up();
    let member = Client::new()
        .post("/api/members", &sign_up)
        .await
        .expect(StatusCode::CREATED);
    for field in ["email", "real_name", "nickname", "phone"] {
        assert_eq!(member[field], sign_up[field], "{field}");
    }
    assert!(member["id"].is_u64(), "{member}");
    assert!(!member.to_string().contains("correct horse"), "{member}");
    assert!(!member.to_string().contains("argon2"), "{member}");
}

#[tokio::test]
async fn the_telephone_number_is_optional_and_any_number_of_members_have_none() {
    let client = Client::new();
    for absent in [with(&sign_up(), &[("phone", Value::Null)]), {
        let mut null = sign_up();
        null["phone"] = Value::Null;
        null
    }] {
        let member = client.post("/api/members", &absent).await.expect(StatusCode::CREATED);
        assert_eq!(member["phone"], Value::Null);
    }
}

#[tokio::test]
async fn emoji_and_hangul_survive_the_round_trip() {
    let client = Client::new();
    let nickname = unique("홍길동_");
    let sign_up = with(
        &sign_up(),
        &[("real_name", json!("김밥 🍣👩‍👩‍👧‍👦 뷁")), ("nickname", json!(nickname))],
    );
    client.post("/api/members", &sign_up).await.expect(StatusCode::CREATED);
    let session = client
        .sign_in(&nickname, text(&sign_up, "password"))
        .await
        .expect(StatusCode::CREATED);
    let me = client
        .get_as(text(&session, "access_token"), "/api/me")
        .await
        .expect(StatusCode::OK);
    assert_eq!(
        (&me["real_name"], &me["nickname"]),
        (&sign_up["real_name"], &sign_up["nickname"])
    );
}

#[tokio::test]
async fn what_another_member_has_is_taken_and_named() {
    let client = Client::new();
    let first = sign_up();
    client.post("/api/members", &first).await.expect(StatusCode::CREATED);
    for (field, code) in [
        ("email", "TAKEN_EMAIL"),
        ("nickname", "TAKEN_NICKNAME"),
        ("phone", "TAKEN_PHONE"),
    ] {
        let second = with(&sign_up(), &[(field, first[field].clone())]);
        client
            .post("/api/members", &second)
            .await
            .expect_problem(StatusCode::CONFLICT, code, &[field]);
    }
}

#[tokio::test]
async fn letter_case_and_punctuation_make_no_second_member() {
    let client = Client::new();
    let number = phone();
    let first = with(&sign_up(), &[("phone", json!(number))]);
    client.post("/api/members", &first).await.expect(StatusCode::CREATED);
    let punctuated = format!("{}-{} {}", &number[..3], &number[3..7], &number[7..]);
    for (field, same, code) in [
        ("email", text(&first, "email").to_uppercase(), "TAKEN_EMAIL"),
        ("nickname", text(&first, "nickname").to_uppercase(), "TAKEN_NICKNAME"),
        ("phone", punctuated, "TAKEN_PHONE"),
    ] {
        let second = with(&sign_up(), &[(field, json!(same))]);
        client
            .post("/api/members", &second)
            .await
            .expect_problem(StatusCode::CONFLICT, code, &[field]);
    }
}

#[tokio::test]
async fn a_value_that_breaks_its_rule_is_refused_and_its_field_named() {
    let client = Client::new();
    let cases = [
        ("email", json!("not an address")),
        ("email", json!(format!("{}@example.com", "a".repeat(10_000)))),
        ("real_name", json!("   ")),
        ("real_name", json!("nul\0byte")),
        ("nickname", json!("a".repeat(10_000))),
        ("nickname", json!("at@sign")),
        ("nickname", json!("0123456789")),
        ("nickname", json!("nul\0byte")),
        ("nickname", json!("line\nbreak")),
        ("nickname", json!("' OR 1=1 --")),
        ("nickname", json!("../../etc/passwd")),
        ("password", json!("short")),
        ("password", json!("x".repeat(129))),
        ("phone", json!("call me")),
        ("phone", json!("")),
    ];
    for (field, value) in cases {
        let answer = client
            .post("/api/members", &with(&sign_up(), &[(field, value.clone())]))
            .await;
        assert_eq!(answer.status, 422, "{field} = {value}: {}", answer.text);
        answer.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_FIELDS", &[field]);
    }
}

#[tokio::test]
async fn everything_wrong_with_a_form_is_told_at_once() {
    let body = json!({ "email": "x", "real_name": "", "nickname": "1", "password": "short", "phone": "x" });
    let fields = ["email", "real_name", "nickname", "password", "phone"];
    let answer = Client::new().post("/api/members", &body).await;
    answer.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_FIELDS", &fields);
}

#[tokio::test]
async fn missing_unknown_and_mistyped_fields_are_refused_by_name() {
    let client = Client::new();
    for (field, value) in [
        ("email", Value::Null),
        ("real_name", Value::Null),
        ("nickname", Value::Null),
        ("password", Value::Null),
        ("is_admin", json!(true)),
        ("nickname", json!(5)),
        ("email", json!({ "$ne": "" })),
        ("phone", json!(["010"])),
    ] {
        let answer = client.post("/api/members", &with(&sign_up(), &[(field, value)])).await;
        answer.expect_problem(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_FIELDS", &[field]);
    }
}

#[tokio::test]
async fn of_20_clients_after_one_nickname_exactly_one_gets_it() {
    let client = Client::new();
    let nickname = unique("race");
    let attempts: Vec<_> = (0..20)
        .map(|_| {
            let (client, body) = (client.clone(), with(&sign_up(), &[("nickname", json!(nickname))]));
            tokio::spawn(async move { client.post("/api/members", &body).await })
        })
        .collect();
    let mut created = 0;
    for attempt in attempts {
        match attempt.await.expect("ran") {
            answer if answer.status == 201 => created += 1,
            answer => answer.expect_problem(StatusCode::CONFLICT, "TAKEN_NICKNAME", &["nickname"]),
        }
    }
    assert_eq!(created, 1);
}
