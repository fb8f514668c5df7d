//! Live delivery between hosts.

use crate::database::Database;
use crate::host::{self, Host, Live, Member, until};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_message_reaches_a_peer_on_another_host_in_under_a_second() {
    let database = Database::new().await;
    let (here, there) = (Host::start(&database, &[]).await, Host::start(&database, &[]).await);
    let (one, other) = (here.member().await, there.member().await);
    let room = here.room(&one, &other).await;
    let mut live = there.live(&other.token, None).await;
    let mut slowest = Duration::ZERO;
    for turn in 0..10 {
        let said = Instant::now();
        let sent = here.say(&room, &one, &json!({ "text": format!("{turn}") })).await;
        assert_eq!(live.next().await.expect("a frame")["message"], sent);
        slowest = slowest.max(said.elapsed());
    }
    println!("slowest: {slowest:?}");
    assert!(slowest < Duration::from_secs(1), "{slowest:?}");
    drop((here, there));
    database.drop().await;
}

/// Messages of many rooms, sent at once through two hosts, get ids whose order is not that of their commits.
#[tokio::test]
async fn no_message_is_lost_or_repeated_while_ids_become_visible_out_of_order_and_the_client_reconnects() {
    const PEERS: usize = 6;
    const EACH: usize = 25;
    let database = Database::new().await;
    let hosts = [Host::start(&database, &[]).await, Host::start(&database, &[]).await];
    let member = hosts[0].member().await;
    let mut peers = Vec::new();
    for turn in 0..PEERS {
        let peer = hosts[turn % 2].member().await;
        let room = hosts[0].room(&peer, &member).await;
        peers.push((peer, room));
    }
    let sends = futures_util::future::join_all(peers.iter().enumerate().map(async |(turn, (peer, room))| {
        for said in 0..EACH {
            hosts[(turn + said) % 2]
                .say(room, peer, &json!({ "text": format!("{turn}-{said}") }))
                .await;
        }
    }));
    let receive = receive(&hosts, &member, PEERS * EACH);
    let (_, received) = tokio::join!(sends, receive);
    let distinct: BTreeSet<&String> = received.iter().collect();
    assert_eq!((received.len(), distinct.len()), (PEERS * EACH, PEERS * EACH));
    for turn in 0..PEERS {
        let of_peer = received.iter().filter(|text| text.starts_with(&format!("{turn}-")));
        let expected: Vec<String> = (0..EACH).map(|said| format!("{turn}-{said}")).collect();
        assert!(
            of_peer.eq(&expected),
            "a room's messages are out of order: {received:?}"
        );
    }
    drop(hosts);
    database.drop().await;
}

/// Takes a few messages from one host, goes away, and resumes at the other.
async fn receive(hosts: &[Host], member: &Member, count: usize) -> Vec<String> {
    let (mut texts, mut cursor, mut turn) = (Vec::new(), None::<String>, 0);
    while texts.len() < count {
        // From the very first message, which is the cursor 0.
        let from = cursor.clone().unwrap_or_else(|| "AAAAAAAAAAA".to_owned());
        let mut live = hosts[turn % 2].live(&member.token, Some(&from)).await;
        for _ in 0..17.min(count - texts.len()) {
            let frame = live.next().await.expect("a frame");
            texts.push(frame["message"]["text"].as_str().expect("a text").to_owned());
            cursor = frame["cursor"].as_str().map(str::to_owned);
        }
        turn += 1;
    }
    texts
}

/// A transaction that has taken a low id may commit long after higher ones were delivered.
#[tokio::test]
async fn a_message_that_was_long_in_committing_is_delivered_after_those_that_overtook_it() {
    let database = Database::new().await;
    let (here, there) = (Host::start(&database, &[]).await, Host::start(&database, &[]).await);
    let (slow, quick, member) = (here.member().await, here.member().await, here.member().await);
    let slow_room = here.room(&slow, &member).await;
    let quick_room = here.room(&quick, &member).await;
    let mut live = there.live(&member.token, None).await;

    let late = sqlx::query("INSERT INTO messages (room_id, sender_id, kind, text) VALUES (?, ?, 'text', 'late')");
    let room_id: u64 = slow_room
        .rsplit('/')
        .next()
        .and_then(|id| id.parse().ok())
        .expect("an id");
    let mut transaction = database.pool.begin().await.expect("begun");
    let late = late
        .bind(room_id)
        .bind(slow.id)
        .execute(&mut *transaction)
        .await
        .expect("inserted")
        .last_insert_id();
    // Longer than ids are looked at again.
    let overtaken_until = Instant::now() + Duration::from_secs(11);
    let mut last = 0;
    while Instant::now() < overtaken_until {
        let sent = here.say(&quick_room, &quick, &json!({ "text": "quick" })).await;
        let frame = live.next().await.expect("a frame");
        assert_eq!(frame["message"], sent);
        last = sent["id"].as_u64().expect("an id");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(last > late);
    for statement in [
        "UPDATE inboxes SET last_seq = last_seq + 1 WHERE member_id = ?",
        "INSERT INTO inbox_entries (member_id, seq, message_id) SELECT member_id, last_seq, (SELECT MIN(id) FROM messages) FROM inboxes WHERE member_id = ?",
    ] {
        sqlx::query(statement)
            .bind(member.id)
            .execute(&mut *transaction)
            .await
            .expect("done");
    }
    transaction.commit().await.expect("committed");
    let frame = live.next().await.expect("a frame");
    assert_eq!(
        (&frame["message"]["id"], &frame["message"]["text"]),
        (&json!(late), &json!("late"))
    );
    drop((here, there));
    database.drop().await;
}

#[tokio::test]
async fn connections_of_a_stopping_host_are_closed_with_1012_one_after_the_other_and_resume_elsewhere() {
    let database = Database::new().await;
    let (mut here, there) = (Host::start(&database, &[]).await, Host::start(&database, &[]).await);
    let (one, other) = (there.member().await, there.member().await);
    let room = there.room(&one, &other).await;
    let mut connections = Vec::new();
    for _ in 0..10 {
        connections.push(here.live(&other.token, None).await);
    }
    let first = there.say(&room, &one, &json!({ "text": "before" })).await;
    let mut cursor = Value::Null;
    for live in &mut connections {
        let frame = live.next().await.expect("a frame");
        assert_eq!(frame["message"], first);
        cursor = frame["cursor"].clone();
    }
    here.terminate();
    let told = Instant::now();
    let closings = connections.into_iter().map(|live| tokio::spawn(closed(live)));
    let mut ends = Vec::new();
    for closing in closings.collect::<Vec<_>>() {
        let (code, at) = closing.await.expect("closed");
        assert_eq!(code, 1012);
        ends.push(at.duration_since(told));
    }
    ends.sort();
    assert!(ends[9] - ends[0] > Duration::from_millis(500), "all at once: {ends:?}");
    assert_eq!(here.ended().await, Some(0));
    assert!(told.elapsed() < Duration::from_secs(10), "{:?}", told.elapsed());

    let second = there.say(&room, &one, &json!({ "text": "after" })).await;
    let mut resumed = there.live(&other.token, cursor.as_str()).await;
    assert_eq!(resumed.next().await.expect("a frame")["message"], second);
    drop(there);
    database.drop().await;
}

#[tokio::test]
async fn a_connection_is_cut_when_its_token_expires() {
    let database = Database::new().await;
    let host = Host::start(&database, &[]).await;
    let member = host.member().await;
    let mut live = host.live(&host::token(member.id, Duration::from_secs(2)), None).await;
    let began = Instant::now();
    assert_eq!(live.next().await, Err(4401));
    assert!((1..=4).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
    let mut renewed = host.live(&host::token(member.id, Duration::from_secs(2)), None).await;
    renewed.say(&json!({ "token": member.token })).await;
    let silence = tokio::time::timeout(Duration::from_secs(4), renewed.next()).await;
    assert!(silence.is_err(), "closed though renewed: {silence:?}");
    drop(host);
    database.drop().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_and_holds_up_nobody() {
    let database = Database::new().await;
    let host = Host::start(&database, &[]).await;
    let (one, other) = (host.member().await, host.member().await);
    let room = host.room(&one, &other).await;
    let first = host.say(&room, &one, &json!({ "text": "가".repeat(2_000) })).await;
    let _deaf = host.live(&other.token, None).await;
    assert_eq!(host.live_connections().await, 1);
    // More than the kernel keeps for a client that does not read.
    let body = json!({ "text": "나".repeat(2_000), "quote_id": first["id"] });
    let sends = (0..8).map(async |_| {
        for _ in 0..100 {
            host.say(&room, &one, &body).await;
        }
    });
    futures_util::future::join_all(sends).await;
    let mut live = host.live(&other.token, None).await;
    let sent = host.say(&room, &one, &json!({ "text": "still there" })).await;
    assert_eq!(live.next().await.expect("a frame")["message"], sent);
    until("only the client that reads is left", async || {
        host.live_connections().await == 1
    })
    .await;
    drop(host);
    database.drop().await;
}

async fn closed(mut live: Live) -> (u16, Instant) {
    let code = live.next().await.expect_err("closed");
    (code, Instant::now())
}
